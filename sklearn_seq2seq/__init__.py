"""Sequence-to-sequence learning in the style of scikit-learn."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn_seq2seq._augment import PairAugmenter
    from sklearn_seq2seq._autoencoder import Seq2SeqAutoencoder
    from sklearn_seq2seq._conformal import ConformalSeq2Seq
    from sklearn_seq2seq._corpus import PairCorpus
    from sklearn_seq2seq._dummy import DummySeq2Seq
    from sklearn_seq2seq._ensemble import Seq2SeqEnsemble
    from sklearn_seq2seq._lexicon import LexiconSeq2Seq
    from sklearn_seq2seq._onnx._export import export_onnx
    from sklearn_seq2seq._persistence._format import ModelFileError
    from sklearn_seq2seq._persistence._save_load import load, save
    from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
    from sklearn_seq2seq._text._columns import ColumnVectorizer
    from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
    from sklearn_seq2seq._translation_memory import TranslationMemory

__version__ = "0.1.0"

__all__ = [
    "ColumnVectorizer",
    "ConformalSeq2Seq",
    "DummySeq2Seq",
    "LexiconSeq2Seq",
    "ModelFileError",
    "PairAugmenter",
    "PairCorpus",
    "Seq2SeqAutoencoder",
    "Seq2SeqEnsemble",
    "Seq2SeqTransformer",
    "SequenceVectorizer",
    "TranslationMemory",
    "export_onnx",
    "load",
    "save",
]

# Each name is imported when it is first used: `sklearn_seq2seq.runtime` must start
# without torch and scikit-learn, and vectorizers without torch.
_MODULES = {
    "ColumnVectorizer": "_text._columns",
    "ConformalSeq2Seq": "_conformal",
    "DummySeq2Seq": "_dummy",
    "LexiconSeq2Seq": "_lexicon",
    "ModelFileError": "_persistence._format",
    "PairAugmenter": "_augment",
    "PairCorpus": "_corpus",
    "Seq2SeqAutoencoder": "_autoencoder",
    "Seq2SeqEnsemble": "_ensemble",
    "Seq2SeqTransformer": "_seq2seq_transformer",
    "SequenceVectorizer": "_text._vectorizer",
    "TranslationMemory": "_translation_memory",
    "export_onnx": "_onnx._export",
    "load": "_persistence._save_load",
    "save": "_persistence._save_load",
}
_SUBPACKAGES = ("datasets", "inspection", "metrics", "runtime")


def __getattr__(name):
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_SUBPACKAGES})
