"""Text in, token ids out, and back: the only place where strings meet ids."""

import copy
import os
import sys
from collections.abc import Iterable
from itertools import chain, count, islice
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import HasMethods, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import Number, plain, positive, unchanged_on_failure
from sklearn_seq2seq._text._analyzer import BLOCK, check_vocabulary, continue_numbering
from sklearn_seq2seq._text._check_input import check_ids
from sklearn_seq2seq._text._codec import TextCodec, raise_unknown
from sklearn_seq2seq._text._counts import TokenCounts
from sklearn_seq2seq._text._normal_form import (
    choose_counted_form,
    choose_form,
    holds_marks,
    is_composed,
)
from sklearn_seq2seq._text._subwords import (
    check_encodable,
    piece_ids,
    read_tokenizer,
    train_tokenizer,
    warn_of_losses,
)
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, from_flat, with_strings

DEFAULT_WIDTH = 2**14


class SequenceVectorizer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DocumentationMixin,
    TextCodec,
    BaseEstimator,
    # Token ids are sparse, which frames are not.
    auto_wrap_output_keys=None,
):
    """Turn strings into sequences of token ids, and such sequences into strings.

    The ordered sibling of :class:`~sklearn.feature_extraction.text.CountVectorizer`:
    it keeps what CountVectorizer throws away, the order of the tokens. The result is
    a sparse array whose row holds the ids of one string from left to right, padded by
    zeros that are not stored. Id 0 is reserved for the boundary, which ends and pads
    every row, and id 1 for unknown tokens; the vocabulary starts at 2.

    Parameters
    ----------
    analyzer : {"char", "word", "token", "subword"} or callable, default="char"
        What a token is: a character (Unicode code point), a word, an item of rows that
        are lists of tokens already, or a piece of text learned by `subword_model`.
        A callable takes a string and returns its list of tokens.
    token_pattern : str, default=None
        For "word": the regular expression that finds tokens, with at most one group.
        None splits at white space. Other analyzers ignore it.
    lowercase : bool, default=False
        Whether to convert everything to lower case first.
    normalize : {"auto", "NFC", "NFD", "NFKC", "NFKD"} or None, default="auto"
        The Unicode normal form to bring everything into first. Different spellings of
        one character, such as "é" and "e" with a combining accent, become one. None
        reads text as it is, and so does "auto", but for characters in NFC of which many
        are rare and not half as many in NFD, as with Hangul: it reads NFD, and
        `inverse_transform` writes NFC.
    min_df : int or float, default=1
        Tokens that occur in fewer rows than this are left out of the vocabulary. A
        float in [0, 1] is a share of the rows. Not used by "subword" nor with a given
        `vocabulary`.
    max_features : int, default=None
        How many tokens to keep, the most frequent ones first. For "subword", how many
        pieces to learn: 2000 by default and at least 256, the bytes. Not used with a
        given `vocabulary`.
    vocabulary : iterable of str or mapping from str to int, default=None
        Tokens to use instead of those found in the data, for example the
        `vocabulary_` of another vectorizer. Ids in a mapping are 2, 3, ...
    max_length : int, default=None
        Number of columns of the output, which costs no memory. Longer rows are cut at
        the end, with a warning. None means 16384 tokens, or if a row given to `fit` is
        longer than half of that, the next power of two that is at least twice as long.
    joiner : str, default=None
        What `inverse_transform` puts between tokens. None means "" for "char", " " for
        "word" and for callables. For "token" it means to return lists.
    handle_unknown : {"use_unknown", "silent", "error"}, default="use_unknown"
        What to do with tokens that are not in the vocabulary: give them id 1 and warn
        once per call, give them id 1, or raise an error. With a given `tokenizer` a
        warning of `fit` also counts the rows that it does not give back, unless
        "silent".
    subword_model : {"bpe", "unigram"}, default="bpe"
        How "subword" learns its pieces: byte pair encoding [1]_ or a unigram language
        model [2]_, both over UTF-8 bytes, so that every string has a token sequence.
    tokenizer : str, path-like or tokenizers.Tokenizer, default=None
        For "subword": a trained tokenizer to use instead of learning one, as an object
        of the tokenizers library, its JSON string, or the path of its JSON file.

    Attributes
    ----------
    vocabulary_ : dict of str to int
        The id of each token, from 2 upwards in sorted order.
    vocabulary_size_ : int
        Number of ids, the two reserved ones included.
    max_length_ : int
        Number of columns of the output, in tokens.
    normalize_ : {"NFC", "NFD", "NFKC", "NFKD"} or None
        The normal form that is read, chosen or given.
    tokenizer_ : str
        The tokenizer as a JSON string. Only for "subword".

    See Also
    --------
    ColumnVectorizer : Several columns as one sequence.
    sklearn.feature_extraction.text.CountVectorizer : Tokens without their order.

    Notes
    -----
    Time and memory are linear in the number of tokens: 8 bytes a token and 4 a row.
    `inverse_transform` gives back what `transform` was given where all tokens are
    known, nothing was cut, and the text is in the form that the vectorizer sees: after
    `lowercase` and a given `normalize`, and for "word" with one `joiner` between two
    tokens. With "subword" the round trip is exact, white space included.

    The output is sparse and cannot become a frame, so there is no `set_output`.

    References
    ----------
    .. [1] R. Sennrich, B. Haddow, A. Birch, "Neural machine translation of rare words
       with subword units", ACL 2016. :arxiv:`1508.07909`
    .. [2] T. Kudo, "Subword regularization: improving neural network translation
       models with multiple subword candidates", ACL 2018. :arxiv:`1804.10959`

    Examples
    --------
    >>> from sklearn_seq2seq import SequenceVectorizer
    >>> vectorizer = SequenceVectorizer(max_length=5)
    >>> tokens = vectorizer.fit_transform(["abba", "", "cab"])
    >>> vectorizer.vocabulary_
    {'a': 2, 'b': 3, 'c': 4}
    >>> tokens.toarray()
    array([[2, 3, 3, 2, 0],
           [0, 0, 0, 0, 0],
           [4, 2, 3, 0, 0]], dtype=int32)
    >>> vectorizer.inverse_transform(tokens)
    array(['abba', '', 'cab'], dtype=object)

    Rows that are tokenised already:

    >>> vectorizer = SequenceVectorizer(analyzer="token")
    >>> tokens = vectorizer.fit_transform([["HH", "AY"], ["AY"]])
    >>> vectorizer.inverse_transform(tokens)
    array([list(['HH', 'AY']), list(['AY'])], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012
        "analyzer": [StrOptions({"char", "word", "token", "subword"}), callable],
        "token_pattern": [str, None],
        "lowercase": ["boolean"],
        "normalize": [StrOptions({"auto", "NFC", "NFD", "NFKC", "NFKD"}), None],
        "min_df": [
            Number(RealNotInt, 0, 1, closed="both"),
            positive(),
        ],
        "max_features": [positive(), None],
        "vocabulary": [Iterable, None],
        "max_length": [Number(Integral, 1, 2**31 - 1, closed="both"), None],
        "joiner": [str, None],
        "handle_unknown": [StrOptions({"use_unknown", "silent", "error"})],
        "subword_model": [StrOptions({"bpe", "unigram"})],
        "tokenizer": [str, os.PathLike, HasMethods(["to_str", "encode_batch"]), None],
    }

    def __init__(
        self,
        *,
        analyzer="char",
        token_pattern=None,
        lowercase=False,
        normalize="auto",
        min_df=1,
        max_features=None,
        vocabulary=None,
        max_length=None,
        joiner=None,
        handle_unknown="use_unknown",
        subword_model="bpe",
        tokenizer=None,
    ):
        self.analyzer = analyzer
        self.token_pattern = token_pattern
        self.lowercase = lowercase
        self.normalize = normalize
        self.min_df = min_df
        self.max_features = max_features
        self.vocabulary = vocabulary
        self.max_length = max_length
        self.joiner = joiner
        self.handle_unknown = handle_unknown
        self.subword_model = subword_model
        self.tokenizer = tokenizer

    # Learning

    def fit(self, X, y=None):
        """Learn the vocabulary.

        Parameters
        ----------
        X : iterable of str, or of lists of str for ``analyzer="token"``
            The rows: any iterable, 1-D array, Series or frame of one column, of
            n_samples strings or lists of tokens.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceVectorizer
            This vectorizer, fitted.

        Raises
        ------
        ValueError
            If a row is not a string (or list of strings); the message names it.
        """
        self._learn(self._check_rows(X, learning=True))
        return self

    def fit_transform(self, X, y=None):
        """Learn the vocabulary and return the token ids, in one pass.

        The same as ``fit(X).transform(X)``, except that tokens which `min_df` or
        `max_features` exclude do not count as unseen: they get id 1 without a warning.

        Parameters
        ----------
        X : iterable of str, or of lists of str for ``analyzer="token"``
            The rows, as for `fit`.
        y : None
            Ignored.

        Returns
        -------
        tokens : csr_array of int32, shape (n_samples, max_length)
            The token ids of each row.

        Raises
        ------
        ValueError
            If a row is not a string (or list of strings); the message names it.
        """
        tokens = self._learn_transform(self._check_rows(X, learning=True))
        return with_strings(tokens, self._token_strings())

    def partial_fit(self, X, y=None):
        """Learn the vocabulary from one piece of the rows after another.

        After each call it is what `fit` would learn from all pieces so far; subwords
        are learned from 100,000 rows of them, drawn evenly. `fit` and `save` forget
        what was counted.

        Parameters
        ----------
        X : iterable of str, or of lists of str for ``analyzer="token"``
            The rows, as for `fit`.
        y : None
            Ignored.

        Returns
        -------
        self : SequenceVectorizer
            This vectorizer, fitted.

        Raises
        ------
        ValueError
            As `fit`.
        """
        rows = self._check_rows(X, learning=True)
        counts = copy.copy(getattr(self, "_counts", None)) or self._new_counts()
        with unchanged_on_failure(self):
            self._count(rows, counts)
            self._learn_counted(counts, more_to_come=True)
            self._counts = counts
        return self

    # What is private takes rows that `_check_rows` has checked.

    def _learn_transform(self, rows, name="X", form="auto"):
        ids, lengths, extras, cut = self._learn(rows, name, form)
        self._warn_cut(cut, name)
        return self._close(from_flat(ids, lengths, self.max_length_), extras, name)

    def _check_rows(self, X, name="X", *, learning=False):
        if learning:
            self._validate_params()
        return super()._check_rows(X, name)

    def _learn(self, rows, name="X", form="auto"):
        """Fit, and return what `_learn_transform` needs to go on from there.

        `form` is that of another side, where both are to be read in one.
        """
        width = sys.maxsize if self.max_length is None else int(self.max_length)
        form = self._choose_form(form, lambda: choose_form(rows))
        analyzer = self._analyzer_in(form)
        tokenizer, extras = None, []
        if self.analyzer == "subword":
            tokenizer = self._make_tokenizer(rows, name, analyzer)
            vocabulary = piece_ids(tokenizer)
            ids, lengths, cut = analyzer.encode(rows, width, tokenizer, name)
            if self.handle_unknown == "error" and (ids == UNKNOWN).any():
                raise_unknown(ids, lengths, [], sys.maxsize, name)
            if self.tokenizer is not None and self.handle_unknown != "silent":
                whole = lengths < (self.max_length or np.inf)
                prepared = analyzer.prepare(rows)
                warn_of_losses(prepared, whole, ids, lengths, tokenizer, name)
        elif self.vocabulary is not None:
            vocabulary = check_vocabulary(self.vocabulary)
            numbering = continue_numbering(vocabulary)
            ids, lengths, cut = analyzer.encode(rows, width, numbering, name)
            extras = list(islice(numbering, len(vocabulary), None))
            if extras and self.handle_unknown == "error":
                raise_unknown(ids, lengths, extras, FIRST_TOKEN + len(vocabulary), name)
        else:
            least = plain(self.min_df)
            counts = TokenCounts(rows_too=isinstance(least, float) or least > 1)
            numbering = counts.numbering()
            ids, lengths, cut = analyzer.encode(rows, width, numbering, name)
            counts.add(numbering, ids, lengths)
            vocabulary, new_ids = counts.select(least, self.max_features)
            ids = new_ids[ids]
        # Nothing is assigned before everything has succeeded, so that a failed fit
        # leaves a fitted vectorizer as it was.
        for leftover in ("tokenizer_", "_counts"):
            vars(self).pop(leftover, None)
        if tokenizer is not None:
            self.tokenizer_ = tokenizer
        self._set_vocabulary(vocabulary, int(lengths.max()), form)
        return ids, lengths, extras, cut

    @property
    def _chooses_form(self):
        """Whether the rows decide; of whole words the form makes no difference."""
        return self.normalize == "auto" and self.analyzer == "char" and self._learns

    def _choose_form(self, form, choose):
        if self._chooses_form:
            return choose() if form == "auto" else form
        return None if self.normalize == "auto" else self.normalize

    def _new_counts(self):
        return TokenCounts()

    def _count(self, rows, counts, name="X"):
        """Add rows to the counts that `_learn_counted` learns from."""
        if not self._learns:
            _, lengths, *_ = copy.copy(self)._learn(rows, name)
            counts.see(lengths)
        elif self.analyzer == "subword":
            counts.keep(check_encodable(rows, 0, name))
        else:
            if self._chooses_form and holds_marks(rows):
                # Text without marks is the same in all forms.
                counts.letters = copy.copy(counts.letters or counts)
                counts.composed &= is_composed(rows)
            if counts.letters is not None:
                self._add(rows, counts.letters, "NFD", name)
            self._add(rows, counts, self._choose_form(None, None), name)

    def _add(self, rows, counts, form, name):
        width = sys.maxsize if self.max_length is None else int(self.max_length)
        numbering = counts.numbering()
        encode = self._analyzer_in(form).encode
        ids, lengths, _ = encode(rows, width, numbering, name)
        counts.add(numbering, ids, lengths)

    def _learn_counted(self, counts, form="auto", **how):
        """Learn the vocabulary from what `_count` has counted."""
        form = self._choose_form(form, lambda: choose_counted_form([counts]))
        if form == "NFD" and counts.letters is not None:
            counts = counts.letters
        if self.analyzer == "subword" and self._learns:
            self._learn(counts.sample)
            return
        vars(self).pop("tokenizer_", None)
        if self.analyzer == "subword":
            self.tokenizer_ = read_tokenizer(self.tokenizer)
            vocabulary = piece_ids(self.tokenizer_)
        elif self._learns:
            least = plain(self.min_df)
            vocabulary, _ = counts.select(least, self.max_features, **how)
        else:
            vocabulary = check_vocabulary(self.vocabulary)
        self._set_vocabulary(vocabulary, counts.longest, form)

    @property
    def _learns(self):
        """Whether the vocabulary comes from the rows and is not given."""
        given = self.tokenizer if self.analyzer == "subword" else self.vocabulary
        return given is None

    def _set_vocabulary(self, vocabulary, longest, form):
        self.normalize_ = form
        self.vocabulary_ = vocabulary
        self.vocabulary_size_ = FIRST_TOKEN + len(vocabulary)
        self.max_length_ = self.max_length and int(self.max_length)
        if self.max_length is None:
            roomy = 1 << max(2 * longest - 1, 0).bit_length()
            self.max_length_ = max(DEFAULT_WIDTH, roomy)

    def _grow(self, other):
        """Put the vocabulary of another fitted vectorizer in front of this one's."""
        for name in ("analyzer", "token_pattern", "lowercase", "_form"):
            value, other_value = getattr(self, name), getattr(other, name)
            if value != other_value:
                name = name.replace("_form", "normalize")
                raise ValueError(
                    f"Two vectorizers that cut text differently cannot share a "
                    f"vocabulary: one has {name}={value!r}, the other "
                    f"{name}={other_value!r}."
                )
        vocabulary = other.vocabulary_
        if self.analyzer != "subword":
            tokens = dict.fromkeys(chain(vocabulary, self.vocabulary_))
            vocabulary = dict(zip(tokens, count(FIRST_TOKEN)))
        elif self.tokenizer is None:
            self.tokenizer_ = other.tokenizer_
        elif self.tokenizer_ != other.tokenizer_:
            raise ValueError(
                "Two vectorizers with different tokenizers cannot share a vocabulary; "
                "set tokenizer=None to take the other's."
            )
        self.vocabulary_ = dict(vocabulary)
        self.vocabulary_size_ = FIRST_TOKEN + len(vocabulary)

    # From text to ids

    def transform(self, X):
        """Turn rows into token ids.

        Parameters
        ----------
        X : iterable of str, or of lists of str for ``analyzer="token"``
            The rows, as for `fit`.

        Returns
        -------
        tokens : csr_array of int32, shape (n_samples, max_length)
            The token ids of each row from the first column on; the rest is unstored.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is not a string (or list of strings), or holds an unknown token
            with ``handle_unknown="error"``; the message names it.
        """
        check_is_fitted(self)
        tokens = self._transform(self._check_rows(X))
        return with_strings(tokens, self._token_strings())

    def _make_tokenizer(self, rows, name, analyzer):
        if self.vocabulary is not None:
            raise ValueError(
                "analyzer='subword' learns its vocabulary or takes it from tokenizer; "
                "set vocabulary=None."
            )
        if self.tokenizer is not None:
            return read_tokenizer(self.tokenizer)
        prepare = analyzer.prepare
        blocks = (
            check_encodable(list(prepare(rows[i : i + BLOCK])), i, name)
            for i in range(0, len(rows), BLOCK)
        )
        return train_tokenizer(
            blocks, self.subword_model, int(self.max_features or 2000)
        )

    # From ids to text

    def inverse_transform(self, tokens):
        """Turn token ids into strings, or into lists of tokens.

        Parameters
        ----------
        tokens : sparse or dense array of int, shape (n_samples, n_columns)
            Token ids. Zeros are skipped.

        Returns
        -------
        X : ndarray of object, shape (n_samples,)
            Strings; lists of str with ``analyzer="token"`` and no `joiner`. The unknown
            token reads as the replacement character, U+FFFD.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If an id is negative, fractional or not in the vocabulary.
        """
        check_is_fitted(self)
        return self._inverse_open(check_ids(tokens, self.vocabulary_size_), [])

    @property
    def _n_features_out(self):
        return self.max_length_

    def get_feature_names_out(self, input_features=None):
        """Name the output's columns, which are positions in the sequence.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str, shape (max_length,)
            "sequencevectorizer0", "sequencevectorizer1", ...

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        return super().get_feature_names_out()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
