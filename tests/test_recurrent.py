import copy
import pickle
import random
import threading

import numpy as np
import pytest
import torch
from torch import nn

from sklearn_seq2seq._network._encoder import (
    Bridge,
    Encoder,
    reorder,
    reversal,
    run_layer,
)
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._layers import Dropout, OneHot, Randomness, initialise
from sklearn_seq2seq._network._recurrent import CELLS, Recurrent, State

CELL_NAMES = sorted(CELLS)
CPU = torch.device("cpu")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(layer):
    """Input weights, recurrent weights and both biases, in float64."""
    return [
        getattr(layer, f"{name}_l0").detach().numpy().astype(np.float64)
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ]


def numpy_step(cell, weights, x, h, c):
    """One step for one row, from the equations; returns the new (h, c)."""
    w, u, b, d = weights
    n = len(h)

    def share(k):
        """What input and state add to the k-th gate."""
        block = slice(k * n, (k + 1) * n)
        return w[block] @ x + b[block], u[block] @ h + d[block]

    if cell == "rnn":
        return np.tanh(sum(share(0))), c
    if cell == "lstm":
        forget, enter = sigmoid(sum(share(1))), sigmoid(sum(share(0)))
        c = forget * c + enter * np.tanh(sum(share(2)))
        return sigmoid(sum(share(3))) * np.tanh(c), c
    reset, update = sigmoid(sum(share(0))), sigmoid(sum(share(1)))
    from_input, from_state = share(2)
    new = np.tanh(from_input + reset * from_state)
    return (1 - update) * new + update * h, c


def numpy_run(cell, layer, x):
    """One row's whole sequence from zero: all outputs, and the last cell state."""
    h = c = np.zeros(layer.hidden_size)
    outputs = []
    for vector in x:
        h, c = numpy_step(cell, weights_of(layer), vector, h, c)
        outputs.append(h)
    return np.array(outputs), c


def drawn(module, seed=0):
    initialise(module, torch.Generator().manual_seed(seed))
    return module.eval()


def stack(cell, num_layers=1, input_size=3, hidden_size=4):
    dropout = Dropout(0.0, Randomness())
    return drawn(Recurrent(cell, input_size, hidden_size, num_layers, dropout))


def random_state(cell, n_rows, num_layers=1, hidden_size=4):
    generator = torch.Generator().manual_seed(1)

    def tensors():
        return [
            torch.randn(n_rows, hidden_size, generator=generator)
            for _ in range(num_layers)
        ]

    return State(tensors(), tensors() if cell == "lstm" else [])


def test_every_cell_of_this_file_is_tested():
    assert CELL_NAMES == ["gru", "lstm", "rnn"]


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_recurrent_step_equals_the_equations(cell):
    recurrent = stack(cell)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(2))
    state = random_state(cell, 5)

    new = recurrent.step(recurrent.input_gates(x), None, state)

    for row in range(5):
        c = state.cell[0][row].numpy() if cell == "lstm" else None
        h, c = numpy_step(
            cell,
            weights_of(recurrent.layers[0]),
            x[row].numpy(),
            state.hidden[0][row].numpy(),
            c,
        )
        np.testing.assert_allclose(new.hidden[0][row].detach(), h, atol=1e-6)
        if cell == "lstm":
            np.testing.assert_allclose(new.cell[0][row].detach(), c, atol=1e-6)


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("num_layers", [1, 3])
def test_recurrent_forward_equals_the_equations_layer_by_layer(cell, num_layers):
    recurrent = stack(cell, num_layers)
    x = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(2))
    state = random_state(cell, 2, num_layers)

    outputs = recurrent(x, state).detach().numpy()

    for row in range(2):
        sequence = x[row].numpy()
        for k, layer in enumerate(recurrent.layers):
            h = state.hidden[k][row].numpy()
            c = state.cell[k][row].numpy() if cell == "lstm" else None
            hidden = []
            for vector in sequence:
                h, c = numpy_step(cell, weights_of(layer), vector, h, c)
                hidden.append(h)
            sequence = hidden
        np.testing.assert_allclose(outputs[row], sequence, atol=1e-6)


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_recurrent_steps_equal_forward(cell, num_layers):
    recurrent = stack(cell, num_layers)
    x = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(2))
    state = random_state(cell, 3, num_layers)

    whole = recurrent(x, state)
    split = []
    for t in range(5):
        # The last input comes apart from the others, as the context does.
        gates = recurrent.input_gates(x[:, t, :2])
        state = recurrent.step(gates, x[:, t, 2:], state)
        split.append(state.hidden[-1])

    torch.testing.assert_close(torch.stack(split, dim=1), whole, atol=1e-6, rtol=0)


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("n_positions", [[4, 1, 7, 6], [7, 7, 7, 7]])
def test_run_layer_stops_each_row_at_its_own_length(cell, n_positions):
    layer = stack(cell).layers[0]
    x = torch.randn(4, 7, 3, generator=torch.Generator().manual_seed(2))

    sizes = torch.tensor(n_positions)
    outputs, hidden, last = run_layer(layer, x, sizes, sizes)

    for row, n in enumerate(n_positions):
        expected, c = numpy_run(cell, layer, x[row, :n].numpy())
        np.testing.assert_allclose(outputs[row, :n].detach(), expected, atol=1e-6)
        np.testing.assert_allclose(hidden[row].detach(), expected[-1], atol=1e-6)
        if cell == "lstm":
            np.testing.assert_allclose(last[row].detach(), c, atol=1e-6)
    assert (last is None) == (cell != "lstm")


