"""Exact hard attention, as a part of the graphs.

Shapes: B rows, K hypotheses a row, N = B * K, S source positions, H hidden size, R
input size of the output layer, C jump classes, V vocabulary size.
"""

import numpy as np

from sklearn_seq2seq._network._hard_attention import NEVER, WINDOW
from sklearn_seq2seq._onnx._graph import array

_TINY = np.float32(np.finfo(np.float32).tiny)
_FAR = np.int64(WINDOW + 1)


def remember(g, decoder, memory, counts):
    """Output what hard attention reads, and its position before the first token.

    Parameters
    ----------
    g : Graph
    decoder : HardDecoder
    memory : str
        The encoder's outputs ``(B, S, M)``.
    counts : str
        The positions without padding: bool ``(B, 1, S)``.
    """
    attention = decoder.attention
    width = decoder.memory_size
    weight = array(decoder.combine.weight)[:, -width:]
    size, vocabulary = len(weight), decoder.vocabulary_size
    shape, sizes = ("rows", "positions"), g("Shape", memory, start=0, end=2)
    g.output("values", g.linear(memory, weight), "float32", *shape, size)
    keys = g.linear(memory, array(attention.key.weight))
    g.output("keys", keys, "float32", *shape, decoder.recurrent.hidden_size)
    if attention.jump_key is not None:
        jumps = g.linear(memory, array(attention.jump_key.weight))
        g.output("jumps", jumps, "float32", *shape, 2 * WINDOW + 3)
    allowed, steps = counts, _steps(g, memory)
    if attention.monotonic:
        ahead = g("GreaterOrEqual", steps, g("Unsqueeze", steps, [1]))
        allowed = g("And", counts, g("Unsqueeze", ahead, [0]))
    mask = g("Where", allowed, np.float32(0), np.float32(NEVER))
    g.output("mask", mask, "float32", "rows", "from", "positions")
    # At the first position, with equal emissions: the first step has no token before.
    first = g("Where", g("Equal", steps, np.int64(0)), np.float32(0), np.float32(NEVER))
    g.output("prior", g("Expand", first, sizes), "float32", *shape)
    cells = g("Expand", np.float32(1), g("Concat", sizes, [vocabulary], axis=0))
    g.output("written", cells, "float32", *shape, vocabulary)
    if decoder.copy_gate is not None:
        g.output("copied", g("Expand", np.float32(0), sizes), "float32", *shape)


def step(g, decoder, top, previous):
    """Log-probabilities of the next token ``(N, V)``, or ``(N, V + S)`` with copying.

    Parameters
    ----------
    g : Graph
    decoder : HardDecoder
    top : str
        The top layer's hidden state ``(N, H)``.
    previous : str
        The token before, int64 ``(N,)``.
    """
    size, vocabulary = decoder.recurrent.hidden_size, decoder.vocabulary_size
    shape = "rows", "positions"
    hypotheses = "hypotheses", "positions"
    read = decoder.output.in_features
    values = g.input("values", "float32", *shape, read)
    keys = g.input("keys", "float32", *shape, size)
    mask = g.input("mask", "float32", "rows", "from", "positions")
    prior = g.input("prior", "float32", *hypotheses)
    written = g.input("written", "float32", *hypotheses, vocabulary)
    copied = copy_ids = None
    if decoder.copy_gate is not None:
        copied = g.input("copied", "float32", *hypotheses)
        copy_ids = g.input("copy_ids", "int64", *shape)
    flat = g("Shape", prior)
    rows, n = g("Shape", keys, start=0, end=1), g("Shape", keys, start=1, end=2)
    by_row = g("Concat", rows, [-1], n, axis=0)  # from (N, S) to (B, K, S)
    emitted = _emitted(g, decoder, previous, written, copied, copy_ids, by_row, flat)
    alpha = g("LogSoftmax", g("Add", prior, emitted), axis=1)
    query = g("Reshape", top, g("Concat", rows, [-1, size], axis=0))
    moves = _transitions(g, decoder.attention, query, keys, mask)
    alpha = g("Unsqueeze", g("Reshape", alpha, by_row), [3])
    prior = g("ReduceLogSumExp", g("Add", alpha, moves), axes=[2], keepdims=0)
    written, copied = _emissions(g, decoder, query, values)
    weights = g("Exp", prior)
    probs = g("MatMul", g("Unsqueeze", weights, [2]), written)
    probs = g("Reshape", probs, [-1, vocabulary])
    if copied is not None:
        copied = g("Reshape", copied, flat)
        ids = g("Expand", g("Unsqueeze", copy_ids, [1]), g("Shape", weights))
        ids = g("Reshape", ids, flat)
        probs = g("Pad", probs, g("Concat", [0, 0, 0], n, axis=0))
        share = g("Mul", g("Reshape", weights, flat), copied)
        add = {"axis": 1, "reduction": "add"}
        probs = g("ScatterElements", probs, ids, share, **add)
        g.output("next_copied", copied, "float32", *hypotheses)
    g.output("next_prior", g("Reshape", prior, flat), "float32", *hypotheses)
    cells = g("Concat", flat, [vocabulary], axis=0)
    written = g("Reshape", written, cells)
    g.output("next_written", written, "float32", *hypotheses, vocabulary)
    g.output("weights", g("Reshape", weights, flat), "float32", *hypotheses)
    return g("Log", g("Max", probs, _TINY))


