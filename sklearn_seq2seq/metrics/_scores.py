"""Exact match, edit distance, error rates and perplexity."""

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.metrics._pairs import (
    check_pair,
    check_weight,
    count_units,
    cut_pair,
)


def exact_match_score(y_true, y_pred, *, sample_weight=None):
    """Share of rows that are predicted exactly.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1; 1 is best.

    Raises
    ------
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import exact_match_score
    >>> exact_match_score(["F OW N", "IY"], ["F OW N", "AY"])
    0.5
    >>> exact_match_score([["F", "OW"], ["IY"]], [["F", "OW"], ["IY"]])
    1.0
    """
    y_true, y_pred = check_pair(y_true, y_pred)
    weight = check_weight(sample_weight, len(y_true))
    right = [true == pred for true, pred in zip(y_true, y_pred, strict=True)]
    return float(np.average(right, weights=weight))


def edit_distance(y_true, y_pred, *, unit="token"):
    """Fewest insertions, deletions and substitutions per row (Levenshtein distance).

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How to cut strings: at white space ("token", "word") or into characters. Lists
        of tokens and ids are used as they are.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Edits, in units.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

    References
    ----------
    .. [1] V. I. Levenshtein, "Binary codes capable of correcting deletions, insertions,
       and reversals", Soviet Physics Doklady 10(8), 1966.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import edit_distance
    >>> edit_distance(["F OW N", "IY"], ["F AO N IY", "IY"])
    array([2, 0])
    >>> edit_distance(["kitten"], ["sitting"], unit="char")
    array([3])
    """
    return _distances(*cut_pair(y_true, y_pred, unit))


def _distances(y_true, y_pred):
    process = import_optional("rapidfuzz.process", "metrics")
    levenshtein = import_optional("rapidfuzz.distance", "metrics").Levenshtein
    distances = process.cpdist(
        y_true, y_pred, scorer=levenshtein.distance, dtype=np.int64
    )
    # rapidfuzz returns C's long long, which numpy distinguishes from int64.
    return distances.astype(np.int64)


def token_error_rate(y_true, y_pred, *, unit="token", sample_weight=None):
    """Edits per reference token.

    With phonemes as tokens this is the phoneme error rate (PER), with
    ``unit="char"`` the character error rate (CER), with ``unit="word"`` the word error
    rate (WER). The rate is the sum of all edits over the sum of all tokens, so that
    long rows count more. Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How to cut strings: at white space ("token", "word") or into characters. Lists
        of tokens and ids are used as they are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row: of its edits and of its reference tokens.

    Returns
    -------
    float
        0 is best; it exceeds 1 if predictions are much too long. If no reference has a
        token, the number of edits.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import token_error_rate
    >>> token_error_rate(["F OW N", "IY"], ["F AO N", "IY"])
    0.25
    >>> token_error_rate(["abcd"], ["abd"], unit="char")
    0.25
    """
    y_true, y_pred = cut_pair(y_true, y_pred, unit)
    weight = check_weight(sample_weight, len(y_true))
    edits = _distances(y_true, y_pred)
    return edits_per_token(weight @ edits, weight @ count_units(y_true))


def edits_per_token(n_edits, n_tokens):
    return float(n_edits / n_tokens if n_tokens else n_edits)


@np.errstate(over="ignore", under="ignore")
def perplexity(log_likelihoods, n_tokens, *, sample_weight=None):
    """Perplexity per token from the log-likelihood of each row.

    It is the exponential of minus the mean log-likelihood of a token: a uniform choice
    among as many tokens would be as uncertain.

    Parameters
    ----------
    log_likelihoods : array-like of float, shape (n_samples,)
        Natural logarithms, summed over each row's tokens, as from
        ``log_likelihood(X, y)``.
    n_tokens : array-like of int, shape (n_samples,)
        Number of tokens in each row's sum. With models of this package it is the row's
        length plus one for its end.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row: of its log-likelihood and of its tokens.

    Returns
    -------
    float
        1 is best; it is infinite if a row is impossible under the model.

    Raises
    ------
    ValueError
        If shapes differ, if a value is NaN, or if there are no tokens.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_seq2seq.metrics import perplexity
    >>> round(perplexity([np.log(0.5), 2 * np.log(0.25)], [1, 2]), 3)
    3.175
    """
    log_likelihoods = np.asarray(log_likelihoods, dtype=np.float64)
    n_tokens = np.asarray(n_tokens, dtype=np.float64)
    if log_likelihoods.ndim != 1 or log_likelihoods.shape != n_tokens.shape:
        raise ValueError(
            "log_likelihoods and n_tokens must be one-dimensional and of one length; "
            f"got shapes {log_likelihoods.shape} and {n_tokens.shape}."
        )
    if np.isnan(log_likelihoods).any():
        row = np.flatnonzero(np.isnan(log_likelihoods))[0]
        raise ValueError(f"log_likelihoods contains NaN, first in row {row}.")
    weight = check_weight(sample_weight, len(n_tokens))
    total = weight @ n_tokens
    if not (n_tokens >= 0).all() or not 0 < total < np.inf:
        raise ValueError("n_tokens must be finite, not negative and not all zero.")
    # Rows of weight 0 are left out, also if they are impossible.
    counts = weight > 0
    return float(np.exp(-(weight[counts] @ log_likelihoods[counts]) / total))
