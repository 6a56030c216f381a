"""`SequenceVectorizer`: strings to token ids and back."""

import copy
import os
from collections.abc import Iterable
from numbers import Integral

from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
)
from sklearn.utils._param_validation import HasMethods, RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import Number, positive, unchanged_on_failure
from sklearn_seq2seq._text._check_input import check_ids
from sklearn_seq2seq._text._learning import TextLearner
from sklearn_seq2seq._text._normal_form import ALL_FORMS
from sklearn_seq2seq._tokens import with_strings


class SequenceVectorizer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DocumentationMixin,
    TextLearner,
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
        reads text as it is. "auto" does so too, but for characters of rows that are all
        in NFC or all in NFD, unless a `vocabulary` is given: it reads them in NFC, or
        in NFD where that at least halves the occurrences of rare characters, as in
        Hangul. `inverse_transform` then writes the form of the rows.
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
        once per call, give them id 1, or raise an error. With a given `tokenizer`,
        `fit` also warns of rows that it does not restore, unless "silent".
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
    `inverse_transform` restores what `transform` was given if all tokens are known,
    nothing was cut, and the text is in the form that the vectorizer writes: after
    `lowercase`, in the form of `normalize` (with "auto" that of the rows of `fit`), and
    for "word" with one `joiner` between two tokens. With "subword" the round trip is
    exact, white space included.

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
        "normalize": [StrOptions({"auto", *ALL_FORMS}), None],
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

        After each call the vocabulary is what `fit` would learn from all pieces so far;
        subwords are learned from a uniform sample of 100,000 rows. `fit` and `save`
        forget the counts.

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
        return self._inverse_with_extras(check_ids(tokens, self.vocabulary_size_), [])

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
