"""`Seq2SeqAutoencoder`: a vector of fixed length for each sequence, as features."""

import inspect
import re

from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer


def _section(first, end):
    """Part of the parent's docstring; empty if Python runs without docstrings."""
    text = Seq2SeqTransformer.__doc__ or ""
    start = text.find(f"    {first}\n    -")
    return text[start : text.find(f"    {end}\n    -")].strip()


def _signature(**defaults):
    """The parent's signature, which scikit-learn reads, with other defaults."""
    signature = inspect.signature(Seq2SeqTransformer.__init__)
    parameters = dict(signature.parameters)
    for name, default in defaults.items():
        parameters[name] = parameters[name].replace(default=default)
    return signature.replace(parameters=parameters.values())


_DEFAULTS = {"attention": None, "num_layers": 1}

_PARAMETERS = _section("Parameters", "See Also")
for _name, _default in _DEFAULTS.items():
    _PARAMETERS = re.sub(
        rf"({_name} : .*default=)\S+", rf"\g<1>{_default!r}", _PARAMETERS
    )


class Seq2SeqAutoencoder(Seq2SeqTransformer):
    __doc__ = f"""Encoder-decoder that learns to reproduce its sources.

    Its `transform` encodes each sequence into a vector of fixed length, from which the
    decoder can restore the sequence. As a step before a classifier or regressor it
    turns text into features, where `Seq2SeqTransformer` would take the classes for
    targets and learn to spell them. It differs from `Seq2SeqTransformer` in three
    things: `y` is ignored; `attention` is None by default, so that the vector has to
    hold everything; and `num_layers` is 1, so that the vector has the same length
    however many sequences there are.

    {_PARAMETERS}

    See Also
    --------
    Seq2SeqTransformer : The same with targets from `y`.
    sklearn.feature_extraction.text.TfidfVectorizer : Features that these have to beat.

    {_section("References", "Examples")}

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn_seq2seq import Seq2SeqAutoencoder
    >>> words = ["abab", "ab", "abb", "cd", "cdd", "cdcd"]
    >>> encoder = Seq2SeqAutoencoder(hidden_size=16, random_state=0)
    >>> pipe = make_pipeline(encoder, LogisticRegression())
    >>> pipe.fit(words, ["left"] * 3 + ["right"] * 3).predict(["aba", "ccd"])
    array(['left', 'right'], dtype='<U5')
    """

    def __init__(self, **params):
        super().__init__(**_DEFAULTS | params)

    __init__.__signature__ = _signature(**_DEFAULTS)

    def fit(self, X, y=None, *, sample_weight=None, groups=None, validation_data=None):
        """Learn the vocabulary and train the network to reproduce each source.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for `Seq2SeqTransformer.fit`.
        y : object, default=None
            Ignored, present for API consistency.
        sample_weight : array-like of float, shape (n_samples,), default=None
            How much each source counts in the loss.
        groups : array-like, shape (n_samples,) or (n_samples, k), default=None
            Sources of one group stay on one side of the internal validation split.
        validation_data : tuple (X, y), default=None
            Sources to validate on after every epoch; `y` is ignored.

        Returns
        -------
        self : Seq2SeqAutoencoder
            This estimator, fitted.

        Raises
        ------
        ValueError
            As `Seq2SeqTransformer.fit`.
        """
        if isinstance(validation_data, (tuple, list)) and len(validation_data) == 2:
            validation_data = validation_data[0], None
        return super().fit(
            X,
            sample_weight=sample_weight,
            groups=groups,
            validation_data=validation_data,
        )

    def partial_fit(self, X, y=None, *, sample_weight=None):
        """Train `max_epochs` more on these sources.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for `fit`.
        y : object, default=None
            Ignored, present for API consistency.
        sample_weight : array-like of float, shape (n_samples,), default=None
            As for `fit`.

        Returns
        -------
        self : Seq2SeqAutoencoder
            This estimator, fitted.

        Raises
        ------
        ValueError
            As `fit`.
        """
        return super().partial_fit(X, sample_weight=sample_weight)

    def _targets(self, X, y):
        return X
