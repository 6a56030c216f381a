"""What fitted estimators do with new sources, on real networks."""

import re
import subprocess
import sys
from itertools import product

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq._decoding._inference import attention_weights
from sklearn_seq2seq._tokens import from_flat
from sklearn_seq2seq.metrics import exact_match_score

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*were ended by max_length"),
    pytest.mark.filterwarnings("ignore:.*not in the vocabulary"),
]

rng = np.random.default_rng(0)
WORDS = sorted(
    {"".join(rng.choice(list("abcd"), rng.integers(1, 8))) for _ in range(60)}
)
SHOUTED = [word[::-1].upper() for word in WORDS]
NEW = [
    "".join(rng.choice(list("abcd"), size)) for size in [1, 1, 2, 9, 3, 5, 5, 4, 12, 7]
] + ["", "zzz"]


def make(**params):
    defaults = {
        "hidden_size": 12,
        "embedding_size": 6,
        "max_epochs": 4,
        "learning_rate": 0.01,
        "dropout": 0.0,
        "random_state": 0,
    }
    return Seq2SeqTransformer(**(defaults | params))


VARIANTS = {
    "lstm": {},
    "gru": {"cell": "gru"},
    "rnn": {"cell": "rnn", "bidirectional": False},
    "no attention": {"attention": None},
    "copy": {"copy": True},
    "input feeding": {"input_feeding": True, "attention": "additive"},
    "two layers": {"num_layers": 2, "attention": "dot", "decoder_cell": "gru"},
    "hard": {"attention": "hard"},
    "hard copy": {"attention": "hard", "copy": True, "monotonic": True},
    "reversed": {"bidirectional": False, "reverse_source": True},
}


@pytest.fixture(scope="session")
def fitted():
    """Fitted variants, made once; tests take copies that share the network."""
    made = {}

    def get(name="lstm", **params):
        if name not in made:
            X, y = (WORDS, WORDS) if "copy" in name else (WORDS, SHOUTED)
            made[name] = make(**VARIANTS[name]).fit(X, y)
        model = clone(made[name])
        vars(model).update(vars(made[name]))
        return model.set_params(**params)

    return get


def test_predictions_do_not_depend_on_batch_size_order_or_company(fitted, variant):
    order = np.random.default_rng(1).permutation(len(NEW))
    for width in (1, 5):
        model = fitted(variant, beam_width=width)
        expected = model.predict(NEW)
        confidence = model.predict_confidence(NEW)
        ranked = model.predict_nbest(NEW, n_best=3)
        for batch_size in (1, 2, 7):
            model.set_params(batch_size=batch_size)
            assert model.predict(NEW).tolist() == expected.tolist()
            np.testing.assert_allclose(
                model.predict_confidence(NEW), confidence, atol=1e-4
            )
        shuffled = [NEW[i] for i in order]
        assert model.predict(shuffled).tolist() == expected[order].tolist()
        alone = [model.predict([x])[0] for x in NEW]
        assert alone == expected.tolist()
        again = model.predict_nbest(NEW, n_best=3)
        assert again[["row", "rank", "sequence"]].equals(
            ranked[["row", "rank", "sequence"]]
        )
        np.testing.assert_allclose(
            again["log_probability"], ranked["log_probability"], atol=1e-4
        )


def test_vectors_do_not_depend_on_batch_size_order_or_company(fitted, variant):
    model = fitted(variant)
    expected = model.transform(NEW)
    order = np.random.default_rng(2).permutation(len(NEW))
    for batch_size in (1, 2, 7):
        model.set_params(batch_size=batch_size)
        np.testing.assert_allclose(model.transform(NEW), expected, atol=1e-5)
    shuffled = model.transform([NEW[i] for i in order])
    np.testing.assert_allclose(shuffled, expected[order], atol=1e-5)
    alone = np.vstack([model.transform([x]) for x in NEW])
    np.testing.assert_allclose(alone, expected, atol=1e-5)


def test_log_likelihood_is_the_score_of_the_search(fitted, variant):
    for width, penalty in ((1, 0.0), (5, 0.0), (5, 1.0)):
        model = fitted(variant, beam_width=width, length_penalty=penalty)
        table = model.predict_nbest(NEW, n_best=width)
        sources = [NEW[i] for i in table["row"]]
        given = model.log_likelihood(sources, table["sequence"])
        np.testing.assert_allclose(given, table["log_probability"], atol=1e-4)
        steps = model.log_likelihood(sources, table["sequence"], per_token=True)
        assert [len(s) for s in steps] == [len(s) + 1 for s in table["sequence"]]
        np.testing.assert_allclose([s.sum() for s in steps], given, atol=1e-9)


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def test_log_likelihood_does_not_depend_on_batches(fitted, variant):
    model = fitted(variant)
    X, y = NEW * 2, (SHOUTED * 2)[: 2 * len(NEW)]
    expected = model.log_likelihood(X, y)
    model.set_params(batch_size=1)
    np.testing.assert_allclose(model.log_likelihood(X, y), expected, atol=1e-4)
    alone = [model.log_likelihood([a], [b])[0] for a, b in zip(X, y, strict=True)]
    np.testing.assert_allclose(alone, expected, atol=1e-4)


