import warnings
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.inspection import (
    AlignmentDisplay,
    AttentionDisplay,
    EditConfusionDisplay,
    HistoryDisplay,
    LengthErrorDisplay,
)
from sklearn_seq2seq.metrics import GAP, confusion_counts, sequence_report

pytestmark = pytest.mark.filterwarnings("ignore:.*ended by max_length")
WORDS = ["ab", "ba", "abb", "bab"]
TINY = {"hidden_size": 4, "embedding_size": 3, "max_epochs": 2, "random_state": 0}


@pytest.fixture(autouse=True)
def _canvas():
    with mpl.rc_context({"backend": "Agg"}):
        plt.switch_backend("Agg")
        yield
    plt.close("all")


def diagonal(n_target, n_source):
    return np.eye(n_target + 1, n_source + 1)


def texts(labels):
    return [label.get_text() for label in labels]


def overlapping(figure, labels):
    """How many neighbouring labels touch."""
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return sum(a.overlaps(b) for a, b in pairwise(boxes))


def cut_off(figure):
    """Texts and legends that reach beyond the figure."""
    figure.draw_without_rendering()
    whole = figure.bbox
    axes = [axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)]
    # Ticks out of view are there, but not drawn.
    out_of_view = {
        label
        for axis in axes
        for tick in axis.get_major_ticks()
        for label in (tick.label1, tick.label2)
        if not min(axis.get_view_interval()) <= tick.get_loc()
        or not tick.get_loc() <= max(axis.get_view_interval())
    }
    return [
        artist
        for artist in figure.findobj(mpl.text.Text)
        if artist not in out_of_view
        and artist.get_visible()
        and artist.get_text()
        and artist.get_in_layout()
        and not whole.padded(1).contains(*artist.get_window_extent().min)
        | (not whole.padded(1).contains(*artist.get_window_extent().max))
        and artist.get_window_extent().width > 0
    ]


# Attention ---------------------------------------------------------------------------


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("row", [0, 2])
def test_attention_of_strings(given, row):
    model = Seq2SeqTransformer(**TINY).fit(WORDS, WORDS)
    y = WORDS if given else None
    display = AttentionDisplay.from_estimator(model, WORDS, y, row=row)
    target = WORDS[row] if given else model.predict(WORDS)[row]
    assert display.source == list(WORDS[row])
    assert display.target == list(target)
    expected = model.attention_weights(WORDS, y)[row]
    assert np.allclose(display.im_.get_array(), expected, atol=1e-6)
    assert texts(display.ax_.get_xticklabels()) == [*WORDS[row], "⊣"]
    assert texts(display.ax_.get_yticklabels()) == [*target, "⊣"]
    assert display.figure_ is display.ax_.figure


def test_attention_shows_unknown_tokens_as_typed():
    model = Seq2SeqTransformer(
        source_vectorizer=SequenceVectorizer(handle_unknown="silent"), **TINY
    ).fit(WORDS, WORDS)
    display = AttentionDisplay.from_estimator(model, ["axb"], ["ab"])
    assert display.source == ["a", "x", "b"]


def test_attention_of_words_lists_ids_and_pieces():
    words = SequenceVectorizer(analyzer="word")
    pieces = SequenceVectorizer(analyzer="subword", max_features=260)
    model = Seq2SeqTransformer(
        source_vectorizer=pieces, target_vectorizer=words, **TINY
    ).fit(["the the", "a the"], ["le le", "un le"])
    display = AttentionDisplay.from_estimator(model, ["the a"], ["un le"])
    assert "".join(display.source) == "the a"
    assert display.target == ["un", "le"]
    lists = Seq2SeqTransformer(**TINY).fit([["HH", "AY"]] * 2, [["h", "i"]] * 2)
    display = AttentionDisplay.from_estimator(lists, [["AY", "HH"]], [["i"]])
    assert (display.source, display.target) == (["AY", "HH"], ["i"])
    ids = Seq2SeqTransformer(**TINY).fit([[2, 3], [3, 0]], [[5], [4]])
    display = AttentionDisplay.from_estimator(ids, [[2, 3], [3, 0]], [[5], [4]], row=1)
    assert (display.source, display.target) == (["3"], ["4"])


