"""Sources that are longer than wished: refused, truncated, or read in chunks."""

import sys
import warnings
from itertools import chain, pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from sklearn_seq2seq._pairs._long_sources import (
    _ENDS,
    _WIDE_ENDS,
    Pieces,
    chunked,
    marks_of,
    shorten,
    truncated,
)
from sklearn_seq2seq._pairs._sides import learn_text
from sklearn_seq2seq._tokens import from_flat, lengths
from sklearn_seq2seq.inspection import AttentionDisplay

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*were ended by max_length"),
    pytest.mark.filterwarnings("ignore:.*not in the vocabulary"),
]
CUT = "longer than max_source_length"

rng = np.random.default_rng(0)
WORDS = ["".join(rng.choice(list("abcd"), size=n % 5 + 1)) for n in range(40)]


def phrases(n, size, seed):
    draw = np.random.default_rng(seed)
    return [" ".join(draw.choice(WORDS, size)) for _ in range(n)]


X_TRAIN = [*phrases(40, 2, 1), *phrases(40, 3, 2)]
# Short and empty rows among long ones; sentences; rows without a place to cut at.
NEW = [
    "ab",
    "",
    " ".join(phrases(3, 3, 3)),
    ". ".join(phrases(6, 2, 4)) + ".",
    "abcd" * 11,
    "  ".join(phrases(4, 2, 5)) + "     ",
    " " * 30,
    "dcba",
    "zzz zzz zzz zzz zzz zzz",
]


def make(**params):
    defaults = {
        "hidden_size": 12,
        "embedding_size": 6,
        "max_epochs": 4,
        "learning_rate": 0.02,
        "batch_size": 8,
        "dropout": 0.0,
        "random_state": 0,
    }
    return Seq2SeqTransformer(**(defaults | params))


def words():
    return SequenceVectorizer(analyzer="word", handle_unknown="silent")


def pieces_of_words():
    return SequenceVectorizer(analyzer="subword", max_features=270)


KINDS = {
    "char": {},
    "copy": {"copy": True},
    "word": {"source_vectorizer": words(), "target_vectorizer": words(), "copy": True},
    "word to char": {"source_vectorizer": words()},
    "char to word": {"target_vectorizer": words()},
    "subword": {
        "source_vectorizer": pieces_of_words(),
        "target_vectorizer": pieces_of_words(),
    },
}
LIMITS = {"word": 3, "word to char": 3}


@pytest.fixture(scope="module")
def fitted():
    """Fitted models of each kind; tests take copies that share the network."""
    made = {}

    def get(kind="char", **params):
        if kind not in made:
            y = X_TRAIN if "copy" in KINDS[kind] else [x.upper() for x in X_TRAIN]
            made[kind] = make(**KINDS[kind]).fit(X_TRAIN, y)
        model = clone(made[kind])
        vars(model).update(vars(made[kind]))
        return model.set_params(**params)

    return get


def unlimited(model):
    """The same model, reading sources whole."""
    same = clone(model)
    vars(same).update(vars(model))
    return same.set_params(max_source_length=None)


# Where to cut -----------------------------------------------------------------------


CLOSING = ")]}\u201d\u2019\u300d\u300f\u00bb\"'"
QUOTES = CLOSING + "\u201c\u00ab"
WIDE = "\u3002\uff01\u061f\u06d4\u0964\u1362\u17d4\u104b"


def after(left, closing, ends):
    """Whether a list of strings ends in an end of a sentence and closing signs."""
    left = list(left)
    while left and left[-1] and not left[-1].strip(closing):
        left.pop()
    return bool(left) and left[-1].rstrip(closing)[-1:] in [*ends]


def slow_chunks(tokens, limit, words=False):
    """Cut a list of strings, one after the other: lists, and what was between them."""
    start, chunks, spaced = 0, [], [False]
    while len(tokens) - start > limit:
        ranks = {}
        for p in range(start + (limit + 1) // 2, start + limit + 1):
            left, right = tokens[:p], tokens[p]
            space = (words or right[0].isspace()) and not left[-1].isspace()
            end = after(left, QUOTES, ".!?\u2026" + WIDE) or right in "\n\r\u2028"
            wide = after(left, CLOSING, WIDE) and right[0] not in CLOSING + WIDE
            ranks[p] = 2 * ((space and end) or wide) or space
        best = max(ranks.values())
        p = max(p for p in ranks if ranks[p] == best)
        chunks.append(tokens[start:p])
        spaced.append(best > 0 and (words or tokens[p][0].isspace()))
        start = p
        while best and start < len(tokens) and tokens[start].isspace():
            start += 1
        if start == len(tokens):
            return chunks, spaced[:-1]
    return [*chunks, tokens[start:]], spaced


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_chunked_cuts_as_one_would_by_hand(limit):
    draw = np.random.default_rng(limit)
    alphabet = ["a", " ", "\n", "\u2028", "\u00a0", ".", " x", "y!", ' "', "?)", *WIDE]
    alphabet += [*QUOTES, "\u0964\u201d", "\u3002\u201c", "\u2026\u201c"]
    rows = [draw.integers(0, len(alphabet), draw.integers(0, 60)) for _ in range(400)]
    n_tokens = np.array(list(map(len, rows)))
    tokens = from_flat(np.concatenate(rows), n_tokens, 60)
    long = np.flatnonzero(n_tokens > limit)
    pieces = chunked(
        n_tokens, limit, long, tokens[long], marks_of(alphabet), words=False
    )
    expected = [slow_chunks([alphabet[k] for k in row], limit) for row in rows]
    got = pieces.take(tokens)
    assert [[alphabet[k] for k in got.data[a:b]] for a, b in pairwise(got.indptr)] == [
        chunk for chunks, _ in expected for chunk in chunks
    ]
    assert pieces.spaced.tolist() == [s for _, spaced in expected for s in spaced]
    assert pieces.rows.tolist() == [
        row for row, (chunks, _) in enumerate(expected) for _ in chunks
    ]
    assert lengths(got).max() <= limit


def test_chunked_cuts_between_any_words_and_rather_behind_sentences():
    strings = ["", "?", "a", "b.", "c"]
    row = np.array([[2, 3, 2, 4, 2, 4, 2]])
    tokens = from_flat(row[0], [7], 7)
    pieces = chunked(
        np.array([7]), 3, np.array([0]), tokens, marks_of(strings), words=True
    )
    assert pieces.starts.tolist() == [0, 2, 5]
    assert pieces.spaced.tolist() == [False, True, True]


@pytest.mark.parametrize("analyzer", ["char", "subword"])
@pytest.mark.parametrize(
    ("text", "first"),
    [
        ('He said, "I go." She went away.', 'He said, "I go."'),
        ("It is so (they say!). We left it.", "It is so (they say!)."),
        ("He said, \u2018I go.\u2019 She went.", "He said, \u2018I go.\u2019"),
        ("Er rief: \u201eHalt!\u201c Sie ging weg.", "Er rief: \u201eHalt!\u201c"),
        ("他说：“我走了。”她也走了。", "他说：“我走了。”"),
        ("他走了。 “你好，”她说。", "他走了。"),
        ("「行きます。」と彼女は言った、そして", "「行きます。」"),
        ("本当！？と彼女は言った、そして", "本当！？"),
        ("वह घर गया। वह सो गयी थी", "वह घर गया।"),
        ("वह घर गया।वह सो गयी थी", "वह घर गया।"),
        ("هل ذهبت؟ نعم ذهبت أمس", "هل ذهبت؟"),
        ("وہ گیا۔ وہ سو گئی تھی", "وہ گیا۔"),
        ("ሰላም ነው። እሷ ሄደች ወደ", "ሰላም ነው።"),
        ("ខ្ញុំទៅ។ នាង ទៅ ផ្ទះ", "ខ្ញុំទៅ។"),
        ("သူသွားသည်။ သူမ လည်း သွား", "သူသွားသည်။"),
        ("Նա գնաց։ Նա քնեց հետո", "Նա գնաց։"),
        ("We met v3.5. Then it was", "We met v3.5."),
    ],
)
def test_sentences_of_many_scripts_are_whole(text, first, analyzer):
    """Cut where one more token would still have fitted in."""
    side, _, _ = learn_text([text], SequenceVectorizer(analyzer=analyzer), "X")
    tokens, _ = side.read([text, first], "X")
    n_tokens = lengths(tokens)
    limit = n_tokens[1] + 1
    pieces = chunked(
        n_tokens[:1],
        limit,
        np.array([0]),
        tokens[:1],
        marks_of(side.strings()),
        words=False,
    )
    assert side.write(pieces.take(tokens[:1]))[0] == first


def test_ends_of_sentences_are_those_of_unicode():
    regex = pytest.importorskip("regex")
    signs = [chr(k) for k in range(sys.maxunicode + 1) if not 0xD800 <= k < 0xE000]
    ends = set(regex.findall(r"\p{Sentence_Terminal}", "".join(signs)))
    assert ends - {"\N{ONE DOT LEADER}"} <= {*_ENDS, *_WIDE_ENDS}


def test_join_puts_spaces_between_pieces_that_hold_something():
    spaced = np.array([False, True, True, False, False, True, False])
    rows = np.array([0, 0, 0, 0, 1, 1, 2])
    nothing = np.zeros_like(rows)
    pieces = Pieces(rows, nothing, nothing, spaced)
    # "" "a" "bb" "c" | "a" " b" | ""
    tokens = from_flat([2, 3, 3, 4, 2, 5], [0, 1, 2, 1, 1, 1, 0], 3)
    blank = np.array([False] * 5 + [True])
    joined = pieces.join(tokens, 3, space=9, blank=blank)
    assert joined.toarray().tolist() == [
        [2, 9, 3, 3, 4],
        [2, 5, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]
    assert pieces.join(tokens, 3).toarray()[0].tolist() == [2, 3, 3, 4]


@pytest.mark.parametrize("keep_end", [False, True])
def test_truncated_keeps_one_end(keep_end):
    tokens = from_flat([2, 3, 4, 5, 6, 7], [4, 0, 2], 4)
    got = truncated(lengths(tokens), 2, keep_end).take(tokens).toarray()
    expected = [[4, 5], [0, 0], [6, 7]] if keep_end else [[2, 3], [0, 0], [6, 7]]
    assert got[:, :2].tolist() == expected
    assert not got[:, 2:].any()


# Chunks -----------------------------------------------------------------------------


def by_hand(model, x, limit):
    """Predict the chunks of a text as texts, and join what is written."""
    words = model.source_vectorizer_.analyzer == "word"
    chunks, spaced = slow_chunks(x.split() if words else x, limit, words)
    chunks = [(" " * words).join(chunk) for chunk in chunks]
    whole = unlimited(model)
    parts, confidence = whole.predict(chunks), whole.predict_confidence(chunks)
    text = ""
    for part, space in zip(parts, spaced, strict=True):
        glue = space or model.target_vectorizer_.analyzer == "word"
        needs = text and part and glue and not part[0].isspace()
        text += " " * bool(needs) + part
    return text, confidence.prod()


@pytest.mark.parametrize("beam_width", [1, 3])
@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"subword"}))
def test_chunks_are_decoded_and_joined_as_by_hand(fitted, kind, beam_width):
    limit = LIMITS.get(kind, 12)
    model = fitted(kind, max_source_length=limit, long_source="chunk")
    model.set_params(beam_width=beam_width)
    expected = [by_hand(model, x, limit) for x in NEW]
    with pytest.warns(UserWarning, match=CUT):
        assert model.predict(NEW).tolist() == [text for text, _ in expected]
    with pytest.warns(UserWarning, match=CUT):
        confidence = model.predict_confidence(NEW)
    np.testing.assert_allclose(confidence, [p for _, p in expected], rtol=1e-3)


def test_subword_chunks_are_those_of_the_texts_between_spaces(fitted):
    model = fitted("subword", max_source_length=4, long_source="chunk")
    vectorizer = model.source_vectorizer_
    text = " ".join(phrases(4, 2, 9))
    tokens = vectorizer.transform([text])
    reader = model._reader
    (dataset,), (pieces,) = shorten(
        [reader],
        [text],
        [reader.dataset(tokens)],
        limit=4,
        long_source="chunk",
        quiet=True,
    )
    assert lengths(dataset.source).max() <= 4
    chunks = vectorizer.inverse_transform(dataset.source)
    spaces = [" " * bool(space) for space in pieces.spaced]
    assert "".join(map("".join, zip(spaces, chunks, strict=True))) == text
    assert pieces.spaced.sum() >= 2
    # A chunk behind a space has the tokens that it has as a text of its own.
    alone = vectorizer.transform(list(chunks))
    first = dataset.source.indptr[:-1]
    np.testing.assert_array_equal(
        dataset.source.data[first], alone.data[alone.indptr[:-1]]
    )


def test_white_space_that_training_never_saw_is_seen():
    model = make(max_source_length="auto", long_source="chunk").fit(WORDS)
    X = ["abc abc abc", "dd dd"]
    with pytest.warns(UserWarning, match="3 chunks|4 chunks|5 chunks"):
        predicted = model.predict(X)
    assert [p.count(" ") for p in predicted] == [2, 0]


def test_token_lists_are_cut_and_joined(fitted):
    X = [list(x.replace(" ", "")) for x in X_TRAIN]
    model = make().fit(X, X).set_params(max_source_length=4, long_source="chunk")
    row = X[0] + X[1]
    chunks = [row[i : i + 4] for i in range(0, len(row), 4)]
    expected = list(chain.from_iterable(unlimited(model).predict(chunks)))
    with pytest.warns(UserWarning, match=CUT):
        assert model.predict([row, ["a"]])[0] == expected


def test_ids_are_cut_and_joined_in_as_many_columns_as_needed():
    ids = SequenceVectorizer(max_length=20).fit_transform(WORDS[:20]).toarray()
    y = ids[:, :6]
    model = make(min_length=5).fit(ids, y)
    row = np.resize(ids[ids > 0], (1, 20))
    expected = np.concatenate(
        [model.predict(np.pad(row[:, i : i + 7], ((0, 0), (0, 13))))[0] for i in (0, 7)]
        + [model.predict(np.pad(row[:, 14:], ((0, 0), (0, 14))))[0]]
    )
    model.set_params(max_source_length=7, long_source="chunk")
    with pytest.warns(UserWarning, match="3 chunks"):
        predicted = model.predict(np.vstack([row, ids[:2]]))
    np.testing.assert_array_equal(
        predicted[0][predicted[0] > 0], expected[expected > 0]
    )
    assert predicted.shape[1] > y.shape[1]
    assert 0 <= model.score(np.vstack([row, ids[:2]]), y[:3]) <= 1


