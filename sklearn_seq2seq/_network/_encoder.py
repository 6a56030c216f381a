"""The encoder: source tokens to a memory of all positions and one fixed-length state.

Shapes: B rows, S source positions, E embedding size, H hidden size, D directions,
L layers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklearn_seq2seq._network._layers import Dropout, without_weights
from sklearn_seq2seq._network._recurrent import State, new_layer


class Encoder(nn.Module):
    """Recurrent encoder, uni- or bidirectional (Schuster and Paliwal, 1997).

    The backward direction runs forward over each reversed row, so that both directions
    use the fast kernels for unpacked input and never read padding.
    """

    def __init__(
        self,
        embedding,
        *,
        cell,
        hidden_size,
        num_layers,
        bidirectional,
        reverse_source,
        dropout: Dropout,
    ):
        super().__init__()
        self.embedding = embedding
        self.reverse_source = reverse_source
        self.dropout = dropout
        self.directions = 2 if bidirectional else 1
        size = self.directions * hidden_size
        sizes = [embedding.embedding_dim] + [size] * (num_layers - 1)
        self.forward_layers = nn.ModuleList(
            new_layer(cell, n, hidden_size) for n in sizes
        )
        self.backward_layers = nn.ModuleList(
            new_layer(cell, n, hidden_size) for n in sizes if bidirectional
        )

    def forward(self, source: Tensor, n_positions: Tensor) -> tuple[Tensor, State]:
        """Encode.

        Parameters
        ----------
        source : Tensor of int64 ``(B, S)``
        n_positions : Tensor of int64 ``(B,)``
            Tokens plus the boundary.

        Returns
        -------
        memory : Tensor ``(B, S, D * H)``
            The top layer's outputs in source order; arbitrary on padding.
        final : State
            The final state ``(B, D * H)`` of each layer.
        """
        x = self.dropout(self.embedding(source))  # (B, S, E)
        final = State([], [])
        if self.directions == 2:
            reverse = reversal(n_positions, source.shape[1])
            for k in range(len(self.forward_layers)):
                x = self._both_ways(k, x, n_positions, reverse, final)
            return x, final
        order = None
        if self.reverse_source:
            order = reversal(n_positions, source.shape[1], fixed=1)
            x = reorder(x, order)
        lengths = n_positions.cpu()  # read once, as it waits for a GPU
        for k, layer in enumerate(self.forward_layers):
            if k > 0:
                x = self.dropout(x)
            x, hidden, cell = run_layer(layer, x, n_positions, lengths)
            final.hidden.append(hidden)
            if cell is not None:
                final.cell.append(cell)
        return (x if order is None else reorder(x, order)), final

    def _both_ways(self, k, x, n_positions, order, final):
        """Run layer k in both directions: ``(B, S, I)`` to ``(B, S, 2 * H)``."""
        if k > 0:
            x = self.dropout(x)
        ahead, _ = self.forward_layers[k](x)
        back, _ = self.backward_layers[k](reorder(x, order))
        last = (last_output(ahead, n_positions), last_output(back, n_positions))
        final.hidden.append(torch.cat(last, dim=1))
        return torch.cat((ahead, reorder(back, order)), dim=2)


class Bridge(nn.Module):
    """Fits the encoder's final state to the decoder's shape.

    A state that fits is passed on as it is (Sutskever et al., 2014). Where it does not
    (two directions, or a cell state that the encoder lacks), a learned linear map of
    the layer's final hidden state replaces it, with tanh if it is a hidden state.
    """

    def __init__(
        self, *, encoder_cell, decoder_cell, hidden_size, num_layers, directions
    ):
        super().__init__()
        size = directions * hidden_size

        def maps():
            return nn.ModuleList(
                without_weights(nn.Linear, size, hidden_size) for _ in range(num_layers)
            )

        self.cell = decoder_cell
        self.hidden_maps = maps() if directions == 2 else None
        keeps_cell = encoder_cell == "lstm" and directions == 1
        needs_map = decoder_cell == "lstm" and not keeps_cell
        self.cell_maps = maps() if needs_map else None

    def forward(self, final: State) -> State:
        hidden, cell = final.hidden, []
        if self.cell == "lstm":
            cell = final.cell
            if self.cell_maps is not None:
                cell = [m(h) for m, h in zip(self.cell_maps, hidden, strict=True)]
        if self.hidden_maps is not None:
            pairs = zip(self.hidden_maps, hidden, strict=True)
            hidden = [torch.tanh(m(h)) for m, h in pairs]
        return State(hidden, cell)


def run_layer(layer, x: Tensor, n_positions: Tensor, lengths: Tensor):
    """Run one layer from a zero state over rows of different lengths.

    Parameters
    ----------
    layer : nn.LSTM, nn.GRU or nn.RNN
    x : Tensor ``(B, S, I)``
    n_positions, lengths : Tensor ``(B,)``
        Positions of each row without padding, at least 1: on the device of `x`, and on
        the CPU.

    Returns
    -------
    outputs : Tensor ``(B, S, H)``
    hidden : Tensor ``(B, H)``
        The state after each row's last position.
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
    """Each row's output ``(B, H)`` at its last position."""
    return outputs[torch.arange(len(outputs), device=outputs.device), n_positions - 1]


def reversal(n_positions: Tensor, width: int, fixed: int = 0) -> Tensor:
    """Index ``(B, S)`` that reverses each row, except for its last `fixed` positions.

    It is its own inverse. Padding stays where it is.
    """
    steps = torch.arange(width, device=n_positions.device)[None]
    n_reversed = n_positions[:, None] - fixed  # (B, 1)
    return torch.where(steps < n_reversed, n_reversed - 1 - steps, steps)


def reorder(x: Tensor, index: Tensor) -> Tensor:
    """Take ``x[b, index[b, s]]`` for every row: ``(B, S, I)`` to ``(B, S, I)``.

    `index` is a `reversal`.
    """
    rows = torch.arange(len(x), device=x.device)[:, None] * x.shape[1]
    return _Involution.apply(x, (rows + index).flatten())  # an index into B * S rows


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
