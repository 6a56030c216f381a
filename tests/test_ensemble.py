"""Several networks that decode together."""

import copy
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from joblib import parallel_backend
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from tokenizers import Tokenizer

from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer, SequenceVectorizer
from tests.conftest import EXPECTED_FAILURES

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*were ended by max_length"),
    pytest.mark.filterwarnings("ignore:.*not in the vocabulary"),
]

rng = np.random.default_rng(0)
WORDS = sorted(
    {"".join(rng.choice(list("abcd"), rng.integers(1, 7))) for _ in range(40)}
)
SHOUTED = [word[::-1].upper() for word in WORDS]
NEW = ["abcd", "", "d", "bbbb", "zza", "dcbadcba"]
SMALL = {
    "hidden_size": 8,
    "embedding_size": 6,
    "max_epochs": 3,
    "learning_rate": 0.02,
    "dropout": 0.0,
}


def make(**params):
    return Seq2SeqTransformer(**(SMALL | params))


@pytest.fixture(scope="module")
def members():
    """Fitted members of unlike networks and source vocabularies."""
    unlike = [
        make(random_state=0),
        make(random_state=1, cell="gru", attention=None),
        make(
            random_state=2,
            num_layers=2,
            source_vectorizer=SequenceVectorizer(vocabulary=list("abz")),
        ),
        make(random_state=3, attention="hard"),
    ]
    return [
        (f"number {k}", member.fit(WORDS, SHOUTED)) for k, member in enumerate(unlike)
    ]


@pytest.fixture(scope="module")
def together(members):
    return Seq2SeqEnsemble(estimators=members, prefit=True).fit(WORDS, SHOUTED)


def next_probabilities(member, source, tokens):
    """One member's next-token probabilities, by a whole teacher-forced pass."""
    ids = member.source_vectorizer_.transform([source]).toarray()[0]
    ids = torch.tensor([*ids[ids != 0], 0])[None]
    target = torch.tensor([[*tokens, 0]])
    with torch.inference_mode():
        logits = member.net_.module_(ids, torch.tensor([ids.shape[1]]), target).logits
    return torch.softmax(logits[0, -1].double(), dim=0).numpy()


def slow_greedy(members, source, limit):
    """Greedy decoding by the mean of probabilities, token by token."""
    tokens, log_prob = [], 0.0
    while True:
        mean = np.mean([next_probabilities(m, source, tokens) for m in members], axis=0)
        mean_allowed = mean.copy()
        mean_allowed[1] = 0
        best = 0 if len(tokens) == limit else int(mean_allowed.argmax())
        log_prob += np.log(mean[best])
        if best == 0:
            return tokens, log_prob
        tokens.append(best)


def test_members_average_their_probabilities(members, together):
    estimators = [member for _, member in members]
    vectorizer = together.target_vectorizer_
    got = together.set_params(max_length=6).predict(NEW)
    confidence = together.predict_confidence(NEW)
    for source, predicted, probability in zip(NEW, got, confidence, strict=True):
        tokens, log_prob = slow_greedy(estimators, source, limit=6)
        ids = np.array([[*tokens, 0]])
        assert predicted == vectorizer.inverse_transform(ids)[0]
        assert probability == pytest.approx(np.exp(log_prob), rel=1e-4)
    together.set_params(max_length="auto")


def test_log_likelihood_is_of_the_mean(members, together):
    given = together.log_likelihood(NEW, SHOUTED[: len(NEW)], per_token=True)
    vectorizer = together.target_vectorizer_
    for source, target, steps in zip(NEW, SHOUTED[: len(NEW)], given, strict=True):
        ids = vectorizer.transform([target]).toarray()[0]
        ids = [*ids[ids != 0].tolist(), 0]
        for t, (token, step) in enumerate(zip(ids, steps, strict=True)):
            probabilities = [
                next_probabilities(m, source, ids[:t])[token] for _, m in members
            ]
            assert np.exp(step) == pytest.approx(np.mean(probabilities), rel=1e-4)


