"""Parameters of every kind: numpy's numbers, wrong values, names that people type."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.model_selection import GridSearchCV

from sklearn_seq2seq import (
    ColumnVectorizer,
    PairAugmenter,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
)

SMALL = {"hidden_size": 4, "embedding_size": 4, "max_epochs": 1, "random_state": 0}

X = ["ab", "ba", "abb", "bab", "aab", "b"]
Y = [word.upper() for word in X]

WHOLE = {
    "hidden_size": 100,
    "num_layers": 2,
    "embedding_size": 4,
    "attention_order": 1,
    "batch_size": 100,
    "max_tokens": 100,
    "max_epochs": 2,
    "gradient_accumulation_steps": 2,
    "n_iter_no_change": 1,
    "beam_width": 2,
    "max_length": 3,
    "max_source_length": 3,
    "min_length": 1,
    "no_repeat_ngram_size": 3,
    "checkpoint_interval": 2,
    "random_state": 3,
}
FRACTIONS = {
    "dropout": 0.25,
    "unknown_dropout": 0.25,
    "label_smoothing": 0.25,
    "encoder_loss_weight": 0.25,
    "teacher_forcing": 0.5,
    "learning_rate": 0.125,
    "weight_decay": 0.125,
    "max_time": 100.0,
    "gradient_clip": 2.0,
    "validation_fraction": 0.25,
    "tol": 0.25,
    "length_penalty": 0.5,
    "min_confidence": 0.0,
    "checkpoint_minutes": 0.5,
}

# numpy's numbers ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("whole", "real"),
    [(np.int8, np.float16), (np.uint64, np.longdouble)],
)
def test_numbers_of_numpy_are_as_good_as_pythons(whole, real, tmp_path):
    numbers = {name: whole(value) for name, value in WHOLE.items()}
    numbers |= {name: real(value) for name, value in FRACTIONS.items()}
    beside = {"early_stopping": True, "long_source": "truncate_end"}
    plain = Seq2SeqTransformer(**WHOLE, **FRACTIONS, **beside)
    beside |= {"input_feeding": np.False_, "checkpoint": tmp_path / "training"}
    model = Seq2SeqTransformer(**numbers, **beside).fit(X, Y)
    plain.fit(X, Y)
    assert model.predict(X).tolist() == plain.predict(X).tolist()
    assert model.history_[:, "train_loss"] == plain.history_[:, "train_loss"]
    n = whole(2)
    for call in (
        lambda m: m.transform(X),
        lambda m: m.log_likelihood(X, Y),
        lambda m: m.attention_weights(X, Y)[0],
        lambda m: m.predict_nbest(X, n)["probability"],
        lambda m: m.sample(
            X, n, temperature=real(0.5), top_k=n, top_p=real(0.5), random_state=n
        )["probability"],
    ):
        assert np.array_equal(call(model), call(plain))
    model.set_params(checkpoint=None).save(tmp_path / "model")
    assert load(tmp_path / "model").hidden_size == 100
    # The checkpoint is that of the same numbers of Python.
    plain.set_params(checkpoint=tmp_path / "training").fit(X, Y)
    assert plain.history_[:, "dur"] == model.history_[:, "dur"]


@pytest.mark.parametrize("name", ["hidden_size", "dropout", "max_length", "beam_width"])
def test_true_is_no_number(name):
    with pytest.raises(ValueError, match=f"'{name}' parameter"):
        Seq2SeqTransformer(**SMALL | {name: True}).fit(X, Y)


def test_true_is_no_count():
    model = Seq2SeqTransformer(**SMALL).fit(X, Y)
    with pytest.raises(ValueError, match="n_best must be a whole number"):
        model.predict_nbest(X, True)


def test_grid_over_an_array():
    grid = {"hidden_size": np.array([4, 8]), "dropout": np.array([0.5], np.float32)}
    search = GridSearchCV(Seq2SeqTransformer(**SMALL), grid, cv=2, error_score="raise")
    search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("whole", [np.int8, np.uint64])
@pytest.mark.filterwarnings("ignore:3 row")
def test_other_estimators_take_numbers_of_numpy(whole):
    for params in ({"max_length": 2}, {"max_features": 2}, {"min_df": 2}):
        numbers = {name: whole(value) for name, value in params.items()}
        tokens = SequenceVectorizer(**numbers).fit_transform(X)
        assert (tokens != SequenceVectorizer(**params).fit_transform(X)).nnz == 0
    pieces = SequenceVectorizer(analyzer="subword", max_features=whole(120))
    assert pieces.fit(X * 50).vocabulary_size_ > 2
    half = SequenceVectorizer(min_df=np.float16(0.5)).fit(["ab"] * 150_000)
    assert set(half.vocabulary_) == {"a", "b"}
    options = {"joined": np.float16(0.5), "noisy": whole(1), "noise": np.float32(0.5)}
    assert len(PairAugmenter(**options, random_state=0).fit_resample(X, Y)[0]) == 15
    member = Seq2SeqTransformer(**SMALL)
    ensemble = Seq2SeqEnsemble(member, n_estimators=whole(2), beam_width=whole(2))
    assert len(ensemble.fit(X, Y).predict(X)) == len(X)


# Wrong values ------------------------------------------------------------------------


# Of PyTorch's devices, two that a machine may not have, and one that computes nothing.
ABSENT = ["hpu", "meta"] + ["xpu"] * (not torch.xpu.is_available())


@pytest.mark.parametrize("device", ABSENT)
def test_device_that_is_not_there_is_refused(device):
    with pytest.raises(ValueError, match=f"device='{device}' is not available"):
        Seq2SeqTransformer(**SMALL, device=device).fit(X, Y)


@pytest.mark.parametrize("name", ["teacher_forcing", "unknown_dropout"])
@pytest.mark.parametrize("pair", [("a", "b"), (0.5, None), (True, 0.5)])
def test_pair_of_a_wrong_kind_is_named(name, pair):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Seq2SeqTransformer(**SMALL, **{name: pair}).fit(X, Y)


@pytest.mark.parametrize("name", ["temperature", "top_k", "top_p"])
@pytest.mark.parametrize("value", ["x", -1, [1], np.nan, np.inf])
def test_sampling_of_a_wrong_kind_is_named(name, value):
    with pytest.raises(ValueError, match=f"{name} must be"):
        Seq2SeqTransformer(**SMALL).sample(X, **{name: value})


@pytest.mark.parametrize(
    ("name", "typed", "ours"),
    [
        ("cell", "LSTM", "lstm"),
        ("attention", "bahdanau", "additive"),
        ("attention", "Luong", "general"),
        ("optimizer", "AdamW", "adamw"),
    ],
)
def test_names_that_people_type_are_answered(name, typed, ours):
    with pytest.raises(ValueError, match=f"{name}='{typed}' is called '{ours}' here"):
        Seq2SeqTransformer(**SMALL | {name: typed}).fit(X, Y)


def test_errors_about_arrow_tables_do_not_print_them():
    table = pa.table({"a": ["secret"], "b": ["x"]})
    vectorizer = ColumnVectorizer([("a", SequenceVectorizer(), "c")])
    with pytest.raises(ValueError, match=r"no 'c' among \['a', 'b'\]"):
        vectorizer.fit(table)
    by_place = ColumnVectorizer([("a", SequenceVectorizer(), 0)])
    assert "s" in by_place.fit(table).transformers_[0][1].vocabulary_
