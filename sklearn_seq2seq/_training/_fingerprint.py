"""Hashes of all that determines a training."""

from __future__ import annotations

from contextlib import suppress
from numbers import Integral

import joblib

# Parameters that may change between a killed fit and the call that goes on with it.
NOT_OF_THE_FIT = (
    "verbose",
    "checkpoint",
    "checkpoint_interval",
    "checkpoint_minutes",
    "callbacks",
    # Its weights and tokens count, as first weights and tokens.
    "pretrained",
)


def digest(value):
    """Hash of a parameter or of arrays, the same in every process.

    What cannot be pickled goes by its name, a function by its code as well.
    """
    if isinstance(value, frozenset):
        value = set(value)  # of which joblib sees to the order
    try:
        return joblib.hash(value)
    except Exception:  # whatever the value makes pickle raise
        parts = [type(value).__name__, getattr(value, "__qualname__", "")]
        code = getattr(value, "__code__", None)
        if code is not None:
            inner = [*code.co_consts, value.__defaults__, *_closed_over(value)]
            parts += [code.co_code, *map(_hash, inner)]
        return joblib.hash(parts)


def _closed_over(function):
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # nothing is in it yet
            yield cell.cell_contents


def _hash(value):
    # Not `digest`, which would not come to an end where a function refers to itself.
    try:
        return joblib.hash(value)
    except Exception:
        return type(value).__name__


def pairs_digest(dataset):
    """Hash of a data set's rows and weights; None of None."""
    if dataset is None:
        return None
    arrays = (dataset.source, dataset.target, dataset.copies)
    parts = [None if x is None else (x.data, x.indptr) for x in arrays]
    return joblib.hash([parts, dataset.weight])


def network_digest(module):
    """Hash of a network's weights."""
    return joblib.hash([x.cpu().numpy() for x in module.state_dict().values()])


def _state_of(net):
    # A training that found nothing better ends with the weights it began with.
    return f"{network_digest(net.module_)} after {len(net.history)} epochs"


def fingerprint(params, dataset, groups, valid, names, net):
    """Names and hashes of all that determines a training."""
    parts = {
        f"parameter {name}": digest(value)
        for name, value in params.items()
        if name not in NOT_OF_THE_FIT
    }
    if not isinstance(params["random_state"], Integral):
        parts["parameter random_state"] = "drawn"
    return parts | {
        "rows": digest([pairs_digest(dataset), groups]),
        "validation data": digest(pairs_digest(valid)),
        "tokens": digest(names),
        "first weights": "drawn" if net is None else _state_of(net),
    }
