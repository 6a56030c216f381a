"""Prediction sets: what they guarantee, and what they are made of."""

import copy
import pickle
from functools import wraps
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seq2seq import (
    ConformalSeq2Seq,
    DummySeq2Seq,
    ModelFileError,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from sklearn_seq2seq._conformity import (
    conformity_scores,
    hypothesis_scores,
    weighted_quantile,
)
from sklearn_seq2seq._fitting import draw_seed
from sklearn_seq2seq._training._validation_split import split
from tests.conftest import EXPECTED_FAILURES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*were ended by max_length"),
    pytest.mark.filterwarnings("ignore:.*not in the vocabulary"),
]

SMALL = {"hidden_size": 8, "embedding_size": 6, "max_epochs": 2, "random_state": 0}
N_BEST = 8


def make(**params):
    return Seq2SeqTransformer(**(SMALL | params))


def draw_pairs(n, seed):
    """Words in capitals, each with an ending drawn from five."""
    rng = np.random.default_rng(seed)
    X = ["".join(rng.choice(list("abc"), rng.integers(1, 5))) for _ in range(n)]
    endings = rng.choice(list("VWXYZ"), n, p=[0.4, 0.25, 0.15, 0.12, 0.08])
    return X, [x.upper() + end for x, end in zip(X, endings, strict=True)]


@pytest.fixture(scope="module")
def fitted():
    """A model that has learned the task, but for what is drawn."""
    model = make(hidden_size=24, max_epochs=12, learning_rate=0.02, dropout=0.0)
    return model.fit(*draw_pairs(500, 0))


@pytest.fixture(scope="module")
def held_out(fitted):
    """New pairs and their n-best lists."""
    X, y = draw_pairs(600, 1)
    return X, y, fitted.predict_nbest(X, N_BEST)


@pytest.fixture(scope="module")
def conformal(fitted):
    model = ConformalSeq2Seq(FrozenEstimator(fitted), n_best=N_BEST)
    return model.fit(*draw_pairs(150, 2))


@parametrize_with_checks(
    [ConformalSeq2Seq(make(), n_best=2, random_state=0)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_conformal_passes_check(estimator, check):
    check(estimator)


# The guarantee ------------------------------------------------------------------------


def slow_scores(table, y):
    """Minus the log-probability of each truth, hypothesis by hypothesis."""
    scores = []
    for row, truth in enumerate(y):
        score = np.inf
        for _, hypothesis in table[table["row"] == row].iterrows():
            if hypothesis["sequence"] == truth:
                score = -np.log(hypothesis["probability"]) if hypothesis["rank"] else 0
        scores.append(score)
    return np.array(scores)


def slow_set(hypotheses, calibration, coverage):
    """Hypotheses that cannot be told from true targets: whose p-value is not small."""
    kept = []
    for _, hypothesis in hypotheses.iterrows():
        score = -np.log(hypothesis["probability"]) if hypothesis["rank"] else 0
        p_value = (1 + np.sum(calibration >= score)) / (1 + len(calibration))
        if p_value > 1 - coverage + 1e-9:
            kept.append(hypothesis["sequence"])
    return kept


def sets_of(table):
    return table.groupby("row")["sequence"].agg(list).tolist()


@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.95])
def test_sets_are_those_of_p_values(coverage, conformal, held_out):
    X, _, table = held_out
    X_calibration, y_calibration = draw_pairs(150, 2)
    calibration = slow_scores(
        conformal.predict_nbest(X_calibration, N_BEST), y_calibration
    )
    np.testing.assert_allclose(conformal.conformity_scores_, calibration, atol=1e-6)
    expected = [
        slow_set(hypotheses, calibration, coverage)
        for _, hypotheses in table[table["row"] < 60].groupby("row")
    ]
    assert sets_of(conformal.predict_set(X[:60], coverage)) == expected


@pytest.mark.parametrize("coverage", [0.6, 0.8, 0.9, 0.95])
def test_coverage_is_within_its_interval(coverage, held_out):
    """Over 200 splits of held-out pairs in two, whatever the model thinks."""
    _, y, table = held_out
    scores = conformity_scores(table, y)
    assert np.mean(scores == 0) < 0.55  # the best hypothesis is often wrong
    n_calibration, covered = 200, []
    for seed in range(200):
        rows = np.random.default_rng(seed).permutation(len(y))
        calibration, new = np.split(scores[rows], [n_calibration])
        ones = np.ones(n_calibration)
        limit = weighted_quantile(calibration, ones, coverage * (n_calibration + 1))
        covered.append(np.mean(new <= limit))
    n_new = len(y) - n_calibration
    variance = coverage * (1 - coverage) * (1 / n_calibration + 1 / n_new)
    error = 3 * np.sqrt(variance / len(covered))
    assert coverage - error < np.mean(covered) < coverage + 1 / n_calibration + error


