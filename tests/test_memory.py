"""What predictions take: what the tokens take, not rows times the longest."""

import tracemalloc

import numpy as np
import pytest

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._decoding import _inference
from sklearn_seq2seq._decoding._constraint_parameters import trie_edges
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._tokens import equal_rows, flatten, from_flat, from_parts, pad

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
SHORT = ["ab", "ba", "abc", "cab"] * 500
ROWS = [*SHORT, "abc" * 500]
# Padded to one length, int64.
DENSE = len(ROWS) * len(ROWS[-1]) * 8 / 1e6


@pytest.fixture(scope="module")
def model():
    model = Seq2SeqTransformer(
        hidden_size=4, embedding_size=4, max_epochs=1, batch_size=64, random_state=0
    )
    return model.fit(SHORT[:8], SHORT[:8])


@pytest.mark.parametrize("what", ["predict", "nbest", "allowed", "prefix"])
def test_one_long_row_does_not_pad_all_others(model, what):
    calls = {
        "predict": lambda: model.predict(ROWS),
        "nbest": lambda: model.predict_nbest([*ROWS[:1000], ROWS[-1][:700]], 2),
        "allowed": lambda: model.set_params(allowed_outputs=ROWS).predict(ROWS[:40]),
        "prefix": lambda: model.predict(SHORT, prefix=[*SHORT[1:], ROWS[-1]]),
    }
    tracemalloc.start()
    try:
        assert len(calls[what]()) >= 40
        peak = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
        model.set_params(allowed_outputs=None)
    assert peak < DENSE / 3  # it is 24


def test_batches_count_the_beam():
    rows = from_flat(np.full(2000, 2), np.full(100, 20), 20)
    data = PairDataset(rows, None, source_size=3, target_size=3)
    sizes = {
        width: [len(batch) for batch in _inference._source_batches(data, 50, width)]
        for width in (1, 5, 50, 5000)
    }
    assert sizes[1] == [50, 50]  # of 21 positions each: 1,050 of 3,200
    assert sizes[5] == [30, 30, 30, 10]
    assert sizes[50] == [3] * 33 + [1]
    assert sizes[5000] == [1] * 100


@pytest.mark.parametrize("method", ["predict", "transform", "log_likelihood", "align"])
def test_lack_of_memory_says_what_to_lower(model, monkeypatch, method):
    def lacking(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(model.net_.module_.encoder, "forward", lacking)
    targets = [["ab"]] if method in ("log_likelihood", "align") else []
    with pytest.raises(MemoryError, match=r"Lower batch_size \(now 64\)"):
        getattr(model, method)(["ab"], *targets)


@pytest.mark.parametrize("name", ["hidden_size", "embedding_size"])
@pytest.mark.parametrize("size", [10**12, 10**18, 10**19])
def test_network_that_does_not_fit_into_memory(name, size):
    model = Seq2SeqTransformer(**{name: size})
    with pytest.raises(MemoryError, match=rf"{name}={size} .*Lower hidden_size"):
        model.fit(["ab", "ba"], ["a", "b"])


def test_other_errors_stay_what_they_are(model, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(model.net_.module_.encoder, "forward", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        model.predict(["ab"])


@pytest.mark.parametrize("seed", range(5))
def test_parts_equal_a_padded_table(seed):
    rng = np.random.default_rng(seed)
    n_rows, k, longest = 12, 3, 7
    table = rng.integers(0, 4, (n_rows, k, longest))
    table[:, 2][rng.random(n_rows) < 0.5] = 0
    parts, order = [], rng.permutation(n_rows)
    for rows in np.split(order, [3, 4, 9]):
        width = rng.integers(1, k + 1)
        table[rows, width:] = 0  # as where a batch has fewer hypotheses
        parts.append((rows, *flatten(table[rows, :width])))
    found = from_parts(parts, (n_rows, k), 2)
    assert found.shape == (n_rows * k, max(2, int(np.diff(found.indptr).max())))
    for row, one in zip(pad(found)[0], table.reshape(-1, longest), strict=True):
        end = [*one, 0].index(0)
        assert row[: end + 1].tolist() == [*one[:end], 0]
        assert not row[end:].any()


@pytest.mark.parametrize("seed", range(5))
def test_equal_rows_equal_lists(seed):
    rng = np.random.default_rng(seed)
    lists = [[rng.integers(2, 4, rng.integers(4)) for _ in range(30)] for _ in "ab"]
    arrays = [
        from_flat(np.concatenate(rows), [len(row) for row in rows], 4) for rows in lists
    ]
    same = [a.tolist() == b.tolist() for a, b in zip(*lists, strict=True)]
    assert equal_rows(*arrays).tolist() == same
    assert 0 < sum(same) < 30


def test_trie_of_members_of_all_lengths():
    lengths = [0, 1, 3, 3, 1]
    edges = trie_edges(from_flat([2, 2, 3, 2, 2, 3, 2, 3], lengths, 3)).tolist()
    # The root ends the empty member; "2" ends or goes on; "3" ends.
    assert [edge[:2] for edge in edges[:3]] == [[0, 0], [0, 2], [0, 3]]
    ends = sum(token == 0 for _, token, _ in edges)
    assert ends == 4  # the two of three tokens are the same
