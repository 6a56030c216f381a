import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)

WORDS = ["ab", "ba", "abb", "bab", "aab", "bza", "z"]
PAIRS = ["abq", "bq", "qa"], ["xbq", "bq", "qx"]
TINY = {
    "attention": "additive",
    "hidden_size": 8,
    "embedding_size": 4,
    "dropout": 0.0,
    "batch_size": 4,
    "max_epochs": 2,
    "random_state": 0,
}
# So small a rate that weights stay what they were at the start.
STILL = {"learning_rate": 1e-12, "max_epochs": 1}

# Two epochs leave models that know no end.
pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")


def tiny(**params):
    return Seq2SeqTransformer(**(TINY | params))


@pytest.fixture(scope="module")
def autoencoder():
    return tiny().fit(WORDS)


def weights(model):
    # Names of shared tables twice, so that both networks have the same.
    named = model.net_.module_.named_parameters(remove_duplicate=False)
    return {name: weight.detach() for name, weight in named}


def taken(model, start):
    """Names of the weights that were taken as they are."""
    old = weights(start)
    return {
        name
        for name, weight in weights(model).items()
        if name in old
        and old[name].shape == weight.shape
        and torch.allclose(weight, old[name], atol=1e-6)
    }


def rows(model, side, table, tokens):
    """Rows of a weight, for the tokens of a side, by name."""
    vocabulary = getattr(model, f"{side}_vectorizer_").vocabulary_
    return weights(model)[table][[vocabulary[token] for token in tokens]]


# What is taken -----------------------------------------------------------------------


def test_source_vocabulary_is_kept_and_grows(autoencoder):
    model = tiny(pretrained=autoencoder).fit(*PAIRS)
    assert autoencoder.source_vectorizer_.vocabulary_ == {"a": 2, "b": 3, "z": 4}
    assert model.source_vectorizer_.vocabulary_ == {"a": 2, "b": 3, "z": 4, "q": 5}
    assert model.target_vectorizer_.vocabulary_ == {"b": 2, "q": 3, "x": 4}


def test_sources_of_known_tokens_are_encoded_as_before(autoencoder):
    model = tiny(pretrained=autoencoder, **STILL).fit(*PAIRS)
    assert np.allclose(model.transform(WORDS), autoencoder.transform(WORDS), atol=1e-5)


def test_token_rows_are_taken_by_name(autoencoder):
    model = tiny(pretrained=autoencoder, **STILL).fit(*PAIRS)
    for side, table, known in [
        ("source", "encoder.embedding.weight", ["a", "b", "z"]),
        ("target", "decoder.embedding.weight", ["b"]),
        ("target", "decoder.output.weight", ["b"]),
        ("target", "decoder.output.bias", ["b"]),
    ]:
        own, its = (rows(m, side, table, known) for m in (model, autoencoder))
        assert torch.allclose(own, its, atol=1e-6)
        reserved = [weights(m)[table][:2] for m in (model, autoencoder)]
        assert torch.allclose(*reserved, atol=1e-6)


def test_new_tokens_start_as_without(autoencoder):
    started, fresh = (tiny(pretrained=p, **STILL) for p in (autoencoder, None))
    fresh.fit([*PAIRS[0], "z"], [*PAIRS[1], ""])
    started.fit([*PAIRS[0], "z"], [*PAIRS[1], ""])
    target = [
        rows(m, "target", "decoder.embedding.weight", "x") for m in (started, fresh)
    ]
    assert torch.allclose(*target, atol=1e-6)


def test_everything_is_taken_where_everything_is_alike(autoencoder):
    model = tiny(pretrained=autoencoder, **STILL).fit(WORDS)
    assert taken(model, autoencoder) == weights(autoencoder).keys()
    assert np.allclose(
        model.log_likelihood(WORDS, WORDS),
        autoencoder.log_likelihood(WORDS, WORDS),
        atol=1e-4,
    )


ENCODER = {
    *(
        f"encoder.{way}_layers.0.{kind}_{of}_l0"
        for way in ("forward", "backward")
        for kind in ("weight", "bias")
        for of in ("ih", "hh")
    ),
    *(f"bridge.hidden_maps.0.{kind}" for kind in ("weight", "bias")),
}
CELL_MAP = {"bridge.cell_maps.0.weight", "bridge.cell_maps.0.bias"}
LAYERS = {
    f"decoder.recurrent.layers.0.{kind}_{of}_l0"
    for kind in ("weight", "bias")
    for of in ("ih", "hh")
}
ATTENTION = {
    f"decoder.attention.{name}"
    for name in ("key.weight", "key.bias", "query.weight", "energy.weight")
}
COMBINE = {"decoder.combine.weight", "decoder.combine.bias"}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, ENCODER | CELL_MAP | LAYERS | ATTENTION | COMBINE),
        ({"decoder_cell": "gru"}, ENCODER | ATTENTION | COMBINE),
        ({"attention": "general"}, ENCODER | CELL_MAP | LAYERS | COMBINE),
        ({"attention": None}, ENCODER | CELL_MAP | LAYERS),
        ({"input_feeding": True}, ENCODER | CELL_MAP | ATTENTION | COMBINE),
        ({"tie_output": True}, ENCODER | CELL_MAP | LAYERS | ATTENTION),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else None,
)
def test_parts_are_taken_whole_or_not_at_all(autoencoder, params, expected):
    model = tiny(pretrained=autoencoder, **STILL, **params).fit(*PAIRS)
    assert taken(model, autoencoder) == expected


