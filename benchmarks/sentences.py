"""Translation of sentences: English to German captions of Multi30k, BLEU and chrF.

The folder holds ``{train,val,test_2016_flickr}.{en,de}.gz``, one sentence a line. The
settings are those that the documentation recommends for sentences; ``--set`` changes
them::

    python -m benchmarks.sentences --data multi30k --split test_2016_flickr
    python -m benchmarks.sentences --data multi30k --set input_feeding=True
    python -m benchmarks.sentences --data multi30k --save seed1.model --seed 1
    python -m benchmarks.sentences --data multi30k --load seed0.model seed1.model
    python -m benchmarks.sentences --data multi30k --teachers seed0.model seed1.model
    python -m benchmarks.sentences

The model is that of the epoch with the lowest loss on val. A fit prints a line an
epoch, then sacrebleu's figures, greedily and with a beam of 5: BLEU, chrF, and the BLEU
of lower-cased text. ``--results FILE`` also adds them to a file, as a line of JSON.
``--load`` takes saved models, which decode together, and trains nothing. ``--teachers``
takes them to translate the training sentences, and one network learns from these
translations as well as from the pairs. The last prints the tables of what was tried on
val, from ``sentences.jsonl`` beside this file.
"""

import argparse
import gzip
import json
import time
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from benchmarks._setting import setting
from sklearn_seq2seq import (
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
)

KEYS = ("train_loss", "valid_loss", "valid_exact_match", "dur")
SEARCHES = {
    "greedy": {"beam_width": 1, "length_penalty": 0.0},
    "beam 5": {"beam_width": 5, "length_penalty": 0.0},
    "beam 5, length penalty 1": {"beam_width": 5, "length_penalty": 1.0},
}
BEST = "beam 5, length penalty 1"


def read(folder, part, language):
    """The sentences of one file."""
    with gzip.open(folder / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def make_model(seed, pieces=5_000):
    """The recipe for sentences, as docs/recipes.md has it."""
    vectorizer = SequenceVectorizer(
        analyzer="subword", max_features=pieces, handle_unknown="silent"
    )
    return Seq2SeqTransformer(
        source_vectorizer=vectorizer,
        target_vectorizer=vectorizer,
        hidden_size=256,
        embedding_size=256,
        tie_output=True,
        max_epochs=12,
        beam_width=5,
        length_penalty=1.0,
        random_state=seed,
    )


def train(args):
    """Fit and print the epochs; return the model and what its fit was like."""
    pairs, valid = (
        [read(args.data, part, language) for language in ("en", "de")]
        for part in ("train", "val")
    )
    model = make_model(args.seed, args.pieces).set_params(**dict(args.set))
    wall, cpu = time.perf_counter(), time.process_time()
    X, y = (side[: args.pairs] for side in pairs)
    n_pairs = len(X)
    if args.teachers:
        teachers = together(args.teachers).set_params(**SEARCHES[BEST])
        X, y = 2 * X, [*y, *teachers.predict(X)]
    model.fit(X, y, validation_data=valid)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for row in model.history_:
        print(f"epoch {row['epoch']}", *(f"{row[k]:.3f}" for k in KEYS), flush=True)
    print(f"{model.n_parameters_:,} weights; {wall:.0f} s, {cpu:.0f} s of CPU")
    if args.save:
        model.save(args.save)
    return model, {
        "pairs": n_pairs,
        "device": model.net_.device,
        "seconds": round(wall, 1),
        "valid_loss": min(row["valid_loss"] for row in model.history_),
    }


def translate(model, X, y):
    """Print and return the scores of three ways to decode."""
    figures = {}
    for name, params in SEARCHES.items():
        y_pred = list(model.set_params(**params).predict(X))
        print(name)
        for metric in (BLEU(), CHRF(), BLEU(lowercase=True)):
            score = metric.corpus_score(y_pred, [y])
            print(f"  {score.score:.2f} {metric.get_signature()}", flush=True)
            case = ", lower case" if metric.lowercase else ""
            figures[f"{name}, {score.name}{case}"] = round(score.score, 2)
    return figures


def together(paths):
    """Saved models as one that decodes with all of them."""
    models = [(str(k), load(path)) for k, path in enumerate(paths)]
    if len(models) == 1:
        return models[0][1]
    return Seq2SeqEnsemble(estimators=models, prefit=True).fit(["a"], ["a"])


def print_tables(lines):
    """Print what was tried on val as Markdown tables, one for each number of pairs."""
    tables = {}
    for line in lines:
        if line["split"] == "val":
            fits = tables.setdefault(line["pairs"], {})
            fits.setdefault(line["name"], []).append(line)
    columns = ["valid_loss", *(f"{name}, BLEU" for name in SEARCHES)]
    for n_pairs, fits in tables.items():
        titles = " | ".join([f"{n_pairs:,} pairs", "seeds", "val loss", *SEARCHES])
        print(f"| {titles} |\n" + "|---" * 6 + "|")
        for name, own in fits.items():
            cells = [f"`{name}`" if "=" in name else name, str(len(own))]
            for key in columns:
                digits = 3 if key == "valid_loss" else 2
                cells.append(f"{np.mean([line[key] for line in own]):.{digits}f}")
            print("| " + " | ".join(cells) + " |")
        print()


def main():
    """Read the command line; train, translate and print, or print what was tried."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="without it, nothing is trained")
    parser.add_argument("--pairs", type=int, help="train on the first so many")
    parser.add_argument("--split", choices=["val", "test_2016_flickr"], default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pieces", type=int, default=5_000, help="of each vocabulary")
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    parser.add_argument("--save", type=Path)
    parser.add_argument("--load", type=Path, nargs="+", help="instead of training")
    parser.add_argument("--teachers", type=Path, nargs="+", help="saved models")
    parser.add_argument("--results", type=Path)
    args = parser.parse_args()
    results = args.results or Path(__file__).with_suffix(".jsonl")
    if args.data is None:
        print_tables(map(json.loads, results.read_text("utf-8").splitlines()))
        return
    training = args.set, args.save, args.pairs, args.teachers, args.results
    if args.load and any(training):
        parser.error("--load goes with --data and --split alone.")
    model, figures = (together(args.load), {}) if args.load else train(args)
    held_out = (read(args.data, args.split, language) for language in ("en", "de"))
    figures |= translate(model, *held_out)
    if args.results is not None:
        changes = [f"{name}={value!r}" for name, value in args.set]
        if args.pieces != parser.get_default("pieces"):
            changes.append(f"pieces={args.pieces}")
        if args.teachers:
            changes.append(f"taught by {len(args.teachers)}")
        name = ", ".join(changes) or "the recipe"
        asked = {"name": name, "seed": args.seed, "split": args.split}
        line = asked | figures
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
