"""Networks as users set them: those of papers, bad settings, vectors, columns."""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import ColumnVectorizer, Seq2SeqTransformer, SequenceVectorizer

PAGE = Path(__file__).parent.parent / "docs" / "networks.md"
FORMS = pd.DataFrame(
    {
        "lemma": ["go", "gnu", "cat", "act", "tag", "cut", "nag", "cog"],
        "tags": ["V PST", "N PL", "N SG", "V PST", "N PL", "V PST", "V PRS", "N PL"],
    },
    index=list("hgfedcba"),
)
INFLECTED = ["went", "gnus", "cat", "acted", "tags", "cut", "nags", "cogs"]
LEMMAS = FORMS["lemma"].tolist()
TINY = {
    "hidden_size": 8,
    "embedding_size": 6,
    "dropout": 0.0,
    "max_epochs": 3,
    "max_length": 8,
    "random_state": 0,
}


def tiny(**params):
    return Seq2SeqTransformer(**{**TINY, **params})


def named_networks():
    """What the code blocks of the page define."""
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S):
        exec(compile(block, PAGE.name, "exec"), names)
    return {
        name: value
        for name, value in names.items()
        if isinstance(value, dict) and not name.startswith("_")
    }


NETWORKS = named_networks()


def test_page_has_the_networks_of_the_literature():
    assert list(NETWORKS) == [
        "keras_tutorial",
        "sutskever_2014",
        "cho_2014",
        "bahdanau_2015",
        "luong_2015",
        "kann_2016",
        "see_2017",
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_named_network_leaves_no_default_that_is_not_the_papers(name):
    """The defaults smooth labels, clip gradients and anneal the learning rate."""
    named = {"label_smoothing", "lr_schedule", "gradient_clip", "dropout", "attention"}
    assert named <= set(NETWORKS[name])
    assert NETWORKS[name]["lr_schedule"] == "constant"


@pytest.mark.parametrize("name", NETWORKS)
def test_named_network_fits_and_predicts(name):
    params = NETWORKS[name]
    model = Seq2SeqTransformer(**params).set_params(
        hidden_size=8,
        max_epochs=4,
        batch_size=4,
        max_length=8,
        random_state=0,
        **({} if params["embedding_size"] is None else {"embedding_size": 6}),
    )
    X = FORMS if name == "kann_2016" else LEMMAS

    model.fit(X, INFLECTED)
    predictions = model.predict(X)

    assert predictions.shape == (8,)
    assert all(isinstance(prediction, str) for prediction in predictions)
    losses = model.history_[:, "train_loss"]
    assert np.isfinite(losses).all()
    assert min(losses[1:]) < losses[0]
    assert len(model.net_.module_.decoder.recurrent.layers) == params["num_layers"]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"attention": None, "input_feeding": True}, "input_feeding=True.*attention"),
        ({"attention": None, "copy": True}, "copy=True.*needs attention"),
        (
            {"share_embeddings": True, "embedding_size": None},
            "share_embeddings=True needs an embedding table",
        ),
        (
            {"tie_output": True, "embedding_size": None},
            "tie_output=True needs an embedding table",
        ),
        ({"encoder_loss_weight": 1.0}, r"encoder_loss_weight.*\[0.0, 1.0\)"),
        ({"encoder_loss_weight": -0.1}, r"encoder_loss_weight.*\[0.0, 1.0\)"),
        ({"attention": "none"}, "attention"),
        ({"cell": "transformer"}, "cell"),
        ({"teacher_forcing": (1.0, 2.0)}, "teacher_forcing must be"),
        ({"teacher_forcing": (1.0,)}, "teacher_forcing must be"),
        ({"unknown_dropout": 1.0}, r"unknown_dropout.*\[0.0, 1.0\)"),
        ({"unknown_dropout": (0.1,)}, r"unknown_dropout must be .*\[0, 1\) or a pair"),
        ({"unknown_dropout": (0.1, 1.0)}, "unknown_dropout must be .* and target"),
        ({"source_vectors": np.ones((3, 6))}, "source_vectors must have one row"),
        ({"source_vectors": {"a": np.ones(5)}}, "source_vectors.*embedding_size=6"),
        ({"target_vectors": {"a": np.ones(5)}}, "target_vectors.*embedding_size=6"),
        ({"target_vectors": {"?": np.ones(6)}}, "target_vectors has a vector for no"),
        (
            {"source_vectors": {"a": np.ones(6)}, "embedding_size": None},
            "source_vectors needs embedding_size",
        ),
        (
            {
                "source_vectors": {"a": np.ones(6)},
                "target_vectors": {"a": np.ones(6)},
                "share_embeddings": True,
            },
            "give source_vectors or target_vectors, not both",
        ),
    ],
    ids=str,
)
def test_fit_refuses_bad_settings_with_the_reason(params, message):
    model = tiny(**params)

    with pytest.raises(ValueError, match=message):
        model.fit(LEMMAS, INFLECTED)

    assert not hasattr(model, "net_")


