"""The two sides of the data: what a user passes, as token arrays, and back.

A side is text (strings or token lists, with a fitted vectorizer) or ids. Where the
network copies, `CopyTable` says which target token each source token stands for.
"""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import _safe_indexing, check_array, indexable

from sklearn_seq2seq._raw import check_raw, is_raw
from sklearn_seq2seq._subwords import readable
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, as_tokens, from_flat, lengths
from sklearn_seq2seq._vectorizer import SequenceVectorizer
from sklearn_seq2seq._warnings import warn


@dataclass
class Side:
    """How one side of the data becomes ids.

    Attributes
    ----------
    vectorizer : estimator or None
        The fitted vectorizer; None for ids.
    size : int
        Vocabulary size: ids below it are known.
    width : int
        Columns of the token array.
    ndim : int
        2, or 1 where target ids came as a vector of single tokens.
    """

    vectorizer: BaseEstimator | None
    size: int
    width: int
    ndim: int = 2

    @property
    def is_text(self):
        """Whether the side is text rather than ids."""
        return self.vectorizer is not None

    def read(self, rows, name, open_vocabulary=False):
        """Text to ``(tokens, extras)``; `name` is what messages call it.

        With `open_vocabulary`, unknown tokens get ids from `size` upward, and `extras`
        are their strings; otherwise they are the unknown token.
        """
        names = (name,) if isinstance(self.vectorizer, SequenceVectorizer) else ()
        if open_vocabulary:
            return self.vectorizer._transform_open(rows, *names)
        if names:
            return self.vectorizer._transform(rows, name), []
        return self.vectorizer.transform(rows), []

    def write(self, tokens, extras=()):
        """Token array to what the user passed to `fit`: text, or dense ids."""
        if self.is_text:
            return self.vectorizer._inverse_open(tokens, list(extras))
        dense = tokens.toarray().astype(np.int64)
        return dense if self.ndim == 2 else dense[:, 0]

    @property
    def has_columns(self):
        """Whether several columns make one sequence."""
        return self.is_text and not isinstance(self.vectorizer, SequenceVectorizer)

    @property
    def joiner(self):
        """What stands between two tokens; None where rows are no strings."""
        if not self.is_text or self.has_columns:
            return None
        return "" if self._has_pieces else self.vectorizer._joiner()

    @property
    def _has_pieces(self):
        return getattr(self.vectorizer, "analyzer", None) == "subword"

    def strings(self, extras=()):
        """How each token reads, those beyond the vocabulary last; of text only."""
        strings = self.vectorizer._token_strings()
        return [*(readable(strings) if self._has_pieces else strings), *extras]

    def without_space(self):
        """The id of each token, or of the same without the white space before it."""
        ids = np.arange(self.size)
        if self._has_pieces:
            vocabulary = self.vectorizer.vocabulary_
            for id_, (piece, text) in enumerate(
                zip(self.vectorizer._token_strings(), self.strings(), strict=True)
            ):
                bare = piece[len(text) - len(text.lstrip()) :]
                ids[id_] = vocabulary.get(bare, id_)
        return ids


def learn_text(rows, vectorizer, name):
    """Fit a side of text.

    Parameters
    ----------
    rows : text
    vectorizer : estimator or None
        Cloned before it is fitted. None: single characters of strings, items of lists.
    name : str
        How messages call the data.

    Returns
    -------
    side : Side
    tokens : csr_array of int32
    """
    if vectorizer is None:
        rows = check_raw(rows, name)
        lists = isinstance(rows[0], list)
        vectorizer = SequenceVectorizer(analyzer="token" if lists else "char")
    if not hasattr(vectorizer, "_transform_open"):
        raise TypeError(
            f"{name} needs a SequenceVectorizer or a ColumnVectorizer, which keep the "
            f"order of tokens; got {vectorizer!r}."
        )
    vectorizer = clone(vectorizer)
    if isinstance(vectorizer, SequenceVectorizer):
        tokens = vectorizer._learn_transform(rows, name)
    else:
        tokens = vectorizer.fit_transform(rows)
    return Side(vectorizer, vectorizer.vocabulary_size_, tokens.shape[1]), tokens


def read_target_ids(y):
    """Validate target ids.

    Parameters
    ----------
    y : {array-like, sparse matrix} of int, shape (n_samples,) or (n_samples, width)

    Returns
    -------
    tokens : csr_array of int32, shape (n_samples, width)
    ndim : int
        Dimensions of `y`.

    Raises
    ------
    ValueError
        If an id is negative, fractional or not finite.
    """
    y = check_array(
        y,
        accept_sparse="csr",
        ensure_2d=False,
        dtype="numeric",
        input_name="y",
        ensure_min_samples=0,
    )
    if y.dtype.kind in "mM":
        raise ValueError(
            f"y must be text or token ids; got {y.dtype}. Dates and times become text "
            "with y.astype(str)."
        )
    negative = (y < 0).nonzero()[0]
    if len(negative):
        raise ValueError(
            f"Negative values in y: token ids are >= 0; see row {negative.min()}."
        )
    return as_tokens(y[:, None] if y.ndim == 1 else y), y.ndim


