"""Error rates on the SIGMORPHON 2020 pronunciation data, of default settings or others.

The folder holds ``{language}_{train,dev,test}.tsv``, a word and its space-separated
phones a line. Nothing is set but the analyzers, the seed and what ``--set`` says::

    python -m benchmarks.accuracy --data sigmorphon2020 --seeds 0
    python -m benchmarks.accuracy --data sigmorphon2020 --seeds 0 1 2 3 4 --ensemble
    python -m benchmarks.accuracy --data sigmorphon2020 --pairs 800
    python -m benchmarks.accuracy --data sigmorphon2020 --set input_feeding=True

``--pairs`` learns from so many of the words, drawn at random once.

It prints one line a language and, of several, their mean: the percentage of words whose
whole pronunciation is wrong (WER), greedily and with a beam of 5, the percentage of
phones to be edited (PER, greedily), their mean over the seeds, the CPU time of a fit,
the greedy WER of each seed, and with ``--ensemble`` the WER of all seeds decoding
together.
"""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks._setting import setting
from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import read_pairs
from sklearn_seq2seq.metrics import token_error_rate

LANGUAGES = ("bul", "fre", "hun", "kor", "vie")


def fit(train, seed, params):
    """Fit with default settings; unseen letters are no reason to warn here."""
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(analyzer="word", handle_unknown="silent"),
        random_state=seed,
    )
    return model.set_params(**params).fit(*train)


def error_rates(model, X, y):
    """Word error rates in percent, greedy and with a beam of 5."""
    greedy, beam = (model.set_params(beam_width=k).score(X, y) for k in (1, 5))
    return 100 * (1 - greedy), 100 * (1 - beam)


def measure(language, args):
    """Everything about one language, as a dict of figures."""
    train, dev, test = (
        read_pairs(args.data / f"{language}_{part}.tsv", return_X_y=True)
        for part in ("train", "dev", "test")
    )
    if args.pairs is not None:  # at random, since files are in alphabetical order
        rows = np.random.default_rng(0).permutation(len(train[0]))[: args.pairs]
        train = [side[rows] for side in train]
    held_out = {"dev": dev, "test": test}[args.split]
    members, rates, phones, seconds = [], [], [], []
    for seed in args.seeds:
        start = time.process_time()
        members.append(fit(train, seed, dict(args.set)))
        seconds.append(time.process_time() - start)
        rates.append(error_rates(members[-1], *held_out))
        y_pred = members[-1].set_params(beam_width=1).predict(held_out[0])
        phones.append(100 * token_error_rate(held_out[1], y_pred))
    figures = {
        "epochs": np.mean([member.n_iter_ for member in members]),
        "CPU seconds a fit": np.mean(seconds),
        "greedy": np.mean(rates, axis=0)[0],
        "beam 5": np.mean(rates, axis=0)[1],
        "phones, greedy": np.mean(phones),
    }
    for seed, (greedy, _) in zip(args.seeds, rates, strict=True):
        figures[f"seed {seed}, greedy"] = greedy
    if args.ensemble:
        named = [(str(seed), m) for seed, m in zip(args.seeds, members, strict=True)]
        together = Seq2SeqEnsemble(estimators=named, prefit=True).fit(*train)
        rates = error_rates(together, *held_out)
        figures["ensemble, greedy"], figures["ensemble, beam 5"] = rates
    return figures


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument("--pairs", type=int, help="to learn from so many, at random")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--ensemble", action="store_true")
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args()
    table = []
    for language in args.languages:
        table.append(measure(language, args))
        print_row(language, table[-1])
    if len(table) > 1:
        print_row("mean", {k: np.mean([row[k] for row in table]) for k in table[0]})


def print_row(name, figures):
    """Print one line of the table."""
    cells = "  ".join(f"{key} {value:.2f}" for key, value in figures.items())
    print(f"{name:<5}{cells}", flush=True)


if __name__ == "__main__":
    main()
