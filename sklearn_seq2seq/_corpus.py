"""`PairCorpus`: encoded pairs on disk, to train on more than memory holds."""

import copy
import json
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from sklearn_seq2seq._files import read_whole, write_whole
from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._pieces import PairPieces, learn_pieces
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._pairs._token_files import (
    TokenWriter,
    read_tokens,
    smallest_dtype,
)
from sklearn_seq2seq._persistence._format import parse
from sklearn_seq2seq._persistence._names import by_name
from sklearn_seq2seq._persistence._values import Packer, Unpacker
from sklearn_seq2seq._saved_transformer import VECTORIZERS
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._columns import ColumnVectorizer

FORMAT = "sklearn_seq2seq corpus 1"

# Written last: without it a corpus is incomplete.
MANIFEST = "corpus.json"


class PairCorpus:
    """Pairs of text in a folder, encoded once for any number of fits.

    ``Seq2SeqTransformer.fit(corpus)`` trains on all pairs, in the same batches and with
    bitwise the same result as on pairs in memory, but needs only some tens of bytes of
    memory a pair: token ids are read from memory-mapped files, batch by batch.

    Parameters
    ----------
    folder : str or path-like
        The folder that `PairCorpus.write` wrote.
    trusted : iterable of str, functions or classes, default=()
        Analyzers that the corpus may name, as for `load`.

    Attributes
    ----------
    folder : Path
    source_vectorizer, target_vectorizer : SequenceVectorizer or ColumnVectorizer
        Fitted to the whole corpus.

    Raises
    ------
    ValueError
        If the folder does not hold a complete corpus.

    See Also
    --------
    Seq2SeqTransformer.partial_fit : Train on one piece after another instead.

    Notes
    -----
    A token takes one byte if the vocabulary has up to 256 ids, two bytes up to 65,536,
    else four; a row takes 8 bytes for each side. The files hold numbers and JSON,
    nothing that is executed. They do not hold weights, groups or further columns of the
    pairs: pass ``fit(corpus, sample_weight=...)``, in the order of the pairs.

    Examples
    --------
    >>> import os, tempfile
    >>> from sklearn_seq2seq import PairCorpus, Seq2SeqTransformer
    >>> pieces = [[("ab", "ba"), ("abb", "bba")], [("b", "b")]]
    >>> model = Seq2SeqTransformer(hidden_size=8, max_epochs=1, random_state=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "pairs")
    ...     corpus = PairCorpus.write(path, pieces, model)
    ...     len(corpus), model.fit(PairCorpus(path)).n_iter_
    (3, 1)
    """

    def __init__(self, folder, *, trusted=()):
        self.folder = Path(folder)
        self._trusted = trusted
        self._manifest = _read_manifest(self.folder)
        try:
            self._reader = _unpack_reader(self._manifest, by_name(trusted))
            self._open()  # to report what is wrong with the files here
        except ValueError as error:
            raise ValueError(f"{str(self.folder)!r}: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{str(self.folder)!r} does not hold a valid corpus: "
                f"{type(error).__name__}: {error}."
            ) from error
        self.source_vectorizer = self._reader.source.vectorizer
        self.target_vectorizer = self._reader.target.vectorizer

    @classmethod
    def write(cls, folder, pieces, estimator, *, columns=(0, 1)):
        """Encode pairs into a folder, with one piece in memory at a time.

        A first pass over the pieces learns the vocabularies, as `fit` does from all
        pairs at once, but subwords from a uniform sample of 100,000 rows. A second pass
        encodes. With a fitted `estimator`, a single pass uses its vocabularies.

        Parameters
        ----------
        folder : str or path-like
            The folder to write, which is created if necessary. The remains of an
            interrupted call are overwritten.
        pieces : iterable, or callable that returns one
            The pairs in pieces: frames of pandas or polars, tables or record batches of
            pyarrow, or lists of pairs. What can be iterated only once, such as the
            reader of a file, must be given as a function that opens it anew.
        estimator : Seq2SeqTransformer
            Says how to read: by its `source_vectorizer`, `target_vectorizer`,
            `share_embeddings`, `copy` and `pretrained`.
        columns : pair of str or int, default=(0, 1)
            The columns of sources and targets, by name or position. A
            `ColumnVectorizer` selects its columns from each frame itself.

        Returns
        -------
        corpus : PairCorpus
            The corpus, opened.

        Raises
        ------
        FileExistsError
            If the folder holds a complete corpus already.
        ValueError
            If a row is invalid; the message names the piece and the row in it. What was
            written is removed.
        """
        if not isinstance(estimator, Seq2SeqTransformer):
            raise TypeError(
                f"estimator must be a Seq2SeqTransformer; got {estimator!r:.80}."
            )
        folder = Path(folder)
        if (folder / MANIFEST).exists():
            raise FileExistsError(
                f"{str(folder)!r} holds a corpus already. Delete it, or choose another "
                "folder."
            )
        fitted = hasattr(estimator, "net_")
        given = estimator.source_vectorizer, estimator.target_vectorizer
        if fitted:
            sides = estimator._reader.source, estimator._reader.target
            given = [side.vectorizer for side in sides]
        pieces = PairPieces(pieces, columns, given)
        with _removed_on_failure(folder):
            reader = estimator._reader if fitted else _learn(pieces, estimator)
            # Packed first, to report what cannot be saved before encoding.
            sides = [_pack(side.vectorizer) for side in (reader.source, reader.target)]
            copies = reader.copies is not None
            manifest = {"format": FORMAT, "copy": copies, "sides": sides}
            manifest |= _encode(folder, pieces, reader, anew=not fitted)
            write_whole(folder / MANIFEST, json.dumps(manifest).encode())
        return cls(folder, trusted=_analyzers(reader))

    def __len__(self):
        return self._manifest["pairs"]

    def __repr__(self):
        return f"PairCorpus({str(self.folder)!r}: {len(self):,} pairs)"

    def __reduce__(self):
        return _open_corpus, (self.folder.absolute(), self._trusted)

    def __array__(self, *args, **kwargs):
        raise TypeError(
            "Pass a PairCorpus to Seq2SeqTransformer.fit, alone and as a whole. "
            "Everything else, such as predict, a search or another estimator, needs "
            "text."
        )

    def _open(self):
        """The data set of all pairs, its ids in mapped files."""
        arrays = {
            name: read_tokens(self.folder, name, len(self), side.width, **what)
            for (name, what), side in zip(
                self._manifest["tokens"].items(),
                (self._reader.source, self._reader.target, self._reader.source),
                strict=False,
            )
        }
        return self._reader.dataset(
            arrays["source"], arrays["target"], arrays.get("copies")
        )

    def _pairs_for(self, model, *, resume):
        """The reader and the data set for an estimator's `fit`.

        Raises
        ------
        ValueError
            If the estimator would read the pairs in another way.
        """
        source, target = self._reader.source, self._reader.target
        copies = self._reader.copies is not None
        if model.copy not in (copies, "auto"):
            raise ValueError(
                f"copy={model.copy}, but the corpus was written for copy={copies}. "
                "Write it with an estimator like this one."
            )
        if resume:
            fitted = model._reader.source, model._reader.target
            for side, before in zip((source, target), fitted, strict=True):
                if _state(side.vectorizer) != _state(before.vectorizer):
                    raise ValueError(
                        "The corpus has other vocabularies than this fitted model. "
                        "Write it with the fitted model as its estimator."
                    )
            return model._reader, self._open()
        for name, side in (("source", source), ("target", target)):
            given = getattr(model, f"{name}_vectorizer")
            if given is not None and _params(given) != _params(side.vectorizer):
                raise ValueError(
                    f"{name}_vectorizer={given!r}, but the corpus was written with "
                    f"{side.vectorizer!r}. Write it with an estimator like this one, "
                    f"or set {name}_vectorizer=None to use that of the corpus."
                )
        shared = source.vectorizer.vocabulary_ == target.vectorizer.vocabulary_
        if model.share_embeddings and not shared:
            raise ValueError(
                "share_embeddings=True needs one vocabulary for both sides, and this "
                "corpus has two. Write it with an estimator like this one."
            )
        return self._reader, self._open()