def make_encoder(cell, *, num_layers=1, bidirectional=False, reverse_source=False):
    return drawn(
        Encoder(
            drawn(nn.Embedding(6, 3)),
            cell=cell,
            hidden_size=4,
            num_layers=num_layers,
            bidirectional=bidirectional,
            reverse_source=reverse_source,
            dropout=Dropout(0.0, Randomness()),
        )
    )


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_encoder_both_ways_equals_loops(cell, num_layers):
    encoder = make_encoder(cell, num_layers=num_layers, bidirectional=True)
    source = torch.tensor([[2, 3, 4, 5, 0], [5, 0, 0, 0, 0], [4, 4, 2, 0, 0]])
    n_positions = torch.tensor([5, 2, 4])

    memory, final = encoder(source, n_positions)

    table = encoder.embedding.weight.detach().numpy()
    for row, n in enumerate(n_positions.tolist()):
        x = table[source[row, :n]]
        for k in range(num_layers):
            ahead, _ = numpy_run(cell, encoder.forward_layers[k], x)
            back, _ = numpy_run(cell, encoder.backward_layers[k], x[::-1])
            x = np.concatenate((ahead, back[::-1]), axis=1)
            last = np.concatenate((ahead[-1], back[-1]))
            np.testing.assert_allclose(final.hidden[k][row].detach(), last, atol=1e-6)
        np.testing.assert_allclose(memory[row, :n].detach(), x, atol=1e-6)
    assert final.cell == []


@pytest.mark.parametrize("cell", CELL_NAMES)
@pytest.mark.parametrize("reverse_source", [False, True])
def test_encoder_one_way_equals_loops(cell, reverse_source):
    encoder = make_encoder(cell, num_layers=2, reverse_source=reverse_source)
    source = torch.tensor([[2, 3, 4, 5, 0], [5, 0, 0, 0, 0], [0, 0, 0, 0, 0]])
    n_positions = torch.tensor([5, 2, 1])

    memory, final = encoder(source, n_positions)

    table = encoder.embedding.weight.detach().numpy()
    for row, n in enumerate(n_positions.tolist()):
        tokens = source[row, :n].tolist()
        turned = tokens[-2::-1] + tokens[-1:] if reverse_source else tokens
        x = table[turned]
        for k in range(2):
            x, c = numpy_run(cell, encoder.forward_layers[k], x)
            np.testing.assert_allclose(final.hidden[k][row].detach(), x[-1], atol=1e-6)
            if cell == "lstm":
                np.testing.assert_allclose(final.cell[k][row].detach(), c, atol=1e-6)
        in_order = np.vstack((x[-2::-1], x[-1:])) if reverse_source else x
        np.testing.assert_allclose(memory[row, :n].detach(), in_order, atol=1e-6)


@pytest.mark.parametrize("fixed", [0, 1])
def test_reversal_turns_each_row_round_and_is_its_own_inverse(fixed):
    rows = [[1, 2, 3, 4], [5, 6], [7]]
    padded = torch.tensor([row + [0] * (4 - len(row)) for row in rows])
    index = reversal(torch.tensor([4, 2, 1]), 4, fixed)

    turned = reorder(padded[:, :, None], index)

    for row, result in zip(rows, turned[:, :, 0].tolist(), strict=True):
        kept = len(row) - fixed
        expected = row[:kept][::-1] + row[kept:]
        assert result == expected + [0] * (4 - len(row))
    assert reorder(turned, index)[:, :, 0].equal(padded)


