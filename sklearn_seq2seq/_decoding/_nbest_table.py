"""The table of `predict_nbest`.

This module needs neither torch nor scikit-learn, since the runtime uses it too.
"""

import numpy as np

from sklearn_seq2seq._tokens import lengths


@np.errstate(under="ignore")
def nbest_columns(row, rank, log_probability, tokens, sequences, *, distinct):
    """The columns of the table, by name.

    Parameters
    ----------
    row, rank : ndarray of int, shape (n_hypotheses,)
        In ascending order.
    log_probability : ndarray of float, shape (n_hypotheses,)
    tokens : token array of n_hypotheses rows
    sequences : ndarray, shape (n_hypotheses,) or (n_hypotheses, width)
        The hypotheses as `predict` returns them.
    distinct : bool
        Whether to keep only the likeliest of a source's hypotheses with equal strings.
    """
    columns = {
        "row": row,
        "rank": rank,
        "sequence": _as_column(sequences),
        "log_probability": log_probability,
        "probability": np.exp(log_probability),
        "mean_probability": np.exp(log_probability / (lengths(tokens) + 1)),
    }
    if distinct:
        first = {}
        for k, (i, sequence) in enumerate(
            zip(row.tolist(), columns["sequence"], strict=True)
        ):
            first.setdefault((i, repr(sequence)), k)
        kept = np.fromiter(first.values(), dtype=np.int64, count=len(first))
        columns = {name: column[kept] for name, column in columns.items()}
        row = columns["row"]
        columns["rank"] = np.arange(len(row)) - np.searchsorted(row, row)
    return columns


def _as_column(sequences):
    """Sequences as one column: strings as they are, rows of ids as objects."""
    if sequences.ndim == 1:
        return sequences
    column = np.empty(len(sequences), dtype=object)
    column[:] = list(sequences)
    return column
