"""Checks of the containers that users pass.

`sklearn_seq2seq.runtime` checks text without scikit-learn and scipy, so the other
checks import them where they need them.
"""

import sys
from collections.abc import Iterable, Mapping, Set
from itertools import chain
from numbers import Number
from operator import itemgetter

import numpy as np

from sklearn_seq2seq._tokens import as_tokens

_ROW_KINDS = (list, tuple, np.ndarray)


def check_columns(X):
    """Bring data into a frame, a 2-D array, or a list of rows."""
    if isinstance(X, np.ndarray) and X.ndim == 1:
        rows = X.tolist()
        # As `inverse_transform` returns them.
        X = rows if all(isinstance(row, tuple) for row in rows) else X
    if hasattr(X, "shape"):
        if len(X.shape) != 2:
            raise ValueError(f"X must have rows and columns; got shape {X.shape}.")
        return X
    if isinstance(X, str | bytes | Mapping | Set) or not isinstance(X, Iterable):
        raise TypeError(
            "X must be a frame, a 2-D array or a list of tuples; "
            f"got a {type(X).__name__}."
        )
    rows = list(X)
    for i, row in enumerate(rows):
        if not isinstance(row, list | tuple | np.ndarray):
            raise ValueError(
                f"Row {i} of X must be a tuple with an item for each column; "
                f"got a {type(row).__name__}."
            )
    return rows


def take_column(X, column, name):
    """Take one column, by name or position."""
    # `columns` of an Arrow table are the data, not the names.
    names = list(getattr(X, "column_names", getattr(X, "columns", ())))
    if isinstance(column, str):
        if column not in names:
            raise ValueError(
                f"Column {name!r} is not in X: there is no {column!r} among "
                f"{names if names else 'its columns, which have no names'}."
            )
        return X[column]
    if not isinstance(X, list):
        if not -X.shape[1] <= column < X.shape[1]:
            raise ValueError(
                f"Column {name!r} is not in X: there is no position {column} in shape "
                f"{tuple(X.shape)}."
            )
        if names:
            return X.iloc[:, column] if hasattr(X, "iloc") else X[names[column]]
        return X[:, column]
    try:
        return list(map(itemgetter(column), X))
    except IndexError as error:
        short = next(i for i, row in enumerate(X) if not -len(row) <= column < len(row))
        raise ValueError(
            f"Column {name!r} is not in row {short} of X: there is no position "
            f"{column} among {len(X[short])} items."
        ) from error


def is_raw(X):
    """Whether `X` holds text or lists of tokens, rather than token ids.

    Parameters
    ----------
    X : object
        What a user passed as data.

    Returns
    -------
    bool
        False for arrays, frames, sparse matrices and nested lists of numbers. True for
        what `check_raw` accepts, and for what its error messages explain best.
    """
    if _is_sparse(X):
        return False
    if hasattr(X, "__array__"):
        X = np.asarray(X)
        if X.dtype.kind not in "OSUT":
            return False
        return _holds_text(X.ravel().tolist(), strict=X.ndim > 1)
    if isinstance(X, list | tuple | range):
        return _holds_text(X, strict=False)
    return True


def _is_sparse(X):
    """Whether `X` is a sparse array; scipy is not imported to find out."""
    sparse = sys.modules.get("scipy.sparse")
    return sparse is not None and sparse.issparse(X)


def _holds_text(values, strict):
    """Whether values are text: with `strict`, only strings; else all but numbers."""
    types = set(map(type, values))
    if any(issubclass(kind, str | bytes) for kind in types):
        return True
    if any(issubclass(kind, _ROW_KINDS) for kind in types):
        rows = (row for row in values if isinstance(row, _ROW_KINDS))
        lists = (row.ravel().tolist() if hasattr(row, "ravel") else row for row in rows)
        cells = list(chain.from_iterable(lists))
        return not cells or _holds_text(cells, strict=True)
    return not strict and not (types and all(issubclass(t, Number) for t in types))


def check_raw(X, name="X", copy=True):
    """Bring raw data into a list of strings or a list of lists of strings.

    Parameters
    ----------
    X : iterable of str, or of lists, tuples or arrays of str
        Any iterable, a 1-D array, a Series, or a frame or 2-D array of one column.
    name : str, default="X"
        How messages call the data.
    copy : bool, default=True
        Whether to copy rows that are lists of tokens already.

    Returns
    -------
    list of str or list of list of str
        One item per row.

    Raises
    ------
    ValueError
        If there are no rows or several columns, or if a row is missing, a number,
        bytes, not of the same kind as the first, or holds a token that is not a str.
    TypeError
        If `X` is no ordered collection of rows.
    """
    rows = list_rows(X, name)
    if not rows:
        raise ValueError(
            f"Found array with 0 sample(s) in {name} while a minimum of 1 is required."
        )
    types = set(map(type, rows))
    if types == {str}:
        return rows
    if all(issubclass(kind, str) for kind in types):
        return list(map(str, rows))
    if not all(issubclass(kind, _ROW_KINDS) for kind in types):
        _raise_bad_row(rows, name)
    if copy or types != {list}:
        rows = [r.tolist() if isinstance(r, np.ndarray) else list(r) for r in rows]
    types = set(map(type, chain.from_iterable(rows)))
    if types <= {str}:
        return rows
    if not all(issubclass(kind, str) for kind in types):
        _raise_bad_token(rows, name)
    return [list(map(str, row)) for row in rows]


