"""`Seq2SeqTransformer` on raw text, token lists and ids; bad input; repeatability."""

import copy
import random
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from sklearn_seq2seq import (
    Seq2SeqAutoencoder,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
)
from tests.conftest import TINY

BAD = float("nan")


def small(**params):
    return Seq2SeqTransformer(**{**TINY, **params})


# What goes in comes out ---------------------------------------------------------------


def test_predict_learns_text(fitted, words, shouted):
    assert fitted.score(words, shouted) > 0.9
    assert fitted.predict(words).dtype == object


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        iter,
        lambda x: np.array(x, dtype=object),
        np.array,
        lambda x: pd.Series(x, index=[f"r{i}" for i in reversed(range(len(x)))]),
        lambda x: pd.Series(x, dtype="string"),
        lambda x: pd.Series(x, dtype="string[pyarrow]"),
        lambda x: pd.DataFrame({"text": x}),
        lambda x: pl.Series(x),
        lambda x: pl.DataFrame({"text": x}),
    ],
    ids=[
        "list",
        "tuple",
        "iterator",
        "object",
        "str",
        "series",
        "string",
        "pyarrow",
        "frame",
        "polars",
        "polars-frame",
    ],
)
def test_containers_are_alike(container, fitted, words, shouted):
    model, same = (clone(fitted).set_params(max_epochs=2) for _ in range(2))
    model.fit(container(words), container(shouted))
    same.fit(words, shouted)
    np.testing.assert_array_equal(
        model.transform(container(words)), same.transform(words)
    )
    np.testing.assert_array_equal(
        fitted.predict(container(words)), fitted.predict(words)
    )
    score = fitted.score(container(words), container(shouted))
    assert score == fitted.score(words, shouted)


def test_token_lists_come_back_as_lists(words, shouted):
    model = small().fit(list(map(list, words)), list(map(list, shouted)))
    predicted = model.predict(list(map(list, words)))
    assert predicted.dtype == object
    assert all(isinstance(row, list) for row in predicted)
    right = [p == list(y) for p, y in zip(predicted, shouted, strict=True)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("as_sparse", [False, True])
def test_ids_come_back_as_ids(as_sparse, words, shouted):
    vectorizer = SequenceVectorizer(max_length=8)
    X = vectorizer.fit_transform(words)
    y = SequenceVectorizer(max_length=9).fit_transform(shouted).toarray()
    model = small().fit(X if as_sparse else X.toarray(), y)
    predicted = model.predict(X)
    assert predicted.shape == y.shape
    assert np.issubdtype(predicted.dtype, np.integer)
    assert (predicted == y).all(axis=1).mean() > 0.9
    assert model.n_features_in_ == 8


def test_text_to_ids_and_ids_to_text(words, shouted):
    ids = SequenceVectorizer(max_length=8).fit_transform(words).toarray()
    assert small(max_epochs=1).fit(words, ids).predict(words).shape == ids.shape
    assert small(max_epochs=1).fit(ids, shouted).predict(ids).dtype == object


def test_vector_target_is_one_token_a_row():
    X = np.arange(60).reshape(-1, 2) % 7 + 1
    y = X[:, 0] % 4
    model = small(max_epochs=40).fit(X, y)
    # Classes numbered from 0, as LabelEncoder numbers them.
    assert model.predict(X).tolist() == y.tolist()
    assert model.score(X, y) == 1
    allowed = model.set_params(allowed_outputs=[0, 1])
    assert set(allowed.predict(X)) <= {0, 1}


def test_ids_of_one_are_predicted(words):
    y = np.array([[1, 1 + len(word) % 2, 3] for word in words])
    model = small(max_epochs=40).fit(words, y)
    assert model.score(words, y) > 0.8
    assert not (model.set_params(banned_tokens=[1]).predict(words) == 1).any()


@pytest.mark.parametrize("container", [list, np.array, pd.Series, pl.Series])
def test_a_column_of_numbers_is_refused(container, words):
    numbers = container([len(word) for word in words])
    with pytest.raises(ValueError, match=r"y is one column of numbers.*astype\(str\)"):
        small().fit(words, numbers)
    ids = np.array(numbers)[:, None]
    for frame in (pd.DataFrame({"n": ids[:, 0]}), pl.DataFrame({"n": ids[:, 0]})):
        with pytest.raises(ValueError, match=r"X is one column of numbers"):
            small().fit(frame, words)
        with pytest.raises(ValueError, match=r"y is one column of numbers"):
            small().fit(words, frame)
    assert small(max_epochs=1).fit(words, ids).predict(words).shape == ids.shape


def test_pairs_in_one_list_are_refused(words, shouted):
    with pytest.raises(ValueError, match=r"pairs of a source and its target"):
        small().fit(list(zip(words, shouted, strict=True)))
    with pytest.raises(ValueError, match=r"pairs of a source and its target"):
        small().partial_fit(zip(words, shouted, strict=True))
    assert small(max_epochs=1).fit([["a", "b"], ["b", "a"]]).n_iter_ == 1


@pytest.mark.parametrize(
    "column",
    [
        [0.0, np.nan],
        np.array([0, np.nan], np.float16),
        ["a", None],
        pd.Series([1, None], dtype="Int64"),
        np.array(["2001-01-01", "NaT"], "M8[D]"),
        pl.Series(["a", None]),
    ],
    ids=str,
)
def test_missing_groups_are_named(column):
    with pytest.raises(ValueError, match="group of row 1 is missing"):
        small(early_stopping=True).fit(["ab", "b"], ["AB", "B"], groups=column)


def test_groups_of_other_kinds_are_named():
    model = small(early_stopping=True)
    for groups in (5, "ab", [[1], [2]], [1, "a"], [{}, {}]):
        groups = groups if groups != [1, "a"] else np.array(groups, dtype=object)
        with pytest.raises((ValueError, TypeError), match="groups"):
            model.fit(["ab", "b"], ["AB", "B"], groups=groups)


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1, [1, np.nan]])
def test_sample_weight_that_is_none_is_named(weight):
    with pytest.raises((ValueError, TypeError), match=r"(?i)weight"):
        small().fit(["ab", "b"], ["AB", "B"], sample_weight=weight)


