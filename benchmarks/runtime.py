"""Exported models beside the estimators: sameness, size, start, speed, eight bits.

::

    python -m benchmarks.runtime
    python -m benchmarks.runtime --only speed --data ../data

Networks are trained on English pronunciations and French lemmas, which packages bring;
``--data`` names a folder with ``sigmorphon2020/`` to take French and Hungarian
pronunciations of instead. Speed is the processor's time of one thread, all sides by
turns in one process.
"""

import argparse
import copy
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import by_turns, seconds
from sklearn_seq2seq import (
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
    runtime,
    save,
)
from sklearn_seq2seq.datasets import load_lemmas, load_pronunciations, read_pairs

N_TRAIN, N_TEST = 3600, 450
NETWORKS = {
    "LSTM, additive": {},
    "LSTM, general": {"attention": "general"},
    "LSTM, dot": {"attention": "dot"},
    "LSTM, no attention": {"attention": None},
    "GRU, additive": {"cell": "gru"},
    "RNN, additive": {"cell": "rnn"},
    "two layers": {"num_layers": 2},
    "one direction": {"bidirectional": False},
    "input feeding": {"input_feeding": True},
    "copying": {"copy": True},
    "one-hot": {"embedding_size": None},
    "tied outputs": {"tie_output": True},
}


def languages(data):
    """Pairs of two languages: ``{name: (X, y)}``, training pairs first."""
    if data is not None:
        return {name: _sigmorphon(data, name) for name in ("fre", "hun")}
    n = N_TRAIN + N_TEST
    return {
        "English pronunciations": load_pronunciations(
            n_words=n, random_state=0, return_X_y=True
        ),
        "French lemmas": load_lemmas("fr", n_words=n, random_state=0, return_X_y=True),
    }


def _sigmorphon(data, language):
    parts = [
        read_pairs(data / "sigmorphon2020" / f"{language}_{part}.tsv", return_X_y=True)
        for part in ("train", "test")
    ]
    return tuple(np.concatenate(side) for side in zip(*parts, strict=True))


def fit(X, y, n_epochs, **params):
    """Train on all but the last pairs; targets with spaces are of words."""
    spaced = any(" " in target for target in y[:50])
    target = SequenceVectorizer(
        analyzer="word" if spaced else "char", handle_unknown="silent"
    )
    source = SequenceVectorizer(handle_unknown="silent")
    model = Seq2SeqTransformer(
        source_vectorizer=source,
        target_vectorizer=target,
        max_epochs=n_epochs,
        random_state=0,
        **params,
    )
    return model.fit(X[:-N_TEST], y[:-N_TEST])


def table(title, head, rows):
    """Print a table in Markdown."""
    print(f"\n{title}\n")
    for cells in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def measure_sameness(X, y, folder):
    """Networks of every kind, trained a little, on new words."""
    rows = []
    new = list(X[-N_TEST:])
    for name, params in NETWORKS.items():
        model = fit(X[-1600:], y[-1600:], 3, hidden_size=64, **params)
        export_onnx(model, folder / "same.zip")
        exported = runtime.load(folder / "same.zip")
        cells, largest = [], 0.0
        for beam_width in (1, 5):
            model.set_params(beam_width=beam_width)
            exported.set_params(beam_width=beam_width)
            same = exported.predict(new) == model.predict(new)
            cells.append(f"{same.sum()} of {len(new)}")
            log_probs = (np.log(m.predict_confidence(new)) for m in (exported, model))
            largest = max(largest, np.abs(np.subtract(*log_probs)).max())
        given = (m.log_likelihood(new, y[-N_TEST:]) for m in (exported, model))
        largest = max(largest, np.abs(np.subtract(*given)).max())
        rows.append([name, *cells, f"{largest:.1e}"])
    head = ["network", "same strings, greedy", "beam 5", "largest difference, log p"]
    table("Predictions of the exported model and of the estimator", head, rows)


START = """
import sys, time
start = time.perf_counter()
if sys.argv[1] == "estimator":
    from sklearn_seq2seq import load
else:
    from sklearn_seq2seq.runtime import load
model = load(sys.argv[2])
model.predict([sys.argv[3]])
print(time.perf_counter() - start)
"""


