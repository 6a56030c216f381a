"""Every network: passes, steps, batches, padding and gradients agree.

Sizes are tiny; what is tested does not depend on them.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch

from sklearn_seq2seq._network import _decoder
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._losses import SequenceLoss, log_probabilities
from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN

V_SOURCE, V = 9, 7
SOURCE_LENGTHS, TARGET_LENGTHS = [4, 0, 2, 5, 1], [3, 2, 0, 4, 1]


@dataclass
class Batch:
    source: torch.Tensor
    source_positions: torch.Tensor
    target: torch.Tensor
    positions: torch.Tensor
    copy_ids: torch.Tensor | None

    def inputs(self):
        inputs = {
            "source": self.source,
            "source_positions": self.source_positions,
            "target": self.target,
        }
        return (
            inputs if self.copy_ids is None else {**inputs, "copy_ids": self.copy_ids}
        )

    def sources(self):
        return {k: v for k, v in self.inputs().items() if k != "target"}

    def reference(self):
        return {
            "target": self.target,
            "positions": self.positions,
            "weight": torch.ones(len(self.target)),
            "size": torch.tensor([self.positions.sum(), len(self.target)]).float(),
        }


def random_batch(copy, *, width=0, seed=0):
    """Rows of unlike length; `width` more columns of padding on both sides."""
    rng = np.random.default_rng(seed)
    n_rows = len(SOURCE_LENGTHS)
    n_source = max(SOURCE_LENGTHS) + 1 + width
    n_target = max(TARGET_LENGTHS) + 1 + width
    source = np.zeros((n_rows, n_source), dtype=np.int64)
    target = np.zeros((n_rows, n_target), dtype=np.int64)
    copies = np.zeros((n_rows, n_source), dtype=np.int64)
    for row, (n, m) in enumerate(zip(SOURCE_LENGTHS, TARGET_LENGTHS, strict=True)):
        source[row, :n] = rng.integers(1, V_SOURCE, n)
        target[row, :m] = rng.integers(1, V, m)
        copies[row, :n] = rng.integers(1, V, n)
        if copy and n > 2:
            # A token of no vocabulary, twice, and once in the target.
            copies[row, [1, 2]] = V + 1
            target[row, 0] = V + 1
    return Batch(
        torch.from_numpy(source),
        torch.tensor(SOURCE_LENGTHS) + 1,
        torch.from_numpy(target),
        torch.tensor(TARGET_LENGTHS) + 1,
        torch.from_numpy(copies) if copy else None,
    )


def only(batch, row):
    """One row of a batch, without padding."""
    n, m = batch.source_positions[row], batch.positions[row]
    return Batch(
        batch.source[row : row + 1, :n],
        batch.source_positions[row : row + 1],
        batch.target[row : row + 1, :m],
        batch.positions[row : row + 1],
        None if batch.copy_ids is None else batch.copy_ids[row : row + 1, :n],
    )


def settings():
    """Every legal combination, and variations of depth, embeddings and cells."""
    sides = product(
        ("lstm", "gru", "rnn"),
        (
            {"attention": None},
            *(
                {"attention": name, "input_feeding": feeding, "copy": copy}
                for name in ("dot", "general", "additive")
                for feeding in (False, True)
                for copy in (False, True)
            ),
            *({"attention": "hard", "copy": copy} for copy in (False, True)),
        ),
        (False, True),
    )
    for cell, attention, bidirectional in sides:
        yield {"cell": cell, "bidirectional": bidirectional, **attention}
    fed = {"attention": "additive", "input_feeding": True, "copy": True}
    for order, monotonic in ((0, False), (0, True), (1, True)):
        order = {"attention_order": order, "monotonic": monotonic}
        yield {"cell": "gru", "attention": "hard", "copy": True, **order}
    hard = {"attention": "hard", "copy": True, "attention_order": 1}
    kinds = {"attention": None}, fed, hard
    for cell, attention in product(("lstm", "gru", "rnn"), kinds):
        base = {"cell": cell, **attention}
        yield {**base, "num_layers": 2, "bidirectional": True}
        yield {**base, "num_layers": 2, "bidirectional": False}
        yield {**base, "reverse_source": True, "bidirectional": False}
        yield {**base, "num_layers": 3, "reverse_source": True, "bidirectional": False}
        yield {**base, "embedding_size": None}
        yield {**base, "share_embeddings": True}
        yield {**base, "tie_output": True}
        yield {**base, "tie_output": True, "share_embeddings": True}
        for decoder_cell in {"lstm", "gru", "rnn"} - {cell}:
            for bidirectional in (False, True):
                yield {
                    **base,
                    "decoder_cell": decoder_cell,
                    "bidirectional": bidirectional,
                }


def name_of(params):
    return "-".join(
        f"{key}={value}" if key not in ("cell", "attention") else str(value)
        for key, value in params.items()
    )


every_network = pytest.mark.parametrize(
    "params", sorted(settings(), key=name_of), ids=name_of
)


def make(params, **more):
    size = {"embedding_size": 5, "hidden_size": 6, "predict_bag": True}
    shared = params.get("share_embeddings", False)
    return EncoderDecoder(
        V_SOURCE, V_SOURCE if shared else V, **{**size, **params, **more}
    ).eval()


def step_by_step(network, batch):
    """Log-probabilities of a target by `start` and `step`."""
    state = network.start(**batch.sources())
    previous = torch.zeros(len(batch.source), dtype=torch.int64)
    columns = []
    for t in range(batch.target.shape[1]):
        log_probs, state = network.step(state, previous)
        columns.append(log_probs)
        previous = batch.target[:, t]
    return torch.stack(columns, dim=1)


def counted(batch):
    """The positions of the batch that count."""
    return torch.arange(batch.target.shape[1]) < batch.positions[:, None]


def log_probs_of(network, batch):
    logits = network(**batch.inputs()).logits
    return log_probabilities(logits, network.copies)


def close(mine, other):
    torch.testing.assert_close(mine, other, atol=1e-5, rtol=0)


@every_network
def test_forward_equals_repeated_step(params):
    network = make(params)
    batch = random_batch(network.copies)

    with torch.no_grad():
        whole = log_probs_of(network, batch)
        steps = step_by_step(network, batch)

    # Log-probabilities of a copying network's impossible tokens are equal as well.
    close(steps[counted(batch)], whole[counted(batch)])
    assert whole[counted(batch)].exp().sum(dim=1).sub(1).abs().max() < 1e-5


@every_network
def test_forward_equals_repeated_step_without_the_table_of_gates(params):
    """In training no table is kept; without dropout the passes are the same."""
    network = make(params)
    batch = random_batch(network.copies)

    with torch.no_grad():
        evaluated = step_by_step(network, batch)
        network.train()
        assert network.start(**batch.sources()).table is None
        trained = step_by_step(network, batch)
        whole = log_probs_of(network, batch)

    close(trained[counted(batch)], whole[counted(batch)])
    close(trained[counted(batch)], evaluated[counted(batch)])


def test_large_vocabularies_are_searched_without_the_table_of_gates():
    size = _decoder.TABLE_ROWS
    sources = random_batch(copy=False).sources()
    small = EncoderDecoder(9, size, hidden_size=4, embedding_size=3).eval()
    large = EncoderDecoder(9, size + 1, hidden_size=4, embedding_size=3).eval()

    assert small.start(**sources).table.shape == (size, 16)
    assert large.start(**sources).table is None
    with torch.no_grad():
        batch = random_batch(copy=False)
        steps = step_by_step(large, batch)
        close(steps, log_probs_of(large, batch))


@every_network
def test_padding_changes_nothing(params):
    network = make(params)
    batch = random_batch(network.copies)
    wider = random_batch(network.copies, width=3)
    n_words, n_steps = network.decoder.vocabulary_size, batch.target.shape[1]

    with torch.no_grad():
        output, wide = network(**batch.inputs()), network(**wider.inputs())
        _, state = network.encode(batch.source, batch.source_positions)
        _, wide_state = network.encode(wider.source, wider.source_positions)

    mask = counted(batch)
    width = n_words + (batch.source.shape[1] if network.copies else 0)
    close(wide.logits[:, :n_steps, :width][mask], output.logits[mask])
    close(wide.bag_logits, output.bag_logits)
    close(wide_state.to_vector(), state.to_vector())
    if output.weights is not None:
        close(
            wide.weights[:, :n_steps, : batch.source.shape[1]][mask],
            output.weights[mask],
        )
        assert (wide.weights[:, :, batch.source.shape[1] :] == 0).all()


@every_network
def test_each_row_alone_gives_the_same(params):
    network = make(params)
    batch = random_batch(network.copies)

    with torch.no_grad():
        whole = network(**batch.inputs())
        for row, (n, m) in enumerate(
            zip(batch.source_positions, batch.positions, strict=True)
        ):
            alone = network(**only(batch, row).inputs())
            width = network.decoder.vocabulary_size + (n if network.copies else 0)
            close(alone.logits[0], whole.logits[row, :m, :width])
            close(alone.bag_logits[0], whole.bag_logits[row])


@every_network
def test_gradient_reaches_every_parameter_and_is_finite(params):
    network = make(params).train()
    batch = random_batch(network.copies)
    # Both sides' whole vocabularies must occur for their rows to get a gradient.
    loss = SequenceLoss(
        network.decoder.vocabulary_size,
        encoder_loss_weight=0.5,
        label_smoothing=0.1,
        copies=network.copies,
    ).train()

    loss(
        network(**batch.inputs()),
        batch.reference(),
    ).backward()

    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("copy", [False, True])
def test_gradient_of_a_target_that_cannot_be_is_finite(copy):
    """All weight on copying, and a target that the source has not got."""
    network = make({"attention": "general", "copy": True}).train()
    with torch.no_grad():
        network.decoder.copy_gate.bias.fill_(-200 if copy else 200)
    batch = random_batch(copy=True)
    batch.target[0, 1] = V + 3

    output = network(**batch.inputs())
    SequenceLoss(V, copies=True)(
        output,
        batch.reference(),
    ).backward()

    assert output.logits.isfinite().all()
    for parameter in network.parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all()


@pytest.mark.parametrize(
    ("attention", "input_feeding"),
    [*product(("dot", "general", "additive"), (False, True)), ("hard", False)],
)
def test_step_takes_several_hypotheses_of_a_source(attention, input_feeding):
    """Those of a beam, selected in any order, each give what a batch of one does."""
    network = make(
        {"attention": attention, "input_feeding": input_feeding, "copy": True}
    )
    batch = random_batch(copy=True)
    sources = torch.tensor([3, 0])
    tokens = torch.tensor([[2, 3, 4], [5, V + 1, 2]])

    with torch.no_grad():
        state = network.start(**batch.sources())
        _, state = network.step(state, torch.zeros(5, dtype=torch.int64))
        # Three hypotheses of each of two sources.
        state = state.select(sources.repeat_interleave(3), sources)
        several, _ = network.step(state, tokens.view(-1))
        for k, row in enumerate(sources):
            for j, token in enumerate(tokens[k]):
                alone = only(batch, row)
                one = network.start(**alone.sources())
                _, one = network.step(one, torch.zeros(1, dtype=torch.int64))
                expected, _ = network.step(one, token.view(1))
                close(several[3 * k + j, : expected.shape[1]], expected[0])


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_start_from_vector_continues_as_start(cell):
    network = make({"cell": cell, "attention": None, "num_layers": 2})
    batch = random_batch(copy=False)

    with torch.no_grad():
        _, state = network.encode(batch.source, batch.source_positions)
        mine = network.start_from_vector(state.to_vector())
        other = network.start(**batch.sources())
        previous = torch.zeros(5, dtype=torch.int64)
        for token in (2, 3):
            first, mine = network.step(mine, previous)
            second, other = network.step(other, previous)
            close(first, second)
            previous = torch.full((5,), token)


def numpy_copy_distribution(network, logits, hidden, context, embedded, weights, ids):
    """One step's distribution of a pointer-generator, token by token."""
    gate = network.decoder.copy_gate
    features = np.concatenate((hidden, context, embedded)).astype(np.float64)
    score = gate.weight.detach().numpy()[0] @ features + gate.bias.item()
    generate = 1 / (1 + np.exp(-score))
    exponentials = np.exp(logits - logits.max())
    probs = np.zeros(V + len(ids))
    for token in range(V):
        probs[token] += generate * exponentials[token] / exponentials.sum()
    for s, token in enumerate(ids):
        probs[token] += (1 - generate) * weights[s]
    return probs


