"""A memoryless edit model, learned from pairs, which aligns them [1]_.

A sequence of edits generates a pair: an edit substitutes a source token by a target
token, deletes a source token, inserts a target token, or ends the pair. The probability
of an edit does not depend on its context.

Shapes: B pairs, S source tokens, T target tokens, P kinds of substitutions.

References
----------
.. [1] Ristad and Yianilos, "Learning string-edit distance", IEEE Transactions on
   Pattern Analysis and Machine Intelligence, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

NEVER = -1e9
# Rounds of expectation-maximisation, which end early below this gain in nats a pair.
ROUNDS = 20
LEAST_GAIN = 1e-3


@dataclass
class Edits:
    """Pairs, as the numbers of the edits that may have generated them.

    Attributes
    ----------
    substitute : Tensor of int64 ``(B, S, T)``
    delete : Tensor of int64 ``(B, S)``
    insert : Tensor of int64 ``(B, T)``
    n_source, n_target : Tensor of int64 ``(B,)``
        Tokens without padding.
    """

    substitute: Tensor
    delete: Tensor
    insert: Tensor
    n_source: Tensor
    n_target: Tensor


def fit_edits(batches: list[Edits], n_edits: int) -> Tensor:
    """Log-probability ``(n_edits,)`` of each edit, by expectation-maximisation.

    The last edit is the end. The expected count of an edit is the derivative of the
    log-likelihood with respect to the edit's log-probability.
    """
    log_probs = torch.full((n_edits,), -1.0, dtype=torch.float64)
    log_probs -= log_probs.logsumexp(0)
    n_pairs, last = sum(len(batch.delete) for batch in batches), -float("inf")
    for _ in range(ROUNDS):
        log_probs.requires_grad_()
        total = 0.0
        for batch in batches:
            likelihood = _score(batch, *_edits(batch, log_probs)).sum()
            likelihood.backward()
            total += likelihood.item()
        counts = log_probs.grad
        log_probs = torch.log(counts / counts.sum() + 1e-12)
        if total - last < LEAST_GAIN * n_pairs:
            break
        last = total
    return log_probs


def align_edits(batch: Edits, log_probs: Tensor) -> tuple[Tensor, Tensor]:
    """The source of each target token; the last column stands for insertion.

    Returns
    -------
    posterior : Tensor ``(B, T, S + 1)``
    best : Tensor of int64 ``(B, T)``
        In the likeliest sequence of edits.
    """
    substitute, *others = _edits(batch, log_probs)
    substitute = substitute.detach().requires_grad_()
    found = []
    for best in (False, True):
        score = _score(batch, substitute, *others, best=best).sum()
        # Expected substitutions: (B, S, T) to (B, T, S), then a column of the rest.
        made = torch.autograd.grad(score, substitute)[0].transpose(1, 2)
        found.append(torch.cat((made, 1 - made.sum(dim=2, keepdim=True)), dim=2))
    return found[0], found[1].argmax(dim=2)


def _edits(batch, log_probs):
    """Log-probabilities of the substitutions, deletions, insertions and the end."""
    numbers = batch.substitute, batch.delete, batch.insert
    return (*(log_probs[x] for x in numbers), log_probs[-1])


def _score(batch, substitute, delete, insert, end, *, best=False):
    """Log-probability ``(B,)`` of each pair, or of its likeliest edits.

    Entry (s, t) of the table is that of the first s source and t target tokens.
    """
    inserted = F.pad(insert.cumsum(dim=1), (1, 0))  # (B, T + 1), as all rows
    row, rows = inserted, [inserted]
    for s in range(delete.shape[1]):
        deleted = row + delete[:, s, None]
        replaced = F.pad(row[:, :-1] + substitute[:, s], (1, 0), value=NEVER)
        if best:
            row = torch.where(replaced >= deleted, replaced, deleted)
            row = inserted + torch.cummax(row - inserted, dim=1).values
        else:
            row = torch.logaddexp(replaced, deleted)
            row = inserted + torch.logcumsumexp(row - inserted, dim=1)
        rows.append(row)
    numbers = torch.arange(len(delete))
    table = torch.stack(rows, dim=1)  # (B, S + 1, T + 1)
    return table[numbers, batch.n_source, batch.n_target] + end
