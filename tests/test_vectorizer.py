import copy
import gc
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
import unicodedata
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.utils.estimator_checks as checks
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags

from sklearn_seq2seq._text._check_input import check_raw, is_raw
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer

ANALYZERS = ["char", "word", "token", "subword", str.split]
WORDS = ["banana split", "", "a cab", "cabbage  patch", "b"]
STRANGE = [
    "\N{PILE OF POO}\N{THUMBS UP SIGN}\U0001f3fd",
    "e\u0301 \u00e9",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "a\x00b",
    "line\nbreak\r\n\t",
    "  two  spaces ",
    "\ufeff\u200d\u202e",
    "\U0010ffff\uffff",
    "",
]
SURROGATES = ["\ud800", "a\udc00\ud83d\ude00", "\udfff\U0001f600"]


def rows_for(analyzer, rows=WORDS):
    return [row.split() for row in rows] if analyzer == "token" else rows


def vectorizer_for(analyzer, **params):
    if analyzer == "subword":
        params.setdefault("max_features", 270)
    return SequenceVectorizer(analyzer=analyzer, **params)


def assert_same_tokens(left, right):
    assert left.shape == right.shape
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))


def slow_ids(rows, vocabulary):
    return [[vocabulary.get(token, 1) for token in row] for row in rows]


def ids(tokens):
    return [
        tokens.data[start:end].tolist()
        for start, end in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)
    ]


# From text to ids


@pytest.mark.parametrize("rows", [WORDS, STRANGE, SURROGATES], ids=["a", "b", "c"])
def test_transform_char_equals_a_loop_over_characters(rows):
    vectorizer = SequenceVectorizer().fit(rows)
    tokens = vectorizer.transform(rows)

    characters = sorted(set("".join(rows)))
    vocabulary = {character: i + 2 for i, character in enumerate(characters)}
    assert vectorizer.vocabulary_ == vocabulary
    assert list(vectorizer.vocabulary_) == characters
    assert vectorizer.vocabulary_size_ == len(characters) + 2
    assert ids(tokens) == slow_ids(rows, vocabulary)


@pytest.mark.parametrize("analyzer", ["word", "token", str.split])
def test_transform_tokens_equals_a_loop_over_tokens(analyzer):
    rows = rows_for(analyzer)
    vectorizer = SequenceVectorizer(analyzer=analyzer)
    tokens = vectorizer.fit_transform(rows)

    split = [row.split() for row in WORDS]
    found = sorted({token for row in split for token in row})
    assert vectorizer.vocabulary_ == {token: i + 2 for i, token in enumerate(found)}
    assert ids(tokens) == slow_ids(split, vectorizer.vocabulary_)


def test_transform_agrees_across_blocks_of_rows():
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefg \u00e9\U0001f600"))
    rows = ["".join(rng.choice(letters, n)) for n in rng.integers(0, 6, 20_000)]
    for analyzer in ("char", "word"):
        vectorizer = SequenceVectorizer(analyzer=analyzer)
        tokens = vectorizer.fit_transform(rows)
        split = rows if analyzer == "char" else [row.split() for row in rows]
        assert ids(tokens) == slow_ids(split, vectorizer.vocabulary_)


@pytest.mark.parametrize("analyzer", ["char", "word", str.split])
def test_rows_do_not_wake_the_garbage_collector(analyzer):
    rows = ["a b c"] * 20_000
    collections = []

    def note(phase, info):
        collections.append(phase)

    gc.collect()
    gc.callbacks.append(note)
    try:
        SequenceVectorizer(analyzer=analyzer).fit_transform(rows)
    finally:
        gc.callbacks.remove(note)
    assert collections.count("start") < 10


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_tokens_are_the_token_array(analyzer):
    tokens = vectorizer_for(analyzer).fit_transform(rows_for(analyzer))
    assert isinstance(tokens, sparse.csr_array)
    assert tokens.dtype == np.int32
    assert tokens.shape == (len(WORDS), 16384)
    assert tokens.has_canonical_format
    assert tokens.data.min() >= 2
    assert len(ids(tokens)[1]) == 0


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_fit_transform_equals_fit_then_transform(analyzer):
    rows = rows_for(analyzer)
    one = vectorizer_for(analyzer)
    other = vectorizer_for(analyzer)
    assert_same_tokens(one.fit_transform(rows), other.fit(rows).transform(rows))
    assert one.vocabulary_ == other.vocabulary_


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_clean_run_does_not_warn(analyzer):
    rows = rows_for(analyzer)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectorizer = vectorizer_for(analyzer).fit(rows)
        vectorizer.inverse_transform(vectorizer.transform(rows))
        vectorizer.fit_transform(rows)


def test_memory_is_eight_bytes_a_token():
    rows = ["abcdefgh"] * 1000
    tokens = SequenceVectorizer().fit_transform(rows)
    size = tokens.data.nbytes + tokens.indices.nbytes + tokens.indptr.nbytes
    assert size <= 8 * tokens.nnz + 8 * len(rows)


# Round trips

text = st.text(st.characters(exclude_categories=()), max_size=12)


@given(st.lists(text, min_size=1, max_size=6))
def test_round_trip_of_characters(rows):
    vectorizer = SequenceVectorizer()
    assert vectorizer.inverse_transform(vectorizer.fit_transform(rows)).tolist() == rows


@given(st.lists(st.lists(text, max_size=4), min_size=1, max_size=6))
def test_round_trip_of_token_lists(rows):
    vectorizer = SequenceVectorizer(analyzer="token")
    back = vectorizer.inverse_transform(vectorizer.fit_transform(rows))
    assert back.shape == (len(rows),)
    assert back.dtype == object
    assert back.tolist() == rows


