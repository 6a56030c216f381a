"""The edit transducer of the benchmarks does what its papers say."""

from itertools import product

import pytest
import torch

from benchmarks import edit_transducer
from benchmarks._edit_transducer import (
    COPY,
    DELETE,
    END,
    NEVER,
    EditTransducer,
    Expert,
    Network,
    Pairs,
    costs_to_go,
    edit_costs,
)
from sklearn_seq2seq import SequenceVectorizer
from sklearn_seq2seq._network._layers import Dropout, Randomness, initialise

# Source ids 2 to 4 are copied as the target ids 3, 4 and 6, of which the last is new.
COPIED = torch.tensor([0, 1, 3, 4, 6])
SOURCE_SIZE, TARGET_SIZE = 5, 6


def small_pairs():
    """Pairs of up to 3 and 4 tokens."""
    source = torch.tensor([[2, 3, 4, 0], [3, 3, 0, 0], [4, 0, 0, 0], [2, 4, 2, 0]])
    target = torch.tensor(
        [[3, 4, 2, 5, 0], [4, 4, 0, 0, 0], [5, 2, 5, 0, 0], [3, 5, 0, 0, 0]]
    )
    lengths = ((x > 0).sum(dim=1) for x in (source, target))
    n_source, n_target = lengths
    return Pairs(source, COPIED[source], n_source, target, n_target)


def rest(substitute, delete, insert, i, j):
    """Least cost from (i, j) on, over all sequences of edits."""
    n_source, n_target = len(delete), len(insert)
    if (i, j) == (n_source, n_target):
        return 0.0
    ways = []
    if i < n_source:
        ways.append(delete[i] + rest(substitute, delete, insert, i + 1, j))
    if j < n_target:
        ways.append(insert[j] + rest(substitute, delete, insert, i, j + 1))
    if i < n_source and j < n_target:
        ways.append(substitute[i, j] + rest(substitute, delete, insert, i + 1, j + 1))
    return min(ways)


def edit_distance(a, b):
    if not a or not b:
        return len(a) + len(b)
    return min(
        edit_distance(a[:-1], b) + 1,
        edit_distance(a, b[:-1]) + 1,
        edit_distance(a[:-1], b[:-1]) + (a[-1] != b[-1]),
    )


def test_costs_to_go_are_least_over_all_sequences_of_edits():
    torch.manual_seed(0)
    sizes = [(3, 4), (1, 4), (3, 2), (0, 1), (2, 0)]
    parts = [torch.rand(5, *shape).double() for shape in ((3, 4), (3,), (4,))]
    end = torch.zeros(5, 4, 5, dtype=torch.bool)
    for row, (s, t) in enumerate(sizes):
        end[row, s, t] = True

    found = costs_to_go(*parts, end)

    for row, (s, t) in enumerate(sizes):
        costs = parts[0][row, :s, :t], parts[1][row, :s], parts[2][row, :t]
        for i, j in product(range(s + 1), range(t + 1)):
            assert found[row, i, j] == pytest.approx(float(rest(*costs, i, j)))
    assert (found[1, 2:] > NEVER / 2).all()


def optimal_by_force(edits, pairs, row, i, output):
    """The best actions after an output at a place, from the costs of single edits."""
    n_source, target = int(pairs.n_source[row]), pairs.target[row].tolist()
    target = target[: int(pairs.n_target[row])]
    substitute, delete, insert = edits
    costs = (
        substitute[row, :n_source, : len(target)],
        delete[row, :n_source],
        insert[row, : len(target)],
    )
    distances = [edit_distance(output, target[:j]) for j in range(len(target) + 1)]
    found = {}
    for j in range(len(target) + 1):
        if distances[j] > min(distances):
            continue
        ways = []
        if (i, j) == (n_source, len(target)):
            ways.append((END, 0.0))
        if i < n_source:
            ways.append((DELETE, costs[1][i] + rest(*costs, i + 1, j)))
        if j < len(target):
            ways.append((1 + target[j], costs[2][j] + rest(*costs, i, j + 1)))
        if i < n_source and j < len(target):
            copied = pairs.copies[row, i] == target[j]
            action = COPY if copied else TARGET_SIZE - 1 + target[j]
            ways.append((action, costs[0][i, j] + rest(*costs, i + 1, j + 1)))
        for action, cost in ways:
            found[action] = min(float(cost), found.get(action, NEVER))
    least = min(found.values())
    return {action for action, cost in found.items() if cost < least + 1e-6}