@pytest.mark.parametrize("width", [1, 4])
def test_the_search_reports_log_likelihood(together, width):
    ensemble = copy.copy(together).set_params(beam_width=width)
    table = ensemble.predict_nbest(NEW, n_best=width)
    sources = [NEW[i] for i in table["row"]]
    given = ensemble.log_likelihood(sources, table["sequence"])
    np.testing.assert_allclose(given, table["log_probability"], atol=1e-4)
    alone = [ensemble.predict([x])[0] for x in NEW]
    assert alone == ensemble.predict(NEW).tolist()
    draws = ensemble.sample(NEW, 3, random_state=0)
    assert draws.equals(ensemble.sample(NEW, 3, random_state=0))


def test_identical_members_are_one_member(members):
    one = members[0][1]
    ensemble = Seq2SeqEnsemble(estimators=[("a", one), ("b", one)], prefit=True)
    ensemble.fit(WORDS, SHOUTED)
    assert ensemble.predict(WORDS).tolist() == one.predict(WORDS).tolist()
    assert ensemble.score(WORDS, SHOUTED) == one.score(WORDS, SHOUTED)
    np.testing.assert_allclose(
        ensemble.predict_confidence(NEW), one.predict_confidence(NEW), rtol=1e-4
    )
    np.testing.assert_allclose(
        ensemble.log_likelihood(NEW, NEW), one.log_likelihood(NEW, NEW), atol=1e-4
    )


def test_alignments_are_by_the_mean_of_the_weights(members, together):
    X, y = NEW, SHOUTED[: len(NEW)]
    table = together.align(X, iter(y))
    weights = [m.attention_weights(X, y) for k, (_, m) in enumerate(members) if k != 1]
    for row, of_members in enumerate(zip(*weights, strict=True)):
        mean = sum(of_members)[:-1] / 3
        at = mean.argmax(axis=1)
        some = table[table["row"] == row]
        np.testing.assert_allclose(some["probability"], mean.max(axis=1), atol=1e-6)
        places = np.where(at == len(X[row]), -1, at)
        assert some["source_position"].tolist() == places.tolist()
    assert together.align(X).equals(together.align(X, together.predict(X)))


def test_alignment_without_attention_is_that_of_one_member(members):
    plain = [(name, members[1][1]) for name in "ab"]
    ensemble = Seq2SeqEnsemble(estimators=plain, prefit=True).fit(None)
    expected = members[1][1].align(WORDS, SHOUTED)
    pd.testing.assert_frame_equal(ensemble.align(WORDS, SHOUTED), expected)


def test_members_of_unlike_tokens_are_not_aligned(members):
    pieces = make(source_vectorizer=SequenceVectorizer(analyzer="word"), random_state=0)
    named = [members[0], ("words", pieces.fit(WORDS, SHOUTED))]
    ensemble = Seq2SeqEnsemble(estimators=named, prefit=True).fit(None)
    with pytest.raises(ValueError, match=r"row 1 of X has 4 tokens .* 1 for member 1"):
        ensemble.align(["d", "abcd"], ["D", "DCBA"])


def test_decoding_is_the_ensembles_own(members):
    pairs = [(name, copy.copy(member)) for name, member in members]
    for _, member in pairs:
        member.set_params(max_length=1, banned_tokens=["A"])
    lengths = {"min_length": 3, "max_length": 3}
    ensemble = Seq2SeqEnsemble(estimators=pairs, prefit=True, **lengths)
    with pytest.warns(UserWarning, match="ended by max_length"):
        got = ensemble.fit(WORDS, SHOUTED).predict(WORDS)
    assert set(map(len, got)) == {3}
    got = ensemble.set_params(allowed_outputs=["AB", "DD"]).predict(WORDS)
    assert set(got) <= {"AB", "DD"}
    got = ensemble.predict(["a", "b"], prefix=["D", "A"])
    assert got.tolist() == ["DD", "AB"]