def _open_corpus(folder, trusted):
    return PairCorpus(folder, trusted=trusted)


def _learn(pieces, estimator):
    pieces.check_can_be_read_twice()
    estimator._check_parameters()
    start = estimator._start()
    return learn_pieces(
        pieces,
        source_vectorizer=estimator.source_vectorizer,
        target_vectorizer=estimator.target_vectorizer,
        share_embeddings=estimator.share_embeddings,
        copies=estimator._copies(start),
        start=None if start is None else start._reader,
    )


def _encode(folder, pieces, reader, *, anew):
    """Write the token arrays of all pieces; return their part of the manifest.

    `anew` says that the vocabularies were learned from these pieces.
    """
    sizes = {"source": reader.source.size, "target": reader.target.size}
    kinds = {name: smallest_dtype(size) for name, size in sizes.items()}
    if reader.copies is not None:
        # Tokens outside the vocabularies have ids too.
        kinds = dict.fromkeys(("source", "target", "copies"), "<i4")
    quiet = _without_warnings(reader) if anew else reader
    n_rows = 0
    with ExitStack() as stack:
        writers = {
            name: stack.enter_context(TokenWriter(folder, name, kind))
            for name, kind in kinds.items()
        }
        for reading, X, y in pieces:
            with reading:
                rows = reader.source.check(X, "X"), reader.target.check(y, "y")
                dataset = quiet.pairs(*rows)
                if anew and not n_rows:
                    reader.target.vectorizer._warn_lost(rows[1], "y")
            for name, writer in writers.items():
                writer.append(getattr(dataset, name))
            n_rows += len(dataset)
    if not n_rows:
        raise ValueError(
            "pieces has no rows. If it is a function, it must open the pieces anew at "
            "every call."
        )
    pieces.say_warnings()
    tokens = {name: writer.describe() for name, writer in writers.items()}
    return {"pairs": n_rows, "tokens": tokens}