def test_expert_knows_the_best_actions_after_any_output():
    pairs = small_pairs()
    edits = edit_costs(pairs, SOURCE_SIZE, TARGET_SIZE)
    expert = Expert(pairs, *edits, TARGET_SIZE)
    rows, several = torch.arange(4), 0
    for output in ([], [3], [5], [3, 4], [3, 2], [4, 4, 4], [3, 4, 2, 5], [5, 3, 2, 2]):
        distance = expert.start(rows)
        for token in output:
            distance = expert.extend(rows, distance, torch.full((4,), token))
            distance = expert.extend(rows, distance, torch.zeros(4).long())
        for i in range(4):
            places = torch.minimum(torch.tensor(i), pairs.n_source)
            optimal = expert.optimal(rows, places, distance)
            for row in range(4):
                best = set(optimal[row].nonzero()[:, 0].tolist())
                place = int(places[row])
                assert best == optimal_by_force(edits, pairs, row, place, output)
                several += len(best) > 1
    assert several


def test_actions_move_and_write():
    network = make_network(TARGET_SIZE)
    actions = torch.tensor([END, DELETE, COPY, COPY, 3, 6, 7, 10])
    copies = torch.tensor([[3, 6, 0]]).expand(8, -1)
    places, written = network.act(
        actions, torch.tensor([1, 1, 0, 1, 1, 1, 0, 1]), copies
    )
    assert places.tolist() == [1, 2, 1, 2, 1, 1, 1, 2]
    assert written.tolist() == [0, 0, 3, 6, 2, 5, 2, 5]


def make_network(target_size, seed=0):
    network = Network(SOURCE_SIZE, target_size, 4, 8, Dropout(0.0, Randomness()))
    initialise(network, torch.Generator().manual_seed(seed))
    return network.eval()


def derivations(network, states, copies, n_source, left, places=(0,), taken=(7,)):
    """Every sequence of up to `left` actions that ends: its score and tokens."""
    log_probs = network(states, n_source, torch.tensor([places]), torch.tensor([taken]))
    log_probs = log_probs[0, -1].tolist()
    yield log_probs[END], []
    for action in range(1, network.n_actions if left > 1 else 1):
        if log_probs[action] < -NEVER / 2:
            continue
        there, token = network.act(
            torch.tensor([action]), torch.tensor(places[-1:]), copies
        )
        path = (*places, int(there)), (*taken, action)
        for score, rest in derivations(
            network, states, copies, n_source, left - 1, *path
        ):
            yield log_probs[action] + score, [x for x in token.tolist() if x] + rest


@torch.no_grad()
def test_wide_beam_finds_the_likeliest_derivation():
    source, n_source = torch.tensor([[2, 3, 0], [3, 0, 0]]), torch.tensor([2, 1])
    copies = torch.tensor([0, 1, 2, 9])[source]
    outputs = []
    for seed in range(5):
        network = make_network(4, seed)
        network.output.weight *= 30
        network.output.bias[END] -= 6
        found = network.search(source, copies, n_source, 2000, 4)
        for row in range(2):
            states = network.encode(source, n_source)
            given = (x[[row]] for x in (states, copies, n_source))
            _, best = max(derivations(network, *given, 4))
            assert [x for x in found[row].tolist() if x] == best
            outputs.append(best)
    assert sum(map(len, outputs)) > 3


def letters(n, seed):
    """Strings of letters."""
    torch.manual_seed(seed)
    return ["".join("abcdef"[k] for k in torch.randint(6, (4,))) for _ in range(n)]


def test_learns_to_copy_what_it_has_not_seen():
    X = letters(60, 0)
    model = EditTransducer(
        SequenceVectorizer(),
        SequenceVectorizer(),
        hidden_size=24,
        embedding_size=12,
        dropout=0.0,
        unknown_dropout=0.2,
        learning_rate=0.01,
        n_steps=120,
    ).fit(X, X)
    assert all(0 <= loss < 20 for loss in model.losses_)
    assert sum(model.losses_[-10:]) < sum(model.losses_[:10]) / 4
    new = [*letters(20, 1), "axyz", "", "f"]
    for width in (1, 5):
        assert model.set_params(beam_width=width).predict(new).tolist() == new


def test_prints_a_row_a_fit_and_the_mean(tmp_path, capsys):
    for part in ("train", "dev", "test"):
        lines = [f"{x}\t{' '.join(x.upper())}\n" for x in letters(20, 0)]
        (tmp_path / f"xyz_{part}.tsv").write_text("".join(lines), encoding="utf-8")
    options = ["--data", str(tmp_path), "--languages", "xyz", "--pairs", "10", "15"]
    options += ["--split", "dev", "test", "--models", "transducer"]
    small = ["--set", "n_steps=2", "hidden_size=8"]
    edit_transducer.main([*options, *small])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split(" | ")[1] for row in rows] == ["10", "10", "15", "15", "", ""]
    assert [row.split(" | ")[4] for row in rows] == ["dev", "test"] * 3
    assert all(row.count("|") == 11 for row in rows)
    assert set(edit_transducer.make_models(["default"], True, 0, {})) == {"default"}
