"""The search against brute force over everything a small model can say."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import stats

from sklearn_seq2seq._decoding import _search
from sklearn_seq2seq._decoding._beam_and_sampling import BeamSearch, Greedy, Sampler
from sklearn_seq2seq._decoding._constraint_parameters import trie_edges
from sklearn_seq2seq._decoding._constraints import (
    Ban,
    Constraint,
    Copies,
    NoRepeat,
    Prefix,
    Trie,
)
from sklearn_seq2seq._tokens import BOUNDARY, FIRST_TOKEN, UNKNOWN, from_flat

NEVER = -np.inf


class Table:
    """A model whose next-token probabilities are random, but fixed, per history."""

    def __init__(self, n_tokens, seed, ends=True):
        self.size = FIRST_TOKEN + n_tokens
        self.seed = seed
        self.ends = ends
        self.known = {}

    def log_probs(self, source, history):
        key = (source, *history)
        if key not in self.known:
            rng = np.random.default_rng([self.seed, *key])
            log_probs = np.log(rng.dirichlet(np.ones(self.size)))
            if not self.ends:
                log_probs[BOUNDARY] = -50.0
            self.known[key] = log_probs.astype(np.float32)
        return self.known[key]

    def price(self, source, tokens):
        """Log-probability of a whole sequence, its end included."""
        steps = [*tokens, BOUNDARY]
        return sum(
            float(self.log_probs(source, tuple(tokens[:t]))[token])
            for t, token in enumerate(steps)
        )

    def step(self, state, previous):
        rows = [
            (source, () if history is None else (*history, token))
            for (source, history), token in zip(
                state.rows, previous.tolist(), strict=True
            )
        ]
        log_probs = np.array([self.log_probs(*row) for row in rows])
        return torch.from_numpy(log_probs), TableState(rows)

    def start(self, sources):
        return TableState([(source, None) for source in sources])


class TableState:
    def __init__(self, rows):
        self.rows = rows

    def select(self, hypotheses, sources=None):
        return TableState([self.rows[i] for i in hypotheses.tolist()])


def run(table, strategy, n_sources=3, limit=4, sources=None, **options):
    sources = range(n_sources) if sources is None else sources
    limits = torch.as_tensor(limit).expand(len(sources)).clone()
    return _search.search(table.step, table.start(sources), limits, strategy, **options)


def listed(found, source):
    """Hypotheses of one source as ``[(tokens, log_prob)]``."""
    rows = zip(found.tokens[source].tolist(), found.log_probs[source], strict=True)
    return [
        (tuple(row[: [*row, 0].index(0)]), float(log_prob))
        for row, log_prob in rows
        if log_prob > NEVER
    ]


def brute_force(table, source, limit, allowed=lambda tokens: True, penalty=0.0):
    """Everything the model can say, best first, as ``[(tokens, log_prob)]``."""
    tokens = range(FIRST_TOKEN, table.size)
    sequences = [s for n in range(limit + 1) for s in product(tokens, repeat=n)]
    priced = [(s, table.price(source, s)) for s in sequences if allowed(s)]

    def score(pair):
        return pair[1] / ((5 + len(pair[0]) + 1) / 6) ** penalty

    return sorted(priced, key=score, reverse=True)


def check_ranking(found, expected, source):
    got = listed(found, source)[: len(expected)]
    assert [s for s, _ in got] == [s for s, _ in expected[: len(got)]]
    np.testing.assert_allclose(
        [p for _, p in got], [p for _, p in expected[: len(got)]], atol=1e-4
    )
    return len(got)


WIDE = 1500


@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.5])
@pytest.mark.parametrize(("n_tokens", "limit"), [(1, 5), (3, 4), (4, 4)])
@pytest.mark.parametrize("seed", [0, 1])
def test_beam_ranks_as_brute_force(n_tokens, limit, penalty, seed):
    table = Table(n_tokens, seed)
    found = run(table, BeamSearch(WIDE, WIDE, penalty), limit=limit)
    for source in range(3):
        expected = brute_force(table, source, limit, penalty=penalty)
        assert check_ranking(found, expected, source) == len(expected)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("n_best", [1, 7])
def test_beam_may_stop_early_without_losing_the_best(n_best, penalty):
    table = Table(3, seed=5)
    found = run(table, BeamSearch(400, n_best, penalty), n_sources=8, limit=4)
    for source in range(8):
        expected = brute_force(table, source, 4, penalty=penalty)[:n_best]
        assert check_ranking(found, expected, source) == n_best


def test_the_bound_of_a_beam_counts_the_end():
    table = Table(1, seed=0)
    # At the limit of one token, [2] has two positions to share its price.
    table.known = {
        (0,): np.log(np.float32([0.49, 0.03, 0.48])),
        (0, 2): np.log(np.float32([0.999, 0.0005, 0.0005])),
    }
    expected = brute_force(table, 0, 1, penalty=1.0)
    assert [tokens for tokens, _ in expected] == [(2,), ()]
    found = run(table, BeamSearch(2, 1, 1.0), n_sources=1, limit=1)
    assert listed(found, 0)[0][0] == (2,)


def test_beam_over_five_steps_finds_the_most_probable_sequence():
    table = Table(4, seed=3)
    found = run(table, BeamSearch(WIDE), n_sources=2, limit=5)
    for source in range(2):
        check_ranking(found, brute_force(table, source, 5)[:1], source)


def no_repeat(n):
    def allowed(tokens):
        grams = [tokens[i : i + n] for i in range(len(tokens) - n + 1)]
        return len(grams) == len(set(grams))

    return allowed


PREFIXES = [(2, 3), (), (4,)]
MEMBERS = [(2,), (2, 3), (2, 3, 4), (4, 4, 2, 2), (3, 2), ()]


def prefixes():
    return Prefix(torch.tensor([[2, 3], [0, 0], [4, 0]]))


def trie(members, n_sources=3):
    flat = [token for member in members for token in member]
    tokens = from_flat(flat, [len(member) for member in members], 5)
    return Trie(torch.from_numpy(trie_edges(tokens)), n_sources)


CASES = {
    "ban": (
        lambda: [Ban(torch.tensor([3]))],
        lambda source: lambda tokens: 3 not in tokens,
    ),
    "prefix": (
        lambda: [prefixes()],
        lambda source: (
            lambda tokens: tokens[: len(PREFIXES[source])] == PREFIXES[source]
        ),
    ),
    "trie": (
        lambda: [trie(MEMBERS)],
        lambda source: lambda tokens: tokens in MEMBERS,
    ),
    "trie and ban": (
        lambda: [trie(MEMBERS), Ban(torch.tensor([3]))],
        lambda source: lambda tokens: tokens in MEMBERS and 3 not in tokens,
    ),
    "trie and prefix": (
        lambda: [trie([*MEMBERS, (2, 3, 3)]), prefixes()],
        lambda source: (
            lambda tokens: (
                tokens in [*MEMBERS, (2, 3, 3)]
                and tokens[: len(PREFIXES[source])] == PREFIXES[source]
            )
        ),
    ),
    "no repeat 1": (lambda: [NoRepeat(1)], lambda source: no_repeat(1)),
    "no repeat 2": (lambda: [NoRepeat(2)], lambda source: no_repeat(2)),
    "min length": (list, lambda source: lambda tokens: len(tokens) >= 2),
}


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("case", CASES)
def test_constrained_beam_ranks_as_brute_force(case, penalty):
    constraints, allowed = CASES[case]
    table = Table(3, seed=11)
    found = run(
        table,
        BeamSearch(WIDE, WIDE, penalty),
        constraints=constraints(),
        min_length=2 if case == "min length" else 0,
    )
    for source in range(3):
        expected = brute_force(table, source, 4, allowed(source), penalty)
        assert check_ranking(found, expected, source) == len(expected) > 0


@pytest.mark.parametrize("case", CASES)
def test_constraints_hold_for_greedy_narrow_beams_and_samples(case):
    constraints, allowed = CASES[case]
    table = Table(3, seed=12)
    strategies = [
        Greedy(),
        BeamSearch(2),
        Sampler(20, torch.Generator().manual_seed(0)),
    ]
    if case == "trie and ban":
        # What starts well can come to a dead end, unless the beam is wide enough.
        strategies = [BeamSearch(20)]
    for strategy in strategies:
        found = run(
            table,
            strategy,
            constraints=constraints(),
            min_length=2 if case == "min length" else 0,
        )
        for source in range(3):
            best, log_prob = listed(found, source)[0]
            assert allowed(source)(best)
            assert log_prob == pytest.approx(table.price(source, best), abs=1e-4)


def test_greedy_is_a_beam_of_width_one():
    table = Table(4, seed=2)
    greedy = run(table, Greedy(), n_sources=40, limit=6)
    beam = run(table, BeamSearch(1), n_sources=40, limit=6)
    penalised = run(table, BeamSearch(1, 1, 0.7), n_sources=40, limit=6)
    for source in range(40):
        tokens = ()
        while len(tokens) < 6:
            log_probs = table.log_probs(source, tokens).copy()
            log_probs[UNKNOWN] = NEVER
            best = int(log_probs.argmax())
            if best == BOUNDARY:
                break
            tokens = (*tokens, best)
        ((got, log_prob),) = listed(greedy, source)
        assert got == tokens
        assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-4)
        assert listed(beam, source) == [(got, log_prob)]
        assert listed(penalised, source) == [(got, log_prob)]


def test_scores_are_the_sum_of_the_steps_with_the_end():
    table = Table(3, seed=4)
    found = run(table, BeamSearch(5, 5), n_sources=10, limit=4)
    for source in range(10):
        for tokens, log_prob in listed(found, source):
            assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-4)


@pytest.mark.parametrize("least_share", [_search.LEAST_SHARE, 0.0, 0.75, 1.0])
@pytest.mark.parametrize("strategy", [Greedy(), BeamSearch(5, 5), BeamSearch(3, 1, 1)])
def test_company_changes_nothing(strategy, least_share, monkeypatch):
    monkeypatch.setattr(_search, "LEAST_SHARE", least_share)
    table = Table(4, seed=6)
    sources = [7, 3, 3, 11, 0, 5, 21, 22, 23, 24]
    limits = torch.tensor([4, 9, 9, 1, 0, 5, 8, 8, 8, 8])
    members = [(2,), (2, 3, 3), (4, 5), (5,) * 8]
    batch = run(table, strategy, sources=sources, limit=limits)
    closed = run(
        table,
        strategy,
        sources=sources,
        limit=torch.full((10,), 8),
        constraints=[trie(members, 10), NoRepeat(3)],
    )
    for k, source in enumerate(sources):
        alone = run(table, strategy, sources=[source], limit=limits[k : k + 1])
        assert listed(batch, k) == listed(alone, 0)
        alone = run(
            table,
            strategy,
            sources=[source],
            limit=8,
            constraints=[trie(members, 1), NoRepeat(3)],
        )
        assert listed(closed, k) == listed(alone, 0)


def test_two_tokens_give_as_many_hypotheses_as_there_are():
    table = Table(1, seed=0)
    found = run(table, BeamSearch(10, 10), limit=2)
    for source in range(3):
        expected = brute_force(table, source, 2)
        assert check_ranking(found, expected, source) == len(expected) == 3
        assert len(listed(found, source)) == 3


@pytest.mark.parametrize("strategy", [Greedy(), BeamSearch(4, 4)])
def test_a_model_that_never_ends_is_capped_and_marked(strategy):
    table = Table(3, seed=1, ends=False)
    limits = torch.tensor([3, 5, 2])
    found = run(table, strategy, limit=limits)
    assert found.capped[:, 0].all()
    for source, limit in enumerate(limits.tolist()):
        tokens, log_prob = listed(found, source)[0]
        assert len(tokens) == limit
        assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-3)


def test_an_end_of_the_models_own_is_not_marked():
    table = Table(2, seed=1)
    found = run(table, Greedy(), n_sources=50, limit=30)
    assert not found.capped.any()


def test_unknown_token_only_on_request():
    table = Table(2, seed=8)
    quiet = run(table, BeamSearch(30, 30), n_sources=20)
    spoken = run(table, BeamSearch(30, 30), n_sources=20, emit_unknown=True)
    assert not (quiet.tokens == UNKNOWN).any()
    assert (spoken.tokens == UNKNOWN).any()


class Wall(Constraint):
    """Forbids everything from a step on."""

    def __init__(self, step):
        self.step = step

    def forbid(self, log_probs, free, beam):
        if beam.history.shape[2] >= self.step:
            log_probs.fill_(NEVER)


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize(
    "strategy",
    [
        Greedy(),
        BeamSearch(3),
        Sampler(3, torch.Generator().manual_seed(0)),
    ],
)
def test_where_everything_is_blocked_the_best_so_far_is_returned(strategy, step):
    table = Table(3, seed=9, ends=False)
    found = run(table, strategy, limit=5, constraints=[Wall(step)])
    assert found.capped[:, 0].all()
    for source in range(3):
        tokens, log_prob = listed(found, source)[0]
        assert len(tokens) == step
        assert UNKNOWN not in tokens
        assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-3)
        if isinstance(strategy, BeamSearch):
            every = brute_force(table, source, step, lambda s: len(s) == step)
            assert tokens == every[0][0]


def test_prefix_wins_over_bans_and_repeats():
    table = Table(3, seed=10)
    constraints = [
        NoRepeat(1),
        Ban(torch.tensor([2])),
        Prefix(torch.tensor([[2, 2, 2]] * 3)),
    ]
    found = run(table, BeamSearch(3), constraints=constraints)
    for source in range(3):
        tokens, log_prob = listed(found, source)[0]
        assert tokens[:3] == (2, 2, 2)
        assert tokens[3:] in {(), (3,), (4,)}
        assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-4)


def test_copies_of_nothing_are_never_made():
    # Vocabulary of 3, sources of 3 positions: 5 is a token first seen at position 2.
    copies = Copies(torch.tensor([[2, 5, 5], [2, 2, 0]]), 3)
    table = Table(4, seed=0)
    found = run(table, BeamSearch(9, 9), n_sources=2, limit=1, constraints=[copies])
    assert {tokens for tokens, _ in listed(found, 0)} == {(), (2,), (5,)}
    assert {tokens for tokens, _ in listed(found, 1)} == {(), (2,)}


# Sampling ---------------------------------------------------------------------------


def draw(table, n_samples, seed=0, limit=3, **options):
    strategy = Sampler(n_samples, torch.Generator().manual_seed(seed), **options)
    return run(table, strategy, limit=limit)


def expected_frequencies(table, source, limit, reshape):
    """Exact probability of every sequence, each step's probabilities reshaped."""
    probabilities = {}

    def walk(tokens, p):
        log_probs = table.log_probs(source, tokens).astype(np.float64).copy()
        log_probs[UNKNOWN] = NEVER
        if len(tokens) == limit:
            probabilities[tokens] = p
            return
        q = reshape(log_probs)
        probabilities[tokens] = p * q[BOUNDARY]
        for token in range(FIRST_TOKEN, table.size):
            if q[token] > 0:
                walk((*tokens, token), p * q[token])

    walk((), 1.0)
    return {s: p for s, p in probabilities.items() if p > 0}