@pytest.mark.parametrize(
    ("bootstrap", "backend"), [(False, "threading"), (True, "loky")]
)
def test_any_number_of_jobs_gives_the_same(bootstrap, backend):
    weight = np.arange(len(WORDS)) % 3
    results = []
    for n_jobs in (None, 2):
        ensemble = Seq2SeqEnsemble(
            make(max_epochs=1),
            n_estimators=2,
            bootstrap=bootstrap,
            n_jobs=n_jobs,
            random_state=3,
        )
        with parallel_backend(backend):
            ensemble.fit(WORDS, SHOUTED, sample_weight=weight)
        results.append(ensemble.log_likelihood(WORDS, SHOUTED))
    np.testing.assert_array_equal(*results)


def test_members_have_seeds_of_their_own_and_fits_repeat():
    ensemble = Seq2SeqEnsemble(make(random_state=7), n_estimators=3, random_state=0)
    first = ensemble.fit(WORDS, SHOUTED).estimators_
    seeds = {member.random_state for member in first}
    assert len(seeds) == 3
    likely = ensemble.log_likelihood(WORDS, SHOUTED)
    again = clone(ensemble).fit(WORDS, SHOUTED)
    np.testing.assert_array_equal(again.log_likelihood(WORDS, SHOUTED), likely)
    other = clone(ensemble).set_params(random_state=1).fit(WORDS, SHOUTED)
    assert not np.array_equal(other.log_likelihood(WORDS, SHOUTED), likely)
    vectors = [member.transform(WORDS) for member in first]
    assert not np.allclose(vectors[0], vectors[1])


def test_bootstraps_differ_but_share_the_vocabulary_of_all_rows():
    X = [*WORDS, "x"]
    y = [*SHOUTED, "X"]
    ensemble = Seq2SeqEnsemble(
        estimators=[(f"m{k}", make(random_state=0, max_epochs=1)) for k in range(4)],
        bootstrap=True,
        random_state=0,
    ).fit(X, y)
    for member in ensemble.estimators_:
        assert set(member.target_vectorizer_.vocabulary_) == set("ABCDX")
        assert set(member.source_vectorizer_.vocabulary_) == set("abcdx")
    vectors = [member.transform(NEW) for member in ensemble.estimators_]
    assert not np.allclose(vectors[0], vectors[1])


def test_a_bootstrap_is_a_fit_on_the_rows_drawn():
    weight = np.arange(len(WORDS)) % 2
    ensemble = Seq2SeqEnsemble(
        make(max_epochs=1), n_estimators=1, bootstrap=True, random_state=0
    ).fit(WORDS, SHOUTED, sample_weight=weight)
    (member,) = ensemble.estimators_
    drawn = np.random.RandomState(member.random_state).randint(
        len(WORDS), size=len(WORDS)
    )
    weight = weight * np.bincount(drawn, minlength=len(WORDS))
    expected = clone(member).fit(WORDS, SHOUTED, sample_weight=weight)
    np.testing.assert_array_equal(member.transform(NEW), expected.transform(NEW))


def test_an_ensemble_is_searched():
    ensemble = Seq2SeqEnsemble(make(), n_estimators=2, random_state=0)
    search = GridSearchCV(
        ensemble, {"estimator__hidden_size": [4, 8], "beam_width": [1, 2]}, cv=2
    )
    search.fit(WORDS, SHOUTED)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    sizes = {m.hidden_size for m in search.best_estimator_.estimators_}
    assert sizes == {search.best_params_["estimator__hidden_size"]}
    named = Seq2SeqEnsemble(estimators=[("a", make()), ("b", make(cell="gru"))])
    search = GridSearchCV(named, {"a__hidden_size": [4], "b": [make(), make()]}, cv=2)
    search.fit(WORDS, SHOUTED)
    assert search.best_estimator_.estimators_[0].hidden_size == 4


def test_containers_and_weights_reach_the_members():
    ensemble = Seq2SeqEnsemble(make(max_epochs=1), n_estimators=2, random_state=0)
    frame = pd.Series(WORDS, index=range(100, 100 + len(WORDS)))
    expected = ensemble.fit(WORDS, SHOUTED).log_likelihood(WORDS, SHOUTED)
    for X in (np.array(WORDS, dtype=object), frame, iter(WORDS)):
        got = ensemble.fit(X, SHOUTED).log_likelihood(WORDS, SHOUTED)
        np.testing.assert_array_equal(got, expected)
    groups = np.arange(len(WORDS)) // 4
    stopped = Seq2SeqEnsemble(
        make(early_stopping=True), n_estimators=2, random_state=0
    ).fit(WORDS, SHOUTED, groups=groups)
    assert all("valid_loss" in m.history_[-1] for m in stopped.estimators_)


