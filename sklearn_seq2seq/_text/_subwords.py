"""Subwords: what `SequenceVectorizer` needs of the tokenizers library."""

import json
import os
import threading
from functools import lru_cache, partial
from itertools import count, groupby, pairwise
from operator import attrgetter

import numpy as np

from sklearn_seq2seq._files import read_whole
from sklearn_seq2seq._optional import import_optional
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, UNKNOWN_STRING
from sklearn_seq2seq._warnings import warn_of_data

# White space as byte-level tokenizers and SentencePiece write it.
_BLANKS = str.maketrans("\u0120\u010a\u0109\u010d\u2581", " \n\t\r ")

# Pieces stay within a match. This is GPT-2's pattern, except that letters include the
# marks and joiners that write vowels and clusters in most scripts of Asia.
_WORDS = (
    r"'s|'t|'re|'ve|'m|'ll|'d"
    r"| ?\p{L}[\p{L}\p{M}\x{200C}\x{200D}]*| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)


def train_tokenizer(blocks, model, size):
    """Learn pieces of bytes from blocks of strings; returns the tokenizer's JSON."""
    tokenizers = import_optional("tokenizers", "subword")
    cutting = import_optional("tokenizers.pre_tokenizers", "subword")
    alphabet = sorted(cutting.ByteLevel.alphabet())
    models, trainers = tokenizers.models, tokenizers.trainers
    if model == "bpe":
        empty, trainer = models.BPE(), trainers.BpeTrainer
    else:
        empty, trainer = models.Unigram(), trainers.UnigramTrainer
    tokenizer = tokenizers.Tokenizer(empty)
    tokenizer.pre_tokenizer = cutting.Sequence(
        [
            cutting.Split(tokenizers.Regex(_WORDS), "isolated"),
            cutting.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    with _SINGLE_THREAD:
        tokenizer.train_from_iterator(
            blocks,
            trainer(
                vocab_size=max(size, len(alphabet)),
                initial_alphabet=alphabet,
                special_tokens=[],
                show_progress=False,
            ),
        )
    return tokenizer.to_str() if model == "bpe" else _in_order(tokenizer.to_str())


def _in_order(text):
    """Make a unigram model independent of the library's hashing, random by process.

    Hashing decides on the order of the pieces, on the last digits of their scores, and
    on the order of bytes without a score of their own, in steps of 1e-4 below the rest.
    """
    tokenizer = json.loads(text)
    pieces = tokenizer["model"]["vocab"]
    # Without any text, scores are NaN, which JSON writes as null.
    least = min((score for _, score in pieces if score is not None), default=0.0)
    for pair in pieces:
        score = least if pair[1] is None else pair[1]
        unearned = len(pair[0]) == 1 and score < least + 1e-4 * 2**8
        pair[1] = float(f"{least if unearned else score:.6g}")
    pieces.sort()
    return json.dumps(tokenizer, ensure_ascii=False)


def read_tokenizer(tokenizer):
    """The JSON of a tokenizer as a user passed it."""
    if hasattr(tokenizer, "to_str"):
        return tokenizer.to_str()
    tokenizers = import_optional("tokenizers", "subword")
    text = os.fspath(tokenizer)
    try:
        if not text.lstrip().startswith("{"):
            text = read_whole(text).decode()
        return tokenizers.Tokenizer.from_str(text).to_str()
    except Exception as error:  # the library raises bare Exceptions
        raise ValueError(
            f"tokenizer={tokenizer!r:.80} is neither the JSON of a tokenizer nor the "
            f"path of such a file: {error}."
        ) from error


@lru_cache(maxsize=8)
def load_tokenizer(text):
    """Make the tokenizer of a JSON string.

    Returns
    -------
    tokenizer : tokenizers.Tokenizer
    known : ndarray of int
        The ids in ascending order, without that of the unknown piece.
    unknown : str or None
        The unknown piece.
    """
    text, unknown = _with_unknown_piece(text)
    tokenizer = import_optional("tokenizers", "subword").Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    pieces = tokenizer.get_vocab()
    pieces.pop(unknown, None)
    return tokenizer, np.sort(list(pieces.values())), unknown


def _with_unknown_piece(text):
    """Add an unknown piece to BPE without one, which would drop unknown text."""
    tokenizer = json.loads(text)
    model = tokenizer["model"]
    if model.get("type") == "Unigram":
        place = model.get("unk_id")
        return text, None if place is None else model["vocab"][place][0]
    unknown = model.get("unk_token")
    if model.get("type") == "BPE" and unknown is None:
        pieces = model["vocab"]
        added = [token["id"] for token in tokenizer.get("added_tokens") or ()]
        unknown = model["unk_token"] = UNKNOWN_STRING
        pieces.setdefault(unknown, max([*pieces.values(), *added], default=-1) + 1)
        text = json.dumps(tokenizer, ensure_ascii=False)
    return text, unknown


def piece_ids(text):
    """The vocabulary of a tokenizer's JSON: the token id of each piece."""
    tokenizer, _, unknown = load_tokenizer(text)
    pieces = tokenizer.get_vocab()
    pieces.pop(unknown, None)
    return dict(zip(sorted(pieces, key=pieces.__getitem__), count(FIRST_TOKEN)))


def checked_piece_ids(tokenizer):
    """`piece_ids` of text that may not be a tokenizer's JSON."""
    try:
        return piece_ids(tokenizer)
    except (ImportError, KeyboardInterrupt, MemoryError, SystemExit):
        raise
    # A panic of the tokenizers library is not an Exception.
    except BaseException as error:
        raise ValueError(f"it has no valid tokenizer: {str(error)[:200]}.") from error


def cut_into_pieces(strings, text):
    """Encode each string as a list of the tokenizer's ids."""
    tokenizer, *_ = load_tokenizer(text)
    # One by one: encoding in batches starts threads, which do not survive a fork.
    encodings = map(partial(tokenizer.encode, add_special_tokens=False), strings)
    return list(map(attrgetter("ids"), encodings))


def piece_names(ids, text):
    """The vocabulary's names of the tokenizer's ids."""
    return list(map(load_tokenizer(text)[0].id_to_token, ids))


def readable(pieces, text):
    """Pieces as text, with white space; parts of characters are U+FFFD."""
    decoder = load_tokenizer(text)[0].decoder
    if type(decoder).__name__ == "ByteLevel":
        return [decoder.decode([piece]) for piece in pieces]
    return [piece.translate(_BLANKS) for piece in pieces]


def number_pieces(ids, text):
    """Token ids of the tokenizer's ids; its unknown piece is the unknown token."""
    _, known, _ = load_tokenizer(text)
    places = np.searchsorted(known, ids)
    is_known = known.take(places, mode="clip") == ids
    return np.where(is_known, places + FIRST_TOKEN, UNKNOWN).astype(np.int32)


def join_pieces(ids, ends, strings, text):
    """Decode rows of ids; ids without a piece are written as their strings."""
    tokenizer, known, unknown = load_tokenizer(text)
    places = ids - FIRST_TOKEN
    is_piece = (places >= 0) & (places < len(known))
    pieces = known.take(places, mode="clip")
    if unknown is not None:
        # The decoder writes what surrounds it, such as a space.
        pieces[ids == UNKNOWN] = tokenizer.token_to_id(unknown)
        is_piece |= ids == UNKNOWN
    mixed = [
        piece if found else strings[k]
        for piece, found, k in zip(
            pieces.tolist(), is_piece.tolist(), ids.tolist(), strict=True
        )
    ]

    def decode(run):
        written = tokenizer.decode(run, skip_special_tokens=False)
        if unknown is None or tokenizer.token_to_id(unknown) not in run:
            return written
        return written.replace(unknown, UNKNOWN_STRING)

    return [
        "".join(
            "".join(run) if kind is str else decode(list(run))
            for kind, run in groupby(mixed[start:end], type)
        )
        for start, end in pairwise(ends)
    ]


def warn_of_losses(prepared, whole, ids, lengths, text, name):
    """Warn of rows that a given tokenizer does not restore.

    Parameters
    ----------
    prepared : iterable of str
        The rows that the tokenizer encoded.
    whole : ndarray of bool, shape (n_samples,)
        Whether a row was not cut.
    ids, lengths
        Their ids, as for `from_flat`.
    text : str
        The tokenizer.
    name : str
        How messages call the rows.
    """
    strings = ["", UNKNOWN_STRING, *piece_ids(text)]
    ends = [0, *np.cumsum(lengths).tolist()]
    written = join_pieces(ids, ends, strings, text)
    lost = [
        (row, before, after)
        for row, (before, after) in enumerate(zip(prepared, written, strict=True))
        if before != after and UNKNOWN_STRING not in after and whole[row]
    ]
    if lost:
        row, before, after = lost[0]
        warn_of_data(
            f"The given tokenizer does not restore {len(lost)} of {len(lengths)} rows "
            f"of {name}; in row {row} {before!r:.60} becomes {after!r:.60}. "
            "handle_unknown='silent' accepts that.",
        )


def check_encodable(strings, start, name):
    """Check that strings have a UTF-8 form; lone surrogates have none."""
    try:
        "".join(strings).encode()
    except UnicodeEncodeError:
        for i, string in enumerate(strings):
            if any("\ud800" <= character <= "\udfff" for character in string):
                raise ValueError(
                    f"Row {start + i} of {name} holds a lone surrogate, which has no "
                    "UTF-8 form; analyzer='subword' cannot read it."
                ) from None
    return strings


class _SingleThread:
    """Keeps the tokenizers library from starting threads, which do not survive a fork.

    If several threads train at once, the first saves the environment variable and the
    last restores it.
    """

    name = "TOKENIZERS_PARALLELISM"

    def __init__(self):
        self.lock, self.n_inside, self.before = threading.Lock(), 0, None

    def __enter__(self):
        with self.lock:
            if not self.n_inside:
                self.before = os.environ.get(self.name)
                os.environ[self.name] = "false"
            self.n_inside += 1

    def __exit__(self, *error):
        with self.lock:
            self.n_inside -= 1
            if self.n_inside:
                return
            os.environ.pop(self.name, None)
            if self.before is not None:
                os.environ[self.name] = self.before


_SINGLE_THREAD = _SingleThread()
