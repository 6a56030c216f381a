"""The floor that a model must beat."""

from itertools import chain, pairwise

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_seq2seq._fitting import unchanged_on_failure
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._raw import check_raw, is_raw
from sklearn_seq2seq._tokens import as_tokens, from_flat
from sklearn_seq2seq.metrics import exact_match_score

_TABLE_BYTES = 2**25
# What not every fit learns.
_LEARNED = (
    "n_features_in_",
    "feature_names_in_",
    "n_outputs_",
    "targets_",
    "most_frequent_",
    "sources_",
)


class DummySeq2Seq(BaseEstimator):
    """Predict sequences without learning anything about how they are made.

    A model that does not beat every strategy has learnt nothing worth its cost.

    Parameters
    ----------
    strategy : {"most_frequent", "copy", "lookup", "nearest"}, \
default="most_frequent"
        How to predict:

        * "most_frequent": the commonest training target, whatever the source.
        * "copy": the source as it stands. Source and target must be of one kind.
        * "lookup": the commonest target of the same training source; for sources that
          were not seen, the commonest of all.
        * "nearest": the commonest target of the training source that is most similar,
          by edit distance over the length of the longer of the two; among equally
          similar ones the first. Needs the extra ``metrics``.

        Of equally common targets the first in sorted order is taken.

    Attributes
    ----------
    kinds_ : tuple of two str
        What sources and targets are: "strings", "token lists" or "token ids".
    n_features_in_ : int
        Columns of X. Only for token ids.
    n_outputs_ : int
        Columns of y. Only for token ids.
    targets_ : ndarray of object, shape (n_targets,)
        The different training targets in sorted order: str, or tuples of tokens. Not
        for "copy".
    most_frequent_ : int
        Place in `targets_` of the commonest. Not for "copy".
    sources_ : dict
        From each different training source, in order of appearance, to the place in
        `targets_` of its commonest target. Only for "lookup" and "nearest".

    See Also
    --------
    sklearn.dummy.DummyClassifier : The same idea for classes.

    Notes
    -----
    "nearest" compares each new source with each training source: time is proportional
    to the product of their numbers, memory is bounded.

    Examples
    --------
    >>> from sklearn_seq2seq import DummySeq2Seq
    >>> words, plurals = ["cat", "mouse", "ox"], ["cats", "mice", "oxen"]
    >>> model = DummySeq2Seq(strategy="nearest").fit(words, plurals)
    >>> model.predict(["house", "fox"])
    array(['mice', 'oxen'], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's way)
        "strategy": [StrOptions({"most_frequent", "copy", "lookup", "nearest"})]
    }

    def __init__(self, *, strategy="most_frequent"):
        self.strategy = strategy

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Remember the training pairs, as far as the strategy needs them.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, max_length)
            Sources: strings, lists of tokens, or token ids, which may be sparse.
        y : array-like of shape (n_samples,) or (n_samples, target_length)
            Targets: strings, lists of tokens, or dense token ids.

        Returns
        -------
        self : DummySeq2Seq
            This estimator, fitted.

        Raises
        ------
        TypeError
            If the strategy is "copy" and sources are not of the targets' kind.
        ValueError
            If X and y cannot be read, or are not equally many.
        """
        with unchanged_on_failure(self):
            for name in _LEARNED:
                vars(self).pop(name, None)
            source_kind, sources = self._check_X(X, reset=True)
            target_kind, targets = self._check_y(y, reset=True)
            check_consistent_length(sources, targets)
            if self.strategy == "copy" and source_kind != target_kind:
                raise TypeError(
                    "strategy='copy' needs sources and targets of one kind; "
                    f"got {source_kind} in X and {target_kind} in y."
                )
            self.kinds_ = (source_kind, target_kind)
            self._strategy = self.strategy
            if self._strategy != "copy":
                self.targets_, codes = _encode(targets)
                self.most_frequent_ = int(np.argmax(np.bincount(codes)))
            if self._strategy in ("lookup", "nearest"):
                self.sources_ = _commonest(sources, codes)
        return self

    def predict(self, X):
        """Predict a target for each source.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, max_length)
            Sources, of the kind seen in `fit`.

        Returns
        -------
        ndarray of object, shape (n_samples,), or of int64, (n_samples, n_outputs)
            Of the kind that targets had in `fit`: str, lists of tokens, or token ids.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If sources are of another kind than in `fit`.
        """
        check_is_fitted(self)
        kind, sources = self._check_X(X, reset=False)
        if kind != self.kinds_[0]:
            raise TypeError(
                f"X holds {kind}; this model was fitted on {self.kinds_[0]}."
            )
        if self._strategy == "copy":
            return self._as_target(sources)
        return self._as_target(self.targets_[self._choose(sources)])

    def score(self, X, y, sample_weight=None):
        """Share of rows whose whole target is predicted.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, max_length)
            Sources.
        y : array-like of shape (n_samples,) or (n_samples, target_length)
            True targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        """
        predictions = self.predict(X)
        _, targets = self._check_y(y, reset=False)
        return exact_match_score(targets, predictions, sample_weight=sample_weight)

    def _check_X(self, X, *, reset):
        if is_raw(X):
            return _hashable(check_raw(X, "X"))
        ids = validate_data(
            self, X, reset=reset, accept_sparse="csr", ensure_non_negative=True
        )
        return "token ids", _rows(ids)

    def _check_y(self, y, *, reset):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        if is_raw(y):
            return _hashable(check_raw(y, "y"))
        ids = check_array(
            y,
            ensure_2d=False,
            ensure_min_features=0,
            ensure_non_negative=True,
            input_name="y",
        )
        ids = ids.reshape(len(ids), -1)
        if reset:
            self.n_outputs_ = ids.shape[1]
        return "token ids", _rows(ids)

    def _choose(self, sources):
        """Place in `targets_` of the prediction for each source."""
        if self._strategy == "most_frequent":
            return np.full(len(sources), self.most_frequent_)
        chosen = [self.sources_.get(source, -1) for source in sources]
        unseen = {s for s, place in zip(sources, chosen, strict=True) if place < 0}
        unseen = dict.fromkeys(unseen, self.most_frequent_)
        if unseen and self._strategy == "nearest":
            places = np.fromiter(self.sources_.values(), dtype=np.int64)
            nearest = _nearest(list(unseen), list(self.sources_))
            unseen = dict(zip(unseen, places[nearest].tolist(), strict=True))
        return [
            unseen[source] if place < 0 else place
            for source, place in zip(sources, chosen, strict=True)
        ]

    def _as_target(self, rows):
        kind = self.kinds_[1]
        if kind == "token ids":
            return _dense(rows, self.n_outputs_)
        rows = rows if kind == "strings" else map(list, rows)
        return np.fromiter(rows, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        tags.input_tags.sparse = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


def _hashable(rows):
    if isinstance(rows[0], str):
        return "strings", rows
    return "token lists", list(map(tuple, rows))


def _rows(ids):
    """Token ids as one tuple a row."""
    tokens = as_tokens(ids)
    flat, ends = tuple(tokens.data.tolist()), tokens.indptr.tolist()
    return [flat[a:b] for a, b in pairwise(ends)]


def _dense(rows, width):
    """Token ids of `width` columns from tuples; longer ones are cut."""
    rows = [row[:width] for row in rows]
    counts = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    return from_flat(flat, counts, width).toarray().astype(np.int64)


def _encode(targets):
    """The different targets in sorted order, and the place of each among them."""
    distinct = sorted(set(targets))
    return np.fromiter(distinct, object, len(distinct)), _places(targets, distinct)


def _places(rows, distinct):
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(place.__getitem__, rows), dtype=np.int64, count=len(rows))


def _commonest(sources, codes):
    """Map each source to its most frequent code; of equally frequent ones the least."""
    distinct = list(dict.fromkeys(sources))
    pairs = np.stack([_places(sources, distinct), codes])
    (places, codes), counts = np.unique(pairs, axis=1, return_counts=True)
    order = np.lexsort((codes, -counts, places))
    # Every source occurs, so the first of each is in the order of `distinct`.
    first = np.unique(places[order], return_index=True)[1]
    return dict(zip(distinct, codes[order[first]].tolist(), strict=True))


def _nearest(queries, choices):
    """Place of the most similar choice of each query, the first of equals."""
    process = import_optional("rapidfuzz.process", "metrics")
    levenshtein = import_optional("rapidfuzz.distance", "metrics").Levenshtein
    step = max(1, _TABLE_BYTES // (8 * len(choices)))
    return np.concatenate(
        [
            process.cdist(
                queries[start : start + step],
                choices,
                scorer=levenshtein.normalized_similarity,
                dtype=np.float64,
            ).argmax(axis=1)
            for start in range(0, len(queries), step)
        ]
    )