@pytest.fixture(scope="module", params=["bpe", "unigram"])
def subwords(request):
    return vectorizer_for("subword", subword_model=request.param).fit(WORDS)


@given(rows=st.lists(st.text(max_size=12), min_size=1, max_size=6))
def test_round_trip_of_subwords_never_seen(subwords, rows):
    assert subwords.inverse_transform(subwords.transform(rows)).tolist() == rows


@pytest.mark.parametrize("analyzer", ["char", "token", "subword"])
def test_round_trip_of_strange_text(analyzer):
    rows = [list(row) for row in STRANGE] if analyzer == "token" else STRANGE
    vectorizer = vectorizer_for(analyzer)
    assert vectorizer.inverse_transform(vectorizer.fit_transform(rows)).tolist() == rows


def test_inverse_transform_joins_words_with_one_space():
    vectorizer = SequenceVectorizer(analyzer="word")
    tokens = vectorizer.fit_transform(["  a  b", "c"])
    assert vectorizer.inverse_transform(tokens).tolist() == ["a b", "c"]


@pytest.mark.parametrize(
    ("analyzer", "rows", "expected"),
    [("char", ["abc", ""], ["a-b-c", ""]), ("token", [["x", "yz"]], ["x-yz"])],
)
def test_inverse_transform_uses_the_joiner(analyzer, rows, expected):
    vectorizer = SequenceVectorizer(analyzer=analyzer, joiner="-")
    back = vectorizer.inverse_transform(vectorizer.fit_transform(rows))
    assert back.tolist() == expected


@pytest.mark.parametrize(
    "container",
    [
        sparse.csr_array,
        sparse.csc_array,
        sparse.coo_array,
        sparse.csr_matrix,
        lambda tokens: tokens.toarray(),
        lambda tokens: tokens.toarray().astype(float),
        lambda tokens: tokens.toarray().tolist(),
    ],
)
def test_inverse_transform_accepts_any_array(container):
    vectorizer = SequenceVectorizer(max_length=20).fit(WORDS)
    tokens = container(vectorizer.transform(WORDS))
    assert vectorizer.inverse_transform(tokens).tolist() == WORDS


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_inverse_transform_reads_the_unknown_token(analyzer):
    vectorizer = vectorizer_for(analyzer).fit(rows_for(analyzer))
    first = vectorizer._token_strings()[2]
    back = vectorizer.inverse_transform([[1, 2, 0], [0, 0, 0]])[0]
    joiner = "" if analyzer in ("char", "subword") else " "
    expected = ["\ufffd", first] if analyzer == "token" else f"\ufffd{joiner}{first}"
    assert back == expected


@pytest.mark.parametrize(
    ("tokens", "match"),
    [
        ([[2, 99]], "got 99 in row 0"),
        ([[2], [1.5]], r"1\.5 in row 1"),
        ([[-1]], "Negative"),
        ([2, 3], "Reshape"),
        ([[np.inf]], "infinity"),
    ],
)
def test_inverse_transform_refuses_what_are_no_ids(tokens, match):
    vectorizer = SequenceVectorizer().fit(WORDS)
    with pytest.raises(ValueError, match=match):
        vectorizer.inverse_transform(tokens)


# Unknown tokens


def test_unknown_tokens_warn_once_with_their_counts():
    vectorizer = SequenceVectorizer().fit(["ab"])
    with pytest.warns(
        UserWarning, match=r"5 token\(s\).*3 distinct: 'x', 'z', 'y'"
    ) as w:
        tokens = vectorizer.transform(["axb", "zx", "yx"])
    assert len(w) == 1
    assert ids(tokens) == [[2, 1, 3], [1, 1], [1, 1]]