def test_fit_refuses_to_share_embeddings_of_text_and_ids():
    with pytest.raises(ValueError, match="one side is text and the other token ids"):
        tiny(share_embeddings=True).fit(LEMMAS, np.ones((8, 2), dtype=int))


@pytest.mark.parametrize(
    "vectorizer",
    [
        ColumnVectorizer([("lemma", SequenceVectorizer(), "lemma")]),
        SequenceVectorizer(analyzer="subword", max_features=30),
    ],
    ids=["columns", "subword"],
)
def test_fit_refuses_to_share_embeddings_of_unlike_vectorizers(vectorizer):
    X = FORMS if isinstance(vectorizer, ColumnVectorizer) else LEMMAS

    with pytest.raises(ValueError, match="share one vocabulary"):
        tiny(share_embeddings=True, source_vectorizer=vectorizer).fit(X, INFLECTED)


def test_fit_refuses_to_copy_from_ids_of_another_step():
    pipeline = Pipeline([("ids", SequenceVectorizer()), ("net", tiny(copy=True))])

    with pytest.raises(ValueError, match="instead of a Pipeline step"):
        pipeline.fit(LEMMAS, INFLECTED)


def test_share_embeddings_has_the_union_of_both_vocabularies():
    model = tiny(share_embeddings=True).fit(["ab", "ba"], ["bc", "cb"])

    source, target = model.source_vectorizer_, model.target_vectorizer_
    assert source.vocabulary_ == target.vocabulary_
    assert set(source.vocabulary_) == set("abc")
    assert model.net_.module_.encoder.embedding.num_embeddings == 5


def table_of(model, side):
    part = {"source": "encoder", "target": "decoder"}[side]
    return getattr(model.net_.module_, part).embedding.weight.detach()


def vocabulary_of(model, side):
    return getattr(model, f"{side}_vectorizer_").vocabulary_


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("freeze", [False, True])
def test_vectors_from_a_mapping_start_the_table(side, freeze):
    vectors = {"a": np.full(6, 0.5), "g": np.arange(6.0), "unused": np.ones(6)}
    params = {f"{side}_vectors": vectors, "freeze_vectors": freeze}
    n_tokens = len(
        {c for word in (LEMMAS if side == "source" else INFLECTED) for c in word}
    )

    with pytest.warns(UserWarning, match=f"{n_tokens - 2} of {n_tokens} tokens have"):
        model = tiny(**params).fit(LEMMAS, INFLECTED)

    table, vocabulary = table_of(model, side), vocabulary_of(model, side)
    given = torch.tensor(np.array([vectors["a"], vectors["g"]]), dtype=torch.float32)
    learned = table[[vocabulary["a"], vocabulary["g"]]]
    plain = tiny(max_epochs=1, learning_rate=1e-12).fit(LEMMAS, INFLECTED)
    others = [k for token, k in vocabulary.items() if token not in vectors]
    moved = (table[others] - table_of(plain, side)[others]).abs().max()
    if freeze:
        assert learned.equal(given)
        assert moved < 1e-6
    else:
        assert not learned.equal(given)
        assert (learned - given).abs().max() < 0.1
        assert 1e-6 < moved < 0.1


@pytest.mark.parametrize("kind", [np.asarray, pd.DataFrame])
def test_vectors_from_an_array_are_the_table(kind):
    vocabulary = SequenceVectorizer().fit(LEMMAS).vocabulary_
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary) + 2, 6))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = tiny(source_vectors=kind(vectors), freeze_vectors=True)
        model.fit(LEMMAS, INFLECTED)

    assert table_of(model, "source").equal(torch.tensor(vectors, dtype=torch.float32))


def test_vectors_serve_both_sides_of_a_shared_table():
    vectors = {token: np.full(6, ord(token) / 100) for token in "abcdeginostuw"}

    model = tiny(share_embeddings=True, target_vectors=vectors, freeze_vectors=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(LEMMAS, INFLECTED)

    source, target = table_of(model, "source"), table_of(model, "target")
    assert source.data_ptr() == target.data_ptr()
    token = vocabulary_of(model, "source")["g"]
    assert source[token].tolist() == pytest.approx([ord("g") / 100] * 6)


def test_vectors_of_ids_are_a_mapping_from_ids():
    X = np.array([[2, 3], [3, 0]])

    model = tiny(source_vectors={2: np.ones(6), 3: np.zeros(6)}, freeze_vectors=True)
    model.fit(X, X)

    assert table_of(model, "source")[2:].tolist() == [[1.0] * 6, [0.0] * 6]


def columns():
    return ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), "lemma"),
            ("tags", SequenceVectorizer(analyzer="word"), "tags"),
        ]
    )


