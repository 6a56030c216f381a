"""One training of a net: its validation split, callbacks, checkpoint and end."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EarlyStopping, LRScheduler
from skorch.helper import predefined_split
from skorch.history import History

from sklearn_seq2seq._files import is_lack_of_memory
from sklearn_seq2seq._training._callbacks import (
    BestModel,
    Regularly,
    StopTraining,
    make_callbacks,
)
from sklearn_seq2seq._training._checkpoint import Checkpoint
from sklearn_seq2seq._training._checkpoint_state import alike, check_fits
from sklearn_seq2seq._training._convergence import lack_of_training
from sklearn_seq2seq._training._devices import choose_device, precision_failure
from sklearn_seq2seq._training._distributed import Processes
from sklearn_seq2seq._training._fingerprint import digest, fingerprint, pairs_digest
from sklearn_seq2seq._training._make_net import set_up
from sklearn_seq2seq._training._net import DivergenceError
from sklearn_seq2seq._training._validation_split import (
    check_max_tokens,
    number_groups,
    split,
    weigh,
)
from sklearn_seq2seq._warnings import warn, warn_of_data


class Training:
    """One call of `fit` or `partial_fit`, from its rows to the trained net.

    Parameters
    ----------
    network : NetworkSettings
    optimization : OptimizationSettings
    stopping : StoppingRule
    running : RunningSettings
    dataset : PairDataset
    seed : int
        Replaced by that of the checkpoint, if there is one to resume from.
    sample_weight, groups : array-like, default=None
        One entry a row.
    valid : PairDataset, default=None
        Validation data; without them `early_stopping` splits some off.
    identity : dict, default=None
        By name, what else determines the result: parameters, and the meaning of ids.
    net : Seq2SeqNet, default=None
        The net that training continues with or starts from.

    Attributes
    ----------
    held : ndarray of int or None
        The rows split off for validation.
    monitored : str or None
        Entry of the history that says which epoch is best.
    broken_off : bool
        Whether an interrupt or divergence ended it, with a warning.
    finished : bool
        Whether the checkpoint holds the trained net already.
    processes : Processes
        The processes that train the net together.
    """

    def __init__(
        self,
        network,
        optimization,
        stopping,
        running,
        dataset,
        seed,
        *,
        sample_weight=None,
        groups=None,
        valid=None,
        identity=None,
        net=None,
    ):
        rows = weigh(dataset, sample_weight)
        check_max_tokens(dataset, rows, optimization.max_tokens)
        groups = number_groups(groups, dataset.source, rows)
        self.network = network
        self.running = running
        self.processes = Processes(optimization.device)
        self.seed = self.processes.of_first(lambda: seed)
        self.saved = self.checkpoint = self.held = None
        self.broken_off = False
        if running.checkpoint is not None or self.processes.count > 1:
            parts = fingerprint(identity, dataset, groups, valid, net)
            self.processes.check_alike(parts)
        if running.checkpoint is not None:

            def read():
                checkpoint = Checkpoint(running.checkpoint, parts)
                return checkpoint, checkpoint.read()

            self.checkpoint, self.saved = self.processes.of_first(read)
        self.start, self.spent = time.monotonic(), 0.0
        if self.saved is not None:
            self.seed, self.spent = self.saved["seed"], self.saved["spent"]
        if valid is None and stopping.early_stopping:
            fraction = stopping.validation_fraction
            kept, held = split(len(rows), groups, fraction, self.seed)
            if len(held):
                rows, self.held = rows[kept], rows[held]
                valid = dataset.take(self.held)
        # Rows are copied only if some are held out.
        whole = len(rows) == len(dataset)
        self.dataset = dataset if whole else dataset.take(rows)
        self.valid = valid
        self.from_scratch = net is None
        self.as_given = optimization
        self.optimization, self.stopping = self._resolved(stopping)
        self.monitored = None if valid is None else monitored(stopping.scoring)

    @property
    def decodes(self):
        """Whether the validation rows are to be decoded after each epoch."""
        return self.monitored == "valid_score"

    @property
    def finished(self):
        return self.saved is not None and self.saved["finished"]

    def run(self, net, decoded=None, tasks=None):
        """Train `net` for ``max_epochs`` more, or resume from the checkpoint.

        When it ends, also by Ctrl-C, the net has the best weights so far.

        Parameters
        ----------
        net : Seq2SeqNet
        decoded : DecodedScore, default=None
        tasks : FitTasks, default=None

        Raises
        ------
        DivergenceError
            If training diverges before there are best weights.
        MemoryError
            If the device has too little memory.
        """
        self._prepare(net)
        if self.saved is not None:
            with self.checkpoint.refusing():
                check_fits(self.saved, net, self.monitored)
            net.history = History(self.saved["history"])
            net.sums_ = self.saved["sums"]
        if self.finished:
            with self.checkpoint.refusing():
                _load(net, self.saved)
        else:
            try:
                net.processes_ = self.processes
                self._run(net, self._callbacks(net, decoded, tasks))
            finally:
                del net.processes_
                # Release what holds data or a second copy of the weights.
                net.train_split = None
                net.callbacks = []
                net.initialize_callbacks()
        net.module_.eval()

    def warn_if_short(self, net):
        """Warn if training was too short, and advise what to set."""
        if self.broken_off:
            return
        lack = lack_of_training(net, self.dataset)
        if lack is None:
            return
        stopping, n_epochs = self.stopping, len(net.history) - net.first_epoch_
        by_auto, auto = self._resolved(replace(stopping, max_epochs="auto"))
        if self._is_above_guessing(net):
            lack += ", and its loss is above that of guessing"
            advice = f"Lower learning_rate (now {self.optimization.learning_rate:g})"
        elif n_epochs < stopping.max_epochs:
            name, now = "max_time", stopping.max_time
            if net.stop_training:
                name, now = "n_iter_no_change", stopping.patience
            advice = f"Raise {name} (now {now})" if now else "A callback ended it"
        elif n_epochs < auto.max_epochs:
            advice = (
                f"Raise max_epochs (now {n_epochs}); 'auto' would be {auto.max_epochs} "
                f"in batches of {by_auto.batch_size}"
            )
        else:
            advice = f"Raise max_epochs (now {n_epochs}), learning_rate or hidden_size"
        warn_of_data(f"{lack}. {advice}.", ConvergenceWarning)

    def _is_above_guessing(self, net):
        """Whether the loss rose, above that of any token at random.

        That of a network that comes from another task is high at first, with any rate.
        """
        weight = self.network.encoder_loss_weight
        if weight or not self.from_scratch or not net.history:
            return False
        first, last = (net.history[epoch, "train_loss"] for epoch in (0, -1))
        return last > max(first, math.log(self.dataset.target_size))

    def _resolved(self, stopping):
        """Optimisation and stopping rule with what "auto" stands for."""
        n_pairs, least_steps = len(self.dataset), self.network.least_steps
        few = n_pairs if stopping.max_epochs == "auto" else None
        optimization = self.as_given.resolved(few, least_steps)
        steps_an_epoch = -(-n_pairs // optimization.pairs_a_step)
        enough = math.ceil(optimization.n_steps(least_steps) / steps_an_epoch)
        return optimization, stopping.resolved(enough)

    def _prepare(self, net):
        weight = self.network.encoder_loss_weight
        if weight and net.module_.words is None:
            raise ValueError(
                f"encoder_loss_weight={weight} needs a network that predicts the bag "
                "of target tokens, and the fitted one was made without. Fit anew, with "
                "warm_start=False."
            )
        net.use_device(choose_device(self.optimization.device))
        set_up(net, self.network, self.optimization)
        net.max_epochs = self.stopping.max_epochs
        # skorch's callbacks read this.
        net.verbose = self.running.verbose if self.processes.is_first else 0
        net.initialize_criterion()
        lacking = precision_failure(net)
        if lacking is not None:
            warn(
                f"This device ({net.device}) cannot train this network in "
                f"{net.precision} ({lacking}); training is in float32.",
            )
            net.precision = "float32"
        net.refresh_optimizer()
        net.first_epoch_ = len(net.history)
        net.stop_training, net.sums_ = False, None

    def _callbacks(self, net, decoded, tasks):
        running, key = self.running, None
        if self.monitored is not None:
            key = digest([pairs_digest(self.valid), digest(self.stopping.scoring)])
        callbacks = make_callbacks(
            self.optimization,
            self.stopping,
            n_batches=len(net.get_iterator(self.dataset, training=True)),
            monitored=self.monitored,
            key=key,
            decoded=decoded,
            spent=self.spent,
            verbose=net.verbose,
            callbacks=running.callbacks,
        )
        if tasks is not None:
            callbacks.append(tasks)
        if self.checkpoint is not None and self.processes.is_first:
            minutes = running.checkpoint_minutes
            seconds = math.inf if minutes is None else 60 * minutes
            callbacks.append(
                Regularly(self._write, running.checkpoint_interval, seconds)
            )
        return callbacks

    def _run(self, net, callbacks):
        self.processes.share(net.module_)
        net.callbacks = callbacks
        net.initialize_callbacks()
        net.train_split = None if self.valid is None else predefined_split(self.valid)
        net.notify("on_train_begin", X=self.dataset, y=None)
        if self.saved is not None:
            # Only now, since a scheduler sets the learning rate when it begins.
            with self.checkpoint.refusing():
                _load(net, self.saved)
        finished, error = self._loop(net)
        net.sums_ = None
        entry = self.monitored or "train_loss"
        epoch = len(net.history)
        if epoch > net.first_epoch_ and entry not in net.history[-1]:
            del net.history[-1]
        net.notify("on_train_end", X=self.dataset, y=None)
        self.processes.share(net.module_)
        if self.monitored is None:
            net.memory_ = None  # it belongs to other weights
        if error is not None:
            self.broken_off = True
            _report(net, error, epoch)
        if finished and self.checkpoint is not None and self.processes.is_first:
            self._write(net, finished=True)

    def _loop(self, net):
        """Train epochs; return whether training finished, and what error ended it."""
        done = len(net.history) - net.first_epoch_
        try:
            with self.processes.interrupted_together():
                net.fit_loop(self.dataset, epochs=self.stopping.max_epochs - done)
        except StopTraining:
            return True, None
        except KeyboardInterrupt as error:
            # skorch's EarlyStopping raises an interrupt too.
            early = _callback(net, EarlyStopping)
            if early is not None and early.misses_ == early.patience:
                return True, None
            return False, error
        except DivergenceError as error:
            return False, error
        except RuntimeError as error:
            if not is_lack_of_memory(error):
                raise
            raise MemoryError(
                "Not enough memory for a training step. Lower batch_size (now "
                f"{self.optimization.batch_size}), or bound the positions of a batch "
                f"with max_tokens (now {self.optimization.max_tokens})."
            ) from error
        return True, None

    def _write(self, net, finished=False):
        schedule, best = _callback(net, LRScheduler), _callback(net, BestModel)
        # A current epoch has no complete record yet, only sums.
        n_epochs = len(net.history) - (net.sums_ is not None)
        self.checkpoint.write(
            {
                "seed": self.seed,
                "spent": self.spent + time.monotonic() - self.start,
                "finished": finished,
                "stop": net.stop_training,
                "history": list(net.history)[:n_epochs],
                "sums": net.sums_,
                "randomness": net.module_.randomness.state_dict(),
                "memory": net.memory_,
                "module": net.module_.state_dict(),
                "optimizer": net.optimizer_.state_dict(),
                "schedule": schedule and schedule.lr_scheduler_.state_dict(),
                "best": None if finished or best is None else best.state_dict(),
            }
        )


def _load(net, saved):
    """Set a net and its callbacks to the state in a checkpoint."""
    net.stop_training = saved["stop"]
    net.memory_ = saved["memory"]
    net.module_.randomness.load_state_dict(saved["randomness"])
    net.module_.load_state_dict(saved["module"])
    groups = net.optimizer_.state_dict()["param_groups"]
    if not alike(saved["optimizer"]["param_groups"], groups):
        raise ValueError("optimizer")  # the schedule has added other entries
    net.optimizer_.load_state_dict(saved["optimizer"])
    schedule = _callback(net, LRScheduler)
    if saved["schedule"] is not None and schedule is not None:
        if not alike(saved["schedule"], schedule.lr_scheduler_.state_dict()):
            raise ValueError("schedule")
        schedule.lr_scheduler_.load_state_dict(saved["schedule"])
    if saved["best"] is not None:
        _callback(net, BestModel).load_state_dict(saved["best"])


def _callback(net, kind):
    """The first callback of a kind, this package's before the user's; None without."""
    return next((c for _, c in net.callbacks_ if isinstance(c, kind)), None)


def _report(net, error, epoch):
    """Warn of what interrupted training; raise a divergence without best weights."""
    best = _callback(net, BestModel)
    kept = "the weights are the last ones"
    if best is not None and best.weights_ is not None:
        kept = f"the weights are those of epoch {best.epoch_}, the best"
    elif isinstance(error, DivergenceError):
        raise error
    if isinstance(error, DivergenceError):
        net.initialize_optimizer()  # its state is as bad as the last weights
    what = str(error).rstrip(".") or f"Training was interrupted in epoch {epoch}"
    warn(f"{what}; {kept}.")


def monitored(scoring):
    """The entry of the history that holds the score of `scoring`."""
    if isinstance(scoring, str) and scoring in ("loss", "exact_match"):
        return f"valid_{scoring}"
    return "valid_score"