def test_one_table_for_both_sides_takes_both(autoencoder):
    model = tiny(pretrained=autoencoder, share_embeddings=True, **STILL).fit(*PAIRS)
    table = "encoder.embedding.weight"
    own, its = (rows(m, "source", table, ["a", "b", "z"]) for m in (model, autoencoder))
    assert torch.allclose(own, its, atol=1e-6)
    assert model.source_vectorizer_.vocabulary_ == model.target_vectorizer_.vocabulary_


@pytest.mark.parametrize("feeding", [False, True])
def test_one_hot_networks_are_taken_by_token(feeding):
    params = {"embedding_size": None, "input_feeding": feeding}
    start = tiny(**params).fit(WORDS)
    model = tiny(pretrained=start, **params, **STILL).fit(*PAIRS)
    assert np.allclose(model.transform(WORDS), start.transform(WORDS), atol=1e-5)
    gates = "decoder.recurrent.layers.0.weight_ih_l0"
    own, its = (
        weights(m)[gates][:, m.target_vectorizer_.vocabulary_["b"]]
        for m in (model, start)
    )
    assert torch.allclose(own, its, atol=1e-6)
    if feeding:
        fed_back = [weights(m)[gates][:, -16:] for m in (model, start)]
        assert torch.allclose(*fed_back, atol=1e-6)


def test_one_hot_copy_gate_starts_afresh():
    params = {"embedding_size": None, "copy": True}
    start = tiny(**params).fit(WORDS)
    # As many tokens, but others.
    model = tiny(pretrained=start, **params, **STILL).fit(["a"], ["pqr"])
    sizes = {m.target_vectorizer_.vocabulary_size_ for m in (model, start)}
    assert sizes == {5}
    assert not {"decoder.copy_gate.weight"} & taken(model, start)


def test_deep_networks_with_copying_and_word_loss_are_taken():
    params = {
        "num_layers": 2,
        "copy": True,
        "encoder_loss_weight": 0.2,
        "bidirectional": False,
        "reverse_source": True,
    }
    start = tiny(**params).fit(WORDS)
    model = tiny(pretrained=start, **params, **STILL).fit(WORDS)
    assert taken(model, start) == weights(start).keys()


# Other kinds of data -----------------------------------------------------------------


def test_vectorizer_of_the_start_is_the_default():
    start = tiny(source_vectorizer=SequenceVectorizer(analyzer="word", lowercase=True))
    start.fit(["a b", "b c"])
    model = tiny(pretrained=start).fit(["A D"], ["x"])
    assert list(model.source_vectorizer_.vocabulary_) == ["a", "b", "c", "d"]


def test_vocabulary_of_a_start_that_shares_it_grows_too():
    start = tiny(share_embeddings=True).fit(["ab"], ["xy"])
    model = tiny(pretrained=start).fit(["aq"], ["x"])
    assert list(model.source_vectorizer_.vocabulary_) == ["a", "b", "x", "y", "q"]


def test_tokens_left_out_by_the_vectorizer_stay_out(autoencoder, recwarn):
    rare = SequenceVectorizer(min_df=2)
    model = tiny(pretrained=autoencoder, source_vectorizer=rare)
    model.fit(["aq", "qz", "w"], ["x", "y", "y"])
    assert list(model.source_vectorizer_.vocabulary_) == ["a", "b", "z", "q"]
    assert not [w for w in recwarn if "vocabulary" in str(w.message)]


def test_columns_grow_each():
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), 0),
            ("tags", SequenceVectorizer(analyzer="word"), 1),
        ]
    )
    start = tiny(source_vectorizer=columns).fit([("go", "V"), ("og", "N")])
    model = tiny(pretrained=start, **STILL).fit([("gx", "V PST")], ["w"])
    assert list(model.source_vectorizer_.vocabulary_) == [
        ("lemma", "g"),
        ("lemma", "o"),
        ("lemma", "x"),
        ("tags", "N"),
        ("tags", "V"),
        ("tags", "PST"),
    ]
    X = [("go", "V"), ("og", "N V")]
    assert np.allclose(model.transform(X), start.transform(X), atol=1e-5)


