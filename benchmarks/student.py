"""One network taught by an ensemble: error rates and decoding time.

    python -m benchmarks.student --sizes 300 1000

draws English words; the first so many have pronunciations, the others up to
``--words`` are unlabelled. An ensemble of five networks learns from the pairs, and one
network, the student, from the pairs and from what the ensemble predicts for the
unlabelled words, weighted by its confidence. It prints a Markdown table, a row a size:
the percentage of 4,000 further words whose pronunciation is not wholly right, by one
network of the ensemble, by the ensemble and by the student; CPU seconds of fitting the
ensemble and the student; and the ensemble's decoding time over the student's, the
median of five turns. All are greedy, with default settings.
"""

import argparse
import time

import numpy as np

from benchmarks._measure import by_turns, median_ratio, seconds
from benchmarks._setting import setting
from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations

N_TEST = 4000


def speller(seed, params):
    """Make a network that reads letters and writes phones."""
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        random_state=seed,
    )
    return model.set_params(**params)


def teach(student, ensemble, X, y, X_unlabelled):
    """Fit a network to pairs and to an ensemble's predictions."""
    X = np.concatenate([X, X_unlabelled])
    y = np.concatenate([y, ensemble.predict(X_unlabelled)])
    confidence = ensemble.predict_confidence(X_unlabelled)
    weight = np.concatenate([np.ones(len(X) - len(confidence)), confidence])
    return student.fit(X, y, sample_weight=weight)


def measure(size, n_words, seed, params):
    """Cells of a size's row."""
    X, y = load_pronunciations(
        n_words=n_words + N_TEST, random_state=seed, return_X_y=True
    )
    test = X[n_words:], y[n_words:]
    start = time.process_time()
    ensemble = Seq2SeqEnsemble(speller(None, params), random_state=seed)
    ensemble.fit(X[:size], y[:size])
    taught = time.process_time()
    student = speller(seed, params)
    teach(student, ensemble, X[:size], y[:size], X[size:n_words])
    end = time.process_time()
    models = ensemble.estimators_[0], ensemble, student
    wer = [100 * (1 - model.score(*test)) for model in models]
    sides = [
        lambda model=model: seconds(lambda: model.predict(test[0]), time.process_time)
        for model in (ensemble, student)
    ]
    ratio = median_ratio(*by_turns(sides, 5))
    times = taught - start, end - taught
    return *(f"{x:.2f}" for x in wer), *(f"{x:.0f}" for x in times), f"{ratio:.1f}"


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[300, 1000, 3600])
    parser.add_argument("--words", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    print(
        "| pairs | one network | ensemble | student | fit, ensemble | fit, student | "
        "decoding, ratio |"
    )
    print("|---" * 7 + "|")
    for size in args.sizes:
        cells = measure(size, args.words, args.seed, dict(args.set))
        print(f"| {size:,} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
