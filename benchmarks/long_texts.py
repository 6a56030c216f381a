"""Error rates against the length of the source, up to four times that of training.

Texts are made up: sentences such as "minol paid six hundred and eighty four francs .",
to be copied with their numbers in digits. Networks learn from texts of one to three
sentences (``--longest``) and are tested on texts of one to twelve, which they read
whole, then cut at the end at the longest source of training, in chunks of at most that
length, and in chunks of at most 16 tokens, two sentences or so. The extras ``datasets``
and ``plot`` are needed::

    python -m benchmarks.long_texts
    python -m benchmarks.long_texts --seeds 0 1 2 --figure docs/_static/long_texts.png
    python -m benchmarks.long_texts --networks attention --longest 6
    python -m benchmarks.long_texts --networks attention --coverage --longest 6

It prints, for each floor and network, the CPU time of its fit, and one line for each
number of sentences and way of reading: tokens to be edited per reference token, in
percent (TER), texts with any error, in percent, and tokens written per reference token,
for each seed and, with standard errors, on average. With ``--coverage`` texts are read
whole only, for the first seed. Of eight hypotheses of a beam the one of the
best log-probability plus beta times the coverage penalty (Wu et al., 2016) is taken,
and in the end the one that is in fact the best.
"""

import argparse
import time
import warnings

import numpy as np

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import make_number_words
from sklearn_seq2seq.metrics import exact_match_score, token_error_rate

FLOORS = "copy", "nearest"
NETWORKS = {
    "no attention": {"attention": None},
    "attention": {"attention": "general", "copy": False},
    "attention, input feeding": {
        "attention": "general",
        "input_feeding": True,
        "copy": False,
    },
    "attention, copying": {"attention": "general", "copy": True},
    "hard attention": {"attention": "hard", "copy": False},
    "hard attention, copying": {"attention": "hard", "copy": True},
}
WAYS = {
    "whole": {"max_source_length": None},
    "truncate_end": {"max_source_length": "auto", "long_source": "truncate_end"},
    "chunk": {"max_source_length": "auto", "long_source": "chunk"},
    "chunk of 16": {"max_source_length": 16, "long_source": "chunk"},
}
BETAS = (0, 0.1, 0.2, 0.5, 1)
TESTED = (1, 2, 3, 4, 6, 8, 12)


