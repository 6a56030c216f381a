"""Are the default settings right? Eighteen tasks of 50 to 3,000 pairs.

A cell is a task and a number of pairs. In each, the default settings are compared with
the floors of `DummySeq2Seq` and with the best of a grid of eight that an expert might
try, chosen by exact match on 250 pairs and scored on 500 others::

    python -m benchmarks.suite --sizes 50 300 --models floors default grid
    python -m benchmarks.suite --picture suite.png

The first adds one JSON line a fit to ``suite.jsonl`` beside this file (or what
``--results`` names) and goes on where it stopped; both print the tables of what is in
the file. Several can work on one file, each on other tasks. ``--again`` measures what
is there once more, such as defaults that have changed: the last line counts. What
``--set`` names is one more candidate; ``n_steps`` stands for as many epochs as give so
many training steps, twenty at least::

    python -m benchmarks.suite --sizes 50 --set n_steps=2000 batch_size=8

The tasks are of two halves. Defaults are chosen on the first. The second is looked at
once, when they are settled, with ``--final``.
"""

import argparse
import json
import time
import warnings
from functools import partial
from itertools import product
from pathlib import Path
from unicodedata import is_normalized

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from benchmarks._setting import setting
from benchmarks._suite_tasks import CHOOSING, FINAL, PHONES, draw
from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.metrics import exact_match_score

RESULTS = Path(__file__).with_name("suite.jsonl")
SIZES = (50, 300, 1000, 3000)
N_FEW = 300  # training pairs that are predicted
LABELS = ("default", "best of grid", "best floor")
KEYS = ("task", "size", "seed", "model")
FLOORS = ("most_frequent", "copy", "nearest", "suffix", "closest")
LONG = {"n_steps": 2000, "batch_size": 16}
COPY = {"copy": True, "unknown_dropout": 0.1}
NFD = SequenceVectorizer(normalize="NFD", handle_unknown="silent")
GRID = {
    "long": LONG,
    "long, batches of 8": LONG | {"batch_size": 8},
    "long, batches of 32": LONG | {"batch_size": 32},
    "long, general": LONG | {"attention": "general"},
    "long, general, copy": LONG | {"attention": "general"} | COPY,
    "long, input feeding, copy": LONG | {"input_feeding": True} | COPY,
    "long, NFD": LONG | {"source_vectorizer": NFD},
    "long, dropout 0.5": LONG | {"dropout": 0.5},
}


def make_model(name, params, task, n_pairs, seed):
    """Make the estimator that a name stands for, with `params` where it is trained."""
    if name in FLOORS:
        return DummySeq2Seq(strategy=name)
    params = dict(params)
    n_steps = params.pop("n_steps", None)
    if n_steps is not None:
        n_batches = np.ceil(n_pairs / params.setdefault("batch_size", 32))
        params["max_epochs"] = max(20, int(np.ceil(n_steps / n_batches)))
    model = Seq2SeqTransformer(random_state=seed, **params)
    if task in PHONES:
        vectorizer = SequenceVectorizer(analyzer="word", handle_unknown="silent")
        model.set_params(target_vectorizer=vectorizer)
    return model


def measure(name, params, task, size, seed):
    """Fit and score one model: shares of exact match, and CPU seconds of `fit`.

    Returns
    -------
    dict or None
        None where the task has fewer pairs, and where NFD would change no source, so
        that "long, NFD" is "long".
    """
    train, dev, test = draw(task, size, seed)
    if len(train[0]) < size:
        return None
    if params.get("source_vectorizer") is NFD and not _decomposes(train[0]):
        return None
    model = make_model(name, params, task, size, seed)
    start = time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*train)
        seconds = time.process_time() - start
        few = [side[:N_FEW] for side in train]
        parts = {"train": few, "dev": dev, "test": test}
        figures = {
            part: round(exact_match_score(y, model.predict(X)), 4)
            for part, (X, y) in parts.items()
        }
    if name not in FLOORS:
        said = (issubclass(warning.category, ConvergenceWarning) for warning in caught)
        figures["warned"] = any(said)
    return figures | {"seconds": round(seconds, 1)}


def _decomposes(texts):
    return not all(is_normalized("NFD", text) for text in texts)


def read_results(path):
    """Read the file of results as ``{(task, size, seed, model): line}``."""
    if not path.exists():
        return {}
    lines = map(json.loads, path.read_text("utf-8").splitlines())
    return {tuple(line[key] for key in KEYS): line for line in lines}


def run(args, tasks, models):
    """Measure what the file of results does not have yet, or all of it again."""
    for seed, size, task in product(args.seeds, args.sizes, tasks):
        for name, params in models.items():
            key = task, size, seed, name
            if key in read_results(args.results) and not args.again:
                continue
            figures = measure(name, params, task, size, seed)
            if figures is not None:
                with args.results.open("a", encoding="utf-8") as file:
                    line = dict(zip(KEYS, key, strict=True)) | figures
                    file.write(json.dumps(line) + "\n")


def mean_figures(lines, tasks):
    """Means over seeds: ``{(task, size): {model: {figure: mean}}}``."""
    found = {}
    for (task, size, _, name), line in lines.items():
        if task in tasks:
            found.setdefault((task, size), {}).setdefault(name, []).append(line)
    figures = ("train", "dev", "test", "seconds")
    return {
        cell: {
            name: {f: float(np.mean([line[f] for line in fits])) for f in figures}
            | {"silent": any(not fit.get("warned", True) for fit in fits)}
            for name, fits in found[cell].items()
        }
        for cell in sorted(found)
    }


