"""Translation of interface strings: BLEU, chrF, and how many placeholders survive.

The strings are those of `load_ui_translations`: what is installed decides how many
there are. One group of near-duplicates in ten is held out. ``--set`` changes the
network::

    python -m pip install --no-deps wagtail weblate
    python -m benchmarks.translation
    python -m benchmarks.translation --seeds 0 1 2 --set max_epochs=20

It prints one line for each floor, and for a network with and without copying of each
seed: BLEU, chrF, the percentage of strings that are wholly right, the percentage of
placeholders and of pieces of markup that are in the translation, the percentage of
strings that have all of theirs, and the CPU time of a fit.
"""

import argparse
import time

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from benchmarks._setting import setting
from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_ui_translations
from sklearn_seq2seq.metrics import bleu_score, chrf_score, exact_match_score


def shared_pieces(X, y, size):
    """One vocabulary for both languages, so that both cut placeholders alike."""
    learner = SequenceVectorizer(analyzer="subword", max_features=size)
    tokenizer = learner.fit(np.concatenate([X, y])).tokenizer_
    return SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)


def make_model(seed, vectorizer, *, copy):
    """The same network with and without copying."""
    return Seq2SeqTransformer(
        source_vectorizer=vectorizer,
        target_vectorizer=vectorizer,
        share_embeddings=True,
        attention="general",
        copy=copy,
        max_epochs=14,
        random_state=seed,
    )


def kept(placeholders, y_pred):
    """Placeholders that are in the predictions, and those that should be, by row."""
    return np.array(
        [
            (sum(min(row.count(p), text.count(p)) for p in set(row)), len(row))
            for row, text in zip(placeholders, y_pred, strict=True)
        ]
    )


def measure(model, train, test, placeholders):
    """All figures of one model, as a dict."""
    start = time.process_time()
    model.fit(*train)
    seconds = time.process_time() - start
    X, y = test
    y_pred = model.predict(X)
    n_kept, n_all = kept(placeholders, y_pred).T
    return {
        "BLEU": bleu_score(y, y_pred),
        "chrF": chrf_score(y, y_pred),
        "exact": 100 * exact_match_score(y, y_pred),
        "placeholders": 100 * n_kept.sum() / n_all.sum(),
        "rows with all": 100 * np.mean(n_kept[n_all > 0] == n_all[n_all > 0]),
        "CPU seconds": seconds,
    }


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--language", default="de")
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args()

    strings = load_ui_translations(args.language)
    split = GroupShuffleSplit(1, test_size=0.1, random_state=0)
    train, test = next(split.split(strings.data, groups=strings.groups))
    pairs = [(strings.data[rows], strings.target[rows]) for rows in (train, test)]
    placeholders = strings.placeholders[test]
    print(f"{len(train)} strings to learn from, {len(test)} held out; they have")
    print(f"{sum(map(len, placeholders))} placeholders in", end=" ")
    print(f"{sum(map(bool, placeholders))} strings.", flush=True)

    models = {f"dummy, {s}": DummySeq2Seq(strategy=s) for s in ("copy", "nearest")}
    vectorizer = shared_pieces(*pairs[0], args.pieces)
    for seed in args.seeds:
        for copy in (False, True):
            name = f"{'' if copy else 'no '}copying, seed {seed}"
            models[name] = make_model(seed, vectorizer, copy=copy)
            models[name].set_params(**dict(args.set))
    for name, model in models.items():
        figures = measure(model, *pairs, placeholders)
        cells = "  ".join(f"{key} {value:.1f}" for key, value in figures.items())
        print(f"{name:<20}{cells}", flush=True)


if __name__ == "__main__":
    main()
