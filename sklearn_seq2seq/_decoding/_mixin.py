"""The public methods of decoding: predict, score, rank, sample.

`Seq2SeqTransformer` and `Seq2SeqEnsemble` inherit them from `PredictionMixin`.
"""

import copy
import math
from functools import wraps
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import RealNotInt, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._decoding import _beam_and_sampling, _inference
from sklearn_seq2seq._decoding._alignment import (
    align_by_attention,
    align_by_edits,
    alignment_columns,
    check_same_positions,
    named_tokens,
)
from sklearn_seq2seq._decoding._decode import DecodingParameters, decode
from sklearn_seq2seq._decoding._nbest_table import nbest_columns
from sklearn_seq2seq._fitting import (
    Number,
    check_count,
    draw_seed,
    non_negative,
    plain,
    positive,
)
from sklearn_seq2seq._optional import as_table
from sklearn_seq2seq._text._check_input import readable_twice
from sklearn_seq2seq._tokens import as_tokens, equal_rows
from sklearn_seq2seq.metrics._pairs import check_weight

# The valid values of the parameters of decoding.
DECODING_CONSTRAINTS = {
    "beam_width": [positive()],
    "length_penalty": [non_negative(Real)],
    "max_length": [
        StrOptions({"auto"}),
        positive(),
        positive(RealNotInt),
    ],
    "max_source_length": [
        StrOptions({"auto"}),
        positive(),
        None,
    ],
    "long_source": [StrOptions({"error", "truncate_end", "truncate_start", "chunk"})],
    "min_length": [non_negative()],
    "no_repeat_ngram_size": [positive(), None],
    "banned_tokens": ["array-like", set, None],
    "allowed_outputs": ["array-like", "sparse matrix", set, None],
    "replace_unknown": [StrOptions({"copy", "keep"}), None],
    "min_confidence": [Number(Real, 0, 1, closed="both")],
    "abstain": "no_validation",
    "batch_size": [positive()],
}


def _explaining(method):
    """Explain how to set a parameter of decoding that is passed to a method."""

    @wraps(method)
    def explained(self, *args, **kwargs):
        for name in DECODING_CONSTRAINTS.keys() & kwargs:
            raise TypeError(
                f"{method.__name__} takes no {name}, which is a parameter of the "
                f"model. Use set_params({name}={kwargs[name]!r}); it needs no refit."
            )
        return method(self, *args, **kwargs)

    return explained


