"""Devices, and the precisions that they have."""

from __future__ import annotations

from functools import cache

import torch

from sklearn_seq2seq._network._recurrent import new_layer

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def choose_device(device):
    """Resolve ``"auto"``: CUDA, then MPS, then the CPU; refuse what is not there."""
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available(name))
    try:
        usable = available(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device of torch. Use 'auto', 'cpu', 'cuda', "
            "'cuda:1' or 'mps'."
        ) from error
    if not usable:
        raise ValueError(
            f"device={device!r} is not available here: torch {torch.__version__} finds "
            "none. Use 'auto' or 'cpu'."
        )
    return device


def available(device):
    """Whether this machine has the device."""
    device = torch.device(device)
    kind = device.type
    if kind == "cuda":
        return (device.index or 0) < torch.cuda.device_count()
    return kind != "mps" or torch.backends.mps.is_available()


@cache
def has_precision(cell, precision, device):
    """Whether the device has kernels for a cell in a precision; some CPUs have not."""
    dtype = PRECISIONS[precision]
    if dtype is torch.float32:
        return True
    layer = new_layer(cell, 1, 1).to(device)
    try:
        with torch.no_grad(), torch.autocast(torch.device(device).type, dtype=dtype):
            layer(torch.zeros(1, 1, 1, device=device))
    except RuntimeError:
        return False
    return True
