"""Several languages in one model: error rates on the SIGMORPHON 2020 data.

The folder holds ``{language}_{train,dev,test}.tsv``, a word and its space-separated
phones a line::

    python -m benchmarks.languages --data sigmorphon2020

fits one model with default settings to the words of all languages, each with its
language in a column of its own. It prints the CPU time of the fit, and a line a
language as `benchmarks.accuracy` does for a model of each: the percentage of words
whose whole pronunciation is wrong (WER), greedily and with a beam of 5.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._setting import setting
from benchmarks.accuracy import LANGUAGES, error_rates, print_row
from sklearn_seq2seq import ColumnVectorizer, Seq2SeqTransformer, SequenceVectorizer
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


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    start = time.process_time()
    model = fit(*read(args.data, args.languages, "train"), args.seed, dict(args.set))
    print_row("fit", {"CPU seconds": time.process_time() - start})
    X, y = read(args.data, args.languages, args.split)
    rates = []
    for language in args.languages:
        rows = X["language"] == language
        rates.append(error_rates(model, X[rows], y[rows]))
        print_row(language, dict(zip(("greedy", "beam 5"), rates[-1], strict=True)))
    mean = np.mean(rates, axis=0)
    print_row("mean", dict(zip(("greedy", "beam 5"), mean, strict=True)))


if __name__ == "__main__":
    main()
