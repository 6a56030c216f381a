import builtins
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from functools import partial
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load as read_tensors
from safetensors.torch import save as write_tensors
from sklearn.base import clone
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    ConformalSeq2Seq,
    DummySeq2Seq,
    LexiconSeq2Seq,
    ModelFileError,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from sklearn_seq2seq._persistence._format import NO_DIGEST, SEAL, digest
from sklearn_seq2seq.metrics import get_scorer, scorers

WORDS = ["ab", "ba", "abb", "", "bab", "cab"]
SHOUTED = [word.upper() for word in WORDS]
UNSEEN = ["abba", "", "cc", "bd"]
TINY = {
    "hidden_size": 4,
    "embedding_size": 3,
    "max_epochs": 2,
    "batch_size": 4,
    "random_state": 0,
}

# Two epochs leave models that know no end.
pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")


def tiny(**params):
    return Seq2SeqTransformer(**(TINY | params))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.model"


@pytest.fixture(scope="module")
def fitted_tiny():
    return tiny().fit(WORDS, SHOUTED)


def read(path):
    """Document and tensors of a file."""
    tensors = read_tensors(path.read_bytes())
    text = bytes(tensors.pop("document").tolist()).decode("utf-8", "surrogatepass")
    return json.loads(text), tensors


def write(path, text, tensors, version=1):
    """Write a file with a right checksum, whatever is in it."""
    if not isinstance(text, str):
        text = json.dumps(text)
    document = torch.tensor(list(text.encode()), dtype=torch.uint8)
    seal = {"sklearn_seq2seq": f"{version}:{NO_DIGEST}"}
    data = bytearray(write_tensors(tensors | {"document": document}, seal))
    start = SEAL.search(data).start(2)
    data[start : start + 64] = digest(data, start).encode()
    path.write_bytes(data)


def assert_same_predictions(ours, loaded, X):
    assert np.array_equal(ours.transform(X), loaded.transform(X))
    assert ours.predict(X).tolist() == loaded.predict(X).tolist()


# What comes back ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"cell": "gru", "decoder_cell": "lstm", "num_layers": 2},
        {"attention": None, "bidirectional": False, "reverse_source": True},
        {"attention": "additive", "input_feeding": True, "copy": True},
        {"embedding_size": None, "encoder_loss_weight": 0.3},
        {"attention": "hard", "attention_order": 0, "monotonic": True, "copy": True},
        {"share_embeddings": True, "tie_output": True, "copy": True},
        {"attention": "dot", "beam_width": 3, "length_penalty": 0.5, "max_length": 2.0},
        {"banned_tokens": {"A"}, "replace_unknown": "copy"},
        {"allowed_outputs": np.array(["AB", "C"], dtype=object)},
        {"scoring": ["accuracy"], "early_stopping": True},
        {"target_vectorizer": SequenceVectorizer(min_df=2, handle_unknown="silent")},
    ],
)
@pytest.mark.filterwarnings("ignore:.*not in the vocabulary")
def test_loaded_model_predicts_the_same(params, path):
    model = tiny(**params).fit(WORDS, SHOUTED)
    model.save(path)
    loaded = Seq2SeqTransformer.load(path)
    assert_same_predictions(model, loaded, UNSEEN)
    assert np.array_equal(
        model.log_likelihood(WORDS, SHOUTED), loaded.log_likelihood(WORDS, SHOUTED)
    )
    assert loaded.n_iter_ == model.n_iter_
    assert list(loaded.history_) == list(model.history_)
    assert loaded.get_feature_names_out().tolist() == (
        model.get_feature_names_out().tolist()
    )
    names = set(model.get_params()) - {"allowed_outputs"}
    names -= {"source_vectorizer", "target_vectorizer"}
    assert all(model.get_params()[k] == loaded.get_params()[k] for k in names)


@pytest.mark.parametrize("prefit", [False, True])
def test_loaded_ensemble(prefit, fitted_tiny, path):
    members = [("a", tiny()), ("b", tiny(hidden_size=5))]
    if prefit:
        other = clone(fitted_tiny).set_params(cell="gru").fit(WORDS, SHOUTED)
        members = [("a", FrozenEstimator(fitted_tiny)), ("b", other)]
    ensemble = Seq2SeqEnsemble(estimators=members, prefit=prefit, beam_width=2)
    ensemble.fit(WORDS, SHOUTED)
    save(ensemble, path)
    loaded = load(path)
    assert loaded.predict(UNSEEN[:2]).tolist() == ensemble.predict(UNSEEN[:2]).tolist()
    assert len(loaded.estimators_) == 2
    assert_same_predictions(ensemble.estimators_[1], loaded.estimators_[1], WORDS)


