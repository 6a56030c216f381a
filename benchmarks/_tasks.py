"""Other tasks than pronunciation, of data that packages bring: a lesson and a test.

Proper names and abbreviations, which follow no rule, are left out.
"""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq.datasets import load_lemmas, load_misspellings


def misspellings():
    """English words as they are misspelt, to be corrected; the test's words are new."""
    typed, meant = load_misspellings(n_words=2400, random_state=0, return_X_y=True)
    return _split_by_target(typed, meant)


def lemmas():
    """French words and what they are under in a dictionary; no lemma is in both."""
    return _split_by_target(
        *load_lemmas("fr", n_words=6000, random_state=0, return_X_y=True)
    )


def _split_by_target(X, y):
    plain = np.char.islower(X.astype(str)) & np.char.islower(y.astype(str))
    X, y = X[plain], y[plain]
    split = GroupShuffleSplit(1, test_size=0.2, random_state=0)
    train, test = next(split.split(X, groups=y.astype(str)))
    return (X[train], y[train]), (X[test], y[test])


TASKS = {"misspellings": misspellings, "lemmas": lemmas}
