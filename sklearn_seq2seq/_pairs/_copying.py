"""Which target token each source token stands for, where the network copies."""

import numpy as np

from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, lengths, like


def check_same_pieces(source, target, what):
    """Refuse to copy pieces of words where the target has others.

    A piece is a token of its own tokenizer only: it may be a part of a character, or
    begin with a space that other tokens do not have.
    """
    if not (source.is_text and target.is_text):
        return
    ways = _ways_to_cut(source.vectorizer, subwords=True)
    if ways != _ways_to_cut(target.vectorizer, subwords=True) or len(ways) > 1:
        raise ValueError(
            f"{what} needs the same tokens on both sides, of text prepared alike, "
            "where one is cut into subwords. Learn the pieces from the texts of both "
            "and give them to both: "
            "tokenizer=SequenceVectorizer(analyzer='subword').fit(both).tokenizer_."
        )


def _ways_to_cut(vectorizer, subwords=False):
    """How the columns of a vectorizer cut text, or those that cut it into subwords."""
    columns = getattr(vectorizer, "transformers_", [("", vectorizer, None)])
    return {
        (
            column.analyzer,
            column.token_pattern,
            column.lowercase,
            column._form,
            getattr(column, "tokenizer_", None),
        )
        for _, column, *_ in columns
        if column.analyzer == "subword" or not subwords
    }


def cut_alike(source, target):
    """Whether both sides of text cut it in one way."""
    ways = _ways_to_cut(source.vectorizer) | _ways_to_cut(target.vectorizer)
    return len(ways) == 1


def never_read(source, target):
    """Ids of target tokens that no target is read as, with `share_embeddings`.

    The vocabulary of both sides has them from the sources. A prediction that held one
    would be another sequence to whoever reads it.
    """
    if not (source.is_text and target.is_text) or target.has_columns:
        return []
    tokens = target.vectorizer.vocabulary_
    if tokens != source.vectorizer.vocabulary_ or cut_alike(source, target):
        return []
    read = target.vectorizer._read_alone(list(tokens))
    # A pattern or a function may cut a string into a token in some contexts only.
    certain = target.vectorizer._cuts_by_itself()
    return [
        id_
        for (token, id_), alone in zip(tokens.items(), read, strict=True)
        if alone != token and (certain or alone is not None)
    ]


class CopyTable:
    """Which target token each source token stands for: the one that it is read as.

    That is the one of the same string where both sides cut alike; it is the unknown one
    where the target vectorizer reads the string as none or as several. Target ids from
    the target vocabulary's size V upward number the strings that are only in the
    source; those in its vocabulary come first, those of the rows at hand after them.

    Parameters
    ----------
    source, target : Side
        Both text, or both ids, which then stand for themselves.
    """

    def __init__(self, source, target):
        if source.is_text != target.is_text:
            raise ValueError(
                "copy=True needs both sides as text or both as token ids: what a "
                "source id of another step's vocabulary stands for is not known here. "
                "Pass the raw text, with source_vectorizer= instead of a Pipeline step."
            )
        if target.has_columns:
            raise ValueError(
                "copy=True needs targets of one column: a copied token does not say "
                "to which of several columns it belongs."
            )
        check_same_pieces(source, target, "copy=True")
        self.target_size = target.size
        self.strings = []
        self.table = None
        if source.is_text:
            self.known = target.vectorizer.vocabulary_
            self.read = None
            if not cut_alike(source, target):
                self.read = target.vectorizer._read_alone
            self.table = self._number(source.vectorizer._token_strings(), self.strings)
            self.table[:FIRST_TOKEN] = range(FIRST_TOKEN)

    def _number(self, tokens, strings):
        """Target ids of strings; new ones are appended to `strings`."""
        numbers = {string: self.target_size + k for k, string in enumerate(strings)}
        ids = np.empty(len(tokens), dtype=np.int64)
        for k, token in enumerate(tokens if self.read is None else self.read(tokens)):
            if token is None:
                ids[k] = UNKNOWN
                continue
            ids[k] = self.known.get(token) or numbers.setdefault(
                token, self.target_size + len(numbers)
            )
        strings[:] = numbers
        return ids

    def of_source(self, tokens, extras):
        """Copies of an openly read source: ``(csr_array, strings of new ids)``."""
        if self.table is None:
            return tokens, []
        strings = list(self.strings)
        table = np.concatenate((self.table, self._number(extras, strings)))
        copies = like(tokens, table[tokens.data], lengths(tokens), tokens.shape[1])
        return copies, strings

    def of_target(self, tokens, extras, strings):
        """Openly read targets, their unknown tokens numbered as in the source."""
        if self.table is None:
            return tokens
        numbers = {string: self.target_size + k for k, string in enumerate(strings)}
        table = np.arange(self.target_size + len(extras))
        table[self.target_size :] = [numbers.get(x, UNKNOWN) for x in extras]
        return like(tokens, table[tokens.data], lengths(tokens), tokens.shape[1])


def local_ids(tokens, copies, target_size):
    """Refer tokens that no vocabulary holds to the source position that has them first.

    Parameters
    ----------
    tokens : ndarray of int64, shape (B, T)
        The targets, or `copies` itself.
    copies : ndarray of int64, shape (B, S)
        What the copying of each source position yields.
    target_size : int
        V.

    Returns
    -------
    ndarray of int64, shape (B, T)
        Ids from V upward replaced by V + the source position of their first occurrence,
        or by the unknown token where the source has none.
    """
    rows, places = np.nonzero(tokens >= target_size)
    if not len(rows):
        return tokens
    span = max(tokens.max(), copies.max()) + 1
    source_rows, source_places = np.nonzero(copies >= target_size)
    # Sorted keys of (row, token), each with its first place.
    keys, first = np.unique(
        source_rows * span + copies[source_rows, source_places], return_index=True
    )
    wanted = rows * span + tokens[rows, places]
    found = np.isin(wanted, keys)
    ids = np.full(len(rows), UNKNOWN)
    at = np.searchsorted(keys, wanted[found])
    ids[found] = target_size + source_places[first[at]]
    local = tokens.copy()
    local[rows, places] = ids
    return local
