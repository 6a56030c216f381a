"""The encoder and the decoder's step as ONNX graphs.

Torch's exporter is not used: it fixes the number of steps of recurrent layers, and
writes recurrent layers over rows of different lengths as many operations, where ONNX
has one operator with fast and quantised kernels.

Shapes: B rows, S source positions, K hypotheses a row, N = B * K, E embedding size, H
hidden size, D directions, M memory size, V vocabulary size, F size of the state.
"""

import numpy as np

from sklearn_seq2seq._network._attention import AdditiveAttention
from sklearn_seq2seq._network._decoder import TABLE_ROWS
from sklearn_seq2seq._network._hard_decoder import HardDecoder
from sklearn_seq2seq._network._layers import OneHot
from sklearn_seq2seq._onnx import _hard_attention
from sklearn_seq2seq._onnx._graph import Graph, array
from sklearn_seq2seq._tokens import UNKNOWN

# ONNX orders the gates of a cell differently from torch.
_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "rnn": (0,)}


# The encoder ------------------------------------------------------------------------


def encoder_graph(network):
    """Graph from a source to the start of a search.

    Inputs ``source (B, S)`` and ``n_positions (B,)``; outputs ``state (B, F)`` and, for
    attention, ``memory (B, S, M)``, ``keys (B, S, H)`` and ``mask (B, 1, S)``.
    """
    encoder, decoder = network.encoder, network.decoder
    g = Graph("encoder")
    source = g.input("source", "int64", "rows", "positions")
    n_positions = g.input("n_positions", "int64", "rows")
    x = g("Transpose", _embed(g, encoder.embedding, source), perm=[1, 0, 2])
    n_reversed = None
    if encoder.reverse_source and encoder.directions == 1:
        # All but the boundary; an empty row stays as it is.
        n_reversed = g("Max", g("Sub", n_positions, np.int64(1)), np.int64(1))
        x = g("ReverseSequence", x, n_reversed)
    lengths = g("Cast", n_positions, to=6)  # int32
    hidden, cell = [], []
    for k in range(len(encoder.forward_layers)):
        x, h, c = _encoder_layer(g, encoder, k, x, lengths)
        hidden.append(h)
        cell += [c] * (c is not None)
    if n_reversed is not None:
        x = g("ReverseSequence", x, n_reversed)
    state = _bridge(g, network.bridge, hidden, cell)
    if decoder.input_feeding:
        width = np.array([decoder.memory_size])
        shape = g("Concat", g("Shape", source, start=0, end=1), width, axis=0)
        state.append(g("Expand", np.float32(0), shape))
    g.output(
        "state", g("Concat", *state, axis=1), "float32", "rows", _state_size(network)
    )
    if decoder.attention is not None:
        _remember(g, decoder, g("Transpose", x, perm=[1, 0, 2]), source, n_positions)
    return g


def _state_size(network):
    recurrent = network.decoder.recurrent
    parts = network.num_layers * (2 if recurrent.cell == "lstm" else 1)
    fed_back = network.decoder.memory_size if network.decoder.input_feeding else 0
    return parts * recurrent.hidden_size + fed_back


def _embed(g, embedding, tokens):
    if isinstance(embedding, OneHot):
        values = np.array([0, 1], dtype=np.float32)
        return g("OneHot", tokens, np.int64(embedding.embedding_dim), values)
    return g("Gather", array(embedding.weight), tokens)


