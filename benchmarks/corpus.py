"""Pairs on disk, from thousands to tens of millions: time and memory of every stage.

    python -m benchmarks.corpus --pairs 10000 100000 1000000 10000000

Words of up to ten letters and their reversals are written into a Parquet file, encoded
into a `PairCorpus`, read batch by batch without a network (up to a million of them),
trained on for one epoch of a small network, and decoded (up to 65,536). Each stage has
a process and a line of the table: seconds of the processor, with one thread;
microseconds a pair; and the most resident memory, in MB, libraries and mapped files
included. ``--max-time`` breaks the epoch off; the seconds of a whole one are then made
from those of its steps so far. With ``--rounds`` the corpora are then trained on by
turns, since other work on the machine moves times more than their size does. All is
written into a folder under ``--folder``, and deleted.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.parquet
import torch
from skorch.callbacks import Callback

from benchmarks._measure import apart
from sklearn_seq2seq import PairCorpus, Seq2SeqTransformer, load, save
from sklearn_seq2seq._pairs._batches import TrainingBatches
from sklearn_seq2seq.datasets import make_reverse

# Pairs that are in memory at a time.
PIECE = 2**16
# Pairs that are read as batches, and sources that are decoded, at most.
READ, DECODED = 10**6, 2**16


def generate(file, n_pairs):
    """Write pairs, a row group for each piece."""
    schema = pyarrow.schema(
        [("source", pyarrow.string()), ("target", pyarrow.string())]
    )
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for seed, start in enumerate(range(0, n_pairs, PIECE)):
            size = min(PIECE, n_pairs - start)
            pair = make_reverse(size, max_length=10, random_state=seed, return_X_y=True)
            writer.write_batch(
                pyarrow.record_batch([pyarrow.array(x) for x in pair], schema)
            )
    return n_pairs, {"bytes": file.stat().st_size}


def pieces_of(file):
    """Read the file anew."""
    # By itself pyarrow keeps what it has read of a file until the last piece.
    return pyarrow.parquet.ParquetFile(file, pre_buffer=False).iter_batches(PIECE)


def encode(file, folder):
    """Write the corpus."""
    corpus = PairCorpus.write(folder, lambda: pieces_of(file), small_network())
    n_bytes = sum(part.stat().st_size for part in folder.iterdir())
    return len(corpus), {"bytes": n_bytes}


def small_network(**params):
    """A network of which a step takes little, so that all else shows."""
    return Seq2SeqTransformer(
        hidden_size=16,
        num_layers=1,
        embedding_size=16,
        attention="general",
        copy=False,
        batch_size=256,
        max_epochs=1,
        random_state=0,
        **params,
    )


def batches(folder):
    """Plan an epoch and make its batches."""
    start = time.process_time()
    found = TrainingBatches(PairCorpus(folder)._open(), small_network().batch_size)
    plan, n_pairs = found.plan(), 0
    before = time.process_time() - start
    start = time.process_time()
    for rows in plan:
        n_pairs += len(found.dataset.__getitems__(rows)[0]["target"])
        if n_pairs >= READ:
            break
    return n_pairs, {"seconds": time.process_time() - start, "before": before}


class Steps(Callback):
    """Notes when steps began and ended, and of how many pairs they were."""

    def __init__(self, log):
        self.log = log

    def on_batch_begin(self, net, **kwargs):
        """Note when the first one began."""
        self.log.setdefault("began", time.process_time())

    def on_batch_end(self, net, batch=None, **kwargs):
        """Note what has been trained on."""
        self.log["pairs"] = self.log.get("pairs", 0) + len(batch[1]["positions"])
        self.log["ended"] = time.process_time()


def fit(folder, model_file, max_time):
    """Train one epoch, or `max_time` seconds of it."""
    torch.set_num_threads(1)
    start = time.process_time()
    corpus, log = PairCorpus(folder), {}
    model = small_network(max_time=max_time, callbacks=[Steps(log)]).fit(corpus)
    save(model, model_file)
    steps = (log["ended"] - log["began"]) / log["pairs"]
    before = log["began"] - start
    return len(corpus), {"seconds": before + steps * len(corpus), "before": before}


def predict(file, model_file):
    """Decode pieces of the file, of which one is in memory at a time."""
    torch.set_num_threads(1)
    model, n_rows = load(model_file), 0
    for piece in pieces_of(file):
        n_rows += len(model.predict(piece["source"]))
        if n_rows >= DECODED:
            break
    return n_rows, {}


def timed(stage, *args):
    """What a stage says of itself, with the processor's seconds."""
    start = time.process_time()
    n_pairs, figures = stage(*args)
    return n_pairs, {"seconds": time.process_time() - start} | figures


def report(stage, *args):
    """Run a stage, print its line and return its microseconds a pair."""
    (n_pairs, found), peak = apart(timed, stage, *args)
    each = found["seconds"] / n_pairs * 1e6
    more = ""
    if "bytes" in found:
        more = f"  {found['bytes'] / n_pairs:.1f} bytes a pair"
    if "before" in found:
        more = f"  {found['before']:.1f} s before the first batch"
    print(
        f"{n_pairs:11,} {stage.__name__:9} {found['seconds']:8.1f} {each:10.2f} "
        f"{peak:6.0f}{more}",
        flush=True,
    )
    return each


def run(folder, n_pairs, max_time):
    """All stages of one corpus."""
    file, corpus, model = (
        folder / name for name in ("pairs.parquet", "pairs", "model")
    )
    report(generate, file, n_pairs)
    report(encode, file, corpus)
    report(batches, corpus)
    report(fit, corpus, model, max_time)
    report(predict, file, model)


def main(argv=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.corpus", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--pairs", type=int, nargs="+", default=[10**4, 10**5, 10**6])
    parser.add_argument("--max-time", type=float, help="seconds of an epoch, at most")
    parser.add_argument("--rounds", type=int, default=0, help="fits more, by turns")
    parser.add_argument("--folder", help="where to write; the system's by default")
    args = parser.parse_args(argv)
    print(f"{'pairs':>11} stage     {'s':>8} {'µs a pair':>10} {'MB':>6}", flush=True)
    with tempfile.TemporaryDirectory(dir=args.folder) as top:
        for n_pairs in args.pairs:
            folder = Path(top, str(n_pairs))
            folder.mkdir()
            run(folder, n_pairs, args.max_time)
        taken = {n_pairs: [] for n_pairs in args.pairs}
        for _ in range(args.rounds):
            for n_pairs, found in taken.items():
                folder = Path(top, str(n_pairs))
                places = folder / "pairs", folder / "model"
                found.append(report(fit, *places, args.max_time))
        if args.rounds:
            for n_pairs, found in taken.items():
                print(f"{n_pairs:11,} fit, median {statistics.median(found):19.2f}")


if __name__ == "__main__":
    main()
