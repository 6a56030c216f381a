"""The state of training, in a file that stays whole if the process is killed.

It holds tensors and plain values, and reading it executes nothing.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from contextlib import contextmanager
from pathlib import Path

import joblib
import numpy as np
import torch

from sklearn_seq2seq._files import is_lack_of_memory, read_whole, write_whole
from sklearn_seq2seq._training._checkpoint_state import check_entries
from sklearn_seq2seq._warnings import warn

FORMAT = "sklearn_seq2seq checkpoint 2"


class Checkpoint:
    """The file of one fit.

    Parameters
    ----------
    path : str or path
        In a folder each fit has its own file, named after its fingerprint. Links are
        followed.
    fingerprint : dict of str
        Names and hashes that identify the fit.

    Raises
    ------
    ValueError
        If the folder does not exist.
    """

    def __init__(self, path, fingerprint):
        given, path = str(path), Path(path)
        if path.is_dir() or given.endswith(("/", os.sep)):
            path /= f"{joblib.hash(fingerprint)}.pt"
        path = Path(os.path.realpath(path))
        if not given or not path.parent.is_dir():
            raise ValueError(f"The folder of checkpoint={given!r} does not exist.")
        self.path = path
        self.fingerprint = fingerprint
        self.readable = self.warned = False
        self.known = None

    def read(self):
        """Return the state last written, or None if there is no file.

        Raises
        ------
        ValueError
            If the file is damaged, or belongs to another fit.
        """
        self.known = _identity(self.path)
        if self.known is None:
            return None
        content = io.BytesIO(read_whole(self.path))
        with self.refusing():
            state = torch.load(content, map_location="cpu", weights_only=True)
            state = _with_numpy(state)
            state["history"] = json.loads(state["history"])
            check_entries(state)
            if state["format"] != FORMAT:
                raise ValueError(state["format"])
        saved = state["fingerprint"]
        other = [k for k, value in self.fingerprint.items() if saved.get(k) != value]
        if other:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another fit, with other "
                f"{', '.join(other)}. It is left as it is; delete it to start afresh, "
                "choose another path, or give a folder, where each fit has its own "
                "file."
            )
        return state

    @contextmanager
    def refusing(self):
        """Turn every error that the file's content causes into one ValueError."""
        try:
            yield
        except Exception as error:
            if is_lack_of_memory(error):
                raise MemoryError(f"checkpoint={str(self.path)!r}: {error}") from error
            raise ValueError(
                f"checkpoint={str(self.path)!r} cannot be used: it is not a whole "
                "checkpoint of this version. It is left as it is; delete it to start "
                "afresh, or choose another path."
            ) from error

    def write(self, state):
        """Replace the file by `state`, a dict of tensors and plain values.

        Raises
        ------
        ValueError
            If `read` would refuse the state, or the file belongs to another fit.
        OSError
            If it cannot be written; the old file stays.
        """
        self._check_owner(state["seed"])
        history = json.dumps(state["history"], default=_plain)
        state = {
            **_without_numpy(state),
            "history": history,
            "format": FORMAT,
            "fingerprint": self.fingerprint,
        }
        # torch's error of a full disk would not name the file.
        content = io.BytesIO()
        torch.save(state, content)
        if not self.readable:
            self._check_readable(content)
        write_whole(self.path, content.getbuffer())
        self.known = _identity(self.path)

    def _check_owner(self, seed):
        """Refuse a file that another fit has written since this one began."""
        found = _identity(self.path)
        if found is None or found == self.known:
            return
        state = cause = None
        try:
            state = self.read()
        except ValueError as error:
            cause = error
        if cause is not None or (state is not None and state["seed"] != seed):
            raise ValueError(
                f"Another fit has written to checkpoint={str(self.path)!r} since this "
                "one began. The file is left as it is; give each fit a path of its "
                "own, or a folder."
            ) from cause
        if not self.warned:
            self.warned = True
            warn(
                f"The same fit is running elsewhere with the same file: checkpoint="
                f"{str(self.path)!r}."
            )

    def _check_readable(self, content):
        """Read the first state: better no training than one that cannot be resumed."""
        content.seek(0)
        try:
            torch.load(content, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                "checkpoint cannot keep the state of this training: the optimiser or "
                "the schedule holds an object other than a number or a tensor. Use "
                "another optimizer or lr_schedule, or checkpoint=None."
            ) from error
        self.readable = True


def _identity(path):
    """What changes when a file is replaced; None without a file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


_ARRAY = "an array of numpy"


def _without_numpy(value):
    """A copy with Python's numbers and tensors instead of numpy's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(value)}
    return _mapped(_without_numpy, value)


def _with_numpy(value):
    """Undo `_without_numpy` for arrays."""
    if isinstance(value, dict) and _ARRAY in value:
        return value[_ARRAY].numpy()
    return _mapped(_with_numpy, value)


def _mapped(function, value):
    if isinstance(value, dict):
        return {key: function(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(function, value))
    return value


def _plain(value):
    """The JSON value for a value that JSON does not have."""
    return value.item() if isinstance(value, np.generic) else repr(value)
