"""A model with a lexicon whose entries overrule it."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    LexiconSeq2Seq,
    ModelFileError,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from tests.conftest import EXPECTED_FAILURES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*were ended by max_length"),
    pytest.mark.filterwarnings("ignore:.*not in the vocabulary"),
]

SMALL = {"hidden_size": 8, "embedding_size": 6, "max_epochs": 2, "random_state": 0}
WORDS = ["ab", "ba", "abb", "bab", "aab", "b", "aa", "bbb"]
SHOUTED = [word.upper() for word in WORDS]


def make(**params):
    return Seq2SeqTransformer(**(SMALL | params))


@pytest.fixture(scope="module")
def fitted():
    return make().fit(WORDS, SHOUTED)


def with_lexicon(model, lexicon, **params):
    return LexiconSeq2Seq(FrozenEstimator(model), lexicon=lexicon, **params)


@parametrize_with_checks(
    [LexiconSeq2Seq(make()), LexiconSeq2Seq(make(), memorize=True)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_lexicon_passes_check(estimator, check):
    check(estimator)


# What is predicted ------------------------------------------------------------------


def test_entries_come_first_and_the_model_predicts_the_rest(fitted):
    model = with_lexicon(fitted, {"ab": "X.Y", "new": ["Neu", "neu"]})
    X = ["b", "ab", "bab", "new", "ab"]
    alone = fitted.predict(X).tolist()
    assert model.predict(X).tolist() == [alone[0], "X.Y", alone[2], "Neu", "X.Y"]
    confidence = model.predict_confidence(X)
    assert confidence[[1, 3, 4]].tolist() == [1, 1, 1]
    np.testing.assert_allclose(
        confidence[[0, 2]], fitted.predict_confidence(X)[[0, 2]], rtol=1e-5
    )
    np.testing.assert_array_equal(
        model.log_likelihood(WORDS, SHOUTED), fitted.log_likelihood(WORDS, SHOUTED)
    )
    assert model.predict(["new"]).tolist() == ["Neu"]
    for container in (np.array(X, dtype=object), pd.Series(X, index=X), iter(X)):
        assert model.predict(container).tolist() == model.predict(X).tolist()


def test_another_lexicon_needs_no_refit(fitted):
    model = with_lexicon(fitted, {"ab": "1"})
    assert model.predict(["ab", "b"])[0] == "1"
    model.set_params(lexicon={"b": "2"})
    assert model.predict(["ab", "b"]).tolist() == [fitted.predict(["ab"])[0], "2"]
    # In place as well: entries that come, change and go.
    model.lexicon["ab"] = "3"
    assert model.predict(["ab", "b"]).tolist() == ["3", "2"]
    model.lexicon["ab"] = "4"
    del model.lexicon["b"]
    model.lexicon["aa"] = "5"
    expected = ["4", fitted.predict(["b"])[0], "5"]
    assert model.predict(["ab", "b", "aa"]).tolist() == expected
    model.set_params(lexicon=None)
    assert model.predict(WORDS).tolist() == fitted.predict(WORDS).tolist()


def test_the_model_is_not_asked_for_what_is_known(fitted, monkeypatch):
    asked = []
    predict = Seq2SeqTransformer.predict

    def counted(self, X):
        asked.append(list(X))
        return predict(self, X)

    monkeypatch.setattr(Seq2SeqTransformer, "predict", counted)
    model = with_lexicon(fitted, {"ab": "1", "b": "2"})
    model.predict(["ab", "b", "ab"])
    assert asked == []
    model.predict(["ab", "bab", "b", "aa"])
    assert asked == [["bab", "aa"]]


def slow_nbest(model, fitted, X, n_best):
    """Entries, then what the model says beside them, row by row."""
    rows = []
    for row, source in enumerate(X):
        given = model.lexicon.get(source, [])
        given = [given] if isinstance(given, str) else given
        rank = 0
        for target in given[:n_best]:
            rows.append((row, rank, target, 1.0, True))
            rank += 1
        table = fitted.predict_nbest([source], n_best)
        for target, p in zip(table["sequence"], table["probability"], strict=True):
            if rank < n_best and target not in given:
                rows.append((row, rank, target, p, False))
                rank += 1
    return rows


@pytest.mark.parametrize("n_best", [1, 2, 4])
def test_entries_lead_the_nbest(n_best, fitted):
    best = fitted.predict_nbest(["bab"], 3)["sequence"][1]
    model = with_lexicon(fitted, {"ab": ["X", "Y", "Z"], "bab": best, "?": "!"})
    X = ["b", "ab", "bab", "?", "bab"]
    table = model.predict_nbest(X, n_best)
    expected = slow_nbest(model, fitted, X, n_best)
    columns = ["row", "rank", "sequence", "probability", "entry"]
    for got, wanted in zip(table[columns].to_numpy(), expected, strict=True):
        assert got[[0, 1, 2, 4]].tolist() == [*wanted[:3], wanted[4]]
        assert got[3] == pytest.approx(wanted[3], rel=1e-4)
    entries = table[table["entry"]]
    assert (entries["log_probability"] == 0).all()
    assert (entries["mean_probability"] == 1).all()
    firsts = table.loc[table["rank"] == 0, "sequence"]
    assert firsts.tolist()[1:] == model.predict(X).tolist()[1:]


def test_nbest_without_pandas(fitted, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    table = with_lexicon(fitted, {"ab": "X"}).predict_nbest(["ab", "b"], 2)
    assert type(table) is np.recarray
    assert table.entry.tolist() == [True, False, False, False]


def test_score_is_of_what_is_predicted(fitted):
    model = with_lexicon(fitted, {"ab": "AB", "ba": "wrong"})
    weight = np.array([3.0, 2.0, 1, 1, 0.5, 1, 1, 1])
    right = np.array(
        [a == b for a, b in zip(model.predict(WORDS), SHOUTED, strict=True)]
    )
    assert right[0]
    assert not right[1]
    assert model.score(WORDS, SHOUTED) == pytest.approx(right.mean())
    weighted = np.average(right, weights=weight)
    assert model.score(WORDS, SHOUTED, weight) == pytest.approx(weighted)
    only_known = np.array([1.0, 3.0, 0, 0, 0, 0, 0, 0])
    assert model.score(WORDS, SHOUTED, only_known) == 0.25
    abstaining = copy.copy(fitted).set_params(min_confidence=1.0)
    assert with_lexicon(abstaining, {"ab": "AB"}).score(WORDS, SHOUTED) == 1 / 8
    with pytest.raises(ValueError, match="inconsistent"):
        model.score(WORDS, SHOUTED[1:])


# Keys -------------------------------------------------------------------------------


def test_keys_are_read_as_sources_are():
    reader = SequenceVectorizer(lowercase=True, normalize="NFC")
    fitted = make(source_vectorizer=reader).fit(WORDS, SHOUTED)
    model = with_lexicon(fitted, {"Caf\u00e9": "1", "AB": "2"})
    assert model.predict(["cafe\u0301", "CAF\u00c9", "ab"]).tolist() == ["1", "1", "2"]
    words = SequenceVectorizer(analyzer="word")
    fitted = make(source_vectorizer=words).fit(["a b", "b a c"], ["x", "y"])
    model = with_lexicon(fitted, {"so it  goes": "1"})
    assert model.predict([" so it goes "]).tolist() == ["1"]
    assert model.predict(["so it"]).tolist() == fitted.predict(["so it"]).tolist()


def test_unknown_or_long_sources_are_not_confused():
    """The network reads all unknown tokens alike; the lexicon must not."""
    reader = SequenceVectorizer(max_length=3, handle_unknown="silent")
    fitted = make(source_vectorizer=reader).fit(["ab", "ba"], ["x", "y"])
    model = with_lexicon(fitted, {"!": "1", "abab": "2"})
    assert model.predict(["!", "abab"]).tolist() == ["1", "2"]
    with pytest.warns(UserWarning, match="were cut at the end"):
        assert not {"1", "2"} & set(model.predict(["?", "abaa", "aba"]))


def test_keys_that_read_alike_give_all_their_targets():
    reader = SequenceVectorizer(lowercase=True)
    fitted = make(source_vectorizer=reader).fit(WORDS, SHOUTED)
    model = with_lexicon(fitted, {"Ab": "1", "aB": ["2", "1", "3"]})
    assert model.predict_nbest(["ab"], 3)["sequence"].tolist() == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("lexicon", "message"),
    [
        ({3: "x"}, "keys of lexicon must be sources of the kind of X: Row 0"),
        ({("a",): "x"}, "keys of lexicon .* strings"),
        ({"ab": 3}, "must be strings, .* got 3 for 'ab'"),
        ({"ab": []}, "got \\[\\] for 'ab'"),
        ({"ab": ["x", None]}, "must be strings"),
        ([("ab", "x")], "'lexicon' parameter .* must be an instance of"),
    ],
)
def test_lexicon_that_is_none(lexicon, message, fitted):
    model = with_lexicon(fitted, None).set_params(lexicon=lexicon)
    with pytest.raises(ValueError, match=message):
        model.predict(["b", "ab"])


# Kinds of data ----------------------------------------------------------------------


def test_token_lists():
    X = [list(word) for word in WORDS]
    fitted = make().fit(X, [[t.upper() for t in row] for row in X])
    model = with_lexicon(fitted, {("a", "b"): ("A", "-", "B"), ("?",): [["!"], ["."]]})
    got = model.predict([["a", "b"], ["b"], ["?"]])
    assert got.tolist() == [["A", "-", "B"], fitted.predict([["b"]])[0], ["!"]]
    assert model.score([["a", "b"]], [["A", "-", "B"]]) == 1
    assert model.predict_nbest([["?"]], 2)["sequence"].tolist() == [["!"], ["."]]


def test_token_ids():
    X = np.array([[2, 3, 0], [3, 2, 2], [4, 0, 0], [2, 2, 0]])
    fitted = make().fit(X, X)
    model = with_lexicon(fitted, {(2, 3): (4, 4), (4,): [[3], [2, 2]]})
    alone = fitted.predict(X)
    expected = [[4, 4, 0], alone[1].tolist(), [3, 0, 0], alone[3].tolist()]
    assert model.predict(X).tolist() == expected
    assert model.score(X[:1], [[4, 4, 0]]) == 1
    assert model.score(X, np.array(expected)) == 1
    sequences = model.predict_nbest(X[2:3], 2)["sequence"]
    assert [row.tolist() for row in sequences] == [[3, 0, 0], [2, 2, 0]]
    table = model.predict_nbest(X, 3)
    assert not table.assign(s=table["sequence"].map(str)).duplicated(["row", "s"]).any()
    with pytest.raises(ValueError, match="must be token ids"):
        model.set_params(lexicon={(2, 3): (4, 4, 4, 4)}).predict(X)
    single = with_lexicon(make().fit(X, X[:, 0]), {(2, 3): 4, (4,): [3, 2]})
    got = single.predict(X)
    assert got.shape == (4,)
    assert got[[0, 2]].tolist() == [4, 3]


def columns():
    return ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), "lemma"),
            ("tags", SequenceVectorizer(analyzer="word"), "tags"),
        ]
    )


def test_columns():
    frame = pd.DataFrame({"tags": ["PST", "PL"], "lemma": ["go", "ox"]})
    fitted = make(source_vectorizer=columns()).fit(frame, ["went", "oxen"])
    model = with_lexicon(fitted, {("be", "PST"): "was"})
    new = pd.DataFrame({"lemma": ["be", "be"], "tags": [" PST", "PL"]}, index=[7, 9])
    assert model.predict(new).tolist() == ["was", fitted.predict(new)[1]]
    both = make(target_vectorizer=columns()).fit(["was", "oxen"], frame)
    model = with_lexicon(both, {"were": [("be", "PST"), ("were", "N")]})
    assert model.predict(["were"]).tolist() == [("be", "PST")]
    target = pd.DataFrame({"lemma": ["be"], "tags": ["PST"]})
    assert model.score(["were"], target) == 1


def test_pipelines():
    source = SequenceVectorizer(lowercase=True, handle_unknown="silent")
    strip = FunctionTransformer(lambda rows: [row.strip() for row in rows])
    pipe = Pipeline([("strip", strip), ("source", source), ("seq2seq", make())])
    model = LexiconSeq2Seq(pipe, lexicon={"?": "!", "Ab": "x"}).fit(WORDS, SHOUTED)
    got = model.predict([" AB", "? ", "b", "%"])
    assert got.tolist() == ["x", "!", *model.estimator_.predict(["b", "%"])]
    table = model.predict_nbest(["?", "b"], 2)
    assert table["entry"].tolist() == [True, False, False, False]
    assert model.log_likelihood(["ab"], ["AB"]).shape == (1,)
    assert model.score(["?", " ab"], ["!", "x"]) == 1


def test_ensembles(fitted):
    members = [("a", fitted), ("b", make(random_state=1).fit(WORDS, SHOUTED))]
    ensemble = Seq2SeqEnsemble(estimators=members, prefit=True).fit(None)
    model = with_lexicon(ensemble, {"ab": "1"})
    assert model.predict(["ab", "b"]).tolist() == ["1", ensemble.predict(["b"])[0]]


# Memory -----------------------------------------------------------------------------


def test_training_pairs_are_remembered(fitted):
    X = [*WORDS, "ab", "ab", "b"]
    y = [*SHOUTED, "Ab", "Ab", "B?"]
    model = LexiconSeq2Seq(make(), memorize=True).fit(X, y)
    assert model.predict(WORDS).tolist() == ["Ab", *SHOUTED[1:]]
    assert model.predict_nbest(["ab"], 2)["sequence"].tolist() == ["Ab", "AB"]
    model.set_params(lexicon={"ab": "own", "?": "!"})
    assert model.predict_nbest(["ab"], 3)["sequence"].tolist() == ["own", "Ab", "AB"]
    assert model.predict(["bbbb"])[0] == model.estimator_.predict(["bbbb"])[0]
    assert not hasattr(model.set_params(memorize=False).fit(X, y), "memory_")
    kept = LexiconSeq2Seq(FrozenEstimator(fitted), memorize=True).fit(["zz"], ["Z"])
    assert kept.predict(["zz", "ab"]).tolist() == ["Z", fitted.predict(["ab"])[0]]


def test_memory_of_other_kinds():
    X = np.array([[2, 3, 0], [3, 2, 2], [4, 0, 0], [2, 3, 0]])
    model = LexiconSeq2Seq(make(), memorize=True).fit(X, X[:, 0])
    assert model.predict(X).tolist() == X[:, 0].tolist()
    rows = [["a", "b"], ["b"]]
    model = LexiconSeq2Seq(make(), memorize=True).fit(rows)
    assert model.predict(rows).tolist() == rows
    frame = pd.DataFrame({"lemma": ["go", "ox"], "tags": ["PST", "PL"]})
    model = LexiconSeq2Seq(make(target_vectorizer=columns()), memorize=True)
    assert model.fit(["went", "oxen"], frame).score(["went", "oxen"], frame) == 1


def test_weights_are_those_of_the_fit():
    weight = np.array([1.0, 0, 1, 1, 1, 1, 1, 1, 0.5, 2.0])
    X, y = [*WORDS, "ab", "bbb"], [*SHOUTED, "less", "more"]
    model = LexiconSeq2Seq(make(), memorize=True).fit(X, y, sample_weight=weight)
    assert model.memory_["ab"] == ["AB", "less"]
    assert model.memory_["bbb"] == ["more", "BBB"]
    assert "ba" not in model.memory_
    expected = make().fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(
        model.log_likelihood(X, y), expected.log_likelihood(X, y)
    )
    pipe = Pipeline([("source", SequenceVectorizer()), ("seq2seq", make())])
    model = LexiconSeq2Seq(pipe, memorize=True)
    model.fit(X, y, seq2seq__sample_weight=weight)
    assert "ba" not in model.memory_
    np.testing.assert_array_equal(
        model.log_likelihood(X, y), expected.log_likelihood(X, y)
    )


# scikit-learn -----------------------------------------------------------------------


def test_metadata_is_routed_to_the_model():
    groups = np.arange(len(WORDS)) // 2
    weight = np.arange(len(WORDS)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        inner = make(early_stopping=True)
        inner.set_fit_request(sample_weight=True, groups=True)
        model = LexiconSeq2Seq(inner, memorize=True, lexicon={"ab": "AB"})
        model.fit(WORDS, SHOUTED, sample_weight=weight, groups=groups)
        unrequested = LexiconSeq2Seq(make())
        with pytest.raises(ValueError, match="sample_weight"):
            unrequested.fit(WORDS, SHOUTED, sample_weight=weight)
        scored = LexiconSeq2Seq(inner).set_score_request(sample_weight=True)
        search = GridSearchCV(scored, {"memorize": [False, True]}, cv=2)
        search.fit(WORDS, SHOUTED, sample_weight=weight, groups=groups)
    direct = make(early_stopping=True)
    direct.fit(WORDS, SHOUTED, sample_weight=weight, groups=groups)
    np.testing.assert_array_equal(
        model.log_likelihood(WORDS, SHOUTED), direct.log_likelihood(WORDS, SHOUTED)
    )
    assert WORDS[0] not in model.memory_


def test_a_lexicon_is_searched(fitted):
    lexicons = [None, dict(zip(WORDS, SHOUTED, strict=True))]
    search = GridSearchCV(
        LexiconSeq2Seq(make(max_epochs=1)),
        {"lexicon": lexicons, "estimator__hidden_size": [4, 8]},
        cv=2,
    ).fit(WORDS, SHOUTED)
    assert search.best_score_ == 1
    assert search.best_estimator_.lexicon == lexicons[1]
    frozen = with_lexicon(fitted, lexicons[1])
    assert cross_val_score(frozen, WORDS, SHOUTED, cv=2).tolist() == [1, 1]


def test_a_fitted_model_needs_no_fit(fitted):
    model = LexiconSeq2Seq(fitted, lexicon={"ab": "1"})
    assert model.predict(["ab"]).tolist() == ["1"]
    assert not hasattr(clone(model).estimator, "net_")
    with pytest.raises(NotFittedError):
        clone(model).predict(["ab"])
    kept = clone(LexiconSeq2Seq(FrozenEstimator(fitted), lexicon={"ab": "1"}))
    assert kept.predict(["ab", "b"]).tolist() == ["1", fitted.predict(["b"])[0]]
    assert kept.fit(WORDS, SHOUTED).estimator_.net_ is fitted.net_
    with pytest.raises(NotFittedError):
        LexiconSeq2Seq(fitted, memorize=True).predict(["ab"])
    with pytest.raises(NotFittedError):
        LexiconSeq2Seq(lexicon={"ab": "1"}).predict(["ab"])


def test_failed_fit_leaves_the_estimator_as_it_was(fitted):
    model = LexiconSeq2Seq(make(max_epochs=1), memorize=True).fit(WORDS, SHOUTED)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="Row 1 of y"):
        model.fit(["ab", "b"], ["AB", None])
    assert vars(model) == before
    with pytest.raises(TypeError, match="must be a Seq2SeqTransformer"):
        LexiconSeq2Seq(DummySeq2Seq()).fit(WORDS, SHOUTED)


def test_copies_predict_the_same(fitted):
    model = LexiconSeq2Seq(fitted, lexicon={"ab": "1"})
    before = model.predict(WORDS).tolist()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.predict(WORDS).tolist() == before


# Files ------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True])
def test_loaded_lexicon(frozen, fitted, tmp_path):
    path = tmp_path / "model.s2s"
    estimator = FrozenEstimator(fitted) if frozen else make()
    lexicon = {"ab": ["1", "2"], "\ud800": ""}
    model = LexiconSeq2Seq(estimator, lexicon=lexicon, memorize=True)
    model.fit(WORDS, SHOUTED).save(path)
    loaded = LexiconSeq2Seq.load(path)
    X = [*WORDS, "bbbb", "\ud800"]
    assert loaded.predict(X).tolist() == model.predict(X).tolist()
    assert loaded.get_params().keys() == model.get_params().keys()
    assert loaded.memory_ == model.memory_
    assert loaded.lexicon == lexicon
    again = clone(loaded).fit(WORDS[:2], SHOUTED[:2])
    assert (again.estimator_.net_.module_ is loaded.estimator_.net_.module_) == frozen
    save(clone(model), path)
    if not frozen:
        with pytest.raises(NotFittedError):
            load(path).predict(WORDS)


def test_loaded_lexicon_of_other_kinds(fitted, tmp_path):
    path = tmp_path / "model.s2s"
    with_lexicon(fitted, {"ab": "1"}).save(path)
    assert load(path).predict(["ab"]).tolist() == ["1"]
    X = np.array([[2, 3], [3, 0], [4, 0]])
    model = LexiconSeq2Seq(make(), lexicon={(2, 2): (4,)}, memorize=True)
    model.fit(X, X[:, 0]).save(path)
    assert load(path).predict(X).tolist() == X[:, 0].tolist()
    assert load(path).n_features_in_ == 2
    assert load(path).lexicon == {(2, 2): (4,)}
    rows = [["a", "b"], ["b"]]
    LexiconSeq2Seq(make(), memorize=True).fit(rows).save(path)
    assert load(path).predict(rows).tolist() == rows


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_", {"ab": "AB"}),
        ("memory_", {"ab": [3]}),
        ("memory_", {3: ["AB"]}),
        ("memory_", ["ab"]),
        ("estimator_", SequenceVectorizer()),
        ("estimator_", make()),
    ],
)
def test_hostile_lexicon(name, value, fitted, tmp_path):
    path = tmp_path / "model.s2s"
    model = LexiconSeq2Seq(FrozenEstimator(fitted), memorize=True).fit(WORDS, SHOUTED)
    setattr(model, name, value)
    save(model, path)
    with pytest.raises(ModelFileError):
        load(path)


# Printing ---------------------------------------------------------------------------


def test_a_large_lexicon_prints_at_once(fitted):
    large = {f"{k}": "x" for k in range(100_000)}
    model = LexiconSeq2Seq(lexicon=large)
    assert re.fullmatch(r"LexiconSeq2Seq\(lexicon={.{30,100}, \.\.\.}\)", repr(model))
    assert model.get_params()["lexicon"] is large
    assert repr(LexiconSeq2Seq(lexicon={"a": "b"}, memorize=True)) == (
        "LexiconSeq2Seq(lexicon={'a': 'b'}, memorize=True)"
    )
