"""Reading exported models without trusting their content."""

import hashlib
import io
import zipfile

from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._persistence._format import ModelFileError, parse, read, reading
from sklearn_seq2seq.runtime._network import Network
from sklearn_seq2seq.runtime._parameters import NAMES, check_parameters
from sklearn_seq2seq.runtime._predictor import Predictor
from sklearn_seq2seq.runtime._sides import is_int, read_side, require
from sklearn_seq2seq.runtime._sources import Member

FORMAT_VERSION = 1
DOCUMENT = "model.json"
DIGITS = 64  # of the SHA-256 at the end of a file


def load(path, *, n_threads=1):
    """Read a model that `export_onnx` wrote.

    Nothing in the file is executed except the arithmetic of its networks. Needs the
    extra ``onnx``.

    Parameters
    ----------
    path : str or path-like
        The file.
    n_threads : int, default=1
        Threads of one call. One is fastest for single rows and small networks; 0 lets
        onnxruntime decide.

    Returns
    -------
    model : Predictor
        It predicts what the exported estimator predicts.

    Raises
    ------
    ModelFileError
        If `export_onnx` has not written the file, or if it is damaged or has a newer
        format. A ValueError; the message names the file.
    ImportError
        If onnxruntime is not installed, or tokenizers for a model with subwords.
    OSError
        If the file cannot be read.

    See Also
    --------
    sklearn_seq2seq.export_onnx : Writes such a file.

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
    >>> bool((exported.predict(["abba"]) == model.predict(["abba"])).all())
    True
    """
    data = read(path)
    with reading(path):
        _check_seal(data)
        files = _unzip(data)
        document = parse(files.pop(DOCUMENT))
        return _predictor(document, files, n_threads)


def _check_seal(data):
    if data[:2] != b"PK":
        raise ModelFileError(
            "this is not a model that export_onnx wrote. Use sklearn_seq2seq.load for "
            "files of save."
        )
    digest = hashlib.sha256(memoryview(data)[:-DIGITS]).hexdigest()
    if digest.encode() != data[-DIGITS:]:
        raise ModelFileError(
            "the checksum is wrong: the file was damaged or changed since it was "
            "exported, or is another zip archive. Copy or export it again."
        )


def _unzip(data):
    """The bytes of each file in the archive, which must not be compressed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = archive.infolist()
        names = [item.filename for item in found]
        require(len(set(names)) == len(names), "it has a file twice.")
        require(
            all(
                item.compress_type == zipfile.ZIP_STORED
                and item.file_size == item.compress_size
                for item in found
            ),
            "its files are compressed.",
        )
        require(sum(x.file_size for x in found) <= len(data), "its files overlap.")
        return {name: archive.read(name) for name in names}


def _predictor(document, files, n_threads):
    version = document["format"]
    require(is_int(version, 1), "it does not say which format it has.")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"the file has format {version}, this version of sklearn_seq2seq reads "
            f"formats up to {FORMAT_VERSION}. Install a newer sklearn_seq2seq."
        )
    nodes = document["members"]
    require(type(nodes) is list and nodes, "it has no networks.")
    names = {
        f"{part}-{k}.onnx" for k in range(len(nodes)) for part in ("encoder", "step")
    }
    require(set(files) == names, "its files are not those of its networks.")
    target = read_side(document["target"])
    members = []
    for k, node in enumerate(nodes):
        networks = files[f"encoder-{k}.onnx"], files[f"step-{k}.onnx"]
        members.append(_member(node, target, networks, n_threads))
    params = document["decoding"]
    require(type(params) is dict and set(params) == set(NAMES), "it cannot be decoded.")
    params = {name: _listed_rows(value, target) for name, value in params.items()}
    check_parameters(params)
    return Predictor(members, params)


def _member(node, target, networks, n_threads):
    source = read_side(node["source"])
    longest = node["longest"]
    require(
        type(longest) is list
        and len(longest) == 2
        and all(is_int(n, 1) for n in longest),
        "it does not say how long its training pairs were.",
    )
    for name in ("copy", "knows_empty"):
        require(type(node[name]) is bool, f"{name} is not true or false.")
    network = Network(*networks, copies=node["copy"], n_threads=n_threads)
    network.check(source.size, target.size)
    table = CopyTable(source, target) if node["copy"] else None
    return Member(network, source, target, table, tuple(longest), node["knows_empty"])


def _listed_rows(value, target):
    """A parameter with tuples for rows of columns, which JSON writes as lists."""
    if not isinstance(value, list) or not target.has_columns:
        return value
    return [tuple(item) if isinstance(item, list) else item for item in value]
