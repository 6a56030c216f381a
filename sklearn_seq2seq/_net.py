"""The skorch net: our batches, our loss, and epochs that can be repeated."""

from __future__ import annotations

import copy
import inspect
from functools import cache

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochTimer, LRScheduler

from sklearn_seq2seq._batches import TrainingBatches, cut, to_device
from sklearn_seq2seq._callbacks import StopTraining
from sklearn_seq2seq._graphs import StepGraphs, own_stream
from sklearn_seq2seq._model import EncoderDecoder
from sklearn_seq2seq._objectives import SequenceLoss, exact_rows
from sklearn_seq2seq._recurrent import Dropout, new_layer

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": torch.optim.SGD,
}
FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# Keeps small gradients within the range of float16.
LOSS_SCALE = {"float16": 2.0**12}


# In nats a guess, of a token or of whether one occurs; guessing among a million tokens
# costs 14.
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
        Every epoch's order of batches and dropout derive from it.
    teacher_forcing : tuple of two floats, default=(1.0, 1.0)
        Probability of feeding the reference in the first and in the last epoch.
    precision : {"float32", "bfloat16", "float16"}, default="float32"
        Of the forward pass in training.
    max_tokens : int, default=None
        Positions of a forward pass in training, at most; a step of more, or of more
        than `batch_size` rows, is taken in parts whose gradients add up.

    Attributes
    ----------
    stop_training : bool
        A callback sets it to end training with the epoch.
    first_epoch_ : int
        Epochs trained before the current call.
    memory_ : dict or None
        What was best in the last training with validation: ``key`` (of the validation
        data), ``score`` and ``epoch``.
    graphs_ : StepGraphs or None
        In training, where steps are recorded.
    sums_ : dict or None
        Figures of the training epoch that is under way, so far; what is found there
        when an epoch begins is gone on with.
    """

    graphs_ = None

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

    def refresh_optimizer(self):
        """Give the optimiser its parameters; keep its state where it is of the kind."""
        own = getattr(self, "optimizer_", None)
        self.initialize_optimizer()
        if type(own) is type(self.optimizer_):
            state = own.state_dict()["state"]
            groups = self.optimizer_.state_dict()["param_groups"]
            self.optimizer_.load_state_dict({"state": state, "param_groups": groups})
        for group in self.optimizer_.param_groups:
            group["initial_lr"] = group["lr"]

    def on_epoch_begin(self, net, **kwargs):
        """Open the epoch's record, unless a callback has had enough."""
        if self.stop_training:
            raise StopTraining
        super().on_epoch_begin(net, **kwargs)

    def on_epoch_end(self, net, **kwargs):
        """Refuse weights that the epoch's last step has ruined."""
        if not all(bool(p.isfinite().all()) for p in self.module_.parameters()):
            raise DivergenceError(self._divergence("weights are no longer finite"))

    def _set_training(self, training=True):
        # Walking through all layers at every step would cost a twentieth of a step.
        if (self.module_.training, self.criterion_.training) != (training, training):
            super()._set_training(training)

    # The parts of a batch are known to be tensors: skorch's look at what they are would
    # take most of a tenth of a millisecond a step.

    def infer(self, x, **fit_params):
        """Forward pass, in training in the chosen precision."""
        x = to_device(x, self.device)
        dtype = PRECISIONS[self.precision]
        if dtype is torch.float32 or not self.module_.training:
            return self.module_(**x, **fit_params)
        with torch.autocast(torch.device(self.device).type, dtype=dtype):
            return self.module_(**x, **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Loss of a forward pass, a scalar."""
        return self.criterion_(y_pred, to_device(y_true, self.device))

    def fit_loop(self, X, y=None, epochs=None, **fit_params):
        """Train epochs; on a GPU, where it can be, with steps recorded as graphs."""
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
        """Whether nothing in a step waits for a GPU or is for someone else to see."""
        return (
            torch.device(self.device).type == "cuda"
            and self.module_.encoder.directions == 2  # else lengths are read
            and self.teacher_forcing == (1.0, 1.0)
            and not any(looks_at_steps(callback) for _, callback in self.callbacks_)
        )

    def train_step_single(self, batch, **fit_params):
        """Gradient of a batch, in parts that fit the memory that was allowed."""
        self._set_training(True)
        chunks = parts(batch, self.batch_size, self.max_tokens)
        loss = y_pred = None
        if self.graphs_ is not None and len(chunks) == 1:
            loss = self.graphs_(*batch)
        if loss is None:
            loss = 0.0
            for inputs, outputs in chunks:
                part, y_pred = self._add_gradient(inputs, outputs)
                loss = loss + part
        if self.precision in LOSS_SCALE:
            self._undo_scale(LOSS_SCALE[self.precision])
        return {"loss": loss, "y_pred": y_pred}

    def _add_gradient(self, inputs, outputs):
        """Add a part's gradient to the weights'; return its loss and the output."""
        y_pred = self.infer(inputs)
        loss = self.get_loss(y_pred, outputs, X=inputs, training=True)
        scale = LOSS_SCALE.get(self.precision, 1.0)
        (loss if scale == 1 else loss * scale).backward()
        return loss.detach(), y_pred

    def _undo_scale(self, scale):
        gradients = [p.grad for p in self.module_.parameters() if p.grad is not None]
        torch._foreach_div_(gradients, scale)
        if not torch.stack([g.isfinite().all() for g in gradients]).all():
            # Beyond the range of float16: no gradients, no step.
            self.module_.zero_grad(set_to_none=True)
            self.sums_["skipped"] += 1

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One epoch; its mean loss counts target positions, not batches.

        The history keeps the epoch's figures only: those of every batch would grow
        with the data.
        """
        if iterator is None:
            return
        counts = ("batches", "skipped")
        means = ("loss", "positions", "exact", "rows")
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
            loss = step["loss"].item()
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
                sums["exact"] += self._count_exact(step["y_pred"].logits, batch[1])
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
            given = *rates, self.module_.unknown_dropout, *weights
            self.graphs_.take_as_given(given)

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
        # Half of a pickle would be the optimiser's state, and a GPU must not be
        # needed to load one.
        state = vars(self).copy()
        state.pop("optimizer_", None)
        state.pop("graphs_", None)
        if torch.device(self.device).type != "cpu":
            state["module_"] = copy.deepcopy(self.module_).cpu()
            state["criterion_"] = copy.deepcopy(self.criterion_).cpu()
        return state

    def __setstate__(self, state):
        vars(self).update(state)
        self.use_device(self.device if available(self.device) else "cpu")

    def use_device(self, device):
        """Put the network on a device; an optimiser must be made anew after that."""
        self.device = device
        self.module_.to(device)
        self.criterion_.to(device)

    def __deepcopy__(self, memo):
        twin = self.__class__.__new__(self.__class__)
        twin.__setstate__(copy.deepcopy(self.__getstate__(), memo))
        if hasattr(self, "optimizer_"):
            twin.initialize_optimizer()
            # Loading alone would share the tensors.
            state = copy.deepcopy(self.optimizer_.state_dict(), memo)
            twin.optimizer_.load_state_dict(state)
        return twin


def looks_at_steps(callback):
    """Whether a callback is a user's and sees single steps."""
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
    """Cut a batch into parts of so many rows and positions, at most.

    Parameters
    ----------
    batch : (inputs, outputs)
        As `PairDataset` gives it, its rows in order of length.
    batch_size : int
    max_tokens : int or None

    Returns
    -------
    list of (inputs, outputs)
        ``outputs["size"]`` remains that of the whole.
    """
    inputs, outputs = batch
    n_source, n_target = inputs["source_positions"], outputs["positions"]
    if max_tokens is None and len(n_source) <= batch_size:
        return [batch]
    sizes = torch.column_stack((n_source, n_target)).numpy()
    chunks = cut(np.arange(len(sizes)), sizes, batch_size, max_tokens)
    if len(chunks) == 1:
        return [batch]
    result = []
    for chunk in chunks:
        here = slice(int(chunk[0]), int(chunk[-1]) + 1)
        widths = dict.fromkeys(("source", "copy_ids"), int(n_source[here].max()))
        widths["target"] = int(n_target[here].max())
        own = [
            {
                name: x[here] if x.ndim == 1 else x[here, : widths[name]]
                for name, x in half.items()
            }
            for half in batch
        ]
        own[1]["size"] = outputs["size"]
        result.append(tuple(own))
    return result


def choose_device(device):
    """Resolve ``"auto"``: CUDA, then MPS, then the CPU; refuse what is not there."""
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available(name))
    try:
        usable = available(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device of torch. Use 'auto', 'cpu', 'cuda', "
            "'cuda:1' or 'mps'."
        ) from error
    if not usable:
        raise ValueError(
            f"device={device!r} is not available here: torch {torch.__version__} finds "
            "none. Use 'auto' or 'cpu'."
        )
    return device


