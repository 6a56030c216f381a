"""`TranslationMemory`, held to slow and obvious loops over pairs of strings."""

from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn import config_context
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import estimator_checks as checks

from sklearn_seq2seq import (
    ColumnVectorizer,
    PairAugmenter,
    Seq2SeqTransformer,
    SequenceVectorizer,
    TranslationMemory,
    _translation_memory,
    load,
    save,
)
from sklearn_seq2seq._fitting import groups_of

ENGLISH = ["Delete the page", "Delete the file", "Close the window", "Close the file"]
GERMAN = ["Seite löschen", "Datei löschen", "Fenster schließen", "Datei schließen"]
LETTERS = CountVectorizer(analyzer="char", lowercase=False, token_pattern=None)
TINY = {"hidden_size": 8, "embedding_size": 4, "max_epochs": 2, "random_state": 0}


def cosine(a, b):
    a, b = Counter(a), Counter(b)
    product = sum(a[letter] * b[letter] for letter in a)
    return product / np.sqrt(
        sum(n * n for n in a.values()) * sum(n * n for n in b.values())
    )


def best_matches(queries, sources, targets, allowed):
    """Targets of the most similar sources, pair by pair; their similarities."""
    found = []
    for i, query in enumerate(queries):
        best = ("", 0.0)
        for j, (source, target) in enumerate(zip(sources, targets, strict=True)):
            # A hair's breadth, so that the first of equals stays.
            if allowed(i, j) and cosine(query, source) > best[1] + 1e-9:
                best = (target, cosine(query, source))
        found.append(best)
    return tuple(map(list, zip(*found, strict=True)))


def random_strings(n, seed=0):
    """Strings of three to eight of five letters; some of them are the same."""
    rng = np.random.default_rng(seed)
    strings = ["".join(rng.choice(list("abcde"), rng.integers(3, 9))) for _ in range(n)]
    return strings[: n - n // 5] + strings[: n // 5]


# What is matched ---------------------------------------------------------------------


@settings(max_examples=50)
@given(st.data())
def test_match_is_that_of_a_loop_over_all_pairs(data):
    rows = st.lists(st.text("abcd", min_size=1, max_size=5), min_size=1, max_size=8)
    sources, queries = data.draw(rows), data.draw(rows)
    targets = [f"target {k}" for k in range(len(sources))]
    memory = TranslationMemory(LETTERS).fit(sources, targets)
    found = memory.transform(queries)
    expected, similarity = best_matches(queries, sources, targets, lambda i, j: True)
    assert found[:, 0].tolist() == queries
    # Equally similar pairs may differ in the last bit of the similarity.
    for i, target in enumerate(found[:, 1]):
        if target != expected[i]:
            other = sources[targets.index(target)]
            assert cosine(queries[i], other) == pytest.approx(similarity[i])


@pytest.mark.parametrize("table_size", [1, 200, 2**23])
@pytest.mark.parametrize("ways", [0, 1, 2])
def test_training_match_is_of_another_source_and_group(ways, table_size, monkeypatch):
    monkeypatch.setattr(_translation_memory, "_TABLE_SIZE", table_size)
    sources = random_strings(60)
    targets = [f"target {k}" for k in range(60)]
    groups = np.random.default_rng(1).integers(0, 25, (60, ways)) if ways else None

    def allowed(i, j):
        kin = ways and set(groups[i]) & set(groups[j])
        return sources[i] != sources[j] and not kin

    given_groups = groups[:, 0] if ways == 1 else groups
    memory = TranslationMemory(LETTERS)
    found = memory.fit_transform(sources, targets, groups=given_groups)
    expected, similarity = best_matches(sources, sources, targets, allowed)
    places = [targets.index(target) for target in found[:, 1]]
    assert all(allowed(i, j) for i, j in enumerate(places))
    assert [
        cosine(sources[i], sources[j]) for i, j in enumerate(places)
    ] == pytest.approx(similarity)
    assert np.mean(found[:, 1] == expected) > 0.9


def test_transform_knows_the_own_pair():
    memory = TranslationMemory().fit(ENGLISH, GERMAN)
    assert memory.transform(ENGLISH)[:, 1].tolist() == GERMAN
    assert (memory.fit_transform(ENGLISH, GERMAN)[:, 1] != GERMAN).all()


def test_first_of_equals_is_taken():
    memory = TranslationMemory().fit(["a b", "a b", "x"], ["1", "2", "3"])
    assert memory.transform(["a b", "a b c"])[:, 1].tolist() == ["1", "1"]


def test_nothing_similar_leaves_the_match_empty():
    memory = TranslationMemory()
    alone = memory.fit_transform(["abc", "abc", "xyz"], ["1", "2", "3"])
    assert alone[:, 1].tolist() == ["", "", ""]
    assert memory.transform(["uvw", ""])[:, 1].tolist() == ["", ""]


def test_lists_of_tokens_stay_lists():
    X, y = [["the", "page"], ["the", "file"], ["q"]], [["S"], ["D", "-"], ["Q"]]
    memory = TranslationMemory()
    found = memory.fit_transform(X, y)
    assert found[:, 0].tolist() == X
    assert found[:, 1].tolist() == [["D", "-"], ["S"], []]
    assert memory.transform([["the", "pages"]])[0, 1] == ["S"]


# How similar it is -------------------------------------------------------------------


def test_levels_are_fifths_of_the_training_rows():
    rng = np.random.default_rng(0)
    X = ["".join(rng.choice(list("abcdefghij"), 12)) for _ in range(200)]
    memory = TranslationMemory(LETTERS)
    found = memory.fit_transform(X, X)
    similarity = [cosine(a, b) for a, b in found[:, :2]]
    order = np.argsort(similarity)
    levels = found[order, 2].tolist()
    assert levels == sorted(levels)
    assert set(levels) == set("12345")
    assert min(Counter(levels).values()) >= 25


@settings(max_examples=50)
@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=9))
def test_new_sources_have_levels_that_training_had(sources):
    memory = TranslationMemory(LETTERS)
    seen = set(memory.fit_transform(sources, sources)[:, 2])
    assert "1" in seen
    assert {*memory.transform([*sources, "aaabbc", "x", "xyza"])[:, 2]} <= seen