def _encoder_layer(g, encoder, k, x, lengths):
    """One layer over ``(S, B, I)``: its outputs, last hidden and last cell state."""
    layers = [encoder.forward_layers[k]]
    if encoder.directions == 2:
        layers.append(encoder.backward_layers[k])
    cell, size = layers[0].mode.partition("_")[0].lower(), layers[0].hidden_size
    attributes = {"linear_before_reset": 1} if cell == "gru" else {}
    weights = zip(*(_onnx_weights(layer, cell) for layer in layers), strict=True)
    outputs = g(
        cell.upper(),
        x,
        *map(np.stack, weights),
        lengths,
        n_outputs=3 if cell == "lstm" else 2,
        hidden_size=size,
        direction="bidirectional" if len(layers) == 2 else "forward",
        **attributes,
    )
    values, *last = outputs

    def merge(y):  # the directions side by side
        y = g("Transpose", y, perm=[1, 0, 2])
        return g("Reshape", y, np.array([0, len(layers) * size]))

    values = g("Transpose", values, perm=[0, 2, 1, 3])
    values = g("Reshape", values, np.array([0, 0, len(layers) * size]))
    return values, merge(last[0]), merge(last[1]) if cell == "lstm" else None


def _onnx_weights(layer, cell):
    """Weights of a layer, its gates in ONNX's order: W, R and both biases."""

    def reorder(weight):
        gates = np.split(array(weight), len(_GATES[cell]))
        return np.concatenate([gates[i] for i in _GATES[cell]])

    bias = np.concatenate([reorder(layer.bias_ih_l0), reorder(layer.bias_hh_l0)])
    return reorder(layer.weight_ih_l0), reorder(layer.weight_hh_l0), bias


def _bridge(g, bridge, hidden, cell):
    """The decoder's first states: hidden states, then cell states."""
    if bridge.cell != "lstm":
        cell = []
    elif bridge.cell_maps is not None:
        maps = zip(bridge.cell_maps, hidden, strict=True)
        cell = [g.linear(h, array(m.weight), array(m.bias)) for m, h in maps]
    if bridge.hidden_maps is not None:
        maps = zip(bridge.hidden_maps, hidden, strict=True)
        hidden = [
            g("Tanh", g.linear(h, array(m.weight), array(m.bias))) for m, h in maps
        ]
    return [*hidden, *cell]


def _remember(g, decoder, memory, source, n_positions):
    """Output what attention reads."""
    attention, size = decoder.attention, decoder.recurrent.hidden_size
    width = decoder.memory_size
    stop = g("Squeeze", g("Shape", source, start=1, end=2))
    steps = g("Range", np.int64(0), stop, np.int64(1))
    counts = g("Less", steps, g("Unsqueeze", n_positions, [1, 2]))
    if isinstance(decoder, HardDecoder):
        _hard_attention.remember(g, decoder, memory, counts)
        return
    g.output("memory", memory, "float32", "rows", "positions", width)
    keys = memory
    if hasattr(attention, "key"):
        bias = attention.key.bias
        keys = g.linear(
            memory, array(attention.key.weight), None if bias is None else array(bias)
        )
    elif width != size:  # the two directions are summed
        keys = g("Add", *g("Split", memory, n_outputs=2, axis=2))
    g.output("keys", keys, "float32", "rows", "positions", size)
    mask = g("Where", counts, np.float32(0), np.float32(-np.inf))
    g.output("mask", mask, "float32", "rows", 1, "positions")


# The decoder ------------------------------------------------------------------------


