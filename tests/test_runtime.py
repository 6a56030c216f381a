"""The runtime without torch predicts what the exported estimator predicts."""

import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import log_softmax
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
    runtime,
)
from sklearn_seq2seq._decoding import _beam_and_sampling as torch_strategies
from sklearn_seq2seq._decoding import _constraints as torch_constraints
from sklearn_seq2seq._decoding import _search as torch_search
from sklearn_seq2seq._decoding._constraint_parameters import trie_edges
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._onnx import _networks
from sklearn_seq2seq._onnx._quantize import quantize
from sklearn_seq2seq._tokens import flatten, from_flat
from sklearn_seq2seq.runtime import _constraints, _search
from sklearn_seq2seq.runtime._network import Network

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

TINY = {
    "hidden_size": 12,
    "embedding_size": 8,
    "dropout": 0.0,
    "learning_rate": 0.03,
    "batch_size": 16,
    "max_epochs": 6,
    "random_state": 0,
}
NEW = ["abcde", "", "e", "axb", "zzz", "ddddddddd", "ab cd", "É"]


def exported(model, folder, name="model.zip"):
    export_onnx(model, folder / name)
    return runtime.load(folder / name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("exported")


@pytest.fixture(scope="module")
def numbered(words):
    """The words as rows of ids."""
    return SequenceVectorizer(max_length=8).fit_transform(words).toarray()


@pytest.fixture(scope="module")
def models(words, shouted, numbered):
    """Fitted models of every kind of data, with sources to try them on."""

    def tiny(**params):
        return Seq2SeqTransformer(**{**TINY, **params})

    spaced = [" ".join(word) for word in words]
    lists = [list(word.upper()) for word in words]
    pieces = SequenceVectorizer(analyzer="subword", max_features=270)
    tokenizer = pieces.fit(words + shouted).tokenizer_
    pieces = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
    columns = ColumnVectorizer(
        [("word", SequenceVectorizer(), 0), ("case", SequenceVectorizer(), 1)]
    )
    table = [(word, "u" if word < "c" else "l") for word in words]
    cased = [word.upper() if case == "u" else word for word, case in table]
    normal = SequenceVectorizer(lowercase=True, normalize="NFD")
    rows = [(word, "u") for word in NEW]
    of_words = tiny(
        source_vectorizer=SequenceVectorizer(analyzer="word", token_pattern=r"\w"),
        target_vectorizer=SequenceVectorizer(analyzer="word", joiner="_"),
        cell="gru",
    )
    members = [("a", tiny()), ("b", tiny(cell="gru", attention="dot"))]
    return {
        "characters": (tiny(source_vectorizer=normal).fit(words, shouted), NEW),
        "words": (of_words.fit(spaced, spaced), [" ".join(word) for word in NEW]),
        "token lists": (tiny().fit(lists, lists), [list(word.upper()) for word in NEW]),
        "subwords": (
            tiny(source_vectorizer=pieces, target_vectorizer=pieces, copy=True).fit(
                words, shouted
            ),
            NEW,
        ),
        "copies": (tiny(copy=True, input_feeding=True).fit(words, words), NEW),
        "columns": (
            tiny(source_vectorizer=columns, attention="general").fit(table, cased),
            rows,
        ),
        "columns of both": (
            tiny(source_vectorizer=columns, target_vectorizer=columns).fit(
                table, table
            ),
            rows,
        ),
        "ids": (tiny().fit(numbered, numbered), numbered[:20]),
        "ids, copied": (tiny(copy=True).fit(numbered, numbered), numbered[:20] % 7),
        "single ids": (tiny().fit(numbered, numbered.argmax(axis=1)), numbered[:20]),
        "hard attention": (
            tiny(attention="hard", attention_order=1, copy=True).fit(words, words),
            NEW,
        ),
        "no attention": (tiny(attention=None).fit(words, shouted), NEW),
        "ensemble": (Seq2SeqEnsemble(estimators=members).fit(words, shouted), NEW),
        "copying ensemble": (
            Seq2SeqEnsemble(tiny(copy=True), n_estimators=2, random_state=0).fit(
                words, words
            ),
            NEW,
        ),
    }


KINDS = [
    "characters",
    "words",
    "token lists",
    "subwords",
    "copies",
    "columns",
    "columns of both",
    "ids",
    "ids, copied",
    "single ids",
    "hard attention",
    "no attention",
    "ensemble",
    "copying ensemble",
]
OPTIONS = {
    "greedy": {},
    "beam": {"beam_width": 4},
    "length penalty": {"beam_width": 3, "length_penalty": 1.5},
    "short": {"max_length": 2, "beam_width": 2},
    "a share of the source": {"max_length": 0.5},
    "long": {"min_length": 5, "max_length": 7},
    "no repeats": {"no_repeat_ngram_size": 1, "beam_width": 2},
    "truncated": {"max_source_length": 3, "long_source": "truncate_end"},
    "truncated at the start": {
        "max_source_length": 3,
        "long_source": "truncate_start",
        "beam_width": 2,
    },
}
TEXT_OPTIONS = {
    "banned": {"banned_tokens": ["A", "B", "a", "z"], "beam_width": 3},
    "a closed set": {"allowed_outputs": ["ABC", "a", "", "ABD", "E Q"]},
    "a closed set, beam": {"allowed_outputs": ["ABC", "abc", "ab"], "beam_width": 3},
    "unknown as they are": {"replace_unknown": "keep", "beam_width": 2},
    "unknown copied": {"replace_unknown": "copy", "min_length": 3},
    "abstaining": {"min_confidence": 0.05, "abstain": "?"},
    "chunks": {"max_source_length": 3, "long_source": "chunk"},
    "chunks of auto": {"max_source_length": "auto", "long_source": "chunk"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_numpy_told_to_raise_changes_nothing(models, kind, tmp_path):
    """Probabilities too small for a float are zero, which is no error."""
    model, X = models[kind]
    export_onnx(model, tmp_path / "model.zip")
    exported = runtime.load(tmp_path / "model.zip")
    for beam_width in (1, 4):
        exported.set_params(beam_width=beam_width)
        expected = exported.predict(X)
        with np.errstate(all="raise"):
            assert_equal(exported.predict(X), expected)
            exported.predict_confidence(X)
            exported.predict_nbest(X)


def assert_equal(mine, other):
    """Equal arrays of text, of lists or of ids."""
    assert type(mine) is type(other)
    assert np.shape(mine) == np.shape(other)
    assert list(map(str, mine)) == list(map(str, other))


def call(function, *args, **kwargs):
    """What a call gives and what it warns of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*args, **kwargs)
    return result, sorted(str(w.message) for w in caught)


def check(model, predictor, X, options, prefix=None):
    """Compare all that both can do."""
    before = model.get_params(deep=False)
    model.set_params(**options)
    predictor.set_params(**options)
    try:
        expected, said = call(model.predict, X, prefix=prefix)
        found, told = call(predictor.predict, X, prefix=prefix)
        assert_equal(found, expected)
        assert told == said
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sure = predictor.predict_confidence(X, prefix=prefix)
            np.testing.assert_allclose(
                sure, model.predict_confidence(X, prefix=prefix), rtol=1e-4
            )
            if options.get("long_source") == "chunk":
                return
            found = predictor.predict_nbest(X, 4, prefix=prefix)
            expected = model.predict_nbest(X, 4, prefix=prefix)
        for name in ("row", "rank", "sequence"):
            assert_equal(pd.Series(found[name]), expected[name])
        for name in ("log_probability", "probability", "mean_probability"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4)
    finally:
        model.set_params(**{name: before[name] for name in options})
        predictor.set_params(**{name: before[name] for name in options})


@pytest.fixture(scope="module")
def predictors(models, folder):
    return {
        name: exported(model, folder, f"{name}.zip")
        for name, (model, _) in models.items()
    }


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_are_the_estimator_s(models, predictors, kind, options):
    model, X = models[kind]
    check(model, predictors[kind], X, OPTIONS[options])


@pytest.mark.parametrize("options", TEXT_OPTIONS)
@pytest.mark.parametrize("kind", ["characters", "copies", "subwords", "hard attention"])
def test_options_of_text_do_the_same(models, predictors, kind, options):
    model, X = models[kind]
    check(model, predictors[kind], X, TEXT_OPTIONS[options])


@pytest.mark.parametrize("beam_width", [1, 3])
@pytest.mark.parametrize("kind", ["characters", "copies", "subwords"])
def test_prefixes_do_the_same(models, predictors, kind, beam_width):
    model, X = models[kind]
    prefix = ["AB" if kind != "copies" else "ab", "", "A".lower()] * 3
    prefix = (
        prefix[: len(X)] if kind != "characters" else ["AB", "", "C"] * 2 + ["", ""]
    )
    check(model, predictors[kind], X, {"beam_width": beam_width}, prefix=prefix)


@pytest.mark.parametrize("kind", KINDS)
def test_log_likelihood_is_the_estimator_s(models, predictors, kind):
    model, X = models[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        predicted = model.predict(X)
        for y in (predicted, predicted[::-1]):
            np.testing.assert_allclose(
                predictors[kind].log_likelihood(X, y),
                model.log_likelihood(X, y),
                atol=1e-4,
            )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_feel_their_neighbours(models, predictors, kind):
    predictor = predictors[kind]
    _, X = models[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        together = predictor.predict(X).tolist()
        alone = [predictor.predict(X[i : i + 1]).tolist()[0] for i in range(len(X))]
        predictor.set_params(batch_size=1)
        assert predictor.predict(X).tolist() == together
        predictor.set_params(batch_size=16)
    assert alone == together


# Architectures ----------------------------------------------------------------------


def networks():
    for cell in ("lstm", "gru", "rnn"):
        for attention in (None, "dot", "general", "additive"):
            for num_layers, bidirectional in ((1, True), (2, True), (2, False)):
                more = {"num_layers": num_layers, "bidirectional": bidirectional}
                yield {"cell": cell, "attention": attention, **more}
    for attention in ("dot", "additive"):
        for more in (
            {"input_feeding": True},
            {"copy": True},
            {"copy": True, "input_feeding": True, "cell": "gru"},
            {"copy": True, "embedding_size": None, "num_layers": 2},
            {"tie_output": True, "copy": True, "embedding_size": 6},
            {"share_embeddings": True, "tie_output": True, "embedding_size": 8},
        ):
            yield {"attention": attention, **more}
    for more in (
        {},
        {"attention_order": 1, "monotonic": True},
        {"attention_order": 1, "copy": True, "num_layers": 2},
        {"monotonic": True, "copy": True, "cell": "gru", "bidirectional": False},
        {"attention_order": 1, "tie_output": True, "embedding_size": 6},
    ):
        yield {"attention": "hard", **more}
    yield {"embedding_size": None, "attention": None, "reverse_source": True}
    for encoder, decoder in (("gru", "lstm"), ("lstm", "gru"), ("rnn", "lstm")):
        for bidirectional in (True, False):
            cells = {"cell": encoder, "decoder_cell": decoder}
            yield {**cells, "bidirectional": bidirectional, "reverse_source": True}


@pytest.mark.parametrize(
    ("settings", "table_rows"),
    [(settings, 4096) for settings in networks()]
    + [
        ({"cell": "gru", "copy": copy, "tie_output": copy}, 0) for copy in (True, False)
    ],
    ids=str,
)
def test_exported_steps_are_the_network_s(settings, table_rows, monkeypatch):
    """With and without a table of what each token does to the gates."""
    monkeypatch.setattr(_networks, "TABLE_ROWS", table_rows)
    rng = np.random.default_rng(0)
    size, copies = 11, settings.get("copy", False)
    network = EncoderDecoder(
        size, size, hidden_size=8, seed=1, **{"embedding_size": 5, **settings}
    ).eval()
    graphs = _networks.encoder_graph(network), _networks.step_graph(network)
    own = Network(*(g.to_bytes() for g in graphs), copies=copies, n_threads=1)
    for n_rows, n_positions, width in ((1, 1, 1), (1, 5, 2), (4, 7, 3)):
        positions = rng.integers(1, n_positions + 1, n_rows)
        positions[0] = n_positions
        source = rng.integers(1, size, (n_rows, n_positions))
        source[np.arange(n_positions) >= positions[:, None] - 1] = 0
        copy_ids = rng.integers(0, size + n_positions, (n_rows, n_positions))
        inputs = (source, positions, copy_ids if copies else None)
        tensors = (x if x is None else torch.from_numpy(x) for x in inputs)
        mine = own.start(*inputs)
        with torch.inference_mode():
            theirs = network.start(*tensors)
        rows = np.repeat(np.arange(n_rows), width)
        mine, theirs = mine.select(rows), theirs.select(torch.from_numpy(rows))
        for _ in range(3):
            n_choices = size + (n_positions if copies else 0)
            previous = rng.integers(0, n_choices, n_rows * width)
            log_probs, mine = own.step(mine, previous)
            with torch.inference_mode():
                expected, theirs = network.step(theirs, torch.from_numpy(previous))
            np.testing.assert_allclose(log_probs, expected.numpy(), atol=1e-5)


# The search -------------------------------------------------------------------------


class Histories:
    def __init__(self, rows):
        self.rows = rows

    def select(self, hypotheses, sources=None):
        return Histories([self.rows[i] for i in hypotheses.tolist()])


def random_step(seed, size, convert):
    """A step whose next-token probabilities are random, but fixed, per history."""

    def step(state, previous):
        rows = [
            (*row, token)
            for row, token in zip(state.rows, previous.tolist(), strict=True)
        ]
        scores = [
            2 * np.random.default_rng([seed, *row]).normal(size=size) for row in rows
        ]
        log_probs = log_softmax(np.array(scores), axis=1).astype(np.float32)
        return convert(log_probs), Histories(rows)

    return step


SEARCHES = {
    "greedy": (),
    "beam": (4,),
    "n best": (5, 3),
    "penalty": (3, 2, 1.0),
    "no repeats": (3, 2),
    "minimum": (3, 2),
    "prefix": (2,),
    "copies": (3,),
    "closed": (3, 2),
    "all": (4, 3, 0.6),
}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", SEARCHES)
def test_search_is_that_of_the_package(name, seed):
    rng = np.random.default_rng(seed)
    size, n_sources = 7, 5
    limits = rng.integers(0, 7, n_sources)
    constraints = []  # as (name, arguments)
    if name in ("no repeats", "all"):
        constraints.append(("NoRepeat", (2,)))
    if name == "all":
        constraints.append(("Ban", (np.array([3]),)))
    if name == "copies":
        copy_ids = rng.integers(0, size, (n_sources, 4))
        constraints.append(("Copies", (copy_ids, 3)))
    if name == "closed":
        members = rng.integers(2, size, (9, 3)) * (rng.random((9, 3)) < 0.8)
        edges = trie_edges(from_flat(*flatten(members), 3))
        constraints.append(("Trie", (edges, n_sources)))
    if name in ("prefix", "all"):
        prefixes = rng.integers(2, size, (n_sources, 3))
        prefixes *= np.arange(3) < rng.integers(0, 4, n_sources)[:, None]
        limits = np.maximum(limits, 3)
        constraints.append(("Prefix", (prefixes,)))

    def run(search, strategies, kinds, convert):
        settings = SEARCHES[name]
        strategy = strategies.BeamSearch(*settings) if settings else strategies.Greedy()
        return search(
            random_step(seed, size, convert),
            Histories([(k,) for k in range(n_sources)]),
            convert(limits),
            strategy,
            min_length=3 if name in ("minimum", "all") else 0,
            emit_unknown=seed % 2 == 0,
            constraints=[
                getattr(kinds, kind)(
                    *(convert(x) if isinstance(x, np.ndarray) else x for x in given)
                )
                for kind, given in constraints
            ],
        )

    tokens, log_probs, capped = run(_search.search, _search, _constraints, np.copy)
    expected = run(
        torch_search.search, torch_strategies, torch_constraints, torch.from_numpy
    )
    found = expected.log_probs.numpy() > -np.inf
    np.testing.assert_allclose(log_probs, expected.log_probs.numpy(), atol=1e-5)
    np.testing.assert_array_equal(tokens[found], expected.tokens.numpy()[found])
    np.testing.assert_array_equal(capped[found], expected.capped.numpy()[found])


def test_the_bound_of_a_beam_counts_the_end():
    """As in the package's own search, at the limit of one token."""

    def step(state, previous):
        prices = {0: [0.49, 0.03, 0.48], 2: [0.999, 0.0005, 0.0005], 1: [0.4, 0.3, 0.3]}
        log_probs = np.log(np.float32([prices[token] for token in previous.tolist()]))
        return log_probs, state

    strategy = _search.BeamSearch(2, 1, 1.0)
    found = _search.search(step, Histories([(0,)]), np.array([1]), strategy)
    assert found[0][0, 0].tolist() == [2, 0]


# Alone ------------------------------------------------------------------------------


def test_nothing_heavy_is_imported(models, predictors, folder):
    _, X = models["subwords"]
    code = (
        "import sys\n"
        "from sklearn_seq2seq import runtime\n"
        f"model = runtime.load({str(folder / 'subwords.zip')!r})\n"
        "model.set_params(beam_width=2, allowed_outputs=['ABC', 'A'])\n"
        f"print(model.predict({X!r}).tolist())\n"
        f"model.predict_nbest({X!r}), model.log_likelihood(['a'], ['A'])\n"
        "heavy = {'torch', 'skorch', 'sklearn', 'scipy', 'pandas', 'onnx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    run = subprocess.run(command, capture_output=True, check=True, text=True)
    predicted, imported = run.stdout.splitlines()
    predictor = predictors["subwords"]
    predictor.set_params(beam_width=2, allowed_outputs=["ABC", "A"])
    assert predicted == str(predictor.predict(X).tolist())
    predictor.set_params(beam_width=1, allowed_outputs=None)
    assert imported == "[]"


def test_threads_predict_the_same(models, predictors):
    _, X = models["characters"]
    predict = predictors["characters"].set_params(beam_width=3).predict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = predict(X).tolist()
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda _: predict(X).tolist(), range(20)))
    predictors["characters"].set_params(beam_width=1)
    assert found == [expected] * 20


def test_pipelines_of_a_vectorizer_and_a_model(words, shouted, folder):
    model = make_pipeline(SequenceVectorizer(), Seq2SeqTransformer(**TINY))
    model.fit(words, shouted)
    predictor = exported(model, folder)
    for part in (words[:30], words[30:]):
        found, told = call(predictor.predict, part)
        expected, said = call(model.predict, part)
        assert_equal(found, expected)
        assert told == said


BAD_SOURCES = {
    "characters": ["ab", [], [None], ["a", 3], [["a"]], {"a"}, 7],
    "token lists": ["ab", ["ab"], [["a", 3]], []],
    "columns": [["ab"], [("a",)], [("a", None)]],
    "ids": [["ab"], [[1, 2]], [[1.5] * 8], [[-1] * 8]],
}


@pytest.mark.parametrize(
    ("kind", "X"), [(kind, X) for kind, bad in BAD_SOURCES.items() for X in bad]
)
def test_bad_sources_are_refused_alike(models, predictors, kind, X):
    with pytest.raises((ValueError, TypeError)) as expected:
        models[kind][0].predict(X)
    with pytest.raises(expected.type) as found:
        predictors[kind].predict(X)
    if kind != "ids":  # of which scikit-learn says what is wrong
        assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        ({"banned_tokens": [3]}, None),
        ({"allowed_outputs": ["xyz"]}, None),
        ({"allowed_outputs": []}, None),
        ({"allowed_outputs": ["AB"]}, ["B"]),
        ({}, ["AB", "A"]),
        ({}, ["xyz"]),
        ({"max_source_length": 2}, None),
        ({"max_source_length": 2, "long_source": "chunk"}, ["A"]),
    ],
)
@pytest.mark.filterwarnings("ignore:1 of 1 sources are longer")
def test_bad_options_are_refused_alike(models, predictors, options, prefix):
    model, predictor = models["characters"][0], predictors["characters"]
    before = {name: getattr(model, name) for name in options}
    with pytest.raises(ValueError, match=r".+") as expected:
        model.set_params(**options).predict(["abc"], prefix=prefix)
    with pytest.raises(ValueError, match=r".+") as found:
        predictor.set_params(**options).predict(["abc"], prefix=prefix)
    model.set_params(**before)
    predictor.set_params(**before)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_width", 0),
        ("beam_width", True),
        ("length_penalty", -1),
        ("max_length", 0),
        ("max_length", "long"),
        ("long_source", "cut"),
        ("replace_unknown", "yes"),
        ("banned_tokens", "ab"),
        ("min_confidence", 2),
        ("hidden_size", 3),
    ],
)
def test_parameters_are_checked(predictors, name, value):
    before = predictors["ids"].get_params()
    with pytest.raises(ValueError, match=name):
        predictors["ids"].set_params(**{name: value})
    assert predictors["ids"].get_params() == before


