"""Plots of models and of their errors, in the style of scikit-learn's displays, and an
audit of the pairs that they learn from.

The displays need the extra ``plot``.
"""

from sklearn_seq2seq.inspection._alignment import AlignmentDisplay
from sklearn_seq2seq.inspection._attention import AttentionDisplay
from sklearn_seq2seq.inspection._audit import audit_pairs
from sklearn_seq2seq.inspection._confusion import EditConfusionDisplay
from sklearn_seq2seq.inspection._history import HistoryDisplay
from sklearn_seq2seq.inspection._length import LengthErrorDisplay

__all__ = [
    "AlignmentDisplay",
    "AttentionDisplay",
    "EditConfusionDisplay",
    "HistoryDisplay",
    "LengthErrorDisplay",
    "audit_pairs",
]
