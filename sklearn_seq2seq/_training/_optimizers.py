"""Optimisers by name."""

from __future__ import annotations

import inspect
from functools import cache

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
    """The arguments of a skorch net for its optimiser.

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


@cache
def uncompiled(optimizer):
    """An optimiser class of torch without the wrappers for torch's compiler.

    At the first call the wrappers import the compiler, which takes a second or more.
    """
    if not optimizer.__module__.startswith("torch.optim"):
        return optimizer
    methods = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    plain = {name: inspect.unwrap(getattr(optimizer, name)) for name in methods}
    # The wrapper of `step` also disables gradients, which must stay so.
    plain["step"] = torch.no_grad()(inspect.unwrap(optimizer.step))
    return type(optimizer.__name__, (optimizer,), plain)
