"""The search of `sklearn_seq2seq._decoding`, greedy or with a beam, on numpy arrays.

Shapes: B sources still in the batch, K hypotheses of each, W tokens to choose from
(the vocabulary, and source positions to copy from), t steps taken.
"""

from dataclasses import dataclass, fields

import numpy as np

from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN

NEVER = np.float32(-np.inf)
# Share of a batch that must be done before it is removed, which copies the rest.
LEAST_SHARE = 1 / 4


@dataclass
class Beam:
    """The hypotheses of the sources still in the batch.

    Attributes
    ----------
    sources : ndarray of int64 ``(B,)``
    totals : ndarray of float32 ``(B, K)``
        Log-probability of the tokens so far.
    finished, capped : ndarray of bool ``(B, K)``
        Whether a hypothesis has ended, and whether the length limit or the constraints,
        not the model, ended it.
    history : ndarray of int64 ``(B, K, t)``
    """

    sources: np.ndarray
    totals: np.ndarray
    finished: np.ndarray
    capped: np.ndarray
    history: np.ndarray

    @classmethod
    def of(cls, n_sources):
        """One empty hypothesis for each source."""
        return cls(
            np.arange(n_sources),
            np.zeros((n_sources, 1), dtype=np.float32),
            np.zeros((n_sources, 1), dtype=bool),
            np.zeros((n_sources, 1), dtype=bool),
            np.zeros((n_sources, 1, 0), dtype=np.int64),
        )

    @property
    def sizes(self):
        """Positions so far, with the end: ``(B, K)``."""
        return (self.history != BOUNDARY).sum(axis=2) + self.finished

    def keep(self, rows):
        """Keep some sources only."""
        return Beam(*(getattr(self, field.name)[rows] for field in fields(self)))


def search(
    step,
    state,
    limits,
    strategy,
    *,
    min_length=0,
    emit_unknown=False,
    constraints=(),
):
    """Decode a batch of sources; those that are done are removed from it.

    Parameters
    ----------
    step : callable
        ``(state, previous (B * K,)) -> (log_probs (B * K, W), state)``.
    state : object
        The state of one hypothesis a source, with ``select(hypotheses, sources=None)``.
    limits : ndarray of int64 ``(N,)``
        Most tokens of each source's target.
    strategy : Greedy or BeamSearch
    min_length : int, default=0
        Fewest tokens of a target.
    emit_unknown : bool, default=False
        Whether the unknown token may be chosen.
    constraints : sequence of Constraint, default=()

    Returns
    -------
    tokens : ndarray of int64 ``(N, K, T)``
        Zero-terminated rows, best first.
    log_probs : ndarray of float32 ``(N, K)``
        Minus infinity where a source has fewer than K hypotheses.
    capped : ndarray of bool ``(N, K)``
    """
    beam = Beam.of(len(limits))
    previous = np.zeros(len(limits), dtype=np.int64)
    found = []
    while True:
        log_probs, state = step(state, previous)
        log_probs = log_probs.reshape(*beam.totals.shape, -1)
        free = log_probs.copy() if constraints else log_probs
        if not emit_unknown:
            log_probs[..., UNKNOWN] = NEVER
        for constraint in constraints:
            constraint.forbid(log_probs, free, beam)
        due = limits[beam.sources] <= beam.history.shape[2]
        if beam.history.shape[2] < min_length:
            _postpone_end(log_probs, due)
        capped = beam.capped
        if constraints:
            capped = capped | _end_stuck(log_probs, free, beam, strategy)
        if due.any():
            capped = capped | _end_due(log_probs, due, beam)
        # A finished hypothesis continues only with its end, with probability 1.
        log_probs[beam.finished] = NEVER
        log_probs[..., BOUNDARY][beam.finished] = 0
        beam, parents = _extend(beam, log_probs, capped, strategy)
        tokens = beam.history[:, :, -1]
        for constraint in constraints:
            constraint.select(parents, tokens)
        done = strategy.done(beam, limits)
        if done.all():
            return _gather([*found, beam], len(limits), strategy)
        keep = None
        if done.mean() >= LEAST_SHARE:
            found.append(beam.keep(done))
            keep = np.flatnonzero(~done)
            k = beam.totals.shape[1]
            slots = (keep[:, None] * k + np.arange(k)).ravel()
            parents = slots if parents is None else parents[slots]
            for constraint in constraints:
                constraint.select(slots, None)
            beam, tokens = beam.keep(keep), tokens[keep]
        if parents is not None:
            state = state.select(parents, keep)
        previous = tokens.ravel()


def _postpone_end(log_probs, due):
    """Forbid the end of hypotheses that have another next token, before their limit."""
    others = (log_probs[..., BOUNDARY + 1 :] > NEVER).any(axis=2)
    log_probs[..., BOUNDARY][others & ~due[:, None]] = NEVER


def _end_stuck(log_probs, free, beam, strategy):
    """End hypotheses without a next token; return which.

    In a beam, only if all hypotheses of the source are stuck.
    """
    live = beam.totals > NEVER
    stuck = (log_probs == NEVER).all(axis=2) & ~beam.finished & live
    if strategy.compares:
        stuck &= (stuck | ~live).all(axis=1, keepdims=True)
    log_probs[..., BOUNDARY][stuck] = free[..., BOUNDARY][stuck]
    return stuck


