"""Scores, scorers and reports for predicted sequences.

Every function takes references and predictions as lists, arrays or Series of str, as
(ragged) lists of tokens, or as arrays of token ids, whose rows end at their first 0.
Nothing here asks scikit-learn what type of target it has before it.

Functions that compare token by token cut strings by their `unit`: "token" and "word"
cut at white space, "char" into characters. Lists of tokens and ids have been cut
already and stand as they are, whatever the unit. Functions that compare text (BLEU,
chrF) join a list's tokens by one space.
"""

import copy
import re
import sys
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import chain, zip_longest
from types import SimpleNamespace

import numpy as np
from scipy import sparse
from sklearn.metrics import make_scorer
from sklearn.utils import Bunch, check_array, check_consistent_length

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._raw import check_raw, is_raw
from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN

__all__ = [
    "GAP",
    "SCORERS",
    "bleu_score",
    "chrf_score",
    "confusion_counts",
    "edit_distance",
    "edit_operations",
    "exact_match_score",
    "get_scorer",
    "get_scorer_names",
    "perplexity",
    "rouge_score",
    "scorers",
    "sequence_report",
    "token_error_rate",
]

GAP = "∅"
"""Stands for the missing side of an insertion or a deletion."""

_UNITS = ("token", "word", "char")


# What is compared -------------------------------------------------------------------


def _check_pair(y_true, y_pred):
    """Two lists of str, or two lists of lists of tokens, of one length."""
    y_true = _check_sequences(y_true, "y_true")
    y_pred = _check_sequences(y_pred, "y_pred")
    check_consistent_length(y_true, y_pred)
    kinds = _kind(y_true), _kind(y_pred)
    if kinds[0] != kinds[1] and set(kinds) not in (
        {"empty lists", "token lists"},
        {"empty lists", "token ids"},
    ):
        raise TypeError(
            "y_true and y_pred must be of one kind; "
            f"got {kinds[0]} in y_true and {kinds[1]} in y_pred."
        )
    return y_true, y_pred


def _check_sequences(y, name):
    return check_raw(y, name) if is_raw(y) else _check_ids(y, name)


def _check_ids(y, name):
    if sparse.issparse(y):
        y = y.toarray()
    elif len(getattr(y, "shape", ())) == 1:
        y = y.to_list() if hasattr(y, "to_list") else y.tolist()
    if isinstance(y, list | tuple) and not np.isscalar(y[0]):
        y = np.array(list(zip_longest(*y, fillvalue=BOUNDARY))).T.reshape(len(y), -1)
    y = check_array(
        y,
        dtype="numeric",
        ensure_2d=False,
        ensure_min_features=0,
        ensure_non_negative=True,
        input_name=name,
    )
    y = y[:, None] if y.ndim == 1 else y
    if (y != np.floor(y)).any():
        row = np.flatnonzero((y != np.floor(y)).any(axis=1))[0]
        raise ValueError(
            f"Token ids must be whole numbers; row {row} of {name} is not."
        )
    ends = np.logical_and.accumulate(y != BOUNDARY, axis=1).sum(axis=1)
    rows = y.astype(np.int64, copy=False).tolist()
    return [row[:end] for row, end in zip(rows, ends.tolist(), strict=True)]


def _kind(rows):
    if isinstance(rows[0], str):
        return "strings"
    first = next(chain.from_iterable(rows), None)
    if first is None:
        return "empty lists"
    return "token lists" if isinstance(first, str) else "token ids"


def _cut(rows, unit):
    if unit not in _UNITS:
        raise ValueError(f"unit must be one of {_UNITS}; got {unit!r}.")
    if unit == "char" or not isinstance(rows[0], str):
        return rows
    return list(map(str.split, rows))


def _cut_pair(y_true, y_pred, unit):
    return tuple(_cut(rows, unit) for rows in _check_pair(y_true, y_pred))


def _text(rows):
    if isinstance(rows[0], str):
        return rows
    return [" ".join(map(str, row)) for row in rows]


