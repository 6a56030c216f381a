"""The parameters of decoding and their valid values."""

from collections.abc import Iterable
from numbers import Integral, Real


def _is_whole(value, least):
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    return whole and value >= least


def _is_number(value, least, most=float("inf")):
    return isinstance(value, Real) and least <= value <= most


def _is_collection(value):
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


_WAYS = ("error", "truncate_end", "truncate_start", "chunk")
_PARAMETERS = {
    "beam_width": (lambda x: _is_whole(x, 1), "a whole number from 1"),
    "length_penalty": (lambda x: _is_number(x, 0), "a number from 0"),
    "max_length": (
        lambda x: (
            x == "auto"
            or _is_whole(x, 1)
            or (isinstance(x, float) and _is_number(x, 0) and x > 0)
        ),
        "'auto', a whole number from 1 or a positive float",
    ),
    "max_source_length": (
        lambda x: x is None or x == "auto" or _is_whole(x, 1),
        "'auto', a whole number from 1 or None",
    ),
    "long_source": (
        lambda x: x in _WAYS,
        "one of " + ", ".join(map(repr, _WAYS)),
    ),
    "min_length": (lambda x: _is_whole(x, 0), "a whole number from 0"),
    "no_repeat_ngram_size": (
        lambda x: x is None or _is_whole(x, 1),
        "a whole number from 1 or None",
    ),
    "banned_tokens": (
        lambda x: x is None or _is_collection(x),
        "a list or set of tokens, or None",
    ),
    "allowed_outputs": (
        lambda x: x is None or _is_collection(x),
        "a list, set or array of targets, or None",
    ),
    "replace_unknown": (
        lambda x: x in ("copy", "keep", None),
        "'copy', 'keep' or None",
    ),
    "min_confidence": (lambda x: _is_number(x, 0, 1), "a number from 0 to 1"),
    "abstain": (lambda x: True, "anything"),
    "batch_size": (lambda x: _is_whole(x, 1), "a whole number from 1"),
}
NAMES = tuple(_PARAMETERS)


def check_parameters(params):
    """Refuse unknown parameters and invalid values."""
    for name, value in params.items():
        if name not in _PARAMETERS:
            raise ValueError(
                f"Invalid parameter {name!r}. Valid parameters are: "
                f"{', '.join(map(repr, NAMES))}."
            )
        check, words = _PARAMETERS[name]
        if not check(value):
            raise ValueError(f"{name} must be {words}; got {value!r}.")
