"""`LengthErrorDisplay`: errors by the length of the reference."""

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.inspection._drawing import axes, label, legend
from sklearn_seq2seq.metrics import sequence_report
from sklearn_seq2seq.metrics._scorers import as_read


class LengthErrorDisplay:
    """Errors by the length of the reference.

    Make it with `from_estimator` or `from_predictions`.

    Parameters
    ----------
    by_length : dict of str to dict
        From each range of lengths to "exact_match", "error_rate" and "support", as from
        `metrics.sequence_report`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    bars_ : matplotlib BarContainer
        Token error rates.
    line_ : matplotlib Line2D
        Shares of rows that are not predicted exactly.

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
            A fitted estimator with `predict`.
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids
            Their targets, compared as the estimator reads and writes them.
        unit : {"token", "word", "char"}, default="token"
            How to cut strings: at white space ("token", "word") or into characters.
        n_buckets : int, default=8
            Most groups of lengths, of about equally many rows.
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
        y_true, y_pred = as_read(estimator, X, y), estimator.predict(X)
        return cls.from_predictions(
            y_true, y_pred, unit=unit, n_buckets=n_buckets, ax=ax, **kwargs
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
            How to cut strings: at white space ("token", "word") or into characters.
        n_buckets : int, default=8
            Most groups of lengths, of about equally many rows.
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
        self.ax_, self.figure_ = axes(ax, max(4.8, 1.5 + 0.7 * len(groups)), 4.0)
        places = range(len(groups))
        self.bars_ = self.ax_.bar(
            places,
            [group["error_rate"] for group in groups],
            **({"label": "edits per reference token", "width": 0.7} | (bar_kw or {})),
        )
        (self.line_,) = self.ax_.plot(
            places,
            [1 - group["exact_match"] for group in groups],
            **({"label": "share of rows not predicted exactly"} | {"color": "C1"})
            | {"marker": "o"}
            | (line_kw or {}),
        )
        self.ax_.set(ylabel="error", xlabel="tokens of the reference (number of rows)")
        self.ax_.set_ylim(bottom=0)
        label(
            self.ax_,
            [f"{span}\n({g['support']})" for span, g in self.by_length.items()],
            None,
        )
        legend(self.ax_, [self.bars_, self.line_])
        return self
