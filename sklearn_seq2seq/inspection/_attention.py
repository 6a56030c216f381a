"""`AttentionDisplay`: the attention weights of one pair."""

import copy

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq.inspection._drawing import axes, grid_size, label, visible
from sklearn_seq2seq.inspection._rows import model_of, one_row, token_strings

END = "⊣"


class AttentionDisplay:
    """Attention weights over the source, for each token of the target.

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
    are drawn in another installed font that has them. If there is none, their code
    points replace them, such as U+4E00, with a warning. Tokens are drawn letter by
    letter: scripts whose letters join look better with one letter a token.

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
        estimator : Seq2SeqTransformer, Pipeline that ends in one, or search of such
            A fitted estimator with attention.
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
        model, X, vectorizer = model_of(estimator, one_row(X, row))
        if y is None:
            # Without abstentions, so that each row has a prediction.
            y = copy.copy(model).set_params(min_confidence=0).predict(X)
        else:
            y = one_row(y, row)
        weights = model.attention_weights(X, y)[0]
        source = token_strings(X, vectorizer)
        # Source tokens that `long_source` leaves out have no weights.
        n_read = weights.shape[1] - 1
        from_end = model.long_source == "truncate_start"
        return cls.from_weights(
            weights,
            source[-n_read:] if from_end and n_read else source[:n_read],
            token_strings(y, getattr(model, "target_vectorizer_", None)),
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
        columns = [*map(visible, self.source), END]
        rows = [*map(visible, self.target), END]
        self.ax_, self.figure_ = axes(ax, *grid_size(columns, rows))
        options = {"cmap": cmap, "vmin": 0, "vmax": 1, "aspect": "auto"}
        self.im_ = self.ax_.imshow(self.weights, **(options | (im_kw or {})))
        self.ax_.set(xlabel="source", ylabel="target")
        if colorbar:
            bar = self.figure_.colorbar(self.im_, ax=self.ax_)
            bar.set_label("attention weight")
        label(self.ax_, columns, rows)
        return self