class PredictionMixin:
    """Predictions of the networks of a fitted estimator.

    A subclass has the parameters of `DecodingParameters`, `min_confidence` and
    `abstain`, and a method ``_fitted_model()`` that returns a `FittedModel`.
    """

    @_explaining
    def predict(self, X, *, prefix=None):
        """Decode the best target of each source.

        The current parameters of decoding are used: ``set_params(beam_width=5)`` needs
        no refit.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        prefix : iterable, default=None
            What each target must begin with, one prefix for each row and of the kind of
            `y`; "", [], or zeros for ids, allow any target.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            Of the kind given to `fit`: an object array of str or of lists of str, or an
            integer array of ids. Rows with a confidence below `min_confidence` are
            `abstain`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row of `X` is invalid, or too long with ``long_source="error"`` (the
            message names it), or a prefix cannot be predicted.
        """
        result, unsure = self._predict(X, prefix)
        if self.min_confidence > 0:
            sentinel = self._sentinel()
            for row in np.flatnonzero(unsure):
                result[row] = sentinel
        return result

    def _predict(self, X, prefix=None, **options):
        """Predictions, and which of them have too little confidence."""
        model, params = self._to_decode()
        found = decode(model, params, X, prefix=prefix, **options)
        result = model.target.write(*found.best(model, params))
        return result, found.probability < self.min_confidence

    def _to_decode(self):
        """The fitted model and the checked parameters of decoding."""
        check_is_fitted(self)
        self._validate_params()
        return self._fitted_model(), DecodingParameters.of(self)

    def score(self, X, y=None, sample_weight=None):
        """Share of rows that are predicted exactly; abstentions count as wrong.

        Targets are compared as the target vectorizer reads and writes them: a second
        space between two words makes no difference, nor do capitals with
        ``lowercase=True``.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets. None stands for the sources; so does anything for a
            `Seq2SeqAutoencoder`.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
            Between 0 and 1; 1 is best.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`, or if lengths differ.
        """
        X = readable_twice(X)
        checked = []

        def check_the_rest(n_sources):
            target = self._fitted_model().target
            rows = target.check(self._targets(X, y), "y")
            y_true = target.as_read(rows)
            check_consistent_length(np.empty(n_sources), y_true)
            weight = check_weight(sample_weight, n_sources)
            checked.extend((target, rows, y_true, weight))

        y_pred, unsure = self._predict(X, quiet=True, before=check_the_rest)
        target, rows, y_true, weight = checked
        if target.is_text:
            right = [true == pred for true, pred in zip(y_true, y_pred, strict=True)]
        else:
            right = equal_rows(rows, as_tokens(y_pred.reshape(len(y_pred), -1)))
        return float(np.average(right & ~unsure, weights=weight))

    def _as_read(self, X, y=None):
        """Targets read and written again: what correct predictions equal."""
        target = self._fitted_model().target
        return target.as_read(target.check(self._targets(X, y), "y"))

    def _targets(self, X, y):
        """What predictions are compared with."""
        return X if y is None else y

    @_explaining
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
        table : DataFrame, or record array where pandas is not installed
            One row for each target, best first, with the columns

            - row: the source's place in `X`, from 0;
            - rank: from 0, the best;
            - sequence: the target, of the kind given to `fit`;
            - log_probability: of the whole sequence with its end, in nats;
            - probability: its exponential; those of a source's targets add up to at
              most 1, and that of the best is what `predict_confidence` returns;
            - mean_probability: the geometric mean of the positions' probabilities,
              which does not fall with length.

        Raises
        ------
        ValueError
            If `n_best` is not a positive whole number.
        """
        check_count("n_best", n_best)
        options = {"n_best": int(n_best), "whole": "predict_nbest"}
        return self._table(X, distinct=True, prefix=prefix, **options)

    @_explaining
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
            In [0, 1]; compared with `min_confidence`. For a source that is read in
            chunks, the product of their probabilities.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`.
        """
        return decode(*self._to_decode(), X, prefix=prefix).probability

    @_explaining
    def sample(
        self,
        X,
        n_samples=1,
        *,
        temperature=1.0,
        top_k=None,
        top_p=None,
        random_state=None,
    ):
        """Draw random targets from the model.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_samples : int, default=1
            Targets to draw for each source.
        temperature : float, default=1.0
            Below 1 it makes likely tokens likelier; 0 is greedy decoding.
        top_k : int, default=None
            Draw each token from the k likeliest only.
        top_p : float, default=None
            Draw each token from the fewest that together have this probability.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws, at least 0.

        Returns
        -------
        table : DataFrame, or record array where pandas is not installed
            The columns of `predict_nbest`; `rank` is the number of the draw.
            Probabilities are those of the model, whatever the temperature.

        Raises
        ------
        ValueError
            If an option is out of range.
        """
        check_count("n_samples", n_samples)
        _check_sampling(temperature, top_k, top_p)
        n_samples, *shape = plain((n_samples, temperature, top_k, top_p))
        check_is_fitted(self)
        device = _inference.device_of(self._fitted_model().networks[0])
        generator = torch.Generator(device).manual_seed(draw_seed(random_state))

        def strategy():
            return _beam_and_sampling.Sampler(n_samples, generator, *shape)

        options = {"n_best": n_samples, "strategy": strategy, "whole": "sample"}
        return self._table(X, distinct=False, **options)

    def log_likelihood(self, X, y=None, *, per_token=False):
        """Log-probability of given targets.

        It is the number that `predict_nbest` reports for a target that it finds, unless
        `replace_unknown` has put known tokens in it. Use it to rank candidates, to
        compute perplexity (`sklearn_seq2seq.metrics.perplexity`), or to find the
        training pairs that the model finds least likely.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            One target for each source; None means the sources themselves.
        per_token : bool, default=False
            Whether to return every position's log-probability.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            In nats, with the end. With `per_token`, an object array of one float64
            array for each row, with an entry for each target token and the end.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is invalid, lengths differ, or a source would be read in chunks.
        """
        model, params = self._to_decode()
        rows, _, datasets = model.read_pairs(X, y)
        datasets, _ = params.shorten(model, rows, datasets, whole="log_likelihood")
        flat = _inference.token_log_probs(
            model.networks, datasets, batch_size=params.batch_size
        )
        ends = np.cumsum(datasets[0].target_positions)
        # `flat` holds the positions of all rows one after the other.
        if not per_token:
            return np.add.reduceat(flat, ends - datasets[0].target_positions)
        rows = np.empty(len(ends), dtype=object)
        rows[:] = np.split(flat, ends[:-1])
        return rows

    def align(self, X, y=None):
        """Align target tokens with source tokens.

        With hard attention the result is the best alignment of each pair as a whole;
        with other attention, the position of the largest weight, averaged over the
        networks with attention. Without attention, a memoryless edit model [1]_ is
        fitted to the given pairs, which needs some hundreds of them.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None means the predicted ones.

        Returns
        -------
        table : DataFrame, or record array where pandas is not installed
            One row for each target token, with the columns

            - row: the pair's place in `X`, from 0;
            - source_position, target_position: places of the tokens, from 0; -1 if the
              target token comes from the end of the source, or from no token;
            - source_token, target_token: `sklearn_seq2seq.metrics.GAP` for -1;
            - probability: of this source token, given the pair; the attention weight
              unless attention is hard.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is invalid, lengths differ, a source would be read in chunks, or
            several networks cut sources into different tokens.

        See Also
        --------
        log_likelihood : The probability of a target, token by token.

        References
        ----------
        .. [1] Ristad and Yianilos, "Learning string-edit distance", IEEE Transactions
           on Pattern Analysis and Machine Intelligence, 1998.
        """
        model, params = self._to_decode()
        X = readable_twice(X)
        if y is None:
            y = copy.copy(self).set_params(min_confidence=0).predict(X)
        rows, targets, whole = model.read_pairs(X, y)
        check_same_positions(whole)
        datasets, pieces = params.shorten(model, rows, whole, whole="align")
        reader = model.readers[0]
        source = named_tokens(reader.source, rows, whole[0].source)
        target = named_tokens(reader.target, targets, whole[0].target)
        read, first = source[0], np.zeros(source[0].shape[0], dtype=np.int64)
        if pieces is not None:
            read, first = pieces[0].take(read), pieces[0].starts
        found = align_by_attention(
            model.members, datasets, batch_size=params.batch_size
        ) or align_by_edits(read, target[0])
        return as_table(alignment_columns(found, source, target, first))

    def _table(self, X, *, distinct, **options):
        """Decode, and return the table that `predict_nbest` describes."""
        model, params = self._to_decode()
        found = decode(model, params, X, **options)
        decoded = found.decoded
        present = decoded.log_probs > -np.inf  # (n_samples, n_best)
        row, rank = np.nonzero(present)
        tokens = decoded.tokens[np.flatnonzero(present)]
        tokens, strings = found.without_unknown(model, params, row, tokens)
        columns = nbest_columns(
            row,
            rank,
            decoded.log_probs[present],
            tokens,
            model.target.write(tokens, strings),
            distinct=distinct and model.target.is_text,
        )
        return as_table(columns)

    def _sentinel(self):
        if self._fitted_model().target.is_text or isinstance(self.abstain, Integral):
            return self.abstain
        raise ValueError(
            "abstain must be a whole number if targets are token ids; "
            f"got {self.abstain!r}."
        )


def _check_sampling(temperature, top_k, top_p):
    finite = non_negative(Real).is_satisfied_by(temperature)
    if not (finite and math.isfinite(temperature)):
        raise ValueError(f"temperature must be 0 or more; got {temperature!r}.")
    if top_k is not None:
        check_count("top_k", top_k)
    if top_p is not None and not Number(Real, 0, 1, closed="right").is_satisfied_by(
        top_p
    ):
        raise ValueError(f"top_p must be in (0, 1]; got {top_p!r}.")
