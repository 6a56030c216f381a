"""Constraints as users pass them, read as the targets are."""

import copy

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_seq2seq import SequenceVectorizer
from sklearn_seq2seq._decoding._constraint_parameters import read_banned
from sklearn_seq2seq._pairs._sides import id_side, learn_text
from sklearn_seq2seq._tokens import as_tokens, lengths

CONTAINERS = [
    list,
    tuple,
    set,
    frozenset,
    np.array,
    lambda tokens: np.array(tokens, dtype=object)[:, None],
    pd.Series,
    lambda tokens: pd.DataFrame({"token": tokens}),
    pl.Series,
    lambda tokens: pl.DataFrame({"token": tokens}),
    pa.array,
]


@pytest.mark.parametrize("container", CONTAINERS)
def test_banned_tokens_may_come_in_any_container(fitted, words, container):
    model = copy.copy(fitted).set_params(min_length=1)
    assert set("".join(model.predict(words))) == set("ABCDE")
    model.set_params(banned_tokens=container(["B", "A"]))
    assert set("".join(model.predict(words))) == set("CDE")


@pytest.mark.parametrize("container", CONTAINERS)
def test_banned_ids_may_come_in_any_container(container):
    side = id_side(as_tokens(np.array([[2, 5]])), "y")
    assert read_banned(container([9, 5, 2]), side) == ([2, 5], {9})


@pytest.mark.parametrize(
    ("params", "rows", "banned", "pieces"),
    [
        ({"lowercase": True}, ["AB"], ["A"], ["a"]),
        ({"normalize": "NFC"}, ["e\u0301a"], ["e\u0301"], ["é"]),
        ({"normalize": "NFD", "lowercase": True}, ["a\u0301"], ["a"], ["a"]),
        ({"analyzer": "word"}, ["ein Maß\t\u00a0x"], ["Maß ", "\u00a0x"], ["Maß", "x"]),
        ({"analyzer": "word", "lowercase": True}, ["Ein Maß"], ["EIN"], ["ein"]),
        ({"analyzer": "word", "token_pattern": r"\w+"}, ["a, b!"], ["b!"], ["b"]),
        ({"analyzer": "token", "lowercase": True}, [["New York"]], ["New York"], None),
        ({"analyzer": "token"}, [["", "a"]], [""], [""]),
        ({"analyzer": lambda row: [*row, "$"]}, ["ab"], ["a", "$"], ["a", "$"]),
        ({"analyzer": "subword"}, ["é ह"] * 9, ["é", " ह"], ["Ã©", "Ġà¤¹"]),
        ({"analyzer": "subword", "subword_model": "unigram"}, ["é"] * 9, ["é"], None),
        ({"analyzer": "subword", "lowercase": True}, ["é"] * 9, ["É"], ["Ã©"]),
    ],
)
def test_banned_tokens_are_read_as_targets_are(params, rows, banned, pieces):
    side, _, _ = learn_text(rows, SequenceVectorizer(**params), "y")
    ids, others = read_banned(banned, side)
    assert len(ids) == len(banned)
    assert not others
    if pieces is not None:
        names = side.vectorizer._token_strings()
        assert {names[id_] for id_ in ids} == set(pieces)


@pytest.mark.parametrize("analyzer", ["char", "word", "subword"])
@given(text=st.text(max_size=4))
def test_what_is_banned_is_one_token_or_an_error(analyzer, text):
    rows = ["aé b", "हिन्दी", text] * 2
    side, _, _ = learn_text(rows, SequenceVectorizer(analyzer=analyzer), "y")
    tokens, _ = side.read([text], "y")
    if lengths(tokens)[0] == 1:
        assert read_banned([text], side) == ([tokens.data[0]], set())
    elif text not in side.vectorizer.vocabulary_:
        with pytest.raises(ValueError, match="one token of the targets"):
            read_banned([text], side)