def step_graph(network):
    """Graph of one step of the decoder.

    Inputs ``previous (N,)``, the encoder's outputs, and for copying ``copy_ids (B,
    S)``; outputs ``log_probs (N, V)``, or ``(N, V + S)`` with copying; with attention,
    ``weights (N, S)``; and ``next_state`` and other outputs ``next_...``, which replace
    those of the encoder in the next step.
    """
    decoder = network.decoder
    recurrent = decoder.recurrent
    g = Graph("step")
    previous = g.input("previous", "int64", "hypotheses")
    state_size = _state_size(network)
    state = g.input("state", "float32", "hypotheses", state_size)
    known = previous
    if decoder.copy_gate is not None:
        size = np.int64(decoder.vocabulary_size)
        known = g("Where", g("Less", previous, size), previous, np.int64(UNKNOWN))
    hidden, cell, context = _split_state(g, network, state, state_size)
    gates = _input_gates(g, decoder, known)
    if context is not None:
        weight = array(recurrent.layers[0].weight_ih_l0)[:, -decoder.memory_size :]
        gates = g("Add", gates, g.linear(context, weight))
    hidden, cell = _advance(g, recurrent, gates, hidden, cell)
    top, new = hidden[-1], [*hidden, *cell]
    if decoder.attention is None:
        log_probs = g("LogSoftmax", _logits(g, decoder, top), axis=1)
    elif isinstance(decoder, HardDecoder):
        log_probs = _hard_attention.step(g, decoder, top, previous)
    else:
        context, weights = _attend(g, decoder, top)
        logits = _logits(g, decoder, g("Concat", top, context, axis=1))
        if decoder.copy_gate is None:
            log_probs = g("LogSoftmax", logits, axis=1)
        else:
            seen = g("Concat", top, context, axis=1)
            log_probs = _mix_copies(g, decoder, logits, seen, weights, known)
        new += [context] * decoder.input_feeding
        flat = g("Reshape", weights, g("Concat", [-1], _n_positions(g), axis=0))
        g.output("weights", flat, "float32", "hypotheses", "positions")
    width = decoder.vocabulary_size if decoder.copy_gate is None else "choices"
    g.output("log_probs", log_probs, "float32", "hypotheses", width)
    new = g("Concat", *new, axis=1) if len(new) > 1 else new[0]
    g.output("next_state", new, "float32", "hypotheses", state_size)
    return g


def _n_positions(g):
    return g("Shape", "mask", start=2, end=3)


def _split_state(g, network, state, state_size):
    """Hidden states, cell states, and the context that is fed back."""
    decoder = network.decoder
    size, layers = decoder.recurrent.hidden_size, network.num_layers
    widths = [size] * (layers * (2 if decoder.recurrent.cell == "lstm" else 1))
    widths += [decoder.memory_size] * decoder.input_feeding
    if len(widths) == 1:
        return [state], [], None
    parts = g("Split", state, np.array(widths), n_outputs=len(widths), axis=1)
    context = parts.pop() if decoder.input_feeding else None
    return parts[:layers], parts[layers:], context


def _input_gates(g, decoder, tokens):
    """What the last token adds to the first layer's gates."""
    recurrent, embedding = decoder.recurrent, decoder.embedding
    layer = recurrent.layers[0]
    weight = array(layer.weight_ih_l0)[:, : embedding.embedding_dim]
    bias = array(recurrent._bias(layer))
    if isinstance(embedding, OneHot):
        return g("Gather", weight.T + bias, tokens)
    table = array(embedding.weight)
    if len(table) <= TABLE_ROWS:
        return g("Gather", table @ weight.T + bias, tokens)
    return g.linear(g("Gather", table, tokens), weight, bias)


def _advance(g, recurrent, gates, hidden, cell):
    """One step of every layer: the new hidden and cell states."""
    new_hidden, new_cell = [], []
    for k, layer in enumerate(recurrent.layers):
        h = hidden[k]
        if k > 0:
            gates = g.linear(
                new_hidden[-1], array(layer.weight_ih_l0), array(recurrent._bias(layer))
            )
        hidden_gates = g.linear(h, array(layer.weight_hh_l0))
        if recurrent.cell == "gru":
            hidden_gates = g("Add", hidden_gates, array(layer.bias_hh_l0))
            new_hidden.append(_gru(g, gates, hidden_gates, h))
            continue
        gates = g("Add", gates, hidden_gates)
        if recurrent.cell == "rnn":
            new_hidden.append(g("Tanh", gates))
        else:
            h, c = _lstm(g, gates, cell[k])
            new_hidden.append(h)
            new_cell.append(c)
    return new_hidden, new_cell


def _lstm(g, gates, cell):
    i, f, new, o = g("Split", gates, n_outputs=4, axis=1)
    kept = g("Mul", g("Sigmoid", f), cell)
    cell = g("Add", kept, g("Mul", g("Sigmoid", i), g("Tanh", new)))
    return g("Mul", g("Sigmoid", o), g("Tanh", cell)), cell


