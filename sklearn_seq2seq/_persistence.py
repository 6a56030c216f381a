"""One safe file for a fitted estimator: `save` and `load`, without pickle.

The file is a safetensors file. Its weights are tensors; all the rest is one JSON
document, in the tensor "document" as UTF-8; its metadata has one entry,
``"sklearn_seq2seq": "<format version>:<SHA-256>"``, the checksum of the file's bytes
with the checksum's own digits as zeros. So every damaged byte is noticed. The checksum
is no signature: a file made on purpose has a right one, and whatever the document says
is checked as well.

Nothing in a file is ever executed. Estimators are looked up in a registry, callables
among the names that the user trusts. `register` adds a class of estimators.
"""

import errno
import hashlib
import json
import math
import os
import platform
import re
import secrets
import stat
from collections.abc import Mapping, Set
from importlib import import_module
from numbers import Integral, Real
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch.optim.lr_scheduler import LRScheduler

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.metrics._scorers import get_scorer, scorer_name

FORMAT_VERSION = 1
_KEY = "sklearn_seq2seq"
_DOCUMENT = "document"
_NO_DIGEST = "0" * 64
_SEAL = re.compile(rf'"{_KEY}":"(\d+):([0-9a-f]{{64}})"'.encode())
_LARGEST_HEADER = 100_000_000  # safetensors' own limit
_LIBRARIES = ("numpy", "sklearn", "sklearn_seq2seq", "skorch", "torch")
_DTYPES = frozenset(
    ["bool", "object"]
    + [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    + ["float16", "float32", "float64"]
)


class ModelFileError(ValueError):
    """A file holds no valid model, or asks for what is not allowed."""


class Kind(NamedTuple):
    """How a class of estimators is stored.

    Attributes
    ----------
    cls : type
    params : callable
        ``params(estimator)`` gives the parameters to store.
    pack : callable
        ``pack(estimator, tensors)`` gives what was learned, as a dict of JSON values,
        arrays and estimators, or None before `fit`; it adds weights to the dict
        `tensors`.
    unpack : callable
        ``unpack(estimator, state, tensors)`` sets what was learned. It must check
        everything: a file may hold anything. Its errors become `ModelFileError`.
    """

    cls: type
    params: object
    pack: object
    unpack: object


_KINDS = {}


def register(cls, pack, unpack, params=None):
    """Make a class of estimators known to `save` and `load` (see `Kind`)."""
    _KINDS[cls.__name__] = Kind(cls, params or _all_params, pack, unpack)


def _all_params(estimator):
    return estimator.get_params(deep=False)


def save(estimator, path):
    """Write an estimator to one file, without pickle.

    Everything that predictions depend on is in the file: parameters, vocabularies and
    weights. It is written beside its final place and then moved there, so that a
    reader sees the old file or the new one, never a part. Needs the extra ``save``.

    Parameters
    ----------
    estimator : estimator
        Of this package, or a :class:`~sklearn.pipeline.Pipeline` of such; fitted or
        not.
    path : str or path-like
        The file to write; one that exists is replaced.

    Raises
    ------
    ValueError
        If something cannot be stored: an estimator or parameter of another kind, a
        function that has no importable name, a RandomState.
    ImportError
        If safetensors is not installed.
    OSError
        If the file cannot be written.

    See Also
    --------
    load : Read such a file.

    Notes
    -----
    What only a further `fit` would use, and is an object of the session or of the
    machine, is not saved and has its default after loading: `callbacks`, `checkpoint`,
    `pretrained`, `source_vectors` and `target_vectors` (the fitted network has what it
    took of them).
    Nor are training and validation data, and the optimiser's state: a loaded model goes
    on training with a fresh optimiser. A tokenizer given as a path is stored itself.

    Functions, such as an analyzer, and classes are stored by name, and only if that
    name can be imported; see `trusted` of `load`.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_seq2seq import SequenceVectorizer, load, save
    >>> vectorizer = SequenceVectorizer().fit(["abba"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "letters.model")
    ...     save(vectorizer, path)
    ...     load(path).vocabulary_
    {'a': 2, 'b': 3}
    """
    safetensors = import_optional("safetensors.torch", "save")
    tensors = {}
    document = {
        "versions": {name: import_module(name).__version__ for name in _LIBRARIES}
        | {"python": platform.python_version()},
        "model": _Packer(tensors).estimator(estimator),
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    tensors[_DOCUMENT] = torch.frombuffer(
        bytearray(text.encode("utf-8", "surrogatepass")), dtype=torch.uint8
    )
    seal = {_KEY: f"{FORMAT_VERSION}:{_NO_DIGEST}"}
    data = bytearray(safetensors.save(tensors, metadata=seal))
    start = _SEAL.search(data).start(2)
    data[start : start + 64] = _digest(data, start).encode()
    _write(Path(path), data)


def load(path, *, trusted=()):
    """Read an estimator that `save` wrote.

    No code in the file is run, whatever it holds. A model that was trained on a GPU
    loads where there is none. Needs the extra ``save``.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of str, functions or classes, default=()
        Which functions and classes, such as an analyzer, the file may name: themselves,
        or their qualified names, such as "nltk.tokenize.word_tokenize", which are then
        imported. Optimisers and schedulers of torch are always allowed.

    Returns
    -------
    estimator : estimator
        Predicts what the saved one predicted.

    Raises
    ------
    ModelFileError
        If the file is not one that `save` wrote, is damaged, is of a newer format, or
        names something that is not trusted. A ValueError; the message names the file.
    ImportError
        If safetensors is not installed, or tokenizers for a model with subwords.
    OSError
        If the file cannot be read.

    See Also
    --------
    save : Write such a file.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_seq2seq import SequenceVectorizer, load, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "words.model")
    ...     save(SequenceVectorizer(analyzer=str.split).fit(["ab ba"]), path)
    ...     load(path, trusted=[str.split]).analyzer("so it goes")
    ['so', 'it', 'goes']
    """
    safetensors = import_optional("safetensors.torch", "save")
    trusted = _by_name(trusted)
    data = _read(path)
    try:
        _check_seal(data)
        tensors = safetensors.load(data)
        document = _parse(tensors.pop(_DOCUMENT))
        return _Unpacker(tensors, trusted).estimator(document["model"])
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)!r}: {error}") from error.__cause__
    except ImportError:
        raise
    # Whatever else a file can provoke means one thing: it is not what `save` writes.
    except Exception as error:
        raise ModelFileError(
            f"{os.fspath(path)!r} holds no valid model: "
            f"{type(error).__name__}: {str(error)[:300]}"
        ) from error


