"""Warnings that point at the user's line, however deep they arise."""

import sys
import warnings

# What may lie between that line and the warning.
_LIBRARIES = {"sklearn_seq2seq", "sklearn", "skorch", "torch", "joblib", "contextlib"}


def warn(message):
    """Warn as from the innermost line that is neither ours nor a library's.

    As `pandas` does; Python itself can from 3.12 on (`skip_file_prefixes`).
    """
    frame, level = sys._getframe(1), 2
    while frame is not None and _library(frame) in _LIBRARIES:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level - 1 if frame is None else level)


def _library(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