def test_fit_without_target_is_an_autoencoder(words):
    model = small(max_epochs=20, attention="general").fit(words)
    assert model.score(words, words) > 0.9
    assert model.target_vectorizer_.vocabulary_ == model.source_vectorizer_.vocabulary_


def test_inverse_transform_decodes_vectors(fitted_plain, words):
    vectors = fitted_plain.transform(words)
    np.testing.assert_array_equal(
        fitted_plain.inverse_transform(vectors), fitted_plain.predict(words)
    )
    with pytest.raises(ValueError, match="features"):
        fitted_plain.inverse_transform(vectors[:, 1:])


def test_inverse_transform_is_absent_with_attention(fitted):
    assert not hasattr(fitted, "inverse_transform")
    assert hasattr(small(attention=None), "inverse_transform")


@pytest.mark.parametrize(("cell", "factor"), [("lstm", 2), ("gru", 1), ("rnn", 1)])
def test_transform_has_a_fixed_length(cell, factor, words, shouted):
    model = small(cell=cell, num_layers=2, max_epochs=1).fit(words, shouted)
    vectors = model.transform(words)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(words), factor * 2 * 16)
    assert len(model.get_feature_names_out()) == vectors.shape[1]
    frame = clone(model).set_output(transform="pandas").fit(words, shouted)
    named = frame.transform(pd.Series(words, index=range(100, 100 + len(words))))
    assert list(named.columns) == list(model.get_feature_names_out())


def test_history_and_net(fitted):
    assert len(fitted.history_) == fitted.n_iter_ == TINY["max_epochs"]
    losses = fitted.history_[:, "train_loss"]
    assert losses[-1] < losses[0]
    assert isinstance(fitted.net_.module_, torch.nn.Module)