@pytest.mark.parametrize("encoder_cell", CELL_NAMES)
@pytest.mark.parametrize("decoder_cell", CELL_NAMES)
@pytest.mark.parametrize("directions", [1, 2])
def test_bridge_fits_any_encoder_to_any_decoder(encoder_cell, decoder_cell, directions):
    bridge = drawn(
        Bridge(
            encoder_cell=encoder_cell,
            decoder_cell=decoder_cell,
            hidden_size=4,
            num_layers=2,
            directions=directions,
        )
    )
    final = random_state("lstm", 3, num_layers=2, hidden_size=4 * directions)
    if encoder_cell != "lstm" or directions == 2:
        final.cell = []

    state = bridge(final)

    assert [h.shape for h in state.hidden] == [(3, 4)] * 2
    assert [c.shape for c in state.cell] == [(3, 4)] * (2 * (decoder_cell == "lstm"))
    if directions == 1:
        assert all(h is f for h, f in zip(state.hidden, final.hidden, strict=True))
        if encoder_cell == decoder_cell == "lstm":
            assert all(c is f for c, f in zip(state.cell, final.cell, strict=True))
            assert not list(bridge.parameters())


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_state_vector_and_back(cell):
    state = random_state(cell, 3, num_layers=2)

    vector = state.to_vector()
    back = State.from_vector(vector, 2, cell)

    assert vector.shape == (3, 16 if cell == "lstm" else 8)
    assert vector[:, :4].equal(state.hidden[0])
    for mine, other in ((back.hidden, state.hidden), (back.cell, state.cell)):
        assert len(mine) == len(other)
        assert all(a.equal(b) for a, b in zip(mine, other, strict=True))


def test_one_hot_has_one_one_per_token():
    one_hot = OneHot(4)

    vectors = one_hot(torch.tensor([[0, 3], [1, 1]]))

    assert vectors.dtype == torch.float32
    assert vectors.argmax(dim=2).tolist() == [[0, 3], [1, 1]]
    assert vectors.sum() == 4
    assert not list(one_hot.parameters())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_dropout_keeps_the_mean_and_drops_its_share(p):
    dropout = Dropout(p, Randomness(0)).train()

    x = dropout(torch.ones(200_000))

    dropped = (x == 0).double().mean().item()
    # Five standard deviations of a share and of a mean over so many draws.
    room = 5 * (p * (1 - p) / 200_000) ** 0.5
    assert abs(dropped - p) < room
    assert abs(x.double().mean().item() - 1) < room / (1 - p)
    assert x[x > 0].unique().numel() == 1


def test_dropout_leaves_evaluation_alone():
    x = torch.randn(10)

    assert Dropout(0.5, Randomness()).eval()(x) is x
    assert Dropout(0.0, Randomness()).train()(x) is x


def test_randomness_starts_afresh_from_its_seed():
    randomness = Randomness(3)
    like = torch.zeros(1)

    first = randomness.keep_mask((50,), 0.5, like)
    second = randomness.keep_mask((50,), 0.5, like)
    randomness.seed(3)

    assert not first.equal(second)
    assert randomness.keep_mask((50,), 0.5, like).equal(first)
    randomness.seed(4)
    assert not randomness.keep_mask((50,), 0.5, like).equal(first)


@pytest.mark.parametrize("p", [0.0, 1e-7, 0.3, 0.5, 1 - 1e-7])
def test_randomness_drops_the_share_that_it_is_asked_to(p):
    mask = Randomness(0).keep_mask((999, 1001), p, torch.zeros(1))

    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert mask.mean().item() == pytest.approx(1 - p, abs=2e-3)
    # Neighbours, who share 64 random bits, are drawn apart.
    both = mask.flatten()[:-1] * mask.flatten()[1:]
    assert both.mean().item() == pytest.approx((1 - p) ** 2, abs=3e-3)


def test_reorder_hands_gradients_back_by_the_same_order():
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    index = reversal(torch.tensor([4, 2, 1]), 4)

    assert reorder(x, index).equal(x.gather(1, index[:, :, None].expand_as(x)))
    assert torch.autograd.gradcheck(lambda x: reorder(x, index), x)


def test_randomness_can_be_pickled_and_copied():
    randomness = Randomness(3)
    first = randomness.keep_mask((50,), 0.5, torch.zeros(1))

    for other in (pickle.loads(pickle.dumps(randomness)), copy.deepcopy(randomness)):
        assert other.keep_mask((50,), 0.5, torch.zeros(1)).equal(first)


