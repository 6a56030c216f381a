"""Constraints as users pass them, read into ids."""

from numbers import Real

import numpy as np

from sklearn_seq2seq._tokens import FIRST_TOKEN, lengths, pad
from sklearn_seq2seq._warnings import warn


def first_of_alike(row, sequences):
    """Places of the first of each row's equal sequences, in order."""
    first = {}
    for k, (i, sequence) in enumerate(zip(row.tolist(), sequences, strict=True)):
        first.setdefault((i, repr(sequence)), k)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def as_column(sequences):
    """Rows of sequences as one column, whatever they are."""
    if sequences.ndim == 1:
        return sequences
    column = np.empty(len(sequences), dtype=object)
    column[:] = list(sequences)
    return column


def banned_ids(tokens, target):
    """Ids of the banned tokens; those of no vocabulary are never predicted anyway."""
    if tokens is None:
        return []
    if target.is_text:
        for token in tokens:
            if not isinstance(token, str | tuple):
                raise ValueError(
                    "banned_tokens must be strings, as the targets are text; got "
                    f"{token!r}."
                )
        banned, names = set(tokens), target.vectorizer._token_strings()
        # Of several columns a token is (column, string); a string is of any column.
        return [
            id_
            for token, id_ in target.vectorizer.vocabulary_.items()
            if token in banned or names[id_] in banned
        ]
    for token in tokens:
        if not (isinstance(token, Real) and float(token).is_integer() and token >= 1):
            raise ValueError(
                f"banned_tokens must be token ids from 1; got {token!r}. To ban the "
                "end, use min_length."
            )
    return [int(token) for token in tokens if token < target.size]


def read_prefix(prefix, target, n_rows):
    tokens, extras = target.read_any(prefix, "prefix")
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
    return tokens


def check_begins_member(prefixes, members):
    """Refuse a prefix with which none of the allowed outputs begins."""
    padded, _ = pad(members)
    sizes = lengths(prefixes)
    for size in np.unique(sizes):
        starts = {row.tobytes() for row in padded[:, :size]}
        rows = np.flatnonzero(sizes == size)
        some, _ = pad(prefixes, rows)
        for row, start in zip(rows, some[:, :size], strict=True):
            if start.tobytes() not in starts:
                raise ValueError(
                    f"The prefix of row {row} begins none of allowed_outputs."
                )


def read_closed_set(outputs, target, banned):
    """Token array of the allowed outputs that can be predicted."""
    if not hasattr(outputs, "shape"):  # a set has no order that could be read twice
        outputs = list(outputs)
    if not (outputs.shape[0] if hasattr(outputs, "shape") else len(outputs)):
        raise ValueError("allowed_outputs is empty: there is nothing to predict.")
    tokens, _ = target.read_any(outputs, "allowed_outputs")
    rows = np.repeat(np.arange(tokens.shape[0]), lengths(tokens))
    unknown = (tokens.data >= target.size) | (tokens.data < FIRST_TOKEN)
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
    padded, _ = pad(tokens)
    padded = np.unique(padded, axis=0)
    nodes = np.zeros(len(padded), dtype=np.int64)
    alive = np.ones(len(padded), dtype=bool)
    edges, n_nodes = [], 1
    for column in padded.T:
        pairs = np.stack((nodes[alive], column[alive]), axis=1)
        found, index = np.unique(pairs, axis=0, return_inverse=True)
        children = n_nodes + np.arange(len(found))
        edges.append(np.column_stack((found, children)))
        nodes[alive] = children[index.reshape(-1)]
        n_nodes += len(found)
        alive &= column != 0
    edges = np.concatenate(edges)
    return edges[np.lexsort((edges[:, 1], edges[:, 0]))]