def normalise(log_probs):
    p = np.exp(log_probs - log_probs.max())
    return p / p.sum()


def keep_top_k(log_probs, k=2):
    least = np.sort(log_probs)[-k]
    return normalise(np.where(log_probs >= least, log_probs, NEVER))


def keep_top_p(log_probs, p=0.6):
    q = normalise(log_probs)
    order = np.argsort(-q)
    n = int(np.searchsorted(np.cumsum(q[order]), p)) + 1
    kept = np.zeros_like(q)
    kept[order[:n]] = q[order[:n]]
    return kept / kept.sum()


@pytest.mark.parametrize(
    ("options", "reshape"),
    [
        ({}, normalise),
        ({"temperature": 0.5}, lambda x: normalise(x / 0.5)),
        ({"temperature": 2.0}, lambda x: normalise(x / 2.0)),
        ({"top_k": 2}, keep_top_k),
        ({"top_p": 0.6}, keep_top_p),
    ],
    ids=["plain", "colder", "hotter", "top_k", "top_p"],
)
def test_samples_come_with_their_probability(options, reshape):
    table = Table(2, seed=20)
    n_samples = 4000
    found = draw(table, n_samples, limit=2, **options)
    for source in range(3):
        exact = expected_frequencies(table, source, 2, reshape)
        drawn = [tokens for tokens, _ in listed(found, source)]
        assert len(drawn) == n_samples
        assert set(drawn) <= set(exact)
        counts = np.array([drawn.count(tokens) for tokens in exact])
        expected = n_samples * np.array(list(exact.values()))
        # The chi-squared approximation wants at least five of each kind.
        few = expected < 5
        counts = np.append(counts[~few], counts[few].sum())
        expected = np.append(expected[~few], expected[few].sum())
        kept = expected > 0
        assert not counts[~kept].any()
        if kept.sum() > 1:
            result = stats.chisquare(counts[kept], expected[kept])
            assert result.pvalue > 1e-3


