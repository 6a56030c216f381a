"""The state of training in a file that a killed process leaves whole.

It holds tensors and plain values and is read without executing anything.
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
        In a folder each fit has a file of its own, named after its fingerprint. A link
        is followed.
    fingerprint : dict of str
        What makes this fit the one it is: names and hashes.

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
        self.proven = self.warned = False
        self.known = None

    def read(self):
        """Return the state last written, or None if there is no file.

        Raises
        ------
        ValueError
            If the file is broken, or of another fit.
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
        """Turn whatever the file's content makes go wrong into one ValueError."""
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
        """Put `state`, a dict of tensors and plain values, in the file's place.

        Raises
        ------
        ValueError
            If the state holds what `read` would refuse, or the file is another fit's.
        OSError
            If it cannot be written; the file is what it was then.
        """
        self._check_owner(state["seed"])
        history = json.dumps(state["history"], default=_plain)
        state = {
            **_without_numpy(state),
            "history": history,
            "format": FORMAT,
            "fingerprint": self.fingerprint,
        }
        # torch's own error of a full disk would not name the file.
        content = io.BytesIO()
        torch.save(state, content)
        if not self.proven:
            self._prove(content)
        write_whole(self.path, content.getbuffer())
        self.known = _identity(self.path)

    def _check_owner(self, seed):
        """Refuse a file that has become another fit's since this one began."""
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
                f"The same fit is under way elsewhere, with the same file: checkpoint="
                f"{str(self.path)!r}."
            )

    def _prove(self, content):
        """Read a first state: better no training than one that cannot be resumed."""
        content.seek(0)
        try:
            torch.load(content, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                "The state of this training is not one that checkpoint can keep: the "
                "optimiser or the schedule remembers an object other than a number or "
                "a tensor. Use another optimizer or lr_schedule, or checkpoint=None."
            ) from error
        self.proven = True


def _identity(path):
    """What tells a file from one that has been put in its place; None without one."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


_ARRAY = "an array of numpy"


def _without_numpy(value):
    """A copy with Python's numbers and tensors for numpy's, which files cannot hold."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(value)}
    return _mapped(_without_numpy, value)


def _with_numpy(value):
    """Put arrays back in their places."""
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
    """What stands in a file for a value that JSON does not have."""
    return value.item() if isinstance(value, np.generic) else repr(value)