# Rows and their neighbours --------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64])
@pytest.mark.parametrize("which", ["fitted", "fitted_plain"])
def test_rows_do_not_feel_their_neighbours(which, batch_size, words, request):
    model = clone(request.getfixturevalue(which))
    vars(model).update(vars(request.getfixturevalue(which)))
    model.set_params(batch_size=batch_size)
    alone = [model.predict([word])[0] for word in words]
    vectors = np.concatenate([model.transform([word]) for word in words])
    order = np.random.default_rng(1).permutation(len(words))
    for rows in (np.arange(len(words)), order):
        some = [words[i] for i in rows]
        assert model.predict(some).tolist() == [alone[i] for i in rows]
        np.testing.assert_allclose(model.transform(some), vectors[rows], atol=1e-5)


# Unusual but right ----------------------------------------------------------------


@pytest.mark.filterwarnings("error")
def test_clean_run_warns_and_prints_nothing(words, shouted, capfd):
    model = small().fit(words, shouted)
    model.predict(words)
    model.transform(words)
    model.score(words, shouted)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("rows", [[[2, 3], [2]], pd.Series([[2, 3], [2]])])
def test_rows_of_ids_of_unlike_length_are_named(rows):
    with pytest.raises(ValueError, match="row 1 of y has 1 and row 0 has 2"):
        small().fit(["a", "b"], rows)
    with pytest.raises(ValueError, match="row 1 of X has 1 and row 0 has 2"):
        small().fit([[2, 3], [2]], ["a", "b"])


@pytest.mark.parametrize("kind", [pd.Series, np.asarray, pl.Series])
def test_dates_as_targets_are_to_be_text(kind):
    dates = kind(np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ms]"))
    with pytest.raises(ValueError, match=r"got .*[Dd]atetime.*y\.astype\(str\)"):
        small().fit(["a", "b"], dates)


def test_warnings_point_at_the_line_that_was_written(words, shouted):
    model = small(max_length=1).fit(words, shouted)
    pipe = make_pipeline(clone(model)).fit(words, shouted)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for fitted in (model, pipe[-1]):
            fitted.predict(["xyz"])
            fitted.predict_confidence(["xyz"])
            fitted.transform(["xyz"])
        pipe.predict(["xyz"])
        pipe.score(["xyz"], ["A"])
        cross_val_predict(model, words, shouted, cv=2)
    assert len(caught) > 8
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.filterwarnings("error")
def test_empty_strings_are_rows(words, shouted, tmp_path):
    some = [list(filter(None, side)) for side in (words, shouted)]
    fitted = small(max_epochs=40).fit(*some)
    assert fitted.predict(["", "ab", ""])[[0, 2]].tolist() == ["", ""]
    assert fitted.predict_nbest([""], 3)["sequence"].tolist() == [""]
    assert fitted.predict([""], prefix=["A"])[0].startswith("A")
    fitted.save(tmp_path / "a.model")
    assert load(tmp_path / "a.model").predict([""]).tolist() == [""]
    made = small(max_epochs=40).fit([*words, "", ""], [*shouted, "ab", "ab"])
    assert made.predict([""])[0] == "ab"
    made.save(tmp_path / "a.model")
    assert load(tmp_path / "a.model").predict([""])[0] == "ab"
    model = small(max_epochs=40).fit([*words, "", ""], [*shouted, "", ""])
    assert model.predict([""])[0] == ""
    assert small(max_epochs=1).fit(["", ""], ["", ""]).predict([""]).tolist() == [""]


