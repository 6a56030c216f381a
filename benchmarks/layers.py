"""When does a second layer pay? Default settings with one layer and with two.

English words to pronunciations and inflected words to lemmas, scored on a thousand
others::

    python -m benchmarks.layers --pairs 10000
    python -m benchmarks.layers --tasks lemmas --language fi --pairs 3000 30000

It prints a line a fit: the share of words that come out wholly right, greedily and with
a beam of 5, and the CPU time. A fit of 10,000 pairs takes four to sixteen minutes.
"""

import argparse
import time
from itertools import product

import numpy as np
import torch

from benchmarks._setting import setting
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_lemmas, load_pronunciations

N_TEST = 1000


def pronunciations(n, seed, language):
    """Words and phones separated by spaces, of English alone."""
    return load_pronunciations(n_words=n, random_state=seed, return_X_y=True)


def lemmas(n, seed, language):
    """Words and what they are under in a dictionary."""
    return load_lemmas(language, n_words=n, random_state=seed, return_X_y=True)


TASKS = {"pronunciations": pronunciations, "lemmas": lemmas}


def measure(task, n_pairs, num_layers, seed, language, params):
    """Fit; return two shares of words that come out right, and CPU seconds."""
    X, y = TASKS[task](n_pairs + N_TEST, seed, language)
    order = np.random.RandomState(seed).permutation(len(X))
    train, test = order[:-N_TEST], order[-N_TEST:]
    analyzer = "word" if task == "pronunciations" else "char"
    target = SequenceVectorizer(analyzer=analyzer, handle_unknown="silent")
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=target,
        num_layers=num_layers,
        random_state=seed,
    )
    model.set_params(**params)
    start = time.process_time()
    model.fit(X[train], y[train])
    seconds = time.process_time() - start
    rates = [model.set_params(beam_width=k).score(X[test], y[test]) for k in (1, 5)]
    return rates, seconds


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--language", default="de", help="of the lemmas")
    parser.add_argument("--pairs", nargs="+", type=int, default=[10_000])
    parser.add_argument("--layers", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| task | pairs | seed | layers | greedy | beam 5 | CPU seconds |")
    print("|---" * 7 + "|")
    for cell in product(args.tasks, args.pairs, args.seeds, args.layers):
        task, n_pairs, seed, layers = cell
        rates, seconds = measure(
            task, n_pairs, layers, seed, args.language, dict(args.set)
        )
        figures = " | ".join(f"{rate:.3f}" for rate in rates)
        row = f"{task} | {n_pairs:,} | {seed} | {layers} | {figures}"
        print(f"| {row} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
