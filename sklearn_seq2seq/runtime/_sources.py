"""Sources as each member of a model reads them."""

from dataclasses import dataclass

import numpy as np

from sklearn_seq2seq._pairs._copying import CopyTable, local_ids
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._text._check_input import check_columns, check_raw, is_raw
from sklearn_seq2seq._tokens import UNKNOWN, TokenRows, pad
from sklearn_seq2seq.runtime._network import Network
from sklearn_seq2seq.runtime._sides import read_ids


@dataclass
class Sources:
    """The sources of some rows.

    Attributes
    ----------
    tokens : TokenRows
        Ids from the vocabulary's size upward are unknown.
    copies : TokenRows or None
        What the copying of each source token yields.
    """

    tokens: TokenRows
    copies: TokenRows | None

    def __getitem__(self, rows):
        copies = None if self.copies is None else self.copies[rows]
        return Sources(self.tokens[rows], copies)

    def without(self, barred):
        """Where copying would yield one of these ids, let it yield the unknown one."""
        if self.copies is None or not barred:
            return self
        copies = self.copies.copy()
        copies.data[np.isin(copies.data, barred)] = UNKNOWN
        return Sources(self.tokens, copies)


@dataclass
class Member:
    """One model of those that decode together.

    Attributes
    ----------
    network : Network
    source, target : Side
    copy_table : CopyTable or None
    longest : tuple of int
        Tokens of the longest source and of the longest target of training.
    knows_empty : bool
        Whether training had empty sources.
    """

    network: Network
    source: Side
    target: Side
    copy_table: CopyTable | None
    longest: tuple
    knows_empty: bool

    def read(self, X):
        """Read listed sources: ``(Sources, strings of the ids beyond V)``."""
        if self.source.is_text:
            tokens, extras = self.source.read(X, "X", self.copy_table is not None)
        else:
            tokens, extras = self._read_ids(X), []
        if self.copy_table is None:
            return Sources(tokens, None), []
        copies, strings = self.copy_table.of_source(tokens, extras)
        return Sources(tokens, copies), strings

    def read_target(self, y, sources, strings):
        """Read targets, their unknown tokens numbered as in the sources."""
        copies = sources.copies is not None
        if not self.target.is_text:
            tokens, _ = read_ids(y)
            if not copies:
                tokens.data[tokens.data >= self.target.size] = UNKNOWN
            return tokens
        tokens, extras = self.target.read(y, "y", copies)
        if copies:
            tokens = self.copy_table.of_target(tokens, extras, strings)
        return tokens

    def shorten(self, sources, pieces):
        """What is read of sources that are too long."""
        tokens = pieces.take(sources.tokens)
        if pieces.spaced.any():
            pieces.strip(tokens, self.source.without_space())
        copies = sources.copies
        return Sources(tokens, None if copies is None else pieces.take(copies))

    def start(self, sources):
        """The state from which a search over these sources sets out."""
        source, n_positions = pad(sources.tokens)
        source[source >= self.source.size] = UNKNOWN
        copy_ids = None
        if sources.copies is not None:
            copies, _ = pad(sources.copies)
            copy_ids = local_ids(copies, copies, self.target.size)
        return self.network.start(source, n_positions, copy_ids)

    def name_copies(self, tokens, sources):
        """Replace V + s, a source position, by the number of the token there."""
        if sources.copies is None:
            return tokens
        copies, _ = pad(sources.copies)
        copied = tokens >= self.target.size
        place = np.where(copied, tokens - self.target.size, 0)
        return np.where(
            copied, np.take_along_axis(copies[:, None], place, axis=2), tokens
        )

    def _read_ids(self, X):
        if is_raw(X):
            raise ValueError(
                "X holds text, but this model was fitted on token ids. Pass ids, made "
                "as those were."
            )
        tokens, _ = read_ids(X, "X")
        if tokens.shape[1] != self.source.width:
            raise ValueError(
                f"X has {tokens.shape[1]} features, but the model is expecting "
                f"{self.source.width} features as input."
            )
        return tokens


def listed(X, side, name):
    """Data of one side that can be read again."""
    if not side.is_text:
        return X
    return check_columns(X) if side.has_columns else check_raw(X, name)
