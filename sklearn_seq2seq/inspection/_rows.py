"""Rows of data as tokens, for displays."""

from itertools import chain

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing

from sklearn_seq2seq._tokens import from_flat


def model_of(estimator, X):
    """The model in a search or a Pipeline, and how it reads sources.

    Returns
    -------
    model : Seq2SeqTransformer
    X : data
        The input of the model.
    vectorizer : SequenceVectorizer, ColumnVectorizer or None
        None if sources are ids of unknown meaning.
    """
    estimator = getattr(estimator, "best_estimator_", estimator)
    if not isinstance(estimator, Pipeline):
        return estimator, X, getattr(estimator, "source_vectorizer_", None)
    vectorizer = None
    if len(estimator) > 1:
        X = estimator[:-1].transform(X)
        cutting = [s for _, s in estimator.steps if hasattr(s, "vocabulary_")]
        vectorizer = cutting[-1] if cutting else None
    model, X, own = model_of(estimator[-1], X)
    return model, X, own or vectorizer


def one_row(data, row):
    if isinstance(data, str | bytes):
        raise ValueError(f"X and y hold one entry a row; wrap {data!r:.60} in a list.")
    if hasattr(data, "__len__") or hasattr(data, "shape"):
        return _safe_indexing(data, [row])
    return [list(data)[row]]


def token_strings(rows, vectorizer):
    """The tokens of a single row of text or ids, as strings."""
    extras = []
    if vectorizer is None or sparse.issparse(rows):
        ids = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
        ids = ids[ids != 0].ravel().tolist()
        if vectorizer is None:
            return list(map(str, ids))
    else:
        tokens, extras = vectorizer._transform_with_extras(vectorizer._check_rows(rows))
        ids = tokens.data.tolist()
    if not ids:
        return []
    # Each token as a row, which the vectorizer writes as a string, a list or a tuple.
    single = from_flat(ids, np.ones(len(ids), dtype=int), 1)
    alone = vectorizer._inverse_with_extras(single, extras)
    return ["".join(chain.from_iterable(token)) for token in alone]
