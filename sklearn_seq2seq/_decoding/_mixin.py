"""What fitted estimators do with new sources: predict, score, rank, sample, explain.

`DecodingMixin` serves `Seq2SeqTransformer`, its own only member, and `Seq2SeqEnsemble`.
"""

import math
from numbers import Integral, Real

import numpy as np
import torch
from sklearn.utils import Bunch, check_consistent_length
from sklearn.utils._param_validation import Interval, RealNotInt, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from sklearn_seq2seq._decoding import _constraints, _inference, _strategies
from sklearn_seq2seq._decoding._constraint_parameters import (
    as_column,
    banned_ids,
    check_begins_member,
    first_of_alike,
    read_closed_set,
    read_prefix,
    trie_edges,
)
from sklearn_seq2seq._fitting import draw_seed
from sklearn_seq2seq._pairs._copying import check_same_pieces
from sklearn_seq2seq._pairs._long_sources import (
    chunked,
    join_pieces,
    marks_of,
    raise_long,
    read_pieces,
    truncated,
    warn_long,
)
from sklearn_seq2seq._pairs._side import read_target_ids
from sklearn_seq2seq._text._check_input import check_raw, listed, take
from sklearn_seq2seq._tokens import UNKNOWN, lengths, pad, unpad
from sklearn_seq2seq._warnings import warn
from sklearn_seq2seq.metrics import exact_match_score

# Room beyond the longest training target before a prediction is cut off.
SLACK = 1.25