def test_rows_longer_than_any_seen(fitted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such a prediction may hit the limit
        assert len(fitted.predict(["ab" * 200, "a"])) == 2


def test_unseen_characters_are_counted_once(fitted):
    with pytest.warns(UserWarning, match=r"3 token\(s\) in X") as caught:
        fitted.predict(["xyz", "ab"])
    assert len(caught) == 1


def test_single_pair():
    assert len(small().fit(["ab"], ["c"]).predict(["ab", "b"])) == 2


def test_all_targets_equal(words):
    model = small().fit(words, ["same"] * len(words))
    assert set(model.predict(words)) == {"same"}


@pytest.mark.parametrize(
    "texts",
    [
        ["👩‍👩‍👧", "🏳️‍🌈a", "👍🏽"],
        ["é", "ñ", "क्षि"],
        ["שלום", "مرحبا", "אבג"],
        ["\x00", "\n", " "],
    ],
    ids=["emoji", "combining", "right-to-left", "control"],
)
def test_any_text_is_text(texts):
    model = small(max_epochs=120, learning_rate=0.01).fit(texts, texts)
    assert model.predict(texts).tolist() == texts


# Bad input ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (["ab", None], ["c", "d"], r"X.*row 1|row 1.*X"),
        (["ab", BAD], ["c", "d"], r"row 1"),
        (["ab", 3], ["c", "d"], r"row 1"),
        (["ab", b"x"], ["c", "d"], r"row 1"),
        (["ab", "b"], ["c", None], r"y.*row 1|row 1.*y"),
        (["ab", "b"], ["c", BAD], r"row 1"),
        ("ab", ["c"], "single str"),
        (["ab"], "c", "single str"),
        (pd.Series([7, 8]), ["c", "d"], r"row 0 of X is of type int \(7\)"),
        ([7, 8], ["c", "d"], r"row 0 of X is of type int \(7\)"),
        (["ab", "b"], ["c"], "inconsistent numbers of samples"),
        ([], [], r"0 sample\(s\)"),
        ([["a", 1]], ["c"], r"row 0"),
        ([[1, -2], [3, 4]], ["c", "d"], "[Nn]egative"),
        ([[1.5, 2.0], [3, 4]], ["c", "d"], r"whole numbers.*row 0"),
        ([[np.inf, 2.0], [3, 4]], ["c", "d"], "inf"),
        ([[BAD, 2.0], [3, 4]], ["c", "d"], "NaN"),
        (["ab", "b"], [[1, -2], [3, 4]], r"[Nn]egative.*row 0"),
        (["ab", "b"], [[1, 2.5], [3, 4]], r"whole numbers.*row 0"),
        (["ab", "b"], [[1, np.inf], [3, 4]], "inf"),
    ],
)
def test_bad_data_is_named(X, y, message, fitted, words):
    before = fitted.predict(words).tolist()
    model = copy.deepcopy(fitted)
    state = set(vars(model))
    with pytest.raises((ValueError, TypeError), match=f"(?i){message}"):
        model.fit(X, y)
    assert set(vars(model)) == state
    assert model.predict(words).tolist() == before


@pytest.mark.parametrize(
    "params",
    [
        {"cell": "lstmm"},
        {"attention": "genral"},
        {"attention_order": 2},
        {"optimizer": "adm"},
        {"hidden_size": 0},
        {"hidden_size": 1.5},
        {"dropout": 1.0},
        {"learning_rate": -1},
        {"encoder_loss_weight": 1.0},
        {"validation_fraction": 0},
        {"beam_width": 0},
        {"max_length": "long"},
        {"device": 3},
        {"teacher_forcing": (1.0, 2.0)},
        {"input_feeding": True, "attention": None},
        {"copy": True, "attention": None},
        {"input_feeding": True, "attention": "hard"},
        {"tie_output": True, "embedding_size": None},
        {"optimizer": int},
        {"callbacks": [1]},
        {"scoring": "nonsense"},
        {"device": "banana"},
        {"device": "cuda:99"},
    ],
    ids=str,
)
def test_bad_parameter_is_named(params, words, shouted, fitted):
    model = copy.deepcopy(fitted).set_params(**params)
    with pytest.raises(ValueError, match=next(iter(params))):
        model.fit(words, shouted)


@pytest.mark.parametrize("data", [3, ["ab", "ba", "b"], (["ab", "ba"],)])
def test_validation_data_must_be_a_pair(data, words, shouted):
    with pytest.raises(ValueError, match=r"validation_data must be a pair"):
        small().fit(words, shouted, validation_data=data)


def test_failed_fit_leaves_the_model_as_it_was(fitted, words, shouted):
    model = copy.deepcopy(fitted)
    before = model.predict(words).tolist()
    model.set_params(learning_rate=1e30, gradient_clip=None, optimizer="sgd")
    model.set_params(attention="additive")
    with pytest.raises(ValueError, match="epoch"):
        model.fit(words[::-1], shouted)
    assert model.predict(words).tolist() == before