def test_loaded_model_of_ids(path):
    X = np.array([[2, 3, 0], [3, 0, 0], [2, 2, 3]])
    model = tiny().fit(X, X[:, 0])
    model.save(path)
    loaded = load(path)
    assert_same_predictions(model, loaded, X)
    assert loaded.n_features_in_ == 3
    with pytest.raises(ValueError, match="features"):
        loaded.predict(X[:, :2])


def test_loaded_model_of_an_id_frame(path):
    pd = pytest.importorskip("pandas")
    X = pd.DataFrame({"first": [2, 3], "second": [3, 0]})
    model = tiny().fit(X, [[2], [3]])
    model.save(path)
    assert load(path).feature_names_in_.tolist() == ["first", "second"]


def test_loaded_model_of_token_lists_and_strange_strings(path):
    rows = [["a\ud800", "☃", '"'], ["\\", "\n"], ["☃"]]
    model = tiny().fit(rows, rows)
    model.save(path)
    assert_same_predictions(model, load(path), rows)
    assert load(path).source_vectorizer_.vocabulary_ == (
        model.source_vectorizer_.vocabulary_
    )


@pytest.mark.parametrize("subword_model", ["bpe", "unigram"])
def test_loaded_vectorizer_with_subwords(subword_model, path):
    vectorizer = SequenceVectorizer(
        analyzer="subword", subword_model=subword_model, max_features=300
    ).fit(WORDS * 3)
    save(vectorizer, path)
    tokens = load(path).transform(UNSEEN)
    assert (tokens != vectorizer.transform(UNSEEN)).nnz == 0
    assert load(path).inverse_transform(tokens).tolist() == UNSEEN


def test_tokenizer_given_as_path_is_stored_itself(path, tmp_path):
    trained = SequenceVectorizer(analyzer="subword", max_features=300).fit(WORDS)
    file = tmp_path / "tokenizer.json"
    file.write_text(trained.tokenizer_, encoding="utf-8")
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=file).fit(WORDS)
    save(vectorizer, path)
    file.unlink()
    loaded = clone(load(path)).fit(WORDS)
    assert loaded.vocabulary_ == vectorizer.vocabulary_


def test_loaded_pipeline_of_columns(path):
    rows = [("go", "V PST"), ("gnu", "N PL"), ("ox", "N PL")]
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), 0),
            ("tags", SequenceVectorizer(analyzer="word"), 1),
        ]
    )
    pipeline = Pipeline([("columns", columns), ("model", tiny())])
    pipeline.fit(rows, ["went", "gnus", "oxen"])
    save(pipeline, path)
    loaded = load(path)
    assert_same_predictions(pipeline, loaded, rows)
    assert loaded.get_params()["columns__tags__analyzer"] == "word"
    loaded.fit(rows, ["a", "b", "c"])


@pytest.mark.parametrize(
    "scoring",
    [
        get_scorer("char_error_rate"),
        clone(tiny(scoring=get_scorer("rouge2"))).scoring,
        scorers("bleu", "chrf"),
        [get_scorer("bleu"), "accuracy"],
    ],
)
def test_loaded_scorers_are_those_of_the_package(scoring, path):
    tiny(scoring=scoring).fit(WORDS, SHOUTED).save(path)
    assert repr(load(path).scoring) == repr(scoring)


@pytest.mark.parametrize("dtype", [object, str])
@pytest.mark.parametrize("columns", [False, True])
def test_loaded_closed_set_of_one_column(columns, dtype, path):
    """Rows of a column are no token lists."""
    allowed = np.array([["AB"], ["BA"]], dtype=dtype)
    model = tiny(allowed_outputs=allowed)
    if columns:
        own = ColumnVectorizer([("a", SequenceVectorizer(), 0)])
        model.set_params(target_vectorizer=own)
    model.fit(WORDS[:3], np.array(SHOUTED[:3], dtype=object)[:, None])
    model.save(path)
    loaded = load(path)
    assert loaded.allowed_outputs.tolist() == [["AB"], ["BA"]]
    assert_same_predictions(model, loaded, ["ab", "bba"])
    baseline = DummySeq2Seq(strategy="closest", allowed_outputs=allowed)
    save(baseline.fit(WORDS[:3], SHOUTED[:3]), path)
    assert load(path).predict(WORDS).tolist() == baseline.predict(WORDS).tolist()


