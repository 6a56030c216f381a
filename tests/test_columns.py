import copy
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn.utils.estimator_checks as checks
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._text._check_input import is_raw
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq.inspection import AttentionDisplay
from sklearn_seq2seq.metrics import get_scorer

ROWS = [("go", "V PST"), ("gnu", "N PL"), ("", "N"), ("on", "")]


def make(first=0, second=1, **params):
    return ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(**params), first),
            ("tags", SequenceVectorizer(analyzer="word", **params), second),
        ]
    )


def objects(rows):
    array = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            array[i, j] = cell
    return array


def ids(tokens):
    return [
        tokens.data[start:end].tolist()
        for start, end in zip(tokens.indptr[:-1], tokens.indptr[1:], strict=True)
    ]


def slow_ids(vectorizer, rows):
    """One row after the other, from the public vocabulary."""
    return [
        [vectorizer.vocabulary_.get(("lemma", c), 1) for c in lemma]
        + [vectorizer.vocabulary_.get(("tags", t), 1) for t in tags.split()]
        for lemma, tags in rows
    ]


def test_transform_equals_a_loop_over_columns():
    vectorizer = make()
    tokens = vectorizer.fit_transform(ROWS)
    assert vectorizer.vocabulary_ == {
        ("lemma", "g"): 2,
        ("lemma", "n"): 3,
        ("lemma", "o"): 4,
        ("lemma", "u"): 5,
        ("tags", "N"): 6,
        ("tags", "PL"): 7,
        ("tags", "PST"): 8,
        ("tags", "V"): 9,
    }
    assert vectorizer.vocabulary_size_ == 10
    assert ids(tokens) == slow_ids(vectorizer, ROWS)
    assert ids(vectorizer.transform(ROWS)) == ids(tokens)
    assert tokens.shape == (4, 2 * 16384)
    assert tokens.dtype == np.int32
    assert tokens.has_canonical_format


text = st.text(max_size=5)


@given(st.lists(st.tuples(text, st.lists(text, max_size=3)), min_size=1, max_size=5))
def test_round_trip_of_known_tokens(rows):
    vectorizer = ColumnVectorizer(
        [
            ("text", SequenceVectorizer(), 0),
            ("tokens", SequenceVectorizer(analyzer="token"), 1),
        ]
    )
    tokens = vectorizer.fit_transform(rows)
    assert vectorizer.inverse_transform(tokens).tolist() == rows
    dense = tokens[:, :20].toarray()
    assert vectorizer.inverse_transform(dense).tolist() == rows


def test_columns_may_be_used_in_any_order_and_twice():
    vectorizer = ColumnVectorizer(
        [
            ("tags", SequenceVectorizer(analyzer="word"), -1),
            ("characters", SequenceVectorizer(), 0),
            ("subwords", SequenceVectorizer(analyzer="subword", max_features=256), 0),
        ]
    )
    tokens = vectorizer.fit_transform(ROWS)
    rows = vectorizer.inverse_transform(tokens).tolist()
    assert rows == [(tags, lemma, lemma) for lemma, tags in ROWS]


def test_column_without_tokens_has_no_ids():
    vectorizer = make().fit([("", "N"), ("", "V")])
    assert vectorizer.vocabulary_ == {("tags", "N"): 2, ("tags", "V"): 3}
    tokens = vectorizer.transform([("", "V N")])
    assert vectorizer.inverse_transform(tokens).tolist() == [("", "V N")]


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        lambda rows: [list(row) for row in rows],
        lambda rows: [np.array(row, dtype=object) for row in rows],
        iter,
        objects,
        np.array,
        pd.DataFrame,
        lambda rows: pd.DataFrame(rows, index=list("zyxw"), dtype="string"),
        lambda rows: pl.DataFrame(rows, orient="row"),
    ],
)
def test_containers_of_columns(container):
    expected = ids(make().fit_transform(ROWS))
    vectorizer = make()
    assert is_raw(container(ROWS))
    assert ids(vectorizer.fit_transform(container(ROWS))) == expected
    assert ids(vectorizer.transform(container(ROWS))) == expected


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_columns_by_name(frame):
    lemmas, tags = zip(*ROWS, strict=True)
    X = frame({"other": [1, 2, 3, 4], "feats": tags, "word": lemmas})
    assert ids(make("word", "feats").fit_transform(X)) == ids(
        make().fit_transform(ROWS)
    )
    with pytest.raises(ValueError, match=r"'tags' is not in X: there is no 'nowhere'"):
        make("word", "nowhere").fit(X)
    with pytest.raises(ValueError, match=r"'tags' is not in X: there is no position 3"):
        make(2, 3).fit(X)