class SavingMixin:
    """The methods `save` and `load` of an estimator."""

    def save(self, path):
        """Write this estimator to one file, without pickle.

        Parameters
        ----------
        path : str or path-like
            The file to write; one that exists is replaced. See
            :func:`~sklearn_seq2seq.save` for what is stored.

        Raises
        ------
        ValueError
            If a parameter cannot be stored, such as a lambda.
        """
        save(self, path)

    @classmethod
    def load(cls, path, *, trusted=()):
        """Read an estimator of this class from a file.

        Parameters
        ----------
        path : str or path-like
            The file.
        trusted : iterable of str, functions or classes, default=()
            What the file may name, as for :func:`~sklearn_seq2seq.load`.

        Returns
        -------
        estimator : estimator
            Predicts what the saved one predicted.

        Raises
        ------
        ModelFileError
            If the file holds no valid estimator of this class.
        """
        estimator = load(path, trusted=trusted)
        if not isinstance(estimator, cls):
            raise ModelFileError(
                f"{os.fspath(path)!r} holds a {type(estimator).__name__}, not a "
                f"{cls.__name__}; read it with sklearn_seq2seq.load."
            )
        return estimator


# The file ---------------------------------------------------------------------------


def _digest(data, start):
    """SHA-256 of `data` with zeros for the 64 digits from `start` on."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(_NO_DIGEST.encode())
    digest.update(view[start + 64 :])
    return digest.hexdigest()


def _write(path, data):
    """Write all or nothing."""
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(path.parent))
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(part, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _read(path):
    with open(path, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ModelFileError(f"{os.fspath(path)!r} is no regular file.")
        return file.read()


def _check_seal(data):
    """Check the format, its version and the checksum."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= min(len(data) - 8, _LARGEST_HEADER):
        raise ModelFileError(f"this is no whole model file; it {_looks_like(data)}.")
    seal = _SEAL.search(data, 8, 8 + size)
    if seal is None:
        raise ModelFileError("this is not a model file that sklearn_seq2seq wrote.")
    number = int(seal[1][:9])
    if number > FORMAT_VERSION:
        raise ModelFileError(
            f"the file has format {number}, this version of sklearn_seq2seq reads "
            f"formats up to {FORMAT_VERSION}. Install a newer sklearn_seq2seq."
        )
    if number < 1 or _digest(data, seal.start(2)).encode() != seal[2]:
        raise ModelFileError(
            "the checksum is wrong: the file was damaged or changed since it was "
            "saved. Copy or save it again."
        )