def test_log_likelihood_without_y_is_of_the_sources_themselves(fitted):
    model = fitted("copy")
    np.testing.assert_array_equal(
        model.log_likelihood(WORDS), model.log_likelihood(WORDS, WORDS)
    )


def test_probabilities_of_everything_sum_to_at_most_one(fitted):
    table = fitted(max_length=2).predict_nbest(NEW, n_best=40)
    sums = table.groupby("row")["probability"].sum()
    assert (sums <= 1 + 1e-5).all()
    every = ["".join(s) for n in range(3) for s in product("ABCD", repeat=n)]
    assert set(table["sequence"]) == set(every)
    assert (table.groupby("row").size() == len(every)).all()


# Sources ----------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 5])
def test_sources_of_nothing_but_unknown_tokens(fitted, width):
    model = fitted(beam_width=width)
    predicted = model.predict(["zzzz", "ÄÖ", "\N{SNOWMAN}"])
    assert all(set(p) <= set("ABCD") for p in predicted)


@pytest.mark.parametrize("name", ["lstm", "copy", "no attention"])
def test_a_very_long_row_among_short_ones(fitted, name):
    model = fitted(name, max_length=40)
    X = [*NEW, "abcd" * 1250]
    got = model.predict(X)
    assert got[:-1].tolist() == model.predict(NEW).tolist()
    given = model.log_likelihood(X, [*NEW[:-1], "a", "b"])
    expected = model.log_likelihood(NEW, [*NEW[:-1], "a"])
    np.testing.assert_allclose(given[:-1], expected, atol=1e-4)
    if name != "no attention":
        model.set_params(max_length=3)
        assert model.attention_weights(X)[-1].shape[1] == 5001


def test_iterators_are_read_once(fitted):
    model = fitted(replace_unknown="copy")
    assert model.predict(iter(NEW)).tolist() == model.predict(NEW).tolist()


# Lengths ----------------------------------------------------------------------------


def test_max_length_auto_follows_training_and_source(fitted):
    model = fitted(min_length=1000)
    lengths = [len(p) for p in model.predict(["a", "abcdabc", "abcd" * 7])]
    longest = max(map(len, SHOUTED))
    once = int(np.ceil(1.25 * longest))
    assert lengths == [once, once, int(np.ceil(1.25 * longest * 28 / longest))]


@pytest.mark.parametrize(
    ("max_length", "expected"), [(3, [3, 3, 3]), (1.5, [2, 6, 3]), (1, [1, 1, 1])]
)
def test_max_length_as_number_or_ratio(fitted, max_length, expected):
    model = fitted(max_length=max_length, min_length=100)
    assert [len(p) for p in model.predict(["a", "abcd", "ab"])] == expected


def test_capped_predictions_are_counted_in_a_warning(fitted):
    with pytest.warns(UserWarning, match=r"3 of 3 predictions .* row 0, at 2 tokens"):
        fitted(max_length=2, min_length=50).predict(["abc", "abcd", "abca"])


@pytest.mark.parametrize("width", [1, 5])
def test_min_length_is_met(fitted, width):
    model = fitted(min_length=4, beam_width=width)
    assert min(len(p) for p in model.predict(NEW)) >= 4


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("n", [1, 2])
def test_no_ngram_occurs_twice(fitted, width, n):
    model = fitted(no_repeat_ngram_size=n, beam_width=width, min_length=4)
    for predicted in model.predict(WORDS):
        grams = [predicted[i : i + n] for i in range(len(predicted) - n + 1)]
        assert len(grams) == len(set(grams))


# Constraints ------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("name", ["lstm", "copy"])
def test_every_prediction_begins_with_its_prefix(fitted, name, width):
    model = fitted(name, beam_width=width)
    letters = "abcd" if name == "copy" else "ABCD"
    prefix = [letters[i % 4] * (i % 5) for i in range(len(NEW))]
    got = model.predict(NEW, prefix=prefix)
    assert all(g.startswith(p) for g, p in zip(got, prefix, strict=True))
    free = model.predict(NEW)
    assert got[0] == free[0]
    assert got[5] == free[5]
    own = model.predict(NEW[:-1], prefix=free[:-1])
    assert all(g.startswith(p) for g, p in zip(own, free[:-1], strict=True))
    given = model.log_likelihood(NEW, got)
    np.testing.assert_allclose(
        model.predict_confidence(NEW, prefix=prefix), np.exp(given), atol=1e-4
    )
    table = model.predict_nbest(NEW, 3, prefix=prefix)
    assert all(
        s.startswith(prefix[r]) for r, s in zip(table.row, table.sequence, strict=True)
    )


def test_a_prefix_may_be_longer_than_max_length_and_hold_banned_tokens(fitted):
    model = fitted(max_length=2, banned_tokens=["A"], no_repeat_ngram_size=1)
    got = model.predict(["abc", "ab"], prefix=["AAAA", ""])
    assert got[0].startswith("AAAA")
    assert len(got[1]) <= 2
    assert "A" not in got[1]


def test_bad_prefixes_are_named(fitted):
    model = fitted()
    with pytest.raises(ValueError, match="not in the target vocabulary, in row 1"):
        model.predict(["ab", "cd"], prefix=["", "Ax"])
    with pytest.raises(ValueError, match="one entry for each row of X; got 1 for 2"):
        model.predict(["ab", "cd"], prefix=["A"])
    with pytest.raises(ValueError, match="prefix must be an iterable of strings"):
        model.predict(["ab", "cd"], prefix="AB")
    with pytest.raises(ValueError, match="Row 1 of prefix is missing"):
        model.predict(["ab", "cd"], prefix=["A", None])
    model.set_params(allowed_outputs=["AB", "C"])
    assert model.predict(["ab", "cd"], prefix=["A", ""])[0] == "AB"
    with pytest.raises(ValueError, match="row 1 begins none of allowed_outputs"):
        model.predict(["ab", "cd"], prefix=["A", "D"])


@pytest.mark.parametrize("width", [1, 5])
def test_banned_tokens_are_never_predicted(fitted, width):
    model = fitted(banned_tokens=["A", "D", "Z"], beam_width=width)
    model.set_params(min_length=2)
    got = model.predict(WORDS)
    assert not any(set(p) & set("AD") for p in got)
    assert {token for p in got for token in p} <= set("BC")
    for wrong in (3, "AB", "", ("A",), None, b"A"):
        with pytest.raises(
            ValueError, match=f"one token.* got {re.escape(repr(wrong))}"
        ):
            model.set_params(banned_tokens=["A", wrong]).predict(WORDS)
    model.set_params(banned_tokens=[], min_length=0)
    assert (
        model.predict(WORDS).tolist()
        == fitted(beam_width=width).predict(WORDS).tolist()
    )


def test_banned_tokens_are_not_copied_either(fitted):
    table = fitted("copy", max_length=1).predict_nbest(["xyz"], 10)
    assert {"x", "y", "z"} <= set(table["sequence"])
    model = fitted("copy", max_length=1, banned_tokens={"x", "b"})
    assert set(model.predict_nbest(["xyz"], 10)["sequence"]) == set("yzacd") | {""}


ALLOWED = ["ABBA", "A", "DAD", "", "CCCCCCCCCCCCCCCCCCCC"]


@pytest.mark.parametrize("width", [1, 5])
@pytest.mark.parametrize("name", ["lstm", "copy", "no attention", "input feeding"])
def test_every_prediction_is_one_of_the_allowed_outputs(fitted, name, width):
    allowed = [a.lower() for a in ALLOWED] if name == "copy" else ALLOWED
    model = fitted(name, beam_width=width, allowed_outputs=allowed)
    assert set(model.predict(WORDS + NEW)) <= set(allowed)
    table = model.predict_nbest(NEW, n_best=10)
    for row, part in table.groupby("row"):
        assert sorted(part["sequence"]) == sorted(allowed)
        likely = model.log_likelihood([NEW[row]] * len(allowed), allowed)
        best = allowed[int(likely.argmax())]
        assert part["sequence"].iloc[0] == best
        np.testing.assert_allclose(
            np.sort(part["log_probability"]), np.sort(likely), rtol=1e-5
        )
    model.set_params(max_length=2, no_repeat_ngram_size=1, min_length=2)
    assert set(model.predict(WORDS)) <= set(allowed)


def test_allowed_outputs_may_come_in_any_container_and_order(fitted):
    expected = fitted(allowed_outputs=ALLOWED).predict(NEW).tolist()
    for allowed in (set(ALLOWED), np.array(ALLOWED), pd.Series(ALLOWED[::-1])):
        assert fitted(allowed_outputs=allowed).predict(NEW).tolist() == expected


def test_bad_allowed_outputs_are_explained(fitted):
    with pytest.raises(ValueError, match="allowed_outputs is empty"):
        fitted(allowed_outputs=[]).predict(NEW)
    with pytest.raises(ValueError, match="None of allowed_outputs can be predicted"):
        fitted(allowed_outputs=["xyz"]).predict(NEW)
    with pytest.raises(ValueError, match="or a banned one"):
        fitted(allowed_outputs=["AB"], banned_tokens=["A"]).predict(NEW)
    model = fitted(allowed_outputs=["A", "B", "xyz"], banned_tokens=["A"])
    with pytest.warns(UserWarning, match="1 of 3 allowed_outputs hold tokens"):
        assert set(model.predict(NEW)) == {"B"}


# Unknown tokens ---------------------------------------------------------------------


@pytest.fixture(scope="session")
def rare():
    """A model that has learned to say the unknown token for X and Z."""
    vectorizer = SequenceVectorizer(vocabulary=list("ABCD"), handle_unknown="silent")
    words = [w for k, w in enumerate(WORDS) if len(w) > 1]
    words = [w[:1] + "xz"[k % 2] + w[2:] for k, w in enumerate(words)]
    model = make(target_vectorizer=vectorizer, max_epochs=60, attention="dot")
    return model.fit(words, [w.upper() for w in words]), words


