"""What is right when nothing is set, and what says that it is not."""

import unicodedata
import warnings
from itertools import product

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV
from skorch.callbacks import Callback, EarlyStopping, LRScheduler
from torch.optim.lr_scheduler import LambdaLR

from sklearn_seq2seq import (
    ColumnVectorizer,
    PairCorpus,
    Seq2SeqAutoencoder,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    export_onnx,
    load,
    runtime,
    save,
)
from sklearn_seq2seq._training import _settings

SMALL = {
    "hidden_size": 16,
    "embedding_size": 8,
    "dropout": 0.0,
    "learning_rate": 0.02,
    "batch_size": 8,
    "random_state": 0,
}
RNG = np.random.default_rng(0)
SOURCES = ["".join(RNG.choice(list("abcdef"), size=5)) for _ in range(50)]
TARGETS = [source[::-1].upper() for source in SOURCES]


def nfc(text):
    return unicodedata.normalize("NFC", text)


def nfd(text):
    return unicodedata.normalize("NFD", text)


# How long training takes ------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_pairs", "params", "n_epochs"),
    [
        (50, {"batch_size": 32}, 500),
        (3, {"batch_size": 32}, 1000),
        (50, {"batch_size": 64}, 1000),
        (50, {"batch_size": 8}, 286),
        (50, {"batch_size": 2}, 160),
        (50, {"batch_size": 16, "gradient_accumulation_steps": 2}, 500),
        (40, {"early_stopping": True, "validation_fraction": 0.5}, 667),
        (50, {"max_epochs": 7}, 7),
        (3, {"batch_size": 32, "attention": "hard", "copy": True}, 600),
        (50, {"batch_size": 8, "attention": "hard", "copy": True}, 172),
        (50, {"batch_size": 1, "attention": "hard", "copy": True}, 68),
        (3, {"batch_size": 32, "attention": "hard", "copy": False}, 1000),
    ],
)
def test_auto_is_thirty_epochs_and_enough_steps(n_pairs, params, n_epochs):
    """What was to be taken; time ends it at once."""
    params = SMALL | {"attention": "additive"} | params
    model = Seq2SeqTransformer(**params, max_time=0.01)
    model.fit(SOURCES[:n_pairs], TARGETS[:n_pairs])
    assert model.max_epochs_ == n_epochs
    assert model.n_iter_ <= n_epochs


