"""Search: from a model's next-token probabilities to whole sequences.

Everything here sees a model as one function, ``step(state, previous) -> (log_probs,
state)``, and a state with ``select(hypotheses, sources)``: a single network, an
ensemble or a table in a test.

Shapes: B sources still in the batch, K hypotheses of each, W tokens to choose from
(the vocabulary, and source positions to copy from), t steps taken.

References
----------
.. [1] Wu et al., "Google's neural machine translation system", 2016.
   :arxiv:`1609.08144`
.. [2] Holtzman et al., "The curious case of neural text degeneration", ICLR, 2020.
   :arxiv:`1904.09751`
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN

NEVER = float("-inf")
# Share of a batch that must be done before it leaves, which takes some copying. On a
# GPU that takes dozens of kernels, and a step is as fast with hundreds of rows as with
# a few.
LEAST_SHARE = 1 / 4
LEAST_SHARE_ON_GPU = 3 / 4


class Hypotheses(NamedTuple):
    """What a search found, best first.

    Attributes
    ----------
    tokens : Tensor of int64 ``(N, K, T)``
        Zero-terminated rows.
    log_probs : Tensor ``(N, K)``
        The model's log-probability of the whole sequence, its end included, in nats;
        minus infinity where a source has fewer than K hypotheses.
    capped : Tensor of bool ``(N, K)``
        Whether the limit, or constraints that left no way to go on, ended the sequence
        rather than the model.
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
        Log-probability so far.
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
        whole = torch.zeros((n_sources, 1), dtype=torch.int64, device=device)
        return cls(
            torch.arange(n_sources, device=device),
            torch.zeros((n_sources, 1), device=device),
            whole > 0,
            whole > 0,
            whole[:, :, None][:, :, :0],
        )

    @property
    def sizes(self) -> Tensor:
        """Positions taken, the end included: int64 ``(B, K)``."""
        return (self.history != BOUNDARY).sum(dim=2) + self.finished

    def keep(self, rows: Tensor) -> Beam:
        """Keep some sources only."""
        return Beam(*(getattr(self, name)[rows] for name in self.__annotations__))


