"""`LexiconSeq2Seq`: a model that looks a source up before it predicts."""

import copy
import reprlib
from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils import check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import (
    _check_sample_weight,
    _is_fitted,
    _num_samples,
    check_is_fitted,
)

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import NestedParametersMixin, check_count
from sklearn_seq2seq._lexicon_entries import (
    append,
    check_targets,
    parts_of,
    read_keys,
    read_sources,
    read_targets,
    reader_of,
    reads_as,
    remember,
    table_of,
    target_of,
    weight_of,
    write,
)
from sklearn_seq2seq._optional import as_table
from sklearn_seq2seq._persistence._save_load import SavingMixin
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._check_input import readable_twice, take


class LexiconSeq2Seq(
    NestedParametersMixin,
    SavingMixin,
    DocumentationMixin,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """A model with a lexicon whose entries take precedence.

    Sources in the lexicon get the targets listed there, word for word; the model
    predicts the others. So names, loanwords and corrections need no training.

    Parameters
    ----------
    estimator : Seq2SeqTransformer, Seq2SeqEnsemble or Pipeline, default=None
        The model; a Pipeline must end in one. A clone of it is fitted. A fitted model
        can be used as it is, without `fit`; wrapped in
        `sklearn.frozen.FrozenEstimator` it stays fitted in clones, searches and `fit`
        too. None means ``Seq2SeqTransformer()``.
    lexicon : mapping, default=None
        From each source to its target, or to a list of targets, the best first. Keys
        and targets are of the kinds of `X` and `y`; token lists are given as tuples,
        ids as tuples without zeros. Sources that the vectorizer reads alike are the
        same key, for instance regardless of case with ``lowercase=True``. The lexicon
        is read when predicting: a new one needs no refit.
    memorize : bool, default=False
        Whether `fit` makes its pairs entries too, after those of `lexicon`. Of several
        targets of a source, the commonest comes first.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.
    memory_ : dict
        From training sources, as the vectorizer reads them, to lists of their targets.
        Only with `memorize`.
    n_features_in_ : int
        Number of columns of `X`, if it was ids.

    See Also
    --------
    DummySeq2Seq : With ``strategy="lookup"``, a model of the training pairs only.

    Notes
    -----
    Entries are predicted regardless of the model's `banned_tokens`, `allowed_outputs`
    and `min_confidence`. Use `estimator_` for what this class lacks, such as samples,
    prefixes and vectors, and to set parameters of decoding. Messages of the model count
    only the rows that have no entry.

    Examples
    --------
    >>> from sklearn_seq2seq import LexiconSeq2Seq, Seq2SeqTransformer
    >>> words = ["ab", "ba", "abb", "bab", "aab", "b"]
    >>> shouted = [word.upper() for word in words]
    >>> model = Seq2SeqTransformer(hidden_size=32, dropout=0, random_state=0)
    >>> model = LexiconSeq2Seq(model.set_params(learning_rate=0.01))
    >>> model = model.fit(words, shouted).set_params(lexicon={"bab": "Bob"})
    >>> model.predict(["ab", "bab"])
    array(['AB', 'Bob'], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "estimator": [HasMethods(["fit", "predict"]), None],
        "lexicon": [Mapping, None],
        "memorize": ["boolean"],
    }

    def __init__(self, estimator=None, *, lexicon=None, memorize=False):
        self.estimator = estimator
        self.lexicon = lexicon
        self.memorize = memorize

    def fit(self, X, y=None, **fit_params):
        """Fit a clone of the model; with `memorize`, store the pairs.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for the model's `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            The targets, as for the model's `fit`.
        **fit_params : dict
            Passed to the model's `fit`, for instance `sample_weight` and `groups`.
            Pairs of weight 0 are not stored.

        Returns
        -------
        self : LexiconSeq2Seq
            This estimator, fitted.

        Raises
        ------
        TypeError
            If the model is of another class than `estimator` allows.
        ValueError
            As the model's `fit`.
        """
        self._validate_params()
        estimator = self._template()
        parts_of(estimator)
        X = readable_twice(X)
        targets = X if y is None else readable_twice(y)
        if _routing_enabled():
            routed = process_routing(self, "fit", **fit_params).estimator.fit
        else:
            routed = fit_params
        model = clone(estimator).fit(X, None if y is None else targets, **routed)
        if self.memorize:
            self.memory_ = remember(model, X, targets, weight_of(fit_params))
        else:
            vars(self).pop("memory_", None)
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        self.estimator_ = model
        return self

    def predict(self, X):
        """Predict the target of each source: its first entry, else by the model.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            Of the kind given to `fit`.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            If a row of `X` or an entry of the lexicon is invalid.
        """
        X = readable_twice(X)
        entries = self._look_up(X)
        known = list(entries)
        first = [entries[row][0] for row in known]
        values = write(first, target_of(self._model()))
        return self._complete(X, known, values, "predict")

    def score(self, X, y=None, sample_weight=None):
        """Share of rows that are predicted exactly, as the model's `score`.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None stands for the sources, with an autoencoder.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
            Between 0 and 1; 1 is best.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            As `predict`, or if lengths differ.
        """
        X = readable_twice(X)
        y = X if y is None else readable_twice(y)
        check_consistent_length(X, y, sample_weight)
        entries = self._look_up(X)
        weight = np.ones(_num_samples(X))
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, weight, dtype=np.float64, ensure_non_negative=True
            )
        known = list(entries)
        score = np.zeros(len(weight))
        if known:
            side = target_of(self._model())
            targets = read_targets(take(y, known), side)
            pairs = zip(known, targets, strict=True)
            score[known] = [
                reads_as(entries[row][0], target, side) for row, target in pairs
            ]
        asked = np.setdiff1d(np.arange(len(weight)), known)
        # Every row without an entry gets the model's mean: the total mean is the same.
        if weight[asked].any() or not weight.any():
            score[asked] = self._ask("score", X, asked, take(y, asked), weight[asked])
        return float(np.average(score, weights=weight))

    def _as_read(self, X, y):
        """Targets read and written again, or the equal entry as it is written."""
        side = target_of(self._model())
        rows = side.as_read(side.check(y, "y"))
        if side.is_text:
            for row, (first, *_) in self._look_up(X).items():
                if reads_as(first, rows[row], side):
                    rows[row] = first
        return rows

    def predict_confidence(self, X):
        """Probability of each prediction by the model; 1 for an entry.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.

        Returns
        -------
        confidence : ndarray of float64, shape (n_samples,)
            In [0, 1].

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            As `predict`.
        """
        X = readable_twice(X)
        known = list(self._look_up(X))
        return self._complete(X, known, np.ones(len(known)), "predict_confidence")

    def predict_nbest(self, X, n_best=5):
        """Return the n best targets of each source: its entries, then the model's.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_best : int, default=5
            Most targets of each source.

        Returns
        -------
        table : DataFrame, or record array where pandas is not installed
            The columns of `Seq2SeqTransformer.predict_nbest`, and `entry`: whether the
            target is an entry. The probability of an entry is 1; that of others is the
            model's, which ignores entries.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            As `predict`, or if `n_best` is not a positive whole number.
        """
        check_count("n_best", n_best)
        X = readable_twice(X)
        entries = self._look_up(X)
        rows = range(_num_samples(X))
        asked = [row for row in rows if len(entries.get(row, ())) < n_best]
        table = table_of(entries, target_of(self._model()))
        if asked:
            answers = self._ask("predict_nbest", X, asked, n_best)
            table = append(table, answers, np.asarray(asked))
        # Entries come before the model's hypotheses.
        order = np.argsort(table["row"], kind="stable")
        table = {name: column[order] for name, column in table.items()}
        row = table["row"]
        table["rank"] = np.arange(len(row)) - np.searchsorted(row, row)
        kept = table["rank"] < n_best
        return as_table({name: column[kept] for name, column in table.items()})

    def log_likelihood(self, X, y=None, *, per_token=False):
        """Log-probability of given targets by the model, which ignores entries.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            One target for each source; None means the sources themselves.
        per_token : bool, default=False
            Whether to return every position's log-probability.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            As the model's `log_likelihood`.

        Raises
        ------
        NotFittedError
            If the model is not fitted.
        ValueError
            As the model's `log_likelihood`.
        """
        X = readable_twice(X)
        y = X if y is None else readable_twice(y)
        return self._ask("log_likelihood", X, None, y, per_token=per_token)

    def get_metadata_routing(self):
        """Get the metadata routing: metadata of `fit` go to the model.

        Returns
        -------
        routing : MetadataRouter
            The requests of this estimator and of its model.
        """
        fit = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self._template(), method_mapping=fit)

    def _template(self):
        return Seq2SeqTransformer() if self.estimator is None else self.estimator

    def _model(self):
        """The fitted clone of the model, or the given model, if that is fitted."""
        check_is_fitted(self)
        return getattr(self, "estimator_", self.estimator)

    def _ask(self, method, X, rows, *args, **options):
        """Call a method of the model on some rows of `X`; None means all."""
        before, network = parts_of(self._model())
        if rows is not None and len(rows) < _num_samples(X):
            X = take(X, rows)
        for step in before:
            X = step.transform(X)
        return getattr(network, method)(X, *args, **options)

    def _complete(self, X, known, values, method):
        """The values of known rows, and the model's results for all others."""
        n_rows = _num_samples(X)
        asked = np.setdiff1d(np.arange(n_rows), known)
        if not len(asked):
            return values
        answers = self._ask(method, X, asked)
        if not known:
            return answers
        result = np.empty((n_rows, *values.shape[1:]), dtype=values.dtype)
        result[known], result[asked] = values, answers
        return result

    def _look_up(self, X):
        """The targets of each row with entries, as a dict in the order of rows."""
        model = self._model()
        self._validate_params()
        memory = getattr(self, "memory_", {})
        lexicon = {} if self.lexicon is None else self.lexicon
        if not (lexicon or memory):
            return {}
        keys, target = self._keys(model, lexicon), target_of(model)
        found = {}
        for row, reading in enumerate(read_sources(model, X)):
            targets = []
            for key in keys.get(reading, ()):
                targets += check_targets(lexicon[key], key, target)
            targets += memory.get(reading, ())
            if targets:
                found[row] = [t for k, t in enumerate(targets) if t not in targets[:k]]
        return found

    def _keys(self, model, lexicon):
        """Keys of the lexicon by their reading, which is kept until they change."""
        keys, vectorizer = list(lexicon), reader_of(model)[1]
        index = getattr(self, "_index", None)
        if index is None or index.vectorizer is not vectorizer or index.keys != keys:
            by_reading = defaultdict(list)
            for key, reading in zip(keys, read_keys(model, keys), strict=True):
                by_reading[reading].append(key)
            index = _Index(vectorizer, keys, dict(by_reading))
            if keys:
                self._index = index
        return index.by_reading

    def __repr__(self, N_CHAR_MAX=700):
        # Printing a hundred thousand entries would take seconds.
        shown = copy.copy(self)
        if self.lexicon is not None:
            shown.lexicon = _Verbatim(reprlib.repr(self.lexicon))
        return BaseEstimator.__repr__(shown, N_CHAR_MAX)

    def __sklearn_is_fitted__(self):
        if hasattr(self, "estimator_"):
            return True
        given = self.estimator is not None and not self.memorize
        return given and _is_fitted(self.estimator)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        model_tags = get_tags(self._template())
        tags.input_tags = model_tags.input_tags
        tags.target_tags = model_tags.target_tags
        return tags


class _Verbatim(str):
    """Text whose repr is the text itself."""

    __slots__ = ()
    __repr__ = str.__str__


class _Index(NamedTuple):
    """Keys of a lexicon by the reading of a vectorizer (None for ids)."""

    vectorizer: object
    keys: list
    by_reading: dict
