"""Sequence-to-sequence learning with the manners of scikit-learn."""

from sklearn_seq2seq._baseline import DummySeq2Seq
from sklearn_seq2seq._columns import ColumnVectorizer
from sklearn_seq2seq._estimator import Seq2SeqTransformer
from sklearn_seq2seq._vectorizer import SequenceVectorizer

__version__ = "0.1.0"

__all__ = [
    "ColumnVectorizer",
    "DummySeq2Seq",
    "Seq2SeqTransformer",
    "SequenceVectorizer",
]