def test_subwords_are_those_of_the_start():
    pieces = SequenceVectorizer(analyzer="subword", max_features=270)
    start = tiny(source_vectorizer=pieces).fit(WORDS * 3)
    model = tiny(pretrained=start, source_vectorizer=pieces, **STILL).fit(*PAIRS)
    own, its = model.source_vectorizer_, start.source_vectorizer_
    assert own.tokenizer_ == its.tokenizer_
    assert np.allclose(model.transform(WORDS), start.transform(WORDS), atol=1e-5)
    trained = SequenceVectorizer(analyzer="subword").fit(["other text"])
    other = SequenceVectorizer(analyzer="subword", tokenizer=trained.tokenizer_)
    with pytest.raises(ValueError, match="tokenizer=None"):
        tiny(pretrained=start, source_vectorizer=other).fit(*PAIRS)


def test_source_ids_stand_for_themselves():
    X = np.array([[2, 3, 4], [4, 3, 0]])
    start = tiny().fit(X)
    model = tiny(pretrained=start, **STILL).fit(X[:, :2] + 1, ["a", "b"])
    assert model.n_features_in_ == 2
    assert np.allclose(
        model.transform(X[:, :2]), start.transform(np.c_[X[:, :2], [0, 0]]), atol=1e-5
    )
    tables = [weights(m)["decoder.embedding.weight"] for m in (model, start)]
    # Target ids have no names, but for the reserved ones.
    assert torch.allclose(*(table[:2] for table in tables), atol=1e-6)
    assert not torch.isclose(tables[0][2:], tables[1][2:4]).any()


# What cannot be ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cell", "gru"),
        ("hidden_size", 6),
        ("num_layers", 2),
        ("embedding_size", 5),
        ("embedding_size", None),
        ("bidirectional", False),
    ],
)
def test_another_encoder_is_an_error_that_names_it(autoencoder, name, value):
    model = tiny(pretrained=autoencoder).set_params(**{name: value})
    own = getattr(autoencoder.net_, f"module__{name}")
    with pytest.raises(ValueError, match=f"pretrained has {name}={own!r}"):
        model.fit(*PAIRS)


def test_direction_matters_where_there_is_one():
    start = tiny(bidirectional=False).fit(WORDS)
    model = tiny(pretrained=start, bidirectional=False, reverse_source=True)
    with pytest.raises(ValueError, match="reverse_source"):
        model.fit(*PAIRS)


def test_unfitted_start_is_an_error_that_says_what_to_do(autoencoder):
    # Cloning makes a bare estimator unfitted.
    for model in (tiny(pretrained=tiny()), clone(tiny(pretrained=autoencoder))):
        with pytest.raises(NotFittedError, match="FrozenEstimator"):
            model.fit(*PAIRS)


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="must be a fitted Seq2SeqTransformer"):
        tiny(pretrained=DummySeq2Seq().fit(*PAIRS)).fit(*PAIRS)
    with pytest.raises(ValueError, match="'pretrained' parameter"):
        tiny(pretrained="autoencoder").fit(*PAIRS)


@pytest.mark.parametrize(
    ("params", "X", "match"),
    [
        ({}, [["a"], ["b"], ["c"]], "needs strings"),
        ({}, np.array([[2], [3], [4]]), "token ids"),
        (
            {"source_vectorizer": SequenceVectorizer(lowercase=True)},
            PAIRS[0],
            "lowercase",
        ),
        (
            {"source_vectorizer": ColumnVectorizer([("a", SequenceVectorizer(), 0)])},
            [("a",), ("b",), ("c",)],
            "ColumnVectorizer",
        ),
        ({"source_vectors": {"a": [0.0] * 4}}, PAIRS[0], "source_vectors"),
    ],
)
def test_other_sources_are_refused(autoencoder, params, X, match):
    with pytest.raises(ValueError, match=match):
        tiny(pretrained=autoencoder, **params).fit(X, PAIRS[1])


def test_failing_fit_leaves_everything_as_it_was(autoencoder):
    model = tiny(pretrained=autoencoder).fit(*PAIRS)
    before = model.predict(WORDS), weights(autoencoder)["encoder.embedding.weight"]
    with pytest.raises(ValueError, match="hidden_size"):
        model.set_params(hidden_size=6).fit(["new"], ["new"])
    assert model.predict(WORDS).tolist() == before[0].tolist()
    assert torch.equal(weights(autoencoder)["encoder.embedding.weight"], before[1])


# Manners -----------------------------------------------------------------------------


