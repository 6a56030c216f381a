"""Decoding beside a bare torch loop with the same network and weights."""

import copy
import statistics
import warnings

from benchmarks._data import words
from benchmarks._measure import Row, by_turns, median_ratio, seconds
from benchmarks.bare_loop import AS_PARAMETERS, bare_decoder
from sklearn_seq2seq import Seq2SeqTransformer


def measure_decoding(settings):
    """Sentences a second and the time of one row, strings in and strings out.

    The network learns a little first, so that its outputs end.
    """
    pairs = words(settings)
    learned, held = pairs.some(settings.pick(1500, 300)), pairs.some(450)
    model = Seq2SeqTransformer(
        source_vectorizer=pairs.source,
        target_vectorizer=pairs.target,
        # Decodes four times as many at once, 128 as the bare loop does.
        **AS_PARAMETERS | {"batch_size": 32},
        max_epochs=3,
        random_state=0,
    )
    model.fit(learned.X, learned.y)
    wide = copy.copy(model).set_params(beam_width=5)
    bare = bare_decoder(model)
    new = held.X
    limit = 1 + int(1.25 * max(len(y.split()) for y in learned.y))
    some = new[:: len(new) // 50]
    rounds = settings.pick(7, 1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of outputs that did not end
        same = _shares(model.predict(new), bare.greedy(new, limit))
        same_wide = _shares(wide.predict(new), bare.beam(new, limit))
        greedy, bare_greedy, beam, bare_beam, one, bare_one = by_turns(
            [
                lambda call=call: seconds(call, settings.clock)
                for call in (
                    lambda: model.predict(new),
                    lambda: bare.greedy(new, limit),
                    lambda: wide.predict(new),
                    lambda: bare.beam(new, limit),
                    lambda: [model.predict([word]) for word in some],
                    lambda: [bare.greedy([word], limit, 1) for word in some],
                )
            ],
            rounds,
        )

    for name, ours, theirs, goal, agree in (
        ("greedy over bare loop", greedy, bare_greedy, (0.95, None), same),
        ("beam 5 over bare loop", beam, bare_beam, (0.95, None), same_wide),
    ):
        yield Row(
            "decoding",
            name,
            median_ratio(theirs, ours),
            goal,
            len(new) / statistics.median(ours),
            len(new) / statistics.median(theirs),
            "sentences/s",
            {"same output": agree, "seconds": [ours, theirs]},
        )
    yield Row(
        "decoding",
        "time of beam 5 over greedy",
        median_ratio(beam, greedy),
        (None, 2.5),
        statistics.median(beam),
        statistics.median(greedy),
        "s",
    )
    yield Row(
        "decoding",
        "latency of one row over bare loop",
        median_ratio(one, bare_one),
        (None, 3.0),
        1e3 * statistics.median(one) / len(some),
        1e3 * statistics.median(bare_one) / len(some),
        "ms",
        {"seconds": [one, bare_one]},
    )


def _shares(ours, theirs):
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