def _looks_like(data):
    if not data:
        return "is empty"
    if data[:1] == b"\x80":
        return "looks like a pickle, which is never loaded here"
    if data[:2] == b"PK":
        return "looks like a zip archive, or a file of torch.save"
    return "was cut short, or is something else"


def _parse(document):
    """JSON of a tensor of bytes."""
    if document.dtype != torch.uint8 or document.ndim != 1:
        raise ModelFileError("its document is not text.")
    text = document.numpy().tobytes().decode("utf-8", "surrogatepass")
    return json.loads(
        text, object_pairs_hook=_once_each, parse_constant=_refuse_constant
    )


def _once_each(pairs):
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ModelFileError("its document has a key twice.")
    return result


def _refuse_constant(name):
    raise ModelFileError(f"its document holds {name}, which is not JSON.")


# Values -----------------------------------------------------------------------------


class _Packer:
    """Turns estimators and parameters into JSON values; weights go into `tensors`."""

    def __init__(self, tensors):
        self.tensors = tensors

    def estimator(self, estimator):
        """Describe an estimator, its parameters and what it has learned."""
        kind = _KINDS.get(type(estimator).__name__)
        if kind is None or type(estimator) is not kind.cls:
            raise ValueError(
                f"Only {', '.join(sorted(_KINDS))} can be saved; got "
                f"{type(estimator).__module__}.{type(estimator).__qualname__}."
            )
        if hasattr(estimator, "_parameter_constraints"):
            estimator._validate_params()
        own = {}
        state = kind.pack(estimator, own)
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
        if own:
            node["weights"] = f"{len(self.tensors)}"
            self.tensors |= {f"{node['weights']}/{k}": own[k] for k in own}
        if state is not None:
            node["state"] = {
                name: self.value(value, f"{type(estimator).__name__}'s {name}")
                for name, value in state.items()
            }
        return node

    def value(self, value, where):
        """Describe a value; `where` is what messages call it."""
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
                f"{where} is a {type(value).__name__}, whose state is not saved; set "
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
            if array.dtype == object and array.ndim > 1:
                return self._collection(list(map(tuple, array.tolist())), where)
            if array.dtype.name in _DTYPES:
                node = self._tagged("array", array.tolist(), where)
                return node | {"dtype": array.dtype.name}
        raise ValueError(
            f"{where} is a {type(value).__module__}.{type(value).__qualname__}, which "
            "cannot be saved. Numbers, strings, lists, dicts, arrays, functions and "
            "classes by name, and estimators of this package can."
        )

    def _tagged(self, tag, items, where):
        return {"type": tag, "value": [self.value(item, where) for item in items]}


