"""Whatever is passed for a parameter is taken, or refused by its name."""

import warnings
from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import OneCycleLR, StepLR

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._decoding._decode import DecodingParameters

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
X = ["ab", "ba", "abb", "bab", "c"] * 2
Y = [word.upper() for word in X]
MODEL = Seq2SeqTransformer(
    hidden_size=4, embedding_size=4, max_epochs=1, max_length=5, random_state=0
)
WRONG = [
    object(), "x", "", b"x", -1, 0, 1.5, float("nan"), float("inf"), [], [None], (),
    (1, 2, 3), {}, {"a": object()}, True, np.array([1, 2]), np.array("a"), StepLR, int,
    1j, np.datetime64("2020"), range(3), slice(3),
]  # fmt: skip
# `abstain` may be anything, `verbose` prints, and these names are files.
ANYTHING = {"abstain", "verbose", "checkpoint"}


def check(name, call):
    try:
        call()
    except (ValueError, TypeError) as error:
        assert name in str(error)  # noqa: PT017 (most values are taken by some)


@pytest.mark.parametrize("name", sorted(MODEL.get_params(deep=False).keys() - ANYTHING))
def test_parameter_of_a_wrong_kind_is_named(name):
    for value in WRONG:
        model = clone(MODEL).set_params(**{name: value})
        check(name.removesuffix("_vectorizer"), lambda model=model: model.fit(X, Y))


@pytest.mark.parametrize(
    "name", sorted(SequenceVectorizer().get_params().keys() - {"analyzer"})
)
def test_vectorizer_s_parameter_of_a_wrong_kind_is_named(name):
    for value in [*WRONG[:-8], 2**63]:
        model = SequenceVectorizer(**{name: value})
        check(name, lambda model=model: model.fit(X))


@pytest.mark.parametrize("name", ["sample_weight", "groups", "validation_data"])
def test_argument_of_fit_of_a_wrong_kind_is_named(name):
    for value in [*WRONG, "ab"]:
        check(name, lambda value=value: clone(MODEL).fit(X, Y, **{name: value}))


def test_arguments_of_other_methods_are_named():
    model = clone(MODEL).fit(X, Y)
    for value in WRONG:
        check("sample_weight", lambda value=value: model.score(X, Y, value))
        for name in ("n_samples", "temperature", "top_k", "top_p"):
            option = {name: value}
            check(name, lambda option=option: model.sample(X, **option))


def test_numbers_without_an_end_are_none_of_ours():
    model = clone(MODEL).fit(X, Y)
    for large in (2**63, 2**70):
        model.set_params(max_length=large)
        params = DecodingParameters.of(model)
        limits = params.limits(model._fitted_model(), [np.array([1, 5])])
        assert limits.tolist() == [2**31] * 2


class Kill(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            raise OSError


@pytest.mark.parametrize("as_callback", [False, True])
def test_one_cycle_goes_on_where_it_was(as_callback, tmp_path):
    cycle = {"max_lr": 0.01, "total_steps": 100}
    schedule = partial(OneCycleLR, **cycle)
    if as_callback:
        schedule = LRScheduler(OneCycleLR, step_every="batch", **cycle)
    model = clone(MODEL).set_params(lr_schedule=schedule, max_epochs=4, batch_size=5)
    whole = clone(model).fit(X, Y)
    model.set_params(checkpoint=str(tmp_path / "state"))
    with pytest.raises(OSError):  # noqa: PT011 (it has no message)
        clone(model).set_params(callbacks=[Kill()]).fit(X, Y)
    model.fit(X, Y)
    assert model.history_[:, "train_loss"] == whole.history_[:, "train_loss"]
    assert whole.set_params(warm_start=True).fit(X, Y).n_iter_ == 8


def test_columns_of_arrow_are_columns():
    arrow = pytest.importorskip("pyarrow")
    sources, targets = arrow.table({"a": X}), arrow.table({"b": Y})
    model = clone(MODEL).fit(sources, targets)
    assert model.predict(sources).tolist() == clone(MODEL).fit(X, Y).predict(X).tolist()
    with pytest.raises(ValueError, match=r"shape \(10, 2\)") as caught:
        model.predict(arrow.table({"a": X, "b": Y}))
    assert "abb" not in str(caught.value)


@pytest.mark.parametrize("kind", [">i2", ">i4", ">i8", ">u4", ">f4", ">f8"])
def test_big_endian_ids_are_ids(kind):
    ids = np.array([[2, 3], [3, 0], [4, 2]] * 4)
    model = clone(MODEL).fit(ids.astype(kind), ids.astype(kind))
    assert (model.predict(ids) == clone(MODEL).fit(ids, ids).predict(ids)).all()
    assert (model.predict(ids.astype(kind)) == model.predict(ids)).all()


def test_banned_token_that_cannot_be_predicted_is_said():
    model = clone(MODEL).set_params(banned_tokens=["Z", "A", "Ä"]).fit(X, Y)
    with pytest.warns(UserWarning, match="2 of banned_tokens .* 'Z', 'Ä'.* spelling"):
        model.predict(["a"])
    copying = clone(model).set_params(copy=True).fit(X, Y)
    model.set_params(banned_tokens=["A"])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*banned_tokens")
        model.predict(["a"])
        copying.predict(["a"])
