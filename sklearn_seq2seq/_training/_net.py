"""The skorch net, with this package's batches and loss, and reproducible epochs."""

from __future__ import annotations

import copy

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, LRScheduler

from sklearn_seq2seq._network._layers import Dropout
from sklearn_seq2seq._network._losses import exact_rows
from sklearn_seq2seq._pairs._batches import cut
from sklearn_seq2seq._pairs._dataset import to_device
from sklearn_seq2seq._training._callbacks import StopTraining
from sklearn_seq2seq._training._cuda_graphs import StepGraphs, own_stream
from sklearn_seq2seq._training._devices import PRECISIONS, available
from sklearn_seq2seq._training._distributed import Processes
from sklearn_seq2seq._training._optimizers import uncompiled

# Keeps small gradients within the range of float16.
LOSS_SCALE = {"float16": 2.0**12}

# In nats a prediction; a uniform guess among a million tokens costs 14.
LARGEST_LOSS = 1e4


class DivergenceError(ValueError, FloatingPointError):
    """The loss became not a number, infinite or absurdly large."""


class Seq2SeqNet(NeuralNet):
    """skorch net whose epochs depend on (`seed`, epoch) alone.

    Parameters
    ----------
    module, **kwargs
        As skorch's ``NeuralNet``.
    seed : int, default=0
        Determines every epoch's order of batches and dropout.
    teacher_forcing : tuple of two floats, default=(1.0, 1.0)
        Probability of feeding the reference in the first and in the last epoch.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        The precision of the forward pass in training.
    max_tokens : int, default=None
        Positions of a forward pass in training, at most; a step with more, or with more
        than `batch_size` rows, adds up the gradients of several passes.

    Attributes
    ----------
    stop_training : bool
        Set by a callback to end training after the epoch.
    first_epoch_ : int
        Epochs trained before the current call.
    memory_ : dict or None
        The best of the last training with validation: ``key`` (of the validation data),
        ``score`` and ``epoch``.
    graphs_ : StepGraphs or None
        The recorded steps, during training on a GPU.
    processes_ : Processes
        The processes that train together, during training.
    sums_ : dict or None
        Sums over the batches of the current training epoch. An epoch continues from
        the sums that it finds.
    """

    graphs_ = None
    processes_ = Processes("cpu")  # alone

    def __init__(
        self,
        module,
        *,
        seed=0,
        teacher_forcing=(1.0, 1.0),
        precision="float32",
        max_tokens=None,
        **kwargs,
    ):
        self.seed = seed
        self.teacher_forcing = teacher_forcing
        self.precision = precision
        self.max_tokens = max_tokens
        self.stop_training = False
        self.first_epoch_ = 0
        self.memory_ = None
        self.sums_ = None
        super().__init__(module, **kwargs)

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def initialize_optimizer(self, triggered_directly=None):
        """Make the optimiser, without its wrappers for torch's compiler."""
        parameters = self.get_all_learnable_params()
        args, kwargs = self.get_params_for_optimizer("optimizer", parameters)
        self.optimizer_ = uncompiled(self.optimizer)(*args, **kwargs)
        return self

    def refresh_optimizer(self):
        """Make the optimiser anew; keep its state if it is of the same class."""
        before = getattr(self, "optimizer_", None)
        self.initialize_optimizer()
        if type(before) is type(self.optimizer_):
            state = before.state_dict()["state"]
            groups = self.optimizer_.state_dict()["param_groups"]
            self.optimizer_.load_state_dict({"state": state, "param_groups": groups})
        for group in self.optimizer_.param_groups:
            group["initial_lr"] = group["lr"]

    def on_epoch_begin(self, net, **kwargs):
        """Begin the epoch's record, unless a callback asked to stop."""
        (n_stopping,) = self.processes_.total(self.stop_training)
        if n_stopping:
            raise StopTraining
        super().on_epoch_begin(net, **kwargs)
        self.history.record("max_epochs", self.max_epochs)
        self.history.record("batch_size", self.batch_size)

    def on_batch_end(self, net, training=False, **kwargs):
        """End training if one of the processes received Ctrl-C."""
        if training:
            self.processes_.raise_interrupts()

    def on_epoch_end(self, net, **kwargs):
        """Raise an error if the epoch's last step has ruined the weights."""
        if not all(bool(p.isfinite().all()) for p in self.module_.parameters()):
            raise DivergenceError(self._divergence("weights are no longer finite"))

    def _set_training(self, training=True):
        # Going through all layers at every step would cost a twentieth of a step.
        if (self.module_.training, self.criterion_.training) != (training, training):
            super()._set_training(training)

    # `infer` and `get_loss` are given tensors: skorch's checks of their types would
    # take almost 0.1 ms a step.

    def infer(self, x, **fit_params):
        """Forward pass; in training, in the chosen precision."""
        x = to_device(x, self.device)
        dtype = PRECISIONS[self.precision]
        if dtype is torch.float32 or not self.module_.training:
            return self.module_(**x, **fit_params)
        try:
            with torch.autocast(torch.device(self.device).type, dtype=dtype):
                return self.module_(**x, **fit_params)
        finally:
            # Only the outermost autocast drops its copies of the weights, which the
            # step changes. A caller's is one, and so is one that Ctrl-C broke off.
            torch.clear_autocast_cache()

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss of a forward pass, a scalar."""
        return self.criterion_(y_pred, to_device(y_true, self.device))

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train epochs; on a GPU, with steps recorded as graphs where possible."""
        kind = torch.device(self.device).type
        if kind in ("cpu", "cuda") and torch.is_autocast_enabled(kind):
            # The caller's, where `precision` decides.
            with torch.autocast(kind, enabled=False):
                return self.fit_loop(X, y, epochs, **fit_params)
        if not self._can_record():
            return super().fit_loop(X, y, epochs, **fit_params)
        with own_stream(self.device):
            self.graphs_ = StepGraphs(
                self.module_,
                self.module_.randomness,
                lambda inputs, outputs: self._add_gradient(inputs, outputs)[0],
            )
            try:
                return super().fit_loop(X, y, epochs, **fit_params)
            finally:
                self.graphs_.clear()
                self.graphs_ = None

    def _can_record(self):
        """Whether steps can be recorded: none waits for the GPU or has an observer."""
        return (
            torch.device(self.device).type == "cuda"
            and self.module_.encoder.directions == 2  # else the CPU reads lengths
            and self.teacher_forcing == (1.0, 1.0)
            and not any(looks_at_steps(callback) for _, callback in self.callbacks_)
        )

    def train_step_single(self, batch, **fit_params):
        """Compute the gradient of a batch, in parts of at most `max_tokens`."""
        self._set_training(True)
        if self.processes_.count > 1:
            step = self.seed, len(self.history), self.sums_["batches"]
            # Each process has other rows of the batch, and so needs other dropout.
            self.module_.randomness.seed(self.processes_.seed_of_step(*step))
        chunks = parts(batch, self.batch_size, self.max_tokens)
        loss = y_pred = None
        if self.graphs_ is not None and len(chunks) == 1:
            loss = self.graphs_(*batch)
        if loss is None:
            loss = 0.0
            for inputs, outputs in chunks:
                part, y_pred = self._add_gradient(inputs, outputs)
                loss = loss + part
        loss = self.processes_.add_gradients(self.module_, loss)
        if self.precision in LOSS_SCALE:
            self._undo_scale(LOSS_SCALE[self.precision])
        return {"loss": loss, "y_pred": y_pred}

    def _add_gradient(self, inputs, outputs):
        """Add a part's gradient to that of the weights; return its loss and output."""
        y_pred = self.infer(inputs)
        loss = self.get_loss(y_pred, outputs, X=inputs, training=True)
        scale = LOSS_SCALE.get(self.precision, 1.0)
        (loss if scale == 1 else loss * scale).backward()
        return loss.detach(), y_pred

    def _undo_scale(self, scale):
        gradients = [p.grad for p in self.module_.parameters() if p.grad is not None]
        torch._foreach_div_(gradients, scale)
        if not torch.stack([g.isfinite().all() for g in gradients]).all():
            # Beyond the range of float16: without gradients there is no step.
            self.module_.zero_grad(set_to_none=True)
            self.sums_["skipped"] += 1

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One epoch; its mean loss counts target positions, not batches.

        The history keeps no figures of batches, which would grow with the data.
        """
        if iterator is None:
            return
        counts = ("batches", "skipped")
        means = ("loss", "positions", "exact", "rows")
        iterator.share = self.processes_.rank, self.processes_.count
        sums = dict.fromkeys(counts, 0) | dict.fromkeys(means, 0.0)
        largest = LARGEST_LOSS * iterator.dataset.heaviest
        if training:
            sums = self.sums_ = sums | (self.sums_ or {})
            self._begin_training_epoch(iterator)
            if self.module_.words is not None:
                largest *= self.module_.words.out_features
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            loss, exact = step["loss"].item(), 0.0  # waits for a GPU
            if not training:
                exact = self._count_exact(step["y_pred"].logits, batch[1])
                loss, exact = self.processes_.total(loss, exact)
            sums["batches"] += 1
            if not loss < largest:
                what = f"{prefix} loss became {loss:.3g} in batch {sums['batches']}"
                raise DivergenceError(self._divergence(what))
            n_positions, n_rows = batch[1]["size"].tolist()
            sums["loss"] += loss * n_positions
            sums["positions"] += n_positions
            self.history.record_batch(prefix + "_loss", loss)
            self.history.record_batch(prefix + "_batch_size", n_positions)
            if not training:
                sums["exact"] += exact
                sums["rows"] += n_rows
            self.notify("on_batch_end", batch=batch, training=training, **step)
        if 0 < sums["batches"] == sums["skipped"]:
            what = f"gradients left the range of {self.precision} in every batch"
            raise DivergenceError(self._divergence(what))
        self.history[-1]["batches"].clear()
        loss = sums["loss"] / max(sums["positions"], 1e-38)
        self.history.record(prefix + "_loss", loss)
        self.history.record(prefix + "_positions", sums["positions"])
        self.history.record(prefix + "_batch_count", sums["batches"])
        if training:
            self.sums_ = None
        else:
            self.history.record("valid_exact_match", sums["exact"] / sums["rows"])

    def _begin_training_epoch(self, iterator):
        epoch = len(self.history)
        order, dropout = np.random.SeedSequence([self.seed, epoch]).generate_state(2)
        iterator.seed = int(order)
        iterator.start = self.sums_["batches"]
        if iterator.start == 0:
            self.module_.randomness.seed(int(dropout))
        first, last = self.teacher_forcing
        done = (epoch - 1 - self.first_epoch_) / max(self.max_epochs - 1, 1)
        self.module_.teacher_forcing = first + (last - first) * min(done, 1.0)
        if self.graphs_ is not None:
            # A callback may have changed them.
            layers, loss = self.module_.modules(), self.criterion_
            rates = [layer.p for layer in layers if isinstance(layer, Dropout)]
            weights = loss.encoder_loss_weight, loss.label_smoothing
            self.graphs_.use_settings((*rates, *self.module_.unknown_dropout, *weights))

    def _count_exact(self, logits, outputs):
        target = outputs["target"].to(logits.device)
        positions = outputs["positions"].to(logits.device)
        right = exact_rows(logits, target, positions).cpu()
        return float((right * outputs["weight"]).sum())

    def _divergence(self, what):
        rate = self.optimizer_.param_groups[0]["lr"]
        return (
            f"Training diverged: the {what} of epoch {len(self.history)}, at learning "
            f"rate {rate:g}. Lower learning_rate, or clip more with gradient_clip."
        )

    def __getstate__(self):
        # The optimiser's state would be half of the pickle, and loading must not need
        # a GPU.
        state = vars(self).copy()
        state.pop("optimizer_", None)
        state.pop("graphs_", None)
        state.pop("processes_", None)
        if torch.device(self.device).type != "cpu":
            state["module_"] = copy.deepcopy(self.module_).cpu()
            state["criterion_"] = copy.deepcopy(self.criterion_).cpu()
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        self.use_device(self.device if available(self.device) else "cpu")

    def use_device(self, device):
        """Move the network to a device; the optimiser must be made anew after that."""
        self.device = device
        self.module_.to(device)
        self.criterion_.to(device)

    def __deepcopy__(self, memo):
        twin = self.__class__.__new__(self.__class__)
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        if hasattr(self, "optimizer_"):
            twin.initialize_optimizer()
            # Without the copy both would share the tensors.
            state = copy.deepcopy(self.optimizer_.state_dict(), memo)
            twin.optimizer_.load_state_dict(state)
        return twin


def looks_at_steps(callback):
    """Whether a callback is a user's and observes single steps."""
    kind = type(callback)
    if kind.__module__.startswith("sklearn_seq2seq.") or isinstance(
        callback, LRScheduler
    ):
        return False
    return any(
        getattr(kind, name) is not getattr(Callback, name)
        for name in ("on_batch_begin", "on_batch_end")
    )


