"""Ids that a vectorizer step makes keep their meaning, or are refused."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
)

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
WORDS = ["bc", "cb", "bcd", "dcb", "ccb", "b"] * 2
TARGETS = [word.upper() for word in WORDS]
MORE = [*WORDS[1:], "abc"]  # "a" moves all ids by one
LATER = [*WORDS[1:], "bcz"]  # "z" moves none
REFUSED = "do not mean what they meant in training: 2 was 'b' and is 'a'"


def model(**params):
    return Seq2SeqTransformer(
        hidden_size=8, embedding_size=8, max_epochs=1, random_state=0, **params
    )


@pytest.fixture
def pipe():
    pipe = make_pipeline(SequenceVectorizer(max_length=5), model(warm_start=True))
    return pipe.fit(WORDS, TARGETS)


def test_step_fitted_again_is_refused_before_anything_is_trained(pipe):
    before = {k: v.clone() for k, v in pipe[-1].net_.module_.state_dict().items()}
    with pytest.raises(ValueError, match=REFUSED):
        pipe.fit(MORE, TARGETS)
    after = pipe[-1].net_.module_.state_dict()
    assert all((after[name] == weight).all() for name, weight in before.items())
    assert pipe[-1].n_iter_ == 1


def test_step_that_keeps_all_ids_goes_on(pipe):
    pipe.fit(WORDS, TARGETS)
    with pytest.warns(UserWarning, match=r"1 token\(s\) in X .* ends at id 4"):
        pipe.fit(LATER, TARGETS)
    pipe.fit(["b", "c"], ["B", "C"])  # fewer, but the same
    assert pipe[-1].n_iter_ == 4


@pytest.mark.parametrize(
    "method", ["predict", "predict_nbest", "transform", "log_likelihood", "score"]
)
def test_ids_of_another_vectorizer_are_refused(pipe, method):
    ids = SequenceVectorizer(max_length=5).fit_transform(MORE)
    targets = [TARGETS] if method in ("log_likelihood", "score") else []
    with pytest.raises(ValueError, match=REFUSED):
        getattr(pipe[-1], method)(ids, *targets)


def test_partial_fit_and_validation_data_are_held_to_it(pipe):
    ids = SequenceVectorizer(max_length=5).fit_transform(MORE)
    with pytest.raises(ValueError, match=REFUSED):
        pipe[-1].partial_fit(ids, TARGETS)
    own = pipe[0].transform(WORDS)
    with pytest.raises(ValueError, match=f"In validation_data: Ids in X {REFUSED}"):
        model().fit(own, TARGETS, validation_data=(ids, TARGETS))


def test_targets_are_held_to_it():
    own = SequenceVectorizer(max_length=5).fit_transform(WORDS)
    other = SequenceVectorizer(max_length=5).fit_transform(MORE)
    fitted = model().fit(own, own)
    with pytest.raises(ValueError, match=f"Ids in y {REFUSED}"):
        fitted.partial_fit(own, other)
    with pytest.raises(ValueError, match=f"Ids in y {REFUSED}"):
        fitted.score(own, other)


def test_columns_are_held_to_it():
    frame = pd.DataFrame({"a": WORDS, "b": ["x", "y"] * 6})
    more = frame.assign(a=MORE)
    columns = [("a", SequenceVectorizer(), "a"), ("b", SequenceVectorizer(), "b")]
    pipe = make_pipeline(ColumnVectorizer(columns), model(warm_start=True))
    pipe.fit(frame, TARGETS).fit(frame, TARGETS)
    with pytest.raises(ValueError, match=REFUSED):
        pipe.fit(more, TARGETS)


def through_file(fitted, folder):
    fitted.save(folder / "model")
    return load(folder / "model")


@pytest.mark.parametrize(
    "again",
    [
        lambda fitted, _: pickle.loads(pickle.dumps(fitted)),
        lambda fitted, _: copy.deepcopy(fitted),
        through_file,
    ],
    ids=["pickle", "copy", "file"],
)
def test_models_that_went_through_a_file_are_held_to_it(pipe, again, tmp_path):
    fitted = again(pipe[-1], tmp_path)
    ids = SequenceVectorizer(max_length=5).fit_transform(MORE)
    with pytest.raises(ValueError, match=REFUSED):
        fitted.predict(ids)
    fitted.predict(pipe[0].transform(WORDS))


def test_arrays_that_went_through_a_file_are_held_to_it(pipe, tmp_path):
    joblib.dump(SequenceVectorizer(max_length=5).fit_transform(MORE), tmp_path / "ids")
    with pytest.raises(ValueError, match=REFUSED):
        pipe[-1].predict(joblib.load(tmp_path / "ids"))
    cached = Pipeline(clone(pipe).steps, memory=str(tmp_path / "cache"))
    cached.fit(WORDS, TARGETS)
    cached.fit(WORDS, TARGETS)  # the step's result is that of the cache
    with pytest.raises(ValueError, match=REFUSED):
        cached.fit(MORE, TARGETS)


def test_ensemble_and_pretrained_are_held_to_it():
    own = SequenceVectorizer(max_length=5).fit_transform(WORDS)
    other = SequenceVectorizer(max_length=5).fit_transform(MORE)
    ensemble = Seq2SeqEnsemble(model(), n_estimators=2).fit(own, TARGETS)
    with pytest.raises(ValueError, match=REFUSED):
        ensemble.predict(other)
    start = model().fit(own, own)
    with pytest.raises(ValueError, match=REFUSED):
        model(pretrained=start).fit(other, TARGETS)


def test_arrays_that_do_not_say_what_they_mean_are_taken_as_they_are(pipe):
    ids = SequenceVectorizer(max_length=5).fit_transform(MORE)
    part = ids[:3]
    pipe[-1].predict(part)
    pipe[-1].predict(ids.toarray())
    frame = pd.DataFrame(np.ones((2, 5), int)).set_axis([*"abcd", "id_strings"], axis=1)
    model().fit(frame, frame).predict(frame)


def test_search_over_a_step_fits_every_fold(pipe):
    search = GridSearchCV(pipe, {"seq2seqtransformer__dropout": [0.0, 0.1]}, cv=2)
    search.fit(WORDS, TARGETS)