# Unknown tokens


def test_unknown_tokens_warn_by_column():
    vectorizer = make().fit(ROWS)
    with pytest.warns(UserWarning, match=r"column '(lemma|tags)'") as caught:
        tokens = vectorizer.transform([("gx", "V X"), ("xy", "")])
    assert len(caught) == 2
    assert "3 token(s) in column 'lemma'" in str(caught[0].message)
    assert ids(tokens) == [[2, 1, 9, 1], [1, 1]]


def test_unknown_tokens_as_each_column_wishes():
    vectorizer = make().set_params(
        lemma__handle_unknown="silent", tags__handle_unknown="error"
    )
    vectorizer.fit(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ids(vectorizer.transform([("gx", "V")])) == [[2, 1, 9]]
    with pytest.raises(ValueError, match="Row 1 of column 'tags' holds 'X'"):
        vectorizer.transform([("g", "V"), ("g", "X")])


def test_unknown_tokens_read_with_the_column_of_their_neighbour():
    vectorizer = make().fit(ROWS)
    rows = vectorizer.inverse_transform(
        [[1, 2, 1, 9, 1], [1, 9, 0, 0, 0], [1, 1, 0, 0, 0]]
    )
    assert rows.tolist() == [
        ("\ufffdg\ufffd", "V \ufffd"),
        ("", "\ufffd V"),
        ("\ufffd\ufffd", ""),
    ]


def test_transform_with_extras_numbers_what_is_unknown_across_columns():
    vectorizer = make().fit(ROWS)
    rows = [("gx", "V X"), ("yg", "x N"), ("g", "V"), ("n", "N y")]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokens, extras = vectorizer._transform_with_extras(vectorizer._check_rows(rows))
    assert extras == ["x", "y", "X"]
    strings = [*vectorizer._token_strings(), *extras]
    read = [[strings[i] for i in row] for row in ids(tokens)]
    assert read == [[*lemma, *tags.split()] for lemma, tags in rows]
    size = vectorizer.vocabulary_size_
    assert ids(tokens)[0] == [2, size, 9, size + 2]
    back = vectorizer._inverse_with_extras(tokens, extras).tolist()
    assert [a + b.replace(" ", "") for a, b in back] == [
        a + b.replace(" ", "") for a, b in rows
    ]
    assert back[2:] == rows[2:]


def test_transform_with_extras_without_unknown_tokens_is_transform():
    vectorizer = make().fit(ROWS)
    tokens, extras = vectorizer._transform_with_extras(vectorizer._check_rows(ROWS))
    assert extras == []
    assert ids(tokens) == ids(vectorizer.transform(ROWS))
    assert vectorizer._inverse_with_extras(tokens, extras).tolist() == ROWS


def test_long_cells_are_cut_by_column():
    vectorizer = make().set_params(lemma__max_length=2)
    with pytest.warns(UserWarning, match=r"1 row\(s\) of column 'lemma'.*row 1"):
        tokens = vectorizer.fit_transform(ROWS)
    assert tokens.shape == (4, 2 + 16384)
    assert vectorizer.inverse_transform(tokens)[1] == ("gn", "N PL")


# Errors


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("a", "b"), ("a", None)], "Row 1 of column 'tags' is missing"),
        ([("a", "b"), (1, "b")], "Row 1 of column 'lemma' is of type int"),
        ([(b"a", "b")], "Row 0 of column 'lemma' is bytes"),
        ([("a", "b"), ("a",)], "Column 'tags' is not in row 1"),
        ([("a", ["b"])], "column 'tags' holds lists of tokens"),
        (["ab"], "Row 0 of X must be a tuple"),
        ([("a", "b"), None], "Row 1 of X must be a tuple"),
        ([], r"0 sample\(s\)"),
        (np.array(["a"], dtype=object), r"rows and columns; got shape \(1,\)"),
        (objects([("a",)]), "no position 1"),
        (pd.Series(["a"]), "rows and columns"),
    ],
)
def test_wrong_rows_are_errors_that_name_the_column(rows, match):
    with pytest.raises(ValueError, match=match):
        make().fit(rows)


