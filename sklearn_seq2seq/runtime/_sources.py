"""Sources as each member of a model reads them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sklearn_seq2seq._decoding._constraint_parameters import allowed_copies
from sklearn_seq2seq._pairs._copying import CopyTable, local_ids, never_read
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._text._check_input import is_raw
from sklearn_seq2seq._tokens import UNKNOWN, TokenRows, lengths, pad
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
        The target id that each source token is copied as.
    """

    tokens: TokenRows
    copies: TokenRows | None

    def __getitem__(self, rows):
        copies = None if self.copies is None else self.copies[rows]
        return Sources(self.tokens[rows], copies)

    # The attributes of a data set that `_long_sources.shorten` needs.
    target = None

    @property
    def source(self):
        return self.tokens

    @property
    def source_positions(self):
        return lengths(self.tokens) + 1

    def without(self, banned_copies, strings, target):
        """Copy banned tokens as the unknown one."""
        if self.copies is None:
            return self
        copies = allowed_copies(self.copies, strings, banned_copies, target)
        return Sources(self.tokens, copies)


@dataclass
class Member:
    """One of the models that decode together.

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

    @cached_property
    def never_read(self):
        """Ids of the target vocabulary that no target has."""
        return never_read(self.source, self.target)

    def check_sources(self, X):
        """Check sources as a user passed them."""
        return self.source.check(X, "X") if self.source.is_text else self._read_ids(X)

    def read(self, rows):
        """Read checked sources: ``(Sources, strings of the ids beyond V)``."""
        tokens, extras = rows, []
        if self.source.is_text:
            tokens, extras = self.source.read(rows, "X", self.copy_table is not None)
        if self.copy_table is None:
            return Sources(tokens, None), []
        copies, strings = self.copy_table.of_source(tokens, extras)
        return Sources(tokens, copies), strings

    def read_target(self, rows, sources, strings):
        """Read checked targets, their unknown tokens numbered as in the sources."""
        copies = sources.copies is not None
        if not self.target.is_text:
            tokens = rows.copy()
            if not copies:
                tokens.data[tokens.data >= self.target.size] = UNKNOWN
            return tokens
        tokens, extras = self.target.read(rows, "y", copies)
        if copies:
            tokens = self.copy_table.of_target(tokens, extras, strings)
        return tokens

    def dataset(self, tokens, target=None, copies=None):
        """Sources made of token arrays, for `_long_sources.shorten`."""
        return Sources(tokens, copies)

    def start(self, sources):
        """The state from which a search over these sources starts."""
        source, n_positions = pad(sources.tokens)
        source[source >= self.source.size] = UNKNOWN
        copy_ids = None
        if sources.copies is not None:
            copies, _ = pad(sources.copies)
            copy_ids = local_ids(copies, copies, self.target.size)
        return self.network.start(source, n_positions, copy_ids)

    def name_copies(self, tokens, sources):
        """Replace V + s by the number of the token at source position s."""
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
                "X holds text, but this model was fitted on token ids. Pass ids made "
                "in the same way."
            )
        tokens, _ = read_ids(X, "X")
        if tokens.shape[1] != self.source.width:
            raise ValueError(
                f"X has {tokens.shape[1]} features, but the model is expecting "
                f"{self.source.width} features as input."
            )
        return tokens