def sides(models):
    """Exact match of the default, of the grid's best by "dev", and of the best floor.

    Returns
    -------
    tuple of three (float or None)
    """
    grid = [models[name] for name in GRID if name in models]
    floors = [models[name]["test"] for name in FLOORS if name in models]
    return (
        models["default"]["test"] if "default" in models else None,
        max(grid, key=lambda fit: fit["dev"])["test"] if grid else None,
        max(floors, default=None),
    )


def print_tables(cells):
    """Print how near the default comes, and the means of all that was measured."""
    sizes = sorted({size for _, size in cells})
    columns = {
        size: [m for cell, m in cells.items() if cell[1] == size] for size in sizes
    }
    header = "".join(f" {size:,} |" for size in sizes) + "\n|---" + "|---" * len(sizes)
    print(f"| {' / '.join(LABELS)} |{header}|")
    for task in sorted({task for task, _ in cells}):
        own = (sides(cells.get((task, size), {})) for size in sizes)
        texts = (
            " / ".join("-" if x is None else f"{x:.2f}" for x in cell) for cell in own
        )
        print(f"| {task} | {' | '.join(texts)} |")
    for title, count in SUMMARY.items():
        print(f"| {title} | {' | '.join(map(count, columns.values()))} |")
    print(f"\n| mean exact match (tasks, CPU seconds a fit) |{header}|")
    for name in dict.fromkeys(name for models in cells.values() for name in models):
        fits = (
            [models[name] for models in m if name in models] for m in columns.values()
        )
        print(f"| {name} | {' | '.join(map(_means, fits))} |")


def _means(fits):
    if not fits:
        return ""
    test, seconds = (np.mean([fit[key] for fit in fits]) for key in ("test", "seconds"))
    return f"{test:.3f} ({len(fits)}, {seconds:.0f})"


def _compared(column, unmeasured=None):
    """Default and best of grid, or what stands for it, of each task that has both."""
    pairs = (sides(models)[:2] for models in column)
    pairs = ((ours, unmeasured if best is None else best) for ours, best in pairs)
    return np.array([pair for pair in pairs if None not in pair])


def _mean_ratio(column, unmeasured=None):
    ratios = [ours / best for ours, best in _compared(column, unmeasured) if best]
    return f"{np.mean(ratios):.3f}" if ratios else ""


def _ratio_of_means(column):
    compared = _compared(column)
    if not np.any(compared):
        return ""
    ours, best = compared.mean(0)
    return f"{ours / best:.3f}"


def _under(column):
    compared = [sides(models)[::2] for models in column]
    under = [ours < floor for ours, floor in compared if None not in (ours, floor)]
    return f"{sum(under)} of {len(under)}" if under else ""


def _silent(column):
    fits = [models["default"] for models in column if "default" in models]
    silent = [fit["silent"] and fit["train"] < 0.5 for fit in fits]
    return f"{sum(silent)} of {len(silent)}" if silent else ""


SUMMARY = {
    "mean of default / best of grid": _mean_ratio,
    "the same, at least, with 1 for what is not measured": partial(
        _mean_ratio, unmeasured=1.0
    ),
    "mean of default / mean of best of grid": _ratio_of_means,
    "tasks with the default under a floor": _under,
    "tasks half learned at most, without a warning": _silent,
}


def draw_cells(cells, path):
    """Draw exact match against the number of pairs, a panel a task."""
    from matplotlib import pyplot as plt

    tasks = sorted({task for task, _ in cells})
    n_rows = -(-len(tasks) // 3)
    figure, axes = plt.subplots(
        n_rows,
        3,
        figsize=(9, 2.4 * n_rows),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, task in zip(axes.flat, tasks, strict=False):
        sizes = [size for name, size in cells if name == task]
        lines = zip(*(sides(cells[task, size]) for size in sizes), strict=True)
        for label, values, style in zip(
            LABELS, lines, ("o-", "s--", "^:"), strict=True
        ):
            if set(values) == {None}:  # not measured
                continue
            values = [np.nan if value is None else value for value in values]
            ax.plot(sizes, values, style, label=label, markersize=4)
        ax.set(xscale="log", title=task, ylim=(-0.03, 1.03))
        ax.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
        ax.minorticks_off()
    axes[0, 0].legend(fontsize=8)
    figure.supxlabel("pairs")
    figure.supylabel("exact match")
    figure.savefig(path)
    plt.close(figure)


def main(argv=None):
    """Read the command line, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--final", action="store_true", help="the tasks that are looked at once"
    )
    parser.add_argument("--tasks", nargs="+", choices=CHOOSING | FINAL)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--models",
        nargs="+",
        choices=["floors", "default", "grid", *GRID],
        default=[],
        help="what to measure; without it, nothing",
    )
    parser.add_argument(
        "--set", nargs="+", type=setting, default=[], help="one more, name=value"
    )
    parser.add_argument("--again", action="store_true", help="what is there as well")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args(argv)
    half = FINAL if args.final else CHOOSING
    tasks = args.tasks or list(half)
    if not half.keys() >= set(tasks):
        parser.error("tasks of the second half are measured with --final, alone")
    torch.set_num_threads(1)
    run(args, tasks, candidates(args))
    cells = mean_figures(read_results(args.results), half)
    print_tables(cells)
    if args.picture is not None:
        draw_cells(cells, args.picture)


def candidates(args):
    """Name the models that the command line asks for: ``{name: parameters}``."""
    groups = {
        "floors": {name: {} for name in FLOORS},
        "default": {"default": {}},
        "grid": GRID,
    }
    named = {}
    for name in args.models:
        named |= groups.get(name) or {name: GRID[name]}
    if args.set:
        named[", ".join(f"{k}={v}" for k, v in args.set)] = dict(args.set)
    return named


if __name__ == "__main__":
    main()