def test_the_unknown_token_is_never_predicted_unless_asked(rare):
    model, words = rare
    unknown = model.target_vectorizer_.inverse_transform(np.array([[1]]))[0]
    model = model.set_params(replace_unknown=None)
    assert not any(unknown in p for p in model.predict(words))
    assert not any(unknown in p for p in model.predict_nbest(words, 5)["sequence"])
    model = model.set_params(replace_unknown="keep")
    kept = model.predict(words)
    assert sum(unknown in p for p in kept) > len(words) / 2
    model = model.set_params(replace_unknown="copy")
    copied = model.predict(words)
    weights = model.set_params(replace_unknown="keep").attention_weights(words)
    names = np.array([*words], dtype=object)
    for word, keep, copy, weight in zip(names, kept, copied, weights, strict=True):
        expected = ""
        step = 0
        while keep:
            size = len(unknown) if keep.startswith(unknown) else 1
            expected += (
                word[weight[step, : len(word)].argmax()]
                if keep.startswith(unknown)
                else keep[0]
            )
            keep = keep[size:]
            step += 1
        assert copy == expected


def test_unseen_tokens_are_copied_as_typed(rare):
    model, words = rare
    model = model.set_params(replace_unknown="copy")
    typed = [w.replace("x", "ß").replace("z", "\N{SNOWMAN}") for w in words]
    got = model.predict(typed)
    assert any("ß" in p for p in got)
    assert any("\N{SNOWMAN}" in p for p in got)
    assert all(set(p) <= set("ABCD") | set(w) for p, w in zip(got, typed, strict=True))


def test_every_hypothesis_has_its_unknown_tokens_replaced(rare):
    model, words = rare
    X = [*(word.replace("x", "ß") for word in words), ""]
    unknown = model.target_vectorizer_.inverse_transform(np.array([[1]]))[0]
    kept = model.set_params(replace_unknown="keep").predict_nbest(X, 4)
    table = model.set_params(replace_unknown="copy").predict_nbest(iter(X), 4)
    figures = kept.columns.drop("sequence").tolist()
    pd.testing.assert_frame_equal(table[figures], kept[figures])
    with_unknown = kept["row"][kept["sequence"].str.contains(unknown)]
    assert with_unknown.duplicated().any()
    for row, keep, copy in zip(
        table["row"], kept["sequence"], table["sequence"], strict=True
    ):
        # Each hypothesis is read again alone, beside its source.
        vocabulary = model.target_vectorizer_.vocabulary_
        ids = [vocabulary.get(letter, 1) for letter in keep]
        target = from_flat(ids, [len(ids)], max(len(ids), 1))
        source, _, _ = model._reader.read_sources([X[row]])
        pair = model._reader.dataset(source, target)
        (weight,) = attention_weights(model.net_.module_, pair, batch_size=1)
        assert copy == "".join(
            X[row][weight[k, :-1].argmax()] if id_ == 1 and X[row] else letter
            for k, (id_, letter) in enumerate(zip(ids, keep, strict=True))
        )


def test_draws_have_their_unknown_tokens_replaced(rare):
    model, words = rare
    kept = model.set_params(replace_unknown="keep").predict(words)
    model = model.set_params(replace_unknown="copy")
    drawn = model.sample(words, temperature=0)["sequence"]
    assert drawn.tolist() == model.predict(words).tolist() != kept.tolist()


def test_replacing_unknown_tokens_needs_attention_and_text(fitted):
    with pytest.raises(ValueError, match="replace_unknown='copy' needs a network with"):
        fitted("no attention", replace_unknown="copy").predict(NEW)


def test_replacing_beside_a_copying_network_keeps_what_it_copied(fitted):
    X = ["xyab", "abx", "\N{SNOWMAN}a"]
    plain = fitted("copy", replace_unknown="keep").predict(X)
    got = fitted("copy", replace_unknown="copy").predict(X)
    for p, g in zip(plain, got, strict=True):
        if "�" not in p and "<" not in p:
            assert g == p


# Abstaining -------------------------------------------------------------------------


@pytest.mark.parametrize("sentinel", [None, "?", 0, ["no", "idea"]])
def test_unsure_predictions_become_the_sentinel(fitted, sentinel):
    model = fitted()
    expected, confidence = model.predict(NEW), model.predict_confidence(NEW)
    threshold = float(np.median(confidence))
    got = fitted(min_confidence=threshold, abstain=sentinel).predict(NEW)
    assert got.dtype == object
    for g, e, c in zip(got, expected, confidence, strict=True):
        assert g == (e if c >= threshold else sentinel)
    assert sum(g == sentinel for g in got) == (confidence < threshold).sum() > 0


