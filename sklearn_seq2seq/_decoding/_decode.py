"""One request: from sources as users pass them to the hypotheses of a search."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.base import BaseEstimator

from sklearn_seq2seq._decoding import _beam_and_sampling, _constraints, _inference
from sklearn_seq2seq._decoding._bounds import read_bounds
from sklearn_seq2seq._decoding._constraint_parameters import (
    allowed_copies,
    check_chunks_are_free,
    read_banned,
    warn_of_idle,
)
from sklearn_seq2seq._decoding._max_length import longest_targets, warn_capped
from sklearn_seq2seq._decoding._replace_unknown import replace_unknown
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._pairs._long_sources import Pieces, join_pieces, shorten
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._parameters import BATCH_SIZE, ParameterGroup
from sklearn_seq2seq._text._check_input import readable_twice
from sklearn_seq2seq._tokens import lengths


@dataclass(frozen=True)
class Member:
    """One network, and the reader of its rows.

    Attributes
    ----------
    estimator : estimator
        Knows the number of columns of ids.
    network : EncoderDecoder
    reader : PairReader
    """

    estimator: BaseEstimator
    network: EncoderDecoder
    reader: PairReader

    def check_sources(self, X):
        """Check sources as a user passed them."""
        return self.reader.check_sources(X, self.estimator)


@dataclass(frozen=True)
class FittedModel:
    """What decoding needs of a fitted estimator.

    Attributes
    ----------
    members : list of Member
        They decode together and have the same target side.
    quiet : bool
        Whether not to warn of what was cut. During training, validation decodes after
        every epoch, and early predictions do not end.
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

    def read_pairs(self, X, y=None):
        """Sources and targets (None: the same), checked; each member's data set."""
        X = readable_twice(X)
        y = X if y is None else readable_twice(y)
        pairs = [
            (member.check_sources(X), member.reader.check_targets(y), member.reader)
            for member in self.members
        ]
        datasets = [reader.pairs(rows, targets) for rows, targets, reader in pairs]
        rows, targets, _ = pairs[0]
        return rows, targets, datasets


@dataclass(frozen=True)
class DecodingParameters(ParameterGroup):
    """The parameters of decoding, as they are when decoding begins."""

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

    @classmethod
    def of(cls, estimator):
        """Take the current values, and a number for ``batch_size="auto"``."""
        params = super().of(estimator)
        auto = params.batch_size == "auto"
        return replace(params, batch_size=BATCH_SIZE) if auto else params

    def strategy(self, n_best):
        """Return a function that makes the strategy of a batch's search."""
        width = max(self.beam_width, n_best)
        if width == 1:
            return _beam_and_sampling.Greedy
        return lambda: _beam_and_sampling.BeamSearch(width, n_best, self.length_penalty)

    def limits(self, model, n_source):
        """The most target tokens of each row; see `_max_length.longest_targets`."""
        limits = {"max_length": self.max_length, "min_length": self.min_length}
        return longest_targets(model.readers, model.target, n_source, **limits)

    def shorten(self, model, rows, datasets, **options):
        """Cut or truncate long sources; see `_long_sources.shorten`."""
        limits = {"limit": self.max_source_length, "long_source": self.long_source}
        return shorten(model.readers, rows, datasets, **limits, **options)


@dataclass
class Found:
    """The result of a search, and what it read.

    Attributes
    ----------
    decoded : Decoded
        The result for each source, or for each piece of sources read in chunks.
    strings : list of str
        The strings of ids beyond the target vocabulary.
    rows : list
        The sources, as each member has checked them.
    datasets : list of PairDataset
        The sources, or their pieces, as each member reads them.
    pieces : list of Pieces, or None
        As of `_long_sources.shorten`.
    banned : set of str
        Source tokens that must not be copied.
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
        """Targets after `replace_unknown`: ``(tokens, strings)``."""
        if params.replace_unknown != "copy":
            return tokens, self.strings
        return replace_unknown(model, self, rows, tokens, batch_size=params.batch_size)

    @property
    @np.errstate(under="ignore")
    def probability(self):
        """Probability of each source's best target: the product over its pieces."""
        log_probs = self.decoded.log_probs[:, 0]  # (n_samples,) or (n_pieces,)
        if self.pieces is not None:
            log_probs = np.add.reduceat(log_probs, self.pieces[0].first)
        return np.exp(log_probs)


def decode(
    model,
    params,
    X,
    *,
    prefix=None,
    n_best=1,
    strategy=None,
    whole=None,
    quiet=False,
    before=None,
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
        Makes the strategy of a batch's search; None takes that of the parameters.
    whole : str, default=None
        The name of the calling method, if it cannot read sources in chunks.
    quiet : bool, default=False
    before : callable, default=None
        Called with the number of sources when they are read and before the search,
        which may take long.

    Returns
    -------
    Found
    """
    target = model.target
    quiet = quiet or model.quiet
    banned, banned_copies = read_banned(params.banned_tokens, target)
    banned = sorted({*banned, *model.readers[0].never_read})
    copied = any(reader.copies is not None for reader in model.readers)
    if not (quiet or copied or params.replace_unknown == "copy"):
        warn_of_idle(banned_copies)
    rows, datasets, strings = _read_sources(model, X, banned_copies)
    if before is not None:
        before(len(datasets[0]))
    datasets, pieces = params.shorten(
        model, rows[0], datasets, whole=whole, quiet=quiet
    )
    if pieces is not None and params.long_source == "chunk":
        check_chunks_are_free(prefix, params.allowed_outputs)
    limits = params.limits(model, [lengths(data.source) for data in datasets])
    bounds = read_bounds(
        target,
        len(limits),
        banned=banned,
        banned_copies=banned_copies,
        prefix=prefix,
        allowed_outputs=params.allowed_outputs,
        min_length=params.min_length,
        no_repeat_ngram_size=params.no_repeat_ngram_size,
        replace_unknown=params.replace_unknown,
    )
    limits = np.maximum(limits, bounds.least)
    device = _inference.device_of(model.networks[0])
    decoded = _inference.decode(
        model.networks,
        datasets,
        limits=limits,
        strategy=strategy or params.strategy(n_best),
        n_best=n_best,
        batch_size=params.batch_size,
        beam_width=n_best if strategy else max(params.beam_width, n_best),
        width=target.width,
        options=bounds.options(
            _constraints, lambda array: torch.from_numpy(array).to(device)
        ),
    )
    if not quiet:
        # All samples count, but of n best hypotheses only the first.
        capped = decoded.capped[:, 0] if strategy is None else decoded.capped.any(1)
        # Rows of ids cannot be longer than the arrays given to `fit`.
        widest = np.inf if target.is_text else target.width
        warn_capped(capped & (limits > 0) & (limits < widest), limits, pieces)
    if params.replace_unknown == "copy" and target.is_text:
        names = target.vectorizer._token_strings()
        banned_copies = banned_copies | {names[id_] for id_ in banned}
    return Found(decoded, strings, rows, datasets, pieces, banned_copies)


def _read_sources(model, X, banned_copies):
    """Check and read sources by each member: rows, data sets, strings of new ids."""
    rows, datasets, strings = [], [], []
    for member in model.members:
        rows.append(member.check_sources(X))
        tokens, copies, names = member.reader.read_sources(rows[-1])
        if copies is not None:
            copies = allowed_copies(copies, names, banned_copies, model.target)
        datasets.append(member.reader.dataset(tokens, copies=copies))
        strings.append(names)
    return rows, datasets, strings[0]
