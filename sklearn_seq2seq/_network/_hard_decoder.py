"""The decoder with exact hard attention.

Shapes: B rows, Q queries a row (all steps in training, all hypotheses in a search), T
target positions, S source positions, K hypotheses a row, H hidden size, R input size of
the output layer, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_seq2seq._network._decoder import Decoder, DecoderState
from sklearn_seq2seq._network._hard_attention import (
    HardMemory,
    align,
    at_least_float32,
    first_alpha,
    next_alpha,
    next_prior,
    priors,
)
from sklearn_seq2seq._network._layers import without_weights

# Most elements, B * T * S * V, of a pass over whole targets: 1 GiB of memory, of which
# a training step needs about four times as much.
MOST = 2**28


@dataclass
class Emissions:
    """The distribution of the token that each source position emits.

    Attributes
    ----------
    write : Tensor ``(B, Q, S, V)``
        Probability of each token of the vocabulary, if it is not copied.
    copy : Tensor ``(B, Q, S)`` or None
        Probability of copying the token at the position.
    """

    write: Tensor
    copy: Tensor | None

    def of(self, tokens: Tensor, copy_ids: Tensor | None) -> Tensor:
        """Log-probability of tokens ``(B, Q)`` at each position: ``(B, Q, S)``."""
        size = self.write.shape[3]
        known = tokens.masked_fill(tokens >= size, 0)[:, :, None, None]
        probs = self.write.gather(3, known.expand(*self.write.shape[:3], 1))[..., 0]
        if self.copy is not None and copy_ids is not None:
            written = probs * (tokens < size)[:, :, None]
            copied = (copy_ids[:, None] == tokens[:, :, None]).to(probs.dtype)
            probs = torch.lerp(written, copied, self.copy)
        return _log(probs)

    def mean(self, prior: Tensor, copy_ids: Tensor | None) -> Tensor:
        """Log-probability of the next token, averaged over its position.

        Parameters
        ----------
        prior : Tensor ``(B, Q, S)``
            Log-probabilities of the positions.
        copy_ids : Tensor of int64 ``(B, S)`` or None

        Returns
        -------
        Tensor ``(B, Q, V)``, or ``(B, Q, V + S)`` with copying
        """
        weights = prior.exp()
        write = weights if self.copy is None else weights * (1 - self.copy)  # (B, Q, S)
        with torch.autocast(weights.device.type, enabled=False):
            probs = (write[:, :, None] @ self.write)[:, :, 0]
        if self.copy is not None and copy_ids is not None:
            probs = F.pad(probs, (0, copy_ids.shape[1]))
            index = copy_ids[:, None].expand_as(weights)
            probs = probs.scatter_add(2, index, weights * self.copy)
        return _log(probs)

    def map(self, function: Callable[[Tensor], Tensor]) -> Emissions:
        """Apply `function` to every tensor."""
        copy = None if self.copy is None else function(self.copy)
        return Emissions(function(self.write), copy)


def _log(probs):
    # The smallest normal number stands for zero, whose logarithm has no gradient.
    return torch.log(probs.clamp(min=torch.finfo(probs.dtype).tiny))


@dataclass
class HardState(DecoderState):
    """State of a search, with the position of the last token.

    Attributes
    ----------
    prior : Tensor ``(B * K, S)`` or None
        Log-probability of each position before the token was known; None at the start.
    emissions : Emissions of ``(B * K, S)``, or None
    """

    prior: Tensor | None = None
    emissions: Emissions | None = None

    def select(self, hypotheses, sources=None):
        state = super().select(hypotheses, sources)
        if self.prior is None or self.emissions is None:
            return state
        emissions = self.emissions.map(lambda x: x[hypotheses])
        return replace(state, prior=self.prior[hypotheses], emissions=emissions)


class HardDecoder(Decoder):
    """Decoder that emits each token at one source position, summed over all of them.

    Its layers are those of a `Decoder`, but it reads each position by itself where a
    `Decoder` reads their mean. The log-probabilities of its steps add up to the exact
    one of the target.
    """

    def __init__(self, embedding, *, copy, **options):
        super().__init__(embedding, copy=False, **options)
        if copy:
            self.copy_gate = without_weights(nn.Linear, self.output.in_features, 1)

    def remember(self, values: Tensor, n_positions: Tensor) -> HardMemory:
        weight = self.combine.weight[:, -values.shape[2] :]
        return self.attention.remember(values, F.linear(values, weight), n_positions)

    def start(self, recurrent, memory, copy_ids) -> HardState:
        return HardState(**vars(super().start(recurrent, memory, copy_ids)))

    def step(self, state, previous):
        recurrent, _ = self._advance(state, previous)
        memory, hidden = state.memory, recurrent.hidden[-1]
        shape = len(memory.keys), -1  # B, K
        query = hidden.unflatten(0, shape)  # (B, K, H)
        if state.prior is None:
            alpha = first_alpha((*query.shape[:2], memory.keys.shape[1]), query)
        else:
            emissions = state.emissions.map(lambda x: x.unflatten(0, shape))
            emitted = emissions.of(previous.unflatten(0, shape), state.copy_ids)
            alpha = next_alpha(state.prior.unflatten(0, shape), emitted)
        prior = next_prior(alpha, self.attention(query, memory))
        emissions = self._emissions(query, memory)
        log_probs = emissions.mean(prior, state.copy_ids)
        state = replace(
            state,
            recurrent=recurrent,
            prior=prior.flatten(0, 1),
            emissions=emissions.map(lambda x: x.flatten(0, 1)),
        )
        return log_probs.flatten(0, 1), state

    def forward(self, inputs, recurrent, memory, copy_ids, unseen=None):
        """As `Decoder.forward`; weights are the position's prior, before its token."""
        transitions, emissions = self._read(inputs, recurrent, memory, unseen)
        # The token of one step is the input of the next.
        emitted = emissions.of(F.pad(inputs[:, 1:], (0, 1)), copy_ids)
        prior = priors(transitions, emitted)
        return emissions.mean(prior, copy_ids), prior.exp()

    def align(self, inputs, target, mask, recurrent, memory, copy_ids):
        """Posterior ``(B, T, S)`` of the positions and the best alignment ``(B, T)``.

        Parameters are those of `forward`, the target ``(B, T)``, and the mask of its
        positions without padding.
        """
        transitions, emissions = self._read(inputs, recurrent, memory)
        return align(transitions, emissions.of(target, copy_ids), mask)

    def _read(self, inputs, recurrent, memory, unseen=None):
        """Transitions and emissions of every step."""
        self._check_size(*inputs.shape, memory.keys.shape[1])
        embedded = self.dropout(self.embedding(self._known(inputs, unseen)))
        hidden = self.recurrent(embedded, recurrent)
        return self.attention(hidden, memory), self._emissions(hidden, memory)

    def _emissions(self, hidden, memory):
        n = hidden.shape[-1]
        x = F.linear(hidden, self.combine.weight[:, :n], self.combine.bias)
        # One dropout mask for all positions: drawing more would take longer than the
        # rest.
        kept = self.dropout(torch.ones_like(x))
        # (B, Q, 1, R) + (B, 1, S, R)
        x = torch.tanh(x[:, :, None] + memory.values[:, None]) * kept[:, :, None]
        probs = torch.softmax(at_least_float32(self.output(x)), dim=-1)  # (B, Q, S, V)
        if self.copy_gate is None:
            return Emissions(probs, None)
        copy = torch.sigmoid(at_least_float32(self.copy_gate(x)))
        return Emissions(probs, copy[..., 0])

    def _check_size(self, n_rows, n_target, n_source):
        size = n_rows * n_target * n_source * max(self.vocabulary_size, n_source)
        if size > MOST:
            raise ValueError(
                "attention='hard' scores every target token at every source position: "
                f"{n_rows} pairs of up to {n_source} and {n_target} positions with "
                f"{self.vocabulary_size} target tokens make {size:.1e} numbers, more "
                f"than the limit of {MOST:.1e}. Lower batch_size or max_tokens, or use "
                "another attention."
            )
