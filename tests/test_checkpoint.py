"""Training that survives what happens to machines."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import Mock

import joblib
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, make_scorer
from skorch.callbacks import Callback, EarlyStopping, LRScheduler

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._fitting import draw_seed
from sklearn_seq2seq._training._checkpoint import Checkpoint
from sklearn_seq2seq._training._fingerprint import digest

# Models that have hardly learned anything do not know when to end.
pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")

SMALL = {
    "hidden_size": 12,
    "embedding_size": 6,
    "batch_size": 16,
    "max_epochs": 6,
    "learning_rate": 0.02,
    "random_state": 0,
}


class Interrupt(Callback):
    """Does what Ctrl-C does, in the middle of an epoch."""

    def __init__(self, epoch, batch=1):
        self.epoch = epoch
        self.batch = batch

    def on_batch_end(self, net, training=False, **kwargs):
        here = len(net.history), net.sums_ and net.sums_["batches"]
        if training and here == (self.epoch, self.batch):
            signal.raise_signal(signal.SIGINT)


class Steps(Callback):
    """Counts the steps of each epoch, in a list."""

    def __init__(self, counts):
        self.counts = counts

    def on_epoch_begin(self, net, **kwargs):
        self.counts.append(0)

    def on_batch_end(self, net, training=False, **kwargs):
        self.counts[-1] += training


@pytest.fixture(scope="module", autouse=True)
def _warm():
    """The first fit of a process takes seconds to import what torch needs."""
    small(max_epochs=1).fit(["a", "b"])


def small(**params):
    return Seq2SeqTransformer(**{**SMALL, **params})


def weights(model):
    return [x.clone() for x in model.net_.module_.state_dict().values()]


def same(model, other):
    """Whether weights and history are equal to the last bit."""
    records = [
        [{k: v for k, v in row.items() if k != "dur"} for row in m.history_]
        for m in (model, other)
    ]
    pairs = zip(weights(model), weights(other), strict=True)
    return records[0] == records[1] and all(torch.equal(a, b) for a, b in pairs)


def interrupted(model, words, shouted, epoch=3, batch=1):
    model.set_params(callbacks=[Interrupt(epoch, batch)])
    with pytest.warns(UserWarning, match=f"interrupted in epoch {epoch}"):
        model.fit(words, shouted)
    return model.set_params(callbacks=None)


@pytest.mark.slow
def test_killed_fits_end_as_unbroken_ones(tmp_path):
    script = Path(__file__).with_name("killed_fits.py")
    command = [sys.executable, script, tmp_path, "0", "4"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(
        command, capture_output=True, check=True, text=True, env=environment
    ).stdout
    *log, last = output.splitlines()
    print(*log, sep="\n")
    results = json.loads(last)
    kills = sum(result["kills"] for result in results.values())
    in_writes = sum(result["in writes"] for result in results.values())
    print(f"{kills} kills, {in_writes} of them in a write")
    assert kills == 24
    assert in_writes >= 3
    assert results["after every step"]["resumed within epochs"] >= 2
    for result in results.values():
        assert result["resumed"] == result["expected"]


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "scoring": "accuracy"},
        {"early_stopping": True, "lr_schedule": "plateau", "optimizer": "nadam"},
        {"lr_schedule": torch.optim.lr_scheduler.LinearLR, "dropout": 0.5},
        {"random_state": None, "early_stopping": True},
        {"attention": "hard", "copy": True, "unknown_dropout": (0.2, 0.3)},
    ],
)
def test_interrupted_fit_goes_on_to_the_same_end(words, shouted, tmp_path, params):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, **params)
    interrupted(model, words, shouted)
    model.fit(words, shouted)
    seed = torch.load(path, weights_only=True)["seed"]
    unbroken = small(**params)
    if params.get("random_state", 0) is None:
        # Drawn in the first of the two calls and kept by the file.
        assert model.net_.seed == seed
        return
    assert same(model, unbroken.fit(words, shouted))


def test_state_is_of_the_last_whole_epoch(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    interrupted(small(checkpoint=path), words, shouted, epoch=5)
    state = torch.load(path, weights_only=True)
    assert not state["finished"]
    assert len(json.loads(state["history"])) == 4
    assert os.listdir(tmp_path) == ["state.pt"]


def test_checkpoint_interval_counts_epochs(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    interrupted(small(checkpoint=path, checkpoint_interval=2), words, shouted, epoch=4)
    assert len(json.loads(torch.load(path, weights_only=True)["history"])) == 2


@pytest.mark.parametrize("batch", [2, 3, 4])
@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.5, "teacher_forcing": 0.7, "unknown_dropout": 0.1},
        {"early_stopping": True, "batch_size": 8, "gradient_accumulation_steps": 2},
    ],
)
def test_checkpoint_minutes_keep_a_part_of_an_epoch(
    words, shouted, tmp_path, params, batch
):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, checkpoint_minutes=1e-9, **params)
    interrupted(model, words, shouted, epoch=3, batch=batch)
    state = torch.load(path, weights_only=True)
    assert len(json.loads(state["history"])) == 2
    # The step in which the interrupt came is not in it.
    assert state["sums"]["batches"] == batch - 1
    counts = []
    model.set_params(callbacks=[Steps(counts)]).fit(words, shouted)
    assert counts == [4 - (batch - 1), 4, 4, 4]
    assert same(model, small(**params).fit(words, shouted))


def test_checkpoint_minutes_count_from_the_last_writing(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, checkpoint_minutes=10, checkpoint_interval=1000)
    interrupted(model, words, shouted)
    assert not path.exists()


def test_stop_is_kept(words, shouted, tmp_path):
    class Broken(Callback):
        def on_train_end(self, net, **kwargs):
            raise KeyboardInterrupt

    # Nothing improves by so much: the first epoch but one is the last.
    params = {"early_stopping": True, "n_iter_no_change": 1, "tol": 100.0}
    model = small(checkpoint=tmp_path, **params)
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callbacks=[Broken()]).fit(words, shouted)
    model.set_params(callbacks=None).fit(words, shouted)
    unbroken = small(**params).fit(words, shouted)
    assert unbroken.n_iter_ == 2
    assert same(model, unbroken)


def test_finished_fit_is_not_trained_again(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, early_stopping=True).fit(words, shouted)
    written = path.stat().st_mtime_ns
    # A callback of the second call would interrupt it in its first epoch.
    again = small(checkpoint=path, early_stopping=True, callbacks=[Interrupt(1)])
    again.fit(words, shouted)
    assert same(model, again)
    assert path.stat().st_mtime_ns == written
    np.testing.assert_array_equal(model.predict(words), again.predict(words))


def test_finished_fit_can_be_trained_further(words, shouted, tmp_path):
    model = small(checkpoint=tmp_path, warm_start=True)
    for _ in range(2):
        model.fit(words, shouted)
    # A folder has a file for each of the two, found again by the same calls.
    assert len(os.listdir(tmp_path)) == 2
    again = small(checkpoint=tmp_path, warm_start=True, callbacks=[Interrupt(1)])
    for _ in range(2):
        again.fit(words, shouted)
    assert again.n_iter_ == 12
    assert same(model, again)


def test_partial_fit_is_kept_too(words, shouted, tmp_path):
    def train(model):
        model.partial_fit(words[:30], shouted[:30])
        return model.partial_fit(words[30:], shouted[30:])

    model = train(small(checkpoint=tmp_path))
    assert len(os.listdir(tmp_path)) == 2
    assert same(model, train(small()))
    again = train(small(checkpoint=tmp_path, callbacks=[Interrupt(1)]))
    assert same(model, again)


@pytest.mark.parametrize("size", [0, 1, 100, 0.5, 0.99])
def test_truncated_file_is_named_and_left(words, shouted, tmp_path, size):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, max_epochs=1).fit(words, shouted)
    whole = path.read_bytes()
    broken = whole[: int(size * len(whole)) if 0 < size < 1 else size]
    path.write_bytes(broken)
    with pytest.raises(ValueError, match=r"state\.pt.*not a whole checkpoint"):
        model.fit(words, shouted)
    assert path.read_bytes() == broken


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x80\x02."])
def test_other_file_is_named_and_left(words, shouted, tmp_path, content):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"data\.csv.*not a whole checkpoint"):
        small(checkpoint=path).fit(words, shouted)
    assert path.read_bytes() == content


def test_pickle_is_not_executed(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    torch.save({"format": os.getcwd, "history": "[]"}, path)
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        small(checkpoint=path).fit(words, shouted)


def foreign_parameter(model, X, y):
    return model.set_params(learning_rate=0.01), X, y, "parameter learning_rate"


def foreign_scoring(model, X, y):
    scoring = make_scorer(lambda y, p: np.mean([len(x) for x in p]))
    return model.set_params(scoring=scoring), X, y, "parameter scoring"


def foreign_rows(model, X, y):
    return model, X[1:], y[1:], "rows"


def foreign_order(model, X, y):
    return model, X[::-1], y[::-1], "rows"


def foreign_alphabet(model, X, y):
    # The ids are the same; only what they stand for is not.
    return model, [x.replace("a", "A") for x in X], y, "tokens"


@pytest.mark.parametrize(
    "change",
    [
        foreign_parameter,
        foreign_scoring,
        foreign_rows,
        foreign_order,
        foreign_alphabet,
    ],
)
def test_foreign_checkpoint_is_named_and_left(words, shouted, tmp_path, change):
    path = tmp_path / "state.pt"
    scoring = make_scorer(lambda y, p: np.mean([any(x) for x in p]))
    model = small(checkpoint=path, max_epochs=1, scoring=scoring).fit(words, shouted)
    content = path.read_bytes()
    model, X, y, name = change(model, words, shouted)
    with pytest.raises(ValueError, match=rf"state\.pt.*another fit.*{name}"):
        model.fit(X, y)
    assert path.read_bytes() == content


def test_foreign_weights_groups_and_validation_data(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, max_epochs=1, early_stopping=True)
    model.fit(words, shouted)
    for extra in (
        {"sample_weight": np.full(len(words), 2.0)},
        {"groups": np.arange(len(words)) // 2},
        {"validation_data": (words[:5], shouted[:5])},
    ):
        with pytest.raises(ValueError, match="another fit"):
            model.fit(words, shouted, **extra)


def test_a_random_state_is_known_by_what_it_draws(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    states = {seed: np.random.RandomState(seed) for seed in (0, 1)}
    model = small(checkpoint=path, random_state=states[0])
    interrupted(model, words, shouted)
    for other in (states[0], states[1]):  # moved on by the first fit, or another one
        model.set_params(random_state=other)
        with pytest.raises(ValueError, match="parameter random_state"):
            model.fit(words, shouted)
    model.set_params(random_state=np.random.RandomState(0)).fit(words, shouted)
    whole = small(random_state=np.random.RandomState(0)).fit(words, shouted)
    assert same(model, whole)


def test_verbosity_and_callbacks_are_not_of_the_fit(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    model = interrupted(small(checkpoint=str(path)), words, shouted)
    model.set_params(callbacks=[Interrupt(99)], checkpoint_interval=2).fit(
        words, shouted
    )
    assert same(model, small().fit(words, shouted))


def test_missing_folder_is_named_before_training(words, shouted, tmp_path):
    path = tmp_path / "nowhere" / "state.pt"
    with pytest.raises(ValueError, match=r"nowhere.*does not exist"):
        small(checkpoint=path, callbacks=[Interrupt(1)]).fit(words, shouted)


def test_nothing_is_written_unless_asked(words, shouted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    small(early_stopping=True).fit(words, shouted).predict(words)
    assert os.listdir(tmp_path) == []


def test_interrupt_keeps_the_best_weights(words, shouted):
    # A schedule's length would be a difference between the two fits.
    params = {
        "early_stopping": True,
        "learning_rate": 0.1,
        "lr_schedule": "constant",
        "max_epochs": 30,
    }
    losses = small(**params).fit(words, shouted).history_[:, "valid_loss"]
    # Right after the first epoch that was worse than one before.
    last = next(n for n in range(2, 30) if losses[n - 1] > min(losses[: n - 1]))
    model = interrupted(small(**params), words, shouted, epoch=last + 1)
    assert model.n_iter_ == last
    n_best = int(np.argmin(model.history_[:, "valid_loss"])) + 1
    assert n_best < last
    best = small(**{**params, "max_epochs": n_best}).fit(words, shouted)
    pairs = zip(weights(model), weights(best), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_interrupt_in_the_first_epoch_leaves_a_usable_model(words, shouted):
    model = interrupted(small(), words, shouted, epoch=1)
    assert model.n_iter_ == 0
    assert len(model.predict(words)) == len(words)


def test_interrupt_from_outside(words, shouted):
    model = small(max_epochs=100_000, early_stopping=True, n_iter_no_change=100_000)
    threading.Timer(1.0, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.warns(UserWarning, match="those of epoch .*, the best"):
        model.fit(words, shouted)
    assert 0 < model.n_iter_ < 100_000
    assert len(model.predict(words)) == len(words)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_max_time_ends_on_time(words, shouted, early_stopping):
    model = small(
        max_epochs=100_000,
        max_time=0.7,
        early_stopping=early_stopping,
        n_iter_no_change=100_000,
    )
    start = time.monotonic()
    model.fit(words, shouted)
    assert 0.5 < time.monotonic() - start < 2.5
    assert 0 < model.n_iter_ < 100_000
    if early_stopping:
        assert model.net_.memory_["score"] == -min(model.history_[:, "valid_loss"])


def test_max_time_counts_what_was_before_the_break(words, shouted, tmp_path):
    class Late(Callback):
        def on_train_begin(self, net, **kwargs):
            self.end_ = time.monotonic() + 1.0

        def on_epoch_begin(self, net, **kwargs):
            if time.monotonic() > self.end_:
                raise KeyboardInterrupt

    model = small(checkpoint=tmp_path, max_epochs=100_000, max_time=1.5)
    with pytest.warns(UserWarning, match="interrupted"):
        model.set_params(callbacks=[Late()]).fit(words, shouted)
    start = time.monotonic()
    model.set_params(callbacks=None).fit(words, shouted)
    assert 0.1 < time.monotonic() - start < 1.2


NUMPY = [
    {"learning_rate": np.float64(0.01)},
    {"weight_decay": np.float32(0.1)},
    {"max_epochs": np.int64(4)},
    {"lr_schedule": "plateau", "n_iter_no_change": np.int64(9)},
    {"lr_schedule": LRScheduler()},
]


@pytest.mark.parametrize("params", NUMPY, ids=" ".join)
def test_numbers_of_numpy_can_be_kept(words, shouted, tmp_path, params):
    """Searches draw parameters as such."""
    params = {**params, "checkpoint": tmp_path / "state.pt"}
    whole = small(**{**params, "checkpoint": None}).fit(words, shouted)
    broken = small(**params, callbacks=[Interrupt(3)])
    with pytest.warns(UserWarning, match="interrupted in epoch 3"):
        broken.fit(words, shouted)
    assert same(small(**params).fit(words, shouted), whole)


def test_a_state_that_could_not_be_read_ends_the_fit_at_once(words, shouted, tmp_path):
    class Odd(torch.optim.lr_scheduler.LambdaLR):
        def state_dict(self):
            return {"odd": Path("not a plain value")}

    schedule = partial(Odd, lr_lambda=lambda step: 1.0)
    model = small(checkpoint=tmp_path / "state.pt", lr_schedule=schedule)
    with pytest.raises(ValueError, match="checkpoint cannot keep the state"):
        model.fit(words, shouted)
    assert not list(tmp_path.iterdir())


def test_a_fit_that_found_nothing_better_is_not_taken_for_the_next(
    words, shouted, tmp_path
):
    """It ends with the weights that it began with."""
    counts = []
    for folder in (None, tmp_path):
        model = small(warm_start=True, checkpoint=folder, max_epochs=2)
        valid = {"validation_data": (words, shouted)}
        model.fit(words, shouted, **valid)
        model.set_params(optimizer="sgd", learning_rate=3.0, gradient_clip=None)
        counts.append([])
        for _ in range(2):
            model.fit(words, shouted, **valid)
            counts[-1].append(model.n_iter_)
    assert counts[0] == counts[1] == [4, 6]


def test_a_callback_that_stops_early_has_finished_the_fit(words, shouted, tmp_path):
    params = {
        "checkpoint": tmp_path / "state.pt",
        "callbacks": [EarlyStopping("train_loss", patience=2, threshold=9.0)],
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*interrupted")
        first = small(**params).fit(words, shouted)
        again = small(**params).fit(words, shouted)
    assert first.n_iter_ < 6
    assert same(first, again)
    assert again.n_iter_ == first.n_iter_


def test_callbacks_may_have_any_name(words, shouted, tmp_path):
    for name in ("best", "schedule", "decoded", "clip", "progress", "checkpoint"):
        model = small(
            callbacks=[(name, Steps([])), Steps([]), Steps([])],
            checkpoint=tmp_path / f"{name}.pt",
            early_stopping=True,
            scoring="accuracy",
            verbose=1,
        )
        assert model.fit(words, shouted).n_iter_ == 6


def test_digest_knows_sets_and_functions_by_what_they_hold():
    def add(n):
        return lambda x: x + n

    assert digest(frozenset("abc")) == digest({"c", "b", "a"})
    assert digest(add(1)) == digest(add(1))
    assert digest(add(1)) != digest(add(2))


def test_digest_of_plain_values_is_that_of_joblib():
    """So that files written by earlier versions go on."""
    for value in (
        {"a": [1, 2.5, None, "x", (True,)], "b": np.arange(5)},
        torch.optim.Adam,
        accuracy_score,
        make_scorer(accuracy_score),
        SequenceVectorizer(lowercase=True),
        {"b", "a"},
    ):
        assert digest(value) == joblib.hash(value)


LIKE_SCRIPTS = """
from sklearn.metrics import accuracy_score, f1_score
LEAST = {least}

