"""Exact hard attention against the sum over every single alignment."""

from itertools import product

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._decoding._beam_and_sampling import BeamSearch
from sklearn_seq2seq._decoding._search import search
from sklearn_seq2seq._network import _hard_decoder
from sklearn_seq2seq._network._encoder_decoder import EncoderDecoder
from sklearn_seq2seq._network._hard_attention import WINDOW
from tests.conftest import TINY

V_SOURCE, V = 6, 5
# Three tokens and the end; of the copies one is of no vocabulary, and stands twice.
SOURCE = torch.tensor([[2, 3, 4, 0]])
COPY_IDS = torch.tensor([[3, V + 1, V + 1, 0]])
TARGETS = {False: [3, 2, 4, 0], True: [3, V + 1, 4, 0]}

every_attention = pytest.mark.parametrize(
    ("order", "monotonic", "copy"),
    list(product((0, 1), (False, True), (False, True))),
)


def make(order, monotonic, copy, **more):
    sizes = {"hidden_size": 4, "embedding_size": 3, "seed": 1}
    network = EncoderDecoder(
        V_SOURCE,
        V,
        attention="hard",
        attention_order=order,
        monotonic=monotonic,
        copy=copy,
        **{**sizes, **more},
    ).eval()
    # Weights of torch's own size hardly tell positions apart.
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(3)
    return network.double()


def sources(copy):
    batch = {"source": SOURCE, "source_positions": torch.tensor([4])}
    return {**batch, "copy_ids": COPY_IDS} if copy else batch


def transition(network, memory, d, i):
    """Probability of each position after position i, by the definition."""
    attention = network.decoder.attention
    scores = []
    for j in range(len(memory)):
        score = d @ attention.key(memory[j])
        if attention.jump_query is not None:
            jump = max(-WINDOW - 1, min(j - i, WINDOW + 1)) + WINDOW + 1
            score = score + attention.jump_query(d)[jump]
            score = score + attention.jump_key(memory[i])[jump]
        if not attention.monotonic or j >= i:
            scores.append(score)
    probs = torch.softmax(torch.stack(scores), dim=0)
    return F.pad(probs, (len(memory) - len(probs), 0))


def emission(network, value, d, copy_id, token):
    """Probability of a token at one position, by the definition."""
    decoder = network.decoder
    x = torch.tanh(decoder.combine(torch.cat((d, value))))
    probs = torch.softmax(decoder.output(x), dim=0)
    written = probs[token] if token < V else 0.0
    if decoder.copy_gate is None:
        return written
    copy = torch.sigmoid(decoder.copy_gate(x)[0])
    return (1 - copy) * written + copy * (token == copy_id)


def every_alignment(network, target):
    """Every alignment of the pair and its probability with the target."""
    values, state = network.encode(SOURCE, torch.tensor([4]))
    fed = torch.tensor([[0, *target[:-1]]])
    fed[fed >= V] = 1
    hidden = network.decoder.recurrent(network.decoder.embedding(fed), state)[0]
    memory, n = values[0], SOURCE.shape[1]
    ways = [[transition(network, memory, d, i) for i in range(n)] for d in hidden]
    emitted = [
        [emission(network, memory[j], d, COPY_IDS[0, j], token) for j in range(n)]
        for d, token in zip(hidden, target, strict=True)
    ]
    for alignment in product(range(n), repeat=len(target)):
        probability, last = 1.0, 0
        for t, j in enumerate(alignment):
            probability = probability * ways[t][last][j] * emitted[t][j]
            last = j
        yield alignment, probability


def log_likelihood(network, target):
    target = torch.tensor([target])
    copy = network.copies
    logits = network(target=target, **sources(copy)).logits
    return logits.gather(2, target[:, :, None]).sum()


@every_attention
def test_likelihood_and_its_gradient_equal_the_sum_over_all_alignments(
    order, monotonic, copy
):
    network = make(order, monotonic, copy)
    target = TARGETS[copy]
    weights = list(network.parameters())

    mine = log_likelihood(network, target)
    other = torch.stack([p for _, p in every_alignment(network, target)]).sum().log()

    torch.testing.assert_close(mine, other, atol=1e-10, rtol=0)
    gradients = zip(
        torch.autograd.grad(mine, weights, allow_unused=True),
        torch.autograd.grad(other, weights, allow_unused=True),
        strict=True,
    )
    for own, its in gradients:
        assert (own is None) == (its is None)
        if own is not None:
            torch.testing.assert_close(own, its, atol=1e-6, rtol=0)


@every_attention
def test_posterior_and_best_alignment_equal_those_of_enumeration(
    order, monotonic, copy
):
    network = make(order, monotonic, copy)
    target = TARGETS[copy]
    with torch.no_grad():
        paths, probs = zip(*every_alignment(network, target), strict=True)
    probs = torch.stack(probs)
    paths = torch.tensor(paths)
    expected = F.one_hot(paths, 4).double() * (probs / probs.sum())[:, None, None]

    posterior, best = network.align(
        target=torch.tensor([target]),
        target_positions=torch.tensor([4]),
        **sources(copy),
    )

    torch.testing.assert_close(posterior[0], expected.sum(dim=0), atol=1e-6, rtol=0)
    assert best[0].equal(paths[probs.argmax()])


