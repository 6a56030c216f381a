"""`export_onnx`: a fitted model as one file for programs without torch.

The file is a zip archive, nothing in it compressed, of

``model.json``
    how text is converted to ids, and the parameters of decoding (see the page
    "Deployment" of the guide);
``encoder-0.onnx``, ``step-0.onnx``
    the networks of the first model, and so on for each member of an ensemble.

Its last 64 bytes, the archive's comment, are the SHA-256 of all bytes before them.
"""

import hashlib
import io
import json
import platform
import zipfile
from importlib import import_module
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._ensemble import Seq2SeqEnsemble
from sklearn_seq2seq._files import describe_other, write_whole
from sklearn_seq2seq._onnx._networks import encoder_graph, step_graph
from sklearn_seq2seq._onnx._quantize import quantize
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq.runtime._bundle import DIGITS, DOCUMENT, FORMAT_VERSION
from sklearn_seq2seq.runtime._parameters import NAMES

_TEXT = (
    "analyzer",
    "token_pattern",
    "lowercase",
    "joiner",
    "handle_unknown",
)
_LIBRARIES = ("onnx", "sklearn_seq2seq", "torch")


def export_onnx(model, path, *, int8=False):
    """Write a fitted model as ONNX networks, with all that predictions need.

    :func:`sklearn_seq2seq.runtime.load` reads the file with numpy and onnxruntime
    alone; its contents are described so that programs in other languages can read it
    too. Needs the extra ``onnx``.

    Parameters
    ----------
    model : Seq2SeqTransformer, Seq2SeqEnsemble or Pipeline
        A fitted model, or a Pipeline of a vectorizer and a model.
    path : str or path-like
        The file to write; one that exists is replaced.
    int8 : bool, default=False
        Whether to store weights in eight bits, which makes the file smaller and may
        change predictions. Recurrent layers of an encoder are quantised only if they
        are LSTMs.

    Raises
    ------
    NotFittedError
        Before `fit`.
    ValueError
        If something cannot be exported: a model of another class, or a Python function
        that cuts text.
    ImportError
        If onnx is not installed, or for `int8` onnxruntime.

    See Also
    --------
    sklearn_seq2seq.runtime.load : Reads such a file.
    save : Writes a file from which training can continue.

    Notes
    -----
    The current parameters of decoding, such as `beam_width`, are stored and can be
    changed after loading. Without `int8`, weights are in single precision.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_seq2seq import Seq2SeqTransformer, export_onnx, runtime
    >>> model = Seq2SeqTransformer(hidden_size=8, max_epochs=2, random_state=0)
    >>> model = model.fit(["ab", "ba"], ["AB", "BA"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "shout.onnx.zip")
    ...     export_onnx(model, path)
    ...     exported = runtime.load(path)
    >>> bool((exported.predict(["ab"]) == model.predict(["ab"])).all())
    True
    """
    vectorizer = None
    if isinstance(model, Pipeline) and len(model.steps) == 2:
        vectorizer, model = (step for _, step in model.steps)
    if not isinstance(model, Seq2SeqTransformer | Seq2SeqEnsemble):
        raise ValueError(
            "Only a Seq2SeqTransformer, a Seq2SeqEnsemble, or a Pipeline of a "
            f"vectorizer and one of these can be exported; got {describe_other(model)}"
        )
    fitted, params = model._to_decode()
    members = fitted.members
    files = {}
    for k, member in enumerate(members):
        network = member.network
        files[f"encoder-{k}.onnx"] = encoder_graph(network)
        files[f"step-{k}.onnx"] = step_graph(network)
    files = {name: graph.to_bytes() for name, graph in files.items()}
    if int8:
        files = {name: quantize(model) for name, model in files.items()}
    decoding = {name: getattr(model, name) for name in NAMES}
    decoding["batch_size"] = params.batch_size  # a number for "auto"
    document = {
        "format": FORMAT_VERSION,
        "versions": {name: import_module(name).__version__ for name in _LIBRARIES}
        | {"python": platform.python_version()},
        "target": _describe_side(members[0].reader.target),
        "members": [_describe_reader(member.reader, vectorizer) for member in members],
        "decoding": {name: _plain(value, name) for name, value in decoding.items()},
    }
    text = json.dumps(document, allow_nan=False, indent=1)
    write_whole(path, sealed({DOCUMENT: text.encode(), **files}))


def sealed(files, compression=zipfile.ZIP_STORED):
    """Bytes of the archive; its comment is the SHA-256 of all bytes before it."""
    buffer = io.BytesIO()
    pairs = files.items() if isinstance(files, dict) else files
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in pairs:
            # Without a date, so that the same model always gives the same file.
            archive.writestr(zipfile.ZipInfo(name), data, compression)
        archive.comment = bytes(DIGITS)
    data = buffer.getvalue()[:-DIGITS]
    return data + hashlib.sha256(data).hexdigest().encode()


def _describe_reader(reader, vectorizer):
    side = _describe_side(reader.source)
    if vectorizer is not None:
        if reader.source.is_text:
            raise ValueError(
                "The model reads text itself; export the Pipeline's last step."
            )
        check_is_fitted(vectorizer)
        side = _describe_vectorizer(vectorizer)
    return {
        "source": side,
        "copy": reader.copies is not None,
        "longest": list(reader.longest),
        "knows_empty": reader.knows_empty,
    }


def _describe_side(side):
    if side.is_text:
        return _describe_vectorizer(side.vectorizer)
    return {"kind": "ids", "size": side.size, "width": side.width, "ndim": side.ndim}


def _describe_vectorizer(vectorizer):
    if hasattr(vectorizer, "transformers_"):
        columns = [
            _describe_text(part) | {"name": name, "column": _plain(column, "A column")}
            for name, part, column in vectorizer.transformers_
        ]
        return {"kind": "columns", "columns": columns}
    if not isinstance(vectorizer, SequenceVectorizer):
        raise ValueError(
            "Only a SequenceVectorizer or a ColumnVectorizer can be exported with a "
            f"model; got {vectorizer!r:.80}."
        )
    return _describe_text(vectorizer)


def _describe_text(vectorizer):
    if callable(vectorizer.analyzer):
        raise ValueError(
            "analyzer is a function, which cannot be exported. Cut the text with it "
            "first and use analyzer='token'."
        )
    return {
        "kind": "text",
        **{name: getattr(vectorizer, name) for name in _TEXT},
        "normalize": vectorizer.normalize_,
        "restores_form": vectorizer._written_form not in (None, vectorizer._form),
        "vocabulary": list(vectorizer.vocabulary_),
        "max_length": vectorizer.max_length_,
        "tokenizer": getattr(vectorizer, "tokenizer_", None),
    }


def _plain(value, name):
    """A parameter as a JSON value."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Integral | Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if sparse.issparse(value):
        value = value.toarray()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    if isinstance(value, list | tuple):
        return [_plain(item, name) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    raise ValueError(
        f"{name} is a {type(value).__name__}, which cannot be exported; numbers, "
        "strings and lists of these can."
    )
