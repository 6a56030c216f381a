"""Recurrent layers, their state and their randomness: the parts both sides share.

Shapes: B rows, T steps, I input size, H hidden size, L layers, S source positions.

LSTM [1]_, GRU [2]_ and plain RNN [3]_ differ only inside this module.

References
----------
.. [1] Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation, 1997.
.. [2] Cho et al., "Learning phrase representations using RNN encoder-decoder for
   statistical machine translation", EMNLP, 2014. :arxiv:`1406.1078`
.. [3] Elman, "Finding structure in time", Cognitive Science, 1990.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class Randomness:
    """The one source of random numbers of a network: never torch's global generator.

    So a fit neither reads nor moves global state, and fits in concurrent threads do
    not disturb one another.
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
        bits = words.view(torch.int16)[:size].view(shape)
        least = min(round(p * 2**16), 2**16 - 1) - 2**15
        return (bits >= least).to(like.dtype)

    def state_dict(self) -> dict:
        """Return all that the next numbers depend on."""
        states = {key: x.get_state() for key, x in self._generators.items()}
        return {"seed": self._seed, "generators": states}

    def load_state_dict(self, state: dict) -> None:
        """Go on where another one stood."""
        self._generators.clear()
        self.seed(state["seed"])
        # Taken up when a device is first used: this machine may lack some.
        self._states = state["generators"]

    def __getstate__(self):
        # Generators are made afresh: one of a GPU must not be needed elsewhere.
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


@dataclass
class State:
    """The state of a stack of layers, whatever the cell.

    Attributes
    ----------
    hidden : list of Tensor ``(B, H)``, one a layer
    cell : list of Tensor ``(B, H)``, one a layer; empty unless the cell is an LSTM
    """

    hidden: list[Tensor]
    cell: list[Tensor]

    def map(self, function) -> State:
        """Apply `function` to every tensor."""
        return State(
            [function(h) for h in self.hidden], [function(c) for c in self.cell]
        )

    def to_vector(self) -> Tensor:
        """Lay everything side by side: ``(B, L * H)``, or ``(B, 2 * L * H)``."""
        return torch.cat(self.hidden + self.cell, dim=1)

    @classmethod
    def from_vector(cls, vector: Tensor, num_layers: int, cell: str) -> State:
        """Undo `to_vector`."""
        parts = vector.chunk(num_layers * (2 if cell == "lstm" else 1), dim=1)
        return cls(list(parts[:num_layers]), list(parts[num_layers:]))


def new_layer(cell: str, input_size: int, hidden_size: int) -> nn.RNNBase:
    """Make one layer, its weights not set (see `initialise`)."""
    # As skip_init does: a constructor would draw from torch's global generator.
    layer = CELLS[cell](input_size, hidden_size, batch_first=True, device="meta")
    return layer.to_empty(device="cpu")


class GradientOfProducts(torch.autograd.Function):
    """Hands gates on; backward, gives the weight of `StepProduct` its gradient."""

    @staticmethod
    def forward(ctx, gates, weight, inputs):
        ctx.inputs, ctx.dtype = inputs, weight.dtype
        return gates.view_as(gates)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x = torch.stack(ctx.inputs, dim=1).flatten(0, 1).to(gradient.dtype)
        of_weight = gradient.flatten(0, 1).t() @ x
        return gradient, of_weight.to(ctx.dtype), None


class StepProduct:
    """Gates of each step, plus one weight times what each step brings.

    The weight's gradient is one product over all steps. Left to autograd it would be a
    product a step, each added to a matrix of the weight's size: the larger part of a
    backward pass over a few dozen rows.

    Parameters
    ----------
    gates : Tensor ``(B, T, G)``
    weight : Tensor ``(G, R)``
    """

    def __init__(self, gates: Tensor, weight: Tensor):
        self.inputs: list[Tensor] = []
        gates = GradientOfProducts.apply(gates, weight, self.inputs)
        self.gates = gates.unbind(1)
        self.weight = weight.detach().t()

    def __call__(self, t: int, x: Tensor) -> Tensor:
        """Gates of step t, ``(B, G)``, given ``(B, R)``."""
        self.inputs.append(x.detach())
        return torch.addmm(self.gates[t], x, self.weight)


