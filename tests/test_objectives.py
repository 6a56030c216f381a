import numpy as np
import pytest
import torch

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._decoding import _search
from sklearn_seq2seq._decoding._beam_and_sampling import Greedy
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder, Output
from sklearn_seq2seq._network._losses import (
    SequenceLoss,
    decoder_loss,
    encoder_loss,
    exact_rows,
    log_probabilities,
    position_mask,
    training_loss,
)
from sklearn_seq2seq._pairs._copying import local_ids
from sklearn_seq2seq._tokens import UNKNOWN

B, T, S, V = 4, 5, 3, 6
N_POSITIONS = [5, 1, 3, 4]


def example(copies, seed=0):
    """Random scores and targets; with copying log-probabilities of V + S tokens."""
    generator = torch.Generator().manual_seed(seed)
    width = V + S if copies else V
    logits = 2 * torch.randn(B, T, width, generator=generator)
    if copies:
        logits = torch.log_softmax(logits, dim=2)
    target = torch.randint(1, width, (B, T), generator=generator)
    positions = torch.tensor(N_POSITIONS)
    target[torch.arange(T) >= positions[:, None] - 1] = 0
    return logits.double(), target, positions


def slow_decoder_loss(logits, target, n, copies, smoothing):
    """One row, position by position, token by token."""
    total = 0.0
    for t in range(n):
        scores = logits[t].numpy()
        logs = scores if copies else scores - np.log(np.exp(scores).sum())
        total -= (1 - smoothing) * logs[target[t]]
        for token in range(V):
            total -= smoothing / V * logs[token]
    return total


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_decoder_loss_equals_a_loop(copies, smoothing):
    logits, target, positions = example(copies)

    losses = decoder_loss(
        logits,
        target,
        positions,
        copies=copies,
        vocabulary_size=V,
        label_smoothing=smoothing,
    )

    for row, n in enumerate(N_POSITIONS):
        expected = slow_decoder_loss(logits[row], target[row], n, copies, smoothing)
        assert losses[row].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("copies", [False, True])
def test_decoder_loss_ignores_padding_whatever_it_holds(copies):
    logits, target, positions = example(copies)
    options = {"copies": copies, "vocabulary_size": V, "label_smoothing": 0.1}
    expected = decoder_loss(logits, target, positions, **options)

    mask = position_mask(positions, T)
    logits[~mask] = -1e30
    target[~mask] = 3
    logits.requires_grad_()
    losses = decoder_loss(logits, target, positions, **options)
    losses.sum().backward()

    torch.testing.assert_close(losses, expected)
    assert (logits.grad[~mask] == 0).all()
    assert logits.grad.isfinite().all()


def slow_encoder_loss(bag_logits, target):
    """-sum_t [y_t log p_t + (1 - y_t) log(1 - p_t)], one row, the boundary apart."""
    occurring = {min(t, V) if t < V else UNKNOWN for t in target}
    total = 0.0
    for token in range(1, V):
        p = 1 / (1 + np.exp(-bag_logits[token]))
        y = float(token in occurring)
        total -= y * np.log(p) + (1 - y) * np.log(1 - p)
    return total


def test_encoder_loss_equals_a_loop():
    bag_logits = torch.randn(B, V, generator=torch.Generator().manual_seed(1)).double()
    target = torch.tensor(
        [[2, 3, 2, 0, 0], [0, 0, 0, 0, 0], [1, 5, 4, 3, 0], [V + 2, 2, 0, 0, 0]]
    )

    losses = encoder_loss(bag_logits, target)

    for row in range(B):
        expected = slow_encoder_loss(bag_logits[row].numpy(), target[row].tolist())
        assert losses[row].item() == pytest.approx(expected, rel=1e-6)


