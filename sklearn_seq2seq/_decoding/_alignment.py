"""Which source token each target token comes from, as a table."""

import numpy as np
import torch

from sklearn_seq2seq._decoding import _inference
from sklearn_seq2seq._network._edit_model import Edits, align_edits, fit_edits
from sklearn_seq2seq._tokens import lengths, pad
from sklearn_seq2seq.metrics import GAP

# Cells of the tables that are filled at once.
CELLS = 2**20


def align_by_attention(members, datasets, *, batch_size):
    """Alignments by the attention of those members that have any.

    Parameters
    ----------
    members : list of Member
    datasets : list of PairDataset
        The same pairs as each member reads them.
    batch_size : int

    Returns
    -------
    list of (ndarray of float, ndarray of int64)
        As `_inference.alignments`, and empty without such members; of several the mean
        of their weights, and the positions of most of that.
    """
    found = [
        _inference.alignments(member.network, dataset, batch_size=batch_size)
        for member, dataset in zip(members, datasets, strict=True)
        if member.network.decoder.attention is not None
    ]
    if len(found) <= 1:
        return found[0] if found else []
    means = (
        np.mean([weights for weights, _ in pair], axis=0)
        for pair in zip(*found, strict=True)
    )
    return [(mean, mean.argmax(axis=1)) for mean in means]


def check_same_positions(datasets):
    """Refuse members whose source positions are not the same tokens."""
    first, *others = (data.source_positions for data in datasets)
    for k, other in enumerate(others, 1):
        unlike = np.flatnonzero(first != other)
        if len(unlike):
            row = unlike[0]
            raise ValueError(
                "align needs members that cut sources into tokens alike: row "
                f"{row} of X has {first[row] - 1} tokens for the first member and "
                f"{other[row] - 1} for member {k} (from 0). Ask one of them: "
                "estimators_[0].align(X, y)."
            )


def named_tokens(side, rows, tokens):
    """Tokens of one side, unknown ones kept, and the names of their ids.

    Parameters
    ----------
    side : Side
    rows : data
        Checked.
    tokens : csr_array of int32
        The tokens of the rows, which are used if the side is ids.
    """
    if not side.is_text:
        return tokens, range(int(tokens.data.max(initial=0)) + 1)
    tokens, extras = side.read(rows, "rows", keep_unknown=True)
    return tokens, side.strings(extras)


def alignment_columns(found, sources, targets, first):
    """Lay alignments out as `Seq2SeqTransformer.align` describes.

    Parameters
    ----------
    found : list of (ndarray, ndarray)
        For each pair, the probabilities ``(target positions, source positions)`` and
        the source position of each target position.
    sources, targets : (csr_array of int32, list)
        Tokens and the names of their ids.
    first : ndarray of int64, shape (n_pairs,)
        The first source token that was read: truncation may skip some.
    """
    (source, source_names), (target, target_names) = sources, targets
    # One entry for each target token, of all pairs one after the other.
    sizes = lengths(target)
    n_read = np.array([weights.shape[1] - 1 for weights, _ in found])
    row = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    at = np.concatenate([best[:n] for (_, best), n in zip(found, sizes, strict=True)])
    probability = [
        np.take_along_axis(weights[:n], best[:n, None], axis=1)[:, 0]
        for (weights, best), n in zip(found, sizes, strict=True)
    ]
    at = np.where(at < n_read[row], at + first[row], -1)
    source_token = np.full(len(row), GAP, dtype=object)
    aligned = at >= 0
    ids = source.data[source.indptr[row[aligned]] + at[aligned]]
    source_token[aligned] = _names(source_names, ids)
    return {
        "row": row,
        "source_position": at,
        "target_position": place,
        "source_token": source_token,
        "target_token": _names(target_names, target.data),
        "probability": np.concatenate(probability).astype(np.float64),
    }


def _names(names, ids):
    result = np.empty(len(ids), dtype=object)
    result[:] = [names[k] for k in ids.tolist()]
    return result


def align_by_edits(source, target):
    """Alignments by an edit model that is learned from the pairs themselves.

    Parameters
    ----------
    source, target : csr_array of int32

    Returns
    -------
    list of (ndarray of float64, ndarray of int64)
        As `_inference.alignments`; the last source position stands for no source.
    """
    rows_of, batches, n_edits = _edit_batches(source, target)
    log_probs = fit_edits(batches, n_edits)
    found = [None] * source.shape[0]
    for rows, batch in zip(rows_of, batches, strict=True):
        posterior, best = (x.numpy() for x in align_edits(batch, log_probs))
        for k, row in enumerate(rows):
            n, m = int(batch.n_source[k]), int(batch.n_target[k])
            columns = np.r_[:n, posterior.shape[2] - 1]
            weights = np.zeros((m + 1, n + 1))
            weights[:m] = posterior[k][:m, columns]
            weights[m, n] = 1.0
            found[row] = weights, np.r_[np.minimum(best[k, :m], n), n]
    return found


def _edit_batches(source, target):
    """Batches of pairs of similar length: their rows, their `Edits`, and `n_edits`."""
    n_source, n_target = lengths(source), lengths(target)
    order = np.lexsort((n_source, n_target))
    cells = (n_source + 1) * (n_target + 1)
    cuts = np.flatnonzero(np.diff(np.cumsum(cells[order]) // CELLS)) + 1
    rows_of = np.split(order, cuts)
    # Substitutions are numbered only if they are possible in some pair.
    span, keys, tables = int(target.data.max(initial=0)) + 1, [], []
    for rows in rows_of:
        s, t = (pad(x, rows)[0][:, :-1] for x in (source, target))
        tables.append((rows, s, t))
        keys.append(np.unique(s[:, :, None].astype(np.int64) * span + t[:, None]))
    known = np.unique(np.concatenate(keys))
    n_deletions = int(source.data.max(initial=0)) + 1
    batches = []
    for rows, s, t in tables:
        pairs = np.searchsorted(
            known, s[:, :, None].astype(np.int64) * span + t[:, None]
        )
        # Substitutions come first, then deletions, then insertions.
        numbers = pairs, s + len(known), t + len(known) + n_deletions
        parts = [*numbers, n_source[rows], n_target[rows]]
        batches.append(Edits(*(torch.from_numpy(x.astype(np.int64)) for x in parts)))
    return rows_of, batches, len(known) + n_deletions + span + 1