def _gru(g, gates, hidden_gates, hidden):
    r, z, new = g("Split", gates, n_outputs=3, axis=1)
    hidden_r, hidden_z, hidden_new = g("Split", hidden_gates, n_outputs=3, axis=1)
    r = g("Sigmoid", g("Add", r, hidden_r))
    z = g("Sigmoid", g("Add", z, hidden_z))
    new = g("Tanh", g("Add", new, g("Mul", r, hidden_new)))
    return g("Add", new, g("Mul", z, g("Sub", hidden, new)))


def _attend(g, decoder, top):
    """Contexts ``(N, M)`` and weights ``(B, K, S)``."""
    attention, size = decoder.attention, decoder.recurrent.hidden_size
    memory = g.input("memory", "float32", "rows", "positions", decoder.memory_size)
    keys = g.input("keys", "float32", "rows", "positions", size)
    mask = g.input("mask", "float32", "rows", 1, "positions")
    if isinstance(attention, AdditiveAttention):
        top = g.linear(top, array(attention.query.weight))
    rows = g("Shape", memory, start=0, end=1)
    query = g("Reshape", top, g("Concat", rows, [-1, size], axis=0))
    if isinstance(attention, AdditiveAttention):
        sums = g("Add", g("Unsqueeze", query, [2]), g("Unsqueeze", keys, [1]))
        # A matrix of one column is five times as fast as a vector.
        scores = g.linear(g("Tanh", sums), array(attention.energy.weight))
        scores = g("Squeeze", scores, [3])
    else:
        scores = g("MatMul", query, g("Transpose", keys, perm=[0, 2, 1]))
    weights = g("Softmax", g("Add", scores, mask), axis=2)
    context = g("MatMul", weights, memory)
    return g("Reshape", context, [-1, decoder.memory_size]), weights


def _logits(g, decoder, x):
    if decoder.combine is not None:
        combine = decoder.combine
        x = g("Tanh", g.linear(x, array(combine.weight), array(combine.bias)))
    return g.linear(x, array(decoder.output.weight), array(decoder.output.bias))


def _mix_copies(g, decoder, logits, seen, weights, known):
    """Mix generating with copying from where attention looks."""
    copy_ids = g.input("copy_ids", "int64", "rows", "positions")
    weight, bias = array(decoder.copy_gate.weight), array(decoder.copy_gate.bias)
    width = weight.shape[1] - decoder.embedding.embedding_dim
    seen_weight, token_weight = weight[:, :width], weight[:, width:]
    if isinstance(decoder.embedding, OneHot):
        table = token_weight.T
    else:
        table = array(decoder.embedding.weight) @ token_weight.T
    gate = g("Add", g.linear(seen, seen_weight), g("Gather", table + bias, known))
    generate = g("Sigmoid", gate)
    copied = g("Sub", np.float32(1), generate)
    probs = g("Mul", generate, g("Softmax", logits, axis=1))
    rows = g("Shape", copy_ids, start=0, end=1)
    n_positions = _n_positions(g)
    # Column V + s is the token at source position s, if it is outside the vocabulary.
    pads = g("Concat", [0, 0, 0], n_positions, axis=0)
    probs = g("Pad", probs, pads)
    shape = g("Shape", weights)
    by_row = g("Concat", rows, [-1, 1], axis=0)
    copied = g("Mul", g("Reshape", copied, by_row), weights)
    flat = g("Concat", [-1], n_positions, axis=0)
    copied = g("Reshape", copied, flat)
    ids = g("Expand", g("Unsqueeze", copy_ids, [1]), shape)
    ids = g("Reshape", ids, flat)
    probs = g("ScatterElements", probs, ids, copied, axis=1, reduction="add")
    return g("Log", g("Max", probs, np.float32(np.finfo(np.float32).tiny)))
