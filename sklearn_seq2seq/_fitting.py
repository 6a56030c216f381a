"""What holds for every `fit`: a failure, `random_state`, numbers as parameters."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval


class Number(Interval):
    """The numbers of an interval that a parameter may be; True is none."""

    def is_satisfied_by(self, val):
        val = plain(val)
        return not isinstance(val, bool) and super().is_satisfied_by(val)


def positive(kind=Integral):
    return Number(kind, 0, None, closed="neither")


def non_negative(kind=Integral):
    return Number(kind, 0, None, closed="left")


def check_count(name, value):
    """Refuse what is no count of at least one."""
    if not positive().is_satisfied_by(value):
        raise ValueError(f"{name} must be a whole number from 1; got {value!r}.")


def plain(value):
    """A parameter with Python's numbers for numpy's, of which torch knows few."""
    for kind, python in (np.integer, int), (np.floating, float), (np.bool_, bool):
        if isinstance(value, kind):
            return python(value)
    return tuple(map(plain, value)) if type(value) is tuple else value


@contextmanager
def naming(argument):
    """Name an argument in the errors of libraries that do not."""
    try:
        yield
    except (TypeError, ValueError, OverflowError) as error:
        if argument in str(error):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{argument} cannot be used: {error}") from error


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


class NestedParametersMixin:
    """Parameters of an estimator's parts, where a part is left at its default, None."""

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
    """Say what to pass where a parameter is of a part that is None."""
    for name in params:
        part, _, inner = name.partition("__")
        if inner and params.get(part, getattr(estimator, part, "")) is None:
            kind = (
                "SequenceVectorizer" if "vectorizer" in part else "Seq2SeqTransformer"
            )
            raise ValueError(
                f"{name} is a parameter of {part}, which is None, the default. Pass "
                f"{part}={kind}()."
            )


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
