"""Warnings that point at the user's line, however deep they arise."""

import re
import sys
import time
import warnings
from weakref import WeakKeyDictionary

# Packages whose frames may lie between that line and the warning.
_LIBRARIES = {"sklearn_seq2seq", "sklearn", "skorch", "torch", "joblib", "contextlib"}

# Seconds for which a worker of joblib does not repeat a warning.
_PAUSE = 60

# The warnings of each search (a ``joblib.Parallel``), and the times of this worker's.
_said_in_search: WeakKeyDictionary = WeakKeyDictionary()
_said_by_worker: dict[str, float] = {}


def warn(message, category=UserWarning):
    """Warn from the innermost line outside this package and its libraries.

    `pandas` does the same; Python can from 3.12 on (`skip_file_prefixes`).
    """
    frame, level = sys._getframe(1), 2
    while frame is not None and _library(frame) in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level - 1 if frame is None else level)


def warn_of_data(message, category=UserWarning):
    """Warn of rows once a search, since all folds would give the same warning.

    Messages are the same if they agree up to the first colon, numbers aside. A worker
    process or thread (``n_jobs``) does not know its search, and so repeats a warning
    at most once a minute.
    """
    topic = re.sub(r"\d+", "", message.partition(":")[0])
    search, in_worker = _search(sys._getframe(1))
    if search is not None:
        said = _said_in_search.setdefault(search, set())
        if topic in said:
            return
        said.add(topic)
    elif in_worker:
        last = _said_by_worker.get(topic)
        _said_by_worker[topic] = time.monotonic()
        if last is not None and time.monotonic() - last < _PAUSE:
            return
    warn(message, category)


def _search(frame):
    """The outermost call of joblib around a frame, and whether it is in a worker."""
    search, in_worker = None, False
    while frame is not None:
        if frame.f_globals.get("__name__") == "joblib.parallel":
            in_worker = True
            if frame.f_code.co_name == "__call__":
                caller = frame.f_locals.get("self")
                search = caller if type(caller).__name__ == "Parallel" else search
        frame = frame.f_back
    return search, in_worker


def _library(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
