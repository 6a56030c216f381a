"""Search: from a model's next-token probabilities to whole sequences.

To a search, a model is a function ``step(state, previous) -> (log_probs, state)`` and a
state with ``select(hypotheses, sources)``: a network, an ensemble or a table in a test.

Shapes: N sources, B of them still in the batch, K hypotheses of each, W tokens to
choose from (the vocabulary, and source positions to copy from), t steps taken.

References
----------
.. [1] Wu et al., "Google's neural machine translation system", 2016.
   :arxiv:`1609.08144`
.. [2] Holtzman et al., "The curious case of neural text degeneration", ICLR, 2020.
   :arxiv:`1904.09751`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN

NEVER = float("-inf")

# Share of a batch that must be done before it is removed, which copies the rest. On a
# GPU that takes dozens of kernels, and a step is as fast with hundreds of rows as with
# a few.
LEAST_SHARE = 1 / 4
LEAST_SHARE_ON_GPU = 3 / 4


class Hypotheses(NamedTuple):
    """The result of a search, best first.

    Attributes
    ----------
    tokens : Tensor of int64 ``(N, K, T)``
        Zero-terminated rows.
    log_probs : Tensor ``(N, K)``
        The model's log-probability of the whole sequence with its end, in nats; minus
        infinity where a source has fewer than K hypotheses.
    capped : Tensor of bool ``(N, K)``
        Whether the length limit, or constraints that left no next token, ended the
        sequence rather than the model.
    """

    tokens: Tensor
    log_probs: Tensor
    capped: Tensor


@dataclass
class Beam:
    """The hypotheses of the sources still in the batch.

    Attributes
    ----------
    sources : Tensor of int64 ``(B,)``
    totals : Tensor ``(B, K)``
        Log-probability of the tokens so far.
    finished : Tensor of bool ``(B, K)``
    capped : Tensor of bool ``(B, K)``
    history : Tensor of int64 ``(B, K, t)``
    """

    sources: Tensor
    totals: Tensor
    finished: Tensor
    capped: Tensor
    history: Tensor

    @classmethod
    def of(cls, n_sources: int, like: Tensor) -> Beam:
        """One empty hypothesis for each source."""
        device = like.device
        zeros = torch.zeros((n_sources, 1), dtype=torch.int64, device=device)
        return cls(
            torch.arange(n_sources, device=device),
            torch.zeros((n_sources, 1), device=device),
            zeros > 0,
            zeros > 0,
            zeros[:, :, None][:, :, :0],
        )

    @property
    def sizes(self) -> Tensor:
        """Positions so far, with the end: int64 ``(B, K)``."""
        return (self.history != BOUNDARY).sum(dim=2) + self.finished

    def slots(self, sources: Tensor) -> Tensor:
        """Indices of some sources' hypotheses among all ``B * K``."""
        k = self.totals.shape[1]
        return (sources[:, None] * k + torch.arange(k, device=sources.device)).view(-1)

    def keep(self, rows: Tensor) -> Beam:
        """Keep some sources only."""
        return Beam(*(getattr(self, name)[rows] for name in self.__annotations__))


@torch.inference_mode()
def search(
    step,
    state,
    limits: Tensor,
    strategy,
    *,
    min_length: int = 0,
    emit_unknown: bool = False,
    constraints=(),
) -> Hypotheses:
    """Decode a batch of sources; those that are done are removed from it.

    Parameters
    ----------
    step : callable
        ``(state, previous (B * K,)) -> (log_probs (B * K, W), state)``.
    state : object
        The state of one hypothesis a source, with ``select(hypotheses, sources=None)``.
    limits : Tensor of int64 ``(N,)``
        Most tokens of each source's target. A hypothesis that reaches its limit ends
        there, with the model's log-probability of the end.
    strategy : Greedy, BeamSearch or Sampler
        Chooses the next hypotheses.
    min_length : int, default=0
        Fewest tokens of a target.
    emit_unknown : bool, default=False
        Whether the unknown token may be chosen.
    constraints : sequence of Constraint, default=()
        Applied one after the other.

    Returns
    -------
    Hypotheses
    """
    beam = Beam.of(len(limits), limits)
    numbers = beam.sources  # 0, 1, ..., N - 1
    previous = torch.zeros_like(limits)
    first_limit = int(limits.min())
    least_share = LEAST_SHARE if limits.is_cpu else LEAST_SHARE_ON_GPU
    found: list[Beam] = []
    some_finished = False
    while True:
        log_probs, state = step(state, previous)
        log_probs = log_probs.view(*beam.totals.shape, -1)  # (B, K, W)
        free = log_probs.clone() if constraints else log_probs
        if not emit_unknown:
            log_probs[..., UNKNOWN] = NEVER
        for constraint in constraints:
            constraint.forbid(log_probs, free, beam)
        t = beam.history.shape[2]
        if t < min_length:
            _postpone_end(log_probs, limits[beam.sources] > t)
        capped = beam.capped
        if constraints:
            capped = capped | _end_stuck(log_probs, free, beam, strategy)
        if t >= first_limit:
            capped = capped | _end_due(log_probs, beam, limits)
        if some_finished:
            _hold_finished(log_probs, beam.finished)
        beam, parents = _extend(beam, log_probs, capped, strategy, numbers)
        tokens = beam.history[:, :, -1]
        for constraint in constraints:
            constraint.select(parents, tokens)
        done = strategy.done(beam, limits).cpu()  # most steps wait for a GPU here only
        n_done = int(done.sum())
        if n_done == len(done):
            return _gather([*found, beam], len(limits), strategy)
        keep, leave = None, n_done >= least_share * len(done)
        if leave:
            left, keep = (x.nonzero()[:, 0].to(limits.device) for x in (done, ~done))
            found.append(beam.keep(left))
            slots = beam.slots(keep)
            parents = slots if parents is None else parents[slots]
            for constraint in constraints:
                constraint.select(slots, None)
            beam = beam.keep(keep)
            tokens = tokens[keep]
        if beam.totals.shape[1] == 1:
            some_finished = n_done > 0 and not leave
        elif not some_finished:  # asking again would be another wait
            some_finished = bool(beam.finished.any())
        if parents is not None:
            state = state.select(parents, keep)
        previous = tokens.reshape(-1)


