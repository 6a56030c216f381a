"""Real scikit-learn tools around the estimators, on strings and ragged lists."""

import copy
import json
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    train_test_split,
)
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer, metrics
from tests.conftest import TINY

QUICK = {**TINY, "max_epochs": 4, "learning_rate": 0.03}


def pipeline(**params):
    return Pipeline(
        [
            ("source", SequenceVectorizer(handle_unknown="silent")),
            ("seq2seq", Seq2SeqTransformer(**{**QUICK, **params})),
        ]
    )


def model(**params):
    return Seq2SeqTransformer(**{**QUICK, **params})


def as_tokens(texts):
    return [list(text) for text in texts]


GRID = {"source__min_df": [1, 2], "seq2seq__hidden_size": [8, 16]}


def test_pipeline_fits_text(words, shouted):
    pipe = pipeline(max_epochs=25, learning_rate=0.02).fit(words, shouted)
    assert pipe.score(words, shouted) > 0.9
    assert pipe.predict(words[:3]).dtype == object
    assert pipe.transform(words).shape == (len(words), 32)


def test_pipeline_inverts_as_far_as_it_can(words, shouted):
    pipe = pipeline(attention=None).fit(words, shouted)
    assert len(pipe[-1].inverse_transform(pipe.transform(words))) == len(words)


@pytest.mark.parametrize("lists", [False, True])
def test_grid_search_n_jobs_changes_nothing(lists, words, shouted):
    X, y = (as_tokens(words), as_tokens(shouted)) if lists else (words, shouted)
    pipe = pipeline()
    if lists:
        pipe.set_params(source__analyzer="token")
    one = GridSearchCV(pipe, GRID, cv=3, n_jobs=1).fit(X, y)
    two = GridSearchCV(pipe, GRID, cv=3, n_jobs=2).fit(X, y)
    for k in range(3):
        key = f"split{k}_test_score"
        np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
        assert np.isfinite(one.cv_results_[key]).all()
    assert one.best_params_ == two.best_params_
    assert list(one.predict(X)) == list(two.predict(X))


def test_grid_search_reaches_the_vectorizers(words, shouted):
    grid = {
        "source_vectorizer__lowercase": [True, False],
        "target_vectorizer__max_features": [2, None],
    }
    est = model(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(),
        max_epochs=20,
        learning_rate=0.02,
    )
    search = GridSearchCV(est, grid, cv=2).fit(words, shouted)
    assert search.best_params_["target_vectorizer__max_features"] is None
    assert len(search.best_estimator_.target_vectorizer_.vocabulary_) == 5


def test_grid_search_score_is_that_of_a_direct_fit(words, shouted):
    search = GridSearchCV(pipeline(), GRID, cv=KFold(2)).fit(words, shouted)
    for k, (train, test) in enumerate(KFold(2).split(words)):
        for n, params in enumerate(search.cv_results_["params"]):
            direct = clone(pipeline()).set_params(**params)
            direct.fit([words[i] for i in train], [shouted[i] for i in train])
            score = direct.score([words[i] for i in test], [shouted[i] for i in test])
            assert score == search.cv_results_[f"split{k}_test_score"][n]


def test_vocabularies_come_from_the_fold(words, shouted):
    """A character that is only in held-out rows is unknown to the fold's model."""
    X, y = [*words[:20], "z"], [*shouted[:20], "Z"]
    fold = KFold(21)
    fits = cross_validate(
        model(max_epochs=1), X, y, cv=fold, return_estimator=True, error_score="raise"
    )["estimator"]
    assert "z" not in fits[-1].source_vectorizer_.vocabulary_
    assert "Z" not in fits[-1].target_vectorizer_.vocabulary_
    assert "z" in fits[0].source_vectorizer_.vocabulary_


def test_randomized_search(words, shouted):
    grid = {"seq2seq__learning_rate": [0.001, 0.03], "seq2seq__dropout": [0, 0.5]}
    search = RandomizedSearchCV(pipeline(), grid, n_iter=2, cv=2, random_state=0)
    assert 0 <= search.fit(words, shouted).score(words, shouted) <= 1


def test_halving_search_over_epochs(words, shouted):
    search = HalvingGridSearchCV(
        pipeline(),
        {"seq2seq__hidden_size": [4, 16]},
        resource="seq2seq__max_epochs",
        max_resources=8,
        cv=2,
        random_state=0,
    ).fit(words, shouted)
    assert search.best_estimator_[-1].n_iter_ == 8


@pytest.mark.parametrize("lists", [False, True])
def test_cross_validate_with_our_scorers(lists, words, shouted):
    X, y = (as_tokens(words), as_tokens(shouted)) if lists else (words, shouted)
    scoring = metrics.scorers("exact_match", "neg_token_error_rate")
    result = cross_validate(model(), X, y, cv=3, scoring=scoring, n_jobs=2)
    assert np.isfinite(result["test_exact_match"]).all()
    assert (result["test_neg_token_error_rate"] <= 0).all()


def test_accuracy_of_strings_is_exact_match(words, shouted):
    exact = cross_val_score(model(), words, shouted, cv=3)
    named = cross_val_score(model(), words, shouted, cv=3, scoring="accuracy")
    np.testing.assert_array_equal(exact, named)


