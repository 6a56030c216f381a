"""Words and sentences to measure on: generated ones, or a folder's."""

import gzip
from dataclasses import dataclass
from functools import cache

import numpy as np

from sklearn_seq2seq import SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations, read_pairs

# Letters for whatever is counted: from here on 30,000 are no surrogates.
FIRST_LETTER = 0x4E00


@dataclass
class Pairs:
    """Pairs of strings, and the vectorizers that cut them."""

    X: list
    y: list
    source: SequenceVectorizer
    target: SequenceVectorizer

    def some(self, n):
        """Take `n` of the pairs, evenly over the whole."""
        rows = np.linspace(0, len(self.X) - 1, min(n, len(self.X))).astype(int)
        X, y = ([side[row] for row in rows] for side in (self.X, self.y))
        return Pairs(X, y, self.source, self.target)

    def spelled(self):
        """Write each token as one letter: the same rows, whose tokens are all.

        A vocabulary made of more than these rows would leave the output layer tokens
        that never occur.
        """
        sides = [
            ["".join(chr(FIRST_LETTER + k) for k in row) for row in side]
            for side in self.ids()
        ]
        return Pairs(*sides, SequenceVectorizer(), SequenceVectorizer())

    def ids(self):
        """Rows of ids of both sides, as the vectorizers make them."""
        return [
            np.split(tokens.data, tokens.indptr[1:-1])
            for tokens in (
                self.source.fit_transform(self.X),
                self.target.fit_transform(self.y),
            )
        ]


@cache
def words(settings, language="hun"):
    """Words and pronunciations, about eight tokens on both sides."""
    if settings.data is None:
        X, y = load_pronunciations(n_words=3600, random_state=0, return_X_y=True)
    else:
        path = settings.data / "sigmorphon2020" / f"{language}_train.tsv"
        X, y = read_pairs(path, return_X_y=True)
    source = SequenceVectorizer(handle_unknown="silent")
    target = SequenceVectorizer(analyzer="word", handle_unknown="silent")
    return Pairs(list(X), list(y), source, target)


def languages(settings):
    """Names of all sets of words."""
    if settings.data is None:
        return ["generated"]
    files = sorted((settings.data / "sigmorphon2020").glob("*_train.tsv"))
    return [file.name.partition("_")[0] for file in files]


@cache
def sentences(settings):
    """Sentences and translations in subwords, or strings of drawn words.

    Their vocabularies are those of the whole, however few pairs are then taken.
    """
    if settings.data is None:
        sides = _drawn_sentences(settings.pick(10_000, 2_000))
        vectorizers = [
            SequenceVectorizer(
                analyzer="word",
                vocabulary=SequenceVectorizer(analyzer="word").fit(side).vocabulary_,
            )
            for side in sides
        ]
        return Pairs(*sides, *vectorizers)
    sides = [_lines(settings.data / "multi30k" / f"train.{k}.gz") for k in ("en", "de")]
    learner = SequenceVectorizer(analyzer="subword", max_features=5000)
    vectorizers = [
        SequenceVectorizer(analyzer="subword", tokenizer=learner.fit(side).tokenizer_)
        for side in sides
    ]
    return Pairs(*sides, *vectorizers)


def _lines(path):
    with gzip.open(path, "rt", encoding="utf8") as file:
        return file.read().splitlines()


def _drawn_sentences(n):
    """Lengths and frequencies of words much as in captions; nothing to learn."""
    rng = np.random.default_rng(0)
    names = np.array([f"w{k}" for k in range(5000)])
    share = 1 / np.arange(10, 5010)
    lengths = np.clip(rng.normal(13, 4, n).round(), 4, 40).astype(int)
    others = np.clip(lengths + rng.integers(-3, 4, n), 3, 44)

    def draw(counts):
        drawn = rng.choice(names, counts.sum(), p=share / share.sum())
        return [" ".join(row) for row in np.split(drawn, counts.cumsum()[:-1])]

    return draw(lengths), draw(others)