def test_abstentions_count_as_wrong(fitted):
    model = fitted()
    y = model.predict(NEW)
    confidence = model.predict_confidence(NEW)
    sure = confidence >= np.median(confidence)
    weight = np.arange(1.0, len(NEW) + 1)
    model = fitted(min_confidence=float(np.median(confidence)))
    assert model.score(NEW, y) == pytest.approx(sure.mean())
    assert model.score(NEW, y, sample_weight=weight) == pytest.approx(
        weight[sure].sum() / weight.sum()
    )
    assert fitted(min_confidence=1.0).score(NEW, y) == 0


def test_confidence_is_the_probability_of_the_whole(fitted):
    model = fitted(beam_width=3)
    table = model.predict_nbest(NEW, 3)
    best = table[table["rank"] == 0]
    np.testing.assert_allclose(
        model.predict_confidence(NEW), best["probability"], atol=1e-6
    )
    positions = table["sequence"].str.len() + 1
    np.testing.assert_allclose(
        table["mean_probability"], table["probability"] ** (1 / positions), rtol=1e-5
    )
    assert table["mean_probability"].between(0, 1).all()


# Attention --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["lstm", "copy", "input feeding", "two layers", "hard copy"]
)
def test_attention_weights_have_a_row_a_target_token(fitted, name):
    model = fitted(name, batch_size=2)
    predicted = model.predict(NEW)
    own = model.attention_weights(NEW)
    given = model.attention_weights(NEW, predicted)
    order = np.random.default_rng(3).permutation(len(NEW))
    shuffled = model.attention_weights([NEW[i] for i in order], predicted[order])
    for k, i in enumerate(order):
        np.testing.assert_allclose(shuffled[k], given[i], atol=1e-5)
    for x, p, a, b in zip(NEW, predicted, own, given, strict=True):
        assert a.shape == (len(p) + 1, len(x) + 1)
        np.testing.assert_allclose(a.sum(axis=1), 1, atol=1e-5)
        np.testing.assert_allclose(a, b, atol=1e-5)
        assert (a >= 0).all()


def test_attention_weights_need_attention(fitted):
    with pytest.raises(ValueError, match="needs a network with attention"):
        fitted("no attention").attention_weights(NEW)


# Copying ----------------------------------------------------------------------------


def test_copying_ranks_no_sequence_twice(fitted):
    X = ["xyxyx", "aß", "zz", "", "abab", "q" * 9]
    table = fitted("copy", batch_size=1).predict_nbest(X, 30)
    assert not table.duplicated(["row", "sequence"]).any()
    for row, part in table.groupby("row"):
        assert set("".join(part["sequence"])) <= set("abcd") | set(X[row])
    wide = fitted("copy").predict_nbest(X, 30)
    # Ties in all but the last bit may change places, or the last place of all.
    figures = [found["log_probability"].to_numpy() for found in (wide, table)]
    assert figures[0] == pytest.approx(figures[1], abs=1e-5)
    assert sorted(wide["sequence"][:20]) == sorted(table["sequence"][:20])


@pytest.fixture(scope="session")
def parrot():
    return make(copy=True, max_epochs=30, unknown_dropout=0.3).fit(WORDS, WORDS)


def test_tokens_of_no_vocabulary_are_copied_as_typed(parrot):
    X = ["ß\N{SNOWMAN}", "aßb", "éa"]
    got = parrot.predict(X)
    assert any(set(g) & set("ß\N{SNOWMAN}é") for g in got)
    given = parrot.log_likelihood(X, got)
    np.testing.assert_allclose(np.exp(given), parrot.predict_confidence(X), atol=1e-4)


# Samples ----------------------------------------------------------------------------


def test_samples_are_determined_by_their_seed(fitted):
    model = fitted()
    first = model.sample(NEW, 4, random_state=0)
    before = torch.get_rng_state()
    assert first.equals(model.sample(NEW, 4, random_state=0))
    assert torch.equal(before, torch.get_rng_state())
    assert not first.equals(model.sample(NEW, 4, random_state=1))
    generator = np.random.RandomState(0)
    assert model.sample(NEW, 4, random_state=generator).equals(first)
    assert not model.sample(NEW, 4, random_state=generator).equals(first)


def test_sample_names_random_state_in_errors(fitted):
    with pytest.raises(ValueError, match="random_state cannot be used: Seed must be"):
        fitted().sample(NEW, random_state=-1)


@pytest.mark.parametrize("name", ["lstm", "copy", "no attention", "hard copy"])
def test_samples_are_a_table_with_the_models_own_probabilities(fitted, name):
    model = fitted(name)
    table = model.sample(NEW, 6, temperature=0.7, random_state=0)
    assert table.columns.tolist() == [
        "row",
        "rank",
        "sequence",
        "log_probability",
        "probability",
        "mean_probability",
    ]
    assert table["row"].tolist() == np.repeat(np.arange(len(NEW)), 6).tolist()
    assert table["rank"].tolist() == list(range(6)) * len(NEW)
    given = model.log_likelihood([NEW[i] for i in table.row], table.sequence)
    np.testing.assert_allclose(given, table.log_probability, atol=1e-3)
    greedy = model.sample(NEW, 2, temperature=0, random_state=0)
    assert greedy["sequence"].tolist() == np.repeat(model.predict(NEW), 2).tolist()


