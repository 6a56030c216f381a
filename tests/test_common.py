"""scikit-learn's own checks, on every public estimator."""

import numpy as np
import pytest
from sklearn.base import is_classifier, is_clusterer, is_regressor
from sklearn.utils import estimator_checks as checks
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_seq2seq import (
    Seq2SeqAutoencoder,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from tests.conftest import EXPECTED_FAILURES

SMALL = {"hidden_size": 8, "embedding_size": 8, "max_epochs": 3, "random_state": 0}


def networks():
    """Each cell with each attention, and what else changes the computation."""
    for cell in ("lstm", "gru", "rnn"):
        for attention in (None, "dot", "general", "additive", "hard"):
            yield Seq2SeqTransformer(cell=cell, attention=attention, **SMALL)
    yield Seq2SeqTransformer(copy=True, beam_width=2, **SMALL)
    yield Seq2SeqTransformer(input_feeding=True, num_layers=2, **SMALL)
    yield Seq2SeqTransformer(bidirectional=False, early_stopping=True, **SMALL)
    yield Seq2SeqAutoencoder(cell="gru", **SMALL)


# They ask for one prediction a row; an autoencoder gives back as many ids as X has.
WIDE = dict.fromkeys(
    ("check_estimator_sparse_array", "check_estimator_sparse_matrix"),
    "predict gives back rows of X, of all its columns",
)


def expected_failures(estimator):
    wide = isinstance(estimator, Seq2SeqAutoencoder)
    return EXPECTED_FAILURES | (WIDE if wide else {})


@parametrize_with_checks(list(networks()), expected_failed_checks=expected_failures)
def test_transformer_passes_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", EXPECTED_FAILURES | WIDE)
def test_expected_failures_are_checks(name):
    """A misspelt or retired name would be ignored silently."""
    assert hasattr(checks, name)


# What needs no data applies to a vectorizer of text as well.
DATA_FREE = [
    checks.check_estimator_cloneable,
    checks.check_estimator_tags_renamed,
    checks.check_valid_tag_types,
    checks.check_estimator_repr,
    checks.check_no_attributes_set_in_init,
    checks.check_mixin_order,
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_parameters_default_constructible,
    checks.check_get_params_invariance,
    checks.check_set_params,
    checks.check_transformers_unfitted,
]


@pytest.mark.parametrize("check", DATA_FREE, ids=lambda check: check.__name__)
def test_vectorizer_passes_data_free_check(check):
    check("SequenceVectorizer", SequenceVectorizer())


# Not in check_estimator, but worth passing.
MORE = [
    checks.check_param_validation,
    checks.check_transformer_get_feature_names_out,
    checks.check_transformer_get_feature_names_out_pandas,
    checks.check_get_feature_names_out_error,
    checks.check_set_output_transform,
    checks.check_set_output_transform_pandas,
    checks.check_dataframe_column_names_consistency,
]


@pytest.mark.parametrize("check", MORE, ids=lambda check: check.__name__)
def test_transformer_passes_further_check(check):
    check("Seq2SeqTransformer", Seq2SeqTransformer(**SMALL))


def test_transformer_tags():
    estimator = Seq2SeqTransformer()
    tags = get_tags(estimator)
    assert tags.input_tags.sparse
    assert tags.input_tags.string
    assert not tags.target_tags.required
    kinds = (is_classifier, is_regressor, is_clusterer)
    assert not any(kind(estimator) for kind in kinds)


def test_transformer_output_is_finite():
    """The checks take NaN for equal to NaN."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 5, (20, 4)), rng.integers(0, 5, (20, 3))
    for estimator in networks():
        assert np.isfinite(estimator.fit(X, y).transform(X)).all()
        assert np.isfinite(estimator.log_likelihood(X, y)).all()
