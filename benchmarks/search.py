"""Time of a small grid search: one job, two processes, two threads.

Run by hand, with nothing else to do for the machine:

    python benchmarks/search.py [--pairs N] [--epochs N] [--rounds N]

Four candidates are fitted on three folds of generated pairs, with a network of 32
units, and none is refitted. The three ways take turns. Printed are the seconds of
each and their ratio to one job in the same turn, then the medians of the ratios: below
1 is faster than one job. The start of the worker processes, which later searches of the
same program share, comes before all turns and is printed apart. Also checked is that
all ways find the same scores.

Torch takes all cores for one job and, in threads, for each of two; joblib gives each of
two processes half of them. ``OMP_NUM_THREADS=1`` gives every fit one thread.
"""

import argparse
import statistics
import time

import joblib
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_reverse

WAYS = {
    "n_jobs=1": (1, "loky"),
    "n_jobs=2, processes": (2, "loky"),
    "n_jobs=2, threads": (2, "threading"),
}
GRID = {"learning_rate": [0.002, 0.01], "dropout": [0.0, 0.2]}


def search(X, y, epochs, n_jobs, backend):
    """Return the seconds that a search takes, and its scores."""
    model = Seq2SeqTransformer(
        hidden_size=32, embedding_size=16, max_epochs=epochs, random_state=0
    )
    grid = GridSearchCV(model, GRID, cv=3, n_jobs=n_jobs, refit=False)
    start = time.perf_counter()
    with joblib.parallel_config(backend=backend):
        grid.fit(X, y)
    return time.perf_counter() - start, grid.cv_results_["mean_test_score"]


def main(pairs, epochs, rounds):
    """Let the ways take turns, and report."""
    X, y = make_reverse(pairs, max_length=8, random_state=0, return_X_y=True)
    print(f"{joblib.cpu_count()} cores, torch with {torch.get_num_threads()} threads")
    for name, way in WAYS.items():
        first, _ = search(X[:30], y[:30], 1, *way)
        print(f"first search, of 30 pairs, {name}: {first:.2f} s")
    ratios = {name: [] for name in WAYS}
    for _ in range(rounds):
        found = {name: search(X, y, epochs, *way) for name, way in WAYS.items()}
        one, scores = found["n_jobs=1"]
        for name, (seconds, own) in found.items():
            # The number of threads may change the last digits of a weight.
            np.testing.assert_allclose(own, scores, atol=0.02)
            ratios[name].append(seconds / one)
            print(f"{name:20} {seconds:7.2f} s {seconds / one:6.2f}")
    for name, own in ratios.items():
        print(f"median {name:20} {statistics.median(own):6.2f} of n_jobs=1")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=int, default=600)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    main(**vars(parser.parse_args()))
