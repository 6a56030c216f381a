"""`audit_pairs`: every pair as a model sees it that has not learned it."""

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_consistent_length
from sklearn.utils.parallel import Parallel, delayed

from sklearn_seq2seq._optional import as_table
from sklearn_seq2seq._text._check_input import (
    check_raw,
    is_raw,
    readable_twice,
    take,
)
from sklearn_seq2seq.inspection._rows import model_of


def audit_pairs(estimator, X, y, *, groups=None, cv=None, n_jobs=None):
    """Judge every pair by a model that has not learned it; the most doubtful first.

    Wrong targets among right ones come to the top, as a model of the other pairs finds
    them improbable [1]_. Those below them tell how sure it is of the right ones.

    Parameters
    ----------
    estimator : estimator
        A model with `log_likelihood`, fitted or not, or a Pipeline or search with one.
        Clones of it are fitted.
    X : array-like of shape (n_samples,) or (n_samples, n_columns)
        Sources: strings, lists of tokens, columns, or rows of token ids.
    y : array-like of shape (n_samples,) or (n_samples, max_length)
        Their targets.
    groups : array-like of shape (n_samples,), default=None
        Pairs that belong together, which a number of folds keeps in one fold; splitters
        get them too. With a number of folds, None makes a group of the pairs that have
        the same source.
    cv : int, splitter or iterable of (train, test) rows, default=None
        The number of folds, 5 for None, or how to split. Each pair must be in one test
        part. With n folds n models are fitted.
    n_jobs : int, default=None
        Number of folds to fit at once. None means 1 unless in a
        :obj:`joblib.parallel_backend` context; -1 means all processors.

    Returns
    -------
    DataFrame
        One row a pair, in ascending order of "score" (a record array if pandas is not
        installed):

        - "row", the pair's place in `X` and `y`;
        - "source" and "target", as they were given;
        - "predicted", what the model would have written;
        - "score", between 0 and 1: the geometric mean of two probabilities, that of the
          target's least probable token and the geometric mean of all. One wrong token
          makes a target doubtful whatever its length, and several more so;
        - "log_likelihood" of the whole target, in nats.

    Raises
    ------
    TypeError
        If the estimator has no `log_likelihood`.
    ValueError
        If a row is invalid, lengths differ, there are fewer groups than folds, a pair
        is in no test part or in several, or a source would be read in chunks. Where
        rows are columns or ids, the message counts them within a fold.

    See Also
    --------
    Seq2SeqTransformer.log_likelihood : The same of a fitted model, for new pairs.
    sklearn.model_selection.cross_val_predict : Predictions alone.

    Notes
    -----
    A pair that is unlike all others is as doubtful as a wrong one, so look at a pair
    before you change it. Label smoothing makes all tokens less probable.

    References
    ----------
    .. [1] Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in
       dataset labels", Journal of Artificial Intelligence Research 70, 2021.

    Examples
    --------
    >>> from sklearn_seq2seq import Seq2SeqTransformer
    >>> from sklearn_seq2seq.datasets import make_reverse
    >>> from sklearn_seq2seq.inspection import audit_pairs
    >>> X, y = make_reverse(
    ...     120, alphabet="abcd", max_length=4, random_state=0, return_X_y=True
    ... )
    >>> y[7] = "aaaa"
    >>> model = Seq2SeqTransformer(
    ...     hidden_size=32, learning_rate=0.01, max_epochs=30, random_state=0
    ... )
    >>> audit = audit_pairs(model, X, y, cv=2)
    >>> print(audit[["row", "source", "target", "predicted"]].head(1))
       row source target predicted
    0    7   bdcc   aaaa      ccdb
    """
    _check_has_log_likelihood(estimator)
    X, y = _rows(X, "X"), _rows(y, "y")
    check_consistent_length(X, y, groups)
    if cv is None or isinstance(cv, Integral):
        cv = GroupKFold(n_splits=5 if cv is None else cv)
        groups = _same_sources(X) if groups is None else groups
    folds = list(check_cv(cv).split(X, y, groups))
    judged = np.concatenate([rows for _, rows in folds])
    _check_judged_once(judged, len(_cells(y)))
    found = Parallel(n_jobs=n_jobs)(
        delayed(_judge)(clone(estimator), X, y, *fold) for fold in folds
    )
    predicted, score, whole = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((judged, whole, score))
    rows = judged[order]
    return as_table(
        {
            "row": rows,
            "source": _cells(take(X, rows)),
            "target": _cells(take(y, rows)),
            "predicted": predicted[order],
            "score": np.exp(score[order]),
            "log_likelihood": whole[order],
        }
    )


def _judge(estimator, X, y, learned, judged):
    """Fit on some rows; predictions, log-scores and log-likelihoods of others."""
    estimator.fit(take(X, learned), take(y, learned))
    X, y = take(X, judged), take(y, judged)
    model, sources, _ = model_of(estimator, X)
    of_tokens = model.log_likelihood(sources, y, per_token=True)
    score = [(row.min() + row.mean()) / 2 for row in of_tokens]
    with warnings.catch_warnings():
        # It would name a row of the fold; the row's score tells as much.
        warnings.filterwarnings("ignore", ".* ended by max_length")
        predicted = estimator.predict(X)
    return _cells(predicted), score, list(map(np.sum, of_tokens))


def _rows(data, name):
    """Rows that can be taken apart. Text is checked, so that errors name its rows."""
    data = readable_twice(data)
    tuples = isinstance(data, list) and data and isinstance(data[0], tuple)
    if is_raw(data) and not tuples and len(getattr(data, "shape", (0,))) == 1:
        check_raw(data, name)
    return data


def _same_sources(X):
    """A number for each row, the same for the same rows."""
    found = {}
    return [found.setdefault(_key(row), len(found)) for row in _cells(X)]


def _key(row):
    return tuple(map(_key, row)) if isinstance(row, list | tuple | np.ndarray) else row


def _cells(rows):
    """Rows as an object array, one item a row."""
    if sparse.issparse(rows):
        rows = rows.toarray()
    elif hasattr(rows, "to_pylist"):  # Arrow's
        rows = rows.to_pylist()
    elif hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    return np.fromiter(rows, dtype=object, count=len(rows))


def _check_has_log_likelihood(estimator):
    model = estimator
    while not hasattr(model, "log_likelihood"):
        if isinstance(model, Pipeline):
            model = model[-1]
        elif isinstance(model, BaseSearchCV):
            model = model.estimator
        else:
            raise TypeError(
                "audit_pairs needs a model with log_likelihood; a "
                f"{type(model).__name__} has none."
            )


def _check_judged_once(judged, n_samples):
    times = np.bincount(judged, minlength=n_samples)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise ValueError(
            "cv must put every pair into one test part, as KFold and GroupKFold do; "
            f"it puts row {row} into {times[row]}."
        )