@every_attention
def test_beam_finds_what_enumeration_finds(order, monotonic, copy):
    """All targets of up to two tokens, with their exact log-probabilities."""
    network = make(order, monotonic, copy)
    tokens = [2, 3, 4, V + 1] if copy else [2, 3, 4]
    targets = [[*x, 0] for n in range(3) for x in product(tokens, repeat=n)]
    with torch.no_grad():
        expected = torch.stack([log_likelihood(network, x) for x in targets])
    ranked = expected.sort(descending=True)
    state = network.start(**sources(copy))

    # Position 2 holds what position 1 does, and is copied under its name.
    found = search(
        network.step, state, torch.tensor([2]), BeamSearch(len(targets), len(targets))
    )

    n = 6
    for k in range(n):
        row = found.tokens[0, k].tolist()
        assert row[: row.index(0) + 1] == targets[ranked.indices[k]]
    torch.testing.assert_close(
        found.log_probs[0, :n].double(), ranked.values[:n], atol=1e-5, rtol=0
    )


def test_monotonic_alignments_never_go_back():
    network = make(1, True, False)
    posterior, best = network.align(
        target=torch.tensor([TARGETS[False]]),
        target_positions=torch.tensor([4]),
        **sources(False),
    )
    assert (best.diff() >= 0).all()
    assert posterior.sum(dim=2).sub(1).abs().max() < 1e-10


def test_padding_does_not_change_alignments():
    network = make(1, False, True)
    pair = {"target": torch.tensor([TARGETS[True]]), **sources(True)}
    wide = {name: F.pad(x, (0, 2)) for name, x in pair.items() if x.ndim == 2}
    n = torch.tensor([4])

    posterior, best = network.align(**pair, target_positions=n)
    padded, its_best = network.align(**(pair | wide), target_positions=n)

    torch.testing.assert_close(padded[:, :4, :4], posterior)
    assert its_best[:, :4].equal(best)
    assert (padded[:, 4:] == 0).all()


def test_tokens_that_are_dropped_are_unknown_on_both_sides():
    """A dropped token is read as unknown wherever it stands, in the target too."""
    network = make(1, False, True, unknown_dropout=(0.5, 0.0)).train()
    fed = []
    for part in (network.encoder, network.decoder):
        part.embedding.register_forward_hook(lambda _, args, __: fed.append(args[0]))
    source = torch.tensor([[2, 3, 2, 3, 0]])
    target = torch.tensor([[2, 3, 2, 4, 0]])

    for _ in range(20):
        fed.clear()
        network(source, torch.tensor([5]), target, copy_ids=source)
        read, written = (x[0].tolist() for x in fed)
        assert read[0] == read[2] == written[1] == written[3]
        assert read[1] == read[3] == written[2]
        assert written[4] == 4
        assert read[4] == written[0] == 0


def test_too_large_batches_are_refused_with_what_to_do(monkeypatch):
    monkeypatch.setattr(_hard_decoder, "MOST", 4 * 4 * V - 1)
    with pytest.raises(ValueError, match=r"1 pairs of up to 4 and 4 .* batch_size"):
        log_likelihood(make(1, False, False), TARGETS[False])


# Behind fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        {"label_smoothing": 0.0, "encoder_loss_weight": 0.2},
        {"teacher_forcing": (1.0, 0.5)},
        {"precision": "bfloat16"},
        {"attention_order": 0, "max_epochs": 60},
        {"monotonic": True, "early_stopping": True, "scoring": "exact_match"},
        {"copy": True, "unknown_dropout": 0.1, "dropout": 0.1},
    ],
)
def test_every_objective_and_precision_learns(words, shouted, params):
    y = words if params.get("copy") else shouted
    model = Seq2SeqTransformer(**{**TINY, "attention": "hard", **params})
    assert model.fit(words, y).score(words, y) > 0.5
    table = model.predict_nbest(words, 3)
    given = model.log_likelihood([words[i] for i in table.row], table.sequence)
    np.testing.assert_allclose(given, table.log_probability, atol=1e-4)


def test_a_weight_of_two_is_two_rows(words, shouted):
    model = Seq2SeqTransformer(**{**TINY, "attention": "hard", "batch_size": 400})
    weight = 1.0 + np.arange(len(words)) % 2
    twice = np.repeat(np.arange(len(words)), weight.astype(int))
    model.set_params(max_epochs=3).fit(words, shouted, sample_weight=weight)
    weighted = model.log_likelihood(words, shouted)
    model.fit([words[i] for i in twice], [shouted[i] for i in twice])
    np.testing.assert_allclose(
        model.log_likelihood(words, shouted), weighted, atol=1e-2
    )


def test_letters_never_seen_are_moved_as_they_stand():
    """Two words change places; the letters of the test are all new."""

    def pairs(letters, n, rng):
        names = [["".join(rng.choice(letters, 3)) for _ in "12"] for _ in range(n)]
        return [f"{a}, {b}" for a, b in names], [f"{b} {a}" for a, b in names]

    rng = np.random.default_rng(0)
    X, y = pairs(list("abcdefgh"), 100, rng)
    X_new, y_new = pairs(list("stuvwxyz"), 50, rng)
    model = Seq2SeqTransformer(
        attention="hard",
        copy=True,
        unknown_dropout=0.2,
        **{**TINY, "hidden_size": 32, "embedding_size": 16, "max_epochs": 40},
    )
    assert model.fit(X, y).score(X_new, y_new) > 0.9
