"""Memory of a fit on a million pairs: the encoded corpus, and the process at its peak.

    python benchmarks/memory.py [n_pairs] [seconds of training]

Pairs of ten letters are generated, then encoded and trained on for a while. Printed are
bytes a token of the two token arrays, and the resident memory of the process after each
stage, in MB.
"""

import os
import resource
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from skorch.callbacks import Callback

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer


def resident():
    """Resident memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def report(stage):
    """Print where the script is, and with how much memory."""
    print(f"{time.perf_counter() - START:6.1f} s {resident():8.0f} MB  {stage}")


class Steps(Callback):
    """Counts the steps."""

    def __init__(self, seen):
        self.seen = seen

    def on_train_begin(self, net, X=None, **kwargs):
        """Report memory before the first step."""
        report("data read, training begins")

    def on_batch_end(self, net, training=False, **kwargs):
        """Count a step."""
        self.seen.append(training)


def main(n_pairs=1_000_000, seconds=60.0):
    """Generate, encode, train twice and report."""
    report("imports")
    rng = np.random.default_rng(0)
    letters = rng.integers(97, 123, size=(n_pairs, 10), dtype=np.uint32)
    words = letters.view("U10")[:, 0].tolist()
    del letters
    report(f"{n_pairs:,} sources, each its own target, as strings")
    tokens = SequenceVectorizer().fit_transform(words)
    n_bytes = tokens.data.nbytes + tokens.indices.nbytes
    print(
        f"corpus: {n_bytes / tokens.nnz:.1f} bytes a token and "
        f"{tokens.indptr.nbytes / n_pairs:.1f} a row, "
        f"{(n_bytes + tokens.indptr.nbytes) / 1e6:.0f} MB a side"
    )
    del tokens
    report("one side encoded, and dropped again")
    steps = []
    for early_stopping in (False, True):
        model = Seq2SeqTransformer(
            max_time=seconds / 2,
            early_stopping=early_stopping,
            callbacks=[Steps(steps)],
            random_state=0,
        )
        model.fit(words)
        report(f"trained, early_stopping={early_stopping}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{sum(steps)} steps; peak {peak:.0f} MB")


if __name__ == "__main__":
    START = time.perf_counter()
    main(*(kind(arg) for kind, arg in zip((int, float), sys.argv[1:], strict=False)))
