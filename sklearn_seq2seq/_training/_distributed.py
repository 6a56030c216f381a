"""Processes that train one net together, connected by torch.distributed.

With n processes, each has all pairs and the same plan of batches, and takes every n-th
row of each batch. Losses are sums over rows divided by the size of the whole batch, so
the processes' gradients add up to that of the whole batch. torch's
``DistributedDataParallel`` would average gradients regardless of the rows of each
process, and require a forward pass of its own module.
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
        If torch's process group is not initialised.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        raise ValueError(
            "device='distributed' trains in all processes of torch's process group, "
            "and there is none. Call torch.distributed.init_process_group() first, in "
            "a script started by torchrun --nproc-per-node=2 script.py."
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
        The estimator's device. "distributed" stands for all processes of torch's
        process group, anything else for this process alone.

    Attributes
    ----------
    rank, count : int
        The number of this process, from 0, and the number of processes.
    """

    def __init__(self, device):
        self.rank, self.count, self.device = 0, 1, None
        if device == DISTRIBUTED:
            self.device = torch.device(device_of_process())
            self.rank = distributed.get_rank()
            self.count = distributed.get_world_size()
        self.interrupted = False
        self._requests = {"time": False, "interrupt": False}
        self._granted = dict(self._requests)
        self._message = None

    @property
    def is_first(self):
        """Whether this process writes files and progress."""
        return self.rank == 0

    def check_alike(self, fingerprint):
        """Raise an error in all processes if one was given other data or parameters.

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
        what = f"process {self.rank} has other {', '.join(other)}"
        if not other:
            what = f"{n_other:.0f} of {self.count} processes differ"
        raise ValueError(
            "All processes of a distributed fit must be given the same rows, "
            f"parameters and first weights as process 0; {what}."
        )

    def of_first(self, function):
        """Call a function in process 0; return its result or raise its error in all."""
        if self.count == 1:
            return function()
        answer = [None, None]
        if self.is_first:
            try:
                answer = [function(), None]
            except Exception as error:
                answer = [None, error]
        with self._connection():
            distributed.broadcast_object_list(answer, src=0, device=self.device)
        result, error = answer
        if error is not None:
            raise error
        return result

    def total(self, *numbers):
        """The sum of each number over all processes, as floats."""
        if self.count == 1:
            return numbers
        sums = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        self._add_up(sums)
        return sums.tolist()

    def add_gradients(self, module, loss):
        """Give every process the sum of the gradients; return the sum of the losses.

        The same weights must have gradients in all processes.
        """
        if self.count == 1:
            return loss
        gradients = [w.grad for w in module.parameters() if w.grad is not None]
        parts = [*gradients, loss, loss.new_tensor(list(self._requests.values()))]
        # One message is faster than many; its memory is kept for the next step.
        sizes = [part.numel() for part in parts]
        if self._message is None or len(self._message) != sum(sizes):
            self._message = loss.new_empty(sum(sizes))
        torch.cat([part.flatten() for part in parts], out=self._message)
        self._add_up(self._message)
        sums = self._message.split(sizes)
        *sums, loss, asked = (x.view_as(p) for x, p in zip(sums, parts, strict=True))
        torch._foreach_copy_(gradients, sums)
        granted = map(bool, asked.tolist())
        self._granted = dict(zip(self._requests, granted, strict=True))
        return loss.clone()

    def agree(self, reason, request):
        """Whether any process asked to end training: the same answer in all of them.

        Requests travel with the gradients, and so are granted after the next step.

        Parameters
        ----------
        reason : {"time", "interrupt"}
        request : bool
            Whether this process asks.
        """
        if self.count == 1:
            return request
        self._requests[reason] = bool(request)
        return self._granted[reason]

    @contextmanager
    def interrupted_together(self):
        """Defer Ctrl-C to the end of a step, where all processes end together."""
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
        """Raise a KeyboardInterrupt in all processes, if one received Ctrl-C."""
        if self.agree("interrupt", self.interrupted):
            raise KeyboardInterrupt

    def share(self, module):
        """Give all processes the weights of process 0."""
        if self.count == 1:
            return
        with self._connection():
            for weight in module.state_dict().values():
                distributed.broadcast(weight, src=0)

    def seed_of_step(self, *numbers):
        """A seed for one step that differs between processes."""
        sequence = np.random.SeedSequence([*numbers, self.rank])
        return int(sequence.generate_state(1)[0])

    def _add_up(self, tensor):
        with self._connection():
            distributed.all_reduce(tensor)

    @contextmanager
    def _connection(self):
        """Explain the errors of a connection that is lost."""
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError(
                f"Process {self.rank} of {self.count} has lost the others: one has "
                "ended, or has not answered in time. Start all of them again; with "
                f"checkpoint the fit resumes. ({error})"
            ) from error
