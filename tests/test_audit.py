"""Tests of `audit_pairs`: each pair judged by a model that has not learned it."""

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    ConformalSeq2Seq,
    DummySeq2Seq,
    LexiconSeq2Seq,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.datasets import make_reverse
from sklearn_seq2seq.inspection import audit_pairs

SMALL = {"hidden_size": 24, "learning_rate": 0.01, "random_state": 0}


@pytest.fixture(scope="module")
def data():
    return make_reverse(
        60, alphabet="abcd", min_length=1, max_length=4, random_state=0, return_X_y=True
    )


@pytest.fixture
def model():
    return Seq2SeqTransformer(max_epochs=2, **SMALL)


def by_row(audit):
    return audit.sort_values("row", ignore_index=True)


def test_wrong_targets_come_first():
    X, y = make_reverse(
        100, alphabet="abcd", max_length=4, random_state=0, return_X_y=True
    )
    wrong = [7, 60, 91]
    y[wrong] = ["aaaa", "dd", "cabd"]
    audit = audit_pairs(Seq2SeqTransformer(max_epochs=30, **SMALL), X, y, cv=2)
    assert sorted(audit["row"][:3]) == wrong
    assert audit["score"].is_monotonic_increasing
    assert (audit["predicted"] == [x[::-1] for x in audit["source"]]).mean() > 0.9


def test_equals_the_loop_by_hand(data, model):
    X, y = data
    audit = by_row(audit_pairs(model, list(X), pd.Series(y), cv=3, n_jobs=2))
    assert audit["row"].tolist() == list(range(60))
    firsts = [X.tolist().index(x) for x in X]
    for learned, judged in GroupKFold(3).split(X, groups=firsts):
        assert not set(X[learned]) & set(X[judged])
        own = clone(model).fit(X[learned], y[learned])
        of_tokens = own.log_likelihood(X[judged], y[judged], per_token=True)
        rows = audit.loc[judged]
        assert rows["source"].tolist() == X[judged].tolist()
        assert rows["target"].tolist() == y[judged].tolist()
        assert rows["predicted"].tolist() == own.predict(X[judged]).tolist()
        for score, row in zip(rows["score"], map(np.exp, of_tokens), strict=True):
            mean = np.prod(row) ** (1 / len(row))
            assert score == pytest.approx(np.sqrt(row.min() * mean), rel=1e-4)
        whole = [row.sum() for row in of_tokens]
        np.testing.assert_allclose(rows["log_likelihood"], whole, rtol=1e-5)


def test_groups_and_splitters(data, model):
    X, y = data
    groups = np.arange(60) % 7
    seen = []

    class Spy(GroupKFold):
        def split(self, X, y=None, groups=None):
            seen.append(groups)
            return super().split(X, y, groups)

    audit_pairs(model, X, y, cv=Spy(2), groups=groups)
    assert seen[0] is groups
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*groups parameter is ignored")
        by_kfold = audit_pairs(model, X, y, cv=KFold(2))
    splits = list(KFold(2).split(X))
    pd.testing.assert_frame_equal(audit_pairs(model, X, y, cv=splits), by_kfold)
    with pytest.raises(ValueError, match=r"every pair into one test part.*row \d+"):
        audit_pairs(model, X, y, cv=ShuffleSplit(3, random_state=0))
    with pytest.raises(ValueError, match=r"n_splits=9 greater .* groups: 7"):
        audit_pairs(model, X, y, groups=groups, cv=9)


def test_five_folds_by_default(data):
    X, y = data
    fits = []

    class Counting(Seq2SeqTransformer):
        def fit(self, X, y):
            fits.append(len(X))
            return super().fit(X, y)

    audit_pairs(Counting(max_epochs=1, **SMALL), X, y)
    assert len(fits) == 5
    assert sum(fits) == 4 * 60


