"""The state of training in a file that a killed process leaves whole.

A file is written beside its final place, flushed to the disk and then renamed, so that
at any moment it is either the old one or the new one. It holds tensors and plain values
and is read without executing anything.
"""

from __future__ import annotations

import io
import json
import os
import pickle
from pathlib import Path

import joblib
import numpy as np
import torch

FORMAT = "sklearn_seq2seq checkpoint 2"


class Checkpoint:
    """The file of one fit.

    Parameters
    ----------
    path : str or path
        In a folder each fit has a file of its own, named after its fingerprint.
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
        if not given or not path.parent.is_dir():
            raise ValueError(f"The folder of checkpoint={given!r} does not exist.")
        self.path = path
        self.fingerprint = fingerprint
        self.proven = False

    def read(self):
        """Return the state last written, or None if there is no file.

        Raises
        ------
        ValueError
            If the file is broken, or of another fit.
        """
        if not self.path.exists():
            return None
        content = io.BytesIO(self.path.read_bytes())
        try:
            state = torch.load(content, map_location="cpu", weights_only=True)
            state = _with_numpy(state)
            state["history"] = json.loads(state["history"])
            if state["format"] != FORMAT:
                raise ValueError(state["format"])
        except Exception as error:  # whatever the bytes make torch raise
            raise ValueError(
                f"checkpoint={str(self.path)!r} cannot be used: it is not a whole "
                "checkpoint of this version. It is left as it is; delete it to start "
                "afresh, or choose another path."
            ) from error
        theirs = state["fingerprint"]
        own = self.fingerprint
        other = [name for name, value in own.items() if theirs.get(name) != value]
        if other:
            raise ValueError(
                f"checkpoint={str(self.path)!r} belongs to another fit, with other "
                f"{', '.join(other)}. It is left as it is; delete it to start afresh, "
                "choose another path, or give a folder, where each fit has its own "
                "file."
            )
        return state

    def write(self, state):
        """Put `state`, a dict of tensors and plain values, in the file's place.

        Raises
        ------
        ValueError
            If the state holds what `read` would refuse.
        """
        history = json.dumps(state["history"], default=_plain)
        state = {
            **_without_numpy(state),
            "history": history,
            "format": FORMAT,
            "fingerprint": self.fingerprint,
        }
        temporary = self.path.with_name(self.path.name + ".tmp")
        with open(temporary, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        if not self.proven:
            self._prove(temporary)
        os.replace(temporary, self.path)
        _sync_folder(self.path.parent)

    def _prove(self, file):
        """Read a first file: better no training than one that cannot be resumed."""
        try:
            torch.load(file, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            os.unlink(file)
            raise ValueError(
                "The state of this training is not one that checkpoint can keep: the "
                "optimiser or the schedule remembers an object other than a number or "
                "a tensor. Use another optimizer or lr_schedule, or checkpoint=None."
            ) from error
        self.proven = True


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


def _sync_folder(folder):
    """Flush a rename to the disk, where folders can be opened."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
