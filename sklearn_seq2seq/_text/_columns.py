"""Several columns as one sequence, each with its own analyzer and vocabulary."""

import copy
from numbers import Integral

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._text._check_input import check_columns, check_ids, take_column
from sklearn_seq2seq._text._codec import ColumnCodec
from sklearn_seq2seq._text._counts import TokenCounts
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import with_strings


class ColumnVectorizer(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    DocumentationMixin,
    ColumnCodec,
    _BaseComposition,
    # Token ids are sparse, which frames are not.
    auto_wrap_output_keys=None,
):
    """Turn several columns of text into one sequence of token ids.

    The sequences of a row's columns follow one another in the order of `transformers`.
    Every column has its own vectorizer, and ids that no other column has, so that a
    model can tell the "n" of a lemma from the tag "n".

    Parameters
    ----------
    transformers : list of (str, SequenceVectorizer, str or int)
        For each column a name, a vectorizer and its place in the data: a frame's column
        name, or a position from 0. Vectorizers are cloned; their parameters are set as
        ``name__parameter``.

    Attributes
    ----------
    transformers_ : list of (str, SequenceVectorizer, str or int)
        The columns with fitted vectorizers.
    vocabulary_ : dict of (str, str) to int
        The id of each token of each column, from 2 upwards; keys are (name, token).
    vocabulary_size_ : int
        Number of ids, the reserved 0 (boundary) and 1 (unknown token) included.
    max_length_ : int
        Number of columns of the output, in tokens: the sum over the vectorizers.

    See Also
    --------
    SequenceVectorizer : One column of text.
    sklearn.compose.ColumnTransformer : Columns side by side; it would leave gaps in
        the sequences, and give different tokens the same id.

    Notes
    -----
    The columns share the unknown token. `inverse_transform` puts it into the column of
    the token on its left; at the start of a row, of the first known token.

    Examples
    --------
    >>> from sklearn_seq2seq import ColumnVectorizer, SequenceVectorizer
    >>> vectorizer = ColumnVectorizer(
    ...     [
    ...         ("lemma", SequenceVectorizer(), 0),
    ...         ("tags", SequenceVectorizer(analyzer="word"), 1),
    ...     ]
    ... )
    >>> tokens = vectorizer.fit_transform([("go", "V PST"), ("gnu", "N PL")])
    >>> tokens[:, :5].toarray()
    array([[2, 4, 9, 8, 0],
           [2, 3, 5, 6, 7]], dtype=int32)
    >>> vectorizer.inverse_transform(tokens)
    array([('go', 'V PST'), ('gnu', 'N PL')], dtype=object)
    """

    _required_parameters = ("transformers",)

    def __init__(self, transformers):
        self.transformers = transformers

    @property
    def _transformers(self):
        # _BaseComposition reads pairs. `fit` reports anything malformed.
        try:
            return [(name, vectorizer) for name, vectorizer, _ in self.transformers]
        except (TypeError, ValueError):
            return self.transformers

    @_transformers.setter
    def _transformers(self, pairs):
        self.transformers = [
            (name, vectorizer, column)
            for (name, vectorizer), (_, _, column) in zip(
                pairs, self.transformers, strict=True
            )
        ]

    def get_params(self, deep=True):
        """Get the parameters, those of the vectorizers included.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the vectorizers and their parameters.

        Returns
        -------
        params : dict
            Values by name, such as ``lemma__analyzer``.
        """
        return self._get_params("_transformers", deep=deep)

    def set_params(self, **params):
        """Set parameters, those of the vectorizers included.

        Parameters
        ----------
        **params : dict
            Values by name, such as ``lemma__analyzer``.

        Returns
        -------
        self : ColumnVectorizer
            This vectorizer.
        """
        self._set_params("_transformers", **params)
        return self

    def fit(self, X, y=None):
        """Learn the vocabulary of every column.

        Parameters
        ----------
        X : frame, 2-D array of object or str, or iterable of tuples
            The rows, of shape (n_samples, n_columns).
        y : None
            Ignored.

        Returns
        -------
        self : ColumnVectorizer
            This vectorizer, fitted.

        Raises
        ------
        ValueError
            If a column is missing or a cell is not text; the message names the column
            and the row.
        """
        columns = self._check_rows(X, learning=True)
        self._learn(columns, SequenceVectorizer._learn)
        return self

    def fit_transform(self, X, y=None):
        """Learn the vocabulary of every column and return the token ids, in one pass.

        Parameters
        ----------
        X : frame, 2-D array of object or str, or iterable of tuples
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
            If a column is missing or a cell is not text; the message names the column
            and the row.
        """
        tokens = self._learn_transform(self._check_rows(X, learning=True))
        return with_strings(tokens, self._token_strings())

    def partial_fit(self, X, y=None):
        """Learn the vocabularies from one piece of the rows after another.

        Parameters
        ----------
        X : frame, 2-D array of object or str, or iterable of tuples
            The rows, as for `fit`.
        y : None
            Ignored.

        Returns
        -------
        self : ColumnVectorizer
            This vectorizer, fitted as if by `fit` to all pieces so far.

        Raises
        ------
        ValueError
            As `SequenceVectorizer.partial_fit`; the message names the column.
        """
        columns = self._check_rows(X, learning=True)
        before = getattr(self, "_counts", None) or self._new_counts()
        counts = list(map(copy.copy, before))
        learned = copy.copy(self)
        learned._count(columns, counts)
        learned._learn_counted(counts, more_to_come=True)
        vars(self).update(vars(learned), _counts=counts)
        return self

    # Private methods take columns that `_check_rows` has checked.

    def _new_counts(self):
        return [TokenCounts() for _ in self.transformers]

    def _count(self, columns, counts, name="X"):
        def count(vectorizer, rows, name):
            vectorizer._count(rows, next(column_counts), name)

        column_counts = iter(counts)
        self._learn(columns, count)

    def _learn_counted(self, counts, form="auto", **how):
        forms = self._form_of_each(form)
        for (_, vectorizer, _), column_counts in zip(
            self.transformers_, counts, strict=True
        ):
            vectorizer._learn_counted(column_counts, form=next(forms), **how)

    def _learn_transform(self, columns, name="X", form="auto"):
        def learn(vectorizer, rows, name):
            return vectorizer._learn_transform(rows, name, next(forms))

        forms = self._form_of_each(form)
        return self._concatenate(self._learn(columns, learn))

    def _form_of_each(self, form):
        """The normal form of each column, where `form` is one or a dict by name."""
        for name, _, _ in self.transformers:
            yield form.get(name, "auto") if isinstance(form, dict) else form

    def _check_rows(self, X, name="X", *, learning=False):
        if not learning:
            return super()._check_rows(X, name)
        self._check_transformers()
        X = check_columns(X)
        return [
            vectorizer._check_rows(
                take_column(X, column, name), f"column {name!r}", learning=True
            )
            for name, vectorizer, column in self.transformers
        ]

    def _learn(self, columns, learn):
        learned = [(name, clone(v), column) for name, v, column in self.transformers]
        results = [
            learn(vectorizer, rows, f"column {name!r}")
            for (name, vectorizer, _), rows in zip(learned, columns, strict=True)
        ]
        vars(self).pop("_counts", None)
        self.transformers_ = learned
        return results

    def _grow(self, other):
        """Put the vocabularies of another ColumnVectorizer before those of this one."""
        others = {name: vectorizer for name, vectorizer, _ in other.transformers_}
        names = [name for name, _, _ in self.transformers_]
        if names != list(others):
            raise ValueError(
                "ColumnVectorizers with different columns cannot share a vocabulary: "
                f"one has {names}, the other {list(others)}."
            )
        for name, vectorizer, _ in self.transformers_:
            vectorizer._grow(others[name])

    def _check_transformers(self):
        if not isinstance(self.transformers, list | tuple) or not self.transformers:
            raise ValueError(
                "transformers must be a list of (name, SequenceVectorizer, column); "
                f"got {self.transformers!r}."
            )
        for item in self.transformers:
            if (
                not isinstance(item, list | tuple)
                or len(item) != 3
                or not isinstance(item[0], str)
                or not isinstance(item[1], SequenceVectorizer)
                or not isinstance(item[2], str | Integral)
            ):
                raise TypeError(
                    "transformers must hold (name, SequenceVectorizer, column); got "
                    f"{item!r}."
                )
        self._validate_names([name for name, _, _ in self.transformers])

    def transform(self, X):
        """Turn rows into token ids.

        Parameters
        ----------
        X : frame, 2-D array of object or str, or iterable of tuples
            The rows, as for `fit`; or, where all columns are named, tuples of their
            cells in the order of `transformers`, as `inverse_transform` writes them.

        Returns
        -------
        tokens : csr_array of int32, shape (n_samples, max_length)
            The token ids of each row.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a column is missing, a cell is not text, or a token is unknown to a
            vectorizer with ``handle_unknown="error"``.
        """
        check_is_fitted(self)
        tokens = self._transform(self._check_rows(X))
        return with_strings(tokens, self._token_strings())

    def inverse_transform(self, tokens):
        """Turn token ids into rows of text.

        Parameters
        ----------
        tokens : sparse or dense array of int, shape (n_samples, n_columns)
            Token ids. Zeros are skipped.

        Returns
        -------
        X : ndarray of object, shape (n_samples,)
            Tuples of what each vectorizer writes for its tokens.

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
            "columnvectorizer0", "columnvectorizer1", ...

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
