"""Right predictions count as right, however targets are read and written."""

import re
import unicodedata

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    LexiconSeq2Seq,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.inspection import EditConfusionDisplay, LengthErrorDisplay
from sklearn_seq2seq.metrics import get_scorer, scorers

X = ["cat", "dog"] * 16
WORDS = SequenceVectorizer(analyzer="word")
LOWER = SequenceVectorizer(lowercase=True)
TRAILING = ["K AE T ", "D AO G "] * 16

# By name: a vectorizer, targets, and how many of a pair's two are written otherwise.
KINDS = {
    "trailing space": (WORDS, TRAILING, 2),
    "double space": (WORDS, ["K  AE T", "D AO G"] * 16, 1),
    "tab": (WORDS, ["K\tAE T", "D AO\tG"] * 16, 2),
    "carriage return": (WORDS, ["K AE T\r", "D AO G"] * 16, 1),
    "no-break space": (WORDS, ["K\u00a0AE T", "D AO G"] * 16, 1),
    "normal form": (
        SequenceVectorizer(normalize="NFC"),
        [unicodedata.normalize("NFD", word) for word in ["café", "naïf"] * 16],
        2,
    ),
    "token_pattern": (
        SequenceVectorizer(analyzer="word", token_pattern=r"\w+"),
        ["the cat.", "a dog!"] * 16,
        2,
    ),
    "lowercase": (LOWER, ["Cat", "dog"] * 16, 1),
    "own analyzer": (
        SequenceVectorizer(analyzer=lambda text: text.split("-")),
        ["K-AE-T", "D-AO-G"] * 16,
        2,
    ),
    "joined tokens": (
        SequenceVectorizer(analyzer="token", joiner=" "),
        [["K", "AE", "T"], ["D", "AO", "G"]] * 16,
        0,
    ),
    "columns": (
        ColumnVectorizer([("a", WORDS, "a"), ("b", LOWER, "b")]),
        pd.DataFrame({"a": TRAILING, "b": ["Cat", "Dog"] * 16}),
        2,
    ),
    "as written": (WORDS, ["K AE T", "D AO G"] * 16, 0),
    "lists": (None, [["K", "AE", "T"], ["D", "AO", "G"]] * 16, 0),
    "ids": (None, np.array([[2, 3, 4], [5, 6, 0]] * 16), 0),
}


def make(vectorizer=WORDS, **params):
    params = {"hidden_size": 16, "embedding_size": 8, "max_epochs": 12} | params
    return Seq2SeqTransformer(
        target_vectorizer=vectorizer,
        dropout=0.0,
        learning_rate=0.03,
        batch_size=4,
        random_state=0,
        **params,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_model_is_scored_so(kind, recwarn):
    vectorizer, y, n_lost = KINDS[kind]
    model = make(vectorizer, early_stopping=True).fit(X, y)
    lost = [w for w in recwarn if "Reading changes" in str(w.message)]
    columns = 2 if kind == "columns" else 1
    assert len(lost) == (columns if n_lost else 0)
    for warning in lost:
        assert f"Reading changes {n_lost * 16} of 32 rows" in str(warning.message)
    assert model.score(X, y) == 1
    for name, scorer in scorers("exact_match", "token_error_rate").items():
        assert scorer(model, X, y) == (1 if name == "exact_match" else 0)
    assert model.history_[-1]["valid_exact_match"] == 1
    wrong = y[::-1] if not hasattr(y, "iloc") else y.iloc[::-1]
    assert get_scorer("exact_match")(model, X, wrong) == 0


def test_the_shortest_changed_row_is_the_example():
    with pytest.warns(UserWarning, match=re.escape("row 1, 'D ', becomes 'D'")):
        make(max_epochs=1).fit(["cat", "dog", "cow"], ["K AE T ", "D ", "K"])


def test_searches_see_the_right_numbers():
    assert cross_val_score(make(), X, TRAILING, cv=2).tolist() == [1, 1]
    found = cross_validate(make(), X, TRAILING, cv=2, scoring=scorers())
    assert found["test_exact_match"].tolist() == [1, 1]
    assert found["test_neg_char_error_rate"].tolist() == [0, 0]
    search = GridSearchCV(
        make_pipeline(make()),
        {"seq2seqtransformer__hidden_size": [16]},
        cv=2,
        scoring=get_scorer("exact_match"),
    ).fit(X, TRAILING)
    assert search.best_score_ == 1
    assert search.score(X, TRAILING) == 1
    for fitted in (search, search.best_estimator_, FrozenEstimator(search)):
        assert get_scorer("neg_token_error_rate")(fitted, X, TRAILING) == 0


def test_displays_of_estimators_draw_no_errors_of_a_perfect_model():
    model = make_pipeline(make()).fit(X, TRAILING)
    by_char = {"unit": "char"}
    display = LengthErrorDisplay.from_estimator(model, X, TRAILING, **by_char)
    assert [bar.get_height() for bar in display.bars_] == [0]
    display = EditConfusionDisplay.from_estimator(model, X, TRAILING, **by_char)
    assert display.counts.sum() == 0


def test_scorers_in_validation_compare_as_written():
    scoring = scorers("exact_match", "char_error_rate")
    named = {f"own_{name}": scorer for name, scorer in scoring.items()}
    model = make(scoring=named, early_stopping=True).fit(X, TRAILING)
    assert model.history_[-1]["valid_own_exact_match"] == 1
    assert model.history_[-1]["valid_own_neg_char_error_rate"] == 0


def test_ensembles_are_scored_so():
    ensemble = Seq2SeqEnsemble(make(), n_estimators=2).fit(X, TRAILING)
    assert get_scorer("exact_match")(ensemble, X, TRAILING) == 1


@pytest.mark.parametrize("memorize", [False, True])
def test_entries_of_a_lexicon_are_right_as_they_stand_and_as_they_are_read(memorize):
    lexicon = {"cat": "K  AE T", "dog": "D AO G"}
    model = LexiconSeq2Seq(make(), lexicon=lexicon, memorize=memorize)
    model.fit(X, TRAILING)
    assert model.predict(["cat"]).tolist() == ["K  AE T"]
    for y in (TRAILING, ["K  AE T", " D AO G"] * 16, ["K AE T", "D  AO G"] * 16):
        assert model.score(X, y) == 1
        assert get_scorer("exact_match")(model, X, y) == 1
    wrong = ["K AE T", "K AE T"] * 16
    assert model.score(X, wrong) == 0.5
    assert get_scorer("exact_match")(model, X, wrong) == 0.5


def test_memory_is_as_the_model_writes():
    model = LexiconSeq2Seq(make(max_epochs=1), memorize=True).fit(X, TRAILING)
    assert model.memory_ == {"cat": ["K AE T"], "dog": ["D AO G"]}
    assert model.score(X, TRAILING) == get_scorer("exact_match")(model, X, TRAILING)
    assert model.score(X, TRAILING) == 1


def test_scorers_leave_targets_of_other_estimators_alone():
    class Copy(BaseEstimator):
        def predict(self, X):
            return X

    assert get_scorer("exact_match")(Copy(), ["a "], ["a "]) == 1
    assert get_scorer("exact_match")(Copy(), ["a "], ["a"]) == 0
