import copy
import json
import pickle
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, cross_validate

from sklearn_seq2seq import metrics
from sklearn_seq2seq.inspection import EditConfusionDisplay

TRUE = ["the cat sat on the mat .", "a dog, it's 3.5 years old", "naïve café", ""]
PRED = ["the cat sat on a mat .", "a dog it's 3.5 years", "naive café au lait", ""]

_tokens = st.lists(st.sampled_from(["a", "bb", "é", "␣ x"]), max_size=6)
_pairs = st.lists(st.tuples(_tokens, _tokens), min_size=1, max_size=6)


class Shift(BaseEstimator):
    """Copies the source, less its last `drop` tokens."""

    def __init__(self, drop=0):
        self.drop = drop

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return [row[: len(row) - self.drop] for row in X]


def pickled(value):
    return pickle.loads(pickle.dumps(value))


def _distance(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    table[:, 0], table[0] = range(len(a) + 1), range(len(b) + 1)
    for i in range(len(a)):
        for j in range(len(b)):
            table[i + 1, j + 1] = min(
                table[i, j + 1] + 1, table[i + 1, j] + 1, table[i, j] + (a[i] != b[j])
            )
    return table[-1, -1]


# Kinds of data ----------------------------------------------------------------------

IDS_TRUE, IDS_PRED = (
    [[2, 3, 4], [5, 0, 0], [0, 0, 0]],
    [[2, 0, 3], [0, 5, 0], [0, 0, 2]],
)
RAGGED_TRUE, RAGGED_PRED = [["a", "b", "c"], ["d"], []], [["a", "b"], ["d"], ["a"]]
KINDS = {
    "strings": (["a b c", "d", ""], ["a b", "d", "a"]),
    "object array": tuple(
        np.array(y, dtype=object) for y in (["a b c", "d", ""], ["a b", "d", "a"])
    ),
    "string array": tuple(map(np.array, (["a b c", "d", ""], ["a b", "d", "a"]))),
    "pandas": (
        pd.Series(["a b c", "d", ""], index=[3, 1, 2]),
        pd.Series(["a b", "d", "a"], dtype="string"),
    ),
    "polars": (pl.Series(["a b c", "d", ""]), pl.Series(["a b", "d", "a"])),
    "token lists": (RAGGED_TRUE, RAGGED_PRED),
    "tuples": (list(map(tuple, RAGGED_TRUE)), list(map(tuple, RAGGED_PRED))),
    "series of lists": (pd.Series(RAGGED_TRUE), pd.Series(RAGGED_PRED)),
    "arrays of tokens": ([*map(np.array, RAGGED_TRUE[:2]), []], RAGGED_PRED),
    "ids": (np.array(IDS_TRUE), np.array(IDS_PRED, dtype=float)),
    "nested ids": (IDS_TRUE, IDS_PRED),
    "ragged ids": ([[2, 3, 4], [5], []], [[2, 3], [5], [2]]),
    "series of ids": (
        pd.Series([[2, 3, 4], [5], []], index=[3, 1, 2]),
        pl.Series([[2, 3], [5], [2]]),
    ),
    "sparse ids": (sparse.csr_array(IDS_TRUE), [[2, 3, 0], [5, 0, 0], [2, 0, 0]]),
    "ids of unlike width": (
        np.array(IDS_TRUE),
        np.array([[0, 2, 0, 3], [5, 0, 0, 0], [0, 0, 0, 2]]),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_scores_take_every_kind_of_sequence(kind):
    y_true, y_pred = KINDS[kind]

    assert metrics.exact_match_score(y_true, y_pred) == pytest.approx(1 / 3)
    assert metrics.edit_distance(y_true, y_pred).tolist() == [1, 0, 1]
    assert metrics.token_error_rate(y_true, y_pred) == pytest.approx(2 / 4)
    # F1 of the rows: 2 of 3 and 2 of 2 tokens; 1; 0.
    assert metrics.rouge_score(y_true, y_pred) == pytest.approx((0.8 + 1) / 3)
    report = metrics.sequence_report(y_true, y_pred, output_dict=True)
    assert (report["deletions"], report["insertions"]) == (1, 1)


def test_one_column_of_ids_is_one_token_a_row():
    assert metrics.exact_match_score([3, 0, 2], np.array([[3], [0], [4]])) == 2 / 3


def test_empty_lists_are_of_every_list_kind():
    assert metrics.exact_match_score([["a"], []], [[], []]) == 0.5
    assert metrics.exact_match_score([[2], []], [[], []]) == 0.5


@pytest.mark.parametrize(
    ("y_true", "y_pred", "error", "message"),
    [
        (["a"], [["a"]], TypeError, "strings in y_true and token lists in y_pred"),
        ([["a"]], [[2]], TypeError, "token lists in y_true and token ids in y_pred"),
        ([["a", ["b"]]], [["a", "b"]], ValueError, "token 1 in row 0 of y_true"),
        (["a"], ["a", "b"], ValueError, "inconsistent numbers of samples"),
        ([], [], ValueError, "0 sample"),
        (["a", None], ["a", "b"], ValueError, "Row 1 of y_true is missing"),
        ("ab", "ab", ValueError, "wrap it in a list"),
        ([[2.5]], [[2]], ValueError, "whole numbers; got 2.5 in row 0 of y_true"),
        ([[2]], [[-2]], ValueError, "Negative values"),
    ],
)
def test_scores_say_what_is_wrong(y_true, y_pred, error, message):
    with pytest.raises(error, match=message):
        metrics.exact_match_score(y_true, y_pred)


@pytest.mark.parametrize(
    ("weight", "message"),
    [([1], "shape"), ([0, 0], "zero"), ([1, -1], "Negative"), ([1, np.nan], "NaN")],
)
def test_sample_weight_is_checked(weight, message):
    with pytest.raises(ValueError, match=message):
        metrics.exact_match_score(["a", "b"], ["a", "b"], sample_weight=weight)


@pytest.mark.parametrize(
    "score",
    [
        metrics.exact_match_score,
        metrics.token_error_rate,
        metrics.bleu_score,
        metrics.chrf_score,
        metrics.rouge_score,
    ],
)
def test_weight_two_is_the_row_twice(score):
    twice = [0, 1, 1, 2, 2, 2]
    weighted = score(TRUE, PRED, sample_weight=[1, 2, 3, 0])
    repeated = score([TRUE[i] for i in twice], [PRED[i] for i in twice])
    uniform = score(TRUE, PRED, sample_weight=np.ones(4))

    assert weighted == pytest.approx(repeated)
    assert uniform == pytest.approx(score(TRUE, PRED))
    assert weighted != uniform


# Edits ------------------------------------------------------------------------------


@given(_pairs)
def test_edit_distance_agrees_with_dynamic_programming(pairs):
    y_true, y_pred = map(list, zip(*pairs, strict=True))
    expected = [_distance(a, b) for a, b in pairs]

    distances = metrics.edit_distance(y_true, y_pred)

    assert distances.dtype == np.int64
    assert distances.tolist() == expected


@pytest.mark.parametrize(
    ("unit", "edits", "n_tokens"),
    [("token", [1, 3], 3), ("word", [1, 3], 3), ("char", [3, 3], 7)],
)
def test_units_cut_strings(unit, edits, n_tokens):
    y_true, y_pred = ["a  bc", "de"], ["a\tbb", "d e f"]

    assert metrics.edit_distance(y_true, y_pred, unit=unit).tolist() == edits
    rate = metrics.token_error_rate(y_true, y_pred, unit=unit)
    assert rate == pytest.approx(sum(edits) / n_tokens)


@pytest.mark.parametrize("unit", ["token", "word", "char"])
def test_token_lists_stand_as_they_are_whatever_the_unit(unit):
    y_true, y_pred = [["a b", "cd"]], [["a", "cd"]]

    assert metrics.edit_distance(y_true, y_pred, unit=unit).tolist() == [1]


def test_unknown_unit_raises():
    with pytest.raises(ValueError, match="unit must be one of"):
        metrics.token_error_rate(["a"], ["a"], unit="letter")


def test_token_error_rate_without_reference_tokens_is_the_number_of_edits():
    assert metrics.token_error_rate(["", ""], ["", ""]) == 0
    assert metrics.token_error_rate(["", ""], ["a b", "c"]) == 3


@given(_pairs)
def test_edit_operations_turn_references_into_predictions(pairs):
    y_true, y_pred = map(list, zip(*pairs, strict=True))

    edits = metrics.edit_operations(y_true, y_pred)

    expected = [_distance(a, b) for a, b in pairs]
    assert np.bincount(edits.row, minlength=len(pairs)).tolist() == expected
    for row, (true, pred) in enumerate(pairs):
        rebuilt, done = [], 0
        for i in np.flatnonzero(edits.row == row):
            place = edits.position[i]
            rebuilt += true[done:place]
            done = place + (edits.kind[i] != "insert")
            assert edits.reference[i] == (
                metrics.GAP if edits.kind[i] == "insert" else true[place]
            )
            if edits.kind[i] == "delete":
                assert edits.prediction[i] == metrics.GAP
            else:
                rebuilt.append(edits.prediction[i])
        assert rebuilt + true[done:] == pred


def test_confusion_counts_matches_hand_worked_table():
    y_true = ["abcd", "abab", "x", "", "ab"]
    y_pred = ["abed", "acac", "", "yy", "ab"]

    counts = metrics.confusion_counts(y_true, y_pred, unit="char")
    assert list(counts.items()) == [
        (("b", "c"), 2),
        ((metrics.GAP, "y"), 2),
        (("c", "e"), 1),
        (("x", metrics.GAP), 1),
    ]
    with_matches = metrics.confusion_counts(y_true, y_pred, unit="char", matches=True)
    right = {("a", "a"): 4, ("b", "b"): 2, ("d", "d"): 1}
    assert with_matches == counts | right
    assert list(with_matches.values()) == [4, 2, 2, 2, 1, 1, 1]


def test_tokens_that_look_like_a_gap_are_not_blamed_for_insertions():
    gap = str(metrics.GAP)
    report = metrics.sequence_report([[gap]], [[gap, "a", "b"]], output_dict=True)

    assert report["by_token"][gap] == {"error_rate": 0, "errors": 0, "support": 1}
    assert (report["insertions"], report["deletions"]) == (2, 0)


def test_a_token_that_looks_like_a_gap_is_none():
    sign = str(metrics.GAP)
    y_true, y_pred = [["a", sign, "b"], ["c"]], [["a", "b"], [sign, "c"]]
    y_true, y_pred = [*y_true, ["d"], [sign]], [*y_pred, [sign], ["e"]]

    counts = metrics.confusion_counts(y_true, y_pred)

    assert counts == {
        (sign, metrics.GAP): 1,
        (metrics.GAP, sign): 1,
        ("d", sign): 1,
        (sign, "e"): 1,
    }
    edits = metrics.edit_operations(y_true, y_pred)
    assert (edits.prediction == metrics.GAP).tolist() == (
        edits.kind == "delete"
    ).tolist()
    assert (edits.reference == metrics.GAP).tolist() == (
        edits.kind == "insert"
    ).tolist()
    assert "'∅' -> ∅" in metrics.sequence_report(y_true, y_pred)
    display = EditConfusionDisplay.from_predictions(y_true, y_pred)
    assert display.labels == ["d", "e", sign, metrics.GAP]
    assert display.counts.sum() == 4
    plt.close(display.figure_)


@pytest.mark.parametrize("copier", [copy.copy, copy.deepcopy, pickled])
def test_the_gap_is_the_same_everywhere(copier):
    assert copier(metrics.GAP) is metrics.GAP
    counts = copier(metrics.confusion_counts(["a"], ["a b"]))
    assert counts == {(metrics.GAP, "b"): 1}
    assert str(metrics.GAP) != metrics.GAP


# Scores of other libraries ----------------------------------------------------------


def _command(tmp_path, y_true, y_pred, *options):
    for name, rows in (("true", y_true), ("pred", y_pred)):
        (tmp_path / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "true", "-i", "pred", *options, "-w", "8"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("score", "parameters", "options"),
    [
        (metrics.bleu_score, {}, ["-m", "bleu"]),
        (metrics.bleu_score, {"tokenize": "char"}, ["-m", "bleu", "-tok", "char"]),
        (metrics.bleu_score, {"lowercase": True}, ["-m", "bleu", "-lc"]),
        (metrics.chrf_score, {}, ["-m", "chrf"]),
        (metrics.chrf_score, {"word_order": 2}, ["-m", "chrf", "--chrf-word-order=2"]),
    ],
)
def test_bleu_and_chrf_agree_with_the_sacrebleu_command(
    tmp_path, score, parameters, options
):
    y_true, y_pred = ["The cat, it sat.", *TRUE], ["the cat: it sat.", *PRED]

    value, signature = score(y_true, y_pred, **parameters, return_signature=True)

    expected = _command(tmp_path, y_true, y_pred, *options)
    assert value == pytest.approx(expected["score"], abs=1e-7)
    assert 0 < value < 100
    assert set(signature.split("|")) == set(expected["signature"].split("|"))


def test_bleu_takes_the_tokens_of_lists_and_ids_as_they_stand(tmp_path):
    y_true = [["a,", "b.", "c", "d", "e"], ["f"]]
    y_pred = [["a,", "b.", "c", "d", "f"], ["f"]]
    codes = {"a,": 2, "b.": 3, "c": 4, "d": 5, "e": 6, "f": 7}
    ids = [[[codes[token] for token in row] for row in y] for y in (y_true, y_pred)]

    value = metrics.bleu_score(y_true, y_pred)

    texts = [[" ".join(row) for row in y] for y in (y_true, y_pred)]
    expected = _command(tmp_path, *texts, "-m", "bleu", "-tok", "none", "--force")
    assert value == pytest.approx(expected["score"], abs=1e-7)
    assert metrics.bleu_score(*ids) == value
    assert metrics.bleu_score(*texts) != value


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # the/cat/sat/on/mat against the/mat/sat/on/it/on: 4 of 5 and 4 of 6.
        ("rouge1", 2 * 4 / (5 + 6)),
        # "sat on" alone: 1 of 4 and 1 of 5.
        ("rouge2", 2 * 1 / (4 + 5)),
        # the, sat, on.
        ("rougeL", 2 * 3 / (5 + 6)),
    ],
)
def test_rouge_matches_hand_worked_table(variant, expected):
    true, pred = "The cat sat on mat.", "the mat sat on it, on"

    score = metrics.rouge_score([true, "a b"], [pred, "a b"], variant=variant)

    assert score == pytest.approx((expected + 1) / 2)


@pytest.mark.parametrize("variant", ["rouge1", "rouge2", "rougeL"])
def test_rouge_on_ascii_text_is_the_packages_own(variant):
    from rouge_score.rouge_scorer import RougeScorer

    y_true = ["It's 3.5 years_old, OK?", "a-b c", TRUE[0]]
    y_pred = ["Its 3.5 years old ok", "a b-c", PRED[0]]
    scorer = RougeScorer([variant])
    expected = [
        scorer.score(*pair)[variant].fmeasure
        for pair in zip(y_true, y_pred, strict=True)
    ]

    score = metrics.rouge_score(y_true, y_pred, variant=variant)

    assert score == pytest.approx(np.mean(expected))


@pytest.mark.parametrize(
    ("true", "pred", "expected"),
    [
        ("Ελλάδα, καλημέρα!", "ελλάδα καλησπέρα", 1 / 2),
        ("नमस्ते दुनिया", "नमस्ते दुनियादारी", 1 / 2),
        ("مرحبا بالعالم", "مرحبا يا عالم", 2 * 1 / (2 + 3)),
        ("我爱北京", "我爱上海。", 2 / 4),
        ("caf\u00e9", "cafe", 0),
        ("cafe\u0301 noir", "cafe noir", 1 / 2),
        ("東京タワー 2", "東京 2", 2 * 3 / (6 + 3)),
    ],
)
def test_rouge_cuts_other_scripts_sensibly(true, pred, expected):
    score = metrics.rouge_score([true], [pred], variant="rouge1")

    assert score == pytest.approx(expected)


def test_rouge_takes_a_tokenizer():
    score = metrics.rouge_score(["abc"], ["abd"], variant="rouge1", tokenizer=list)

    assert score == pytest.approx(2 / 3)


def test_rouge_refuses_unknown_variants():
    with pytest.raises(ValueError, match="variant must be"):
        metrics.rouge_score(["a"], ["a"], variant="rouge9")


# Perplexity -------------------------------------------------------------------------


def test_perplexity_matches_hand_worked_table():
    # Tokens of probability 1/2, 1/4, 1/4 | 1/2: the mean is 6/4 bits.
    rows = np.log([1 / 32, 1 / 2])

    assert metrics.perplexity(rows, [3, 1]) == pytest.approx(2**1.5)
    assert metrics.perplexity(rows, [3, 1], sample_weight=[1, 3]) == pytest.approx(
        2 ** (8 / 6)
    )
    assert metrics.perplexity([-np.inf, 0], [1, 1]) == np.inf
    assert metrics.perplexity([-np.inf, 0], [1, 1], sample_weight=[0, 1]) == 1


@pytest.mark.parametrize(
    ("log_likelihoods", "n_tokens", "message"),
    [
        ([0, np.nan], [1, 1], "NaN, first in row 1"),
        ([0, 0], [1], "of one length"),
        ([0], [0], "n_tokens"),
        ([0, 0], [2, -1], "n_tokens"),
    ],
)
def test_perplexity_says_what_is_wrong(log_likelihoods, n_tokens, message):
    with pytest.raises(ValueError, match=message):
        metrics.perplexity(log_likelihoods, n_tokens)


# The report -------------------------------------------------------------------------


def test_sequence_report_matches_hand_worked_table():
    y_true = [["a", "b"], ["a", "c"], ["b"], [], ["a", "b", "c", "d"], ["d"]]
    y_pred = [["a", "b"], ["b", "c"], ["b", "e"], [], ["a", "b", "<unk>"], []]

    report = metrics.sequence_report(
        y_true, y_pred, n_buckets=2, max_length=3, output_dict=True
    )

    assert report == {
        "n_samples": 6,
        "n_tokens": 10,
        "n_edits": 5,
        "exact_match": 2 / 6,
        "error_rate": 5 / 10,
        "substitutions": 2,
        "insertions": 1,
        "deletions": 2,
        "by_length": {
            "0-2": {"exact_match": 2 / 5, "error_rate": 3 / 6, "support": 5},
            "4": {"exact_match": 0, "error_rate": 2 / 4, "support": 1},
        },
        "by_token": {
            "d": {"error_rate": 1, "errors": 2, "support": 2},
            "c": {"error_rate": 1 / 2, "errors": 1, "support": 2},
            "a": {"error_rate": 1 / 3, "errors": 1, "support": 3},
            "b": {"error_rate": 0, "errors": 0, "support": 3},
        },
        "confusions": {
            ("a", "b"): 1,
            ("d", metrics.GAP): 2,
            ("c", "<unk>"): 1,
            (metrics.GAP, "e"): 1,
        },
        "empty": 2,
        "unknown": 1,
        "truncated": 1,
    }
    assert list(report["by_token"]) == ["d", "c", "a", "b"]
    assert next(iter(report["confusions"])) == ("d", metrics.GAP)


def test_sequence_report_agrees_with_the_scores():
    # Unlike white space is no edit of tokens, and yet no exact match.
    y_true, y_pred = [*TRUE, "a  b"], [*PRED, "a b"]
    report = metrics.sequence_report(y_true, y_pred, output_dict=True)

    assert report["exact_match"] == metrics.exact_match_score(y_true, y_pred)
    assert report["error_rate"] == metrics.token_error_rate(y_true, y_pred)
    assert report["confusions"] == metrics.confusion_counts(y_true, y_pred)
    assert sum(group["support"] for group in report["by_length"].values()) == 5


def test_sequence_report_text_shows_what_is_left_out_and_white_space():
    text = metrics.sequence_report(["a b", "cd"], ["ab", "ef"], unit="char", top=1)

    assert "c -> e" not in text
    assert text.count("... 2 more") == 1
    assert text.count("... 4 more") == 1
    text = metrics.sequence_report(["a b", "cd"], ["ab", "ef"], unit="char")
    assert "␣ -> ∅" in text
    assert "c -> e" in text
    assert "more" not in text


def test_sequence_report_lines_are_equally_wide():
    text = metrics.sequence_report(["a" * 40 + " b"], ["b " + "c" * 40], digits=5)
    table = [line for line in text.splitlines() if "support" in line or "1.0" in line]

    assert len(table) >= 4
    assert len(set(map(len, table))) == 1


@pytest.mark.parametrize(
    ("y_pred", "n_unknown"),
    [
        (["a\ufffdb", "a<unk>", "<un"], 2),
        ([["a", "\ufffd"], ["<unk>"], ["<", "unk"]], 2),
        (np.array([[2, 1], [2, 0], [0, 1]]), 2),
    ],
)
def test_sequence_report_counts_unknown_tokens_of_every_kind(y_pred, n_unknown):
    report = metrics.sequence_report(y_pred, y_pred, unit="char", output_dict=True)

    assert report["unknown"] == n_unknown


@pytest.mark.parametrize("unit", ["char", "word", "token"])
def test_a_string_is_one_mark_of_the_unknown(unit):
    options = {"unit": unit, "output_dict": True, "unknown": "<unk>"}

    assert metrics.sequence_report(["fun"], ["fun"], **options)["unknown"] == 0
    assert metrics.sequence_report(["fun"], ["f<unk>"], **options)["unknown"] == 1
    assert metrics.sequence_report([["u"]], [["<unk>"]], **options)["unknown"] == 1
    assert metrics.sequence_report([["u"]], [["u"]], **options)["unknown"] == 0


def test_sequence_report_of_perfect_predictions():
    text = metrics.sequence_report(["a"], ["a"])

    assert "confusion" not in text
    assert metrics.sequence_report([""], [""], output_dict=True)["by_token"] == {}
    assert "0 reference tokens" in metrics.sequence_report([""], [""])


# Scorers ----------------------------------------------------------------------------

RAGGED = [list("abc"), list("de"), list("fghi"), list("j")] * 4
TEXTS = [" ".join(row) for row in RAGGED]


@pytest.mark.parametrize("name", metrics.get_scorer_names())
@pytest.mark.parametrize("data", [RAGGED, TEXTS])
def test_every_scorer_prefers_the_better_model(name, data):
    scorer = metrics.get_scorer(name)
    perfect, worse = Shift().fit(data, data), Shift(drop=1).fit(data, data)

    assert scorer(perfect, data, data) > scorer(worse, data, data)
    assert (scorer(perfect, data, data) == 0) == name.startswith("neg_")
    assert scorer(worse, data, data, sample_weight=np.ones(16)) == pytest.approx(
        scorer(worse, data, data)
    )


@pytest.mark.parametrize("data", [RAGGED, TEXTS, pd.Series(RAGGED)])
def test_scorers_work_in_parallel_searches_and_validation(data):
    scoring = metrics.scorers("exact_match", "token_error_rate", "bleu")
    results = cross_validate(
        Shift(drop=1), data, data, scoring=scoring, cv=2, n_jobs=2, error_score="raise"
    )
    assert (results["test_exact_match"] == 0).all()
    assert (results["test_neg_token_error_rate"] < 0).all()
    assert np.isfinite(results["test_bleu"]).all()

    search = GridSearchCV(
        Shift(),
        {"drop": [2, 0, 1]},
        scoring=metrics.SCORERS["neg_char_error_rate"],
        cv=2,
        n_jobs=2,
        error_score="raise",
    ).fit(data, data)
    assert search.best_params_ == {"drop": 0}


def test_get_scorer_returns_copies_that_pickle():
    scorer = metrics.get_scorer("bleu")

    assert scorer is not metrics.SCORERS["bleu"]
    copy = pickle.loads(pickle.dumps(scorer))
    model = Shift(drop=1).fit(TEXTS, TEXTS)
    assert copy(model, TEXTS, TEXTS) == scorer(model, TEXTS, TEXTS)


def test_get_scorer_lists_names_when_it_knows_none():
    with pytest.raises(ValueError, match=r"no scorer 'accuracy'.*'exact_match'"):
        metrics.get_scorer("accuracy")
    assert list(metrics.scorers()) == metrics.get_scorer_names()


@pytest.mark.parametrize(
    ("score", "library"),
    [
        (metrics.edit_distance, "rapidfuzz"),
        (metrics.bleu_score, "sacrebleu"),
        (metrics.chrf_score, "sacrebleu"),
        (metrics.rouge_score, "rouge_score"),
    ],
)
def test_missing_library_names_the_extra(score, library):
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from sklearn_seq2seq import metrics\n"
        "assert metrics.exact_match_score(['a'], ['a']) == 1\n"
        f"metrics.{score.__name__}(['a'], ['a'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert f"ImportError: This feature needs {library}" in done.stderr
    assert "pip install 'sklearn_seq2seq[metrics]'" in done.stderr


def test_bleu_of_short_weighted_rows_is_smoothed_alike():
    y_true, y_pred = (
        ["the cat sat here", "a dog ran"],
        ["a cat was here", "the dog ran"],
    )
    assert metrics.bleu_score(y_true, y_pred, sample_weight=[2, 1]) == pytest.approx(
        metrics.bleu_score(y_true + y_true[:1], y_pred + y_pred[:1])
    )


def test_bleu_takes_token_lists_as_they_stand():
    def bleu(a, b):
        return metrics.bleu_score([a], [b])

    assert bleu(list("a b c d"), list("abcd")) < 50
    assert bleu(["a", "", "b", "c", "d"], ["a", "b", "c", "d"]) < 100
    assert bleu(["new york", "is", "it", "ok"], ["new", "york is", "it", "ok"]) < 100
    capitals = [list("ABCD")], [list("abcd")]
    assert metrics.bleu_score(*capitals, lowercase=True) == pytest.approx(100)


def test_scores_at_their_extremes_are_no_floating_point_errors():
    with np.errstate(all="raise"):
        assert metrics.perplexity([-1e5], [1]) == np.inf
        assert metrics.perplexity([-np.inf, 0], [1, 1]) == np.inf
        true, weight = ["a b " * 2000], [1e-200]
        assert metrics.bleu_score(true, ["a"], sample_weight=weight) == 0
        assert metrics.chrf_score(true, ["b"], sample_weight=weight) < 1
        assert metrics.rouge_score(true, ["c"], sample_weight=weight) == 0
        assert metrics.token_error_rate(true, [""], sample_weight=weight) == 1
        assert metrics.exact_match_score(true, [""], sample_weight=weight) == 0


def test_confusions_of_the_same_count_are_sorted():
    pytest.importorskip("rapidfuzz")
    counts = metrics.confusion_counts(["dcba"], ["xxxx"], unit="char")
    assert list(counts) == [(letter, "x") for letter in "abcd"]