def test_unknown_tokens_can_be_silent():
    vectorizer = SequenceVectorizer(handle_unknown="silent").fit(["ab"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ids(vectorizer.transform(["ax"])) == [[2, 1]]


@pytest.mark.parametrize("analyzer", ["char", "word"])
def test_unknown_tokens_can_be_errors(analyzer):
    vectorizer = SequenceVectorizer(analyzer=analyzer, handle_unknown="error")
    vectorizer.fit(["a b", "b"])
    with pytest.raises(ValueError, match="Row 2 of X holds 'x'"):
        vectorizer.transform(["b", "", "a x", "y"])


def test_unknown_tokens_in_fit_of_a_given_vocabulary():
    vectorizer = SequenceVectorizer(vocabulary=["ab"], analyzer="word")
    with pytest.warns(UserWarning, match="distinct: 'x'"):
        tokens = vectorizer.fit_transform(["ab x"])
    assert ids(tokens) == [[2, 1]]
    with pytest.raises(ValueError, match="Row 0 of X holds 'x'"):
        vectorizer.set_params(handle_unknown="error").fit(["ab x"])


@pytest.mark.parametrize("analyzer", ["char", "word", "token", str.split])
def test_transform_with_extras_numbers_what_is_unknown(analyzer):
    known, new = rows_for(analyzer, ["a b"]), rows_for(analyzer, ["z a", "y z", ""])
    vectorizer = SequenceVectorizer(analyzer=analyzer).fit(known)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokens, extras = vectorizer._transform_with_extras(new)
    assert extras == ["z", "y"]
    size = vectorizer.vocabulary_size_
    strings = [*vectorizer._token_strings(), *extras]
    assert len(strings) == size + 2
    pieces = [[strings[i] for i in row] for row in ids(tokens)]
    assert pieces == [
        list(row) if analyzer == "char" else row.split() for row in ["z a", "y z", ""]
    ]
    assert vectorizer._inverse_with_extras(tokens, extras).tolist() == new


def test_transform_with_extras_leaves_out_what_was_cut():
    vectorizer = SequenceVectorizer(max_length=2).fit(["ab"])
    with pytest.warns(UserWarning, match="cut"):
        tokens, extras = vectorizer._transform_with_extras(["axyz"])
    assert extras == ["x"]
    assert ids(tokens) == [[2, 4]]


def test_subword_has_no_unknown_tokens():
    vectorizer = vectorizer_for("subword").fit(WORDS)
    tokens, extras = vectorizer._transform_with_extras(STRANGE)
    assert extras == []
    assert vectorizer._inverse_with_extras(tokens, extras).tolist() == STRANGE


# Parameters


def test_min_df_counts_rows_not_tokens():
    rows = ["aaab", "bc", "bd"]
    assert list(SequenceVectorizer(min_df=2).fit(rows).vocabulary_) == ["b"]
    assert list(SequenceVectorizer(min_df=1.0).fit(rows).vocabulary_) == ["b"]
    assert list(SequenceVectorizer(min_df=0.5).fit(rows).vocabulary_) == ["b"]
    assert list(SequenceVectorizer(min_df=0.0).fit(rows).vocabulary_) == list("abcd")


def test_min_df_makes_training_tokens_unknown_without_warning():
    vectorizer = SequenceVectorizer(min_df=2, handle_unknown="error")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ids(vectorizer.fit_transform(["ab", "b"])) == [[1, 2], [2]]


def test_min_df_that_leaves_nothing_is_an_error():
    with pytest.raises(ValueError, match="min_df=3"):
        SequenceVectorizer(min_df=3).fit(["ab", "b"])


def test_max_features_keeps_the_most_frequent_then_the_first():
    vectorizer = SequenceVectorizer(max_features=3).fit(["zzzy", "cba", "zb"])
    assert vectorizer.vocabulary_ == {"a": 2, "b": 3, "z": 4}


def test_min_df_and_max_features_equal_a_slow_count():
    rng = np.random.default_rng(1)
    rows = ["".join(rng.choice(list("abcdefghij"), n)) for n in rng.integers(0, 5, 40)]
    for least in range(1, 20):
        frequent = {c for c in "".join(rows) if sum(c in row for row in rows) >= least}
        order = sorted(frequent, key=lambda c: (-"".join(rows).count(c), c))
        for most in range(1, 11):
            if order:
                vectorizer = SequenceVectorizer(min_df=least, max_features=most)
                found = list(vectorizer.fit(rows).vocabulary_)
                assert found == sorted(order[:most])


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (["c", "a"], {"c": 2, "a": 3}),
        ({"c", "a"}, {"a": 2, "c": 3}),
        (("a",), {"a": 2}),
        ({"c": 3, "a": 2}, {"a": 2, "c": 3}),
        (np.array(["c", "a"]), {"c": 2, "a": 3}),
        (pd.Series(["c", "a"]), {"c": 2, "a": 3}),
    ],
)
def test_vocabulary_can_be_given(vocabulary, expected):
    vectorizer = SequenceVectorizer(vocabulary=vocabulary)
    assert vectorizer.fit(["aca"]).vocabulary_ == expected
    assert list(vectorizer.vocabulary_) == list(expected)


def test_vocabulary_can_be_shared():
    first = SequenceVectorizer().fit(["abc"])
    second = SequenceVectorizer(vocabulary=first.vocabulary_).fit(["c"])
    assert second.vocabulary_ == first.vocabulary_
    assert second.vocabulary_ is not first.vocabulary_
    assert_same_tokens(first.transform(["cab"]), second.transform(["cab"]))


@pytest.mark.parametrize(
    ("vocabulary", "match"),
    [
        ({"a": 0}, "reserved"),
        ({"a": 2, "b": 4}, "gaps"),
        ("abc", "single string"),
        (["a", "b", "a"], "'a' occurs more than once"),
        (["a", 1], "token 1 of vocabulary"),
        ([], "empty"),
    ],
)
def test_vocabulary_that_is_wrong_is_an_error(vocabulary, match):
    with pytest.raises(ValueError, match=match):
        SequenceVectorizer(vocabulary=vocabulary).fit(["a"])


def test_vocabulary_with_a_duplicate_is_read_in_linear_time():
    tokens = [f"w{k}" for k in range(100_000)]
    start = time.process_time()
    with pytest.raises(ValueError, match="Token 'w99999' occurs more than once"):
        SequenceVectorizer(vocabulary=[*tokens, "w99999"]).fit(["a"])
    # In quadratic time it took minutes.
    assert time.process_time() - start < 5


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normalize_makes_spellings_equal(form):
    rows = ["e\u0301", "\u00e9", "\ufb01"]
    vectorizer = SequenceVectorizer(normalize=form)
    back = vectorizer.inverse_transform(vectorizer.fit_transform(rows)).tolist()
    assert back == [unicodedata.normalize(form, row) for row in rows]


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_lowercase_applies_to_every_analyzer(analyzer):
    upper, lower = rows_for(analyzer, ["\u00c9A B"]), rows_for(analyzer, ["\u00e9a b"])
    vectorizer = vectorizer_for(analyzer, lowercase=True, normalize="NFC").fit(upper)
    assert_same_tokens(vectorizer.transform(upper), vectorizer.transform(lower))
    assert vectorizer.inverse_transform(vectorizer.transform(upper))[0] == lower[0]


def test_token_pattern_finds_words():
    vectorizer = SequenceVectorizer(analyzer="word", token_pattern=r"\w+|[^\w\s]")
    assert list(vectorizer.fit(["Hi, you!"]).vocabulary_) == ["!", ",", "Hi", "you"]