def estimators():
    model = Seq2SeqTransformer(max_epochs=1, **SMALL)
    vectorizer = SequenceVectorizer(analyzer="char")
    return {
        "pipeline": make_pipeline(vectorizer, model),
        "search": GridSearchCV(model, {"hidden_size": [8]}, cv=2),
        "ensemble": Seq2SeqEnsemble(model, n_estimators=2),
        "pipeline of a search": make_pipeline(
            vectorizer, GridSearchCV(model, {"hidden_size": [8]}, cv=2)
        ),
        "lexicon": LexiconSeq2Seq(model, lexicon={"ab": "x"}),
    }


@pytest.mark.parametrize("name", estimators())
def test_any_model_that_has_log_likelihoods(name, data):
    estimator = estimators()[name]
    audit = audit_pairs(estimator, *data, cv=2)
    assert sorted(audit["row"]) == list(range(60))
    assert (audit["log_likelihood"] <= np.log(audit["score"]) + 1e-6).all()
    for part in (estimator, getattr(estimator, "estimator", None)):
        part = part[-1] if isinstance(part, Pipeline) else part
        assert part is None or not [name for name in vars(part) if name[-1] == "_"]


def test_tokens_ids_and_columns(data, model):
    X, y = data
    tokens = [list(x) for x in X]
    by_tokens = by_row(audit_pairs(model, tokens, [list(t) for t in y], cv=2))
    by_text = by_row(audit_pairs(model, X, y, cv=2))
    np.testing.assert_allclose(by_tokens["score"], by_text["score"])
    assert by_tokens["source"].tolist() == tokens

    ids, y_ids = (SequenceVectorizer().fit(side).transform(side) for side in (X, y))
    for form in ("tocsr", "tocoo", "toarray"):
        audit = audit_pairs(model, *(getattr(side, form)() for side in (ids, y_ids)))
        for row in audit.itertuples():
            assert row.source.tolist() == ids.toarray()[row.row].tolist()
            assert row.target.tolist() == y_ids.toarray()[row.row].tolist()

    frame = pd.DataFrame({"word": X, "form": np.resize(["up", "down"], 60)})
    columns = ColumnVectorizer(
        [(name, SequenceVectorizer(), name) for name in ("word", "form")]
    )
    audit = audit_pairs(clone(model).set_params(source_vectorizer=columns), frame, y)
    assert sorted(audit["source"].map(tuple)) == sorted(
        zip(frame["word"], frame["form"], strict=True)
    )


def test_a_token_that_only_the_judged_fold_has_is_doubtful(data, model):
    X, y = map(np.copy, data)
    y[11] = "zz"
    audit = audit_pairs(model.set_params(max_epochs=8), X, y, cv=2)
    assert audit["row"][0] == 11


def test_errors_name_rows_of_the_data(data, model):
    X, y = map(list, data)
    with pytest.raises(ValueError, match=r"[Rr]ow 41 of y"):
        audit_pairs(model, X, [*y[:41], None, *y[42:]], cv=2)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        audit_pairs(model, X, y[:-1])
    without = DummySeq2Seq(), ConformalSeq2Seq(model)
    for last in (*without, *(GridSearchCV(one, {}) for one in without)):
        with pytest.raises(TypeError, match=r"(Dummy|Conformal)Seq2Seq has none"):
            audit_pairs(make_pipeline(last), X, y)
    with pytest.raises((TypeError, ValueError), match="list"):
        audit_pairs(model, "abc", "cba")


def test_iterators_arrow_tuples_and_one_column(data, model):
    X, y = data
    expected = audit_pairs(model, X, y, cv=2)
    pd.testing.assert_frame_equal(audit_pairs(model, iter(X), iter(y), cv=2), expected)
    arrow = pa.array(X.tolist())
    pd.testing.assert_frame_equal(audit_pairs(model, arrow, y, cv=2), expected)
    columns = ColumnVectorizer([("word", SequenceVectorizer(), 0)])
    of_column = clone(model).set_params(source_vectorizer=columns)
    rows = [(x,) for x in X]
    for given in (rows, pd.DataFrame({"word": X})):
        audit = audit_pairs(of_column, given, y, cv=2)
        np.testing.assert_array_equal(audit["row"], expected["row"])
