"""Sources that are too long: which part of each is read, or in which pieces.

A place between two tokens is named by the token to its right: to cut a row at p is to
make it tokens 0 to p - 1 and p onwards.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklearn_seq2seq._tokens import lengths, like
from sklearn_seq2seq._warnings import warn

# How good a place is to cut at.
ANYWHERE, SPACE, SENTENCE = range(3)

_ENDS = (".", "!", "?", "\N{HORIZONTAL ELLIPSIS}")

# These end a sentence without a space behind them.
_WIDE_ENDS = (
    "\N{IDEOGRAPHIC FULL STOP}",
    "\N{FULLWIDTH EXCLAMATION MARK}",
    "\N{FULLWIDTH QUESTION MARK}",
)


def read_pieces(member, data, pieces):
    """The data set of what is read of its sources."""
    source = pieces.take(data.source)
    if pieces.spaced.any():
        pieces.strip(source, member._source.without_space())
    copies = None if data.copies is None else pieces.take(data.copies)
    return member._dataset(source, data.target, copies)


def join_pieces(pieces, tokens, strings, target):
    """Targets of whole sources from those of their pieces: ``(tokens, strings)``."""
    if target.joiner != "":
        return pieces.join(tokens, target.width), strings
    names = target.strings(strings)
    blank = np.array([name[:1].isspace() for name in names])
    return pieces.join(tokens, target.width, len(names), blank), [*strings, " "]


def raise_long(rows, n_tokens, limit):
    more = f", and so have {len(rows) - 1} more" if len(rows) > 1 else ""
    raise ValueError(
        f"Row {rows[0]} of X has {n_tokens[rows[0]]} tokens, more than "
        f"max_source_length={limit}{more}. long_source='truncate_end' or "
        "'truncate_start' reads a part of such sources, 'chunk' reads them in pieces."
    )


def warn_long(rows, n_tokens, limit, long_source, n_pieces):
    done = {
        "truncate_end": "cut at the end",
        "truncate_start": "cut at the start",
        "chunk": f"read in {n_pieces - len(n_tokens) + len(rows)} chunks",
    }[long_source]
    warn(
        f"{len(rows)} of {len(n_tokens)} sources are longer than "
        f"max_source_length={limit} and were {done}; the first is row {rows[0]}, of "
        f"{n_tokens[rows[0]]} tokens.",
    )


@dataclass
class Pieces:
    """The parts of rows that are read, in the order of the rows.

    Attributes
    ----------
    rows : ndarray of int64, shape (n_pieces,)
        The row that each piece is of, in ascending order; each row has one at least.
    starts, stops : ndarray of int64, shape (n_pieces,)
        The first column, and the one behind the last.
    spaced : ndarray of bool, shape (n_pieces,)
        Whether there was white space between this piece and the one before.
    """

    rows: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    spaced: np.ndarray

    @property
    def first(self):
        """The first piece of each row."""
        return np.flatnonzero(np.diff(self.rows, prepend=-1))

    def take(self, tokens):
        """Token array of the pieces, from that of the rows."""
        counts = self.stops - self.starts
        ends = np.cumsum(counts)
        flat = np.arange(ends[-1])
        flat += np.repeat(
            tokens.indptr[self.rows] + self.starts - (ends - counts), counts
        )
        return like(tokens, tokens.data[flat], counts, tokens.shape[1])

    def strip(self, tokens, stripped):
        """The pieces' tokens without the white space that some begin with.

        Parameters
        ----------
        tokens : csr_array of int32, shape (n_pieces, width)
            As `take` gives them; changed in place.
        stripped : ndarray of int, shape (n_ids,)
            The id of the same token without white space before it; ids beyond have
            none.
        """
        at = tokens.indptr[:-1][self.spaced & (lengths(tokens) > 0)]
        at = at[tokens.data[at] < len(stripped)]
        tokens.data[at] = stripped[tokens.data[at]]
        return tokens

    def join(self, tokens, width, space=None, blank=None):
        """Token array of the rows, from that of the pieces.

        Parameters
        ----------
        tokens : csr_array of int32, shape (n_pieces, width)
        width : int
            Least number of columns.
        space : int, default=None
            The id to put where white space was; none by default.
        blank : ndarray of bool, shape (n_ids,)
            Tokens that begin with white space and need no `space` before them.

        Returns
        -------
        csr_array of int32, shape (n_samples, at least width)
        """
        data, counts = tokens.data, lengths(tokens)
        first = self.first
        if space is not None:
            before = np.cumsum(counts) - counts
            inside = before > before[first][self.rows]
            at = np.flatnonzero(self.spaced & inside & (counts > 0))
            at = at[~blank[data[before[at]]]]
            data = np.insert(data, before[at], space)
            counts[at] += 1
        totals = np.add.reduceat(counts, first)
        return like(tokens, data, totals, max(width, int(totals.max())))


def truncated(n_tokens, limit, keep_end=False):
    """One piece of each row: its first `limit` tokens, or its last."""
    stops = np.minimum(n_tokens, limit)
    starts = n_tokens - stops if keep_end else np.zeros_like(stops)
    rows = np.arange(len(stops))
    return Pieces(rows, starts, starts + stops, np.zeros(len(rows), dtype=bool))


def chunked(n_tokens, limit, rows, tokens, marks, *, words):
    """Pieces of `limit` tokens at most, cut at the best places.

    A long row is cut behind a half and up to the whole of `limit` tokens, at the last
    of the best places there; the white space there is in neither piece.

    Parameters
    ----------
    n_tokens : ndarray of int64, shape (n_samples,)
    limit : int
    rows : ndarray of int64, shape (n_long,)
        Those of more than `limit` tokens.
    tokens : csr_array, shape (n_long, width)
        Their tokens.
    marks : Marks
        Of every id of `tokens`.
    words : bool
        Whether there is white space between any two tokens.

    Returns
    -------
    Pieces
    """
    marks = Marks(*(mark[tokens.data] for mark in marks))
    ranks = _ranks(marks, words)
    # The next token that is not white space.
    here = np.where(marks.blank, len(ranks), np.arange(len(ranks)))
    solid = np.minimum.accumulate(here[::-1])[::-1]
    short = np.setdiff1d(np.arange(len(n_tokens)), rows)
    nothing = np.zeros_like(short)
    found = [(short, nothing, n_tokens[short], nothing)]
    base, ends = tokens.indptr[:-1].astype(np.int64), tokens.indptr[1:]
    starts, spaced = base, np.zeros_like(base)
    reach = np.arange((limit + 1) // 2, limit + 1)
    while len(rows):
        stops = ends.astype(np.int64)
        long = np.flatnonzero(ends - starts > limit)
        near = ranks[starts[long, None] + reach]
        best = len(reach) - 1 - near[:, ::-1].argmax(axis=1)
        stops[long] = starts[long] + reach[best]
        found.append((rows, starts - base, stops - base, spaced))
        rows, base, ends, starts = rows[long], base[long], ends[long], stops[long]
        clean = near[np.arange(len(long)), best] > ANYWHERE
        spaced = clean & (words | marks.leading[starts])
        starts = np.where(clean, solid[starts], starts)
        more = starts < ends
        rows, base, ends, starts, spaced = (
            x[more] for x in (rows, base, ends, starts, spaced)
        )
    rows, starts, stops, spaced = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((starts, rows))
    return Pieces(rows[order], starts[order], stops[order], spaced[order] > 0)


class Marks(NamedTuple):
    """What is seen of each token where texts are cut, as arrays of bool.

    Attributes
    ----------
    leading : ndarray of bool
        It begins with white space.
    blank : ndarray of bool
        It is white space.
    line : ndarray of bool
        It is white space with the end of a line.
    end : ndarray of bool
        It ends a sentence, if white space follows.
    wide_end : ndarray of bool
        It ends a sentence.
    """

    leading: np.ndarray
    blank: np.ndarray
    line: np.ndarray
    end: np.ndarray
    wide_end: np.ndarray


def marks_of(strings):
    """Marks of each of the tokens' strings."""
    return Marks(
        np.array([s[:1].isspace() for s in strings], dtype=bool),
        np.array([s.isspace() for s in strings], dtype=bool),
        np.array([s.isspace() and "\n" in s for s in strings], dtype=bool),
        np.array([s.endswith(_ENDS) for s in strings], dtype=bool),
        np.array([s.endswith(_WIDE_ENDS) for s in strings], dtype=bool),
    )


def _ranks(marks, words):
    """How good each place is to cut at, as the marks of its two tokens have it."""
    left = Marks(*(np.roll(mark, 1) for mark in marks))
    space = (words | marks.leading) & ~left.blank
    sentence = space & (left.end | marks.line) | left.wide_end
    return np.where(sentence, SENTENCE, np.where(space, SPACE, ANYWHERE))
