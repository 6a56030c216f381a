"""Exported files: whole, damaged and hostile ones."""

import json
import warnings
import zipfile

import numpy as np
import pytest

from sklearn_seq2seq import ModelFileError, export_onnx, load, runtime
from sklearn_seq2seq._onnx._export import sealed

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def bundle(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "bundle.zip"
    export_onnx(fitted, path)
    return path


def unpacked(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path, files, **options):
    path.write_bytes(sealed(files, **options))
    return path


def test_same_model_makes_the_same_file(fitted, bundle, tmp_path):
    export_onnx(fitted, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_damage_is_noticed(bundle, tmp_path):
    data = bundle.read_bytes()
    places = [*range(30), *range(50, len(data), len(data) // 60), *range(-90, 0)]
    for place in places:
        damaged = bytearray(data)
        damaged[place] ^= 1
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(ModelFileError, match="damaged"):
            runtime.load(tmp_path / "damaged")


@pytest.mark.parametrize(
    "data", [b"", b"PK", b"\x80\x04N.", b"{}" * 99, b"PK\x03\x04" + bytes(99)]
)
def test_other_files_are_refused(data, tmp_path):
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(ModelFileError, match=r"'.*other'"):
        runtime.load(tmp_path / "other")


def test_other_files_of_ours_are_refused(fitted, bundle, tmp_path):
    fitted.save(tmp_path / "saved")
    with pytest.raises(ModelFileError, match=r"sklearn_seq2seq\.load"):
        runtime.load(tmp_path / "saved")
    with pytest.raises(ModelFileError, match="zip"):
        load(bundle)
    with pytest.raises(OSError, match="missing"):
        runtime.load(tmp_path / "missing")


def document(*keys, value):
    """A change of the document: set ``document[keys[0]][keys[1]]...``."""

    def change(files):
        whole = node = json.loads(files["model.json"])
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value
        files["model.json"] = json.dumps(whole).encode()

    return change


def file(name, data):
    return lambda files: files.update({name: data})


SOURCE = ("members", 0, "source")
CHANGES = {
    "a newer format": document("format", value=2),
    "no format": document("format", value="1"),
    "no members": document("members", value=[]),
    "other parameters": document("decoding", value={}),
    "a bad parameter": document("decoding", "beam_width", value=0),
    "a bad closed set": document("decoding", "allowed_outputs", value=7),
    "an unknown analyzer": document(*SOURCE, "analyzer", value="exec"),
    "a pattern that is none": document(*SOURCE, "token_pattern", value="("),
    "a vocabulary of numbers": document("target", "vocabulary", value=[1, 2]),
    "a token twice": document("target", "vocabulary", value=["a", "a"]),
    "a small vocabulary": document("target", "vocabulary", value=["a"]),
    "a large vocabulary": document(
        *SOURCE, "vocabulary", value=[str(n) for n in range(99)]
    ),
    "a tokenizer": document("target", "tokenizer", value="{}"),
    "subwords without one": document("target", "analyzer", value="subword"),
    "no kind": document("target", "kind", value="code"),
    "ids without a size": document("target", value={"kind": "ids", "size": 0}),
    "no columns": document("target", value={"kind": "columns", "columns": []}),
    "no lengths": document("members", 0, "longest", value=[0, 1]),
    "copies": document("members", 0, "copy", value=True),
    "no JSON": file("model.json", b"{"),
    "NaN": file("model.json", b'{"format": NaN}'),
    "a key twice": file("model.json", b'{"format": 1, "format": 1}'),
    "a list": file("model.json", b"[1]"),
    "no network": lambda files: files.pop("step-0.onnx"),
    "no document": lambda files: files.pop("model.json"),
    "another file": file("../../evil.py", b"1"),
    "a network that is none": file("step-0.onnx", b"onnx"),
    "the other network": lambda files: files.update(
        {"step-0.onnx": files["encoder-0.onnx"]}
    ),
    "a network cut short": lambda files: files.update(
        {"step-0.onnx": files["step-0.onnx"][:-99]}
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_hostile_files_are_refused(change, bundle, tmp_path):
    files = unpacked(bundle)
    CHANGES[change](files)
    with pytest.raises(ModelFileError, match=r"changed\.zip"):
        runtime.load(write(tmp_path / "changed.zip", files))


def test_networks_with_other_files_or_without_numbers_are_refused(bundle, tmp_path):
    files = unpacked(bundle)
    model = onnx.load_from_string(files["step-0.onnx"])
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    outside = {**files, "step-0.onnx": model.SerializeToString()}
    with pytest.raises(ModelFileError, match="other files"):
        runtime.load(write(tmp_path / "outside.zip", outside))
    model = onnx.load_from_string(files["step-0.onnx"])
    for weight in model.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT:
            weight.raw_data = np.full(len(weight.raw_data) // 4, np.nan, "f4").tobytes()
    broken = {**files, "step-0.onnx": model.SerializeToString()}
    with pytest.raises(ModelFileError, match="log-probabilities"):
        runtime.load(write(tmp_path / "broken.zip", broken))


def test_archives_of_other_kinds_are_refused(bundle, tmp_path):
    files = unpacked(bundle)
    packed = write(tmp_path / "packed.zip", files, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelFileError, match="compressed"):
        runtime.load(packed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of the name
        twice = write(tmp_path / "twice.zip", [*files.items(), *files.items()])
    with pytest.raises(ModelFileError, match="twice"):
        runtime.load(twice)
