"""Time of a small grid search with one and with two jobs."""

import statistics
import time

import numpy as np
from sklearn.model_selection import GridSearchCV

from benchmarks._measure import Row, by_turns, median_ratio
from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_reverse

GRID = {"learning_rate": [0.002, 0.01], "dropout": [0.0, 0.2]}


def measure_search(settings):
    """Time of two processes over that of one; always the wall's.

    Four candidates are fitted on three folds of generated pairs, with a network of 32
    units. Joblib gives each of two processes half of the cores. The start of the
    processes, which later searches of the same program share, comes before and is kept
    apart.
    """
    pairs, epochs = settings.pick(600, 60), settings.pick(10, 1)
    X, y = make_reverse(pairs, max_length=8, random_state=0, return_X_y=True)
    scores = {}

    def search(n_jobs, X=X, y=y):
        model = Seq2SeqTransformer(
            hidden_size=32, embedding_size=16, max_epochs=epochs, random_state=0
        )
        grid = GridSearchCV(model, GRID, cv=3, n_jobs=n_jobs, refit=False)
        start = time.perf_counter()
        grid.fit(X, y)
        scores[n_jobs] = grid.cv_results_["mean_test_score"]
        return time.perf_counter() - start

    first = search(2, X[:30], y[:30])
    one, two = by_turns([lambda: search(1), lambda: search(2)], settings.pick(3, 1))
    # The number of threads may change the last digits of a weight.
    np.testing.assert_allclose(scores[1], scores[2], atol=0.02)
    yield Row(
        "search",
        "time of a grid search, n_jobs 2 over 1",
        median_ratio(two, one),
        (None, 1.0),
        statistics.median(two),
        statistics.median(one),
        "s",
        {"first search with two processes": first, "seconds": [two, one]},
    )
