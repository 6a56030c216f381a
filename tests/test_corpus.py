"""Pairs on disk train the same model, bit for bit, as pairs in memory."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import tokenizers
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklearn_seq2seq import (
    ColumnVectorizer,
    PairAugmenter,
    PairCorpus,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq._text import _analyzer, _counts
from sklearn_seq2seq._tokens import RowViews, gather, lengths, pad
from sklearn_seq2seq._training._fingerprint import pairs_digest
from tests import processes

SMALL = {
    "hidden_size": 8,
    "embedding_size": 4,
    "max_epochs": 2,
    "random_state": 0,
    "copy": False,
}


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    sources = ["".join(rng.choice(list("abcd ef"), size=n % 9)) for n in range(300)]
    return sources, [source[::-1].upper() for source in sources]


@pytest.fixture(scope="module")
def frame(pairs):
    return pd.DataFrame(dict(zip(("source", "target"), pairs, strict=True)))


def pieces_of(sources, targets, size=70):
    rows = list(zip(sources, targets, strict=True))
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def model(**params):
    return Seq2SeqTransformer(**SMALL | params)


def check_same(one, other):
    weights = one.net_.module_.state_dict()
    others = other.net_.module_.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    figures = [
        [{k: v for k, v in epoch.items() if k != "dur"} for epoch in m.history_]
        for m in (one, other)
    ]
    assert figures[0] == figures[1]
    for name in ("source_vectorizer_", "target_vectorizer_"):
        assert getattr(one, name).vocabulary_ == getattr(other, name).vocabulary_
        assert getattr(one, name).max_length_ == getattr(other, name).max_length_
    assert one._reader.longest == other._reader.longest


WORDS = SequenceVectorizer(analyzer="word", min_df=3, max_features=40)
SUBWORDS = SequenceVectorizer(analyzer="subword", max_features=270)
FEW = SequenceVectorizer(max_features=4)


@pytest.mark.parametrize(
    ("params", "with_weights"),
    [
        ({}, False),
        ({"early_stopping": True}, True),
        ({"early_stopping": True, "scoring": "exact_match"}, False),
        ({"source_vectorizer": WORDS, "target_vectorizer": SUBWORDS}, False),
        ({"share_embeddings": True}, False),
        ({"copy": True, "source_vectorizer": FEW, "target_vectorizer": FEW}, True),
        ({"max_source_length": 4, "long_source": "truncate_end"}, False),
        ({"max_source_length": 4, "long_source": "truncate_start"}, True),
        ({"max_tokens": 100, "gradient_accumulation_steps": 2}, False),
        ({"pretrained": ["azq", "b"]}, False),
        (
            {"target_vectorizer": SequenceVectorizer(vocabulary=list("ABCDEFGH "))},
            False,
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_fit_is_that_in_memory(params, with_weights, pairs, tmp_path):
    if "pretrained" in params:
        params = {"pretrained": model().fit(params["pretrained"])}
    weight = np.linspace(0, 2, len(pairs[0])) if with_weights else None
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model(**params))
    ours = model(**params).fit(corpus, sample_weight=weight)
    theirs = model(**params).fit(*pairs, sample_weight=weight)
    check_same(ours, theirs)
    assert isinstance(ours.predict(["abc"])[0], str)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_columns_and_lists_of_tokens_are_read(frame, tmp_path):
    frame = frame.assign(tag=["odd", "even"] * 150)
    columns = ColumnVectorizer(
        [
            ("source", SequenceVectorizer(min_df=2), "source"),
            ("tag", SequenceVectorizer(analyzer="word"), "tag"),
        ]
    )
    params = {"source_vectorizer": columns}
    pieces = [frame[i : i + 90] for i in range(0, 300, 90)]
    corpus = PairCorpus.write(
        tmp_path / "columns", pieces, model(**params), columns=(None, "target")
    )
    check_same(model(**params).fit(corpus), model(**params).fit(frame, frame["target"]))
    lists = [list(text) for text in frame["source"]], list(frame["target"])
    corpus = PairCorpus.write(tmp_path / "lists", pieces_of(*lists), model())
    check_same(model().fit(corpus), model().fit(*lists))


def read_csv(path):
    return pd.read_csv(path, chunksize=80, keep_default_na=False)


@pytest.mark.parametrize("kind", ["parquet", "arrow csv", "pandas csv", "polars"])
def test_readers_give_the_same_corpus(kind, frame, tmp_path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    parquet, csv = tmp_path / "pairs.parquet", tmp_path / "pairs.csv"
    pa.parquet.write_table(table, parquet, row_group_size=64)
    frame.to_csv(csv, index=False)
    pieces = {
        "parquet": lambda: pa.parquet.ParquetFile(parquet).iter_batches(50),
        "arrow csv": lambda: pa.csv.open_csv(csv),
        "pandas csv": lambda: read_csv(csv),
        "polars": lambda: pl.from_pandas(frame).iter_slices(100),
    }[kind]
    names = ("source", "target")
    corpus = PairCorpus.write(tmp_path / "one", pieces, model(), columns=names)
    rows = pieces_of(*(frame[name] for name in names))
    other = PairCorpus.write(tmp_path / "other", rows, model())
    assert len(corpus) == len(frame)
    for file in sorted(corpus.folder.iterdir()):
        assert file.read_bytes() == (other.folder / file.name).read_bytes()


def test_text_is_read_twice_to_write_and_never_to_fit(pairs, tmp_path, monkeypatch):
    encoded = []
    encode = _analyzer.Analyzer.encode

    def counted(self, rows, *args):
        encoded.extend(rows)
        return encode(self, rows, *args)

    monkeypatch.setattr(_analyzer.Analyzer, "encode", counted)
    estimator = model()
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), estimator)
    # Once more the targets of the first piece, to see whether they can be written.
    assert len(encoded) == 2 * 2 * 300 + 70
    encoded.clear()
    estimator.fit(corpus)
    assert not encoded
    again = PairCorpus.write(tmp_path / "again", iter(pieces_of(*pairs)), estimator)
    assert len(encoded) == 2 * 300
    names = [p.name for p in corpus.folder.iterdir() if p.suffix != ".json"]
    assert len(names) == 4
    for name in names:
        ours, theirs = corpus.folder / name, again.folder / name
        assert ours.read_bytes() == theirs.read_bytes()
    check_same(estimator, model().fit(again))


def test_ids_are_those_in_memory(pairs, tmp_path):
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    dataset = corpus._open()
    assert dataset.source.ids.dtype == np.uint8
    for name, tokens, rows in (
        ("source", dataset.source, pairs[0]),
        ("target", dataset.target, pairs[1]),
    ):
        known = SequenceVectorizer().fit_transform(rows)
        ids, counts = gather(tokens, np.arange(300))
        np.testing.assert_array_equal(ids, known.data)
        np.testing.assert_array_equal(counts, lengths(known))
        assert getattr(corpus, f"{name}_vectorizer").vocabulary_size_ > known.max()


def test_views_select_cut_and_pad_as_arrays():
    rows = [[2, 3, 4], [], [5], [6, 7, 8, 9]]
    flat = np.array([token for row in rows for token in row], dtype=np.uint8)
    counts = np.array(list(map(len, rows)), dtype=np.int32)
    views = RowViews(flat, np.cumsum(counts) - counts, counts, 9, "key")
    tokens, sizes = pad(views[np.array([3, 1, 0])])
    assert tokens.tolist() == [[6, 7, 8, 9, 0], [0] * 5, [2, 3, 4, 0, 0]]
    assert sizes.tolist() == [5, 1, 4]
    last = views.part(np.array([0, 3]), np.array([1, 2]), np.array([2, 2]))
    assert pad(last)[0].tolist() == [[3, 4, 0], [8, 9, 0]]


@pytest.mark.parametrize("method", ["partial_fit", "warm_start"])
def test_training_goes_on(method, pairs, tmp_path):
    ours, theirs = (model(warm_start=method == "warm_start") for _ in range(2))
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), ours)
    more = "fit" if method == "warm_start" else method
    for _ in range(2):
        getattr(ours, more)(corpus)
        getattr(theirs, more)(*pairs)
    check_same(ours, theirs)
    # What comes later is read with the vocabularies that there are, and warned of once.
    later = [[("abz", "ZBA"), ("y", "Y")], [("c", "C"), ("z", "Z")]]
    with pytest.warns(UserWarning, match=r"In piece 0: 2 token.*1 more pieces") as said:
        new = PairCorpus.write(tmp_path / "new", later, ours)
    assert len(said) == 2  # of X, of y
    getattr(ours, more)(new)
    other = PairCorpus.write(tmp_path / "other", later, model())
    with pytest.raises(ValueError, match="other vocabularies"):
        getattr(ours, more)(other)


def test_what_min_df_leaves_out_is_no_news(pairs, tmp_path):
    strict = SequenceVectorizer(min_df=100, handle_unknown="error")
    estimator = model(source_vectorizer=strict, target_vectorizer=strict)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), estimator)
    assert all("Reading changes something" in str(w.message) for w in said)


def test_what_a_tokenizer_loses_is_said_once(pairs, tmp_path):
    lower = tokenizers.normalizers.Lowercase()
    pieces = SequenceVectorizer(analyzer="subword", max_features=270).fit(pairs[0])
    given = tokenizers.Tokenizer.from_str(pieces.tokenizer_)
    given.normalizer = lower
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=given)
    estimator = model(target_vectorizer=vectorizer)
    with pytest.warns(UserWarning, match=r"does not restore.*4 more pieces") as said:
        PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), estimator)
    assert len(said) == 1


def test_checkpoint_knows_the_corpus_by_its_manifest(pairs, tmp_path):
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())

    class Stop(Exception):
        pass

    class Stopper(Callback):
        def on_epoch_end(self, net, **kwargs):
            raise Stop

    path = tmp_path / "fit.pt"
    params = {"checkpoint": path, "early_stopping": True}
    with pytest.raises(Stop):
        model(**params, callbacks=[Stopper()], checkpoint_minutes=1e-6).fit(corpus)
    assert path.exists()
    resumed = model(**params).fit(PairCorpus(corpus.folder))
    check_same(resumed, model(early_stopping=True).fit(*pairs))
    reverse = pieces_of(*(side[::-1] for side in pairs))
    other = PairCorpus.write(tmp_path / "other", reverse, model())
    with pytest.raises(ValueError, match="other rows"):
        model(**params).fit(other)
    # No id is read for that.
    dataset = corpus._open()
    for tokens in (dataset.source, dataset.target):
        tokens.ids = None
    assert pairs_digest(dataset) != pairs_digest(other._open())


def test_subwords_are_learned_from_a_sample(monkeypatch):
    monkeypatch.setattr(_counts, "SAMPLE_SIZE", 50)
    rows = [f"{n:03d}" for n in range(400)]
    samples = []
    for size in (400, 90, 7):
        counts = _counts.TokenCounts()
        for start in range(0, 400, size):
            counts.keep(rows[start : start + size])
        samples.append(counts.sample)
    assert samples[0] == samples[1] == samples[2] == sorted(samples[0])
    assert len(samples[0]) == 50
    assert 100 < np.mean(list(map(int, samples[0]))) < 300
    pieces = SequenceVectorizer(analyzer="subword", max_features=280)
    whole = SequenceVectorizer(analyzer="subword", max_features=280).fit(samples[0])
    for start in range(0, 400, 90):
        pieces.partial_fit(rows[start : start + 90])
    assert pieces.vocabulary_ == whole.vocabulary_


# What is refused


@pytest.mark.parametrize(
    ("params", "fit", "message"),
    [
        ({}, {"y": ["a"] * 300}, "call fit\\(corpus\\)"),
        ({"copy": True}, {}, "copy=True, but the corpus was written for copy=False"),
        ({"source_vectorizer": WORDS}, {}, "but the corpus was written with"),
        ({"share_embeddings": True}, {}, "needs one vocabulary for both"),
        ({"early_stopping": True, "scoring": "accuracy"}, {}, "Pass validation_data"),
        ({}, {"sample_weight": [1.0]}, "sample_weight"),
        ({}, {"validation_data": "corpus"}, "must be a pair"),
    ],
)
def test_fit_refuses(params, fit, message, pairs, tmp_path):
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    if "validation_data" in fit:
        fit = {"validation_data": corpus}
    with pytest.raises(ValueError, match=message):
        model(**params).fit(corpus, **fit)


@pytest.mark.parametrize(
    ("pieces", "error", "message"),
    [
        ("pairs.csv", TypeError, "pieces must be an iterable of tables"),
        (iter([[("a", "b")]]), ValueError, "can be iterated only once"),
        ([("ab", "cd")], ValueError, "In piece 0, .*: Row 0 of X must be a tuple"),
        (
            [[("a", "b")], [("b", "c"), ("c", None)]],
            ValueError,
            "In piece 1, which begins with row 1: Row 1 of y is missing",
        ),
        ([[("a", 1)]], ValueError, "y of a corpus must be text"),
        ([[("a",)]], ValueError, "Column 'target' is not in row 0"),
        ([], ValueError, "no rows"),
        ([[]], ValueError, "no rows"),
    ],
)
def test_write_refuses_and_leaves_nothing(pieces, error, message, tmp_path):
    with pytest.raises(error, match=message):
        PairCorpus.write(tmp_path / "pairs", pieces, model())
    assert not (tmp_path / "pairs").exists()


def test_others_refuse_a_corpus(pairs, tmp_path):
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    assert repr(corpus).endswith("pairs': 300 pairs)")
    fitted = model().fit(corpus)
    for refuse in (
        lambda: PairAugmenter().fit_resample(corpus, None),
        lambda: fitted.predict(corpus),
        lambda: GridSearchCV(model(), {"hidden_size": [4]}).fit(corpus),
        lambda: make_pipeline(SequenceVectorizer(), model()).fit(corpus),
    ):
        with pytest.raises(TypeError, match="alone and as a whole"):
            refuse()
    with pytest.raises(FileExistsError, match="holds a corpus already"):
        PairCorpus.write(corpus.folder, pieces_of(*pairs), model())
    with pytest.raises(TypeError, match="must be a Seq2SeqTransformer"):
        PairCorpus.write(tmp_path / "x", pieces_of(*pairs), None)
    ids = model().fit(np.array([[2, 3]]), np.array([[2, 3]]))
    with pytest.raises(ValueError, match="fitted on token ids"):
        PairCorpus.write(tmp_path / "x", pieces_of(*pairs), ids)


def test_corpus_travels_to_other_processes(pairs, tmp_path):
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    assert len(pickle.dumps(corpus)) < 1000
    assert len(pickle.loads(pickle.dumps(corpus))) == 300
    together = Seq2SeqEnsemble(model(), n_estimators=2, random_state=0)
    apart = Seq2SeqEnsemble(model(), n_estimators=2, random_state=0)
    together.fit(corpus)
    apart.fit(*pairs)
    assert (
        together.predict(pairs[0][:9]).tolist() == apart.predict(pairs[0][:9]).tolist()
    )


@pytest.mark.skipif(
    not torch.distributed.is_available(), reason="torch has no torch.distributed"
)
def test_processes_train_on_one_corpus(pairs, tmp_path):
    params = SMALL | {"dropout": 0.0, "early_stopping": True}
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    first, second = processes.together(processes.fit, tmp_path, corpus, None, params)
    check_same(first, second)
    one = Seq2SeqTransformer(**params).fit(*pairs)
    for figure in ("train_loss", "valid_loss"):
        losses = [[epoch[figure] for epoch in m.history_] for m in (first, one)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def analyze(text):
    return text.split("b")


def test_analyzers_of_a_corpus_have_to_be_trusted(pairs, tmp_path):
    estimator = model(source_vectorizer=SequenceVectorizer(analyzer=analyze))
    corpus = PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), estimator)
    check_same(
        estimator.fit(corpus), model(**estimator.get_params(deep=False)).fit(*pairs)
    )
    with pytest.raises(ValueError, match="not trusted"):
        PairCorpus(corpus.folder)
    assert len(PairCorpus(corpus.folder, trusted=[analyze])) == 300
    nameless = model(source_vectorizer=SequenceVectorizer(analyzer=lambda text: [text]))
    with pytest.raises(ValueError, match=r"importable|cannot be saved|name"):
        PairCorpus.write(tmp_path / "x", pieces_of(*pairs), nameless)


# What is half there


@pytest.mark.parametrize(
    "damage", ["no manifest", "cut", "gone", "text", "format", "type"]
)
def test_half_a_corpus_is_recognised(damage, pairs, tmp_path):
    folder = tmp_path / "pairs"
    PairCorpus.write(folder, pieces_of(*pairs), model())
    manifest, ids = folder / "corpus.json", folder / "target.ids"
    if damage == "no manifest":
        manifest.unlink()
    elif damage == "cut":
        os.truncate(ids, 100)
    elif damage == "gone":
        ids.unlink()
    elif damage == "text":
        manifest.write_text(manifest.read_text()[:-9])
    elif damage == "format":
        manifest.write_text('{"format": "sklearn_seq2seq corpus 9"}')
    else:
        manifest.write_text(manifest.read_text().replace("|u1", "|O"))
    message = {
        "no manifest": "which is written last",
        "cut": "has 100 bytes rather than",
        "gone": "has 0 bytes rather than",
        "text": "is damaged",
        "format": "not hold a corpus of this version",
        "type": "is not a type of ids",
    }[damage]
    with pytest.raises(ValueError, match=message):
        PairCorpus(folder)
    with pytest.raises(ValueError, match="does not exist"):
        PairCorpus(tmp_path / "elsewhere")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that is kept to")
def test_full_disk_leaves_nothing(pairs, tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        with pytest.raises(OSError, match=r"too large.*pairs"):
            PairCorpus.write(tmp_path / "pairs", pieces_of(*pairs), model())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "pairs").exists()
    with pytest.raises(FileNotFoundError, match=r"no.where"):
        PairCorpus.write(tmp_path / "no" / "where", pieces_of(*pairs), model())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_killed_while_writing(pairs, tmp_path):
    folder = tmp_path / "pairs"
    script = textwrap.dedent(f"""
        import os, signal
        from sklearn_seq2seq import PairCorpus, Seq2SeqTransformer
        calls = []
        def pieces():
            calls.append(1)
            for k in range(9):
                if len(calls) == 2 and k == 5:
                    os.kill(os.getpid(), signal.SIGKILL)
                yield [("ab", "ba")] * 20_000
        PairCorpus.write({str(folder)!r}, pieces, Seq2SeqTransformer())
    """)
    run = subprocess.run([sys.executable, "-c", script])
    assert run.returncode == -signal.SIGKILL
    assert (folder / "source.ids").stat().st_size > 0
    with pytest.raises(ValueError, match="writing was interrupted"):
        PairCorpus(folder)
    corpus = PairCorpus.write(folder, pieces_of(*pairs), model())
    check_same(model().fit(corpus), model().fit(*pairs))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit that is kept to")
def test_parquet_file_larger_than_the_memory_allowed(tmp_path):
    script = Path(__file__).parents[1] / "examples" / "larger_than_memory.py"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", script, "--megabytes", "500"],
        env=os.environ | {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    written, encoded, trained, predicted, whole = run.stdout.splitlines()
    assert int(written.split()[0]) >= 500
    assert all(" MB in use" in line for line in (encoded, trained))
    assert predicted.startswith("predicted: '")
    assert whole == "As a whole it is too large."