@pytest.mark.parametrize("attention", ["additive", "hard"])
@pytest.mark.parametrize("n_pairs", [17, 50, 360, 500, 560, 800, 1100])
def test_few_pairs_make_small_batches(n_pairs, attention):
    """The largest, of 8 to 32 pairs, of which thirty epochs are enough steps."""
    full = 600 if attention == "hard" else 1000
    sizes = [b for b in range(8, 33) if 30 * n_pairs / b >= full * (32 / b) ** 0.5]
    size = max(sizes, default=8)
    params = SMALL | {"attention": attention, "copy": True, "batch_size": "auto"}
    rng = np.random.default_rng(n_pairs)
    X = ["".join(rng.choice(list("abcd"), size=3)) for _ in range(n_pairs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = Seq2SeqTransformer(**params, max_time=0.01).fit(X)
    assert model.batch_size_ == size
    assert model.net_.iterator_train__batch_size == size
    n_steps = -(-n_pairs // size) * model.max_epochs_
    assert n_steps >= full * (32 / size) ** 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        few_epochs = Seq2SeqTransformer(**params | {"max_epochs": 1}).fit(X)
    assert few_epochs.batch_size_ == few_epochs.history_[-1]["batch_size"] == 32


def test_hardly_any_pairs_are_one_batch():
    params = SMALL | {"batch_size": "auto", "attention": "additive", "max_time": 0.01}
    model = Seq2SeqTransformer(**params).fit(SOURCES[:16], TARGETS[:16])
    assert (model.batch_size_, model.max_epochs_) == (32, 1000)


@pytest.mark.parametrize(
    ("batch_size", "at_once"), [("auto", 32), (2, 8), (16, 32), (64, 64)]
)
def test_few_pairs_are_validated_in_larger_batches(batch_size, at_once):
    """A thousand pairs to validate on after every epoch of fifty would take hours."""

    class OneEpoch(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = True

    params = SMALL | {"batch_size": batch_size, "callbacks": [OneEpoch()]}
    model = Seq2SeqTransformer(**params)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(SOURCES, TARGETS, validation_data=(4 * SOURCES, 4 * TARGETS))
    assert model.n_iter_ == 1
    assert model.history_[-1]["valid_batch_count"] == -(-len(4 * SOURCES) // at_once)


def test_few_pairs_are_learned_with_nothing_set():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Seq2SeqTransformer(hidden_size=32, embedding_size=16, random_state=0)
        model.fit(SOURCES, TARGETS)
    assert model.score(SOURCES, TARGETS) > 0.9
    assert model.n_iter_ == model.max_epochs_ == model.history_[-1]["max_epochs"] == 286
    assert model.batch_size_ == model.history_[-1]["batch_size"] == 8
    assert "286 of 286 epochs in batches of 8" in model._repr_html_()


def test_what_auto_was_is_saved(tmp_path):
    params = SMALL | {"batch_size": "auto"}
    model = Seq2SeqTransformer(**params, max_time=2).fit(SOURCES, TARGETS)
    save(model, tmp_path / "model.s2s")
    loaded = load(tmp_path / "model.s2s")
    assert loaded.max_epochs_ == model.max_epochs_ == 286
    assert loaded.batch_size_ == model.batch_size_ == 8


def test_auto_goes_on_for_as_long_again_and_partial_fit_for_thirty():
    params = SMALL | {"batch_size": "auto"}
    model = Seq2SeqTransformer(**params, max_time=0.01, warm_start=True)
    model.fit(SOURCES, TARGETS)
    assert (model.max_epochs_, model.batch_size_) == (286, 8)
    model.fit(SOURCES[:20], TARGETS[:20])
    assert (model.max_epochs_, model.batch_size_) == (667, 8)
    model.set_params(max_time=None).partial_fit(SOURCES[:2], TARGETS[:2])
    assert model.max_epochs_ == model.history_[-1]["max_epochs"] == 30
    assert model.batch_size_ == 32


class Interrupt(Callback):
    """Interrupts training before an epoch, as Ctrl-C does."""

    def __init__(self, at):
        self.at = at

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == self.at:
            raise KeyboardInterrupt


def test_auto_resumes_where_it_was_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(_settings, "LEAST_STEPS", 50)
    params = SMALL | {"checkpoint": tmp_path / "state", "batch_size": "auto"}
    pairs = SOURCES[:35], TARGETS[:35]
    whole = Seq2SeqTransformer(**params | {"checkpoint": None}).fit(*pairs)
    cut = Seq2SeqTransformer(**params, callbacks=[Interrupt(at=3)])
    with pytest.warns(UserWarning, match="interrupted"):
        cut.fit(*pairs)
    again = Seq2SeqTransformer(**params).fit(*pairs)
    assert again.n_iter_ == whole.n_iter_ == 30
    assert np.array_equal(again.transform(SOURCES), whole.transform(SOURCES))


def test_halving_sets_the_number():
    search = HalvingGridSearchCV(
        Seq2SeqTransformer(**SMALL),
        {"hidden_size": [4, 8, 12]},
        resource="max_epochs",
        min_resources=1,
        max_resources=3,
        factor=3,
        cv=2,
    ).fit(SOURCES, TARGETS)
    assert search.best_estimator_.max_epochs_ == search.n_resources_[-1] == 3


def test_callbacks_of_sklearn_know_how_many_epochs_come():
    pytest.importorskip("sklearn.callback")
    seen = []

    class Watch:
        def setup(self, estimator, context):
            seen.append(context.max_subtasks)

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context, **kwargs):
            pass

        def on_fit_task_end(self, estimator, context, **kwargs):
            pass

    model = Seq2SeqTransformer(**SMALL, max_time=0.01).set_callbacks(Watch())
    model.fit(SOURCES, TARGETS)
    assert seen == [286]


# How large the network is ---------------------------------------------------------


MANY = [f"{k:05}"[::-1] for k in range(10_000)]
TINY = {
    "hidden_size": 2,
    "embedding_size": 2,
    "max_epochs": 1,
    "batch_size": 1000,
    "attention": "dot",
    "random_state": 0,
}


@pytest.mark.parametrize(
    ("n_pairs", "copy", "n_layers"),
    [(9_999, False, 1), (10_000, False, 2), (10_000, True, 1)],
)
def test_many_pairs_make_two_layers_unless_they_copy(n_pairs, copy, n_layers):
    model = Seq2SeqTransformer(**TINY, copy=copy).fit(MANY[:n_pairs], MANY[:n_pairs])
    assert model.num_layers_ == n_layers
    assert len(model.net_.module_.decoder.recurrent.layers) == n_layers
    assert model.transform(["123"]).shape == (1, 2 * 2 * n_layers)
    assert len(model.get_feature_names_out()) == 2 * 2 * n_layers
    given = clone(model).set_params(num_layers=n_layers)
    given.fit(MANY[:n_pairs], MANY[:n_pairs])
    assert given.history_[0, "train_loss"] == model.history_[0, "train_loss"]


def test_pairs_with_weight_zero_and_held_out_ones_are_pairs():
    weight = np.r_[np.zeros(9_000), np.ones(1_000)]
    params = TINY | {"early_stopping": True, "validation_fraction": 0.5}
    model = Seq2SeqTransformer(**params, copy=False).fit(
        MANY, MANY, sample_weight=weight
    )
    assert model.num_layers_ == 2


def test_given_layers_are_those():
    for n_layers in (1, 3):
        model = Seq2SeqTransformer(**TINY, num_layers=n_layers).fit(MANY, MANY)
        assert model.num_layers_ == n_layers


def test_layers_stay_while_a_network_goes_on(monkeypatch, tmp_path):
    monkeypatch.setattr(_settings, "MANY_PAIRS", 40)
    # How many pairs will come is not known.
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, copy=False)
    model.partial_fit(SOURCES, TARGETS)
    assert model.num_layers_ == 1
    assert model.partial_fit(SOURCES, TARGETS).num_layers_ == 1
    model.set_params(warm_start=True).fit(SOURCES, TARGETS)
    assert model.num_layers_ == 1
    assert model.set_params(warm_start=False).fit(SOURCES, TARGETS).num_layers_ == 2
    model.set_params(warm_start=True).fit(SOURCES[:9], TARGETS[:9])
    assert model.num_layers_ == 2
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert (loaded.num_layers, loaded.num_layers_) == ("auto", 2)
    np.testing.assert_array_equal(loaded.predict(SOURCES), model.predict(SOURCES))
    export_onnx(model, tmp_path / "exported")
    runtime.load(tmp_path / "exported").predict(SOURCES)
    assert loaded.set_params(warm_start=False).fit(SOURCES[:9]).num_layers_ == 1


def test_a_start_gives_its_layers():
    start = Seq2SeqTransformer(**SMALL, max_epochs=1, num_layers=2).fit(SOURCES)
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, pretrained=start)
    assert model.fit(SOURCES, TARGETS).num_layers_ == 2
    with pytest.raises(ValueError, match="pretrained has num_layers=2"):
        model.set_params(num_layers=1).fit(SOURCES, TARGETS)


def test_an_autoencoder_has_one_layer():
    """So that the length of its vectors does not depend on the number of rows."""
    params = {name: TINY[name] for name in TINY if name != "attention"}
    model = Seq2SeqAutoencoder(**params).fit(MANY)
    assert model.num_layers_ == 1


# Where it was not enough ------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "advice"),
    [
        (
            {"max_epochs": 2},
            r"Raise max_epochs \(now 2\); 'auto' would be 286 in batches of 8\.",
        ),
        ({"max_time": 0.05}, r"Raise max_time \(now 0\.05\)\."),
        (
            {"early_stopping": True, "n_iter_no_change": 1, "scoring": "exact_match"},
            r"Raise n_iter_no_change \(now 1\)\.",
        ),
        (
            {"batch_size": 2, "learning_rate": 1e-6},
            r"Raise max_epochs \(now 30\), learning_rate or hidden_size\.",
        ),
    ],
)
def test_too_short_a_training_warns_with_what_to_set(params, advice, monkeypatch):
    if "learning_rate" in params:
        monkeypatch.setattr(_settings, "LEAST_STEPS", 50)
    model = Seq2SeqTransformer(hidden_size=8, random_state=0).set_params(**params)
    match = (
        rf"After \d+ epochs? the model reproduces \d+% of the training pairs.*{advice}"
    )
    with pytest.warns(ConvergenceWarning, match=match) as caught:
        model.fit(SOURCES, TARGETS)
    (warning,) = [w for w in caught if w.category is ConvergenceWarning]
    assert warning.filename == __file__


@pytest.mark.parametrize("way", ["flag", "interrupt"])
def test_a_callback_that_ends_training_is_named(way):
    class Enough(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.stop_training = way == "flag"

    callback = EarlyStopping("train_loss", patience=1, threshold=1e9)
    if way == "flag":
        callback = Enough()
    model = Seq2SeqTransformer(**SMALL, callbacks=[callback])
    with pytest.warns(ConvergenceWarning, match="A callback ended it"):
        model.fit(SOURCES, TARGETS)


def test_a_search_says_so_once():
    search = GridSearchCV(
        Seq2SeqTransformer(**SMALL, max_epochs=1), {"hidden_size": [4, 8]}, cv=2
    )
    with pytest.warns(ConvergenceWarning) as caught:
        search.set_params(refit=False).fit(SOURCES, TARGETS)
    assert [w.category for w in caught] == [ConvergenceWarning]


def test_a_loss_that_still_falls_warns_though_most_is_right():
    """One pass over many pairs learns most of them, and would learn the rest."""
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcd"), size=4)) for _ in range(1000)]
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, lr_schedule="constant")
    model.set_params(attention="additive", batch_size=16)
    model.set_params(hidden_size=32, embedding_size=16, learning_rate=0.005)
    with pytest.warns(ConvergenceWarning, match="still falling"):
        model.fit(words, [word.upper() for word in words])


def test_what_is_reproduced_is_what_predict_gives():
    """By teacher forcing, without decoding; the number is the same."""
    model = Seq2SeqTransformer(**SMALL, attention="additive", max_epochs=12)
    with pytest.warns(ConvergenceWarning) as caught:
        model.fit(SOURCES, TARGETS)
    (said,) = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    assert f" {model.score(SOURCES, TARGETS):.0%} of" in said


@pytest.mark.parametrize("attention", ["additive", "hard"])
def test_of_steps_that_are_too_large_it_says_so(attention):
    # Small ones in the first epoch, so that the loss rises on any processor.
    schedule = LRScheduler(LambdaLR, lr_lambda=lambda epoch: 1 if epoch == 0 else 1500)
    params = SMALL | {"attention": attention, "max_epochs": 3, "lr_schedule": schedule}
    with pytest.warns(ConvergenceWarning, match=r"guessing. Lower learning_rate \(now"):
        Seq2SeqTransformer(**params).fit(SOURCES, TARGETS)


def test_one_step_is_not_a_large_one():
    params = SMALL | {"attention": "hard", "copy": True, "max_epochs": 1}
    with pytest.warns(ConvergenceWarning, match=r"pairs\. Raise max_epochs"):
        Seq2SeqTransformer(**params | {"batch_size": 32}).fit(SOURCES[:3], TARGETS[:3])


def test_a_network_of_another_task_needs_no_smaller_steps():
    """Its loss is high at first, with any rate."""
    model = Seq2SeqTransformer(**SMALL, max_epochs=60, warm_start=True)
    model.fit(SOURCES, TARGETS)
    shifted = [
        target.translate(str.maketrans("ABCDEF", "BCDEFA")) for target in TARGETS
    ]
    model.set_params(max_epochs=1, learning_rate=1e-5)
    with pytest.warns(ConvergenceWarning, match=r"pairs\. Raise max_epochs \(now 1\)"):
        model.fit(SOURCES, shifted)
    assert model.history_[-1]["train_loss"] > np.log(6 + 4)


def test_of_words_tokens_are_counted():
    rows = [[f"w{k}" for k in RNG.integers(1500, size=4)] for _ in range(600)]
    model = Seq2SeqTransformer(hidden_size=4, max_epochs=1)
    with pytest.warns(ConvergenceWarning, match="of the target tokens"):
        model.fit(rows, rows)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
def test_partial_fit_says_nothing():
    Seq2SeqTransformer(**SMALL, max_epochs=1).partial_fit(SOURCES, TARGETS)


def test_looking_changes_nothing():
    """Weights, and what comes of going on, are those of a fit that does not look."""
    params = SMALL | {"attention": "additive", "max_epochs": 3}
    models = [Seq2SeqTransformer(**params) for _ in range(2)]
    models[0].fit(SOURCES, TARGETS)
    models[1].partial_fit(SOURCES, TARGETS)
    for model in models:
        model.partial_fit(SOURCES, TARGETS)
    assert np.array_equal(*(model.transform(SOURCES) for model in models))


# The form of the text ---------------------------------------------------------------

# Syllables of 6 first, 5 middle and 4 last letters: 120, of which most are rare.
SYLLABLES = [
    chr(0xAC00 + 588 * a + 28 * b + c)
    for a in range(6)
    for b in range(5)
    for c in range(1, 5)
]
HANGUL = ["".join(RNG.choice(SYLLABLES, size=3)) for _ in range(40)]
VIETNAMESE = [
    f"{a}{b}{c}"
    for a in ["tr", "ng", "h", "ph", "c"]
    for b in "áàảãạắằẳẵặấầẩẫậéèẻẽẹếềểễệ"
    for c in ["n", "", "ng"]
][::7]
KANA = [
    b + 5 * a
    for a, b in zip("かきくけこさしすせそたつ", "がぎぐげござじずぜぞだづ", strict=True)
]
ARABIC = ["كِتَابٌ", "قَلَمٌ", "بَيْتٌ", "مُدَرِّسٌ", "آبَاءٌ", "أُمٌّ"] * 5


@pytest.mark.parametrize(
    ("rows", "form"),
    [
        (HANGUL, "NFD"),
        (VIETNAMESE, "NFD"),
        (KANA, "NFD"),
        (list(map(nfc, ARABIC)), "NFC"),
        (list(map(nfd, ARABIC)), "NFC"),
        (list(map(nfd, HANGUL)), "NFD"),
        (list(map(nfd, ["é", "ü", "e"] * 9)), "NFC"),
        (["id_é1", "id_2", "x"] * 20, "NFC"),  # frequent as it is
        (HANGUL[:20] + list(map(nfd, HANGUL[20:])), None),  # mixed
        (["plain", "ascii"], None),
        (["", ""], None),
        (["\ud800", "é"] * 3, "NFC"),  # half of a character outside the first plane
    ],
)
def test_form_is_chosen_by_rare_symbols_and_nothing_is_lost(rows, form):
    vectorizer = SequenceVectorizer()
    written = vectorizer.inverse_transform(vectorizer.fit_transform(rows))
    assert vectorizer.normalize_ == form
    assert written.tolist() == rows
    assert vectorizer.normalize == "auto"
    if form is not None:  # new rows may be in either
        for other in (nfc, nfd):
            again = vectorizer.inverse_transform(vectorizer.transform(map(other, rows)))
            assert again.tolist() == rows


def test_form_is_the_one_with_fewer_rare_symbols_by_the_slow_count():
    texts = HANGUL, VIETNAMESE, KANA, ARABIC, ["é", "e"], ["ö"] * 4 + ["o"] * 9
    for rows, own in product(texts, (nfc, nfd)):
        rows = list(map(nfc, rows))

        def rare(rows):
            text = "".join(rows)
            return sum(text.count(x) for x in set(text) if text.count(x) < 5)

        before, after = rare(rows), rare(map(nfd, rows))
        wanted = 2 * after <= before and before - after >= len(rows) / 50
        form = SequenceVectorizer().fit(map(own, rows)).normalize_
        assert form == ("NFD" if wanted else "NFC")


@pytest.mark.parametrize("analyzer", ["word", "subword", list])
def test_only_characters_choose(analyzer):
    rows = [" ".join(word) for word in HANGUL]
    if analyzer == "subword":
        pytest.importorskip("tokenizers")
    assert SequenceVectorizer(analyzer=analyzer).fit(rows).normalize_ is None


def test_given_forms_and_vocabularies_are_left_alone():
    assert SequenceVectorizer(normalize=None).fit(HANGUL).normalize_ is None
    composed = SequenceVectorizer(normalize="NFC").fit(map(nfd, HANGUL))
    assert composed.normalize_ == "NFC"
    given = SequenceVectorizer(vocabulary=sorted(set("".join(HANGUL)))).fit(HANGUL)
    assert given.normalize_ is None


def test_failed_fit_keeps_the_form():
    vectorizer = SequenceVectorizer().fit(HANGUL)
    with pytest.raises(ValueError, match="min_df"):
        vectorizer.set_params(min_df=50).fit(["ab"])
    assert vectorizer.inverse_transform(vectorizer.transform(HANGUL)).tolist() == HANGUL


REVERSED = [word[::-1] for word in HANGUL]


@pytest.fixture(
    scope="module",
    params=[
        {},
        {"copy": True},
        {"share_embeddings": True},
        {"attention": "hard", "copy": True},
    ],
    ids=str,
)
def korean(request):
    model = Seq2SeqTransformer(
        hidden_size=48, learning_rate=0.01, dropout=0.0, random_state=0, max_epochs=150
    )
    return model.set_params(**request.param).fit(HANGUL, REVERSED)


def test_predictions_have_the_form_of_the_targets(korean):
    assert korean.target_vectorizer_.normalize_ == "NFD"
    assert korean.score(HANGUL, REVERSED) > 0.9
    assert korean.score(HANGUL, list(map(nfd, REVERSED))) > 0.9
    assert all(word == nfc(word) for word in korean.predict(HANGUL))
    assert korean.predict(list(map(nfd, HANGUL))).tolist() == (
        korean.predict(HANGUL).tolist()
    )


def test_form_follows_into_files_and_the_runtime(korean, tmp_path):
    save(korean, tmp_path / "model.s2s")
    export_onnx(korean, tmp_path / "model.zip")
    expected = korean.predict(HANGUL).tolist()
    assert load(tmp_path / "model.s2s").predict(HANGUL).tolist() == expected
    exported = runtime.load(tmp_path / "model.zip")
    assert exported.predict(HANGUL).tolist() == expected
    prefix = [word[0] for word in HANGUL]
    assert exported.predict(HANGUL, prefix=prefix).tolist() == (
        korean.predict(HANGUL, prefix=prefix).tolist()
    )


def test_prefixes_and_closed_sets_are_of_the_form_that_is_written(korean):
    # Without the last letter of their syllable, which the model would like to add.
    prefix = [nfc(nfd(word)[:2]) for word in REVERSED]
    for found in (
        korean.predict(HANGUL, prefix=prefix),
        korean.predict_nbest(HANGUL, 3, prefix=prefix)
        .query("rank == 2")["sequence"]
        .to_numpy(),
    ):
        assert all(map(str.startswith, found, prefix))
    closed = korean.set_params(allowed_outputs=REVERSED).predict(HANGUL)
    korean.set_params(allowed_outputs=None)
    assert set(closed) <= set(REVERSED)


def test_attention_is_over_letters(korean):
    (weights,) = korean.attention_weights(HANGUL[:1], REVERSED[:1])
    assert weights.shape == (len(nfd(REVERSED[0])) + 1, len(nfd(HANGUL[0])) + 1)


def test_sides_that_share_tokens_share_the_form():
    """Rare syllables on one side alone: both are read by letters where they copy."""
    frequent = [HANGUL[k % 2] for k in range(len(HANGUL))]
    for params, forms in (
        ({}, ("NFD", "NFC")),
        ({"copy": True}, ("NFD", "NFD")),
        ({"share_embeddings": True}, ("NFD", "NFD")),
    ):
        model = Seq2SeqTransformer(**SMALL, max_epochs=1, **params)
        model.fit(HANGUL, frequent)
        sides = model.source_vectorizer_, model.target_vectorizer_
        assert tuple(side.normalize_ for side in sides) == forms
        assert all(word == nfc(word) for word in model.predict(HANGUL))


@pytest.mark.parametrize("params", [{"copy": True}, {"share_embeddings": True}])
@pytest.mark.parametrize(
    "given", [{"vocabulary": sorted(set("".join(HANGUL)))}, {"normalize": "NFC"}]
)
def test_a_side_without_a_choice_decides_for_both(params, given):
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, **params)
    model.set_params(target_vectorizer=SequenceVectorizer(**given))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(HANGUL, REVERSED)
    for vectorizer in (model.source_vectorizer_, model.target_vectorizer_):
        assert vectorizer.normalize_ == given.get("normalize")
    assert set(HANGUL[0]) <= set(model.target_vectorizer_.vocabulary_)


