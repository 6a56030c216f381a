"""Copying: the target token that each source token is copied as."""

import numpy as np

from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, lengths, like


def check_same_pieces(source, target, what):
    """Check that both sides use the same subwords, if one uses any.

    Only its own tokenizer can write a subword, which may be a part of a character or
    begin with a space.
    """
    if not (source.is_text and target.is_text):
        return
    ways = _ways_to_cut(source.vectorizer, subwords=True)
    if ways != _ways_to_cut(target.vectorizer, subwords=True) or len(ways) > 1:
        raise ValueError(
            f"{what} with subwords needs the same tokenizer and text preparation on "
            "both sides. Learn one tokenizer from the texts of both sides and give it "
            "to both: "
            "tokenizer=SequenceVectorizer(analyzer='subword').fit(both).tokenizer_."
        )


def _ways_to_cut(vectorizer, subwords=False):
    """How a vectorizer's columns cut text; with `subwords`, only those of subwords."""
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
    """Whether two sides of text cut it in the same way."""
    ways = _ways_to_cut(source.vectorizer) | _ways_to_cut(target.vectorizer)
    return len(ways) == 1


def never_read(source, target):
    """Ids that no target has, in a vocabulary that both sides share.

    They come from the sources, and the target vectorizer cuts no text into them: it
    would read a prediction with such a token as another sequence.
    """
    if not (source.is_text and target.is_text) or target.has_columns:
        return []
    tokens = target.vectorizer.vocabulary_
    if tokens != source.vectorizer.vocabulary_ or cut_alike(source, target):
        return []
    read = target.vectorizer._read_alone(list(tokens))
    # A pattern or a function may find a token in some contexts only.
    certain = target.vectorizer._cuts_without_context()
    return [
        id_
        for (token, id_), alone in zip(tokens.items(), read, strict=True)
        if alone != token and (certain or alone is not None)
    ]


class CopyTable:
    """The target id that each source token is copied as.

    A source token is copied as the target token that the target vectorizer reads its
    string as: the same string if both sides cut text alike, the unknown token if the
    string is not a single target token. Ids from the target vocabulary's size V upward
    number the strings that only sources have: first those of the source vocabulary,
    then those of the rows at hand.

    Parameters
    ----------
    source, target : Side
        Both text, or both ids, which are copied as they are.
    """

    def __init__(self, source, target):
        if source.is_text != target.is_text:
            raise ValueError(
                "copy=True needs both sides as text or both as token ids: the strings "
                "of source ids from a step before the model are unknown. Pass the raw "
                "text, with source_vectorizer= instead of a Pipeline step."
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
        """Copy ids of sources read with extras: ``(csr_array, strings of new ids)``."""
        if self.table is None:
            return tokens, []
        strings = list(self.strings)
        # Indexed by source ids: those of the vocabulary, then those of the extras.
        table = np.concatenate((self.table, self._number(extras, strings)))
        copies = like(tokens, table[tokens.data], lengths(tokens), tokens.shape[1])
        return copies, strings

    def of_target(self, tokens, extras, strings):
        """Targets read with extras, which get the numbers that they have in sources."""
        if self.table is None:
            return tokens
        numbers = {string: self.target_size + k for k, string in enumerate(strings)}
        table = np.arange(self.target_size + len(extras))
        table[self.target_size :] = [numbers.get(x, UNKNOWN) for x in extras]
        return like(tokens, table[tokens.data], lengths(tokens), tokens.shape[1])


def local_ids(tokens, copies, target_size):
    """Replace ids outside the target vocabulary by their first source position.

    Parameters
    ----------
    tokens : ndarray of int64, shape (B, T)
        The targets, or `copies` itself.
    copies : ndarray of int64, shape (B, S)
        The target id that each source position is copied as.
    target_size : int
        V.

    Returns
    -------
    ndarray of int64, shape (B, T)
        V + s for a token whose first source position is s; the unknown token where the
        source does not have it.
    """
    rows, places = np.nonzero(tokens >= target_size)  # (n_outside,) each
    if not len(rows):
        return tokens  # the usual case, without a copy
    span = max(tokens.max(), copies.max()) + 1
    source_rows, source_places = np.nonzero(copies >= target_size)
    # The sorted keys of all pairs (row, token) in the sources, with their first place.
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
