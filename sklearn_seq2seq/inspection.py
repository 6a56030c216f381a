"""Pictures of models and of their mistakes, in the manner of scikit-learn's displays.

They need the extra ``plot``.
"""

import copy
import unicodedata
import warnings
from itertools import chain

import numpy as np
from scipy import sparse
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.metrics import GAP, confusion_counts, sequence_report

__all__ = [
    "AttentionDisplay",
    "EditConfusionDisplay",
    "HistoryDisplay",
    "LengthErrorDisplay",
]

END = "⊣"
# Points: what can be read, what reads better than turned letters, what looks well.
_SMALLEST, _UPRIGHT, _LARGEST = 5.0, 6.5, 10.0


class AttentionDisplay:
    """Where a decoder looked in the source for each token of the target.

    Make it with `from_estimator` or `from_weights`.

    Parameters
    ----------
    weights : ndarray of float, shape (n_target_tokens + 1, n_source_tokens + 1)
        Attention weights; the last row and column are the ends.
    source, target : list of str
        The tokens, without the ends.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    im_ : matplotlib AxesImage
        The weights.

    See Also
    --------
    Seq2SeqTransformer.attention_weights : The weights of many pairs.

    Notes
    -----
    White space is drawn as ␣ and the ends as ⊣. Characters that the current font lacks
    are drawn in another installed font that has them. Where there is none, their code
    points stand in their place, such as U+4E00, and a warning says so. Tokens are drawn
    letter by letter: scripts whose letters join look better one letter a token.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import AttentionDisplay
    >>> weights = [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9]]
    >>> display = AttentionDisplay.from_weights(weights, ["n", "o"], ["N", "OW"])
    >>> [label.get_text() for label in display.ax_.get_yticklabels()]
    ['N', 'OW', '⊣']
    """

    def __init__(self, *, weights, source, target):
        self.weights = weights
        self.source = source
        self.target = target

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, row=0, ax=None, **kwargs):
        """Draw the attention of a fitted model for one pair.

        Parameters
        ----------
        estimator : Seq2SeqTransformer or Pipeline that ends in one
            Fitted, with attention.
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None means the predicted ones.
        row : int, default=0
            Which of them to draw.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : AttentionDisplay
            With what was drawn.
        """
        import_optional("matplotlib", "plot")
        check_is_fitted(estimator)
        X = _one_row(X, row)
        model, vectorizer = estimator, None
        if isinstance(estimator, Pipeline):
            model = estimator[-1]
            if len(estimator) > 1:
                X, vectorizer = estimator[:-1].transform(X), estimator[-2]
        vectorizer = getattr(model, "source_vectorizer_", None) or vectorizer
        if y is None:
            # A row in doubt has a prediction too.
            y = copy.copy(model).set_params(min_confidence=0).predict(X)
        else:
            y = _one_row(y, row)
        weights = model.attention_weights(X, y)[0]
        source = _tokens(X, vectorizer)
        # What `long_source` leaves out has no weights.
        n_read = weights.shape[1] - 1
        from_end = model.long_source == "truncate_start"
        return cls.from_weights(
            weights,
            source[-n_read:] if from_end and n_read else source[:n_read],
            _tokens(y, getattr(model, "target_vectorizer_", None)),
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_weights(cls, weights, source, target, *, ax=None, **kwargs):
        """Draw attention weights.

        Parameters
        ----------
        weights : array-like of float, shape (n_target_tokens + 1, n_source_tokens + 1)
            Rows sum to 1; the last row and column are the ends.
        source, target : list of str
            The tokens, without the ends.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : AttentionDisplay
            With what was drawn.

        Raises
        ------
        ValueError
            If the shape is not that of the tokens and their ends.
        """
        weights = np.asarray(weights, dtype=float)
        if weights.shape != (len(target) + 1, len(source) + 1):
            raise ValueError(
                f"weights have shape {weights.shape}; {len(target)} target and "
                f"{len(source)} source tokens and their ends make "
                f"{(len(target) + 1, len(source) + 1)}."
            )
        display = cls(weights=weights, source=list(source), target=list(target))
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, cmap="Blues", colorbar=True, im_kw=None):
        """Draw the weights, the source from left to right, the target downwards.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure of a size that fits the tokens.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of the weights from 0 to 1.
        colorbar : bool, default=True
            Whether to draw the scale.
        im_kw : dict, default=None
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        display : AttentionDisplay
            This display.
        """
        columns = [*map(_visible, self.source), END]
        rows = [*map(_visible, self.target), END]
        self.ax_, self.figure_ = _axes(ax, *_grid_size(columns, rows))
        options = {"cmap": cmap, "vmin": 0, "vmax": 1, "aspect": "auto"}
        self.im_ = self.ax_.imshow(self.weights, **(options | (im_kw or {})))
        self.ax_.set(xlabel="source", ylabel="target")
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_)
            bar.set_label("attention weight")
        _label(self.ax_, columns, rows)
        return self


