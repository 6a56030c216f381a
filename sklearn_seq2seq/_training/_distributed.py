"""Processes that train one net together, as torch.distributed connects them.

Every process has all the pairs and the same plan of batches; of each batch it takes
every so-manieth row. Losses are sums over rows divided by the size of the whole batch,
so the sum of the processes' gradients is that of the whole batch. torch's
``DistributedDataParallel`` would average gradients instead, whatever the rows of each
process are, and wants a forward pass of a module of its own.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import torch
from torch import distributed

DISTRIBUTED = "distributed"


def device_of_process():
    """The device of this process of a distributed fit.

    Raises
    ------
    ValueError
        If torch's process group has not been begun.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ValueError(
            "device='distributed' trains in all processes of torch's process group, "
            "and there is none. Call torch.distributed.init_process_group() first, in "
            "a script that is started by torchrun --nproc-per-node=2 script.py."
        )
    n_devices = torch.cuda.device_count()
    if n_devices == 0 or distributed.get_backend() == "gloo":
        return "cpu"
    local = os.environ.get("LOCAL_RANK", distributed.get_rank() % n_devices)
    return f"cuda:{local}"


class Processes:
    """The processes of one fit.

    Parameters
    ----------
    device : str or torch.device
        The estimator's; "distributed" for all of torch's process group, else this
        process is alone.

    Attributes
    ----------
    rank, count : int
        Number of this process, from 0, and how many there are.
    """

    def __init__(self, device):
        self.rank, self.count, self.device = 0, 1, None
        if device == DISTRIBUTED:
            self.device = torch.device(device_of_process())
            self.rank = distributed.get_rank()
            self.count = distributed.get_world_size()
        self.interrupted = False
        self._wishes = {"time": False, "interrupt": False}
        self._granted = dict(self._wishes)
        self._message = None

    @property
    def is_first(self):
        """Whether this process writes what is written once."""
        return self.rank == 0

    def check_alike(self, fingerprint):
        """Refuse, in all processes, to train where one was given something else.

        Parameters
        ----------
        fingerprint : dict of str
            Names and hashes of all that determines the training.
        """
        first = self.of_first(lambda: fingerprint)
        other = [name for name in first if first[name] != fingerprint[name]]
        (n_other,) = self.total(bool(other))
        if not n_other:
            return
        what = f"this one, number {self.rank}, has other {', '.join(other)}"
        if not other:
            what = f"{n_other:.0f} of {self.count} have something else"
        raise ValueError(
            "All processes of a distributed fit must be given the same rows, "
            f"parameters and first weights as process 0; {what}."
        )

    def of_first(self, function):
        """Call a function in process 0; return or raise in all what it did there."""
        if self.count == 1:
            return function()
        answer = [None, None]
        if self.is_first:
            try:
                answer = [function(), None]
            except Exception as error:
                answer = [None, error]
        with self._talking():
            distributed.broadcast_object_list(answer, src=0, device=self.device)
        result, error = answer
        if error is not None:
            raise error
        return result

    def total(self, *numbers):
        """Sums over all processes, as floats."""
        if self.count == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        self._add_up(sums)
        return sums.tolist()

    def add_gradients(self, module, loss):
        """Give every process the sum of the gradients; return the sum of the losses.

        A process that has a gradient has it for the same weights as all others.
        """
        if self.count == 1:
            return loss
        gradients = [w.grad for w in module.parameters() if w.grad is not None]
        parts = [*gradients, loss, loss.new_tensor(list(self._wishes.values()))]
        # One message is faster than many, and its memory is there already.
        sizes = [part.numel() for part in parts]
        if self._message is None or len(self._message) != sum(sizes):
            self._message = loss.new_empty(sum(sizes))
        torch.cat([part.flatten() for part in parts], out=self._message)
        self._add_up(self._message)
        sums = self._message.split(sizes)
        *sums, loss, wishes = (x.view_as(p) for x, p in zip(sums, parts, strict=True))
        torch._foreach_copy_(gradients, sums)
        granted = map(bool, wishes.tolist())
        self._granted = dict(zip(self._wishes, granted, strict=True))
        return loss.clone()

    def agree(self, what, wish):
        """Whether any process wished to end training, in all at the same step.

        A wish travels with the gradients, and so is granted after the next step.

        Parameters
        ----------
        what : {"time", "interrupt"}
        wish : bool
            Of this process.
        """
        if self.count == 1:
            return wish
        self._wishes[what] = bool(wish)
        return self._granted[what]

    @contextmanager
    def interrupted_together(self):
        """Keep Ctrl-C for the end of a step that all processes end with."""
        main = threading.current_thread() is threading.main_thread()
        if self.count == 1 or not main:
            yield
            return

        def note(*_):
            self.interrupted = True

        before = signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def raise_interrupts(self):
        """Raise a KeyboardInterrupt in all processes, once one has got Ctrl-C."""
        if self.agree("interrupt", self.interrupted):
            raise KeyboardInterrupt

    def share(self, module):
        """Give all processes the weights of process 0."""
        if self.count == 1:
            return
        with self._talking():
            for weight in module.state_dict().values():
                distributed.broadcast(weight, src=0)

    def seed_of_step(self, *numbers):
        """A seed that no other process has."""
        sequence = np.random.SeedSequence([*numbers, self.rank])
        return int(sequence.generate_state(1)[0])

    def _add_up(self, tensor):
        with self._talking():
            distributed.all_reduce(tensor)

    @contextmanager
    def _talking(self):
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError(
                f"Process {self.rank} of {self.count} has lost the others: one has "
                "ended, or has not answered in time. Start all of them again; with "
                f"checkpoint the fit goes on where it was. ({error})"
            ) from error