def _without_warnings(reader):
    """A reader that does not warn of tokens that `min_df` has left out."""
    quiet = copy.copy(reader)
    quiet.source, quiet.target = (
        replace(side, vectorizer=_silent(side.vectorizer))
        for side in (reader.source, reader.target)
    )
    return quiet


def _silent(vectorizer):
    silent = copy.copy(vectorizer)
    if isinstance(vectorizer, ColumnVectorizer):
        silent.transformers_ = [
            (name, _silent(part), column)
            for name, part, column in vectorizer.transformers_
        ]
    elif vectorizer._learns:
        silent.handle_unknown = "silent"
    return silent


@contextmanager
def _removed_on_failure(folder):
    """Make a folder; after a failure, remove what was written into it."""
    new = not folder.exists()
    folder.mkdir(exist_ok=True)
    try:
        yield
    except BaseException as error:
        for name in ("source", "target", "copies"):
            for part in ("ids", "offsets"):
                (folder / f"{name}.{part}").unlink(missing_ok=True)
        if new:
            folder.rmdir()
        if isinstance(error, OSError) and error.filename is None:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise


def _read_manifest(folder):
    try:
        manifest = parse(read_whole(folder / MANIFEST))
    except FileNotFoundError:
        what = "does not exist"
        if folder.is_dir():
            what = (
                f"has no {MANIFEST}, which is written last: writing was interrupted, "
                "or this is not a corpus. Write it again"
            )
        raise ValueError(f"{str(folder)!r} {what}.") from None
    except ValueError as error:
        raise ValueError(f"{str(folder / MANIFEST)!r} is damaged: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(
            f"{str(folder)!r} does not hold a corpus of this version of "
            "sklearn_seq2seq."
        )
    return manifest


def _unpack_reader(manifest, trusted):
    unpacker = Unpacker({}, trusted)
    sides = []
    for node in manifest["sides"]:
        vectorizer = unpacker.estimator(node)
        if not isinstance(vectorizer, VECTORIZERS):
            raise ValueError("a vectorizer is of an unknown class.")
        sides.append(
            Side(vectorizer, vectorizer.vocabulary_size_, vectorizer.max_length_)
        )
    return PairReader(*sides, CopyTable(*sides) if manifest["copy"] else None)


def _pack(vectorizer):
    if vectorizer is None:
        raise ValueError("A corpus holds text; this model was fitted on token ids.")
    return Packer({}).estimator(vectorizer)


def _params(vectorizer):
    return _pack(vectorizer)["params"]


def _state(vectorizer):
    return None if vectorizer is None else _pack(vectorizer)["state"]


def _analyzers(reader):
    """The functions that a corpus names; who writes a corpus trusts them."""
    found = []
    for side in (reader.source, reader.target):
        leaves = getattr(side.vectorizer, "transformers_", [("", side.vectorizer, 0)])
        found += [v.analyzer for _, v, _ in leaves if callable(v.analyzer)]
    return found