def test_an_autoencoder_of_several():
    ensemble = Seq2SeqEnsemble(make(max_epochs=1), n_estimators=2, random_state=0)
    got = ensemble.fit(WORDS).predict(WORDS)
    assert set("".join(got)) <= set("abcd")


def test_copying_members_name_the_same_tokens():
    ensemble = Seq2SeqEnsemble(
        estimators=[
            ("plain", make(copy=True, random_state=0)),
            (
                "other source vocabulary",
                make(
                    copy=True,
                    random_state=1,
                    source_vectorizer=SequenceVectorizer(vocabulary=list("bcz")),
                ),
            ),
        ],
        beam_width=4,
    ).fit(WORDS, WORDS)
    X = ["xyz", "aßb", "zzq", "", "abcd"]
    table = ensemble.predict_nbest(X, 20)
    assert not table.duplicated(["row", "sequence"]).any()
    assert any(set(s) & set("xyzßq") for s in table["sequence"])
    for row, part in table.groupby("row"):
        assert set("".join(part["sequence"])) <= set("abcd") | set(X[row])
    given = ensemble.log_likelihood([X[i] for i in table.row], table.sequence)
    np.testing.assert_allclose(given, table.log_probability, atol=1e-4)


def test_ids_go_in_and_out():
    X = np.array([[2, 3, 0], [3, 2, 2], [4, 0, 0], [2, 2, 0]] * 5)
    ensemble = Seq2SeqEnsemble(
        make(), n_estimators=2, bootstrap=True, random_state=0
    ).fit(X, X)
    got = ensemble.predict(X)
    assert got.shape == X.shape
    assert ensemble.n_features_in_ == 3
    assert 0 <= ensemble.score(X, X) <= 1
    with pytest.raises(ValueError, match="X has 2 features"):
        ensemble.predict(X[:, :2])


def test_pickles_and_copies_predict_the_same(together):
    expected = together.predict(WORDS).tolist()
    assert pickle.loads(pickle.dumps(together)).predict(WORDS).tolist() == expected
    assert copy.deepcopy(together).predict(WORDS).tolist() == expected


def test_frozen_members_survive_cloning(members, together):
    frozen = [(name, FrozenEstimator(member)) for name, member in members]
    ensemble = clone(Seq2SeqEnsemble(estimators=frozen, prefit=True))
    got = ensemble.fit(WORDS, SHOUTED).predict(WORDS)
    assert got.tolist() == together.predict(WORDS).tolist()


# Mistakes ---------------------------------------------------------------------------


def prefit(*members):
    pairs = [(f"m{k}", member) for k, member in enumerate(members)]
    return Seq2SeqEnsemble(estimators=pairs, prefit=True).fit(WORDS, SHOUTED)


def test_members_that_do_not_go_together_are_named(members):
    one = members[0][1]
    other = make(max_epochs=1).fit(WORDS, [s + "E" for s in SHOUTED])
    with pytest.raises(ValueError, match=r"'m1' .* 'm0': .* target vocabulary.* 'E'"):
        prefit(one, other)
    ids = np.array([[2, 3], [3, 2]])
    with pytest.raises(ValueError, match=r"'m2' .* one reads text and the other"):
        prefit(one, one, make(max_epochs=1).fit(ids, ids))
    numbers = make(max_epochs=1).fit(WORDS[:2], ids)
    with pytest.raises(ValueError, match=r"'m1' .* one predicts text and the other"):
        prefit(one, numbers)
    more = make(max_epochs=1).fit(WORDS[:2], ids + 1)
    with pytest.raises(
        ValueError, match=r"'m1' .* its targets have 5 ids in 2 columns"
    ):
        prefit(numbers, more)
    copies = make(max_epochs=1, copy=True).fit(WORDS, SHOUTED)
    with pytest.raises(ValueError, match=r"'m1' .* one copies source tokens"):
        prefit(one, copies)
    halves = SequenceVectorizer(analyzer="word", vocabulary=WORDS)
    by_word = make(max_epochs=1, copy=True, source_vectorizer=halves)
    with pytest.raises(
        ValueError, match=r"'m1' .* cut sources into tokens differently"
    ):
        prefit(copies, by_word.fit(WORDS, SHOUTED))
    with pytest.raises(NotFittedError, match="Member 'm1' is not fitted"):
        prefit(one, make())
    with pytest.raises(TypeError, match="Member 'm1' must be a Seq2SeqTransformer"):
        prefit(one, SequenceVectorizer())


