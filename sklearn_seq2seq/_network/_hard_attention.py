"""Exact hard attention: every target token comes from one source position.

The forward algorithm sums over that position [1]_ [2]_. The sum is exact since the
decoder's recurrent state depends on the target tokens alone.

Shapes: B rows, Q queries a row (all steps in training, all beams in a search), T target
positions, S source positions, H decoder hidden size, M memory size, C jump classes,
R input size of the output layer.

References
----------
.. [1] Wu, Shapiro and Cotterell, "Hard non-monotonic attention for character-level
   transduction", EMNLP, 2018. :arxiv:`1808.10024`
.. [2] Wu and Cotterell, "Exact hard monotonic attention for character-level
   transduction", ACL, 2019. :arxiv:`1905.06319`
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from sklearn_seq2seq._network._layers import without_weights

# Jumps over up to this many positions have a score each; all longer ones in one
# direction share a score.
WINDOW = 5
# Stands for the logarithm of zero, since minus infinity would have no gradient.
NEVER = -1e9


@dataclass
class HardMemory:
    """What the encoder leaves for hard attention.

    Attributes
    ----------
    values : Tensor ``(B, S, R)``
        What each position adds to the input of the output layer.
    keys : Tensor ``(B, S, H)``
        What queries are compared with.
    jumps : Tensor ``(B, S, C)`` or None
        What each position adds to the scores of the jumps from it.
    forbidden : Tensor of bool ``(B, 1 or S, S)``
        Transitions into padding and, if monotonic, backwards.
    """

    values: Tensor
    keys: Tensor
    jumps: Tensor | None
    forbidden: Tensor

    def keep(self, rows: Tensor) -> HardMemory:
        """Keep some rows only."""
        kept = {name: x[rows] for name, x in vars(self).items() if x is not None}
        return replace(self, **kept)


class HardAttention(nn.Module):
    """Probability of the next source position, given the one before.

    The score of moving from i to j is ``query . U output_j``. Order 1 adds
    ``A [query; output_i]`` at the class of ``j - i``, so that distance distinguishes
    near positions, and content far ones.

    Parameters
    ----------
    hidden_size, directions : int
    order : {0, 1}
    monotonic : bool
        Whether attention never goes back.
    """

    def __init__(self, hidden_size: int, directions: int, order: int, monotonic: bool):
        super().__init__()
        self.monotonic = monotonic
        size = directions * hidden_size
        self.key = without_weights(nn.Linear, size, hidden_size, bias=False)
        self.jump_query = self.jump_key = None
        if order == 1:
            n_classes = 2 * WINDOW + 3
            self.jump_query = without_weights(nn.Linear, hidden_size, n_classes)
            self.jump_key = without_weights(nn.Linear, size, n_classes, bias=False)

    def remember(
        self, outputs: Tensor, values: Tensor, n_positions: Tensor
    ) -> HardMemory:
        """Make a `HardMemory` of the encoder's outputs ``(B, S, M)``."""
        n = outputs.shape[1]
        steps = torch.arange(n, device=outputs.device)
        forbidden = (steps >= n_positions[:, None])[:, None]
        if self.monotonic:
            forbidden = forbidden | (steps < steps[:, None])
        jumps = None if self.jump_key is None else self.jump_key(outputs)
        return HardMemory(values, self.key(outputs), jumps, forbidden)

    def forward(self, query: Tensor, memory: HardMemory) -> Tensor:
        """Log-probabilities of all transitions at each query.

        Parameters
        ----------
        query : Tensor ``(B, Q, H)``
        memory : HardMemory

        Returns
        -------
        Tensor ``(B, Q, S, S)``, from and to; ``(B, Q, 1, S)`` where all "from" agree
        """
        scores = torch.bmm(query, memory.keys.transpose(1, 2))[:, :, None]
        if self.jump_query is not None and memory.jumps is not None:
            # (B, Q, 1, C) + (B, 1, S, C)
            jumps = self.jump_query(query)[:, :, None] + memory.jumps[:, None]
            n = scores.shape[-1]
            classes = jump_classes(n, query.device).expand(*jumps.shape[:2], n, n)
            scores = scores + jumps.gather(3, classes)  # (B, Q, S, S)
        scores = at_least_float32(scores).masked_fill(memory.forbidden[:, None], NEVER)
        return torch.log_softmax(scores, dim=-1)


def jump_classes(n: int, device: torch.device) -> Tensor:
    """Class of the jump from each of n positions to each: int64 ``(n, n)``."""
    steps = torch.arange(n, device=device)
    far = WINDOW + 1
    return (steps - steps[:, None]).clamp(-far, far) + far


def at_least_float32(x: Tensor) -> Tensor:
    """Probabilities are computed in full precision, whatever the network's."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


# The forward algorithm, in logarithms. alpha ``(..., S)`` is the distribution of the
# position given the tokens so far, prior that of the next one.


def first_alpha(shape, like: Tensor) -> Tensor:
    """Before the first token, attention is at the first position."""
    alpha = at_least_float32(like).new_full(shape, NEVER)
    alpha[..., 0] = 0
    return alpha


def next_prior(alpha: Tensor, transitions: Tensor) -> Tensor:
    """``sum_i alpha_i p(j | i)``: ``(..., S)`` and ``(..., 1 or S, S)``."""
    return torch.logsumexp(alpha[..., None] + transitions, dim=-2)


def next_alpha(prior: Tensor, emitted: Tensor) -> Tensor:
    """Bayes' rule, given the token's log-probability at each position."""
    return torch.log_softmax(prior + emitted, dim=-1)


def priors(transitions: Tensor, emitted: Tensor) -> Tensor:
    """Prior of every step: ``(B, T, S)``.

    Parameters
    ----------
    transitions : Tensor ``(B, T, 1 or S, S)``
    emitted : Tensor ``(B, T, S)``
        Log-probability of each step's token at each position.
    """
    if transitions.shape[2] == 1:
        return transitions[:, :, 0]
    alpha = first_alpha(emitted[:, 0].shape, emitted)
    result = []
    for step, token in zip(transitions.unbind(1), emitted.unbind(1), strict=True):
        result.append(next_prior(alpha, step))
        alpha = next_alpha(result[-1], token)
    return torch.stack(result, dim=1)


def align(transitions: Tensor, emitted: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior of each step's position, and the best alignment.

    The derivative of the log-likelihood with respect to the emissions is the posterior
    (Eisner, 2016); that of the best alignment's log-probability is the best alignment.

    Parameters
    ----------
    transitions, emitted : Tensor
        As for `priors`.
    mask : Tensor of bool ``(B, T)``
        Steps without padding, which follows them.

    Returns
    -------
    posterior : Tensor ``(B, T, S)``
    best : Tensor of int64 ``(B, T)``
    """
    emitted = emitted.detach().requires_grad_()
    transitions = transitions.detach()

    def maximum(x, dim):
        return x.max(dim).values

    found = []
    with torch.enable_grad():
        for total in (torch.logsumexp, maximum):
            alpha, result = first_alpha(emitted[:, 0].shape, emitted), 0.0
            for t in range(emitted.shape[1]):
                prior = total(alpha[..., None] + transitions[:, t], dim=-2)  # (B, S)
                joint = prior + emitted[:, t]
                evidence = total(joint, dim=-1)  # (B,)
                alpha = joint - evidence[:, None]
                result = result + evidence.masked_fill(~mask[:, t], 0.0)
            found += torch.autograd.grad(result.sum(), emitted)
    return found[0], found[1].argmax(dim=-1)