def _lengths(rows):
    return np.fromiter(map(len, rows), dtype=np.int64, count=len(rows))


def _check_weight(sample_weight, n_samples):
    if sample_weight is None:
        return np.ones(n_samples)
    weight = check_array(
        sample_weight,
        dtype=np.float64,
        ensure_2d=False,
        ensure_non_negative=True,
        input_name="sample_weight",
    )
    if weight.shape != (n_samples,):
        raise ValueError(
            f"sample_weight must have shape ({n_samples},); got {weight.shape}."
        )
    if not weight.any():
        raise ValueError("sample_weight must not be zero for every row.")
    return weight


# Scores -----------------------------------------------------------------------------


def exact_match_score(y_true, y_pred, *, sample_weight=None):
    """Share of rows whose whole sequence is right.

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
        Between 0 and 1, the best.

    Raises
    ------
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they are not equally many, or there are none.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import exact_match_score
    >>> exact_match_score(["F OW N", "IY"], ["F OW N", "AY"])
    0.5
    >>> exact_match_score([["F", "OW"], ["IY"]], [["F", "OW"], ["IY"]])
    1.0
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    weight = _check_weight(sample_weight, len(y_true))
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
        How strings are cut: at white space ("token", "word") or into characters. Lists
        of tokens and ids stand as they are.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
        Edits, in units.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

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
    return _distances(*_cut_pair(y_true, y_pred, unit))


def _distances(y_true, y_pred):
    process = import_optional("rapidfuzz.process", "metrics")
    levenshtein = import_optional("rapidfuzz.distance", "metrics").Levenshtein
    distances = process.cpdist(
        y_true, y_pred, scorer=levenshtein.distance, dtype=np.int64
    )
    # It comes as C's long long, which numpy shows as something other than int64.
    return distances.astype(np.int64)


def token_error_rate(y_true, y_pred, *, unit="token", sample_weight=None):
    """Edits per reference token.

    With phonemes as tokens this is the phoneme error rate (PER), with
    ``unit="char"`` the character error rate (CER), with ``unit="word"`` the word error
    rate (WER). Edits and tokens are summed over all rows before they are divided, so
    that long rows count for more. Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How strings are cut: at white space ("token", "word") or into characters. Lists
        of tokens and ids stand as they are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row: of its edits and of its reference tokens.

    Returns
    -------
    float
        0 is the best; more than 1 where predictions are much too long. If no reference
        has a token, the number of edits.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import token_error_rate
    >>> token_error_rate(["F OW N", "IY"], ["F AO N", "IY"])
    0.25
    >>> token_error_rate(["abcd"], ["abd"], unit="char")
    0.25
    """
    y_true, y_pred = _cut_pair(y_true, y_pred, unit)
    weight = _check_weight(sample_weight, len(y_true))
    edits = _distances(y_true, y_pred)
    return _rate(weight @ edits, weight @ _lengths(y_true))


def _rate(n_edits, n_tokens):
    return float(n_edits / n_tokens if n_tokens else n_edits)


def bleu_score(
    y_true,
    y_pred,
    *,
    tokenize=None,
    lowercase=False,
    max_ngram_order=4,
    effective_order=False,
    sample_weight=None,
    return_signature=False,
):
    """BLEU of the whole set, as sacrebleu computes it [1]_.

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    tokenize : {"13a", "none", "zh", "ja-mecab", "char", ...}, default=None
        One of sacrebleu's tokenizers. None: "13a" for strings; "none" (tokens as they
        stand) for lists of tokens and ids.
    lowercase : bool, default=False
        Whether case is ignored.
    max_ngram_order : int, default=4
        Longest n-grams that count.
    effective_order : bool, default=False
        Whether orders for which no n-gram matches are left out, as is advised for
        single sentences.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row's n-gram counts and lengths; 2 is as good as the row twice.
    return_signature : bool, default=False
        Whether sacrebleu's signature, which makes scores comparable, is returned too.

    Returns
    -------
    score : float
        Between 0 and 100, the best.
    signature : str
        Only if `return_signature`.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.

    References
    ----------
    .. [1] M. Post, "A call for clarity in reporting BLEU scores", WMT 2018,
       :arxiv:`1804.08771`.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import bleu_score
    >>> bleu_score(["the cat sat on the mat"], ["the cat sat on the mat"])
    100.0...
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    if tokenize is None:
        tokenize = "13a" if isinstance(y_true[0], str) else "none"
    metric = import_optional("sacrebleu.metrics", "metrics").BLEU(
        tokenize=tokenize,
        lowercase=lowercase,
        max_ngram_order=max_ngram_order,
        effective_order=effective_order,
        force=True,
    )
    if sample_weight is None:
        score = _unweighted(metric, y_true, y_pred)
    else:
        stats = _weighted_statistics(metric, y_true, y_pred, sample_weight)
        length, true_length, *counts = stats
        # sacrebleu takes lengths for whole numbers, so theirs are given as equal and
        # the penalty for brevity is put on here.
        precision = metric.compute_bleu(
            correct=counts[:max_ngram_order],
            total=counts[max_ngram_order:],
            sys_len=1,
            ref_len=1,
            effective_order=effective_order,
            max_ngram_order=max_ngram_order,
        ).score
        brevity = min(1, np.exp(1 - true_length / length)) if length else 0
        score = brevity * precision
    return _with_signature(score, metric, return_signature)