@pytest.mark.parametrize(
    "rows",
    [
        [["A", "B"], ["C"]],
        [("A", "B"), ("C",)],
        [["A"], ["C"]],
        [np.array([2, 3]), np.array([3])],
        [np.array([2]), np.array([3])],
    ],
)
def test_loaded_arrays_of_rows_are_no_columns(rows, path):
    array = np.fromiter(rows, dtype=object, count=2)
    save(tiny(allowed_outputs=array), path)
    found = load(path).allowed_outputs
    assert found.shape == (2,)
    assert list(map(list, found)) == list(map(list, rows))


@pytest.mark.parametrize(
    "allowed",
    [
        [("went", "V"), ("gnus", "N")],
        {("went", "V"), ("gnus", "N")},
        np.array([("went", "V"), ("gnus", "N")]),
        np.array([("went", "V"), ("gnus", "N")], dtype=object),
    ],
)
def test_loaded_closed_set_of_several_columns(allowed, path):
    columns = [(name, SequenceVectorizer(), k) for k, name in enumerate("ab")]
    model = tiny(target_vectorizer=ColumnVectorizer(columns), allowed_outputs=allowed)
    model.fit(["go", "gnu"], [("went", "V"), ("gnus", "N")])
    model.save(path)
    assert_same_predictions(model, Seq2SeqTransformer.load(path), ["go", "gnu"])


@pytest.mark.parametrize(
    "strategy", ["most_frequent", "copy", "lookup", "nearest", "suffix", "closest"]
)
@pytest.mark.parametrize(
    "X", [WORDS, [list(word) for word in WORDS], [[2, 3], [3, 0], [2, 0]]]
)
def test_loaded_baseline(strategy, X, path):
    model = DummySeq2Seq(strategy=strategy, allowed_outputs=X).fit(X, X[::-1])
    save(model, path)
    new = X[::-1]
    assert load(path).predict(new).tolist() == model.predict(new).tolist()


@pytest.mark.parametrize(
    "estimator",
    [
        SequenceVectorizer(lowercase=True, min_df=np.int64(2), vocabulary={"a": 2}),
        ColumnVectorizer([("a", SequenceVectorizer(), 0)]),
        DummySeq2Seq(strategy="copy"),
        tiny(learning_rate=np.float32(0.5), teacher_forcing=(1.0, 0.5)),
        Pipeline([("a", "passthrough"), ("model", tiny())]),
    ],
)
def test_unfitted_estimator_comes_back_unfitted(estimator, path):
    save(estimator, path)
    loaded = load(path)
    assert repr(loaded) == repr(clone(loaded))
    assert type(loaded) is type(estimator)
    assert set(loaded.get_params()) == set(estimator.get_params())
    assert not [name for name in vars(loaded) if name.endswith("_")]


def test_settings_changed_after_fit_do_not_disturb(fitted_tiny, path):
    model = clone(fitted_tiny).fit(WORDS, SHOUTED)
    model.set_params(hidden_size=64, cell="gru", copy=True, encoder_loss_weight=0.5)
    model.save(path)
    loaded = load(path)
    assert_same_predictions(model, loaded, WORDS)
    assert loaded.hidden_size == 64


def test_loaded_model_learns_on(fitted_tiny, path):
    fitted_tiny.save(path)
    loaded = load(path).set_params(max_epochs=10).partial_fit(WORDS, SHOUTED)
    assert loaded.n_iter_ == 12
    assert loaded.history_[-1]["train_loss"] < loaded.history_[0]["train_loss"]
    warm = load(path).set_params(warm_start=True, optimizer="sgd").fit(WORDS, SHOUTED)
    assert warm.n_iter_ == 4
    assert np.isfinite(warm.transform(WORDS)).all()


def test_frozen_vectors_stay_frozen(path):
    vectors = {letter: np.full(3, k) for k, letter in enumerate("abc")}
    model = tiny(source_vectors=vectors, freeze_vectors=True).fit(WORDS, SHOUTED)
    model.save(path)
    loaded = load(path)
    assert loaded.source_vectors is None
    before = loaded.net_.module_.encoder.embedding.weight.detach().clone()
    loaded.partial_fit(WORDS, SHOUTED)
    assert torch.equal(before, loaded.net_.module_.encoder.embedding.weight)


