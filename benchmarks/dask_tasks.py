"""What it takes to hand pairs to the tasks of a Dask cluster, by what they come in.

    python -m benchmarks.dask_tasks

sends pairs of sentences to tasks that only count them, over two processes on this
machine, and prints the seconds of 20 tasks and the bytes of one that brings its pairs.
"""

import argparse
import pickle
import time

import joblib
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster

from benchmarks._data import sentences
from benchmarks._measure import Settings


def count(X, y):
    """Count pairs, all of which have come."""
    return len(X) + len(y)


def seconds(client, pairs, n_tasks, **options):
    """Time of `n_tasks` tasks that all get the pairs."""
    start = time.perf_counter()
    with joblib.parallel_config("dask", client=client, **options):
        tasks = [joblib.delayed(count)(*pairs) for _ in range(n_tasks)]
        joblib.Parallel(batch_size=1)(tasks)
    return time.perf_counter() - start


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, default=10, help="of 10,000 pairs")
    parser.add_argument("--tasks", type=int, default=20)
    args = parser.parse_args()
    drawn = sentences(Settings())
    # Strings of their own, as those that are read from a file.
    lists = [[str(x) + " " for x in side * args.copies] for side in (drawn.X, drawn.y)]
    arrays = [np.array(side, dtype=object) for side in lists]
    columns = [pd.Series(side) for side in lists]
    n_bytes = len(pickle.dumps(lists))
    print(f"{len(lists[0]):,} pairs, {n_bytes / 1e6:.1f} MB", flush=True)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster) as client:
        seconds(client, ([1], [2]), args.tasks)  # what is first done once
        sides = {"lists": lists, "arrays": arrays, "columns": columns}
        for name, pairs in sides.items():
            for scatter in (None, pairs):
                taken = seconds(client, pairs, args.tasks, scatter=scatter)
                how = "" if scatter is None else ", scattered"
                print(f"{name}{how}: {taken:.2f} s", flush=True)


if __name__ == "__main__":
    main()