class DecodingMixin:
    """Decoding by the members of an estimator together.

    A host has the parameters below and ``_members``, its fitted estimators.
    """

    # A network that learns is decoded after every epoch; early on it never ends.
    _in_training = False
    _decoding_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "beam_width": [Interval(Integral, 1, None, closed="left")],
        "length_penalty": [Interval(Real, 0, None, closed="left")],
        "max_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, None, closed="neither"),
        ],
        "max_source_length": [
            StrOptions({"auto"}),
            Interval(Integral, 1, None, closed="left"),
            None,
        ],
        "long_source": [
            StrOptions({"error", "truncate_end", "truncate_start", "chunk"})
        ],
        "min_length": [Interval(Integral, 0, None, closed="left")],
        "no_repeat_ngram_size": [Interval(Integral, 1, None, closed="left"), None],
        "banned_tokens": ["array-like", set, None],
        "allowed_outputs": ["array-like", "sparse matrix", set, None],
        "replace_unknown": [StrOptions({"copy", "keep"}), None],
        "min_confidence": [Interval(Real, 0, 1, closed="both")],
        "abstain": "no_validation",
        "batch_size": [Interval(Integral, 1, None, closed="left")],
    }

    def predict(self, X, *, prefix=None):
        """Decode the best target of each source.

        The parameters of decoding are read now: ``set_params(beam_width=5)`` needs no
        refit.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        prefix : iterable, default=None
            What each target must begin with, one for each row and of the kind of `y`;
            "" or [], or zeros for ids, leaves a row free.

        Returns
        -------
        y : ndarray, shape (n_samples,) or (n_samples, width)
            Of the kind given to `fit`: an object array of str or of lists of str, or an
            integer array of ids. Rows of less than `min_confidence` are `abstain`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row of `X` is not what it must be or too long for
            ``long_source="error"`` (the message names it), or a prefix cannot be
            written.
        """
        result, unsure = self._predict(X, prefix)
        if self.min_confidence > 0:
            sentinel = self._sentinel()
            for row in np.flatnonzero(unsure):
                result[row] = sentinel
        return result

    def _predict(self, X, prefix=None, *, quiet=False):
        """Predictions, and which of them are to be abstained from."""
        X, _ = listed(X)
        decoded, strings, datasets, pieces = self._decode(X, prefix=prefix, quiet=quiet)
        tokens = decoded.best(_width(decoded, self._side))
        if self.replace_unknown == "copy":
            rows = np.arange(len(datasets[0]))
            tokens, strings = self._replace_unknown(
                X, rows, tokens, strings, datasets, pieces
            )
        if pieces is not None:
            tokens, strings = join_pieces(pieces[0], tokens, strings, self._side)
        unsure = _confidence(decoded, pieces) < self.min_confidence
        return self._side.write(tokens, strings), unsure

    def score(self, X, y=None, sample_weight=None):
        """Share of rows whose whole sequence is right; abstentions are not.

        Text is compared as it stands: targets in capitals are never right where the
        target vectorizer has ``lowercase=True``.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources.
        y : iterable of str, of lists of str, or array of ids, default=None
            Their targets; None for those of an autoencoder, the sources.
        sample_weight : array-like of float, shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        float
            Between 0 and 1, the best.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`, or if lengths differ.
        """
        X, y = listed(X, y)
        y_pred, unsure = self._predict(X, quiet=True)
        if self._side.has_columns:
            y = self._side.vectorizer._as_read(y)
        elif self._side.is_text:
            y = check_raw(y, "y")
        else:
            # Zeros between ids are no tokens, as in `fit`.
            y = read_target_ids(y)[0].toarray()
            y_pred = y_pred.reshape(len(y_pred), -1)
        check_consistent_length(y, y_pred, sample_weight)
        if not unsure.any():
            return exact_match_score(y, y_pred, sample_weight=sample_weight)
        weight = np.ones(len(unsure))
        if sample_weight is not None:
            weight = _check_sample_weight(
                sample_weight, weight, dtype=np.float64, ensure_non_negative=True
            )
        sure = np.flatnonzero(~unsure)
        if weight.any() and not weight[sure].any():
            return 0.0
        score = exact_match_score(
            take(y, sure), y_pred[sure], sample_weight=weight[sure]
        )
        return float(score * weight[sure].sum() / weight.sum())

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
        table : DataFrame, or Bunch of ndarray where pandas is not installed
            One row for each target, best first, with the columns

            - row: the source's place in `X`, from 0;
            - rank: from 0, the best;
            - sequence: the target, of the kind given to `fit`;
            - log_probability: of the whole sequence with its end, in nats;
            - probability: its exponential, at most 1 in sum over a source's targets;
            - confidence: the geometric mean of the positions' probabilities, which is
              the probability normalised by length.

        Raises
        ------
        ValueError
            If `n_best` is not a positive whole number.
        """
        _check_count("n_best", n_best)
        options = {"n_best": int(n_best), "whole": "predict_nbest"}
        return self._table(X, distinct=True, prefix=prefix, **options)

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
            In [0, 1]; what `min_confidence` is compared with. Of a source that is
            read in chunks, the product of theirs.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            As `predict`.
        """
        decoded, _, _, pieces = self._decode(X, prefix=prefix)
        return _confidence(decoded, pieces)

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
        """Draw targets at random from the model.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        n_samples : int, default=1
            Targets to draw for each source.
        temperature : float, default=1.0
            Below 1 likely tokens get likelier; 0 is greedy decoding.
        top_k : int, default=None
            Draw each token among the k likeliest only.
        top_p : float, default=None
            Draw each token among the fewest that together have this probability.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws.

        Returns
        -------
        table : DataFrame, or Bunch of ndarray where pandas is not installed
            As of `predict_nbest`, `rank` being the number of the draw. Probabilities
            are the model's own, whatever the temperature.

        Raises
        ------
        ValueError
            If an option is out of range.
        """
        _check_count("n_samples", n_samples)
        _check_sampling(temperature, top_k, top_p)
        check_is_fitted(self)
        seed = draw_seed(random_state)
        device = _inference.device_of(self._networks[0])
        generator = torch.Generator(device).manual_seed(seed)

        def strategy():
            return _strategies.Sampler(n_samples, generator, temperature, top_k, top_p)

        options = {"n_best": n_samples, "strategy": strategy, "whole": "sample"}
        return self._table(X, distinct=False, **options)

    def log_likelihood(self, X, y=None, *, per_token=False):
        """Log-probability of given targets.

        The same number that `predict_nbest` reports for a target that it finds, unless
        `replace_unknown` has put known tokens in it. Use it to rank candidates, to
        compute perplexity (`sklearn_seq2seq.metrics.perplexity`), or to find the
        training pairs that the model believes least.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            Sources, of the kind given to `fit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            One target for each; None means the sources themselves.
        per_token : bool, default=False
            Whether to return every position's log-probability.

        Returns
        -------
        ndarray of float64, shape (n_samples,)
            In nats, the end included. With `per_token` an object array of one float64
            array for each row, of the target's tokens and its end.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If a row is not what it must be, lengths differ, or a source would have to
            be read in chunks.
        """
        check_is_fitted(self)
        X, y = listed(X, y)
        datasets = [member._read_pairs(X, y) for member in self._members]
        datasets, _ = self._shorten(X, datasets, whole="log_likelihood")
        flat = _inference.token_log_probs(
            self._networks, datasets, batch_size=self.batch_size
        )
        ends = np.cumsum(datasets[0].target_positions)
        if not per_token:
            return np.add.reduceat(flat, ends - datasets[0].target_positions)
        rows = np.empty(len(ends), dtype=object)
        rows[:] = np.split(flat, ends[:-1])
        return rows

    @property
    def _networks(self):
        return [member.net_.module_ for member in self._members]

    @property
    def _side(self):
        """The target side, which the members share."""
        return self._members[0]._target

    def _decode(
        self, X, *, prefix=None, n_best=1, strategy=None, whole=None, quiet=False
    ):
        """Search for the best targets; unless `quiet`, warn of what was cut.

        Returns
        -------
        decoded : Decoded
            Of each piece, where sources are read in chunks.
        strings : list of str
            What the ids beyond the target vocabulary stand for.
        datasets : list of PairDataset
            The sources, or their pieces, as each member reads them.
        pieces : list of Pieces, or None
            As of `_shorten`.
        """
        check_is_fitted(self)
        self._validate_params()
        X, _ = listed(X)
        sources = [member._read_source(X) for member in self._members]
        strings = sources[0][2]
        datasets = [
            member._dataset(tokens, copies=self._allowed_copies(copies, names))
            for member, (tokens, copies, names) in zip(
                self._members, sources, strict=True
            )
        ]
        quiet = quiet or self._in_training
        datasets, pieces = self._shorten(X, datasets, whole=whole, quiet=quiet)
        if pieces is not None and self.long_source == "chunk":
            self._check_chunks_are_free(prefix)
        limits = self._limits([lengths(data.source) for data in datasets])
        options, least = self._options(prefix, len(datasets[0]))
        limits = np.maximum(limits, least)
        decoded = _inference.decode(
            self._networks,
            datasets,
            limits=limits,
            strategy=strategy or self._strategy(n_best),
            n_best=n_best,
            batch_size=self.batch_size,
            options=options,
        )
        if not quiet:
            # Of what is sampled, all counts; of n best, the prediction.
            capped = decoded.capped[:, 0] if strategy is None else decoded.capped.any(1)
            # Rows of ids cannot be longer than the arrays given to `fit`.
            widest = np.inf if self._side.is_text else self._side.width
            _warn_capped(capped & (limits > 0) & (limits < widest), limits, pieces)
        return decoded, strings, datasets, pieces

    def _shorten(self, X, datasets, *, whole=None, quiet=False):
        """Do with sources of more than `max_source_length` what `long_source` says.

        Parameters
        ----------
        X : data
            The sources, as the user passed them.
        datasets : list of PairDataset
            The same, as each member reads them, with or without targets.
        whole : str, default=None
            The method that cannot read sources in chunks.
        quiet : bool, default=False
            Whether to be silent about what is cut.

        Returns
        -------
        datasets : list of PairDataset
            With what is read of each source; one row for each piece.
        pieces : list of Pieces, or None
            What that is, for each member; None if it is everything.
        """
        limit = self.max_source_length
        if limit is None:
            return datasets, None
        self._validate_params()
        if limit == "auto":
            limit = min(member._longest[0] for member in self._members)
        n_tokens = [data.source_positions - 1 for data in datasets]
        longest = np.max(n_tokens, axis=0)
        rows = np.flatnonzero(longest > limit)
        if not len(rows):
            return datasets, None
        if self.long_source == "error":
            raise_long(rows, longest, limit)
        if self.long_source == "chunk":
            self._check_chunks_are_possible(rows, n_tokens, whole)
            piece = self._cut_into_chunks(X, datasets[0].source, rows, limit)
            pieces = [piece] * len(datasets)
        else:
            keep_end = self.long_source == "truncate_start"
            pieces = [truncated(n, limit, keep_end) for n in n_tokens]
        if not quiet:
            warn_long(rows, longest, limit, self.long_source, len(pieces[0].rows))
        datasets = [
            read_pieces(member, data, piece)
            for member, data, piece in zip(self._members, datasets, pieces, strict=True)
        ]
        return datasets, pieces

    def _cut_into_chunks(self, X, tokens, rows, limit):
        source = self._members[0]._source
        n_tokens = lengths(tokens)
        if source.is_text:
            # White space may be unknown, but here it must be seen.
            tokens, extras = source.read(X, "X", open_vocabulary=True)
            marks = marks_of(source.strings(extras))
        else:
            marks = marks_of([""] * (int(tokens.data.max()) + 1))
        words = bool(source.joiner)
        return chunked(n_tokens, limit, rows, tokens[rows], marks, words=words)

    def _check_chunks_are_possible(self, rows, n_tokens, whole):
        reasons = {
            f"{whole} needs whole sources, which chunks are not": whole is not None,
            "sources or targets of several columns cannot be cut": (
                self._members[0]._source.has_columns or self._side.has_columns
            ),
            "targets of one token cannot be joined": self._side.ndim == 1,
            "the members cut sources into tokens differently": any(
                (n != n_tokens[0]).any() for n in n_tokens
            ),
        }
        for reason, holds in reasons.items():
            if holds:
                raise ValueError(
                    f"long_source='chunk' cannot be used for row {rows[0]} of X: "
                    f"{reason}. Use another long_source, or max_source_length=None."
                )

    def _check_chunks_are_free(self, prefix):
        """Refuse what is said of whole targets."""
        for name, value in (
            ("prefix", prefix),
            ("allowed_outputs", self.allowed_outputs),
        ):
            if value is not None:
                raise ValueError(
                    f"{name} is about whole targets, but long_source='chunk' decodes "
                    "some sources in pieces. Use another long_source, or "
                    "max_source_length=None."
                )

    def _strategy(self, n_best):
        width = max(self.beam_width, n_best)
        if width == 1:
            return _strategies.Greedy
        return lambda: _strategies.BeamSearch(width, n_best, self.length_penalty)

    def _limits(self, n_source):
        """Most target tokens of each row, from each member's count of source tokens."""
        if self.max_length == "auto":
            limits = [
                _longest_expected(*member._longest, n)
                for member, n in zip(self._members, n_source, strict=True)
            ]
            limits = np.max(limits, axis=0)
            known = any(member._knows_empty for member in self._members)
            if not known and not self.min_length and self._side.ndim == 2:
                # Of nothing comes nothing, unless training had it otherwise.
                limits[np.max(n_source, axis=0) == 0] = 0
        elif isinstance(self.max_length, Integral):
            limits = np.full(len(n_source[0]), int(self.max_length))
        else:
            limits = np.ceil(self.max_length * n_source[0]).astype(np.int64)
        side = self._side
        return limits if side.is_text else np.minimum(limits, side.width)

    def _allowed_copies(self, copies, strings):
        """Copying a banned token that no vocabulary holds yields the unknown one."""
        if copies is None or self.banned_tokens is None:
            return copies
        banned, size = set(self.banned_tokens), self._side.size
        if self._side.is_text:
            ids = [size + k for k, x in enumerate(strings) if x in banned]
        else:
            ids = [int(k) for k in banned if k >= size]
        copies = copies.copy()
        copies.data[np.isin(copies.data, ids)] = UNKNOWN
        return copies

    def _options(self, prefix, n_rows):
        """Options of the search: ``(from rows to keywords, least limits)``."""
        target = self._side
        device = _inference.device_of(self._networks[0])
        banned = banned_ids(self.banned_tokens, target)
        fixed, edges, prefixes = [], None, None
        least = np.zeros(n_rows, dtype=np.int64)
        members = None
        if self.allowed_outputs is not None:
            # A member is valid as it stands, repeats or not, and never cut.
            members = read_closed_set(self.allowed_outputs, target, banned)
            long_enough = lengths(members) >= self.min_length
            if long_enough.any():
                members = members[long_enough]
            edges = torch.from_numpy(trie_edges(members)).to(device)
            least = np.maximum(least, lengths(members).max())
        else:
            if self.no_repeat_ngram_size:
                fixed.append(_constraints.NoRepeat(self.no_repeat_ngram_size))
            if len(banned):
                fixed.append(_constraints.Ban(torch.tensor(banned, device=device)))
        if prefix is not None:
            tokens = read_prefix(prefix, target, n_rows)
            if members is not None:
                check_begins_member(tokens, members)
            least = np.maximum(least, lengths(tokens))
            prefixes = torch.from_numpy(pad(tokens)[0]).to(device)

        def options(rows):
            constraints = list(fixed)
            if edges is not None:
                constraints.append(_constraints.Trie(edges, len(rows)))
            if prefixes is not None:
                constraints.append(_constraints.Prefix(prefixes[rows]))
            return {
                "min_length": self.min_length if members is None else 0,
                "emit_unknown": self.replace_unknown is not None,
                "constraints": constraints,
            }

        return options, least

    @np.errstate(under="ignore")
    def _table(self, X, *, distinct, **options):
        """Decode, and lay the hypotheses out as `predict_nbest` describes.

        Where hypotheses of one source read alike, `distinct` keeps the likeliest.
        """
        X, _ = listed(X)
        decoded, strings, datasets, pieces = self._decode(X, **options)
        found = decoded.log_probs > -np.inf
        row, rank = np.nonzero(found)
        tokens = unpad(decoded.tokens[found], _width(decoded, self._side))
        if self.replace_unknown == "copy":
            tokens, strings = self._replace_unknown(
                X, row, tokens, strings, datasets, pieces
            )
        log_probability = decoded.log_probs[found]
        columns = {
            "row": row,
            "rank": rank,
            "sequence": as_column(self._side.write(tokens, strings)),
            "log_probability": log_probability,
            "probability": np.exp(log_probability),
            "confidence": np.exp(log_probability / (lengths(tokens) + 1)),
        }
        if distinct and self._side.is_text:
            kept = first_of_alike(row, columns["sequence"])
            columns = {name: column[kept] for name, column in columns.items()}
            row = columns["row"]
            columns["rank"] = np.arange(len(row)) - np.searchsorted(row, row)
        try:
            import pandas as pd
        except ImportError:
            return Bunch(**columns)
        return pd.DataFrame(columns)

    def _replace_unknown(self, X, rows, tokens, strings, datasets, pieces):
        """Put the source token most attended to, as typed, for each unknown token.

        `rows` are the rows of `datasets` that the targets `tokens` are of.
        """
        looking = [network.decoder.attention is not None for network in self._networks]
        if not any(looking):
            raise ValueError(
                "replace_unknown='copy' needs a network with attention; got "
                "attention=None."
            )
        first = looking.index(True)
        member = self._members[first]
        if not (member._source.is_text and member._target.is_text):
            raise ValueError("replace_unknown='copy' needs text on both sides.")
        check_same_pieces(member._source, member._target, "replace_unknown='copy'")
        targets = np.repeat(np.arange(len(rows)), lengths(tokens))
        targets = np.unique(targets[tokens.data == UNKNOWN])
        if not len(targets):
            return tokens, strings
        rows = rows[targets]
        dataset = datasets[first].take(rows)
        pairs = member._dataset(dataset.source, tokens[targets], dataset.copies)
        weights = _inference.attention_weights(
            self._networks[first], pairs, batch_size=self.batch_size
        )
        opened, extras = member._source.read(X, "X", open_vocabulary=True)
        if pieces is not None:
            opened = pieces[first].take(opened)
        names = [*member._source.vectorizer._token_strings(), *extras]
        banned = set() if self.banned_tokens is None else set(self.banned_tokens)
        banned = np.array([name in banned for name in names])
        tokens = tokens.copy()
        strings = list(strings)
        for row, k, weight in zip(rows, targets, weights, strict=True):
            source = opened.data[opened.indptr[row] : opened.indptr[row + 1]]
            if not len(source):
                continue
            target = tokens.data[tokens.indptr[k] : tokens.indptr[k + 1]]
            at = np.flatnonzero(target == UNKNOWN)
            looked = source[weight[at, : len(source)].argmax(axis=1)]
            at, looked = at[~banned[looked]], looked[~banned[looked]]
            target[at] = self._side.size + len(strings) + np.arange(len(at))
            strings += [names[i] for i in looked]
        return tokens, strings

    def _sentinel(self):
        if self._side.is_text or isinstance(self.abstain, Integral):
            return self.abstain
        raise ValueError(
            "abstain must be a whole number where targets are token ids; "
            f"got {self.abstain!r}."
        )


