"""Losses: what training minimises.

Shapes: B rows, T target positions, S source positions, V target vocabulary size.

References
----------
.. [1] Szegedy et al., "Rethinking the Inception architecture for computer vision",
   CVPR, 2016. :arxiv:`1512.00567`
.. [2] Ma, Sun, Wang and Lin, "Bag-of-words as target for neural machine translation",
   ACL, 2018. :arxiv:`1805.04871`
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_seq2seq._tokens import UNKNOWN


def position_mask(n_positions: Tensor, width: int) -> Tensor:
    """Mark the positions without padding: bool ``(B, T)``."""
    return torch.arange(width, device=n_positions.device) < n_positions[:, None]


def log_probabilities(logits: Tensor, copies: bool) -> Tensor:
    """Log-probabilities of a pass; the output of a copying network holds them."""
    return logits if copies else torch.log_softmax(logits, dim=-1)


def decoder_loss(
    logits: Tensor,
    target: Tensor,
    n_positions: Tensor,
    *,
    copies: bool = False,
    vocabulary_size: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Cross-entropy of each row, summed over its positions.

    Parameters
    ----------
    logits : Tensor ``(B, T, V)``, or log-probabilities ``(B, T, V + S)`` when `copies`
    target : Tensor of int64 ``(B, T)``
    n_positions : Tensor of int64 ``(B,)``
        Target tokens plus the boundary.
    copies : bool, default=False
    vocabulary_size : int
        V, over which a copying network's labels are smoothed.
    label_smoothing : float in [0, 1), default=0.0
        Share of the reference's probability that is spread over all V tokens [1]_.

    Returns
    -------
    Tensor ``(B,)``, in nats
    """
    if copies:
        losses = -logits.gather(2, target[:, :, None])[..., 0]  # (B, T)
        if label_smoothing:
            uniform = -logits[..., :vocabulary_size].mean(dim=2)
            losses = (1 - label_smoothing) * losses + label_smoothing * uniform
    else:
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(),
            target.flatten(),
            reduction="none",
            label_smoothing=label_smoothing,
        ).view_as(target)
    mask = position_mask(n_positions, target.shape[1])
    return torch.where(mask, losses, 0).sum(dim=1)


def encoder_loss(bag_logits: Tensor, target: Tensor) -> Tensor:
    """Loss of the encoder's prediction of the target's bag of tokens [2]_, per row.

    ``-sum_t [y_t log p_t + (1 - y_t) log(1 - p_t)]`` over the tokens t of the target
    vocabulary, where y_t is 1 if t occurs in the target, else 0. The boundary, which
    ends every target, is left out.

    Parameters
    ----------
    bag_logits : Tensor ``(B, V)``
    target : Tensor of int64 ``(B, T)``
        Ids from V upward (copied tokens) count as unknown.

    Returns
    -------
    Tensor ``(B,)``, in nats
    """
    bag_logits = bag_logits.float()  # a sum over V leaves the range of half precision
    known = target.masked_fill(target >= bag_logits.shape[1], UNKNOWN)
    occurs = torch.zeros_like(bag_logits).scatter_(1, known, 1.0)  # (B, V)
    losses = F.binary_cross_entropy_with_logits(
        bag_logits[:, 1:], occurs[:, 1:], reduction="none"
    )
    return losses.sum(dim=1)


def training_loss(
    decoder_losses: Tensor,
    encoder_losses: Tensor | None,
    weight: Tensor,
    size: Tensor,
    encoder_loss_weight: float,
) -> Tensor:
    """Combine rows: ``alpha * L_enc + (1 - alpha) * L_dec``.

    L_dec is the mean over target positions, L_enc the mean over rows. A row counts by
    its weight over the mean weight of the data set: weight 2 equals two rows, weight 0
    none.

    Parameters
    ----------
    decoder_losses, encoder_losses : Tensor ``(B,)``; the second may be None
    weight : Tensor ``(B,)``
    size : Tensor ``(2,)``
        Target positions and rows, times their mean weights, of the whole batch. The
        rows may be a part of it: the losses of the parts add up to that of the batch.
    encoder_loss_weight : float in [0, 1)
        alpha.

    Returns
    -------
    Tensor, a scalar
    """
    positions, rows = size.clamp(min=torch.finfo(weight.dtype).tiny)
    loss = (weight * decoder_losses).sum() / positions
    if encoder_losses is None:
        return loss
    bag_loss = (weight * encoder_losses).sum() / rows
    return encoder_loss_weight * bag_loss + (1 - encoder_loss_weight) * loss


class SequenceLoss(nn.Module):
    """The training objective, as skorch's criterion.

    Parameters
    ----------
    encoder_loss_weight, label_smoothing : float in [0, 1), default=0.0
        Used in training only: validation uses the plain loss of the decoder.
    copies : bool, default=False
    vocabulary_size : int
    """

    def __init__(
        self,
        vocabulary_size,
        encoder_loss_weight=0.0,
        label_smoothing=0.0,
        copies=False,
    ):
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.encoder_loss_weight = encoder_loss_weight
        self.label_smoothing = label_smoothing
        self.copies = copies

    def forward(self, output, reference) -> Tensor:
        """Loss of the network's `Output` against a batch's ``outputs``, a scalar."""
        losses = decoder_loss(
            output.logits,
            reference["target"],
            reference["positions"],
            copies=self.copies,
            vocabulary_size=self.vocabulary_size,
            label_smoothing=self.label_smoothing if self.training else 0.0,
        )
        bag_losses = None
        if output.bag_logits is not None and self.training:
            bag_losses = encoder_loss(output.bag_logits, reference["target"])
        return training_loss(
            losses,
            bag_losses,
            reference["weight"],
            reference["size"],
            self.encoder_loss_weight,
        )


def exact_rows(logits: Tensor, target: Tensor, n_positions: Tensor) -> Tensor:
    """Mark the rows that greedy decoding predicts exactly: bool ``(B,)``.

    A greedy search is fed its own output, which equals the reference up to the first
    mistake. So it makes its first mistake where the arg-max of the teacher-forced pass
    does. The unknown token, which a search never emits, is left out.

    Parameters
    ----------
    logits : Tensor ``(B, T, V)``
    target : Tensor of int64 ``(B, T)``
    n_positions : Tensor of int64 ``(B,)``
    """
    return right_tokens(logits, target, n_positions) == n_positions


def right_tokens(logits: Tensor, target: Tensor, n_positions: Tensor) -> Tensor:
    """Count each row's positions at which the likeliest token is right: ``(B,)``.

    Parameters
    ----------
    logits, target, n_positions
        As for `exact_rows`.
    """
    scores = logits.clone()
    scores[..., UNKNOWN] = float("-inf")
    right = scores.argmax(dim=-1) == target
    return (right & position_mask(n_positions, target.shape[1])).sum(dim=1)
