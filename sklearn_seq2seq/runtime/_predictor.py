"""`Predictor`: the predictions of an exported estimator."""

from numbers import Integral

import numpy as np

from sklearn_seq2seq._decoding._nbest_table import nbest_columns
from sklearn_seq2seq._pairs._long_sources import join_pieces
from sklearn_seq2seq.runtime._decode import decode, log_likelihood, replace_unknown
from sklearn_seq2seq.runtime._parameters import check_parameters


class Predictor:
    """A fitted model that predicts with numpy and onnxruntime alone.

    `load` returns it; it predicts what the exported estimator predicts. Several threads
    may use it at once, except for `set_params`.

    Parameters
    ----------
    members : list of Member
        Models that decode together; usually one.
    params : dict
        The parameters of decoding.

    See Also
    --------
    load : Reads one from a file.
    sklearn_seq2seq.export_onnx : Writes the files that `load` reads.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_seq2seq import Seq2SeqTransformer, export_onnx, runtime
    >>> model = Seq2SeqTransformer(hidden_size=8, max_epochs=2, random_state=0)
    >>> model = model.fit(["ab", "ba"], ["AB", "BA"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "shout.onnx.zip")
    ...     export_onnx(model, path)
    ...     exported = runtime.load(path)
    >>> found = exported.set_params(max_length=2).predict_nbest(["ab"], n_best=2)
    >>> found["row"].tolist(), found["rank"].tolist()
    ([0, 0], [0, 1])
    """

    def __init__(self, members, params):
        self._members = members
        self._target = members[0].target
        self._params = dict(params)

    def __repr__(self):
        return f"Predictor of {len(self._members)} network(s), {self._params}"

    def get_params(self):
        """Get the parameters of decoding.

        Returns
        -------
        params : dict
            Values by name, as for :class:`~sklearn_seq2seq.Seq2SeqTransformer`.
        """
        return dict(self._params)

    def set_params(self, **params):
        """Set parameters of decoding, which are read at every prediction.

        Parameters
        ----------
        **params : dict
            Values by name: ``beam_width``, ``length_penalty``, ``max_length``,
            ``min_length``, ``max_source_length``, ``long_source``,
            ``no_repeat_ngram_size``, ``banned_tokens``, ``allowed_outputs``,
            ``replace_unknown``, ``min_confidence``, ``abstain``, ``batch_size``; see
            :class:`~sklearn_seq2seq.Seq2SeqTransformer`.

        Returns
        -------
        self : Predictor
            This predictor.

        Raises
        ------
        ValueError
            If a parameter is unknown or its value invalid.
        """
        check_parameters(params)
        self._params.update(params)
        return self

    def predict(self, X, *, prefix=None):
        """Decode the best target of each source.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        prefix : iterable, default=None
            What each target must begin with, one prefix for each row; "", [], or zeros
            for ids, allow any target.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            The predictions of the exported estimator. Rows with a confidence below
            `min_confidence` are `abstain`.

        Raises
        ------
        ValueError
            If a row of `X` is invalid or too long, or a prefix cannot be predicted.
        """
        found = self._decode(X, prefix=prefix)
        rows = np.arange(len(found.log_probs))
        tokens, strings = self._known(found, rows, np.zeros_like(rows))
        if found.pieces is not None:
            tokens, strings = join_pieces(
                found.pieces[0], tokens, strings, self._target
            )
        result = self._target.write(tokens, strings)
        for row in np.flatnonzero(found.confidence < self._params["min_confidence"]):
            result[row] = self._sentinel()
        return result

    def predict_confidence(self, X, *, prefix=None):
        """Probability of each prediction: of its whole sequence, with its end.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        prefix : iterable, default=None
            As for `predict`.

        Returns
        -------
        confidence : ndarray of float64, shape (n_samples,)
            In [0, 1]. For a source that is read in chunks, the product of their
            probabilities.
        """
        return self._decode(X, prefix=prefix).confidence

    def predict_nbest(self, X, n_best=5, *, prefix=None):
        """Decode the n best targets of each source, with their probabilities.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_best : int, default=5
            The most targets of each source; there may be fewer. The beam is at least
            that wide.
        prefix : iterable, default=None
            As for `predict`.

        Returns
        -------
        columns : dict of ndarray
            The columns "row", "rank", "sequence", "log_probability", "probability" and
            "mean_probability" of :meth:`Seq2SeqTransformer.predict_nbest
            <sklearn_seq2seq.Seq2SeqTransformer.predict_nbest>`, with one entry for each
            target, best first.

        Raises
        ------
        ValueError
            If `n_best` is not a positive whole number.
        """
        if isinstance(n_best, bool) or not isinstance(n_best, Integral) or n_best < 1:
            raise ValueError(f"n_best must be a whole number from 1; got {n_best!r}.")
        found = self._decode(X, prefix=prefix, n_best=n_best, whole="predict_nbest")
        row, rank = np.nonzero(found.log_probs > -np.inf)
        tokens, strings = self._known(found, row, rank)
        return nbest_columns(
            row,
            rank,
            found.log_probs[row, rank],
            tokens,
            self._target.write(tokens, strings),
            distinct=self._target.is_text,
        )

    def log_likelihood(self, X, y=None):
        """Log-probability of given targets: the number that `predict_nbest` reports.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            One target for each source; None means the sources themselves.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            In nats, with the end.

        Raises
        ------
        ValueError
            If a row is invalid, lengths differ, or a source would be read in chunks.
        """
        return log_likelihood(self._members, self._params, X, y)

    def _decode(self, X, **options):
        return decode(self._members, self._params, X, **options)

    def _known(self, found, rows, ranks):
        """Token rows of some hypotheses, after `replace_unknown`."""
        tokens = found.tokens(rows, ranks)
        if self._params["replace_unknown"] != "copy":
            return tokens, found.strings
        return replace_unknown(self._members, self._params, found, rows, tokens)

    def _sentinel(self):
        abstain = self._params["abstain"]
        if self._target.is_text or isinstance(abstain, Integral):
            return abstain
        raise ValueError(
            f"abstain must be a whole number if targets are token ids; got {abstain!r}."
        )