def _longest_expected(longest_source, longest_target, n_source):
    """Room for a target, from the longest of training and the source at hand."""
    longer = np.maximum(n_source / longest_source, 1)
    return np.ceil(SLACK * longest_target * longer).astype(np.int64)


def _width(decoded, target):
    if target.is_text:
        return max(target.width, decoded.tokens.shape[2])
    return target.width


@np.errstate(under="ignore")
def _confidence(decoded, pieces):
    """Probability of each prediction."""
    log_probs = decoded.log_probs[:, 0]
    if pieces is not None:
        log_probs = np.add.reduceat(log_probs, pieces[0].first)
    return np.exp(log_probs)


def _warn_capped(capped, limits, pieces):
    if capped.any():
        rows = np.arange(len(capped)) if pieces is None else pieces[0].rows
        first = int(np.flatnonzero(capped)[0])
        warn(
            f"{len(np.unique(rows[capped]))} of {rows[-1] + 1} predictions were ended "
            f"by max_length rather than by the model; the first is row {rows[first]}, "
            f"at {limits[first]} tokens.",
        )


def _check_count(name, value):
    if not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be a whole number from 1; got {value!r}.")


def _check_sampling(temperature, top_k, top_p):
    if not (temperature >= 0 and math.isfinite(temperature)):
        raise ValueError(f"temperature must be 0 or more; got {temperature!r}.")
    if top_k is not None:
        _check_count("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p must be in (0, 1]; got {top_p!r}.")