def test_start_is_left_alone(autoencoder):
    before = pickle.dumps(autoencoder)
    tiny(pretrained=autoencoder).fit(*PAIRS)
    assert pickle.dumps(autoencoder) == before


def test_same_fit_twice_is_the_same(autoencoder):
    first, again = (tiny(pretrained=autoencoder).fit(*PAIRS) for _ in range(2))
    frozen = tiny(pretrained=FrozenEstimator(autoencoder)).fit(*PAIRS)
    for other in (again, frozen):
        assert np.array_equal(first.transform(WORDS), other.transform(WORDS))


def test_clones_of_a_frozen_start_are_fitted(autoencoder):
    model = tiny(pretrained=FrozenEstimator(autoencoder))
    X, y = PAIRS[0] * 2, PAIRS[1] * 2
    scores = cross_val_score(model, X, y, cv=2, error_score="raise")
    assert len(scores) == 2
    grid = {"pretrained": [None, FrozenEstimator(autoencoder)]}
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)
    # The letter that no pair has, "z", is known to whoever started from it.
    best = search.best_estimator_
    assert ("z" in best.source_vectorizer_.vocabulary_) == (best.pretrained is not None)
    ensemble = Seq2SeqEnsemble(model, n_estimators=2, random_state=0).fit(X, y)
    assert all("z" in m.source_vectorizer_.vocabulary_ for m in ensemble.estimators_)


def test_going_on_does_not_start_again(autoencoder):
    model = tiny(pretrained=autoencoder, warm_start=True).fit(*PAIRS)
    once = model.transform(WORDS)
    model.set_params(**STILL).fit(*PAIRS)
    assert np.allclose(model.transform(WORDS), once, atol=1e-5)
    model.partial_fit(*PAIRS)
    assert np.allclose(model.transform(WORDS), once, atol=1e-5)


def test_first_partial_fit_starts_from_it(autoencoder):
    first = tiny(pretrained=autoencoder).partial_fit(*PAIRS)
    assert np.array_equal(
        first.transform(WORDS),
        tiny(pretrained=autoencoder).fit(*PAIRS).transform(WORDS),
    )


def test_checkpoint_belongs_to_the_start(autoencoder, tmp_path):
    path = tmp_path / "run.ckpt"
    params = {"checkpoint": path, "max_epochs": 2}
    first = tiny(pretrained=autoencoder, **params).fit(*PAIRS)
    # A copy with the same weights is the same start.
    copied = pickle.loads(pickle.dumps(autoencoder))
    again = tiny(pretrained=FrozenEstimator(copied), **params).fit(*PAIRS)
    assert np.array_equal(first.transform(WORDS), again.transform(WORDS))
    assert [epoch["dur"] for epoch in first.history_] == [
        epoch["dur"] for epoch in again.history_
    ]
    other = tiny(random_state=1).fit(WORDS)
    for pretrained in (other, None):
        with pytest.raises(ValueError, match="first weights"):
            tiny(pretrained=pretrained, **params).fit(*PAIRS)


def test_file_does_not_hold_the_start(autoencoder, tmp_path):
    started, fresh = tmp_path / "started", tmp_path / "fresh"
    model = tiny(pretrained=FrozenEstimator(autoencoder)).fit(*PAIRS)
    model.save(started)
    loaded = Seq2SeqTransformer.load(started)
    assert loaded.pretrained is None
    assert np.array_equal(model.transform(WORDS), loaded.transform(WORDS))
    assert model.predict(WORDS).tolist() == loaded.predict(WORDS).tolist()
    tiny().fit([*PAIRS[0], "z"], [*PAIRS[1], ""]).save(fresh)
    assert started.stat().st_size == pytest.approx(fresh.stat().st_size, rel=0.02)


def test_pickle_keeps_the_start(autoencoder):
    model = tiny(pretrained=FrozenEstimator(autoencoder)).fit(*PAIRS)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(model.transform(WORDS), again.transform(WORDS))
    assert np.array_equal(
        again.fit(*PAIRS).transform(WORDS), model.fit(*PAIRS).transform(WORDS)
    )


def test_start_helps_where_pairs_are_few(words, shouted):
    """What it is for: the same twelve pairs, with and without an autoencoder."""
    params = TINY | {"hidden_size": 16, "embedding_size": 8, "learning_rate": 0.02}
    start = Seq2SeqTransformer(**params | {"max_epochs": 40}).fit(words)
    likelihoods = [
        Seq2SeqTransformer(pretrained=pretrained, **params | {"max_epochs": 20})
        .fit(words[::5], shouted[::5])
        .log_likelihood(words[1::5], shouted[1::5])
        .mean()
        for pretrained in (None, start)
    ]
    assert likelihoods[1] > likelihoods[0] + 0.5
