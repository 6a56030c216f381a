"""How a search goes on from one step to the next: greedy, beam, sampling."""

from __future__ import annotations

import torch

from sklearn_seq2seq._decoding._search import NEVER


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
            # At best a hypothesis reaches the longest allowed length at no cost.
            hope = beam.totals.masked_fill(~alive, NEVER)
            hope = hope / self._penalty(limits[beam.sources] + 1)[:, None]
            done = (hope.amax(dim=1) <= worst) & (worst > NEVER)
            done |= ~alive.any(dim=1)
        beam.totals.masked_fill_(alive & done[:, None], NEVER)
        return done

    def _penalty(self, sizes):
        # Minus infinity over infinity would be NaN.
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
            # The likeliest token is at 0, which a temperature near 0 leaves at 0.
            scores = scores - scores.amax(dim=1, keepdim=True)
            # Temperatures beyond the range of float32 would give 0 / 0.
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
            # Keep at least one: float32 rounds the smallest top_p to 0.
            beyond = (before >= self.top_p) & (before > 0)
            ordered = ordered.masked_fill(beyond, 0.0)
            probs = torch.zeros_like(probs).scatter_(1, order, ordered)
        return probs

    def scores(self, beam):
        # Samples stay in the order in which they were drawn.
        return torch.zeros_like(beam.totals)

    def done(self, beam, limits):
        return beam.finished.all(dim=1)