def test_what_cannot_be_exported_is_said(words, shouted, folder):
    def refuse(model, message, error=ValueError):
        with pytest.raises(error, match=message):
            export_onnx(model, folder / "none.zip")
        assert not (folder / "none.zip").exists()

    refuse(Seq2SeqTransformer(), "not fitted", NotFittedError)
    refuse(SequenceVectorizer(), "Only a Seq2SeqTransformer")
    cut = SequenceVectorizer(analyzer=list)
    model = Seq2SeqTransformer(source_vectorizer=cut, **{**TINY, "max_epochs": 1})
    refuse(model.fit(words, shouted), "analyzer is a function")


@pytest.mark.parametrize("kind", ["characters", "copies", "words", "hard attention"])
def test_eight_bits_are_close(models, predictors, folder, kind, capfd):
    model, X = models[kind]
    export_onnx(model, folder / "small.zip", int8=True)
    assert capfd.readouterr() == ("", "")
    small = runtime.load(folder / "small.zip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        y = model.predict(X)
        np.testing.assert_allclose(
            small.log_likelihood(X, y), predictors[kind].log_likelihood(X, y), atol=0.3
        )


def test_eight_bits_are_smaller():
    network = EncoderDecoder(30, 40, hidden_size=64)
    for graph in (_networks.encoder_graph(network), _networks.step_graph(network)):
        data = graph.to_bytes()
        assert len(quantize(data)) < len(data) / 3
