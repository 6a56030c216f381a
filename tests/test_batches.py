import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sklearn_seq2seq._pairs._batches import (
    TrainingBatches,
    cut,
    pair_order,
    prediction_batches,
)
from sklearn_seq2seq._pairs._copying import local_ids
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._tokens import UNKNOWN, from_flat

V = 5


def random_tokens(n_samples, max_length, rng, size=30):
    counts = rng.integers(0, max_length + 1, n_samples)
    return from_flat(rng.integers(1, size, counts.sum()), counts, max_length)


def pairs(n_samples=500, max_length=12, seed=0, **options):
    rng = np.random.default_rng(seed)
    source = random_tokens(n_samples, max_length, rng)
    target = random_tokens(n_samples, max_length, rng)
    return PairDataset(source, target, source_size=30, target_size=30, **options)


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("max_tokens", [None, 200])
def test_training_batches_have_every_row_once(shuffle, max_tokens):
    plan = TrainingBatches(pairs(), 32, max_tokens, shuffle).plan()

    assert sorted(np.concatenate(plan).tolist()) == list(range(500))
    assert max(map(len, plan)) <= 32


def test_training_batches_keep_within_max_tokens_with_their_padding():
    data = pairs()
    batches = TrainingBatches(data, 64, max_tokens=200)

    sizes = []
    for inputs, outputs in batches:
        sizes.append(inputs["source"].numel() + outputs["target"].numel())

    assert max(sizes) <= 200
    assert np.mean(sizes) > 150
    assert len(batches) == len(sizes)


def test_training_batches_give_a_row_too_long_a_batch_of_its_own():
    tokens = from_flat([2] * 22, [1, 20, 1], 20)
    data = PairDataset(tokens, tokens, source_size=3, target_size=3)

    plan = TrainingBatches(data, 8, max_tokens=10, shuffle=False).plan()

    assert [rows.tolist() for rows in plan] == [[0, 2], [1]]


def test_training_batches_depend_on_their_seed_alone():
    one, other = TrainingBatches(pairs(), 32), TrainingBatches(pairs(), 32)

    def plan(batches, seed):
        batches.seed = seed
        return [rows.tolist() for rows in batches.plan()]

    first = plan(one, 1)
    plan(one, 2)
    np.random.default_rng().random(7)
    assert plan(other, 1) == first == plan(one, 1)
    assert plan(one, 2) != first


def test_training_batches_without_shuffle_do_not_depend_on_the_seed():
    batches = TrainingBatches(pairs(), 32, shuffle=False)
    before = [rows.tolist() for rows in batches.plan()]

    batches.seed = 9

    assert [rows.tolist() for rows in batches.plan()] == before


@pytest.mark.parametrize("max_tokens", [None, 1000])
def test_training_batches_waste_less_than_a_twentieth_on_padding(max_tokens):
    rng = np.random.default_rng(0)
    counts = np.clip(rng.poisson(8, 5000), 1, 20)
    source = from_flat(np.ones(counts.sum()), counts, 20)
    counts = np.clip(counts + rng.integers(-2, 3, 5000), 1, 25)
    target = from_flat(np.ones(counts.sum()), counts, 25)
    data = PairDataset(source, target, source_size=2, target_size=2)

    padded = sum(
        inputs["source"].numel() + outputs["target"].numel()
        for inputs, outputs in TrainingBatches(data, 64, max_tokens)
    )

    used = data.source_positions.sum() + data.target_positions.sum()
    assert used < padded < used / 0.95


@given(
    st.lists(st.integers(1, 9), max_size=20),
    st.integers(1, 5),
    st.one_of(st.none(), st.integers(1, 30)),
)
def test_cut_fills_each_batch_as_a_loop_would(sizes, batch_size, max_tokens):
    expected, batch = [], []
    for row in range(len(sizes)):
        longest = max([sizes[r] for r in batch] + [sizes[row]])
        full = max_tokens is not None and (len(batch) + 1) * longest > max_tokens
        if batch and (len(batch) == batch_size or full):
            expected.append(batch)
            batch = []
        batch.append(row)
    expected += [batch] if batch else []

    order = np.arange(len(sizes))
    batches = cut(order, np.array(sizes, dtype=int), batch_size, max_tokens)

    assert [rows.tolist() for rows in batches] == expected


def test_prediction_batches_do_not_depend_on_the_order_of_rows():
    tokens = random_tokens(100, 6, np.random.default_rng(0))
    order = np.random.default_rng(1).permutation(100)
    shuffled = tokens[order]

    def contents(tokens):
        return [
            tokens[rows].toarray().tolist() for rows in prediction_batches(tokens, 16)
        ]

    assert contents(tokens) == contents(shuffled)


