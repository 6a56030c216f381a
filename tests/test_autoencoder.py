"""Autoencoders as steps, and the warning where labels are taken for targets."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline, make_union

from sklearn_seq2seq import (
    Seq2SeqAutoencoder,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    datasets,
    load,
)
from sklearn_seq2seq.metrics import get_scorer

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*ended by max_length", "ignore:.*not in the vocabulary"
)
SMALL = {"hidden_size": 8, "embedding_size": 8, "max_epochs": 2, "random_state": 0}
rng = np.random.default_rng(0)
WORDS = sorted({"".join(rng.choice(list("abcd"), 5)) for _ in range(60)})
CLASSES = np.where([word < "c" for word in WORDS], "low", "high")
LOOKS = "Targets look like class labels: y has 2 distinct values"


def test_y_is_ignored():
    alone = Seq2SeqAutoencoder(**SMALL).fit(WORDS)
    beside = Seq2SeqAutoencoder(**SMALL)
    vectors = beside.fit_transform(WORDS, CLASSES)
    assert np.array_equal(vectors, alone.transform(WORDS))
    plain = Seq2SeqTransformer(attention=None, **SMALL).fit(WORDS)
    assert np.array_equal(vectors, plain.transform(WORDS))
    assert beside.score(WORDS, CLASSES) == plain.score(WORDS)
    assert get_scorer("exact_match")(beside, WORDS, WORDS) == beside.score(WORDS)
    assert beside.inverse_transform(vectors).tolist() == beside.predict(WORDS).tolist()


def test_partial_fit_and_validation_ignore_y():
    model = Seq2SeqAutoencoder(**SMALL).partial_fit(WORDS, CLASSES)
    model.partial_fit(WORDS[:10], CLASSES[:10])
    assert model.n_iter_ == 4
    model.fit(WORDS, CLASSES, validation_data=(WORDS[:9], CLASSES[:9]))
    with_none = clone(model).fit(WORDS, validation_data=(WORDS[:9], None))
    assert model.history_[:, "valid_loss"] == with_none.history_[:, "valid_loss"]


def test_parameters_are_those_of_the_transformer():
    ours, theirs = Seq2SeqAutoencoder(), Seq2SeqTransformer()
    own = {"attention": None, "num_layers": 1}
    assert ours.get_params() == theirs.get_params() | own
    assert clone(ours.set_params(attention="dot")).attention == "dot"
    with pytest.raises(TypeError, match="hidden"):
        Seq2SeqAutoencoder(hidden=8)
    for name in theirs.get_params():
        assert f"{name}" in Seq2SeqAutoencoder.__doc__


@pytest.mark.parametrize("again", ["file", "pickle"])
def test_saved_autoencoder_is_one(again, tmp_path):
    model = Seq2SeqAutoencoder(**SMALL).fit(WORDS)
    if again == "file":
        model.save(tmp_path / "model")
        loaded = load(tmp_path / "model")
    else:
        loaded = pickle.loads(pickle.dumps(model))
    assert type(loaded) is Seq2SeqAutoencoder
    assert loaded.get_params() == model.get_params()
    assert np.array_equal(loaded.transform(WORDS), model.transform(WORDS))
    assert loaded.fit(WORDS, CLASSES).n_iter_ == 2


@pytest.mark.parametrize("where", ["step", "union", "columns"])
def test_classifier_after_it_is_fitted_without_a_warning(where):
    encoder = Seq2SeqAutoencoder(**SMALL)
    X = WORDS
    if where == "union":
        encoder = make_union(encoder, CountVectorizer(analyzer="char"))
    if where == "columns":
        X = pd.DataFrame({"word": WORDS, "n": range(len(WORDS))})
        encoder = ColumnTransformer([("encoder", encoder, "word")])
    pipe = make_pipeline(encoder, LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        pipe.fit(X, CLASSES)
    assert set(pipe.predict(X)) <= set(CLASSES)


def test_search_over_it_needs_no_targets():
    search = GridSearchCV(Seq2SeqAutoencoder(**SMALL), {"dropout": [0.0, 0.2]}, cv=2)
    assert search.fit(WORDS).predict(WORDS[:2]).shape == (2,)
    pipe = make_pipeline(Seq2SeqAutoencoder(**SMALL), LogisticRegression(max_iter=999))
    grid = {"seq2seqautoencoder__hidden_size": [4, 8]}
    scores = cross_val_score(GridSearchCV(pipe, grid, cv=2), WORDS, CLASSES, cv=2)
    assert np.isfinite(scores).all()


def test_model_starts_from_it():
    start = Seq2SeqAutoencoder(attention="general", **SMALL).fit(WORDS)
    model = Seq2SeqTransformer(pretrained=start, attention="general", **SMALL)
    assert model.fit(WORDS, WORDS).n_iter_ == 2


def test_transformer_before_a_classifier_is_warned_of():
    encoder = Seq2SeqTransformer(attention=None, **SMALL)
    pipe = make_pipeline(encoder, LogisticRegression(max_iter=1000))
    with pytest.warns(UserWarning, match=f"{LOOKS} for 59 .*Seq2SeqAutoencoder"):
        pipe.fit(WORDS, CLASSES)
    ids = make_pipeline(SequenceVectorizer(max_length=5), encoder, LogisticRegression())
    with pytest.warns(UserWarning, match=LOOKS):
        ids.fit(WORDS, np.where(CLASSES == "low", 2, 3))
    with pytest.warns(UserWarning, match=LOOKS) as caught:
        Seq2SeqEnsemble(encoder, n_estimators=2).fit(WORDS, CLASSES)
    assert sum("class labels" in str(w.message) for w in caught) == 1


GENERATORS = [name for name in datasets.__all__ if name.startswith("make_")]


@pytest.mark.parametrize("n_samples", [100, 1000])
@pytest.mark.parametrize("name", GENERATORS)
def test_data_of_ours_are_not_taken_for_classes(name, n_samples):
    X, y = getattr(datasets, name)(n_samples, random_state=0, return_X_y=True)
    assert not taken_for_classes(X, y)


@pytest.mark.parametrize(
    ("X", "y"),
    [
        (WORDS, WORDS),
        (WORDS, ["ah"] * len(WORDS)),  # a constant is no class
        (["cat", "dog"] * 30, ["K AE T", "D AO G"] * 30),
        (WORDS, [word[:2] for word in WORDS]),  # 16 targets for 59 sources
        (WORDS, np.tile([2, 3], (len(WORDS), 2))),  # ids in rows are sequences
    ],
)
def test_targets_are_not_taken_for_classes(X, y):
    assert not taken_for_classes(X, y)


def taken_for_classes(X, y):
    model = Seq2SeqTransformer(**SMALL | {"max_epochs": 1, "batch_size": 1000})
    if isinstance(y, np.ndarray) and y.dtype != object:
        X = SequenceVectorizer(max_length=5).fit_transform(X)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    return any("class labels" in str(w.message) for w in caught)
