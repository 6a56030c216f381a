"""`ConformalSeq2Seq`: sets of predictions that hold the true one as often as asked."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_array, check_consistent_length, get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import (
    _check_method_params,
    _num_samples,
    check_is_fitted,
    has_fit_parameter,
)

from sklearn_seq2seq._conformity import (
    ROUNDING,
    conformity_scores,
    count_groups,
    hypothesis_scores,
    weigh_groups,
    weighted_quantile,
)
from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import (
    NestedParametersMixin,
    Number,
    draw_seed,
    positive,
)
from sklearn_seq2seq._lexicon_entries import parts_of
from sklearn_seq2seq._pairs._side import read_target_ids
from sklearn_seq2seq._persistence._save_load import SavingMixin
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._check_input import (
    check_raw,
    is_column,
    is_raw,
    readable_twice,
    take,
)
from sklearn_seq2seq._tokens import as_tokens
from sklearn_seq2seq._training._validation_split import number_groups, split
from sklearn_seq2seq._warnings import warn


class ConformalSeq2Seq(
    NestedParametersMixin,
    SavingMixin,
    DocumentationMixin,
    MetaEstimatorMixin,
    BaseEstimator,
):
    """Sets of predictions that hold the true target as often as asked.

    How far down the n-best list of a source one has to go is learned from pairs that
    the model was not fitted on: split conformal prediction [1]_ on the hypotheses of a
    beam search [2]_.

    Parameters
    ----------
    estimator : Seq2SeqTransformer, Seq2SeqEnsemble or Pipeline, default=None
        The model; a Pipeline must end in one. A clone of it is fitted on a part of the
        pairs and calibrated on the others. A fitted model that is wrapped in
        `sklearn.frozen.FrozenEstimator` is calibrated on all pairs, of which it must
        have seen none. None is ``Seq2SeqTransformer()``.
    n_best : int, default=10
        Hypotheses that a set can hold. The more, the higher the coverage that can be
        guaranteed, and the longer decoding takes.
    calibration_fraction : float, default=0.2
        Share of the pairs, or of their groups, to calibrate on.
    random_state : int, RandomState instance or None, default=None
        Decides which these are.

    Attributes
    ----------
    estimator_ : estimator
        The fitted model.
    conformity_scores_ : ndarray of float64, shape (n_calibration,)
        Of each calibration pair minus the log-probability of the true target; 0 where
        that is the best hypothesis, infinite where it is not among the `n_best`.
    calibration_weights_ : ndarray of float64, shape (n_calibration,)
        1 over the number of calibration pairs of the same group; 1 without groups.
    max_coverage_ : float
        The largest coverage that can be guaranteed: little less than the share of
        calibration pairs whose true target is among the `n_best`.
    n_best_ : int
        Hypotheses calibrated with.
    n_features_in_ : int
        Number of columns of `X`, if it was ids.

    See Also
    --------
    sklearn.calibration.CalibratedClassifierCV : Probabilities of classes, calibrated.
    Seq2SeqTransformer.predict_confidence : The probability of the best hypothesis.

    Notes
    -----
    The score of a hypothesis is minus its log-probability, and 0 for the best one. A
    set has the hypotheses of scores up to a quantile of those of the calibration pairs'
    true targets, the ceil((n + 1) coverage)-th smallest of n: the best hypothesis, and
    every other that is probable enough. No other score makes smaller sets on average,
    if the probabilities are right [3]_.

    If the calibration pairs and a new pair are exchangeable, such as drawn alike and
    independently, the new one's set holds its true target with a probability of at
    least `coverage`, however good the model is. That is the mean over sources and over
    draws of the calibration pairs: sources of one kind may be covered less often, and
    one draw covers by about ``sqrt(coverage * (1 - coverage) / n)`` more or less. Sets
    of the best hypothesis alone cover as often as it is right, even if that is more.

    With `groups`, such as speakers or lemmas, only the groups need be exchangeable, and
    the guarantee is for a pair of a new group. Each group counts as one, which its
    pairs share [4]_.

    Parameters of decoding belong to `estimator_`, and must stay as they were in `fit`.

    References
    ----------
    .. [1] Vovk, Gammerman and Shafer, "Algorithmic learning in a random world",
       Springer, 2005.
    .. [2] Deutschmann, Alberts and Rodríguez Martínez, "Conformal autoregressive
       generation: Beam search with coverage guarantees", AAAI, 2024.
       :arxiv:`2309.03797`
    .. [3] Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers with
       bounded error levels", Journal of the American Statistical Association, 2019.
       :arxiv:`1609.00451`
    .. [4] Lee, Barber and Willett, "Distribution-free inference with hierarchical
       data", 2023. :arxiv:`2306.06342`

    Examples
    --------
    >>> from sklearn_seq2seq import ConformalSeq2Seq, Seq2SeqTransformer
    >>> from sklearn_seq2seq.datasets import make_reverse
    >>> X, y = make_reverse(n_samples=100, random_state=0, return_X_y=True)
    >>> model = Seq2SeqTransformer(hidden_size=16, max_epochs=1, random_state=0)
    >>> model = ConformalSeq2Seq(model, n_best=4, random_state=0).fit(X, y)
    >>> len(model.conformity_scores_)
    20
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "estimator": [HasMethods(["fit", "predict"]), None],
        "n_best": [positive()],
        "calibration_fraction": [Number(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator=None,
        *,
        n_best=10,
        calibration_fraction=0.2,
        random_state=None,
    ):
        self.estimator = estimator
        self.n_best = n_best
        self.calibration_fraction = calibration_fraction
        self.random_state = random_state

    def fit(self, X, y=None, *, groups=None, **fit_params):
        """Fit a clone of the model on some pairs, and calibrate it on the others.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for the model's `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            The targets, as for the model's `fit`.
        groups : array-like, shape (n_samples,), default=None
            Pairs of one group are all fitted or all calibrated on. The model's `fit`
            is given them too, if it takes groups.
        **fit_params : dict
            Passed to the model's `fit`; of what has a value for each pair, such as
            `sample_weight`, those of the pairs that it is fitted on. All calibration
            pairs count alike.

        Returns
        -------
        self : ConformalSeq2Seq
            This estimator, fitted.

        Raises
        ------
        TypeError
            If the model is none of those that `estimator` can be.
        ValueError
            As the model's `fit`, or if there is only one pair or group.
        """
        self._validate_params()
        parts_of(self._template())
        X, y = readable_twice(X), readable_twice(y)
        check_consistent_length(X, y, groups)
        self._check_rows(X, y)
        numbers = _number_groups(groups, X)
        fitted_on, held_out = self._split(_num_samples(X), numbers)
        model = clone(self._template())
        if len(fitted_on):
            params = self._params_of_model(groups, fit_params)
            params = _check_method_params(X, params, indices=fitted_on)
            model.fit(*_take_pairs(X, y, fitted_on), **params)
        scores = _score_pairs(model, *_take_pairs(X, y, held_out), self.n_best)
        self._take(model, self.n_best, scores, weigh_groups(numbers, held_out))
        return self

    def _check_rows(self, X, y):
        """Check rows before they are split, while they have their numbers."""
        # Transformers of a Pipeline may take any X.
        if not parts_of(self._template())[0]:
            if is_raw(X):
                _check_text(X, "X")
            elif not is_column(X):
                checks = {"accept_sparse": "csr", "ensure_non_negative": True}
                as_tokens(check_array(X, input_name="X", estimator=self, **checks), "X")
        if y is not None and is_raw(y):
            _check_text(y, "y")
        elif y is not None:
            read_target_ids(y)

    def _split(self, n_samples, groups):
        """Rows to fit the model on, and rows to calibrate it on."""
        if isinstance(self.estimator, FrozenEstimator):
            return np.arange(0), np.arange(n_samples)
        n_units = n_samples if groups is None else groups.max() + 1
        if n_units < 2:
            what = "n_samples" if groups is None else "the number of groups"
            raise ValueError(
                "ConformalSeq2Seq fits the model on a part of the pairs and calibrates "
                f"it on the others; {what}={n_units} cannot be split."
            )
        seed = draw_seed(self.random_state)
        return split(n_samples, groups, self.calibration_fraction, seed)

    def _params_of_model(self, groups, fit_params):
        """What the model's `fit` is given beside the pairs."""
        if _routing_enabled():
            routed = process_routing(self, "fit", groups=groups, **fit_params)
            return routed.estimator.fit
        if groups is not None and has_fit_parameter(self._template(), "groups"):
            return fit_params | {"groups": groups}
        return fit_params

    def _take(self, model, n_best, scores, weights):
        """Take a fitted model and the scores of its calibration pairs."""
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        self.estimator_ = model
        self.n_best_ = n_best
        self.conformity_scores_ = scores
        self.calibration_weights_ = weights
        found = weights[np.isfinite(scores)].sum()
        self.max_coverage_ = float(found / (count_groups(weights) + 1))

    def predict_set(self, X, coverage=0.9):
        """Predict a set of targets for each source that holds the true one.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        coverage : float, default=0.9
            The probability with which a set is to hold the true target at least,
            between 0 and 1.

        Returns
        -------
        table : DataFrame, or record array where pandas is not installed
            As of `Seq2SeqTransformer.predict_nbest`: of each source as many of the
            best hypotheses as are needed, at least one.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`, or if `coverage` is not between 0 and 1 or needs more
            calibration pairs (or groups) than there are.

        Warns
        -----
        UserWarning
            If too many true targets are not among the `n_best` to guarantee `coverage`.
            The sets are the whole n-best lists then, and cover `max_coverage_`.
        """
        check_is_fitted(self)
        limit = self._quantile(coverage)
        table = self.predict_nbest(X, self.n_best_)
        sets = table[hypothesis_scores(table) <= limit]
        return sets.reset_index(drop=True) if hasattr(sets, "reset_index") else sets

    def _quantile(self, coverage):
        """The largest score of hypotheses that sets of a coverage have."""
        if not Number(Real, 0, 1, closed="neither").is_satisfied_by(coverage):
            raise ValueError(
                "coverage must be a number between 0 and 1, both excluded; got "
                f"{coverage!r}."
            )
        scores, weights = self.conformity_scores_, self.calibration_weights_
        n_groups = count_groups(weights)
        least = int(np.ceil(coverage / (1 - coverage) - ROUNDING))
        if n_groups < least:
            what = "pairs" if n_groups == len(weights) else "groups of pairs"
            raise ValueError(
                f"coverage={coverage} needs at least {least} calibration {what}; fit "
                f"had {n_groups}. Give fit more pairs or a larger "
                "calibration_fraction, or ask for less."
            )
        limit = weighted_quantile(scores, weights, coverage * (n_groups + 1))
        if np.isinf(limit):
            n_missed = int(np.isinf(scores).sum())
            warn(
                f"coverage={coverage} cannot be guaranteed, at most "
                f"{self.max_coverage_:.3f}: the true targets of {n_missed} of "
                f"{len(scores)} calibration pairs are not among the {self.n_best_} "
                "best hypotheses. All sets are whole n-best lists. Raise n_best, or "
                "ask for less."
            )
        return limit

    def predict(self, X):
        """Predict the best target of each source, as the model does.

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
            Before `fit`.
        ValueError
            If a row of `X` is invalid.
        """
        return self._ask("predict", X)

    def predict_nbest(self, X, n_best=5):
        """Give the n best targets of each source, as the model does.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_best : int, default=5
            Targets of each source at most.

        Returns
        -------
        table : DataFrame, or record array where pandas is not installed
            As of `Seq2SeqTransformer.predict_nbest`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`, or if `n_best` is not a positive whole number.
        """
        return self._ask("predict_nbest", X, n_best)

    def score(self, X, y=None, sample_weight=None):
        """Share of rows whose best target is right, as the model's `score`.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None for those of an autoencoder, the sources.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
            Between 0 and 1; 1 is best.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`, or if lengths differ.
        """
        return self._ask("score", X, y, sample_weight)

    def _as_read(self, X, y):
        """Targets as they are read and written: what right predictions equal."""
        return self._ask("_as_read", X, y)

    def _ask(self, method, X, *args):
        """Call a method of the model."""
        check_is_fitted(self)
        return _ask(self.estimator_, method, X, *args)

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

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimator_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        model = get_tags(self._template())
        tags.input_tags, tags.target_tags = model.input_tags, model.target_tags
        return tags


def _check_text(data, name):
    """Check rows of text, but of several columns."""
    first = data[0] if isinstance(data, list | tuple) and len(data) else None
    if len(getattr(data, "shape", ())) < 2 and not isinstance(first, tuple):
        check_raw(data, name, copy=False)


def _number_groups(groups, X):
    if getattr(groups, "ndim", 1) != 1:
        raise ValueError(
            f"groups must hold one value for each row; got shape {groups.shape}."
        )
    return number_groups(groups, X, slice(None))


def _take_pairs(X, y, rows):
    return take(X, rows), None if y is None else take(y, rows)


def _ask(model, method, X, *args):
    before, network = parts_of(model)
    for step in before:
        X = step.transform(X)
    return getattr(network, method)(X, *args)


def _score_pairs(model, X, y, n_best):
    truths = _ask(model, "_as_read", X, y)
    return conformity_scores(_ask(model, "predict_nbest", X, n_best), truths)
