"""Hard attention beside soft attention and the suffix floor, on lemmas and inflection.

    python -m benchmarks.inflection
    python -m benchmarks.inflection --tasks plurals --sizes 100 300

prints a Markdown table, a row a task and a number of pairs: the share of 500 new words
that come out right, by the rule of the longest suffix, by "additive" attention and by
hard attention that copies, as the defaults do; then the CPU seconds of the two fits,
and of hard attention over soft the time of `fit` and of greedy decoding, the latter a
median of five turns. Nothing else is set. Smaller sets of pairs are the first ones of
larger.
"""

import argparse
import time

import numpy as np
import torch

from benchmarks._measure import by_turns, median_ratio, seconds
from benchmarks._setting import setting
from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_lemmas

N_TEST = 500
KINDS = {
    "soft": {"attention": "additive", "copy": False},
    "hard": {"attention": "hard", "copy": True},
}


def lemmas():
    """German words and their lemmas: "gingen" is "gehen"."""
    return load_lemmas("de", return_X_y=True)


def plurals():
    """English words with an "s": "city" is "cities"."""
    forms, lemmas = load_lemmas("en", return_X_y=True)
    chosen = [
        form.endswith("s") and form != lemma and form == form.lower()
        for form, lemma in zip(forms, lemmas, strict=True)
    ]
    return lemmas[chosen], forms[chosen]


def participles():
    """German weak participles with "ge": "abholen" is "abgeholt"."""
    forms, lemmas = load_lemmas("de", return_X_y=True)
    chosen = [
        "ge" in form
        and lemma.endswith("n")
        and form.replace("ge", "", 1).removesuffix("t").removesuffix("e")
        == lemma.removesuffix("n").removesuffix("e")
        for form, lemma in zip(forms, lemmas, strict=True)
    ]
    return lemmas[chosen], forms[chosen]


TASKS = {"lemmas": lemmas, "plurals": plurals, "participles": participles}


def draw(task, n_pairs, seed):
    """Draw `n_pairs` words to learn from and `N_TEST` others, each source once."""
    X, y = TASKS[task]()
    _, first = np.unique(X.astype(str), return_index=True)
    rows = np.random.default_rng(seed).permutation(first)[: N_TEST + n_pairs]
    test, train = rows[:N_TEST], rows[N_TEST:]
    return (X[train], y[train]), (X[test], y[test])


def measure(train, test, seed, params):
    """Cells of a row: three shares, two times of `fit` and two ratios."""
    floor = DummySeq2Seq(strategy="suffix").fit(*train)
    models, times = [], []
    for kind in KINDS.values():
        source = SequenceVectorizer(handle_unknown="silent")
        model = Seq2SeqTransformer(source_vectorizer=source, random_state=seed, **kind)
        model.set_params(**params)
        times.append(seconds(lambda model=model: model.fit(*train), time.process_time))
        models.append(model)
    shares = [model.score(*test) for model in (floor, *models)]
    sides = [
        lambda model=model: seconds(lambda: model.predict(test[0]), time.process_time)
        for model in models[::-1]
    ]
    decoding = median_ratio(*by_turns(sides, 5))
    return [
        *(f"{share:.3f}" for share in shares),
        *(f"{taken:.0f}" for taken in times),
        f"{times[1] / times[0]:.2f}",
        f"{decoding:.2f}",
    ]


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--sizes", nargs="+", type=int, default=[100, 300, 1000, 3000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print(
        "| task, pairs | suffix | soft | hard | fit, soft | fit, hard | ratio | "
        "decoding, ratio |"
    )
    print("|---" * 8 + "|")
    for task in args.tasks:
        (X, y), test = draw(task, max(args.sizes), args.seed)
        for size in args.sizes:
            cells = measure((X[:size], y[:size]), test, args.seed, dict(args.set))
            print(f"| {task}, {size:,} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
