"""Attention: where in the source a decoder step looks.

Shapes: B rows, Q queries a row (all steps in training, all beams in a search), S source
positions, H decoder hidden size, M memory size (directions times H).

References
----------
.. [1] Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to
   align and translate", ICLR, 2015. :arxiv:`1409.0473`
.. [2] Luong, Pham and Manning, "Effective approaches to attention-based neural machine
   translation", EMNLP, 2015. :arxiv:`1508.04025`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sklearn_seq2seq._network._layers import without_weights


@dataclass
class Memory:
    """What the encoder leaves for attention to read.

    Attributes
    ----------
    values : Tensor ``(B, S, M)``
        The encoder's outputs.
    keys : Tensor ``(B, S, H)``
        What queries are compared with.
    mask : Tensor ``(B, 1, S)``
        0 where a position counts, minus infinity on padding; added to the scores.
    """

    values: Tensor
    keys: Tensor
    mask: Tensor

    def keep(self, rows: Tensor) -> Memory:
        """Keep some rows only."""
        return replace(
            self, values=self.values[rows], keys=self.keys[rows], mask=self.mask[rows]
        )


class Attention(nn.Module, ABC):
    """Compares queries with keys and reads the values; subclasses say how."""

    @abstractmethod
    def keys(self, values: Tensor) -> Tensor:
        """``(B, S, M)`` to ``(B, S, H)``: what can be computed once for all queries."""

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``(B, Q, H)`` and ``(B, S, H)`` to ``(B, Q, S)``: their products."""
        return torch.bmm(query, keys.transpose(1, 2))

    def remember(self, values: Tensor, n_positions: Tensor) -> Memory:
        """Make a `Memory` of the encoder's outputs ``(B, S, M)``."""
        steps = torch.arange(values.shape[1], device=values.device)
        mask = torch.zeros(
            (len(values), 1, values.shape[1]), dtype=values.dtype, device=values.device
        )
        mask.masked_fill_(steps >= n_positions[:, None, None], float("-inf"))
        return Memory(values, self.keys(values), mask)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Read the memory.

        Parameters
        ----------
        query : Tensor ``(B, Q, H)``
        memory : Memory

        Returns
        -------
        context : Tensor ``(B, Q, M)``
            The weighted mean of the values.
        weights : Tensor ``(B, Q, S)``
            Rows sum to 1; exactly 0 on padding.
        """
        scores = self.scores(query, memory.keys) + memory.mask
        weights = torch.softmax(scores, dim=-1)
        return torch.bmm(weights, memory.values), weights


class DotAttention(Attention):
    """Score ``query . value`` (Luong's "dot" [2]_).

    A bidirectional encoder's two directions are summed to fit the query.
    """

    def __init__(self, hidden_size: int, directions: int):
        super().__init__()
        self.directions = directions

    def keys(self, values: Tensor) -> Tensor:
        return values.unflatten(-1, (self.directions, -1)).sum(dim=-2)


class GeneralAttention(Attention):
    """Score ``query . W value`` (Luong's "general" [2]_)."""

    def __init__(self, hidden_size: int, directions: int):
        super().__init__()
        self.key = without_weights(
            nn.Linear, directions * hidden_size, hidden_size, bias=False
        )

    def keys(self, values: Tensor) -> Tensor:
        return self.key(values)


class AdditiveAttention(Attention):
    """Score ``v . tanh(U query + W value + b)`` (Bahdanau [1]_)."""

    def __init__(self, hidden_size: int, directions: int):
        super().__init__()
        self.key = without_weights(nn.Linear, directions * hidden_size, hidden_size)
        self.query = without_weights(nn.Linear, hidden_size, hidden_size, bias=False)
        self.energy = without_weights(nn.Linear, hidden_size, 1, bias=False)

    def keys(self, values: Tensor) -> Tensor:
        return self.key(values)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        query, energy = self.query(query), self.energy.weight[0]
        # exp would leave the range of half precision.
        dtype = torch.promote_types(query.dtype, torch.float32)
        exact: AbstractContextManager = nullcontext()
        if query.dtype != dtype:
            exact = torch.autocast(query.device.type, enabled=False)
        with exact:
            query, keys, energy = (x.to(dtype) for x in (query, keys, energy))
            if query.shape[1] == 1 and not torch.is_grad_enabled():
                # A greedy step: tanh of (B, 1, S, H) takes half the time of
                # `_AdditiveScores`, which pays off with many queries or gradients.
                return torch.tanh(query[:, :, None] + keys[:, None]) @ energy
            return _AdditiveScores.apply(query, keys, energy)


# Numbers that additive attention holds at once; a CPU's cache takes most of them.
AT_ONCE = 2**20

# A GPU is faster with few large kernels than with many small ones; these are 256 MB.
AT_ONCE_ON_GPU = 2**26


class _AdditiveScores(torch.autograd.Function):
    """``energy . tanh(query + key)`` of every query with every key.

    ``tanh(q + k)`` is ``1 - 2 r`` with ``r = 1 / (1 + exp(2 q) exp(2 k))``: exp is
    taken of queries and of keys, and of their B * Q * S * H sums only a reciprocal.
    Reciprocals are computed for some queries at a time, and again in the backward pass,
    so that they need little memory.
    """

    @staticmethod
    def forward(ctx, query, keys, energy):
        query, keys = _exp_twice(query), _exp_twice(keys)
        ctx.save_for_backward(query, keys, energy)
        parts = [
            _reciprocals(part, keys) @ energy for part in query.split(_at_once(keys), 1)
        ]
        return energy.sum() - 2 * torch.cat(parts, dim=1)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        query, keys, energy = ctx.saved_tensors
        n = _at_once(keys)
        query_grad, keys_grad = [], torch.zeros_like(keys)
        energy_grad = gradient.sum().expand_as(energy).clone()
        for part, grad in zip(query.split(n, 1), gradient.split(n, 1), strict=True):
            r = _reciprocals(part, keys)  # (B, n, S, H), of the n queries of the part
            energy_grad -= 2 * (grad.flatten() @ r.flatten(0, 2))
            # A quarter of the slope of tanh is r - r ** 2.
            slope = r.addcmul_(r, r, value=-1).mul_(grad[..., None])
            query_grad.append(slope.sum(dim=2))
            keys_grad += slope.sum(dim=1)
        energy = 4 * energy
        return torch.cat(query_grad, dim=1) * energy, keys_grad * energy, energy_grad


def _exp_twice(x):
    """``exp(2 x)``, bounded so that no product of two is 0 times infinity."""
    return x.clamp(-40, 40).mul_(2).exp_()


def _reciprocals(query, keys):
    """The r of every query with every key, ``(B, Q, S, H)``."""
    return (query[:, :, None] * keys[:, None]).add_(1).reciprocal_()


def _at_once(keys):
    """Queries of each row that are compared at once."""
    most = AT_ONCE if keys.device.type == "cpu" else AT_ONCE_ON_GPU
    return max(1, most // keys.numel())


ATTENTIONS: dict[str, Callable[[int, int], Attention]] = {
    "dot": DotAttention,
    "general": GeneralAttention,
    "additive": AdditiveAttention,
}
