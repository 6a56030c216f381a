"""What was tried for the default settings: error rates on SIGMORPHON 2020 and others.

The folder holds ``{language}_{train,dev}.tsv``, a word and its space-separated phones a
line. Every candidate is one setting from which the search started (``START``, what is
not named there being the default) with something changed::

    python -m benchmarks.defaults
    python -m benchmarks.defaults --data sigmorphon2020 --candidates dropout=0.2

The first prints the tables of what was found. The second, before it does, measures what
is not there yet, of all candidates if none is named, which takes two to five minutes a
fit: it adds one JSON line a fit to ``tried.jsonl`` beside this file (or what
``--results`` names) and goes on where it stopped; several can work on one file, each on
other candidates, languages or seeds. A candidate is compared with the mean of the
start's fits in the same language: the differences of word error rates (WER) and phone
error rates (PER), and their standard errors over the candidate's fits. Where there is a
GPU, it is used; then the time is not kept.

    python -m benchmarks.defaults --tasks misspellings lemmas --candidates dropout=0.2

does the same with other tasks, which need no folder and have rows of their own: to
correct misspellings and to find French words' lemmas. PER is then of characters.
"""

import argparse
import json
import time
from contextlib import nullcontext
from itertools import product
from pathlib import Path
from unittest.mock import patch

import numpy as np
from skorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks._tasks import TASKS
from benchmarks.accuracy import LANGUAGES, fit
from sklearn_seq2seq import SequenceVectorizer, _seq2seq_transformer
from sklearn_seq2seq._pairs import _batches
from sklearn_seq2seq._pairs._batches import pair_order
from sklearn_seq2seq.datasets import read_pairs
from sklearn_seq2seq.metrics import token_error_rate


class WeightAveraging(Callback):
    """Ends training with an exponential moving average of the weights."""

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        """Start from the weights after the first step."""
        average = get_ema_multi_avg_fn(self.decay)
        self.model_ = AveragedModel(net.module_, multi_avg_fn=average)

    def on_batch_end(self, net, training, **kwargs):
        """Add the weights after a step."""
        if training:
            self.model_.update_parameters(net.module_)

    def on_train_end(self, net, **kwargs):
        """Put the average in place."""
        net.module_.load_state_dict(self.model_.module.state_dict())


def pools_of(n_batches):
    """Order pairs by length within pools of so many batches; 0: not at all."""

    def order(source, target, *ties):
        if not ties:  # not a training epoch
            return pair_order(source, target)
        (ties,) = ties
        size = START["batch_size"] * n_batches
        if size == 0:
            return np.argsort(ties)
        pool = np.argsort(np.argsort(ties)) // size
        return np.lexsort((ties, source, target, pool))

    return order


START = {
    "hidden_size": 192,
    "batch_size": 32,
    "max_epochs": 30,
    "dropout": 0.3,
    "attention": "additive",
}
CHANGES = [
    {"batch_size": 16},
    {"batch_size": 16, "max_epochs": 20},
    {"batch_size": 64},
    {"batch_size": 64, "hidden_size": 256},
    {"batch_size": 64, "input_feeding": True},
    {"batch_size": 64, "dropout": 0.4},
    {"batch_size": 64, "dropout": 0.4, "input_feeding": True},
    {"batch_size": 64, "label_smoothing": 0.0},
    {"hidden_size": 128},
    {"hidden_size": 128, "input_feeding": True},
    {"hidden_size": 256},
    {"embedding_size": 64},
    {"embedding_size": 256},
    {"num_layers": 2},
    {"cell": "gru"},
    {"attention": "dot"},
    {"attention": "general"},
    {"attention": "additive"},
    {"input_feeding": True},
    {"share_embeddings": True},
    {"tie_output": True},
    {"dropout": 0.2},
    {"dropout": 0.4},
    {"dropout": 0.5},
    {"label_smoothing": 0.0},
    {"label_smoothing": 0.2},
    {"encoder_loss_weight": 0.1},
    {"teacher_forcing": (1.0, 0.8)},
    {"learning_rate": 0.001},
    {"learning_rate": 0.004},
    {"lr_schedule": "constant", "learning_rate": 0.001},
    {"lr_schedule": "inverse_sqrt"},
    {"optimizer": "adamw", "weight_decay": 0.01},
    {"optimizer": "nadam"},
    {"gradient_clip": 1.0},
    {"max_epochs": 20},
    {"max_epochs": 60},
    {"early_stopping": True},
    {"dropout": 0.2, "optimizer": "nadam"},
    {"dropout": 0.2, "tie_output": True},
    {"dropout": 0.2, "tie_output": True, "optimizer": "nadam"},
]
PATCHES = {
    "pairs in order of length in pools of 8 batches": (
        patch.object(_batches, "pair_order", pools_of(8))
    ),
    "pairs in random order": patch.object(_batches, "pair_order", pools_of(0)),
    "the output's bias at random": (
        patch.object(
            _seq2seq_transformer, "start_from_counts", lambda net, counts: None
        )
    ),
}
ONE_TABLE = "the output's bias at random, one table of embeddings"
PATCHES[ONE_TABLE] = PATCHES["the output's bias at random"]
CANDIDATES = {
    "the start": {},
    **{
        ", ".join(f"{k}={v!r}" for k, v in change.items()): change for change in CHANGES
    },
    "weights averaged, decay 0.99": {"callbacks": [WeightAveraging(0.99)]},
    **{name: {} for name in PATCHES},
    ONE_TABLE: {"share_embeddings": True},
}


