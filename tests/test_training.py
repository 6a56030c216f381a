"""Validation, stopping, schedules, weights, and going on."""

import math
import warnings
from contextlib import contextmanager
from functools import partial
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochScoring, EpochTimer, LRScheduler
from torch.nn.utils.rnn import PackedSequence
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau, StepLR

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._training._callbacks import BestModel, ClipGradients, TimeLimit
from sklearn_seq2seq._training._devices import precision_failure
from sklearn_seq2seq._training._net import (
    LOSS_SCALE,
    DivergenceError,
    looks_at_steps,
    parts,
)
from sklearn_seq2seq.metrics import get_scorer

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
SMALL = {
    "attention": "additive",
    "hidden_size": 12,
    "embedding_size": 6,
    "batch_size": 16,
    "max_epochs": 5,
    "learning_rate": 0.02,
    "lr_schedule": "constant",
    "label_smoothing": 0.0,
    "dropout": 0.0,
    "unknown_dropout": 0.0,
    "random_state": 0,
}


def small(**params):
    return Seq2SeqTransformer(**{**SMALL, **params})


def weights(model):
    return [x.clone() for x in model.net_.module_.state_dict().values()]


def equal_weights(model, other, tol=0.0):
    pairs = zip(weights(model), weights(other), strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=tol) for a, b in pairs)


class Record(Callback):
    """Keeps what passes by in lists that the user's object shares with its copies."""

    def __init__(self):
        self.rates = []
        self.rows = {"train": [], "valid": []}
        self.events = []

    def on_batch_begin(self, net, batch=None, training=False, **kwargs):
        if training:
            self.rates.append(net.optimizer_.param_groups[0]["lr"])

    def on_epoch_begin(self, net, dataset_train=None, dataset_valid=None, **kwargs):
        self.events.append(len(net.history))
        self.seen_ = True
        for name, data in (("train", dataset_train), ("valid", dataset_valid)):
            if data is not None:
                self.rows[name].append(data.source.toarray())


# Validation and stopping ------------------------------------------------------------


@pytest.mark.parametrize(
    ("scoring", "entry", "sign"),
    [
        ("loss", "valid_loss", -1),
        ("exact_match", "valid_exact_match", 1),
        ("accuracy", "valid_score", 1),
        (
            make_scorer(
                lambda y, p: np.mean([abs(len(a) - len(b)) for a, b in zip(y, p)]),  # noqa: B905
                greater_is_better=False,
            ),
            "valid_score",
            1,
        ),
    ],
)
def test_model_after_fit_is_the_best_one(words, shouted, scoring, entry, sign):
    model = small(
        scoring=scoring, early_stopping=True, learning_rate=0.07, max_epochs=12
    )
    X, y, X_valid, y_valid = words[12:], shouted[12:], words[:12], shouted[:12]
    model.fit(X, y, validation_data=(X_valid, y_valid))
    scores = sign * np.array(model.history_[:, entry])
    best = int(scores.argmax()) + 1
    assert best > 1
    assert best < 12 or entry == "valid_score"
    assert model.net_.memory_["epoch"] == best
    # An epoch's weights are those of a fit that ends there.
    assert equal_weights(model, clone(model).set_params(max_epochs=best).fit(
        X, y, validation_data=(X_valid, y_valid)
    ))  # fmt: skip
    if scoring == "loss":
        n_positions = sum(len(target) + 1 for target in y_valid)
        loss = -model.log_likelihood(X_valid, y_valid).sum() / n_positions
        assert loss == pytest.approx(-scores.max(), abs=1e-5)
    elif entry == "valid_score" and scoring != "accuracy":
        assert scoring(model, X_valid, y_valid) == pytest.approx(scores.max())
    else:
        assert model.score(X_valid, y_valid) == pytest.approx(scores.max())


@pytest.mark.parametrize("scoring", ["exactmatch", ["loss"], {"own": "bleurt"}])
def test_unknown_score_is_named(words, shouted, scoring):
    several = scoring.values() if isinstance(scoring, dict) else scoring
    (name,) = [scoring] if isinstance(scoring, str) else several
    with pytest.raises(ValueError, match=rf"holds '{name}'.*neg_char_error_rate"):
        small(early_stopping=True, scoring=scoring).fit(words, shouted)


@pytest.mark.parametrize(
    ("scoring", "entry"),
    [
        ("neg_char_error_rate", "valid_score"),
        ("char_error_rate", "valid_score"),
        (["char_error_rate", "bleu", "accuracy"], "valid_neg_char_error_rate"),
        ({"own": "char_error_rate", "other": "accuracy"}, "valid_own"),
    ],
)
def test_scorers_of_this_package_go_by_name(words, shouted, scoring, entry):
    model = small(max_epochs=3, scoring=scoring)
    model.fit(words, shouted, validation_data=(words[:25], shouted[:25]))
    score = get_scorer("char_error_rate")(model, words[:25], shouted[:25])
    assert score == pytest.approx(max(model.history_[:, entry]))
    assert max(model.history_[:, "valid_score"]) == max(model.history_[:, entry])


