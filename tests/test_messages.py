"""What scikit-learn users stumble over is answered with what to do."""

import warnings

import numpy as np
import pytest
from joblib import parallel_backend
from sklearn.model_selection import GridSearchCV, cross_val_score, learning_curve

from sklearn_seq2seq import (
    LexiconSeq2Seq,
    ModelFileError,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
    load,
    save,
)
from sklearn_seq2seq._warnings import _said_by_worker, warn_of_data

TINY = {
    "copy": False,
    "hidden_size": 8,
    "embedding_size": 8,
    "max_epochs": 1,
    "random_state": 0,
}
# Every row has a letter of its own.
ROWS = [letter + "a" for letter in "bcdefghijklm"]


@pytest.mark.parametrize("model", [Seq2SeqTransformer, LexiconSeq2Seq, Seq2SeqEnsemble])
def test_parameter_of_a_part_that_is_none_says_what_to_pass(model):
    part, kind = "estimator", "Seq2SeqTransformer"
    if model is Seq2SeqTransformer:
        part, kind = "target_vectorizer", "SequenceVectorizer"
    with pytest.raises(ValueError, match=rf"Pass {part}={kind}\(\)"):
        model().set_params(**{f"{part}__min_df": 2})
    with pytest.raises(ValueError, match="Invalid parameter"):
        model().set_params(nothing__min_df=2)


def test_grid_over_a_part_that_is_none_says_what_to_pass():
    search = GridSearchCV(Seq2SeqTransformer(), {"source_vectorizer__min_df": [1, 2]})
    with pytest.raises(ValueError, match="Pass source_vectorizer=SequenceVectorizer"):
        search.fit(ROWS, ROWS)


@pytest.mark.parametrize(
    "method", ["predict", "predict_nbest", "predict_confidence", "sample"]
)
def test_parameter_passed_to_a_method_says_set_params(fitted, words, method):
    with pytest.raises(TypeError, match=rf"{method}.*set_params\(beam_width=5\)"):
        getattr(fitted, method)(words, beam_width=5)
    with pytest.raises(TypeError, match="unexpected keyword argument 'beam_size'"):
        getattr(fitted, method)(words, beam_size=5)


def test_inverse_transform_with_attention_says_why_it_is_not_there(fitted):
    with pytest.raises(AttributeError, match="inverse_transform needs attention=None"):
        fitted.inverse_transform(np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("name", "typed", "ours"),
    [
        ("cell", "LSTM", "lstm"),
        ("attention", "bahdanau", "additive"),
        ("attention", "Luong", "general"),
        ("optimizer", "Adam", "adam"),
    ],
)
def test_alias_is_answered_with_our_name(name, typed, ours):
    with pytest.raises(ValueError, match=f"{name}='{typed}' is called '{ours}'"):
        Seq2SeqTransformer(**{name: typed}).fit(ROWS, ROWS)


def counted(action):
    """Warnings about unknown tokens."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return sum("not in the vocabulary" in str(w.message) for w in caught)


def search(model):
    GridSearchCV(model, {"dropout": [0.0, 0.1]}, cv=3).fit(ROWS, ROWS)


def curve(model):
    learning_curve(model, ROWS, ROWS, cv=2, train_sizes=[0.5, 1.0])


def nested(model):
    inner = GridSearchCV(model, {"dropout": [0.0, 0.1]}, cv=2, scoring="accuracy")
    cross_val_score(inner, ROWS, ROWS, cv=2)


@pytest.mark.parametrize("action", [search, curve, nested])
def test_search_warns_of_unknown_tokens_once(action):
    model = Seq2SeqTransformer(**TINY)
    assert counted(lambda: action(model)) == 1
    assert counted(lambda: action(model)) == 1  # the next search has its own


def test_fits_outside_of_a_search_warn_each():
    model = Seq2SeqTransformer(**TINY).fit(ROWS, ROWS)
    assert counted(lambda: [model.predict(["x"]) for _ in range(3)]) == 3


def test_worker_warns_once_a_minute(monkeypatch):
    monkeypatch.setitem(_said_by_worker, "no topic", 0.0)
    _said_by_worker.clear()
    model = Seq2SeqTransformer(**TINY)

    def threaded():
        with parallel_backend("threading", n_jobs=2):
            cross_val_score(model, ROWS, ROWS, cv=3)

    assert counted(threaded) == 1
    assert counted(threaded) == 0
    for topic in _said_by_worker:
        _said_by_worker[topic] -= 61
    assert counted(threaded) == 1


def test_different_things_are_said_in_one_search():
    def fold(name):
        for n in (1, 2):
            warn_of_data(f"{n} of {name}: {n}")
        return 0.0

    class Fold(Seq2SeqTransformer):
        def fit(self, X, y=None):
            fold("X")
            fold("y")
            return self

        def score(self, X, y=None):
            return 0.0

    with pytest.warns(UserWarning, match="of") as caught:
        cross_val_score(Fold(), ROWS, ROWS, cv=3)
    assert [str(w.message) for w in caught] == ["1 of X: 1", "1 of y: 1"]


def test_score_checks_everything_before_it_decodes(fitted, words):
    decoded = []
    encoder = fitted.net_.module_.encoder
    hook = encoder.register_forward_hook(lambda *_: decoded.append(1))
    try:
        with pytest.raises(ValueError, match=r"numbers of samples: \[\d+, 3\]"):
            fitted.score(words, words[:3])
        with pytest.raises(ValueError, match="Row 1 of y is missing"):
            fitted.score(words[:2], [words[0], None])
        with pytest.raises(ValueError, match="sample_weight"):
            fitted.score(words, words, [1, 2])
        # What is wrong with X is said first.
        with pytest.raises(ValueError, match="Row 1 of X is missing"):
            fitted.score([words[0], None], words[:1])
        assert not decoded
        fitted.score(words, words)
        assert decoded
    finally:
        hook.remove()


def test_search_cannot_be_written_but_its_best_can(tmp_path):
    search = GridSearchCV(Seq2SeqTransformer(**TINY), {"hidden_size": [8]}, cv=2)
    search.fit(ROWS, ROWS)
    for write in (save, export_onnx):
        with pytest.raises(ValueError, match=r"SearchCV\. Take its best_estimator_"):
            write(search, tmp_path / "search")
        write(search.best_estimator_, tmp_path / write.__name__)
    with pytest.raises(ModelFileError, match=r"runtime\.load reads the archives"):
        load(tmp_path / "export_onnx")


def test_numbers_as_sources_say_astype(fitted):
    for rows in ([39, 40], np.array([["a", 3]], dtype=object)[:, 1]):
        with pytest.raises(ValueError, match=r"of type int .*\.astype\(str\)"):
            SequenceVectorizer().fit(rows)
    with pytest.raises(ValueError, match="Pass one string a row"):
        fitted.predict([["a"]])


def test_warning_of_unknown_tokens_says_where_the_first_is():
    vectorizer = SequenceVectorizer().fit(["ab", "ba"])
    with pytest.warns(UserWarning, match="became unknown, the first in row 2; 1 disti"):
        vectorizer.transform(["a", "", "xb", "x"])
