"""Token arrays in files: written piece by piece, read as memory maps."""

import hashlib
import os
from contextlib import ExitStack

import numpy as np

from sklearn_seq2seq._tokens import RowViews, lengths

_OFFSET = np.dtype("<i8")
_IDS = ("|u1", "<u2", "<i4")


class TokenWriter:
    """Writes a token array into two files: its ids, and where each row ends.

    A context manager, which leaves both files on the disk.

    Parameters
    ----------
    folder : Path
    name : str
    dtype : str
        Type of the ids.
    """

    def __init__(self, folder, name, dtype):
        self.paths = _paths(folder, name)
        self.dtype = np.dtype(dtype)
        self.n_ids = 0
        self.digests = [hashlib.sha256(), hashlib.sha256()]

    def __enter__(self):
        with ExitStack() as stack:
            self.files = [stack.enter_context(open(p, "wb")) for p in self.paths]
            self._stack = stack.pop_all()
        self._write(ends=np.zeros(1))
        return self

    def __exit__(self, *error):
        with self._stack:
            for file in self.files:
                file.flush()
                os.fsync(file.fileno())

    def append(self, tokens):
        """Add the rows of a ``csr_array``."""
        # Offsets count from the start of the file, over all pieces.
        ends = self.n_ids + np.cumsum(lengths(tokens))
        self._write(tokens.data, ends)
        self.n_ids += len(tokens.data)

    def _write(self, ids=(), ends=()):
        parts = np.asarray(ids, self.dtype), np.asarray(ends, _OFFSET)
        for part, file, digest in zip(parts, self.files, self.digests, strict=True):
            file.write(part.data)
            digest.update(part.data)

    def describe(self):
        """What `read_tokens` needs to know, as JSON values."""
        return {
            "dtype": self.dtype.str,
            "ids": self.n_ids,
            "sha256": [digest.hexdigest() for digest in self.digests],
        }


def read_tokens(folder, name, n_rows, width, *, dtype, ids, sha256):
    """The token array that a `TokenWriter` wrote, as `RowViews` of memory maps.

    Raises
    ------
    ValueError
        If a file is not there, or has another size.
    """
    if dtype not in _IDS:
        raise ValueError(f"{dtype!r:.80} is not a type of ids.")
    shapes = (ids, np.dtype(dtype)), (n_rows + 1, _OFFSET)
    maps = []
    for path, (length, kind) in zip(_paths(folder, name), shapes, strict=True):
        size = path.stat().st_size if path.exists() else 0
        if size != length * kind.itemsize:
            raise ValueError(
                f"{str(path)!r} has {size:,} bytes rather than "
                f"{length * kind.itemsize:,}. Copy the folder again, or write it anew."
            )
        # An empty file cannot be mapped.
        empty = np.empty(0, kind)
        maps.append(np.memmap(path, kind, "r") if size else empty)
    flat, offsets = map(np.asarray, maps)
    counts = np.diff(offsets).astype(np.int32)
    return RowViews(flat, offsets[:-1], counts, width, sha256[0])


def smallest_dtype(size):
    """The smallest type that holds ids below `size`."""
    return next(
        kind for kind in ("<u1", "<u2", "<i4") if size - 1 <= np.iinfo(kind).max
    )


def _paths(folder, name):
    return [folder / f"{name}.{part}" for part in ("ids", "offsets")]