@pytest.mark.parametrize("long_source", ["truncate_end", "truncate_start", "chunk"])
@pytest.mark.parametrize("kind", ["char", "copy", "word"])
def test_predictions_do_not_depend_on_batches_order_or_company(
    fitted, kind, long_source
):
    limit = LIMITS.get(kind, 9)
    model = fitted(kind, max_source_length=limit, long_source=long_source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = model.predict(NEW)
        order = np.random.default_rng(1).permutation(len(NEW))
        for batch_size in (1, 2, 7):
            model.set_params(batch_size=batch_size)
            assert model.predict(NEW).tolist() == expected.tolist()
        assert model.predict([NEW[i] for i in order]).tolist() == (
            expected[order].tolist()
        )
        assert [model.predict([x])[0] for x in NEW] == expected.tolist()


def test_short_rows_are_untouched_and_nothing_is_said_of_them(fitted):
    model = fitted(max_source_length=9, long_source="chunk")
    short = ["ab", "", "abcd abcd"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", CUT)
        assert model.predict(short).tolist() == fitted().predict(short).tolist()
        model.predict_nbest(short)
        model.log_likelihood(short, ["A"] * 3)
        model.attention_weights(short)
        model.transform(short)


def test_replaced_unknown_tokens_come_from_their_own_chunk():
    X = [" ".join(draw) for draw in np.random.default_rng(3).choice(WORDS, (60, 2))]
    vectorizer = SequenceVectorizer(analyzer="word", min_df=4, handle_unknown="silent")
    model = make(
        source_vectorizer=vectorizer,
        target_vectorizer=vectorizer,
        replace_unknown="copy",
        max_epochs=8,
    ).fit(X)
    model.set_params(max_source_length=2, long_source="chunk")
    X = ["xa xb xc xd xe xf", X[0]]
    with pytest.warns(UserWarning, match=CUT):
        predicted = model.predict(X)
    model.set_params(max_source_length=None)
    alone = model.predict(["xa xb", "xc xd", "xe xf"])
    assert any(word.startswith("x") for word in predicted[0].split())
    assert predicted[0] == " ".join(filter(None, alone))


def test_unsure_rows_are_abstained_from_as_a_whole(fitted):
    model = fitted(max_source_length=9, long_source="chunk")
    with pytest.warns(UserWarning, match=CUT):
        confidence = model.predict_confidence(NEW)
    middle = float(np.median(confidence))
    with pytest.warns(UserWarning, match=CUT):
        predicted = model.set_params(min_confidence=middle).predict(NEW)
    np.testing.assert_array_equal(predicted == None, confidence < middle)  # noqa: E711


# Truncation -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("long_source", "kept"),
    [("truncate_end", slice(9)), ("truncate_start", slice(-9, None))],
)
@pytest.mark.parametrize("kind", ["char", "copy"])
def test_truncation_is_that_of_the_text(fitted, kind, long_source, kept):
    model = fitted(kind, max_source_length=9, long_source=long_source)
    whole, cut = fitted(kind), [x[kept] for x in NEW]
    y = [x[:3] for x in cut] if kind == "copy" else ["A"] * len(NEW)
    with pytest.warns(
        UserWarning, match=f"6 of 9 sources .* row 2, of {len(NEW[2])} t"
    ):
        assert model.predict(NEW).tolist() == whole.predict(cut).tolist()
    with pytest.warns(UserWarning, match=CUT):
        np.testing.assert_allclose(
            model.log_likelihood(NEW, y), whole.log_likelihood(cut, y), atol=1e-4
        )
    with pytest.warns(UserWarning, match=CUT):
        vectors = model.transform(NEW)
    np.testing.assert_allclose(vectors, whole.transform(cut), atol=1e-5)
    for targets in (y, None):
        with pytest.warns(UserWarning, match=CUT):
            weights = model.attention_weights(NEW, targets)
        expected = whole.attention_weights(cut, targets)
        for a, b in zip(weights, expected, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)
    with pytest.warns(UserWarning, match=CUT):
        table = model.predict_nbest(NEW, n_best=2)
    assert table["sequence"].tolist() == (
        whole.predict_nbest(cut, n_best=2)["sequence"].tolist()
    )


@pytest.mark.parametrize("long_source", ["truncate_end", "truncate_start"])
def test_attention_is_drawn_over_the_tokens_that_are_read(fitted, long_source):
    plt.switch_backend("Agg")
    model = fitted(max_source_length=4, long_source=long_source)
    with pytest.warns(UserWarning, match=CUT):
        display = AttentionDisplay.from_estimator(model, ["aabbccdd"], ["AB"])
    plt.close("all")
    expected = "ccdd" if long_source == "truncate_start" else "aabb"
    assert list(display.source) == list(expected)


# Refusals ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["predict", "predict_confidence", "predict_nbest", "sample", "transform"]
)
def test_long_sources_are_refused_by_default(fitted, method):
    model = fitted(max_source_length=9)
    with pytest.raises(ValueError, match=r"Row 2 of X has \d+ tokens, more than .*=9"):
        getattr(model, method)(NEW)


@pytest.mark.parametrize(
    "params", [{"max_source_length": 0}, {"long_source": "chunks"}], ids=str
)
def test_bad_values_are_named_by_whatever_reads_sources(fitted, params):
    model = fitted(**{"max_source_length": 2} | params)
    for call in (
        lambda: model.transform(NEW),
        lambda: model.attention_weights(NEW, NEW),
        lambda: model.log_likelihood(NEW),
    ):
        with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
            call()


def test_rows_that_the_vectorizer_cuts_are_named_as_they_stand(fitted, recwarn):
    vectorizer = SequenceVectorizer(max_length=15)
    model = make(source_vectorizer=vectorizer, max_epochs=1).fit(["ab"], ["ab"])
    model.set_params(max_source_length=5, long_source="chunk")
    recwarn.clear()
    model.predict(["ab", "ba", "ab" * 10])
    cuts = [str(w.message) for w in recwarn if "max_length and" in str(w.message)]
    assert cuts
    assert all("the first is row 2" in cut for cut in cuts)


@pytest.mark.parametrize(
    "method", ["predict_nbest", "sample", "transform", "attention_weights"]
)
def test_what_needs_whole_sources_refuses_chunks(fitted, method):
    model = fitted(max_source_length=9, long_source="chunk")
    with pytest.raises(ValueError, match=f"row 2 of X: {method} needs whole sources"):
        getattr(model, method)(NEW)


def test_log_likelihood_refuses_chunks(fitted):
    model = fitted(max_source_length=9, long_source="chunk")
    with pytest.raises(ValueError, match="log_likelihood needs whole sources"):
        model.log_likelihood(NEW, NEW)