# Manners -----------------------------------------------------------------------------


@pytest.mark.parametrize("container", [
    np.array,
    pd.Series,
    lambda rows: pd.DataFrame({"english": rows}),
    pl.Series,
    lambda rows: pl.DataFrame({"english": rows}),
    iter,
])  # fmt: skip
def test_every_column_of_text_is_taken(container):
    memory = TranslationMemory()
    found = memory.fit_transform(container(ENGLISH), container(GERMAN))
    assert type(found) is np.ndarray
    plain = TranslationMemory().fit_transform(ENGLISH, GERMAN)
    assert found.tolist() == plain.tolist()
    again = memory.transform(container(ENGLISH))
    assert again[:, 1].tolist() == GERMAN


def test_frames_come_out_where_they_are_asked_for():
    english = pd.DataFrame({"english": ENGLISH}, index=list("abcd"))
    memory = TranslationMemory().set_output(transform="pandas")
    for frame in (memory.fit_transform(english, GERMAN), memory.transform(english)):
        assert frame.columns.tolist() == ["source", "match", "similarity"]
        assert frame.index.tolist() == list("abcd")
        assert frame["source"].tolist() == ENGLISH
    memory.set_output(transform="polars")
    assert memory.transform(ENGLISH)["match"].to_list() == GERMAN


def test_columns_have_names_once_fitted():
    memory = TranslationMemory()
    with pytest.raises(NotFittedError):
        memory.get_feature_names_out()
    with pytest.raises(NotFittedError):
        memory.transform(ENGLISH)
    names = memory.fit(ENGLISH, GERMAN).get_feature_names_out()
    assert names.tolist() == ["source", "match", "similarity"]


@pytest.mark.parametrize(("X", "y", "match"), [
    (["a", None], ["x", "y"], "Row 1 of X is missing"),
    (["a", "b"], ["x", 2], "Row 1 of y is of type int"),
    (["a", "b"], ["x"], "inconsistent numbers of samples"),
    ([["a"], "b"], ["x", "y"], "either strings or token lists"),
    (["", ""], ["x", "y"], "X holds no word"),
    (["the same"] * 1001, ["x"] * 1001, "only words of more than 1,000 rows"),
])  # fmt: skip
def test_failed_fit_says_why_and_changes_nothing(X, y, match):
    memory = TranslationMemory().fit(ENGLISH, GERMAN)
    before = dict(vars(memory))
    with pytest.raises(ValueError, match=match):
        memory.fit(X, y)
    assert vars(memory) == before
    assert memory.transform(ENGLISH)[:, 1].tolist() == GERMAN


def test_wrong_parameters_and_groups_are_named():
    with pytest.raises(ValueError, match="vectorizer"):
        TranslationMemory("tfidf").fit(ENGLISH, GERMAN)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TranslationMemory().fit(ENGLISH, GERMAN, groups=[1, 2])
    with pytest.raises(TypeError, match="missing"):
        TranslationMemory().fit(ENGLISH)
    with pytest.raises(ValueError, match="Row 0 of y is missing"):
        TranslationMemory().fit(ENGLISH, [None] * 4)


