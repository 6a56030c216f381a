"""What training minimises.

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
    """Mark the positions that count: bool ``(B, T)``."""
    return torch.arange(width, device=n_positions.device) < n_positions[:, None]


def log_probabilities(logits: Tensor, copies: bool) -> Tensor:
    """Log-probabilities of a pass, which already are ones when it copies."""
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
        losses = -logits.gather(2, target[:, :, None])[..., 0]
        if label_smoothing:
            even = -logits[..., :vocabulary_size].mean(dim=2)
            losses = (1 - label_smoothing) * losses + label_smoothing * even
    else:
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(),
            target.flatten(),
            reduction="none",
            label_smoothing=label_smoothing,
        ).view_as(target)
    mask = position_mask(n_positions, target.shape[1])
    return torch.where(mask, losses, 0).sum(dim=1)


def encoder_loss(word_logits: Tensor, target: Tensor) -> Tensor:
    """Loss of the encoder's guess of the target's bag of words [2]_, per row.

    ``-sum_t [y_t log p_t + (1 - y_t) log(1 - p_t)]`` over the tokens t of the target
    vocabulary, where y_t says whether t occurs in the target. The boundary, which ends
    every target, is not asked for.

    Parameters
    ----------
    word_logits : Tensor ``(B, V)``
    target : Tensor of int64 ``(B, T)``
        Ids from V upward (copied tokens) count as unknown.

    Returns
    -------
    Tensor ``(B,)``, in nats
    """
    word_logits = word_logits.float()  # a sum over V leaves the range of half precision
    known = target.masked_fill(target >= word_logits.shape[1], UNKNOWN)
    occurs = torch.zeros_like(word_logits).scatter_(1, known, 1.0)
    losses = F.binary_cross_entropy_with_logits(
        word_logits[:, 1:], occurs[:, 1:], reduction="none"
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

    L_dec is the mean over target positions, L_enc the mean over rows, each row counting
    by its weight over the mean weight of all the data, so that weight 2 is the same as
    two rows and 0 as none.

    Parameters
    ----------
    decoder_losses, encoder_losses : Tensor ``(B,)``; the second may be None
    weight : Tensor ``(B,)``
    size : Tensor ``(2,)``
        Target positions and rows, by mean weight, of the batch that these rows are, or
        are a part of: the losses of a batch's parts add up to its own.
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
    words = (weight * encoder_losses).sum() / rows
    return encoder_loss_weight * words + (1 - encoder_loss_weight) * loss


class SequenceLoss(nn.Module):
    """The training objective, as skorch's criterion.

    Parameters
    ----------
    encoder_loss_weight, label_smoothing : float in [0, 1), default=0.0
        Applied in training only: validation is by the decoder's loss as it is.
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
        words = None
        if output.word_logits is not None and self.training:
            words = encoder_loss(output.word_logits, reference["target"])
        return training_loss(
            losses,
            words,
            reference["weight"],
            reference["size"],
            self.encoder_loss_weight,
        )


def exact_rows(logits: Tensor, target: Tensor, n_positions: Tensor) -> Tensor:
    """Mark the rows that greedy decoding gets wholly right: bool ``(B,)``.

    By induction: the greedy search is fed its own output, which up to the first
    mistake is the reference; so it makes a mistake just where the arg-max of the
    teacher-forced pass does. The unknown token, which a search never emits, is
    left out.

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
        As of `exact_rows`.
    """
    scores = logits.clone()
    scores[..., UNKNOWN] = float("-inf")
    right = scores.argmax(dim=-1) == target
    return (right & position_mask(n_positions, target.shape[1])).sum(dim=1)