def test_columns_choose_each_its_own():
    rows = list(zip(HANGUL, ["V PST", "N PL"] * 20, strict=True))
    columns = [
        ("word", SequenceVectorizer(), 0),
        ("tags", SequenceVectorizer(analyzer="word"), 1),
    ]
    vectorizer = ColumnVectorizer(columns)
    written = vectorizer.inverse_transform(vectorizer.fit_transform(rows))
    assert written.tolist() == rows
    forms = [part.normalize_ for _, part, _ in vectorizer.transformers_]
    assert forms == ["NFD", None]
    model = Seq2SeqTransformer(
        source_vectorizer=ColumnVectorizer(columns), copy=True, **SMALL, max_epochs=1
    ).fit(rows, HANGUL)
    assert model.target_vectorizer_.normalize_ == "NFD"


def test_a_start_gives_its_form():
    start = Seq2SeqTransformer(**SMALL, max_epochs=1).fit(HANGUL)
    few = [HANGUL[0], HANGUL[1]] * 5  # which alone would be read composed
    assert SequenceVectorizer().fit(few).normalize_ == "NFC"
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, pretrained=start).fit(few, few)
    assert model.source_vectorizer_.normalize_ == "NFD"


FRENCH = ["café", "thé", "père", "mère", "tête", "été"] * 4


