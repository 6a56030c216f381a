"""Speed of decoding beside a bare torch loop with the same network and weights.

Run by hand, with one thread and nothing else to do for the machine:

    OMP_NUM_THREADS=1 python benchmarks/decoding.py

The network is a bidirectional LSTM of 256 units a direction with "general" attention
and embeddings of 128; it learns a little of `load_pronunciations` first, so that its
outputs end. Both sides go from strings to strings. They take turns, and what is
printed is the median of the ratios of neighbouring runs, which other load on the
machine moves far less than it moves the times:

- greedy and beam-5 sentences a second, over those of the bare loop;
- the time of beam 5 over that of greedy decoding;
- the time of a single row over that of the bare loop.

``--rows`` is how many rows the bare loop decodes at once (64 are its best);
``--profile`` prints where the package's time goes instead.
"""

import argparse
import cProfile
import pstats
import statistics
import time
import warnings

import torch
from bare_loop import with_weights_of

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations


def seconds(function, *args):
    """Time that one call takes."""
    # Of the processor, which other load moves least; there is but one thread.
    start = time.process_time()
    function(*args)
    return time.process_time() - start


def alternate(ours, theirs, repeats):
    """Median times of both, and the median of the ratios of neighbours."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    own, its = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(own), statistics.median(its), ratio


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--train", type=int, default=1500, help="words to learn from")
    parser.add_argument("--words", type=int, default=450, help="words to decode")
    parser.add_argument("--rows", type=int, default=64, help="of the bare loop")
    parser.add_argument("--profile", choices=["greedy", "beam", "single"])
    args = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    words, phones = load_pronunciations(
        n_words=args.train + args.words, random_state=0, return_X_y=True
    )
    words, phones = list(words), list(phones)
    model = Seq2SeqTransformer(
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        max_epochs=3,
        batch_size=32,
        learning_rate=2e-3,
        random_state=0,
    )
    model.fit(words[: args.train], phones[: args.train])
    model.set_params(batch_size=64)
    wide = Seq2SeqTransformer(**model.get_params(deep=False))
    vars(wide).update(vars(model))
    wide.set_params(beam_width=5)
    bare = with_weights_of(model)
    new = words[args.train :]
    limit = 1 + int(1.25 * max(len(p.split()) for p in phones))

    if args.profile:
        profile = cProfile.Profile()
        run = {
            "greedy": lambda: model.predict(new),
            "beam": lambda: wide.predict(new),
            "single": lambda: [model.predict([word]) for word in new[:100]],
        }[args.profile]
        run()
        profile.runcall(run)
        pstats.Stats(profile).sort_stats("tottime").print_stats(30)
        return

    same = [
        sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(new)
        for ours, theirs in (
            (model.predict(new), bare.greedy(new, limit, args.rows)),
            (wide.predict(new), bare.beam(new, limit, args.rows)),
        )
    ]
    print(f"same output as the bare loop: greedy {same[0]:.1%}, beam 5 {same[1]:.1%}")
    for name, estimator, loop in (
        ("greedy", model, bare.greedy),
        ("beam 5", wide, bare.beam),
    ):
        own, its, ratio = alternate(
            lambda e=estimator: e.predict(new),
            lambda f=loop: f(new, limit, args.rows),
            args.repeats,
        )
        print(
            f"{name}: {len(new) / own:.0f} sentences/s, bare loop "
            f"{len(new) / its:.0f}; ours over the bare loop's: {1 / ratio:.2f}"
        )
    _, _, ratio = alternate(
        lambda: wide.predict(new), lambda: model.predict(new), args.repeats
    )
    print(f"time of beam 5 over greedy: {ratio:.2f}")
    some = new[:50]
    own, its, ratio = alternate(
        lambda: [model.predict([word]) for word in some],
        lambda: [bare.greedy([word], limit, 1) for word in some],
        args.repeats,
    )
    print(
        f"one row: {1e3 * own / len(some):.2f} ms, bare loop "
        f"{1e3 * its / len(some):.2f} ms; ours over the bare loop's: {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