def _end_due(log_probs, due, beam):
    """End hypotheses at their limit; return those that the model would continue."""
    continues = log_probs.argmax(axis=2) != BOUNDARY
    log_probs[due, :, BOUNDARY + 1 :] = NEVER
    return continues & due[:, None] & ~beam.finished


def _extend(beam, log_probs, capped, strategy):
    """Let the strategy extend the beam; also return each new row's parent row."""
    parents, tokens, totals = strategy(beam, log_probs)

    def inherit(x):
        return x if parents is None else np.take_along_axis(x, parents, axis=1)

    history, finished = beam.history, inherit(beam.finished)
    if parents is not None:
        history = np.take_along_axis(history, parents[:, :, None], axis=1)
    new = Beam(
        beam.sources,
        totals,
        finished | (tokens == BOUNDARY),
        inherit(capped),
        np.concatenate((history, tokens[:, :, None]), axis=2),
    )
    if parents is None:
        return new, None
    first = beam.totals.shape[1] * np.arange(len(parents))
    return new, (first[:, None] + parents).ravel()


def _gather(found, n_sources, strategy):
    """Join sources that left the batch at different steps, best hypotheses first."""
    k = max(beam.totals.shape[1] for beam in found)
    steps = max(beam.history.shape[2] for beam in found)
    tokens = np.zeros((n_sources, k, steps), dtype=np.int64)
    log_probs = np.full((n_sources, k), NEVER)
    capped = np.zeros((n_sources, k), dtype=bool)
    for beam in found:
        width, length = beam.history.shape[1:]
        order = np.argsort(-strategy.scores(beam), axis=1, kind="stable")
        rows = beam.sources[:, None]
        history = np.take_along_axis(beam.history, order[:, :, None], axis=1)
        tokens[beam.sources, :width, :length] = history
        columns = np.arange(width)
        log_probs[rows, columns] = np.take_along_axis(beam.totals, order, axis=1)
        capped[rows, columns] = np.take_along_axis(beam.capped, order, axis=1)
    return tokens, log_probs, capped


class Greedy:
    """The likeliest token at every step: a beam of width 1."""

    compares = False

    def __call__(self, beam, log_probs):
        tokens = log_probs.argmax(axis=2)
        best = np.take_along_axis(log_probs, tokens[:, :, None], axis=2)[:, :, 0]
        return None, tokens, beam.totals + best

    def scores(self, beam):
        return beam.totals

    def done(self, beam, limits):
        return beam.finished[:, 0]


class BeamSearch:
    """The likeliest hypotheses at every step.

    The score is the log-probability over ``((5 + n) / 6) ** length_penalty``, where n
    is the number of positions with the end.
    """

    compares = True

    def __init__(self, width, n_best=1, length_penalty=0.0):
        self.width = width
        self.n_best = n_best
        self.length_penalty = length_penalty

    def __call__(self, beam, log_probs):
        totals = beam.totals[:, :, None] + log_probs
        scores = totals
        if self.length_penalty:
            sizes = beam.sizes + ~beam.finished  # with the next token
            scores = totals / self._penalty(sizes)[:, :, None]
        n_tokens = totals.shape[2]
        flat = _top(scores.reshape(len(scores), -1), self.width)
        best = np.take_along_axis(totals.reshape(len(totals), -1), flat, axis=1)
        return flat // n_tokens, flat % n_tokens, best

    def scores(self, beam):
        if not self.length_penalty:
            return beam.totals
        return beam.totals / self._penalty(beam.sizes)

    def done(self, beam, limits):
        """A source is done if no unfinished hypothesis can still reach its n best."""
        alive = ~beam.finished & (beam.totals > NEVER)
        # Hypotheses are sorted by their totals, which can only fall.
        done = ~alive[:, : self.n_best].any(axis=1)
        if self.length_penalty and beam.totals.shape[1] >= self.n_best:
            finished = np.where(alive, NEVER, self.scores(beam))
            worst = -np.sort(-finished, axis=1)[:, self.n_best - 1]
            # At best a hypothesis reaches the longest allowed length with its total.
            bound = np.where(alive, beam.totals, NEVER)
            bound = bound / self._penalty(limits[beam.sources] + 1)[:, None]
            done = (bound.max(axis=1) <= worst) & (worst > NEVER)
            done |= ~alive.any(axis=1)
        beam.totals[alive & done[:, None]] = NEVER
        return done

    def _penalty(self, sizes):
        with np.errstate(over="ignore"):
            penalty = ((5 + sizes) / 6) ** self.length_penalty
        # Minus infinity over infinity would be NaN.
        return np.minimum(penalty, 1e30).astype(np.float32)


def _top(scores, k):
    """Columns of the k largest of each row, the largest first."""
    if k < scores.shape[1]:
        columns = np.sort(np.argpartition(scores, -k, axis=1)[:, -k:], axis=1)
        order = np.argsort(
            -np.take_along_axis(scores, columns, axis=1), axis=1, kind="stable"
        )
        return np.take_along_axis(columns, order, axis=1)
    return np.argsort(-scores, axis=1, kind="stable")
