"""Constraints: from what users pass to ids."""

from collections.abc import Set
from numbers import Real

import numpy as np

from sklearn_seq2seq._text._analyzer import preview
from sklearn_seq2seq._text._check_input import list_rows
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, lengths
from sklearn_seq2seq._warnings import warn, warn_of_data


def read_banned(tokens, target):
    """Banned tokens as the target side reads them.

    Returns
    -------
    ids : list of int
        The ids of those in the target vocabulary.
    others : set of str, of (str, str) or of int
        The others, which can only be copied.

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
                "Each of banned_tokens must be a string that is one token of the "
                f"targets, which are text; got {token!r}."
            )
        found.update(alike)
    known = found & vocabulary.keys()
    return sorted(vocabulary[token] for token in known), found - known


def warn_of_idle(banned_copies):
    """Warn of banned tokens without effect, since they cannot be predicted anyway.

    `banned_copies` are the others of `read_banned`, if nothing is copied.
    """
    if banned_copies:
        warn_of_data(
            f"{len(banned_copies)} of banned_tokens are not in the target vocabulary, "
            f"and so never predicted: {preview(sorted(banned_copies))}. Check their "
            "spelling."
        )


def _check_banned_id(token):
    if isinstance(token, Real) and float(token).is_integer() and token >= 1:
        return int(token)
    raise ValueError(
        f"banned_tokens must be token ids from 1; got {token!r}. To ban the end, use "
        "min_length."
    )


def allowed_copies(copies, strings, banned, target):
    """Copy banned tokens outside the target vocabulary as the unknown token.

    Parameters
    ----------
    copies : token array
        Copy ids, as of `CopyTable`.
    strings : list of str
        The strings of ids beyond the target vocabulary; none if sides are ids.
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
    """Refuse constraints on whole targets if sources are decoded in chunks."""
    for name, value in (("prefix", prefix), ("allowed_outputs", allowed_outputs)):
        if value is not None:
            raise ValueError(
                f"{name} needs whole sources, but long_source='chunk' decodes some in "
                "pieces. Use another long_source, or max_source_length=None."
            )


def read_prefix(prefix, target, n_rows):
    """Read the tokens that predictions begin with.

    Returns
    -------
    tokens : token array
    combining : ndarray of bool, shape (n_samples, size), or None
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
    return tokens, target.vectorizer._combining(rows) if simple else None


def check_begins_member(prefixes, members):
    """Refuse a prefix with which no allowed output begins."""
    sizes = lengths(prefixes)
    for size in np.unique(sizes):
        long_enough = np.flatnonzero(lengths(members) >= size)
        starts = {row.tobytes() for row in _starts(members, long_enough, size)}
        rows = np.flatnonzero(sizes == size)
        for row, start in zip(rows, _starts(prefixes, rows, size), strict=True):
            if start.tobytes() not in starts:
                raise ValueError(
                    f"The prefix of row {row} begins none of allowed_outputs."
                )


def _starts(tokens, rows, size):
    """The first `size` tokens of rows that have as many: shape (n_rows, size)."""
    return tokens.data[tokens.indptr[rows][:, None] + np.arange(size)]


def read_closed_set(outputs, target, banned):
    """Token array of the allowed outputs that can be predicted."""
    if not hasattr(outputs, "shape"):  # a list, since a set may have another order
        outputs = list(outputs)
    if not (outputs.shape[0] if hasattr(outputs, "shape") else len(outputs)):
        raise ValueError("allowed_outputs is empty: there is nothing to predict.")
    tokens, _ = target.read_any(outputs, "allowed_outputs")
    rows = np.repeat(np.arange(tokens.shape[0]), lengths(tokens))
    # If targets are ids, id 1 is a token like any other.
    first = FIRST_TOKEN if target.is_text else UNKNOWN
    unknown = (tokens.data >= target.size) | (tokens.data < first)
    unknown = np.unique(rows[unknown])
    forbidden = np.unique(rows[np.isin(tokens.data, banned)])
    kept = np.setdiff1d(np.arange(tokens.shape[0]), np.union1d(unknown, forbidden))
    if not len(kept):
        raise ValueError(
            "None of allowed_outputs can be predicted: each holds a token that is not "
            "in the target vocabulary, or a banned one."
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
        Node, token and child, sorted; node 0 is the root, token 0 the end.
    """
    data, counts = np.append(tokens.data, 0), lengths(tokens)
    alive = np.arange(tokens.shape[0])
    nodes = np.zeros(len(alive), dtype=np.int64)  # the node of each row in `alive`
    edges, n_nodes, depth = [], 1, 0
    while len(alive):
        # The token of each row at this depth; 0 where the row ends.
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
