"""The page's program in JavaScript predicts what the estimator predicts."""

import shutil
import subprocess
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest

from sklearn_seq2seq import Seq2SeqTransformer, export_onnx

FOLDER = Path(__file__).parents[1] / "examples" / "javascript"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.skipif(
    not (FOLDER / "node_modules" / "onnxruntime-node").exists(),
    reason="onnxruntime-node is not installed: run npm install --ignore-scripts in "
    "examples/javascript",
)
@pytest.mark.filterwarnings("ignore:.* token.s. in X are not in the vocabulary")
@pytest.mark.filterwarnings("ignore:.* predictions were ended by max_length")
@pytest.mark.parametrize("form", [None, "NFC", "NFD"])
def test_javascript_predicts_the_same(form, fitted, tmp_path):
    pytest.importorskip("onnx")
    rng = np.random.default_rng(1)
    words = ["".join(rng.choice(list("abcdeé"), n % 12)) for n in range(500)]
    if form is not None:  # read composed, written in the form of training
        fitted = Seq2SeqTransformer(hidden_size=8, max_epochs=5, random_state=0)
        fitted.fit(*[[unicodedata.normalize(form, word) for word in words]] * 2)
        assert fitted.source_vectorizer_.normalize_ == "NFC"
    words[::2] = [unicodedata.normalize("NFD", word) for word in words[::2]]
    export_onnx(fitted, tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        archive.extractall(tmp_path / "model")
    run = subprocess.run(
        ["node", "predict.js", tmp_path / "model"],
        cwd=FOLDER,
        input="".join(f"{word}\n" for word in words),
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert run.stdout.split("\n")[:-1] == fitted.predict(words).tolist()
