"""Devices and precisions."""

from __future__ import annotations

import torch

from sklearn_seq2seq._training._distributed import DISTRIBUTED, device_of_process

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


def choose_device(device):
    """Resolve "auto" and "distributed"; refuse a device that this machine lacks."""
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if available(name))
    if device == DISTRIBUTED:
        return device_of_process()
    try:
        usable = available(device)
    except RuntimeError as error:
        raise ValueError(
            f"device={device!r} is not a device of torch. Use 'auto', 'cpu', 'cuda', "
            "'cuda:1', 'mps' or 'distributed'."
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
    if kind == "mps":
        return torch.backends.mps.is_available()
    try:
        torch.empty(0, device=device)
    except (AssertionError, ImportError, RuntimeError):  # each in its own way
        return False
    return kind != "meta"  # which holds no values


def precision_failure(net):
    """Torch's error if the device cannot train the net in its precision.

    Some CPUs have kernels for one cell and not another, for inference and not for
    gradients, or for rows of different lengths only. So a step of the net is tried.

    Parameters
    ----------
    net : Seq2SeqNet
        Only its random numbers advance.

    Returns
    -------
    str or None
        None if the device can.
    """
    module = net.module_
    if PRECISIONS[net.precision] is torch.float32:
        return None
    module.train()
    module.teacher_forcing = min(net.teacher_forcing)
    tokens = torch.zeros(2, 2, dtype=torch.int64)
    try:
        for positions in (torch.tensor([2, 1]), torch.tensor([2, 2])):
            inputs = {"source": tokens, "source_positions": positions, "target": tokens}
            if module.copies:
                inputs["copy_ids"] = tokens
            outputs = {"target": tokens, "positions": positions}
            outputs |= {"weight": torch.ones(2), "size": torch.tensor([4.0, 2.0])}
            net.get_loss(net.infer(inputs), outputs).backward()
    except RuntimeError as error:
        return str(error).partition("\n")[0]
    finally:
        module.zero_grad(set_to_none=True)
    return None