def test_attention_of_pipelines():
    model = Seq2SeqTransformer(**TINY)
    pipeline = Pipeline([("source", SequenceVectorizer()), ("model", model)])
    pipeline.fit(WORDS, WORDS)
    display = AttentionDisplay.from_estimator(pipeline, np.array(WORDS), row=1)
    assert display.source == ["b", "a"]
    columns = ColumnVectorizer(
        [
            ("lemma", SequenceVectorizer(), 0),
            ("tag", SequenceVectorizer(analyzer="word"), 1),
        ]
    )
    rows = [("go", "PST"), ("be", "PRS")]
    pipeline = Pipeline([("source", columns), ("model", model)]).fit(rows, WORDS[:2])
    display = AttentionDisplay.from_estimator(pipeline, rows, row=1)
    assert display.source == ["b", "e", "PRS"]


def test_attention_of_an_empty_row_and_of_a_row_in_doubt():
    model = Seq2SeqTransformer(**TINY).fit(["", "a"], ["", "b"])
    display = AttentionDisplay.from_estimator(model, [""], [""])
    assert display.im_.get_array().shape == (1, 1)
    model.set_params(min_confidence=1.0)
    expected = model.set_params(min_confidence=0).predict(["a"])[0]
    model.set_params(min_confidence=1.0)
    assert AttentionDisplay.from_estimator(model, ["a"]).target == list(expected)
    assert model.min_confidence == 1.0


def test_attention_weights_of_another_shape():
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3, 2\)"):
        AttentionDisplay.from_weights(np.eye(2), ["a"], ["b", "c"])


def test_attention_draws_on_given_axes_with_given_options():
    figure, ax = plt.subplots()
    display = AttentionDisplay.from_weights(
        diagonal(1, 1), ["a"], ["b"], ax=ax, cmap="magma", colorbar=False
    )
    assert display.ax_ is ax
    assert display.im_.get_cmap().name == "magma"
    assert len(figure.axes) == 1
    assert display.plot(im_kw={"vmax": 0.5}).im_.get_clim() == (0, 0.5)


@pytest.mark.parametrize(("n_source", "n_target"), [(1, 1), (60, 40), (300, 9)])
@pytest.mark.parametrize("token", ["a", "averylongword"])
@pytest.mark.parametrize("small", [False, True])
def test_attention_labels_do_not_touch_and_are_whole(n_source, n_target, token, small):
    ax = plt.subplots(figsize=(4, 3), layout="constrained")[1] if small else None
    display = AttentionDisplay.from_weights(
        diagonal(n_target, n_source), [token] * n_source, [token] * n_target, ax=ax
    )
    assert overlapping(display.figure_, display.ax_.get_xticklabels()) == 0
    assert overlapping(display.figure_, display.ax_.get_yticklabels()) == 0
    assert not cut_off(display.figure_)
    sizes = {label.get_fontsize() for label in display.ax_.get_xticklabels()}
    assert min(sizes) >= 5


# Fonts -------------------------------------------------------------------------------


def test_characters_of_the_current_font_need_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = AttentionDisplay.from_weights(
            diagonal(3, 4), ["é", "ф", "$x$", " "], ["ə", "\t", "\u0301"]
        )
        display.figure_.canvas.draw()
    assert texts(display.ax_.get_xticklabels()) == ["é", "ф", "$x$", "␣", "⊣"]
    assert texts(display.ax_.get_yticklabels()) == ["ə", "␣", "◌\u0301", "⊣"]


def test_characters_without_a_font_become_code_points():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        display = AttentionDisplay.from_weights(diagonal(1, 1), ["\ue123"], ["\x07"])
    assert texts(display.ax_.get_xticklabels()) == ["U+E123", "⊣"]
    assert texts(display.ax_.get_yticklabels()) == ["U+0007", "⊣"]