def chrf_score(
    y_true,
    y_pred,
    *,
    char_order=6,
    word_order=0,
    beta=2,
    lowercase=False,
    sample_weight=None,
    return_signature=False,
):
    """Character n-gram F-score (chrF) of the whole set, as sacrebleu computes it [1]_.

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    char_order : int, default=6
        Longest character n-grams that count.
    word_order : int, default=0
        Longest word n-grams that count; 2 is known as chrF++.
    beta : int, default=2
        How many times recall weighs more than precision.
    lowercase : bool, default=False
        Whether case is ignored.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row's n-gram counts; 2 is as good as the row twice.
    return_signature : bool, default=False
        Whether sacrebleu's signature, which makes scores comparable, is returned too.

    Returns
    -------
    score : float
        Between 0 and 100, the best.
    signature : str
        Only if `return_signature`.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.

    References
    ----------
    .. [1] M. Popović, "chrF: character n-gram F-score for automatic MT evaluation",
       WMT 2015.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import chrf_score
    >>> chrf_score(["the cat"], ["the cat"])
    100.0
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    metric = import_optional("sacrebleu.metrics", "metrics").CHRF(
        char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase
    )
    if sample_weight is None:
        score = _unweighted(metric, y_true, y_pred)
    else:
        stats = _weighted_statistics(metric, y_true, y_pred, sample_weight)
        score = metric._compute_score_from_stats(stats).score
    return _with_signature(score, metric, return_signature)


def _unweighted(metric, y_true, y_pred):
    return metric.corpus_score(_text(y_pred), [_text(y_true)]).score


def _weighted_statistics(metric, y_true, y_pred, sample_weight):
    """Sum over rows of what sacrebleu counts in each."""
    weight = _check_weight(sample_weight, len(y_true))
    rows = metric._extract_corpus_statistics(_text(y_pred), [_text(y_true)])
    return (weight @ np.array(rows, dtype=np.float64)).tolist()


def _with_signature(score, metric, return_signature):
    score = float(score)
    return (score, metric.get_signature().format()) if return_signature else score


def rouge_score(
    y_true, y_pred, *, variant="rougeL", tokenizer=None, sample_weight=None
):
    """Mean ROUGE F1 of the rows [1]_.

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    variant : {"rouge1", "rouge2", "rougeL"}, default="rougeL"
        What is matched: tokens, pairs of tokens, or the longest common subsequence.
    tokenizer : callable, default=None
        How a string is cut into a list of tokens. None: lower-cased runs of letters,
        marks and digits of any script, and single characters where Chinese or Japanese
        writes no spaces; on ASCII text that is what the rouge-score package does.
        Thai, Lao, Khmer and Burmese need a tokenizer of their own. Lists of tokens and
        ids stand as they are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1, the best. A row without anything to match, such as one token
        under "rouge2", counts 0.

    Raises
    ------
    ImportError
        If rouge-score is not installed.

    References
    ----------
    .. [1] C.-Y. Lin, "ROUGE: a package for automatic evaluation of summaries", Text
       Summarization Branches Out, 2004.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import rouge_score
    >>> rouge_score(["the cat sat"], ["the dog sat"], variant="rouge1")
    0.66...
    """
    if variant not in ("rouge1", "rouge2", "rougeL"):
        raise ValueError(
            f"variant must be 'rouge1', 'rouge2' or 'rougeL'; got {variant!r}."
        )
    y_true, y_pred = _check_pair(y_true, y_pred)
    weight = _check_weight(sample_weight, len(y_true))
    if not isinstance(y_true[0], str):
        tokenizer = list
    elif tokenizer is None:
        tokenizer = _words_of_any_script
    scorer = import_optional("rouge_score.rouge_scorer", "metrics").RougeScorer(
        [variant], tokenizer=SimpleNamespace(tokenize=tokenizer)
    )
    scores = [
        scorer.score(true, pred)[variant].fmeasure
        for true, pred in zip(y_true, y_pred, strict=True)
    ]
    return float(np.average(scores, weights=weight))


def _words_of_any_script(text):
    return _word_pattern().findall(text.lower())


@lru_cache(maxsize=1)
def _word_pattern():
    # Python's \w leaves out the marks that write vowels in most scripts of India.
    marks = "".join(
        char
        for char in map(chr, range(0x300, sys.maxunicode + 1))
        if unicodedata.category(char)[0] == "M"
    )
    unspaced = (
        "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    )
    return re.compile(f"[{unspaced}]|(?:(?![_{unspaced}])[\\w{re.escape(marks)}])+")


def perplexity(log_likelihoods, n_tokens, *, sample_weight=None):
    """Perplexity per token from the log-likelihood of each row.

    The exponential of minus the mean log-likelihood of a token: the number of equally
    likely tokens among which a model would be as undecided.

    Parameters
    ----------
    log_likelihoods : array-like of float, shape (n_samples,)
        Natural logarithms, summed over each row's tokens, as ``log_likelihood(X, y)``
        gives them.
    n_tokens : array-like of int, shape (n_samples,)
        Tokens that each row's sum runs over. With models of this package that is the
        row's length and one more for its end.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row: of its log-likelihood and of its tokens.

    Returns
    -------
    float
        1 is the best; infinite if a row is impossible under the model.

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
            "log_likelihoods and n_tokens must be one-dimensional and equally long; "
            f"got shapes {log_likelihoods.shape} and {n_tokens.shape}."
        )
    if np.isnan(log_likelihoods).any():
        row = np.flatnonzero(np.isnan(log_likelihoods))[0]
        raise ValueError(f"log_likelihoods contains NaN, first in row {row}.")
    weight = _check_weight(sample_weight, len(n_tokens))
    total = weight @ n_tokens
    if not (n_tokens >= 0).all() or not 0 < total < np.inf:
        raise ValueError("n_tokens must be finite, not negative and not all zero.")
    # Rows of no weight take no part, be they impossible.
    counts = weight > 0
    return float(np.exp(-(weight[counts] @ log_likelihoods[counts]) / total))


