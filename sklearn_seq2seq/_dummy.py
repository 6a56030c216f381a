"""`DummySeq2Seq`: baselines that a model must beat."""

from collections import Counter, defaultdict
from itertools import chain, takewhile
from operator import eq

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import unchanged_on_failure
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._text._check_input import check_raw, is_raw
from sklearn_seq2seq._tokens import as_lists, as_tokens, from_flat
from sklearn_seq2seq.metrics import exact_match_score

_TABLE_BYTES = 2**25

# Learned attributes that only some strategies have.
_LEARNED = (
    "n_features_in_",
    "feature_names_in_",
    "n_outputs_",
    "targets_",
    "most_frequent_",
    "sources_",
    "rules_",
)
_ONE_KIND = ("copy", "suffix", "closest")


class DummySeq2Seq(DocumentationMixin, BaseEstimator):
    """Predict sequences by simple rules, as a baseline.

    A model that does not beat every strategy has learned nothing worth its cost.

    Parameters
    ----------
    strategy : {"most_frequent", "copy", "lookup", "nearest", "suffix", "closest"}, \
default="most_frequent"
        How to predict:

        * "most_frequent": the commonest training target, whatever the source.
        * "copy": the source itself.
        * "lookup": the commonest target of the same training source; for unseen
          sources, the commonest of all.
        * "nearest": the commonest target of the most similar training source, by edit
          distance over the length of the longer of the two; of equally similar ones,
          the first. Needs the extra ``metrics``.
        * "suffix": the source, with its longest suffix that was seen in training
          rewritten in the commonest way; of equally common rewritings, the one that
          cuts least. A rewriting must not reach beyond the suffix. Without such a
          suffix, the source itself.
        * "closest": the member of `allowed_outputs` that is most similar to the source,
          as for "nearest", but swapping two neighbours counts as one edit.

        Of equally common targets, the first in sorted order is used. For "copy",
        "suffix" and "closest", source and target must be of one kind.
    allowed_outputs : array-like or set, default=None
        Closed list of targets for "closest", of the kind of `y`; of equally similar
        ones, the first is used. None means the training targets, commonest first.

    Attributes
    ----------
    kinds_ : tuple of two str
        The kinds of sources and targets: "strings", "token lists" or "token ids".
    n_features_in_ : int
        Number of columns of `X`, if it was ids.
    n_outputs_ : int
        Number of columns of `y`, if it was ids.
    targets_ : ndarray of object, shape (n_targets,)
        The distinct training targets in sorted order, or the closed list of "closest":
        str, or tuples of tokens. Not for "copy" and "suffix".
    most_frequent_ : int
        Index in `targets_` of the commonest. Not for "copy", "suffix" and "closest".
    sources_ : dict
        From each distinct training source, in order of appearance, to the index in
        `targets_` of its commonest target. Only for "lookup" and "nearest".
    rules_ : dict
        From suffixes of sources to pairs: how many tokens to cut off the end, and what
        to append. Suffixes with the rule of a shorter one are left out. Only for
        "suffix".

    See Also
    --------
    sklearn.dummy.DummyClassifier : The same idea for classes.

    Notes
    -----
    "nearest" compares each new source with each training source, "closest" with each
    member of the list: time is proportional to the product of their numbers, memory is
    bounded. The others take time linear in the number of tokens.

    Examples
    --------
    >>> from sklearn_seq2seq import DummySeq2Seq
    >>> words, plurals = ["cat", "mouse", "ox"], ["cats", "mice", "oxen"]
    >>> model = DummySeq2Seq(strategy="nearest").fit(words, plurals)
    >>> model.predict(["house", "fox"])
    array(['mice', 'oxen'], dtype=object)
    >>> words, plurals = ["berry", "car"], ["berries", "cars"]
    >>> DummySeq2Seq(strategy="suffix").fit(words, plurals).predict(["pony", "bar"])
    array(['ponies', 'bars'], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's way)
        "strategy": [StrOptions({"most_frequent", "lookup", "nearest", *_ONE_KIND})],
        "allowed_outputs": ["array-like", set, None],
    }

    def __init__(self, *, strategy="most_frequent", allowed_outputs=None):
        self.strategy = strategy
        self.allowed_outputs = allowed_outputs

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Store what the strategy needs of the training pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, max_length)
            Sources: strings, lists of tokens, or token ids, which may be sparse.
        y : array-like of shape (n_samples,) or (n_samples, target_length)
            Targets: strings, lists of tokens, or token ids, which may be sparse.

        Returns
        -------
        self : DummySeq2Seq
            This estimator, fitted.

        Raises
        ------
        TypeError
            If the strategy is "copy", "suffix" or "closest" and sources, or the members
            of `allowed_outputs`, are not of the kind of the targets.
        ValueError
            If X, y or `allowed_outputs` is invalid, or X and y differ in length.
        """
        with unchanged_on_failure(self):
            for name in _LEARNED:
                vars(self).pop(name, None)
            source_kind, sources = self._check_X(X, reset=True)
            target_kind, targets = self._check_y(y, reset=True)
            check_consistent_length(sources, targets)
            if self.strategy in _ONE_KIND and source_kind != target_kind:
                raise TypeError(
                    f"strategy={self.strategy!r} needs sources and targets of one "
                    f"kind; got {source_kind} in X and {target_kind} in y."
                )
            self.kinds_ = (source_kind, target_kind)
            self._strategy = self.strategy
            if self._strategy == "suffix":
                self.rules_ = _suffix_rules(sources, targets)
            elif self._strategy == "closest":
                self.targets_ = self._closed_list(targets)
            elif self._strategy != "copy":
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
            Of the kind of targets in `fit`: str, lists of tokens, or token ids.

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
        if self._strategy == "suffix":
            return self._as_target(_rewrite(sources, self.rules_))
        return self._as_target(self.targets_[self._choose(sources)])

    def score(self, X, y, sample_weight=None):
        """Share of rows that are predicted exactly.

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
        return "token ids", list(map(tuple, as_lists(as_tokens(ids, "X"))))

    def _check_y(self, y, *, reset, name="y"):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        if is_raw(y):
            return _hashable(check_raw(y, name))
        ids = check_array(
            y,
            accept_sparse="csr",
            ensure_2d=False,
            ensure_min_features=0,
            ensure_non_negative=True,
            input_name=name,
        )
        ids = as_tokens(ids, name)
        if reset:
            self.n_outputs_ = ids.shape[1]
        return "token ids", list(map(tuple, as_lists(ids)))

    def _closed_list(self, targets):
        """The distinct members of the closed list as an array, in order."""
        if self.allowed_outputs is None:
            members = [target for target, _ in Counter(sorted(targets)).most_common()]
            return np.fromiter(members, object, len(members))
        outputs = self.allowed_outputs
        if isinstance(outputs, set):
            outputs = sorted(outputs)
        kind, outputs = self._check_y(outputs, reset=False, name="allowed_outputs")
        if kind != self.kinds_[1]:
            raise TypeError(
                f"allowed_outputs must be of the kind of y, {self.kinds_[1]}; got "
                f"{kind}."
            )
        if kind == "token ids" and max(map(len, outputs)) > self.n_outputs_:
            raise ValueError(
                f"allowed_outputs must have no more than the {self.n_outputs_} columns "
                f"of y; got {max(map(len, outputs))}."
            )
        members = list(dict.fromkeys(outputs))
        return np.fromiter(members, object, len(members))

    def _choose(self, sources):
        """Index in `targets_` of the prediction for each source."""
        if self._strategy == "most_frequent":
            return np.full(len(sources), self.most_frequent_)
        if self._strategy == "closest":
            distinct = list(dict.fromkeys(sources))
            nearest = _nearest(distinct, self.targets_, distance="OSA")
            return nearest[_places(sources, distinct)]
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


def _dense(rows, width):
    """Token ids of `width` columns from tuples; longer ones are cut."""
    rows = [row[:width] for row in rows]
    counts = np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))
    flat = np.fromiter(chain.from_iterable(rows), dtype=np.int64)
    return from_flat(flat, counts, width).toarray().astype(np.int64)


def _encode(targets):
    """The distinct targets in sorted order, and the index of each row's among them."""
    distinct = sorted(set(targets))
    return np.fromiter(distinct, object, len(distinct)), _places(targets, distinct)


