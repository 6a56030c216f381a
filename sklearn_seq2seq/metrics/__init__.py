"""Scores, scorers and reports for predicted sequences.

Every function takes references and predictions as lists, arrays or Series of str, as
(ragged) lists of tokens, or as arrays of token ids, whose rows end at their first 0.
scikit-learn's types of targets play no role.

Functions that compare token by token cut strings by their `unit`: "token" and "word"
cut at white space, "char" into characters. Lists of tokens and ids are cut already and
used as they are. Functions that compare text (BLEU, chrF) join the tokens of lists with
spaces.
"""

from sklearn_seq2seq.metrics._edits import GAP, confusion_counts, edit_operations
from sklearn_seq2seq.metrics._overlap import bleu_score, chrf_score, rouge_score
from sklearn_seq2seq.metrics._report import sequence_report
from sklearn_seq2seq.metrics._scorers import (
    SCORERS,
    get_scorer,
    get_scorer_names,
    scorers,
)
from sklearn_seq2seq.metrics._scores import (
    edit_distance,
    exact_match_score,
    perplexity,
    token_error_rate,
)

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