class _Unpacker:
    """Undoes `_Packer`, trusting nothing."""

    def __init__(self, tensors, trusted):
        self.tensors = tensors
        self.trusted = trusted

    def estimator(self, node):
        """Make the estimator that a node describes."""
        _check_keys(node, "type", "class", "params", "state", "weights")
        kind = _KINDS.get(_text(node["class"]))
        if kind is None:
            raise ModelFileError(f"it has an unknown estimator, {node['class']!r:.80}.")
        params = {name: self.value(v) for name, v in _object(node["params"]).items()}
        names = kind.cls._get_param_names()
        unknown = sorted(set(params) - set(names))
        if unknown:
            raise ModelFileError(
                f"{node['class']} has no parameter {unknown[0]!r:.80} in this version."
            )
        estimator = kind.cls(**params)
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
            raise ModelFileError(f"it has a value of no known type, {node!r:.80}.")
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
        return _once_each(self._items(node))

    def _array_value(self, node):
        if node.get("dtype") not in _DTYPES:
            raise ModelFileError(f"it has an array of no known dtype, {node!r:.80}.")
        items = self._items(node)
        if node["dtype"] == "object":
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
            f"it names {name!r:.200}, which is not trusted. If you trust that, and "
            f"this file, allow it: load(path, trusted=[{name!r:.200}])."
        )


def _check_keys(node, *keys):
    if not isinstance(node, dict) or set(node) != set(keys):
        raise ModelFileError(f"its document is not in order at {node!r:.80}.")


def _text(value):
    if not isinstance(value, str):
        raise ModelFileError(f"{value!r:.80} is not text.")
    return value


def _object(value):
    if not isinstance(value, dict):
        raise ModelFileError(f"{value!r:.80} is not a JSON object.")
    return value


# Names ------------------------------------------------------------------------------


def qualified_name(function, where):
    """Importable name of a function or class.

    Parameters
    ----------
    function : callable
    where : str
        What messages call it.

    Returns
    -------
    str
        Module and qualified name, such as "builtins.str.split".

    Raises
    ------
    ValueError
        If it cannot be found again under that name.
    """
    owner = getattr(function, "__objclass__", function)
    module = getattr(owner, "__module__", None) or "builtins"
    qualname = getattr(function, "__qualname__", None)
    if qualname is None:
        raise ValueError(
            f"{where} is an object, {function!r:.80}, that has no name to be saved by. "
            "Use a function or class of an importable module, or one of the strings "
            "that the parameter takes; or, if only training needs it and that is over, "
            "put its default in its place with set_params."
        )
    name = f"{module}.{qualname}"
    try:
        found = module != "__main__" and _find(name) is function
    except (ImportError, AttributeError):
        found = False
    if not found:
        raise ValueError(
            f"{where} is {name}, which no other session could import, so it cannot be "
            "saved. Define it with def at the top of a module that can be imported "
            "(not in a notebook, a script or another function), or use one of the "
            "strings that the parameter takes."
        )
    return name


def _find(name):
    """Import what a qualified name stands for."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module_name = ".".join(parts[:cut])
        try:
            found = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name and (module_name + ".").startswith(error.name + "."):
                continue
            raise
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ImportError(f"There is no module of the name {parts[0]!r}.")


def _by_name(trusted):
    """Map the names that a file may use to what they stand for."""
    if isinstance(trusted, str):
        raise TypeError(f"trusted must be a list of names; got the str {trusted!r}.")
    found = {}
    for item in trusted:
        if isinstance(item, str):
            try:
                function = _find(item)
            except (ImportError, AttributeError, ValueError) as error:
                raise ValueError(
                    f"trusted holds {item!r}, which cannot be imported: {error}."
                ) from error
            found[item] = function
        else:
            function = item
        found[qualified_name(function, "An item of trusted")] = function
    return found