def test_pair_dataset_makes_a_batch_of_its_rows():
    source = from_flat([2, 3, 9, 4], [2, 0, 2], 4)
    target = from_flat([5, 6, 7], [1, 2, 0], 4)
    weight = np.array([1.0, 2.0, 0.5])
    data = PairDataset(source, target, source_size=5, target_size=8, weight=weight)

    inputs, outputs = data.__getitems__(np.array([2, 0]))

    assert inputs["source"].tolist() == [[UNKNOWN, 4, 0], [2, 3, 0]]
    assert inputs["source_positions"].tolist() == [3, 3]
    assert inputs["target"].tolist() == [[0, 0], [5, 0]]
    assert outputs["target"] is inputs["target"]
    assert outputs["positions"].tolist() == [1, 2]
    assert outputs["weight"].tolist() == [0.5, 1.0]
    # 3 positions and 2 rows, by the mean weights of all 6 positions and 3 rows.
    assert outputs["size"].tolist() == pytest.approx([3 * 8.5 / 6, 2 * 3.5 / 3])
    assert "copy_ids" not in inputs
    assert source.data.tolist() == [2, 3, 9, 4]


def test_pair_dataset_sources_are_the_source_half_of_a_batch():
    data = pairs(copies=random_tokens(500, 12, np.random.default_rng(3)))
    data.copies = data.source
    rows = np.array([5, 3, 400])

    inputs, _ = data.__getitems__(rows)
    sources = data.sources(rows)

    assert sources.keys() == {"source", "source_positions", "copy_ids"}
    for name, tensor in sources.items():
        assert tensor.equal(inputs[name])


def test_pair_dataset_take_keeps_everything_of_its_rows():
    rng = np.random.default_rng(0)
    data = pairs(copies=random_tokens(500, 12, rng), weight=rng.random(500))
    rows = np.array([7, 2, 9])

    taken = data.take(rows)

    assert len(taken) == 3
    for mine, whole in zip(
        taken.__getitems__(np.arange(3)), data.__getitems__(rows), strict=True
    ):
        assert mine.keys() == whole.keys()
        own = whole.keys() - {"size"}  # which is by the mean weights of the data set
        assert all(mine[name].equal(whole[name]) for name in own)


@pytest.mark.parametrize("weight", [None, np.array([2.0, 0.5, 0.0])])
def test_pair_dataset_counts_its_target_tokens(weight):
    """The boundary once a row; ids past the vocabulary not at all."""
    target = from_flat([2, 2, 7, 3, 4, 1], [4, 1, 1], 4)
    dataset = PairDataset(target, target, source_size=5, target_size=5, weight=weight)
    slow = np.zeros(8)
    rows = [2, 2, 7, 3, 0], [4, 0], [1, 0]
    for row, w in zip(rows, [1] * 3 if weight is None else weight, strict=True):
        for token in row:
            slow[token] += w
    np.testing.assert_array_equal(dataset.count_targets(), slow[:5])


def slow_local_ids(tokens, copies):
    """Row by row, token by token."""
    result = []
    for row, source in zip(tokens.tolist(), copies.tolist(), strict=True):
        result.append([])
        for token in row:
            if token >= V:
                token = V + source.index(token) if token in source else UNKNOWN
            result[-1].append(token)
    return result


IDS = arrays(np.int64, (3, 6), elements=st.integers(0, V + 3))


@given(IDS, IDS)
def test_local_ids_equal_a_loop(tokens, copies):
    before = tokens.copy()

    assert local_ids(tokens, copies, V).tolist() == slow_local_ids(tokens, copies)
    assert local_ids(copies, copies, V).tolist() == slow_local_ids(copies, copies)
    assert tokens.tolist() == before.tolist()


def test_local_ids_name_repeats_by_their_first_place():
    copies = np.array([[3, 9, 7, 9, 0], [7, 7, 0, 0, 0]])
    target = np.array([[9, 7, 8, 3], [7, 9, 2, 0]])

    assert local_ids(copies, copies, V).tolist() == [[3, 6, 7, 6, 0], [5, 5, 0, 0, 0]]
    assert local_ids(target, copies, V).tolist() == [[6, 7, UNKNOWN, 3], [5, 1, 2, 0]]


def test_local_ids_need_no_memory_of_source_times_source():
    """3,000 positions squared would be 72 MB in one row of 8-byte numbers."""
    copies = np.random.default_rng(0).integers(V, 2000, (1, 3000))
    tracemalloc.start()
    local = local_ids(copies, copies, V)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert local.tolist() == slow_local_ids(copies, copies)
    assert peak < 2e6


@pytest.mark.parametrize("longest", [0, 5, 127, 128, 2**15 - 1, 2**15, 2**17])
def test_order_of_pairs_goes_up_and_down(longest):
    rng = np.random.default_rng(0)
    lowest = max(1, longest - 3)
    source, target = rng.integers(lowest, lowest + 4, (2, 200 if longest else 0))
    ties = rng.random(len(source))
    turns = {n: k % 2 for k, n in enumerate(np.unique(target).tolist())}
    expected = sorted(
        range(len(source)),
        key=lambda i: (
            target[i],
            -source[i] if turns[int(target[i])] else source[i],
            ties[i],
        ),
    )
    assert pair_order(source, target, ties).tolist() == expected
