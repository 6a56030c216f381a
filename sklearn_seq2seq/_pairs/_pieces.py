"""Pairs that come in pieces: their two sides, and how to read them, learned."""

from contextlib import contextmanager

from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._pairs._sides import (
    check_alike,
    shared_sides,
    text_vectorizer,
)
from sklearn_seq2seq._text._check_input import check_columns, is_raw, take_column
from sklearn_seq2seq._text._columns import ColumnVectorizer


class PairPieces:
    """The pieces of a corpus, cut into sources and targets.

    Parameters
    ----------
    pieces : iterable, or callable that returns one
        Frames, tables, or lists of pairs.
    columns : pair of str or int
        Where sources and targets are.
    vectorizers : pair of estimators or None
        A `ColumnVectorizer` takes whole frames.

    Raises
    ------
    TypeError
        If `pieces` are nothing to go through.
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
        self.whole = [isinstance(v, ColumnVectorizer) for v in vectorizers]

    def check_can_be_read_twice(self):
        if not callable(self.pieces) and iter(self.pieces) is self.pieces:
            raise ValueError(
                "Vocabularies are learned in a first pass over the pieces and used in "
                f"a second, and a {type(self.pieces).__name__} can be gone through but "
                "once. Pass a function that opens the pieces anew, such as "
                "pieces=lambda: pandas.read_csv(path, chunksize=50_000)."
            )

    def __iter__(self):
        """Yield ``(context that names the piece in errors, sources, targets)``."""
        pieces = self.pieces() if callable(self.pieces) else self.pieces
        row = 0
        for number, piece in enumerate(pieces):
            where = f"piece {number}, which begins with row {row}"
            with _named(where):
                table = check_columns(piece)
                n_rows = len(table)
                if not n_rows:
                    continue
                sides = [
                    table
                    if whole and not isinstance(table, list)
                    else take_column(table, column, name)
                    for whole, column, name in zip(
                        self.whole, self.columns, ("source", "target"), strict=True
                    )
                ]
            yield _named(where), *sides
            row += n_rows


@contextmanager
def _named(where):
    try:
        yield
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"In {where}: {error}") from error


def learn_pieces(
    pieces, *, source_vectorizer, target_vectorizer, share_embeddings, copies, start
):
    """Learn how pairs are read, as `learn_pairs` does from all of them at once.

    Parameters
    ----------
    pieces : PairPieces
    source_vectorizer, target_vectorizer, share_embeddings, copies, start
        As of `learn_pairs`.

    Returns
    -------
    reader : PairReader
    """
    if source_vectorizer is None and start is not None:
        source_vectorizer = start.source.vectorizer
    given = source_vectorizer, target_vectorizer
    vectorizers, counts = [None, None], [None, None]
    for naming, *pair in pieces:
        with naming:
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
    if vectorizers[0] is None:
        raise ValueError("pieces has no rows; nothing to learn from.")
    for vectorizer, own in zip(vectorizers, counts, strict=True):
        vectorizer._learn_counted(own)
    if start is not None:
        check_alike(vectorizers[0], start.source)
        vectorizers[0]._grow(start.source.vectorizer)
    sides = [Side(v, v.vocabulary_size_, v.max_length_) for v in vectorizers]
    if share_embeddings:
        sides = _share(sides, counts)
    return PairReader(*sides, CopyTable(*sides) if copies else None)


def _share(sides, counts):
    shared = shared_sides(*sides)
    for side, old, own in zip(shared, sides, counts, strict=True):
        if side is not old:
            side.vectorizer._learn_counted(own)
            side.vectorizer.set_params(**old.vectorizer.get_params())
    return shared
