import pickle
from collections import Counter
from functools import cache

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seq2seq import _dummy
from sklearn_seq2seq._dummy import DummySeq2Seq
from tests.conftest import EXPECTED_FAILURES

STRATEGIES = ["most_frequent", "copy", "lookup", "nearest", "suffix", "closest"]
WORDS = ["cat", "mouse", "ox", "cat", "cat"]
CLOSED = {"strategy": "closest"}
PLURALS = ["cats", "mice", "oxen", "felines", "cats"]


@parametrize_with_checks(
    [DummySeq2Seq(strategy=name) for name in STRATEGIES],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_dummy_passes_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("most_frequent", ["cats", "cats", "cats"]),
        ("copy", ["cat", "oxe", "house"]),
        ("lookup", ["cats", "cats", "cats"]),
        ("nearest", ["cats", "oxen", "mice"]),
        ("suffix", ["cats", "oxes", "hice"]),
        ("closest", ["cats", "oxen", "cats"]),
    ],
)
def test_dummy_predicts_as_its_strategy_says(strategy, expected):
    model = DummySeq2Seq(strategy=strategy).fit(WORDS, PLURALS)

    predictions = model.predict(["cat", "oxe", "house"])

    assert predictions.dtype == object
    assert predictions.tolist() == expected


def test_dummy_lookup_remembers_rare_pairs():
    model = DummySeq2Seq(strategy="lookup").fit(WORDS, PLURALS)

    assert model.predict(["ox", "mouse", "dog"]).tolist() == ["oxen", "mice", "cats"]


def test_dummy_breaks_ties_in_sorted_order():
    X, y = ["a", "b", "a", "b"], ["z", "y", "x", "w"]

    assert DummySeq2Seq().fit(X, y).predict(["q"]).tolist() == ["w"]
    lookup = DummySeq2Seq(strategy="lookup").fit(X, y)
    assert lookup.predict(["a", "b"]).tolist() == ["x", "w"]


def test_dummy_nearest_takes_the_first_of_equally_similar_sources():
    X, y = ["ab", "ad", "ac"], ["3", "2", "1"]
    model = DummySeq2Seq(strategy="nearest")

    assert model.fit(X, y).predict(["ax", "ad"]).tolist() == ["3", "2"]
    assert model.fit(X[::-1], y[::-1]).predict(["ax", "ad"]).tolist() == ["1", "2"]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_dummy_gives_token_lists_for_token_lists(strategy):
    X = [["a", "bb"], ["c", "d"], []]
    model = DummySeq2Seq(strategy=strategy).fit(X, X)

    predictions = model.predict([["a", "bb"], ["c", "d"]])

    assert predictions.shape == (2,)
    assert all(type(row) is list for row in predictions)
    expected = [[], []] if strategy == "most_frequent" else X[:2]
    assert predictions.tolist() == expected