def test_encoder_loss_takes_extreme_scores():
    bag_logits = torch.full((1, V), 200.0, requires_grad=True)

    loss = encoder_loss(bag_logits, torch.tensor([[2, 0]]))
    loss.backward()

    # All V - 1 tokens are thought certain, and one occurs.
    assert loss.item() == pytest.approx((V - 2) * 200)
    assert bag_logits.grad.isfinite().all()


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.9])
def test_training_loss_is_the_weighted_sum_of_both_losses(alpha):
    rng = np.random.default_rng(0)
    decoder, encoder, weight = rng.random((3, B))
    per_position = (weight * decoder).sum() / (weight * N_POSITIONS).sum()
    per_row = (weight * encoder).sum() / weight.sum()

    loss = training_loss(
        torch.from_numpy(decoder),
        torch.from_numpy(encoder),
        torch.from_numpy(weight),
        torch.tensor([(weight * N_POSITIONS).sum(), weight.sum()]),
        alpha,
    )

    expected = alpha * per_row + (1 - alpha) * per_position
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def reference(target, positions, weight=None):
    weight = torch.ones(len(target)) if weight is None else torch.tensor(weight)
    size = torch.stack(((weight * positions).sum(), weight.sum()))
    return {"target": target, "positions": positions, "weight": weight, "size": size}


@pytest.mark.parametrize("alpha", [0.0, 0.4])
@pytest.mark.parametrize("copies", [False, True])
def test_sequence_loss_counts_weights_as_repetitions(alpha, copies):
    logits, target, positions = example(copies)
    words = torch.randn(B, V, generator=torch.Generator().manual_seed(2)).double()
    loss = SequenceLoss(V, encoder_loss_weight=alpha, copies=copies)
    rows = torch.tensor([0, 2, 2, 2, 3, 3])

    def value(rows, weight=None):
        output = Output(logits[rows], words[rows] if alpha else None, None)
        return loss(output, reference(target[rows], positions[rows], weight)).item()

    weighted = value(torch.arange(B), weight=[1.0, 0.0, 3.0, 2.0])
    assert weighted == pytest.approx(value(rows), rel=1e-6)
    assert weighted != pytest.approx(value(torch.arange(B)), rel=1e-3)
    assert np.isfinite(value(torch.arange(B), weight=[0.0] * B))


@pytest.mark.parametrize("copies", [False, True])
def test_sequence_loss_of_a_batch_is_the_mean_over_tokens_of_rows_alone(copies):
    logits, target, positions = example(copies)
    loss = SequenceLoss(V, copies=copies)
    whole = loss(Output(logits, None, None), reference(target, positions))

    total = 0.0
    for row, n in enumerate(N_POSITIONS):
        one = slice(row, row + 1)
        alone = loss(
            Output(logits[one, :n], None, None),
            reference(target[one, :n], positions[one]),
        )
        total += n * alone.item()

    assert whole.item() == pytest.approx(total / sum(N_POSITIONS), abs=1e-5)


def test_sequence_loss_smooths_labels_in_training_only():
    logits, target, positions = example(copies=False)
    output, answers = Output(logits, None, None), reference(target, positions)
    smooth, plain = SequenceLoss(V, label_smoothing=0.3), SequenceLoss(V)

    assert smooth.eval()(output, answers) == plain(output, answers)
    assert smooth.train()(output, answers) != plain(output, answers)


def test_log_probabilities_are_normalised():
    logits, _, _ = example(copies=False)

    logs = log_probabilities(logits, copies=False)

    torch.testing.assert_close(logs.exp().sum(dim=2), torch.ones(B, T).double())
    assert log_probabilities(logs, copies=True) is logs


def scored(weights, **options):
    """Loss of the network's history after one epoch on weighted or repeated pairs."""
    X = ["ab", "ba", "abb", "b"]
    rows, sample_weight = weights
    model = Seq2SeqTransformer(
        hidden_size=8,
        embedding_size=4,
        dropout=0.0,
        max_epochs=2,
        batch_size=16,
        optimizer="sgd",
        random_state=0,
        **options,
    )
    pairs = [X[row] for row in rows]
    model.fit(pairs, pairs, sample_weight=sample_weight)
    return model.history_[:, "train_loss"]


@pytest.mark.parametrize(
    "options",
    [{}, {"encoder_loss_weight": 0.5}, {"copy": True, "unknown_dropout": 0.0}],
    ids=str,
)
def test_fit_counts_weights_as_repetitions(options):
    weighted = scored(([0, 1, 2, 3], [1, 2, 1, 3]), **options)
    repeated = scored(([0, 1, 1, 2, 3, 3, 3], None), **options)

    assert weighted == pytest.approx(repeated, rel=1e-6)