def test_a_start_gives_each_column_its_form():
    """A column of ASCII, which has no form, beside one that has."""
    columns = [(name, SequenceVectorizer(), k) for k, name in enumerate(("w", "tag"))]
    rows = list(zip(FRENCH, ["n", "v"] * 12, strict=True))
    params = {"source_vectorizer": ColumnVectorizer(columns), "max_epochs": 1}
    start = Seq2SeqTransformer(**SMALL, **params, copy=False).fit(rows, FRENCH)
    # No form that the start read its tags in, so that new ones have their own.
    for tags, form in ((["n", "v"] * 12, None), (["é", "è"] * 12, "NFC")):
        new = list(zip(map(nfd, FRENCH), tags, strict=True))
        model = Seq2SeqTransformer(**SMALL, **params, copy=True, pretrained=start)
        model.fit(new, list(map(nfd, FRENCH)))
        sides = model.source_vectorizer_.transformers_
        assert [part.normalize_ for _, part, _ in sides] == ["NFC", form]
        assert model.target_vectorizer_.normalize_ == "NFC"
        assert [nfd(word) for word in model.predict(new)] == model.predict(new).tolist()


@pytest.mark.parametrize("given", ["rows", "pieces"])
def test_a_start_gives_its_form_to_text_in_the_other(given, tmp_path):
    start = Seq2SeqTransformer(**SMALL, max_epochs=1).fit(FRENCH)
    mixed = FRENCH[:12] + list(map(nfd, FRENCH[12:]))
    for rows, written in ((list(map(nfd, FRENCH)), "NFC"), (mixed, None)):
        model = Seq2SeqTransformer(**SMALL, max_epochs=1, pretrained=start, copy=True)
        if given == "rows":
            model.fit(rows, rows)
        else:
            pieces = [[(row, row) for row in rows[k:][:5]] for k in range(0, 24, 5)]
            folder = tmp_path / f"written in {written}"
            model.fit(PairCorpus.write(folder, pieces, model))
        assert model.source_vectorizer_.normalize_ == "NFC"
        assert model.source_vectorizer_.vocabulary_ == (
            start.source_vectorizer_.vocabulary_
        )
        # Mixed targets could not be restored, so they are read as they are.
        assert model.target_vectorizer_.normalize_ == written


