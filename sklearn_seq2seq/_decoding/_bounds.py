"""What bounds a search: the longest targets, and what may not come next.

Without torch and scikit-learn, since the runtime uses this module too.
"""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from sklearn_seq2seq._decoding._constraint_parameters import (
    check_begins_member,
    read_closed_set,
    read_prefix,
    trie_edges,
)
from sklearn_seq2seq._tokens import lengths, pad
from sklearn_seq2seq._warnings import warn

# Room beyond the longest training target before a prediction is cut off.
SLACK = 1.25


def longest_targets(readers, target, n_source, *, max_length, min_length):
    """Most target tokens that `max_length` allows each row.

    Parameters
    ----------
    readers : list
        Of each member; they know `longest` and `knows_empty`.
    target : Side
    n_source : list of ndarray of int64, shape (n_samples,)
        Each member's count of source tokens.
    max_length : "auto", int or float
    min_length : int

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    if max_length == "auto":
        limits = [
            _longest_expected(*reader.longest, n)
            for reader, n in zip(readers, n_source, strict=True)
        ]
        limits = np.max(limits, axis=0)
        known = any(reader.knows_empty for reader in readers)
        if not known and not min_length and target.ndim == 2:
            # Empty sources give empty predictions unless training had others.
            limits[np.max(n_source, axis=0) == 0] = 0
    elif isinstance(max_length, Integral):
        limits = np.full(len(n_source[0]), min(int(max_length), 2**31))
    else:
        limits = np.ceil(max_length * n_source[0]).astype(np.int64)
    return limits if target.is_text else np.minimum(limits, target.width)


def _longest_expected(longest_source, longest_target, n_source):
    """Room for a target, from the longest of training and the source at hand."""
    longer = np.maximum(n_source / longest_source, 1)
    return np.ceil(SLACK * longest_target * longer).astype(np.int64)


@dataclass
class Bounds:
    """Constraints of a search over N rows, read from parameters.

    Attributes
    ----------
    least : ndarray of int64, shape (N,)
        Tokens that each row's target must be allowed to have.
    min_length : int
    emit_unknown : bool
        Whether the unknown token may be predicted.
    banned : list of int
        Target ids that are never predicted.
    no_repeat : int or None
        Size of the n-grams that do not occur twice.
    edges : ndarray of int64, shape (n_edges, 3), or None
        The closed set of targets, as of `trie_edges`.
    prefixes : token array or None
        What each target begins with.
    joining : ndarray of bool, shape (N, size), or None
        Tokens that cannot follow the prefix, whose last character they would change.
    """

    least: np.ndarray
    min_length: int
    emit_unknown: bool
    banned: list
    no_repeat: int | None = None
    edges: np.ndarray | None = None
    prefixes: object = None
    joining: np.ndarray | None = None

    def options(self, kinds, convert=np.asarray):
        """Return a function from rows to keyword arguments of their search.

        Parameters
        ----------
        kinds : module
            Has `NoRepeat`, `Ban`, `Trie` and `Prefix`.
        convert : callable
            Makes what they take of arrays.
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
                some = convert(pad(self.prefixes, rows)[0])
                joining = None if self.joining is None else convert(self.joining[rows])
                constraints.append(kinds.Prefix(some, joining))
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
    barred,
    prefix,
    allowed_outputs,
    min_length,
    no_repeat_ngram_size,
    replace_unknown,
):
    """Read what users pass into `Bounds`.

    `banned` are target ids, and `barred` source tokens that are not to be copied; the
    others are as users pass them.
    """
    bounds = Bounds(
        np.zeros(n_rows, dtype=np.int64),
        min_length,
        # Id 1 is a token like any other id, unless copies of banned tokens become 1.
        replace_unknown is not None or not (target.is_text or barred),
        banned,
        no_repeat_ngram_size,
    )
    members = None
    if allowed_outputs is not None:
        # An allowed output may repeat n-grams and is never cut short.
        members = read_closed_set(allowed_outputs, target, banned)
        long_enough = lengths(members) >= min_length
        if long_enough.any():
            members = members[long_enough]
        bounds.edges = trie_edges(members)
        bounds.least = np.maximum(bounds.least, lengths(members).max())
        bounds.min_length, bounds.banned, bounds.no_repeat = 0, [], None
    if prefix is not None:
        bounds.prefixes, bounds.joining = read_prefix(prefix, target, n_rows)
        if members is not None:
            check_begins_member(bounds.prefixes, members)
            bounds.joining = None
        bounds.least = np.maximum(bounds.least, lengths(bounds.prefixes))
    return bounds


def warn_capped(capped, limits, pieces):
    """Warn of predictions that their limit ended."""
    if capped.any():
        rows = np.arange(len(capped)) if pieces is None else pieces[0].rows
        first = int(np.flatnonzero(capped)[0])
        warn(
            f"{len(np.unique(rows[capped]))} of {rows[-1] + 1} predictions were ended "
            f"by max_length rather than by the model; the first is row {rows[first]}, "
            f"at {limits[first]} tokens.",
        )
