"""Decoding sources, and log-probabilities of given targets.

Shapes: N rows (or pieces of rows), K hypotheses a row, B rows of a batch, T target
positions, S source positions.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._decoding._bounds import read_bounds
from sklearn_seq2seq._decoding._constraint_parameters import (
    check_chunks_are_free,
    read_banned,
    warn_of_idle,
)
from sklearn_seq2seq._decoding._max_length import longest_targets, warn_capped
from sklearn_seq2seq._pairs._batches import cut, pair_order, prediction_batches
from sklearn_seq2seq._pairs._copying import check_same_pieces, local_ids
from sklearn_seq2seq._pairs._long_sources import Pieces, shorten
from sklearn_seq2seq._text._check_input import readable_twice
from sklearn_seq2seq._tokens import (
    UNKNOWN,
    TokenRows,
    flatten,
    from_parts,
    lengths,
    pad,
)
from sklearn_seq2seq.runtime import _constraints
from sklearn_seq2seq.runtime._network import States, log_mean_exp
from sklearn_seq2seq.runtime._search import BeamSearch, Greedy, search
from sklearn_seq2seq.runtime._sources import Sources

# The parameters of decoding that `read_bounds` takes.
BOUNDING = ("allowed_outputs", "min_length", "no_repeat_ngram_size", "replace_unknown")
# As for the estimators: this many times the rows of a training batch are decoded at
# once, with at most this many positions a row.
ROWS_FACTOR = 4
ROW_POSITIONS = 64


@dataclass
class Decoded:
    """Result of a search, best first.

    Attributes
    ----------
    ids : TokenRows of shape ``(N * K, width)``
        Each source's hypotheses one after the other.
    log_probs : ndarray of float64 ``(N, K)``
        Minus infinity where a row has fewer hypotheses.
    capped : ndarray of bool ``(N, K)``
        Whether the length limit, not the model, ended the sequence.
    strings : list of str
        The strings of ids beyond the target vocabulary.
    rows : list
        The sources, as each member has checked them.
    sources : list of Sources
        The sources, or their pieces, as each member reads them.
    pieces : list of Pieces, or None
        The pieces that are read; None if all sources are read whole.
    banned : set
        Source tokens that must not be copied.
    """

    ids: TokenRows
    log_probs: np.ndarray
    capped: np.ndarray
    strings: list
    rows: list
    sources: list[Sources]
    pieces: list[Pieces] | None
    banned: set

    def tokens(self, rows, ranks):
        """Token rows of some hypotheses."""
        return self.ids[rows * self.log_probs.shape[1] + ranks]

    @property
    def confidence(self):
        """Probability of each row's best hypothesis."""
        log_probs = self.log_probs[:, 0]
        if self.pieces is not None:
            log_probs = np.add.reduceat(log_probs, self.pieces[0].first)
        return np.exp(log_probs)