def list_rows(X, name):
    """Make a list of the items of any ordered container, or frame of one column."""
    if isinstance(X, str | bytes):
        raise ValueError(
            f"{name} must be an iterable of strings; got a single "
            f"{type(X).__name__}: wrap it in a list."
        )
    if isinstance(X, Mapping | Set) or _is_sparse(X):
        raise TypeError(
            f"{name} must be a list, array or column of strings or of token lists; "
            f"got a {type(X).__name__}."
        )
    if len(getattr(X, "shape", ())) > 1:
        X = _only_column(X, name)
    for method in ("to_list", "tolist", "to_pylist"):
        if hasattr(X, method):
            rows = getattr(X, method)()
            break
    else:
        if not isinstance(X, Iterable) and hasattr(X, "__array__"):
            X = np.asarray(X).tolist()
        rows = list(X) if isinstance(X, Iterable) else None
    if not isinstance(rows, list):
        raise TypeError(
            f"{name} must be an iterable of strings or of token lists; "
            f"got {type(X).__name__}."
        )
    return rows


def _only_column(X, name):
    if len(X.shape) > 2 or X.shape[1] != 1:
        raise ValueError(
            f"{name} must be one column of strings or of token lists; got shape "
            f"{tuple(X.shape)}. Select a column, or use ColumnVectorizer for several."
        )
    if hasattr(X, "iloc"):
        return X.iloc[:, 0]
    if hasattr(X, "to_series"):
        return X.to_series(0)
    return X.column(0) if hasattr(X, "column") else X[:, 0]  # Arrow's, or an array


def _raise_bad_row(rows, name):
    first = rows[0]
    for i, row in enumerate(rows):
        if isinstance(row, str | list | tuple | np.ndarray):
            if isinstance(row, str) != isinstance(first, str):
                raise ValueError(
                    f"{name} must hold either strings or token lists; row 0 is a "
                    f"{type(first).__name__} and row {i} is a {type(row).__name__}."
                )
            continue
        message = f"Row {i} of {name} is {describe(row)}"
        if is_missing(row):
            if (n_missing := sum(map(is_missing, rows))) > 1:
                message += f" Missing rows: {n_missing}."
        elif not isinstance(row, Iterable):
            message += " Make every row one, for example with .astype(str)."
        raise ValueError(message)


def _raise_bad_token(rows, name):
    for i, row in enumerate(rows):
        for j, token in enumerate(row):
            if not isinstance(token, str):
                raise ValueError(
                    f"Tokens must be strings: token {j} in row {i} of {name} is "
                    f"{describe(token)}"
                )


def is_missing(value):
    """Whether a value is None, NaN, or what pandas puts in their place."""
    nan = isinstance(value, float | np.floating) and value != value
    return value is None or nan or type(value).__name__ in {"NAType", "NaTType"}


def describe(value):
    """What a value is that should be a string: the end of an error message."""
    kind = type(value).__name__
    if is_missing(value):
        return f"missing ({value!r}); leave it out, or put an empty one in its place."
    if isinstance(value, bytes | bytearray):
        return f"{kind}; decode it first, for example with .decode('utf-8')."
    return f"of type {kind} ({value!r:.60}); expected a string."


def is_column(X):
    """Whether `X` has one dimension, and so no rows of ids."""
    if isinstance(X, list | tuple | range):
        X = X[:1]
    return len(X.shape if hasattr(X, "shape") else np.asarray(X).shape) == 1


def check_no_column_of_numbers(data, name):
    """Refuse a column of a frame that may be meant as numbers, not as token ids."""
    frame = hasattr(data, "columns")
    column = is_column(data) and not any(hasattr(x, "__len__") for x in data)
    if column or (frame and data.shape[1:] == (1,)):
        raise ValueError(
            f"{name} is one column of numbers. If their digits are to be read or "
            f"written, make them strings with .astype(str); if each is one token's id, "
            "pass them as an array of shape (n_samples, 1)."
        )


def readable_twice(data):
    """The data, or a list of what an iterator yields."""
    once = isinstance(data, Iterable) and not hasattr(data, "__getitem__")
    if once and not hasattr(data, "shape") and not isinstance(data, Set):
        return list(data)
    return data


def check_equal_lengths(data, name):
    """Refuse rows of ids of different lengths, which make no array."""
    if len(getattr(data, "shape", ())) == 1:  # a column, of lists or of numbers
        data = list(data)
    if not isinstance(data, list | tuple):
        return
    sizes = [len(row) if hasattr(row, "__len__") else None for row in data]
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueError(
                f"Rows of token ids must be of one length: row {i} of {name} has "
                f"{size} and row 0 has {sizes[0]}. Pad them with zeros at the end; "
                "0 is not a token."
            )


def take(data, rows):
    """Select rows of what a user passed."""
    from sklearn.utils import _safe_indexing, indexable

    if hasattr(data, "to_pylist"):  # Arrow's
        data = data.to_pylist()
    return _safe_indexing(indexable(data)[0], rows)


def check_ids(tokens, size):
    """Check ids to be decoded.

    Parameters
    ----------
    tokens : sparse or dense array of int, shape (n_samples, n_columns)
    size : int
        Ids are below it.

    Returns
    -------
    csr_array of int32, shape (n_samples, n_columns)
    """
    from sklearn.utils import check_array
    from sklearn.utils.validation import _num_samples

    tokens = as_tokens(
        check_array(
            tokens,
            accept_sparse="csr",
            # An empty array has no minimum.
            ensure_non_negative=_num_samples(tokens) > 0,
            ensure_min_samples=0,
            input_name="tokens",
        )
    )
    large = np.flatnonzero(tokens.data >= size)
    if len(large):
        row = np.searchsorted(tokens.indptr, large[0], side="right") - 1
        raise ValueError(
            f"Token ids must be below {size}, the size of the vocabulary; got "
            f"{tokens.data[large[0]]} in row {row}."
        )
    return tokens
