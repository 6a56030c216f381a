"""What a user passes is checked once, at the door."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
import sklearn.utils

from sklearn_seq2seq import ColumnVectorizer, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._pairs import _reader, _sides
from sklearn_seq2seq._text import _codec, _columns
from sklearn_seq2seq.metrics import _pairs

WORDS = ["ab", "ba", "abb", "a", "bb"]
SPOKEN = ["A B", "B A", "A B B", "A", "B B"]
IDS = np.array([[2, 3, 0], [3, 2, 0], [2, 3, 3], [2, 0, 0], [3, 3, 0]])
CALLS = {
    "fit": ("X", "y"),
    "predict": ("X",),
    "score": ("X", "y"),
    "transform": ("X",),
    "log_likelihood": ("X", "y"),
    "predict_nbest": ("X",),
    "predict_confidence": ("X",),
    "attention_weights": ("X", "y"),
    "partial_fit": ("X", "y"),
}


@pytest.fixture
def checks(monkeypatch):
    """Counts, by the name of the data, the calls of all that checks data."""
    count = Counter()

    def watch(module, function, name_of):
        checked = getattr(module, function)

        def check(*args, **kwargs):
            count[name_of(args, kwargs)] += 1
            return checked(*args, **kwargs)

        monkeypatch.setattr(module, function, check)

    for module in (_codec, _sides, _pairs):
        watch(module, "check_raw", lambda args, kwargs: args[1])
    for module in (_codec, _columns):
        watch(module, "check_columns", lambda args, kwargs: "frame")
    watch(_reader, "validate_data", lambda args, kwargs: "X")
    watch(sklearn.utils, "check_array", lambda args, kwargs: kwargs["input_name"])
    return count


def call(model, method, data):
    arguments = [data[name] for name in CALLS[method]]
    getattr(model, method)(*arguments)


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("kind", ["text", "words", "ids"])
def test_data_are_checked_once(kind, method, checks):
    data = {"X": IDS, "y": IDS} if kind == "ids" else {"X": WORDS, "y": SPOKEN}
    target = SequenceVectorizer(analyzer="word") if kind == "words" else None
    model = Seq2SeqTransformer(
        target_vectorizer=target, hidden_size=4, max_epochs=1, random_state=0
    )
    if method != "fit":
        model.fit(data["X"], data["y"])
    checks.clear()
    call(model, method, data)
    assert checks == dict.fromkeys(CALLS[method], 1)


@pytest.mark.parametrize("method", CALLS)
def test_columns_are_checked_once(method, checks):
    frame = pd.DataFrame({"word": WORDS, "tag": list("NVNVN")})
    columns = ColumnVectorizer(
        [(name, SequenceVectorizer(), name) for name in ("word", "tag")]
    )
    model = Seq2SeqTransformer(
        source_vectorizer=columns, hidden_size=4, max_epochs=1, random_state=0
    )
    data = {"X": frame, "y": SPOKEN}
    if method != "fit":
        model.fit(frame, SPOKEN)
    checks.clear()
    call(model, method, data)
    names = ["frame", "column 'word'", "column 'tag'", *CALLS[method][1:]]
    assert checks == dict.fromkeys(names, 1)
