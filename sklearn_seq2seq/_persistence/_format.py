"""The model file: its seal and format."""

import hashlib
import json
import os
import re
from contextlib import contextmanager

from sklearn_seq2seq._files import is_lack_of_memory, read_whole

FORMAT_VERSION = 1
KEY = "sklearn_seq2seq"
DOCUMENT = "document"
NO_DIGEST = "0" * 64
SEAL = re.compile(rf'"{KEY}":"(\d+):([0-9a-f]{{64}})"'.encode())

_LARGEST_HEADER = 100_000_000  # safetensors' own limit


class ModelFileError(ValueError):
    """A file holds no valid model, or asks for what is not allowed."""


def digest(data, start):
    """SHA-256 of `data` with zeros for the 64 digits from `start` on."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(NO_DIGEST.encode())
    digest.update(view[start + 64 :])
    return digest.hexdigest()


def read(path):
    try:
        return read_whole(path)
    except ValueError as error:
        raise ModelFileError(str(error)) from None


@contextmanager
def reading(path):
    """Turn errors that the content of a file causes into a ModelFileError."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)!r}: {error}") from error.__cause__
    except ImportError:
        raise
    # Any other error means that this package has not written the file.
    except Exception as error:
        if is_lack_of_memory(error):
            raise MemoryError(f"{os.fspath(path)!r} needs more memory.") from error
        raise ModelFileError(
            f"{os.fspath(path)!r} does not hold a valid model: "
            f"{type(error).__name__}: {str(error)[:300]}"
        ) from error


def check_seal(data):
    """Check the format, its version and the checksum."""
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= min(len(data) - 8, _LARGEST_HEADER):
        raise ModelFileError(f"this is not a whole model file; it {_looks_like(data)}.")
    seal = SEAL.search(data, 8, 8 + size)
    if seal is None:
        raise ModelFileError("this is not a model file that sklearn_seq2seq wrote.")
    number = int(seal[1][:9])
    if number > FORMAT_VERSION:
        raise ModelFileError(
            f"the file has format {number}, this version of sklearn_seq2seq reads "
            f"formats up to {FORMAT_VERSION}. Install a newer sklearn_seq2seq."
        )
    if number < 1 or digest(data, seal.start(2)).encode() != seal[2]:
        raise ModelFileError(
            "the checksum is wrong: the file was damaged or changed since it was "
            "saved. Copy or save it again."
        )


def _looks_like(data):
    if not data:
        return "is empty"
    if data[:1] == b"\x80":
        return "looks like a pickle, which is never loaded here"
    if data[:2] == b"PK":
        return (
            "looks like a zip archive. sklearn_seq2seq.runtime.load reads the archives "
            "of export_onnx; nothing here reads those of torch.save"
        )
    return "was cut short, or is something else"


def parse(text):
    """Read a JSON text, given as bytes in UTF-8."""
    return json.loads(
        text.decode("utf-8", "surrogatepass"),
        object_pairs_hook=once_each,
        parse_constant=_refuse_constant,
    )


def once_each(pairs):
    """A dict of pairs whose keys must be distinct."""
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ModelFileError("its document has a key twice.")
    return result


def _refuse_constant(name):
    raise ModelFileError(f"its document holds {name}, which is not JSON.")