def test_columns_of_a_frame_are_one_source():
    model = tiny(
        source_vectorizer=columns(), max_epochs=60, learning_rate=0.02, hidden_size=32
    )
    model.fit(FORMS, INFLECTED)

    assert model.predict(FORMS).tolist() == INFLECTED
    assert model.score(FORMS.iloc[::-1], INFLECTED[::-1]) == 1
    # The tags matter: the same lemma with other tags gives another vector.
    other = FORMS.assign(tags="N SG")
    assert not np.allclose(model.transform(FORMS), model.transform(other))


def test_columns_can_be_copied_from():
    model = tiny(source_vectorizer=columns(), copy=True)

    predictions = model.fit(FORMS, INFLECTED).predict(FORMS)

    assert all(isinstance(prediction, str) for prediction in predictions)


def test_columns_are_searched_by_nested_names():
    search = GridSearchCV(
        tiny(source_vectorizer=columns(), max_epochs=1),
        {
            "source_vectorizer__lemma__analyzer": ["char", "word"],
            "source_vectorizer__tags__lowercase": [False, True],
            "attention": [None, "dot"],
        },
        cv=2,
        error_score="raise",
    )

    search.fit(FORMS, INFLECTED)

    assert len(search.cv_results_["params"]) == 8
    best = search.best_estimator_
    _, lemma, _ = best.source_vectorizer_.transformers_[0]
    assert lemma.analyzer == search.best_params_["source_vectorizer__lemma__analyzer"]
    assert search.predict(FORMS).shape == (8,)


def test_columns_are_a_step_of_a_pipeline():
    pipeline = Pipeline([("source", columns()), ("seq2seq", tiny())])
    whole = tiny(source_vectorizer=columns())

    pipeline.fit(FORMS, INFLECTED)
    whole.fit(FORMS, INFLECTED)

    assert pipeline.predict(FORMS).tolist() == whole.predict(FORMS).tolist()
    np.testing.assert_allclose(
        pipeline[:-1].transform(FORMS).toarray(),
        whole.source_vectorizer_.transform(FORMS).toarray(),
    )


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
@pytest.mark.parametrize("params", [{"copy": True}, {"replace_unknown": "copy"}])
def test_pieces_are_copied_to_the_same_pieces_only(params):
    X, y = ["go to Zurich", "stay at home"], ["zurich go", "home stay"]
    pieces = SequenceVectorizer(analyzer="subword", max_features=270)
    shared = pieces.fit([*X, *y]).tokenizer_
    own = {"source_vectorizer": pieces, "target_vectorizer": pieces}
    with pytest.raises(ValueError, match=r"copy.*needs the same tokenizer"):
        tiny(**own, **params).fit(X, y).predict(X)
    words = SequenceVectorizer(analyzer="word")
    with pytest.raises(ValueError, match=r"copy.*needs the same tokenizer"):
        tiny(**own | {"target_vectorizer": words}, **params).fit(X, y).predict(X)
    same = SequenceVectorizer(analyzer="subword", tokenizer=shared)
    model = tiny(source_vectorizer=same, target_vectorizer=same, **params).fit(X, y)
    assert len(model.predict(X)) == 2


def test_rows_of_several_columns_may_be_tuples():
    X = [("go", ["V", "PST"]), ("gnu", ["N"]), ("run", ["V"])]
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), 0),
            ("tags", SequenceVectorizer(analyzer="token"), 1),
        ]
    )
    model = tiny(source_vectorizer=columns).fit(X, ["went", "gnu", "run"])
    assert len(model.predict(X)) == 3
    source = model._reader.source
    tokens, _ = source.read(source.check(X, "X"), "X")
    assert tokens.toarray().tolist() == (columns.fit(X).transform(X).toarray().tolist())


def test_one_hot_tokens_are_as_precise_as_the_network():
    model = tiny(embedding_size=None).fit(LEMMAS, INFLECTED)
    expected = model.log_likelihood(LEMMAS, INFLECTED)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        got = model.log_likelihood(LEMMAS, INFLECTED)
    finally:
        torch.set_default_dtype(before)
    assert got.tolist() == expected.tolist()
