"""Summaries of docstrings: ROUGE against the lead, the first sentence of the source.

The pairs are those of `load_docstring_summaries`: what is installed decides how many
there are. One group of near-duplicates in ten is held out for the test, and one in ten
of the others for validation, which the fit never sees. A network reads each description
alone ("plain"), or the summary of the most similar description before it ("memory")::

    python -m benchmarks.summarisation
    python -m benchmarks.summarisation --split test --seeds 0 1 2 --networks memory
    python -m benchmarks.summarisation --pairs 3000 --set hidden_size=128

It prints a line for each floor and each network and seed: ROUGE-1, ROUGE-2 and ROUGE-L
(F1, in percent) and the CPU time of a fit; the means over several seeds with their
standard errors; then ten held-out rows of the last network, the first ones, as they
come.
"""

import argparse
import re
import time

import numpy as np
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline

from benchmarks._setting import setting
from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqTransformer,
    SequenceVectorizer,
    TranslationMemory,
)
from sklearn_seq2seq.datasets import load_docstring_summaries
from sklearn_seq2seq.metrics import rouge_score

VARIANTS = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
NETWORKS = ("plain", "memory")


def lead(texts):
    """The first sentence of each text."""
    return [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in texts]


def split(docs, part):
    """Rows to learn from, and held-out rows of other groups."""
    splitter = GroupShuffleSplit(1, test_size=0.1, random_state=0)
    rest, test = next(splitter.split(docs.data, groups=docs.groups))
    train, val = next(splitter.split(rest, groups=docs.groups[rest]))
    return rest[train], test if part == "test" else rest[val]


def make_model(seed, n_words, *, memory):
    """The same network with and without a memory.

    The match comes first, since long descriptions are cut at their end.
    """
    words = SequenceVectorizer(
        analyzer="word", max_features=n_words, handle_unknown="silent"
    )
    columns = [("match", words, 1), ("similarity", words, 2), ("source", words, 0)]
    network = Seq2SeqTransformer(
        source_vectorizer=ColumnVectorizer(columns) if memory else words,
        target_vectorizer=words,
        attention="additive",
        copy=True,
        dropout=0.4,
        max_epochs=12,
        max_source_length=100,
        long_source="truncate_end",
        no_repeat_ngram_size=3,
        random_state=seed,
    )
    steps = [("match", TranslationMemory())] if memory else []
    return Pipeline([*steps, ("seq2seq", network)])


def rouge(y, y_pred):
    """Figures of some predictions, in percent."""
    return [100 * rouge_score(y, y_pred, variant=v) for v in VARIANTS.values()]


def print_row(name, figures, seconds=None):
    """Print one line of the table."""
    cells = [f"{v} {x:.1f}" for v, x in zip(VARIANTS, figures, strict=True)]
    if seconds is not None:
        cells.append(f"CPU seconds {seconds:.0f}")
    print(f"{name:<24}{'  '.join(cells)}", flush=True)


def print_mean(name, rows):
    """Print the mean over seeds and its standard error."""
    rows = np.array(rows)
    errors = rows.std(axis=0, ddof=1) / len(rows) ** 0.5
    cells = zip(VARIANTS, rows.mean(axis=0), errors, strict=True)
    print(f"{name:<24}" + "  ".join(f"{v} {x:.2f} ± {e:.2f}" for v, x, e in cells))


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--max-words", type=int, help="of a description")
    parser.add_argument("--words", type=int, default=4000, help="in each vocabulary")
    parser.add_argument("--pairs", type=int, help="train on so many, evenly spread")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args()

    docs = load_docstring_summaries(max_words=args.max_words)
    train, test = split(docs, args.split)
    if args.pairs:
        n = min(args.pairs, len(train))
        train = train[np.linspace(0, len(train) - 1, n).astype(int)]
    (X, y), (X_test, y_test) = (
        (docs.data[rows], docs.target[rows]) for rows in (train, test)
    )
    groups = docs.groups[train]
    print(f"{len(train)} pairs to learn from, {len(test)} held out.", flush=True)

    print_row("lead sentence", rouge(y_test, lead(X_test)))
    nearest = DummySeq2Seq(strategy="nearest").fit(X, y)
    print_row("nearest description", rouge(y_test, nearest.predict(X_test)))
    match = TranslationMemory().fit(X, y).transform(X_test)[:, 1]
    print_row("match of the memory", rouge(y_test, match))
    for name in args.networks:
        rows = []
        for seed in args.seeds:
            model = make_model(seed, args.words, memory=name == "memory")
            model[-1].set_params(**dict(args.set))
            start = time.process_time()
            model.fit(X, y, **({"match__groups": groups} if name == "memory" else {}))
            seconds = time.process_time() - start
            y_pred = model.predict(X_test)
            rows.append(rouge(y_test, y_pred))
            print_row(f"{name}, seed {seed}", rows[-1], seconds)
        if len(rows) > 1:
            print_mean(f"{name}, mean", rows)
    for texts in zip(X_test[:10], y_test[:10], y_pred[:10], strict=True):
        for name, text in zip(("source", "true", "predicted"), texts, strict=True):
            print(f"{name:<11}{text}")
        print()


if __name__ == "__main__":
    main()
