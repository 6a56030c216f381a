"""One safe file for a fitted estimator: `save` and `load`, without pickle.

The file is a safetensors file. Its weights are tensors; all the rest is one JSON
document, in the tensor "document" as UTF-8; its metadata has one entry,
``"sklearn_seq2seq": "<format version>:<SHA-256>"``, the checksum of the file's bytes
with the digits of the checksum as zeros. It reveals every damaged byte. It is not a
signature: anyone can make a file with a right one, so the document is checked as well.

Nothing in a file is ever executed. Estimators are looked up in a registry, callables
among the names that the user trusts. `register` adds a class of estimators.
"""

import json
import os
import platform
from importlib import import_module

import torch

from sklearn_seq2seq._files import write_whole
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._persistence._format import (
    DOCUMENT,
    FORMAT_VERSION,
    KEY,
    NO_DIGEST,
    SEAL,
    ModelFileError,
    check_seal,
    digest,
    parse,
    read,
    reading,
)
from sklearn_seq2seq._persistence._names import by_name
from sklearn_seq2seq._persistence._values import Packer, Unpacker

_LIBRARIES = ("numpy", "sklearn", "sklearn_seq2seq", "skorch", "torch")


def save(estimator, path):
    """Write an estimator to one file, without pickle.

    Everything that predictions depend on is in the file: parameters, vocabularies and
    weights. It is written beside its final place and then moved there, so that readers
    see the old file or the new one, never a part. Needs the extra ``save``.

    Parameters
    ----------
    estimator : estimator
        Of this package, or a :class:`~sklearn.pipeline.Pipeline` of such; fitted or
        not.
    path : str or path-like
        The file to write; one that exists is replaced and keeps its mode. Where it is a
        link, the file that it points to is replaced.

    Raises
    ------
    ValueError
        If something cannot be stored: an estimator or parameter of another kind, a
        function without an importable name, a RandomState.
    ImportError
        If safetensors is not installed.
    OSError
        If the file cannot be written. No part of it remains, and an existing file is
        unchanged.

    See Also
    --------
    load : Read such a file.

    Notes
    -----
    Parameters that only a further `fit` would use, and that hold objects of the session
    or of the machine, are not saved and have their defaults after loading: `callbacks`,
    `checkpoint`, `pretrained`, `source_vectors` and `target_vectors` (the fitted
    network has what it took from them), and `memory` of a Pipeline. Training and
    validation data and the optimiser's state are not saved either: a loaded model
    continues training with a new optimiser. A tokenizer given as a path is stored
    itself. So a loaded model reads and writes no file by itself.

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
        "model": Packer(tensors).estimator(estimator),
    }
    text = json.dumps(document, ensure_ascii=False, allow_nan=False)
    tensors[DOCUMENT] = torch.frombuffer(
        bytearray(text.encode("utf-8", "surrogatepass")), dtype=torch.uint8
    )
    seal = {KEY: f"{FORMAT_VERSION}:{NO_DIGEST}"}
    data = bytearray(safetensors.save(tensors, metadata=seal))
    start = SEAL.search(data).start(2)
    data[start : start + 64] = digest(data, start).encode()
    write_whole(path, data)


def load(path, *, trusted=()):
    """Read an estimator that `save` wrote.

    No code in the file is run, whatever it holds. A model that was trained on a GPU
    loads on machines without one. Needs the extra ``save``.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : iterable of str, functions or classes, default=()
        The functions and classes, such as an analyzer, that the file may name: given
        themselves, or by qualified names such as "nltk.tokenize.word_tokenize", which
        are imported. Optimisers and schedulers of torch are always allowed.

    Returns
    -------
    estimator : estimator
        It predicts what the saved one predicted.

    Raises
    ------
    ModelFileError
        If `save` has not written the file, or if it is damaged, has a newer format, or
        names something that is not trusted. A ValueError; the message names the file.
    ImportError
        If safetensors is not installed, or tokenizers for a model with subwords.
    OSError
        If the file cannot be read.
    MemoryError
        If there is not enough memory for the model.

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
    trusted = by_name(trusted)
    data = read(path)
    with reading(path):
        check_seal(data)
        tensors = safetensors.load(data)
        document = parse(_text_of(tensors.pop(DOCUMENT)))
        return Unpacker(tensors, trusted).estimator(document["model"])


def _text_of(document):
    if document.dtype != torch.uint8 or document.ndim != 1:
        raise ModelFileError("its document is not text.")
    return document.numpy().tobytes()


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
            The functions and classes that the file may name, as for
            :func:`~sklearn_seq2seq.load`.

        Returns
        -------
        estimator : estimator
            It predicts what the saved one predicted.

        Raises
        ------
        ModelFileError
            If the file does not hold a valid estimator of this class.
        """
        estimator = load(path, trusted=trusted)
        if not isinstance(estimator, cls):
            raise ModelFileError(
                f"{os.fspath(path)!r} holds a {type(estimator).__name__}, not a "
                f"{cls.__name__}; read it with sklearn_seq2seq.load."
            )
        return estimator
