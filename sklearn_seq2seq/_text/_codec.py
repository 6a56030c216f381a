"""Text to token ids and back: what fitted vectorizers do.

Nothing here needs scikit-learn, so that `sklearn_seq2seq.runtime` reads and writes text
with the same code.
"""

import sys
import unicodedata
from functools import partial
from itertools import accumulate, islice

import numpy as np

from sklearn_seq2seq._text._analyzer import (
    Analyzer,
    continue_numbering,
    join,
    preview,
)
from sklearn_seq2seq._text._check_input import check_columns, check_raw, take_column
from sklearn_seq2seq._text._normal_form import FORMS, combines, fits_any_form
from sklearn_seq2seq._text._subwords import join_pieces, piece_names
from sklearn_seq2seq._tokens import (
    FIRST_TOKEN,
    UNKNOWN,
    UNKNOWN_STRING,
    from_flat,
    lengths,
)
from sklearn_seq2seq._warnings import warn_of_data


class TextCodec:
    """Reads and writes text by the parameters and attributes of SequenceVectorizer.

    All methods but `_check_rows` take rows that it has checked.
    """

    _from_flat = staticmethod(from_flat)

    def _transform(self, rows, name="X"):
        return self._mark_unknown(*self._transform_with_extras(rows, name), name)

    def _transform_with_extras(self, rows, name="X"):
        """Transform, and keep tokens outside the vocabulary apart.

        Returns
        -------
        tokens : csr_array of int32, shape (n_samples, max_length)
            Ids; ``vocabulary_size_ + k`` stands for ``extras[k]``.
        extras : list of str
            The tokens that are not in the vocabulary, in the order of appearance.
        """
        ids, lengths, cut, extras = self._encode(rows, self.max_length_, name)
        self._warn_cut(cut, name)
        return self._from_flat(ids, lengths, self.max_length_), extras

    def _encode(self, rows, width, name):
        subword = self.analyzer == "subword"
        numbering = self.tokenizer_ if subword else continue_numbering(self.vocabulary_)
        ids, lengths, cut = self._analyzer.encode(rows, width, numbering, name)
        extras = [] if subword else list(islice(numbering, len(self.vocabulary_), None))
        return ids, lengths, cut, extras

    def _row_keys(self, rows, name="X"):
        """A key for each row, equal for rows of equal tokens: str or tuple of str."""
        return self._analyzer.row_keys(rows, name)

    def _mark_unknown(self, tokens, extras, name):
        """Make extra tokens the unknown token, as `handle_unknown` says."""
        # A tokenizer marks unknown text itself: there are no extra pieces.
        pieces = self.analyzer == "subword"
        ids, size = tokens.data, self.vocabulary_size_
        unknown = ids == UNKNOWN if pieces else ids >= size
        if not unknown.any():
            return tokens
        if self.handle_unknown == "error":
            raise_unknown(ids, np.diff(tokens.indptr), extras, size, name)
        ids[unknown] = UNKNOWN
        if self.handle_unknown == "use_unknown":
            distinct = "" if pieces else f"; {len(extras)} distinct: {preview(extras)}"
            first = np.searchsorted(tokens.indptr, unknown.argmax(), side="right") - 1
            warn_of_data(
                f"{unknown.sum()} token(s) in {name} are not in the vocabulary and "
                f"became unknown, the first in row {first}{distinct}.",
            )
        return tokens

    def _warn_cut(self, cut, name):
        if cut:
            warn_of_data(
                f"{len(cut)} row(s) of {name} are longer than max_length and were cut "
                f"at the end; the first is row {cut[0]}.",
            )

    def _check_rows(self, X, name="X"):
        """Bring what a user passed into a list of strings or of token lists."""
        rows = check_raw(X, name, copy=False)
        if self.analyzer == "token" and isinstance(rows[0], str):
            raise ValueError(
                f"analyzer='token' needs lists of tokens; {name} holds strings. Use "
                "analyzer='word' or analyzer='char'."
            )
        if self.analyzer != "token" and not isinstance(rows[0], str):
            raise ValueError(
                f"analyzer={self.analyzer!r} needs strings; {name} holds lists of "
                "tokens. Pass one string a row. Use analyzer='token' to fit on lists."
            )
        return rows

    @property
    def _form(self):
        """The normal form that text is read in, or None."""
        given = self.normalize
        return getattr(self, "normalize_", None) if given == "auto" else given

    # The canonical form of the characters that a fit has read, None if they are in
    # neither; NFC if they have no marks.
    _own_form = "NFC"

    @property
    def _written_form(self):
        """The normal form that characters are brought into when written, or None."""
        if self.analyzer != "char":
            return None  # tokens do not combine with each other
        chosen = self.normalize == "auto" and self._form in FORMS
        return self._own_form if chosen else self._form

    @property
    def _fits_any_form(self):
        """Whether the form does not matter for the vocabulary, and none was needed."""
        return self._form is None and fits_any_form(list(self.vocabulary_))

    def _combining(self, rows):
        """Mark the tokens that would change the last character of a row before them.

        Returns
        -------
        ndarray of bool, shape (n_samples, vocabulary_size), or None
            None where no token would.
        """
        if not self._written_form:
            return None
        strings = self._token_strings()
        marks = [id_ for id_, string in enumerate(strings) if combines(string)]
        if not marks:
            return None
        write = partial(unicodedata.normalize, self._written_form)
        ends = [write(row)[-1:] for row in rows]
        changes = {
            end: [not write(end + strings[id_]).startswith(end) for id_ in marks]
            for end in set(ends)
        }
        combining = np.zeros((len(ends), len(strings)), dtype=bool)
        combining[:, marks] = [changes[end] for end in ends]
        return combining

    @property
    def _analyzer(self):
        return self._analyzer_in(self._form)

    def _analyzer_in(self, form):
        return Analyzer(self.analyzer, self.token_pattern, self.lowercase, form)

    def _inverse_with_extras(self, tokens, extras):
        """Invert `_transform_with_extras`."""
        strings = [*self._token_strings(), *extras]
        ends = tokens.indptr.tolist()
        if self.analyzer == "subword":
            rows = join_pieces(tokens.data, ends, strings, self.tokenizer_)
        else:
            rows = join(tokens.data, ends, strings, self._joiner())
        if self._written_form:
            rows = map(partial(unicodedata.normalize, self._written_form), rows)
        return np.fromiter(rows, dtype=object, count=tokens.shape[0])

    def _tokens_like(self, token):
        """The token that a string is read as, in a list; [] if it is not one token."""
        if not isinstance(token, str):
            return []
        rows = [[token] if self.analyzer == "token" else token]
        tokenizer = getattr(self, "tokenizer_", None)
        (tokens,) = self._analyzer.split(rows, 0, tokenizer, "the tokens")
        if self.analyzer == "subword":
            tokens = piece_names(tokens, tokenizer)
        if len(tokens) == 1:
            return list(tokens)
        return [token] if token in self.vocabulary_ else []

    def _read_alone(self, strings):
        """What each string is read as: a token, or None if none or several."""
        rows = [[string] for string in strings]
        rows = rows if self.analyzer == "token" else list(strings)
        read = self._analyzer.split(rows, 0, None, "the tokens")
        return [row[0] if len(row) == 1 else None for row in read]

    def _cuts_without_context(self):
        """Whether a token is cut in the same way in every context."""
        return self.token_pattern is None and not callable(self.analyzer)

    def _as_read(self, rows, name="X"):
        """Rows read and written again, uncut: what a correct prediction equals."""
        ids, lengths, _, extras = self._encode(rows, sys.maxsize, name)
        tokens = self._from_flat(ids, lengths, int(lengths.max()))
        return self._inverse_with_extras(tokens, extras)

    def _warn_lost(self, rows, name="X"):
        """Warn of rows that reading and writing them again changes."""
        if self.analyzer == "subword" and self.tokenizer is not None:
            return  # `fit` has warned of it
        written = self._as_read(rows, name)
        whole = rows
        if self.analyzer == "token" and self.joiner is not None:
            whole = map(self.joiner.join, rows)
        pairs = enumerate(zip(whole, written, strict=True))
        lost = [(row, *pair) for row, pair in pairs if pair[0] != pair[1]]
        if lost:
            row, before, after = min(lost, key=lambda example: len(example[1]))
            warn_of_data(
                f"Reading changes {len(lost)} of {len(rows)} rows of {name}: row "
                f"{row}, {before!r:.60}, becomes {after!r:.60}. Predictions look like "
                "that, and scores compare targets in that form."
            )

    def _joiner(self):
        if self.joiner is not None or self.analyzer == "token":
            return self.joiner
        return "" if self.analyzer == "char" else " "

    def _token_strings(self):
        """The string of each id: a list of `vocabulary_size_` strings."""
        return ["", UNKNOWN_STRING, *self.vocabulary_]


