"""Misspellings corrected against a dictionary, beside the most similar of its words.

    python -m benchmarks.correction

prints a Markdown table of exact match in percent, on misspellings of the 400 words that
are misspelt in most ways, 3,000 of which are for training, and of words that training
does not have. The last column takes the network's answer where its confidence reaches
the threshold that is best on other pairs of both kinds, and else the most similar word.
Nothing is set but a seed; a beam of 5 searches the dictionary.
"""

import argparse

import numpy as np

from benchmarks._suite_tasks import draw
from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_misspellings

N_TEST, N_DEV = 500, 250
THRESHOLDS = np.arange(0.1, 1, 0.1)
COLUMNS = "test words | most similar | free | dictionary | both"


def of_other_words(X, y, known):
    """Misspellings of words that are not known: some to choose by, some to test on."""
    rows = np.flatnonzero(~np.isin(y.astype(str), known))
    rows = np.random.default_rng(0).permutation(rows)
    return [(X[part], y[part]) for part in (rows[N_TEST:][:N_DEV], rows[:N_TEST])]


def answers(model, floor, X, y):
    """What is right, of the floor and of the network, and how sure the network is."""
    y = np.asarray(y, dtype=object)
    confidence = model.predict_confidence(X)
    return floor.predict(X) == y, model.predict(X) == y, confidence


def combined(answered, threshold):
    """Share of right answers, the network's where it is sure enough."""
    similar, right, confidence = answered
    return np.where(confidence >= threshold, right, similar).mean()


def main():
    """Train on misspellings, then correct others in four ways."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    train, *known = draw("misspellings", 3000)
    X, y = load_misspellings(return_X_y=True)
    others = of_other_words(X, y, sorted(set(train[1])))
    model = Seq2SeqTransformer(random_state=0).fit(*train)
    free = [model.score(*test) for _, test in (known, others)]

    dictionary = sorted(set(y))
    floor = DummySeq2Seq(strategy="closest", allowed_outputs=dictionary).fit(*train)
    model.set_params(allowed_outputs=dictionary, beam_width=5)
    dev, test = zip(
        *([answers(model, floor, *part) for part in kind] for kind in (known, others)),
        strict=True,
    )
    means = [np.mean([combined(part, low) for part in dev]) for low in THRESHOLDS]
    threshold = THRESHOLDS[np.argmax(means)]

    print(f"{len(dictionary):,} words, threshold {threshold:.1f}\n\n| {COLUMNS} |")
    print("|---|---|---|---|---|")
    for name, alone, part in zip(("in training", "new"), free, test, strict=True):
        shares = part[0].mean(), alone, part[1].mean(), combined(part, threshold)
        figures = " | ".join(f"{100 * share:.1f}" for share in shares)
        print(f"| {name} | {figures} |")


if __name__ == "__main__":
    main()