@pytest.mark.parametrize("X", ["ab", {"lemma": ["a"]}, 3])
def test_wrong_containers_are_errors(X):
    with pytest.raises(TypeError, match="X must be a frame"):
        make().fit(X)


def test_name_in_data_without_names_is_an_error():
    with pytest.raises(ValueError, match="'lemma' is not in X: there is no 'word'"):
        make(first="word").fit(ROWS)


@pytest.mark.parametrize(
    ("transformers", "error"),
    [
        ([], ValueError),
        (None, ValueError),
        ([("a", SequenceVectorizer())], TypeError),
        ([("a", "char", 0)], TypeError),
        ([("a", SequenceVectorizer(), None)], TypeError),
        ([("a", SequenceVectorizer(), 0), ("a", SequenceVectorizer(), 1)], ValueError),
        ([("a__b", SequenceVectorizer(), 0)], ValueError),
    ],
)
def test_wrong_transformers_are_errors(transformers, error):
    with pytest.raises(error):
        ColumnVectorizer(transformers).fit(ROWS)


def test_failed_fit_leaves_the_vectorizer_as_it_was():
    vectorizer = make().fit(ROWS)
    before = vectorizer.vocabulary_
    with pytest.raises(ValueError, match="column 'tags'"):
        vectorizer.fit([("x", None)])
    assert vectorizer.vocabulary_ == before


def test_inverse_transform_refuses_unknown_ids():
    with pytest.raises(ValueError, match="got 10 in row 0"):
        make().fit(ROWS).inverse_transform([[10]])


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
        "check_get_params_invariance",
        "check_set_params",
        "check_get_feature_names_out_error",
        "check_transformers_unfitted",
    ],
)
def test_sklearn_check_that_needs_no_data(name):
    getattr(checks, name)("ColumnVectorizer", make())


def test_tags_say_strings():
    tags = get_tags(make())
    assert tags.input_tags.string
    assert not tags.input_tags.two_d_array
    assert not hasattr(make(), "set_output")


@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_unfitted_vectorizer_is_an_error(method):
    with pytest.raises(NotFittedError):
        getattr(make(), method)(ROWS)
    assert not hasattr(make(), "vocabulary_")
    assert not hasattr(make(), "max_length_")


def test_nested_parameters_are_got_and_set():
    vectorizer = make()
    assert vectorizer.get_params()["tags__analyzer"] == "word"
    vectorizer.set_params(tags__analyzer="char", lemma=SequenceVectorizer(min_df=2))
    assert [(name, v.analyzer, c) for name, v, c in vectorizer.transformers] == [
        ("lemma", "char", 0),
        ("tags", "char", 1),
    ]
    assert vectorizer.get_params()["lemma__min_df"] == 2
    assert ("tags", " ") in vectorizer.fit(ROWS).vocabulary_


def test_fit_leaves_the_given_vectorizers_alone():
    vectorizer = make()
    given = vectorizer.transformers
    vectorizer.fit(ROWS)
    assert vectorizer.transformers is given
    assert not any(hasattr(v, "vocabulary_") for _, v, _ in given)
    copied = clone(vectorizer)
    assert copied.transformers[0][1] is not given[0][1]
    assert not hasattr(copied, "transformers_")


@pytest.mark.parametrize("copier", ["pickle", "deepcopy", "joblib"])
def test_copy_of_a_fitted_vectorizer_gives_the_same(copier, tmp_path):
    vectorizer = make().fit(ROWS)
    joblib.dump(vectorizer, tmp_path / "file")
    other = {
        "pickle": lambda: pickle.loads(pickle.dumps(vectorizer)),
        "deepcopy": lambda: copy.deepcopy(vectorizer),
        "joblib": lambda: joblib.load(tmp_path / "file", mmap_mode="r"),
    }[copier]()
    assert other.vocabulary_ == vectorizer.vocabulary_
    assert ids(other.transform(ROWS)) == ids(vectorizer.transform(ROWS))


