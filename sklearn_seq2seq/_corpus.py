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
from sklearn_seq2seq._persistence._file import parse
from sklearn_seq2seq._persistence._names import by_name
from sklearn_seq2seq._persistence._values import Packer, Unpacker
from sklearn_seq2seq._saved_transformer import VECTORIZERS
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._columns import ColumnVectorizer

FORMAT = "sklearn_seq2seq corpus 1"

# Written last: a folder without it holds no whole corpus.
MANIFEST = "corpus.json"


class PairCorpus:
    """Pairs of text in a folder, encoded once, to be fitted any number of times.

    ``Seq2SeqTransformer.fit(corpus)`` trains on all pairs, in the same batches and to
    the same bits as on the same pairs in memory, but keeps no more in memory than some
    tens of bytes a pair: token ids are read from memory-mapped files, batch by batch.

    Parameters
    ----------
    folder : str or path-like
        Where `PairCorpus.write` wrote it.
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
        If the folder holds no whole corpus.

    See Also
    --------
    Seq2SeqTransformer.partial_fit : Train on one piece after another instead.

    Notes
    -----
    A token takes one byte where the vocabulary has up to 256 ids, two up to 65,536 and
    else four; a row takes 8 bytes for each side. Files hold numbers and JSON, nothing
    that is executed, and the weights, groups or further columns of the pairs are not
    in them: pass ``fit(corpus, sample_weight=...)``, in the order of the pairs.

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
            self._open()  # so that what is wrong with the files is said here
        except ValueError as error:
            raise ValueError(f"{str(self.folder)!r}: {error}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{str(self.folder)!r} holds no valid corpus: "
                f"{type(error).__name__}: {error}."
            ) from error
        self.source_vectorizer = self._reader.source.vectorizer
        self.target_vectorizer = self._reader.target.vectorizer

    @classmethod
    def write(cls, folder, pieces, estimator, *, columns=(0, 1)):
        """Encode pairs into a folder, one piece of them in memory at a time.

        Vocabularies are learned in a first pass over the pieces, as `fit` learns them
        from all pairs at once; only subwords are learned from 100,000 rows, drawn
        evenly. A second pass encodes. Of a fitted `estimator` the vocabularies are
        taken, in a single pass.

        Parameters
        ----------
        folder : str or path-like
            Where to write; made if it is not there. What an interrupted call has left
            in it is overwritten.
        pieces : iterable, or callable that returns one
            The pairs in pieces: frames of pandas or polars, tables or record batches of
            pyarrow, or lists of pairs. What can be gone through but once, such as a
            reader of a file, comes as a function that opens it anew.
        estimator : Seq2SeqTransformer
            How to read: its `source_vectorizer`, `target_vectorizer`,
            `share_embeddings`, `copy` and `pretrained` count.
        columns : pair of str or int, default=(0, 1)
            Where in a piece sources and targets are, by name or position. A
            `ColumnVectorizer` takes its own columns from each frame.

        Returns
        -------
        corpus : PairCorpus
            The corpus, opened.

        Raises
        ------
        FileExistsError
            If the folder holds a whole corpus already.
        ValueError
            If a row is not what it must be; the message names the piece and the row in
            it. Nothing is left of what was written.
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
            # What cannot be saved is reported before anything is encoded.
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
            "A PairCorpus goes to Seq2SeqTransformer.fit, alone and as a whole. All "
            "else, such as predict, a search or another estimator, takes text."
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

    def _pairs_for(self, model, *, going_on):
        """The reader and the data set for an estimator's `fit`.

        Raises
        ------
        ValueError
            If the estimator would read the pairs in another way.
        """
        source, target = self._reader.source, self._reader.target
        if bool(self._reader.copies) != model.copy:
            raise ValueError(
                f"copy={model.copy}, but the corpus was written for copy="
                f"{not model.copy}. Write it with an estimator like this one."
            )
        if going_on:
            own = model._reader.source, model._reader.target
            for side, before in zip((source, target), own, strict=True):
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
                    f"or set {name}_vectorizer=None to take the corpus's."
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
        copies=estimator.copy,
        start=None if start is None else start._reader,
    )


def _encode(folder, pieces, reader, *, anew):
    """Write the token arrays of all pieces; say what they are, for the manifest.

    `anew`: the vocabularies have just been learned from these pieces.
    """
    sizes = {"source": reader.source.size, "target": reader.target.size}
    kinds = {name: smallest_dtype(size) for name, size in sizes.items()}
    if reader.copies is not None:
        # Tokens that no vocabulary holds have numbers of their own.
        kinds = dict.fromkeys(("source", "target", "copies"), "<i4")
    quiet = _silent_of_what_was_left_out(reader) if anew else reader
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
            "pieces has no rows. A function must open the pieces anew at every call."
        )
    pieces.say_warnings()
    tokens = {name: writer.describe() for name, writer in writers.items()}
    return {"pairs": n_rows, "tokens": tokens}


def _silent_of_what_was_left_out(reader):
    """A reader that does not warn of tokens which `min_df` has left out."""
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
            (name, _silent(own), column)
            for name, own, column in vectorizer.transformers_
        ]
    elif vectorizer._learns:
        silent.handle_unknown = "silent"
    return silent


@contextmanager
def _removed_on_failure(folder):
    """A folder that is there; of a failure nothing is left in it."""
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
        what = "is not there"
        if folder.is_dir():
            what = (
                f"has no {MANIFEST}, which is written last: writing was broken off, or "
                "this is no corpus. Write it again"
            )
        raise ValueError(f"{str(folder)!r} {what}.") from None
    except ValueError as error:
        raise ValueError(f"{str(folder / MANIFEST)!r} is damaged: {error}.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(
            f"{str(folder)!r} holds no corpus of this version of sklearn_seq2seq."
        )
    return manifest


def _unpack_reader(manifest, trusted):
    unpacker = Unpacker({}, trusted)
    sides = []
    for node in manifest["sides"]:
        vectorizer = unpacker.estimator(node)
        if not isinstance(vectorizer, VECTORIZERS):
            raise ValueError("a vectorizer is none of ours.")
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
    """The functions that a corpus names, which who wrote it trusts."""
    found = []
    for side in (reader.source, reader.target):
        leaves = getattr(side.vectorizer, "transformers_", [("", side.vectorizer, 0)])
        found += [v.analyzer for _, v, _ in leaves if callable(v.analyzer)]
    return found
