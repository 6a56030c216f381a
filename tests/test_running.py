"""Fits among other fits: repeatable, quiet, small, watched, searched, moved about."""

import copy
import io
import os
import pickle
import random
import resource
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EpochScoring, PrintLog, TensorBoard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
SMALL = {
    "hidden_size": 12,
    "embedding_size": 6,
    "batch_size": 16,
    "max_epochs": 4,
    "learning_rate": 0.02,
    "random_state": 0,
}


def small(**params):
    return Seq2SeqTransformer(**{**SMALL, **params})


def same_weights(model, other):
    states = (m.net_.module_.state_dict().values() for m in (model, other))
    return all(torch.equal(a, b) for a, b in zip(*states, strict=True))


# Determinism ------------------------------------------------------------------------


def test_global_random_state_is_untouched(words, shouted):
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()  # noqa: NPY002
    model = small(early_stopping=True, scoring="accuracy", dropout=0.5)
    model.set_params(teacher_forcing=0.5, unknown_dropout=0.2, random_state=None)
    model.fit(words, shouted).predict(words)
    assert torch.equal(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    assert random.getstate() == before[2]


def test_same_weights_whatever_ran_before(words, shouted):
    first = small(dropout=0.3).fit(words, shouted)
    small(cell="gru", random_state=5).fit(shouted, words).predict(shouted)
    torch.rand(7)
    assert same_weights(first, small(dropout=0.3).fit(words, shouted))


def test_same_weights_in_concurrent_threads(words, shouted):
    seeds = [0, 1, 0, 1]

    def fit(seed):
        return small(dropout=0.3, random_state=seed).fit(words, shouted)

    alone = [fit(seed) for seed in (0, 1)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(fit, seeds))
    for seed, model in zip(seeds, together, strict=True):
        assert same_weights(model, alone[seed])
    assert not same_weights(*alone)


@pytest.mark.slow
def test_same_scores_whatever_n_jobs(words, shouted):
    grid = {"learning_rate": [0.01, 0.03]}
    results = [
        GridSearchCV(small(), grid, cv=2, n_jobs=n_jobs, scoring="accuracy").fit(
            words, shouted
        )
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in results]
    np.testing.assert_array_equal(*scores)
    assert same_weights(*(search.best_estimator_ for search in results))


# Searching --------------------------------------------------------------------------


def test_halving_search_with_epochs_as_resource(words, shouted):
    search = HalvingGridSearchCV(
        small(early_stopping=True),
        {"learning_rate": [0.001, 0.01, 0.03, 0.1]},
        resource="max_epochs",
        min_resources=1,
        max_resources=4,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(words, shouted)
    assert search.n_resources_ == [1, 2, 4]
    assert search.best_estimator_.n_iter_ <= 4
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


# Pickles ----------------------------------------------------------------------------


def test_pickle_predicts_and_warns_of_nothing(words, shouted):
    model = small(early_stopping=True).fit(words, shouted)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = pickle.loads(pickle.dumps(model))
        file = io.BytesIO()
        joblib.dump(model, file)
        file.seek(0)
        third = joblib.load(file)
    np.testing.assert_array_equal(twin.transform(words), model.transform(words))
    np.testing.assert_array_equal(third.transform(words), model.transform(words))
    assert twin.history_ == model.history_


@pytest.mark.parametrize("hidden_size", [8, 256])
def test_pickle_is_as_small_as_its_weights(hidden_size):
    rng = np.random.default_rng(0)
    words = ["".join(row) for row in rng.choice(list("abcdefgh"), (4000, 10))]
    model = small(hidden_size=hidden_size, early_stopping=True, max_epochs=1)
    model.set_params(max_time=1.0).fit(words)
    n_bytes = sum(4 * x.numel() for x in model.net_.module_.parameters())
    assert len(pickle.dumps(model)) <= n_bytes + 50_000


def test_training_goes_on_after_unpickling(words, shouted):
    model = pickle.loads(pickle.dumps(small().fit(words, shouted)))
    assert not hasattr(model.net_, "optimizer_")
    model.partial_fit(words, shouted)
    assert model.n_iter_ == 8
    losses = model.history_[:, "train_loss"]
    assert losses[-1] < losses[3]


def test_a_copy_keeps_the_optimiser(words, shouted):
    model = small().fit(words, shouted)
    twin = copy.deepcopy(model).partial_fit(words, shouted)
    assert same_weights(twin, model.partial_fit(words, shouted))


def test_search_with_callbacks_can_be_copied_and_pickled(words, shouted):
    model = small(callbacks=[PrintLog(sink=io.StringIO().write)], max_epochs=1)
    model.set_params(callbacks=[EpochScoring("r2")]).set_params(callbacks=[Quiet()])
    search = GridSearchCV(model, {"hidden_size": [4, 8]}, cv=2).fit(words, shouted)
    for twin in (copy.deepcopy(search), pickle.loads(pickle.dumps(search))):
        np.testing.assert_array_equal(twin.predict(words), search.predict(words))


def test_device_auto_is_one_that_is_there(words, shouted):
    model = small(max_epochs=1).fit(words, shouted)
    expected = "cpu"
    if torch.cuda.is_available():
        expected = "cuda"
    elif torch.backends.mps.is_available():
        expected = "mps"
    assert next(model.net_.module_.parameters()).device.type == expected
    assert small(device="cpu", max_epochs=1).fit(words).net_.device == "cpu"


# Memory -----------------------------------------------------------------------------


def resident():
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow(words, shouted):
    sizes = []
    for _ in range(30):
        model = small(hidden_size=64, early_stopping=True, max_epochs=1)
        model.fit(words, shouted).predict(words)
        sizes.append(resident())
    grown = (max(sizes[3:]) - sizes[2]) / 1e6
    print(f"grown by {grown:.1f} MB after the third cycle")
    assert grown < 20


def test_no_data_are_held(words, shouted):
    model = small(early_stopping=True, scoring="accuracy").fit(words, shouted)
    blob = pickle.dumps(model)
    assert not any(word.encode() in blob for word in words if len(word) > 4)
    assert model.net_.train_split is None


LIMITED = """
import resource, sys, warnings
from sklearn_seq2seq import Seq2SeqTransformer
model = Seq2SeqTransformer(hidden_size=64, batch_size=256, max_tokens=10**7)
model.set_params(max_epochs=1).fit(["ab"] * 4)
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2 * 10**8, size + 2 * 10**8))
try:
    model.fit(["ab" * 500] * 256)
except MemoryError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's address space limit")
def test_out_of_memory_names_the_parameters():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        [sys.executable, "-c", LIMITED],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    ).stdout
    assert "batch_size (now 256)" in output
    assert "max_tokens (now 10000000)" in output


# Watching ---------------------------------------------------------------------------


class Quiet(Callback):
    pass


class Marks(Callback):
    def __init__(self, seen):
        self.seen = seen

    def on_epoch_end(self, net, **kwargs):
        self.last_ = net.history[-1, "train_loss"]
        self.seen.append(self.last_)


def test_silent_by_default(words, shouted, capfd):
    model = small(early_stopping=True, lr_schedule="plateau")
    model.fit(words, shouted).predict(words)
    assert capfd.readouterr() == ("", "")


def test_progress_bar_shows_how_it_goes(words, shouted, capfd):
    small(verbose=1, early_stopping=True).fit(words, shouted)
    out, err = capfd.readouterr()
    assert out == ""
    for part in ("epoch 4/4", "loss=", "valid_loss=", "tokens/s=", "16/16"):
        assert part in err


def test_callbacks_are_used_and_left_as_they_were(words, shouted):
    marks = Marks([])
    model = small(callbacks=[("marks", marks), Quiet()]).fit(words, shouted)
    assert marks.seen == model.history_[:, "train_loss"]
    assert not hasattr(marks, "last_")
    assert model.callbacks[0][1] is marks
    assert [name for name, _ in model.net_.callbacks_] == ["epoch_timer"]


def test_skorch_print_log(words, shouted, capsys):
    lines = []
    small(callbacks=[PrintLog(sink=lines.append)]).fit(words, shouted)
    assert "train_loss" in lines[0]
    assert len(lines) == 2 + SMALL["max_epochs"]
    assert capsys.readouterr().out == ""
    small(callbacks=[PrintLog()], verbose=1).fit(words, shouted)
    assert "train_loss" in capsys.readouterr().out


def test_skorch_tensorboard_writes_every_epoch(words, shouted, tmp_path):
    with SummaryWriter(tmp_path) as writer:
        callbacks = [TensorBoard(writer, close_after_train=False)]
        model = small(callbacks=callbacks, early_stopping=True).fit(words, shouted)
        model.set_params(random_state=1, max_epochs=2)
        first = model.history_
        model.fit(words, shouted)
    events = EventAccumulator(str(tmp_path)).Reload()
    for key in ("train_loss", "valid_loss"):
        written = [event.value for event in events.Scalars(f"Loss/{key}")]
        assert len(written) == SMALL["max_epochs"] + 2
        assert written[: SMALL["max_epochs"]] == pytest.approx(first[:, key])


def test_history_as_csv(words, shouted, tmp_path):
    model = small(early_stopping=True).fit(words, shouted)
    path = tmp_path / "history.csv"
    pd.DataFrame(model.history_).to_csv(path, index=False)
    table = pd.read_csv(path)
    for key in ("epoch", "train_loss", "valid_loss", "valid_exact_match", "dur"):
        assert table[key].tolist() == pytest.approx(model.history_[:, key])


def test_callback_may_end_training(words, shouted):
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = len(net.history) == 2

    assert small(callbacks=[Enough()]).fit(words, shouted).n_iter_ == 2


sklearn_callbacks = pytest.mark.skipif(
    not hasattr(sklearn.base.BaseEstimator, "_none_")
    and tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 9),
    reason="scikit-learn's callbacks came with 1.9",
)


@sklearn_callbacks
def test_scoring_monitor_sees_every_epoch(words, shouted):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    model = small().set_callbacks(monitor).fit(words, shouted)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(rows) == 4
    assert rows[-1]["accuracy"] == model.score(words, shouted)
    first = small(max_epochs=1, lr_schedule="constant").fit(words, shouted)
    again = small(lr_schedule="constant").set_callbacks(monitor).fit(words, shouted)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert rows[0]["accuracy"] == first.score(words, shouted)
    # Scoring after each epoch leaves training as it is.
    assert same_weights(again, small(lr_schedule="constant").fit(words, shouted))


@sklearn_callbacks
def test_scoring_monitor_through_pipeline_and_search(words, shouted):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring="accuracy")
    model = small(max_epochs=2).set_callbacks(monitor)
    pipe = make_pipeline(SequenceVectorizer(), model)
    GridSearchCV(pipe, {"seq2seqtransformer__hidden_size": [4, 8]}, cv=2).fit(
        words, shouted
    )
    logs = monitor.get_logs(select="all")
    rows = [row for log in logs for row in log.data if row["task_name"] == "epoch"]
    assert len(rows) == 2 * (2 * 2 + 1)


@sklearn_callbacks
def test_progress_bar_of_scikit_learn(words, shouted, capsys):
    from sklearn.callback import ProgressBar

    search = GridSearchCV(small(max_epochs=2), {"hidden_size": [4, 8]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(words, shouted)
    assert "Seq2SeqTransformer" in capsys.readouterr().out


@sklearn_callbacks
def test_a_callback_of_scikit_learn_may_end_training(words, shouted):
    class Stop:
        def setup(self, estimator, context):
            self.events = []

        def teardown(self, estimator, context):
            self.events.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            self.events.append(("begin", context.task_name))

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.events.append(("end", context.task_name))
            if context.task_name == "epoch":
                assert len(fitted_estimator.predict(words)) == len(words)
            return fitted_estimator is not None

    stop = Stop()
    model = small().set_callbacks(stop).fit(words, shouted)
    assert model.n_iter_ == 1
    assert stop.events == [
        ("begin", "fit"),
        ("begin", "epoch"),
        ("end", "epoch"),
        ("end", "fit"),
        "teardown",
    ]
    with pytest.raises(ValueError, match="None"):
        clone(model).set_callbacks(stop).fit(["a", None], ["A", "B"])
    assert stop.events[-1] == "teardown"


def test_fit_leaves_torchs_compiler_alone():
    # Its import takes a second or more, of which a small fit has no need.
    script = (
        "import sys; from sklearn_seq2seq import Seq2SeqTransformer as Model\n"
        "for attention in ('additive', 'general', 'hard', None):\n"
        "    Model(attention=attention, max_epochs=1).fit(list('abab'), list('ABAB'))\n"
        "assert not {'torch._dynamo', 'sympy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