def called(y, p):
    return {called}(y, p)

def calls(y, p):
    return called(y, p) > LEAST

class Scorer:
    def __init__(self):
        self.function = lambda y, p: {called}(y, p)

    def __call__(self, model, X, y):
        return called(y, model.predict(X))

class Heir(Scorer):
    pass

class Locked(Heir):
    def __init__(self, lock):
        super().__init__()
        self.lock, self.least = lock, {least}

def refers_to_itself(n):
    return n and refers_to_itself(n - {least})
"""


def script(**parts):
    """What a script defines: names of a module that nobody can import."""
    names = {"__name__": "__main__"}
    exec(
        LIKE_SCRIPTS.format(**{"called": "accuracy_score", "least": 0.5} | parts), names
    )
    return names


KINDS = {
    "function": lambda own: own["called"],
    "lambda": lambda own: own["Scorer"]().function,
    "function that calls": lambda own: own["calls"],
    "scorer of a function": lambda own: make_scorer(own["calls"]),
    "partial": lambda own: partial(own["called"], 1),
    "list of functions": lambda own: [own["calls"], own["calls"]],
    "object": lambda own: own["Scorer"](),
    "object of a subclass": lambda own: own["Heir"](),
    "method": lambda own: own["Scorer"]().__call__,
    "object with a lock": lambda own: own["Locked"](threading.Lock()),
    "class": lambda own: own["Scorer"],
    "inside an estimator": lambda own: SequenceVectorizer(analyzer=own["calls"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_digest_knows_code_by_what_it_calls(kind):
    """What differs only in the function called, or in a constant, is another."""
    make = KINDS[kind]
    assert digest(make(script())) == digest(make(script()))
    assert digest(make(script())) != digest(make(script(called="f1_score")))


@pytest.mark.parametrize("name", ["calls", "Locked", "refers_to_itself"])
def test_digest_knows_constants_and_comes_to_an_end(name):
    assert digest(script()[name]) == digest(script()[name])
    assert digest(script()[name]) != digest(script(least=0.25)[name])


def test_digest_is_the_same_in_every_process():
    """Python's own hashes of strings are not."""
    code = (
        "from functools import partial\n"
        "from sklearn_seq2seq._training._fingerprint import digest\n"
        "def f(x): return x in {'a', 'b', 'c'}\n"
        "print(digest([{'a', ('b', 1)}, partial(f, frozenset('abc')), lambda: f,\n"
        "    frozenset({'x', 1, None})]))\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in "123"
    }
    assert len(found) == 1