# Edits and reports ------------------------------------------------------------------


def edit_operations(y_true, y_pred, *, unit="token"):
    """List the fewest edits that turn each reference into its prediction.

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How strings are cut: at white space ("token", "word") or into characters. Lists
        of tokens and ids stand as they are.

    Returns
    -------
    Bunch
        Five arrays of shape (n_edits,), in the order of rows and positions:

        row : ndarray of int64
            The row of the edit.
        position : ndarray of int64
            The place in the reference, in units.
        kind : ndarray of str
            "replace", "insert" or "delete".
        reference : ndarray of object
            The reference's token, or `GAP` for an insertion.
        prediction : ndarray of object
            The prediction's token, or `GAP` for a deletion.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import edit_operations
    >>> edits = edit_operations(["F OW N"], ["F AO N IY"])
    >>> list(zip(edits.reference, edits.prediction))
    [('OW', 'AO'), ('∅', 'IY')]
    """
    return _edit_operations(*_cut_pair(y_true, y_pred, unit))


def _edit_operations(y_true, y_pred):
    levenshtein = import_optional("rapidfuzz.distance", "metrics").Levenshtein
    edits = [
        (
            row,
            place,
            kind,
            GAP if kind == "insert" else true[place],
            GAP if kind == "delete" else pred[target],
        )
        for row, (true, pred) in enumerate(zip(y_true, y_pred, strict=True))
        if true != pred
        for kind, place, target in levenshtein.editops(true, pred).as_list()
    ]
    names = ("row", "position", "kind", "reference", "prediction")
    dtypes = (np.int64, np.int64, str, object, object)
    columns = zip(*edits, strict=True) if edits else ((),) * len(names)
    return Bunch(
        **{
            name: np.array(column, dtype=dtype)
            for name, dtype, column in zip(names, dtypes, columns, strict=True)
        }
    )


