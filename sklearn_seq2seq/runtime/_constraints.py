"""The constraints of `sklearn_seq2seq._decoding`, on numpy arrays.

Each has ``forbid(log_probs, free, beam)``, which sets forbidden next tokens to minus
infinity in `log_probs` ``(B, K, W)`` (`free` are the model's log-probabilities without
constraints), and ``select(hypotheses, tokens)``, which follows the search.
"""

import numpy as np

from sklearn_seq2seq._tokens import BOUNDARY
from sklearn_seq2seq.runtime._search import NEVER


class Constraint:
    """Forbids tokens at every step; most remember nothing."""

    def select(self, hypotheses, tokens):
        pass


class Ban(Constraint):
    """Forbids some tokens everywhere."""

    def __init__(self, tokens):
        self.tokens = tokens

    def forbid(self, log_probs, free, beam):
        log_probs[..., self.tokens] = NEVER


class Copies(Constraint):
    """Forbids ids V + s that no source position is copied as."""

    def __init__(self, copy_ids, vocabulary_size):
        n_rows, n_positions = copy_ids.shape
        self.missing = np.ones((n_rows, vocabulary_size + n_positions), dtype=bool)
        np.put_along_axis(self.missing, copy_ids, False, axis=1)
        self.missing[:, :vocabulary_size] = False

    def forbid(self, log_probs, free, beam):
        missing = self.missing[beam.sources][:, None]
        log_probs[np.broadcast_to(missing, log_probs.shape)] = NEVER


class Prefix(Constraint):
    """Makes each target begin with given tokens; it must be the last constraint.

    Parameters
    ----------
    tokens : ndarray of int64 ``(N, P)``
        Zero-padded prefixes, one a source; a row may be empty.
    combining : ndarray of bool ``(N, V)``, default=None
        Tokens that must not follow each prefix.
    """

    def __init__(self, tokens, combining=None):
        self.tokens = tokens
        self.combining = combining
        self.sizes = (tokens != BOUNDARY).sum(axis=1)

    def forbid(self, log_probs, free, beam):
        t = beam.history.shape[2]
        if self.combining is not None:
            ended = self.sizes[beam.sources] == t
            combining = self.combining[beam.sources] & ended[:, None]
            known = log_probs[..., : combining.shape[1]]
            known[np.broadcast_to(combining[:, None], known.shape)] = NEVER
        inside = np.flatnonzero(self.sizes[beam.sources] > t)
        if len(inside):
            wanted = self.tokens[beam.sources[inside], t]
            log_probs[inside] = NEVER
            log_probs[inside, :, wanted] = free[inside, :, wanted]


class NoRepeat(Constraint):
    """Forbids repeating any n consecutive tokens within one target."""

    def __init__(self, size):
        self.size = size

    def forbid(self, log_probs, free, beam):
        n, history = self.size, beam.history
        t = history.shape[2]
        if t < n:
            return
        windows = np.lib.stride_tricks.sliding_window_view(history, n, axis=2)
        recent = history[:, :, t - n + 1 :]
        repeats = (windows[..., :-1] == recent[:, :, None]).all(axis=3)
        repeats &= windows[..., -1] != BOUNDARY  # the end is never forbidden
        rows, hypotheses, places = np.nonzero(repeats)
        log_probs[rows, hypotheses, windows[rows, hypotheses, places, -1]] = NEVER


class Trie(Constraint):
    """Makes every target one of a closed set.

    Parameters
    ----------
    edges : ndarray of int64 ``(n_edges, 3)``
        Node, token and child, sorted by node, then token; node 0 is the root and the
        token 0 ends a member of the set.
    n_sources : int
    """

    def __init__(self, edges, n_sources):
        nodes, self.tokens, self.children = edges.T
        counts = np.bincount(nodes, minlength=int(edges[:, [0, 2]].max()) + 1)
        self.counts, self.starts = counts, np.cumsum(counts) - counts
        self.at = np.zeros(n_sources, dtype=np.int64)

    def forbid(self, log_probs, free, beam):
        flat = log_probs.reshape(len(self.at), -1)
        rows, edges = self._edges()
        allowed = np.zeros(flat.shape, dtype=bool)
        allowed[rows, self.tokens[edges]] = True
        flat[~allowed] = NEVER

    def select(self, hypotheses, tokens):
        if hypotheses is not None:
            self.at = self.at[hypotheses]
        if tokens is None:
            return
        rows, edges = self._edges()
        taken = self.tokens[edges] == tokens.ravel()[rows]
        self.at[rows[taken]] = self.children[edges[taken]]

    def _edges(self):
        """Pairs of a hypothesis and an edge that leaves its node, as two indices."""
        counts = self.counts[self.at]
        rows = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rows, self.starts[self.at[rows]] + within
