"""Unknown tokens in predictions, replaced by source tokens."""

import numpy as np

from sklearn_seq2seq._decoding import _inference
from sklearn_seq2seq._pairs._copying import check_same_pieces
from sklearn_seq2seq._tokens import UNKNOWN, lengths


def replace_unknown(model, found, rows, tokens, *, batch_size):
    """Replace each unknown token by the source token with most attention, as typed.

    Parameters
    ----------
    model : FittedModel
    found : Found
        The search that the targets come from.
    rows : ndarray of int, shape (n_targets,)
        The row of the search's data sets for each target.
    tokens : csr_array, shape (n_targets, width)
        The targets.
    batch_size : int

    Returns
    -------
    tokens : csr_array
    strings : list of str
        The strings of ids beyond the target vocabulary.

    Raises
    ------
    ValueError
        If no member has attention, or sides are ids.
    """
    first, member = _first_with_attention(model)
    source, target = member.reader.source, member.reader.target
    if not (source.is_text and target.is_text):
        raise ValueError("replace_unknown='copy' needs text on both sides.")
    check_same_pieces(source, target, "replace_unknown='copy'")
    strings = list(found.strings)
    targets = np.repeat(np.arange(len(rows)), lengths(tokens))
    targets = np.unique(targets[tokens.data == UNKNOWN])
    if not len(targets):
        return tokens, strings
    rows = rows[targets]
    dataset = found.datasets[first].take(rows)
    pairs = member.reader.dataset(dataset.source, tokens[targets], dataset.copies)
    weights = _inference.attention_weights(member.network, pairs, batch_size=batch_size)
    sources, extras = source.read(found.rows[first], "X", keep_unknown=True)
    if found.pieces is not None:
        sources = found.pieces[first].take(sources)
    names = [*source.vectorizer._token_strings(), *extras]
    banned = np.array([name in found.banned for name in names])
    tokens = tokens.copy()
    for row, k, weight in zip(rows, targets, weights, strict=True):
        read = sources.data[sources.indptr[row] : sources.indptr[row + 1]]
        if not len(read):
            continue
        written = tokens.data[tokens.indptr[k] : tokens.indptr[k + 1]]  # a view
        at = np.flatnonzero(written == UNKNOWN)
        attended = read[weight[at, : len(read)].argmax(axis=1)]
        at, attended = at[~banned[attended]], attended[~banned[attended]]
        written[at] = target.size + len(strings) + np.arange(len(at))
        strings += [names[i] for i in attended]
    return tokens, strings


def _first_with_attention(model):
    for k, member in enumerate(model.members):
        if member.network.decoder.attention is not None:
            return k, member
    raise ValueError(
        "replace_unknown='copy' needs a network with attention; got attention=None."
    )