def test_samples_come_with_the_probability_of_log_likelihood(fitted):
    model = fitted(max_length=1)
    table = model.sample(["abcd"], 3000, random_state=0)
    share = table["sequence"].value_counts(normalize=True)
    expected = table.drop_duplicates("sequence").set_index("sequence")
    # At the limit whatever would have gone on is ended.
    steps = model.log_likelihood(
        ["abcd"] * len(share), share.index.to_list(), per_token=True
    )
    first = np.exp([step[0] for step in steps])
    unknown = 1 - first.sum()
    np.testing.assert_allclose(share, first / (1 - unknown), atol=0.04)
    assert set(expected.index) == set(share.index)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": -1},
        {"temperature": np.nan},
        {"top_k": 0},
        {"top_p": 0},
        {"top_p": 1.5},
        {"n_samples": 0},
        {"n_samples": 1.5},
    ],
)
def test_bad_sampling_options_are_named(fitted, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        fitted().sample(NEW, **options)


@pytest.mark.parametrize("n_best", [0, -1, 1.5, "5"])
def test_bad_n_best_is_named(fitted, n_best):
    with pytest.raises(ValueError, match="n_best must be a whole number from 1"):
        fitted().predict_nbest(NEW, n_best)


# Tables, kinds of data, plumbing ------------------------------------------------------


def test_nbest_table_is_sorted_and_distinct(fitted, variant):
    table = fitted(variant).predict_nbest(NEW, n_best=7)
    assert not table.duplicated(["row", "sequence"]).any()
    for row, part in table.groupby("row"):
        assert part["rank"].tolist() == list(range(len(part)))
        assert (part["log_probability"].diff().dropna() <= 1e-6).all()
        assert row < len(NEW)
    assert sorted(set(table["row"])) == list(range(len(NEW)))


def test_a_vocabulary_of_one_token_gives_what_there_is():
    model = make(max_epochs=1, max_length=2).fit(["a", "aa", "aaa"], ["b", "bb", ""])
    table = model.predict_nbest(["a", "aa"], n_best=10)
    assert table["row"].tolist() == [0] * 3 + [1] * 3
    assert all(
        set(part["sequence"]) == {"", "b", "bb"} for _, part in table.groupby("row")
    )


WITHOUT_PANDAS = """
import sys
sys.modules["pandas"] = None
from sklearn_seq2seq import Seq2SeqTransformer
model = Seq2SeqTransformer(hidden_size=4, max_epochs=1, max_length=2, random_state=0)
table = model.fit(["ab", "ba"], ["x", "y"]).predict_nbest(["a", "b"], 3)
print(type(table).__name__, *table.dtype.names)
second = table[table["rank"] == 1]
print(len(table), table.sequence.dtype, second["row"].tolist(), len(second.sequence))
print(*table[["row", "rank"]][-1], model.align(["a"], ["x"])["row"].tolist())
print(len(model.sample(["a"], 4)))
"""


def test_nbest_is_a_record_array_where_pandas_is_not_installed():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PANDAS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "recarray row rank sequence log_probability probability mean_probability",
        "6 object [0, 1] 2",
        "1 2 [0]",
        "4",
    ]


@pytest.fixture(scope="session")
def of_ids():
    X = np.array([[2, 3, 0], [3, 2, 2], [4, 0, 0], [2, 2, 0]] * 5)
    return make(max_epochs=40).fit(X, X[:, ::-1][:, :2] + 2), X


@pytest.mark.parametrize("width", [1, 5])
def test_targets_of_ids(of_ids, width):
    model, X = of_ids
    model = clone(model).set_params(beam_width=width).fit(X, X + (X > 0))
    got = model.predict(X)
    assert got.shape == X.shape
    assert got.dtype.kind == "i"
    assert model.score(X, got) == 1
    table = model.predict_nbest(X[:3], 4)
    assert table["sequence"].iloc[0].tolist() == got[0].tolist()
    given = model.log_likelihood(X[table.row], np.stack(table["sequence"].to_list()))
    np.testing.assert_allclose(given, table["log_probability"], atol=1e-4)
    assert (model.predict(X, prefix=np.full((len(X), 1), 4))[:, 0] == 4).all()
    model.set_params(banned_tokens=[3, 99])
    assert not (model.predict(X) == 3).any()
    model.set_params(banned_tokens=None, allowed_outputs=[[3, 4, 0], [5, 0, 0]])
    assert {tuple(r) for r in model.predict(X).tolist()} <= {(3, 4, 0), (5, 0, 0)}
    closed = sparse.csr_array([[3, 4, 0], [5, 0, 0]])
    model.set_params(allowed_outputs=closed)
    assert {tuple(r) for r in model.predict(X).tolist()} <= {(3, 4, 0), (5, 0, 0)}
    with pytest.raises(ValueError, match="Row 0 of allowed_outputs has 4 tokens"):
        model.set_params(allowed_outputs=[[3, 4, 4, 4]]).predict(X)
    with pytest.raises(ValueError, match="banned_tokens must be token ids from 1"):
        model.set_params(allowed_outputs=None, banned_tokens=[0]).predict(X)
    for banned in (2.5, "3", np.nan):
        with pytest.raises(ValueError, match=f"from 1; got {banned!r}"):
            model.set_params(banned_tokens=[banned]).predict(X)