def decode(members, params, X, *, prefix=None, n_best=1, whole=None):
    """Search for the best targets, and warn of what was cut.

    Parameters
    ----------
    members : list of Member
    params : dict
        The parameters of decoding.
    X : data
        As a user passed it.
    prefix : data, default=None
    n_best : int, default=1
    whole : str, default=None
        The name of the calling method, if it cannot read sources in chunks.

    Returns
    -------
    Decoded
    """
    target = members[0].target
    banned, banned_copies = read_banned(params["banned_tokens"], target)
    banned = sorted({*banned, *members[0].never_read})
    copied = any(member.copy_table is not None for member in members)
    if not (copied or params["replace_unknown"] == "copy"):
        warn_of_idle(banned_copies)
    rows = [member.check_sources(X) for member in members]
    read = [member.read(x) for member, x in zip(members, rows, strict=True)]
    strings = read[0][1]
    sources = [sources.without(banned_copies, strings, target) for sources, _ in read]
    sources, pieces = _shorten(members, params, rows[0], sources, whole=whole)
    if pieces is not None and params["long_source"] == "chunk":
        check_chunks_are_free(prefix, params["allowed_outputs"])
    limits = longest_targets(
        members,
        target,
        [lengths(s.tokens) for s in sources],
        max_length=params["max_length"],
        min_length=params["min_length"],
    )
    bounds = read_bounds(
        target,
        len(limits),
        banned=banned,
        banned_copies=banned_copies,
        prefix=prefix,
        **{name: params[name] for name in BOUNDING},
    )
    limits = np.maximum(limits, bounds.least)
    options = bounds.options(_constraints)
    n_rows = ROWS_FACTOR * params["batch_size"]
    parts = []
    most = ROW_POSITIONS * n_rows // max(params["beam_width"], n_best)
    for batch in prediction_batches(sources[0].tokens, n_rows, most):
        batch_sources = [s[batch] for s in sources]
        ids, *scores = _search(
            members, params, batch_sources, limits[batch], n_best, options(batch)
        )
        ids = members[0].name_copies(ids[:, :n_best], batch_sources[0])
        parts.append(((batch, *flatten(ids)), *(x[:, :n_best] for x in scores)))
    if target.is_text:
        names = target.vectorizer._token_strings()
        banned_copies = banned_copies | {names[id_] for id_ in banned}
    scattered = _scatter(parts, len(limits), target.width)
    found = Decoded(*scattered, strings, rows, sources, pieces, banned_copies)
    capped = found.capped[:, 0] & (limits > 0)
    if not target.is_text:  # no longer than the arrays given to `fit`
        capped &= limits < target.width
    warn_capped(capped, limits, pieces)
    return found


def _search(members, params, sources, limits, n_best, options):
    states = States(m.start(s) for m, s in zip(members, sources, strict=True))
    if sources[0].copies is not None:
        copies = _constraints.Copies(
            states[0].sources["copy_ids"], members[0].target.size
        )
        options["constraints"] = [copies, *options["constraints"]]
    width = max(params["beam_width"], n_best)
    strategy = Greedy()
    if width > 1:
        strategy = BeamSearch(width, n_best, params["length_penalty"])

    def step(states, previous):
        steps = [
            member.network.step(state, previous)
            for member, state in zip(members, states, strict=True)
        ]
        after = States(state for _, state in steps)
        if len(steps) == 1:
            return steps[0][0], after
        return log_mean_exp(np.stack([x for x, _ in steps])), after

    return search(step, states, limits, strategy, **options)


def _scatter(parts, n_samples, width):
    n_best = max(log_probs.shape[1] for _, log_probs, _ in parts)
    log_probs = np.full((n_samples, n_best), -np.inf)
    capped = np.zeros((n_samples, n_best), dtype=bool)
    for (rows, *_), scores, caps in parts:
        log_probs[rows, : scores.shape[1]] = scores
        capped[rows, : caps.shape[1]] = caps
    ids = from_parts([part[0] for part in parts], log_probs.shape, width, TokenRows)
    return ids, log_probs, capped


def _shorten(members, params, rows, sources, *, whole=None):
    limits = {
        "limit": params["max_source_length"],
        "long_source": params["long_source"],
    }
    return shorten(members, rows, sources, whole=whole, **limits)


# Given targets ----------------------------------------------------------------------


