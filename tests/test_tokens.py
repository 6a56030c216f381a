import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from sklearn_seq2seq import DummySeq2Seq
from sklearn_seq2seq._pairs._side import read_target_ids
from sklearn_seq2seq._text._check_input import check_ids
from sklearn_seq2seq._tokens import (
    TokenRows,
    as_tokens,
    canonical_order,
    flatten,
    from_flat,
    lengths,
    like,
    pad,
    positions,
)
from sklearn_seq2seq.metrics import exact_match_score
from sklearn_seq2seq.metrics._pairs import check_pair

ROWS = st.lists(st.lists(st.integers(1, 2**31 - 2), max_size=6), max_size=8)


def token_array(rows, width=None):
    """Token array of lists of ids."""
    flat = [token for row in rows for token in row]
    if width is None:
        width = max(map(len, rows), default=0)
    return from_flat(flat, [len(row) for row in rows], width)


def row_lists(tokens):
    """Lists of ids of a token array, read entry by entry."""
    return [
        tokens.data[start:end].tolist()
        for start, end in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)
    ]


def is_canonical(tokens):
    lists = row_lists(tokens)
    return (
        tokens.dtype == np.int32
        and all(0 not in row for row in lists)
        and tokens.indices.tolist() == [k for row in lists for k in range(len(row))]
    )


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.coo_matrix])
def test_as_tokens_reads_nonzero_entries_in_column_order(container):
    X = np.array([[2, 0, 1, 0], [0, 0, 0, 0], [5, 6, 7, 8], [0, 0, 0, 9]])

    tokens = as_tokens(container(X))

    assert row_lists(tokens) == [[2, 1], [], [5, 6, 7, 8], [9]]
    assert tokens.shape == (4, 4)
    assert is_canonical(tokens)


@pytest.mark.parametrize(
    "container",
    [
        np.asarray,
        np.ndarray.tolist,
        np.asfortranarray,
        pd.DataFrame,
        sparse.csr_array,
        sparse.csc_matrix,
        sparse.coo_array,
        lambda X: X.astype(np.float16),
        lambda X: X.astype(np.uint8),
        lambda X: X.astype(">i4"),
    ],
)
@given(X=arrays(np.int64, (5, 6), elements=st.integers(0, 4)))
def test_zeros_are_no_tokens_wherever_ids_are_read(container, X):
    """Fit, scores and floors read the same rows, holes or not."""
    expected = [[token for token in row if token] for row in X.tolist()]
    data = container(X)

    target, _ = read_target_ids(data)
    floor = DummySeq2Seq(strategy="copy").fit(data, data)

    assert row_lists(target) == expected
    assert row_lists(check_ids(data, int(X.max()) + 1)) == expected
    assert check_pair(data, data)[0] == expected
    assert check_pair(floor.predict(data), data)[0] == expected
    assert floor.score(data, data) == exact_match_score(data, expected) == 1


def test_as_tokens_drops_explicit_zeros():
    stored = sparse.csr_array(([3, 0, 4, 0], [0, 1, 2, 0], [0, 3, 4]), shape=(2, 3))
    assert stored.nnz == 4

    tokens = as_tokens(stored)

    assert row_lists(tokens) == [[3, 4], []]
    assert is_canonical(tokens)


def test_as_tokens_sorts_indices():
    unsorted = sparse.csr_array(([7, 5, 6], [2, 0, 1], [0, 3]), shape=(1, 3))

    assert row_lists(as_tokens(unsorted)) == [[5, 6, 7]]
    assert unsorted.indices.tolist() == [2, 0, 1]


def test_as_tokens_sums_duplicates_as_scipy_does():
    twice = sparse.csr_array(([2, 3, 4], [1, 1, 0], [0, 3]), shape=(1, 2))

    assert row_lists(as_tokens(twice)) == [[4, 5]]
    assert twice.nnz == 3


@pytest.mark.parametrize("sort", [True, False])
def test_as_tokens_reads_memory_maps_that_cannot_be_written(tmp_path, sort):
    columns = [0, 1, 2] if sort else [2, 1, 0]
    X = sparse.csr_array(([7, 0, 5], columns, [0, 3]), shape=(1, 3))
    joblib.dump(X, tmp_path / "X")
    mapped = joblib.load(tmp_path / "X", mmap_mode="r")
    assert not mapped.data.flags.writeable

    assert row_lists(as_tokens(mapped)) == [[7, 5] if sort else [5, 7]]
    assert mapped.nnz == 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64, bool])
def test_as_tokens_takes_whole_numbers_of_any_type(dtype):
    X = np.array([[1, 0, 1]], dtype=dtype)

    tokens = as_tokens(X)

    assert row_lists(tokens) == [[1, 1]]
    assert tokens.dtype == np.int32


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
def test_as_tokens_refuses_fractions_and_names_the_row(container):
    X = container([[1.0, 2.0], [0.0, 0.0], [3.0, 1.7]])

    with pytest.raises(ValueError, match=r"whole numbers; got 1\.7 in row 2"):
        as_tokens(X)


