"""Constraints of a search: bans, prefixes, closed sets, repetition.

Shapes: N sources of the search, B sources still in the batch, K hypotheses of each, W
tokens to choose from, V of them in the vocabulary, S source positions.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sklearn_seq2seq._decoding._search import NEVER, Beam
from sklearn_seq2seq._tokens import BOUNDARY


class Constraint(ABC):
    """Forbids tokens at every step."""

    @abstractmethod
    def forbid(self, log_probs: Tensor, free: Tensor, beam: Beam) -> None:
        """Set forbidden next tokens to minus infinity.

        Parameters
        ----------
        log_probs : Tensor ``(B, K, W)``
            As the constraints before left them; changed in place.
        free : Tensor ``(B, K, W)``
            The model's log-probabilities, without any constraint.
        beam : Beam
        """

    def select(self, hypotheses: Tensor | None, tokens: Tensor | None) -> None:  # noqa: B027 (most remember nothing)
        """Follow the search, which continued with these hypotheses and tokens."""


class Ban(Constraint):
    """Forbids some tokens everywhere."""

    def __init__(self, tokens: Tensor):
        self.tokens = tokens

    def forbid(self, log_probs, free, beam):
        log_probs[..., self.tokens] = NEVER


class Copies(Constraint):
    """Forbids ids V + s that no source position is copied as.

    Parameters
    ----------
    copy_ids : Tensor of int64 ``(N, S)``
        The target id that each source position is copied as.
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

    It must be the last of the constraints.

    Parameters
    ----------
    tokens : Tensor of int64 ``(N, P)``
        Zero-padded prefixes, one a source; a row may be empty.
    combining : Tensor of bool ``(N, V)``, default=None
        Tokens that must not follow each prefix.
    """

    def __init__(self, tokens: Tensor, combining: Tensor | None = None):
        self.tokens = tokens
        self.combining = combining
        self.sizes = (tokens != BOUNDARY).sum(dim=1)
        self.longest = int(self.sizes.max())

    def forbid(self, log_probs, free, beam):
        t = beam.history.shape[2]
        if t > self.longest:
            return
        if self.combining is not None:
            ended = self.sizes[beam.sources] == t
            combining = self.combining[beam.sources] & ended[:, None]
            known = log_probs[..., : combining.shape[1]]
            known.masked_fill_(combining[:, None], NEVER)
        if t == self.longest:
            return
        inside = self.sizes[beam.sources] > t  # (B,)
        wanted = self.tokens[beam.sources[inside], t]
        wanted = wanted[:, None, None].expand(-1, log_probs.shape[1], 1)
        rows = free[inside]
        log_probs[inside] = torch.full_like(rows, NEVER).scatter(
            2, wanted, rows.gather(2, wanted)
        )


class NoRepeat(Constraint):
    """Forbids repeating any n consecutive tokens within one target.

    The end is always allowed, so that there is always a next token.
    """

    def __init__(self, size: int):
        self.size = size

    def forbid(self, log_probs, free, beam):
        n, history = self.size, beam.history
        if history.shape[2] < n:
            return
        windows = history.unfold(2, n, 1)  # all n-grams so far: (B, K, t - n + 1, n)
        recent = history[:, :, history.shape[2] - n + 1 :]  # (B, K, n - 1)
        repeats = (windows[..., :-1] == recent[:, :, None]).all(dim=3)
        last = windows[..., -1]
        penalty = torch.zeros_like(log_probs)
        # What is not a repeat is scattered to column 0, the end, which stays allowed.
        penalty.scatter_(2, last.masked_fill(~repeats, BOUNDARY), NEVER)
        penalty[..., BOUNDARY] = 0
        log_probs += penalty


class Trie(Constraint):
    """Makes every target one of a closed set.

    Parameters
    ----------
    edges : Tensor of int64 ``(n_edges, 3)``
        Node, token and child, sorted by node, then token; node 0 is the root and the
        token 0 ends a member of the set.
    n_sources : int
    """

    def __init__(self, edges: Tensor, n_sources: int):
        nodes, self.tokens, self.children = edges.unbind(1)
        n_nodes = int(edges[:, [0, 2]].max()) + 1
        counts = torch.bincount(nodes, minlength=n_nodes)
        # The first edge of each node, the number of its edges, and the node that each
        # hypothesis has reached.
        self.starts = torch.cumsum(counts, 0) - counts
        self.counts = counts
        self.at = torch.zeros(n_sources, dtype=torch.int64, device=edges.device)

    def forbid(self, log_probs, free, beam):
        flat = log_probs.view(len(self.at), -1)  # (B * K, W)
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
        """Pairs of a hypothesis and an edge that leaves its node, as two indices."""
        counts = self.counts[self.at]
        rows = torch.repeat_interleave(counts)
        first = torch.cumsum(counts, 0) - counts
        within = torch.arange(len(rows), device=rows.device) - first[rows]
        return rows, self.starts[self.at[rows]] + within
