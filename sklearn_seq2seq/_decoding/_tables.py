"""Hypotheses as the columns of a table."""

import numpy as np


def first_of_alike(row, sequences):
    """Places of the first of each row's equal sequences, in order."""
    first = {}
    for k, (i, sequence) in enumerate(zip(row.tolist(), sequences, strict=True)):
        first.setdefault((i, repr(sequence)), k)
    return np.fromiter(first.values(), dtype=np.int64, count=len(first))


def as_column(sequences):
    """Rows of sequences as one column, whatever they are."""
    if sequences.ndim == 1:
        return sequences
    column = np.empty(len(sequences), dtype=object)
    column[:] = list(sequences)
    return column