def test_sides_in_different_forms_share_one_and_write_each_its_own():
    """What is copied from a decomposed source comes out composed."""
    rows = [f"{a}{b}" for a in FRENCH[:6] for b in "abcde"]
    model = Seq2SeqTransformer(
        attention="hard",
        copy=True,
        hidden_size=16,
        learning_rate=0.01,
        max_epochs=40,
        dropout=0.0,
        random_state=0,
    )
    for own, other in ((nfd, nfc), (nfc, nfd)):
        model.fit(list(map(own, rows)), list(map(other, rows)))
        sides = model.source_vectorizer_, model.target_vectorizer_
        assert [side.normalize_ for side in sides] == ["NFC", "NFC"]
        new = ["îlé", "côté"]  # new letters: only a copy gets them right
        assert model.predict(list(map(own, new))).tolist() == list(map(other, new))
        assert model.predict(list(map(other, new))).tolist() == list(map(other, new))


@pytest.mark.parametrize("given", ["rows", "pieces"])
@pytest.mark.parametrize(
    ("source", "target", "copies"),
    [
        ({}, {}, True),
        ({"normalize": "NFC"}, {}, True),
        ({}, {"normalize": "NFC"}, True),
        ({"normalize": None}, {}, False),  # no form that both can have
        ({"vocabulary": sorted("abcdeéèàùîô")}, {}, False),
    ],
    ids=str,
)
def test_whether_to_copy_is_decided_in_the_form_that_is_read(
    source, target, copies, given, tmp_path
):
    rows = ["".join(word) for word in RNG.choice(list("éèàùîôab"), (60, 5))]
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(**source),
        target_vectorizer=SequenceVectorizer(**target),
        max_epochs=1,
        **SMALL,
    )
    pairs = rows, list(map(nfd, rows))
    if given == "pieces":
        piece = list(zip(*pairs, strict=True))
        pairs = [PairCorpus.write(tmp_path / "pairs", [piece], model)]
    model.fit(*pairs)
    assert model.copy_ == copies
    forms = {model.source_vectorizer_.normalize_, model.target_vectorizer_.normalize_}
    assert copies == (forms == {"NFC"})