def check_width(tokens, side, name):
    """Refuse rows of more ids than the arrays given to `fit` had columns."""
    too_long = lengths(tokens) > side.width
    if too_long.any():
        row = int(np.flatnonzero(too_long)[0])
        raise ValueError(
            f"Row {row} of {name} has {lengths(tokens)[row]} tokens, more than the "
            f"{side.width} columns of the data given to fit."
        )


def id_side(tokens, name, ndim=2):
    """Side of ids, with a vocabulary up to the largest.

    Where few of those ids occur, a warning says what that costs.
    """
    size = max(int(tokens.data.max(initial=0)) + 1, FIRST_TOKEN)
    if size > 100_000:
        n_distinct = len(np.unique(tokens.data))
        if size > 10 * n_distinct:
            warn(
                f"Numbers in {name} are read as token ids, each a row of a table up to "
                f"the largest: {size:,} rows, of which {n_distinct:,} occur. Number "
                "the tokens from 2 on; or, if these are numbers to be read by their "
                "digits, pass them as strings.",
            )
    return Side(None, size, tokens.shape[1], ndim)


def learn_target(y, vectorizer):
    """Learn the target side, text or ids: ``(side, tokens)``."""
    if holds_text(y, vectorizer):
        return learn_text(y, vectorizer, "y")
    tokens, ndim = read_target_ids(y)
    return id_side(tokens, "y", ndim), tokens


def holds_text(data, vectorizer):
    """Whether `data` is to be read as text."""
    return vectorizer is not None or is_raw(data)


def is_column(X):
    """Whether `X` has one dimension, and so no rows of ids."""
    return len(np.shape(X[:1] if isinstance(X, list | tuple | range) else X)) == 1


def listed(X, y=None):
    """Data whose rows can be taken and read again; y=None is X itself.

    Text becomes a list, since an iterator could be read only once.
    """
    X = _listed(X, "X")
    return X, (X if y is None else _listed(y, "y"))


def _listed(data, name):
    if len(getattr(data, "shape", (0,))) == 1 and is_raw(data):
        rows = data.tolist() if isinstance(data, np.ndarray) else data
        if isinstance(rows, list) and any(map(_has_columns, rows)):
            return rows
        return check_raw(data, name)
    data = indexable(data)[0]
    _check_even(data, name)
    return data


def _check_even(data, name):
    """Refuse rows of ids that are of unlike length, and so no array."""
    if len(getattr(data, "shape", ())) == 1:  # a column, of lists or of numbers
        data = list(data)
    if not isinstance(data, list | tuple):
        return
    sizes = [len(row) if hasattr(row, "__len__") else None for row in data]
    for i, size in enumerate(sizes):
        if size != sizes[0]:
            raise ValueError(
                f"Rows of token ids must be of one length: row {i} of {name} has "
                f"{size} and row 0 has {sizes[0]}. Fill them up with zeros at the end, "
                "which are no tokens."
            )


def _has_columns(row):
    """Whether a row is no sequence but a cell for each of several columns."""
    return isinstance(row, tuple) and not all(isinstance(cell, str) for cell in row)


def take(data, rows):
    """Some rows of what a user passed; None stays None."""
    return None if data is None else _safe_indexing(data, rows)


def shared_sides(source, target):
    """Give both sides one vocabulary, the union of theirs.

    Returns
    -------
    source, target : Side
        Text sides have new vectorizers, not fitted yet but with the vocabulary.

    Raises
    ------
    ValueError
        If one side is ids and the other text, or a vectorizer cannot take a given
        vocabulary.
    """
    if source.is_text != target.is_text:
        raise ValueError(
            "share_embeddings=True needs one vocabulary for both sides; here one side "
            "is text and the other token ids."
        )
    if not source.is_text:
        size = max(source.size, target.size)
        return replace(source, size=size), replace(target, size=size)
    own = [s.vectorizer for s in (source, target)]
    if own[0].vocabulary_ == own[1].vocabulary_:
        return source, target
    for vectorizer in own:
        simple = isinstance(vectorizer, SequenceVectorizer)
        if not simple or vectorizer.analyzer == "subword":
            raise ValueError(
                "share_embeddings=True needs two vectorizers that can share one "
                f"vocabulary; {vectorizer!r} has its own. Give both sides the same "
                "trained tokenizer, or set share_embeddings=False."
            )
    tokens = sorted({*own[0].vocabulary_, *own[1].vocabulary_})
    return tuple(
        replace(
            side,
            # What min_df has left out is no news, as it is none without sharing.
            vectorizer=clone(side.vectorizer).set_params(
                vocabulary=tokens, handle_unknown="silent"
            ),
            size=len(tokens) + FIRST_TOKEN,
        )
        for side in (source, target)
    )