def test_copying_equals_a_loop_over_tokens_and_positions():
    """Also for an unknown token that the source has twice, under one name."""
    network = make({"attention": "general", "copy": True, "bidirectional": False})
    batch = random_batch(copy=True)
    decoder = network.decoder

    with torch.no_grad():
        output = network(**batch.inputs())
        values, state = network.encode(batch.source, batch.source_positions)
        inputs = torch.cat((torch.zeros(5, 1).long(), batch.target[:, :-1]), dim=1)
        inputs[inputs >= V] = UNKNOWN
        embedded = decoder.embedding(inputs)
        hidden = decoder.recurrent(embedded, state)
        context = torch.bmm(output.weights, values)
        joined = torch.cat((hidden, context), dim=2)
        logits = decoder.output(torch.tanh(decoder.combine(joined)))

    for row, m in enumerate(batch.positions):
        for t in range(m):
            expected = numpy_copy_distribution(
                network,
                logits[row, t].numpy(),
                hidden[row, t].numpy(),
                context[row, t].numpy(),
                embedded[row, t].numpy(),
                output.weights[row, t].numpy(),
                batch.copy_ids[row].tolist(),
            )
            mine = output.logits[row, t].exp().numpy()
            np.testing.assert_allclose(mine, expected, atol=1e-6)
    # The second place of the unknown token of row 0 adds to the first.
    both = output.weights[0, 0, [1, 2]].sum()
    assert output.logits[0, 0, V + 1].exp() < both
    assert output.logits[0, 0, V + 2].exp() < 1e-30


