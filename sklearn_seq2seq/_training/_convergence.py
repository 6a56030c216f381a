"""Whether training was enough, by what the network makes of its training pairs."""

from __future__ import annotations

import numpy as np
import torch

from sklearn_seq2seq._network._losses import right_tokens

# Training pairs that are looked at.
SAMPLE = 256
# Share of the targets below which training was not enough. Of targets out of a
# vocabulary of words, where several are right, it is the share of their tokens.
LEAST_SHARE, WORDS = 0.5, 1000
# The loss still falls where it has come so far below that of the last epoch as a whole,
# unless nearly all pairs are learned by heart.
STILL_FALLING, LEARNED = 0.9, 0.95


def lack_of_training(net, dataset):
    """Say what shows that training ended too soon; None where nothing does.

    Parameters
    ----------
    net : Seq2SeqNet
        Trained, or not at all if there was no time.
    dataset : PairDataset
        What it was trained on.

    Returns
    -------
    str or None
    """
    rows = np.random.default_rng(net.seed).permutation(len(dataset))[:SAMPLE]
    sample = dataset.take(np.sort(rows))
    pairs, tokens, loss = _look(net, sample)
    n_epochs = len(net.history)
    after = "1 epoch" if n_epochs == 1 else f"{n_epochs} epochs"
    if dataset.target_size > WORDS:
        share, what = tokens, "target tokens"
    else:
        share, what = pairs, "training pairs"
    said = f"After {after} the model reproduces {share:.0%} of the {what}"
    if share < LEAST_SHARE:
        return said
    before = net.history[-1, "train_loss"] if n_epochs else np.inf
    if share < LEARNED and loss < STILL_FALLING * before:
        return f"{said}, and the training loss was still falling fast"
    return None


@torch.no_grad()
def _look(net, sample):
    """Shares of pairs and of target tokens that are right, and the training loss."""
    exact = n_pairs = right = loss = n_positions = 0.0
    net.module_.randomness.seed(net.seed)
    for inputs, outputs in net.get_iterator(sample, training=False):
        size, n_rows = outputs["size"].tolist()
        net._set_training(False)
        logits = net.infer(inputs).logits
        target, positions = (
            outputs[name].to(logits.device) for name in ("target", "positions")
        )
        n_right = right_tokens(logits, target, positions)
        weight = outputs["weight"]
        exact += float(((n_right == positions).cpu() * weight).sum())
        right += float((n_right.cpu() * weight).sum())
        net._set_training(True)
        loss += float(net.get_loss(net.infer(inputs), outputs)) * size
        n_pairs, n_positions = n_pairs + n_rows, n_positions + size
    net._set_training(False)
    return exact / n_pairs, right / n_positions, loss / n_positions
