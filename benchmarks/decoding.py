"""Decoding beside a bare torch loop with the same network and weights."""

import copy
import statistics
import warnings

import torch

from benchmarks._data import words
from benchmarks._measure import Row, by_turns, median_ratio, seconds
from benchmarks.bare_loop import AS_PARAMETERS, bare_decoder
from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._decoding._inference import rows_at_once


def measure_decoding(settings):
    """Sentences a second and the time of one row, strings in and strings out.

    The network learns a little first, so that its outputs end.
    """
    pairs = words(settings)
    learned = pairs.some(settings.pick(1500, 300))
    held = pairs.some(450 if settings.device == "cpu" else 3600)
    model = Seq2SeqTransformer(
        source_vectorizer=pairs.source,
        target_vectorizer=pairs.target,
        **AS_PARAMETERS | {"batch_size": 32},
        max_epochs=3,
        device=settings.device,
        random_state=0,
    )
    model.fit(learned.X, learned.y)
    wide = copy.copy(model).set_params(beam_width=5)
    bare = bare_decoder(model)
    new = held.X
    limit = 1 + int(1.25 * max(len(y.split()) for y in learned.y))
    some = new[:: len(new) // 50]
    rounds = settings.pick(7, 1)
    where = settings.where("float32")
    size = rows_at_once(model.batch_size, torch.device(settings.device))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of outputs that did not end
        same = _shares(model.predict(new), bare.greedy(new, limit, size))
        same_wide = _shares(wide.predict(new), bare.beam(new, limit, size))
        greedy, bare_greedy, beam, bare_beam, one, bare_one = by_turns(
            [
                lambda call=call: seconds(call, settings.clock)
                for call in (
                    lambda: model.predict(new),
                    lambda: bare.greedy(new, limit, size),
                    lambda: wide.predict(new),
                    lambda: bare.beam(new, limit, size),
                    lambda: [model.predict([word]) for word in some],
                    lambda: [bare.greedy([word], limit, 1) for word in some],
                )
            ],
            rounds,
        )

    for name, ours, theirs, goal, agree in (
        (f"greedy over bare loop{where}", greedy, bare_greedy, (0.95, None), same),
        (f"beam 5 over bare loop{where}", beam, bare_beam, (0.95, None), same_wide),
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
        f"time of beam 5 over greedy{where}",
        median_ratio(beam, greedy),
        (None, 2.5),
        statistics.median(beam),
        statistics.median(greedy),
        "s",
    )
    yield Row(
        "decoding",
        f"latency of one row over bare loop{where}",
        median_ratio(one, bare_one),
        (None, 3.0),
        1e3 * statistics.median(one) / len(some),
        1e3 * statistics.median(bare_one) / len(some),
        "ms",
        {"seconds": [one, bare_one]},
    )


def _shares(ours, theirs):
    return sum(a == b for a, b in zip(ours, theirs, strict=True)) / len(ours)
