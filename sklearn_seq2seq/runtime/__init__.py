"""Prediction without torch and scikit-learn: exported models on onnxruntime.

`load` reads the files of :func:`~sklearn_seq2seq.export_onnx`. It needs numpy and
onnxruntime (the extra ``onnx``), and the tokenizers library for a model with subwords.
"""

from sklearn_seq2seq.runtime._bundle import load
from sklearn_seq2seq.runtime._predictor import Predictor

__all__ = ["Predictor", "load"]