@pytest.mark.parametrize("given", ["rows", "pieces"])
def test_a_side_without_marks_has_no_form_unless_it_shares_tokens(given, tmp_path):
    """So that a start without marks leaves the choice to what comes after it."""

    def forms_of_fit(model, *pairs):
        if given == "pieces":
            folder = tmp_path / str(len(list(tmp_path.iterdir())))
            pairs = [PairCorpus.write(folder, [list(zip(*pairs, strict=True))], model)]
        model.fit(*pairs)
        sides = model.source_vectorizer_, model.target_vectorizer_
        return [side.normalize_ for side in sides]

    plain = ["".join(word) for word in RNG.choice(list("abcdef"), (len(HANGUL), 4))]
    start = Seq2SeqTransformer(**SMALL, max_epochs=1)
    assert forms_of_fit(start, plain, HANGUL) == [None, "NFD"]
    assert not start.copy_
    params = {"pretrained": start, "max_epochs": 1, **SMALL}
    for copies in (False, True):
        for pairs, forms in (
            ((FRENCH, FRENCH), ["NFC", "NFC"]),
            ((plain, HANGUL), [None, "NFD"]),
        ):
            model = Seq2SeqTransformer(copy=copies, **params)
            assert forms_of_fit(model, *pairs) == forms


def test_a_decomposed_vocabulary_has_a_form():
    decomposed = list(map(nfd, FRENCH))
    start = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(normalize=None), max_epochs=1, **SMALL
    ).fit(decomposed, decomposed)
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(), pretrained=start, max_epochs=1, **SMALL
    ).fit(decomposed, decomposed)
    assert model.source_vectorizer_.vocabulary_ == start.source_vectorizer_.vocabulary_


