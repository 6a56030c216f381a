"""Writing ONNX graphs: a call adds a node, an array becomes a constant."""

from itertools import count

import numpy as np

from sklearn_seq2seq._optional import import_optional

# The oldest versions with all operators used here, so that old runtimes can read them.
OPSET = 17
IR_VERSION = 8

_TYPES = {"float32": 1, "int64": 7}  # TensorProto.FLOAT and INT64


class Graph:
    """A builder of an ONNX graph.

    Calling it adds a node and returns the name of the node's output, or a list of names
    for several outputs. Inputs are names, or arrays, which become constants.
    """

    def __init__(self, name):
        self.onnx = import_optional("onnx", "onnx")
        self.name = name
        self.nodes, self.weights = [], []
        self.inputs, self.outputs = [], []
        self._numbers = count()

    def input(self, name, dtype, *shape):
        """Declare an input; strings in `shape` are dimensions of any size."""
        self.inputs.append(self._value(name, dtype, shape))
        return name

    def output(self, name, value, dtype, *shape):
        """Make `value` the output `name`."""
        self.nodes.append(self.onnx.helper.make_node("Identity", [value], [name]))
        self.outputs.append(self._value(name, dtype, shape))

    def constant(self, array):
        """Store an array, and return its name."""
        name = f"w{next(self._numbers)}"
        array = np.ascontiguousarray(array)
        self.weights.append(self.onnx.numpy_helper.from_array(array, name))
        return name

    def __call__(self, operator, *inputs, n_outputs=1, **attributes):
        names = [
            x if isinstance(x, str) else self.constant(np.asarray(x)) for x in inputs
        ]
        outputs = [f"x{next(self._numbers)}" for _ in range(n_outputs)]
        self.nodes.append(
            self.onnx.helper.make_node(operator, names, outputs, **attributes)
        )
        return outputs[0] if n_outputs == 1 else outputs

    def linear(self, x, weight, bias=None):
        """``x @ weight.T + bias``, for the arrays of torch's Linear."""
        x = self("MatMul", x, weight.T)
        return x if bias is None else self("Add", x, bias)

    def to_bytes(self):
        """Check the model and return it as the bytes of a file."""
        helper = self.onnx.helper
        graph = helper.make_graph(
            self.nodes, self.name, self.inputs, self.outputs, self.weights
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="sklearn_seq2seq",
        )
        self.onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _value(self, name, dtype, shape):
        return self.onnx.helper.make_tensor_value_info(name, _TYPES[dtype], shape)


def array(weight):
    """A torch weight as a float32 array."""
    return weight.detach().float().cpu().numpy()
