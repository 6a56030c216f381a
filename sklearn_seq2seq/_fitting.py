"""What every `fit` needs: failures without effect, seeds, numbers as parameters."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval


class Number(Interval):
    """Numbers of an interval as values of a parameter; True and False are none."""

    def is_satisfied_by(self, val):
        val = plain(val)
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def positive(kind=Integral):
    return Number(kind, 0, None, closed="neither")


def non_negative(kind=Integral):
    return Number(kind, 0, None, closed="left")


def check_count(name, value):
    """Refuse a value that is not a count of at least one."""
    if not positive().is_satisfied_by(value):
        raise ValueError(f"{name} must be a whole number from 1; got {value!r}.")


def plain(value):
    """A parameter with Python's numbers instead of numpy's, which torch may refuse."""
    for kind, python in (np.integer, int), (np.floating, float), (np.bool_, bool):
        if isinstance(value, kind):
            return python(value)
    return tuple(map(plain, value)) if type(value) is tuple else value


@contextmanager
def naming(argument):
    """Name an argument in errors of libraries that do not name it."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        if argument in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument} cannot be used: {error}") from error


@contextmanager
def unchanged_on_failure(estimator):
    """Restore an estimator, fitted or not, if its `fit` fails."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def generator_of(random_state):
    """The RandomState of a parameter `random_state`; None stands for fresh entropy.

    With scikit-learn, None draws from numpy's global state, and so changes it.
    """
    if random_state is None:
        return np.random.RandomState()
    with naming("random_state"):
        return check_random_state(random_state)


def draw_seed(random_state):
    """Draw a seed from `random_state`."""
    return int(generator_of(random_state).randint(np.iinfo(np.int32).max))


class NestedParametersMixin:
    """An estimator whose parts may be None: `set_params` then says what to pass."""

    def set_params(self, **params):
        """Set parameters, those of the parts included.

        Parameters
        ----------
        **params : dict
            Values by name; ``part__name`` is a parameter of a part.

        Returns
        -------
        self : estimator
            This estimator.
        """
        check_parts(self, params)
        return super().set_params(**params)


def check_parts(estimator, params):
    """Raise an error that says what to pass if a parameter's part is None."""
    for name in params:
        part, _, inner = name.partition("__")
        if inner and params.get(part, getattr(estimator, part, "")) is None:
            kind = (
                "SequenceVectorizer" if "vectorizer" in part else "Seq2SeqTransformer"
            )
            raise ValueError(
                f"{name} is a parameter of {part}, which is None by default. Pass "
                f"{part}={kind}()."
            )


class GroupedRows(np.ndarray):
    """Rows that carry their groups: a Pipeline passes nothing else on to `fit`.

    Parts and copies of them carry none.
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
    """The given groups, or else those that the rows carry."""
    if groups is None and isinstance(X, GroupedRows):
        return X.groups
    return groups