def log_likelihood(members, params, X, y=None):
    """Log-probability of each row's target with its end: float64 ``(N,)``."""
    X = readable_twice(X)
    y = members[0].target.check(X if y is None else y, "y")
    rows = [member.check_sources(X) for member in members]
    read = [member.read(x) for member, x in zip(members, rows, strict=True)]
    targets = [
        member.read_target(y, *pair) for member, pair in zip(members, read, strict=True)
    ]
    sources = [sources for sources, _ in read]
    sizes = [sources[0].tokens.shape[0], targets[0].shape[0]]
    if sizes[0] != sizes[1]:
        raise ValueError(f"X and y have different numbers of rows: {sizes}.")
    sources, _ = _shorten(members, params, rows[0], sources, whole="log_likelihood")
    totals = np.empty(sizes[0])
    n_rows = ROWS_FACTOR * params["batch_size"]
    positions = np.column_stack(
        [lengths(x) + 1 for x in (sources[0].tokens, targets[0])]
    )
    order = pair_order(*positions.T)
    for rows in cut(order, positions, n_rows, 2 * ROW_POSITIONS * n_rows):
        log_probs = log_mean_exp(
            np.stack(
                [
                    forced(member, source[rows], target[rows])[0]
                    for member, source, target in zip(
                        members, sources, targets, strict=True
                    )
                ]
            )
        )
        beyond = np.arange(log_probs.shape[1]) >= positions[rows, 1][:, None]
        totals[rows] = np.where(beyond, 0, log_probs).sum(axis=1)
    return totals


def forced(member, sources, targets, weights=False):
    """Log-probabilities of given targets, position by position, by one member.

    Parameters
    ----------
    member : Member
    sources : Sources
    targets : TokenRows
    weights : bool, default=False
        Whether to return attention weights.

    Returns
    -------
    log_probs : ndarray of float64 ``(B, T)``
    weights : ndarray of float32 ``(B, T, S)``, or None
    """
    target, _ = pad(targets)
    if sources.copies is not None:
        target = local_ids(target, pad(sources.copies)[0], member.target.size)
    state = member.start(sources)
    previous = np.zeros(len(target), dtype=np.int64)
    log_probs, attention = [], []
    for column in target.T:
        if weights:
            step, state, weight = member.network.step_with_weights(state, previous)
            attention.append(weight)
        else:
            step, state = member.network.step(state, previous)
        log_probs.append(step[np.arange(len(column)), column].astype(np.float64))
        previous = np.ascontiguousarray(column)
    attention = np.stack(attention, axis=1) if weights else None
    return np.stack(log_probs, axis=1), attention


def replace_unknown(members, params, found, rows, tokens):
    """Replace each unknown token by the source token with most attention, as typed.

    Parameters
    ----------
    members : list of Member
    params : dict
    found : Decoded
    rows : ndarray of int ``(n_targets,)``
        The row of each target.
    tokens : TokenRows
        The targets.

    Returns
    -------
    tokens : TokenRows
    strings : list of str
        The strings of ids beyond the target vocabulary.
    """
    attending = [k for k, m in enumerate(members) if m.network.attends]
    if not attending:
        raise ValueError(
            "replace_unknown='copy' needs a network with attention; got attention=None."
        )
    k = attending[0]
    member, target = members[k], members[k].target
    if not (member.source.is_text and target.is_text):
        raise ValueError("replace_unknown='copy' needs text on both sides.")
    check_same_pieces(member.source, target, "replace_unknown='copy'")
    owner = np.repeat(np.arange(len(rows)), lengths(tokens))
    targets = np.unique(owner[tokens.data == UNKNOWN])
    strings = list(found.strings)
    if not len(targets):
        return tokens, strings
    sources, extras = member.source.read(found.rows[k], "X", keep_unknown=True)
    if found.pieces is not None:
        sources = found.pieces[k].take(sources)
    names = [*member.source.vectorizer._token_strings(), *extras]
    banned = np.array([name in found.banned for name in names])
    tokens = tokens.copy()
    for j in targets:
        row = rows[j]
        _, weights = forced(member, found.sources[k][[row]], tokens[[j]], weights=True)
        read = sources.data[sources.indptr[row] : sources.indptr[row + 1]]
        if not len(read):
            continue
        written = tokens.data[tokens.indptr[j] : tokens.indptr[j + 1]]  # a view
        at = np.flatnonzero(written == UNKNOWN)
        attended = read[weights[0, at, : len(read)].argmax(axis=1)]
        at, attended = at[~banned[attended]], attended[~banned[attended]]
        written[at] = target.size + len(strings) + np.arange(len(at))
        strings += [names[i] for i in attended]
    return tokens, strings
