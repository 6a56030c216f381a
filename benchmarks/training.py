"""Training beside a bare torch loop: speed, what surrounds a step, padding."""

import json
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import wraps
from inspect import isfunction
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from skorch.callbacks import Callback

from benchmarks._data import languages, sentences, words
from benchmarks._measure import Row, by_turns, median_ratio
from benchmarks.bare_loop import AS_PARAMETERS, BareLoop, BarePairs
from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._losses import SequenceLoss
from sklearn_seq2seq._pairs._batches import TrainingBatches
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._parameters import BATCH_SIZE
from sklearn_seq2seq._training._optimizers import uncompiled


class EpochClock(Callback):
    """Writes the seconds of each epoch to a list."""

    def __init__(self, clock, seconds):
        self.clock = clock
        self.seconds = seconds

    def on_epoch_begin(self, net, **kwargs):
        """Start."""
        self.start_ = self.clock()

    def on_epoch_end(self, net, **kwargs):
        """Stop."""
        self.seconds.append(self.clock() - self.start_)


class OurLoop:
    """The estimator, called for the seconds of one more epoch."""

    def __init__(self, pairs, clock, **params):
        self.pairs = pairs
        self.seconds = []
        self.model = Seq2SeqTransformer(
            source_vectorizer=pairs.source,
            target_vectorizer=pairs.target,
            **AS_PARAMETERS | {"device": "cpu"} | params,
            max_epochs=1,
            callbacks=[EpochClock(clock, self.seconds)],
            random_state=0,
        )

    def __call__(self):
        """Train an epoch."""
        self.model.partial_fit(self.pairs.X, self.pairs.y)
        return self.seconds[-1]


class Between(Callback):
    """Calls a function after each epoch; lists what it returns."""

    def __init__(self, function, found):
        self.function = function
        self.found = found

    def on_epoch_end(self, net, **kwargs):
        """Call."""
        self.found.append(self.function())


def in_one_fit(ours, other, n_epochs):
    """Let epochs of one fit of ours and calls of the other side take turns.

    Returns
    -------
    list of two list of float
        The seconds of each, without the first two, in which a GPU is warmed up and
        steps are recorded.
    """
    found = []
    clock = [*ours.model.callbacks, Between(other, found)]
    ours.model.set_params(max_epochs=n_epochs + 2, callbacks=clock)
    ours()
    return [ours.seconds[2:], found[2:]]


class TheirLoop:
    """The bare loop, called for the seconds of one more epoch."""

    def __init__(
        self, pairs, clock, cell, stepped, *, device="cpu", precision="float32"
    ):
        torch.manual_seed(0)
        sides = pairs.ids()
        sizes = [side.vocabulary_size_ for side in (pairs.source, pairs.target)]
        self.clock = clock
        network = BareLoop(*sizes, cell=cell, stepped=stepped, precision=precision)
        self.network = network.to(device)
        self.pairs = BarePairs(*sides, device=device)
        parameters = self.network.parameters()
        rate = AS_PARAMETERS["learning_rate"]
        self.optimizer = torch.optim.Adam(parameters, lr=rate, fused=True)

    def __call__(self):
        """Train an epoch."""
        start = self.clock()
        self.network.train_epoch(self.pairs, self.optimizer)
        return self.clock() - start


class LoopFromFile:
    """A training script of its own, called for the seconds of one of its epochs.

    It takes ``--train --dev --test --epochs --decoder``, reads lines of a word, a tab
    and its phones, and prints one JSON line with the median ``epoch_s``. Its words are
    the sources of `pairs` and its phones the letters of their targets.
    """

    def __init__(self, path, pairs, stepped):
        self.path = path.resolve()
        self.stepped = stepped
        self.lines = [
            f"{x}\t{' '.join(y)}\n" for x, y in zip(pairs.X, pairs.y, strict=True)
        ]

    def __call__(self):
        """Run the script."""
        with TemporaryDirectory() as folder:
            train, test = Path(folder, "train.tsv"), Path(folder, "test.tsv")
            train.write_text("".join(self.lines), encoding="utf8")
            test.write_text("".join(self.lines[:8]), encoding="utf8")
            command = [sys.executable, self.path, "--train", train, "--dev", test]
            command += ["--test", test, "--epochs", 3, "--repeats", 1]
            command += ["--decoder", "stepped" if self.stepped else "whole"]
            run = subprocess.run(
                list(map(str, command)),
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                cwd=self.path.parent,
            )
        seconds = json.loads(run.stdout)["epoch_s"]
        return seconds["median"] if isinstance(seconds, dict) else seconds