def test_abstaining_with_ids_takes_a_whole_number(of_ids):
    model, X = of_ids
    model = clone(model).set_params(min_confidence=1.0, abstain=-1).fit(X, X)
    assert (model.predict(X) == -1).all()
    with pytest.raises(ValueError, match="abstain must be a whole number"):
        model.set_params(abstain=None).predict(X)


def test_targets_of_one_id_a_row():
    X = np.array([[2, 3], [3, 2], [2, 2]] * 4)
    y = np.array([4, 5, 6] * 4)
    model = make(max_epochs=20).fit(X, y)
    got = model.predict(X)
    assert got.shape == y.shape
    assert model.score(X, y) == np.mean(got == y)


def test_token_lists_come_back_as_token_lists():
    y = [list(shouted) for shouted in SHOUTED]
    model = make(max_epochs=2).fit([list(w) for w in WORDS], y)
    X = [list(w) for w in WORDS[:5]]
    got = model.predict(X, prefix=[["A"], [], [], [], ["B", "C"]])
    assert all(isinstance(p, list) for p in got)
    assert got[0][0] == "A"
    assert got[4][:2] == ["B", "C"]
    table = model.predict_nbest(X, 3)
    np.testing.assert_allclose(
        model.log_likelihood([X[i] for i in table.row], table.sequence),
        table.log_probability,
        atol=1e-4,
    )
    model.set_params(min_confidence=1.0, abstain=[])
    assert model.predict(X).tolist() == [[]] * 5
    model.set_params(min_confidence=0, allowed_outputs=[["A", "B"], ["C"]])
    assert all(p in (["A", "B"], ["C"]) for p in model.predict(X))


def test_decoding_parameters_are_read_at_predict_time(fitted):
    model = fitted()
    before = model.net_
    free = model.predict(WORDS)
    assert model.set_params(max_length=1).predict(WORDS)[5] == free[5][:1]
    assert model.set_params(max_length="auto", beam_width=5).net_ is before
    wide = model.predict_confidence(WORDS)
    narrow = model.set_params(beam_width=1).predict_confidence(WORDS)
    assert wide.sum() > narrow.sum()
    with pytest.raises(ValueError, match="beam_width"):
        model.set_params(beam_width=0).predict(WORDS)


def test_score_is_the_share_of_wholly_right_rows(fitted):
    model = fitted()
    y = model.predict(WORDS)
    y[::3] = "no"
    assert model.score(WORDS, y) == exact_match_score(y, model.predict(WORDS))


def test_a_pipeline_routes_prefixes():
    pipeline = Pipeline([("ids", SequenceVectorizer()), ("model", make(max_epochs=1))])
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline.set_params(model=make(max_epochs=1).set_predict_request(prefix=True))
        pipeline.fit(WORDS, SHOUTED)
        got = pipeline.predict(["ab", "cd"], prefix=["DA", ""])
    assert got[0].startswith("DA")


@pytest.mark.parametrize("width", [1, 4])
def test_min_length_yields_to_max_length(fitted, width):
    """What ends at its limit has the model's own price for the end."""
    model = fitted(max_length=1.0, min_length=3, beam_width=width)
    X = ["ab", "abcd"]
    table = model.predict_nbest(X, 4)
    assert table["row"].value_counts().tolist() == [4, 4]
    likelihood = model.log_likelihood(np.take(X, table["row"]), table["sequence"])
    np.testing.assert_allclose(table["log_probability"], likelihood, rtol=1e-4)
    assert set(map(len, table["sequence"][table["row"] == 0])) == {2}
    assert len(model.predict(X)[0]) == 2
    assert (model.predict_confidence(X) > 0).all()
    assert model.sample(["ab"], 3)["sequence"].map(len).tolist() == [2, 2, 2]


def test_no_two_of_the_n_best_read_alike(rare):
    model, words = rare
    some = [word[0] + "AB" for word in words[:12]]
    model = model.set_params(replace_unknown="copy")
    table = model.predict_nbest(some, 30)
    assert not table.duplicated(["row", "sequence"]).any()
    for _, own in table.groupby("row"):
        assert own["rank"].tolist() == list(range(len(own)))
        assert own["log_probability"].is_monotonic_decreasing
    # Where the source's A stands for an unknown token there would be some.
    kept = model.set_params(replace_unknown="keep").predict_nbest(some, 30)
    assert len(kept) > len(table)
    model.set_params(replace_unknown=None)


