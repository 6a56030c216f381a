"""What holds for every `fit`: what a failure leaves, what `random_state` means."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state


@contextmanager
def unchanged_on_failure(estimator):
    """Leave an estimator as it was, fitted or not, where its `fit` fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def generator_of(random_state):
    """The RandomState of a parameter `random_state`; None stands for fresh entropy.

    scikit-learn's None draws from numpy's global state, and so moves it.
    """
    if random_state is None:
        return np.random.RandomState()
    return check_random_state(random_state)


def draw_seed(random_state):
    """Draw a seed from `random_state`."""
    return int(generator_of(random_state).randint(np.iinfo(np.int32).max))


class GroupedRows(np.ndarray):
    """Rows with the groups they are of: a Pipeline hands on nothing else to `fit`.

    Parts and copies have none.
    """

    groups = None

    def __repr__(self):
        return repr(self.view(np.ndarray))

    def __reduce__(self):
        return with_groups, (self.view(np.ndarray), self.groups)


def with_groups(rows, groups):
    """Give an array of rows its groups, of shape (n_samples,) or (n_samples, k)."""
    rows = rows.view(GroupedRows)
    rows.groups = groups
    return rows


def groups_of(X, groups=None):
    """The groups given, or else those that the rows have themselves."""
    own = X.groups if isinstance(X, GroupedRows) else None
    return own if groups is None else groups