def test_copied_unknown_tokens_are_fed_as_the_unknown_token():
    network = make({"attention": "general", "copy": True})
    batch = random_batch(copy=True)
    named = batch.target.masked_fill(batch.target >= V, UNKNOWN)
    assert not named.equal(batch.target)

    with torch.no_grad():
        mine = network(**batch.inputs()).logits
        other = network(**{**batch.inputs(), "target": named}).logits

    assert mine.equal(other)


@pytest.mark.parametrize("copy", [False, True])
def test_teacher_forcing_feeds_the_reference_or_its_own_samples(copy):
    network = make({"attention": "general", "copy": copy}).train()
    batch = random_batch(copy)
    state = network.start(**batch.sources())
    inputs = torch.cat((torch.zeros(5, 1).long(), batch.target[:, :-1]), dim=1)

    network.teacher_forcing = 1.0
    assert network._mix_samples(inputs, state).equal(inputs)

    network.teacher_forcing = 0.0
    with torch.no_grad():
        # The model is sure of the token 3.
        network.decoder.output.bias[3] = 100
        if copy:
            network.decoder.copy_gate.bias.fill_(100)
    mixed = network._mix_samples(inputs, state)
    assert (mixed[:, 0] == BOUNDARY).all()
    assert (mixed[:, 1:] == 3).all()

    network.teacher_forcing = 0.7
    wide = torch.full((5, 2000), 2)
    share = (network._mix_samples(wide, state)[:, 1:] == 2).double().mean()
    # Four standard deviations of a share of 0.7 among 9,995 draws.
    assert abs(share.item() - 0.7) < 4 * (0.7 * 0.3 / 9995) ** 0.5