class ColumnCodec:
    """Reads and writes rows of several columns for ColumnVectorizer.

    All methods but `_check_rows` take columns that it has checked.
    """

    _from_flat = staticmethod(from_flat)

    def _check_rows(self, X, name="X"):
        """Bring what a user passed into a list of rows for each column."""
        X = check_columns(X)
        columns = [column for _, _, column in self.transformers_]
        if not hasattr(X, "columns") and all(isinstance(c, str) for c in columns):
            # Rows as `inverse_transform` writes them.
            columns = range(len(columns))
        return [
            vectorizer._check_rows(take_column(X, column, name), f"column {name!r}")
            for (name, vectorizer, _), column in zip(
                self.transformers_, columns, strict=True
            )
        ]

    def _each(self, columns, transform):
        return [
            transform(vectorizer, rows, f"column {name!r}")
            for (name, vectorizer, _), rows in zip(
                self.transformers_, columns, strict=True
            )
        ]

    def _row_keys(self, columns, name="X"):
        """A key for each row, equal for rows of equal tokens: a tuple."""
        return list(zip(*self._each(columns, TextCodec._row_keys), strict=True))

    def _as_read(self, columns, name="X"):
        """Rows read and written again, uncut: what a correct prediction equals."""
        cells = self._each(columns, TextCodec._as_read)
        return np.fromiter(zip(*cells, strict=True), object, len(columns[0]))

    def _warn_lost(self, columns, name="X"):
        self._each(columns, TextCodec._warn_lost)

    def _transform(self, columns, name="X"):
        return self._concatenate(self._each(columns, TextCodec._transform))

    def _transform_with_extras(self, columns, name="X"):
        """Transform, and keep tokens outside the vocabularies apart."""
        parts, extras = [], {}
        results = self._each(columns, TextCodec._transform_with_extras)
        for (_, vectorizer, _), (tokens, new) in zip(
            self.transformers_, results, strict=True
        ):
            # Extra tokens have negative ids until the columns are joined.
            numbers = [-1 - extras.setdefault(token, len(extras)) for token in new]
            size = vectorizer.vocabulary_size_
            table = np.concatenate([np.arange(size), numbers]).astype(np.int32)
            tokens.data = table[tokens.data]
            parts.append(tokens)
        tokens = self._concatenate(parts)
        is_extra = tokens.data < 0
        tokens.data[is_extra] = self.vocabulary_size_ - 1 - tokens.data[is_extra]
        return tokens, list(extras)

    def _concatenate(self, parts):
        """Join the columns' token arrays row by row, each in its own range of ids."""
        # Tokens of each cell, and its end in the joined ids: (n_samples, n_columns).
        counts = np.stack([lengths(tokens) for tokens in parts], axis=1)
        ends = np.cumsum(counts).reshape(counts.shape)
        ids = np.empty(counts.sum(), dtype=np.int32)
        for tokens, offset, n, end in zip(
            parts, self._offsets(), counts.T, ends.T, strict=True
        ):
            shifted = np.where(tokens.data > UNKNOWN, tokens.data + offset, tokens.data)
            places = np.arange(len(shifted))
            places += np.repeat(end - n - tokens.indptr[:-1], n)
            ids[places] = shifted
        return self._from_flat(ids, counts.sum(axis=1), self.max_length_)

    def _offsets(self):
        sizes = [len(v.vocabulary_) for _, v, _ in self.transformers_]
        return list(accumulate(sizes[:-1], initial=0))

    def _inverse_with_extras(self, tokens, extras):
        """Invert `_transform_with_extras`."""
        size = self.vocabulary_size_
        rows = np.repeat(np.arange(tokens.shape[0]), np.diff(tokens.indptr))
        known = (tokens.data > UNKNOWN) & (tokens.data < size)
        starts = [FIRST_TOKEN + offset for offset in self._offsets()]
        owner = np.searchsorted(starts, tokens.data, side="right") - 1  # its column
        owner = _fill(owner, known, rows)
        columns = []
        for k, ((_, vectorizer, _), offset) in enumerate(
            zip(self.transformers_, self._offsets(), strict=True)
        ):
            mine = owner == k
            ids = tokens.data[mine]
            shift = np.where(ids >= size, size - vectorizer.vocabulary_size_, offset)
            ids = np.where(ids > UNKNOWN, ids - shift, ids)
            counts = np.bincount(rows[mine], minlength=tokens.shape[0])
            part = self._from_flat(ids, counts, tokens.shape[1])
            columns.append(vectorizer._inverse_with_extras(part, extras))
        return np.fromiter(zip(*columns, strict=True), object, tokens.shape[0])

    def _tokens_like(self, token):
        """The tokens of a string in every column; of (column, string) in that one."""
        named = isinstance(token, tuple) and len(token) == 2
        column, string = token if named else (None, token)
        return [
            (name, found)
            for name, vectorizer, _ in self.transformers_
            if column in (None, name)
            for found in vectorizer._tokens_like(string)
        ]

    def _token_strings(self):
        """The string of each id: a list of `vocabulary_size_` strings."""
        strings = ["", UNKNOWN_STRING]
        for _, vectorizer, _ in self.transformers_:
            strings += vectorizer.vocabulary_
        return strings

    @property
    def vocabulary_(self):
        """The id of each (name, token)."""
        return {
            (name, token): number + offset
            for (name, vectorizer, _), offset in zip(
                self.transformers_, self._offsets(), strict=True
            )
            for token, number in vectorizer.vocabulary_.items()
        }

    @property
    def vocabulary_size_(self):
        """Number of ids."""
        return FIRST_TOKEN + sum(len(v.vocabulary_) for _, v, _ in self.transformers_)

    @property
    def max_length_(self):
        """Number of columns of the output."""
        return sum(vectorizer.max_length_ for _, vectorizer, _ in self.transformers_)


def raise_unknown(ids, lengths, extras, size, name):
    place = np.flatnonzero((ids >= size) | (ids == UNKNOWN))[0]
    row = np.searchsorted(np.cumsum(lengths), place, side="right")
    what = repr(extras[ids[place] - size]) if extras else "text without a known piece"
    raise ValueError(
        f"Row {row} of {name} holds {what}, which is not in the vocabulary; "
        "handle_unknown='use_unknown' accepts it."
    )


def _fill(owner, known, rows):
    """Give tokens that are not `known` the owner of a neighbour in the row."""
    places = np.arange(len(owner))
    # The nearest known token on either side.
    left = np.maximum.accumulate(np.where(known, places, -1))
    right = np.minimum.accumulate(np.where(known, places, len(owner))[::-1])[::-1]
    has_left = (left >= 0) & (rows[left] == rows)
    inside = np.minimum(right, len(owner) - 1)
    has_right = (right < len(owner)) & (rows[inside] == rows)
    first = np.where(has_right, owner[inside], 0)
    return np.where(has_left, owner[left], first)