class Recurrent(nn.Module):
    """A stack of recurrent layers, run over whole sequences or step by step.

    Whole sequences go through torch's fused kernels, one call a layer; single steps
    are plain matrix products, which cost far less than such a call of length one.
    """

    def __init__(self, cell, input_size, hidden_size, num_layers, dropout: Dropout):
        super().__init__()
        self.cell = cell
        self.hidden_size = hidden_size
        self.dropout = dropout
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(new_layer(cell, n, hidden_size) for n in sizes)

    def forward(self, x: Tensor, state: State) -> Tensor:
        """Run over ``(B, T, I)`` from `state`; return the outputs ``(B, T, H)``."""
        for k, layer in enumerate(self.layers):
            if k > 0:
                x = self.dropout(x)
            start = state.hidden[k][None].contiguous()
            if self.cell == "lstm":
                x, _ = layer(x, (start, state.cell[k][None].contiguous()))
            else:
                x, _ = layer(x, start)
        return x

    def input_gates(self, x: Tensor) -> Tensor:
        """The share of `x` ``(..., I')`` in the first layer's gates ``(..., G)``.

        `x` holds the first I' of the I inputs; `step` adds the share of the rest.
        """
        layer = self.layers[0]
        weight = layer.weight_ih_l0[:, : x.shape[-1]]
        return F.linear(x, weight, self._bias(layer))

    def step(self, gates: Tensor, rest: Tensor | None, state: State) -> State:
        """Advance every layer by one step.

        Parameters
        ----------
        gates : Tensor ``(B, G)``
            From `input_gates`.
        rest : Tensor ``(B, R)`` or None
            The last R inputs of the first layer (the context, when it is fed back).
        state : State

        Returns
        -------
        State
            Its ``hidden[-1]`` is the step's output.
        """
        new = State([], [])
        for k, layer in enumerate(self.layers):
            if k > 0:
                x = self.dropout(new.hidden[-1])
                gates = torch.addmm(self._bias(layer), x, layer.weight_ih_l0.t())
            elif rest is not None:
                weight = layer.weight_ih_l0[:, -rest.shape[1] :]
                gates = torch.addmm(gates, rest, weight.t())
            h, own = state.hidden[k], None
            if self.cell == "gru":
                own = torch.addmm(layer.bias_hh_l0, h, layer.weight_hh_l0.t())
            elif self.cell == "lstm" and _fuses(gates):
                own = torch.mm(h, layer.weight_hh_l0.t())
            else:
                gates = torch.addmm(gates, h, layer.weight_hh_l0.t())
            self._activate(gates, own, state, k, new)
        return new

    def steps(self, x: Tensor) -> Iterator[Callable[[Tensor, State], State]]:
        """Make a `step` of ``(rest, state)`` for each position of ``(B, T, I')``.

        To be called once each, in order. They cost less than as many calls of `step`
        where gradients are wanted: see `StepProduct`.
        """
        gates = self.input_gates(x)
        products = []
        for layer in self.layers:
            weight, own = layer.weight_ih_l0, None
            if not products:
                weight = weight[:, x.shape[-1] :]
            else:
                gates = self._bias(layer).expand_as(gates)
            if self.cell == "gru":
                bias = layer.bias_hh_l0.expand_as(gates)
                own = StepProduct(bias, layer.weight_hh_l0)
            else:
                weight = torch.cat((weight, layer.weight_hh_l0), dim=1)
            products.append((StepProduct(gates, weight), own))

        def step(t, rest, state):
            new = State([], [])
            for k, (product, own) in enumerate(products):
                h = state.hidden[k]
                if k > 0:
                    rest = self.dropout(new.hidden[-1])
                if own is None:
                    parts = product(t, torch.cat((rest, h), dim=1)), None
                else:
                    parts = product(t, rest), own(t, h)
                self._activate(*parts, state, k, new)
            return new

        return (partial(step, t) for t in range(x.shape[1]))

    def _bias(self, layer):
        """What is added to the gates whatever the input."""
        if self.cell == "gru":
            return layer.bias_ih_l0
        return layer.bias_ih_l0 + layer.bias_hh_l0

    def _activate(self, gates, own, state, k, new):
        """One step of one cell (the equations of torch's nn.LSTM, nn.GRU, nn.RNN).

        `own` is the hidden state's share of a GRU's gates, and of an LSTM's where it is
        still to be added.
        """
        if own is not None and _fuses(gates):
            kernels = torch.ops.aten
            if self.cell == "lstm":
                fused = kernels._thnn_fused_lstm_cell(gates, own, state.cell[k])
                new.cell.append(fused[1])
            else:
                fused = kernels._thnn_fused_gru_cell(gates, own, state.hidden[k])
            new.hidden.append(fused[0])
        elif self.cell == "lstm":
            i, f, g, o = gates.chunk(4, dim=1)
            c = torch.sigmoid(f) * state.cell[k] + torch.sigmoid(i) * torch.tanh(g)
            new.cell.append(c)
            new.hidden.append(torch.sigmoid(o) * torch.tanh(c))
        elif self.cell == "gru":
            r, z, n = gates.chunk(3, dim=1)
            hr, hz, hn = own.chunk(3, dim=1)
            n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
            # Autocast has products in half precision, but leaves states in float32.
            h = state.hidden[k]
            z = torch.sigmoid(z + hz).to(h.dtype)
            new.hidden.append(torch.lerp(n.to(h.dtype), h, z))
        else:
            new.hidden.append(torch.tanh(gates))


