"""Predicting without torch and scikit-learn: exported models on onnxruntime.

`load` reads what :func:`~sklearn_seq2seq.export_onnx` writes. This needs numpy and
onnxruntime (the extra ``onnx``), and the tokenizers library for a model with subwords.
"""

from sklearn_seq2seq.runtime._bundle import load
from sklearn_seq2seq.runtime._predictor import Predictor

__all__ = ["Predictor", "load"]
