"""`TranslationMemory`: beside each source, what the most similar one became."""

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize
from sklearn.utils import check_consistent_length, gen_batches
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import groups_of, unchanged_on_failure, with_groups
from sklearn_seq2seq._text._check_input import check_raw

_COLUMNS = ("source", "match", "similarity")
_N_LEVELS = 5
# Words and punctuation marks, alone and up to three in a row. What is in more rows than
# that says little and would take time in proportion to the square of the rows.
_WORDS = {
    "token_pattern": r"\w+|[^\w\s]",
    "ngram_range": (1, 3),
    "sublinear_tf": True,
    "max_df": 1000,
}
# Similarities worked out at once, to bound the memory.
_TABLE_SIZE = 2**23


class TranslationMemory(TransformerMixin, DocumentationMixin, BaseEstimator):
    """Add to each source the target of the most similar training pair.

    Where texts repeat themselves, the nearest pair has words and phrases that a model
    of some thousands of pairs never learns, and the model can mend what does not fit
    [1]_. A `ColumnVectorizer` reads the new columns along with the source, and with
    ``copy=True`` the decoder takes tokens from either.

    `fit_transform` matches no row with its own pair, with one of the same source, or
    with one of its group: like that of scikit-learn's `TargetEncoder`, it differs from
    `fit` and `transform`. A model is so trained on matches that are as good as those
    that new sources find.

    Parameters
    ----------
    vectorizer : estimator, default=None
        Turns texts into rows of non-negative numbers, whose cosine is the similarity; a
        clone is fitted. None compares words, alone and up to three in a row: a
        :class:`~sklearn.feature_extraction.text.TfidfVectorizer`. For sources of one
        word, or without spaces, take ``TfidfVectorizer(analyzer="char_wb",
        ngram_range=(1, 3))``.

    Attributes
    ----------
    vectorizer_ : estimator
        The fitted vectorizer.
    sources_, targets_ : ndarray of object, shape (n_pairs,)
        The pairs that are remembered.
    levels_ : ndarray of float, shape (n_levels - 1,)
        Similarities at which the second level and those above it begin.

    See Also
    --------
    ColumnVectorizer : Reads the columns as one sequence.
    DummySeq2Seq : With ``strategy="nearest"``, nothing but the nearest pair.
    LexiconSeq2Seq : With `memorize`, predicts known sources as they were in training.

    Notes
    -----
    A source is compared with the pairs that share a feature with it. By default these
    are features of at most 1,000 pairs, so that time is linear in the number of words;
    30,000 pairs take about ten seconds.

    References
    ----------
    .. [1] Bulté and Tezcan, "Neural fuzzy repair: integrating fuzzy matches into neural
       machine translation", ACL, 2019.

    Examples
    --------
    >>> from sklearn_seq2seq import TranslationMemory
    >>> english = ["Delete the page", "Delete the file", "Close the window"]
    >>> german = ["Seite löschen", "Datei löschen", "Fenster schließen"]
    >>> memory = TranslationMemory()
    >>> memory.fit_transform(english, german)
    array([['Delete the page', 'Datei löschen', '2'],
           ['Delete the file', 'Seite löschen', '2'],
           ['Close the window', 'Seite löschen', '1']], dtype=object)
    >>> memory.transform(["Close all windows"])
    array([['Close all windows', 'Fenster schließen', '2']], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "vectorizer": [HasMethods(["fit_transform", "transform"]), None],
    }

    def __init__(self, vectorizer=None):
        self.vectorizer = vectorizer

    def fit(self, X, y, *, groups=None):
        """Remember pairs.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            The sources, n_samples of them.
        y : iterable of str, or of lists of str
            The targets, of the same number.
        groups : array-like of shape (n_samples,), default=None
            Rows that belong together, as for `fit_transform`.

        Returns
        -------
        self : TranslationMemory
            This transformer, fitted.

        Raises
        ------
        ValueError
            If a row is not text, or `X` and `y` differ in length.
        """
        self._learn(X, y, groups_of(X, groups))
        return self

    def fit_transform(self, X, y, *, groups=None):
        """Remember pairs, and match each row with those of other sources and groups.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            The sources, n_samples of them.
        y : iterable of str, or of lists of str
            The targets, of the same number.
        groups : array-like of shape (n_samples,), default=None
            Rows that belong together, such as near-duplicates. Where a splitter keeps
            them on one side, new sources find nothing of their group, and no row should
            here.

        Returns
        -------
        X_new : ndarray of object, shape (n_samples, 3)
            As from `transform`. A model behind it is told the groups.

        Raises
        ------
        ValueError
            If a row is not text, or `X` and `y` differ in length.
        """
        groups = groups_of(X, groups)
        X_new = self._columns(*self._learn(X, y, groups))
        return X_new if groups is None else with_groups(X_new, groups)

    def transform(self, X):
        """Match each source with the most similar pair.

        Parameters
        ----------
        X : iterable of str, or of lists of str
            The sources, n_samples of them.

        Returns
        -------
        X_new : ndarray of object, shape (n_samples, 3)
            The source; the target of the most similar pair, of equally similar ones the
            first, empty where nothing is similar; and the level of the similarity, a
            digit: "1" for what the lowest fifth of the rows of `fit` had, up to "5".

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is not text; the message names it.
        """
        check_is_fitted(self)
        rows = check_raw(X)
        queries = _unit_rows(self.vectorizer_.transform(_texts(rows)))
        return self._columns(rows, *_most_similar(queries, self._index))

    def _learn(self, X, y, groups):
        """Fit, and return the sources with their matches among the others."""
        self._validate_params()
        rows, targets = check_raw(X), check_raw(y, "y")
        check_consistent_length(rows, targets, groups)
        kin = [_numbered(_texts(rows))]
        if groups is not None:
            kin.append(_numbered(groups))
        with unchanged_on_failure(self):
            vectors = self._remember(rows, targets)
            match, similarity = _most_similar(vectors, self._index, kin)
            self.levels_ = _levels(similarity)
        return rows, match, similarity

    def _remember(self, rows, targets):
        vectorizer = self.vectorizer
        if vectorizer is None:
            vectorizer = TfidfVectorizer(**_WORDS)
        self.vectorizer_ = clone(vectorizer)
        try:
            features = self.vectorizer_.fit_transform(_texts(rows))
        except ValueError as error:
            if self.vectorizer is not None:
                raise
            raise ValueError(
                "X holds no word, or only words of more than 1,000 rows, by which "
                "sources could be compared. Pass a vectorizer that compares something "
                f"else, such as characters. ({error})"
            ) from error
        vectors = _unit_rows(features)
        self._index = vectors.T.tocsr()
        self.sources_, self.targets_ = _column(rows), _column(targets)
        return vectors

    def _columns(self, rows, match, similarity):
        X_new = np.empty((len(rows), len(_COLUMNS)), dtype=object)
        X_new[:, 0] = _column(rows)
        X_new[:, 1] = self.targets_[match]
        empty = type(self.targets_[0])
        for row in np.flatnonzero(similarity == 0):
            X_new[row, 1] = empty()
        level = np.searchsorted(self.levels_, similarity, side="right")
        X_new[:, 2] = [str(1 + k) for k in level]
        return X_new

    def get_feature_names_out(self, input_features=None):
        """Name the columns.

        Parameters
        ----------
        input_features : None
            Ignored.

        Returns
        -------
        names : ndarray of str, shape (3,)
            "source", "match" and "similarity".

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        check_is_fitted(self)
        return np.array(_COLUMNS, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _texts(rows):
    return rows if isinstance(rows[0], str) else list(map(" ".join, rows))


def _column(items):
    return np.fromiter(items, dtype=object, count=len(items))


def _numbered(groups):
    """Number groups, of shape (n_samples,) or (n_samples, k), as k columns."""
    groups = np.asarray(groups)
    numbers = np.unique(groups, return_inverse=True)[1]
    return numbers.reshape(len(groups), -1)


def _unit_rows(vectors):
    return sparse.csr_array(normalize(vectors))


def _most_similar(queries, index, kin=()):
    """Find the most similar pair of each query, the first of equals.

    Parameters
    ----------
    queries : csr_array of float, shape (n_queries, n_features)
        Unit rows.
    index : csr_array of float, shape (n_features, n_pairs)
        Unit columns.
    kin : sequence of ndarray of int, shape (n_pairs, k)
        Where the queries are the pairs: of what groups, in several ways of grouping. A
        query is not matched with a pair that shares one.

    Returns
    -------
    match : ndarray of int, shape (n_queries,)
    similarity : ndarray of float, shape (n_queries,)
    """
    n_queries, n_pairs = queries.shape[0], index.shape[1]
    match, similarity = np.empty(n_queries, int), np.empty(n_queries)
    for batch in gen_batches(n_queries, max(1, _TABLE_SIZE // n_pairs)):
        table = queries[batch] @ index
        rows = np.repeat(np.arange(n_queries)[batch], np.diff(table.indptr))
        for groups in kin:
            for row_group in groups.T:
                for pair_group in groups.T:
                    table.data[row_group[rows] == pair_group[table.indices]] = 0
        match[batch] = table.argmax(axis=1)
        similarity[batch] = table.max(axis=1).toarray().round(9)
    return match, similarity


def _levels(similarity):
    """Split similarities into fifths, as far as they differ; no level is empty."""
    shares = np.arange(1, _N_LEVELS) / _N_LEVELS
    starts = np.unique(np.quantile(similarity, shares, method="higher"))
    return starts[starts > similarity.min()]