def vectors_by_id(vectors, side, width, name):
    """Pretrained vectors with the ids that they belong to.

    Parameters
    ----------
    vectors : array-like, shape (size, width), or mapping from token to vector
        Rows of an array are ids, the two reserved ones included.
    side : Side
    width : int or None
        The embedding size.
    name : str
        The parameter, for messages.

    Returns
    -------
    ids : ndarray of int64, shape (n_found,)
    matrix : ndarray of float32, shape (n_found, width)

    Raises
    ------
    ValueError
        If the shape does not fit, a number is not finite, or no token has a vector.
    """
    # A frame has keys too, those of its columns.
    if hasattr(vectors, "keys") and getattr(vectors, "ndim", 1) != 2:
        known = side.vectorizer.vocabulary_ if side.is_text else range(side.size)
        tokens = [token for token in known if token in vectors]
        if not tokens:
            raise ValueError(f"{name} has a vector for no token of the vocabulary.")
        ids = [known[token] for token in tokens]
        matrix = np.array([vectors[token] for token in tokens], dtype=np.float32)
    else:
        matrix = np.asarray(vectors, dtype=np.float32)
        ids = np.arange(side.size)
        if matrix.ndim != 2 or len(matrix) != side.size:
            raise ValueError(
                f"{name} must have one row for each of the {side.size} ids of the "
                f"vocabulary, the reserved 0 and 1 included; got shape {matrix.shape}."
            )
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(
            f"{name} must hold vectors of embedding_size={width} numbers; got shape "
            f"{matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must hold finite numbers; it has NaN or infinity.")
    missing = side.size - FIRST_TOKEN - int((np.asarray(ids) >= FIRST_TOKEN).sum())
    if missing:
        warn(
            f"{missing} of {side.size - FIRST_TOKEN} tokens have no vector in {name} "
            "and keep their random start.",
        )
    return np.asarray(ids, dtype=np.int64), matrix


def check_same_pieces(source, target, what):
    """Refuse to copy pieces of words where the target has others.

    A piece is a token of its own tokenizer only: it may be a part of a character, or
    begin with a space that other tokens do not have.
    """
    if not (source.is_text and target.is_text):
        return
    own = _tokenizers(source.vectorizer)
    if own != _tokenizers(target.vectorizer) or len(own) > 1:
        raise ValueError(
            f"{what} needs the same tokens on both sides where one is cut into "
            "subwords. Learn the pieces from the texts of both and give them to both: "
            "tokenizer=SequenceVectorizer(analyzer='subword').fit(both).tokenizer_."
        )


def _tokenizers(vectorizer):
    """The tokenizers of subwords that a vectorizer uses; empty if none."""
    columns = getattr(vectorizer, "transformers_", [("", vectorizer, None)])
    return {getattr(own, "tokenizer_", None) for _, own, *_ in columns} - {None}


class CopyTable:
    """Which target token each source token stands for: the one of the same string.

    Target ids from the target vocabulary's size V upward number the strings that are
    only in the source; those in its vocabulary come first, those of the rows at hand
    after them.

    Parameters
    ----------
    source, target : Side
        Both text, or both ids, which then stand for themselves.
    """

    def __init__(self, source, target):
        if source.is_text != target.is_text:
            raise ValueError(
                "copy=True needs both sides as text or both as token ids: what a "
                "source id of another step's vocabulary stands for is not known here. "
                "Pass the raw text, with source_vectorizer= instead of a Pipeline step."
            )
        if target.has_columns:
            raise ValueError(
                "copy=True needs targets of one column: of which of several a copied "
                "token would be, nothing says."
            )
        check_same_pieces(source, target, "copy=True")
        self.target_size = target.size
        self.strings = []
        self.table = None
        if source.is_text:
            self.known = target.vectorizer.vocabulary_
            self.strings = []
            self.table = self._number(source.vectorizer._token_strings(), self.strings)
            self.table[:FIRST_TOKEN] = range(FIRST_TOKEN)

    def _number(self, tokens, strings):
        """Target ids of strings; new ones are appended to `strings`."""
        numbers = {string: self.target_size + k for k, string in enumerate(strings)}
        ids = np.empty(len(tokens), dtype=np.int64)
        for k, token in enumerate(tokens):
            ids[k] = self.known.get(token) or numbers.setdefault(
                token, self.target_size + len(numbers)
            )
        strings[:] = numbers
        return ids

    def of_source(self, tokens, extras):
        """Copies of an openly read source: ``(csr_array, strings of new ids)``."""
        if self.table is None:
            return tokens, []
        strings = list(self.strings)
        table = np.concatenate((self.table, self._number(extras, strings)))
        copies = from_flat(table[tokens.data], lengths(tokens), tokens.shape[1])
        return copies, strings

    def of_target(self, tokens, extras, strings):
        """Openly read targets, their unknown tokens numbered as in the source."""
        if self.table is None:
            return tokens
        numbers = {string: self.target_size + k for k, string in enumerate(strings)}
        table = np.arange(self.target_size + len(extras))
        table[self.target_size :] = [numbers.get(x, UNKNOWN) for x in extras]
        return from_flat(table[tokens.data], lengths(tokens), tokens.shape[1])
