"""Both sides of the data, made from the document of a bundle."""

from numbers import Number

import numpy as np

from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._persistence._format import ModelFileError
from sklearn_seq2seq._text._codec import ColumnCodec, TextCodec
from sklearn_seq2seq._text._normal_form import ALL_FORMS, FORMS
from sklearn_seq2seq._text._subwords import checked_piece_ids
from sklearn_seq2seq._tokens import FIRST_TOKEN, TokenRows, check_whole_numbers

_ANALYZERS = ("char", "word", "token", "subword")


def require(condition, what):
    if not condition:
        raise ModelFileError(what)


def is_int(value, least):
    return type(value) is int and value >= least


def is_text(value):
    return type(value) is str


class Text(TextCodec):
    """Reads and writes one column of text.

    Parameters
    ----------
    node : dict
        Its description in the bundle's document.
    """

    _from_flat = TokenRows

    def __init__(self, node):
        tokens, tokenizer = node["vocabulary"], node["tokenizer"]
        require(node["analyzer"] in _ANALYZERS, "it has an unknown analyzer.")
        require(
            node["normalize"] in (None, *ALL_FORMS), "it has an unknown normal form."
        )
        require(type(node["lowercase"]) is bool, "lowercase is not true or false.")
        require(
            node["handle_unknown"] in ("use_unknown", "silent", "error"),
            "it does not say what to do with unknown tokens.",
        )
        for name in ("token_pattern", "joiner", "tokenizer"):
            require(node[name] is None or is_text(node[name]), f"{name} is not text.")
        require(is_int(node["max_length"], 1), "max_length is not a positive int.")
        require(
            type(tokens) is list and set(map(type, tokens)) <= {str},
            "its vocabulary is not made of strings.",
        )
        self.analyzer = node["analyzer"]
        self.token_pattern = node["token_pattern"]
        self.lowercase = node["lowercase"]
        restores = node.get("restores_form", False)
        require(
            restores is False or (restores is True and node["normalize"] in FORMS),
            "it does not say in which normal form it writes.",
        )
        self.normalize_ = node["normalize"]
        self.normalize = "auto" if restores else self.normalize_
        # As with normalize="auto": text that is read in one form, written in the other.
        self._own_form = "NFC" if self.normalize_ == "NFD" else "NFD"
        self.joiner = node["joiner"]
        self.handle_unknown = node["handle_unknown"]
        self.vocabulary_ = {token: id_ for id_, token in enumerate(tokens, FIRST_TOKEN)}
        require(len(self.vocabulary_) == len(tokens), "it has a token twice.")
        self.vocabulary_size_ = FIRST_TOKEN + len(tokens)
        self.max_length_ = node["max_length"]
        require(
            (self.analyzer == "subword") == (tokenizer is not None),
            "analyzer='subword' and a tokenizer come together.",
        )
        if tokenizer is not None:
            require(
                checked_piece_ids(tokenizer) == self.vocabulary_,
                "its tokenizer has another vocabulary.",
            )
            self.tokenizer_ = tokenizer
        self._analyzer.word_finder()


class Columns(ColumnCodec):
    """Reads and writes rows of several columns of text."""

    _from_flat = TokenRows

    def __init__(self, nodes):
        require(type(nodes) is list and nodes, "its columns are not a list.")
        for node in nodes:
            column = node["column"]
            require(is_text(node["name"]), "a column has no name.")
            require(is_text(column) or type(column) is int, "a column has no place.")
        self.transformers_ = [(x["name"], Text(x), x["column"]) for x in nodes]


def read_ids(ids, name="y"):
    """Token ids of an array: ``(tokens, dimensions of the array)``."""
    try:
        ids = np.asarray(ids)
    except ValueError as error:  # rows of different lengths
        raise ValueError(
            f"Rows of token ids in {name} must be of one length."
        ) from error
    if ids.dtype == object and all(isinstance(x, Number) for x in ids.flat):
        ids = ids.astype(float)
    if ids.dtype.kind not in "biuf" or ids.ndim not in (1, 2):
        raise ValueError(
            f"{name} must be an array of token ids of one or two dimensions; got "
            f"dtype {ids.dtype} and shape {ids.shape}."
        )
    ndim = ids.ndim
    ids = ids[:, None] if ndim == 1 else ids
    rows, columns = np.nonzero(ids)
    data = ids[rows, columns]
    wrong = ~np.isfinite(data) | (data < 0)
    if wrong.any():
        first = np.flatnonzero(wrong)[0]
        raise ValueError(
            f"Token ids in {name} must be finite and at least 0; got "
            f"{data[first].item()!r} in row {rows[first]}."
        )
    check_whole_numbers(data, rows, name)
    return TokenRows(data, np.bincount(rows, minlength=len(ids)), ids.shape[1]), ndim


class _Side(Side):
    _read_ids = staticmethod(read_ids)


def read_side(node):
    """Make a `Side` from its description in the document."""
    kind = node["kind"]
    if kind == "ids":
        require(
            is_int(node["size"], FIRST_TOKEN)
            and is_int(node["width"], 1)
            and node["ndim"] in (1, 2),
            "a side of token ids has no size.",
        )
        return _Side(None, node["size"], node["width"], node["ndim"])
    require(kind in ("text", "columns"), "a side is neither text nor token ids.")
    codec = Text(node) if kind == "text" else Columns(node["columns"])
    return _Side(codec, codec.vocabulary_size_, codec.max_length_)