@pytest.mark.parametrize(
    "call",
    [
        lambda m: m.predict(["a"]),
        lambda m: m.transform(["a"]),
        lambda m: m.score(["a"], ["A"]),
        lambda m: m.predict_nbest(["a"]),
        lambda m: m.log_likelihood(["a"], ["A"]),
        lambda m: m.sample(["a"]),
        lambda m: m.attention_weights(["a"]),
        lambda m: m.inverse_transform([[0.0]]),
        lambda m: m.get_feature_names_out(),
    ],
)
def test_unfitted(call):
    with pytest.raises(NotFittedError):
        call(Seq2SeqTransformer(attention=None))


@pytest.mark.parametrize("kind", [Seq2SeqAutoencoder, Seq2SeqEnsemble])
def test_unfitted_has_no_score(kind):
    with pytest.raises(NotFittedError):
        kind().score(["a"], ["A"])


# Repeatability --------------------------------------------------------------------


def figures(model):
    """The history without its times."""
    return [
        {name: value for name, value in epoch.items() if name != "dur"}
        for epoch in model.history_
    ]


def test_same_random_state_same_model(words, shouted):
    params = {"dropout": 0.2, "unknown_dropout": 0.1, "early_stopping": True}
    params["max_epochs"] = 5
    first = small(**params).fit(words, shouted)
    torch.rand(7)
    second = small(**params).fit(words, shouted)
    other = small(**{**params, "random_state": 1}).fit(words, shouted)
    assert figures(first) == figures(second) != figures(other)
    assert first.predict(words).tolist() == second.predict(words).tolist()
    np.testing.assert_array_equal(first.transform(words), second.transform(words))


def test_fit_leaves_global_random_state_alone(words, shouted):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002 (the global state is what is tested)
    random.seed(3)
    before = (torch.get_rng_state(), np.random.get_state()[1], random.getstate())  # noqa: NPY002
    model = small(dropout=0.3, early_stopping=True, random_state=None, max_epochs=2)
    model.fit(words, shouted).sample(words[:3], 2)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def test_fit_does_not_write_its_input():
    X = np.array([[2, 3, 0], [4, 0, 0]], dtype=np.int32)
    for array in (X, sparse.csr_array(X)):
        data = array if isinstance(array, np.ndarray) else array.data
        data.setflags(write=False)
        small(max_epochs=1).fit(array, X).predict(array)


def test_sparse_ids_are_their_own_targets():
    X = sparse.csr_array([[2, 3, 0], [3, 2, 2]])
    model = Seq2SeqTransformer(hidden_size=4, max_epochs=1, random_state=0).fit(X)
    dense = clone(model).fit(X.toarray())
    np.testing.assert_array_equal(model.log_likelihood(X), dense.log_likelihood(X))
    assert model.score(X) == dense.score(X)
    with pytest.raises(ValueError, match="see row 1"):
        model.fit(X, sparse.csr_array([[2, 3], [-2, 3]]))


def test_data_of_the_wrong_kind_is_explained(words, shouted):
    model = Seq2SeqTransformer(hidden_size=4, max_epochs=1)
    with pytest.raises(TypeError, match="X needs a SequenceVectorizer"):
        model.set_params(source_vectorizer=CountVectorizer()).fit(words, shouted)
    model.set_params(source_vectorizer=None)
    with pytest.warns(UserWarning, match="are read as token ids"):
        model.fit(words[:3], np.array([[20_190], [120_191], [20_192]]))
    ids = np.array([[2, 3], [3, 2]], dtype=np.float16)
    model.fit(ids, ids)
    with pytest.raises(ValueError, match="X holds text"):
        model.predict(words)
    with pytest.raises(ValueError, match="NaN or infinity"):
        model.set_params(source_vectors={"a": np.full(128, np.nan)}).fit(words, shouted)


def test_inverse_transform_asks_the_network_that_was_fitted(words, shouted):
    model = Seq2SeqTransformer(hidden_size=4, max_epochs=1).fit(words, shouted)
    assert not hasattr(model.set_params(attention=None), "inverse_transform")