def test_groups_count_alike_however_large():
    """Hard groups are small; pairs that count alike cover new groups too seldom."""
    rng = np.random.default_rng(0)
    n_groups, coverage, covered = 39, 0.9, {"groups": [], "pairs": []}
    for _ in range(1500):
        difficulty = rng.random(n_groups + 1)
        sizes = np.where(difficulty > 0.7, 1, 8)
        group = np.repeat(np.arange(n_groups + 1), sizes)
        scores = difficulty[group] + 0.1 * rng.random(len(group))
        new = group == n_groups
        weights = (1 / sizes)[group][~new]
        for name, some, n in (
            ("groups", weights, n_groups),
            ("pairs", np.ones(len(weights)), len(weights)),
        ):
            limit = weighted_quantile(scores[~new], some, coverage * (n + 1))
            covered[name].append(scores[new][0] <= limit)
    error = 3 * np.sqrt(coverage * (1 - coverage) / 1500)
    assert abs(np.mean(covered["groups"]) - coverage - 0.01) < error + 0.01
    assert np.mean(covered["pairs"]) < 0.8


def test_sets_begin_the_nbest_lists_and_grow(conformal, held_out):
    X, _, table = held_out
    sizes = []
    for coverage in (0.3, 0.6, 0.9, 0.99):
        sets = conformal.predict_set(X, coverage)
        assert sets.columns.tolist() == table.columns.tolist()
        size = sets.groupby("row").size()
        assert (size >= 1).all()
        assert len(size) == len(X)
        expected = table[table["rank"] < size.to_numpy()[table["row"]]]
        pd.testing.assert_frame_equal(
            sets, expected.reset_index(drop=True), atol=1e-5, rtol=1e-4
        )
        sizes.append(size.to_numpy())
    assert all((a <= b).all() for a, b in pairwise(sizes))
    assert sizes[2].mean() > 2


def test_a_set_is_the_same_alone(conformal, held_out):
    X = held_out[0][:40]
    together = sets_of(conformal.predict_set(X, 0.8))
    assert [sets_of(conformal.predict_set([x], 0.8))[0] for x in X] == together


def test_without_pandas(conformal, held_out, monkeypatch):
    expected = conformal.predict_set(held_out[0][:9])
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    table = conformal.predict_set(held_out[0][:9])
    assert type(table) is np.recarray
    assert table.sequence.tolist() == expected["sequence"].tolist()


# What cannot be reached ---------------------------------------------------------------


def test_beam_too_narrow_is_said(fitted, held_out):
    X, y, _ = held_out
    model = ConformalSeq2Seq(FrozenEstimator(fitted), n_best=2).fit(X[:99], y[:99])
    missed = np.isinf(model.conformity_scores_).sum()
    assert model.max_coverage_ == (99 - missed) / 100
    with pytest.warns(UserWarning, match=rf"at most 0\.\d+: .* of {missed} of 99 .*"):
        sets = model.predict_set(X[99:], 0.95)
    assert (sets.groupby("row").size() == 2).all()
    assert len(model.predict_set(X[99:], model.max_coverage_)) <= len(sets)
    with pytest.warns(UserWarning, match="cannot be guaranteed"):
        model.predict_set(X[99:], model.max_coverage_ + 0.001)


@pytest.mark.parametrize("coverage", [0, 1, 1.2, -0.1, "0.9", None, True, np.nan])
def test_coverage_is_between_0_and_1(coverage, conformal):
    with pytest.raises(ValueError, match="coverage must be a number between 0 and 1"):
        conformal.predict_set(["ab"], coverage)


def test_too_few_calibration_pairs_are_said(fitted):
    X, y = draw_pairs(9, 3)
    model = ConformalSeq2Seq(FrozenEstimator(fitted), n_best=N_BEST)
    assert np.isfinite(model.fit(X, y)._quantile(0.7))
    with pytest.raises(ValueError, match=r"needs at least 19 calibration pairs; .* 9"):
        model.predict_set(X, 0.95)
    model.fit(X, y, groups=[0] * 5 + [1] * 4)
    with pytest.raises(ValueError, match=r"at least 9 calibration groups .* had 2"):
        model.predict_set(X)
    with pytest.raises(ValueError, match="n_samples=1 cannot be split"):
        ConformalSeq2Seq(make()).fit(["a"], ["b"])
    with pytest.raises(ValueError, match="the number of groups=1 cannot be split"):
        ConformalSeq2Seq(make()).fit(X, y, groups=["a"] * 9)