# Files -------------------------------------------------------------------------------

RACE = """
import json, sys, time, warnings
from pathlib import Path
from sklearn_seq2seq import Seq2SeqTransformer
from skorch.callbacks import Callback

folder, own, seed = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])

class Wait(Callback):
    def on_train_begin(self, net, **kwargs):
        (folder / f"ready{own}").touch()
        while len(list(folder.glob("ready*"))) < 2:
            time.sleep(0.001)

words = ["ab", "ba", "abb", "bab"] * 4
model = Seq2SeqTransformer(
    hidden_size=4, max_epochs=40, random_state=seed, checkpoint=folder / "state.pt",
    callbacks=[Wait()],
)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    try:
        model.fit(words, words)
        end = "whole"
    except Exception as error:
        end = f"{type(error).__name__}: {error}"
print(json.dumps([end, [str(w.message) for w in caught]]))
"""


def race(folder, *seeds):
    """How each of several processes ends that train with one file at the same time."""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, folder, str(k), str(seed)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for k, seed in enumerate(seeds)
    ]
    return [json.loads(child.communicate()[0]) for child in children]


def test_the_loser_of_a_race_is_told_and_the_file_is_the_winner_s(tmp_path):
    ends = race(tmp_path, 0, 1)
    winner = [end for end, _ in ends].index("whole")
    assert re.match(
        "ValueError: Another fit has written.*state.pt", ends[1 - winner][0]
    )
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert state["finished"]
    assert state["seed"] == draw_seed(winner)
    assert sorted(os.listdir(tmp_path)) == ["ready0", "ready1", "state.pt"]