def train_pass(network):
    """One pass in training with every use of chance; returns what it gives."""
    network.train()
    network.teacher_forcing = 0.5
    source = torch.tensor([[2, 3, 4, 0], [5, 6, 0, 0]])
    target = torch.tensor([[2, 3, 0], [4, 0, 0]])
    return network(source, torch.tensor([4, 3]), target).logits.detach()


def chancy_network(seed=0):
    return EncoderDecoder(
        8,
        8,
        hidden_size=8,
        num_layers=2,
        embedding_size=4,
        dropout=0.5,
        unknown_dropout=(0.3, 0.3),
        seed=seed,
    )


def test_network_leaves_every_global_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    numpy_before = np.random.get_state()[1].tolist()  # noqa: NPY002
    python_before = random.getstate()

    train_pass(chancy_network())

    assert torch.get_rng_state().equal(before)
    assert np.random.get_state()[1].tolist() == numpy_before  # noqa: NPY002
    assert random.getstate() == python_before


def test_network_does_not_read_the_global_generator():
    torch.manual_seed(1)
    first = train_pass(chancy_network())
    torch.manual_seed(2)

    assert train_pass(chancy_network()).equal(first)
    assert not train_pass(chancy_network(seed=1)).equal(first)


def test_networks_in_threads_do_not_disturb_one_another():
    alone = [
        [train_pass(network) for _ in range(5)]
        for network in map(chancy_network, range(4))
    ]
    together = [None] * 4
    gate = threading.Barrier(4)

    def work(seed):
        gate.wait()
        network = chancy_network(seed)
        together[seed] = [train_pass(network) for _ in range(5)]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    for mine, other in zip(alone, together, strict=True):
        assert all(a.equal(b) for a, b in zip(mine, other, strict=True))


def test_initialise_draws_as_torch_does():
    """Standard normal embeddings; the rest uniform within 1 / sqrt(fan-in)."""
    network = EncoderDecoder(500, 500, hidden_size=64, embedding_size=32)

    table = network.encoder.embedding.weight
    assert abs(table.std().item() - 1) < 0.03
    for part, size in (
        (network.encoder.forward_layers[0].weight_hh_l0, 64),
        (network.encoder.forward_layers[0].weight_ih_l0, 64),
        (network.decoder.output.weight, 64),
    ):
        assert part.abs().max() <= size**-0.5
        assert part.abs().max() > 0.99 * size**-0.5
        assert abs(part.std().item() - (3 * size) ** -0.5) < 0.01


@pytest.mark.parametrize("share_embeddings", [False, True])
def test_tied_table_starts_with_rows_of_length_one(share_embeddings):
    network = EncoderDecoder(
        500,
        500,
        hidden_size=32,
        embedding_size=64,
        tie_output=True,
        share_embeddings=share_embeddings,
    )

    table = network.decoder.output.weight
    assert table is network.decoder.embedding.weight
    assert abs(table.norm(dim=1).mean().item() - 1) < 0.02


@pytest.mark.parametrize("cell", CELL_NAMES)
def test_steps_give_the_values_and_gradients_of_as_many_calls_of_step(cell):
    generator = torch.Generator().manual_seed(0)
    stack = Recurrent(cell, 5, 4, 2, Dropout(0.0, Randomness()))
    initialise(stack, generator)
    x = torch.randn(3, 6, 2, generator=generator)
    rest = torch.randn(6, 3, 3, generator=generator)
    hidden = [torch.randn(3, 4, generator=generator) for _ in range(2)]

    def run(steps):
        stack.zero_grad()
        fed = rest.clone().requires_grad_()
        state = State(hidden, hidden if cell == "lstm" else [])
        total = 0.0
        for t, step in enumerate(steps()):
            state = step(fed[t], state)
            total = total + (t + 1) * state.hidden[-1].square().sum()
        total.backward()
        return [total.detach(), fed.grad, *(w.grad for w in stack.parameters())]

    def one_by_one():
        for gates in stack.input_gates(x).unbind(1):
            yield lambda rest, state, gates=gates: stack.step(gates, rest, state)

    for own, plain in zip(run(lambda: stack.steps(x)), run(one_by_one), strict=True):
        torch.testing.assert_close(own, plain)


def test_steps_work_where_no_gradient_is_wanted():
    stack = Recurrent("gru", 5, 4, 1, Dropout(0.0, Randomness()))
    initialise(stack, torch.Generator().manual_seed(0))
    state = State([torch.zeros(3, 4)], [])

    with torch.inference_mode():
        for step in stack.steps(torch.ones(3, 6, 2)):
            state = step(torch.ones(3, 3), state)

    assert not state.hidden[0].requires_grad