def test_session_objects_are_not_saved(path):
    model = tiny(callbacks=[], checkpoint="training.state")
    model.save(path)
    assert load(path).callbacks is load(path).checkpoint is None


def test_file_is_the_same_each_time_and_not_large(fitted_tiny, path, tmp_path):
    fitted_tiny.save(path)
    other = tmp_path / "b.model"
    load(path).save(other)
    assert path.read_bytes() == other.read_bytes()
    weights = sum(4 * w.numel() for w in fitted_tiny.net_.module_.parameters())
    assert path.stat().st_size < weights + 12_000


def test_load_of_another_class_says_so(path):
    save(SequenceVectorizer(), path)
    with pytest.raises(ModelFileError, match="holds a SequenceVectorizer"):
        Seq2SeqTransformer.load(path)


def forbid_files(monkeypatch):
    def refuse(path, *args, **kwargs):
        raise AssertionError(f"{path} is opened.")

    for owner, name in ((builtins, "open"), (io, "open"), (os, "open")):
        monkeypatch.setattr(owner, name, refuse)


def test_a_folder_of_a_pipeline_is_not_saved(path, tmp_path, monkeypatch):
    pipeline = Pipeline([("model", tiny())], memory=str(tmp_path / "cache"))
    save(pipeline, path)
    document, tensors = read(path)
    assert "memory" not in document["model"]["params"]
    document["model"]["params"]["memory"] = str(tmp_path / "cache")
    write(path, document, tensors)  # as earlier versions did
    loaded = load(path)
    assert loaded.memory is None
    forbid_files(monkeypatch)
    loaded.fit(WORDS, SHOUTED).predict(WORDS)


@pytest.mark.parametrize("fitted", [False, True])
def test_a_path_of_a_tokenizer_is_not_loaded(fitted, path, tmp_path, monkeypatch):
    vectorizer = SequenceVectorizer(analyzer="subword", max_features=300)
    save(vectorizer.fit(WORDS) if fitted else vectorizer, path)
    document, tensors = read(path)
    document["model"]["params"]["tokenizer"] = str(tmp_path / "planted")
    write(path, document, tensors)
    with pytest.warns(
        UserWarning, match=r"is not in the model file.*Set the parameter tokenizer"
    ):
        loaded = load(path)
    forbid_files(monkeypatch)
    loaded.fit(WORDS).transform(WORDS)


# Elsewhere ---------------------------------------------------------------------------

ELSEWHERE = """
import sys, warnings
import numpy as np
from sklearn_seq2seq import load
with warnings.catch_warnings(action="error"):
    model = load(sys.argv[1])
np.save(sys.argv[2], model.transform(sys.argv[3:]))
print(model.predict(sys.argv[3:]).tolist())
"""


def test_fresh_process_without_gpu_predicts_the_same(fitted_tiny, path, tmp_path):
    fitted_tiny.save(path)
    vectors = tmp_path / "vectors.npy"
    run = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, path, vectors, *WORDS],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == f"{fitted_tiny.predict(WORDS).tolist()}\n"
    assert np.array_equal(np.load(vectors), fitted_tiny.transform(WORDS))
    assert sorted(os.listdir(tmp_path)) == ["a.model", "vectors.npy"]


@pytest.mark.parametrize("device", ["cuda:99", torch.device("cuda:99"), "xpu:99"])
def test_absent_device_becomes_auto(device, fitted_tiny, path):
    model = clone(fitted_tiny).fit(WORDS, SHOUTED).set_params(device=device)
    model.save(path)
    with pytest.warns(UserWarning, match="device='auto' now"):
        loaded = load(path)
    assert loaded.device == "auto"
    if not torch.cuda.is_available():
        assert_same_predictions(model, loaded, WORDS)


def test_what_many_processes_trained_is_loaded_in_one(fitted_tiny, path):
    model = clone(fitted_tiny).fit(WORDS, SHOUTED).set_params(device="distributed")
    model.save(path)
    loaded = load(path)
    assert loaded.device == "auto"
    assert_same_predictions(model, loaded, WORDS)


# Writing -----------------------------------------------------------------------------