def test_the_same_fit_twice_at_a_time_ends_twice(tmp_path):
    ends = race(tmp_path, 0, 0)
    assert [end for end, _ in ends] == ["whole", "whole"]
    assert any("same fit is running elsewhere" in str(told) for _, told in ends)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["finished"]
    assert sorted(os.listdir(tmp_path)) == ["ready0", "ready1", "state.pt"]


class Meanwhile(Callback):
    """Does something at the beginning of the second epoch."""

    def __init__(self, function):
        self.function = function

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            self.function()


@pytest.mark.parametrize("content", [b"", b"something else", None])
def test_what_another_puts_there_meanwhile_is_left(words, shouted, tmp_path, content):
    path = tmp_path / "state.pt"
    if content is None:
        other = tmp_path / "other.pt"
        small(checkpoint=other, max_epochs=1).fit(words, shouted)
        content = other.read_bytes()
        other.unlink()
    model = small(max_epochs=1).fit(words, shouted)
    before = weights(model)
    model.set_params(checkpoint=path, max_epochs=3)
    model.set_params(callbacks=[Meanwhile(lambda: path.write_bytes(content))])
    with pytest.raises(ValueError, match=r"Another fit has written to .*state\.pt"):
        model.fit(words, shouted)
    assert path.read_bytes() == content
    assert all(map(torch.equal, before, weights(model)))
    assert os.listdir(tmp_path) == ["state.pt"]


