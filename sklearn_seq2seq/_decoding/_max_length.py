"""The longest targets that `max_length` allows.

This module needs neither torch nor scikit-learn, since the runtime uses it too.
"""

from numbers import Integral

import numpy as np

from sklearn_seq2seq._warnings import warn

# How much longer than the longest training target a prediction may be.
SLACK = 1.25


def longest_targets(readers, target, n_source, *, max_length, min_length):
    """Most target tokens that `max_length` allows each row.

    Parameters
    ----------
    readers : list
        Of each member, with `longest` and `knows_empty`.
    target : Side
    n_source : list of ndarray of int64, shape (n_samples,)
        Each member's count of source tokens.
    max_length : "auto", int or float
    min_length : int

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    if max_length == "auto":
        limits = [
            _longest_expected(*reader.longest, n)
            for reader, n in zip(readers, n_source, strict=True)
        ]
        limits = np.max(limits, axis=0)
        known = any(reader.knows_empty for reader in readers)
        if not known and not min_length and target.ndim == 2:
            # Empty sources give empty predictions unless training had others.
            limits[np.max(n_source, axis=0) == 0] = 0
    elif isinstance(max_length, Integral):
        limits = np.full(len(n_source[0]), min(int(max_length), 2**31))
    else:
        limits = np.ceil(max_length * n_source[0]).astype(np.int64)
    return limits if target.is_text else np.minimum(limits, target.width)


def _longest_expected(longest_source, longest_target, n_source):
    """The longest target to expect, from the longest of training and the source."""
    longer = np.maximum(n_source / longest_source, 1)
    return np.ceil(SLACK * longest_target * longer).astype(np.int64)


def warn_capped(capped, limits, pieces):
    """Warn of predictions that their length limit ended."""
    if capped.any():
        rows = np.arange(len(capped)) if pieces is None else pieces[0].rows
        first = int(np.flatnonzero(capped)[0])
        warn(
            f"{len(np.unique(rows[capped]))} of {rows[-1] + 1} predictions were ended "
            f"by max_length rather than by the model; the first is row {rows[first]}, "
            f"at {limits[first]} tokens.",
        )
