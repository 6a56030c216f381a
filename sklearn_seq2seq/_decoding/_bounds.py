"""The constraints of a search, from what users pass.

This module needs neither torch nor scikit-learn, since the runtime uses it too.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._decoding._constraint_parameters import (
    check_begins_member,
    read_closed_set,
    read_prefix,
    trie_edges,
)
from sklearn_seq2seq._tokens import lengths, pad


@dataclass
class Bounds:
    """Constraints of a search over N rows, read from parameters.

    Attributes
    ----------
    least : ndarray of int64, shape (N,)
        Tokens that each row's target must be allowed to have, whatever `max_length`.
    min_length : int
    emit_unknown : bool
        Whether the unknown token may be predicted.
    banned : list of int
        Target ids that are never predicted.
    no_repeat : int or None
        Size of the n-grams that do not occur twice.
    edges : ndarray of int64, shape (n_edges, 3), or None
        The allowed targets, as of `trie_edges`.
    prefixes : token array or None
        What each target begins with.
    combining : ndarray of bool, shape (N, size), or None
        Tokens that cannot follow the prefix, since they would change its last
        character.
    """

    least: np.ndarray
    min_length: int
    emit_unknown: bool
    banned: list
    no_repeat: int | None = None
    edges: np.ndarray | None = None
    prefixes: object = None
    combining: np.ndarray | None = None

    def options(self, kinds, convert=np.asarray):
        """Return a function from rows to keyword arguments of their search.

        Parameters
        ----------
        kinds : module
            Has `NoRepeat`, `Ban`, `Trie` and `Prefix`.
        convert : callable
            Turns arrays into what they take.
        """
        fixed, edges = [], None
        if self.no_repeat:
            fixed.append(kinds.NoRepeat(self.no_repeat))
        if self.banned:
            fixed.append(kinds.Ban(convert(np.array(self.banned))))
        if self.edges is not None:
            edges = convert(self.edges)

        def options(rows):
            constraints = list(fixed)
            if edges is not None:
                constraints.append(kinds.Trie(edges, len(rows)))
            if self.prefixes is not None:
                prefixes, combining = convert(pad(self.prefixes, rows)[0]), None
                if self.combining is not None:
                    combining = convert(self.combining[rows])
                constraints.append(kinds.Prefix(prefixes, combining))
            return {
                "min_length": self.min_length,
                "emit_unknown": self.emit_unknown,
                "constraints": constraints,
            }

        return options


def read_bounds(
    target,
    n_rows,
    *,
    banned,
    banned_copies,
    prefix,
    allowed_outputs,
    min_length,
    no_repeat_ngram_size,
    replace_unknown,
):
    """Read what users pass into `Bounds`.

    `banned` are target ids, `banned_copies` source tokens that must not be copied; the
    others are as users pass them.
    """
    bounds = Bounds(
        np.zeros(n_rows, dtype=np.int64),
        min_length,
        # Id 1 is a token like any other id, unless copies of banned tokens become 1.
        replace_unknown is not None or not (target.is_text or banned_copies),
        banned,
        no_repeat_ngram_size,
    )
    members = None
    if allowed_outputs is not None:
        # Allowed outputs may repeat n-grams, and are never cut short.
        members = read_closed_set(allowed_outputs, target, banned)
        long_enough = lengths(members) >= min_length
        if long_enough.any():
            members = members[long_enough]
        bounds.edges = trie_edges(members)
        bounds.least = np.maximum(bounds.least, lengths(members).max())
        bounds.min_length, bounds.banned, bounds.no_repeat = 0, [], None
    if prefix is not None:
        bounds.prefixes, bounds.combining = read_prefix(prefix, target, n_rows)
        if members is not None:
            check_begins_member(bounds.prefixes, members)
            bounds.combining = None
        bounds.least = np.maximum(bounds.least, lengths(bounds.prefixes))
    return bounds
