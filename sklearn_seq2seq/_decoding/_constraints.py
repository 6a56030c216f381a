"""What may not come next in a search: bans, prefixes, closed sets, repetition."""

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
    """Forbids copying from positions that hold no token of their own.

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

    It must be the last of the constraints.

    Parameters
    ----------
    tokens : Tensor of int64 ``(N, P)``
        Zero-padded prefixes, one a source; a row may be empty.
    joining : Tensor of bool ``(N, V)``, default=None
        Tokens that must not follow each prefix.
    """

    def __init__(self, tokens: Tensor, joining: Tensor | None = None):
        self.tokens = tokens
        self.joining = joining
        self.sizes = (tokens != BOUNDARY).sum(dim=1)
        self.longest = int(self.sizes.max())

    def forbid(self, log_probs, free, beam):
        t = beam.history.shape[2]
        if t > self.longest:
            return
        if self.joining is not None:
            ended = self.sizes[beam.sources] == t
            joining = self.joining[beam.sources] & ended[:, None]
            known = log_probs[..., : joining.shape[1]]
            known.masked_fill_(joining[:, None], NEVER)
        if t == self.longest:
            return
        bound = self.sizes[beam.sources] > t
        wanted = self.tokens[beam.sources[bound], t]
        wanted = wanted[:, None, None].expand(-1, log_probs.shape[1], 1)
        rows = free[bound]
        log_probs[bound] = torch.full_like(rows, NEVER).scatter(
            2, wanted, rows.gather(2, wanted)
        )


class NoRepeat(Constraint):
    """Forbids repeating any n consecutive tokens within one target.

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
