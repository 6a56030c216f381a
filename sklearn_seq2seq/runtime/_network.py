"""The networks of a bundle, run by onnxruntime.

Shapes: B rows, S source positions, K hypotheses a row, N = B * K, F size of the state,
W tokens to choose from.
"""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._persistence._format import ModelFileError

# An output of a step with this prefix is the input of that name in the next step.
_NEXT = "next_"


@dataclass
class State:
    """All that a search carries from step to step.

    Attributes
    ----------
    hypotheses : dict of ndarray ``(N, ...)``
        The arrays that steps change, the K hypotheses of a source side by side.
    sources : dict of ndarray ``(B, ...)``
        The arrays that steps only read.
    """

    hypotheses: dict
    sources: dict

    def select(self, hypotheses, sources=None):
        """Take some hypotheses, in any order, of some sources; None keeps all."""
        kept = self.sources
        if sources is not None:
            kept = {name: array[sources] for name, array in kept.items()}
        taken = {name: array[hypotheses] for name, array in self.hypotheses.items()}
        return State(taken, kept)


class Network:
    """The encoder and the decoder's step of one model.

    Parameters
    ----------
    encoder, step : bytes
        ONNX models.
    copies : bool
        Whether steps take ``copy_ids``.
    n_threads : int
        Threads of one call.
    """

    def __init__(self, encoder, step, *, copies, n_threads):
        self._encoder = _session(encoder, n_threads)
        self._step = _session(step, n_threads)
        self._given = [node.name for node in self._encoder.get_outputs()]
        found = [node.name for node in self._step.get_outputs()]
        self._next = [name for name in found if name.startswith(_NEXT)]
        self._changed = [name.removeprefix(_NEXT) for name in self._next]
        self._copies = copies
        self.attends = "weights" in found
        read = {node.name for node in self._step.get_inputs()}
        if (
            {node.name for node in self._encoder.get_inputs()}
            != {"source", "n_positions"}
            or read != {"previous", *self._given, *(["copy_ids"] if copies else [])}
            or not set(self._changed) <= set(self._given)
            or not {"log_probs", "next_state"} <= set(found)
        ):
            raise ModelFileError("its networks do not fit together.")

    def start(self, source, n_positions, copy_ids=None):
        """The state from which a search starts.

        Parameters
        ----------
        source : ndarray of int64 ``(B, S)``
        n_positions : ndarray of int64 ``(B,)``
        copy_ids : ndarray of int64 ``(B, S)`` or None

        Returns
        -------
        State
        """
        feeds = {"source": source, "n_positions": n_positions}
        read = dict(
            zip(self._given, self._encoder.run(self._given, feeds), strict=True)
        )
        changed = {name: read.pop(name) for name in self._changed}
        if copy_ids is not None:
            read["copy_ids"] = copy_ids
        return State(changed, read)

    def step(self, state, previous):
        """``(log_probs (N, W), state)`` after `previous` ``(N,)``."""
        (log_probs,), state = self._run(["log_probs"], state, previous)
        return log_probs, state

    def step_with_weights(self, state, previous):
        """`step`, and the attention weights ``(N, S)``."""
        (log_probs, weights), state = self._run(
            ["log_probs", "weights"], state, previous
        )
        return log_probs, state, weights

    def _run(self, names, state, previous):
        feeds = {"previous": previous, **state.hypotheses, **state.sources}
        values = self._step.run([*names, *self._next], feeds)
        after = dict(zip(self._changed, values[len(names) :], strict=True))
        return values[: len(names)], State(after, state.sources)

    def check(self, source_size, target_size):
        """Check that the networks fit the vocabulary sizes of the bundle."""
        source = np.array([[source_size - 1, 0]])
        copy_ids = np.zeros((1, 2), dtype=np.int64) if self._copies else None
        state = self.start(source, np.array([2]), copy_ids)
        log_probs, after = self.step(state, np.array([target_size - 1]))
        width = target_size + (0 if copy_ids is None else source.shape[1])
        if log_probs.shape != (1, width) or any(
            after.hypotheses[name].shape != array.shape
            for name, array in state.hypotheses.items()
        ):
            raise ModelFileError("its networks do not have its vocabularies.")
        if not (log_probs <= 1e-3).all():  # nor is NaN
            raise ModelFileError("its networks do not return log-probabilities.")


def _session(model, n_threads):
    runtime = import_optional("onnxruntime", "onnx")
    # It would have weights in other files, which `export_onnx` never writes.
    if b"location" in model:
        raise ModelFileError("its networks refer to other files.")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors are raised
    return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class States(list):
    """The states of networks that decode together."""

    def select(self, hypotheses, sources=None):
        return States(state.select(hypotheses, sources) for state in self)


def log_mean_exp(x):
    """Logarithm of the mean, over the first axis, of exponentials."""
    most = x.max(axis=0)
    # The mean of values that are all minus infinity is minus infinity.
    shift = np.where(np.isfinite(most), most, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - shift).mean(axis=0)) + shift