@pytest.mark.parametrize(("pattern", "match"), [("(", "regular"), ("(a)(b)", "groups")])
def test_token_pattern_that_is_wrong_is_an_error(pattern, match):
    with pytest.raises(ValueError, match=match):
        SequenceVectorizer(analyzer="word", token_pattern=pattern).fit(["a"])


@pytest.mark.parametrize(
    ("analyzer", "match"),
    [
        (lambda row: row, "list of tokens; got str for row 0"),
        (lambda row: [1], "row 0 of X, a token that is of type int"),
    ],
)
def test_analyzer_that_returns_no_tokens_is_an_error(analyzer, match):
    with pytest.raises(ValueError, match=match):
        SequenceVectorizer(analyzer=analyzer).fit(["ab"])


def test_analyzer_may_return_tuples():
    vectorizer = SequenceVectorizer(analyzer=lambda row: tuple(row), joiner="")
    tokens = vectorizer.fit_transform(["ab"])
    assert vectorizer.inverse_transform(tokens).tolist() == ["ab"]


@pytest.mark.parametrize(
    ("longest", "expected"), [(0, 16384), (8192, 16384), (8193, 32768), (20000, 65536)]
)
def test_max_length_grows_with_the_longest_row(longest, expected):
    assert SequenceVectorizer().fit(["a" * longest]).max_length_ == expected


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_max_length_cuts_with_one_warning(analyzer):
    rows = rows_for(analyzer, ["a", "a b c d", "a b c d e f g"])
    vectorizer = vectorizer_for(analyzer, max_length=3)
    vectorizer.fit(rows)
    with pytest.warns(UserWarning, match=r"2 row\(s\) of X.*first is row 1") as caught:
        tokens = vectorizer.transform(rows)
    assert len(caught) == 1
    assert tokens.shape == (3, 3)
    with pytest.warns(UserWarning, match="cut"):
        assert_same_tokens(clone(vectorizer).fit_transform(rows), tokens)
    whole = vectorizer_for(analyzer).fit(rows)
    if analyzer == "char":
        assert vectorizer.inverse_transform(tokens).tolist() == ["a", "a b", "a b"]
    assert len(ids(tokens)[2]) == 3 < len(ids(whole.transform(rows))[2])
    assert rows == rows_for(analyzer, ["a", "a b c d", "a b c d e f g"])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("analyzer", "chars"),
        ("token_pattern", 1),
        ("lowercase", "yes"),
        ("normalize", "NFX"),
        ("min_df", 0),
        ("min_df", 1.5),
        ("max_features", 0),
        ("vocabulary", 3),
        ("max_length", 0),
        ("joiner", 1),
        ("handle_unknown", "ignore"),
        ("subword_model", "wordpiece"),
        ("tokenizer", 1),
    ],
)
def test_parameter_out_of_range_is_an_error_that_names_it(name, value):
    with pytest.raises(ValueError, match=f"'{name}' parameter of SequenceVectorizer"):
        SequenceVectorizer(**{name: value}).fit(WORDS)


def test_failed_fit_leaves_the_vectorizer_as_it_was():
    vectorizer = vectorizer_for("subword").fit(WORDS)
    before = copy.deepcopy(vars(vectorizer))
    with pytest.raises(ValueError, match="Row 1"):
        vectorizer.fit(["a", None])
    assert vars(vectorizer) == before
    vectorizer.set_params(analyzer="char", min_df=9)
    with pytest.raises(ValueError, match="min_df"):
        vectorizer.fit(WORDS)
    assert vectorizer.tokenizer_ == before["tokenizer_"]
    assert vectorizer.vocabulary_ == before["vocabulary_"]
    vectorizer.set_params(min_df=1).fit(WORDS)
    assert not hasattr(vectorizer, "tokenizer_")


# Containers and errors

CONTAINERS = {
    "list": list,
    "tuple": tuple,
    "generator": lambda rows: (row for row in rows),
    "object": lambda rows: np.fromiter(rows, dtype=object),
    "series": lambda rows: pd.Series(rows, index=np.arange(len(rows))[::-1] * 7),
    "series of labels": lambda rows: pd.Series(rows, index=list("zyxwv")[: len(rows)]),
    "frame": lambda rows: pd.DataFrame({"text": pd.Series(rows)}),
    "polars": lambda rows: pl.Series(rows),
    "polars frame": lambda rows: pl.DataFrame({"text": rows}),
}
STRING_CONTAINERS = {
    "str array": np.array,
    "column": lambda rows: np.array(rows, dtype=object)[:, None],
    "np.str_": lambda rows: [np.str_(row) for row in rows],
    "string": lambda rows: pd.Series(rows, dtype="string"),
    "pyarrow": lambda rows: pd.Series(rows, dtype="string[pyarrow]"),
    "object series": lambda rows: pd.Series(rows, dtype=object),
    "category": lambda rows: pd.Series(rows, dtype="category"),
    "index": pd.Index,
    "dict values": lambda rows: dict(enumerate(rows)).values(),
}
if hasattr(np.dtypes, "StringDType"):  # numpy 2
    STRING_CONTAINERS["StringDType"] = lambda rows: np.array(
        rows, dtype=np.dtypes.StringDType()
    )


@pytest.mark.parametrize("container", CONTAINERS | STRING_CONTAINERS)
def test_check_raw_accepts_containers_of_strings(container):
    make = (CONTAINERS | STRING_CONTAINERS)[container]
    assert is_raw(make(WORDS))
    rows = check_raw(make(WORDS))
    assert rows == WORDS
    assert set(map(type, rows)) == {str}
    expected = SequenceVectorizer().fit_transform(WORDS)
    assert_same_tokens(SequenceVectorizer().fit_transform(make(WORDS)), expected)