class Texts:
    """A generator of running texts with numbers in words, and of what they become."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        words, digits = make_number_words(
            999, high=1000, random_state=0, return_X_y=True
        )
        self.numbers = [
            (w.replace("-", " "), " ".join(d))
            for w, d in zip(words, digits, strict=True)
        ]
        names = np.random.default_rng(0)
        consonants, vowels = list("bdfgklmnprstvz"), list("aeiou")
        self.names = [
            "".join(names.choice(consonants) + names.choice(vowels) for _ in range(2))
            + names.choice(list("lnrs"))
            for _ in range(80)
        ]

    def sentence(self):
        """One sentence: source and target."""
        name = self.rng.choice(self.names)
        verb = self.rng.choice(["gave", "lost", "owed", "paid", "sent", "won"])
        unit = self.rng.choice(["crowns", "francs", "guilders", "pounds"])
        number = self.numbers[self.rng.integers(len(self.numbers))]
        return [f"{name} {verb} {form} {unit} ." for form in number]

    def pairs(self, n_samples, n_sentences):
        """Texts of as many sentences as drawn from `n_sentences`."""
        texts = [
            [self.sentence() for _ in range(self.rng.choice(n_sentences))]
            for _ in range(n_samples)
        ]
        return tuple([" ".join(s[k] for s in text) for text in texts] for k in (0, 1))


def figures(y_true, y_pred):
    """Token error rate, texts with an error, and length, each over the references."""
    written, expected = (sum(len(text.split()) for text in y) for y in (y_pred, y_true))
    return {
        "TER": 100 * token_error_rate(y_true, y_pred),
        "wrong texts": 100 * (1 - exact_match_score(y_true, y_pred)),
        "length": written / expected,
    }


def make_model(name, args, seed):
    """The floor or network of a name."""
    if name in FLOORS:
        return DummySeq2Seq(strategy=name)
    return Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(analyzer="word"),
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        hidden_size=64,
        embedding_size=64,
        learning_rate=0.004,
        batch_size=32,
        max_epochs=args.epochs,
        random_state=seed,
        **NETWORKS[name],
    )


def measure(name, args, seed):
    """Fit one model; print and return its figures by way and number of sentences."""
    model = make_model(name, args, seed)
    start = time.process_time()
    model.fit(*Texts(seed + 1).pairs(args.pairs, range(1, args.longest + 1)))
    seconds = time.process_time() - start
    print(f"{name}, seed {seed}: fitted in {seconds:.0f} s CPU", flush=True)
    if args.coverage:
        return rank_by_coverage(model, args)
    table = {}
    for way, params in WAYS.items():
        if name not in FLOORS:
            model.set_params(**params)
        elif way != "whole":
            continue
        for n in TESTED:
            X, y = Texts(1000 + n).pairs(args.tests, [n])
            y_pred = model.predict(X)
            table[way, n] = row = figures(y, y_pred)
            show(way, n, {key: f"{value:6.2f}" for key, value in row.items()})
    return table


def show(way, n, row):
    """Print one line of figures."""
    cells = "  ".join(f"{key} {value}" for key, value in row.items())
    print(f"  {way:<12} {n:>2} sentences  {cells}", flush=True)


def mean_over_seeds(name, tables):
    """Average the tables of several seeds; print means and standard errors."""
    if len(tables) == 1:
        return tables[0]
    print(f"{name}, mean of {len(tables)} seeds", flush=True)
    mean = {}
    for place in tables[0]:
        found = {
            key: [table[place][key] for table in tables] for key in tables[0][place]
        }
        mean[place] = {key: np.mean(values) for key, values in found.items()}
        errors = {
            key: np.std(values, ddof=1) / np.sqrt(len(values))
            for key, values in found.items()
        }
        show(
            *place,
            {key: f"{mean[place][key]:6.2f} ± {errors[key]:.2f}" for key in found},
        )
    return mean


def rank_by_coverage(model, args):
    """Print token error rates of beams ranked with the coverage penalty."""
    for n in TESTED:
        X, y = Texts(1000 + n).pairs(args.tests, [n])
        table = model.predict_nbest(X, n_best=8)
        sources = [X[row] for row in table["row"]]
        weights = model.attention_weights(sources, table["sequence"])
        # How much each source token was looked at by the whole target, 1 at most.
        looked = [np.minimum(w[:, :-1].sum(axis=0), 1) for w in weights]
        penalty = np.array([np.log(x.clip(1e-6)).sum() for x in looked])
        scores = {
            f"beta {beta}": table["log_probability"] + beta * penalty for beta in BETAS
        }
        scores["best of the beam"] = [
            -token_error_rate([y[row]], [sequence])
            for row, sequence in zip(table["row"], table["sequence"], strict=True)
        ]
        cells = []
        for name, score in scores.items():
            best = table.assign(score=score).groupby("row")["score"].idxmax()
            rate = 100 * token_error_rate(y, table["sequence"][best])
            cells.append(f"{name} {rate:.2f}")
        print(f"  {n} sentences  TER  " + "  ".join(cells), flush=True)
    return {}


TITLES = {"whole": "whole", "chunk of 16": "in chunks of 16"}


def draw(tables, longest, path):
    """Draw the token error rates against the number of sentences."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="tight")
    for ax, way in zip(axes, ("whole", "chunk of 16"), strict=True):
        for (name, table), mark in zip(tables.items(), "osv^DP", strict=False):
            rates = [table[way, n]["TER"] for n in TESTED]
            ax.plot(TESTED, rates, marker=mark, markersize=4, label=name)
        ax.axvspan(1, longest, color="0.5", alpha=0.15, lw=0)
        ax.set(xlabel="Sentences of a text", xticks=TESTED, title=f"Read {TITLES[way]}")
    axes[0].set(ylabel="Token error rate, %", ylim=(-3, 103))
    axes[1].legend(fontsize="small")
    figure.savefig(path, dpi=90)


def main():
    """Read the command line, measure, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS)
    )
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--longest", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--coverage", action="store_true")
    parser.add_argument("--figure")
    args = parser.parse_args()
    warnings.filterwarnings("ignore", ".*longer than max_source_length")
    if args.coverage:
        for name in args.networks:
            measure(name, args, args.seeds[0])
        return
    tables = {
        name: mean_over_seeds(name, [measure(name, args, seed) for seed in args.seeds])
        for name in (*FLOORS, *args.networks)
    }
    if args.figure:
        draw({name: tables[name] for name in args.networks}, args.longest, args.figure)


if __name__ == "__main__":
    main()
