"""Weights in eight bits."""

import os
import tempfile

from sklearn_seq2seq._optional import import_optional

# onnxruntime has int8 kernels for these only; GRU and RNN encoders stay as they are.
_OPERATORS = ["Gather", "LSTM", "MatMul"]


def quantize(model):
    """Quantise the weights of a model, and its activations as it runs.

    Parameters
    ----------
    model : bytes
        As of a file in ONNX.

    Returns
    -------
    bytes
    """
    onnx = import_optional("onnx", "onnx")
    quantization = import_optional("onnxruntime.quantization", "onnx")
    model = onnx.load_from_string(model)
    # Without this mark onnxruntime logs the advice to optimise the model first.
    onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxruntime.quant"})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")  # it writes to files only
        quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=_OPERATORS,
            weight_type=quantization.QuantType.QInt8,
        )
        with open(path, "rb") as file:
            return file.read()
