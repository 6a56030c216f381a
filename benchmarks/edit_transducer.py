"""The edit transducer beside hard attention, with few pairs.

The transducer is that of Makarov and Clematide (2018, 2020), which edits its source. ::

    python -m benchmarks.edit_transducer --data sigmorphon2020 --split dev --seeds 0
    python -m benchmarks.edit_transducer --tasks "lemmas, German" --pairs 100 300

fit both it and `Seq2SeqTransformer` with default settings to the same pairs: 800 words
of each language in the folder, or what ``--pairs`` says, drawn at random as
`benchmarks.accuracy` does, and with ``--tasks`` those of the suite. Each prints a
Markdown table, a row a fit and a part to score, then the mean of each model: the
percentage of targets that are not wholly right, greedily and with a beam of 5, and CPU
seconds of fitting and of decoding. ``--set`` changes the transducer.
"""

import argparse
import time
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks._edit_transducer import EditTransducer
from benchmarks._setting import setting
from benchmarks._suite_tasks import CHOOSING, PHONES, draw
from benchmarks.accuracy import LANGUAGES
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import read_pairs
from sklearn_seq2seq.metrics import exact_match_score


def make_models(names, phones, seed, params):
    """Make the models to compare, with the same vectorizers."""
    sides = {
        f"{side}_vectorizer": SequenceVectorizer(
            analyzer="word" if phones and side == "target" else "char",
            handle_unknown="silent",
        )
        for side in ("source", "target")
    }
    # As the defaults have it where they copy.
    params = {"unknown_dropout": 0.0 if phones else 0.1} | params
    models = {
        "transducer": EditTransducer(**sides, random_state=seed).set_params(**params),
        "default": Seq2SeqTransformer(**sides, random_state=seed),
    }
    return {name: models[name] for name in names}


def measure(model, train, held_out):
    """Fit, then yield figures of each part: WER greedily and with a beam, and seconds.

    The CPU seconds are of the fit, of decoding greedily and with the beam.
    """
    start = time.process_time()
    model.fit(*train)
    fit_seconds = time.process_time() - start
    for X, y in held_out:
        rates, seconds = [], [fit_seconds]
        for width in (1, 5):
            start = time.process_time()
            y_pred = model.set_params(beam_width=width).predict(X)
            seconds.append(time.process_time() - start)
            rates.append(100 * (1 - exact_match_score(y, y_pred)))
        yield rates + seconds


def read(args, name, n_pairs, seed):
    """Training pairs, and the parts to score."""
    if args.tasks:
        train, *parts = draw(name, n_pairs, seed)
        parts = dict(zip(("dev", "test"), parts, strict=True))
        return train, [parts[split] for split in args.split]
    train, *parts = (
        read_pairs(args.data / f"{name}_{part}.tsv", return_X_y=True)
        for part in ("train", *args.split)
    )
    # At random, since files are in alphabetical order.
    rows = np.random.default_rng(0).permutation(len(train[0]))[:n_pairs]
    return [side[rows] for side in train], parts


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--data", type=Path)
    where.add_argument("--tasks", nargs="+", choices=list(CHOOSING))
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--pairs", nargs="+", type=int, default=[800])
    splits = ["dev", "test"]
    parser.add_argument("--split", nargs="+", choices=splits, default=["dev"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    both = ["transducer", "default"]
    parser.add_argument("--models", nargs="+", choices=both, default=both)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    print("| data | pairs | seed | model | split | WER | beam 5 ", end="")
    print("| fit, s | greedy, s | beam 5, s |")
    print("|---" * 10 + "|")
    table = {key: [] for key in product(args.models, args.split)}
    names = args.tasks or args.languages
    for seed, n_pairs, name in product(args.seeds, args.pairs, names):
        train, held_out = read(args, name, n_pairs, seed)
        phones = not args.tasks or name in PHONES
        models = make_models(args.models, phones, seed, dict(args.set))
        for model_name, model in models.items():
            found = measure(model, train, held_out)
            for split, figures in zip(args.split, found, strict=True):
                table[model_name, split].append(figures)
                print_row(name, n_pairs, seed, model_name, split, figures)
    for key, rows in table.items():
        print_row("mean", "", "", *key, np.mean(rows, axis=0))


def print_row(*cells):
    """Print one row of the table."""
    *names, figures = cells
    texts = [*map(str, names), *(f"{x:.2f}" for x in figures)]
    print("|", " | ".join(texts), "|", flush=True)


if __name__ == "__main__":
    main()