DATA_FREE = [
    checks.check_estimator_cloneable,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_estimator_repr,
    checks.check_no_attributes_set_in_init,
    checks.check_mixin_order,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_transformers_unfitted,
]


@pytest.mark.parametrize("check", DATA_FREE, ids=lambda check: check.__name__)
def test_memory_passes_data_free_check(check):
    check("TranslationMemory", TranslationMemory())


# With a model ------------------------------------------------------------------------


def pipeline(**params):
    words = SequenceVectorizer(analyzer="word", handle_unknown="silent")
    columns = ColumnVectorizer(
        [(name, words, k) for k, name in enumerate(("source", "match", "similarity"))]
    )
    model = Seq2SeqTransformer(
        source_vectorizer=columns, target_vectorizer=words, copy=True
    )
    steps = [("match", TranslationMemory()), ("seq2seq", model)]
    return Pipeline(steps).set_params(
        **{f"seq2seq__{name}": value for name, value in (TINY | params).items()}
    )


def lexicon_pairs(n, said, written):
    """A source's word has a word of its own for target, which follows from no rule."""
    rng = np.random.default_rng(0)
    words = ["".join(row) for row in rng.choice(list("abcdefghij"), (n, 9))]
    targets = [word.upper() for word in rng.permutation(words)]
    pairs = zip(words, targets, strict=True)
    return [(f"{word} {said}", f"{target} {written}") for word, target in pairs]


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_model_copies_from_the_match_and_mends_it():
    """The word comes from the match, what is behind it from the source."""
    now, then = lexicon_pairs(120, "now", "!"), lexicon_pairs(120, "then", "?")
    train, test = now + then[:80], then[80:]
    model = pipeline(max_epochs=15, hidden_size=16, learning_rate=0.02, batch_size=8)
    model.fit(*zip(*train, strict=True))
    assert model.score(*zip(*test, strict=True)) > 0.8


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_search_over_memory_and_model():
    grid = {
        "match__vectorizer": [None, LETTERS],
        "seq2seq__source_vectorizer__match__lowercase": [False, True],
    }
    search = GridSearchCV(pipeline(), grid, cv=2, error_score="raise")
    search.fit(pd.Series(ENGLISH * 2), pd.Series(GERMAN * 2))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(ENGLISH)) == 4


class Listening(Seq2SeqTransformer):
    """Notes what it is fitted on."""

    def fit(self, X, y=None):
        self.seen_, self.groups_ = np.array(X), groups_of(X)
        return super().fit(X, y)


def listening(pipe):
    model = Listening(**pipe["seq2seq"].get_params(deep=False))
    return pipe.set_params(seq2seq=model)


def test_pipeline_hands_groups_on():
    groups = [0, 0, 1, 1]
    pipe = listening(pipeline()).fit(ENGLISH, GERMAN, match__groups=groups)
    assert pipe["seq2seq"].seen_[0, 1] in GERMAN[2:]
    assert pipe["seq2seq"].groups_ == groups
    with config_context(enable_metadata_routing=True):
        pipe = listening(pipeline())
        pipe["match"].set_fit_request(groups=True)
        pipe = clone(pipe).fit(ENGLISH, GERMAN, groups=groups)
        assert pipe["seq2seq"].seen_[0, 1] in GERMAN[2:]


def test_augmented_pair_is_not_matched_with_what_it_is_made_of():
    steps = [
        ("augment", PairAugmenter(joined=0, noisy=1, noise=0.05, random_state=0)),
        *listening(pipeline()).steps,
    ]
    seen = SamplingPipeline(steps).fit(ENGLISH, GERMAN)["seq2seq"].seen_
    assert len(seen) == 8
    assert (seen[:4, 1] != GERMAN).all()


def test_saved_pipeline_predicts_the_same(tmp_path):
    pipe = pipeline().fit(ENGLISH, GERMAN)
    save(pipe, tmp_path / "pipe.s2s")
    loaded = load(tmp_path / "pipe.s2s")
    new = ["Close the page", "Open", "Delete the file"]
    assert loaded["match"].transform(new).tolist() == (
        pipe["match"].transform(new).tolist()
    )
    assert loaded.predict(new).tolist() == pipe.predict(new).tolist()
    save(TranslationMemory(), tmp_path / "unfitted.s2s")
    assert not hasattr(load(tmp_path / "unfitted.s2s"), "sources_")
    with pytest.raises(ValueError, match="CountVectorizer"):
        save(TranslationMemory(LETTERS), tmp_path / "other.s2s")