def measure_training(settings):
    """Target tokens a second over the bare loop's, in each of eight cells."""
    more = 1 if settings.device == "cpu" else 4
    kinds = {
        "words": words(settings).some(settings.pick(1920 * more, 192)),
        "sentences": sentences(settings).some(settings.pick(640 * more, 64)),
    }
    rounds = settings.rounds or settings.pick(5, 1)
    for kind, pairs in kinds.items():
        n_tokens = sum(len(row) + 1 for row in pairs.ids()[1])
        for precision, cell, stepped in product(
            settings.precisions, ("lstm", "gru"), (False, True)
        ):
            place = {"device": settings.device, "precision": precision}
            params = {"cell": cell, "input_feeding": stepped}
            ours = OurLoop(pairs, settings.clock, **params, **place)
            theirs = TheirLoop(pairs, settings.clock, cell, stepped, **place)
            where = settings.where(precision)
            decoder = "context fed back" if stepped else "whole sequence"
            matches = {"bare loop": (ours, theirs)}
            if settings.loop is not None and cell == "lstm":
                spelled = pairs.spelled()
                matches[settings.loop.name] = (
                    OurLoop(spelled, settings.clock, **params),
                    LoopFromFile(settings.loop, spelled, stepped),
                )
            for name, sides in matches.items():
                if settings.device == "cpu":
                    by_turns(sides, 1)  # what is first done once
                    own, other = by_turns(sides, rounds)
                else:
                    own, other = in_one_fit(*sides, rounds)
                yield Row(
                    "training",
                    f"{kind}, {cell}, {decoder}{where}, over {name}",
                    median_ratio(other, own),
                    (0.95, None),
                    n_tokens / statistics.median(own),
                    n_tokens / statistics.median(other),
                    "target tokens/s",
                    {"seconds": [own, other]},
                )


# What any loop has to call, by the class that it is called on.
NEEDED = [
    (PairDataset, "__getitems__"),
    (EncoderDecoder, "forward"),
    (SequenceLoss, "forward"),
    (torch.Tensor, "backward"),
    (uncompiled(torch.optim.Adam), "step"),
]


def measure_overhead(settings):
    """Shares of an epoch outside the calls that any loop makes, for two networks."""
    defaults = {
        name: value
        for name, value in Seq2SeqTransformer().get_params(deep=False).items()
        if name in AS_PARAMETERS
    }
    for network, params in (("", {}), (", default network", defaults)):
        yield _overhead(settings, network, params)


def _overhead(settings, network, params):
    pairs = words(settings).some(settings.pick(1920, 192))
    ours = OurLoop(pairs, time.perf_counter, **params)
    ours()

    def timed(function, seconds, sign=1):
        @wraps(function)  # torch wraps what does not look wrapped once more
        def call(*args, **kwargs):
            # An optimiser that is handed the whole step does not do it.
            args = [timed(x, seconds, -sign) if isfunction(x) else x for x in args]
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds[-1] += sign * (time.perf_counter() - start)

        return call

    calls = {f"{owner.__name__}.{name}": [] for owner, name in NEEDED}
    shares, whole = [], []
    for _ in range(settings.pick(5, 1)):
        with ExitStack() as stack:
            for (owner, name), seconds in zip(NEEDED, calls.values(), strict=True):
                seconds.append(0.0)
                call = timed(getattr(owner, name), seconds)
                stack.enter_context(patch.object(owner, name, call))
            whole.append(ours())
        shares.append(1 - sum(x[-1] for x in calls.values()) / whole[-1])
    n_steps = ours.model.history_[-1]["train_batch_count"]
    step = 1e3 * statistics.median(whole) / n_steps
    share = statistics.median(shares)
    return Row(
        "overhead",
        f"share of a step outside what any loop calls{network}",
        share,
        (None, 0.05),
        share * step,
        step,
        "ms a step",
        {"shares": shares, "whole": whole, **calls},
    )


def measure_padding(settings):
    """Share of a training epoch's positions, of both sides, that are padding."""
    used, padded, each = 0, 0, {}
    for language in languages(settings):
        own = _positions(words(settings, language))
        used, padded = used + own[0], padded + own[1]
        each[language] = 1 - own[0] / own[1]
    rows = [("words", used, padded, each)]
    rows.append(("sentences", *_positions(sentences(settings)), {}))
    for kind, used, padded, each in rows:
        share = 1 - used / padded
        yield Row(
            "padding",
            f"{kind}, share of positions that are padding",
            share,
            (None, 0.05),
            used,
            padded,
            "positions",
            {"each": each},
        )


def _positions(pairs):
    tokens = pairs.source.fit_transform(pairs.X), pairs.target.fit_transform(pairs.y)
    sizes = {"source_size": 1, "target_size": 1}
    dataset = PairDataset(*tokens, **sizes)
    both = np.stack((dataset.source_positions, dataset.target_positions))
    plan = TrainingBatches(dataset, BATCH_SIZE).plan()
    padded = sum(len(rows) * both[:, rows].max(axis=1).sum() for rows in plan)
    return int(both.sum()), int(padded)
