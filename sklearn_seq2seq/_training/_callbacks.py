"""What happens around training: schedules, stopping, time limits, progress."""

from __future__ import annotations

import copy
import math
import time

import torch
from sklearn.metrics import check_scoring
from skorch.callbacks import Callback

from sklearn_seq2seq._training._progress import Progress
from sklearn_seq2seq._training._schedules import make_schedule
from sklearn_seq2seq.metrics._scorers import by_name

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # scikit-learn before 1.9 has no callbacks of its own

    class CallbackSupportMixin:
        """Stands in for scikit-learn's."""

        def _init_callback_context(self, **kwargs):
            return None

    def with_callbacks(method):
        """Leave a method as it is."""
        return method


class StopTraining(KeyboardInterrupt):
    """Raised by this package's callbacks to end training; skorch's raise the base."""


# What a net records about validation, each after "valid_".
VALIDATION_FIGURES = ("loss", "exact_match", "positions", "batch_count", "score")


class BestModel(Callback):
    """Keeps the weights of the best epoch, and stops training without improvement.

    Parameters
    ----------
    monitor : str
        Entry of the history.
    key : str
        Identifies the validation data. If the last training had the same, its best
        score remains to be beaten, and is that of the weights at the start.
    patience : int or None
        Epochs without improvement after which to stop; None never stops.
    tol : float
        Improvement that counts for `patience`.
    """

    def __init__(self, monitor, key, patience, tol):
        self.monitor = monitor
        self.key = key
        self.patience = patience
        self.tol = tol

    def on_train_begin(self, net, **kwargs):
        self.sign_ = -1.0 if self.monitor.endswith("loss") else 1.0
        self.score_, self.epoch_, self.misses_ = -math.inf, 0, 0
        self.weights_ = None
        memory = net.memory_
        if memory is not None and memory["key"] == self.key:
            self.score_, self.epoch_ = memory["score"], memory["epoch"]
            self.weights_ = copy.deepcopy(net.module_.state_dict())

    def on_epoch_end(self, net, **kwargs):
        score = self.sign_ * net.history[-1, self.monitor]
        improved = score > self.score_ and score >= self.score_ + self.tol
        self.misses_ = 0 if improved else self.misses_ + 1
        if score > self.score_:
            self.score_, self.epoch_ = score, net.history[-1, "epoch"]
            self.weights_ = copy.deepcopy(net.module_.state_dict())
        if self.misses_ == self.patience:
            net.stop_training = True

    def on_train_end(self, net, **kwargs):
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
            net.memory_ = {"key": self.key, "score": self.score_, "epoch": self.epoch_}

    def state_dict(self):
        """Return the state to resume from."""
        names = ("score_", "epoch_", "misses_", "weights_")
        return {name: getattr(self, name) for name in names}

    def load_state_dict(self, state):
        """Resume from a state."""
        vars(self).update(state)


class ClipGradients(Callback):
    """Scales the gradients of a step down to a norm, if theirs is larger.

    The result is that of ``torch.nn.utils.clip_grad_norm_``, bit for bit. That function
    rewrites every gradient at every step on a CPU, and skorch's callback for it goes
    through all layers: together, most of a step's time outside the network.
    """

    def __init__(self, norm):
        self.norm = norm

    def on_train_begin(self, net, **kwargs):
        self.weights_ = list(net.module_.parameters())

    def on_grad_computed(self, net, training=False, **kwargs):
        gradients = [w.grad for w in self.weights_ if w.grad is not None]
        if not training or not gradients:
            return
        norms = torch.stack(torch._foreach_norm(gradients))
        factor = self.norm / (torch.linalg.vector_norm(norms) + 1e-6)
        if factor.is_cuda:  # reading it would wait for all that is under way
            torch._foreach_mul_(gradients, factor.clamp(max=1.0))
        elif not factor >= 1:  # or not a number
            torch._foreach_mul_(gradients, factor)


class TimeLimit(Callback):
    """Ends training after a number of seconds."""

    def __init__(self, seconds):
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        self.end_ = time.monotonic() + self.seconds

    def on_batch_end(self, net, training=False, **kwargs):
        if training and net.processes_.agree("time", time.monotonic() > self.end_):
            raise StopTraining


class Regularly(Callback):
    """Calls a function at the end of epochs and steps, as the last callback.

    Parameters
    ----------
    function : callable
        Takes the net.
    epochs : int
        Epochs between two calls.
    seconds : float, default=inf
        The function is also called after a step if the last call is so long ago.
    """

    def __init__(self, function, epochs, seconds=math.inf):
        self.function = function
        self.epochs = epochs
        self.seconds = seconds

    def on_train_begin(self, net, **kwargs):
        self.last_ = time.monotonic()

    def on_batch_end(self, net, training=False, **kwargs):
        if training and time.monotonic() - self.last_ >= self.seconds:
            self._call(net)

    def on_epoch_end(self, net, **kwargs):
        if (len(net.history) - net.first_epoch_) % self.epochs == 0:
            self._call(net)

    def _call(self, net):
        self.function(net)
        self.last_ = time.monotonic()