@pytest.mark.filterwarnings(f"ignore:.*{CUT}")
def test_chunks_refuse_what_is_said_of_whole_targets(fitted):
    model = fitted(max_source_length=9, long_source="chunk")
    with pytest.raises(ValueError, match="prefix needs whole sources"):
        model.predict(NEW, prefix=[""] * len(NEW))
    with pytest.raises(ValueError, match="allowed_outputs needs whole sources"):
        model.set_params(allowed_outputs=["AB"]).predict(NEW)


def test_chunks_refuse_targets_of_one_token_and_several_columns():
    y = [2 + len(x) % 3 for x in WORDS]
    X = SequenceVectorizer().fit_transform(WORDS)
    model = make(max_source_length=4, long_source="chunk").fit(X, y)
    with pytest.raises(ValueError, match="one token cannot be joined"):
        model.predict(X)
    columns = ColumnVectorizer(
        [(n, SequenceVectorizer(), k) for k, n in enumerate("ab")]
    )
    X = [(x, x) for x in WORDS]
    model = make(source_vectorizer=columns, max_source_length=4, long_source="chunk")
    with pytest.raises(ValueError, match="several columns"):
        model.fit(X, WORDS).predict(X)


# Training ---------------------------------------------------------------------------


def test_fit_refuses_long_sources_and_names_the_first():
    with pytest.raises(ValueError, match=r"Row 1 of X has 9 tokens.*; 1 more rows are"):
        make(max_source_length=5).fit(["ab", "a" * 9, "b" * 6], ["a", "b", "a"])
    model = make(max_source_length=5)
    with pytest.raises(ValueError, match="Row 0 of X has 9 tokens"):
        model.fit(["ab", "b"], ["a", "b"], validation_data=(["a" * 9], ["a"]))


@pytest.mark.parametrize(
    ("long_source", "kept"),
    [("truncate_end", slice(5)), ("truncate_start", slice(-5, None))],
)
@pytest.mark.parametrize("copy", [False, True])
def test_fit_on_truncated_sources_is_fit_on_their_parts(long_source, kept, copy):
    X = phrases(20, 2, 7)
    cut = [x[kept] for x in X]
    vectorizer = SequenceVectorizer(vocabulary=list("abcd "))
    params = {"source_vectorizer": vectorizer, "copy": copy, "max_epochs": 2}
    model = make(**params, max_source_length=5, long_source=long_source)
    with pytest.warns(UserWarning, match=CUT):
        model.fit(X, cut)
    same = make(**params).fit(cut, cut)
    np.testing.assert_array_equal(model.predict(cut), same.predict(cut))
    losses = [m.history_[:, "train_loss"] for m in (model, same)]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    model.set_params(max_source_length="auto")
    with pytest.warns(UserWarning, match="max_source_length=5"):
        model.predict(X)


def test_fit_reads_pairs_whole_where_prediction_makes_chunks():
    params = {"max_epochs": 2}
    chunking = make(**params, max_source_length=5, long_source="chunk")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        chunking.fit(X_TRAIN, X_TRAIN)
    whole = make(**params).fit(X_TRAIN, X_TRAIN)
    assert chunking.set_params(max_source_length=None).predict(NEW).tolist() == (
        whole.predict(NEW).tolist()
    )


def test_auto_is_the_longest_source_of_all_training():
    model = make(max_source_length="auto").fit(["ab", "abc"], ["a", "b"])
    assert len(model.predict(["abc"])) == 1
    with pytest.raises(ValueError, match="max_source_length=3"):
        model.predict(["abcd"])
    model.partial_fit(["abcda"], ["a"])
    assert len(model.predict(["abcda"])) == 1
    with pytest.raises(ValueError, match="max_source_length=5"):
        model.predict(["abcdab"])


def test_decoded_validation_is_chunked_in_silence():
    model = make(
        max_source_length=6,
        long_source="chunk",
        early_stopping=True,
        scoring=lambda model, X, y: float(len(model.predict(X))),
        max_epochs=2,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X_TRAIN, X_TRAIN)
    assert model.n_iter_ == 2


# Elsewhere --------------------------------------------------------------------------