def confusion_counts(y_true, y_pred, *, unit="token", matches=False):
    """Count which reference token became which predicted token.

    Rows are aligned by the fewest edits. Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How strings are cut: at white space ("token", "word") or into characters. Lists
        of tokens and ids stand as they are.
    matches : bool, default=False
        Whether tokens that became themselves are counted too.

    Returns
    -------
    dict of (reference, prediction) to int
        Most frequent first, ties in sorted order. `GAP` stands for the reference of an
        insertion and for the prediction of a deletion.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import confusion_counts
    >>> confusion_counts(["abc", "abd"], ["adc", "ad"], unit="char")
    {('b', 'd'): 1, ('b', '∅'): 1}
    """
    y_true, y_pred = _cut_pair(y_true, y_pred, unit)
    edits = _edit_operations(y_true, y_pred)
    counts = _confusions(edits)
    if matches:
        support, errors = _token_errors(y_true, edits)
        right = {(token, token): n - errors[token] for token, n in support.items()}
        counts = _ranked(counts | {pair: n for pair, n in right.items() if n})
    return counts


def _confusions(edits):
    return _ranked(Counter(zip(edits.reference, edits.prediction, strict=True)))


def _ranked(counts):
    return dict(sorted(counts.items(), key=lambda item: (-item[1], *map(str, item[0]))))


def _token_errors(y_true, edits):
    """Count each reference token, and how often it was replaced or deleted."""
    support = Counter(chain.from_iterable(y_true))
    return support, Counter(edits.reference[edits.kind != "insert"].tolist())


