"""Pairs that come in pieces: split into two sides, and learned from in one pass."""

import re
import warnings
from contextlib import contextmanager

from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._pairs._sides import (
    can_change_form,
    check_alike,
    common_form,
    form_for_target,
    form_of,
    shared_sides,
    text_vectorizer,
)
from sklearn_seq2seq._pairs._when_to_copy import LOOKED_AT, chooses_to_copy
from sklearn_seq2seq._text._check_input import check_columns, is_raw, take_column
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._normal_form import choose_counted_form
from sklearn_seq2seq._warnings import warn


class PairPieces:
    """The pieces of a corpus, cut into sources and targets.

    Parameters
    ----------
    pieces : iterable, or callable that returns one
        Frames, tables, or lists of pairs.
    columns : pair of str or int
        The columns of sources and targets.
    vectorizers : pair of estimators or None
        A `ColumnVectorizer` reads whole frames.

    Raises
    ------
    TypeError
        If `pieces` is not iterable.
    """

    def __init__(self, pieces, columns, vectorizers):
        if isinstance(pieces, str | bytes) or not (
            callable(pieces) or hasattr(pieces, "__iter__")
        ):
            raise TypeError(
                "pieces must be an iterable of tables, frames or lists of pairs, or a "
                f"function that returns one; got a {type(pieces).__name__}."
            )
        self.pieces = pieces
        self.columns = columns
        self.warned = {}
        self.whole = [isinstance(v, ColumnVectorizer) for v in vectorizers]

    def check_can_be_read_twice(self):
        if not callable(self.pieces) and iter(self.pieces) is self.pieces:
            raise ValueError(
                "A first pass over the pieces learns the vocabularies, a second uses "
                f"them; but a {type(self.pieces).__name__} can be iterated only once. "
                "Pass a function that opens the pieces anew, such as "
                "pieces=lambda: pandas.read_csv(path, chunksize=50_000)."
            )

    def __iter__(self):
        """Yield ``(context in which to read a piece, its sources, its targets)``."""
        pieces = self.pieces() if callable(self.pieces) else self.pieces
        row = 0
        for number, piece in enumerate(pieces):
            with self._reading(number, row):
                table = check_columns(piece)
                n_rows = len(table)
                sides = self._sides(table) if n_rows else None
            if n_rows:
                yield self._reading(number, row), *sides
                row += n_rows

    def _sides(self, table):
        frame = not isinstance(table, list)
        return [
            table if frame and whole else take_column(table, column, name)
            for whole, column, name in zip(
                self.whole, self.columns, ("source", "target"), strict=True
            )
        ]

    @contextmanager
    def _reading(self, number, row):
        """Name the piece in errors, and keep its warnings for `say_warnings`."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                where = f"In piece {number}, which begins with row {row}"
                raise kind(f"{where}: {error}") from error
        for message in dict.fromkeys(str(warning.message) for warning in caught):
            kind = re.sub(r"\d+", "", message.partition(";")[0])
            self.warned.setdefault(kind, []).append((number, message))

    def say_warnings(self):
        """Warn once of each kind of warning, with its first message."""
        for (number, message), *more in self.warned.values():
            alike = f" {len(more)} more pieces are alike." if more else ""
            warn(f"In piece {number}: {message}{alike}")


def learn_pieces(
    pieces, *, source_vectorizer, target_vectorizer, share_embeddings, copies, start
):
    """`learn_pairs` for pairs that come in pieces.

    Parameters
    ----------
    pieces : PairPieces
    source_vectorizer, target_vectorizer, share_embeddings, copies, start
        As for `learn_pairs`.

    Returns
    -------
    reader : PairReader
    """
    if source_vectorizer is None and start is not None:
        source_vectorizer = start.source.vectorizer
    given = source_vectorizer, target_vectorizer
    vectorizers, counts, first = [None, None], [None, None], [[], []]
    for reading, *pair in pieces:
        with reading:
            for k, (data, name) in enumerate(zip(pair, ("X", "y"), strict=True)):
                if vectorizers[k] is None:
                    if given[k] is None and not is_raw(data):
                        raise ValueError(
                            f"{name} of a corpus must be text; this is not. Make "
                            "numbers strings, or fit on arrays of ids in memory."
                        )
                    vectorizers[k], rows = text_vectorizer(data, given[k], name)
                    counts[k] = vectorizers[k]._new_counts()
                else:
                    rows = vectorizers[k]._check_rows(data, name, learning=True)
                vectorizers[k]._count(rows, counts[k], name)
                if copies == "auto":
                    first[k] = _first_rows(first[k], rows, vectorizers[k])
    if vectorizers[0] is None:
        raise ValueError("pieces has no rows to learn from.")
    form = "auto"
    if start is not None:
        check_alike(vectorizers[0], start.source)
        form = form_of(start.source.vectorizer, any_form="auto")
    vectorizers[0]._learn_counted(counts[0], form=form)
    vectorizers[1]._learn_counted(counts[1])
    own_forms = list(map(form_of, vectorizers))
    if copies or share_embeddings:
        if start is None:
            forms = [common_form(vectorizers, counts, choose_counted_form)] * 2
        else:
            forms = form, form_for_target(*vectorizers)
        _learn_in(forms, vectorizers, counts)
    if copies == "auto":
        sides = list(map(_side, vectorizers))
        read = (
            side.read(rows, "", keep_unknown=True)[0]
            for side, rows in zip(sides, first, strict=True)
        )
        copies = chooses_to_copy(*sides, *read)
        if not copies and not share_embeddings:
            _learn_in(own_forms, vectorizers, counts)
    if start is not None:
        vectorizers[0]._grow(start.source.vectorizer)
    sides = list(map(_side, vectorizers))
    if share_embeddings:
        sides = _share(sides, counts)
    return PairReader(*sides, CopyTable(*sides) if copies else None)


def _learn_in(forms, vectorizers, counts):
    """Learn again, in other normal forms, what can be."""
    for vectorizer, counted, form in zip(vectorizers, counts, forms, strict=True):
        if can_change_form(vectorizer, form):
            vectorizer._learn_counted(counted, form=form)


def _first_rows(rows, more, vectorizer):
    """Some more of the first rows, up to so many as `chooses_to_copy` looks at."""
    if isinstance(vectorizer, ColumnVectorizer):
        pairs = zip(rows or [[]] * len(more), more, strict=True)
        return [[*before, *here[: LOOKED_AT - len(before)]] for before, here in pairs]
    return [*rows, *more[: LOOKED_AT - len(rows)]]


def _side(vectorizer):
    return Side(vectorizer, vectorizer.vocabulary_size_, vectorizer.max_length_)


def _share(sides, counts):
    shared = shared_sides(*sides)
    for side, old, counted in zip(shared, sides, counts, strict=True):
        if side is not old:
            side.vectorizer._learn_counted(counted)
            side.vectorizer.set_params(**old.vectorizer.get_params())
    return shared
