"""CUDA graphs: a training step of a shape seen before is replayed as a whole.

A small network leaves a GPU idle nine tenths of the time, in which Python starts its
kernels, some hundreds a step, one by one. A graph starts them all at once.

References
----------
.. [1] Nguyen et al., "Accelerating PyTorch with CUDA graphs", PyTorch blog, 2021.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sklearn_seq2seq._recurrent import Randomness

# Graphs of one training; of each a GPU holds some hundred kilobytes.
MOST = 512
# One at a time: of several threads' fits too.
RECORDING = threading.Lock()


class StepGraphs:
    """Forward and backward passes by the shapes of a batch, recorded once [1]_.

    The first batch of a shape is left to the caller, which warms up what is made at
    first use; the second is recorded, and from then on the graph is replayed. It draws
    the same random numbers. The gradients of all graphs are the same tensors, and what
    a step needs in between is memory that they share.

    Its stream must be another one than the default.

    Parameters
    ----------
    module : nn.Module
        On a GPU.
    randomness : Randomness
        From which `step` draws.
    step : callable
        ``step(inputs, outputs)`` adds a batch's gradient to the weights' and returns
        its loss; it never waits for the GPU.
    """

    def __init__(self, module: nn.Module, randomness: Randomness, step: Callable):
        self.weights = [w for w in module.parameters() if w.requires_grad]
        self.gradients = [torch.zeros_like(w) for w in self.weights]
        self.randomness = randomness
        self.step = step
        self.pool = torch.cuda.graph_pool_handle()
        self.seen: set[tuple] = set()
        self.graphs: dict[tuple, tuple] = {}
        self.most = MOST

    def __call__(self, inputs: dict, outputs: dict) -> Tensor | None:
        """Leave a batch's gradient at the weights, if its shape has been seen before.

        Parameters
        ----------
        inputs, outputs : dict of Tensor
            A batch, on the CPU.

        Returns
        -------
        Tensor or None
            The loss, which the next call may overwrite; None where nothing was done.
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
                # The generator waits in vain for the end of the recording.
                self.randomness.load_state_dict(before)
                warnings.warn(
                    f"A training step cannot be recorded as a CUDA graph ({error}); "
                    "training goes on without, and is slower.",
                    stacklevel=2,
                )
                return None
        graph, own, loss = self.graphs[key]
        for mine, half in zip(own, batch, strict=True):
            for name, x in half.items():
                mine[name].copy_(x, non_blocking=True)
        self._point_to_gradients()
        graph.replay()
        return loss

    def _record(self, batch):
        device = self.weights[0].device
        generator = self.randomness.generator(device)
        own = [{name: x.to(device) for name, x in half.items()} for half in batch]
        self._point_to_gradients()
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(generator)
        torch.cuda.current_stream().synchronize()
        # Other threads may have work of their own for the GPU meanwhile.
        with RECORDING:
            graph.capture_begin(self.pool, capture_error_mode="thread_local")
            try:
                torch._foreach_zero_(self.gradients)
                loss = self.step(*own)
            finally:
                graph.capture_end()
        return graph, own, loss

    def _point_to_gradients(self):
        for weight, gradient in zip(self.weights, self.gradients, strict=True):
            weight.grad = gradient