def test_failed_save_leaves_the_old_file(fitted_tiny, path, monkeypatch):
    fitted_tiny.save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="lambda"):
        save(SequenceVectorizer(analyzer=lambda text: text.split()), path)
    os.chmod(path.parent, 0o700)
    with pytest.raises(OSError, match="directory"):
        fitted_tiny.save(path.parent)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_save_into_a_missing_folder_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such folder: '.*missing'"):
        save(SequenceVectorizer(), tmp_path / "missing" / "a.model")


def test_saved_file_has_the_usual_permissions(path, tmp_path):
    save(SequenceVectorizer(), path)
    usual = tmp_path / "usual"
    usual.write_bytes(b"")
    assert path.stat().st_mode == usual.stat().st_mode


def local(text):
    return text.split()


class Odd(SequenceVectorizer):
    pass


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (SequenceVectorizer(analyzer=lambda text: [text]), "with def at the top"),
        (SequenceVectorizer(analyzer=partial(str.split, sep=",")), "without a name"),
        (tiny(random_state=np.random.RandomState(0)), "random_state=0"),
        (tiny(scoring={"a": len, "b": lambda e, X, y: 0}), "scoring is .*lambda"),
        (tiny(abstain=object()), "abstain is a builtins.object"),
        (tiny(allowed_outputs=pd.DataFrame({"a": ["b"]})), "outputs is a pandas"),
        (CountVectorizer(), "CountVectorizer"),
        (Pipeline([("a", CountVectorizer()), ("b", tiny())]), "CountVectorizer"),
        (Odd(), "Odd"),
        (tiny(source_vectorizer=Odd()), "Odd"),
        (tiny(hidden_size=-1), "hidden_size"),
    ],
)
def test_save_of_what_cannot_be_saved(estimator, message, path):
    with pytest.raises(ValueError, match=message):
        save(estimator, path)
    assert not path.exists()


def test_save_of_a_local_or_main_function_fails(path, monkeypatch):
    def inner(text):
        return [text]

    main = sys.modules["__main__"]
    monkeypatch.setattr(main, "local", local, raising=False)
    monkeypatch.setattr(local, "__module__", "__main__")
    for function in (inner, local):
        with pytest.raises(ValueError, match="cannot be imported elsewhere"):
            save(SequenceVectorizer(analyzer=function), path)


# Names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "name"),
    [(str.split, "builtins.str.split"), (json.loads, "json.loads"), (list, None)],
)
def test_functions_load_if_trusted(function, name, path):
    save(SequenceVectorizer(analyzer=function), path)
    name = name or "builtins.list"
    with pytest.raises(ModelFileError, match=f"{name}.*not trusted.*trusted="):
        load(path)
    with pytest.raises(ModelFileError, match="not trusted"):
        load(path, trusted=["os.system", len])
    assert load(path, trusted=[name]).analyzer is function
    assert load(path, trusted=[function]).analyzer is function


def test_torch_optimisers_need_no_trust(path):
    schedule = torch.optim.lr_scheduler.ExponentialLR
    save(tiny(optimizer=torch.optim.Adam, lr_schedule=schedule), path)
    assert load(path).optimizer is torch.optim.Adam
    assert load(path).lr_schedule is schedule


@pytest.mark.parametrize("trusted", ["json.loads", ["no_such.thing"], [lambda: 0]])
def test_trusted_that_is_wrong(trusted, path):
    save(SequenceVectorizer(), path)
    with pytest.raises((TypeError, ValueError), match="trusted"):
        load(path, trusted=trusted)


@pytest.mark.parametrize(
    "name",
    ["torch.optim.os", "torch.optim.Optimizer.step", "torch.optim.", "os.system"],
)
def test_nothing_else_is_found_by_name(name, path):
    save(tiny(optimizer=torch.optim.Adam), path)
    document, tensors = read(path)
    document["model"]["params"]["optimizer"]["value"] = name
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match="not trusted"):
        load(path)


# Hostile and broken files ------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/sklearn_seq2seq_was_here",)


def as_pickle(path):
    path.write_bytes(pickle.dumps(Bomb()))


def as_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped", "x")


def as_torch(path):
    torch.save({"model": Bomb()}, path)


def as_other_safetensors(path):
    path.write_bytes(write_tensors({"a": torch.zeros(2)}))


def as_huge_header(path):
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")


