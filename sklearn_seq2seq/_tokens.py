"""The token array: sequences of token ids as a ``scipy.sparse.csr_array``.

A set of sequences is an int32 CSR array of shape (n_samples, max_length): the padded
matrix of every tutorial with its padding left out. Two ids are reserved:

0
    the boundary. It is never stored: the first unstored position after a row's tokens
    *is* the end of the sequence; decoding starts from it and padding looks like it.
1
    the unknown token.

So a row's sequence is its non-zero entries in column order, every row, the empty one
included, has one position more to read (and to predict) than it has tokens, and no
begin or end symbol ever enters the array. Mask by length, never by value.
"""

from itertools import pairwise

import numpy as np

BOUNDARY = 0

UNKNOWN = 1

UNKNOWN_STRING = "\ufffd"

FIRST_TOKEN = 2


def from_flat(ids, lengths, width):
    """Build a token array from concatenated sequences.

    Parameters
    ----------
    ids : array-like of int, shape (n_tokens,)
        The tokens of all rows, one row after the other.
    lengths : array-like of int, shape (n_samples,)
        Tokens per row.
    width : int
        Number of columns; rows must not be longer.

    Returns
    -------
    csr_array of int32, shape (n_samples, width)
    """
    # Not at the top: `sklearn_seq2seq.runtime` uses this module without scipy.
    from scipy import sparse

    indptr = row_ends(lengths)
    index_dtype = np.int32 if indptr[-1] <= np.iinfo(np.int32).max else np.int64
    indptr = indptr.astype(index_dtype)
    columns = positions(indptr).astype(index_dtype, copy=False)
    data = np.asarray(ids, dtype=np.int32)
    return sparse.csr_array((data, columns, indptr), shape=(len(lengths), width))


def row_ends(lengths):
    """CSR ``indptr``: where each row begins and ends in the concatenated rows."""
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


class TokenRows:
    """A token array without scipy: what this package reads of a ``csr_array``.

    Parameters
    ----------
    ids, lengths, width
        As of `from_flat`.
    """

    def __init__(self, ids, lengths, width):
        self.data = np.asarray(ids, dtype=np.int32)
        self.indptr = row_ends(lengths)
        self.shape = (len(lengths), width)

    def copy(self):
        return TokenRows(self.data.copy(), lengths(self), self.shape[1])

    def __getitem__(self, rows):
        rows = np.arange(self.shape[0])[rows]
        counts = lengths(self)[rows]
        place = np.repeat(self.indptr[rows] - row_ends(counts)[:-1], counts)
        ids = self.data[place + np.arange(len(place))]
        return TokenRows(ids, counts, self.shape[1])

    def toarray(self):
        dense = np.zeros(self.shape, dtype=np.int32)
        dense[np.arange(self.shape[1]) < lengths(self)[:, None]] = self.data
        return dense


class RowViews:
    """Rows that lie anywhere in one flat array of ids, such as a file's.

    Any selection of rows, and any part of each, is again such an object: ids are read
    where they are padded and nowhere else.

    Parameters
    ----------
    ids : ndarray of int, shape (n_ids,)
    starts, counts : ndarray of int, shape (n_samples,)
        Where each row begins in `ids`, and how many it has.
    width : int
        Number of columns.
    key : str
        A hash of `ids`.
    """

    def __init__(self, ids, starts, counts, width, key):
        self.ids = ids
        self.starts = starts
        self.counts = counts
        self.shape = (len(counts), width)
        self.key = key

    def __getitem__(self, rows):
        return self.part(rows, 0, self.counts[rows])

    def part(self, rows, first, counts):
        """So many tokens of each of some rows, from the token `first` on."""
        starts = self.starts[rows] + first
        return RowViews(self.ids, starts, counts, self.shape[1], self.key)


def like(tokens, ids, lengths, width):
    """`from_flat`, as an array of the same kind as `tokens`."""
    make = TokenRows if isinstance(tokens, TokenRows) else from_flat
    return make(ids, lengths, width)


def as_tokens(X, name=None):
    """Bring a validated array of ids into the canonical form of this module.

    Explicit zeros and holes vanish and indices are sorted; the input is never written.

    Parameters
    ----------
    X : ndarray or sparse array of numbers, shape (n_samples,) or (n_samples, width)
        Non-negative, finite; checked beforehand by scikit-learn's ``validate_data``.
        One dimension is one token a row, or none.
    name : str, default=None
        How messages call the data.

    Returns
    -------
    csr_array of int32, shape (n_samples, width)

    Raises
    ------
    ValueError
        If an id is not a whole number, or does not fit in 32 bits.
    """
    from scipy import sparse

    # scipy's sparse arrays take neither half precision nor another byte order.
    half = X.dtype == np.float16
    X = X.astype(np.float32 if half else X.dtype.newbyteorder("="), copy=False)
    X = sparse.csr_array(X[:, None] if X.ndim == 1 else X)
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    keep = X.data != 0
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))[keep]
    data = X.data[keep]
    check_whole_numbers(data, rows, name)
    return from_flat(data, np.bincount(rows, minlength=X.shape[0]), X.shape[1])


def check_whole_numbers(data, rows, name=None):
    """Check the ids of tokens; `rows` are those that messages name."""
    of_name = f" of {name}" if name else ""
    wrong = data != np.floor(data)
    if wrong.any():
        first = np.flatnonzero(wrong)[0]
        raise ValueError(
            "Token ids must be whole numbers; "
            f"got {data[first].item()!r} in row {rows[first]}{of_name}."
        )
    large = data > np.iinfo(np.int32).max - 1
    if large.any():
        first = np.flatnonzero(large)[0]
        raise ValueError(
            "Token ids must be below 2**31 - 1; "
            f"got {data[first].item()!r} in row {rows[first]}{of_name}."
        )