@pytest.mark.parametrize("row", [list, tuple, lambda row: np.array(row, dtype=object)])
@pytest.mark.parametrize("container", CONTAINERS)
def test_check_raw_accepts_containers_of_token_lists(container, row):
    lists = [["a", "bc"], [], ["a", "d"]]
    if container.startswith("polars") and row is not list:
        row = list
    if container == "object":
        data = np.empty(3, dtype=object)
        for i, tokens in enumerate(lists):
            data[i] = row(tokens)
    else:
        data = CONTAINERS[container]([row(tokens) for tokens in lists])
    assert is_raw(data)
    if container == "generator":
        data = CONTAINERS[container]([row(tokens) for tokens in lists])
    assert check_raw(data) == lists


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (["a", None], r"Row 1 of X is missing \(None\)"),
        (["a", "b", float("nan")], r"Row 2 of X is missing \(nan\)"),
        (["a", None, "b", None], r"Row 1 of X is missing .* Missing rows: 2\.$"),
        (["a", np.nan], "Row 1 of X is missing"),
        (["a", pd.NA], "Row 1 of X is missing"),
        (pd.Series(["a", None], dtype="string"), "Row 1 of X is missing"),
        (pd.Series(["a", None]), "Row 1 of X is missing"),
        (pl.Series(["a", None]), "Row 1 of X is missing"),
        ([None, "a"], "Row 0 of X is missing"),
        (["a", 1], "Row 1 of X is of type int"),
        ([1.5, "a"], "Row 0 of X is of type float"),
        (range(3), "Row 0 of X is of type int"),
        (["a", b"b"], "Row 1 of X is bytes; decode"),
        (np.array([b"b"]), "Row 0 of X is bytes; decode"),
        (["a", {}], "Row 1 of X is of type dict"),
        (["a", ["b"]], "row 0 is a str and row 1 is a list"),
        ([["b"], "a"], "row 0 is a list and row 1 is a str"),
        ([["a"], None], "Row 1 of X is missing"),
        ([["a"], ["b", 1]], "token 1 in row 1 of X is of type int"),
        ([["a", None]], "token 1 in row 0 of X is missing"),
        ([["a"], [b"b"]], "token 0 in row 1 of X is bytes"),
        ([["a"], [["b"]]], "token 0 in row 1 of X is of type list"),
        ([np.array([1, 2])], "token 0 in row 0 of X is of type int"),
        ([], r"0 sample\(s\)"),
        (np.array([], dtype=object), r"0 sample\(s\)"),
        (iter([]), r"0 sample\(s\)"),
        ("abc", "wrap it in a list"),
        (b"abc", "wrap it in a list"),
        (np.array([["a", "b"]], dtype=object), r"shape \(1, 2\)"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"shape \(1, 2\)"),
        (pl.DataFrame({"a": ["x"], "b": ["y"]}), r"shape \(1, 2\)"),
    ],
)
def test_check_raw_explains_what_is_wrong_with_rows(rows, match):
    with pytest.raises(ValueError, match=match):
        check_raw(rows)


@pytest.mark.parametrize("rows", [{"a": 1}, {"a"}, 3, None, sparse.eye_array(2)])
def test_check_raw_refuses_what_has_no_rows(rows):
    with pytest.raises(TypeError, match="X must be"):
        check_raw(rows)


def test_check_raw_leaves_its_input_alone():
    rows = [["a", "b"], ["c"]]
    checked = check_raw(rows)
    checked[0][0] = "changed"
    assert rows == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    "data",
    [
        [[1, 2], [3]],
        [(1, 2), (3, 4)],
        [np.array([1, 2])],
        np.ones((2, 2)),
        np.ones((2, 2), dtype=object),
        np.array([[{}, 1.0]], dtype=object),
        np.ones(2),
        np.empty((0, 3)),
        np.empty((3, 0)),
        [1, 2, 3],
        sparse.eye_array(2),
        pd.DataFrame({"a": [1]}),
        pd.Series([1.0]),
        pl.DataFrame({"a": [1]}),
        pd.Series([[1, 2], [3]]),
        [[1], []],
    ],
)
def test_is_raw_knows_ids(data):
    assert not is_raw(data)


@pytest.mark.parametrize(
    "data",
    [
        ["a", None],
        [None, None],
        [["a"], [1]],
        [[], []],
        [],
        "a",
        b"a",
        {"a": 1},
        [b"a"],
        [1, "a"],
        np.array([["a", 1]], dtype=object),
        [("go", ["V", "PST"])],
        [(["g"], ["V"])],
        pd.DataFrame({"a": ["x"], "b": [1]}),
    ],
)
def test_is_raw_knows_text(data):
    assert is_raw(data)


def test_analyzer_that_does_not_fit_the_rows_is_an_error():
    with pytest.raises(ValueError, match="Use analyzer='word' or analyzer='char'"):
        SequenceVectorizer(analyzer="token").fit(["a b"])
    with pytest.raises(ValueError, match="Use analyzer='token'"):
        SequenceVectorizer(analyzer="char").fit([["a"]])
    with pytest.raises(ValueError, match="Use analyzer='token'"):
        SequenceVectorizer().fit(["a"]).transform([["a"]])


def test_all_rows_may_be_empty():
    for analyzer in ANALYZERS:
        rows = rows_for(analyzer, ["", ""])
        for model in ("bpe", "unigram"):
            vectorizer = vectorizer_for(analyzer, subword_model=model)
            tokens = vectorizer.fit_transform(rows)
            assert tokens.nnz == 0
            assert vectorizer.inverse_transform(tokens).tolist() == rows


