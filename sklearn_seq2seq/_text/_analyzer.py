"""From strings to numbered tokens: cutting, counting, numbering."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import partial
from itertools import chain, count, pairwise

import numpy as np

from sklearn_seq2seq._text._check_input import describe
from sklearn_seq2seq._text._subwords import (
    check_encodable,
    cut_into_pieces,
    number_pieces,
)
from sklearn_seq2seq._tokens import FIRST_TOKEN

# Rows are processed in blocks that fit the processor's cache: the Python objects of a
# million tokenised rows at once would take a hundred times the memory of their ids.
BLOCK = 2**13
# Blocks of token lists are smaller: every 700 new objects start Python's garbage
# collector, which would take longer than the work itself.
BLOCK_OF_LISTS = 2**9


@dataclass(frozen=True)
class Analyzer:
    """How text is cut into tokens and tokens are numbered.

    Attributes
    ----------
    kind : {"char", "word", "token", "subword"} or callable
        The parameter `analyzer` of `SequenceVectorizer`; the others keep their names.
    token_pattern : str or None
    lowercase : bool
    normalize : str or None
    """

    kind: object
    token_pattern: str | None = None
    lowercase: bool = False
    normalize: str | None = None

    def encode(self, rows, width, numbering, name):
        """Cut rows into tokens and number them.

        Parameters
        ----------
        rows : list of str or list of list of str
        width : int
            Longer rows are cut.
        numbering : mapping from str to int, or str
            The id of each token, which gives a new token the next id; the tokenizer's
            JSON for "subword".
        name : str

        Returns
        -------
        ids : ndarray of int32, shape (n_tokens,)
        lengths : ndarray of int64, shape (n_samples,)
        cut : list of int
            The rows that were longer than `width`.
        """
        ids, lengths, cut = [], [], []
        size = BLOCK if self.kind == "char" else BLOCK_OF_LISTS
        for start in range(0, len(rows), size):
            block = self.split(rows[start : start + size], start, numbering, name)
            counts = np.fromiter(map(len, block), np.int64, len(block))
            for i in np.flatnonzero(counts > width).tolist():
                block[i] = block[i][:width]
                cut.append(start + i)
            lengths.append(np.minimum(counts, width))
            ids.append(self.number(block, lengths[-1].sum(), numbering))
        return np.concatenate(ids), np.concatenate(lengths), cut

    def split(self, block, start, numbering, name):
        """Cut each row of a block into tokens. The rows themselves stay unchanged."""
        if self.kind == "token":
            if self.lowercase or self.normalize:
                return [list(self.prepare(row)) for row in block]
            return block
        strings = self.prepare(block)
        if self.kind == "char":
            return list(strings)
        if self.kind == "word":
            return list(map(self.word_finder(), strings))
        if self.kind == "subword":
            strings = check_encodable(list(strings), start, name)
            return cut_into_pieces(strings, numbering)
        return check_analyzed(list(map(self.kind, strings)), start, name)

    def row_keys(self, rows, name):
        """A key for each row, equal for rows of equal tokens: str or tuple of str."""
        if self.kind in ("char", "subword"):
            return list(self.prepare(rows))
        return list(map(tuple, self.split(rows, 0, None, name)))

    def prepare(self, strings):
        normalize = partial(unicodedata.normalize, self.normalize)
        if self.normalize:
            strings = map(normalize, strings)
        if self.lowercase:
            strings = map(str.lower, strings)
            if self.normalize:  # some characters have a code point in lower case only
                strings = map(normalize, strings)
        return strings

    def word_finder(self):
        if self.token_pattern is None:
            return str.split
        try:
            pattern = re.compile(self.token_pattern)
        except re.error as error:
            raise ValueError(
                f"token_pattern={self.token_pattern!r} is not a regular expression: "
                f"{error}."
            ) from error
        if pattern.groups > 1:
            raise ValueError(
                f"token_pattern={self.token_pattern!r} has {pattern.groups} capturing "
                "groups; use at most one, and write the others as (?:...)."
            )
        return pattern.findall

    def number(self, block, n_tokens, numbering):
        if self.kind == "char":
            return number_characters(block, numbering)
        tokens = chain.from_iterable(block)
        if self.kind == "subword":
            return number_pieces(np.fromiter(tokens, np.int32, n_tokens), numbering)
        return np.fromiter(map(numbering.__getitem__, tokens), np.int32, n_tokens)


def check_vocabulary(vocabulary):
    """Bring a given vocabulary into the form of `vocabulary_`."""
    if isinstance(vocabulary, str):
        raise ValueError(
            "vocabulary must be an iterable of tokens; got a single string: wrap it in "
            "a list, or list its characters."
        )
    if isinstance(vocabulary, Mapping):
        ids = sorted(vocabulary.values())
        if ids != list(range(FIRST_TOKEN, FIRST_TOKEN + len(ids))):
            raise ValueError(
                f"The ids of vocabulary must be {FIRST_TOKEN}, {FIRST_TOKEN + 1}, ... "
                "without gaps, as 0 and 1 are reserved; pass the tokens alone to have "
                "them numbered."
            )
        tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    else:
        tokens = list(vocabulary)
    for place, token in enumerate(tokens):
        if not isinstance(token, str):
            raise ValueError(
                f"Tokens must be strings: token {place} of vocabulary is "
                f"{describe(token)}"
            )
    if isinstance(vocabulary, Set):
        tokens = sorted(tokens)
    numbered = dict(zip(map(str, tokens), count(FIRST_TOKEN)))
    if len(numbered) < len(tokens):
        twice = next(token for token, n in Counter(tokens).items() if n > 1)
        raise ValueError(f"Token {twice!r} occurs more than once in vocabulary.")
    if not numbered:
        raise ValueError("vocabulary is empty; None learns it from the data.")
    return numbered


def continue_numbering(vocabulary):
    """Copy a vocabulary into a dict that gives a new token the next id."""
    return defaultdict(count(FIRST_TOKEN + len(vocabulary)).__next__, vocabulary)


def number_characters(block, numbering):
    """Look up the id of each character of each string."""
    text = "".join(block).encode("utf-32-le", "surrogatepass")
    codes = np.frombuffer(text, dtype="<u4")
    # The first place of each code point. Assigned in reverse, since numpy keeps the
    # last of several values assigned to one element.
    first = np.full(int(codes.max(initial=0)) + 1, -1)
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    present = np.flatnonzero(first >= 0)
    present = present[np.argsort(first[present])]
    table = np.zeros(len(first), dtype=np.int32)
    table[present] = [numbering[chr(code)] for code in present.tolist()]
    return table[codes]


def row_frequency(ids, lengths, n_tokens):
    """Count the rows in which each token occurs."""
    from scipy import sparse  # not at the top: the runtime does without scipy

    indptr = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(lengths), n_tokens)
    rows = sparse.csr_array((np.ones(len(ids), bool), ids.copy(), indptr), shape=shape)
    rows.sum_duplicates()
    return np.bincount(rows.indices, minlength=n_tokens)


def check_analyzed(block, start, name):
    """Check that a user's analyzer returned lists of strings."""
    for i, row in enumerate(block):
        if not isinstance(row, list | tuple):
            raise ValueError(
                "analyzer must return a list of tokens; got "
                f"{type(row).__name__} for row {start + i} of {name}."
            )
    if not all(issubclass(t, str) for t in set(map(type, chain.from_iterable(block)))):
        for i, row in enumerate(block):
            for token in row:
                if not isinstance(token, str):
                    raise ValueError(
                        f"analyzer returned, for row {start + i} of {name}, a token "
                        f"that is {describe(token)}"
                    )
    return block


def preview(tokens, n=5):
    """The first tokens, for a message."""
    return ", ".join(map(repr, tokens[:n])) + (", ..." if len(tokens) > n else "")


def join(ids, ends, strings, joiner):
    """Write rows of ids, split at `ends`, as strings; as lists with joiner=None."""
    if joiner == "" and len(strings) > 1 and set(map(len, strings[1:])) == {1}:
        # Tokens of one character: all rows are one array of code points, decoded once.
        alphabet = "".join(strings).encode("utf-32-le", "surrogatepass")
        codes = np.frombuffer(alphabet, dtype="<u4")[ids - 1]
        text = codes.tobytes().decode("utf-32-le", "surrogatepass")
        return [text[start:end] for start, end in pairwise(ends)]
    tokens = list(map(strings.__getitem__, ids.tolist()))
    rows = (tokens[start:end] for start, end in pairwise(ends))
    return rows if joiner is None else map(joiner.join, rows)
