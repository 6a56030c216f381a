"""What helps when pairs are few: word error rates on the SIGMORPHON 2020 data.

The folder holds ``{language}_{train,dev,test}.tsv``, a word and its space-separated
phones a line. Of the training words a few get their pronunciation, the others are
unlabelled::

    python -m benchmarks.scarce_data --data FOLDER --split test
    python -m benchmarks.scarce_data --split test --picture scarce_data.png

The first command adds one JSON line a fit to ``scarce_data.jsonl`` beside this file (or
what ``--results`` names) and goes on where it stopped; both print the table of what is
in the file. A seed draws the pairs, the same for every method, and the first weights.
Nothing is set but the analyzers, and the attention where a method names one.
"""

import argparse
import json
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.frozen import FrozenEstimator

from sklearn_seq2seq import (
    PairAugmenter,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.datasets import read_pairs
from sklearn_seq2seq.metrics import token_error_rate

RESULTS = Path(__file__).with_name("scarce_data.jsonl")
SIZES = (50, 200, 800)
NAMES = {"hun": "Hungarian", "kor": "Korean"}
METHODS = ("plain", "joined", "autoencoder", "autoencoder, hard attention")
# Other ways, on no page.
TRIED = (
    "ensemble",
    "vectors",
    "noise",
    "copies",
    "autoencoder, hard attention, joined",
    "autoencoder without attention",
)


class Language:
    """The data of one language, and what is learned from its unlabelled words."""

    def __init__(self, folder, name, split):
        self.words, self.phones = read_pairs(
            folder / f"{name}_train.tsv", return_X_y=True
        )
        self.held_out = read_pairs(folder / f"{name}_{split}.tsv", return_X_y=True)
        self.source = SequenceVectorizer(handle_unknown="silent")
        self.target = SequenceVectorizer(analyzer="word", handle_unknown="silent")
        self.autoencoders = {}
        self.plain = {}

    def pairs(self, size, seed):
        """Draw pairs: words and phones."""
        rows = np.random.RandomState(seed).permutation(len(self.words))[:size]
        return [self.words[i] for i in rows], [self.phones[i] for i in rows]

    def autoencoder(self, seed, attention):
        """Fit an autoencoder on all words, once a seed."""
        if (seed, attention) not in self.autoencoders:
            model = Seq2SeqTransformer(
                source_vectorizer=self.source,
                attention=attention,
                random_state=seed,
            )
            fitted = FrozenEstimator(model.fit(self.words))
            self.autoencoders[seed, attention] = fitted
        return self.autoencoders[seed, attention]

    def vectors(self, seed):
        """Letter vectors from the letters two places around, by PPMI and SVD."""
        vectorizer = SequenceVectorizer(**self.source.get_params())
        tokens = vectorizer.fit_transform(self.words)
        size, n_tokens = vectorizer.vocabulary_size_, len(tokens.data)
        rows = np.repeat(np.arange(tokens.shape[0]), np.diff(tokens.indptr))
        counts = sparse.csr_array((size, size))
        for step in (1, 2):
            same = np.flatnonzero(rows[:-step] == rows[step:])
            near = tokens.data[same], tokens.data[same + step]
            counts += sparse.csr_array((np.ones(len(same)), near), shape=(size, size))
        counts = (counts + counts.T).toarray()
        frequency = np.bincount(tokens.data, minlength=size) / n_tokens
        with np.errstate(divide="ignore", invalid="ignore"):
            ppmi = np.log(counts / counts.sum() / np.outer(frequency, frequency))
        ppmi = np.nan_to_num(np.maximum(ppmi, 0), posinf=0)[2:, 2:]
        n_columns = Seq2SeqTransformer().embedding_size
        svd = TruncatedSVD(min(n_columns, size - 3), random_state=seed)
        found = svd.fit_transform(ppmi - ppmi.mean(axis=0))
        found /= np.sqrt(svd.singular_values_)
        vectors = np.zeros((size - 2, n_columns))
        vectors[:, : found.shape[1]] = found
        # Scaled as the random start of a table is.
        vectors /= np.sqrt(np.mean(vectors**2))
        return dict(zip(vectorizer.vocabulary_, vectors, strict=True))


def augmenter(language, method, size, seed):
    """Make the augmenter that a method uses, or None."""
    ways = {
        "noise": {"joined": 0, "noisy": 1},
        "joined": {"joined": 1},
        "copies": {
            "joined": 0,
            "copy": "source",
            "unlabelled": language.pairs(size, seed + 1)[0],
            "tag": "=",
        },
    }
    way = next((ways[name] for name in ways if name in method), None)
    if way is None:
        return None
    return PairAugmenter(
        source_vectorizer=language.source,
        target_vectorizer=language.target,
        random_state=seed,
        **way,
    )


def start(language, method, seed):
    """Make the parameters for an autoencoder's start, where a method has one."""
    if not method.startswith("autoencoder"):
        return {}
    if "without attention" in method:
        return {"pretrained": language.autoencoder(seed, None)}
    attention = "hard" if "hard" in method else "auto"
    autoencoder = language.autoencoder(seed, attention)
    return {"pretrained": autoencoder, "attention": attention}


def fit(language, method, size, seed):
    """Fit one network."""
    X, y = language.pairs(size, seed % 1000)
    extra = start(language, method, seed)
    if method == "vectors":
        extra["source_vectors"] = language.vectors(seed)
    sampler = augmenter(language, method, size, seed)
    if sampler is not None:
        X, y = sampler.fit_resample(X, y)
    model = Seq2SeqTransformer(
        source_vectorizer=language.source,
        target_vectorizer=language.target,
        random_state=seed,
        **extra,
    )
    return model.fit(X, y)


def ensemble(language, size, seed):
    """Five networks that differ in their seed, the first being the plain one."""
    first = language.plain.get((size, seed)) or fit(language, "plain", size, seed)
    others = [fit(language, "plain", size, seed + 1000 * k) for k in range(1, 5)]
    named = [(str(k), model) for k, model in enumerate([first, *others])]
    return Seq2SeqEnsemble(estimators=named, prefit=True).fit(None)


def measure(language, method, size, seed):
    """Fit and score; figures in percent, and seconds of CPU time that fitting took."""
    start(language, method, seed)  # shared by all sizes, so not timed
    begin = time.process_time()
    if method == "ensemble":
        model = ensemble(language, size, seed)
    else:
        model = fit(language, method, size, seed)
    if method == "plain":
        language.plain = {(size, seed): model}
    seconds = time.process_time() - begin
    X, y = language.held_out
    y_pred = model.predict(X)
    return {
        "wer": 100 * float(np.mean(np.asarray(y, dtype=object) != y_pred)),
        "per": 100 * token_error_rate(y, y_pred, unit="word"),
        "seconds": round(seconds, 1),
    }


def read_results(path):
    """Read the lines of the file of results; none if there is none yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def run(args):
    """Measure all that the file of results does not have yet."""
    keys = ("split", "language", "method", "size", "seed")
    done = {tuple(line[key] for key in keys) for line in read_results(args.results)}
    languages = {name: Language(args.data, name, args.split) for name in args.languages}
    for size in args.sizes:
        for seed in args.seeds:
            for name, method in product(args.languages, args.methods):
                language = languages[name]
                what = (args.split, name, method, size, seed)
                late = (
                    method == "ensemble"
                    and seed not in args.seeds[: args.ensemble_seeds]
                )
                if late or what in done:
                    continue
                line = dict(zip(keys, what, strict=True))
                line |= measure(language, method, size, seed)
                with args.results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")


def summary(lines, figure):
    """Mean, standard error and number of fits by (language, method, size)."""
    values = {}
    for line in lines:
        key = line["language"], line["method"], line["size"]
        values.setdefault(key, []).append(line[figure])
    return {
        key: (np.mean(v), np.std(v, ddof=1) / np.sqrt(len(v)) if v[1:] else 0, len(v))
        for key, v in values.items()
    }


def print_table(lines, figure):
    """Print one Markdown table a language."""
    found = summary(lines, figure)
    sizes = sorted({size for _, _, size in found})
    for language in sorted({name for name, _, _ in found}):
        print(
            f"\n| {NAMES.get(language, language)} | "
            + " | ".join(f"{size:,}" for size in sizes)
            + " |"
        )
        print("|---" * (len(sizes) + 1) + "|")
        for method in (*METHODS, *TRIED):
            cells = []
            for size in sizes:
                mean, error, n = found.get((language, method, size), (0, 0, 0))
                spread = f" ± {error:.1f}" if n > 1 else ""
                cells.append(f"{mean:.1f}{spread}" if n else "")
            if any(cells):
                print(f"| {method} | " + " | ".join(cells) + " |")


def draw(lines, path):
    """Draw the word error rates against the number of pairs."""
    from matplotlib import pyplot as plt

    found = summary(lines, "wer")
    languages = sorted({name for name, _, _ in found})
    figure, axes = plt.subplots(
        1,
        len(languages),
        figsize=(9, 4),
        sharex=True,
        sharey=True,
        layout="constrained",
    )
    for ax, language in zip(np.atleast_1d(axes), languages, strict=True):
        for k, method in enumerate(METHODS):
            points = sorted(
                (size, *found[name, kind, size][:2])
                for name, kind, size in found
                if (name, kind) == (language, method)
            )
            if points:
                sizes, means, errors = zip(*points, strict=True)
                style = {"marker": "osvx"[k], "color": f"C{k}", "label": method}
                style |= {"markersize": 4, "capsize": 3}
                ax.errorbar(sizes, means, errors, **style)
        ax.set(xscale="log", title=NAMES.get(language, language), xlabel="pairs")
        ax.set_xticks(list(SIZES), [f"{size:,}" for size in SIZES])
        ax.minorticks_off()
    np.atleast_1d(axes)[0].set_ylabel("words wrong, percent")
    np.atleast_1d(axes)[-1].legend()
    figure.savefig(path)


def main():
    """Read the command line, measure, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", type=Path, help="folder of the pairs; without it, nothing is fitted"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--languages", nargs="+", default=["hun", "kor"])
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--sizes", nargs="+", type=int, default=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--ensemble-seeds", type=int, help="Only the first so many.")
    parser.add_argument("--split", choices=["dev", "test"], default="dev")
    parser.add_argument("--figure", choices=["wer", "per"], default="wer")
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    # Networks of few steps predict strings without end.
    warnings.filterwarnings("ignore", category=UserWarning)
    if args.data is not None:
        run(args)
    lines = [x for x in read_results(args.results) if x["split"] == args.split]
    print_table(lines, args.figure)
    if args.picture is not None:
        draw(lines, args.picture)


if __name__ == "__main__":
    main()