def as_huge_tensor(path):
    save(SequenceVectorizer(), path)
    data = path.read_bytes().replace(b'"shape":[', b'"shape":[99999999999999')
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (as_pickle, "pickle"),
        (as_zip, "zip"),
        (as_torch, "zip"),
        (as_other_safetensors, "not a model file"),
        (as_huge_header, "cut short"),
        (as_huge_tensor, "checksum|not a model file|whole"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(b"{" * 100_000), "cut short"),
        (lambda path: path.write_text("<html>not found</html>"), "cut short"),
    ],
)
def test_file_of_another_kind(make, message, path):
    make(path)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert not os.path.exists("/tmp/sklearn_seq2seq_was_here")


def test_file_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing")
    with pytest.raises(ModelFileError, match="not a regular file"):
        load(os.devnull)


def test_newer_format_says_so(path):
    save(SequenceVectorizer(), path)
    write(path, *read(path), version=2)
    with pytest.raises(ModelFileError, match=r"format 2.*newer"):
        load(path)


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("not enough memory: you tried to allocate")]
)
def test_lack_of_memory_is_no_broken_file(error, fitted_tiny, path, monkeypatch):
    fitted_tiny.save(path)
    monkeypatch.setattr(torch.nn.LSTM, "__init__", Mock(side_effect=error))
    with pytest.raises(MemoryError, match=r"a\.model"):
        load(path)


DEEP = 200_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * DEEP + "]" * DEEP, "Recursion"),
        ('{"model": ' * 900 + "0" + "}" * 900, "malformed"),
        ('{"model": 1, "model": 2}', "twice"),
        ('{"model": NaN}', "NaN"),
        ('{"model": 1' + "0" * 5000 + "}", "limit"),
        ("{", "Expecting"),
        ("[]", "TypeError"),
        ("{}", "model"),
        ('{"model": {"type": "estimator"}}', "malformed"),
    ],
)
def test_hostile_document(text, message, path):
    write(path, text, {})
    with pytest.raises(ModelFileError, match=message):
        load(path)


def put(document, place, value):
    *way, last = place.split(".")
    for step in way:
        document = document[int(step) if step.isdigit() else step]
    document[int(last) if last.isdigit() else last] = value


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("class", "Popen", "unknown estimator"),
        ("class", ["Popen"], "not text"),
        ("params.shell", True, "no parameter 'shell'"),
        ("params.checkpoint", "/tmp/planted", "sets checkpoint"),
        ("params.callbacks", [], "sets callbacks"),
        ("params.pretrained", None, "sets pretrained"),
        ("params.source_vectors", "/tmp/planted", "sets source_vectors"),
        ("params.hidden_size", "8", "hidden_size"),
        ("params.cell", {"type": "estimator"}, "malformed"),
        ("params.cell", {"type": "code", "value": "1"}, "unknown type"),
        ("params.tol", {"type": "float", "value": "x"}, "ValueError"),
        ("params.abstain", {"type": "tuple", "value": 3}, "list of items"),
        ("params.abstain", {"type": "set", "value": [[]]}, "unhashable"),
        ("params.abstain", {"type": "dict", "value": [["a", 1], ["a", 2]]}, "twice"),
        (
            "params.abstain",
            {"type": "array", "value": [1], "dtype": "S99999999999"},
            "dtype",
        ),
        ("state.network.value.hidden_size", 10**9, "larger than the weights"),
        ("state.network.value.num_layers", 10**9, "larger than the weights"),
        ("state.network.value.embedding_size", 10**9, "larger than the weights"),
        ("state.network.value.hidden_size", 5, "shape"),
        ("state.network.value.hidden_size", -5, "hidden_size"),
        ("state.network.value.attention", "general", "not those of its network"),
        ("state.network", {"type": "dict", "value": {}}, "what its network is"),
        ("state.network.value.num_layers", "auto", "what its network is"),
        ("state.network.value.attention", "auto", "what its network is"),
        ("state.network.value.unknown_dropout", "auto", "what its network is"),
        ("state.longest", [10**9, -1], "how long"),
        ("state.seed", "x", "seed"),
        ("state.frozen", ["x"], "freezes weights that it does not have"),
        ("state.history", [1], "history"),
        ("state.n_features_in", 7, "columns"),
        ("state.sides", [], "sides|unpack"),
        ("state", {}, "KeyError"),
        ("weights", "1", "larger than the weights"),
    ],
)
def test_hostile_transformer(place, value, message, fitted_tiny, path):
    fitted_tiny.save(path)
    document, tensors = read(path)
    put(document["model"], place, value)
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("vocabulary", ["a", "a"], "twice"),
        ("vocabulary", [1], "strings"),
        ("vocabulary", "ab", "strings"),
        ("max_length", -1, "max_length"),
        ("tokenizer", "{}", "come together"),
    ],
)
def test_hostile_vectorizer(place, value, message, path):
    save(SequenceVectorizer().fit(WORDS), path)
    document, tensors = read(path)
    document["model"]["state"][place] = value
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=message):
        load(path)