def measure_start(model, word, folder):
    """Size of the files, and time to a first prediction."""
    paths = {name: folder / name for name in ("estimator", "exported", "int8")}
    save(model, paths["estimator"])
    export_onnx(model, paths["exported"])
    export_onnx(model, paths["int8"], int8=True)
    rows = []
    for name, path in paths.items():
        command = [sys.executable, "-c", START, name, path, word]
        runs = [
            subprocess.run(command, capture_output=True, check=True, text=True)
            for _ in range(5)
        ]
        took = [float(run.stdout) for run in runs]
        rows.append([name, f"{path.stat().st_size / 1e6:.2f}", f"{min(took):.2f}"])
    head = ["file", "MB", "s from the start of Python to the first prediction"]
    table("Size and start (the shortest of five processes)", head, rows)


def measure_speed(model, X, folder):
    """One row, and many, beside the estimator."""
    paths = {"exported": folder / "exported.zip", "int8": folder / "int8.zip"}
    for name, path in paths.items():
        export_onnx(model, path, int8=name == "int8")
    sides = {"estimator": model}
    sides |= {name: runtime.load(path) for name, path in paths.items()}
    wide = {"estimator": copy.copy(model).set_params(beam_width=5)}
    for name, path in paths.items():
        wide[name] = runtime.load(path).set_params(beam_width=5)
    few = list(X[:50])
    tasks = {
        "one row, ms": (lambda m: [m.predict([x]) for x in few], sides, 1e3 / len(few)),
        f"{len(X)} rows, greedy, s": (lambda m: m.predict(X), sides, 1),
        f"{len(X)} rows, beam 5, s": (lambda m: m.predict(X), wide, 1),
    }
    rows = []
    for name, (call, models, factor) in tasks.items():
        calls = [
            lambda m=m, call=call: seconds(lambda: call(m), time.process_time)
            for m in models.values()
        ]
        times = by_turns(calls, 5)
        medians = [statistics.median(t) * factor for t in times]
        ratios = [statistics.median(np.divide(t, times[0])) for t in times[1:]]
        rows.append(
            [name, *(f"{x:.2f}" for x in medians), *(f"{x:.2f}" for x in ratios)]
        )
    head = ["", *sides, "exported / estimator", "int8 / estimator"]
    table("Processor time, one thread, by turns (medians)", head, rows)


def measure_int8(models, pairs, folder):
    """What eight bits cost: wrong words of 450 that are new."""
    rows = []
    for name, model in models.items():
        X, y = (list(side[-N_TEST:]) for side in pairs[name])
        errors = []
        for int8 in (False, True):
            export_onnx(model, folder / "wer.zip", int8=int8)
            exported = runtime.load(folder / "wer.zip").set_params(beam_width=5)
            errors.append(100 * (exported.predict(X) != np.array(y, object)).mean())
        rows.append([name, *(f"{error:.2f}" for error in errors)])
    head = ["task", "WER, single precision", "WER, int8"]
    table(f"Eight bits, beam 5, on {N_TEST} new words", head, rows)


def main():
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder with sigmorphon2020/")
    parser.add_argument("--epochs", type=int, default=30)
    parts = ("same", "start", "speed", "int8")
    parser.add_argument("--only", choices=parts, nargs="+", default=parts)
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    pairs = languages(args.data)
    first = next(iter(pairs))
    X, y = pairs[first]
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if "same" in args.only:
            measure_sameness(X, y, folder)
        if set(args.only) == {"same"}:
            return
        models = {first: fit(X, y, args.epochs)}
        if "start" in args.only:
            measure_start(models[first], X[0], folder)
        if "speed" in args.only:
            measure_speed(models[first], list(X[:N_TRAIN]), folder)
        if "int8" in args.only:
            for name in pairs:
                models[name] = models.get(name) or fit(*pairs[name], args.epochs)
            measure_int8(models, pairs, folder)


if __name__ == "__main__":
    main()
