"""Conformity scores of n-best tables, and their quantiles: numpy alone."""

import numpy as np

# Sums of weights and products with a coverage are exact up to this.
ROUNDING = 1e-9


def conformity_scores(table, truths):
    """Probability of all hypotheses before the truth in each row of an n-best table.

    Parameters
    ----------
    table : DataFrame or record array
        As of `predict_nbest`.
    truths : sequence
        The targets, as they are written.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Infinite where no hypothesis is the truth.
    """
    truths = list(map(_comparable, truths))
    row, before = np.asarray(table["row"]), probability_before(table)
    scores = np.full(len(truths), np.inf)
    for k, sequence in enumerate(table["sequence"]):
        if _comparable(sequence) == truths[row[k]]:
            scores[row[k]] = min(before[k], scores[row[k]])
    return scores


def probability_before(table):
    """Probability of all hypotheses before each one in its row of an n-best table."""
    row, rank = np.asarray(table["row"]), np.asarray(table["rank"])
    mass = np.zeros((row.max() + 1, rank.max() + 2))
    mass[row, rank + 1] = table["probability"]
    return np.cumsum(mass, axis=1)[row, rank]


def weighted_quantile(scores, weights, level):
    """The least score up to which the weights are `level` in sum; infinite if none."""
    order = np.argsort(scores, kind="stable")
    k = np.searchsorted(np.cumsum(weights[order]), level - ROUNDING)
    return scores[order[k]] if k < len(order) else np.inf


def weigh_groups(groups, rows):
    """Weights of calibration rows: those of a group are 1 in sum."""
    if groups is None:
        return np.ones(len(rows))
    groups = groups[rows]
    return 1 / np.bincount(groups)[groups]


def count_groups(weights):
    """The number of groups, or of pairs without groups."""
    return round(weights.sum())


def _comparable(sequence):
    if isinstance(sequence, np.ndarray):  # ids, of which zeros are no tokens
        return sequence[sequence > 0].tolist()
    return sequence
