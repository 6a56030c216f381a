"""Checks of the state in a checkpoint, before training resumes from it.

The file may hold anything, and torch's optimisers do not check what they load: a tensor
of the wrong shape crashes the process.
"""

from __future__ import annotations

import copy
import math
from numbers import Real

import torch

SUMS = {"batches", "skipped", "loss", "positions", "exact", "rows"}
BEST = {"score_", "epoch_", "misses_", "weights_"}
ENTRIES = {
    "seed": lambda x: _is_count(x) and x < 2**63,
    "spent": lambda x: _is_number(x) and math.isfinite(x),
    "finished": lambda x: type(x) is bool,
    "stop": lambda x: type(x) is bool,
    "history": lambda x: type(x) is list and all(map(_is_epoch, x)),
    "sums": lambda x: x is None or (_has(x, SUMS) and _is_count(x["batches"])),
    "randomness": lambda x: _has(x, {"seed", "generators"}),
    "memory": lambda x: x is None or _has(x, {"key", "score", "epoch"}),
    "module": lambda x: isinstance(x, dict),
    "optimizer": lambda x: _has(x, {"state", "param_groups"}),
    "schedule": lambda x: x is None or isinstance(x, dict),
    "best": lambda x: x is None or _has(x, BEST),
    "format": lambda x: type(x) is str,
    "fingerprint": lambda x: isinstance(x, dict),
}


def check_entries(state):
    """Raise a ValueError unless this is the state of a training."""
    _require(_has(state, ENTRIES.keys()), "its parts")
    for name, is_right in ENTRIES.items():
        _require(is_right(state[name]), name)
    _require(all(map(_is_number, (state["sums"] or {}).values())), "sums")
    memory, best, random = (state[name] for name in ("memory", "best", "randomness"))
    if memory is not None:
        _require(type(memory["key"]) is str, "memory")
        _require(_is_number(memory["score"]) and _is_count(memory["epoch"]), "memory")
    if best is not None:
        _require(all(_is_number(best[name]) for name in BEST - {"weights_"}), "best")
    _require(
        _is_count(random["seed"]) and isinstance(random["generators"], dict), "seed"
    )
    for device, generator in random["generators"].items():
        _require(type(device) is str and type(generator) is torch.Tensor, "randomness")
        if device == "cpu":
            torch.Generator().set_state(generator)


def check_fits(state, net, monitored):
    """Raise a ValueError unless the state is that of such a net.

    Parameters
    ----------
    state : dict
        Checked by `check_entries`.
    net : Seq2SeqNet
        To resume from it, with a new optimiser.
    monitored : str or None
        Entry of the history that says which epoch is best.
    """
    done = len(state["history"]) - net.first_epoch_
    _require(0 <= done <= net.max_epochs, "history")
    weights = net.module_.state_dict()
    _require(alike(state["module"], weights), "module")
    best = state["best"]
    if best is not None:
        fits = best["weights_"] is None or alike(best["weights_"], weights)
        _require(monitored is not None and fits, "best")
    saved, groups = state["optimizer"], net.optimizer_.state_dict()["param_groups"]
    _require(alike(saved["param_groups"], groups), "optimizer")
    for old, new in zip(saved["param_groups"], groups, strict=True):
        _require(old["params"] == new["params"], "optimizer")
        # Switches depend on the parameters and the device of this fit.
        old |= {k: v for k, v in new.items() if v is None or isinstance(v, bool)}
    example = _example(net.optimizer_)
    _require(saved["state"].keys() <= example.keys(), "optimizer")
    for number, entry in saved["state"].items():
        _require(alike(entry, example[number]), "optimizer")


def alike(value, like):
    """Whether a value has the form of another: names, shapes, dtypes and types.

    Where `like` is None, any value is alike.
    """
    if isinstance(like, torch.Tensor):
        return (
            isinstance(value, torch.Tensor)
            and (value.shape, value.dtype) == (like.shape, like.dtype)
            and (value.layout, value.device.type) == (torch.strided, "cpu")
        )
    if isinstance(like, dict):
        return (
            isinstance(value, dict)
            and like.keys() <= value.keys()
            and all(alike(value[key], like[key]) for key in like)
        )
    if isinstance(like, list | tuple):
        return (
            type(value) is type(like)
            and len(value) == len(like)
            and all(map(alike, value, like))
        )
    if _is_number(like):
        return _is_number(value)
    return like is None or isinstance(value, type(like))


def _example(optimizer):
    """The state of an optimiser after one step."""
    twin = copy.deepcopy(optimizer)
    for group in twin.param_groups:
        for weight in group["params"]:
            weight.grad = torch.ones_like(weight)
    twin.step(lambda: torch.zeros(()))
    return twin.state_dict()["state"]


def _require(condition, what):
    if not condition:
        raise ValueError(f"it does not fit: {what}")


def _has(value, keys):
    return isinstance(value, dict) and value.keys() == set(keys)


def _is_number(value):
    return isinstance(value, Real)


def _is_count(value):
    return type(value) is int and value >= 0


def _is_epoch(row):
    return (
        isinstance(row, dict)
        and type(row.get("batches")) is list
        and _is_count(row.get("epoch"))
        and _is_number(row.get("train_loss"))
    )
