"""CUDA graphs: a training step of a shape seen before is replayed as a whole.

With a small network a GPU is idle nine tenths of the time, while Python starts hundreds
of kernels a step one by one. A graph starts them all at once.

References
----------
.. [1] Nguyen et al., "Accelerating PyTorch with CUDA graphs", PyTorch blog, 2021.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from sklearn_seq2seq._network._layers import Randomness
from sklearn_seq2seq._warnings import warn

# Most graphs of one training: each takes memory of the GPU.
MOST = 512

# While one fit records, those of other threads must not replay.
RECORDING = threading.Lock()

OF_THREAD = threading.local()


@contextmanager
def own_stream(device) -> Iterator[None]:
    """Work on this thread's stream, on which steps can be recorded.

    torch keeps freed memory for the stream that used it. So a thread always uses the
    same one, and releases unused memory at the end.
    """
    streams = vars(OF_THREAD).setdefault("streams", {})
    before = torch.cuda.current_stream(device)
    if before.device not in streams:
        streams[before.device] = torch.cuda.Stream(before.device)
    stream = streams[before.device]
    stream.wait_stream(before)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        before.wait_stream(stream)
        torch.cuda.empty_cache()


class StepGraphs:
    """Forward and backward passes by the shapes of a batch, recorded once [1]_.

    The first batch of a shape is left to the caller, which initialises what is made at
    first use. The second is recorded, and from then on the graph is replayed, with the
    random numbers of an ordinary step. All graphs share the tensors of the gradients
    and the memory that a step needs.

    Use it within `own_stream`.

    Parameters
    ----------
    module : nn.Module
        On a GPU.
    randomness : Randomness
        The generator from which `step` draws.
    step : callable
        ``step(inputs, outputs)`` adds a batch's gradient to that of the weights and
        returns its loss, without ever waiting for the GPU.
    """

    def __init__(self, module: nn.Module, randomness: Randomness, step: Callable):
        self.module = module
        self.randomness = randomness
        self.step = step
        self.settings: object = None
        self.seen: set[tuple] = set()
        self.graphs: dict[tuple, tuple] = {}
        self.most = MOST

    def use_settings(self, settings: object) -> None:
        """Forget what was recorded with other settings; call it before a step.

        Parameters
        ----------
        settings : object
            All that a step depends on, except for its batch and the addresses of
            weights and gradients. It is compared with that of the last call.
        """
        weights = list(self.module.parameters())
        settings = settings, [(w.data_ptr(), w.requires_grad) for w in weights]
        if settings != self.settings:
            self.settings = settings
            self.clear()
            self.weights = [w for w in weights if w.requires_grad]
            self.gradients = [torch.zeros_like(w) for w in self.weights]

    def clear(self) -> None:
        """Forget all that was recorded."""
        with RECORDING:
            self.graphs.clear()
        self.seen.clear()
        # torch refuses to record into a pool whose graphs are all gone.
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, inputs: dict, outputs: dict) -> Tensor | None:
        """Compute a batch's gradient from its graph, if its shape was seen before.

        Parameters
        ----------
        inputs, outputs : dict of Tensor
            A batch, on the CPU.

        Returns
        -------
        Tensor or None
            The loss; None if nothing was done.
        """
        batch = inputs, outputs
        key = tuple(tuple(x.shape) for half in batch for x in half.values())
        if key not in self.graphs:
            if key not in self.seen or len(self.graphs) >= self.most:
                self.seen.add(key)
                return None
            before = self.randomness.state_dict()
            try:
                self.graphs[key] = self._record(batch)
            except RuntimeError as error:
                self.most = 0
                self.clear()
                # The generator would wait for the end of the recording for ever.
                self.randomness.load_state_dict(before)
                warn(
                    f"A training step cannot be recorded as a CUDA graph ({error}); "
                    "training continues without graphs, more slowly. torch's state may "
                    "be damaged: start a new process before other work on the GPU.",
                )
                return None
        graph, inputs, loss = self.graphs[key]
        for recorded, half in zip(inputs, batch, strict=True):
            for name, x in half.items():
                recorded[name].copy_(x, non_blocking=True)
        self._point_to_gradients()
        with RECORDING:
            graph.replay()
        return loss.clone()

    def _record(self, batch):
        device = self.weights[0].device
        generator = self.randomness.generator(device)
        # The tensors from which every replay reads its batch.
        tensors = [{name: x.to(device) for name, x in half.items()} for half in batch]
        self._point_to_gradients()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        torch.cuda.current_stream().synchronize()
        if not self.graphs:
            # While a step is recorded, cached memory cannot be reused.
            torch.cuda.empty_cache()
        # Other threads may use the GPU meanwhile.
        with RECORDING:
            graph.capture_begin(self.pool, capture_error_mode="thread_local")
            try:
                torch._foreach_zero_(self.gradients)
                loss = self.step(*tensors)
            finally:
                graph.capture_end()
        return graph, tensors, loss

    def _point_to_gradients(self):
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient
