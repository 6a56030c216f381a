"""Whether training was long enough, judged by predictions for training pairs."""

from __future__ import annotations

import numpy as np
import torch

from sklearn_seq2seq._network._losses import right_tokens

# Number of training pairs to predict.
SAMPLE = 256
# Least share of pairs that are reproduced after enough training. With a large target
# vocabulary, such as words, several targets may be right: then of target tokens.
LEAST_SHARE, WORDS = 0.5, 1000
# The loss is still falling if it is below this share of the last epoch's mean, unless
# more than the second share is reproduced.
STILL_FALLING, LEARNED = 0.9, 0.95


def lack_of_training(net, dataset):
    """Describe what shows that training ended too soon; None if nothing does.

    Parameters
    ----------
    net : Seq2SeqNet
        Trained, or not if there was no time.
    dataset : PairDataset
        The training pairs.

    Returns
    -------
    str or None
    """
    rows = np.random.default_rng(net.seed).permutation(len(dataset))[:SAMPLE]
    sample = dataset.take(np.sort(rows))
    pairs, tokens, loss = _evaluate(net, sample)
    n_epochs = len(net.history)
    after = "1 epoch" if n_epochs == 1 else f"{n_epochs} epochs"
    if dataset.target_size > WORDS:
        share, what = tokens, "target tokens"
    else:
        share, what = pairs, "training pairs"
    message = f"After {after} the model reproduces {share:.0%} of the {what}"
    if share < LEAST_SHARE:
        return message
    before = net.history[-1, "train_loss"] if n_epochs else np.inf
    if share < LEARNED and loss < STILL_FALLING * before:
        return f"{message}, and the training loss was still falling fast"
    return None


@torch.no_grad()
def _evaluate(net, sample):
    """Shares of pairs and of target tokens that are correct, and the training loss."""
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
