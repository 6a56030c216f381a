"""`HistoryDisplay`: losses and scores, epoch by epoch."""

from itertools import chain

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.inspection._drawing import axes, legend


class HistoryDisplay:
    """Learning curves: losses and scores by epoch, the best epoch marked.

    Make it with `from_estimator` or `from_history`.

    Parameters
    ----------
    history : list of dict
        One record an epoch.
    monitor : str or None
        The entry that decides which epoch is best; None marks no epoch.
    tol : float, default=0.0
        Improvement that counts.
    best_epoch : int, default=None
        The epoch to mark, instead of the best one of `monitor`.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes of the losses.
    score_ax_ : matplotlib Axes or None
        The axes of the scores, on the right; None without scores.
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

    def __init__(self, *, history, monitor=None, tol=0.0, best_epoch=None):
        self.history = history
        self.monitor = monitor
        self.tol = tol
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **kwargs):
        """Draw the training of a fitted model.

        Parameters
        ----------
        estimator : Seq2SeqTransformer, Pipeline that ends in one, or search of such
            A fitted estimator.
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
        model = getattr(estimator, "best_estimator_", estimator)
        model = model[-1] if isinstance(model, Pipeline) else model
        named = isinstance(model.scoring, str) and model.scoring in (
            "loss",
            "exact_match",
        )
        return cls.from_history(
            model.history_,
            monitor=f"valid_{model.scoring}" if named else "valid_score",
            # The model's weights may be those of an epoch of an earlier call.
            best_epoch=(model.net_.memory_ or {}).get("epoch"),
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_history(
        cls,
        history,
        *,
        monitor="valid_loss",
        tol=0.0,
        best_epoch=None,
        ax=None,
        **kwargs,
    ):
        """Draw a history, such as `history_` of a fitted model.

        Parameters
        ----------
        history : list of dict
            One record an epoch, with "epoch" and "train_loss", and optionally
            "valid_loss", "valid_exact_match" and other ``valid_`` scores.
        monitor : str, default="valid_loss"
            The entry that decides which epoch is best: the lowest loss, or the highest
            other value. Without such an entry no epoch is marked.
        tol : float, default=0.0
            Improvement that counts.
        best_epoch : int, default=None
            The epoch to mark, instead of the best one of `monitor`.
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
        display = cls(history=history, monitor=monitor, tol=tol, best_epoch=best_epoch)
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
        self.ax_, self.figure_ = axes(ax, 6.4, 4.0)
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
        legend(self.score_ax_ or self.ax_, handles)
        return self

    def _is_repeated(self, scores):
        """Whether "valid_score" equals one of the named scores."""
        score = self._values("valid_score")
        return any(
            np.array_equal(score, self._values(name), equal_nan=True)
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
        self.best_line_ = None
        self.best_epoch_ = self.best_epoch or self._find_best()
        if self.best_epoch_ is None:
            return
        self.best_line_ = self.ax_.axvline(
            self.best_epoch_,
            color="gray",
            linestyle=":",
            label=f"best epoch ({self.best_epoch_})",
        )

    def _find_best(self):
        values = self._values(self.monitor) if self.monitor else np.array([np.nan])
        if not np.isfinite(values).any():
            return None
        sign = 1 if self.monitor.endswith("loss") else -1
        best = np.inf
        for k, value in enumerate(sign * values):
            if value < best - self.tol or (np.isinf(best) and np.isfinite(value)):
                best, place = value, k
        return int(self.history[place].get("epoch", place + 1))