def test_analyzers_that_differ_in_what_they_call_are_told_apart():
    """Letters and halves of the same two tokens."""

    def halves(text):
        return [text[:1], text[1:]]

    parts = []
    for analyzer in (lambda text: list(text), lambda text: halves(text)):
        target = SequenceVectorizer(analyzer=partial(analyzer), joiner="")
        model = make(max_epochs=1, target_vectorizer=target)
        parts.append(model.fit(["xy", "yx"], ["ab", "ba"]))
    with pytest.raises(ValueError, match="cut targets into tokens differently"):
        prefit(*parts)


def test_mistakes_in_the_list_are_explained(members):
    with pytest.raises(ValueError, match="pass them as estimators="):
        Seq2SeqEnsemble(prefit=True).fit(WORDS, SHOUTED)
    for wrong in ([], [make()], [("a",)], [(1, make())]):
        with pytest.raises(ValueError, match="list of \\(name, estimator\\) pairs"):
            Seq2SeqEnsemble(estimators=wrong).fit(WORDS, SHOUTED)
    with pytest.raises(ValueError, match="not unique"):
        Seq2SeqEnsemble(estimators=[("a", make()), ("a", make())]).fit(WORDS, SHOUTED)
    with pytest.raises(ValueError, match="conflict with constructor arguments"):
        Seq2SeqEnsemble(estimators=[("prefit", make())]).fit(WORDS, SHOUTED)
    with pytest.raises(NotFittedError):
        Seq2SeqEnsemble().predict(WORDS)


# scikit-learn -----------------------------------------------------------------------

CHECKED = {"hidden_size": 4, "embedding_size": 4, "max_epochs": 2}


@parametrize_with_checks(
    [
        Seq2SeqEnsemble(
            Seq2SeqTransformer(**CHECKED),
            n_estimators=2,
            random_state=0,
        ),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
def test_ensemble_passes_check(estimator, check):
    check(estimator)


def test_ensemble_tags_are_those_of_its_members():
    own, its = get_tags(Seq2SeqEnsemble()), get_tags(Seq2SeqTransformer())
    assert own.input_tags == its.input_tags
    assert own.target_tags == its.target_tags


def test_objects_cut_alike_in_every_clone():
    trained = SequenceVectorizer(analyzer="subword", max_features=280).fit(SHOUTED)
    tokenizer = Tokenizer.from_str(trained.tokenizer_)
    for params in (
        {"analyzer": "subword", "tokenizer": tokenizer},
        {"analyzer": partial(str.split, sep="A")},
    ):
        vectorizer = SequenceVectorizer(**params)
        member = make(target_vectorizer=vectorizer, max_epochs=1)
        ensemble = Seq2SeqEnsemble(member, n_estimators=2).fit(WORDS, SHOUTED)
        assert len(ensemble.predict(NEW)) == len(NEW)


def test_random_state_none_leaves_global_randomness_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    Seq2SeqEnsemble(make(max_epochs=1), n_estimators=2).fit(WORDS, SHOUTED)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_bootstrap_draws_a_row_that_counts():
    weight = np.zeros(len(WORDS))
    weight[3] = 1
    ensemble = Seq2SeqEnsemble(
        make(max_epochs=1), n_estimators=4, bootstrap=True, random_state=0
    )
    ensemble.fit(WORDS, SHOUTED, sample_weight=weight)
    with pytest.raises(ValueError, match="sample_weight"):
        ensemble.fit(WORDS, SHOUTED, sample_weight=weight[:3])