def _emitted(g, decoder, previous, written, copied, copy_ids, by_row, flat):
    """Log-probability of a token at each position: ``(N, S)``."""
    known = previous
    if copied is not None:
        size = np.int64(decoder.vocabulary_size)
        in_vocabulary = g("Less", previous, size)
        known = g("Where", in_vocabulary, previous, np.int64(0))
    index = g("Expand", g("Unsqueeze", known, [1, 2]), g("Concat", flat, [1], axis=0))
    probs = g("Squeeze", g("GatherElements", written, index, axis=2), [2])
    if copied is not None:
        one = g("Unsqueeze", g("Cast", in_vocabulary, to=1), [1])
        rows = g("Slice", by_row, [0], [1])
        token = g("Reshape", previous, g("Concat", rows, [-1, 1], axis=0))
        same = g("Cast", g("Equal", g("Unsqueeze", copy_ids, [1]), token), to=1)
        probs = g(
            "Add", g("Mul", probs, one), g("Mul", g("Reshape", same, flat), copied)
        )
    return g("Log", g("Max", probs, _TINY))


def _transitions(g, attention, query, keys, mask):
    """Log-probabilities from and to: ``(B, K, S, S)``, or ``(B, K, 1, S)``."""
    scores = g("MatMul", query, g("Transpose", keys, perm=[0, 2, 1]))
    scores = g("Unsqueeze", scores, [2])
    if attention.jump_query is not None:
        jumps = g.input("jumps", "float32", "rows", "positions", 2 * WINDOW + 3)
        weight, bias = (
            array(attention.jump_query.weight),
            array(attention.jump_query.bias),
        )
        jumps = g(
            "Add",
            g("Unsqueeze", g.linear(query, weight, bias), [2]),
            g("Unsqueeze", jumps, [1]),
        )
        steps = _steps(g, keys)
        classes = g("Sub", steps, g("Unsqueeze", steps, [1]))
        classes = g("Add", g("Clip", classes, -_FAR, _FAR), _FAR)
        n = g("Shape", keys, start=1, end=2)
        shape = g("Concat", g("Shape", jumps, start=0, end=3), n, axis=0)
        index = g("Expand", classes, shape)
        scores = g("Add", scores, g("GatherElements", jumps, index, axis=3))
    scores = g("Add", scores, g("Unsqueeze", mask, [1]))
    return g("LogSoftmax", scores, axis=3)


def _emissions(g, decoder, query, values):
    """Probabilities of writing ``(B, K, S, V)`` and of copying ``(B, K, S, 1)``."""
    n = decoder.recurrent.hidden_size
    weight, bias = array(decoder.combine.weight)[:, :n], array(decoder.combine.bias)
    x = g("Unsqueeze", g.linear(query, weight, bias), [2])
    x = g("Tanh", g("Add", x, g("Unsqueeze", values, [1])))
    output = decoder.output
    probs = g("Softmax", g.linear(x, array(output.weight), array(output.bias)), axis=3)
    if decoder.copy_gate is None:
        return probs, None
    gate = decoder.copy_gate
    copied = g("Sigmoid", g.linear(x, array(gate.weight), array(gate.bias)))
    return g("Mul", probs, g("Sub", np.float32(1), copied)), copied


def _steps(g, memory):
    stop = g("Squeeze", g("Shape", memory, start=1, end=2))
    return g("Range", np.int64(0), stop, np.int64(1))