def test_rows_and_pieces_are_counted_together_where_sides_share_tokens(tmp_path):
    rows = [nfc(a + b) for a in "aeiou" for b in "\u0300\u0301\u0302"]
    model = Seq2SeqTransformer(**SMALL, max_epochs=1, copy=True)
    corpus = PairCorpus.write(tmp_path / "pairs", [[(row, row) for row in rows]], model)
    for fitted in (clone(model).fit(rows, rows), clone(model).fit(corpus)):
        assert fitted.source_vectorizer_.normalize_ == "NFD"
        assert len(fitted.target_vectorizer_.vocabulary_) == 8


def test_a_form_that_is_not_canonical_is_not_handed_on(tmp_path):
    rows = ["ﬁn", "ﬂan", "abc", "ﬁg"] * 6
    params = {"max_epochs": 1, **SMALL}
    start = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(normalize="NFKC"), **params
    ).fit(rows)
    model = Seq2SeqTransformer(
        pretrained=start, source_vectorizer=SequenceVectorizer(), copy=True, **params
    ).fit(rows, rows)
    assert model.source_vectorizer_.normalize_ == "NFKC"
    assert model.target_vectorizer_.normalize_ is None
    save(model, tmp_path / "model.s2s")
    export_onnx(model, tmp_path / "model.zip")
    expected = model.predict(rows).tolist()
    assert load(tmp_path / "model.s2s").predict(rows).tolist() == expected
    assert runtime.load(tmp_path / "model.zip").predict(rows).tolist() == expected


