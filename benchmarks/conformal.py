"""Prediction sets: coverage and size over many splits, beside plain thresholds.

    python -m benchmarks.conformal
    python -m benchmarks.conformal --coverage 0.8 --n-best 20

fits a model to each of three tasks, with default settings but without label smoothing,
which would leave no hypothesis a high probability. It splits the n-best lists of 1,000
new pairs at random, again and again, in halves: one calibrates, the other is covered.
It prints a Markdown table, a row a task:

- the share of best hypotheses that are right, and of n-best lists that hold the truth;
- of calibrated sets the mean coverage over the splits, the interval that holds 90 % of
  them, and the mean size;
- the same of sets of as many hypotheses as add up to that probability, which would do
  for a model that knows how sure it is;
- how many rows a threshold of that much on `predict_confidence` leaves an answer, and
  how many of the answers are right.
"""

import argparse
import warnings

import numpy as np

from benchmarks._setting import setting
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._conformity import (
    conformity_scores,
    hypothesis_scores,
    weighted_quantile,
)
from sklearn_seq2seq.datasets import (
    load_misspellings,
    load_pronunciations,
    make_dates,
)


def dates():
    """Dates as they are written in the US or in Australia: 3/5/09 may be either."""
    X, y = make_dates(20_000, locales=("en", "en_AU"), random_state=0, return_X_y=True)
    short = np.array([len(text) <= 8 for text in X])
    return X[short][:1600], y[short][:1600]


def pronunciations():
    """English words and their phones."""
    return load_pronunciations(n_words=3000, random_state=0, return_X_y=True)


def misspellings():
    """Misspellings of the 300 words that are misspelt in most ways."""
    typed, meant = load_misspellings(return_X_y=True)
    _, word, n_ways = np.unique(
        meant.astype(str), return_inverse=True, return_counts=True
    )
    common = np.argsort(-n_ways, kind="stable")[:300]
    rows = np.flatnonzero(np.isin(word, common))
    rows = np.random.default_rng(0).permutation(rows)[:2500]
    return typed[rows], meant[rows]


TASKS = {
    "dates": dates,
    "pronunciations": pronunciations,
    "misspellings": misspellings,
}
N_NEW = 1000


def nbest_lists(task, n_best, params):
    """Fit on all pairs but `N_NEW`; return their number, n-best table and truths."""
    X, y = TASKS[task]()
    n = len(X) - N_NEW
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(
            analyzer="word" if task == "pronunciations" else "char",
            handle_unknown="silent",
        ),
        label_smoothing=0.0,
        random_state=0,
    )
    model.set_params(**params).fit(X[:n], y[:n])
    return n, model.predict_nbest(X[n:], n_best), y[n:]


def over_splits(y, row, sequence, kept_of, n_splits):
    """Coverage and mean size of the sets of each split's second half.

    Parameters
    ----------
    y : ndarray of str, shape (n_rows,)
        True targets.
    row, sequence : ndarray, shape (n_hypotheses,)
    kept_of : callable
        From the rows of the first half to which hypotheses are in the sets.
    n_splits : int

    Returns
    -------
    ndarray of float, shape (n_splits, 2)
    """
    n_half, figures, right = len(y) // 2, [], sequence == y[row]
    for seed in range(n_splits):
        order = np.random.default_rng(seed).permutation(len(y))
        calibration, new = order[:n_half], order[n_half:]
        kept = kept_of(calibration)
        covered, size = (
            np.bincount(row[some], minlength=len(y))[new].mean()
            for some in (kept & right, kept)
        )
        figures.append((covered, size))
    return np.array(figures)


def measure(table, y, coverage, n_splits):
    """Cells of a task's row."""
    row, sequence = np.asarray(table["row"]), np.asarray(table["sequence"])
    scores, of_hypotheses = conformity_scores(table, y), hypothesis_scores(table)
    before = table.groupby("row")["probability"].cumsum() - table["probability"]

    def calibrated(rows):
        level = coverage * (len(rows) + 1)
        return of_hypotheses <= weighted_quantile(
            scores[rows], np.ones(len(rows)), level
        )

    def added_up(rows):
        return np.asarray(before < coverage)

    cells = [f"{np.mean(scores == 0):.3f}", f"{np.isfinite(scores).mean():.3f}"]
    for kept_of in (calibrated, added_up):
        figures = over_splits(y, row, sequence, kept_of, n_splits)
        low, high = np.quantile(figures[:, 0], [0.05, 0.95])
        mean, size = figures.mean(axis=0)
        cells += [f"{mean:.3f} ({low:.3f} to {high:.3f})", f"{size:.2f}"]
    best = table[table["rank"] == 0]
    sure = np.asarray(best["probability"]) >= coverage
    right = np.mean(scores[sure] == 0) if sure.any() else np.nan
    return [*cells, f"{sure.mean():.3f}", f"{right:.3f}"]


def main(arguments=None):
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--coverage", nargs="+", type=float, default=[0.9])
    parser.add_argument("--n-best", type=int, default=10)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args(arguments)
    # Hypotheses far down may not end.
    warnings.filterwarnings("ignore", ".*ended by max_length", UserWarning)
    print(
        "| task, pairs | asked | best right | in the list | calibrated | size | "
        "added up | size | sure | of these right |"
    )
    print("|---" * 10 + "|")
    for task in args.tasks:
        n, table, y = nbest_lists(task, args.n_best, dict(args.set))
        for coverage in args.coverage:
            cells = measure(table, y, coverage, args.splits)
            print(f"| {task}, {n:,} | {coverage} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