def test_missing_fonts_are_said(monkeypatch):
    """With DejaVu alone, as matplotlib brings it."""
    own = [f for f in font_manager.fontManager.ttflist if f.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    with pytest.warns(UserWarning, match=r"U\+4EAC, U\+6771.*Noto") as caught:
        display = AttentionDisplay.from_weights(diagonal(1, 2), ["東", "京"], ["a京"])
    assert len({str(w.message) for w in caught}) <= 2
    assert texts(display.ax_.get_xticklabels()) == ["U+6771", "U+4EAC", "⊣"]
    assert texts(display.ax_.get_yticklabels()) == ["a<U+4EAC>", "⊣"]
    with warnings.catch_warnings():
        # matplotlib's own "Glyph missing" would be one.
        warnings.simplefilter("error")
        display.figure_.canvas.draw()


def test_another_installed_font_is_found():
    """The default font's family set to one that lacks Cyrillic: others have it."""
    with (
        mpl.rc_context({"font.family": ["cmr10"], "axes.formatter.use_mathtext": True}),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        display = AttentionDisplay.from_weights(
            diagonal(1, 1), ["ф"], ["b"], colorbar=False
        )
        label = display.ax_.get_xticklabels()[0]
        assert label.get_text() == "ф"
        assert label.get_fontfamily()[0] == "cmr10"
        assert len(label.get_fontfamily()) > 1
        display.figure_.canvas.draw()


# Confusions --------------------------------------------------------------------------

TRUE = ["F OW N", "IY", "N AO", "F OW"]
PRED = ["F AO N IY", "IY", "N", "F AO"]


def test_confusions_are_those_of_the_metrics():
    display = EditConfusionDisplay.from_predictions(TRUE, PRED)
    drawn = {
        (row, column): n
        for row, counts in zip(display.labels, display.counts, strict=True)
        for column, n in zip(display.labels, counts, strict=True)
        if n
    }
    assert drawn == confusion_counts(TRUE, PRED)
    assert display.n_left_out == 0
    assert texts(display.ax_.get_xticklabels()) == list(map(str, display.labels))
    written = {text.get_text() for text in display.text_.ravel() if text is not None}
    assert written == {str(n) for n in drawn.values()}


def test_confusions_beyond_the_top_are_counted():
    display = EditConfusionDisplay.from_predictions(TRUE, PRED, top=2)
    assert display.labels == ["AO", "OW", GAP]
    assert display.counts.tolist() == [[0, 0, 1], [2, 0, 0], [0, 0, 0]]
    assert display.n_left_out == 1
    assert "1 more edits not shown" in display.ax_.get_xlabel()


def test_confusions_of_an_estimator_of_ids_and_of_nothing():
    model = DummySeq2Seq(strategy="copy").fit(WORDS, WORDS)
    display = EditConfusionDisplay.from_estimator(
        model, WORDS, ["b" + word for word in WORDS], unit="char"
    )
    assert display.labels == ["b", GAP]
    assert display.counts.tolist() == [[0, 4], [0, 0]] or display.counts.sum() == 4
    ids = EditConfusionDisplay.from_predictions([[2, 3]], [[2, 4]])
    assert ids.labels == [3, 4, GAP]
    empty = EditConfusionDisplay.from_predictions(["a"], ["a"])
    empty.figure_.canvas.draw()
    assert empty.labels == [GAP]


@pytest.mark.parametrize("n_tokens", [2, 40])
@pytest.mark.parametrize("token", ["x", "token"])
@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_confusion_figures_are_legible(n_tokens, token, style):
    true = [f"{token}{k}" for k in range(n_tokens)] * 1000
    with plt.style.context(style):
        display = EditConfusionDisplay.from_predictions(true, true[::-1], top=30)
        figure = display.figure_
        figure.draw_without_rendering()
    assert overlapping(figure, display.ax_.get_xticklabels()) == 0
    assert overlapping(figure, display.ax_.get_yticklabels()) == 0
    assert not cut_off(figure)
    cell = display.ax_.bbox.width / len(display.labels)
    colors = display.im_.cmap(display.im_.norm(display.counts))
    for place in zip(*np.nonzero(display.counts), strict=True):
        text = display.text_[place]
        assert text.get_window_extent().width <= cell
        difference = np.abs(np.subtract(text.get_color()[:3], colors[place][:3]))
        assert difference.max() > 0.3


def test_confusion_options():
    display = EditConfusionDisplay.from_predictions(
        TRUE, PRED, include_values=False, cmap="magma", im_kw={"vmax": 9}
    )
    assert display.text_ is None
    assert display.im_.get_clim() == (0, 9)
    display.plot(text_kw={"color": "red"})
    assert {t.get_color() for t in display.text_.ravel() if t is not None} == {"red"}


# Learning curves ---------------------------------------------------------------------

HISTORY = [
    {"epoch": 1, "train_loss": 3.0, "valid_loss": 2.0, "valid_exact_match": 0.1},
    {"epoch": 2, "train_loss": 2.0, "valid_loss": 1.0, "valid_exact_match": 0.2},
    {"epoch": 3, "train_loss": 1.0, "valid_loss": 0.99, "valid_exact_match": 0.4},
    {"epoch": 4, "train_loss": 0.5, "valid_loss": 1.5, "valid_exact_match": 0.3},
]


@pytest.mark.parametrize(
    ("monitor", "tol", "best"),
    [
        ("valid_loss", 0.0, 3),
        ("valid_loss", 0.1, 2),
        ("valid_exact_match", 0.0, 3),
        ("valid_score", 0.0, None),
        (None, 0.0, None),
    ],
)
def test_history_marks_the_best_epoch(monitor, tol, best):
    display = HistoryDisplay.from_history(HISTORY, monitor=monitor, tol=tol)
    assert display.best_epoch_ == best
    assert (display.best_line_ is None) == (best is None)
    if best:
        assert set(display.best_line_.get_xdata()) == {best}


def test_history_draws_what_was_recorded():
    display = HistoryDisplay.from_history(HISTORY)
    names = ["training loss", "validation loss", "validation exact match"]
    assert [line.get_label() for line in display.lines_] == names
    assert display.lines_[1].get_ydata().tolist() == [2.0, 1.0, 0.99, 1.5]
    assert display.lines_[2].axes is display.score_ax_
    plain = HistoryDisplay.from_history([{"epoch": 1, "train_loss": 1.0}])
    assert plain.score_ax_ is None
    assert plain.best_epoch_ is None
    with pytest.raises(ValueError, match="no epoch"):
        HistoryDisplay.from_history([])


@pytest.mark.parametrize("scoring", ["loss", "exact_match", "neg_char_error_rate"])
def test_history_of_an_estimator_agrees_with_the_model(scoring):
    from sklearn_seq2seq.metrics import get_scorer

    model = Seq2SeqTransformer(
        **TINY | {"max_epochs": 6, "learning_rate": 0.05},
        early_stopping=True,
        scoring=get_scorer(scoring) if scoring.startswith("neg") else scoring,
        validation_fraction=0.5,
    ).fit(WORDS * 4, WORDS * 4)
    display = HistoryDisplay.from_estimator(Pipeline([("model", model)]))
    assert len(display.lines_[0].get_xdata()) == model.n_iter_
    flags = {"loss": "valid_loss_best", "exact_match": "valid_exact_match_best"}
    flag = flags.get(scoring, "valid_score_best")
    last = [e["epoch"] for e in model.history_ if e.get(flag)]
    assert not last or display.best_epoch_ == last[-1]
    assert display.best_epoch_ is not None
    assert not cut_off(display.figure_)


def test_history_needs_a_fitted_model():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        HistoryDisplay.from_estimator(Seq2SeqTransformer())


# Errors by length --------------------------------------------------------------------


@pytest.mark.parametrize("size", [None, (3, 2.5), (12, 4)])
def test_length_errors_are_those_of_the_report(size):
    rng = np.random.default_rng(0)
    true = ["a" * n for n in rng.integers(0, 30, 200)]
    pred = [word[1:] if rng.random() < 0.5 else word for word in true]
    ax = size and plt.subplots(figsize=size, layout="constrained")[1]
    display = LengthErrorDisplay.from_predictions(true, pred, unit="char", ax=ax)
    report = sequence_report(true, pred, unit="char", n_buckets=8, output_dict=True)
    groups = report["by_length"]
    heights = [bar.get_height() for bar in display.bars_]
    assert heights == [group["error_rate"] for group in groups.values()]
    wrong = [1 - group["exact_match"] for group in groups.values()]
    assert display.line_.get_ydata().tolist() == wrong
    assert texts(display.ax_.get_xticklabels()) == [
        f"{span}\n({group['support']})" for span, group in groups.items()
    ]
    assert overlapping(display.figure_, display.ax_.get_xticklabels()) == 0
    assert not cut_off(display.figure_)


def test_length_errors_of_an_estimator():
    model = DummySeq2Seq(strategy="copy").fit(WORDS, WORDS)
    display = LengthErrorDisplay.from_estimator(model, WORDS, WORDS, unit="char")
    assert [bar.get_height() for bar in display.bars_] == [0, 0]
    styled = display.plot(bar_kw={"color": "k"}, line_kw={"marker": "x"})
    assert styled.line_.get_marker() == "x"


def test_history_marks_the_epoch_whose_weights_the_model_has():
    shouted = [word.upper() for word in WORDS]
    model = Seq2SeqTransformer(**TINY, warm_start=True)
    for other in ("AA", "B"):
        model.fit(WORDS, shouted, validation_data=(["ab"], [other]))
    epoch = model.net_.memory_["epoch"]
    assert epoch > 2
    assert HistoryDisplay.from_estimator(model).best_epoch_ == epoch


def test_displays_take_searches_and_refuse_bare_strings():
    shouted = [word.upper() for word in WORDS]
    model = Seq2SeqTransformer(**TINY, early_stopping=True)
    search = GridSearchCV(model, {"hidden_size": [4]}, cv=2).fit(WORDS, shouted)
    assert AttentionDisplay.from_estimator(search, WORDS).source == ["a", "b"]
    assert HistoryDisplay.from_estimator(search).best_epoch_ in (1, 2)
    with pytest.raises(ValueError, match="in a list"):
        AttentionDisplay.from_estimator(search, "cat")


def test_attention_of_a_pipeline_with_a_step_that_does_nothing():
    steps = [("v", SequenceVectorizer()), ("p", "passthrough")]
    pipe = Pipeline([*steps, ("m", Seq2SeqTransformer(**TINY))]).fit(WORDS, WORDS)
    assert AttentionDisplay.from_estimator(pipe, WORDS).source == ["a", "b"]


# Alignments ---------------------------------------------------------------------------


def test_alignment_has_a_line_for_each_token_that_comes_from_somewhere():
    display = AlignmentDisplay.from_alignment(
        list("phone"), ["F", "OW", "N", "X"], [1, 2, 3, -1], [0.6, 1.0, 0.01, 1.0]
    )
    ends = [segment.tolist() for segment in display.lines_.get_segments()]
    expected = [[[0.3, 1], [0.125, 0]], [[0.5, 1], [0.375, 0]], [[0.7, 1], [0.625, 0]]]
    np.testing.assert_allclose(ends, expected)
    assert display.lines_.get_alpha().tolist() == [0.6, 1.0, 0.1]
    above = display.figure_.axes[1]
    assert texts(above.get_xticklabels()) == list("phone")
    assert texts(display.ax_.get_xticklabels()) == ["F", "OW", "N", "X"]
    assert not cut_off(display.figure_)


def test_alignment_of_empty_sides_is_drawn():
    AlignmentDisplay.from_alignment([], [], [])
    AlignmentDisplay.from_alignment(["a"], [], [])
    assert not AlignmentDisplay.from_alignment([], ["a"], [-1]).lines_.get_segments()


@pytest.mark.parametrize(
    ("places", "probability", "message"),
    [
        ([0], None, "one entry for each of the 2"),
        ([0, 1], [1.0], "got 2 and 1"),
        ([0, 2], None, "2 source tokens; got"),
        ([0, -2], None, "-1 or a place"),
    ],
)
def test_alignments_that_do_not_fit_are_refused(places, probability, message):
    with pytest.raises(ValueError, match=message):
        AlignmentDisplay.from_alignment("ab", "cd", places, probability)


@pytest.mark.parametrize("attention", ["hard", "additive", None])
def test_alignment_of_a_model_is_that_of_align(attention):
    model = Seq2SeqTransformer(attention=attention, **TINY).fit(WORDS, WORDS)
    display = AlignmentDisplay.from_estimator(model, WORDS, WORDS, row=-1)
    table = model.align(WORDS, WORDS)
    own = table[table["row"] == 3]
    assert display.source == display.target == list("bab")
    assert display.source_position.tolist() == own["source_position"].tolist()
    assert display.probability.tolist() == own["probability"].tolist()
    assert AlignmentDisplay.from_estimator(model, iter(WORDS)).source == list("ab")