def test_samples_report_the_models_own_probability():
    table = Table(3, seed=21)
    found = draw(table, 20, temperature=0.5, top_k=3)
    for source in range(3):
        for tokens, log_prob in listed(found, source):
            assert log_prob == pytest.approx(table.price(source, tokens), abs=1e-4)


@pytest.mark.parametrize("options", [{"temperature": 0}, {"top_k": 1}, {"top_p": 1e-9}])
def test_sampling_without_chance_is_greedy(options):
    table = Table(3, seed=22)
    greedy = run(table, Greedy(), limit=3)
    found = draw(table, 3, **options)
    for source in range(3):
        assert listed(found, source) == listed(greedy, source) * 3


def test_one_sample_and_seeds():
    table = Table(3, seed=23)
    first, same, other = (draw(table, 1, seed=seed, limit=9) for seed in (0, 0, 1))
    assert torch.equal(first.tokens, same.tokens)
    assert not torch.equal(first.log_probs, other.log_probs)


# The trie ---------------------------------------------------------------------------


def dict_trie(members):
    root = {}
    for member in members:
        node = root
        for token in [*member, BOUNDARY]:
            node = node.setdefault(token, {})
    return root


@pytest.mark.parametrize("seed", range(3))
def test_trie_edges_are_those_of_a_dict_trie(seed):
    rng = np.random.default_rng(seed)
    members = [
        tuple(rng.integers(FIRST_TOKEN, 5, size=rng.integers(0, 6)).tolist())
        for _ in range(40)
    ]
    flat = [token for member in members for token in member]
    edges = trie_edges(from_flat(flat, [len(m) for m in members], 7)).tolist()
    assert edges == sorted(edges)
    assert len({child for _, _, child in edges}) == len(edges)

    def unfold(node):
        return {token: unfold(child) for at, token, child in edges if at == node}

    assert unfold(0) == dict_trie(members)
