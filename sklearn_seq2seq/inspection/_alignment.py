"""`AlignmentDisplay`: which source token each target token comes from."""

import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.inspection._drawing import axes, grid_size, label, visible
from sklearn_seq2seq.inspection._rows import model_of, one_row, token_strings


class AlignmentDisplay:
    """Source and target of a pair, with lines from target tokens to source tokens.

    Make it with `from_estimator` or `from_alignment`.

    Parameters
    ----------
    source, target : list of str
        The tokens.
    source_position : ndarray of int, shape (n_target_tokens,)
        The source position that each target token comes from; -1 for none.
    probability : ndarray of float, shape (n_target_tokens,)
        The probability of that position.

    Attributes
    ----------
    ax_ : matplotlib Axes
        The axes that were drawn on.
    figure_ : matplotlib Figure
        Their figure.
    lines_ : matplotlib LineCollection
        The lines; the less probable, the fainter.

    See Also
    --------
    Seq2SeqTransformer.align : The alignments of many pairs.
    AttentionDisplay : All the weights of a pair.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklearn_seq2seq.inspection import AlignmentDisplay
    >>> display = AlignmentDisplay.from_alignment(
    ...     list("phone"), ["F", "OW", "N"], [0, 2, 3], [0.8, 1.0, 1.0]
    ... )
    >>> len(display.lines_.get_segments())
    3
    """

    def __init__(self, *, source, target, source_position, probability):
        self.source = source
        self.target = target
        self.source_position = source_position
        self.probability = probability

    @classmethod
    def from_estimator(cls, estimator, X, y=None, *, row=0, ax=None, **kwargs):
        """Draw how a fitted model aligns one pair.

        Parameters
        ----------
        estimator : Seq2SeqTransformer, Pipeline that ends in one, or search of such
            A fitted estimator. Without attention the alignment is learned from all
            pairs.
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
        display : AlignmentDisplay
            With what was drawn.
        """
        import_optional("matplotlib", "plot")
        check_is_fitted(estimator)
        if not (hasattr(X, "__len__") or hasattr(X, "shape")):
            X = list(X)
        model, X, vectorizer = model_of(estimator, X)
        if y is None:
            y = copy.copy(model).set_params(min_confidence=0).predict(X)
        table = model.align(X, y)
        in_row = (
            np.asarray(table["row"])
            == range(X.shape[0] if hasattr(X, "shape") else len(X))[row]
        )
        return cls.from_alignment(
            token_strings(one_row(X, row), vectorizer),
            token_strings(one_row(y, row), getattr(model, "target_vectorizer_", None)),
            np.asarray(table["source_position"])[in_row],
            np.asarray(table["probability"])[in_row],
            ax=ax,
            **kwargs,
        )

    @classmethod
    def from_alignment(
        cls, source, target, source_position, probability=None, *, ax=None, **kwargs
    ):
        """Draw an alignment.

        Parameters
        ----------
        source, target : list of str
            The tokens.
        source_position : array-like of int, shape (n_target_tokens,)
            The source position that each target token comes from; -1 for none.
        probability : array-like of float, shape (n_target_tokens,), default=None
            The probability of that position; 1 by default.
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure.
        **kwargs : dict
            Passed to `plot`.

        Returns
        -------
        display : AlignmentDisplay
            With what was drawn.

        Raises
        ------
        ValueError
            If there is not one position for each target token, or one is not in the
            source.
        """
        places = np.asarray(source_position, dtype=int)
        if probability is None:
            probability = np.ones(len(places))
        probability = np.asarray(probability, dtype=float)
        if not len(target) == len(places) == len(probability):
            raise ValueError(
                "source_position and probability need one entry for each of the "
                f"{len(target)} target tokens; got {len(places)} and "
                f"{len(probability)}."
            )
        if len(places) and not (places.min() >= -1 and places.max() < len(source)):
            raise ValueError(
                f"source_position must be -1 or a place in the {len(source)} source "
                f"tokens; got {places.tolist()}."
            )
        display = cls(
            source=list(source),
            target=list(target),
            source_position=places,
            probability=probability,
        )
        return display.plot(ax=ax, **kwargs)

    def plot(self, ax=None, *, line_kw=None):
        """Draw the source above, the target below, and lines between them.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw; None makes a figure of a size that fits the tokens.
        line_kw : dict, default=None
            Passed to matplotlib's ``LineCollection``.

        Returns
        -------
        display : AlignmentDisplay
            This display.
        """
        collections = import_optional("matplotlib.collections", "plot")
        source, target = ([*map(visible, side)] for side in (self.source, self.target))
        longer = max(source, target, key=len)
        self.ax_, self.figure_ = axes(ax, grid_size(longer or [""], [""])[0], 2.0)
        opacity = np.clip(self.probability[self.source_position >= 0], 0.1, 1)
        ends = [
            [((s + 0.5) / len(source), 1), ((t + 0.5) / len(target), 0)]
            for t, s in enumerate(self.source_position)
            if s >= 0
        ]
        options = {"color": "C0", "alpha": opacity if ends else None}
        self.lines_ = collections.LineCollection(
            ends, transform=self.ax_.transAxes, **(options | (line_kw or {}))
        )
        self.ax_.add_collection(self.lines_, autolim=False)
        above = self.ax_.twiny()
        for axis, tokens, name in (
            (self.ax_, target, "target"),
            (above, source, "source"),
        ):
            axis.set(xlim=(-0.5, max(len(tokens), 1) - 0.5), xlabel=name, yticks=[])
            axis.set_xticks([])
            axis.spines[:].set_visible(False)
            axis.tick_params(length=0)
            if tokens:
                label(axis, tokens, [])
        return self
