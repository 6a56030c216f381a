"""Optimisers by name."""

from __future__ import annotations

import inspect

import torch

OPTIMIZERS = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "sgd": torch.optim.SGD,
}

FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)


def optimizer_arguments(optimizer, learning_rate, weight_decay, device):
    """What a skorch net takes to make an optimiser.

    Parameters
    ----------
    optimizer : str or torch optimiser class
    learning_rate, weight_decay : float
    device : str or torch.device

    Returns
    -------
    dict
    """
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    arguments = {"optimizer": optimizer, "lr": learning_rate}
    known = inspect.signature(optimizer).parameters
    if "weight_decay" in known:
        arguments["optimizer__weight_decay"] = weight_decay
    if "fused" in known:
        fused = optimizer in FUSED and torch.device(device).type != "mps"
        arguments["optimizer__fused"] = fused or None
    return arguments
