"""How soon a network learns with each kind of attention, and what an epoch takes.

    python -m benchmarks.attention

prints a Markdown table, a row a kind and figures in percent: strings of 20 to 30
letters, all to be copied, that a network with and without ``copy=True`` writes without
a mistake after 512 and 1,024 steps on 512 pairs; phones wrong in new words after 500
steps on 200 English words, with the default settings; and the processor's time of an
epoch on words over that of "general", with one thread. Data are generated or come from
`sklearn_seq2seq.datasets`.
"""

import argparse
import statistics
import time

import torch

from benchmarks._data import words
from benchmarks._measure import Settings, by_turns
from benchmarks.training import OurLoop
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations, make_copy
from sklearn_seq2seq.metrics import token_error_rate

KINDS = ("additive", "general", "dot", "hard")
LETTERS = {"min_length": 20, "max_length": 30, "alphabet": "abcdefgh"}


def copied(attention, copy, n_epochs, seed):
    """Share of new strings that are copied without a mistake."""
    X, y = make_copy(512, random_state=0, return_X_y=True, **LETTERS)
    model = Seq2SeqTransformer(
        attention=attention,
        copy=copy,
        hidden_size=32,
        embedding_size=16,
        dropout=0.0,
        label_smoothing=0.0,
        learning_rate=0.01,
        batch_size=16,
        max_epochs=n_epochs,
        random_state=seed,
    )
    new = make_copy(150, random_state=1, return_X_y=True, **LETTERS)
    return model.fit(X, y).score(*new)


def wrong_phones(attention, n_epochs, seed):
    """Phone error rate on words that were not among the 200 to learn from."""
    X, y = load_pronunciations(n_words=1200, random_state=0, return_X_y=True)
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        attention=attention,
        max_epochs=n_epochs,
        random_state=seed,
    )
    model.fit(X[:200], y[:200])
    return token_error_rate(y[200:], model.predict(X[200:]), unit="word")


def epoch_times(n_words, rounds):
    """Median ratios of an epoch's time to that of "general", by turns."""
    pairs = words(Settings()).some(n_words)
    names = ("hidden_size", "batch_size", "learning_rate")
    defaults = {name: Seq2SeqTransformer().get_params()[name] for name in names}
    loops = [
        OurLoop(pairs, time.process_time, attention=kind, **defaults) for kind in KINDS
    ]
    by_turns(loops, 1)  # what is first done once
    taken = by_turns(loops, rounds)
    usual = taken[KINDS.index("general")]
    return [
        statistics.median(a / b for a, b in zip(own, usual, strict=True))
        for own in taken
    ]


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    torch.set_num_threads(1)
    times = epoch_times(1920, 7)
    print("| | copied, 512 steps | 1,024 | with `copy`, 512 | 1,024 | phones wrong |")
    print("|---|---|---|---|---|---|")
    for kind in KINDS:
        shares = [
            copied(kind, copy, n, seed) for copy in (False, True) for n in (16, 32)
        ]
        shares.append(wrong_phones(kind, 72, seed))
        print(f'| "{kind}"', *(f"{100 * x:.0f}" for x in shares), sep=" | ", end=" |\n")
    for kind, ratio in zip(KINDS, times, strict=True):
        print(f'An epoch with "{kind}" takes {ratio:.2f} times that of "general".')


if __name__ == "__main__":
    main()
