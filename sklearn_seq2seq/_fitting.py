"""What holds for every `fit`."""

from contextlib import contextmanager


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
