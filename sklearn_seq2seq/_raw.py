"""Raw data as users hold it: columns of strings or of token lists."""

from collections.abc import Iterable, Mapping, Set
from itertools import chain
from numbers import Number

import numpy as np
from scipy import sparse

_ROW_KINDS = (list, tuple, np.ndarray)


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
        everything that `check_raw` accepts, or can best explain why not.
    """
    if sparse.issparse(X):
        return False
    if hasattr(X, "__array__"):
        X = np.asarray(X)
        if X.dtype.kind not in "OSUT":
            return False
        return _holds_text(X.ravel().tolist(), strict=X.ndim > 1)
    if isinstance(X, list | tuple | range):
        return _holds_text(X, strict=False)
    return True


def _holds_text(values, strict):
    """Look for strings; `strict`: nothing but strings makes it text."""
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
    rows = _rows(X, name)
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


def _rows(X, name):
    if isinstance(X, str | bytes):
        raise ValueError(
            f"{name} must be an iterable of strings; got a single "
            f"{type(X).__name__}: wrap it in a list."
        )
    if isinstance(X, Mapping | Set) or sparse.issparse(X):
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
    return X.to_series(0) if hasattr(X, "to_series") else X[:, 0]


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
        raise ValueError(f"Row {i} of {name} is {describe(row)}")


def _raise_bad_token(rows, name):
    for i, row in enumerate(rows):
        for j, token in enumerate(row):
            if not isinstance(token, str):
                raise ValueError(
                    f"Tokens must be strings: token {j} in row {i} of {name} is "
                    f"{describe(token)}"
                )


def describe(value):
    kind = type(value).__name__
    nan = isinstance(value, float) and value != value
    if value is None or nan or kind in {"NAType", "NaTType"}:
        return f"missing ({value!r}); leave it out, or put an empty one in its place."
    if isinstance(value, bytes | bytearray):
        return f"{kind}; decode it first, for example with .decode('utf-8')."
    return f"of type {kind} ({value!r:.60}); expected a string."