@pytest.mark.parametrize("text", ["{}", "\x00", '{"version": "1.0"}', "[" * 5000])
def test_hostile_tokenizer(text, path):
    save(SequenceVectorizer(analyzer="subword").fit(WORDS), path)
    document, tensors = read(path)
    document["model"]["state"]["tokenizer"] = text
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match="tokenizer"):
        load(path)


@pytest.mark.parametrize("strategy", ["most_frequent", "lookup"])
@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("kinds_", ["strings"]),
        ("_strategy", "best"),
        ("targets_", ["a"]),
        ("most_frequent_", 99),
        ("most_frequent_", -1),
        ("predict", 1),
    ],
)
def test_hostile_baseline(strategy, place, value, path):
    save(DummySeq2Seq(strategy=strategy).fit(WORDS, SHOUTED), path)
    document, tensors = read(path)
    document["model"]["state"][place] = value
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=r"a\.model"):
        load(path)


@pytest.mark.parametrize(
    ("rule", "error"),
    [([2, "x"], "more than its suffix"), ([0, 1], "suffixes"), ([0], "suffixes")],
)
def test_hostile_rules_of_a_baseline(rule, error, path):
    save(DummySeq2Seq(strategy="suffix").fit(["ab"], ["ac"]), path)
    document, tensors = read(path)
    text = json.dumps(document["model"]["state"]["rules_"])
    assert '[1, "c"]' in text
    text = text.replace('[1, "c"]', json.dumps(rule))
    document["model"]["state"]["rules_"] = json.loads(text)
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=error):
        load(path)


@pytest.mark.parametrize("steps", [[], [1], [["a"]], 3, [[1, None]]])
def test_hostile_pipeline(steps, path):
    save(Pipeline([("model", tiny())]), path)
    document, tensors = read(path)
    document["model"]["params"]["steps"] = steps
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=r"a\.model"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: torch.full_like(w, torch.nan), "not finite"),
        (lambda w: torch.full_like(w, torch.inf), "not finite"),
        (lambda w: w.double(), "float64"),
        (lambda w: w.half(), "float16"),
        (lambda w: w[:-1].contiguous(), "shape"),
        (lambda w: torch.cat((w, w)), "shape"),
        (lambda w: None, "not those of its network"),
    ],
)
def test_hostile_weights(change, message, fitted_tiny, path):
    fitted_tiny.save(path)
    document, tensors = read(path)
    name = next(name for name in tensors if name.endswith("encoder.embedding.weight"))
    tensors[name] = change(tensors[name])
    tensors = {name: weight for name, weight in tensors.items() if weight is not None}
    write(path, document, tensors)
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_every_truncation_is_an_error(path):
    save(SequenceVectorizer(max_length=5).fit(["ab"]), path)
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        with pytest.raises(ModelFileError):
            load(path)


def test_random_byte_flips_are_errors(fitted_tiny, path):
    rng = np.random.default_rng(0)
    fitted_tiny.save(path)
    data = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(data[:8], "little")
    with open(path, "r+b", buffering=0) as file:
        for round_ in range(10_000):
            place = int(rng.integers(header if round_ % 2 else len(data)))
            flipped = data[place] ^ int(rng.integers(1, 256))
            os.pwrite(file.fileno(), bytes([flipped]), place)
            with pytest.raises(ModelFileError):
                load(path)
            os.pwrite(file.fileno(), data[place : place + 1], place)
    load(path)


def places(node, way=()):
    """Ways to all values of a document."""
    yield way
    if isinstance(node, list):
        node = dict(enumerate(node))
    for key, value in node.items() if isinstance(node, dict) else ():
        yield from places(value, (*way, key))


STRANGE = [None, True, -1, 0, 3, 10**30, 1e300, "", "a", "lstm", [], [[]], {}, [1, "b"]]
STRANGE += [
    {"type": kind, "value": value} | more
    for kind, more in [
        ("tuple", {}),
        ("set", {}),
        ("dict", {}),
        ("float", {}),
        ("device", {}),
        ("scorer", {}),
        ("name", {}),
        ("array", {"dtype": "object"}),
        ("array", {"dtype": "uint8"}),
    ]
    for value in ([], [[1]], [-1, "a"], {"a": 1}, "nan", "meta", "torch.optim.Adam")
]


