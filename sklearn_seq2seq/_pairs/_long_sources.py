"""Long sources: which part of each is read, or in which chunks.

A place to cut is named by the token to its right: cutting a row at p makes tokens 0 to
p - 1 and tokens p onwards.
"""

import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sklearn_seq2seq._tokens import RowViews, lengths, like
from sklearn_seq2seq._warnings import warn_of_data

# How good a place is to cut at, in ascending order.
ANYWHERE, SPACE, SENTENCE = range(3)

# These end a sentence only before white space, as they occur in numbers and names too.
_ENDS = frozenset(".!?\N{HORIZONTAL ELLIPSIS}\N{FULLWIDTH FULL STOP}")

# Unicode's property Sentence_Terminal, without those above and their variants.
_TERMINALS = """
0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104A-104B 1362
1367-1368 166E 1735-1736 17D4-17D5 1803 1809 1944-1945 1AA8-1AAB 1B4E-1B4F 1B5A-1B5B
1B5E-1B5F 1B7D-1B7F 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2CF9-2CFB 2E2E 2E3C
2E53-2E54 2E60-2E61 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9
AA5D-AA5F AAF0-AAF1 ABEB FE12 FE15-FE16 FE52 FE56-FE57 FF01 FF1F FF61 10A56-10A57
10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD
111DE-111DF 11238-11239 1123B-1123C 112A9 113D4-113D5 1144B-1144C 115C2-115C3
115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42
11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 16B37-16B38 16B44 16D6E-16D6F 16E98 1BC9F
1DA88
"""

# These end a sentence whatever follows.
_WIDE_ENDS = frozenset(
    chr(code)
    for span in _TERMINALS.split()
    for code in range(int(span.split("-")[0], 16), int(span.split("-")[-1], 16) + 1)
)


def shorten(readers, rows, datasets, *, limit, long_source, whole=None, quiet=False):
    """Refuse, truncate or cut sources of more than `limit` tokens.

    Parameters
    ----------
    readers : list of PairReader
        Of models that decode together.
    rows : list or token array
        The sources, checked by the first reader.
    datasets : list of PairDataset
        The sources, and maybe targets, as each reader reads them.
    limit : int, "auto" or None
        "auto" is the longest source of training.
    long_source : str
    whole : str, default=None
        The name of the calling method, if it cannot read sources in chunks.
    quiet : bool, default=False
        Whether to warn of nothing.

    Returns
    -------
    datasets : list of PairDataset
        With one row for each piece of a source that is read.
    pieces : list of Pieces, or None
        The pieces for each reader; None if all sources are read whole.

    Raises
    ------
    ValueError
        If a source is too long with ``long_source="error"``, or to be read in chunks
        where that is impossible.
    """
    if limit is None:
        return datasets, None
    if limit == "auto":
        limit = min(reader.longest[0] for reader in readers)
    n_tokens = [data.source_positions - 1 for data in datasets]
    longest = np.max(n_tokens, axis=0)
    long = np.flatnonzero(longest > limit)
    if not len(long):
        return datasets, None
    if long_source == "error":
        _raise_long(long, longest, limit)
    if long_source == "chunk":
        _check_can_be_cut(readers, long, n_tokens, whole)
        tokens = datasets[0].source
        pieces = [_cut_into_chunks(readers[0].source, rows, tokens, long, limit)]
        pieces *= len(datasets)
    else:
        keep_end = long_source == "truncate_start"
        pieces = [truncated(n, limit, keep_end) for n in n_tokens]
    if not quiet:
        _warn_long(long, longest, limit, long_source, len(pieces[0].rows))
    datasets = [
        _read_pieces(reader, data, piece)
        for reader, data, piece in zip(readers, datasets, pieces, strict=True)
    ]
    return datasets, pieces


def _cut_into_chunks(source, rows, tokens, long, limit):
    n_tokens = lengths(tokens)
    if source.is_text:
        # Places to cut depend on white space, which may be outside the vocabulary.
        tokens, extras = source.read(rows, "X", keep_unknown=True)
        marks = marks_of(source.strings(extras))
    else:
        marks = marks_of([""] * (int(tokens.data.max()) + 1))
    words = bool(source.joiner)
    return chunked(n_tokens, limit, long, tokens[long], marks, words=words)


