"""The progress bar."""

from __future__ import annotations

import time

from skorch.callbacks import Callback

from sklearn_seq2seq._optional import import_optional


class Progress(Callback):
    """A progress bar over all batches, with the figures of the last epoch.

    It is written to the standard error stream, or shown as a widget in a notebook. The
    speed counts target positions.
    """

    def __init__(self, n_batches, max_epochs):
        self.n_batches = n_batches
        self.max_epochs = max_epochs

    def on_train_begin(self, net, **kwargs):
        tqdm = import_optional("tqdm.auto", "progress").tqdm
        self.n_positions_ = 0
        self.start_ = time.monotonic()
        self.figures_ = {}
        n_epochs = len(net.history) - net.first_epoch_
        n_done = net.sums_["batches"] if net.sums_ else 0
        self.bar_ = tqdm(
            total=self.n_batches * self.max_epochs,
            initial=self.n_batches * n_epochs + n_done,
            desc="fit",
            mininterval=0.5,
            # Without batches a second, to leave room for the bar in a notebook.
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} "
            "[{elapsed}<{remaining}{postfix}]",
        )

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        if not training:
            return
        # In a distributed fit the batch is the share of one process.
        n_positions = int(batch[1]["positions"].sum())
        self.n_positions_ += n_positions * net.processes_.count
        speed = self.n_positions_ / max(time.monotonic() - self.start_, 1e-9)
        figures = {**self.figures_, "tokens/s": f"{speed:,.0f}"}
        self.bar_.set_postfix(figures, refresh=False)
        self.bar_.update()

    def on_epoch_end(self, net, **kwargs):
        last = net.history[-1]
        done = len(net.history) - net.first_epoch_
        self.bar_.set_description(f"epoch {done}/{self.max_epochs}")
        names = ("train_loss", "valid_loss", "valid_exact_match", "valid_score")
        self.figures_ = {
            name.removeprefix("train_"): f"{last[name]:.3f}"
            for name in names
            if name in last
        }

    def on_train_end(self, net, **kwargs):
        self.bar_.set_postfix(self.figures_)
        self.bar_.close()
        del self.bar_
