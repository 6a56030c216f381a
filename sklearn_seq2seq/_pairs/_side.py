"""A fitted side of the data: text or ids to token arrays, and back."""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._text._check_input import check_equal_lengths
from sklearn_seq2seq._text._codec import ColumnCodec, TextCodec
from sklearn_seq2seq._text._subwords import readable
from sklearn_seq2seq._tokens import as_tokens, lengths, strings_of


def read_target_ids(y, name="y"):
    """Validate target ids.

    Parameters
    ----------
    y : {array-like, sparse matrix} of int, shape (n_samples,) or (n_samples, width)
    name : str, default="y"
        The name of the data in messages.

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

    check_equal_lengths(y, name)
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
    """How one side of the data is read and written.

    Attributes
    ----------
    vectorizer : SequenceVectorizer, ColumnVectorizer or None
        The fitted vectorizer; None for ids.
    size : int
        Vocabulary size: ids below it are known.
    width : int
        Columns of the token array.
    ndim : int
        2, or 1 if target ids came as a vector of single tokens.
    id_strings : list of str or None
        The string of each id, if the array given to `fit` came from a vectorizer.
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
        """Check rows as a user passed them; the other methods take the result.

        Returns
        -------
        rows : list, or token array
            Text for the vectorizer, or ids.
        """
        if self.is_text:
            return self.vectorizer._check_rows(data, name)
        self.check_meaning(data, name)
        return self._read_ids(data, name)[0]

    def check_meaning(self, data, name):
        """Refuse ids that stand for other tokens than those given to `fit`."""
        for id_, (before, now) in enumerate(
            zip(self.id_strings or (), strings_of(data) or (), strict=False)
        ):
            if before != now:
                raise ValueError(
                    f"Ids in {name} do not mean what they meant in training: {id_} was "
                    f"{before!r} and is {now!r}. A vectorizer that is fitted again, as "
                    "fit does with the steps of a Pipeline, numbers its tokens anew. "
                    "Pass the text, with source_vectorizer= or target_vectorizer= "
                    "instead of the step; or give the step a fixed vocabulary=."
                )

    def read(self, rows, name, keep_unknown=False):
        """Read checked text: ``(tokens, extras)``.

        With `keep_unknown`, tokens outside the vocabulary get ids from `size` upward,
        and `extras` are their strings; otherwise they become the unknown token.
        """
        if keep_unknown:
            return self.vectorizer._transform_with_extras(rows, name)
        return self.vectorizer._transform(rows, name), []

    def read_any(self, data, name):
        """Check and read text, unknown tokens kept, or ids: ``(tokens, extras)``."""
        return self.read_known(self.check(data, name), name)

    def read_known(self, rows, name):
        """`read_any` for checked rows."""
        if self.is_text:
            return self.read(rows, name, keep_unknown=True)
        check_width(rows, self, name)
        return rows, []

    def as_read(self, rows):
        """Checked rows read and written again: what a correct prediction equals."""
        if self.is_text:
            return self.vectorizer._as_read(rows, "y")
        return self.write(rows)

    def write(self, tokens, extras=()):
        """Token array to what `fit` was given: text, or dense ids."""
        if self.is_text:
            return self.vectorizer._inverse_with_extras(tokens, list(extras))
        dense = tokens.toarray().astype(np.int64)  # (n_samples, width)
        return dense if self.ndim == 2 else dense[:, 0]

    @property
    def has_columns(self):
        """Whether several columns make one sequence."""
        return self.is_text and not isinstance(self.vectorizer, TextCodec)

    @property
    def joiner(self):
        """What stands between two tokens; None if rows are not strings."""
        if not self.is_text or self.has_columns:
            return None
        return "" if self._has_pieces else self.vectorizer._joiner()

    @property
    def _has_pieces(self):
        return getattr(self.vectorizer, "analyzer", None) == "subword"

    def strings(self, extras=()):
        """The string of each id of a side of text, those of `extras` last."""
        strings = self.vectorizer._token_strings()
        if self._has_pieces:
            strings = readable(strings, self.vectorizer.tokenizer_)
        return [*strings, *extras]

    def without_space(self):
        """The id of each token without the white space before it, if there is one."""
        ids = np.arange(self.size)
        if self._has_pieces:
            # Parts of characters all read as U+FFFD.
            texts = self.strings()
            by_text = {text: k for k, text in enumerate(texts) if "\ufffd" not in text}
            for k, text in enumerate(texts):
                if text[:1].isspace():
                    ids[k] = by_text.get(text.lstrip() or text, k)
        return ids
