"""Recurrent layers and their state, which encoder and decoder share.

Shapes: B rows, T steps, I input size, H hidden size, L layers, G gates (4 * H for an
LSTM, 3 * H for a GRU, else H).

LSTM [1]_, GRU [2]_ and plain RNN [3]_ differ only inside this module.

References
----------
.. [1] Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation, 1997.
.. [2] Cho et al., "Learning phrase representations using RNN encoder-decoder for
   statistical machine translation", EMNLP, 2014. :arxiv:`1406.1078`
.. [3] Elman, "Finding structure in time", Cognitive Science, 1990.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from sklearn_seq2seq._network._layers import Dropout, without_weights

CELLS = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


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
        """Concatenate all states: ``(B, L * H)``, or ``(B, 2 * L * H)`` for an LSTM."""
        return torch.cat(self.hidden + self.cell, dim=1)

    @classmethod
    def from_vector(cls, vector: Tensor, num_layers: int, cell: str) -> State:
        """Undo `to_vector`."""
        parts = vector.chunk(num_layers * (2 if cell == "lstm" else 1), dim=1)
        return cls(list(parts[:num_layers]), list(parts[num_layers:]))


def new_layer(cell: str, input_size: int, hidden_size: int) -> nn.RNNBase:
    """Make one layer without setting its weights."""
    return without_weights(CELLS[cell], input_size, hidden_size, batch_first=True)


class GradientOfProducts(torch.autograd.Function):
    """Returns gates as they are; its backward pass is that of a `StepProduct`."""

    @staticmethod
    def forward(ctx, gates, weight, inputs):
        ctx.inputs, ctx.dtype = inputs, weight.dtype
        return gates.view_as(gates)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        x = (
            torch.stack(ctx.inputs, dim=1).flatten(0, 1).to(gradient.dtype)
        )  # (B * T, R)
        weight_gradient = gradient.flatten(0, 1).t() @ x  # (G, R)
        return gradient, weight_gradient.to(ctx.dtype), None


class StepProduct:
    """Gates of each step, plus a weight times the step's input.

    The weight's gradient is one product over all steps. Autograd would compute one
    product a step and add it to a matrix of the weight's size, which takes most of a
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
        """What `x` ``(..., I')`` adds to the first layer's gates ``(..., G)``.

        `x` holds the first I' of the I inputs; `step` adds the part of the rest.
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
            h, hidden_gates = state.hidden[k], None
            if self.cell == "gru":
                hidden_gates = torch.addmm(layer.bias_hh_l0, h, layer.weight_hh_l0.t())
            elif self.cell == "lstm" and _fuses(gates):
                hidden_gates = torch.mm(h, layer.weight_hh_l0.t())
            else:
                gates = torch.addmm(gates, h, layer.weight_hh_l0.t())
            self._activate(gates, hidden_gates, state, k, new)
        return new

    def steps(self, x: Tensor) -> Iterator[Callable[[Tensor, State], State]]:
        """Make a `step` of ``(rest, state)`` for each position of ``(B, T, I')``.

        Call each once, in order. With gradients they cost less than as many calls of
        `step`: see `StepProduct`.
        """
        gates = self.input_gates(x)  # (B, T, G)
        products = []
        for layer in self.layers:
            weight, hidden_product = layer.weight_ih_l0, None
            if not products:
                weight = weight[:, x.shape[-1] :]
            else:
                gates = self._bias(layer).expand_as(gates)
            if self.cell == "gru":
                bias = layer.bias_hh_l0.expand_as(gates)
                hidden_product = StepProduct(bias, layer.weight_hh_l0)
            else:
                # One product for the inputs and the hidden state.
                weight = torch.cat((weight, layer.weight_hh_l0), dim=1)
            products.append((StepProduct(gates, weight), hidden_product))

        def step(t, rest, state):
            new = State([], [])
            for k, (product, hidden_product) in enumerate(products):
                h = state.hidden[k]
                if k > 0:
                    rest = self.dropout(new.hidden[-1])
                if hidden_product is None:
                    parts = product(t, torch.cat((rest, h), dim=1)), None
                else:
                    parts = product(t, rest), hidden_product(t, h)
                self._activate(*parts, state, k, new)
            return new

        return (partial(step, t) for t in range(x.shape[1]))

    def _bias(self, layer):
        """The bias of the gates; a GRU adds another to its product of hidden states."""
        if self.cell == "gru":
            return layer.bias_ih_l0
        return layer.bias_ih_l0 + layer.bias_hh_l0

    def _activate(self, gates, hidden_gates, state, k, new):
        """One step of one cell (the equations of torch's nn.LSTM, nn.GRU, nn.RNN).

        `hidden_gates` is what the hidden state adds to a GRU's gates, and to an LSTM's
        if the kernel adds it.
        """
        if hidden_gates is not None and _fuses(gates):
            kernels = torch.ops.aten
            if self.cell == "lstm":
                cell = state.cell[k]
                fused = kernels._thnn_fused_lstm_cell(gates, hidden_gates, cell)
                new.cell.append(fused[1])
            else:
                hidden = state.hidden[k]
                fused = kernels._thnn_fused_gru_cell(gates, hidden_gates, hidden)
            new.hidden.append(fused[0])
        elif self.cell == "lstm":
            i, f, g, o = gates.chunk(4, dim=1)  # (B, H) each
            c = torch.sigmoid(f) * state.cell[k] + torch.sigmoid(i) * torch.tanh(g)
            new.cell.append(c)
            new.hidden.append(torch.sigmoid(o) * torch.tanh(c))
        elif self.cell == "gru":
            r, z, n = gates.chunk(3, dim=1)
            hr, hz, hn = hidden_gates.chunk(3, dim=1)
            n = torch.tanh(n + torch.sigmoid(r + hr) * hn)
            # Under autocast products are in half precision, but states in float32.
            h = state.hidden[k]
            z = torch.sigmoid(z + hz).to(h.dtype)
            new.hidden.append(torch.lerp(n.to(h.dtype), h, z))
        else:
            new.hidden.append(torch.tanh(gates))


def _fuses(gates):
    """Whether a kernel of torch's cells computes all that follows the products.

    Under autocast it would round an LSTM's cell state to half precision.
    """
    return gates.is_cuda and not torch.is_autocast_enabled("cuda")
