import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.pipeline import Pipeline as SamplingPipeline
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils import estimator_checks as checks

from sklearn_seq2seq import (
    PairAugmenter,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq._fitting import groups_of
from sklearn_seq2seq._training._run import Training

WORDS = ["some", "more", "", "tea", "tee"]
PHONES = ["S AH M", "M AO R", "", "T IY", "T IY"]
BY_SPACES = SequenceVectorizer(analyzer="word")
TINY = {"hidden_size": 8, "embedding_size": 4, "max_epochs": 2, "random_state": 0}


def augmenter(**params):
    params = {"joined": 0, "random_state": 0} | params
    return PairAugmenter(target_vectorizer=BY_SPACES, **params)


def pairs_of(X, y):
    return list(zip(X, y, strict=True))


# What comes out ----------------------------------------------------------------------


def test_pairs_come_out_as_they_went_in():
    X, y = augmenter(joined=2, noisy=3, copy="target").fit_resample(WORDS, PHONES)
    assert X[:5].tolist() == WORDS
    assert y[:5].tolist() == PHONES
    assert len(X) == len(y) == 5 + 2 * 5 + 3 * 5 + 5


def test_nothing_is_added_where_nothing_is_asked():
    X, y = augmenter().fit_resample(WORDS, PHONES)
    assert pairs_of(X, y) == pairs_of(WORDS, PHONES)


def test_given_data_are_left_alone():
    X, y = [["a", "b"], ["c"]], ["x", "y"]
    PairAugmenter(noisy=5, noise=1.0, copy="source", tag="=").fit_resample(X, y)
    assert X == [["a", "b"], ["c"]]


def test_joined_pairs_are_two_pairs_each():
    X, y = augmenter(joined=4).fit_resample(WORDS, PHONES)
    # Spaces end the phones of an empty pair, as they would with str.join.
    possible = {
        (a + b, " ".join((p + " " + q).split()))
        for a, p in pairs_of(WORDS, PHONES)
        for b, q in pairs_of(WORDS, PHONES)
    }
    assert set(pairs_of(X[5:], y[5:])) <= possible
    assert len(set(X[5:])) > 5


def test_copied_targets_are_in_the_form_of_sources():
    X, y = augmenter(copy="target").fit_resample(WORDS, PHONES)
    assert X[5:].tolist() == ["SAHM", "MAOR", "", "TIY", "TIY"]
    assert y[5:].tolist() == PHONES


def test_copied_sources_have_their_tag():
    copier = augmenter(copy="source", tag="=", unlabelled=iter(["new", "zoo"]))
    X, y = copier.fit_resample(WORDS, PHONES)
    assert pairs_of(X[5:], y[5:]) == [("=new", "n e w"), ("=zoo", "z o o")]


def test_tag_is_one_token_for_every_analyzer():
    y = ["so it goes", "yes"]
    words = SequenceVectorizer(analyzer="word")
    params = {"joined": 0, "copy": "source", "tag": "<copy>", "target_vectorizer": None}
    X, _ = PairAugmenter(source_vectorizer=words, **params).fit_resample(y, y)
    assert X[2:].tolist() == ["<copy> so it goes", "<copy> yes"]
    X, _ = PairAugmenter(**params).fit_resample([["a"], ["b", "c"]], y)
    assert X[2:].tolist() == [["<copy>", "a"], ["<copy>", "b", "c"]]


def test_lists_stay_lists():
    X, y = [["a", "b"], ["c"]], [["A", "B"], ["C"]]
    X_new, y_new = PairAugmenter(joined=3, random_state=0).fit_resample(X, y)
    for source, target in pairs_of(X_new, y_new):
        assert [token.upper() for token in source] == target


@pytest.mark.parametrize("vectorizer", [
    SequenceVectorizer(joiner="-"),
    SequenceVectorizer(analyzer="word", joiner=""),
])  # fmt: skip
def test_new_rows_can_be_cut_again(vectorizer):
    """Whatever predictions are to be joined with."""
    y = ["A B", "C D", "A", "D B"]
    _, augmented = PairAugmenter(
        target_vectorizer=vectorizer, random_state=0
    ).fit_resample(WORDS[:2] * 2, y)
    assert len(augmented) > 4
    cut = [vectorizer.fit([row]).vocabulary_ for row in augmented]
    assert {token for tokens in cut for token in tokens} <= set("ABCD ")


def test_lists_stay_lists_beside_a_joiner():
    lists = SequenceVectorizer(analyzer="token", joiner=" ")
    _, y = PairAugmenter(target_vectorizer=lists, random_state=0).fit_resample(
        WORDS[:2], [["A", "B"], ["C"]]
    )
    assert all(isinstance(row, list) for row in y)


def test_tokens_that_the_vectorizer_leaves_out_are_kept():
    rare = SequenceVectorizer(min_df=2, handle_unknown="silent")
    X, _ = PairAugmenter(source_vectorizer=rare, random_state=0).fit_resample(
        ["ab", "ac", "a"], ["x", "y", "z"]
    )
    assert set("".join(X)) == set("abc")


@pytest.mark.parametrize("handle_unknown", ["use_unknown", "error"])
def test_tokens_of_no_given_vocabulary_are_kept_in_silence(handle_unknown, recwarn):
    known = SequenceVectorizer(vocabulary=["a", "b"], handle_unknown=handle_unknown)
    X, _ = PairAugmenter(source_vectorizer=known, random_state=0).fit_resample(
        ["abc"], ["x"]
    )
    assert X.tolist() == ["abc", "abcabc"]
    assert not recwarn


@pytest.mark.parametrize("copy", ["source", "target"])
def test_copies_of_pieces_beside_lists_are_lists(copy):
    pieces = SequenceVectorizer(analyzer="subword")
    params = {"source_vectorizer": pieces, "joined": 0, "copy": copy}
    params["tag"] = "=" if copy == "source" else None
    X, y = PairAugmenter(**params).fit_resample(["a b", "a"], [["a", "c"], ["b"]])
    assert {type(x) for x in X} == {str}
    assert {type(tokens) for tokens in y} == {list}
    if copy == "source":
        assert ["".join(tokens) for tokens in y[2:]] == X[:2].tolist()
    else:
        assert X[2:].tolist() == ["a c", "b"]


# Noise -------------------------------------------------------------------------------


def one_step(word, kind, alphabet):
    """All that one occurrence of a noise can make of a word."""
    for i in range(len(word)):
        before, token, after = word[:i], word[i], word[i + 1 :]
        if kind == "drop":
            yield before + after
        elif kind == "repeat":
            yield before + token * 2 + after
        elif kind == "replace":
            yield from (before + other + after for other in alphabet)
        elif after:
            yield before + after[0] + token + after[1:]


@pytest.mark.parametrize("kind", ["swap", "drop", "repeat", "replace"])
def test_noise_is_of_its_kind(kind):
    word = "abcdefgh"
    noise = augmenter(noisy=300, noise=0.05, noise_kinds=(kind,))
    X, y = noise.fit_resample([word], ["x"])
    changed = [x for x in X[1:] if x != word]
    once = set(one_step(word, kind, word))
    assert set(y) == {"x"}
    assert len(set(changed) & once) >= 6
    # Of eight tokens at a rate of 0.05 two or more are hit in one row of twenty.
    assert np.mean([x in once for x in changed]) > 0.7


def test_noise_falls_on_its_share_of_tokens():
    words = ["abcdefghij" * 10] * 20
    replaced = {"noise": 0.2, "noise_kinds": ("replace",)}
    X, _ = augmenter(noisy=1, **replaced).fit_resample(words, ["x"] * 20)
    pairs = (pair for x in X[20:] for pair in pairs_of(x, words[0]))
    differing = np.mean([a != b for a, b in pairs])
    # One in ten is replaced by itself.
    assert differing == pytest.approx(0.2 * 0.9, abs=0.02)


def test_no_noise_changes_nothing():
    X, y = augmenter(noisy=2, noise=0).fit_resample(WORDS, PHONES)
    assert sorted(pairs_of(X, y)) == sorted(pairs_of(WORDS, PHONES) * 3)


@settings(max_examples=50)
@given(st.lists(st.text("abc", max_size=6), min_size=1, max_size=6), st.integers(0, 99))
def test_noise_stays_in_its_row(words, seed):
    capitals = [f"{k} {word.upper()}" for k, word in enumerate(words)]
    sources = [f"{k}" * 3 + word for k, word in enumerate(words)]
    noise = augmenter(noisy=2, noise=1.0, noise_kinds=("swap", "repeat"))
    X, y = noise.set_params(random_state=seed).fit_resample(sources, capitals)
    for source, target in pairs_of(X, y):
        assert set(source) == set(sources[capitals.index(target)])


def test_noise_never_empties_a_row():
    X, _ = augmenter(noisy=50, noise=1.0, noise_kinds=("drop",)).fit_resample(
        ["a", "bc"], ["x", "y"]
    )
    assert all(X)


# Manners -----------------------------------------------------------------------------


def test_random_state_determines_everything():
    params = {"joined": 3, "noisy": 3}
    first = augmenter(**params).fit_resample(WORDS, PHONES)
    again = augmenter(**params).fit_resample(WORDS, PHONES)
    other = augmenter(**params, random_state=1).fit_resample(WORDS, PHONES)
    assert pairs_of(*first) == pairs_of(*again)
    assert pairs_of(*first) != pairs_of(*other)


def test_global_random_state_is_left_alone():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    runs = [
        augmenter(joined=9, random_state=None).fit_resample(WORDS, PHONES)
        for _ in range(2)
    ]
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    assert pairs_of(*runs[0]) != pairs_of(*runs[1])


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"joined": -1}, "joined"),
        ({"noise": 2}, "noise"),
        ({"noise_kinds": ("swap", "hide")}, "noise_kinds"),
        ({"noise_kinds": ()}, "noise_kinds"),
        ({"copy": "both"}, "copy"),
        (
            {"copy": "source", "tag": "=", "unlabelled": ["a", None]},
            "Row 1 of unlabelled",
        ),
    ],
)
def test_bad_parameters_are_named(params, match):
    with pytest.raises(ValueError, match=match):
        augmenter(**params).fit_resample(WORDS, PHONES)