@pytest.mark.parametrize("token", [2**31 - 1, 2**40, 1e300])
def test_as_tokens_refuses_ids_beyond_32_bits_and_names_the_row(token):
    with pytest.raises(ValueError, match=r"below 2\*\*31 - 1; got .* in row 1"):
        as_tokens(np.array([[1], [token]]))


def test_as_tokens_takes_the_largest_id():
    assert row_lists(as_tokens(np.array([[2**31 - 2]]))) == [[2**31 - 2]]


@given(
    arrays(
        np.int64,
        st.tuples(st.integers(0, 5), st.integers(0, 5)),
        elements=st.integers(0, 9),
    )
)
def test_as_tokens_equals_a_loop_over_rows(X):
    tokens = as_tokens(X)

    assert row_lists(tokens) == [[x for x in row if x] for row in X.tolist()]
    assert tokens.shape == X.shape
    assert is_canonical(tokens)


@given(ROWS)
def test_positions_and_lengths_equal_loops(rows):
    tokens = token_array(rows)

    assert lengths(tokens).tolist() == [len(row) for row in rows]
    assert lengths(tokens).dtype == np.int64
    assert positions(tokens.indptr).tolist() == [
        k for row in rows for k in range(len(row))
    ]


@given(ROWS, st.integers(0, 3))
def test_pad_and_flatten_are_inverse(rows, room):
    width = max(map(len, rows), default=0) + room
    tokens = token_array(rows, width)

    padded, n_positions = pad(tokens)

    longest = max(map(len, rows), default=0)
    assert padded.tolist() == [row + [0] * (longest + 1 - len(row)) for row in rows]
    assert n_positions.tolist() == [len(row) + 1 for row in rows]
    back = from_flat(*flatten(padded), width)
    assert row_lists(back) == rows
    assert back.shape == (len(rows), width)
    assert is_canonical(back)


@given(ROWS, st.data())
def test_pad_takes_rows_in_any_order_and_number(rows, data):
    tokens = token_array(rows)
    index = st.integers(0, max(len(rows) - 1, 0))
    chosen = data.draw(st.lists(index, max_size=10 if rows else 0))

    padded, n_positions = pad(tokens, np.array(chosen, dtype=np.int64))

    assert row_lists(from_flat(*flatten(padded), tokens.shape[1])) == [
        rows[k] for k in chosen
    ]
    assert n_positions.tolist() == [len(rows[k]) + 1 for k in chosen]
    assert padded.shape[1] == max((len(rows[k]) for k in chosen), default=0) + 1


def test_pad_gives_empty_and_full_rows_their_boundary():
    padded, n_positions = pad(token_array([[], [4, 5, 6]], width=3))

    assert padded.tolist() == [[0, 0, 0, 0], [4, 5, 6, 0]]
    assert n_positions.tolist() == [1, 4]


def test_pad_reads_a_row_slice_of_a_token_array():
    tokens = token_array([[1], [2, 3], [], [4]])

    padded, _ = pad(tokens[1:], np.array([2, 0]))

    assert padded.tolist() == [[4, 0, 0], [2, 3, 0]]


def test_flatten_ignores_what_follows_the_first_zero():
    padded = np.array([[3, 0, 4], [0, 5, 6], [7, 8, 9]])

    assert row_lists(from_flat(*flatten(padded), 3)) == [[3], [], [7, 8, 9]]


@given(ROWS, st.randoms())
def test_canonical_order_does_not_depend_on_the_order_given(rows, random):
    shuffled = rows.copy()
    random.shuffle(shuffled)

    ordered = [rows[k] for k in canonical_order(token_array(rows))]

    assert ordered == [shuffled[k] for k in canonical_order(token_array(shuffled))]
    assert sorted(map(len, rows)) == [len(row) for row in ordered]


def test_canonical_order_tells_anagrams_apart():
    rows = [[2, 3, 4], [4, 3, 2], [3, 2, 4], [2, 4, 3], [2, 2, 5]]

    first = [rows[k] for k in canonical_order(token_array(rows))]
    again = [rows[::-1][k] for k in canonical_order(token_array(rows[::-1]))]

    assert first == again


def test_token_rows_read_as_sparse_arrays_do():
    rows = TokenRows([2, 3, 4, 5, 6], [2, 0, 3], 4)
    tokens = from_flat([2, 3, 4, 5, 6], [2, 0, 3], 4)
    for some in ([2, 0], [1], np.array([True, False, True]), np.array([], dtype=int)):
        np.testing.assert_array_equal(rows[some].toarray(), tokens[some].toarray())
    np.testing.assert_array_equal(pad(rows)[0], pad(tokens)[0])
    np.testing.assert_array_equal(lengths(rows), lengths(tokens))
    np.testing.assert_array_equal(canonical_order(rows), canonical_order(tokens))
    copied = rows.copy()
    copied.data[:] = 1
    assert rows.data.tolist() == [2, 3, 4, 5, 6]
    assert isinstance(like(rows, [2], [1], 3), TokenRows)
    assert isinstance(like(tokens, [2], [1], 3), type(tokens))