def available(device):
    """Whether this machine has the device."""
    device = torch.device(device)
    kind = device.type
    if kind == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return kind != "mps" or torch.backends.mps.is_available()


@cache
def has_precision(cell, precision, device):
    """Whether the device has kernels for a cell in a precision; some CPUs have not."""
    dtype = PRECISIONS[precision]
    if dtype is torch.float32:
        return True
    layer = new_layer(cell, 1, 1).to(device)
    try:
        with torch.no_grad(), torch.autocast(torch.device(device).type, dtype=dtype):
            layer(torch.zeros(1, 1, 1, device=device))
    except RuntimeError:
        return False
    return True


def make_net(params, *, source_size, target_size, seed):
    """Make a net, its weights drawn, from an estimator's parameters.

    Parameters
    ----------
    params : dict
        ``Seq2SeqTransformer.get_params(deep=False)``.
    source_size, target_size : int
        Vocabulary sizes.
    seed : int

    Returns
    -------
    Seq2SeqNet
    """
    device = choose_device(params["device"])
    net = Seq2SeqNet(
        EncoderDecoder,
        seed=seed,
        criterion=SequenceLoss,
        criterion__vocabulary_size=target_size,
        criterion__copies=params["copy"],
        iterator_train=TrainingBatches,
        iterator_valid=TrainingBatches,
        iterator_valid__shuffle=False,
        train_split=None,
        device=device,
        **{f"module__{name}": params[name] for name in MODULE_PARAMS},
        module__source_size=source_size,
        module__target_size=target_size,
        module__predict_words=params["encoder_loss_weight"] > 0,
        module__seed=seed,
    )
    return apply_training_params(net, params).initialize()