# Subwords


@pytest.mark.parametrize("model", ["bpe", "unigram"])
def test_subword_pieces_have_ids_from_two(model):
    vectorizer = vectorizer_for("subword", subword_model=model).fit(WORDS * 5)
    assert sorted(vectorizer.vocabulary_.values()) == list(
        range(2, vectorizer.vocabulary_size_)
    )
    assert 256 < len(vectorizer.vocabulary_) <= 270
    pieces = json.loads(vectorizer.tokenizer_)["model"]["vocab"]
    assert len(pieces) == len(vectorizer.vocabulary_)
    assert len(ids(vectorizer.transform(["banana"]))[0]) < 6


SUBWORD_SCRIPT = """
from sklearn_seq2seq import SequenceVectorizer
import hashlib
rows = [f"{a}{b}{c}" for a in "abcd" for b in ("one", "two") for c in ("ing", "ed")]
for model in ("bpe", "unigram"):
    v = SequenceVectorizer(analyzer="subword", subword_model=model, max_features=280)
    print(hashlib.md5(v.fit(rows).tokenizer_.encode()).hexdigest())
"""


def test_subword_training_is_the_same_in_every_process():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SUBWORD_SCRIPT],
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in "12"
    }
    assert len(outputs) == 1
    assert len(outputs.pop().split()) == 2


def trained_tokenizer():
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({"[UNK]": 0, "a": 3, "b": 7}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.enable_padding(pad_id=0)
    tokenizer.enable_truncation(2)
    return tokenizer


@pytest.mark.parametrize("form", ["object", "json", "path", "str path"])
def test_tokenizer_can_be_given(form, tmp_path):
    tokenizer = trained_tokenizer()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    given = {
        "object": tokenizer,
        "json": tokenizer.to_str(),
        "path": tmp_path / "tokenizer.json",
        "str path": str(tmp_path / "tokenizer.json"),
    }[form]
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=given)
    with pytest.warns(UserWarning, match="became unknown"):
        tokens = clone(vectorizer).fit_transform(["a b a", "b c"])
    vectorizer.fit(["a"])
    assert vectorizer.vocabulary_ == {"a": 2, "b": 3}
    assert ids(tokens) == [[2, 3, 2], [3, 1]]
    assert vectorizer.inverse_transform(tokens).tolist() == ["a b a", "b \ufffd"]


def trained(model, trainer, pre_tokenizer, decoder, normalizer=None, **params):
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer, decoder
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    rows = ["the cat sat", "a cat is here", "the hat"] * 3
    trainer = trainer(vocab_size=60, show_progress=False, **params)
    tokenizer.train_from_iterator(rows, trainer)
    return tokenizer


def tokenizers_of_others():
    models, trainers = tokenizers.models, tokenizers.trainers
    cut, join = tokenizers.pre_tokenizers, tokenizers.decoders
    spaces = cut.Metaspace(), join.Metaspace()
    words = cut.BertPreTokenizer(), join.WordPiece()
    unk, bert = {"special_tokens": ["<unk>"]}, {"special_tokens": ["[PAD]", "[UNK]"]}
    lower = tokenizers.normalizers.BertNormalizer(lowercase=True)
    unigram = {"unk_token": "<unk>", **unk}
    return {
        "BPE": (models.BPE(), trainers.BpeTrainer, *spaces),
        "BPE with <unk>": (models.BPE(unk_token="<unk>"), trainers.BpeTrainer, *spaces),
        "WordPiece": (
            models.WordPiece(unk_token="[UNK]"),
            trainers.WordPieceTrainer,
            *words,
            lower,
        ),
        "WordLevel": (
            models.WordLevel(unk_token="[UNK]"),
            trainers.WordLevelTrainer,
            *words,
        ),
        "Unigram": (models.Unigram(), trainers.UnigramTrainer, *spaces),
    }, {"BPE with <unk>": unk, "WordPiece": bert, "WordLevel": bert, "Unigram": unigram}


@pytest.mark.parametrize("kind", tokenizers_of_others()[0])
def test_what_a_given_tokenizer_does_not_know_is_unknown(kind):
    made, params = tokenizers_of_others()
    tokenizer = trained(*made[kind], **params.get(kind, {}))
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
    rows = ["the cat", "the Ж cat", "Ж"]
    with pytest.warns(UserWarning, match=r"2 token\(s\) in X are not in the voc"):
        tokens = vectorizer.fit_transform(rows)
    assert not {"<unk>", "[UNK]", "\ufffd"} & set(vectorizer.vocabulary_)
    assert (tokens.data == 1).sum() == 2
    assert max(vectorizer.vocabulary_.values()) == vectorizer.vocabulary_size_ - 1
    written = vectorizer.inverse_transform(tokens)
    assert written.tolist() == [row.replace("Ж", "\ufffd") for row in rows]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectorizer.set_params(handle_unknown="silent").fit_transform(rows)
    vectorizer.set_params(handle_unknown="error").fit(rows[:1])
    for call in (vectorizer.fit, vectorizer.fit_transform, vectorizer.transform):
        with pytest.raises(ValueError, match="Row 1 of X holds text without a known"):
            call(rows)


