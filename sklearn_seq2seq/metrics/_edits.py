"""Edits from references to predictions, and confusions of tokens."""

from collections import Counter
from itertools import chain

import numpy as np
from sklearn.utils import Bunch

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.metrics._pairs import cut_pair


class _Gap:
    def __str__(self):
        return "∅"

    def __repr__(self):
        return "GAP"

    def __reduce__(self):
        return "GAP"  # the object of this module, in copies and other processes too


GAP = _Gap()
"""The missing token of an insertion or a deletion; it equals no token."""


def edit_operations(y_true, y_pred, *, unit="token"):
    """List the fewest edits that turn each reference into its prediction.

    Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How to cut strings: at white space ("token", "word") or into characters. Lists
        of tokens and ids are used as they are.

    Returns
    -------
    Bunch
        Five arrays of shape (n_edits,), in the order of rows and positions:

        row : ndarray of int64
            The row of the edit.
        position : ndarray of int64
            The position in the reference, in units.
        kind : ndarray of str
            "replace", "insert" or "delete".
        reference : ndarray of object
            The reference's token, or `GAP` for an insertion.
        prediction : ndarray of object
            The prediction's token, or `GAP` for a deletion.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import edit_operations
    >>> edits = edit_operations(["F OW N"], ["F AO N IY"])
    >>> list(zip(edits.reference, edits.prediction))
    [('OW', 'AO'), (GAP, 'IY')]
    """
    return list_edits(*cut_pair(y_true, y_pred, unit))


def list_edits(y_true, y_pred):
    """`edit_operations` of sequences that are cut already."""
    levenshtein = import_optional("rapidfuzz.distance", "metrics").Levenshtein
    edits = [
        (
            row,
            place,
            kind,
            GAP if kind == "insert" else true[place],
            GAP if kind == "delete" else pred[target],
        )
        for row, (true, pred) in enumerate(zip(y_true, y_pred, strict=True))
        if true != pred
        for kind, place, target in levenshtein.editops(true, pred).as_list()
    ]
    names = ("row", "position", "kind", "reference", "prediction")
    dtypes = (np.int64, np.int64, str, object, object)
    columns = zip(*edits, strict=True) if edits else ((),) * len(names)
    return Bunch(
        **{
            name: np.array(column, dtype=dtype)
            for name, dtype, column in zip(names, dtypes, columns, strict=True)
        }
    )


def confusion_counts(y_true, y_pred, *, unit="token", matches=False):
    """Count the predicted tokens for each reference token.

    Rows are aligned by the fewest edits. Needs the extra ``metrics``.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,) or (n_samples, max_length)
        References: strings, lists of tokens or rows of token ids.
    y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
        Predictions, of the same kind.
    unit : {"token", "word", "char"}, default="token"
        How to cut strings: at white space ("token", "word") or into characters. Lists
        of tokens and ids are used as they are.
    matches : bool, default=False
        Whether to count correct tokens too.

    Returns
    -------
    dict of (reference, prediction) to int
        Most frequent first, ties in sorted order. `GAP` stands for the reference of an
        insertion and for the prediction of a deletion.

    Raises
    ------
    ImportError
        If rapidfuzz is not installed.
    TypeError
        If references and predictions are not of the same kind.
    ValueError
        If they differ in number, or there are none.

    Examples
    --------
    >>> from sklearn_seq2seq.metrics import confusion_counts
    >>> confusion_counts(["abc", "abd"], ["adc", "ad"], unit="char")
    {('b', 'd'): 1, ('b', GAP): 1}
    """
    y_true, y_pred = cut_pair(y_true, y_pred, unit)
    edits = list_edits(y_true, y_pred)
    counts = rank_confusions(edits)
    if matches:
        support, errors = count_errors(y_true, edits)
        right = {(token, token): n - errors[token] for token, n in support.items()}
        counts = _ranked(counts | {pair: n for pair, n in right.items() if n})
    return counts


def rank_confusions(edits):
    return _ranked(Counter(zip(edits.reference, edits.prediction, strict=True)))


def _ranked(counts):
    return dict(sorted(counts.items(), key=lambda item: (-item[1], *map(str, item[0]))))


def count_errors(y_true, edits):
    """Counts of each reference token, and of its replacements and deletions."""
    support = Counter(chain.from_iterable(y_true))
    return support, Counter(edits.reference[edits.kind != "insert"].tolist())