def test_exact_match_is_that_of_real_decoding(words, shouted):
    model = small(max_epochs=15, scoring=["accuracy"], batch_size=7)
    model.fit(words, shouted, validation_data=(words[:25], shouted[:25]))
    free, decoded = (
        model.history_[:, name] for name in ("valid_exact_match", "valid_accuracy")
    )
    assert free == pytest.approx(decoded)
    assert 0 < max(free) <= 1
    assert len(set(free)) > 3


def test_stops_after_so_many_epochs_without_improvement(words, shouted):
    params = {"early_stopping": True, "max_epochs": 60, "learning_rate": 0.05}
    model = small(**params, n_iter_no_change=3, tol=0.02).fit(words, shouted)
    best, misses = math.inf, 0
    for n_iter, loss in enumerate(model.history_[:, "valid_loss"], 1):  # noqa: B007
        misses = 0 if loss <= best - 0.02 else misses + 1
        best = min(best, loss)
        if misses == 3:
            break
    assert model.n_iter_ == n_iter < 60


def test_validation_data_alone_do_not_stop(words, shouted):
    model = small(n_iter_no_change=1, tol=10.0)
    model.fit(words, shouted, validation_data=(words[:9], shouted[:9]))
    assert model.n_iter_ == SMALL["max_epochs"]


def test_predict_runs_once_an_epoch_however_many_metrics(words, shouted):
    calls = []

    class Counted(Seq2SeqTransformer):
        def predict(self, X, **kwargs):
            calls.append(len(X))
            return super().predict(X, **kwargs)

    model = Counted(**SMALL, early_stopping=True).set_params(
        scoring={"a": make_scorer(accuracy_score), "b": "accuracy"}
    )
    model.fit(words, shouted)
    assert calls == [6] * SMALL["max_epochs"]
    assert model.history_[:, "valid_a"] == model.history_[:, "valid_score"]
    assert model.history_[:, "valid_b"] == model.history_[:, "valid_score"]


def test_groups_are_never_on_both_sides(words):
    rng = np.random.default_rng(0)
    groups = rng.integers(12, size=len(words))
    # A source's first letters are its group, to be known again.
    names = [f"{chr(65 + group)}{word}" for group, word in zip(groups, words)]  # noqa: B905
    for seed in range(3):
        record = Record()
        small(
            early_stopping=True,
            validation_fraction=0.3,
            callbacks=[record],
            max_epochs=1,
            random_state=seed,
        ).fit(names, groups=groups)
        train, valid = (
            {int(row[0]) for row in record.rows[side][0]} for side in ("train", "valid")
        )
        assert train
        assert len(valid) == 4
        assert not train & valid


def test_split_is_the_stated_share(words, shouted):
    record = Record()
    model = small(early_stopping=True, validation_fraction=0.25, callbacks=[record])
    model.fit(words, shouted)
    assert len(record.rows["valid"][0]) == 15
    assert len(record.rows["train"][0]) == 45


def test_too_few_rows_to_split():
    model = small(early_stopping=True, max_epochs=2)
    with pytest.warns(UserWarning, match="n_samples=1"):
        model.fit(["ab"], ["AB"])
    assert "valid_loss" not in model.history_[0]
    with pytest.warns(UserWarning, match="number of groups=1"):
        model.fit(["ab", "b"], ["AB", "B"], groups=[0, 0])
    model.fit(["ab", "b"], ["AB", "B"])
    assert "valid_loss" in model.history_[0]


def test_groups_of_another_length_are_refused(words, shouted):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small(early_stopping=True).fit(words, shouted, groups=[0, 1])


def test_validation_loss_leaves_out_what_is_only_for_training(words, shouted):
    valid = (words[:10], shouted[:10])
    params = {"label_smoothing": 0.2, "encoder_loss_weight": 0.5, "dropout": 0.3}
    model = small(**params).fit(words, shouted, validation_data=valid)
    n_positions = sum(len(target) + 1 for target in valid[1])
    loss = -model.log_likelihood(*valid).sum() / n_positions
    assert loss == pytest.approx(min(model.history_[:, "valid_loss"]), abs=1e-5)


# Learning rate and optimisers -------------------------------------------------------


def test_cosine_and_inverse_sqrt(words, shouted):
    n_epochs, n_batches, peak = 10, 4, 0.02
    n_steps, warm = n_epochs * n_batches, 2
    expected = {"cosine": [], "inverse_sqrt": []}
    for step in range(n_steps):
        rise = (step + 1) / warm
        angle = math.pi * (step - warm) / (n_steps - warm)
        fall = {
            "cosine": (1 + math.cos(angle)) / 2,
            "inverse_sqrt": math.sqrt(warm / (step + 1)),
        }
        for name, factor in fall.items():
            expected[name].append(peak * (rise if step < warm else factor))
    for name in expected:
        record = Record()
        model = small(lr_schedule=name, max_epochs=n_epochs, callbacks=[record])
        model.fit(words, shouted)
        assert record.rates == pytest.approx(expected[name])