def sequence_report(
    y_true,
    y_pred,
    *,
    unit="token",
    max_length=None,
    unknown=("\ufffd", "<unk>"),
    n_buckets=5,
    top=10,
    digits=3,
    output_dict=False,
):
    """Say how good predictions are and where they fail.

    What ``classification_report`` is to classes. Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How strings are cut: at white space ("token", "word") or into characters. Lists
        of tokens and ids stand as they are.
    max_length : int, default=None
        Cap on the length of predictions, in units. Those that reach it count as
        truncated; None: they are not counted.
    unknown : tuple of str, default=(U+FFFD, "<unk>")
        Marks of an unknown token; in strings they are looked for as parts. Among token
        ids it is 1.
    n_buckets : int, default=5
        Most groups of reference lengths, of about as many rows each.
    top : int, default=10
        Most tokens and confusions shown in the text. The dict holds all.
    digits : int, default=3
        Decimal places in the text.
    output_dict : bool, default=False
        Whether a dict is returned instead of a text.

    Returns
    -------
    str or dict
        The dict has these keys:

        n_samples, n_tokens, n_edits : int
            Rows, reference tokens, and edits.
        exact_match, error_rate : float
            Share of rows wholly right, and edits per reference token.
        substitutions, insertions, deletions : int
            The edits by kind.
        by_length : dict of str to dict
            From range of reference length, such as "3-5", to "exact_match",
            "error_rate" and "support" (rows).
        by_token : dict of token to dict
            From reference token, the worst first, to "error_rate" (share of its
            occurrences replaced or deleted), "errors" and "support" (occurrences).
        confusions : dict of (reference, prediction) to int
            As `confusion_counts` gives it.
        empty, unknown : int
            Predictions without a token, and with an unknown one.
        truncated : int or None
            Predictions of `max_length` units or more.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import sequence_report
    >>> print(sequence_report(["F OW N", "IY", "N"], ["F AO N", "IY T", "N"]))
                      exact match   error rate      support
    all                     0.333        0.400            3
    <BLANKLINE>
    reference length
    1                       0.500        0.500            2
    3                       0.000        0.333            1
    <BLANKLINE>
    reference token    error rate       errors      support
    OW                      1.000            1            1
    N                       0.000            0            2
    F                       0.000            0            1
    IY                      0.000            0            1
    <BLANKLINE>
    confusion               count
    OW -> AO                    1
    ∅ -> T                      1
    <BLANKLINE>
    5 reference tokens: 1 substituted, 0 deleted, 1 inserted
    3 predictions: 0 empty, 0 with an unknown token
    """
    y_true, y_pred = _check_pair(y_true, y_pred)
    right = np.array([a == b for a, b in zip(y_true, y_pred, strict=True)])
    n_unknown = _count_unknown(y_pred, unknown)
    y_true, y_pred = _cut(y_true, unit), _cut(y_pred, unit)
    edits = _edit_operations(y_true, y_pred)
    n_edits = np.bincount(edits.row, minlength=len(y_true))
    lengths, predicted = _lengths(y_true), _lengths(y_pred)
    report = {
        "n_samples": len(y_true),
        "n_tokens": int(lengths.sum()),
        "n_edits": len(edits.row),
        **_summary(right, n_edits, lengths),
        "substitutions": int(np.sum(edits.kind == "replace")),
        "insertions": int(np.sum(edits.kind == "insert")),
        "deletions": int(np.sum(edits.kind == "delete")),
        "by_length": _by_length(right, n_edits, lengths, n_buckets),
        "by_token": _by_token(y_true, edits),
        "confusions": _confusions(edits),
        "empty": int(np.sum(predicted == 0)),
        "unknown": n_unknown,
        "truncated": None if max_length is None else int(sum(predicted >= max_length)),
    }
    return report if output_dict else _format_report(report, top, digits)


def _summary(right, n_edits, lengths):
    return {
        "exact_match": float(np.mean(right)),
        "error_rate": _rate(n_edits.sum(), lengths.sum()),
    }


def _by_length(right, n_edits, lengths, n_buckets):
    shares = np.linspace(0, 1, n_buckets + 1)[1:]
    longest = np.unique(np.quantile(lengths, shares, method="higher"))
    buckets = np.searchsorted(longest, lengths)
    groups = {}
    for bucket in range(len(longest)):
        rows = buckets == bucket
        low, high = lengths[rows].min(), lengths[rows].max()
        name = f"{low}-{high}" if low < high else f"{low}"
        summary = _summary(right[rows], n_edits[rows], lengths[rows])
        groups[name] = {**summary, "support": int(rows.sum())}
    return groups


def _by_token(y_true, edits):
    support, errors = _token_errors(y_true, edits)
    rates = {
        token: {"error_rate": errors[token] / n, "errors": errors[token], "support": n}
        for token, n in support.items()
    }
    return dict(
        sorted(
            rates.items(),
            key=lambda item: (
                -item[1]["error_rate"],
                -item[1]["support"],
                str(item[0]),
            ),
        )
    )


def _count_unknown(y_pred, unknown):
    if isinstance(y_pred[0], str):
        return sum(any(mark in row for mark in unknown) for row in y_pred)
    marks = {*unknown, UNKNOWN}
    return sum(not marks.isdisjoint(row) for row in y_pred)


