"""Conformity scores of n-best tables, and their quantiles: numpy alone."""

import numpy as np

# Sums of weights and products with a coverage are exact up to this.
ROUNDING = 1e-9


def hypothesis_scores(table):
    """Minus the log-probability of each hypothesis of an n-best table; 0 for the best.

    Scores do not fall along a list: where a less probable hypothesis stands before, as
    with a length penalty, its score counts.
    """
    row, rank = np.asarray(table["row"]), np.asarray(table["rank"])
    scores = np.zeros((row.max() + 1, rank.max() + 1))
    scores[row, rank] = np.where(rank > 0, -np.asarray(table["log_probability"]), 0)
    return np.maximum.accumulate(scores, axis=1)[row, rank]


def conformity_scores(table, truths):
    """Score of the hypothesis that is the truth in each row of an n-best table.

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
    row, of_hypotheses = np.asarray(table["row"]), hypothesis_scores(table)
    scores = np.full(len(truths), np.inf)
    for k, sequence in enumerate(table["sequence"]):
        if _comparable(sequence) == truths[row[k]]:
            scores[row[k]] = min(of_hypotheses[k], scores[row[k]])
    return scores


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