def test_a_file_that_is_deleted_meanwhile_is_written_again(words, shouted, tmp_path):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, callbacks=[Meanwhile(path.unlink)])
    model.fit(words, shouted)
    assert torch.load(path, weights_only=True)["finished"]


@contextmanager
def room_for(n_bytes):
    """As on a full disk: no file can become larger."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("n_bytes", [0, 1000])
def test_a_full_disk_is_named_and_nothing_is_lost(words, shouted, tmp_path, n_bytes):
    path = tmp_path / "state.pt"
    model = small(max_epochs=1).fit(words, shouted)
    before = weights(model)
    model.set_params(max_epochs=6, checkpoint=path)
    with (
        room_for(n_bytes),
        pytest.raises(OSError, match=r"large.*state\.pt'") as caught,
    ):
        model.fit(words, shouted)
    assert caught.value.filename == str(path)
    assert os.listdir(tmp_path) == []
    assert all(map(torch.equal, before, weights(model)))
    # In the middle of a training the file before remains, and is gone on from.
    interrupted(model, words, shouted)
    content = path.read_bytes()
    with room_for(n_bytes), pytest.raises(OSError, match=r"state\.pt'"):
        model.fit(words, shouted)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["state.pt"]
    counts = []
    model.set_params(callbacks=[Steps(counts)]).fit(words, shouted)
    assert len(counts) == 4
    assert same(model, small().fit(words, shouted))


def test_a_link_is_followed_and_modes_are_kept(words, shouted, tmp_path):
    path, link = tmp_path / "real" / "state.pt", tmp_path / "link.pt"
    path.parent.mkdir()
    link.symlink_to(path)
    model = small(checkpoint=link)
    interrupted(model, words, shouted)
    path.chmod(0o600)
    model.fit(words, shouted)
    assert link.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["state.pt"]
    link.unlink()
    link.symlink_to(tmp_path / "nowhere" / "state.pt")
    with pytest.raises(ValueError, match=r"folder of checkpoint.*does not exist"):
        model.fit(words, shouted)


@pytest.mark.parametrize("kind", ["pipe", "device", "loop"])
def test_what_is_no_file_is_refused_at_once(words, shouted, tmp_path, kind):
    path = tmp_path / "state.pt"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to(path)
    with pytest.raises((ValueError, OSError), match=path.name):
        small(checkpoint=path, callbacks=[Interrupt(1)]).fit(words, shouted)
    assert not path.is_file()


@pytest.mark.parametrize("name", ["", "nowhere/"])
def test_a_folder_that_is_not_there_becomes_no_file(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match="The folder of checkpoint"):
        Checkpoint(name, {})
    assert not list(tmp_path.iterdir())


# Hostile and broken files ------------------------------------------------------------


def reading(path):
    return torch.load(path, weights_only=True)


def other_form(value):
    """Values of other kinds, shapes and dtypes in a value's place."""
    yield from (None, True, -1, 10**30, 0.5, float("nan"), "x", [], {}, (1, 2), b"x")
    if isinstance(value, torch.Tensor):
        yield from (value[None], value.double(), value.long(), value.to("meta"))
        yield from (torch.zeros(3), torch.zeros(()), torch.zeros(0), value.to_sparse())
        yield torch.zeros(1).expand(10**6, 10**6)
    elif isinstance(value, dict):
        yield dict(list(value.items())[1:])
        yield value | {1: 2, ("a",): torch.zeros(1)}
    elif isinstance(value, list):
        yield value[:-1]
        yield value + value