def measure(folder, language, name, seed):
    """Fit one candidate and score it on what is held out; figures in percent."""
    params = START | CANDIDATES[name]
    if language in TASKS:
        train, dev = TASKS[language]()
        unit = "char"
        params |= {"target_vectorizer": SequenceVectorizer(handle_unknown="silent")}
    else:
        train, dev = (
            read_pairs(folder / f"{language}_{part}.tsv", return_X_y=True)
            for part in ("train", "dev")
        )
        unit = "word"
    start = time.process_time()
    with PATCHES.get(name, nullcontext()):
        model = fit(train, seed, params)
    seconds = time.process_time() - start
    y_pred = model.predict(dev[0])
    figures = {
        "wer": 100 * float(np.mean(np.asarray(dev[1], dtype=object) != y_pred)),
        "per": 100 * token_error_rate(dev[1], y_pred, unit=unit),
    }
    if model.net_.device != "cpu":  # the seconds are not comparable
        return figures | {"device": model.net_.device}
    return figures | {"seconds": round(seconds, 1)}


def read_results(path):
    """Read the file of results as ``{(candidate, language, seed): line}``."""
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {(line["candidate"], line["language"], line["seed"]): line for line in lines}


def run(args):
    """Measure all that the file of results does not have yet."""
    for seed in args.seeds:
        for name in args.candidates:
            change = CANDIDATES[name]
            if change and START | change == START:
                continue  # a candidate that has become the start
            for language in args.languages:
                key = name, language, seed
                if key in read_results(args.results):
                    continue
                line = dict(zip(("candidate", "language", "seed"), key, strict=True))
                line |= measure(args.data, language, name, seed)
                with args.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")


def print_tables(lines):
    """Print two Markdown tables: the start's errors, and the differences from them."""
    figures = {"WER": "wer", "PER": "per", "CPU seconds": "seconds"}
    fits = {}
    for line in lines.values():
        fits.setdefault((line["candidate"], line["language"]), []).append(line)
    start = {
        language: {
            key: np.mean([fit[key] for fit in own if key in fit] or np.nan)
            for key in figures.values()
        }
        for (name, language), own in sorted(fits.items())
        if name == "the start"
    }
    print("| the start | " + " | ".join(start) + " |")
    print("|---" * (1 + len(start)) + "|")
    for title, key in figures.items():
        digits = 0 if key == "seconds" else 2
        cells = [f"{mean[key]:.{digits}f}" for mean in start.values()]
        print(f"| {title} | " + " | ".join(cells) + " |")
    cells = [str(len(fits["the start", language])) for language in start]
    print("| fits | " + " | ".join(cells) + " |")
    print("\n| | data | fits | " + " | ".join(figures) + " |")
    print("|---|---|---|---|---|---|")
    groups = [[k for k in start if k not in TASKS], *([k] for k in start if k in TASKS)]
    for name, group in product(list(CANDIDATES)[1:], groups):
        languages = [language for language in group if (name, language) in fits]
        own = [fit for language in languages for fit in fits[name, language]]
        if not own:
            continue
        cells = [f"`{name}`" if "=" in name else name]
        cells += [" ".join(languages), str(len(own))]
        for key in figures.values():
            more = [fit[key] - start[fit["language"]][key] for fit in own if key in fit]
            if not more:
                cells.append("")
                continue
            cell = f"{np.mean(more):+.{0 if key == 'seconds' else 2}f}"
            if more[1:] and key != "seconds":
                cell += f" ± {np.std(more, ddof=1) / len(more) ** 0.5:.2f}"
            cells.append(cell)
        print("| " + " | ".join(cells) + " |")


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="folder of the pairs, for fits of languages"
    )
    parser.add_argument(
        "--results", type=Path, default=Path(__file__).with_name("tried.jsonl")
    )
    parser.add_argument("--languages", nargs="+", default=LANGUAGES)
    parser.add_argument(
        "--tasks", nargs="+", choices=TASKS, help="to measure instead of languages"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--candidates", nargs="+", choices=CANDIDATES, default=list(CANDIDATES)
    )
    args = parser.parse_args()
    if args.tasks:
        args.languages = args.tasks
    if args.data is not None or args.tasks:
        run(args)
    print_tables(read_results(args.results))


if __name__ == "__main__":
    main()
