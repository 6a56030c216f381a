"""One request: from sources as users pass them to the hypotheses of a search."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
import torch
from sklearn.base import BaseEstimator

from sklearn_seq2seq._decoding import _constraints, _inference, _strategies
from sklearn_seq2seq._decoding._constraint_parameters import (
    allowed_copies,
    check_begins_member,
    check_chunks_are_free,
    read_banned,
    read_closed_set,
    read_prefix,
    trie_edges,
)
from sklearn_seq2seq._decoding._unknown_tokens import replace_unknown
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._pairs._long_sources import Pieces, join_pieces, shorten
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._parameters import ParameterGroup
from sklearn_seq2seq._tokens import lengths, pad
from sklearn_seq2seq._warnings import warn

# Room beyond the longest training target before a prediction is cut off.
SLACK = 1.25


@dataclass(frozen=True)
class Member:
    """One network, and how its rows are read.

    Attributes
    ----------
    estimator : estimator
        Whose columns of ids are counted.
    network : EncoderDecoder
    reader : PairReader
    """

    estimator: BaseEstimator
    network: EncoderDecoder
    reader: PairReader

    def check_sources(self, X):
        """Sources as a user passed them, checked."""
        return self.reader.check_sources(X, self.estimator)


@dataclass(frozen=True)
class FittedModel:
    """What decoding needs of a fitted estimator.

    Attributes
    ----------
    members : list of Member
        They decode together and have the same target side.
    quiet : bool
        Whether nothing is said of what was cut: a network that learns is decoded after
        every epoch, and early on its predictions never end.
    """

    members: list[Member]
    quiet: bool = False

    @property
    def networks(self):
        return [member.network for member in self.members]

    @property
    def readers(self):
        return [member.reader for member in self.members]

    @property
    def target(self):
        """The target side."""
        return self.members[0].reader.target


@dataclass(frozen=True)
class DecodingParameters(ParameterGroup):
    """The parameters of decoding, as they are when it begins."""

    beam_width: int
    length_penalty: float
    max_length: object
    max_source_length: object
    long_source: str
    min_length: int
    no_repeat_ngram_size: int | None
    banned_tokens: object
    allowed_outputs: object
    replace_unknown: str | None
    batch_size: int

    def strategy(self, n_best):
        """Return a function that makes the strategy of a batch's search."""
        width = max(self.beam_width, n_best)
        if width == 1:
            return _strategies.Greedy
        return lambda: _strategies.BeamSearch(width, n_best, self.length_penalty)

    def shorten(self, model, rows, datasets, **options):
        """Cut or truncate long sources; see `_long_sources.shorten`."""
        limits = {"limit": self.max_source_length, "long_source": self.long_source}
        return shorten(model.readers, rows, datasets, **limits, **options)


@dataclass
class Found:
    """What a search found, and in what.

    Attributes
    ----------
    decoded : Decoded
        Of each piece, where sources are read in chunks.
    strings : list of str
        What the ids beyond the target vocabulary stand for.
    rows : list
        The sources, checked, as each member takes them.
    datasets : list of PairDataset
        The sources, or their pieces, as each member reads them.
    pieces : list of Pieces, or None
        As of `_long_sources.shorten`.
    banned : set of str
        Source tokens that are not to be copied.
    """

    decoded: _inference.Decoded
    strings: list[str]
    rows: list
    datasets: list[PairDataset]
    pieces: list[Pieces] | None
    banned: set[str]

    def best(self, model, params):
        """Best targets of the whole sources: ``(tokens, strings)``."""
        rows = np.arange(len(self.datasets[0]))
        tokens, strings = self.without_unknown(model, params, rows, self.decoded.best)
        if self.pieces is None:
            return tokens, strings
        return join_pieces(self.pieces[0], tokens, strings, model.target)

    def without_unknown(self, model, params, rows, tokens):
        """Targets as `replace_unknown` has them: ``(tokens, strings)``."""
        if params.replace_unknown != "copy":
            return tokens, self.strings
        return replace_unknown(model, self, rows, tokens, batch_size=params.batch_size)

    @property
    @np.errstate(under="ignore")
    def probability(self):
        """Probability of each source's best target: the product over its pieces."""
        log_probs = self.decoded.log_probs[:, 0]
        if self.pieces is not None:
            log_probs = np.add.reduceat(log_probs, self.pieces[0].first)
        return np.exp(log_probs)