def with_strings(tokens, strings):
    """Give a token array what its ids stand for: one string each, from id 0.

    Whoever is handed ids alone, as the step of a Pipeline is, sees there whether they
    still mean the same. Parts and copies of the array have none.
    """
    tokens.id_strings = strings
    return tokens


def strings_of(data):
    """What the ids of an array stand for, or None where it does not say."""
    strings = getattr(data, "id_strings", None)
    return strings if isinstance(strings, list) else None  # and no column of a frame


def as_lists(tokens):
    """Make a list of each row's ids."""
    flat, ends = tokens.data.tolist(), tokens.indptr.tolist()
    return [flat[start:end] for start, end in pairwise(ends)]


def positions(indptr):
    """Each token's place in its row, shape (n_tokens,), from a CSR ``indptr``."""
    return np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))


def lengths(tokens):
    """Tokens per row, int64 of shape (n_samples,); int32 of `RowViews`."""
    if isinstance(tokens, RowViews):
        return tokens.counts
    return np.diff(tokens.indptr).astype(np.int64, copy=False)


def pad(tokens, rows=None):
    """Make rows dense, with their boundary.

    Parameters
    ----------
    tokens : csr_array, TokenRows or RowViews, shape (n_samples, max_length)
    rows : array of int, shape (n_rows,), default=None
        The rows to take, all by default.

    Returns
    -------
    padded : ndarray of int64, shape (n_rows, longest + 1)
        Zero-filled; at least one boundary closes every row.
    n_positions : ndarray of int64, shape (n_rows,)
        Positions that count, the boundary included: tokens + 1.
    """
    rows = np.arange(tokens.shape[0]) if rows is None else np.asarray(rows)
    ids, counts = gather(tokens, rows)
    width = int(counts.max(initial=0)) + 1
    padded = np.zeros((len(counts), width), dtype=np.int64)
    padded[np.arange(width) < counts[:, None]] = ids
    return padded, counts + 1


def gather(tokens, rows):
    """The ids of some rows, one row after the other, and how many each has."""
    # Only these rows: the array may have a million.
    if isinstance(tokens, RowViews):
        data, starts, counts = tokens.ids, tokens.starts[rows], tokens.counts[rows]
    else:
        data, starts = tokens.data, tokens.indptr[rows]
        counts = tokens.indptr[rows + 1] - starts
    counts = counts.astype(np.int64, copy=False)
    ends = np.cumsum(counts)
    flat = np.arange(ends[-1] if len(ends) else 0)
    flat += np.repeat(starts - (ends - counts), counts)
    return data[flat], counts


def unpad(padded, width):
    """Token array of width `width` from zero-terminated rows.

    Parameters
    ----------
    padded : ndarray of int, shape (n_samples, n_steps)
        What follows a row's first zero is ignored.
    width : int
        Columns of the result; at least the longest row.

    Returns
    -------
    csr_array of int32, shape (n_samples, width)
    """
    ids, counts = flatten(padded)
    return from_flat(ids, counts, width)


def flatten(padded):
    """Ids before each row's first zero, one row after the other, and their number."""
    live = np.logical_and.accumulate(padded != BOUNDARY, axis=-1)
    return padded[live].astype(np.int32), live.sum(axis=-1)


def from_parts(parts, shape, width, make=from_flat):
    """Token array of sequences that were made in parts, never padded to one length.

    Parameters
    ----------
    parts : list of (ndarray of int, ndarray of int32, ndarray of int)
        Samples of the part, shape (n_rows,), and of `flatten` the ids and the number of
        tokens, shape (n_rows, k), of the first k sequences of each.
    shape : (int, int)
        Samples, and sequences of each.
    width : int
        Columns of the result, at least.
    make : callable, default=from_flat

    Returns
    -------
    token array, shape (n_samples * n_sequences, width)
    """
    counts = np.zeros(shape, dtype=np.int64)
    for rows, _, some in parts:
        counts[rows, : some.shape[1]] = some
    starts = row_ends(counts.ravel())[:-1].reshape(shape)
    ids = np.empty(counts.sum(), dtype=np.int32)
    for rows, flat, some in parts:
        shift = starts[rows, : some.shape[1]].ravel() - row_ends(some.ravel())[:-1]
        ids[np.arange(len(flat)) + np.repeat(shift, some.ravel())] = flat
    return make(ids, counts.ravel(), max(width, int(counts.max(initial=0))))


def equal_rows(tokens, others):
    """Whether each row has the same tokens as its counterpart, bool of (n_samples,)."""
    counts = lengths(tokens)
    same = counts == lengths(others)
    data, other_data = (x.data[np.repeat(same, lengths(x))] for x in (tokens, others))
    same[np.repeat(same.nonzero()[0], counts[same])[data != other_data]] = False
    return same


def canonical_order(tokens):
    """Order the rows by length, then by content.

    The same set of rows gets the same batches however it was shuffled, so that results
    do not depend on the order of the input to the last bit.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    counts = lengths(tokens)
    place = positions(tokens.indptr).astype(np.uint64)
    # A 64-bit hash of each row: cheaper than comparing rows, and a clash of two rows
    # of one length would cost no more than their canonical order.
    mixed = (tokens.data.astype(np.uint64) + np.uint64(1)) * _scramble(place)
    totals = np.zeros(len(mixed) + 1, dtype=np.uint64)
    np.cumsum(mixed, out=totals[1:])
    content = totals[tokens.indptr[1:]] - totals[tokens.indptr[:-1]]
    return np.lexsort((content, counts))


def _scramble(x):
    """Mix the bits of 64-bit integers (the finaliser of splitmix64)."""
    x = (x + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
