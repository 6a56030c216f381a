"""Layers and randomness that encoder and decoder share."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

M = TypeVar("M", bound=nn.Module)


class _WithoutInit(TorchFunctionMode):
    """Skips the functions of `torch.nn.init`, in this thread."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"]
        return function(*args, **(kwargs or {}))


def without_weights(module_class: type[M], *args, **kwargs) -> M:
    """Make a module without setting its weights (see `initialise`).

    A constructor would draw from torch's global generator. torch's `skip_init` uses the
    meta device, whose first use in a process imports torch's compiler.
    """
    with _WithoutInit():
        return module_class(*args, **kwargs)


def new_embedding(vocabulary_size: int, size: int | None) -> nn.Module:
    """Make an embedding table, or one-hot vectors for size None."""
    if size is None:
        return OneHot(vocabulary_size)
    return without_weights(nn.Embedding, vocabulary_size, size)


class Randomness:
    """The only source of random numbers of a network.

    It does not use torch's global generator, so that a fit neither reads nor changes
    global state, and fits in concurrent threads do not disturb one another.
    """

    def __init__(self, seed: int = 0):
        self._generators: dict[str, torch.Generator] = {}
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Start afresh from `seed`, on every device."""
        self._seed = seed
        self._states: dict[str, Tensor] = {}
        for generator in self._generators.values():
            generator.manual_seed(seed)

    def generator(self, device: torch.device) -> torch.Generator:
        """Return the generator for tensors on `device`."""
        key = str(device)
        if key not in self._generators:
            self._generators[key] = torch.Generator(device).manual_seed(self._seed)
            if key in self._states:
                self._generators[key].set_state(self._states[key])
        return self._generators[key]

    def keep_mask(self, shape, p: float, like: Tensor) -> Tensor:
        """Draw 1 with probability 1 - `p` (p < 1), else 0, in the dtype of `like`.

        On a CPU `p` is rounded to a 65,536th: 16 bits decide for each number, which
        takes a quarter of the time of ``bernoulli_``.
        """
        generator = self.generator(like.device)
        if like.device.type != "cpu":
            mask = torch.empty(shape, dtype=like.dtype, device=like.device)
            return mask.bernoulli_(1 - p, generator=generator)
        size = math.prod(shape)
        words = torch.empty((size + 3) // 4, dtype=torch.int64, device=like.device)
        words.random_(-(2**63), None, generator=generator)
        # Each random int64 holds the 16 bits of four numbers.
        bits = words.view(torch.int16)[:size].view(shape)
        least = min(round(p * 2**16), 2**16 - 1) - 2**15
        return (bits >= least).to(like.dtype)

    def state_dict(self) -> dict:
        """Return the state that determines the next numbers."""
        states = {key: x.get_state() for key, x in self._generators.items()}
        return {"seed": self._seed, "generators": states}

    def load_state_dict(self, state: dict) -> None:
        """Continue from a state."""
        self._generators.clear()
        self.seed(state["seed"])
        # Used when a device is first used: this machine may lack some.
        self._states = state["generators"]

    def __getstate__(self):
        # Without generators: that of a GPU could not be loaded elsewhere.
        return {"_seed": self._seed, "_generators": {}, "_states": {}}


class Dropout(nn.Module):
    """Dropout that draws from the network's own `Randomness`."""

    def __init__(self, p: float, randomness: Randomness):
        super().__init__()
        self.p = p
        self.randomness = randomness

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        return x * self.randomness.keep_mask(x.shape, self.p, x).div_(1 - self.p)


class OneHot(nn.Module):
    """Feeds tokens as one-hot vectors: an embedding with nothing to learn."""

    def __init__(self, vocabulary_size: int):
        super().__init__()
        self.num_embeddings = self.embedding_dim = vocabulary_size
        # Has the network's precision and device, as a table would.
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.one_hot(tokens, self.embedding_dim).to(self.like.dtype)


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw every weight as torch's constructors do, but from `generator`."""
    for part in module.modules():
        if isinstance(part, nn.Embedding):
            part.weight.data.normal_(generator=generator)
        elif isinstance(part, nn.Linear):
            _uniform(part, 1 / math.sqrt(part.in_features), generator)
        elif isinstance(part, nn.RNNBase):
            _uniform(part, 1 / math.sqrt(part.hidden_size), generator)


def _uniform(part, bound, generator):
    for parameter in part.parameters(recurse=False):
        parameter.data.uniform_(-bound, bound, generator=generator)