def test_teacher_forcing_is_for_training_only():
    network = make({"attention": "general"})
    batch = random_batch(copy=False)
    with torch.no_grad():
        expected = network(**batch.inputs()).logits
        network.teacher_forcing = 0.0
        assert network(**batch.inputs()).logits.equal(expected)


def test_teacher_forcing_below_one_still_reaches_every_parameter():
    network = make({"attention": "additive", "input_feeding": True}).train()
    network.teacher_forcing = 0.0
    output = network(**random_batch(copy=False).inputs())

    (output.logits.square().mean() + output.bag_logits.square().mean()).backward()

    assert all((p.grad != 0).any() for p in network.parameters())


def test_unknown_dropout_hides_tokens_but_no_boundary():
    network = EncoderDecoder(9, 7, hidden_size=4, unknown_dropout=(0.25, 0), seed=0)
    source = torch.randint(2, 9, (200, 101), generator=torch.Generator().manual_seed(0))
    source[:, 100] = BOUNDARY

    dropped, hidden = network._drop_tokens(source, 0.25)

    assert hidden.equal(dropped == UNKNOWN)
    assert abs(hidden[:, :100].double().mean().item() - 0.25) < 0.02
    assert dropped[~hidden].equal(source[~hidden])
    assert (dropped[:, 100] == BOUNDARY).all()
    batch = random_batch(copy=False)
    network.eval()
    with torch.no_grad():
        first = network(**batch.inputs()).logits
        assert network(**batch.inputs()).logits.equal(first)