def places(node, way=()):
    yield way
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from places(value, (*way, key))


def replaced(node, way, value):
    if not way:
        return value
    new = dict(node) if isinstance(node, dict) else list(node)
    new[way[0]] = replaced(node[way[0]], way[1:], value)
    return new


ONE_CYCLE = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.1, total_steps=100)


@pytest.fixture(scope="module")
def states(tmp_path_factory):
    """Parameters, data, and what a broken-off and a whole fit of them left."""
    X = ["ab", "ba", "abb", "bab"] * 4
    found = {}
    for name, params in {
        "fused adam": {"early_stopping": True, "checkpoint_minutes": 1e-9},
        "plateau, sgd": {"optimizer": "sgd", "lr_schedule": "plateau"},
        "schedule of torch": {"lr_schedule": ONE_CYCLE, "optimizer": "nadam"},
    }.items():
        params = {**params, "hidden_size": 4, "embedding_size": 3, "batch_size": 4}
        path = tmp_path_factory.mktemp("state") / "state.pt"
        for callbacks in ([Interrupt(3, 2)], None):
            model = small(**params, checkpoint=path, callbacks=callbacks)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(X, X)
            found[name, callbacks is None] = params, X, reading(path)
    return found


@pytest.mark.parametrize("finished", [False, True])
@pytest.mark.parametrize("name", ["fused adam", "plateau, sgd", "schedule of torch"])
def test_states_of_other_forms_are_refused(states, name, finished, tmp_path):
    """Or gone on from, where they are of the same form; never a crash."""
    params, X, state = states[name, finished]
    path = tmp_path / "state.pt"
    rng = np.random.default_rng(finished)
    everywhere = [way for way in places(state) if way]
    optimizer = [way for way in everywhere if way[0] == "optimizer"]
    n_refused = 0
    for round_ in range(60):
        ways = optimizer if round_ % 2 else everywhere
        way = ways[rng.integers(len(ways))]
        value = state
        for key in way:
            value = value[key]
        others = list(other_form(value))
        other = others[rng.integers(len(others))]
        torch.save(replaced(state, way, other), path)
        content = path.read_bytes()
        said = value_error_of(small(**params, checkpoint=path), X)
        if said is not None and "diverged" not in said:
            assert str(path) in said
            assert path.read_bytes() == content
            n_refused += 1
    assert n_refused > 20


def value_error_of(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(X, X)
        except ValueError as error:
            return str(error)
    return None


def test_optimiser_states_of_other_shapes_are_refused(states, tmp_path):
    """Fused Adam would read and write beyond them."""
    params, X, state = states["fused adam", False]
    path = tmp_path / "state.pt"
    for entry in ("exp_avg", "exp_avg_sq", "step"):
        for number, own in list(state["optimizer"]["state"].items())[::6]:
            way = ("optimizer", "state", number, entry)
            for other in (torch.zeros(1), own[entry][None], own[entry].double(), None):
                torch.save(replaced(state, way, other), path)
                with pytest.raises(ValueError, match=r"state\.pt.*cannot be used"):
                    small(**params, checkpoint=path).fit(X, X)


def test_lack_of_memory_is_no_broken_file(words, shouted, tmp_path, monkeypatch):
    path = tmp_path / "state.pt"
    model = small(checkpoint=path, max_epochs=1).fit(words, shouted)
    for error in (
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: not enough memory"),
    ):
        monkeypatch.setattr(torch, "load", Mock(side_effect=error))
        with pytest.raises(MemoryError, match=r"state\.pt"):
            model.fit(words, shouted)