def _check_can_be_cut(readers, long, n_tokens, whole):
    source, target = readers[0].source, readers[0].target
    reasons = {
        f"{whole} needs whole sources": whole is not None,
        "sources or targets of several columns cannot be cut": (
            source.has_columns or target.has_columns
        ),
        "targets of one token cannot be joined": target.ndim == 1,
        "the members cut sources into tokens differently": any(
            (n != n_tokens[0]).any() for n in n_tokens
        ),
    }
    for reason, holds in reasons.items():
        if holds:
            raise ValueError(
                f"long_source='chunk' cannot be used for row {long[0]} of X: "
                f"{reason}. Use another long_source, or max_source_length=None."
            )


def _read_pieces(reader, data, pieces):
    """The data set of the pieces of a data set's sources."""
    source = pieces.take(data.source)
    if pieces.spaced.any():
        pieces.strip(source, reader.source.without_space())
    copies = None if data.copies is None else pieces.take(data.copies)
    return reader.dataset(source, data.target, copies)


def join_pieces(pieces, tokens, strings, target):
    """Join the targets of pieces to those of whole sources: ``(tokens, strings)``."""
    if target.joiner != "":
        return pieces.join(tokens, target.width), strings
    names = target.strings(strings)
    blank = np.array([name[:1].isspace() for name in names])
    return pieces.join(tokens, target.width, len(names), blank), [*strings, " "]


def _raise_long(rows, n_tokens, limit):
    more = f"; {len(rows) - 1} more rows are too long" if len(rows) > 1 else ""
    raise ValueError(
        f"Row {rows[0]} of X has {n_tokens[rows[0]]} tokens, more than "
        f"max_source_length={limit}{more}. long_source='truncate_end' or "
        "'truncate_start' reads a part of such sources, 'chunk' reads them in pieces."
    )