# Fitting ------------------------------------------------------------------------------


def test_model_is_fitted_on_some_and_calibrated_on_others():
    X, y = draw_pairs(100, 4)
    weight = np.random.default_rng(0).random(100)
    model = ConformalSeq2Seq(make(), n_best=3, calibration_fraction=0.3, random_state=5)
    model.fit(X, y, sample_weight=weight)
    some, others = split(100, None, 0.3, draw_seed(5))
    alone = make().fit(
        [X[k] for k in some], [y[k] for k in some], sample_weight=weight[some]
    )
    new = draw_pairs(20, 5)
    assert model.predict(new[0]).tolist() == alone.predict(new[0]).tolist()
    assert model.score(*new) == alone.score(*new)
    table = alone.predict_nbest([X[k] for k in others], 3)
    expected = slow_scores(table, [y[k] for k in others])
    np.testing.assert_allclose(model.conformity_scores_, expected, atol=1e-6)
    assert model.calibration_weights_.tolist() == [1] * 30
    assert not hasattr(model.estimator, "net_")


def test_groups_are_not_torn_apart(monkeypatch):
    X, y = draw_pairs(60, 6)
    groups = [f"{k}" for k in np.random.default_rng(0).integers(12, size=60)]
    given = {}
    fit = Seq2SeqTransformer.fit

    @wraps(fit)
    def watched(self, X, y, **params):
        given.update(params)
        return fit(self, X, y, **params)

    monkeypatch.setattr(Seq2SeqTransformer, "fit", watched)
    model = ConformalSeq2Seq(make(), n_best=2, random_state=0)
    model.fit(X, y, groups=groups)
    held = set(groups) - set(given["groups"])
    sizes = [groups.count(group) for group in groups if group in held]
    assert sorted(model.calibration_weights_) == sorted(1 / np.array(sizes))
    assert len(held) == 2


def test_groups_of_a_pipeline_do_not_reach_its_steps():
    X, y = draw_pairs(40, 7)
    pipe = Pipeline([("source", SequenceVectorizer()), ("seq2seq", make())])
    model = ConformalSeq2Seq(pipe, n_best=2, random_state=0)
    model.fit(X, y, groups=np.arange(40) // 2)
    assert model.calibration_weights_.tolist() == [0.5] * 8
    with pytest.raises(ValueError, match=r"got shape \(40, 2\)"):
        model.fit(X, y, groups=np.zeros((40, 2)))


def test_metadata_is_routed():
    X, y = draw_pairs(40, 7)
    with sklearn.config_context(enable_metadata_routing=True):
        model = make().set_fit_request(sample_weight=True, groups=True)
        wrapped = ConformalSeq2Seq(model, n_best=2, random_state=0)
        wrapped.fit(X, y, sample_weight=np.ones(40), groups=np.arange(40))
        assert len(wrapped.conformity_scores_) == 8
        with pytest.raises(Exception, match="not explicitly set as requested"):
            ConformalSeq2Seq(make()).fit(X, y, sample_weight=np.ones(40))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lists", ["A", "V"]),
        ("ids", [2, 3]),
        ("vector", 3),
        ("ensemble", "AV"),
        ("pipeline", "AV"),
    ],
)
def test_kinds_of_data_and_of_models(kind, expected):
    X, y = ["a", "b", "ab", "ba"] * 10, ["AV", "BV", "ABV", "BAV"] * 10
    model = make(hidden_size=16, max_epochs=40, learning_rate=0.03, dropout=0.0)
    if kind == "lists":
        X, y = (list(map(list, side)) for side in (X, y))
    elif kind in ("ids", "vector"):
        X = SequenceVectorizer().fit_transform(X).toarray()[:, :2]
        y = np.array([[2, 3, 0], [4, 3, 0], [2, 4, 3], [4, 2, 3]] * 10)
        y = y[:, 1] if kind == "vector" else y
    elif kind == "ensemble":
        model = Seq2SeqEnsemble(model, n_estimators=2, random_state=0)
    elif kind == "pipeline":
        model = Pipeline([("source", SequenceVectorizer()), ("seq2seq", model)])
    model = ConformalSeq2Seq(model, n_best=3, random_state=0).fit(X, y)
    assert model.score(X, y) == 1
    assert (model.conformity_scores_ == 0).all()
    sets = model.predict_set(X[:1], 0.8)["sequence"].tolist()
    assert len(sets) == 1
    got = sets[0]
    assert (got[got > 0].tolist() if kind == "ids" else got) == expected
    assert getattr(model, "n_features_in_", 2) == 2