def strange_tensors(tensors, rng):
    """One tensor changed, renamed or gone."""
    changed = dict(tensors)
    name = list(tensors)[rng.integers(len(tensors))]
    value = changed.pop(name)
    kinds = (torch.float64, torch.bfloat16, torch.int64, torch.bool, torch.complex64)
    others = [value.to(kind) for kind in kinds]
    others += [
        value[None],
        value[:0],
        torch.zeros(()),
        torch.zeros(0, 3),
        value.flatten(),
    ]
    case = rng.integers(len(others) + 2)
    if case < len(others):
        changed[name] = others[case].contiguous()
    elif case == len(others):
        changed[f"{name}/x"] = value
    return changed


@pytest.mark.parametrize(
    "kind",
    [
        "transformer",
        "pipeline",
        "baseline",
        "ensemble",
        "lexicon",
        "conformal",
        "columns",
    ],
)
@pytest.mark.filterwarnings("ignore:The model was saved with device")
@pytest.mark.filterwarnings("ignore:The tokenizer")
def test_random_changes_with_a_right_checksum(kind, fitted_tiny, path):
    """What loads all the same is a model that predicts, or says what is wrong."""
    members = [("a", fitted_tiny)]
    estimator = {
        "transformer": fitted_tiny,
        "pipeline": Pipeline([("a", SequenceVectorizer()), ("b", tiny())]).fit(
            WORDS, SHOUTED
        ),
        "baseline": DummySeq2Seq(strategy="lookup").fit(WORDS, SHOUTED),
        "ensemble": Seq2SeqEnsemble(estimators=members, prefit=True).fit(None),
        "lexicon": LexiconSeq2Seq(fitted_tiny, lexicon={"ab": "AB"}, memorize=True).fit(
            WORDS, SHOUTED
        ),
        "conformal": ConformalSeq2Seq(FrozenEstimator(fitted_tiny)).fit(WORDS, SHOUTED),
        "columns": ColumnVectorizer(
            [
                ("a", SequenceVectorizer(analyzer="subword", max_features=260), 0),
                ("b", SequenceVectorizer(), 1),
            ]
        ).fit([("ab", "a"), ("c", "b")]),
    }[kind]
    save(estimator, path)
    document, tensors = read(path)
    everywhere = [place for place in places(document["model"]) if place]
    rng = np.random.default_rng(0)
    n_errors = 0
    for _ in range(200):
        changed = json.loads(json.dumps(document))
        *way, last = everywhere[rng.integers(len(everywhere))]
        node = changed["model"]
        for step in way:
            node = node[step]
        if tensors and rng.random() < 0.2:
            write(path, document, strange_tensors(tensors, rng))
        else:
            node[last] = STRANGE[rng.integers(len(STRANGE))]
            write(path, changed, tensors)
        try:
            load(path)
        except ModelFileError:
            n_errors += 1
    assert 50 < n_errors < 200


def test_a_member_twice_and_members_changed_since(fitted_tiny, path):
    other = clone(fitted_tiny).set_params(random_state=7).fit(WORDS, SHOUTED)
    for members in ([fitted_tiny, fitted_tiny], [fitted_tiny, other]):
        named = [(f"m{k}", member) for k, member in enumerate(members)]
        ensemble = Seq2SeqEnsemble(estimators=named, prefit=True).fit(None)
        ensemble.set_params(estimators=named[:1])
        save(ensemble, path)
        np.testing.assert_allclose(
            load(path).log_likelihood(WORDS, SHOUTED),
            ensemble.log_likelihood(WORDS, SHOUTED),
        )


def test_model_is_saved_when_its_tokenizer_file_is_gone(path, tmp_path):
    trained = SequenceVectorizer(analyzer="subword", max_features=300).fit(WORDS)
    file = tmp_path / "tokenizer.json"
    file.write_text(trained.tokenizer_, encoding="utf-8")
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=str(file))
    model = tiny(source_vectorizer=vectorizer).fit(WORDS, SHOUTED)
    file.unlink()
    save(model, path)
    with pytest.warns(UserWarning, match="Set the parameter tokenizer"):
        loaded = load(path)
    assert_same_predictions(model, loaded, WORDS)
