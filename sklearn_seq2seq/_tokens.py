"""The token array: sequences of token ids as a ``scipy.sparse.csr_array``.

A set of sequences is an int32 CSR array of shape (n_samples, max_length): the usual
padded matrix, without storing the padding. Two ids are reserved:

0
    the boundary. It is never stored: the first unstored position after a row's tokens
    is the end of the sequence; decoding starts from it, and padding looks like it.
1
    the unknown token.

So a row's sequence is its non-zero entries in column order. Every row, even an empty
one, has one position more to read (and to predict) than it has tokens, and there are no
begin and end symbols in the array. Mask by length, never by value.
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
    """The CSR ``indptr``: where each row begins and ends in the concatenated rows."""
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr


class TokenRows:
    """A token array without scipy, with what this package uses of a ``csr_array``.

    Parameters
    ----------
    ids, lengths, width
        As for `from_flat`.
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
    """Rows of a token array as views of one flat array of ids, such as that of a file.

    Selections of rows, and parts of rows, are views too: ids are read only when they
    are padded.

    Parameters
    ----------
    ids : ndarray of int, shape (n_ids,)
    starts, counts : ndarray of int, shape (n_samples,)
        Where each row begins in `ids`, and its number of tokens.
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
        """Parts of some rows: `counts` tokens of each, from the token `first` on."""
        starts = self.starts[rows] + first
        return RowViews(self.ids, starts, counts, self.shape[1], self.key)


def like(tokens, ids, lengths, width):
    """`from_flat`, for an array of the same class as `tokens`."""
    make = TokenRows if isinstance(tokens, TokenRows) else from_flat
    return make(ids, lengths, width)


def as_tokens(X, name=None):
    """Convert a validated array of ids to the canonical form of this module.

    Explicit zeros and gaps are removed and indices sorted; the input is not changed.

    Parameters
    ----------
    X : ndarray or sparse array of numbers, shape (n_samples,) or (n_samples, width)
        Non-negative and finite, as scikit-learn's ``validate_data`` has checked. One
        dimension holds one token a row, or none.
    name : str, default=None
        The name of the data in messages.

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
    """Check that ids are whole numbers of 32 bits; `rows` are those of each id."""
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
    """Attach the strings of ids, from id 0 on, to a token array.

    The next step of a Pipeline, which gets only ids, uses them to check that ids still
    mean the same. Parts and copies of the array have none.
    """
    tokens.id_strings = strings
    return tokens


def strings_of(data):
    """The strings of an array's ids, or None if it has none attached."""
    strings = getattr(data, "id_strings", None)
    return strings if isinstance(strings, list) else None  # not a frame's column


def as_lists(tokens):
    """Make a list of each row's ids."""
    flat, ends = tokens.data.tolist(), tokens.indptr.tolist()
    return [flat[start:end] for start, end in pairwise(ends)]


def positions(indptr):
    """Each token's place in its row, shape (n_tokens,), from a CSR ``indptr``."""
    return np.arange(indptr[-1]) - np.repeat(indptr[:-1], np.diff(indptr))


def lengths(tokens):
    """Tokens per row: int64 of shape (n_samples,), int32 for `RowViews`."""
    if isinstance(tokens, RowViews):
        return tokens.counts
    return np.diff(tokens.indptr).astype(np.int64, copy=False)


def pad(tokens, rows=None):
    """Pad rows to one length, with a boundary after each.

    Parameters
    ----------
    tokens : csr_array, TokenRows or RowViews, shape (n_samples, max_length)
    rows : array of int, shape (n_rows,), default=None
        The rows to take, all by default.

    Returns
    -------
    padded : ndarray of int64, shape (n_rows, longest + 1)
        Zero-filled; every row ends in at least one boundary.
    n_positions : ndarray of int64, shape (n_rows,)
        Positions of each row without padding: tokens + 1.
    """
    rows = np.arange(tokens.shape[0]) if rows is None else np.asarray(rows)
    ids, counts = gather(tokens, rows)
    width = int(counts.max(initial=0)) + 1
    padded = np.zeros((len(counts), width), dtype=np.int64)
    padded[np.arange(width) < counts[:, None]] = ids
    return padded, counts + 1


def gather(tokens, rows):
    """The ids of some rows, one row after the other, and the number in each row."""
    # Only these rows are touched: the array may have a million.
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


def flatten(padded):
    """The ids before each row's first zero, concatenated, and their number in each."""
    live = np.logical_and.accumulate(padded != BOUNDARY, axis=-1)
    return padded[live].astype(np.int32), live.sum(axis=-1)


def from_parts(parts, shape, width, make=from_flat):
    """Token array of sequences that come in parts, without padding to one length.

    Parameters
    ----------
    parts : list of (ndarray of int, ndarray of int32, ndarray of int)
        The samples of a part, shape (n_rows,), and the result of `flatten` for the
        first k sequences of each: ids, and numbers of tokens of shape (n_rows, k).
    shape : (int, int)
        Number of samples, and of sequences of each.
    width : int
        Least number of columns of the result.
    make : callable, default=from_flat

    Returns
    -------
    token array, shape (n_samples * n_sequences, width)
    """
    counts = np.zeros(shape, dtype=np.int64)
    for rows, _, n_tokens in parts:
        counts[rows, : n_tokens.shape[1]] = n_tokens
    starts = row_ends(counts.ravel())[:-1].reshape(shape)
    ids = np.empty(counts.sum(), dtype=np.int32)
    for rows, flat, n_tokens in parts:
        # From a sequence's place in the part to its place in the result.
        shift = starts[rows, : n_tokens.shape[1]].ravel()
        shift = shift - row_ends(n_tokens.ravel())[:-1]
        ids[np.arange(len(flat)) + np.repeat(shift, n_tokens.ravel())] = flat
    return make(ids, counts.ravel(), max(width, int(counts.max(initial=0))))


def equal_rows(tokens, others):
    """Whether each row has the same tokens in both arrays: bool, (n_samples,)."""
    counts = lengths(tokens)
    same = counts == lengths(others)
    data, other_data = (x.data[np.repeat(same, lengths(x))] for x in (tokens, others))
    same[np.repeat(same.nonzero()[0], counts[same])[data != other_data]] = False
    return same


def canonical_order(tokens):
    """Order the rows by length, then by content.

    A set of rows gets the same batches in any order, so that results do not depend on
    the order of the rows, to the last bit.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    counts = lengths(tokens)
    place = positions(tokens.indptr).astype(np.uint64)
    # A 64-bit hash of each row is cheaper than comparing rows. A collision of two rows
    # of one length would only affect their canonical order.
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