@torch.inference_mode()
def search(
    step,
    state,
    limits: Tensor,
    chooser,
    *,
    min_length: int = 0,
    emit_unknown: bool = False,
    constraints=(),
) -> Hypotheses:
    """Decode a batch of sources; those that are done leave it.

    Parameters
    ----------
    step : callable
        ``(state, previous (B * K,)) -> (log_probs (B * K, W), state)``.
    state : object
        Of one hypothesis a source, with ``select(hypotheses, sources=None)``.
    limits : Tensor of int64 ``(N,)``
        Most tokens that each source's target may have. A hypothesis that reaches its
        limit is ended there, at the model's own price for the end.
    chooser : Greedy, BeamSearch or Sampler
        What to go on with.
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
    numbers = beam.sources
    previous = torch.zeros_like(limits)
    first_limit = int(limits.min())
    device = limits.device
    least_share = LEAST_SHARE if device.type == "cpu" else LEAST_SHARE_ON_GPU
    found: list[Beam] = []
    some_finished = False
    while True:
        log_probs, state = step(state, previous)
        log_probs = log_probs.view(*beam.totals.shape, -1)
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
            capped = capped | _end_stuck(log_probs, free, beam, chooser)
        if t >= first_limit:
            capped = capped | _end_due(log_probs, beam, limits)
        if some_finished:
            # A finished hypothesis stays as it is, at no cost.
            log_probs.masked_fill_(beam.finished[:, :, None], NEVER)
            log_probs[:, :, BOUNDARY].masked_fill_(beam.finished, 0.0)
        beam, parents = _extend(beam, log_probs, capped, chooser, numbers)
        tokens = beam.history[:, :, -1]
        for constraint in constraints:
            constraint.select(parents, tokens)
        done = chooser.done(beam, limits).cpu()  # the one wait for a GPU in most steps
        n_done = int(done.sum())
        if n_done == len(done):
            return _gather([*found, beam], len(limits), chooser)
        keep, leave = None, n_done >= least_share * len(done)
        if leave:
            gone, keep = (torch.nonzero(x)[:, 0].to(device) for x in (done, ~done))
            found.append(beam.keep(gone))
            k = beam.totals.shape[1]
            slots = (keep[:, None] * k + torch.arange(k, device=device)).view(-1)
            parents = slots if parents is None else parents[slots]
            for constraint in constraints:
                constraint.select(slots, None)
            beam = beam.keep(keep)
            tokens = tokens[keep]
        if beam.totals.shape[1] == 1:
            some_finished = n_done > 0 and not leave  # the done ones, if still here
        elif not some_finished:  # to ask again would be another wait
            some_finished = bool(beam.finished.any())
        if parents is not None:
            state = state.select(parents, keep)
        previous = tokens.reshape(-1)


def _postpone_end(log_probs, may_go_on):
    """Forbid the end in these rows, where there is something else to go on with."""
    price = log_probs[..., BOUNDARY].clone()
    log_probs[..., BOUNDARY] = NEVER
    stuck = (log_probs == NEVER).all(dim=2)
    log_probs[..., BOUNDARY] = price.masked_fill(~stuck & may_go_on[:, None], NEVER)


def _end_stuck(log_probs, free, beam, chooser):
    """End hypotheses that have no way to go on; return which.

    In a beam only where the source has no other hypothesis either.
    """
    live = beam.totals > NEVER
    stuck = (log_probs == NEVER).all(dim=2) & ~beam.finished & live
    if chooser.compares:
        stuck &= (stuck | ~live).all(dim=1, keepdim=True)
    ends = log_probs[..., BOUNDARY]
    ends.copy_(torch.where(stuck, free[..., BOUNDARY], ends))
    return stuck


def _end_due(log_probs, beam, limits):
    """End hypotheses at their limit; return those that the model would not have."""
    due = limits[beam.sources] <= beam.history.shape[2]
    more = log_probs.argmax(dim=2) != BOUNDARY
    price = log_probs[..., BOUNDARY].clone()
    log_probs[due] = NEVER
    log_probs[..., BOUNDARY] = price
    return more & due[:, None] & ~beam.finished


def _extend(beam, log_probs, capped, chooser, numbers):
    """Let the chooser extend the beam; also return each new row's parent row.

    `numbers` are 0, 1, 2 and so on, at least as many as there are sources.
    """
    parents, tokens, totals = chooser(beam, log_probs)

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
    first = numbers[: len(parents), None]
    return new, torch.add(parents, first, alpha=beam.totals.shape[1]).view(-1)


def _gather(found, n_sources, chooser):
    """Put what left the batch at different steps into one table, best first."""
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
            scores = chooser.scores(beam)
            order = scores.sort(dim=1, descending=True, stable=True).indices
            index = order[:, :, None].expand(-1, -1, length)
            history, *others = parts
            parts = history.gather(1, index), *(x.gather(1, order) for x in others)
        tokens[beam.sources, :width, :length] = parts[0]
        log_probs[beam.sources, :width] = parts[1]
        capped[beam.sources, :width] = parts[2]
    return Hypotheses(tokens, log_probs, capped)


class Greedy:
    """The likeliest token at every step: a beam of width 1."""

    compares = False

    def __call__(self, beam, log_probs):
        best, tokens = log_probs.max(dim=2)
        return None, tokens, beam.totals + best

    def scores(self, beam):
        return beam.totals

    def done(self, beam, limits):
        return beam.finished[:, 0]


class BeamSearch:
    """The likeliest hypotheses at every step.

    Finished hypotheses keep their place in the beam as long as their score holds it.
    The score is the log-probability over ``((5 + n) / 6) ** length_penalty``, n being
    the sequence's positions with its end [1]_.
    """

    compares = True

    def __init__(self, width: int, n_best: int = 1, length_penalty: float = 0.0):
        self.width = width
        self.n_best = n_best
        self.length_penalty = length_penalty

    def __call__(self, beam, log_probs):
        totals = beam.totals[:, :, None] + log_probs
        scores = totals
        if self.length_penalty:
            sizes = beam.sizes + ~beam.finished  # with the token that comes next
            scores = totals / self._penalty(sizes)[:, :, None]
        n_tokens = scores.shape[2]
        scores = scores.flatten(1)
        best, flat = scores.topk(min(self.width, scores.shape[1]), dim=1)
        if self.length_penalty:
            best = totals.flatten(1).gather(1, flat)
        return flat // n_tokens, flat % n_tokens, best

    def scores(self, beam):
        if not self.length_penalty:
            return beam.totals
        return beam.totals / self._penalty(beam.sizes)

    def done(self, beam, limits):
        """A source is done when nothing unfinished can reach its n best any more."""
        dead = beam.totals == NEVER
        alive = ~(beam.finished | dead)
        # Hypotheses are in order of their totals, which only fall.
        done = ~alive[:, : self.n_best].any(dim=1)
        if self.length_penalty and beam.totals.shape[1] >= self.n_best:
            closed = self.scores(beam).masked_fill(alive, NEVER)
            worst = closed.topk(self.n_best, dim=1).values[:, -1]
            # The longest allowed length, at no further cost, is the best that can
            # become of a hypothesis.
            hope = beam.totals.masked_fill(~alive, NEVER)
            hope = hope / self._penalty(limits[beam.sources] + 1)[:, None]
            done = (hope.amax(dim=1) <= worst) & (worst > NEVER)
            done |= ~alive.any(dim=1)
        beam.totals.masked_fill_(alive & done[:, None], NEVER)
        return done

    def _penalty(self, sizes):
        # Infinity would make a number of what can never be.
        return (((5 + sizes) / 6) ** self.length_penalty).clamp(max=1e30)


class Sampler:
    """Draws every token at random.

    Parameters
    ----------
    n_samples : int
    generator : torch.Generator
    temperature : float
        Log-probabilities are divided by it; 0 stands for its limit, the likeliest.
    top_k : int or None
        Draw among the k likeliest tokens only.
    top_p : float or None
        Draw among the fewest tokens that together have probability p [2]_.
    """

    compares = False

    def __init__(self, n_samples, generator, temperature=1.0, top_k=None, top_p=None):
        self.n_samples = n_samples
        self.generator = generator
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p

    def __call__(self, beam, log_probs):
        n_rows, k, n_tokens = log_probs.shape
        draws = self.n_samples if beam.history.shape[2] == 0 else 1
        if self.temperature == 0:
            tokens = log_probs.argmax(dim=2).repeat_interleave(draws, dim=1)
        else:
            scores = log_probs.flatten(0, 1)
            # The likeliest at 0, so that a temperature near 0 leaves it there.
            scores = scores - scores.amax(dim=1, keepdim=True)
            # What float32 cannot hold would make 0 / 0 of it.
            weights = self._filter(scores / min(max(self.temperature, 1e-30), 1e30))
            tokens = torch.multinomial(
                weights, draws, replacement=True, generator=self.generator
            ).view(n_rows, k * draws)
        parents = torch.arange(k, device=tokens.device).repeat_interleave(draws)
        parents = parents.expand(n_rows, -1)
        price = log_probs.gather(1, parents[:, :, None].expand(-1, -1, n_tokens))
        price = price.gather(2, tokens[:, :, None])[:, :, 0]
        totals = beam.totals.gather(1, parents) + price
        return (parents if draws > 1 else None), tokens, totals

    def _filter(self, scores):
        if self.top_k is not None:
            k = min(self.top_k, scores.shape[1])
            least = scores.topk(k, dim=1).values[:, -1:]
            scores = scores.masked_fill(scores < least, NEVER)
        probs = torch.softmax(scores, dim=1)
        if self.top_p is not None:
            ordered, order = probs.sort(dim=1, descending=True)
            before = ordered.cumsum(dim=1) - ordered
            # Never all of them: float32 takes the least numbers for 0.
            beyond = (before >= self.top_p) & (before > 0)
            ordered = ordered.masked_fill(beyond, 0.0)
            probs = torch.zeros_like(probs).scatter_(1, order, ordered)
        return probs

    def scores(self, beam):
        # Samples stay in the order in which they were drawn.
        return torch.zeros_like(beam.totals)

    def done(self, beam, limits):
        return beam.finished.all(dim=1)


class Constraint(ABC):
    """Forbids tokens at every step."""

    @abstractmethod
    def forbid(self, log_probs: Tensor, free: Tensor, beam: Beam) -> None:
        """Set what must not come next to minus infinity.

        Parameters
        ----------
        log_probs : Tensor ``(B, K, W)``
            As the constraints before left them; written to.
        free : Tensor ``(B, K, W)``
            The model's own.
        beam : Beam
        """

    def select(self, hypotheses: Tensor | None, tokens: Tensor | None) -> None:  # noqa: B027 (most remember nothing)
        """Follow the search: it went on with these hypotheses and these tokens."""


class Ban(Constraint):
    """Forbids some tokens everywhere."""

    def __init__(self, tokens: Tensor):
        self.tokens = tokens

    def forbid(self, log_probs, free, beam):
        log_probs[..., self.tokens] = NEVER


class Copies(Constraint):
    """Forbids to copy from positions that hold nothing of their own.

    Parameters
    ----------
    copy_ids : Tensor of int64 ``(N, S)``
        What the copying of each source position yields.
    vocabulary_size : int
    """

    def __init__(self, copy_ids: Tensor, vocabulary_size: int):
        n_rows, n_positions = copy_ids.shape
        shape = (n_rows, vocabulary_size + n_positions)
        self.missing = torch.ones(shape, dtype=torch.bool, device=copy_ids.device)
        self.missing.scatter_(1, copy_ids, False)
        self.missing[:, :vocabulary_size] = False

    def forbid(self, log_probs, free, beam):
        log_probs.masked_fill_(self.missing[beam.sources][:, None], NEVER)


class Prefix(Constraint):
    """Makes each target begin with given tokens, whatever else forbids them.

    To be the last of the constraints.

    Parameters
    ----------
    tokens : Tensor of int64 ``(N, P)``
        Zero-padded prefixes, one a source; a row may be empty.
    """

    def __init__(self, tokens: Tensor):
        self.tokens = tokens
        self.sizes = (tokens != BOUNDARY).sum(dim=1)
        self.longest = int(self.sizes.max())

    def forbid(self, log_probs, free, beam):
        t = beam.history.shape[2]
        if t >= self.longest:
            return
        bound = self.sizes[beam.sources] > t
        wanted = self.tokens[beam.sources[bound], t]
        wanted = wanted[:, None, None].expand(-1, log_probs.shape[1], 1)
        rows = free[bound]
        log_probs[bound] = torch.full_like(rows, NEVER).scatter(
            2, wanted, rows.gather(2, wanted)
        )


class NoRepeat(Constraint):
    """Forbids to repeat any n consecutive tokens within one target.

    The end is always allowed, so there is always a way to go on.
    """

    def __init__(self, size: int):
        self.size = size

    def forbid(self, log_probs, free, beam):
        n, history = self.size, beam.history
        if history.shape[2] < n:
            return
        windows = history.unfold(2, n, 1)
        recent = history[:, :, history.shape[2] - n + 1 :]
        repeats = (windows[..., :-1] == recent[:, :, None]).all(dim=3)
        last = windows[..., -1]
        penalty = torch.zeros_like(log_probs)
        # Column 0 takes what is not a repeat; it is the end, and is never forbidden.
        penalty.scatter_(2, last.masked_fill(~repeats, BOUNDARY), NEVER)
        penalty[..., BOUNDARY] = 0
        log_probs += penalty


class Trie(Constraint):
    """Makes every target one of a closed set.

    Parameters
    ----------
    edges : Tensor of int64 ``(n_edges, 3)``
        Node, token and child, sorted by node, then token; node 0 is the root and the
        token 0 says that a member ends there.
    n_sources : int
    """

    def __init__(self, edges: Tensor, n_sources: int):
        nodes, self.tokens, self.children = edges.unbind(1)
        n_nodes = int(edges[:, [0, 2]].max()) + 1
        counts = torch.bincount(nodes, minlength=n_nodes)
        self.starts = torch.cumsum(counts, 0) - counts
        self.counts = counts
        self.at = torch.zeros(n_sources, dtype=torch.int64, device=edges.device)

    def forbid(self, log_probs, free, beam):
        flat = log_probs.view(len(self.at), -1)
        rows, edges = self._edges()
        allowed = torch.zeros_like(flat, dtype=torch.bool)
        allowed[rows, self.tokens[edges]] = True
        flat.masked_fill_(~allowed, NEVER)

    def select(self, hypotheses, tokens):
        if hypotheses is not None:
            self.at = self.at[hypotheses]
        if tokens is None:
            return
        wanted = tokens.reshape(-1)
        rows, edges = self._edges()
        taken = self.tokens[edges] == wanted[rows]
        self.at[rows[taken]] = self.children[edges[taken]]

    def _edges(self):
        """Every hypothesis with every edge that leaves its node, as index pairs."""
        counts = self.counts[self.at]
        rows = torch.repeat_interleave(counts)
        first = torch.cumsum(counts, 0) - counts
        within = torch.arange(len(rows), device=rows.device) - first[rows]
        return rows, self.starts[self.at[rows]] + within