def test_ensembles_refuse_members_that_read_or_write_in_different_forms():
    composed, mixed = FRENCH, [*FRENCH, "5 \u2126"]
    params = {"copy": True, "attention": "hard", "max_epochs": 1, **SMALL}
    one = Seq2SeqTransformer(**params).fit(composed, composed)
    for X, y, what in (
        (mixed, [*FRENCH, "été"], "tokens differently"),
        (list(map(nfd, FRENCH)), list(map(nfd, FRENCH)), "normal forms"),
    ):
        other = Seq2SeqTransformer(**params).fit(X, y)
        members = [("one", one), ("other", other)]
        with pytest.raises(ValueError, match=what):
            Seq2SeqEnsemble(estimators=members, prefit=True).fit(composed, composed)


@pytest.mark.parametrize("lowercase", [False, True])
def test_pieces_choose_as_the_whole_does(lowercase):
    for rows in (
        HANGUL,
        KANA * 2,
        ["ab", "b"] * 3 + HANGUL[:9],
        list(map(nfd, HANGUL)),
        list(map(nfd, FRENCH)),
        ["İ", "i"] * 9,
        ["É", "é", "e", "E"] * 2,
        FRENCH[:9] + list(map(nfd, HANGUL[:9])),
    ):
        params = {"min_df": 2, "lowercase": lowercase}
        whole = SequenceVectorizer(**params).fit(rows)
        pieces = SequenceVectorizer(**params)
        for start in range(0, len(rows), 6):
            pieces.partial_fit(rows[start : start + 6])
        assert pieces.normalize_ == whole.normalize_
        assert pieces.vocabulary_ == whole.vocabulary_
        tokens = whole.transform(rows)
        assert pieces.inverse_transform(tokens).tolist() == (
            whole.inverse_transform(tokens).tolist()
        )
