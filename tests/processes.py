"""Processes of a distributed fit, and what they do; for test_distributed."""

import io
import multiprocessing
import os
import pickle
import time
from contextlib import redirect_stderr, redirect_stdout, suppress
from datetime import timedelta

import torch
from sklearn.model_selection import GridSearchCV
from skorch.callbacks import Callback
from torch import distributed

from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer

# One process imports everything; those of the tests are forks of it.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


def start(function, folder, *args, n=2, patience=60):
    """Start processes of one group, each of which calls ``function(*args)``.

    A process waits `patience` seconds for another.
    """
    processes = []
    for rank in range(n):
        arguments = function, args, folder, rank, n, patience
        processes.append(CONTEXT.Process(target=_in_group, args=arguments))
        processes[-1].start()
    return processes


def results(processes, folder, seconds=120):
    """What each process returned, or raised; None of one that was killed."""
    end = time.monotonic() + seconds
    for process in processes:
        process.join(max(0, end - time.monotonic()))
    late = [process for process in processes if process.is_alive()]
    for process in late:
        process.kill()
    assert not late, f"{len(late)} processes hang"
    found = []
    for process in processes:
        path = folder / f"{process.pid}.pickle"
        found.append(pickle.loads(path.read_bytes()) if path.exists() else None)
    return found


def together(function, folder, *args, **options):
    """`start`, and then `results`; what a process raised is raised."""
    found = results(start(function, folder, *args, **options), folder)
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


def _in_group(function, args, folder, rank, n, patience):
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo",
        init_method=(folder / "group").as_uri(),
        rank=rank,
        world_size=n,
        timeout=timedelta(seconds=patience),
    )
    try:
        result = function(*args)
    except Exception as error:
        result = error
    (folder / f"{os.getpid()}.pickle").write_bytes(pickle.dumps(result))
    with suppress(RuntimeError):  # of a group of which one was killed
        distributed.destroy_process_group()


def fit(X, y, params, **options):
    """Fit a distributed model; return the model."""
    return Seq2SeqTransformer(device="distributed", **params).fit(X, y, **options)


class SignalAt(Callback):
    """Sends one process of the group a signal, in the middle of an epoch."""

    def __init__(self, number, rank=1, epoch=3, batch=2):
        self.number = number
        self.rank = rank
        self.place = epoch, batch

    def on_batch_end(self, net, training=False, **kwargs):
        place = len(net.history), net.sums_ and net.sums_["batches"]
        if training and (distributed.get_rank(), *place) == (self.rank, *self.place):
            os.kill(os.getpid(), self.number)


class RaiseAt(Callback):
    """Raises an error in one process of the group."""

    def __init__(self, place, rank):
        self.place = place
        self.rank = rank

    def on_batch_end(self, net, training=False, **kwargs):
        self._raise("step" if training else "validation")

    def on_train_end(self, net, **kwargs):
        self._raise("end")

    def _raise(self, place):
        if (place, distributed.get_rank()) == (self.place, self.rank):
            raise OSError("no space left")


class StopAt(Callback):
    """Asks for the end of training, in process 1 alone."""

    def on_epoch_end(self, net, **kwargs):
        if distributed.get_rank() == 1 and len(net.history) == 2:
            net.stop_training = True


def fit_and_stay(X, y, params, seconds):
    """Return the error of `fit`; where a callback raised it, some seconds later."""
    try:
        fit(X, y, params)
    except OSError as error:
        time.sleep(seconds)
        return error


def fit_own(X, y, params, own):
    """Fit with parameters of each process's own, by rank."""
    return fit(X, y, params | own[distributed.get_rank()])


def fit_twice(X, y, params):
    """`partial_fit` on two halves, and another `fit` that goes on from there."""
    model = Seq2SeqTransformer(device="distributed", warm_start=True, **params)
    for half in (slice(None, None, 2), slice(1, None, 2)):
        model.partial_fit(X[half], y[half])
    return model.fit(X, y)


def fit_rows(X, y, params):
    """Fit without the first row in process 1."""
    rows = slice(distributed.get_rank(), None)
    return fit(X[rows], y[rows], params)


def fit_loudly(X, y, params, own):
    """Return what `fit_own` prints."""
    printed = io.StringIO()
    with redirect_stderr(printed), redirect_stdout(printed):
        fit_own(X, y, params, own)
    return printed.getvalue()


def fit_many(X, y, params, device="distributed"):
    """What the members of an ensemble, and of a search, predict."""
    model = Seq2SeqTransformer(device=device, **params)
    grid = {"learning_rate": [0.01, 0.02]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise")
    ensemble = Seq2SeqEnsemble(model, n_estimators=2, random_state=0)
    return [list(fitted.fit(X, y).predict(X)) for fitted in (search, ensemble)]
