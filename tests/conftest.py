"""Small data and fitted estimators that several test files share."""

import numpy as np
import pytest
import sklearn
import torch
from hypothesis import settings
from sklearn.utils.fixes import parse_version

from sklearn_seq2seq import Seq2SeqTransformer

# On a GPU too, where torch's default has ten bits, tests compare with exact results.
torch.backends.cudnn.allow_tf32 = False

# On a busy machine any example can take longer than hypothesis's 200 milliseconds.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

TINY = {
    "hidden_size": 16,
    "embedding_size": 8,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "batch_size": 8,
    "max_epochs": 25,
    "random_state": 0,
}


# These two feed fractional numbers as X, which can be no token ids.
FRACTIONAL = "the check's X holds fractional numbers, which are no token ids"
EXPECTED_FAILURES = {
    "check_sample_weight_equivalence_on_dense_data": FRACTIONAL,
    "check_sample_weight_equivalence_on_sparse_data": FRACTIONAL,
}
if parse_version(sklearn.__version__) < parse_version("1.7"):
    EXPECTED_FAILURES["check_positive_only_tag_during_fit"] = (
        "before 1.7 the check subtracts a float in place from X, which is whole numbers"
    )


@pytest.fixture(scope="session")
def words():
    """60 distinct random words over five letters, 0 to 7 letters long."""
    rng = np.random.default_rng(0)
    found = {"".join(rng.choice(list("abcde"), size=n % 8)) for n in range(200)}
    return sorted(found)[:60]


@pytest.fixture(scope="session")
def shouted(words):
    """The targets: the same in capitals."""
    return [word.upper() for word in words]


@pytest.fixture(scope="session")
def fitted(words, shouted):
    """A small model with attention that has learned something."""
    return Seq2SeqTransformer(**TINY).fit(words, shouted)


@pytest.fixture(scope="session")
def fitted_plain(words, shouted):
    """The same without attention: the decoder sees the vector alone."""
    return Seq2SeqTransformer(attention=None, **TINY).fit(words, shouted)
