"""Summaries of docstrings: ROUGE against the lead, the first sentence of the source.

The pairs are those of `load_docstring_summaries`: what is installed decides how many
there are. One group of near-duplicates in ten is held out. ``--set`` changes the
network::

    python -m benchmarks.summarisation
    python -m benchmarks.summarisation --pairs 3000 --set hidden_size=128

It prints a line for the lead and each floor, and for a network with and without
copying of each seed: ROUGE-1, ROUGE-2 and ROUGE-L (F1, in percent) and the CPU time of
a fit; then ten held-out rows of the last network, the first ones, as they come.
"""

import argparse
import re
import time

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from benchmarks._setting import setting
from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_docstring_summaries
from sklearn_seq2seq.metrics import rouge_score


def lead(texts):
    """The first sentence of each text."""
    return [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in texts]


def make_model(seed, words, *, copy):
    """The same network with and without copying."""
    return Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(
            analyzer="word", max_features=words, handle_unknown="silent"
        ),
        target_vectorizer=SequenceVectorizer(
            analyzer="word", max_features=words, handle_unknown="silent"
        ),
        attention="general",
        copy=copy,
        max_epochs=12,
        no_repeat_ngram_size=3,
        random_state=seed,
    )


def print_row(name, y, y_pred, seconds):
    """Print one line of the table."""
    scores = [
        f"{variant} {100 * rouge_score(y, y_pred, variant=variant):.1f}"
        for variant in ("rouge1", "rouge2", "rougeL")
    ]
    print(f"{name:<20}{'  '.join(scores)}  CPU seconds {seconds:.1f}", flush=True)


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--max-words", type=int, default=60, help="of a description")
    parser.add_argument("--words", type=int, default=4000, help="in each vocabulary")
    parser.add_argument("--pairs", type=int, help="train on so many, evenly spread")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args()

    docs = load_docstring_summaries(max_words=args.max_words)
    split = GroupShuffleSplit(1, test_size=0.1, random_state=0)
    train, test = next(split.split(docs.data, groups=docs.groups))
    if args.pairs:
        n = min(args.pairs, len(train))
        train = train[np.linspace(0, len(train) - 1, n).astype(int)]
    X, y = docs.data[test], docs.target[test]
    print(f"{len(train)} pairs to learn from, {len(test)} held out.", flush=True)

    print_row("lead sentence", y, lead(X), 0)
    models = {"dummy, nearest": DummySeq2Seq(strategy="nearest")}
    for seed in args.seeds:
        for copy in (False, True):
            model = make_model(seed, args.words, copy=copy)
            name = f"{'' if copy else 'no '}copying, seed {seed}"
            models[name] = model.set_params(**dict(args.set))
    for name, model in models.items():
        start = time.process_time()
        model.fit(docs.data[train], docs.target[train])
        seconds = time.process_time() - start
        y_pred = model.predict(X)
        print_row(name, y, y_pred, seconds)
    for texts in zip(X[:10], y[:10], y_pred[:10], strict=True):
        for name, text in zip(("source", "true", "predicted"), texts, strict=True):
            print(f"{name:<11}{text}")
        print()


if __name__ == "__main__":
    main()