def parts(batch, batch_size, max_tokens):
    """Cut a batch into parts with a maximum of rows and positions.

    Parameters
    ----------
    batch : (inputs, outputs)
        A batch of `PairDataset`, its rows in order of length.
    batch_size : int
    max_tokens : int or None

    Returns
    -------
    list of (inputs, outputs)
        ``outputs["size"]`` is that of the whole batch.
    """
    inputs, outputs = batch
    n_source, n_target = inputs["source_positions"], outputs["positions"]
    if max_tokens is None and len(n_source) <= batch_size:
        return [batch]
    sizes = torch.column_stack((n_source, n_target)).numpy()  # (B, 2)
    chunks = cut(np.arange(len(sizes)), sizes, batch_size, max_tokens)
    if len(chunks) == 1:
        return [batch]
    result = []
    for chunk in chunks:
        rows = slice(int(chunk[0]), int(chunk[-1]) + 1)
        # A part needs less padding than the whole batch.
        widths = dict.fromkeys(("source", "copy_ids"), int(n_source[rows].max()))
        widths["target"] = int(n_target[rows].max())
        part = [
            {
                name: x[rows] if x.ndim == 1 else x[rows, : widths[name]]
                for name, x in half.items()
            }
            for half in batch
        ]
        part[1]["size"] = outputs["size"]
        result.append(tuple(part))
    return result
