"""Whether targets are copied from their sources, where nothing is set."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from sklearn_seq2seq import (
    ColumnVectorizer,
    PairCorpus,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from sklearn_seq2seq._pairs._sides import learn_text
from sklearn_seq2seq._pairs._when_to_copy import (
    ALIKE,
    ALIKE_AT_AN_END,
    COPIED,
    FEW_TARGETS,
    RECURRING,
    SHARED,
    chooses_to_copy,
)
from sklearn_seq2seq._training import _settings
from sklearn_seq2seq.datasets import (
    load_pronunciations,
    make_dates,
    make_names,
    make_number_words,
)

TINY = {"hidden_size": 4, "embedding_size": 2, "max_epochs": 1, "random_state": 0}
RNG = np.random.default_rng(0)
WORDS = ["".join(RNG.choice(list("abcdef"), size=5)) for _ in range(40)]
REVERSED = [word[::-1] for word in WORDS]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def slowly(X, y):
    """Counted with bags, from the definition."""
    pairs = set(zip(X, y, strict=True))
    counts = Counter(target for _, target in pairs)
    shared = sum(n for n in counts.values() if n > 1)
    targets = [target for _, target in pairs]
    alike = [a == b for a, b in combinations(targets, 2)]
    ends = [
        np.mean(
            [n_common(a[::k], b[::k]) >= len(b) / 2 for a, b in zip(X, y, strict=True)]
        )
        for k in (1, -1)
    ]
    if shared > RECURRING * len(pairs) and (
        np.mean(alike) > 1 / FEW_TARGETS or max(ends) < ALIKE_AT_AN_END
    ):
        return False
    y = without_shared_ends(y)
    return share(X, y) > COPIED and share(*map(folded, (X, y))) > SHARED


def n_common(a, b):
    return next(
        (k for k, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
        min(len(a), len(b)),
    )


def without_shared_ends(rows):
    """Cut off one character after the other, while nearly all rows have the same."""
    for end, rest in ((slice(1), slice(1, None)), (slice(-1, None), slice(-1))):
        while (counts := Counter(row[end] for row in rows if row)) and (
            max(counts.values()) >= ALIKE * len(rows)
        ):
            rows = [row[rest] for row in rows]
    return rows


def folded(rows):
    return [row.casefold() for row in rows]


def share(X, y):
    n = len(X)
    others = [X[(k + n // 2) % n] for k in range(n)]
    total = sum(map(len, y))
    own, by_chance = (
        sum((Counter(a) & Counter(b)).total() for a, b in zip(some, y, strict=True))
        for some in (X, others)
    )
    return (own - by_chance) / max(total - by_chance, 1)


def chosen(X, y, source=None, target=None):
    sides = learn_text(X, source, "X"), learn_text(y, target, "y")
    return chooses_to_copy(sides[0][0], sides[1][0], sides[0][2], sides[1][2])


@pytest.mark.parametrize("seed", range(30))
def test_count_is_that_of_bags(seed):
    rng = np.random.default_rng(seed)
    n = rng.integers(2, 30)
    X = ["".join(rng.choice(list("abcdefgh"), size=6)) for _ in range(n)]
    y = [
        "".join(c if rng.random() < 0.6 else rng.choice(list("xyzABC")) for c in row)
        for row in X
    ]
    y[: rng.integers(n)] = [y[0]] * rng.integers(n)
    y = (y + REVERSED)[:n]
    if seed % 2:
        y = [f"abc{row}@ab" if k else row for k, row in enumerate(y)]
    assert chosen(X, y) == slowly(X, y)


@pytest.mark.parametrize(
    ("pairs", "copies"),
    [
        (make_dates(n_samples=300, random_state=0, return_X_y=True), False),
        (make_names(n_samples=300, random_state=0, return_X_y=True), True),
        (make_number_words(n_samples=300, random_state=0, return_X_y=True), False),
        (load_pronunciations(n_words=300, random_state=0, return_X_y=True), False),
        ((WORDS, REVERSED), True),
        ((WORDS, [word.upper() for word in WORDS]), False),
        ((WORDS, [f"to:{word}@example.com" for word in WORDS]), True),
        # What recurs is written, what does not is copied.
        ((WORDS, ["".join(sorted(set(word[:2]))) for word in WORDS]), False),
        (([*WORDS, *REVERSED], [*WORDS, *WORDS]), False),
        ((WORDS * 3, REVERSED * 3), True),  # as a bootstrap has it
    ],
)
def test_copies_where_targets_are_new_and_made_of_their_sources(pairs, copies):
    X, y = map(list, pairs)
    assert chosen(X, y) == copies
    model = Seq2SeqTransformer(**TINY, max_time=0.01).fit(X, y)
    assert model.copy_ == copies
    # Numbers in words alone are new and far longer than their targets.
    hidden = 0.5 if X[0].startswith("nine hundred") else 0.0
    assert model.net_.module_.unknown_dropout == (0.1 if copies else 0.0, hidden)


@pytest.mark.parametrize(
    ("params", "attention"),
    [
        ({"copy": False}, "hard"),
        ({"input_feeding": True}, "additive"),
        ({"attention": "dot"}, "dot"),
        ({"attention": None}, None),
        ({"batch_size": 2**18}, "additive"),  # too much to hold
    ],
)
def test_attention_is_hard_where_that_helps_and_is_possible(params, attention):
    model = Seq2SeqTransformer(**TINY | params).fit(WORDS, REVERSED)
    assert model.attention_ == attention
    assert model.copy_ == (attention is not None and params.get("copy", True))


def test_new_targets_of_few_pairs_are_partly_hidden(monkeypatch, tmp_path):
    """From soft attention, if they are short: it else would learn them by heart."""

    def shares(X, y, **params):
        model = Seq2SeqTransformer(**TINY | params).fit(X, y)
        return model.net_.module_.unknown_dropout

    short = [word[:1] + word[3:4] for word in WORDS]
    longer = [word * 4 for word in WORDS]
    for params in ({"copy": False}, {"copy": False, "input_feeding": True}):
        assert shares(longer, WORDS, **params) == (0.0, 0.5)
    assert shares(longer, WORDS, attention="general", copy=True) == (0.1, 0.0)
    assert shares(longer, WORDS, attention=None) == (0.0, 0.5)
    # In longer ones the tokens before say where in the source the next one stands. Hard
    # attention needs no help, and what recurs is written from memory.
    assert shares(WORDS, REVERSED, attention="general", copy=False) == (0.0, 0.0)
    assert shares(longer, WORDS, attention="hard", copy=False) == (0.0, 0.0)
    assert shares(longer, short, copy=False) == (0.0, 0.0)
    assert shares(longer, WORDS, attention="dot", unknown_dropout=0.2) == (0.2, 0.0)
    given = {"attention": "hard", "unknown_dropout": (0.2, 0.4)}
    assert shares(WORDS, REVERSED, **given) == (0.2, 0.4)
    with monkeypatch.context() as patched:
        patched.setattr(_settings, "FEW_PAIRS", 40)
        assert shares(longer, WORDS, copy=False) == (0.0, 0.0)
    # How many will come is not known.
    model = Seq2SeqTransformer(**TINY, copy=False).partial_fit(longer, WORDS)
    assert model.net_.module_.unknown_dropout == (0.0, 0.0)
    # The next fit decides anew, also that of a model from a file.
    model.set_params(warm_start=True).fit(longer, WORDS)
    assert model.net_.module_.unknown_dropout == (0.0, 0.5)
    save(model, tmp_path / "model")
    model = load(tmp_path / "model").set_params(unknown_dropout=0.1)
    assert model.fit(longer, WORDS).net_.module_.unknown_dropout == (0.1, 0.0)


def test_words_of_a_language_may_recur():
    """As often as among some thousands; those of a short list recur more often."""
    rng = np.random.default_rng(1)
    X = sorted({"".join(rng.choice(list("abcdefghij"), size=6)) for _ in range(600)})
    y = [word[:-1] for word in X]
    # A tenth and more are alike in twos, or a tenth and more all alike.
    twos, one = list(y), list(y)
    twos[:40] = twos[40:80]
    one[:80] = y[:1] * 80
    inside = [f"{word[0]}{word[2:]}" for word in twos]  # and as a misspelling would be
    for targets, copies in ((twos, True), (one, False), (inside, False)):
        assert slowly(X, targets) == chosen(X, targets) == copies
        model = Seq2SeqTransformer(**TINY, max_time=0.01).fit(X, targets)
        assert (model.attention_ == "hard") == model.copy_ == copies


def test_many_pairs_have_soft_attention_unless_they_copy(monkeypatch):
    pairs = WORDS, REVERSED
    assert Seq2SeqTransformer(**TINY, copy=False).fit(*pairs).attention_ == "hard"
    longer = [word * 3 for word in WORDS]
    model = Seq2SeqTransformer(**TINY, copy=False)
    assert model.fit(longer, WORDS).attention_ == "additive"
    # What recurs is written from memory; the same pair twice says nothing.
    recurring = [word[0] * 4 for word in WORDS]
    assert model.fit(WORDS, recurring).attention_ == "additive"
    assert model.fit(WORDS * 2, REVERSED * 2).attention_ == "hard"
    monkeypatch.setattr(_settings, "FEW_PAIRS", 40)
    assert model.fit(*pairs).attention_ == "additive"
    assert Seq2SeqTransformer(**TINY, copy=True).fit(*pairs).attention_ == "hard"
    # How many will come is not known.
    model = Seq2SeqTransformer(**TINY, copy=False).partial_fit(*pairs)
    assert model.attention_ == "additive"


def test_what_cannot_be_copied_is_written():
    table = [(word, word) for word in WORDS]
    columns = ColumnVectorizer([(str(k), SequenceVectorizer(), k) for k in (0, 1)])
    assert not chosen(WORDS, table, target=columns)
    assert chosen(table, REVERSED, source=columns)
    subwords = SequenceVectorizer(analyzer="subword", max_features=30)
    assert not chosen(WORDS, REVERSED, source=subwords)
    ids = SequenceVectorizer().fit_transform(WORDS).toarray()
    assert not Seq2SeqTransformer(**TINY).fit(ids, ids[:, ::-1].copy()).copy_


def test_no_targets_are_nothing_to_copy():
    assert not Seq2SeqTransformer(**TINY).fit(WORDS).copy_


def test_a_start_gives_its_attention_and_whether_it_copies():
    autoencoder = Seq2SeqTransformer(**TINY).fit(WORDS)
    model = Seq2SeqTransformer(**TINY, pretrained=autoencoder).fit(WORDS, REVERSED)
    assert (model.copy_, model.attention_) == (False, autoencoder.attention_)
    copier = Seq2SeqTransformer(**TINY).fit(WORDS, REVERSED)
    model = Seq2SeqTransformer(**TINY, pretrained=copier).fit(WORDS, ["a"] * 40)
    assert (model.copy_, model.attention_) == (True, "hard")
    fed = {"pretrained": copier, "input_feeding": True}
    assert Seq2SeqTransformer(**TINY, **fed).fit(WORDS, WORDS).attention_ == "additive"


def test_going_on_stays_with_what_was_chosen():
    model = Seq2SeqTransformer(**TINY, warm_start=True).fit(WORDS, REVERSED)
    model.fit(WORDS, ["a"] * 40)
    assert (model.copy_, model.attention_) == (True, "hard")
    model = Seq2SeqTransformer(**TINY).partial_fit(WORDS, ["a"] * 40)
    model.partial_fit(WORDS, REVERSED)
    assert (model.copy_, model.attention_) == (False, "additive")
    # Parameters of the network no longer apply; what they would make "auto" neither.
    longer = [word * 4 for word in WORDS]
    model = Seq2SeqTransformer(**TINY, copy=False, warm_start=True)
    model.fit(WORDS, REVERSED).set_params(attention="dot", input_feeding=True)
    model.fit(longer, WORDS)
    assert model.attention_ == "hard"
    assert model.net_.module_.unknown_dropout == (0.0, 0.0)


def test_corpora_choose_as_memory_does(tmp_path):
    for k, targets in enumerate((REVERSED, ["a"] * 40)):
        pairs = list(zip(WORDS, targets, strict=True))
        model = Seq2SeqTransformer(**TINY)
        corpus = PairCorpus.write(
            tmp_path / str(k), [pairs[:7], pairs[7:]], estimator=model
        )
        here, there = model.fit(corpus), Seq2SeqTransformer(**TINY).fit(WORDS, targets)
        assert here.copy_ == there.copy_ == (k == 0)
        assert here.attention_ == there.attention_
        np.testing.assert_array_equal(here.predict(WORDS), there.predict(WORDS))


@pytest.mark.parametrize("targets", [REVERSED, ["a"] * 40], ids=["copied", "written"])
def test_a_corpus_learns_each_vocabulary_once(targets, tmp_path, monkeypatch):
    learned = []
    learn = SequenceVectorizer._learn_counted

    def counted(self, *args, **how):
        learned.append(self)
        return learn(self, *args, **how)

    monkeypatch.setattr(SequenceVectorizer, "_learn_counted", counted)
    pairs = list(zip(WORDS, targets, strict=True))
    PairCorpus.write(tmp_path / "corpus", [pairs], estimator=Seq2SeqTransformer(**TINY))
    assert len(learned) == 2


def test_what_was_chosen_is_saved(tmp_path):
    model = Seq2SeqTransformer(**TINY).fit(WORDS, REVERSED)
    save(model, tmp_path / "model.s2s")
    loaded = load(tmp_path / "model.s2s")
    assert (loaded.copy_, loaded.attention_) == (True, "hard")
    assert (loaded.copy, loaded.attention) == ("auto", "auto")
    np.testing.assert_array_equal(loaded.predict(WORDS), model.predict(WORDS))
    assert not loaded.fit(WORDS, ["a"] * 40).copy_


def test_members_choose_alike():
    ensemble = Seq2SeqEnsemble(
        Seq2SeqTransformer(**TINY), n_estimators=2, bootstrap=True
    )
    assert ensemble.fit(WORDS, REVERSED).estimators_[1].copy_


def test_names_of_which_no_letter_was_seen_come_out_whole():
    """Nothing is set but what makes it small."""
    X, y = _names(300, "abcdefghijklm", np.random.default_rng(0))
    new, whole = _names(100, "nopqrstuvwxyz", np.random.default_rng(1))
    model = Seq2SeqTransformer(
        hidden_size=32,
        embedding_size=16,
        learning_rate=0.01,
        max_epochs=30,
        random_state=0,
    )
    assert model.fit(X, y).score(new, whole) >= 0.95


def _names(n, letters, rng):
    def name():
        return "".join(rng.choice(list(letters), size=rng.integers(3, 7))).capitalize()

    parts = [(name(), name(), rng.integers(10, 100)) for _ in range(n)]
    sources = [f"{last.upper()}, {first} {k}" for first, last, k in parts]
    return sources, [f"{first} {last.upper()} #{k}" for first, last, k in parts]