class EditConfusionDisplay:
    """Which token became which, was left out, or was put in.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    counts : ndarray of int, shape (n_labels, n_labels)
        Edits: reference tokens down, predicted tokens across.
    labels : list
        The tokens, with ``metrics.GAP`` last: as a reference it stands for insertions,
        as a prediction for deletions.
    n_left_out : int
        Edits of tokens that are not shown.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    im_ : matplotlib AxesImage
        The counts.
    text_ : ndarray of matplotlib Text, shape (n_labels, n_labels), or None
        The counts in figures; None where there are none.

    See Also
    --------
    metrics.confusion_counts : The same as a dict, complete.
    metrics.sequence_report : Errors in figures.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import EditConfusionDisplay
    >>> display = EditConfusionDisplay.from_predictions(["F OW N"], ["F AO N IY"])
    >>> display.labels
    ['AO', 'IY', 'OW', '∅']
    >>> display.counts
    array([[0, 0, 0, 0],
           [0, 0, 0, 0],
           [1, 0, 0, 0],
           [0, 1, 0, 0]])
    """

    def __init__(self, *, counts, labels, n_left_out=0):
        self.counts = counts
        self.labels = labels
        self.n_left_out = n_left_out

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, unit="token", top=15, ax=None, **kwargs
    ):
        """Draw the edits between targets and predictions of a fitted model.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `predict`.
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids
            Their targets.
        unit : {"token", "word", "char"}, default="token"
            How strings are cut: at white space ("token", "word") or into characters.
        top : int, default=15
            Most tokens to show, those with the most edits.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : EditConfusionDisplay
            With what was drawn.
        """
        import_optional("matplotlib", "plot")
        y_pred = estimator.predict(X)
        return cls.from_predictions(y, y_pred, unit=unit, top=top, ax=ax, **kwargs)

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, *, unit="token", top=15, ax=None, **kwargs
    ):
        """Draw the edits between references and predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, max_length)
            References: strings, lists of tokens or rows of token ids.
        y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
            Predictions, of the same kind.
        unit : {"token", "word", "char"}, default="token"
            How strings are cut: at white space ("token", "word") or into characters.
        top : int, default=15
            Most tokens to show, those with the most edits.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : EditConfusionDisplay
            With what was drawn.
        """
        import_optional("matplotlib", "plot")
        confusions = confusion_counts(y_true, y_pred, unit=unit)
        n_edits = {}
        for pair, n in confusions.items():
            for token in pair:
                n_edits[token] = n_edits.get(token, 0) + n
        n_edits.pop(GAP, None)
        most = sorted(n_edits, key=lambda token: (-n_edits[token], str(token)))[:top]
        labels = [*sorted(most), GAP]
        place = {label: k for k, label in enumerate(labels)}
        counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
        for (reference, prediction), n in confusions.items():
            if reference in place and prediction in place:
                counts[place[reference], place[prediction]] = n
        n_left_out = sum(confusions.values()) - int(counts.sum())
        display = cls(counts=counts, labels=labels, n_left_out=n_left_out)
        return display.plot(ax=ax, **kwargs)

    def plot(
        self,
        ax=None,
        *,
        include_values=True,
        cmap="Blues",
        colorbar=True,
        text_kw=None,
        im_kw=None,
    ):
        """Draw the counts, references downwards, predictions from left to right.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure of a size that fits the tokens.
        include_values : bool, default=True
            Whether to write the counts that are not 0.
        cmap : str or matplotlib Colormap, default="Blues"
            Colours of the counts.
        colorbar : bool, default=True
            Whether to draw the scale.
        text_kw : dict, default=None
            Passed to matplotlib's ``text``.
        im_kw : dict, default=None
            Passed to matplotlib's ``imshow``.

        Returns
        -------
        display : EditConfusionDisplay
            This display.
        """
        labels = list(map(_visible, self.labels))
        self.ax_, self.figure_ = _axes(ax, *_grid_size(labels, labels))
        highest = max(1, self.counts.max(initial=0))
        options = {"cmap": cmap, "vmin": 0, "vmax": highest, "aspect": "auto"}
        self.im_ = self.ax_.imshow(self.counts, **(options | (im_kw or {})))
        note = f"\n{self.n_left_out} more edits not shown" if self.n_left_out else ""
        self.ax_.set(
            xlabel=f"predicted token ({GAP}: left out){note}",
            ylabel=f"reference token ({GAP}: put in)",
        )
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_)
            bar.set_label("edits")
            bar.locator = import_optional("matplotlib.ticker", "plot").MaxNLocator(
                nbins="auto", integer=True
            )
            bar.update_ticks()
        size = _label(self.ax_, labels, labels)
        self.text_ = self._write_values(size, text_kw or {}) if include_values else None
        return self

    def _write_values(self, size, text_kw):
        """Write counts in the colour that stands out, as ConfusionMatrixDisplay."""
        text = np.empty(self.counts.shape, dtype=object)
        digits = len(str(self.counts.max(initial=0)))
        size = min(size, _points(self.ax_)[0] / len(self.labels) / (0.7 * digits + 0.2))
        low, high = self.im_.cmap(0), self.im_.cmap(1.0)
        middle = self.im_.norm.vmax / 2
        options = {"ha": "center", "va": "center", "fontsize": size}
        for place in zip(*np.nonzero(self.counts), strict=True):
            color = low if self.counts[place] > middle else high
            text[place] = self.ax_.text(
                place[1],
                place[0],
                f"{self.counts[place]}",
                **({"color": color} | options | text_kw),
            )
        return text


