"""`EditConfusionDisplay`: which tokens were predicted for which."""

import numpy as np

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.inspection._drawing import axes, grid_size, label, points, visible
from sklearn_seq2seq.metrics import GAP, confusion_counts
from sklearn_seq2seq.metrics._scorers import as_read


class EditConfusionDisplay:
    """Counts of tokens that were replaced, left out, or inserted.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    counts : ndarray of int, shape (n_labels, n_labels)
        Edits, with reference tokens in rows and predicted tokens in columns.
    labels : list
        The tokens, with ``metrics.GAP`` last: its row holds insertions, its column
        deletions.
    n_left_out : int
        Number of edits of tokens that are not shown.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    im_ : matplotlib AxesImage
        The counts.
    text_ : ndarray of matplotlib Text, shape (n_labels, n_labels), or None
        The counts as text; None if they are not shown.

    See Also
    --------
    metrics.confusion_counts : All counts, as a dict.
    metrics.sequence_report : Errors as a text.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import EditConfusionDisplay
    >>> display = EditConfusionDisplay.from_predictions(["F OW N"], ["F AO N IY"])
    >>> display.labels
    ['AO', 'IY', 'OW', GAP]
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
            A fitted estimator with `predict`.
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids
            Their targets, compared as the estimator reads and writes them.
        unit : {"token", "word", "char"}, default="token"
            How to cut strings: at white space ("token", "word") or into characters.
        top : int, default=15
            Number of tokens to show, those with the most edits.
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
        y_true, y_pred = as_read(estimator, X, y), estimator.predict(X)
        return cls.from_predictions(y_true, y_pred, unit=unit, top=top, ax=ax, **kwargs)

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
            How to cut strings: at white space ("token", "word") or into characters.
        top : int, default=15
            Number of tokens to show, those with the most edits.
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
        labels = list(map(visible, self.labels))
        self.ax_, self.figure_ = axes(ax, *grid_size(labels, labels))
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
        size = label(self.ax_, labels, labels)
        self.text_ = self._write_values(size, text_kw or {}) if include_values else None
        return self

    def _write_values(self, size, text_kw):
        """Write counts in the more visible colour, as ConfusionMatrixDisplay does."""
        text = np.empty(self.counts.shape, dtype=object)
        digits = len(str(self.counts.max(initial=0)))
        size = min(size, points(self.ax_)[0] / len(self.labels) / (0.7 * digits + 0.2))
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
