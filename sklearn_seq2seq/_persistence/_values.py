"""Estimators and parameters as JSON values, and back."""

import math
import os
from collections.abc import Mapping, Set
from importlib import import_module
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch.optim.lr_scheduler import LRScheduler

from sklearn_seq2seq._files import describe_other
from sklearn_seq2seq._persistence._format import ModelFileError, once_each
from sklearn_seq2seq._persistence._names import qualified_name
from sklearn_seq2seq.metrics._scorers import get_scorer, scorer_name

_DTYPES = frozenset(
    ["bool", "object"]
    + [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    + ["float16", "float32", "float64"]
)


class Kind(NamedTuple):
    """How a class of estimators is stored.

    Attributes
    ----------
    cls : type
    params : callable
        ``params(estimator)`` returns the parameters to store.
    pack : callable
        ``pack(estimator, tensors)`` returns what was learned, as a dict of JSON values,
        arrays and estimators, or None before `fit`; it adds weights to the dict
        `tensors`.
    unpack : callable
        ``unpack(estimator, state, tensors)`` sets what was learned. It must check
        everything: a file may hold anything. Its errors become `ModelFileError`.
    accept : callable
        ``accept(params)`` returns the parameters to load from those in a file. None may
        let the estimator read or write a file of the machine.
    """

    cls: type
    params: object
    pack: object
    unpack: object
    accept: object


_KINDS = {}

# This module registers every class. It imports the whole package, and so is imported
# only when the first file is written or read.
_REGISTRATIONS = "sklearn_seq2seq._saved_estimators"


def register(cls, pack, unpack, params=None, accept=dict):
    """Make a class of estimators known to `save` and `load` (see `Kind`)."""
    _KINDS[cls.__name__] = Kind(cls, params or _all_params, pack, unpack, accept)


def registered():
    """How each class of estimators is stored, by its name."""
    import_module(_REGISTRATIONS)
    return _KINDS


def _all_params(estimator):
    return estimator.get_params(deep=False)


class Packer:
    """Turns estimators and parameters into JSON values; weights go into `tensors`."""

    def __init__(self, tensors):
        self.tensors = tensors

    def estimator(self, estimator):
        """Describe an estimator: its parameters and what it has learned."""
        kinds = registered()
        kind = kinds.get(type(estimator).__name__)
        if kind is None or type(estimator) is not kind.cls:
            raise ValueError(
                f"Only {', '.join(sorted(kinds))} can be saved; got "
                f"{describe_other(estimator)}"
            )
        if hasattr(estimator, "_parameter_constraints"):
            estimator._validate_params()
        weights = {}
        state = kind.pack(estimator, weights)
        node = {
            "type": "estimator",
            "class": type(estimator).__name__,
            "params": {
                name: self.value(value, f"{type(estimator).__name__}'s {name}")
                for name, value in kind.params(estimator).items()
            },
            "state": None,
            "weights": None,
        }
        if weights:
            node["weights"] = f"{len(self.tensors)}"
            self.tensors |= {f"{node['weights']}/{k}": w for k, w in weights.items()}
        if state is not None:
            node["state"] = {
                name: self.value(value, f"{type(estimator).__name__}'s {name}")
                for name, value in state.items()
            }
        return node

    def value(self, value, where):
        """Describe a value; `where` is its name in messages."""
        if value is None or isinstance(value, str):
            return value if value is None else str(value)
        if isinstance(value, bool | np.bool_):
            return bool(value)
        if isinstance(value, Integral):
            return int(value)
        if isinstance(value, Real):
            value = float(value)
            if math.isfinite(value):
                return value
            return {"type": "float", "value": str(value)}
        if isinstance(value, torch.device):
            return {"type": "device", "value": str(value)}
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, np.random.RandomState | np.random.Generator):
            raise ValueError(
                f"{where} is a {type(value).__name__}, whose state is not saved; use "
                "an int or None: set_params(random_state=0)."
            )
        scorer = scorer_name(value)
        if scorer is not None:
            return {"type": "scorer", "value": scorer}
        if callable(value) and not isinstance(value, BaseEstimator):
            return {"type": "name", "value": qualified_name(value, where)}
        if isinstance(value, BaseEstimator):
            return self.estimator(value)
        return self._collection(value, where)

    def _collection(self, value, where):
        if isinstance(value, list):
            return [self.value(item, where) for item in value]
        if isinstance(value, tuple):
            return self._tagged("tuple", value, where)
        if isinstance(value, Set):
            return self._tagged("set", sorted(value, key=repr), where)
        if isinstance(value, Mapping) and all(type(key) is str for key in value):
            items = {key: self.value(item, where) for key, item in value.items()}
            return {"type": "dict", "value": items}
        if isinstance(value, Mapping):
            return self._tagged("dict", map(list, value.items()), where)
        # A frame would lose the names of its columns.
        if hasattr(value, "__array__") and not hasattr(value, "columns"):
            array = np.asarray(value)
            if array.dtype.kind in "USTO":
                array = array.astype(object)
            if array.dtype == object and array.ndim > 1 and array.shape[1:] != (1,):
                return self._collection(list(map(tuple, array.tolist())), where)
            if array.dtype.name in _DTYPES:
                # The rows of a column stay arrays, unlike lists of tokens.
                column = array.dtype == object and array.ndim > 1
                items = list(array) if column else array.tolist()
                node = self._tagged("array", items, where)
                return node | {"dtype": array.dtype.name}
        raise ValueError(
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which "
            "cannot be saved. Numbers, strings, lists, dicts, arrays, functions and "
            "classes by name, and estimators of this package can."
        )

    def _tagged(self, tag, items, where):
        return {"type": tag, "value": [self.value(item, where) for item in items]}