def test_a_schedule_begins_anew_with_each_call(words, shouted):
    record = Record()
    model = small(lr_schedule="cosine", warm_start=True, callbacks=[record])
    model.fit(words, shouted).set_params(learning_rate=0.01).fit(words, shouted)
    first, second = record.rates[:20], record.rates[20:]
    assert second == pytest.approx([rate / 2 for rate in first])


@pytest.mark.parametrize(
    "schedule",
    [
        partial(StepLR, step_size=2, gamma=0.1),
        LRScheduler(policy=StepLR, step_size=2, gamma=0.1),
    ],
)
def test_any_torch_scheduler(words, shouted, schedule):
    record = Record()
    small(lr_schedule=schedule, callbacks=[record]).fit(words, shouted)
    expected = [0.02 * 0.1 ** (epoch // 2) for epoch in range(5) for _ in range(4)]
    assert record.rates == pytest.approx(expected)
    # What was passed is used as a pattern.
    assert not hasattr(schedule, "lr_scheduler_")


def test_scheduler_class(words, shouted):
    class Halving(LambdaLR):
        def __init__(self, optimizer, last_epoch=-1):
            super().__init__(optimizer, lambda epoch: 0.5**epoch, last_epoch)

    record = Record()
    small(lr_schedule=Halving, callbacks=[record]).fit(words, shouted)
    assert record.rates == pytest.approx(np.repeat(0.02 * 0.5 ** np.arange(5), 4))


@pytest.mark.parametrize("scoring", ["loss", "exact_match"])
def test_plateau_follows_the_validation_score(words, shouted, scoring):
    record = Record()
    model = small(
        lr_schedule="plateau",
        scoring=scoring,
        n_iter_no_change=9,
        learning_rate=0.2,
        max_epochs=25,
        callbacks=[record],
    ).fit(words, shouted, validation_data=(words[:20], shouted[:20]))
    sign = -1 if scoring == "loss" else 1
    best, misses, rate = -math.inf, 0, 0.2
    for epoch, value in enumerate(model.history_[:, f"valid_{scoring}"]):
        assert record.rates[4 * epoch] == pytest.approx(rate)
        # torch's own threshold, relative to the best so far.
        improved = sign * value > best + 1e-4 * abs(best if best > -math.inf else 0)
        best, misses = (sign * value, 0) if improved else (best, misses + 1)
        if misses > 3:
            rate, misses = rate / 2, 0
    assert rate < 0.2


@pytest.mark.parametrize("name", ["adam", "adamw", "nadam", "rmsprop", "sgd"])
def test_optimisers_by_name_and_class(words, shouted, name):
    classes = {c.__name__.lower(): c for c in vars(torch.optim).values() if
               isinstance(c, type)}  # fmt: skip
    by_name = small(optimizer=name, max_epochs=2).fit(words, shouted)
    by_class = small(optimizer=classes[name], max_epochs=2).fit(words, shouted)
    assert isinstance(by_name.net_.optimizer_, classes[name])
    assert equal_weights(by_name, by_class)


def test_weight_decay_shrinks_weights(words, shouted):
    norms = [
        sum(float(x.norm()) for x in weights(
            small(optimizer="adamw", weight_decay=decay).fit(words, shouted)
        ))
        for decay in (0.0, 1.0, 5.0)
    ]  # fmt: skip
    assert norms[0] > norms[1] > norms[2]


def test_gradient_clip_bounds_a_step(words, shouted):
    start = small(max_epochs=1, learning_rate=1e-12, optimizer="sgd")
    start.fit(words, shouted)
    model = small(
        max_epochs=1, learning_rate=1.0, optimizer="sgd", gradient_clip=1e-3,
        batch_size=60,
    ).fit(words, shouted)  # fmt: skip
    moved = sum(
        float(((a - b) ** 2).sum())
        for a, b in zip(weights(model), weights(start), strict=True)
    )
    assert math.sqrt(moved) == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_accumulated_gradients_are_those_of_one_large_batch(
    words, shouted, optimizer, alpha
):
    params = {"optimizer": optimizer, "max_epochs": 3, "copy": True}
    params["encoder_loss_weight"] = alpha
    large = small(batch_size=60, **params).fit(words, shouted)
    parts = small(batch_size=8, gradient_accumulation_steps=8, **params)
    parts.fit(words, shouted)
    assert equal_weights(large, parts, tol=1e-5)
    losses = (model.history_[:, "train_loss"] for model in (large, parts))
    assert next(losses) == pytest.approx(next(losses), abs=1e-6)


def test_parts_keep_rows_and_bounds(words, shouted):
    # The longest source has the shortest target.
    targets = ["A" * (11 - len(word)) for word in words]
    model = small(max_epochs=1).fit(words, targets)
    dataset = model._reader.pairs(words, targets)
    batch = dataset.__getitems__(np.arange(len(words)))
    chunks = parts(batch, 7, 60)
    assert sum(len(outputs["weight"]) for _, outputs in chunks) == len(words)
    for inputs, outputs in chunks:
        n_rows, width = inputs["source"].shape
        assert n_rows <= 7
        assert n_rows * (width + inputs["target"].shape[1]) <= 60
        assert width == inputs["source_positions"].max()
        assert outputs["target"].shape[1] == outputs["positions"].max()
        assert outputs["size"].equal(batch[1]["size"])
    joined = torch.cat([inputs["source"].sum(dim=1) for inputs, _ in chunks])
    assert torch.equal(joined, batch[0]["source"].sum(dim=1))


def test_long_row_is_named_or_fits(words, shouted):
    X, y = [*words, "ab" * 2500], [*shouted, "B"]
    with pytest.raises(ValueError, match=r"Row 60 has 5003.*max_tokens=100"):
        small(max_tokens=100).fit(X, y)
    record = Record()
    sizes = []

    class Sizes(Callback):
        def on_batch_begin(self, net, batch=None, **kwargs):
            inputs, outputs = batch
            sizes.append(inputs["source"].numel() + outputs["target"].numel())

    model = small(max_tokens=6000, max_epochs=1, callbacks=[Sizes(), record])
    model.fit(X, y)
    assert max(sizes) <= 6000


# Weights of rows --------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.4])
def test_integer_weight_is_repetition(words, shouted, alpha):
    params = {"batch_size": 1000, "max_epochs": 2, "encoder_loss_weight": alpha}
    weight = np.random.default_rng(0).integers(4, size=len(words))
    repeated = np.repeat(np.arange(len(words)), weight)
    a = small(**params).fit(words, shouted, sample_weight=weight)
    # Both learn all the tokens there are.
    b = small(**params)
    b.set_params(
        source_vectorizer=SequenceVectorizer(vocabulary=sorted("abcde")),
        target_vectorizer=SequenceVectorizer(vocabulary=sorted("ABCDE")),
    ).fit([words[i] for i in repeated], [shouted[i] for i in repeated])
    losses = [model.history_[:, "train_loss"] for model in (a, b)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert a.history_[0]["train_positions"] == b.history_[0]["train_positions"]


@pytest.mark.parametrize("batch_size", [1, 16, 64])
def test_weights_count_between_batches_of_other_lengths(batch_size):
    # Batches hold pairs of one length, and so here of one weight each.
    X, y = ["a"] * 64, ["x"] * 32 + ["yy"] * 32
    weight = np.repeat([30.0, 1.0], 32)
    model = small(batch_size=batch_size, max_epochs=60, dropout=0.0, label_smoothing=0)
    model.set_params(learning_rate=0.01).fit(X, y, sample_weight=weight)
    chances = np.exp(model.log_likelihood(["a", "a"], ["x", "yy"]))
    assert chances[0] > 0.9
    assert chances[1] < 0.08


def test_zero_weight_is_leaving_out(words, shouted):
    weight = np.ones(len(words))
    weight[[3, 10, 40]] = 0
    keep = np.flatnonzero(weight)
    vectorizers = {
        "source_vectorizer": SequenceVectorizer(vocabulary=sorted("abcde")),
        "target_vectorizer": SequenceVectorizer(vocabulary=sorted("ABCDE")),
    }
    a, b = (small(early_stopping=True, **vectorizers) for _ in range(2))
    a.fit(words, shouted, sample_weight=weight)
    b.fit([words[i] for i in keep], [shouted[i] for i in keep])
    assert equal_weights(a, b)


def test_vocabularies_do_not_depend_on_weights(words, shouted):
    X, y = [*words, "z"], [*shouted, "Z"]
    weight = np.append(np.ones(len(words)), 0)
    model = small(max_epochs=1).fit(X, y, sample_weight=weight)
    assert "z" in model.source_vectorizer_.vocabulary_
    assert "Z" in model.target_vectorizer_.vocabulary_


def test_weights_count_in_validation(words, shouted):
    weight = np.ones(len(words))
    weight[::2] = 3
    params = {"early_stopping": True, "validation_fraction": 0.5, "max_epochs": 20}
    model = small(**params).fit(words, shouted, sample_weight=weight)
    shares = np.array(model.history_[:, "valid_exact_match"])
    held = 30
    # Only weights of 1 and 3 make shares that are no multiples of 1/30.
    assert not np.allclose(shares * held, np.round(shares * held))


@pytest.mark.parametrize("weight", [np.zeros(60), -np.ones(60), np.ones(3)])
def test_bad_weights_are_refused(words, shouted, weight):
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        small().fit(words, shouted, sample_weight=weight)


def test_weights_and_groups_are_routed(words, shouted):
    model = small(early_stopping=True, max_epochs=2)
    weight = np.ones(len(words))
    weight[0] = 0
    groups = np.arange(len(words)) % 12
    with config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=True, groups=True)
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        pipe = make_pipeline(SequenceVectorizer(), model)
        search = GridSearchCV(
            pipe,
            {"seq2seqtransformer__learning_rate": [0.01, 0.02]},
            scoring=scorer,
            cv=GroupKFold(2),
        )
        search.fit(words, shouted, sample_weight=weight, groups=groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    refit = clone(search.best_estimator_[-1])
    tokens = search.best_estimator_[0].transform(words)
    refit.fit(tokens, shouted, sample_weight=weight, groups=groups)
    assert equal_weights(refit, search.best_estimator_[-1])


def test_search_fits_as_a_direct_fit_does(words, shouted):
    grid = {"early_stopping": [True], "scoring": ["exact_match"]}
    train, test = np.arange(45), np.arange(45, 60)
    search = GridSearchCV(small(), grid, cv=[(train, test)]).fit(words, shouted)
    direct = small(early_stopping=True, scoring="exact_match")
    direct.fit(words[:45], shouted[:45])
    score = direct.score(words[45:], shouted[45:])
    assert search.cv_results_["split0_test_score"][0] == score


# Going on ---------------------------------------------------------------------------


def test_warm_start_trains_so_many_epochs_more(words, shouted):
    record = Record()
    model = small(warm_start=True, callbacks=[record]).fit(words, shouted)
    first = model.net_
    model.set_params(learning_rate=0.005, max_epochs=3).fit(words, shouted)
    assert model.n_iter_ == len(model.history_) == 8
    assert record.events == list(range(1, 9))
    assert record.rates == [0.02] * 20 + [0.005] * 12
    assert len(first.history) == 5


@pytest.mark.parametrize("optimizer", ["nadam", "rmsprop", torch.optim.Rprop])
def test_another_optimizer_may_go_on(words, shouted, optimizer):
    model = small(weight_decay=0.01).fit(words, shouted)
    model.set_params(optimizer=optimizer).partial_fit(words, shouted)
    assert model.n_iter_ == 10


def test_teacher_forcing_begins_anew_with_each_call(words, shouted):
    class Rates(Callback):
        seen = []  # noqa: RUF012

        def on_epoch_end(self, net, **kwargs):
            self.seen.append(round(net.module_.teacher_forcing, 3))

    params = {"teacher_forcing": (1.0, 0.4), "callbacks": [Rates()], "max_epochs": 3}
    small(warm_start=True, **params).fit(words, shouted).fit(words, shouted)
    assert Rates.seen == [1.0, 0.7, 0.4] * 2


def test_encoder_loss_needs_a_network_that_was_made_for_it(words, shouted):
    model = small().fit(words, shouted)
    before = model.history_
    with pytest.raises(ValueError, match=r"encoder_loss_weight=0.5 needs a network"):
        model.set_params(encoder_loss_weight=0.5).partial_fit(words, shouted)
    assert model.history_ is before


def test_device_of_going_on_must_be_there(words, shouted):
    model = small().fit(words, shouted).set_params(device="nonsense")
    with pytest.raises(ValueError, match="device='nonsense' is not a device"):
        model.partial_fit(words, shouted)


@pytest.mark.parametrize("scale", [1.0, 1 / 60, 1e-4])
def test_small_weights_start_from_the_same_frequencies(words, shouted, scale):
    biases = []
    for weight in (None, np.full(len(words), scale)):
        model = small(max_epochs=1, learning_rate=1e-9)
        model.fit(words, shouted, sample_weight=weight)
        biases.append(model.net_.module_.decoder.output.bias)
    assert torch.allclose(*biases, atol=1e-5)


class NoGradient(torch.autograd.Function):
    """Runs forward only, as a kernel may that a processor has for inference alone."""

    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        raise RuntimeError("could not create a primitive descriptor\nand more")


def lacking(cell, *, when, backward=False):
    """A layer's `forward` that lacks its kernel in half precision."""
    forward = cell.forward

    def fails(layer, x, *args):
        packed = isinstance(x, PackedSequence)
        if not (torch.is_autocast_enabled("cpu") and when(packed, layer)):
            return forward(layer, x, *args)
        if not backward:
            raise RuntimeError("could not create a primitive descriptor\nand more")
        out, last = forward(layer, x, *args)
        return NoGradient.apply(out), last

    return fails


LACKS = {
    "every call": {"when": lambda packed, layer: True},
    "with gradients": {"when": lambda packed, layer: torch.is_grad_enabled()},
    "backward": {"when": lambda packed, layer: not packed, "backward": True},
    "rows of unlike length": {"when": lambda packed, layer: packed},
    "rows of one length": {"when": lambda packed, layer: not packed},
    "one size": {"when": lambda packed, layer: layer.input_size == 12},
}


@pytest.mark.parametrize("kind", LACKS)
def test_training_falls_back_where_a_kernel_is_lacking(
    words, shouted, monkeypatch, kind
):
    """Whatever the processor has: the same weights as in float32, and a warning."""
    params = {"bidirectional": False, "num_layers": 2, "embedding_size": 8}
    params |= {"device": "cpu", "max_epochs": 2, "dropout": 0.1}
    whole = small(**params).fit(words, shouted)
    forward = lacking(torch.nn.LSTM, **LACKS[kind])
    monkeypatch.setattr(torch.nn.LSTM, "forward", forward)
    model = small(**params, precision="float16")
    with pytest.warns(UserWarning, match="in float16 .*; training is in float32"):
        model.fit(words, shouted)
    assert equal_weights(whole, model)


def test_only_the_cell_that_lacks_a_precision_falls_back(words, shouted, monkeypatch):
    """The steps of input feeding are no call of the decoder's layer."""
    forward = lacking(torch.nn.RNN, **LACKS["every call"])
    monkeypatch.setattr(torch.nn.RNN, "forward", forward)
    params = {"device": "cpu", "max_epochs": 1, "precision": "bfloat16", "cell": "gru"}
    with pytest.warns(UserWarning, match="primitive descriptor.*in float32"):
        small(decoder_cell="rnn", **params).fit(words, shouted)
    for decoder in ({"decoder_cell": "rnn", "input_feeding": True}, {}):
        model = small(**decoder, **params).fit(words, shouted)
        assert model.net_.precision == "bfloat16"


def test_trying_a_precision_moves_nothing(words, shouted):
    params = {"cell": "gru", "device": "cpu", "copy": True, "encoder_loss_weight": 0.5}
    net = small(max_epochs=1, dropout=0.2, **params).fit(words, shouted).net_
    net.precision = "bfloat16"
    before = [p.clone() for p in net.module_.parameters()]
    assert precision_failure(net) is None
    after = list(net.module_.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.grad is None for p in after)


def test_two_halves_are_a_whole(words, shouted):
    whole = small(max_epochs=6).fit(words, shouted)
    model = small(max_epochs=3, warm_start=True).fit(words, shouted)
    model.fit(words, shouted)
    # Optimiser state kept, each epoch's order and dropout its own.
    assert equal_weights(whole, model)
    model = small(max_epochs=3).partial_fit(words, shouted)
    assert equal_weights(whole, model.partial_fit(words, shouted))


def test_changed_settings_of_training_apply(words, shouted):
    model = small(warm_start=True).fit(words, shouted)
    changes = {
        "batch_size": 60,
        "label_smoothing": 0.3,
        "dropout": 0.5,
        "optimizer": "sgd",
        "weight_decay": 0.1,
        "max_epochs": 1,
    }
    model.set_params(**changes).fit(words, shouted)
    net = model.net_
    assert net.history[-1]["train_batch_count"] == 1
    assert net.criterion_.label_smoothing == 0.3
    assert isinstance(net.optimizer_, torch.optim.SGD)
    assert net.optimizer_.param_groups[0]["weight_decay"] == 0.1
    assert {m.p for m in net.module_.modules() if hasattr(m, "p")} == {0.5}


def test_new_tokens_are_counted_in_one_warning(words, shouted):
    model = small().partial_fit(words[:30], shouted[:30])
    with pytest.warns(UserWarning, match=r"\b3\b.*unknown|unknown.*\b3\b") as caught:
        model.partial_fit(["axbz", "ax"], ["AB", "A"])
    assert len(caught) == 1
    assert model.n_iter_ == 10


def test_early_stopping_remembers_the_best_score(words, shouted):
    params = {"early_stopping": True, "max_epochs": 12, "warm_start": True}
    model = small(**params, n_iter_no_change=50).fit(words, shouted)
    memory, before = model.net_.memory_, weights(model)
    # Far too large steps make nothing better.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(learning_rate=10.0).fit(words, shouted)
    assert model.n_iter_ == 24
    assert model.net_.memory_ == memory
    pairs = zip(before, weights(model), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    # Other validation data have another best.
    model.set_params(learning_rate=0.001, max_epochs=1)
    model.fit(words, shouted, validation_data=(words[:7], shouted[:7]))
    assert model.net_.memory_["epoch"] == 25


# Divergence and memory --------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("rate", [1e6, 1e38])
def test_divergence_is_named(words, shouted, optimizer, rate):
    model = small(learning_rate=rate, optimizer=optimizer)
    message = rf"loss became .* in batch \d of epoch 1, at .* rate {rate:.0e}".replace(
        "+", r"\+"
    )
    with pytest.raises(DivergenceError, match=message):
        model.fit(words, shouted)
    assert not hasattr(model, "net_")


def test_divergence_in_the_last_step_is_found(words, shouted):
    model = small(
        learning_rate=1e39, optimizer="sgd", gradient_clip=None, batch_size=60,
        max_epochs=1,
    )  # fmt: skip
    with pytest.raises(DivergenceError, match="weights are no longer finite"):
        model.fit(words, shouted)


def test_divergence_leaves_the_best_weights(words, shouted):
    class Ruin(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 8:
                net.optimizer_.param_groups[0]["lr"] = 1e39

    model = small(early_stopping=True, max_epochs=20, callbacks=[Ruin()])
    with pytest.warns(UserWarning, match=r"diverged.*of epoch 8.*those of epoch \d"):
        model.fit(words, shouted)
    assert model.n_iter_ == 7
    assert np.isfinite(model.log_likelihood(words, shouted)).all()
    # Nor does the optimiser remember what ruined them.
    before = weights(model)
    model.set_params(callbacks=None).partial_fit(words, shouted)
    assert np.isfinite(model.history_[-1]["train_loss"])
    assert not all(torch.equal(*x) for x in zip(before, weights(model), strict=True))


def test_many_guesses_of_the_encoder_are_no_divergence(words, shouted):
    """A loss of ln 2 for each of 20,000 tokens is where training begins."""
    letters = [chr(ord("A") + k) for k in range(20_000)]
    model = small(
        target_vectorizer=SequenceVectorizer(vocabulary=letters),
        encoder_loss_weight=0.9, max_epochs=1,
    )  # fmt: skip
    model.fit(words, shouted)
    assert model.history_[0]["train_loss"] > 1e4


def test_gradients_out_of_range_in_every_batch_are_named(words, shouted, monkeypatch):
    monkeypatch.setitem(LOSS_SCALE, "float32", 2.0**140)
    with pytest.raises(DivergenceError, match=r"range of float32 in every batch"):
        small().fit(words, shouted)


def test_divergence_of_a_second_fit_leaves_the_first(words, shouted):
    model = small(warm_start=True).fit(words, shouted)
    before = weights(model)
    model.set_params(learning_rate=1e39, optimizer="sgd")
    with pytest.raises(DivergenceError):
        model.fit(words, shouted)
    pairs = zip(before, weights(model), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert model.n_iter_ == 5


@pytest.mark.filterwarnings("ignore:This device .* training is in float32")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("cell", "params"),
    [
        ("lstm", {}),
        ("gru", {}),
        ("gru", {"bidirectional": False, "input_feeding": True}),
        ("gru", {"bidirectional": False, "teacher_forcing": 0.9, "num_layers": 2}),
    ],
)
def test_lower_precision_trains_and_predicts(words, shouted, cell, params, precision):
    model = small(cell=cell, precision=precision, max_epochs=15, early_stopping=True)
    model.set_params(**params).fit(words, shouted)
    losses = model.history_[:, "train_loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0] - 0.3
    assert all(x.dtype == torch.float32 for x in weights(model))
    assert len(model.predict(words)) == len(words)


@pytest.mark.filterwarnings("ignore:This device .* training is in float32")
def test_validation_is_in_full_precision(words, shouted):
    valid = words[:20], shouted[:20]
    model = small(cell="gru", precision="bfloat16", max_epochs=1)
    model.fit(words, shouted, validation_data=valid)
    n_positions = sum(len(y) + 1 for y in valid[1])
    loss = -model.log_likelihood(*valid).sum() / n_positions
    assert model.history_[0]["valid_loss"] == pytest.approx(loss, rel=1e-6)


@contextmanager
def broken_off():
    """As if Ctrl-C had come while an autocast ended."""
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        torch.autocast_decrement_nesting()
        torch.clear_autocast_cache()


@pytest.mark.filterwarnings("ignore:This device .* training is in float32")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("around", [partial(torch.autocast, "cpu"), broken_off])
def test_autocast_of_others_changes_nothing(words, shouted, precision, around):
    """An outer one would keep copies of the first step's weights."""
    alone, within = (
        small(precision=precision, max_epochs=3, attention="hard") for _ in range(2)
    )
    valid = words[:20], shouted[:20]
    alone.fit(words, shouted, validation_data=valid)
    with around():
        within.fit(words, shouted, validation_data=valid)
    for name in ("train_loss", "valid_loss"):
        assert within.history_[:, name] == alone.history_[:, name]
    pairs = zip(weights(alone), weights(within), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e3, float("inf"), float("nan")])
def test_gradients_are_clipped_as_torch_does(size):
    """Bit for bit; weights without a gradient are passed over."""
    generator = torch.Generator().manual_seed(0)
    sides = []
    for _ in range(2):
        layer = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
        layer[1].bias.requires_grad_(False)
        sides.append(layer)
    for own, other in zip(*(side.parameters() for side in sides), strict=True):
        if own.requires_grad:
            own.grad = size * torch.randn(own.shape, generator=generator)
            other.grad = own.grad.clone()
    clip = ClipGradients(2.5)
    clip.on_train_begin(SimpleNamespace(module_=sides[0]))
    clip.on_grad_computed(None, training=True)
    torch.nn.utils.clip_grad_norm_(sides[1].parameters(), 2.5)
    for own, other in zip(*(side.parameters() for side in sides), strict=True):
        if own.requires_grad:
            assert torch.equal(own.grad.nan_to_num(7.0), other.grad.nan_to_num(7.0))
            assert own.grad.isnan().equal(other.grad.isnan())


def test_validation_after_a_call_without_it_begins_anew(words, shouted):
    """Weights that moved meanwhile have not the score that was the best."""
    valid = {"validation_data": (words, shouted)}
    model = small(warm_start=True, max_epochs=20).fit(words, shouted, **valid)
    best = model.net_.memory_["score"]
    model.set_params(optimizer="sgd", learning_rate=3.0, max_epochs=2)
    model.set_params(gradient_clip=None).fit(words, shouted)
    assert model.net_.memory_ is None
    model.set_params(optimizer="adam", learning_rate=0.001).fit(words, shouted, **valid)
    assert model.net_.memory_["score"] < best
    assert model.net_.memory_["epoch"] in (23, 24)


def test_validation_data_are_named_in_errors(words, shouted):
    with pytest.raises(ValueError, match=r"In validation_data: Row 1 of X is missing"):
        small().fit(words, shouted, validation_data=(["ab", None], ["AB", "B"]))


def test_scores_do_not_take_the_names_of_other_figures(words, shouted):
    scoring = {"loss": make_scorer(accuracy_score)}
    with pytest.raises(ValueError, match="scoring cannot name a score 'loss'"):
        small(scoring=scoring, early_stopping=True).fit(words, shouted)


def test_new_ids_are_counted_and_wide_targets_refused():
    X, y = np.array([[1, 2, 3], [3, 2, 0]]), np.array([2, 3])
    model = small().fit(X, y)
    with pytest.warns(UserWarning, match="not in the vocabulary") as caught:
        model.partial_fit(X + 50, y + 90)
    messages = [str(w.message) for w in caught]
    assert any("6 token(s) in X are not in the vocabulary" in m for m in messages)
    assert any("2 token(s) in y are not in the vocabulary" in m for m in messages)
    with pytest.raises(ValueError, match=r"Row 0 of y has 2 tokens, more than the 1"):
        model.partial_fit(X, [[2, 3], [3, 2]])


class SeesSteps(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


@pytest.mark.parametrize(
    ("callback", "looks"),
    [
        (SeesSteps(), True),
        (EpochScoring("accuracy", on_train=True), True),
        (Callback(), False),
        (EpochTimer(), False),
        (LRScheduler(), False),
        (TimeLimit(1.0), False),
        (BestModel("valid_loss", "", None, 0.0), False),
    ],
)
def test_only_callbacks_of_a_user_want_to_see_steps(callback, looks):
    assert looks_at_steps(callback) is looks


@pytest.mark.parametrize("schedule", ["plateau", ReduceLROnPlateau])
def test_plateau_keeps_the_rate_while_the_score_gets_better(schedule, words, shouted):
    rising = count()
    params = {"max_epochs": 25, "early_stopping": True, "lr_schedule": schedule}
    model = small(scoring=lambda *_: next(rising), **params).fit(words, shouted)
    assert model.net_.optimizer_.param_groups[0]["lr"] == model.learning_rate


def test_an_equal_score_is_no_improvement(words, shouted):
    params = {"early_stopping": True, "n_iter_no_change": 2, "max_epochs": 9}
    model = small(scoring=lambda *_: 0.5, tol=0.0, **params).fit(words, shouted)
    assert model.n_iter_ == 3


def test_another_scoring_of_one_name_has_no_best_score_yet(words, shouted):
    def always(value):
        return lambda *_: value

    params = {"early_stopping": True, "max_epochs": 2, "warm_start": True}
    model = small(scoring=always(1.0), **params).fit(words, shouted)
    before = weights(model)
    model.set_params(scoring=always(-1.0)).fit(words, shouted)
    assert any((a != b).any() for a, b in zip(before, weights(model), strict=True))


@pytest.mark.parametrize("groups", ["a" * 60, [("a", 1)] * 60])
def test_groups_of_no_one_value_a_row_are_refused(groups, words, shouted):
    with pytest.raises(ValueError, match="one value for each row"):
        small(early_stopping=True).fit(words, shouted, groups=groups)