def test_works_as_a_pipeline_step():
    pipeline = Pipeline([("source", make())])
    pipeline.set_params(source__lemma__lowercase=True)
    tokens = pipeline.fit_transform([("GO", "V"), ("og", "N")])
    assert ids(tokens) == [[2, 3, 5], [3, 2, 4]]
    assert len(pipeline.get_feature_names_out()) == tokens.shape[1]


def test_token_strings_are_the_vocabulary_by_id():
    vectorizer = make().fit(ROWS)
    strings = vectorizer._token_strings()
    assert strings[:2] == ["", "\ufffd"]
    assert len(strings) == vectorizer.vocabulary_size_
    for (_, token), number in vectorizer.vocabulary_.items():
        assert strings[number] == token


def test_clean_run_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectorizer = make().fit(ROWS)
        vectorizer.inverse_transform(vectorizer.transform(ROWS))


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_a_model_reads_frames_of_several_columns(frame):
    lemmas, tags = zip(*ROWS, strict=True)
    X = frame({"word": lemmas, "feats": tags})
    model = Seq2SeqTransformer(
        source_vectorizer=make("word", "feats"), hidden_size=4, max_epochs=1
    )
    assert len(model.fit(X, list(lemmas)).predict(X)) == len(ROWS)


@pytest.fixture(scope="module")
def of_columns():
    model = Seq2SeqTransformer(
        target_vectorizer=make("word", "feats"),
        hidden_size=4,
        max_epochs=1,
        random_state=0,
    )
    return model.fit(["a", "b", "c", "d"], as_frame(ROWS))


def as_frame(rows):
    return pd.DataFrame(rows, columns=["word", "feats"])


def test_targets_of_several_columns_begin_as_they_are_told(of_columns):
    got = of_columns.predict(["a", "b"], prefix=as_frame([("go", ""), ("on", "N PL")]))
    assert got[0][0].startswith("go")
    assert got[1][0] == "on"
    assert got[1][1].startswith("N")
    with pytest.raises(ValueError, match="vocabulary, in row 1: 'x'"):
        of_columns.predict(["a", "b"], prefix=as_frame([("go", ""), ("ox", "")]))


def test_targets_of_several_columns_may_be_a_closed_set(of_columns):
    model = copy.deepcopy(of_columns).set_params(allowed_outputs=as_frame(ROWS[:2]))
    assert set(model.predict(["a", "b", "c", "d"])) <= set(ROWS[:2])


@pytest.mark.parametrize("banned", [["N"], [("tags", "N")], {"N", ("tags", "N")}])
def test_tokens_of_one_column_or_of_any_are_banned(of_columns, banned):
    model = copy.deepcopy(of_columns)
    model.set_params(banned_tokens=banned, max_length=4, replace_unknown="keep")
    X = ["a", "b", "c", "d"]
    free = {cell for row in of_columns.predict_nbest(X, 99).sequence for cell in row}
    assert any("N" in cell for cell in free)
    assert not any("N" in tags for _, tags in model.predict_nbest(X, 99).sequence)


@pytest.mark.filterwarnings("ignore:.*not in the vocabulary|.*ended by max_length")
@pytest.mark.parametrize("places", [("word", "feats"), (0, 1)])
@pytest.mark.parametrize("analyzer", ["word", "token"])
def test_predictions_of_several_columns_are_targets_again(places, analyzer):
    tags = [text.split() if analyzer == "token" else text for _, text in ROWS]
    y = pd.DataFrame({"word": [word for word, _ in ROWS], "feats": tags})
    parts = SequenceVectorizer(), SequenceVectorizer(analyzer=analyzer)
    columns = ColumnVectorizer(
        [(name, v, k) for name, v, k in zip("ab", parts, places, strict=True)]
    )
    model = Seq2SeqTransformer(
        target_vectorizer=columns, hidden_size=4, max_epochs=1, random_state=0
    )
    X = ["a", "b", "c", "d"]
    got = model.fit(X, y).predict(X)
    assert model.score(X, got) == 1.0
    np.testing.assert_allclose(
        model.log_likelihood(X, got),
        model.predict_nbest(X, 1)["log_probability"],
        atol=1e-4,
    )
    assert len(model.attention_weights(X, got)) == len(X)
    assert AttentionDisplay.from_estimator(model, X).target == [
        *got[0][0],
        *(got[0][1].split() if analyzer == "word" else got[0][1]),
    ]
    scorer = get_scorer("exact_match")
    assert scorer(model, X, got) == 1.0
    assert scorer(model, X, y) == model.score(X, y)
    scores = cross_val_score(model, X, y, cv=2, scoring=scorer, error_score="raise")
    assert len(scores) == 2


