"""`Predictor`: what a fitted estimator predicts, without the estimator."""

from numbers import Integral

import numpy as np

from sklearn_seq2seq._decoding._tables import as_column, first_of_alike
from sklearn_seq2seq._pairs._long_sources import join_pieces
from sklearn_seq2seq._tokens import lengths
from sklearn_seq2seq.runtime._decode import decode, log_likelihood, replace_unknown
from sklearn_seq2seq.runtime._parameters import check_parameters


class Predictor:
    """A fitted model that predicts with numpy and onnxruntime alone.

    What `load` gives; it predicts what the exported estimator predicts. It may be
    called from several threads at once, but `set_params` is for one.

    Parameters
    ----------
    members : list of Member
        Models that decode together; usually one.
    params : dict
        The parameters of decoding.

    See Also
    --------
    load : Makes one of a file.
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
            Values by name, as of :class:`~sklearn_seq2seq.Seq2SeqTransformer`.
        """
        return dict(self._params)

    def set_params(self, **params):
        """Set parameters of decoding; they are read whenever something is decoded.

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
            If there is no such parameter, or it cannot have that value.
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
            What each target must begin with, one for each row; "" or [], or zeros for
            ids, leaves a row free.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            As of the exported estimator. Rows of less than `min_confidence` are
            `abstain`.

        Raises
        ------
        ValueError
            If a row of `X` is not what it must be or too long, or a prefix cannot be
            written.
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
        """Probability of each prediction: of the whole sequence, its end included.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        prefix : iterable, default=None
            As for `predict`.

        Returns
        -------
        confidence : ndarray of float64, shape (n_samples,)
            In [0, 1]; of a source that is read in chunks, the product of theirs.
        """
        return self._decode(X, prefix=prefix).confidence

    def predict_nbest(self, X, n_best=5, *, prefix=None):
        """Decode the n best targets of each source, with their probabilities.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_best : int, default=5
            Targets of each source at most; there may be fewer. The beam is at least
            that wide.
        prefix : iterable, default=None
            As for `predict`.

        Returns
        -------
        columns : dict of ndarray
            One item of each for each target, best first: the columns "row", "rank",
            "sequence", "log_probability", "probability" and "mean_probability" of
            :meth:`Seq2SeqTransformer.predict_nbest
            <sklearn_seq2seq.Seq2SeqTransformer.predict_nbest>`.

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
        log_probability = found.log_probs[row, rank]
        columns = {
            "row": row,
            "rank": rank,
            "sequence": as_column(self._target.write(tokens, strings)),
            "log_probability": log_probability,
            "probability": np.exp(log_probability),
            "mean_probability": np.exp(log_probability / (lengths(tokens) + 1)),
        }
        if self._target.is_text:
            kept = first_of_alike(row, columns["sequence"])
            columns = {name: column[kept] for name, column in columns.items()}
            row = columns["row"]
            columns["rank"] = np.arange(len(row)) - np.searchsorted(row, row)
        return columns

    def log_likelihood(self, X, y=None):
        """Log-probability of given targets: the number that `predict_nbest` reports.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            One target for each; None means the sources themselves.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            In nats, the end included.

        Raises
        ------
        ValueError
            If a row is not what it must be, lengths differ, or a source would have to
            be read in chunks.
        """
        return log_likelihood(self._members, self._params, X, y)

    def _decode(self, X, **options):
        return decode(self._members, self._params, X, **options)

    def _known(self, found, rows, ranks):
        """Token rows of some hypotheses, as `replace_unknown` wants them."""
        tokens = found.tokens(rows, ranks)
        if self._params["replace_unknown"] != "copy":
            return tokens, found.strings
        return replace_unknown(self._members, self._params, found, rows, tokens)

    def _sentinel(self):
        abstain = self._params["abstain"]
        if self._target.is_text or isinstance(abstain, Integral):
            return abstain
        raise ValueError(
            "abstain must be a whole number where targets are token ids; "
            f"got {abstain!r}."
        )
