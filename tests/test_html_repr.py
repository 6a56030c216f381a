"""What a notebook shows of an estimator."""

import html
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    LexiconSeq2Seq,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq._documentation import parameter_groups

TINY = {"hidden_size": 4, "embedding_size": 3, "max_epochs": 1}
COLUMNS = ColumnVectorizer([("lemma", SequenceVectorizer(), 0)])


def shown(estimator):
    """The diagram's text, its markup left out."""
    page = estimator._repr_html_()
    page = re.sub(r"<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def model(**params):
    return Seq2SeqTransformer(**TINY, **params)


ESTIMATORS = [
    SequenceVectorizer(),
    COLUMNS,
    DummySeq2Seq(),
    Seq2SeqTransformer(),
    Seq2SeqEnsemble(),
    LexiconSeq2Seq(Seq2SeqTransformer(), lexicon={"one": "two"}),
    Seq2SeqEnsemble(estimators=[("small", model()), ("large", model())]),
    model(source_vectorizer=COLUMNS, target_vectorizer=SequenceVectorizer()),
    Pipeline([("source", SequenceVectorizer()), ("seq2seq", model())]),
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_unfitted_estimator_is_shown(estimator):
    text = shown(clone(estimator))
    assert type(estimator).__name__ in text
    assert "Not fitted" in text
    assert "net_:" not in text


def test_vectorizers_are_shown_before_and_after_fit():
    words = SequenceVectorizer(analyzer="word")
    estimator = model(source_vectorizer=words, target_vectorizer=words)
    before = shown(estimator)
    assert "source_vectorizer: SequenceVectorizer" in before or (
        "source_vectorizer" in before and "analyzer='word'" in before
    )
    after = shown(estimator.fit(["a b c"], ["x y"]))
    assert "Not fitted" not in after.replace("i Not fitted", "Not fitted")
    assert "source_vectorizer_: vocabulary of 5" in after
    assert "target_vectorizer_: vocabulary of 4" in after
    n = sum(w.numel() for w in estimator.net_.module_.parameters())
    assert f"net_: {n:,} parameters" in after
    assert estimator.n_parameters_ == n


def test_default_vectorizers_and_ids_are_shown_once_fitted():
    text = shown(model().fit(["ab"], ["abc"]))
    assert "source_vectorizer_: vocabulary of 4" in text
    assert "target_vectorizer_: vocabulary of 5" in text
    text = shown(model().fit(np.array([[2, 3]]), np.array([[7]])))
    assert "source_vectorizer_: vocabulary of 4 token ids" in text
    assert "target_vectorizer_: vocabulary of 8 token ids" in text


def test_fitted_pipeline_and_columns_are_shown():
    pipeline = Pipeline([("source", clone(COLUMNS)), ("seq2seq", model())])
    text = shown(pipeline.fit([("ab", "x")], ["c"]))
    assert "lemma" in text
    assert "target_vectorizer_: vocabulary of 3" in text


@pytest.mark.skipif(
    not hasattr(BaseEstimator, "_get_params_html"),
    reason="this scikit-learn shows no table of parameters",
)
def test_parameters_are_shown_in_groups_in_the_order_of_the_docstring():
    page = Seq2SeqTransformer(abstain="?", copy=True)._repr_html_()
    table = page[page.index('<table class="parameters-table') : page.index("</table>")]
    rows = re.findall(r'copyToClipboard\(\'(\w+)\'|<th colspan="3">(\w+)', table)
    groups = parameter_groups(Seq2SeqTransformer)
    expected = [row for group in groups.items() for row in (group[0], *group[1])]
    assert [name or heading for name, heading in rows] == expected[1:]
    assert table.count("user-set") == 2


@pytest.mark.parametrize("estimator", ESTIMATORS[:-1])
def test_link_leads_to_the_page_of_the_site(estimator):
    """The site has a page for each name that its API page lists."""
    links = re.findall(r'href="([^"]+)"', clone(estimator)._repr_html_())
    pages = {link for link in links if "readthedocs" in link}
    name = type(estimator).__name__
    (page,) = {link for link in pages if link.endswith(f".{name}.html")}
    assert page == (
        "https://sklearn-seq2seq.readthedocs.io/en/latest/generated/"
        f"sklearn_seq2seq.{name}.html"
    )
    assert name in (Path(__file__).parents[1] / "docs" / "api.md").read_text("utf-8")
