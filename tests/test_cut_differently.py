"""Copying and sharing where the two sides are cut or prepared differently."""

import numpy as np
import pytest

from sklearn_seq2seq import (
    ColumnVectorizer,
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
)
from sklearn_seq2seq._pairs._copying import check_same_pieces, cut_alike, never_read

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*ended by max_length",
    "ignore:.*not in the vocabulary",
    "ignore:Reading changes",
)
SENTENCES = ["Ab c. dé", "ab, C dÉ", "c c Ab", "É ab ab", "New York", "d C b."] * 2
WORD = SequenceVectorizer(analyzer="word")
PATTERN = SequenceVectorizer(analyzer="word", token_pattern=r"\w+")
CHAR = SequenceVectorizer()
LOWER = SequenceVectorizer(lowercase=True)
NFD = SequenceVectorizer(normalize="NFD")
DASHES = SequenceVectorizer(analyzer=lambda text: list(text.replace(" ", "-")))
PAIRINGS = {
    "alike": (CHAR, CHAR),
    "lowercase target": (CHAR, LOWER),
    "lowercase source": (LOWER, CHAR),
    "words, characters": (WORD, CHAR),
    "characters, words": (CHAR, WORD),
    "words, pattern": (WORD, PATTERN),
    "pattern, words": (PATTERN, WORD),
    "words, lower-case words": (
        WORD,
        SequenceVectorizer(analyzer="word", lowercase=True),
    ),
    "normal forms": (NFD, CHAR),
    "function, characters": (DASHES, CHAR),
}


def fitted(source, target, **params):
    model = Seq2SeqTransformer(
        source_vectorizer=source,
        target_vectorizer=target,
        hidden_size=8,
        embedding_size=8,
        max_epochs=2,
        max_length=6,
        random_state=0,
        **params,
    )
    return model.fit(SENTENCES, SENTENCES[1:] + SENTENCES[:1])


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_nbest_has_the_log_likelihood_of_what_it_writes(pairing, share, copy):
    model = fitted(*PAIRINGS[pairing], copy=copy, share_embeddings=share)
    # "Zoë" and "Q" are in no vocabulary.
    sources = ["Ab Zoë c.", "Q C", "New York"]
    found = model.predict_nbest(sources, n_best=100)
    again = model.log_likelihood([sources[i] for i in found["row"]], found["sequence"])
    assert len(found) > 60
    assert again == pytest.approx(found["log_probability"].to_numpy(), abs=1e-4)


@pytest.mark.parametrize("pairing", ["lowercase target", "words, characters"])
def test_runtime_reads_and_writes_the_same(pairing, tmp_path):
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("sklearn_seq2seq.runtime")
    pytest.importorskip("onnxruntime")
    for share in (False, True):
        model = fitted(*PAIRINGS[pairing], copy=True, share_embeddings=share)
        export_onnx(model, tmp_path / "model.zip")
        exported = runtime.load(tmp_path / "model.zip")
        sources = ["Ab Zoë c.", "Q C"]
        ours = model.predict_nbest(sources, n_best=8)
        theirs = exported.predict_nbest(sources, n_best=8)
        assert np.array_equal(ours["sequence"], theirs["sequence"])
        assert ours["log_probability"].to_numpy() == pytest.approx(
            np.asarray(theirs["log_probability"]), abs=1e-4
        )


def test_copied_token_is_the_one_it_is_read_as():
    reader = fitted(CHAR, LOWER, copy=True)._reader
    _, copies, strings = reader.read_sources(["AaZ."])
    known = reader.target.vectorizer.vocabulary_
    upper, lower, z, dot = copies.data.tolist()
    assert upper == lower == known["a"]
    assert strings[z - reader.target.size] == "z"
    assert dot == known["."]
    reader = fitted(WORD, CHAR, copy=True)._reader
    _, copies, _ = reader.read_sources(["Ab c"])
    assert copies.data.tolist() == [1, reader.target.vectorizer.vocabulary_["c"]]


def test_sides_that_are_cut_alike_share_all_tokens():
    model = fitted(CHAR, CHAR, share_embeddings=True)
    source, target = model._reader.source, model._reader.target
    assert cut_alike(source, target)
    assert never_read(source, target) == []
    model = fitted(CHAR, LOWER, share_embeddings=True)
    vectorizer = model.target_vectorizer_
    barred = {vectorizer._token_strings()[id_] for id_ in model._reader.never_read}
    assert barred == {"A", "C", "É", "N", "Y"}


def test_pieces_of_text_prepared_differently_are_not_copied():
    own = SequenceVectorizer(analyzer="subword", max_features=300).fit(SENTENCES)
    lower = SequenceVectorizer(
        analyzer="subword", tokenizer=own.tokenizer_, lowercase=True
    )
    same = SequenceVectorizer(analyzer="subword", tokenizer=own.tokenizer_)
    fitted(same, same, copy=True)
    with pytest.raises(ValueError, match="text preparation"):
        fitted(same, lower, copy=True)


def test_columns_of_sources_are_copied_as_they_are_read():
    import pandas as pd

    frame = pd.DataFrame({"a": ["Ab", "cD"] * 4, "b": ["x", "Y"] * 4})
    columns = ColumnVectorizer([("a", CHAR, "a"), ("b", CHAR, "b")])
    model = Seq2SeqTransformer(
        source_vectorizer=columns,
        target_vectorizer=LOWER,
        copy=True,
        hidden_size=8,
        embedding_size=8,
        max_epochs=1,
    ).fit(frame, ["ab", "cd"] * 4)
    _, copies, strings = model._reader.read_sources(
        model._reader.check_sources(frame[:2], model)
    )
    names = [*model.target_vectorizer_._token_strings(), *strings]
    assert [names[id_] for id_ in copies.data] == list("abxcdy")
    assert check_same_pieces(model._reader.source, model._reader.target, "") is None


def test_target_tokens_that_the_source_lacks_are_unknown():
    reader = fitted(CHAR, CHAR, copy=True)._reader
    data = reader.pairs(["Zq"], ["qZx"])  # in no vocabulary; the source has two
    size = reader.target.size
    z, q = data.copies.data.tolist()
    assert min(z, q) >= size
    assert data.target.data.tolist() == [q, z, 1]
