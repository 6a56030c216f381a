"""Several languages in one model: error rates on the SIGMORPHON 2020 data.

The folder holds ``{language}_{train,dev,test}.tsv``, a word and its space-separated
phones a line::

    python -m benchmarks.languages --data sigmorphon2020
    python -m benchmarks.languages --data sigmorphon2020 --seeds 0 1 2 3 4

fits one model for each seed, with default settings, to the words of all languages, each
with its language in a column of its own. It prints the CPU time of each fit, and a line
a language as `benchmarks.accuracy` does for a model of each: the percentage of words
whose whole pronunciation is wrong (WER), greedily and with a beam of 5. Several seeds
are also decoded together.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._setting import setting
from benchmarks.accuracy import LANGUAGES, error_rates, print_row
from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.datasets import read_pairs


def read(folder, languages, part):
    """Words with their languages as a frame, and their phones."""
    parts = []
    for language in languages:
        words, phones = read_pairs(folder / f"{language}_{part}.tsv", return_X_y=True)
        parts.append(
            pd.DataFrame({"language": language, "word": words, "phones": phones})
        )
    pairs = pd.concat(parts, ignore_index=True)
    return pairs[["language", "word"]], pairs["phones"]


def fit(X, y, seed, params):
    """Fit one model to all languages."""
    source = ColumnVectorizer(
        [
            ("language", SequenceVectorizer(analyzer="word"), "language"),
            ("word", SequenceVectorizer(handle_unknown="silent"), "word"),
        ]
    )
    model = Seq2SeqTransformer(
        source_vectorizer=source,
        target_vectorizer=SequenceVectorizer(analyzer="word", handle_unknown="silent"),
        random_state=seed,
    )
    return model.set_params(**params).fit(X, y)


def report(model, X, y):
    """Print a line a language, and their mean."""
    names, rates = ("greedy", "beam 5"), []
    for language in X["language"].unique():
        rows = X["language"] == language
        rates.append(error_rates(model, X[rows], y[rows]))
        print_row(language, dict(zip(names, rates[-1], strict=True)))
    print_row("mean", dict(zip(names, np.mean(rates, axis=0), strict=True)))


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    train = read(args.data, args.languages, "train")
    held_out = read(args.data, args.languages, args.split)
    members = []
    for seed in args.seeds:
        start = time.process_time()
        members.append((f"seed {seed}", fit(*train, seed, dict(args.set))))
        print_row(members[-1][0], {"CPU seconds": time.process_time() - start})
        report(members[-1][1], *held_out)
    if len(members) > 1:
        print("together")
        report(Seq2SeqEnsemble(estimators=members, prefit=True).fit(*train), *held_out)


if __name__ == "__main__":
    main()
