"""`SequenceVectorizer` beside scikit-learn's CountVectorizer, on the same text."""

import statistics

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from benchmarks._data import words
from benchmarks._measure import Row, by_turns, median_ratio, seconds
from sklearn_seq2seq import SequenceVectorizer


def measure_vectorizer(settings):
    """Rows a second of `fit_transform`.

    The rows are drawn from words, one a row for "char" and three for "word".
    """
    n_rows = settings.pick(300_000, 20_000)
    vocabulary = np.array(words(settings).X)
    rng = np.random.default_rng(0)
    single = rng.choice(vocabulary, n_rows).tolist()
    triple = list(map(" ".join, rng.choice(vocabulary, (n_rows, 3)).tolist()))
    for analyzer, rows, theirs in (
        ("char", single, CountVectorizer(analyzer="char", lowercase=False)),
        ("word", triple, CountVectorizer(lowercase=False, token_pattern=r"\S+")),
    ):
        ours = SequenceVectorizer(analyzer=analyzer)
        taken = by_turns(
            [
                lambda v=vectorizer, r=rows: seconds(
                    lambda: v.fit_transform(r), settings.clock
                )
                for vectorizer in (ours, theirs)
            ],
            settings.pick(3, 1),
        )
        yield Row(
            "vectorizer",
            f"{analyzer} over CountVectorizer",
            median_ratio(taken[1], taken[0]),
            (1.0, None),
            n_rows / statistics.median(taken[0]),
            n_rows / statistics.median(taken[1]),
            "rows/s",
            {"seconds": taken},
        )
