"""
A search on a Dask cluster
==========================

A grid search over the processes of a cluster (``pip install 'sklearn_seq2seq[dask]'``):
two on this machine, or those of a scheduler that is there already::

    python examples/dask_search.py
    python examples/dask_search.py --scheduler tcp://HOST:8786 --folder /shared/fits

Every fit keeps its state in the folder, which all workers must see. Kill a worker, or
all, or this script: the same command again takes finished fits as they are and goes on
with those that were cut.
"""

import argparse
from pathlib import Path

import joblib
import numpy as np
from distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_dates


def search_on(client, folder, n_samples=1000, max_epochs=5):
    """Search over two parameters, a fit a process of the cluster at a time."""
    X, y = make_dates(n_samples=n_samples, random_state=0, return_X_y=True)
    # Arrays, which each worker is sent once: lists would go with every fit.
    X, y = np.asarray(X, dtype=object), np.asarray(y, dtype=object)
    model = Seq2SeqTransformer(
        hidden_size=64,  # small, for speed
        max_epochs=max_epochs,
        checkpoint=folder,
        random_state=0,
    )
    grid = {"learning_rate": [0.002, 0.005], "batch_size": [16, 64]}
    search = GridSearchCV(model, grid, cv=3)
    client.wait_for_workers(2)  # a single one would leave all to this process
    with joblib.parallel_config("dask", scatter=[X, y]):
        search.fit(X, y)
    return search


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scheduler", help="address; default: a cluster of two here")
    parser.add_argument("--folder", type=Path, default="fits")
    args = parser.parse_args()
    args.folder.mkdir(exist_ok=True)
    # One thread a process: small networks are fastest so.
    address = args.scheduler or LocalCluster(n_workers=2, threads_per_worker=1)
    with Client(address) as client:
        search = search_on(client, args.folder)
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        print(f"{score:.3f} {params}")


if __name__ == "__main__":
    main()