@pytest.mark.parametrize(
    ("attention", "copy"),
    [
        (None, False),
        ("additive", False),
        ("additive", True),
        ("hard", False),
        ("hard", True),
    ],
)
def test_unknown_dropout_hides_what_the_decoder_reads_of_targets(attention, copy):
    network = make({"attention": attention, "copy": copy}, dropout=0.0).train()
    batch = random_batch(copy=copy)
    read = []
    table = network.decoder.embedding
    table.register_forward_hook(lambda _, args, __: read.append(args[0]))
    whole = network(**batch.inputs()).logits
    network.unknown_dropout = 0.0, 0.4

    logits = network(**batch.inputs()).logits

    (before, after) = read
    hidden = (after == UNKNOWN) & (before != UNKNOWN)
    assert hidden.any()
    assert after[~hidden].equal(before[~hidden])
    # Not the boundary that a target begins with, nor padding.
    assert (before[hidden] != BOUNDARY).all()
    # What is to be predicted is not hidden: the first steps are as they were, for each
    # row up to the first token that it does not see.
    seen = hidden.cumsum(dim=1) == 0
    torch.testing.assert_close(logits[seen], whole[seen])
    assert not torch.allclose(logits[~seen], whole[~seen])
    network.eval()
    with torch.no_grad():
        torch.testing.assert_close(network(**batch.inputs()).logits, whole)


def test_dropout_acts_in_training_and_differs_from_pass_to_pass():
    network = make({"attention": "general"}, dropout=0.5)
    batch = random_batch(copy=False)
    with torch.no_grad():
        still = network(**batch.inputs()).logits
        assert network(**batch.inputs()).logits.equal(still)
        network.train()
        first = network(**batch.inputs()).logits
        assert not network(**batch.inputs()).logits.equal(first)
        assert not first.equal(still)


def test_share_embeddings_has_one_table():
    network = make({"share_embeddings": True})
    assert network.encoder.embedding is network.decoder.embedding
    assert sum(p.shape == (V_SOURCE, 5) for p in network.parameters()) == 1


@pytest.mark.parametrize(
    "params", [{"attention": "additive"}, {"attention": "dot", "input_feeding": True}]
)
def test_a_second_derivative_is_refused_and_not_wrong(params):
    network = make(params)
    logits = network(**random_batch(copy=False).inputs()).logits
    weights = [p for p in network.parameters() if p.requires_grad]
    slopes = torch.autograd.grad(
        logits.mean(), weights, create_graph=True, allow_unused=True
    )
    with pytest.raises(RuntimeError, match="once_differentiable"):
        sum(x.square().sum() for x in slopes if x is not None).backward()


@pytest.mark.parametrize("input_feeding", [False, True])
def test_lower_precision_runs_with_copying(input_feeding):
    """With GRUs: not every CPU has an LSTM in bfloat16."""
    network = make(
        {"cell": "gru", "attention": "additive", "copy": True},
        input_feeding=input_feeding,
    ).train()
    network.teacher_forcing = 0.5

    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(**random_batch(copy=True).inputs())
    output.logits.float().mean().backward()

    assert output.logits.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.decoder.parameters())
