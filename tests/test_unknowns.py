"""Unknown tokens through the whole model, and one vocabulary for both sides."""

import re
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._tokens import UNKNOWN

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
# "x" and "y" occur in one row each, the others in several.
WORDS = ["ab", "ba", "abx", "bay", "aab", "bba"]
TARGETS = ["AB", "BA", "AB", "BA", "AAB", "BBA"]
TINY = {
    "hidden_size": 6,
    "embedding_size": 5,
    "max_epochs": 2,
    "batch_size": 2,
    "random_state": 0,
}


class UnknownGradient(Callback):
    """Records the gradient of the unknown token's source embedding."""

    def on_epoch_begin(self, net, **kwargs):
        self.total_ = 0.0

    def on_grad_computed(self, net, **kwargs):
        gradient = net.module_.encoder.embedding.weight.grad
        self.total_ += float(gradient[UNKNOWN].abs().sum())

    def on_epoch_end(self, net, **kwargs):
        net.history.record("unknown_gradient", self.total_)


def gradient_with(**params):
    """Gradient that reaches the unknown token in training."""
    model = Seq2SeqTransformer(**TINY, callbacks=[UnknownGradient()], **params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(WORDS, TARGETS)
    return sum(model.history_[:, "unknown_gradient"])


def test_unknown_token_learns_nothing_where_all_is_known():
    assert gradient_with() == 0


@pytest.mark.parametrize(
    "params",
    [
        {"source_vectorizer": SequenceVectorizer(min_df=2)},
        {"source_vectorizer": SequenceVectorizer(max_features=2)},
        {"unknown_dropout": 0.3},
        {"unknown_dropout": 0.3, "copy": True},
        {"unknown_dropout": 0.3, "share_embeddings": True},
    ],
)
def test_unknown_token_learns(params):
    assert gradient_with(**params) > 0


def test_unknown_dropout_does_not_touch_predictions():
    model = Seq2SeqTransformer(**TINY, unknown_dropout=0.9).fit(WORDS, TARGETS)
    assert np.array_equal(model.transform(WORDS), model.transform(WORDS))
    unknown = model.source_vectorizer_.vocabulary_size_
    assert model.net_.module_.encoder.embedding.weight.shape[0] == unknown


@pytest.mark.parametrize("method", ["predict", "transform", "predict_nbest"])
def test_unseen_tokens_give_one_warning_with_a_count(method):
    model = Seq2SeqTransformer(**TINY).fit(WORDS, TARGETS)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = getattr(model, method)(["ab", "qab", "zqz", ""])
    told = [str(w.message) for w in caught if "vocabulary" in str(w.message)]
    assert len(told) == 1
    assert re.search(r"\b4 token\(s\) in X\b.*\b2 distinct: 'q', 'z'", told[0])
    assert len(result) >= 4


def test_unseen_tokens_of_the_target_are_counted_too():
    model = Seq2SeqTransformer(**TINY).fit(WORDS, TARGETS)
    with pytest.warns(UserWarning, match=r"1 token\(s\) in y .*'Q'"):
        scores = model.log_likelihood(["ab"], ["AQ"])
    assert np.isfinite(scores).all()


def test_silent_unknowns_are_silent_and_never_predicted():
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(min_df=2, handle_unknown="silent"),
        target_vectorizer=SequenceVectorizer(min_df=2, handle_unknown="silent"),
        **TINY,
    ).fit(WORDS, TARGETS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*ended by max_length")
        predictions = model.predict(["qqq", "ab"])
    assert not any("\ufffd" in prediction for prediction in predictions)


def test_refused_unknowns_name_row_and_token():
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="error"),
        target_vectorizer=SequenceVectorizer(handle_unknown="error"),
        **TINY,
    ).fit(WORDS, TARGETS)
    with pytest.raises(ValueError, match="Row 1 of X holds 'q'"):
        model.predict(["ab", "aq"])
    with pytest.raises(ValueError, match="Row 0 of y holds 'b'"):
        model.log_likelihood(["ab"], ["Ab"])
    assert len(model.predict(["ab"])) == 1


# One vocabulary for both sides -------------------------------------------------------


@pytest.mark.parametrize("subword_model", ["bpe", "unigram"])
def test_one_trained_tokenizer_serves_both_sides(subword_model):
    """Train it on both sides' text, give it to both vectorizers, share the table."""
    trained = SequenceVectorizer(
        analyzer="subword", subword_model=subword_model, max_features=270
    ).fit(WORDS + TARGETS)
    side = SequenceVectorizer(analyzer="subword", tokenizer=trained.tokenizer_)
    model = Seq2SeqTransformer(
        source_vectorizer=side,
        target_vectorizer=side,
        share_embeddings=True,
        tie_output=True,
        **TINY | {"max_epochs": 5, "learning_rate": 0.02},
    ).fit(WORDS, TARGETS)
    assert model.source_vectorizer_.vocabulary_ == model.target_vectorizer_.vocabulary_
    network = model.net_.module_
    assert network.encoder.embedding.weight is network.decoder.embedding.weight
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]
    letters = set("".join(WORDS + TARGETS))
    assert all(set(predicted) <= letters for predicted in model.predict(WORDS))


def test_tokenizers_of_their_own_cannot_share_a_table():
    own = SequenceVectorizer(analyzer="subword", max_features=260)
    model = Seq2SeqTransformer(
        source_vectorizer=own, target_vectorizer=own, share_embeddings=True, **TINY
    )
    with pytest.raises(ValueError, match="same trained tokenizer"):
        model.fit(["abab abab", "ab"], ["XYXY XYXY", "XY"])


def test_characters_share_the_union_of_both_sides():
    model = Seq2SeqTransformer(**TINY, share_embeddings=True).fit(WORDS, TARGETS)
    assert set(model.source_vectorizer_.vocabulary_) == set("abxyAB")
    assert model.source_vectorizer_.vocabulary_ == model.target_vectorizer_.vocabulary_
    network = model.net_.module_
    assert torch.equal(
        network.encoder.embedding.weight, network.decoder.embedding.weight
    )
    assert len(model.predict(WORDS)) == len(WORDS)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("handle_unknown", ["use_unknown", "error"])
def test_tokens_left_out_of_a_shared_vocabulary_are_no_news(handle_unknown):
    """min_df leaves tokens out of a shared vocabulary as silently as of one's own."""
    sides = [
        SequenceVectorizer(min_df=2, handle_unknown=handle_unknown) for _ in range(2)
    ]
    model = Seq2SeqTransformer(
        source_vectorizer=sides[0],
        target_vectorizer=sides[1],
        share_embeddings=True,
        hidden_size=4,
        max_epochs=1,
    ).fit(["abz", "ab", "ba"], ["AB", "ABQ", "BA"])
    fitted = model.source_vectorizer_, model.target_vectorizer_
    assert fitted[0].vocabulary_ == fitted[1].vocabulary_
    assert "z" not in fitted[0].vocabulary_
    assert all(side.handle_unknown == handle_unknown for side in fitted)