def test_bad_rows_are_named():
    with pytest.raises(ValueError, match="Row 1 of X"):
        augmenter().fit_resample(["a", None], ["x", "y"])
    with pytest.raises(ValueError, match="inconsistent"):
        augmenter().fit_resample(["a", "b"], ["x"])


# It has no fit, of which all the other checks make use.
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
]


@pytest.mark.parametrize("check", DATA_FREE, ids=lambda check: check.__name__)
def test_augmenter_passes_data_free_check(check):
    check("PairAugmenter", PairAugmenter())


# In imbalanced-learn's Pipeline ------------------------------------------------------


class Counting(Seq2SeqTransformer):
    """Notes how many rows each call is given."""

    def fit(self, X, y=None):
        self.n_fitted_ = len(X)
        return super().fit(X, y)

    def predict(self, X):
        self.n_predicted_ = len(X)
        return super().predict(X)


def pipeline(model=Seq2SeqTransformer):
    steps = [
        ("augment", PairAugmenter(joined=2, random_state=0)),
        ("seq2seq", model(**TINY)),
    ]
    return SamplingPipeline(steps)


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_pipeline_augments_training_only(words, shouted):
    pipe = pipeline(Counting).fit(words[:10], shouted[:10])
    assert pipe["seq2seq"].n_fitted_ == 30
    assert len(pipe.predict(words[:4])) == 4
    assert pipe["seq2seq"].n_predicted_ == 4


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pipeline_is_searched_and_cross_validated(words, shouted):
    pipe, X, y = pipeline(), words[:12], shouted[:12]
    grid = {"augment__joined": [0, 1], "seq2seq__hidden_size": [4]}
    search = GridSearchCV(clone(pipe), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_.keys() == grid.keys()
    scores = cross_val_score(pipe, X, y, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_pipeline_is_the_model_on_augmented_pairs(words, shouted):
    X, y = words[:10], shouted[:10]
    pipe = pipeline().fit(X, y)
    by_hand = Seq2SeqTransformer(**TINY).fit(*pipe["augment"].fit_resample(X, y))
    assert pipe.predict(words).tolist() == by_hand.predict(words).tolist()


def test_copied_sources_need_a_tag():
    with pytest.raises(ValueError, match="Mark the copies with a tag"):
        PairAugmenter(copy="source").fit_resample(["ab"], ["AB"])


# Where new pairs come from ------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("copied", [None, "source", "target"])
@pytest.mark.parametrize("unlabelled", [None, ["see", "sea"]])
def test_origins_are_the_rows_that_pairs_are_made_of(seed, copied, unlabelled):
    made = PairAugmenter(
        joined=2, noisy=1.5, noise=0, copy=copied, tag="=", random_state=seed
    ).set_params(unlabelled=unlabelled)
    words, shouted = ["ab", "c", "de", "f"], ["AB", "C", "DE", "F"]
    X, y = made.fit_resample(words, shouted)
    assert made.origins_.shape == (len(X), 2)
    given = {"source": words, "target": shouted}.get(copied, [])
    own = given if unlabelled is None else unlabelled
    n_copies = len(own) if copied else 0
    n = len(X) - n_copies
    for (i, j), source, target in zip(made.origins_[:n], X, y, strict=False):
        alone = (words[i], shouted[i]) if i == j else None
        assert (source, target) in (
            alone,
            (words[i] + words[j], shouted[i] + shouted[j]),
        )
    first = 0 if unlabelled is None else 4
    expected = np.repeat(np.arange(n_copies) + first, 2).reshape(-1, 2)
    np.testing.assert_array_equal(made.origins_[n:], expected)


@pytest.mark.parametrize("ensemble", [False, True])
@pytest.mark.parametrize("kind", ["joined", "noisy", "copy"])
def test_nothing_made_of_held_out_pairs_is_trained_on(monkeypatch, kind, ensemble):
    """Sources of one letter each: what was seen of whom can be read off."""
    seen = []
    init = Training.__init__

    def spy(self, *args, **kwargs):
        init(self, *args, **kwargs)
        seen.append((self.dataset.source, self.valid.source))

    monkeypatch.setattr(Training, "__init__", spy)
    letters = [chr(0x4E00 + k) for k in range(40)]
    options = {
        "joined": {"joined": 3},
        "noisy": {"joined": 0, "noisy": 3, "noise": 0},
        "copy": {"joined": 0, "copy": "source", "tag": "="},
    }[kind]
    model = Seq2SeqTransformer(
        **TINY | {"max_epochs": 1}, early_stopping=True, validation_fraction=0.2
    )
    if ensemble:
        model = Seq2SeqEnsemble(model, n_estimators=1)
    augment = PairAugmenter(random_state=0, **options)
    SamplingPipeline([("augment", augment), ("model", model)]).fit(letters, letters)
    ((train, valid),) = seen
    tag = {2} if kind == "copy" else set()
    held, kept = {*valid.data} - tag, {*train.data} - tag
    assert len(held) == 8
    assert len(kept) == 32
    assert not held & kept


def test_groups_that_are_given_go_before_those_of_rows(words, shouted):
    X, y = PairAugmenter(random_state=0).fit_resample(words[:10], shouted[:10])
    model = Seq2SeqTransformer(**TINY | {"max_epochs": 1}, early_stopping=True)
    with pytest.warns(UserWarning, match="the number of groups=1"):
        model.fit(X, y, groups=[0] * len(X))


def test_rows_keep_their_groups_whole_or_not_at_all():
    X, _ = PairAugmenter(random_state=0).fit_resample(WORDS, PHONES)
    assert repr(X).startswith("array([")
    assert groups_of(X).shape == (len(X), 2)
    assert groups_of(X, [1]) == [1]
    again = pickle.loads(pickle.dumps(X))
    np.testing.assert_array_equal(groups_of(again), groups_of(X))
    assert again.tolist() == X.tolist()
    for part in (X[:3], X[[1, 0]], X.copy(), np.asarray(X), X.tolist()):
        assert groups_of(part) is None


@pytest.mark.parametrize("analyzer", ["char", "subword"])
def test_joined_texts_have_a_space_between_them(analyzer):
    vectorizer = SequenceVectorizer(analyzer=analyzer)
    X = ["Sie schlief", "er geht\u00a0weg", "", "nun"]
    made = PairAugmenter(
        source_vectorizer=vectorizer, joined=9, random_state=0
    ).fit_resample(X, list("abcd"))
    possible = {" ".join(filter(None, (a, b))) for a in X for b in X}
    assert set(made[0][4:]) <= possible
    assert set(made[1][4:]) <= {a + b for a in "abcd" for b in "abcd"}
