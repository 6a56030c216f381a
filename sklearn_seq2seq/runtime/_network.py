"""The networks of a bundle, run by onnxruntime.

Shapes: B rows, S source positions, K hypotheses a row, N = B * K, F size of the state,
W tokens to choose from.
"""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._persistence._file import ModelFileError


@dataclass
class State:
    """All that a search carries from step to step.

    Attributes
    ----------
    vectors : ndarray of float32 ``(N, F)``
        Of each hypothesis, the K hypotheses of a source side by side.
    sources : dict of ndarray ``(B, ...)``
        What every step reads of each source.
    """

    vectors: np.ndarray
    sources: dict

    def select(self, hypotheses, sources=None):
        """Take some hypotheses, in any order; of some sources, None for all."""
        kept = self.sources
        if sources is not None:
            kept = {name: array[sources] for name, array in kept.items()}
        return State(self.vectors[hypotheses], kept)


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
        read = {node.name for node in self._step.get_inputs()}
        given = {node.name for node in self._encoder.get_outputs()}
        found = {node.name for node in self._step.get_outputs()}
        self.attends = "weights" in found
        if (
            {node.name for node in self._encoder.get_inputs()}
            != {"source", "n_positions"}
            or read != {"previous", *given, *(["copy_ids"] if copies else [])}
            or not {"log_probs", "next_state"} <= found
            or "state" not in given
        ):
            raise ModelFileError("its networks do not fit together.")

    def start(self, source, n_positions, copy_ids=None):
        """State from which a search sets out.

        Parameters
        ----------
        source : ndarray of int64 ``(B, S)``
        n_positions : ndarray of int64 ``(B,)``
        copy_ids : ndarray of int64 ``(B, S)`` or None

        Returns
        -------
        State
        """
        names = [node.name for node in self._encoder.get_outputs()]
        values = self._encoder.run(
            names, {"source": source, "n_positions": n_positions}
        )
        read = dict(zip(names, values, strict=True))
        vectors = read.pop("state")
        if copy_ids is not None:
            read["copy_ids"] = copy_ids
        return State(vectors, read)

    def step(self, state, previous):
        """``(log_probs (N, W), state)`` after `previous` ``(N,)``."""
        log_probs, state, _ = self._run(state, previous, ["log_probs", "next_state"])
        return log_probs, state

    def step_with_weights(self, state, previous):
        """The same and the attention weights ``(N, S)``."""
        return self._run(state, previous, ["log_probs", "next_state", "weights"])

    def _run(self, state, previous, names):
        feeds = {"previous": previous, "state": state.vectors, **state.sources}
        log_probs, vectors, *weights = self._step.run(names, feeds)
        return (
            log_probs,
            replace(state, vectors=vectors),
            weights[0] if weights else None,
        )

    def check(self, source_size, target_size):
        """Refuse networks of other vocabularies than those of the bundle."""
        source = np.array([[source_size - 1, 0]])
        copy_ids = np.zeros((1, 2), dtype=np.int64) if self._copies else None
        state = self.start(source, np.array([2]), copy_ids)
        log_probs, after = self.step(state, np.array([target_size - 1]))
        width = target_size + (0 if copy_ids is None else source.shape[1])
        if log_probs.shape != (1, width) or after.vectors.shape != state.vectors.shape:
            raise ModelFileError("its networks do not have its vocabularies.")
        if not (log_probs <= 1e-3).all():  # NaN is not, either
            raise ModelFileError("its networks do not give log-probabilities.")

    @property
    def _copies(self):
        return any(node.name == "copy_ids" for node in self._step.get_inputs())


def _session(model, n_threads):
    runtime = import_optional("onnxruntime", "onnx")
    # Weights in other files: none that we write has any, and none is to be read.
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
    # Where all are minus infinity, so is their mean.
    shift = np.where(np.isfinite(most), most, 0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(x - shift).mean(axis=0)) + shift