def test_fit_says_what_a_given_tokenizer_does_not_give_back():
    made, params = tokenizers_of_others()
    tokenizer = trained(*made["WordPiece"], **params["WordPiece"])
    vectorizer = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
    rows = ["the cat", "The cat", "the  hat", "a cat"]
    with pytest.warns(
        UserWarning,
        match="restore 2 of 4 rows of X; in row 1 'The cat' becomes 'the cat'",
    ):
        vectorizer.fit(rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectorizer.set_params(handle_unknown="silent").fit(rows)
        vectorizer.set_params(handle_unknown="use_unknown").fit(rows[:1])
        vectorizer.set_params(lowercase=True).fit(rows[:2])


@pytest.mark.parametrize("tokenizer", ["{", "nowhere.json"])
def test_tokenizer_that_cannot_be_read_is_an_error(tokenizer):
    with pytest.raises(ValueError, match="tokenizer="):
        SequenceVectorizer(analyzer="subword", tokenizer=tokenizer).fit(["a"])


SCRIPTS = {
    "Devanagari": "हिन्दी भाषा संसार में बोली जाती है",
    "Bengali": "বাংলা ভাষা পৃথিবীতে ব্যবহৃত হয়",
    "Gujarati": "ગુજરાતી ભાષા ભારતમાં બોલાય છે",
    "Tamil": "தமிழ் மொழி உலகில் பேசப்படுகிறது",
    "Telugu": "తెలుగు భాష దక్షిణ భారతదేశంలో ఉంది",
    "Malayalam": "മലയാളം ഭാഷ കേരളത്തിൽ സംസാരിക്കുന്നു",
    "Sinhala": "සිංහල භාෂාව ශ්\u200dරී ලංකාවේ කතා කරයි",
    "Thai": "ภาษาไทย เป็นภาษาที่ ใช้กัน อยู่ที่นี่",
    "Lao": "ພາສາລາວ ເປັນພາສາທີ່ ໃຊ້ກັນ ຢູ່ນີ້",
    "Khmer": "ភាសាខ្មែរ ជាភាសា របស់ប្រទេស កម្ពុជា",
    "Burmese": "မြန်မာဘာသာ သည်မြန်မာနိုင်ငံ ၏ရုံးသုံး ဘာသာဖြစ်သည်",
    "Tibetan": "བོད་སྐད་ནི གངས་ཅན་གྱི སྐད་ཡིག་ཡིན",
    "Hebrew with points": "בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם",
    "Arabic with marks": "بِسْمِ اللَّهِ الرَّحْمَنِ الرَّحِيمِ",
    "Persian": "می\u200cخواهم به کتاب\u200cخانه بروم",
    "Latin, decomposed": unicodedata.normalize("NFD", "Tiếng Việt được viết bằng chữ"),
    "Latin": "The English language is spoken here",
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_subwords_keep_the_marks_of_a_script_with_its_letters(script):
    regex = pytest.importorskip("regex")
    text = SCRIPTS[script]
    words = regex.findall(r"[\p{L}\p{M}\u200c\u200d]+|[^\p{L}\p{M}\s]+", text)
    vectorizer = SequenceVectorizer(analyzer="subword")
    tokens = vectorizer.fit_transform([text] * 1000)[:1]
    assert tokens.nnz <= 1.3 * len(words)
    assert vectorizer.inverse_transform(tokens)[0] == text


def test_subword_refuses_a_vocabulary_and_lone_surrogates():
    with pytest.raises(ValueError, match="vocabulary=None"):
        SequenceVectorizer(analyzer="subword", vocabulary=["a"]).fit(["a"])
    with pytest.raises(ValueError, match="Row 1 of X holds a lone surrogate"):
        SequenceVectorizer(analyzer="subword").fit(["a", "\ud800"])
    with pytest.raises(ValueError, match="Row 1 of X holds a lone surrogate"):
        SequenceVectorizer(analyzer="subword").fit(["a"]).transform(["a", "\ud800"])


def test_subword_leaves_the_environment_alone(monkeypatch):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    vectorizer = vectorizer_for("subword").fit(WORDS)
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    vectorizer.fit(WORDS)
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


@pytest.mark.parametrize("before", [None, "true"])
def test_subword_leaves_the_environment_alone_in_threads(monkeypatch, before):
    name = "TOKENIZERS_PARALLELISM"
    monkeypatch.delenv(name, raising=False)
    if before is not None:
        monkeypatch.setenv(name, before)
    fit = joblib.delayed(SequenceVectorizer(analyzer="subword").fit)
    texts = [["ab cd " * (k % 7 + 1)] * (k % 5 * 50 + 1) for k in range(60)]
    joblib.Parallel(n_jobs=8, backend="threading")(map(fit, texts))
    assert os.environ.get(name) == before


def test_subword_survives_a_fork(capfd):
    vectorizer = vectorizer_for("subword").fit(WORDS)
    expected = ids(vectorizer.transform(WORDS))
    with warnings.catch_warnings():
        # Python warns of forks in any process with threads, such as torch's.
        warnings.simplefilter("ignore", DeprecationWarning)
        with multiprocessing.get_context("fork").Pool(1) as pool:
            tokens = pool.apply_async(vectorizer.transform, (WORDS,)).get(timeout=30)
    assert ids(tokens) == expected
    assert "fork" not in capfd.readouterr().err


# The manners of scikit-learn


@pytest.mark.parametrize(
    "name",
    [
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_mixin_order",
        "check_do_not_raise_errors_in_init_or_set_params",
        "check_parameters_default_constructible",
        "check_get_params_invariance",
        "check_set_params",
        "check_get_feature_names_out_error",
        "check_transformers_unfitted",
    ],
)
def test_sklearn_check_that_needs_no_data(name):
    getattr(checks, name)("SequenceVectorizer", SequenceVectorizer())


def test_tags_say_strings():
    tags = get_tags(SequenceVectorizer())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert tags.requires_fit
    assert not tags.target_tags.required
    assert not hasattr(SequenceVectorizer(), "set_output")


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_unfitted_vectorizer_is_an_error(method):
    with pytest.raises(NotFittedError):
        getattr(SequenceVectorizer(), method)(["a"])


def test_feature_names_are_positions():
    vectorizer = SequenceVectorizer(max_length=2).fit(["a"])
    names = vectorizer.get_feature_names_out()
    assert names.tolist() == ["sequencevectorizer0", "sequencevectorizer1"]
    assert vectorizer.get_feature_names_out(["ignored"]).tolist() == names.tolist()


@pytest.mark.parametrize("analyzer", ANALYZERS)
def test_token_strings_are_the_vocabulary_by_id(analyzer):
    vectorizer = vectorizer_for(analyzer).fit(rows_for(analyzer))
    strings = vectorizer._token_strings()
    assert strings[:2] == ["", "\ufffd"]
    assert len(strings) == vectorizer.vocabulary_size_
    assert {strings[i]: i for i in range(2, len(strings))} == vectorizer.vocabulary_


@pytest.mark.parametrize("analyzer", ANALYZERS)
@pytest.mark.parametrize("copier", ["pickle", "deepcopy", "joblib", "memmap"])
def test_copy_of_a_fitted_vectorizer_gives_the_same(analyzer, copier, tmp_path):
    rows = rows_for(analyzer)
    vectorizer = vectorizer_for(analyzer).fit(rows)
    joblib.dump(vectorizer, tmp_path / "file")
    other = {
        "pickle": lambda: pickle.loads(pickle.dumps(vectorizer)),
        "deepcopy": lambda: copy.deepcopy(vectorizer),
        "joblib": lambda: joblib.load(tmp_path / "file"),
        "memmap": lambda: joblib.load(tmp_path / "file", mmap_mode="r"),
    }[copier]()
    assert vars(other) == vars(vectorizer)
    assert_same_tokens(other.transform(rows), vectorizer.transform(rows))


def test_input_may_be_a_read_only_memmap(tmp_path):
    np.save(tmp_path / "rows.npy", np.array(WORDS))
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    vectorizer = SequenceVectorizer()
    tokens = vectorizer.fit_transform(rows)
    assert vectorizer.inverse_transform(tokens).tolist() == WORDS
    joblib.dump(tokens, tmp_path / "tokens")
    mapped = joblib.load(tmp_path / "tokens", mmap_mode="r")
    assert vectorizer.inverse_transform(mapped).tolist() == WORDS


@pytest.mark.parametrize("params", [{"max_length": 2}, {"lowercase": True}])
def test_lists_of_tokens_are_left_alone(params):
    rows = [["A", "b", "c"], ["d"]]
    vectorizer = SequenceVectorizer(analyzer="token", **params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        vectorizer.inverse_transform(vectorizer.fit_transform(rows))[1][0] = "changed"
    assert rows == [["A", "b", "c"], ["d"]]


def test_inverse_transform_leaves_its_input_alone():
    vectorizer = SequenceVectorizer(max_length=5).fit(["ab"])
    holes = sparse.csr_array(np.array([[0, 2, 0, 3, 0]], dtype=np.int32))
    before = holes.copy()
    assert vectorizer.inverse_transform(holes).tolist() == ["ab"]
    assert_same_tokens(holes, before)


class LengthScorer:
    def __call__(self, estimator, X, y=None):
        return -estimator.transform(X).nnz


def test_parameters_can_be_searched():
    search = GridSearchCV(
        SequenceVectorizer(handle_unknown="silent"),
        {"analyzer": ["char", "word"]},
        scoring=LengthScorer(),
        cv=2,
        error_score="raise",
    )
    search.fit(["ab cd", "ef", "gh", "i jk"])
    assert search.best_params_ == {"analyzer": "word"}


def test_lower_case_is_normalised_too():
    """Some letters are one code point in lower case only."""
    vectorizer = SequenceVectorizer(normalize="NFC", lowercase=True)
    assert list(vectorizer.fit(["J\u030c", "\u01f0"]).vocabulary_) == ["\u01f0"]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"min_df": 2, "max_features": 5},
        {"min_df": 0.5},
        {"analyzer": "word", "min_df": 2},
        {"analyzer": "subword", "max_features": 270},
        {"vocabulary": list("abc"), "handle_unknown": "silent"},
        {"max_length": 3},
    ],
)
def test_partial_fit_learns_what_fit_does(params):
    rows = ["banana split", "", "a cab", "cabbage patch", "a banana", "b" * 9000]
    whole = SequenceVectorizer(**params).fit(rows)
    vectorizer = SequenceVectorizer(**params)
    for n in range(0, 6, 2):
        assert vectorizer.partial_fit(rows[n : n + 2]) is vectorizer
    assert vectorizer.vocabulary_ == whole.vocabulary_
    assert vectorizer.max_length_ == whole.max_length_
    pickle.loads(pickle.dumps(vectorizer)).partial_fit(["z"])
    if not params:  # else another vocabulary would be chosen
        vectorizer.fit(["x"]).partial_fit(["y"])
        assert list(vectorizer.vocabulary_) == ["y"]


def test_failed_partial_fit_changes_nothing():
    vectorizer = SequenceVectorizer(min_df=2).partial_fit(["ab", "b"])
    with pytest.raises(ValueError, match="Row 1 of X is missing"):
        vectorizer.partial_fit(["cb", None])
    assert list(vectorizer.partial_fit(["a"]).vocabulary_) == ["a", "b"]
    strict = SequenceVectorizer(vocabulary=["a"], handle_unknown="error")
    with pytest.raises(ValueError, match="holds 'b'"):
        strict.partial_fit(["ab"])
    with pytest.raises(NotFittedError):
        strict.transform(["a"])