def _fuses(gates):
    """Whether one kernel, of torch's own cells, does all that follows the products.

    Under autocast it would round an LSTM's cell state to half precision.
    """
    return gates.is_cuda and not torch.is_autocast_enabled("cuda")


def run_layer(layer, x: Tensor, n_positions: Tensor, lengths: Tensor):
    """Run one layer from a zero state over rows of unlike length.

    Parameters
    ----------
    layer : nn.LSTM, nn.GRU or nn.RNN
    x : Tensor ``(B, S, I)``
    n_positions, lengths : Tensor ``(B,)``
        Positions that count in each row, at least 1; here, and on the CPU.

    Returns
    -------
    outputs : Tensor ``(B, S, H)``
    hidden : Tensor ``(B, H)``
        The state after each row's own last position.
    cell : Tensor ``(B, H)`` or None
        The LSTM's cell state there.
    """
    equal = bool((lengths == x.shape[1]).all())
    if isinstance(layer, nn.LSTM) and not equal:
        # The only case that needs packing: a cell state inside the sequence, which the
        # kernels do not return. All other final states are among the outputs.
        packed = pack_padded_sequence(
            x, lengths, batch_first=True, enforce_sorted=False
        )
        outputs, (hidden, cell) = layer(packed)
        outputs, _ = pad_packed_sequence(
            outputs, batch_first=True, total_length=x.shape[1]
        )
        return outputs, hidden[0], cell[0]
    outputs, last = layer(x)
    if isinstance(layer, nn.LSTM):
        return outputs, last[0][0], last[1][0]
    return outputs, (last[0] if equal else last_output(outputs, n_positions)), None


def last_output(outputs: Tensor, n_positions: Tensor) -> Tensor:
    """Each row's output ``(B, H)`` at its own last position."""
    return outputs[torch.arange(len(outputs), device=outputs.device), n_positions - 1]


def reversal(n_positions: Tensor, width: int, fixed: int = 0) -> Tensor:
    """Index ``(B, S)`` that turns each row round, its last `fixed` positions kept.

    It is its own inverse. Padding stays where it is.
    """
    steps = torch.arange(width, device=n_positions.device)[None]
    turn = n_positions[:, None] - fixed
    return torch.where(steps < turn, turn - 1 - steps, steps)


def reorder(x: Tensor, index: Tensor) -> Tensor:
    """Take ``x[b, index[b, s]]`` for every row: ``(B, S, I)`` to ``(B, S, I)``.

    `index` is a `reversal`.
    """
    rows = torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    return _Involution.apply(x, (rows + index).flatten())


class _Involution(torch.autograd.Function):
    """Reorders rows by an order that is its own inverse: backward is forward."""

    @staticmethod
    def forward(ctx, x, order):
        ctx.save_for_backward(order)
        return x.flatten(0, 1).index_select(0, order).view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        (order,) = ctx.saved_tensors
        return _Involution.apply(gradient, order), None


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