def test_an_autoencoder_is_calibrated_on_its_sources():
    X = ["a", "b", "ab", "ba"] * 5
    model = ConformalSeq2Seq(make(max_epochs=40, learning_rate=0.03, dropout=0.0))
    model.set_params(n_best=2, random_state=0).fit(iter(X))
    assert np.isfinite(model.conformity_scores_).all()


def test_mistakes_name_the_row_of_all_rows():
    X, y = draw_pairs(20, 8)
    for side in (X, y):
        kept, side[13] = side[13], None
        for data in (side, np.array(side, dtype=object), pd.Series(side)):
            args = (data, y) if side is X else (X, data)
            with pytest.raises(ValueError, match="Row 13 of"):
                ConformalSeq2Seq(make(), random_state=0).fit(*args)
        side[13] = kept
    with pytest.raises(ValueError, match="inconsistent"):
        ConformalSeq2Seq(make()).fit(X, y[1:])
    with pytest.raises(TypeError, match="must be a Seq2SeqTransformer"):
        ConformalSeq2Seq(DummySeq2Seq()).fit(X, y)
    with pytest.raises(ValueError, match="'calibration_fraction' parameter"):
        ConformalSeq2Seq(make(), calibration_fraction=1.0).fit(X, y)


def test_failed_fit_leaves_the_estimator_as_it_was(conformal):
    model = copy.copy(conformal)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="Row 1 of y"):
        model.fit(["ab", "b"], ["AB", None])
    assert vars(model) == before


def test_what_was_calibrated_counts_not_what_is_set(conformal, held_out):
    model = copy.copy(conformal).set_params(n_best=1)
    X = held_out[0][:20]
    assert model.predict_set(X, 0.8).equals(conformal.predict_set(X, 0.8))


def test_clones_searches_and_pickles(conformal):
    X, y = draw_pairs(60, 9)
    twin = clone(conformal)
    assert twin.estimator.estimator is conformal.estimator.estimator
    with pytest.raises(NotFittedError):
        twin.predict_set(X)
    with pytest.raises(NotFittedError):
        twin.predict(X)
    search = GridSearchCV(
        ConformalSeq2Seq(make(max_epochs=1), n_best=2, random_state=0),
        {"estimator__hidden_size": [4, 8]},
        cv=2,
        scoring="accuracy",
    ).fit(X, y)
    assert search.best_estimator_.conformity_scores_.shape == (12,)
    again = pickle.loads(pickle.dumps(conformal))
    assert again.predict_set(X).equals(conformal.predict_set(X))


# Files --------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [False, True])
def test_loaded_sets(frozen, fitted, tmp_path):
    path = tmp_path / "model.s2s"
    X, y = draw_pairs(60, 9)
    model = ConformalSeq2Seq(FrozenEstimator(fitted) if frozen else make(), n_best=3)
    model.fit(X, y, groups=np.arange(60) // 3).save(path)
    loaded = ConformalSeq2Seq.load(path)
    assert loaded.max_coverage_ == model.max_coverage_
    assert loaded.predict_nbest(X).equals(model.predict_nbest(X))
    if frozen:
        sets = ConformalSeq2Seq.load(path).predict_set(X, 0.5)
        assert sets.equals(model.predict_set(X, 0.5))
    save(clone(model), path)
    with pytest.raises(NotFittedError):
        load(path).predict_set(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("conformity_scores_", np.array([-1.0])),
        ("conformity_scores_", np.array([np.nan])),
        ("conformity_scores_", np.array([0.5, 0.5])),
        ("conformity_scores_", [0.5]),
        ("calibration_weights_", np.array([0.0])),
        ("calibration_weights_", np.array([np.inf])),
        ("n_best_", 0),
        ("estimator_", SequenceVectorizer()),
        ("estimator_", make()),
    ],
)
def test_hostile_file(name, value, fitted, tmp_path):
    path = tmp_path / "model.s2s"
    model = ConformalSeq2Seq(FrozenEstimator(fitted)).fit(["ab"], ["ABV"])
    setattr(model, name, value)
    save(model, path)
    with pytest.raises(ModelFileError):
        load(path)


def test_scores_do_not_fall_along_a_list():
    """A length penalty may rank a less probable hypothesis before."""
    log_probability = [-0.7, -3.0, -1.5, -4.0, -0.1]
    table = pd.DataFrame(
        {
            "row": [0, 0, 0, 0, 1],
            "rank": [0, 1, 2, 3, 0],
            "sequence": list("abcda"),
            "log_probability": log_probability,
        }
    )
    assert hypothesis_scores(table).tolist() == [0, 3, 3, 4, 0]
    assert conformity_scores(table, ["c", "x"]).tolist() == [3, np.inf]
