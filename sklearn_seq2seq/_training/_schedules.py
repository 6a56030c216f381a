"""Schedules of the learning rate by name."""

from __future__ import annotations

import copy
import math

from skorch.callbacks import LRScheduler
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from sklearn_seq2seq._fitting import naming

WARM_UP = 0.05


class Cosine:
    """Linear warm-up over `WARM_UP` of the steps, then half a cosine down to zero."""

    def __init__(self, n_steps: int):
        self.n_steps = n_steps
        self.warm_up = max(1, round(WARM_UP * n_steps))

    def __call__(self, step: int) -> float:
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(1, self.n_steps - self.warm_up)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


class InverseSquareRoot(Cosine):
    """Linear warm-up, then decay with the square root of the step."""

    def __call__(self, step: int) -> float:
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        return math.sqrt(self.warm_up / (step + 1))


SCHEDULES = {"cosine": Cosine, "inverse_sqrt": InverseSquareRoot}


class Schedule(LRScheduler):
    """skorch's scheduler, restarted by every call of `fit`."""

    def _get_scheduler(self, net, policy, **scheduler_kwargs):
        # A class may need arguments; functools.partial and LRScheduler have them.
        with naming("lr_schedule"):
            return policy(net.optimizer_, **scheduler_kwargs)

    @classmethod
    def of(cls, other):
        """A copy of skorch's scheduler."""
        schedule = cls.__new__(cls)
        vars(schedule).update(vars(other))
        return schedule


def make_schedule(schedule, *, n_steps, monitored=None, patience=1):
    """Make the callback that sets the learning rate; None for a constant one.

    Parameters
    ----------
    schedule : str, torch scheduler class or skorch callback
    n_steps : int
        Steps of the whole training.
    monitored : str, default=None
        Entry of the history that says which epoch is best; None stands for the training
        loss.
    patience : int, default=1
        Epochs without improvement after which "plateau" halves the rate.
    """
    if schedule == "constant":
        return None
    watch = {"monitor": monitored or "train_loss"}
    if schedule in ("plateau", ReduceLROnPlateau):
        watch["mode"] = "min" if watch["monitor"].endswith("loss") else "max"
    if schedule == "plateau":
        policy = {"policy": ReduceLROnPlateau, "factor": 0.5, "patience": patience}
        return Schedule(**policy, **watch)
    if isinstance(schedule, str):
        factor = SCHEDULES[schedule](n_steps)
        return Schedule(policy=LambdaLR, lr_lambda=factor, step_every="batch")
    if type(schedule) is LRScheduler:
        return Schedule.of(schedule)
    if hasattr(schedule, "on_train_begin"):
        return copy.copy(schedule)
    return Schedule(policy=schedule, **watch)
