"""Scores of common n-grams: BLEU, chrF and ROUGE."""

import re
import sys
import unicodedata
from collections import defaultdict
from functools import lru_cache
from itertools import count
from types import SimpleNamespace

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.metrics._pairs import as_text, check_pair, check_weight


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
        One of sacrebleu's tokenizers. None means "13a" for strings, and "none" (tokens
        as given) for lists of tokens and ids.
    lowercase : bool, default=False
        Whether to ignore case.
    max_ngram_order : int, default=4
        Longest n-grams that count.
    effective_order : bool, default=False
        Whether to leave out orders without a matching n-gram, as is advised for single
        sentences.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row's n-gram counts and lengths; 2 equals the row twice.
    return_signature : bool, default=False
        Whether to return sacrebleu's signature too, which makes scores comparable.

    Returns
    -------
    score : float
        Between 0 and 100; 100 is best.
    signature : str
        Only if `return_signature`.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

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
    y_true, y_pred = check_pair(y_true, y_pred)
    if tokenize is None:
        tokenize = "13a" if isinstance(y_true[0], str) else "none"
    if tokenize == "none" and not isinstance(y_true[0], str):
        y_true, y_pred = _numbered(y_true, y_pred, lowercase)
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
        # sacrebleu rounds lengths to whole numbers. So it gets equal ones, and the
        # brevity penalty is computed here.
        precision = metric.compute_bleu(
            correct=counts[:max_ngram_order],
            total=counts[max_ngram_order:],
            sys_len=1,
            ref_len=1,
            effective_order=effective_order,
            max_ngram_order=max_ngram_order,
            smooth_method=metric.smooth_method,
            smooth_value=metric.smooth_value,
        ).score
        with np.errstate(under="ignore"):
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
        Whether to ignore case.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row's n-gram counts; 2 equals the row twice.
    return_signature : bool, default=False
        Whether to return sacrebleu's signature too, which makes scores comparable.

    Returns
    -------
    score : float
        Between 0 and 100; 100 is best.
    signature : str
        Only if `return_signature`.

    Raises
    ------
    ImportError
        If sacrebleu is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

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
    y_true, y_pred = check_pair(y_true, y_pred)
    metric = import_optional("sacrebleu.metrics", "metrics").CHRF(
        char_order=char_order, word_order=word_order, beta=beta, lowercase=lowercase
    )
    if sample_weight is None:
        score = _unweighted(metric, y_true, y_pred)
    else:
        stats = _weighted_statistics(metric, y_true, y_pred, sample_weight)
        score = metric._compute_score_from_stats(stats).score
    return _with_signature(score, metric, return_signature)


def _numbered(y_true, y_pred, lowercase):
    """Number the tokens, since tokens may contain white space."""
    numbers = defaultdict(count().__next__)
    return tuple(
        [
            [numbers[str(token).lower() if lowercase else token] for token in row]
            for row in rows
        ]
        for rows in (y_true, y_pred)
    )


def _unweighted(metric, y_true, y_pred):
    return metric.corpus_score(as_text(y_pred), [as_text(y_true)]).score


def _weighted_statistics(metric, y_true, y_pred, sample_weight):
    """The weighted sum over rows of sacrebleu's counts."""
    weight = check_weight(sample_weight, len(y_true))
    rows = metric._extract_corpus_statistics(as_text(y_pred), [as_text(y_true)])
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
        What to match: tokens, pairs of tokens, or the longest common subsequence.
    tokenizer : callable, default=None
        Cuts a string into a list of tokens. None means lower-cased runs of letters,
        marks and digits of any script, and single characters of Chinese and Japanese;
        on ASCII text that equals the rouge-score package. Thai, Lao, Khmer and Burmese
        need their own tokenizer. Lists of tokens and ids are used as they are.
    sample_weight : array-like of shape (n_samples,), default=None
        Weight of each row.

    Returns
    -------
    float
        Between 0 and 1; 1 is best. A row without anything to match, such as one token
        under "rouge2", counts 0.

    Raises
    ------
    ImportError
        If rouge-score is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

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
    y_true, y_pred = check_pair(y_true, y_pred)
    weight = check_weight(sample_weight, len(y_true))
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
