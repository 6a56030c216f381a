"""Constraints as users pass them, read into ids."""

from collections.abc import Set
from numbers import Real

import numpy as np

from sklearn_seq2seq._text._analyzer import few
from sklearn_seq2seq._text._check_input import list_rows
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, lengths
from sklearn_seq2seq._warnings import warn, warn_of_data


def read_banned(tokens, target):
    """Banned tokens as the target side reads them.

    Returns
    -------
    ids : list of int
        Of those in the target vocabulary.
    others : set of str, of (str, str) or of int
        The others, which could only be copied.

    Raises
    ------
    ValueError
        If something is not one token of the targets.
    """
    if tokens is None:
        return [], set()
    tokens = list(tokens) if isinstance(tokens, Set) else tokens
    tokens = list_rows(tokens, "banned_tokens")
    if not target.is_text:
        found = set(map(_check_banned_id, tokens))
        others = {id_ for id_ in found if id_ >= target.size}
        return sorted(found - others), others
    vocabulary = target.vectorizer.vocabulary_
    found = set()
    for token in tokens:
        alike = target.vectorizer._tokens_like(token)
        if not alike:
            raise ValueError(
                "Each of banned_tokens must be one token, and a string, as the targets "
                f"are text; got {token!r}."
            )
        found.update(alike)
    known = found & vocabulary.keys()
    return sorted(vocabulary[token] for token in known), found - known


def warn_of_idle(barred):
    """Warn of banned tokens that cannot be predicted at all, so that banning is idle.

    `barred` are the others of `read_banned`, where nothing is copied.
    """
    if barred:
        warn_of_data(
            f"{len(barred)} of banned_tokens are not in the target vocabulary, and so "
            f"never predicted: {few(sorted(barred))}. Is their spelling right?"
        )


def _check_banned_id(token):
    if isinstance(token, Real) and float(token).is_integer() and token >= 1:
        return int(token)
    raise ValueError(
        f"banned_tokens must be token ids from 1; got {token!r}. To ban the end, use "
        "min_length."
    )


def allowed_copies(copies, strings, banned, target):
    """Make copies of banned tokens that are in no vocabulary unknown.

    Parameters
    ----------
    copies : token array
        As of `CopyTable`.
    strings : list of str
        What the ids beyond the target vocabulary stand for; none where they are ids.
    banned : set
        The others of `read_banned`.
    target : Side

    Returns
    -------
    token array
    """
    if not banned:
        return copies
    if target.is_text:
        ids = [target.size + k for k, x in enumerate(strings) if x in banned]
    else:
        ids = sorted(banned)
    copies = copies.copy()
    copies.data[np.isin(copies.data, ids)] = UNKNOWN
    return copies


def check_chunks_are_free(prefix, allowed_outputs):
    """Refuse options about whole targets, where sources are decoded in pieces."""
    for name, value in (("prefix", prefix), ("allowed_outputs", allowed_outputs)):
        if value is not None:
            raise ValueError(
                f"{name} is about whole targets, but long_source='chunk' decodes some "
                "sources in pieces. Use another long_source, or max_source_length=None."
            )


def read_prefix(prefix, target, n_rows):
    """Read what predictions begin with.

    Returns
    -------
    tokens : token array
    joining : ndarray of bool, shape (n_samples, size), or None
        The tokens that cannot follow, since they would change the last character.
    """
    rows = target.check(prefix, "prefix")
    tokens, extras = target.read_known(rows, "prefix")
    if tokens.shape[0] != n_rows:
        raise ValueError(
            f"prefix must have one entry for each row of X; got {tokens.shape[0]} for "
            f"{n_rows} rows."
        )
    unknown = tokens.data >= target.size
    if unknown.any():
        row = np.repeat(np.arange(n_rows), lengths(tokens))[unknown][0]
        token = int(tokens.data[unknown][0])
        raise ValueError(
            "prefix holds a token that is not in the target vocabulary, in row "
            f"{row}: {extras[token - target.size] if extras else token!r}."
        )
    simple = target.is_text and not target.has_columns
    return tokens, target.vectorizer._joining(rows) if simple else None


def check_begins_member(prefixes, members):
    """Refuse a prefix with which none of the allowed outputs begins."""
    sizes = lengths(prefixes)
    for size in np.unique(sizes):
        # Only members that are long enough, whole up to there.
        long_enough = np.flatnonzero(lengths(members) >= size)
        starts = {row.tobytes() for row in _starts(members, long_enough, size)}
        rows = np.flatnonzero(sizes == size)
        for row, start in zip(rows, _starts(prefixes, rows, size), strict=True):
            if start.tobytes() not in starts:
                raise ValueError(
                    f"The prefix of row {row} begins none of allowed_outputs."
                )


def _starts(tokens, rows, size):
    """The first `size` tokens of rows that have so many, shape (n_rows, size)."""
    return tokens.data[tokens.indptr[rows][:, None] + np.arange(size)]


def read_closed_set(outputs, target, banned):
    """Token array of the allowed outputs that can be predicted."""
    if not hasattr(outputs, "shape"):  # a set has no order that could be read twice
        outputs = list(outputs)
    if not (outputs.shape[0] if hasattr(outputs, "shape") else len(outputs)):
        raise ValueError("allowed_outputs is empty: there is nothing to predict.")
    tokens, _ = target.read_any(outputs, "allowed_outputs")
    rows = np.repeat(np.arange(tokens.shape[0]), lengths(tokens))
    # Where targets are ids, id 1 is a token like any other.
    first = FIRST_TOKEN if target.is_text else UNKNOWN
    unknown = (tokens.data >= target.size) | (tokens.data < first)
    unknown = np.unique(rows[unknown])
    barred = np.unique(rows[np.isin(tokens.data, banned)])
    kept = np.setdiff1d(np.arange(tokens.shape[0]), np.union1d(unknown, barred))
    if not len(kept):
        raise ValueError(
            "None of allowed_outputs can be predicted: every one holds a token that is "
            "not in the target vocabulary, or a banned one."
        )
    if len(unknown):
        warn(
            f"{len(unknown)} of {tokens.shape[0]} allowed_outputs hold tokens that are "
            "not in the target vocabulary and cannot be predicted.",
        )
    return tokens[kept]


def trie_edges(tokens):
    """Compile a token array to a trie.

    Parameters
    ----------
    tokens : csr_array of int32, shape (n_outputs, width)

    Returns
    -------
    ndarray of int64, shape (n_edges, 3)
        Node, token and child, sorted; node 0 is the root, token 0 an end.
    """
    data, counts = np.append(tokens.data, 0), lengths(tokens)
    alive = np.arange(tokens.shape[0])
    nodes = np.zeros(len(alive), dtype=np.int64)  # the node of each row still alive
    edges, n_nodes, depth = [], 1, 0
    while len(alive):
        more = counts[alive] > depth
        column = np.where(more, data[tokens.indptr[alive] + depth * more], 0)
        found, index = np.unique(
            np.stack((nodes, column), axis=1), axis=0, return_inverse=True
        )
        children = n_nodes + np.arange(len(found))
        edges.append(np.column_stack((found, children)))
        nodes, alive = children[index.reshape(-1)][more], alive[more]
        n_nodes, depth = n_nodes + len(found), depth + 1
    edges = np.concatenate(edges)
    return edges[np.lexsort((edges[:, 1], edges[:, 0]))]