class FitTasks(Callback):
    """Notifies scikit-learn's callbacks of the fit and its epochs.

    It is a context manager for the fit, and a callback for the epochs.

    Parameters
    ----------
    context : sklearn.callback.CallbackContext or None
        None if scikit-learn has no callbacks.
    estimator : estimator
        The estimator that is being fitted.
    X, y
        The data given to `fit`.
    """

    def __init__(self, context, estimator, X, y):
        self.context = context
        self.estimator = estimator
        self.X = X
        self.y = y

    def __enter__(self):
        self._begin(self.context)
        return self

    def __exit__(self, error, *_):
        if error is None:
            self._end(self.context, dict)

    def on_epoch_begin(self, net, **kwargs):
        self.epoch_ = self.context and self.context.subcontext(task_name="epoch")
        self._begin(self.epoch_)

    def on_epoch_end(self, net, **kwargs):
        def learned():
            net.module_.eval()
            return {"net_": net, "history_": net.history, "n_iter_": len(net.history)}

        if self._end(self.epoch_, learned):
            net.stop_training = True

    def _begin(self, task):
        if task is not None:
            task.call_on_fit_task_begin(estimator=self.estimator, X=self.X, y=self.y)

    def _end(self, task, learned):
        return task is not None and task.call_on_fit_task_end(
            estimator=self.estimator,
            X=self.X,
            y=self.y,
            reconstruction_attributes=learned,
        )


class DecodedScore(Callback):
    """Scores the model's predictions for the validation rows after each epoch.

    Parameters
    ----------
    scoring : str, callable, list or dict
        As scikit-learn's ``scoring``, or a name of this package. Several scores share
        one decoding; all are recorded under their names, the first as ``valid_score``
        too.
    fitted : callable
        Makes a fitted estimator from a net.
    X, y : validation data
    """

    def __init__(self, scoring, fitted, X, y):
        self.scoring = by_name(scoring)
        self.fitted = fitted
        self.X = X
        self.y = y

    def on_train_begin(self, net, **kwargs):
        for name in self.scoring if isinstance(self.scoring, dict) else ():
            if name in VALIDATION_FIGURES:
                raise ValueError(
                    f"scoring cannot name a score {name!r}: every training with "
                    f"validation records a valid_{name} already. Leave it out, or give "
                    "it another name."
                )
        self.scorer_ = check_scoring(self.fitted(net), scoring=self.scoring)

    def on_epoch_end(self, net, **kwargs):
        net.module_.eval()
        fitted = self.fitted(net)
        scores = net.processes_.of_first(lambda: self.scorer_(fitted, self.X, self.y))
        if not isinstance(scores, dict):
            scores = {"score": scores}
        for name, score in scores.items():
            net.history.record(f"valid_{name}", float(score))
        net.history.record("valid_score", float(next(iter(scores.values()))))


def make_callbacks(
    optimization,
    stopping,
    *,
    n_batches,
    monitored=None,
    key=None,
    decoded=None,
    spent=0.0,
    verbose=0,
    callbacks=None,
):
    """Make the callbacks of one training.

    Parameters
    ----------
    optimization : OptimizationSettings
    stopping : StoppingRule
    n_batches : int
        Training batches of an epoch.
    monitored : str, default=None
        Entry of the history that says which epoch is best; None without validation.
    key : str, default=None
        Identifies the validation data.
    decoded : DecodedScore, default=None
    spent : float, default=0.0
        Seconds that the fit took before it was interrupted.
    verbose : int, default=0
    callbacks : list, default=None
        The user's callbacks, with or without names.

    Returns
    -------
    list of skorch callback, or of (str, skorch callback)
        Only the user's callbacks have names. They are shallow copies, so that a fit
        does not change them, but shares what they hold, such as a writer or a list.
    """
    schedule = make_schedule(
        optimization.lr_schedule,
        n_steps=n_batches * stopping.max_epochs,
        monitored=monitored,
        patience=max(1, stopping.n_iter_no_change // 3),
    )
    made = [callback for callback in (decoded, schedule) if callback is not None]
    if optimization.gradient_clip is not None:
        made.append(ClipGradients(optimization.gradient_clip))
    if stopping.max_time is not None:
        made.append(TimeLimit(stopping.max_time - spent))
    if monitored is not None:
        made.append(BestModel(monitored, key, stopping.patience, stopping.tol))
    if verbose:
        made.append(Progress(n_batches, stopping.max_epochs))
    for k, entry in enumerate(callbacks or ()):
        *name, callback = entry if isinstance(entry, tuple) else (entry,)
        if not hasattr(callback, "on_train_begin"):
            raise ValueError(
                "callbacks must hold skorch callbacks, instances and not classes, or "
                f"pairs of a name and one; entry {k} is {callback!r}."
            )
        callback = copy.copy(callback)
        made.append((*name, callback) if name else callback)
    return made
