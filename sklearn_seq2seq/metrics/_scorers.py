"""Scorers by name, for scikit-learn's ``scoring=``."""

import copy

from sklearn.metrics._scorer import _Scorer

from sklearn_seq2seq.metrics._overlap import bleu_score, chrf_score, rouge_score
from sklearn_seq2seq.metrics._scores import exact_match_score, token_error_rate


def as_read(estimator, X, y):
    """Targets as an estimator reads and writes them: what correct predictions equal.

    `estimator` is a fitted model of this package, or a Pipeline or search with one. For
    other estimators the targets are unchanged.
    """
    if hasattr(estimator, "_as_read"):
        return estimator._as_read(X, y)
    if hasattr(estimator, "steps"):
        return as_read(estimator.steps[-1][1], X, y)
    if hasattr(estimator, "best_estimator_"):
        return as_read(estimator.best_estimator_, X, y)
    return y


class _SequenceScorer(_Scorer):
    """A scorer that compares targets as the estimator reads and writes them."""

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        y_true = as_read(estimator, X, y_true)
        return super()._score(method_caller, estimator, X, y_true, **kwargs)


def _scorer(function, sign=1, **kwargs):
    return _SequenceScorer(function, sign, kwargs, "predict")


SCORERS = {
    "exact_match": _scorer(exact_match_score),
    "neg_token_error_rate": _scorer(token_error_rate, -1),
    "neg_word_error_rate": _scorer(token_error_rate, -1, unit="word"),
    "neg_char_error_rate": _scorer(token_error_rate, -1, unit="char"),
    "bleu": _scorer(bleu_score),
    "chrf": _scorer(chrf_score),
    "rouge1": _scorer(rouge_score, variant="rouge1"),
    "rouge2": _scorer(rouge_score, variant="rouge2"),
    "rougeL": _scorer(rouge_score, variant="rougeL"),
}
"""Scorers by name, for ``scoring=``; error rates are negated, so greater is better.

They are exact_match, neg_token_error_rate, neg_word_error_rate, neg_char_error_rate,
bleu, chrf, rouge1, rouge2 and rougeL.
"""


def get_scorer_names():
    """List the names of all scorers.

    Returns
    -------
    list of str
        In sorted order.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import get_scorer_names
    >>> for name in get_scorer_names():
    ...     print(name)
    bleu
    chrf
    exact_match
    neg_char_error_rate
    neg_token_error_rate
    neg_word_error_rate
    rouge1
    rouge2
    rougeL
    """
    return sorted(SCORERS)


def get_scorer(name):
    """Get a scorer by name.

    Parameters
    ----------
    name : str
        One of `get_scorer_names`; an error rate may be named without ``neg_``, and is
        negated all the same.

    Returns
    -------
    callable
        Takes ``(estimator, X, y)`` and returns a float; greater is better. Targets are
        compared as the estimator reads and writes them, as in its `score`. It is a
        copy, so that metadata requests set on it do not affect others.

    Raises
    ------
    ValueError
        If there is no such scorer.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import get_scorer
    >>> get_scorer("exact_match")
    make_scorer(exact_match_score, response_method='predict')
    """
    return copy.deepcopy(SCORERS[_scorer_name(name)])


def scorers(*names):
    """Collect scorers for ``cross_validate`` and searches with several scores.

    Parameters
    ----------
    *names : str
        As for `get_scorer`; all scorers by default.

    Returns
    -------
    dict of str to callable
        The scorers by their full names; those of error rates begin with ``neg_``.

    Raises
    ------
    ValueError
        If there is no such scorer.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import scorers
    >>> list(scorers("exact_match", "token_error_rate"))
    ['exact_match', 'neg_token_error_rate']
    """
    names = map(_scorer_name, names or get_scorer_names())
    return {name: get_scorer(name) for name in names}


def by_name(scoring):
    """Scikit-learn's ``scoring``, with this package's scorers for their names."""
    if isinstance(scoring, str):
        return get_scorer(scoring) if is_scorer_name(scoring) else scoring
    if isinstance(scoring, dict):
        return {name: by_name(scorer) for name, scorer in scoring.items()}
    if isinstance(scoring, (list, tuple)) and any(map(is_scorer_name, scoring)):
        return {
            _scorer_name(name) if is_scorer_name(name) else name: by_name(name)
            for name in scoring
        }
    return scoring


def is_scorer_name(name):
    """Whether `get_scorer` knows a name."""
    return isinstance(name, str) and not SCORERS.keys().isdisjoint(
        (name, f"neg_{name}")
    )


def scorer_name(scorer):
    """The name by which `get_scorer` returns an equal scorer, or None."""
    for name, known in SCORERS.items():
        if type(scorer) is type(known) and vars(scorer) == vars(known):
            return name
    return None


def _scorer_name(name):
    for full in (name, f"neg_{name}"):
        if full in SCORERS:
            return full
    raise ValueError(f"There is no scorer {name!r}; choose from {get_scorer_names()}.")