def test_banned_tokens_do_not_replace_unknown_ones(rare):
    model, words = rare
    unknown = model.target_vectorizer_.inverse_transform(np.array([[1]]))[0]
    model = model.set_params(replace_unknown="copy", banned_tokens=["x"])
    got = model.predict(words)
    model.set_params(replace_unknown=None, banned_tokens=None)
    assert not any("x" in p for p in got)
    assert any(unknown in p for p in got)
    assert any("z" in p for p in got)


def test_banned_ids_of_no_vocabulary_are_not_copied():
    X = np.array([[2, 9, 0], [3, 9, 9], [8, 2, 0]])
    model = make(copy=True, max_epochs=1).fit(X, [[2, 3], [3, 2], [2, 2]])
    assert np.isin(9, np.stack(model.predict_nbest(X, 10)["sequence"]))
    model.set_params(banned_tokens=[9])
    assert not np.isin(9, np.stack(model.predict_nbest(X, 10)["sequence"]))


def test_allowed_outputs_may_be_a_frame(fitted):
    given = fitted(allowed_outputs=pd.DataFrame({"A": ["BC", "D"]})).predict(WORDS)
    assert set(given) <= {"BC", "D"}


def test_autoencoders_are_scored_on_their_sources(fitted):
    model = make(max_epochs=40, learning_rate=0.02).fit(WORDS)
    assert model.score(iter(WORDS)) == model.score(WORDS, WORDS) > 0
    frame = pd.DataFrame({"lemma": WORDS, "tag": list("VN" * 30)[: len(WORDS)]})
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), "lemma"),
            ("tag", SequenceVectorizer(analyzer="word"), "tag"),
        ]
    )
    both = make(source_vectorizer=columns, max_epochs=40, learning_rate=0.02)
    score = both.fit(frame).score(frame, frame)
    rows = [tuple(row) for row in frame.itertuples(index=False)]
    right = [tuple(p) == row for p, row in zip(both.predict(frame), rows, strict=True)]
    assert score == np.mean(right) > 0


def test_holes_in_target_ids_close_in_scores_too():
    X, y = [[2, 3, 2], [3, 2, 3]], np.array([[2, 0, 3], [3, 0, 2]])
    model = make(max_epochs=60, learning_rate=0.05).fit(X, y)
    assert model.predict(X).tolist() == [[2, 3, 0], [3, 2, 0]]
    assert model.score(X, y) == 1


@pytest.mark.parametrize("width", [1, 5])
def test_allowed_outputs_that_are_too_short_give_way(fitted, width):
    model = fitted(beam_width=width, allowed_outputs=["A", "AB", "BCAB"], min_length=3)
    assert set(model.predict(NEW)) == {"BCAB"}
    assert set(model.set_params(min_length=9).predict(NEW)) <= {"A", "AB", "BCAB"}


@pytest.mark.parametrize("kind", [iter, lambda rows: pd.DataFrame({"begin": rows})])
def test_a_bad_prefix_is_named_whatever_holds_it(fitted, kind):
    with pytest.raises(ValueError, match="in row 1: 'z'"):
        fitted().predict(NEW[:2], prefix=kind(["A", "z"]))


@pytest.mark.parametrize(
    "options", [{"temperature": 1e-39}, {"temperature": 1e-300}, {"top_p": 1e-300}]
)
def test_any_temperature_near_zero_is_greedy(fitted, options):
    model = fitted()
    drawn = model.sample(NEW, random_state=0, **options)["sequence"]
    assert drawn.tolist() == model.predict(NEW).tolist()


def test_any_high_temperature_draws_evenly(fitted):
    model = fitted(max_length=1)
    drawn = model.sample(NEW[:1], 2000, temperature=1e300, random_state=0)["sequence"]
    shares = np.unique(drawn, return_counts=True)[1] / 2000
    assert shares == pytest.approx(np.full(5, 0.2), abs=0.05)


def test_any_length_penalty_keeps_what_is_forbidden_away(fitted):
    model = fitted(beam_width=3, banned_tokens=["A"], max_length=40, length_penalty=90)
    table = model.predict_nbest(NEW, 3)
    assert set(table.row) == set(range(len(NEW)))
    assert {token for text in table.sequence for token in text} <= set("BCD")


def test_log_likelihood_does_not_depend_on_the_order_of_rows(fitted, variant):
    rng = np.random.default_rng(0)
    X = ["".join(rng.choice(list("abcd"), 3)) for _ in range(300)]
    y = [text[::-1] if variant == "copy" else text[::-1].upper() for text in X]
    model = fitted(variant)
    order = rng.permutation(len(X))
    expected = model.log_likelihood(X, y)[order]
    got = model.log_likelihood([X[i] for i in order], [y[i] for i in order])
    assert got.tolist() == expected.tolist()


def test_weights_of_abstentions_are_checked(fitted):
    model = fitted(min_confidence=1.0)
    targets = ["A"] * len(NEW)
    with pytest.raises(ValueError, match="NaN"):
        model.score(NEW, targets, sample_weight=np.full(len(NEW), np.nan))
    with pytest.raises(ValueError, match="zero"):
        model.score(NEW, targets, sample_weight=np.zeros(len(NEW)))
    assert model.score(NEW, targets) == 0