def test_ensemble_reads_chunks_as_its_members_do(fitted, tmp_path):
    members = [(str(k), make(random_state=k).fit(X_TRAIN)) for k in range(2)]
    ensemble = Seq2SeqEnsemble(
        estimators=members, prefit=True, max_source_length="auto", long_source="chunk"
    ).fit(X_TRAIN)
    limit = max(map(len, X_TRAIN))
    text = " ".join(phrases(8, 2, 8))
    chunks, spaced = slow_chunks(text, limit)
    assert all(spaced[1:])
    parts = unlimited(ensemble).predict(list(map("".join, chunks)))
    with pytest.warns(UserWarning, match=CUT):
        predicted = ensemble.predict([text, "ab", ""])
    assert predicted[0] == " ".join(filter(None, parts))
    save(ensemble, tmp_path / "ensemble.s2s")
    loaded = load(tmp_path / "ensemble.s2s")
    with pytest.warns(UserWarning, match=CUT):
        assert loaded.predict([text, "ab", ""]).tolist() == predicted.tolist()


def test_ensemble_of_different_cuttings_truncates_but_makes_no_chunks():
    members = [
        ("chars", make().fit(X_TRAIN, X_TRAIN)),
        ("words", make(source_vectorizer=words()).fit(X_TRAIN, X_TRAIN)),
    ]
    ensemble = Seq2SeqEnsemble(
        estimators=members, prefit=True, max_source_length=3, long_source="truncate_end"
    ).fit(X_TRAIN)
    with pytest.warns(UserWarning, match=CUT):
        assert len(ensemble.predict(["abcd abcd abcd abcd", ""])) == 2
    ensemble.set_params(long_source="chunk")
    with pytest.raises(ValueError, match="cut sources into tokens differently"):
        ensemble.predict(["abcd abcd abcd abcd"])


def test_ensemble_makes_no_chunks_beside_short_rows_cut_differently():
    X = [*X_TRAIN, "\N{LATIN SMALL LETTER E WITH ACUTE}"]
    members = [
        (form, make(source_vectorizer=SequenceVectorizer(normalize=form)).fit(X, X))
        for form in ("NFC", "NFD")
    ]
    ensemble = Seq2SeqEnsemble(
        estimators=members, prefit=True, max_source_length=5, long_source="chunk"
    ).fit(X)
    with pytest.raises(ValueError, match="cut sources into tokens differently"):
        ensemble.predict([X[-1] + "ab", "abcd abcd"])


def test_saved_and_loaded_models_read_chunks_alike(fitted, tmp_path):
    model = fitted("copy", max_source_length="auto", long_source="chunk")
    X = [" ".join(phrases(3, 3, 11)), "ab"]
    model.save(tmp_path / "model.s2s")
    loaded = load(tmp_path / "model.s2s")
    for same in (model, loaded):
        with pytest.warns(UserWarning, match=CUT):
            same.predict(X)
    assert loaded.get_params()["long_source"] == "chunk"
    with pytest.warns(UserWarning, match=CUT):
        assert loaded.predict(X).tolist() == model.predict(X).tolist()


def test_impossibly_long_predictions_are_no_floating_point_errors(fitted):
    """Their probability is too small for a number, which is nobody's error."""
    long = [" ".join(phrases(150, 3, 1)), "ab"]
    model = fitted("char", max_source_length=5, long_source="chunk")
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert model.predict_confidence(long)[0] == 0
        assert model.score(long, model.predict(long)) == 1
        model.set_params(max_source_length=None, max_length=1500, min_length=1500)
        model.set_params(banned_tokens=["A", "B"], batch_size=1)
        assert (model.predict_nbest(["ab"], 2)["probability"] == 0).all()
        assert model.log_likelihood(["ab"], ["AB" * 1000])[0] < -800


def test_pieces_are_read_without_the_space_before_them():
    pytest.importorskip("tokenizers")
    texts = ["ab cd ab cd ab cd", "cd ab", "ab cd"] * 4
    pieces = SequenceVectorizer(analyzer="subword", max_features=280)
    model = Seq2SeqTransformer(
        source_vectorizer=pieces, hidden_size=4, embedding_size=4, max_epochs=1
    ).fit(texts, texts)
    reader = model._reader
    rows = reader.check_sources(["ab cd ab cd"], model)
    data = reader.dataset(reader.read_sources(rows)[0])
    (data,), _ = shorten([reader], rows, [data], limit=2, long_source="chunk")
    names = reader.source.strings()
    first = [names[data.source.data[start]] for start in data.source.indptr[:-1]]
    assert len(first) > 1
    assert not any(name.startswith(" ") for name in first)
