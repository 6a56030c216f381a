"""Memory, and how time and memory grow with pairs, length and vocabulary."""

import statistics

import numpy as np

from benchmarks._data import FIRST_LETTER, words
from benchmarks._measure import Row, apart, resident, seconds
from benchmarks.bare_loop import AS_PARAMETERS, BareDecoder
from benchmarks.training import OurLoop, TheirLoop
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer


def strings(n_rows, length, vocabulary):
    """Draw strings of that length."""
    rng = np.random.default_rng(0)
    end = FIRST_LETTER + vocabulary
    shape = (n_rows, length)
    letters = rng.integers(FIRST_LETTER, end, shape, dtype=np.uint32)
    return letters.view(f"U{length}")[:, 0].tolist()


def fit_strings(n_rows, length, vocabulary, settings):
    """Seconds of one epoch of a tiny network, `fit` being all of it, and MB before it.

    Every string is its own target. What only a process's first fit costs comes before.
    """
    model = Seq2SeqTransformer(
        hidden_size=16,
        num_layers=1,
        embedding_size=16,
        attention="general",
        batch_size=256,
        max_epochs=1,
        random_state=0,
    )
    model.fit(strings(300, 5, 10))
    rows = strings(n_rows, length, vocabulary)
    before = resident()
    repeats = max(1, min(settings.pick(5, 1), 30_000 // n_rows))
    taken = [seconds(lambda: model.fit(rows), settings.clock) for _ in range(repeats)]
    return statistics.median(taken), before


def measure_growth(settings):
    """Slopes of the log-log fits."""
    sizes = (10**3, 10**4, 3 * 10**4, 10**5, 3 * 10**5, 10**6)
    sizes = settings.pick(sizes, (300, 3000))
    yield from _slopes(
        "pairs",
        {n: apart(fit_strings, n, 10, 26, settings) for n in sizes},
        settings.pick((0.95, 1.05), (None, None)),
        settings.pick(sizes[1], 0),
    )
    lengths = settings.pick((5, 16, 50, 160, 500), (5, 50))
    n_rows = settings.pick(1000, 100)
    yield from _slopes(
        "length", {n: apart(fit_strings, n_rows, n, 26, settings) for n in lengths}
    )
    vocabularies = settings.pick((30, 300, 3000, 30_000), (30, 3000))
    n_rows = settings.pick(5000, 500)
    yield from _slopes(
        "vocabulary",
        {n: apart(fit_strings, n_rows, 10, n, settings) for n in vocabularies},
    )


def _slopes(name, found, goal=(None, None), least=0):
    sizes = list(found)
    for what, unit, values in (
        ("time", "s", [taken for (taken, _), _ in found.values()]),
        # Less than a tenth of a megabyte is noise.
        ("memory", "MB", [max(0.1, top - base) for (_, base), top in found.values()]),
    ):
        points = [
            (np.log(n), np.log(value))
            for n, value in zip(sizes, values, strict=True)
            if n >= least
        ]
        slope = float(np.polyfit(*np.transpose(points), 1)[0])
        yield Row(
            "growth",
            f"{what} with {name}, slope from {max(least, sizes[0]):,} to {sizes[-1]:,}",
            slope,
            goal if what == "time" else (None, None),
            values[-1],
            values[0],
            f"{unit}, last and first",
            {"by": name, "what": what, "sizes": sizes, "values": values, "unit": unit},
        )


def measure_memory(settings):
    """Peak of a process that trains an epoch and decodes; bytes of a token."""
    ours, theirs = (
        top - before
        for before, top in (
            apart(train_and_decode, side, settings) for side in ("ours", "theirs")
        )
    )
    yield Row(
        "memory",
        "what training and decoding add at most, over bare loop",
        ours / theirs,
        (None, None),
        ours,
        theirs,
        "MB",
    )
    n_rows = settings.pick(10**6, 10**4)
    tokens = SequenceVectorizer().fit_transform(strings(n_rows, 10, 26))
    n_bytes = tokens.data.nbytes + tokens.indices.nbytes
    yield Row(
        "memory",
        "bytes of an encoded token",
        n_bytes / tokens.nnz,
        (None, 8.0),
        n_bytes / 1e6,
        None,
        "MB",
        {"bytes a row": tokens.indptr.nbytes / n_rows},
    )


def train_and_decode(side, settings):
    """One epoch on words, and their greedy decoding; the MB before it."""
    pairs = words(settings).some(settings.pick(3600, 200))
    before = resident()
    if side == "ours":
        loop = OurLoop(pairs, settings.clock)
        loop()
        loop.model.predict(pairs.X)
        return before
    loop = TheirLoop(pairs, settings.clock, "lstm", False)
    loop()
    names = ["", "<unk>", *pairs.target.vocabulary_]
    decoder = BareDecoder(loop.network.eval(), pairs.source.vocabulary_, names)
    decoder.greedy(pairs.X, 40, 4 * AS_PARAMETERS["batch_size"])
    return before
