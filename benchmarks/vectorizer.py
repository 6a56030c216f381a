"""Speed of SequenceVectorizer beside scikit-learn's CountVectorizer, on the same text.

Run by hand, with one thread:

    OMP_NUM_THREADS=1 python benchmarks/vectorizer.py

The text is 1,000,000 short strings: ``--rows`` draws with replacement from the words of
`load_misspellings`, one a row for "char" and three for "word". Both fit on it and
transform it, in turn; what is printed is the median of the times of the processor, the
median of the ratios of neighbouring runs, and the bytes that a token takes in the
result of ours.
"""

import argparse
import statistics
import time

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from sklearn_seq2seq import SequenceVectorizer
from sklearn_seq2seq.datasets import load_misspellings


def seconds(vectorizer, rows):
    """Time of the processor for one `fit_transform`, and its result."""
    start = time.process_time()
    result = vectorizer.fit_transform(rows)
    return time.process_time() - start, result


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--rows", type=int, default=1_000_000)
parser.add_argument("--repeats", type=int, default=3)
args = parser.parse_args()

words = load_misspellings().data
rng = np.random.default_rng(0)
single = rng.choice(words, args.rows).tolist()
triple = list(map(" ".join, rng.choice(words, (args.rows, 3)).tolist()))

print(f"{args.rows:,} rows, seconds of the processor for fit_transform")
print(f"{'analyzer':<10}{'ours':>8}{'theirs':>8}{'ratio':>8}{'bytes/token':>13}")
for analyzer, rows, theirs in [
    ("char", single, CountVectorizer(analyzer="char", lowercase=False)),
    ("word", triple, CountVectorizer(lowercase=False, token_pattern=r"\S+")),
]:
    ours = SequenceVectorizer(analyzer=analyzer)
    times = []
    for _ in range(args.repeats):
        (own, tokens), (other, _) = seconds(ours, rows), seconds(theirs, rows)
        times.append((own, other))
    size = tokens.data.nbytes + tokens.indices.nbytes + tokens.indptr.nbytes
    own, other = (statistics.median(column) for column in zip(*times, strict=True))
    ratio = statistics.median(other / own for own, other in times)
    print(
        f"{analyzer:<10}{own:>8.2f}{other:>8.2f}{ratio:>7.1f}x"
        f"{size / tokens.nnz:>13.2f}"
    )