class HistoryDisplay:
    """Learning curves: losses and scores by epoch, the best epoch marked.

    Make it with `from_estimator` or `from_history`.

    Parameters
    ----------
    history : list of dict
        One record an epoch.
    monitor : str or None
        The entry that decides which epoch is best; None marks none.
    tol : float, default=0.0
        Improvement that counts.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    score_ax_ : matplotlib Axes or None
        The axes of the scores, on the right; None where there are none.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : list of matplotlib Line2D
        The curves.
    best_line_ : matplotlib Line2D or None
        The best epoch.
    best_epoch_ : int or None
        Its number, from 1.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import HistoryDisplay
    >>> history = [
    ...     {"epoch": 1, "train_loss": 2.0, "valid_loss": 1.5},
    ...     {"epoch": 2, "train_loss": 1.0, "valid_loss": 1.2},
    ...     {"epoch": 3, "train_loss": 0.5, "valid_loss": 1.4},
    ... ]
    >>> HistoryDisplay.from_history(history).best_epoch_
    2
    """

    def __init__(self, *, history, monitor=None, tol=0.0):
        self.history = history
        self.monitor = monitor
        self.tol = tol

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the training of a fitted model.

        Parameters
        ----------
        estimator : Seq2SeqTransformer or Pipeline that ends in one
            Fitted.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : HistoryDisplay
            With what was drawn.
        """
        check_is_fitted(estimator)
        model = estimator[-1] if isinstance(estimator, Pipeline) else estimator
        own = isinstance(model.scoring, str) and model.scoring in (
            "loss",
            "exact_match",
        )
        return cls.from_history(
            model.history_,
            monitor=f"valid_{model.scoring}" if own else "valid_score",
            tol=model.tol,
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_history(cls, history, *, monitor="valid_loss", tol=0.0, ax=None, **kwargs):
        """Draw a history, such as `history_` of a fitted model.

        Parameters
        ----------
        history : list of dict
            One record an epoch, with "epoch" and "train_loss", and perhaps with
            "valid_loss", "valid_exact_match" and other ``valid_`` scores.
        monitor : str, default="valid_loss"
            The entry that decides which epoch is best: the lowest of a loss, the
            highest of anything else. Without such an entry none is marked.
        tol : float, default=0.0
            Improvement that counts.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : HistoryDisplay
            With what was drawn.

        Raises
        ------
        ValueError
            If there is no epoch.
        """
        history = list(history)
        if not history:
            raise ValueError("The history has no epoch to draw.")
        display = cls(history=history, monitor=monitor, tol=tol)
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, line_kw=None):
        """Draw losses on the left axis and scores on the right one.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        line_kw : dict, default=None
            Passed to matplotlib's ``plot`` for every curve.

        Returns
        -------
        display : HistoryDisplay
            This display.
        """
        self.ax_, self.figure_ = _axes(ax, 6.4, 4.0)
        names = dict.fromkeys(chain.from_iterable(self.history))
        losses = [name for name in ("train_loss", "valid_loss") if name in names]
        scores = [
            name
            for name in names
            if name.startswith("valid_")
            and not name.endswith(("_loss", "_best", "_positions", "_batch_count"))
        ]
        if "valid_score" in scores and len(scores) > 1 and self._is_repeated(scores):
            scores.remove("valid_score")
        options = {"marker": "." if len(self.history) < 30 else ""} | (line_kw or {})
        self.lines_ = [self._curve(self.ax_, name, options) for name in losses]
        self.ax_.set(xlabel="epoch", ylabel="loss (nats per target position)")
        ticker = import_optional("matplotlib.ticker", "plot")
        self.ax_.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        self.score_ax_ = None
        if scores:
            self.score_ax_ = self.ax_.twinx()
            self.score_ax_.set_ylabel("validation score")
            colors = {"linestyle": "--"} | options
            for k, name in enumerate(scores, len(losses)):
                curve = self._curve(self.score_ax_, name, {"color": f"C{k}"} | colors)
                self.lines_.append(curve)
        self._mark_best()
        handles = [*self.lines_, *filter(None, [self.best_line_])]
        _legend(self.score_ax_ or self.ax_, handles)
        return self

    def _is_repeated(self, scores):
        """Whether "valid_score" is one of the others under its general name."""
        own = self._values("valid_score")
        return any(
            np.array_equal(own, self._values(name), equal_nan=True)
            for name in scores
            if name not in ("valid_score", "valid_exact_match")
        )

    def _values(self, name):
        return np.array([epoch.get(name, np.nan) for epoch in self.history], float)

    def _curve(self, ax, name, options):
        epochs = [epoch.get("epoch", k) for k, epoch in enumerate(self.history, 1)]
        label = name.replace("valid_", "validation ").replace("train_", "training ")
        options = {"label": label.replace("_", " ")} | options
        (line,) = ax.plot(epochs, self._values(name), **options)
        return line

    def _mark_best(self):
        self.best_epoch_ = self.best_line_ = None
        values = self._values(self.monitor) if self.monitor else np.array([np.nan])
        if not np.isfinite(values).any():
            return
        sign = 1 if self.monitor.endswith("loss") else -1
        best = np.inf
        for k, value in enumerate(sign * values):
            if value < best - self.tol or (np.isinf(best) and np.isfinite(value)):
                best, place = value, k
        self.best_epoch_ = int(self.history[place].get("epoch", place + 1))
        self.best_line_ = self.ax_.axvline(
            self.best_epoch_,
            color="gray",
            linestyle=":",
            label=f"best epoch ({self.best_epoch_})",
        )


class LengthErrorDisplay:
    """Errors by the length of the reference.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    by_length : dict of str to dict
        From range of lengths to "exact_match", "error_rate" and "support", as
        `metrics.sequence_report` gives it.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    bars_ : matplotlib BarContainer
        Token error rates.
    line_ : matplotlib Line2D
        Shares of rows that are not wholly right.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import LengthErrorDisplay
    >>> display = LengthErrorDisplay.from_predictions(
    ...     ["a b", "a"] * 10, ["a c", "a"] * 10
    ... )
    >>> [float(bar.get_height()) for bar in display.bars_]
    [0.0, 0.5]
    """

    def __init__(self, *, by_length):
        self.by_length = by_length

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, unit="token", n_buckets=8, ax=None, **kwargs
    ):
        """Draw the errors of a fitted model.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `predict`.
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids
            Their targets.
        unit : {"token", "word", "char"}, default="token"
            How strings are cut: at white space ("token", "word") or into characters.
        n_buckets : int, default=8
            Most groups of lengths, of about as many rows each.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : LengthErrorDisplay
            With what was drawn.
        """
        import_optional("matplotlib", "plot")
        y_pred = estimator.predict(X)
        return cls.from_predictions(
            y, y_pred, unit=unit, n_buckets=n_buckets, ax=ax, **kwargs
        )

    @classmethod
    def from_predictions(
        cls, y_true, y_pred, *, unit="token", n_buckets=8, ax=None, **kwargs
    ):
        """Draw the errors of predictions.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,) or (n_samples, max_length)
            References: strings, lists of tokens or rows of token ids.
        y_pred : array-like of shape (n_samples,) or (n_samples, max_length)
            Predictions, of the same kind.
        unit : {"token", "word", "char"}, default="token"
            How strings are cut: at white space ("token", "word") or into characters.
        n_buckets : int, default=8
            Most groups of lengths, of about as many rows each.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : LengthErrorDisplay
            With what was drawn.
        """
        report = sequence_report(
            y_true, y_pred, unit=unit, n_buckets=n_buckets, output_dict=True
        )
        return cls(by_length=report["by_length"]).plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, bar_kw=None, line_kw=None):
        """Draw token error rates as bars, and shares of wrong rows as points.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        bar_kw : dict, default=None
            Passed to matplotlib's ``bar``.
        line_kw : dict, default=None
            Passed to matplotlib's ``plot``.

        Returns
        -------
        display : LengthErrorDisplay
            This display.
        """
        groups = self.by_length.values()
        self.ax_, self.figure_ = _axes(ax, max(4.8, 1.5 + 0.7 * len(groups)), 4.0)
        places = range(len(groups))
        self.bars_ = self.ax_.bar(
            places,
            [group["error_rate"] for group in groups],
            **({"label": "edits per reference token", "width": 0.7} | (bar_kw or {})),
        )
        (self.line_,) = self.ax_.plot(
            places,
            [1 - group["exact_match"] for group in groups],
            **({"label": "share of rows not wholly right"} | {"color": "C1"})
            | {"marker": "o"}
            | (line_kw or {}),
        )
        self.ax_.set(ylabel="error", xlabel="tokens of the reference (number of rows)")
        self.ax_.set_ylim(bottom=0)
        _label(
            self.ax_,
            [f"{span}\n({g['support']})" for span, g in self.by_length.items()],
            None,
        )
        _legend(self.ax_, [self.bars_, self.line_])
        return self


# Tokens ------------------------------------------------------------------------------


def _one_row(data, row):
    if hasattr(data, "__len__") or hasattr(data, "shape"):
        return _safe_indexing(data, [row])
    return [list(data)[row]]


def _tokens(rows, vectorizer):
    """The tokens of the one row of text or ids, each as a string."""
    extras = []
    if vectorizer is None or sparse.issparse(rows):
        ids = rows.toarray() if sparse.issparse(rows) else np.asarray(rows)
        ids = ids[ids != 0].ravel().tolist()
        if vectorizer is None:
            return list(map(str, ids))
    else:
        tokens, extras = vectorizer._transform_open(rows)
        ids = tokens.data.tolist()
    if not ids:
        return []
    # Each alone, as the vectorizer writes it: a string, a list or a tuple.
    alone = vectorizer._inverse_open(np.reshape(ids, (-1, 1)), extras)
    return ["".join(chain.from_iterable(token)) for token in alone]


# Axes and labels ---------------------------------------------------------------------


def _axes(ax, width, height):
    """The axes to draw on, and their figure."""
    pyplot = import_optional("matplotlib.pyplot", "plot")
    if ax is None:
        _, ax = pyplot.subplots(figsize=(width, height), layout="constrained")
    return ax, ax.figure


def _legend(ax, handles):
    """Draw a legend above the axes, where no curve crosses it."""
    ax.legend(
        handles,
        [handle.get_label() for handle in handles],
        fontsize="small",
        frameon=False,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2 if _points(ax)[0] > 280 else 1,
    )


def _grid_size(columns, rows):
    """Inches of a figure for a grid whose labels can be read."""
    tall = max(map(len, columns))
    wide = max(map(len, rows))
    extra = 0.09 * min(tall, 30) if tall > 2 else 0.2
    return (
        min(max(4.0, 2.0 + 0.09 * min(wide, 30) + 0.24 * len(columns)), 24),
        min(max(3.0, 1.0 + extra + 0.24 * len(rows)), 24),
    )


def _label(ax, columns, rows):
    """Write tokens at the ticks, in a size at which they do not touch.

    Returns
    -------
    float
        The smaller font size, in points.
    """
    drawable = [labels and _drawable(labels) for labels in (columns, rows)]
    # The labels take room from the axes: fitted to the room there was, then to what is.
    for _ in range(2):
        sizes = [
            _label_axis(getattr(ax, f"{name}axis"), *labels, room / len(labels[0]))
            for name, labels, room in zip("xy", drawable, _points(ax), strict=True)
            if labels
        ]
        ax.figure.draw_without_rendering()
    return min(sizes)


def _points(ax):
    """About how wide and high the axes are, in points."""
    box = ax.get_window_extent()
    return 72 * np.array([box.width, box.height]) / ax.figure.dpi


def _label_axis(axis, labels, families, room):
    """Label one axis; each label has `room` points across its lines."""
    lines = max(label.count("\n") + 1 for label in labels)
    longest = max(map(len, "\n".join(labels).split("\n")))
    # Letters are about 0.65 of their size wide, lines up to 1.4 of it high.
    across, along = room / (0.65 * (longest + 1)), room / (1.4 * lines)
    upright = longest <= 2 or across >= min(_UPRIGHT, along)
    wanted = across if axis.axis_name == "x" and upright else along
    size = min(max(wanted, _SMALLEST), _LARGEST)
    step = max(1, int(np.ceil(_SMALLEST / wanted)))
    axis.set_ticks(
        range(0, len(labels), step),
        labels[::step],
        fontsize=size,
        fontfamily=families,
        parse_math=False,
        rotation=0 if upright or axis.axis_name == "y" else 90,
    )
    return size


def _drawable(labels):
    """Labels as they can be drawn, and the font families that this takes."""
    manager = import_optional("matplotlib.font_manager", "plot")
    families = list(manager.FontProperties().get_family())
    shown = labels
    missing = set("".join(shown)) - {"\n"}
    missing -= _having(manager, _paths(manager, families), missing)
    if missing:
        # Sorted, so that the same fonts give the same picture. The font of last resort
        # has nothing but boxes.
        fonts = sorted(
            (f for f in manager.fontManager.ttflist if "Last Resort" not in f.name),
            key=lambda font: (font.style != "normal", font.weight != 400, font.name),
        )
        for font in fonts:
            found = _having(manager, [font.fname], missing)
            if found:
                families.append(font.name)
                missing -= found
            if not missing:
                break
    if missing:
        codes = ", ".join(_code_point(c) for c in sorted(missing)[:10])
        more = ", ..." if len(missing) > 10 else ""
        warnings.warn(
            f"No installed font has {len(missing)} of the characters, {codes}{more}; "
            "code points stand for them. Install a font for that script, for example "
            "of the Noto family, or add a file with "
            "matplotlib.font_manager.fontManager.addfont(path).",
            stacklevel=6,
        )
        shown = [_without(label, missing) for label in shown]
    return shown, families


def _visible(token):
    """A token with its white space, marks and control characters made visible."""
    shown = "".join(map(_visible_character, str(token)))
    # An accent of its own needs something to sit on.
    return f"◌{shown}" if unicodedata.combining(shown[:1] or " ") else shown


def _visible_character(character):
    if character.isspace():
        return "␣"
    invisible = unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
    return _code_point(character) if invisible else character


def _without(label, missing):
    """A label with code points for the missing characters."""
    if len(label) == 1:
        return _code_point(label) if label in missing else label
    return "".join(f"<{_code_point(c)}>" if c in missing else c for c in label)


def _code_point(character):
    return f"U+{ord(character):04X}"


def _paths(manager, families):
    for family in families:
        try:
            yield manager.findfont(
                manager.FontProperties(family=family), fallback_to_default=False
            )
        except ValueError:
            continue


def _having(manager, paths, characters):
    """Those of the characters for which one of the font files has a glyph."""
    found = set()
    for path in paths:
        try:
            font = manager.get_font(path)
        except (OSError, RuntimeError):
            continue
        found |= {c for c in characters if font.get_char_index(ord(c))}
    return found
