import numpy as np
import pytest
import torch

from sklearn_seq2seq._network import _attention
from sklearn_seq2seq._network._attention import ATTENTIONS
from sklearn_seq2seq._network._layers import initialise

B, Q, S, H = 3, 2, 5, 4
N_POSITIONS = [5, 1, 3]
NAMES = sorted(ATTENTIONS)

both = pytest.mark.parametrize("directions", [1, 2])
every = pytest.mark.parametrize("name", NAMES)


def make(name, directions, seed=0):
    generator = torch.Generator().manual_seed(seed)
    attention = ATTENTIONS[name](H, directions)
    initialise(attention, generator)
    query = torch.randn(B, Q, H, generator=generator)
    values = torch.randn(B, S, directions * H, generator=generator)
    return attention, query, values


def numpy_score(attention, name, query, value):
    """Score of one query and one value, from the papers' equations."""
    weights = {
        key: weight.detach().numpy() for key, weight in attention.named_parameters()
    }
    if name == "dot":
        return query @ value.reshape(-1, H).sum(axis=0)
    if name == "general":
        return query @ (weights["key.weight"] @ value)
    mixed = weights["query.weight"] @ query + weights["key.weight"] @ value
    return weights["energy.weight"][0] @ np.tanh(mixed + weights["key.bias"])


def test_every_attention_of_this_file_is_tested():
    assert NAMES == ["additive", "dot", "general"]


@every
@both
def test_attention_equals_the_equations(name, directions):
    attention, query, values = make(name, directions)

    memory = attention.remember(values, torch.tensor(N_POSITIONS))
    context, weights = attention(query, memory)

    assert context.shape == (B, Q, directions * H)
    assert weights.shape == (B, Q, S)
    for b, n in enumerate(N_POSITIONS):
        for q in range(Q):
            own = [values[b, s].numpy() for s in range(n)]
            scores = [
                numpy_score(attention, name, query[b, q].numpy(), value)
                for value in own
            ]
            shares = np.exp(scores) / np.exp(scores).sum()
            mean = sum(share * value for share, value in zip(shares, own, strict=True))
            np.testing.assert_allclose(weights[b, q, :n].detach(), shares, atol=1e-6)
            np.testing.assert_allclose(context[b, q].detach(), mean, atol=1e-6)


@every
@both
def test_attention_gives_padding_no_weight(name, directions):
    """Not even where padding would score highest, or holds infinities."""
    attention, query, values = make(name, directions)
    n_positions = torch.tensor(N_POSITIONS)
    padding = torch.arange(S) >= n_positions[:, None]
    loud = values.masked_fill(padding[:, :, None], 1e4)

    _, expected = attention(query, attention.remember(values, n_positions))
    context, weights = attention(query, attention.remember(loud, n_positions))

    assert (weights[padding[:, None].expand_as(weights)] == 0).all()
    assert weights.equal(expected)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(B, Q))
    assert context.abs().max() < 100


@every
@both
def test_attention_ignores_how_wide_the_batch_is(name, directions):
    attention, query, values = make(name, directions)
    n_positions = torch.tensor(N_POSITIONS)
    wider = torch.cat((values, torch.full((B, 4, directions * H), 7.0)), dim=1)

    context, weights = attention(query, attention.remember(values, n_positions))
    wide_context, wide = attention(query, attention.remember(wider, n_positions))

    torch.testing.assert_close(wide[..., :S], weights)
    torch.testing.assert_close(wide_context, context)


@every
def test_attention_learns_nothing_from_padding(name):
    attention, query, values = make(name, 1)
    values.requires_grad_()

    memory = attention.remember(values, torch.tensor(N_POSITIONS))
    attention(query, memory)[0].square().sum().backward()

    padding = torch.arange(S) >= torch.tensor(N_POSITIONS)[:, None]
    assert (values.grad[padding] == 0).all()
    assert (values.grad[~padding] != 0).any(dim=1).all()


@every
def test_memory_keeps_some_rows(name):
    attention, query, values = make(name, 2)
    memory = attention.remember(values, torch.tensor(N_POSITIONS))
    rows = torch.tensor([2, 0])

    kept = attention(query[rows], memory.keep(rows))

    for mine, whole in zip(kept, attention(query, memory), strict=True):
        torch.testing.assert_close(mine, whole[rows])


@pytest.mark.parametrize("at_once", [1, 2 * B * S * H, 10**6])
def test_additive_attention_in_parts_is_the_whole(at_once, monkeypatch):
    """Scores and gradients of the plain formula, however many sums are made at once."""
    monkeypatch.setattr(_attention, "AT_ONCE", at_once)
    attention, query, values = make("additive", 2)
    weights = list(attention.parameters())
    keys = attention.keys(values)
    scores = attention.scores(query, keys)
    sums = attention.query(query)[:, :, None] + keys[:, None]
    plain = torch.tanh(sums) @ attention.energy.weight[0]
    torch.testing.assert_close(scores, plain)
    factor = torch.randn_like(scores)
    for own, other in zip(
        torch.autograd.grad((scores * factor).sum(), weights, retain_graph=True),
        torch.autograd.grad((plain * factor).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(own, other)


def test_additive_attention_does_not_hold_all_sums():
    """Memory of a pass and its gradient: 4,000 by 4,000 positions of 8 units."""
    attention = ATTENTIONS["additive"](8, 1)
    initialise(attention, torch.Generator().manual_seed(0))
    query, values = torch.randn(2, 1, 4000, 8)
    with torch.profiler.profile(profile_memory=True) as profile:
        attention.scores(query, attention.keys(values)).sum().backward()
    largest = max(event.cpu_memory_usage for event in profile.events())
    assert largest < 2 * 4 * 4000**2  # The scores; the sums are eight times that.