def _format_report(report, top, digits):
    tokens = list(report["by_token"].items())[:top]
    confusions = list(report["confusions"].items())[:top]
    names = {token: _visible(token) for token, _ in tokens}
    pairs = {pair: " -> ".join(map(_visible, pair)) for pair, _ in confusions}
    headings = ("reference token", "reference length", "confusion")
    labels = (*headings, *names.values(), *pairs.values(), *report["by_length"])
    width = max(map(len, labels))

    def line(label, *cells):
        cells = (f"{c:.{digits}f}" if isinstance(c, float) else str(c) for c in cells)
        return " ".join([label.ljust(width), *(cell.rjust(12) for cell in cells)])

    def summary(label, group, support):
        return line(label, group["exact_match"], group["error_rate"], support)

    parts = [
        line("", "exact match", "error rate", "support"),
        summary("all", report, report["n_samples"]),
        "",
        "reference length",
        *(summary(k, v, v["support"]) for k, v in report["by_length"].items()),
        "",
    ]
    if tokens:
        parts += [
            line("reference token", "error rate", "errors", "support"),
            *(line(names[token], *counts.values()) for token, counts in tokens),
            *_left_out(report["by_token"], tokens),
            "",
        ]
    if confusions:
        parts += [
            line("confusion", "count"),
            *(line(pairs[pair], n) for pair, n in confusions),
            *_left_out(report["confusions"], confusions),
            "",
        ]
    parts.append(
        f"{report['n_tokens']} reference tokens: {report['substitutions']} substituted,"
        f" {report['deletions']} deleted, {report['insertions']} inserted"
    )
    counts = f"{report['empty']} empty, {report['unknown']} with an unknown token"
    if report["truncated"] is not None:
        counts += f", {report['truncated']} at the longest length allowed"
    parts.append(f"{report['n_samples']} predictions: {counts}")
    return "\n".join(parts)


def _left_out(everything, shown):
    n_left = len(everything) - len(shown)
    return [f"... {n_left} more"] if n_left else []


def _visible(token):
    return re.sub(r"\s", "␣", str(token))


# Scorers ----------------------------------------------------------------------------


SCORERS = {
    "exact_match": make_scorer(exact_match_score),
    "neg_token_error_rate": make_scorer(token_error_rate, greater_is_better=False),
    "neg_word_error_rate": make_scorer(
        token_error_rate, greater_is_better=False, unit="word"
    ),
    "neg_char_error_rate": make_scorer(
        token_error_rate, greater_is_better=False, unit="char"
    ),
    "bleu": make_scorer(bleu_score),
    "chrf": make_scorer(chrf_score),
    "rouge1": make_scorer(rouge_score, variant="rouge1"),
    "rouge2": make_scorer(rouge_score, variant="rouge2"),
    "rougeL": make_scorer(rouge_score, variant="rougeL"),
}
"""Scorers by name, for ``scoring=``; error rates are negated: greater is better."""


def get_scorer_names():
    """List the names of all scorers.

    Returns
    -------
    list of str
        In sorted order.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import get_scorer_names
    >>> "neg_token_error_rate" in get_scorer_names()
    True
    """
    return sorted(SCORERS)


def get_scorer(name):
    """Get a scorer by name.

    Parameters
    ----------
    name : str
        One of `get_scorer_names`; an error rate may be named without its ``neg_`` and
        is negated all the same.

    Returns
    -------
    callable
        Takes ``(estimator, X, y)`` and returns a float, the greater the better. It is
        a copy: metadata requests set on it stay with it.

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
        As in `get_scorer`; all scorers by default.

    Returns
    -------
    dict of str to callable
        Under their full names: an error rate's begins with ``neg_``.

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


def _scorer_name(name):
    for full in (name, f"neg_{name}"):
        if full in SCORERS:
            return full
    raise ValueError(f"There is no scorer {name!r}; choose from {get_scorer_names()}.")