def _hold_finished(log_probs, finished):
    """Let a finished hypothesis continue only with its end, with probability 1."""
    log_probs.masked_fill_(finished[:, :, None], NEVER)
    log_probs[:, :, BOUNDARY].masked_fill_(finished, 0.0)


def _postpone_end(log_probs, may_continue):
    """Forbid the end of hypotheses in some rows, if they have another next token."""
    end = log_probs[..., BOUNDARY].clone()  # (B, K)
    log_probs[..., BOUNDARY] = NEVER
    stuck = (log_probs == NEVER).all(dim=2)
    log_probs[..., BOUNDARY] = end.masked_fill(~stuck & may_continue[:, None], NEVER)


def _end_stuck(log_probs, free, beam, strategy):
    """End hypotheses without a next token; return which.

    In a beam, only if all hypotheses of the source are stuck.
    """
    live = beam.totals > NEVER
    stuck = (log_probs == NEVER).all(dim=2) & ~beam.finished & live
    if strategy.compares:
        stuck &= (stuck | ~live).all(dim=1, keepdim=True)
    ends = log_probs[..., BOUNDARY]
    ends.copy_(torch.where(stuck, free[..., BOUNDARY], ends))
    return stuck


def _end_due(log_probs, beam, limits):
    """End hypotheses at their limit; return those that the model would continue."""
    due = limits[beam.sources] <= beam.history.shape[2]  # (B,)
    continues = log_probs.argmax(dim=2) != BOUNDARY  # (B, K)
    end = log_probs[..., BOUNDARY].clone()
    log_probs[due] = NEVER
    log_probs[..., BOUNDARY] = end
    return continues & due[:, None] & ~beam.finished


def _extend(beam, log_probs, capped, strategy, numbers):
    """Let the strategy extend the beam; also return each new row's parent row.

    `numbers` are 0, 1, 2, ..., at least one for each source.
    """
    parents, tokens, totals = strategy(beam, log_probs)

    def inherit(x):
        return x if parents is None else x.gather(1, parents)

    history = beam.history
    if parents is not None:
        history = history.gather(
            1, parents[:, :, None].expand(-1, -1, history.shape[2])
        )
    was_finished = inherit(beam.finished)
    new = Beam(
        beam.sources,
        totals,
        was_finished | (tokens == BOUNDARY),
        inherit(capped),
        torch.cat((history, tokens[:, :, None]), dim=2),
    )
    if parents is None:
        return new, None
    # Parents are numbered within their source; rows, among all B * K.
    first = numbers[: len(parents), None]
    return new, torch.add(parents, first, alpha=beam.totals.shape[1]).view(-1)


def _gather(found, n_sources, strategy):
    """Join sources that left the batch at different steps, best hypotheses first."""
    k = max(beam.totals.shape[1] for beam in found)
    steps = max(beam.history.shape[2] for beam in found)
    like = found[0]
    tokens = like.history.new_zeros((n_sources, k, steps))
    log_probs = like.totals.new_full((n_sources, k), NEVER)
    capped = like.capped.new_zeros((n_sources, k))
    for beam in found:
        _, width, length = beam.history.shape
        parts = beam.history, beam.totals, beam.capped
        if width > 1:
            scores = strategy.scores(beam)
            order = scores.sort(dim=1, descending=True, stable=True).indices
            index = order[:, :, None].expand(-1, -1, length)
            history, *others = parts
            parts = history.gather(1, index), *(x.gather(1, order) for x in others)
        tokens[beam.sources, :width, :length] = parts[0]
        log_probs[beam.sources, :width] = parts[1]
        capped[beam.sources, :width] = parts[2]
    return Hypotheses(tokens, log_probs, capped)