def _warn_long(rows, n_tokens, limit, long_source, n_pieces):
    done = {
        "truncate_end": "cut at the end",
        "truncate_start": "cut at the start",
        "chunk": f"read in {n_pieces - len(n_tokens) + len(rows)} chunks",
    }[long_source]
    warn_of_data(
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
        The row of each piece, in ascending order; each row has at least one.
    starts, stops : ndarray of int64, shape (n_pieces,)
        The first token of each piece, and the first after it.
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
        if isinstance(tokens, RowViews):
            return tokens.part(self.rows, self.starts, counts)
        ends = np.cumsum(counts)
        # The place in `tokens.data` of each token of the pieces: (n_ids,)
        flat = np.arange(ends[-1])
        flat += np.repeat(
            tokens.indptr[self.rows] + self.starts - (ends - counts), counts
        )
        return like(tokens, tokens.data[flat], counts, tokens.shape[1])

    def strip(self, tokens, stripped):
        """Strip the white space before pieces from their first tokens.

        Parameters
        ----------
        tokens : csr_array of int32, shape (n_pieces, width)
            As `take` gives them; changed in place.
        stripped : ndarray of int, shape (n_ids,)
            The id of each token without the white space before it; larger ids have no
            such token.
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
            The id to insert where white space was cut; none by default.
        blank : ndarray of bool, shape (n_ids,)
            Whether a token begins with white space and needs no `space` before it.

        Returns
        -------
        csr_array of int32, shape (n_samples, at least width)
        """
        data, counts = tokens.data, lengths(tokens)
        first = self.first
        if space is not None:
            before = np.cumsum(counts) - counts  # where each piece begins
            inside = before > before[first][self.rows]
            at = np.flatnonzero(self.spaced & inside & (counts > 0))
            at = at[~blank[data[before[at]]]]
            data = np.insert(data, before[at], space)
            counts[at] += 1
        totals = np.add.reduceat(counts, first)
        return like(tokens, data, totals, max(width, int(totals.max())))


def truncated(n_tokens, limit, keep_end=False):
    """One piece of each row: its first `limit` tokens, or its last ones."""
    stops = np.minimum(n_tokens, limit)
    starts = n_tokens - stops if keep_end else np.zeros_like(stops)
    rows = np.arange(len(stops))
    return Pieces(rows, starts, starts + stops, np.zeros(len(rows), dtype=bool))


def chunked(n_tokens, limit, rows, tokens, marks, *, words):
    """Pieces of `limit` tokens at most, cut at the best places.

    A long row is cut after limit / 2 to `limit` tokens, at the last of the best places
    there; white space at a cut is in neither piece.

    Parameters
    ----------
    n_tokens : ndarray of int64, shape (n_samples,)
    limit : int
    rows : ndarray of int64, shape (n_long,)
        The rows of more than `limit` tokens.
    tokens : csr_array, shape (n_long, width)
        Their tokens.
    marks : Marks
        Marks of every id in `tokens`.
    words : bool
        Whether white space separates all tokens.

    Returns
    -------
    Pieces
    """
    marks = Marks(*(mark[tokens.data] for mark in marks))  # of each token: (n_ids,)
    starts = np.repeat(tokens.indptr[:-1], lengths(tokens))
    ranks = _ranks(marks, starts, words)
    # The next token, from each place on, that is not white space.
    solid = np.where(marks.blank, len(ranks), np.arange(len(ranks)))
    solid = np.minimum.accumulate(solid[::-1])[::-1]
    short = np.setdiff1d(np.arange(len(n_tokens)), rows)
    nothing = np.zeros_like(short)
    found = [(short, nothing, n_tokens[short], nothing)]
    base, ends = tokens.indptr[:-1].astype(np.int64), tokens.indptr[1:]
    starts, spaced = base, np.zeros_like(base)
    reach = np.arange((limit + 1) // 2, limit + 1)
    # Each round cuts one piece off the rest of every row that is not used up.
    while len(rows):
        stops = ends.astype(np.int64)
        long = np.flatnonzero(ends - starts > limit)
        near = ranks[starts[long, None] + reach]  # (rows that are cut, len(reach))
        best = len(reach) - 1 - near[:, ::-1].argmax(axis=1)  # the last of the best
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
    """What decides where texts are cut, for each token, as arrays of bool.

    Attributes
    ----------
    leading : ndarray of bool
        It begins with white space.
    blank : ndarray of bool
        It is white space.
    line : ndarray of bool
        It is white space with the end of a line.
    end : ndarray of bool
        It ends a sentence if white space follows.
    wide_end : ndarray of bool
        It ends a sentence whatever follows.
    quote : ndarray of bool
        It consists of quotation marks and closing brackets, which may follow an end.
    closing : ndarray of bool
        It consists of signs that close, which may follow a wide end.
    bound : ndarray of bool
        It begins with a sign that closes or a wide end, and so belongs to a wide end
        before it.
    """

    leading: np.ndarray
    blank: np.ndarray
    line: np.ndarray
    end: np.ndarray
    wide_end: np.ndarray
    quote: np.ndarray
    closing: np.ndarray
    bound: np.ndarray


def marks_of(strings):
    """Marks of tokens, given as strings."""
    signs = set("".join(strings))
    closing = "".join(filter(_closes, signs))
    ends, bound = _ENDS | _WIDE_ENDS, _WIDE_ENDS.union(closing)
    quotes = closing + "".join(s for s in signs if unicodedata.category(s) == "Pi")
    unquoted, unclosed = ([s.rstrip(x) for s in strings] for x in (quotes, closing))
    marks = (
        [s[:1].isspace() for s in strings],
        [s.isspace() for s in strings],
        [s.isspace() and s.splitlines() != [s] for s in strings],
        [s[-1:] in ends for s in unquoted],
        [s[-1:] in _WIDE_ENDS for s in unclosed],
        [not bare and s for s, bare in zip(strings, unquoted, strict=True)],
        [not bare and s for s, bare in zip(strings, unclosed, strict=True)],
        [s[:1] in bound for s in strings],
    )
    return Marks(*(np.array(list(map(bool, mark)), dtype=bool) for mark in marks))


def _closes(sign):
    # Straight quotes may open or close; where a sentence ended they mostly close.
    return sign in "\"'\N{FULLWIDTH QUOTATION MARK}" or (
        unicodedata.category(sign) in ("Pe", "Pf")
    )


def _ranks(marks, starts, words):
    """How good each place is to cut at, by the marks of the tokens around it.

    `starts` is the start of each token's row.
    """
    end = _looked_past(marks.end, marks.quote, starts)
    wide_end = _looked_past(marks.wide_end, marks.closing, starts)
    # From here on of the token to the left of each place.
    end, wide_end, blank = (np.roll(left, 1) for left in (end, wide_end, marks.blank))
    space = (words | marks.leading) & ~blank
    sentence = (space & (end | marks.line)) | (wide_end & ~marks.bound)
    return np.where(sentence, SENTENCE, np.where(space, SPACE, ANYWHERE))


def _looked_past(ends, through, starts):
    """Mark `ends`, and the tokens that follow one with only `through` in between."""
    last = np.where(through, -1, np.arange(len(ends)))
    last = np.maximum.accumulate(last)
    return (last >= starts) & ends[last]
