"""`audit_pairs`: every pair as a model sees it that has not learned it."""

import warnings
from numbers import Integral

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils.parallel import Parallel, delayed

from sklearn_seq2seq._optional import as_table
from sklearn_seq2seq._text._check_input import check_raw, is_raw
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
        Pairs that belong together; none is judged by a model that has learned another
        of its group. None makes a group of the pairs that have the same source.
    cv : int or splitter, default=None
        The number of folds, 5 for None, or how to split. Each pair must be in one test
        part. With n folds n models are fitted.
    n_jobs : int, default=None
        Number of folds to fit at once. None means 1 unless in a
        :obj:`joblib.parallel_backend` context; -1 means all processors.

    Returns
    -------
    DataFrame
        One row a pair, in ascending order of "probability" (a record array if pandas is
        not installed):

        - "row", the pair's place in `X` and `y`;
        - "source" and "target", as they were given;
        - "predicted", what the model would have written;
        - "probability" of the target's least probable token, between 0 and 1. One wrong
          token makes a target wrong, whatever its length;
        - "log_likelihood" of the whole target, in nats.

    Raises
    ------
    AttributeError
        If the estimator has no `log_likelihood`.
    ValueError
        If a row is invalid, lengths differ, there are fewer groups than folds, or a
        pair is in no test part or in several.

    See Also
    --------
    Seq2SeqTransformer.log_likelihood : The same of a fitted model, for new pairs.
    sklearn.model_selection.cross_val_predict : Predictions alone.

    Notes
    -----
    A pair of which there is no other of its kind is as doubtful as a wrong one; look at
    the pair before you change it. Label smoothing makes all tokens less probable, and
    hardly changes their order.

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
    X, y = _rows(X, "X"), _rows(y, "y")
    check_consistent_length(X, y, groups)
    if groups is None:
        groups = _same_sources(X)
    if cv is None or isinstance(cv, Integral):
        cv = GroupKFold(n_splits=5 if cv is None else cv)
    folds = list(cv.split(X, y, groups))
    judged = np.concatenate([rows for _, rows in folds])
    _check_judged_once(judged, len(groups))
    found = Parallel(n_jobs=n_jobs)(
        delayed(_judge)(clone(estimator), X, y, *fold) for fold in folds
    )
    predicted, least, whole = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((judged, whole, least))
    rows = judged[order]
    return as_table(
        {
            "row": rows,
            "source": _cells(_safe_indexing(X, rows)),
            "target": _cells(_safe_indexing(y, rows)),
            "predicted": predicted[order],
            "probability": np.exp(least[order]),
            "log_likelihood": whole[order],
        }
    )


def _judge(estimator, X, y, learned, judged):
    """Fit on some rows; predictions, least and whole log-probabilities of others."""
    estimator.fit(_safe_indexing(X, learned), _safe_indexing(y, learned))
    X, y = _safe_indexing(X, judged), _safe_indexing(y, judged)
    model, sources, _ = model_of(estimator, X)
    of_tokens = model.log_likelihood(sources, y, per_token=True)
    least, whole = ([f(row) for row in of_tokens] for f in (np.min, np.sum))
    with warnings.catch_warnings():
        # It would name a row of the fold; the row's probability tells as much.
        warnings.filterwarnings("ignore", ".* ended by max_length")
        predicted = estimator.predict(X)
    return _cells(predicted), least, whole


def _rows(data, name):
    """Rows that can be taken apart; text is checked, so that errors name its rows."""
    several = len(getattr(data, "shape", ())) == 2 and data.shape[1] > 1
    return check_raw(data, name) if is_raw(data) and not several else data


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
    elif hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    return np.fromiter(rows, dtype=object, count=len(rows))


def _check_judged_once(judged, n_samples):
    times = np.bincount(judged, minlength=n_samples)
    if (times != 1).any():
        row = int(np.argmax(times != 1))
        raise ValueError(
            "cv must put every pair into one test part, as KFold and GroupKFold do; "
            f"it puts row {row} into {times[row]}."
        )
