"""The split of pairs into those to train on and those to validate on."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import ShuffleSplit
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from sklearn_seq2seq._fitting import naming
from sklearn_seq2seq._text._check_input import is_missing, list_rows
from sklearn_seq2seq._warnings import warn


def weigh(dataset, sample_weight):
    """Give a data set its weights; return the rows with a positive one.

    Parameters
    ----------
    dataset : PairDataset
    sample_weight : array-like of float, shape (n_samples,), or None

    Returns
    -------
    ndarray of int

    Raises
    ------
    ValueError
        If a weight is negative, or none is positive.
    """
    if sample_weight is None:
        return np.arange(len(dataset))
    # A weight that vanishes in the network's precision counts as 0.
    checks = {"dtype": np.float32, "ensure_non_negative": True}
    with naming("sample_weight"):
        weight = _check_sample_weight(sample_weight, dataset.source, **checks)
    dataset.weight = np.asarray(weight, dtype=np.float64)
    # scikit-learn's check also accepts a single number.
    if not np.isfinite(dataset.weight).all():
        raise ValueError(f"sample_weight must be finite; got {sample_weight!r:.60}.")
    if not dataset.weight.any():
        raise ValueError("sample_weight is 0 for every row: there is nothing to learn.")
    return np.flatnonzero(dataset.weight)


def number_groups(groups, source, rows):
    """Number the groups of some rows; None stays None.

    Parameters
    ----------
    groups : array-like, shape (n_samples,) or (n_samples, k), or None
    source : csr_array of n_samples rows
    rows : ndarray of int, shape (n_rows,)

    Returns
    -------
    ndarray of int, shape (n_rows,) or (n_rows, k), or None

    Raises
    ------
    ValueError
        If there is not one value for each row.
    """
    if groups is None:
        return None
    # An array of two dimensions holds several groups a row; a tuple is one value.
    wide = getattr(groups, "ndim", 0) == 2
    if np.ndim(groups) != 1 and not wide:
        raise ValueError(
            "groups must hold one value for each row, a number or a string; "
            f"got {np.ndim(groups)} dimensions."
        )
    with naming("groups"):
        check_consistent_length(source, groups)
    values = np.asarray(groups).tolist() if wide else list_rows(groups, "groups")
    for row, value in enumerate(values):
        if any(map(is_missing, value if wide else [value])):
            raise ValueError(
                f"The group of row {row} is missing ({value!r}). Give a row that "
                "belongs to no other its own value."
            )
    try:
        numbers = np.unique(groups, return_inverse=True)[1]
    except TypeError as error:
        raise TypeError(
            "groups must be all numbers or all strings, for example with "
            f"list(map(str, groups)): {error}."
        ) from error
    return numbers.reshape(np.shape(groups))[rows]


def split(n_samples, groups, fraction, seed):
    """Rows to train on and rows to validate on, in ascending order.

    Each part has at least one row, or one group; where that is impossible, a warning
    says that there is no validation. Rows with groups in both parts are in neither.
    """
    if groups is None:
        units = np.arange(n_samples)
    elif groups.ndim == 1:
        units = np.unique(groups)
    else:  # groups that have rows without other groups
        units = np.unique(groups[(groups == groups[:, :1]).all(axis=1)])
    if len(units) < 2:
        what = "n_samples" if groups is None else "the number of groups"
        warn(
            "early_stopping needs pairs to split off for validation; "
            f"{what}=1, so training has none.",
        )
        return np.arange(n_samples), np.arange(0)
    n_held = min(max(1, round(fraction * len(units))), len(units) - 1)
    parts = ShuffleSplit(n_splits=1, test_size=n_held, random_state=seed)
    _, held = next(parts.split(units))
    groups = units if groups is None else groups
    is_held = np.isin(groups, units[held]).reshape(n_samples, -1)
    return np.flatnonzero(~is_held.any(axis=1)), np.flatnonzero(is_held.all(axis=1))


def check_max_tokens(dataset, rows, max_tokens):
    if max_tokens is None:
        return
    sizes = dataset.source_positions[rows] + dataset.target_positions[rows]
    if sizes.max() > max_tokens:
        largest = int(sizes.argmax())
        raise ValueError(
            f"Row {rows[largest]} has {sizes[largest]} source and target positions, "
            f"more than the max_tokens={max_tokens} of a whole batch. Raise "
            "max_tokens, or shorten rows with the vectorizers' max_length."
        )
