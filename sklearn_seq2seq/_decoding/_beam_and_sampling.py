"""How a search chooses the next tokens: greedily, by beam, by sampling.

A strategy maps a beam and ``log_probs (B, K, W)`` to the parents (None if each
hypothesis is its own), tokens and totals of the next hypotheses, each ``(B, K')``.

Shapes: B sources, K hypotheses of each, W tokens to choose from.

References
----------
.. [1] Wu et al., "Google's neural machine translation system", 2016.
   :arxiv:`1609.08144`
.. [2] Holtzman et al., "The curious case of neural text degeneration", ICLR, 2020.
   :arxiv:`1904.09751`
"""

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

    Finished hypotheses stay in the beam as long as their score is among the best. The
    score is the log-probability over ``((5 + n) / 6) ** length_penalty``, where n is
    the number of positions with the end [1]_.
    """

    compares = True

    def __init__(self, width: int, n_best: int = 1, length_penalty: float = 0.0):
        self.width = width
        self.n_best = n_best
        self.length_penalty = length_penalty

    def __call__(self, beam, log_probs):
        totals = beam.totals[:, :, None] + log_probs  # (B, K, W)
        scores = totals
        if self.length_penalty:
            sizes = beam.sizes + ~beam.finished  # with the next token
            scores = totals / self._penalty(sizes)[:, :, None]
        n_tokens = scores.shape[2]
        scores = scores.flatten(1)  # (B, K * W)
        best, flat = scores.topk(min(self.width, scores.shape[1]), dim=1)
        if self.length_penalty:
            best = totals.flatten(1).gather(1, flat)
        return flat // n_tokens, flat % n_tokens, best

    def scores(self, beam):
        if not self.length_penalty:
            return beam.totals
        return beam.totals / self._penalty(beam.sizes)

    def done(self, beam, limits):
        """A source is done if no unfinished hypothesis can still reach its n best."""
        dead = beam.totals == NEVER
        alive = ~(beam.finished | dead)
        # Hypotheses are sorted by their totals, which can only fall.
        done = ~alive[:, : self.n_best].any(dim=1)
        if self.length_penalty and beam.totals.shape[1] >= self.n_best:
            finished = self.scores(beam).masked_fill(alive, NEVER)
            worst = finished.topk(self.n_best, dim=1).values[:, -1]
            # At best a hypothesis reaches the longest allowed length with its total.
            bound = beam.totals.masked_fill(~alive, NEVER)
            bound = bound / self._penalty(limits[beam.sources] + 1)[:, None]
            done = (bound.amax(dim=1) <= worst) & (worst > NEVER)
            done |= ~alive.any(dim=1)
        beam.totals.masked_fill_(alive & done[:, None], NEVER)
        return done

    def _penalty(self, sizes):
        # Minus infinity over infinity would be NaN.
        return (((5 + sizes) / 6) ** self.length_penalty).clamp(max=1e30)


class Sampler:
    """Draws tokens at random.

    Parameters
    ----------
    n_samples : int
    generator : torch.Generator
    temperature : float
        Divides log-probabilities; 0 stands for the limit, the likeliest token.
    top_k : int or None
        Draw from the k likeliest tokens only.
    top_p : float or None
        Draw from the fewest tokens that together have probability p [2]_.
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
        # The first step draws all samples of a source from its one empty hypothesis.
        draws = self.n_samples if beam.history.shape[2] == 0 else 1
        if self.temperature == 0:
            tokens = log_probs.argmax(dim=2).repeat_interleave(draws, dim=1)
        else:
            scores = log_probs.flatten(0, 1)  # (B * K, W)
            # The likeliest token is at 0, where temperatures near 0 leave it.
            scores = scores - scores.amax(dim=1, keepdim=True)
            # Temperatures beyond the range of float32 would give 0 / 0.
            weights = self._filter(scores / min(max(self.temperature, 1e-30), 1e30))
            tokens = torch.multinomial(
                weights, draws, replacement=True, generator=self.generator
            ).view(n_rows, k * draws)
        parents = torch.arange(k, device=tokens.device).repeat_interleave(draws)
        parents = parents.expand(n_rows, -1)
        chosen = log_probs.gather(1, parents[:, :, None].expand(-1, -1, n_tokens))
        chosen = chosen.gather(2, tokens[:, :, None])[:, :, 0]
        totals = beam.totals.gather(1, parents) + chosen
        return (parents if draws > 1 else None), tokens, totals

    def _filter(self, scores):
        """Probabilities of the tokens that `top_k` and `top_p` leave."""
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