def apply_training_params(net, params):
    """Set what may change between one training of a net and the next."""
    # Another optimiser may not know what the last one was given.
    for name in [name for name in vars(net) if name.startswith("optimizer__")]:
        delattr(net, name)
    forcing, steps = params["teacher_forcing"], params["gradient_accumulation_steps"]
    tokens = params["max_tokens"]
    for name, value in {
        "teacher_forcing": forcing if isinstance(forcing, tuple) else (forcing,) * 2,
        "precision": params["precision"],
        "verbose": params["verbose"],
        "batch_size": params["batch_size"],
        "max_tokens": tokens,
        "max_epochs": params["max_epochs"],
        "iterator_train__batch_size": params["batch_size"] * steps,
        "iterator_train__max_tokens": None if tokens is None else tokens * steps,
        "iterator_valid__max_tokens": tokens,
        "criterion__encoder_loss_weight": params["encoder_loss_weight"],
        "criterion__label_smoothing": params["label_smoothing"],
        **_optimizer_params(params, net.device),
    }.items():
        setattr(net, name, value)
    if net.initialized_:
        net.module_.unknown_dropout = params["unknown_dropout"]
        for layer in net.module_.modules():
            if isinstance(layer, Dropout):
                layer.p = params["dropout"]
    return net


MODULE_PARAMS = (
    "cell",
    "decoder_cell",
    "hidden_size",
    "num_layers",
    "embedding_size",
    "bidirectional",
    "reverse_source",
    "attention",
    "input_feeding",
    "copy",
    "share_embeddings",
    "tie_output",
    "dropout",
    "unknown_dropout",
)


def _optimizer_params(params, device):
    optimizer = params["optimizer"]
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    options = {"optimizer": optimizer, "lr": params["learning_rate"]}
    if "weight_decay" in inspect.signature(optimizer).parameters:
        options["optimizer__weight_decay"] = params["weight_decay"]
    fused = optimizer in FUSED and torch.device(device).type != "mps"
    if "fused" in inspect.signature(optimizer).parameters:
        options["optimizer__fused"] = fused or None
    return options


def load_vectors(net, side, ids, matrix, freeze):
    """Set rows of the "source" or "target" embedding table; freeze the whole of it."""
    part = net.module_.encoder if side == "source" else net.module_.decoder
    weight = part.embedding.weight
    weight.data[torch.from_numpy(ids)] = torch.from_numpy(matrix).to(weight.device)
    weight.requires_grad_(not freeze)


def start_from_counts(net, dataset):
    """Let the network begin with how often each target token occurs.

    The output's bias becomes the logarithm of the tokens' frequencies, as in NeuralTalk
    (Karpathy and Fei-Fei, 2015). From even odds the decoder would first learn what
    never to write, for which it saturates where a vocabulary holds much of that, as one
    for both sides does.

    Parameters
    ----------
    net : Seq2SeqNet
    dataset : PairDataset
        Rows to train on, all of them with a positive weight.
    """
    # Every token once more; of small weights, whose data are no smaller, the least.
    once = 1.0 if dataset.weight is None else min(1.0, dataset.weight.min())
    counts = dataset.count_targets() + once
    bias = net.module_.decoder.output.bias
    bias.data.copy_(torch.from_numpy(counts / counts.sum()).log())