def decode(
    model, params, X, *, prefix=None, n_best=1, strategy=None, whole=None, quiet=False
):
    """Search for the best targets; unless `quiet`, warn of what was cut.

    Parameters
    ----------
    model : FittedModel
    params : DecodingParameters
    X : data
        Sources as a user passed them.
    prefix : data, default=None
        What each target begins with.
    n_best : int, default=1
    strategy : callable, default=None
        Makes the strategy of a batch's search; None makes that of the parameters.
    whole : str, default=None
        The method that cannot read sources in chunks.
    quiet : bool, default=False

    Returns
    -------
    Found
    """
    target = model.target
    quiet = quiet or model.quiet
    banned, barred = read_banned(params.banned_tokens, target)
    banned = sorted({*banned, *model.readers[0].never_read})
    rows, datasets, strings = _read_sources(model, X, barred)
    datasets, pieces = params.shorten(
        model, rows[0], datasets, whole=whole, quiet=quiet
    )
    if pieces is not None and params.long_source == "chunk":
        check_chunks_are_free(prefix, params.allowed_outputs)
    limits = longest_targets(model, params, [lengths(data.source) for data in datasets])
    options, least = _search_options(
        model, params, (banned, barred), prefix, len(datasets[0])
    )
    limits = np.maximum(limits, least)
    decoded = _inference.decode(
        model.networks,
        datasets,
        limits=limits,
        strategy=strategy or params.strategy(n_best),
        n_best=n_best,
        batch_size=params.batch_size,
        beam_width=n_best if strategy else max(params.beam_width, n_best),
        width=target.width,
        options=options,
    )
    if not quiet:
        # All samples count, but of n best hypotheses only the first.
        capped = decoded.capped[:, 0] if strategy is None else decoded.capped.any(1)
        # Rows of ids cannot be longer than the arrays given to `fit`.
        widest = np.inf if target.is_text else target.width
        _warn_capped(capped & (limits > 0) & (limits < widest), limits, pieces)
    if params.replace_unknown == "copy" and target.is_text:
        names = target.vectorizer._token_strings()
        barred = barred | {names[id_] for id_ in banned}
    return Found(decoded, strings, rows, datasets, pieces, barred)


def _read_sources(model, X, barred):
    """Sources checked, as data sets, and what new ids stand for; of each member."""
    rows, datasets, strings = [], [], []
    for member in model.members:
        rows.append(member.check_sources(X))
        tokens, copies, names = member.reader.read_sources(rows[-1])
        if copies is not None:
            copies = allowed_copies(copies, names, barred, model.target)
        datasets.append(member.reader.dataset(tokens, copies=copies))
        strings.append(names)
    return rows, datasets, strings[0]


def longest_targets(model, params, n_source):
    """Most target tokens that `max_length` allows each row.

    Parameters
    ----------
    model : FittedModel
    params : DecodingParameters
    n_source : list of ndarray of int64, shape (n_samples,)
        Each member's count of source tokens.

    Returns
    -------
    ndarray of int64, shape (n_samples,)
    """
    target = model.target
    if params.max_length == "auto":
        limits = [
            _longest_expected(*reader.longest, n)
            for reader, n in zip(model.readers, n_source, strict=True)
        ]
        limits = np.max(limits, axis=0)
        known = any(reader.knows_empty for reader in model.readers)
        if not known and not params.min_length and target.ndim == 2:
            # Empty sources give empty predictions unless training had others.
            limits[np.max(n_source, axis=0) == 0] = 0
    elif isinstance(params.max_length, Integral):
        limits = np.full(len(n_source[0]), int(params.max_length))
    else:
        limits = np.ceil(params.max_length * n_source[0]).astype(np.int64)
    return limits if target.is_text else np.minimum(limits, target.width)


def _longest_expected(longest_source, longest_target, n_source):
    """Room for a target, from the longest of training and the source at hand."""
    longer = np.maximum(n_source / longest_source, 1)
    return np.ceil(SLACK * longest_target * longer).astype(np.int64)


def _search_options(model, params, banned, prefix, n_rows):
    """Options of the search: ``(from rows to keywords, least limits)``."""
    target = model.target
    banned, barred = banned
    # Id 1 is a token like any other id, unless copies of banned tokens become 1.
    emits_unknown = params.replace_unknown is not None
    emits_unknown |= not (target.is_text or barred)
    device = _inference.device_of(model.networks[0])
    fixed, edges, prefixes = [], None, None
    least = np.zeros(n_rows, dtype=np.int64)
    members = None
    if params.allowed_outputs is not None:
        # An allowed output may repeat n-grams and is never cut short.
        members = read_closed_set(params.allowed_outputs, target, banned)
        long_enough = lengths(members) >= params.min_length
        if long_enough.any():
            members = members[long_enough]
        edges = torch.from_numpy(trie_edges(members)).to(device)
        least = np.maximum(least, lengths(members).max())
    else:
        if params.no_repeat_ngram_size:
            fixed.append(_constraints.NoRepeat(params.no_repeat_ngram_size))
        if len(banned):
            fixed.append(_constraints.Ban(torch.tensor(banned, device=device)))
    if prefix is not None:
        tokens = read_prefix(prefix, target, n_rows)
        if members is not None:
            check_begins_member(tokens, members)
        least = np.maximum(least, lengths(tokens))
        prefixes = tokens

    def options(rows):
        constraints = list(fixed)
        if edges is not None:
            constraints.append(_constraints.Trie(edges, len(rows)))
        if prefixes is not None:
            some = torch.from_numpy(pad(prefixes, rows)[0]).to(device)
            constraints.append(_constraints.Prefix(some))
        return {
            "min_length": params.min_length if members is None else 0,
            "emit_unknown": emits_unknown,
            "constraints": constraints,
        }

    return options, least


def _warn_capped(capped, limits, pieces):
    if capped.any():
        rows = np.arange(len(capped)) if pieces is None else pieces[0].rows
        first = int(np.flatnonzero(capped)[0])
        warn(
            f"{len(np.unique(rows[capped]))} of {rows[-1] + 1} predictions were ended "
            f"by max_length rather than by the model; the first is row {rows[first]}, "
            f"at {limits[first]} tokens.",
        )
