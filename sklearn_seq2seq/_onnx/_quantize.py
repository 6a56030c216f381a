"""Weights in eight bits."""

import os
import tempfile

from sklearn_seq2seq._optional import import_optional

# onnxruntime has int8 kernels for these only; GRU and RNN encoders are not quantised.
_OPERATORS = ["Gather", "LSTM", "MatMul"]


def quantize(model):
    """Quantise the weights of a model, and its activations when it runs.

    Parameters
    ----------
    model : bytes
        The content of an ONNX file.

    Returns
    -------
    bytes
    """
    onnx = import_optional("onnx", "onnx")
    quantization = import_optional("onnxruntime.quantization", "onnx")
    model = onnx.load_from_string(model)
    # Without this mark onnxruntime logs advice to optimise the model first.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")  # onnxruntime writes only to files
        quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=_OPERATORS,
            weight_type=quantization.QuantType.QInt8,
        )
        with open(path, "rb") as file:
            return file.read()
