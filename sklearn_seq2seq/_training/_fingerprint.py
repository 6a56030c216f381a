"""Hashes of all that determines a training."""

from __future__ import annotations

import sys
from contextlib import suppress
from types import CodeType, FunctionType, ModuleType

import joblib
import numpy as np
from joblib.hashing import NumpyHasher

from sklearn_seq2seq._tokens import RowViews


def digest(value):
    """Hash of a parameter or of arrays, the same in every process.

    A function or class of a module is hashed by its name, as in a pickle. One of a
    script, a notebook or a function is hashed by its code and by what that calls, since
    its name may mean another one tomorrow. An object that cannot be pickled is hashed
    by its class and attributes.
    """
    return _Hasher().hash(value)


class _Hasher(NumpyHasher):
    """joblib's hasher, extended by unpicklable objects and by an order for all sets."""

    def __init__(self):
        super().__init__(hash_name="md5")
        self.met = {}

    def save(self, obj):
        if isinstance(obj, set | frozenset):
            obj = _ordered(set(obj))
        elif isinstance(obj, FunctionType | type) and not _has_name(obj):
            obj = self._once(obj, _of_code)
        elif isinstance(obj, ModuleType):
            obj = ["module", obj.__name__]
        try:
            super().save(obj)
        except (MemoryError, RecursionError):
            raise
        except Exception:  # whatever the value makes pickle raise
            super().save(self._once(obj, _of_attributes))

    def _once(self, obj, describe):
        """The description of an object, which may refer to itself."""
        if id(obj) in self.met:
            return ["met", self.met[id(obj)][0]]
        self.met[id(obj)] = len(self.met), obj
        return describe(obj)


def _ordered(items):
    try:
        sorted(items)
    except TypeError:  # joblib would order by Python's hashes, random by process
        return ["set", sorted(map(digest, items))]
    return items


def _has_name(obj):
    """Whether another process would find a function or class by its name."""
    found = sys.modules.get(obj.__module__)
    if obj.__module__ == "__main__":
        return False
    for name in obj.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is obj


def _of_attributes(obj):
    return [type(obj).__qualname__, dict(getattr(obj, "__dict__", ()))]


def _of_code(obj):
    """What determines the behaviour of a function or class."""
    if isinstance(obj, type):
        members = {
            name: getattr(value, "__func__", getattr(value, "fget", value))
            for name, value in vars(obj).items()
        }
        return [obj.__qualname__, list(obj.__bases__), _lasting(members)]
    names, code = set(), _code(obj.__code__)
    for part in _parts(obj.__code__):
        names.update(part.co_names)
    used = {name: obj.__globals__[name] for name in names & obj.__globals__.keys()}
    given = obj.__defaults__, obj.__kwdefaults__
    return [obj.__qualname__, code, *given, list(_closed_over(obj)), _lasting(used)]


def _lasting(values):
    """The values that a run does not change: functions, classes, modules, constants."""
    kinds = int | float | complex | str | bytes | tuple | frozenset | ModuleType
    return {
        name: value
        for name, value in values.items()
        if not (name.startswith("__") and not callable(value))
        and (callable(value) or isinstance(value, kinds))
    }


def _parts(code):
    """A code object and all code objects within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant)


def _code(code):
    """Instructions, names and constants, regardless of where the code is."""
    constants = [
        _code(x)
        if isinstance(x, CodeType)
        else repr(sorted(map(repr, x)) if isinstance(x, frozenset) else x)
        for x in code.co_consts
    ]
    return [code.co_code, list(code.co_names), constants]


def _closed_over(function):
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # an empty cell
            yield cell.cell_contents


def pairs_digest(dataset):
    """Hash of a data set's rows and weights; None of None."""
    if dataset is None:
        return None
    parts = [_parts_of(x) for x in (dataset.source, dataset.target, dataset.copies)]
    return joblib.hash([parts, dataset.weight])


def _parts_of(tokens):
    if isinstance(tokens, RowViews):  # hashed without reading the ids
        return tokens.key, np.asarray(tokens.starts), tokens.counts
    return None if tokens is None else (tokens.data, tokens.indptr)


def network_digest(module):
    """Hash of a network's weights."""
    return joblib.hash([x.cpu().numpy() for x in module.state_dict().values()])


def _state_of(net):
    # A training without improvement ends with the weights that it began with.
    return f"{network_digest(net.module_)} after {len(net.history)} epochs"


def fingerprint(identity, dataset, groups, valid, net):
    """Names and hashes of all that determines a training.

    Parameters
    ----------
    identity : dict
        What determines the training beside its rows, by name.
    dataset : PairDataset
    groups : ndarray or None
    valid : PairDataset or None
    net : Seq2SeqNet or None
        The net that training continues with or starts from.

    Returns
    -------
    dict of str to str
    """
    return {name: digest(value) for name, value in (identity or {}).items()} | {
        "rows": digest([pairs_digest(dataset), groups]),
        "validation data": digest(pairs_digest(valid)),
        "first weights": "drawn" if net is None else _state_of(net),
    }
