"""Training: skorch's NeuralNet with our batches, our loss and reproducible epochs."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import EpochTimer
from skorch.helper import predefined_split

from sklearn_seq2seq._batches import TrainingBatches
from sklearn_seq2seq._model import EncoderDecoder
from sklearn_seq2seq._objectives import SequenceLoss, exact_rows

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


class DivergenceError(ValueError, FloatingPointError):
    """The training loss became infinite or not a number."""


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
    """

    def __init__(
        self,
        module,
        *,
        seed=0,
        teacher_forcing=(1.0, 1.0),
        precision="float32",
        **kwargs,
    ):
        self.seed = seed
        self.teacher_forcing = teacher_forcing
        self.precision = precision
        super().__init__(module, **kwargs)

    @property
    def _default_callbacks(self):
        return [("epoch_timer", EpochTimer())]

    def infer(self, x, **fit_params):
        """Forward pass in the chosen precision."""
        dtype = PRECISIONS[self.precision]
        if dtype is torch.float32:
            return super().infer(x, **fit_params)
        with torch.autocast(torch.device(self.device).type, dtype=dtype):
            return super().infer(x, **fit_params)

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """One epoch; its mean loss counts target positions, not batches.

        The history keeps the epoch's figures only: those of every batch would grow
        with the data.
        """
        if iterator is None:
            return
        if training:
            self._begin_training_epoch(iterator)
        loss_sum, n_positions, n_exact, n_rows, n_batches = 0.0, 0.0, 0, 0, 0
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch, **fit_params)
            loss = step["loss"].item()
            n_batches += 1
            self._check_loss(loss, n_batches)
            outputs = batch[1]
            size = float((outputs["weight"] * outputs["positions"]).sum())
            loss_sum += loss * size
            n_positions += size
            self.history.record_batch(prefix + "_loss", loss)
            self.history.record_batch(prefix + "_batch_size", size)
            if not training:
                n_exact += self._count_exact(step["y_pred"].logits, outputs)
                n_rows += len(outputs["positions"])
            self.notify("on_batch_end", batch=batch, training=training, **step)
        self.history[-1]["batches"].clear()
        self.history.record(prefix + "_loss", loss_sum / max(n_positions, 1e-38))
        self.history.record(prefix + "_positions", n_positions)
        self.history.record(prefix + "_batch_count", n_batches)
        if not training:
            self.history.record("valid_exact_match", n_exact / n_rows)

    def _begin_training_epoch(self, iterator):
        epoch = len(self.history)
        order, dropout = np.random.SeedSequence([self.seed, epoch]).generate_state(2)
        iterator.seed = int(order)
        self.module_.randomness.seed(int(dropout))
        first, last = self.teacher_forcing
        done = (epoch - 1) / max(self.max_epochs - 1, 1)
        self.module_.teacher_forcing = first + (last - first) * min(done, 1.0)

    def _count_exact(self, logits, outputs):
        target = outputs["target"].to(logits.device)
        positions = outputs["positions"].to(logits.device)
        return int(exact_rows(logits, target, positions).sum())

    def _check_loss(self, loss, batch):
        if not np.isfinite(loss):
            rate = self.optimizer_.param_groups[0]["lr"]
            raise DivergenceError(
                f"The loss became {loss} in epoch {len(self.history)}, batch {batch}, "
                f"at learning rate {rate:g}. Lower learning_rate or gradient_clip."
            )


def choose_device(device):
    """Resolve ``"auto"``: CUDA, then MPS, then the CPU."""
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


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
    forcing = params["teacher_forcing"]
    net = Seq2SeqNet(
        EncoderDecoder,
        seed=seed,
        teacher_forcing=forcing if isinstance(forcing, tuple) else (forcing, forcing),
        precision=params["precision"],
        criterion=SequenceLoss,
        criterion__vocabulary_size=target_size,
        criterion__encoder_loss_weight=params["encoder_loss_weight"],
        criterion__label_smoothing=params["label_smoothing"],
        criterion__copies=params["copy"],
        iterator_train=TrainingBatches,
        iterator_valid=TrainingBatches,
        iterator_train__max_tokens=params["max_tokens"],
        iterator_valid__max_tokens=params["max_tokens"],
        iterator_valid__shuffle=False,
        batch_size=params["batch_size"],
        max_epochs=params["max_epochs"],
        train_split=None,
        device=device,
        verbose=0,
        **_optimizer_params(params, device),
        **{f"module__{name}": params[name] for name in MODULE_PARAMS},
        module__source_size=source_size,
        module__target_size=target_size,
        module__predict_words=params["encoder_loss_weight"] > 0,
        module__seed=seed,
    )
    return net.initialize()


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
    if params["weight_decay"]:
        options["optimizer__weight_decay"] = params["weight_decay"]
    if optimizer in FUSED and device != "mps":
        options["optimizer__fused"] = True
    return options


def load_vectors(net, side, ids, matrix, freeze):
    """Set rows of the "source" or "target" embedding table; freeze the whole of it."""
    part = net.module_.encoder if side == "source" else net.module_.decoder
    weight = part.embedding.weight
    weight.data[torch.from_numpy(ids)] = torch.from_numpy(matrix).to(weight.device)
    weight.requires_grad_(not freeze)


def train(net, dataset, valid, params, callbacks):
    """Train `net` on a data set for ``max_epochs`` more.

    Whatever ends it, Ctrl-C included, the best weights so far are in place.

    Parameters
    ----------
    net : Seq2SeqNet
    dataset, valid : PairDataset
        `valid` may be None.
    params : dict
        ``Seq2SeqTransformer.get_params(deep=False)``.
    callbacks : list of (str, skorch callback)

    Raises
    ------
    DivergenceError
        If the loss is no longer finite and there are no best weights to go back to.
    MemoryError
        If the device's memory does not suffice.
    """
    net.callbacks = callbacks
    net.initialize_callbacks()
    net.train_split = None if valid is None else predefined_split(valid)
    for group in net.optimizer_.param_groups:
        group["lr"] = group["initial_lr"] = params["learning_rate"]
    try:
        net.partial_fit(dataset, epochs=params["max_epochs"])
    except DivergenceError as error:
        net.notify("on_train_end", X=dataset, y=None)
        best = dict(net.callbacks_).get("best")
        if best is None or best.best_model_weights_ is None:
            raise
        warnings.warn(
            f"{error} The weights of epoch {best.best_epoch_}, the best, are kept.",
            stacklevel=5,
        )
    except RuntimeError as error:
        if "memory" not in str(error):
            raise
        raise MemoryError(
            "Not enough memory for a training step. Lower batch_size (now "
            f"{params['batch_size']}), or bound the positions of a batch with "
            f"max_tokens (now {params['max_tokens']})."
        ) from error
    finally:
        # What held data or a second copy of the weights has done its work.
        net.train_split = None
        net.callbacks = []
        net.initialize_callbacks()
        if len(net.history) and "train_loss" not in net.history[-1]:
            del net.history[-1]
    net.module_.eval()