class Unpacker:
    """Undoes `Packer`, trusting nothing."""

    def __init__(self, tensors, trusted):
        self.tensors = tensors
        self.trusted = trusted

    def estimator(self, node):
        """Make the estimator that a node describes."""
        _check_keys(node, "type", "class", "params", "state", "weights")
        kind = registered().get(_text(node["class"]))
        if kind is None:
            raise ModelFileError(f"it has an unknown estimator, {node['class']!r:.80}.")
        params = {name: self.value(v) for name, v in _object(node["params"]).items()}
        names = kind.cls._get_param_names()
        unknown = sorted(set(params) - set(names))
        if unknown:
            raise ModelFileError(
                f"{node['class']} has no parameter {unknown[0]!r:.80} in this version."
            )
        estimator = kind.cls(**kind.accept(params))
        if hasattr(estimator, "_parameter_constraints"):
            estimator._validate_params()
        if node["state"] is not None:
            state = {name: self.value(v) for name, v in _object(node["state"]).items()}
            kind.unpack(estimator, state, self._weights(node["weights"]))
        return estimator

    def _weights(self, group):
        if group is None:
            return {}
        prefix = f"{_text(group)}/"
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(prefix)
        }

    def value(self, node):
        """Make the value that a node describes."""
        if isinstance(node, list):
            return [self.value(item) for item in node]
        if not isinstance(node, dict):
            return node
        if node.get("type") == "estimator":
            return self.estimator(node)
        keys = ("type", "value", "dtype") if "dtype" in node else ("type", "value")
        _check_keys(node, *keys)
        make = getattr(self, f"_{_text(node['type'])}_value", None)
        if make is None:
            raise ModelFileError(f"it has a value of unknown type, {node!r:.80}.")
        return make(node)

    def _items(self, node):
        if not isinstance(node["value"], list):
            raise ModelFileError(f"a {node['type']} is not a list of items.")
        return [self.value(item) for item in node["value"]]

    def _tuple_value(self, node):
        return tuple(self._items(node))

    def _set_value(self, node):
        return set(self._items(node))

    def _dict_value(self, node):
        if isinstance(node["value"], dict):
            return {key: self.value(item) for key, item in node["value"].items()}
        return once_each(self._items(node))

    def _array_value(self, node):
        if node.get("dtype") not in _DTYPES:
            raise ModelFileError(f"it has an array of unknown dtype, {node!r:.80}.")
        items = self._items(node)
        if node["dtype"] == "object":
            kinds = {(x.shape, x.dtype) if hasattr(x, "dtype") else None for x in items}
            if kinds == {((1,), np.dtype(object))}:
                return np.fromiter((x[0] for x in items), dtype=object)[:, None]
            return np.fromiter(items, dtype=object, count=len(items))
        return np.array(items, dtype=node["dtype"])

    def _float_value(self, node):
        return float(_text(node["value"]))

    def _device_value(self, node):
        return torch.device(_text(node["value"]))

    def _scorer_value(self, node):
        return get_scorer(_text(node["value"]))

    def _name_value(self, node):
        name = _text(node["value"])
        if name in self.trusted:
            return self.trusted[name]
        if name.startswith("torch.optim."):
            last = name.rpartition(".")[2]
            for module, base in (
                (torch.optim, torch.optim.Optimizer),
                (torch.optim.lr_scheduler, LRScheduler),
            ):
                found = vars(module).get(last)
                if isinstance(found, type) and issubclass(found, base):
                    return found
        raise ModelFileError(
            f"it names {name!r:.200}, which is not trusted. If you trust it and the "
            f"file, allow it: load(path, trusted=[{name!r:.200}])."
        )


def _check_keys(node, *keys):
    if not isinstance(node, dict) or set(node) != set(keys):
        raise ModelFileError(f"its document is malformed at {node!r:.80}.")


def _text(value):
    if not isinstance(value, str):
        raise ModelFileError(f"{value!r:.80} is not text.")
    return value


def _object(value):
    if not isinstance(value, dict):
        raise ModelFileError(f"{value!r:.80} is not a JSON object.")
    return value


# For `unpack` of the classes ------------------------------------------------------


def require(condition, what):
    """Raise an error with a reason unless what was learned meets a condition."""
    if not condition:
        raise ValueError(f"it is not a fitted estimator: {what}")


def is_int(value, least):
    """Whether a value of a file is an int of at least `least`."""
    return type(value) is int and value >= least


def is_strings(values):
    """Whether a value of a file is a list of strings."""
    return isinstance(values, list) and set(map(type, values)) <= {str}