def test_fit_counts_weight_zero_as_absence():
    weighted = scored(([0, 1, 2, 2, 3], [1, 1, 1, 0, 1]))

    assert weighted == pytest.approx(scored(([0, 1, 2, 3], None)), rel=1e-6)


def greedy(network, batch, limit):
    """Tokens of a greedy search, zero-terminated rows."""
    state = network.start(**batch)
    n_rows = len(batch["source"])
    found = _search.search(network.step, state, torch.full((n_rows,), limit), Greedy())
    return found.tokens[:, 0]


def loud_network(copy, input_feeding, seed):
    """A random network whose decodings differ from source to source, and end."""
    network = EncoderDecoder(
        8,
        V,
        hidden_size=8,
        embedding_size=8,
        copy=copy,
        input_feeding=input_feeding,
        seed=seed,
    ).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter *= 3
        network.decoder.output.bias[0] += 2
        if copy:
            network.decoder.copy_gate.bias -= 1
    return network


def random_sources(copy, rng, n_rows=40, width=6):
    positions = rng.integers(1, width + 1, n_rows)
    live = np.arange(width) < positions[:, None] - 1
    batch = {
        "source": torch.from_numpy(rng.integers(1, 8, (n_rows, width)) * live),
        "source_positions": torch.from_numpy(positions),
    }
    if copy:
        copies = rng.integers(2, V + 4, (n_rows, width)) * live
        batch["copy_ids"] = torch.from_numpy(local_ids(copies, copies, V))
    return batch


def widen(tokens, width):
    return torch.nn.functional.pad(tokens, (0, width - tokens.shape[1]))


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("input_feeding", [False, True])
def test_exact_rows_are_those_that_greedy_decoding_gets_right(copy, input_feeding):
    """References are the networks' own decodings, half of them with an error."""
    n_exact = n_rows = n_copied = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        network = loud_network(copy, input_feeding, seed)
        batch = random_sources(copy, rng)
        tokens = greedy(network, batch, limit=9).clone()
        lengths = (tokens != 0).sum(dim=1)
        for row in np.flatnonzero(rng.random(len(tokens)) < 0.5):
            tokens[row, rng.integers(0, lengths[row] + 1)] = int(rng.integers(0, V))
        lengths = (tokens != 0).int().cumprod(dim=1).sum(dim=1)
        tokens[torch.arange(tokens.shape[1]) >= lengths[:, None]] = 0
        tokens = widen(tokens, 14)

        with torch.no_grad():
            logits = network(**batch, target=tokens).logits
        exact = exact_rows(logits, tokens, lengths + 1)
        again = greedy(network, batch, limit=12)

        same = (widen(again, 14) == tokens).all(dim=1)
        assert exact.tolist() == same.tolist()
        n_exact += int(exact.sum())
        n_rows += len(exact)
        n_copied += int((tokens[exact] >= V).sum())
    assert 0.2 * n_rows < n_exact < 0.8 * n_rows
    assert n_copied > 50 if copy else n_copied == 0


def test_exact_rows_never_count_the_unknown_token_as_right():
    logits = torch.zeros(1, 2, V)
    logits[0, 0, UNKNOWN], logits[0, 0, 3], logits[0, 1, 0] = 9, 5, 9

    assert not exact_rows(logits, torch.tensor([[UNKNOWN, 0]]), torch.tensor([2]))
    assert exact_rows(logits, torch.tensor([[3, 0]]), torch.tensor([2]))
    assert logits[0, 0, UNKNOWN] == 9


@pytest.mark.parametrize("copy", [False, True])
def test_validation_exact_match_equals_score(copy):
    X = ["ab", "ba", "abb", "bab", "aab", "b", "bb", "aa"]
    y = [x[::-1].upper() if not copy else x for x in X]
    model = Seq2SeqTransformer(
        hidden_size=16,
        copy=copy,
        dropout=0.0,
        learning_rate=0.01,
        max_epochs=12,
        scoring="exact_match",
        n_iter_no_change=12,
        max_length=20,
        random_state=0,
    )
    model.fit(X, y, validation_data=(X, y))

    best = max(model.history_[:, "valid_exact_match"])
    assert model.score(X, y) == best
    assert 0 < min(m for m in model.history_[:, "valid_exact_match"] if m) <= best
