"""
A file larger than memory
=========================

Pairs come from a Parquet file that is larger than the memory which this process allows
itself (Linux only)::

    python examples/larger_than_memory.py --megabytes 1000

The file holds documents and their first letters. It is written piece by piece and
read piece by piece into a `PairCorpus`, on which a model is trained; to read the file
as a whole is tried at the end, and fails.
"""

import argparse
import os
import resource
import tempfile
from pathlib import Path

# Its own pools take more than they use, which counts here.
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"

import numpy as np
import pyarrow
from pyarrow.parquet import ParquetFile, ParquetWriter, read_table

from sklearn_seq2seq import PairCorpus, Seq2SeqTransformer, SequenceVectorizer

SCHEMA = pyarrow.schema([(name, pyarrow.string()) for name in ("source", "target")])


def write_documents(path, n_bytes):
    """Write pairs until the file has that many bytes."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), (50, 100))
    words = ["".join(row) for row in letters]
    documents = [" ".join(row) for row in rng.choice(words, (500, 20))]
    plain = {"compression": "none", "use_dictionary": False}
    with ParquetWriter(path, SCHEMA, **plain) as writer:
        while path.stat().st_size < n_bytes:
            sources = [documents[i] for i in rng.integers(0, 500, 2048)]
            targets = [source[:2] for source in sources]
            piece = [pyarrow.array(sources), pyarrow.array(targets)]
            writer.write_batch(pyarrow.record_batch(piece, SCHEMA))


def pieces_of(path):
    """Open the file anew; by itself pyarrow would keep all that it has read."""
    return ParquetFile(path, pre_buffer=False).iter_batches(1024)


def in_use():
    """Memory of this process that is no file's, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) // 1000 for x in lines if x.startswith("VmData"))


def run(folder, megabytes):
    """Write the file, encode it, train, predict."""
    limit = megabytes * 10**6
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    path = folder / "documents.parquet"
    write_documents(path, limit)
    size = path.stat().st_size // 10**6
    print(f"{size} MB of documents, {in_use()} of {megabytes} MB in use")

    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(analyzer="word"),
        hidden_size=8,  # small, for speed: it is to fill the disk, not to learn
        embedding_size=8,
        attention="dot",
        max_source_length=2,
        long_source="truncate_end",
        batch_size=512,
        max_epochs=1,
        random_state=0,
    )
    corpus = PairCorpus.write(folder / "corpus", lambda: pieces_of(path), model)
    print(f"{len(corpus)} pairs encoded, {in_use()} MB in use")
    model.fit(corpus)
    print(f"trained: loss {model.history_[-1]['train_loss']:.2f}, {in_use()} MB in use")
    piece = next(pieces_of(path))
    print(f"predicted: {model.predict(piece['source'])[0]!r}")
    try:
        read_table(path)["source"].to_pylist()
    except MemoryError:
        # What is left can be too little even for the process to end.
        resource.setrlimit(resource.RLIMIT_DATA, before)
        print("As a whole it is too large.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--megabytes", type=int, default=1000, help="the limit")
    with tempfile.TemporaryDirectory() as folder:
        run(Path(folder), parser.parse_args().megabytes)
