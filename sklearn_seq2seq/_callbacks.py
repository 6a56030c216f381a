"""What happens around training: schedules, stopping, time limits, progress."""

from __future__ import annotations

import math
import sys
import time

from sklearn.metrics import check_scoring
from skorch.callbacks import (
    Callback,
    EarlyStopping,
    GradientNormClipping,
    LRScheduler,
)
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

WARM_UP = 0.05


class Cosine:
    """Linear warm-up over a share of the steps, then half a cosine down to zero."""

    def __init__(self, n_steps: int):
        self.n_steps = n_steps
        self.warm_up = max(1, round(WARM_UP * n_steps))

    def __call__(self, step: int) -> float:
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.n_steps - self.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class InverseSquareRoot(Cosine):
    """Linear warm-up, then falling with the square root of the step."""

    def __call__(self, step: int) -> float:
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        return math.sqrt(self.warm_up / (step + 1))


SCHEDULES = {"cosine": Cosine, "inverse_sqrt": InverseSquareRoot}


class BestModel(EarlyStopping):
    """skorch's early stopping, whose memory outlives an interruption of training."""

    def on_train_begin(self, net, **kwargs):
        if self.dynamic_threshold_ is None:
            super().on_train_begin(net, **kwargs)


class TimeLimit(Callback):
    """Ends training after so many seconds."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        self.end_ = time.monotonic() + self.seconds

    def on_batch_end(self, net, training=False, **kwargs):
        if training and time.monotonic() > self.end_:
            raise KeyboardInterrupt


class DecodedScore(Callback):
    """Scores the model's own decoding of the validation rows after each epoch.

    Parameters
    ----------
    scoring : str, callable, list or dict
        As scikit-learn's ``scoring``; of several, the first is recorded as
        ``valid_score`` and all under their own names. Several scores share one
        decoding.
    fitted : callable
        Makes a fitted estimator of a net.
    X, y : validation data
    """

    def __init__(self, scoring, fitted, X, y):
        self.scoring = scoring
        self.fitted = fitted
        self.X = X
        self.y = y

    def on_train_begin(self, net, **kwargs):
        self.scorer_ = check_scoring(self.fitted(net), scoring=self.scoring)

    def on_epoch_end(self, net, **kwargs):
        net.module_.eval()
        scores = self.scorer_(self.fitted(net), self.X, self.y)
        if not isinstance(scores, dict):
            scores = {"score": scores}
        for name, score in scores.items():
            net.history.record(f"valid_{name}", float(score))
        net.history.record("valid_score", float(next(iter(scores.values()))))


class Progress(Callback):
    """A progress bar over all batches, with the figures of the last epoch."""

    def __init__(self, n_batches, max_epochs):
        self.n_batches = n_batches
        self.max_epochs = max_epochs

    def on_train_begin(self, net, **kwargs):
        from tqdm.auto import tqdm

        self.tokens_ = 0
        self.start_ = time.monotonic()
        self.figures_ = {}
        self.bar_ = tqdm(
            total=self.n_batches * self.max_epochs,
            desc="fit",
            unit="batch",
            file=sys.stdout,
            mininterval=0.5,
        )

    def on_batch_end(self, net, batch=None, training=False, loss=None, **kwargs):
        if not training:
            return
        self.tokens_ += int(batch[1]["positions"].sum())
        self.bar_.update()
        if self.bar_.n % 10 == 0:
            speed = self.tokens_ / (time.monotonic() - self.start_)
            self.bar_.set_postfix(
                {**self.figures_, "tokens/s": f"{speed:,.0f}"}, refresh=False
            )

    def on_epoch_end(self, net, **kwargs):
        last = net.history[-1]
        self.bar_.set_description(f"epoch {last['epoch']}/{self.max_epochs}")
        names = ("train_loss", "valid_loss", "valid_exact_match", "valid_score")
        self.figures_ = {
            name.replace("train_", ""): f"{last[name]:.4f}"
            for name in names
            if name in last
        }

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        del self.bar_


def make_callbacks(params, *, n_batches, monitored, early_stopping, decoded=None):
    """Callbacks of one fit, from an estimator's parameters.

    Parameters
    ----------
    params : dict
        ``Seq2SeqTransformer.get_params(deep=False)``.
    n_batches : int
        Training batches of an epoch.
    monitored : str or None
        Entry of the history that says which epoch is best; None without validation.
    early_stopping : bool
        Whether to stop when it no longer improves.
    decoded : DecodedScore, default=None

    Returns
    -------
    list of (str, skorch callback)
    """
    callbacks = []
    if decoded is not None:
        callbacks.append(("decoded", decoded))
    schedule = _schedule(params, n_batches, monitored)
    if schedule is not None:
        callbacks.append(("schedule", schedule))
    if params["gradient_clip"]:
        callbacks.append(("clip", GradientNormClipping(params["gradient_clip"])))
    if params["max_time"] is not None:
        callbacks.append(("time_limit", TimeLimit(params["max_time"])))
    if params["verbose"]:
        callbacks.append(("progress", Progress(n_batches, params["max_epochs"])))
    callbacks += [
        callback if isinstance(callback, tuple) else (f"user_{k}", callback)
        for k, callback in enumerate(params["callbacks"] or ())
    ]
    if monitored is not None:
        best = BestModel(
            monitor=monitored,
            patience=params["n_iter_no_change"] if early_stopping else -1,
            threshold=params["tol"],
            threshold_mode="abs",
            lower_is_better=monitored == "valid_loss",
            load_best=True,
        )
        callbacks.append(("best", best))
    return callbacks


def _schedule(params, n_batches, monitored):
    name = params["lr_schedule"]
    if name is None or name == "constant":
        return None
    if name == "plateau":
        return LRScheduler(
            policy=ReduceLROnPlateau,
            monitor=monitored or "train_loss",
            mode="max" if monitored not in (None, "valid_loss") else "min",
            factor=0.5,
            patience=max(1, params["n_iter_no_change"] // 3),
        )
    if isinstance(name, str):
        steps = n_batches * params["max_epochs"]
        return LRScheduler(
            policy=LambdaLR,
            lr_lambda=SCHEDULES[name](steps),
            step_every="batch",
        )
    return LRScheduler(policy=name) if isinstance(name, type) else name
