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


def optimizer_params(params, device):
    optimizer = params["optimizer"]
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    options = {"optimizer": optimizer, "lr": params["learning_rate"]}
    if "weight_decay" in inspect.signature(optimizer).parameters:
        options["optimizer__weight_decay"] = params["weight_decay"]
    fused = optimizer in FUSED and torch.device(device).type != "mps"
    if "fused" in inspect.signature(optimizer).parameters:
        options["optimizer__fused"] = fused or None
    return options
