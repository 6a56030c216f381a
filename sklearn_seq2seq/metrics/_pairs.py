"""The data to compare: two lists of strings, or of lists of tokens, of one length."""

from itertools import chain, zip_longest

import numpy as np
from sklearn.utils import check_array, check_consistent_length

from sklearn_seq2seq._fitting import naming
from sklearn_seq2seq._text._check_input import check_raw, is_raw
from sklearn_seq2seq._tokens import BOUNDARY, as_lists, as_tokens

_UNITS = ("token", "word", "char")


def check_pair(y_true, y_pred):
    """Check references and predictions: two lists of str, or of lists of tokens."""
    y_true = _check_sequences(y_true, "y_true")
    y_pred = _check_sequences(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    kinds = _kind(y_true), _kind(y_pred)
    if kinds[0] != kinds[1] and set(kinds) not in (
        {"empty lists", "token lists"},
        {"empty lists", "token ids"},
    ):
        raise TypeError(
            "y_true and y_pred must be of one kind; "
            f"got {kinds[0]} in y_true and {kinds[1]} in y_pred."
        )
    return y_true, y_pred


def _check_sequences(y, name):
    if not is_raw(y):
        return _check_ids(y, name)
    return check_raw(_join_cells(y), name)


def _join_cells(y):
    """Targets of several columns as lists of tokens, one token for each cell."""
    shape = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        y = map(tuple, np.asarray(y).tolist())
    elif isinstance(y, np.ndarray) and y.ndim == 1:
        y = y.tolist()
    elif not isinstance(y, list):
        return y
    return [tuple(map(_join, row)) if isinstance(row, tuple) else row for row in y]


def _join(cell):
    return " ".join(map(str, cell)) if isinstance(cell, list | tuple) else cell


def _check_ids(y, name):
    if len(getattr(y, "shape", ())) == 1:
        y = y.to_list() if hasattr(y, "to_list") else y.tolist()
    if isinstance(y, list | tuple) and len(y) and not np.isscalar(y[0]):
        y = np.array(list(zip_longest(*y, fillvalue=BOUNDARY))).T.reshape(len(y), -1)
    y = check_array(
        y,
        accept_sparse="csr",
        dtype="numeric",
        ensure_2d=False,
        ensure_min_features=0,
        ensure_non_negative=True,
        input_name=name,
    )
    return as_lists(as_tokens(y, name))


def _kind(rows):
    if isinstance(rows[0], str):
        return "strings"
    first = next(chain.from_iterable(rows), None)
    if first is None:
        return "empty lists"
    return "token lists" if isinstance(first, str) else "token ids"


def cut_units(rows, unit):
    if unit not in _UNITS:
        raise ValueError(f"unit must be one of {_UNITS}; got {unit!r}.")
    if unit == "char" or not isinstance(rows[0], str):
        return rows
    return list(map(str.split, rows))


def cut_pair(y_true, y_pred, unit):
    return tuple(cut_units(rows, unit) for rows in check_pair(y_true, y_pred))


def as_text(rows):
    if isinstance(rows[0], str):
        return rows
    return [" ".join(map(str, row)) for row in rows]


def count_units(rows):
    return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))


def check_weight(sample_weight, n_samples):
    if sample_weight is None:
        return np.ones(n_samples)
    with naming("sample_weight"):
        weight = check_array(
            sample_weight,
            dtype=np.float64,
            ensure_2d=False,
            ensure_non_negative=True,
            input_name="sample_weight",
        )
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},); got {weight.shape}."
        )
    if not weight.any():
        raise ValueError("sample_weight must not be zero for every row.")
    return weight