@pytest.mark.parametrize("container", [np.array, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_dummy_gives_ids_of_the_targets_width(strategy, container):
    X = container([[2, 3, 4, 5], [6, 0, 0, 0], [2, 3, 0, 0]])
    y = np.array([[7, 8, 9], [7, 0, 0], [2, 3, 0]])
    expected = {
        "most_frequent": [[2, 3, 0]] * 3,
        "copy": [[2, 3, 4], [6, 0, 0], [2, 3, 0]],
        "closest": [[2, 3, 0]] * 3,
    }.get(strategy, y)

    predictions = DummySeq2Seq(strategy=strategy).fit(X, y).predict(X)

    assert predictions.dtype == np.int64
    np.testing.assert_array_equal(predictions, expected)


def test_dummy_mixes_kinds_of_source_and_target():
    model = DummySeq2Seq(strategy="nearest").fit(["ab", "xyz"], [[2, 3], [4, 0]])
    np.testing.assert_array_equal(model.predict(["abc"]), [[2, 3]])

    model = DummySeq2Seq(strategy="nearest").fit([[2, 3], [4, 5]], ["ab", "xyz"])
    assert model.predict(np.array([[4, 0]])).tolist() == ["xyz"]


def test_dummy_copy_refuses_unlike_kinds():
    with pytest.raises(TypeError, match="got strings in X and token ids in y"):
        DummySeq2Seq(strategy="copy").fit(["ab"], [[2, 3]])
    for strategy in ("copy", "suffix", "closest"):
        with pytest.raises(TypeError, match="got token lists in X and strings in y"):
            DummySeq2Seq(strategy=strategy).fit([["a", "b"]], ["ab"])


def test_dummy_predict_refuses_another_kind_of_source():
    model = DummySeq2Seq().fit(["ab"], ["cd"])

    with pytest.raises(TypeError, match=r"token lists.*fitted on strings"):
        model.predict([["a", "b"]])


def test_dummy_reads_series_whatever_their_index():
    X = pd.Series(WORDS, index=[4, 2, 0, 1, 3])
    y = pd.Series(PLURALS, index=list("abcde"), dtype="string")

    model = DummySeq2Seq(strategy="nearest").fit(X, y)

    assert model.predict(X).tolist() == ["cats", "mice", "oxen", "cats", "cats"]
    assert model.score(X, y) == 0.8
    assert model.score(X, y, sample_weight=[0, 1, 1, 2, 0]) == 0.5


def test_dummy_score_counts_whole_id_rows():
    X, y = np.array([[2], [3]]), np.array([[5, 6], [5, 0]])
    model = DummySeq2Seq(strategy="lookup").fit(X, y)

    assert model.score(X, y) == 1
    assert model.score(X, y[::-1]) == 0
    # A target longer than any seen in fit cannot be right.
    assert model.score(X, np.array([[5, 6, 7], [5, 0, 0]])) == 0.5


@pytest.mark.parametrize(
    ("params", "X", "y", "error", "message"),
    [
        ({"strategy": "best"}, ["a"], ["b"], ValueError, "'strategy' parameter"),
        ({}, ["a"], None, ValueError, "requires y to be passed"),
        ({}, [[2]], None, ValueError, "requires y to be passed"),
        ({}, ["a", "b"], ["c"], ValueError, "inconsistent numbers of samples"),
        ({}, ["a", None], ["c", "d"], ValueError, "Row 1 of X"),
        ({}, ["a"], [[-1]], ValueError, "Negative values"),
        ({}, [[2.5]], ["a"], ValueError, "whole numbers"),
        (CLOSED | {"allowed_outputs": []}, ["a"], ["b"], ValueError, "0 sample"),
        (CLOSED | {"allowed_outputs": "ab"}, ["a"], ["b"], ValueError, "'allowed_out"),
        (CLOSED | {"allowed_outputs": [["a"]]}, ["a"], ["b"], TypeError, "kind of y"),
        (CLOSED | {"allowed_outputs": [[2, 3]]}, [[2]], [[2]], ValueError, "1 columns"),
    ],
)
def test_dummy_fit_says_what_is_wrong(params, X, y, error, message):
    with pytest.raises(error, match=message):
        DummySeq2Seq(**params).fit(X, y)


def test_dummy_predict_before_fit_raises():
    with pytest.raises(NotFittedError):
        DummySeq2Seq().predict(["a"])


def test_dummy_strategy_is_searched_in_parallel_on_ragged_lists():
    X = [list("ab"), list("cde"), [], list("x")] * 6
    search = GridSearchCV(DummySeq2Seq(), {"strategy": STRATEGIES}, cv=3, n_jobs=2)

    search.fit(X, X)

    scores = dict(zip(STRATEGIES, search.cv_results_["mean_test_score"], strict=True))
    assert scores == dict.fromkeys(STRATEGIES, 1) | {"most_frequent": 0.25}
    assert search.predict([["ab", "cde"]]).tolist() == [["ab", "cde"]]


def test_dummy_pickle_predicts_the_same():
    model = DummySeq2Seq(strategy="nearest").fit(WORDS, PLURALS)
    copy = pickle.loads(pickle.dumps(model))

    assert copy.predict(["house"]).tolist() == model.predict(["house"]).tolist()


@cache
def _distance(a, b, swaps):
    if not a or not b:
        return len(a) + len(b)
    ways = [
        _distance(a[1:], b, swaps) + 1,
        _distance(a, b[1:], swaps) + 1,
        _distance(a[1:], b[1:], swaps) + (a[0] != b[0]),
    ]
    if swaps and a[:2] == b[1::-1]:
        ways.append(_distance(a[2:], b[2:], swaps) + 1)
    return min(ways)


def _similarity(a, b, swaps=False):
    return 1 - _distance(a, b, swaps) / max(len(a), len(b), 1)


_strings = st.text(alphabet="abé", max_size=5)


@given(
    pairs=st.lists(st.tuples(_strings, st.sampled_from("xyz")), min_size=1, max_size=9),
    queries=st.lists(_strings, min_size=1, max_size=5),
)
def test_dummy_agrees_with_plain_loops(pairs, queries):
    X, y = map(list, zip(*pairs, strict=True))

    def commonest(targets):
        counts = Counter(targets)
        return min(counts, key=lambda target: (-counts[target], target))

    def of_source(source):
        return commonest([t for s, t in pairs if s == source])

    lookup = [of_source(q) if q in X else commonest(y) for q in queries]
    nearest = [of_source(max(X, key=lambda s: _similarity(q, s))) for q in queries]

    fitted = {name: DummySeq2Seq(strategy=name).fit(X, y) for name in STRATEGIES}
    assert fitted["lookup"].predict(queries).tolist() == lookup
    assert fitted["nearest"].predict(queries).tolist() == nearest


def _shared(a, b):
    """Length of the common beginning."""
    return max(n for n in range(len(a) + 1) if a[:n] == b[:n])


def _suffix_rule(pairs, query):
    """What "suffix" predicts, by trying all suffixes on all pairs."""
    for start in range(len(query) + 1):
        suffix, counts = query[start:], Counter()
        for x, y in pairs:
            kept = _shared(x, y)
            if x.endswith(suffix) and len(x) - kept <= len(suffix):
                counts[len(x) - kept, y[kept:]] += 1
        if counts:
            cut, added = min(counts, key=lambda new: (-counts[new], new))
            return query[: len(query) - cut] + added
    return query


@given(
    pairs=st.lists(st.tuples(_strings, _strings), min_size=1, max_size=12),
    queries=st.lists(_strings, min_size=1, max_size=5),
)
def test_dummy_suffix_and_closest_agree_with_plain_loops(pairs, queries):
    X, y = map(list, zip(*pairs, strict=True))
    suffix = [_suffix_rule(pairs, query) for query in queries]
    common = sorted(set(y), key=lambda target: (-y.count(target), target))
    closest = [
        max(common, key=lambda t: _similarity(q, t, swaps=True)) for q in queries
    ]
    given = [max(X, key=lambda t: _similarity(q, t, swaps=True)) for q in queries]

    model = DummySeq2Seq(strategy="suffix").fit(X, y)
    assert model.predict(queries).tolist() == suffix
    tokens = model.fit(list(map(list, X)), list(map(list, y))).predict(
        list(map(list, queries))
    )
    assert list(map("".join, tokens)) == suffix
    model = DummySeq2Seq(strategy="closest").fit(X, y)
    assert model.predict(queries).tolist() == closest
    model.set_params(allowed_outputs=X).fit(X, y)
    assert model.predict(queries).tolist() == given


def test_dummy_suffix_keeps_no_rule_that_a_shorter_suffix_has():
    X = ["walk", "talk", "pony", "berry", "boy", "man"]
    y = ["walks", "talks", "ponies", "berries", "boys", "men"]

    model = DummySeq2Seq(strategy="suffix").fit(X, y)

    assert model.rules_ == {
        "": (0, "s"),
        "y": (1, "ies"),
        "oy": (0, "s"),
        "an": (2, "en"),
    }
    assert model.predict(["chalk", "sherry", "toy", "woman", "chin"]).tolist() == [
        "chalks",
        "sherries",
        "toys",
        "women",
        "chins",
    ]


def test_dummy_suffix_leaves_sources_without_a_rule_alone():
    model = DummySeq2Seq(strategy="suffix").fit(["abc"], ["xbc"])

    assert model.predict(["zabc", "bc", ""]).tolist() == ["zxbc", "bc", ""]


def test_dummy_closest_reads_a_set_and_ids_as_closed_lists():
    model = DummySeq2Seq(strategy="closest", allowed_outputs={"receive", "believe"})
    assert model.fit(["a"], ["b"]).predict(["recieve"]).tolist() == ["receive"]

    model.set_params(allowed_outputs=[[2, 3, 0], [4, 5, 6]]).fit([[2]], [[1, 1, 1]])
    assert model.predict([[4]]).tolist() == [[4, 5, 6]]


def test_dummy_nearest_is_the_same_in_small_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    X, new = rng.integers(0, 4, (60, 5)), rng.integers(0, 4, (40, 5))
    model = DummySeq2Seq(strategy="nearest").fit(X, X)
    expected = model.predict(new)

    monkeypatch.setattr(_dummy, "_TABLE_BYTES", 8 * 60 * 7)

    np.testing.assert_array_equal(model.predict(new), expected)


def test_a_failed_or_another_fit_of_a_dummy_leaves_nothing_behind():
    model = DummySeq2Seq().fit([[2, 3]], [[4, 5, 6]])
    with pytest.raises(ValueError, match="inconsistent"):
        model.fit([[2, 3], [1, 1]], [[4]])
    assert model.predict([[2, 3]]).tolist() == [[4, 5, 6]]
    assert model.n_outputs_ == 3
    model.set_params(strategy="copy").fit(["a"], ["b"])
    learned = {name for name in vars(model) if name.endswith("_")}
    assert learned == {"kinds_"}