@pytest.mark.parametrize("lists", [False, True])
def test_cross_val_predict(lists, words, shouted):
    X, y = (as_tokens(words), as_tokens(shouted)) if lists else (words, shouted)
    if lists:
        y = pd.Series(y)
    predicted = cross_val_predict(model(), X, y, cv=3)
    assert len(predicted) == len(words)
    assert isinstance(predicted[0], list if lists else str)


def test_cross_val_predict_of_ids(words, shouted):
    ids = SequenceVectorizer(max_length=8).fit_transform(words)
    y = SequenceVectorizer(max_length=8).fit_transform(shouted).toarray()
    assert cross_val_predict(model(), ids, y, cv=3).shape == y.shape


def test_learning_curve(words, shouted):
    sizes, train, test = learning_curve(
        pipeline(), words, shouted, cv=2, train_sizes=[10, 20]
    )
    assert train.shape == test.shape == (2, 2)
    assert list(sizes) == [10, 20]


def test_train_test_split(words, shouted):
    X, X_test, y, y_test = train_test_split(words, shouted, random_state=0)
    assert 0 <= model().fit(X, y).score(X_test, y_test) <= 1


def test_feature_union_of_encoders(words):
    union = FeatureUnion(
        [("lstm", model(attention=None)), ("gru", model(cell="gru", attention=None))]
    ).fit(words)
    assert union.transform(words).shape == (len(words), 32 + 16)
    assert len(union.get_feature_names_out()) == 48


def test_classifier_behind_transform(words):
    starts = [word[:1] for word in words]
    pipe = make_pipeline(
        model(attention=None, max_epochs=30),
        StandardScaler(),
        LogisticRegression(max_iter=1000),
    )
    # The first step, an autoencoder, is given the classifier's y as its target.
    assert pipe.fit(words, starts).score(words, starts) > 0.9
    encoder = model(attention=None, max_epochs=30).fit(words)
    forest = RandomForestClassifier(random_state=0).fit(
        encoder.transform(words), starts
    )
    assert forest.score(encoder.transform(words), starts) > 0.9


def test_clone_and_copies(fitted, words):
    fresh = clone(fitted)
    assert not hasattr(fresh, "net_")
    assert fresh.get_params() == fitted.get_params()
    for twin in (copy.deepcopy(fitted), pickle.loads(pickle.dumps(fitted))):
        assert twin.predict(words).tolist() == fitted.predict(words).tolist()
    search = GridSearchCV(model(), {"hidden_size": [4]}, cv=2).fit(words, words)
    assert copy.deepcopy(search).best_score_ == search.best_score_
    assert pickle.loads(pickle.dumps(search)).best_score_ == search.best_score_
    assert clone(pickle.loads(pickle.dumps(fresh))).get_params() == fresh.get_params()


@pytest.mark.parametrize("dump", [joblib.dump, None], ids=["joblib", "pickle"])
def test_loads_in_a_fresh_process(dump, fitted, words, tmp_path):
    path = tmp_path / "model.bin"
    if dump is not None:
        dump(fitted, path)
    else:
        path.write_bytes(pickle.dumps(fitted))
    code = (
        "import sys, json, joblib, pickle\n"
        f"m = joblib.load({str(path)!r})\n"
        "words = json.loads(sys.stdin.read())\n"
        "print(json.dumps([list(m.predict(words)), m.transform(words).tolist()]))"
    )
    if dump is None:
        code = code.replace("joblib.load(", "pickle.load(open(").replace(
            f"{str(path)!r})", f"{str(path)!r}, 'rb'))"
        )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        input=json.dumps(words),
        capture_output=True,
        text=True,
        check=True,
    )
    predicted, vectors = json.loads(run.stdout)
    assert predicted == fitted.predict(words).tolist()
    np.testing.assert_allclose(vectors, fitted.transform(words), atol=1e-6)


def test_metadata_routing(words, shouted):
    weights = np.r_[np.ones(30), np.zeros(30)]
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = pipeline()
        pipe[-1].set_fit_request(sample_weight=True)
        # scikit-learn 1.6 routes no weights to the score of a Pipeline.
        scorer = metrics.get_scorer("exact_match").set_score_request(sample_weight=True)
        search = GridSearchCV(pipe, {"seq2seq__hidden_size": [8]}, cv=2, scoring=scorer)
        search.fit(words, shouted, sample_weight=weights)
    routed = search.best_estimator_
    with sklearn.config_context(enable_metadata_routing=True):
        direct = clone(pipe).set_params(seq2seq__hidden_size=8)
        direct.fit(words, shouted, sample_weight=weights)
    np.testing.assert_array_equal(routed.transform(words), direct.transform(words))
    with sklearn.config_context(enable_metadata_routing=True):
        grid = {"seq2seq__hidden_size": [8]}
        unrequested = GridSearchCV(pipeline(), grid, cv=2, scoring=scorer)
        with pytest.raises(ValueError, match="sample_weight"):
            unrequested.fit(words, shouted, sample_weight=weights)


def test_weighted_fit_through_a_pipeline_equals_fewer_rows(words, shouted):
    """Weight 0 leaves a row out, whichever way it is passed."""
    weights = np.r_[np.ones(30), np.zeros(30)]
    plain = pipeline().fit(words, shouted, seq2seq__sample_weight=weights)
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = pipeline()
        pipe[-1].set_fit_request(sample_weight=True)
        routed = pipe.fit(words, shouted, sample_weight=weights)
    np.testing.assert_array_equal(plain.transform(words), routed.transform(words))
