"""Sequence-to-sequence learning with the manners of scikit-learn."""

# Imported for its effect: `load` and `save` then know the classes.
from sklearn_seq2seq import _saved_estimators  # noqa: F401
from sklearn_seq2seq._augment import PairAugmenter
from sklearn_seq2seq._dummy import DummySeq2Seq
from sklearn_seq2seq._ensemble import Seq2SeqEnsemble
from sklearn_seq2seq._persistence._file import ModelFileError
from sklearn_seq2seq._persistence._save_load import load, save
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer

__version__ = "0.1.0"

__all__ = [
    "ColumnVectorizer",
    "DummySeq2Seq",
    "ModelFileError",
    "PairAugmenter",
    "Seq2SeqEnsemble",
    "Seq2SeqTransformer",
    "SequenceVectorizer",
    "load",
    "save",
]

# Where the documentation is published: notebooks link each estimator to its page there.
_DOCUMENTATION = "https://sklearn-seq2seq.readthedocs.io/en/stable"
for _estimator in (
    ColumnVectorizer,
    DummySeq2Seq,
    PairAugmenter,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
):
    _estimator._doc_link_module = "sklearn_seq2seq"
    _estimator._doc_link_template = (
        _DOCUMENTATION + "/generated/{estimator_module}.{estimator_name}.html"
    )
del _estimator
