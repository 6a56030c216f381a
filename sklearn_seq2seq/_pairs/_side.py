"""One fitted side of the data: text or ids to token arrays, and back."""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._text._check_input import check_even
from sklearn_seq2seq._text._codec import ColumnCodec, TextCodec
from sklearn_seq2seq._text._subwords import readable
from sklearn_seq2seq._tokens import as_tokens, lengths, strings_of


def read_target_ids(y, name="y"):
    """Validate target ids.

    Parameters
    ----------
    y : {array-like, sparse matrix} of int, shape (n_samples,) or (n_samples, width)
    name : str, default="y"
        How messages call them.

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
    # Not at the top: the runtime uses this module without scikit-learn.
    from sklearn.utils import check_array

    check_even(y, name)
    y = check_array(
        y,
        accept_sparse="csr",
        ensure_2d=False,
        dtype="numeric",
        input_name=name,
        ensure_min_samples=0,
    )
    if y.dtype.kind in "mM":
        raise ValueError(
            f"{name} must be text or token ids; got {y.dtype}. Dates and times become "
            f"text with {name}.astype(str)."
        )
    negative = (y < 0).nonzero()[0]
    if len(negative):
        raise ValueError(
            f"Negative values in {name}: token ids are >= 0; see row {negative.min()}."
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


@dataclass
class Side:
    """How one side of the data becomes ids.

    Attributes
    ----------
    vectorizer : SequenceVectorizer, ColumnVectorizer or None
        The fitted vectorizer; None for ids.
    size : int
        Vocabulary size: ids below it are known.
    width : int
        Columns of the token array.
    ndim : int
        2, or 1 where target ids came as a vector of single tokens.
    id_strings : list of str or None
        What ids stand for, where the array given to `fit` said so: that of a
        vectorizer does.
    """

    vectorizer: TextCodec | ColumnCodec | None
    size: int
    width: int
    ndim: int = 2
    id_strings: list[str] | None = None

    _read_ids = staticmethod(read_target_ids)

    @property
    def is_text(self):
        """Whether the side is text rather than ids."""
        return self.vectorizer is not None

    def check(self, data, name):
        """Rows as a user passed them, checked: what all else here takes.

        Returns
        -------
        rows : list, or token array
            Text as the vectorizer takes it, or ids.
        """
        if self.is_text:
            return self.vectorizer._check_rows(data, name)
        self.check_meaning(data, name)
        return self._read_ids(data, name)[0]

    def check_meaning(self, data, name):
        """Refuse ids that stand for other tokens than those given to `fit`."""
        for id_, (own, other) in enumerate(
            zip(self.id_strings or (), strings_of(data) or (), strict=False)
        ):
            if own != other:
                raise ValueError(
                    f"Ids in {name} do not mean what they meant in training: {id_} was "
                    f"{own!r} and is {other!r}. A vectorizer that is fitted again, as "
                    "fit does with the steps of a Pipeline, numbers its tokens anew. "
                    "Pass the text, with source_vectorizer= or target_vectorizer= "
                    "instead of the step; or give the step a fixed vocabulary=."
                )

    def read(self, rows, name, open_vocabulary=False):
        """Checked text to ``(tokens, extras)``; `name` is what messages call it.

        With `open_vocabulary`, unknown tokens get ids from `size` upward, and `extras`
        are their strings; otherwise they are the unknown token.
        """
        if open_vocabulary:
            return self.vectorizer._transform_open(rows, name)
        return self.vectorizer._transform(rows, name), []

    def read_any(self, data, name):
        """Text, unknown tokens kept, or ids: ``(tokens, extras)``; not yet checked."""
        return self.read_known(self.check(data, name), name)

    def read_known(self, rows, name):
        """What `read_any` makes of checked rows."""
        if self.is_text:
            return self.read(rows, name, open_vocabulary=True)
        check_width(rows, self, name)
        return rows, []

    def as_read(self, rows):
        """Checked rows as they are written: what a right prediction equals."""
        if self.is_text:
            return self.vectorizer._as_read(rows, "y")
        return self.write(rows)

    def write(self, tokens, extras=()):
        """Token array to what the user passed to `fit`: text, or dense ids."""
        if self.is_text:
            return self.vectorizer._inverse_open(tokens, list(extras))
        dense = tokens.toarray().astype(np.int64)
        return dense if self.ndim == 2 else dense[:, 0]

    @property
    def has_columns(self):
        """Whether several columns make one sequence."""
        return self.is_text and not isinstance(self.vectorizer, TextCodec)

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
        if self._has_pieces:
            strings = readable(strings, self.vectorizer.tokenizer_)
        return [*strings, *extras]

    def without_space(self):
        """The id of each token, or of the same without the white space before it."""
        ids = np.arange(self.size)
        if self._has_pieces:
            # Parts of characters all read as U+FFFD.
            texts = self.strings()
            by_text = {text: k for k, text in enumerate(texts) if "\ufffd" not in text}
            for k, text in enumerate(texts):
                if text[:1].isspace():
                    ids[k] = by_text.get(text.lstrip() or text, k)
        return ids