def _places(rows, distinct):
    place = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(place.__getitem__, rows), dtype=np.int64, count=len(rows))


def _commonest(sources, codes):
    """Map each source to its commonest code; of equally common ones, the least."""
    distinct = list(dict.fromkeys(sources))
    pairs = np.stack([_places(sources, distinct), codes])
    (places, codes), counts = np.unique(pairs, axis=1, return_counts=True)
    order = np.lexsort((codes, -counts, places))
    # The first of each place; places are sorted, and so in the order of `distinct`.
    first = np.unique(places[order], return_index=True)[1]
    return dict(zip(distinct, codes[order[first]].tolist(), strict=True))


def _nearest(queries, choices, distance="Levenshtein"):
    """Index of the most similar choice for each query; of equal ones, the first."""
    process = import_optional("rapidfuzz.process", "metrics")
    distances = import_optional("rapidfuzz.distance", "metrics")
    step = max(1, _TABLE_BYTES // (8 * len(choices)))
    return np.concatenate(
        [
            process.cdist(
                queries[start : start + step],
                choices,
                scorer=getattr(distances, distance).normalized_similarity,
                dtype=np.float64,
            ).argmax(axis=1)
            for start in range(0, len(queries), step)
        ]
    )


def _suffix_rules(sources, targets):
    """Map suffixes to their commonest rewriting: (tokens to cut, tokens to add).

    A rewriting cuts no more than the suffix.
    """
    rules, rewritings = {}, []
    for source, target in zip(sources, targets, strict=True):
        kept = sum(takewhile(bool, map(eq, source, target)))  # the common beginning
        rewritings.append((len(source) - kept, target[kept:]))
    # Rows that share a suffix of some length, and the rule of the next shorter one.
    waiting = [(0, range(len(sources)), (0, sources[0][:0]))]
    while waiting:
        length, rows, rule = waiting.pop()
        found = Counter(rewritings[row] for row in rows if rewritings[row][0] <= length)
        best = min(found, key=lambda new: (-found[new], new), default=rule)
        if best != rule:
            rules[_suffix(sources[rows[0]], length)] = rule = best
        if found[rule] == len(rows):
            continue  # longer suffixes have the same rule
        longer = defaultdict(list)
        for row in rows:
            if len(sources[row]) > length:
                longer[sources[row][-1 - length]].append(row)
        waiting += [(length + 1, group, rule) for group in longer.values()]
    return rules


def _rewrite(sources, rules):
    """Apply to each source the rule of its longest suffix."""
    lengths = sorted(set(map(len, rules)), reverse=True)
    for source in sources:
        suffixes = (_suffix(source, n) for n in lengths if n <= len(source))
        cut, added = next(filter(None, map(rules.get, suffixes)), (0, source[:0]))
        yield source[: len(source) - cut] + added


def _suffix(tokens, length):
    return tokens[len(tokens) - length :]