def test_score_of_a_frame_counts_rows():
    X = pd.DataFrame({"word": ["ab", "ba", "bb"], "tag": ["N", "V", "N"]})
    y = ["ba", "ab", "bb"]
    model = Seq2SeqTransformer(
        source_vectorizer=make("word", "tag"), hidden_size=4, max_epochs=1
    ).fit(X, y)
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    with pytest.raises(ValueError, match=r"numbers of samples: \[3, 2\]"):
        model.score(X, y[:2])


def test_score_of_columns_knows_which_column_is_unknown():
    names = ["abcd", "efgh", "hgfe", "dcba", "fade", "fade"]
    y = [(name, tag) for name in names for tag in "VN"]
    words = SequenceVectorizer(analyzer="word", min_df=3, handle_unknown="silent")
    tags = SequenceVectorizer(analyzer="word")
    columns = ColumnVectorizer([("word", words, 0), ("tag", tags, 1)])
    model = Seq2SeqTransformer(
        source_vectorizer=clone(words).set_params(min_df=1),
        target_vectorizer=columns,
        replace_unknown="copy",
        hidden_size=8,
        max_epochs=5,
        random_state=0,
    )
    X = [" ".join(pair) for pair in y]
    predicted = model.fit(X, y).predict(X).tolist()
    assert any("" in pair for pair in predicted)
    right = [pair == target for pair, target in zip(predicted, y, strict=True)]
    assert model.score(X, y) == np.mean(right)


def test_targets_of_several_columns_are_not_copied_to():
    model = Seq2SeqTransformer(target_vectorizer=make(), copy=True, hidden_size=4)
    with pytest.raises(ValueError, match="copy=True needs targets of one column"):
        model.fit([go for go, _ in ROWS], ROWS)


def test_banned_string_is_banned_in_every_column():
    model = Seq2SeqTransformer(target_vectorizer=make(), hidden_size=4, max_epochs=1)
    model.fit(["a", "b"], [("nN", "N n"), ("n", "n")]).set_params(max_length=3)
    model.set_params(banned_tokens=["n"])
    table = model.predict_nbest(["a"], 99)
    assert {cell for row in table.sequence for cell in row} <= {
        text for n in range(4) for text in ("N" * n, " ".join("N" * n))
    }
    model.set_params(banned_tokens=[("lemma", "n")])
    words, tags = zip(*model.predict_nbest(["a"], 99).sequence, strict=True)
    assert not any("n" in word for word in words)
    assert any("n" in tag for tag in tags)


def test_inverse_transform_of_no_rows():
    vectorizer = make().fit(ROWS)
    none = vectorizer.transform(ROWS)[:0]
    for tokens in (none, none.toarray()):
        assert len(vectorizer.inverse_transform(tokens)) == 0


def test_partial_fit_learns_what_fit_does():
    whole = make(min_df=2).fit(ROWS)
    vectorizer = make(min_df=2).partial_fit(ROWS[:2])
    assert len(vectorizer.vocabulary_) < len(whole.vocabulary_)
    with pytest.raises(ValueError, match="Row 1 of column 'tags' is missing"):
        vectorizer.partial_fit([("a", "b"), ("a", None)])
    vectorizer.partial_fit(ROWS[2:])
    assert vectorizer.vocabulary_ == whole.vocabulary_
    assert vectorizer.max_length_ == whole.max_length_
    vectorizer.fit(ROWS).partial_fit([("x", "y"), ("x", "y")])
    assert list(vectorizer.vocabulary_) == [("lemma", "x"), ("tags", "y")]
