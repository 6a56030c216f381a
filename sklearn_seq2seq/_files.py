"""Files that are written whole or not at all, and read only if they are regular."""

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from pathlib import Path


def write_whole(path, data):
    """Write a file beside its final place and then move it there.

    At any moment the file is the old one or the new one, whatever ends the process. An
    existing file keeps its mode and, where permitted, its owner; if `path` is a link,
    the file that it points to is replaced.

    Parameters
    ----------
    path : str or path-like
    data : bytes-like

    Raises
    ------
    OSError
        If the file cannot be written, or `path` is not a regular file. The error names
        `path`, and what was written is removed.
    """
    place = Path(os.path.realpath(path))
    if not place.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(place.parent))
    old = None
    with suppress(FileNotFoundError):
        old = os.lstat(place)
        if stat.S_ISDIR(old.st_mode):
            raise IsADirectoryError(errno.EISDIR, "Is a directory", os.fspath(path))
        if not stat.S_ISREG(old.st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", os.fspath(path))
    # File names have at most 255 bytes.
    part = place.with_name(f".{place.name[:50]}.{secrets.token_hex(8)}.part")
    # Whoever may not read the old file can never read the new one.
    opener = partial(os.open, mode=0o666 if old is None else 0o600)
    try:
        with open(part, "xb", opener=opener) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            _make_alike(part, old)
        os.replace(part, place)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(place.parent)


def _make_alike(path, old):
    """Give a file the owner and the mode of another one."""
    if hasattr(os, "chown"):
        with suppress(PermissionError):
            os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, stat.S_IMODE(old.st_mode))


def _sync_folder(folder):
    """Flush a rename to the disk, if folders can be opened and flushed."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_whole(path):
    """Read a file; a pipe or a device, which may have no end, is a ValueError."""

    def at_once(name, flags):
        # A pipe that nobody writes to would not even open.
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    with open(path, "rb", opener=at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{os.fspath(path)!r} is not a regular file.")
        return file.read()


def is_lack_of_memory(error):
    """Whether an error of Python or torch says that memory is lacking."""
    signs = ("not enough memory", "can't allocate memory", "out of memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)
    )


def describe_other(estimator):
    """What cannot be written, and of a search what can: the end of an error message."""
    kind = type(estimator)
    best = " Take its best_estimator_." * hasattr(estimator, "best_estimator_")
    return f"{kind.__module__}.{kind.__qualname__}.{best}"
