"""The benchmark command works; how fast anything is, it is for the command to say."""

import copy
import json

import numpy as np
import pytest
import torch

from benchmarks import __main__ as command
from benchmarks._data import Pairs
from benchmarks._measure import Row, Settings, apart, by_turns, median_ratio
from benchmarks._report import line, plot, write
from benchmarks.bare_loop import BarePairs, bare_decoder, bare_twin
from benchmarks.growth import _slopes, fit_strings
from benchmarks.training import LoopFromFile, OurLoop, TheirLoop, measure_overhead
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._batches import PairDataset

QUICK = Settings(quick=True)
X = ["abc", "b", "cab", "ba", "acca", "bb"]
Y = ["c b a", "b", "b a c", "a b", "a c c a", "b b"]


def pairs():
    return Pairs(X, Y, SequenceVectorizer(), SequenceVectorizer(analyzer="word"))


def small_model(**params):
    sides = {"source_vectorizer": pairs().source, "target_vectorizer": pairs().target}
    sizes = {"hidden_size": 8, "embedding_size": 6}
    params = {"max_epochs": 1, "random_state": 0} | params
    return Seq2SeqTransformer(**sides, **sizes, **params).fit(X, Y)


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bare_loop_is_the_same_network(cell, stepped):
    model = small_model(cell=cell, input_feeding=stepped)
    bare = bare_twin(model).eval()
    rows = torch.arange(len(X))
    ids, lengths, previous, target = BarePairs(*pairs().ids()).take(rows)
    tokens = [
        vectorizer.transform(side)
        for vectorizer, side in (
            (model.source_vectorizer_, X),
            (model.target_vectorizer_, Y),
        )
    ]
    dataset = PairDataset(*tokens, source_size=9, target_size=9)
    inputs, _ = dataset.__getitems__(rows.numpy())

    with torch.inference_mode():
        theirs = bare(ids, lengths, previous)
        ours = model.net_.module_(**inputs).logits

    counts = target >= 0
    torch.testing.assert_close(ours[counts], theirs[counts])
    assert sum(w.numel() for w in bare.parameters()) == model.n_parameters_


def test_bare_loop_decodes_as_the_package_does():
    model = small_model(max_epochs=30, learning_rate=0.05, dropout=0.0)
    wide = copy.copy(model).set_params(beam_width=5)
    bare = bare_decoder(model)

    assert model.predict(X).tolist() == bare.greedy(X, 5, 4)
    assert wide.predict(X).tolist() == bare.beam(X, 6, 4)


@pytest.mark.parametrize("stepped", [False, True])
def test_loops_train_an_epoch_and_say_how_long_it_took(stepped):
    clock = Settings(cpu_time=True).clock
    ours = OurLoop(pairs(), clock, cell="gru", input_feeding=stepped)
    theirs = TheirLoop(pairs(), clock, "gru", stepped)
    first = theirs.network.train_epoch(theirs.pairs, theirs.optimizer)

    taken = by_turns([ours, theirs], 2)

    assert np.shape(taken) == (2, 2)
    assert np.min(taken) > 0
    assert ours.model.n_iter_ == 2
    assert theirs.network.train_epoch(theirs.pairs, theirs.optimizer) < first


def test_loop_from_a_file_gets_a_letter_a_token_and_its_epoch_is_read(tmp_path):
    script = tmp_path / "loop.py"
    script.write_text(
        "import json, pathlib, sys\n"
        "given = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        "lines = pathlib.Path(given['--train']).read_text('utf8').splitlines()\n"
        "halves = [line.split('\\t') for line in lines]\n"
        "n = sum(len(x) + len(y.split(' ')) for x, y in halves)\n"
        "assert given['--decoder'] == 'stepped'\n"
        "print(json.dumps({'epoch_s': {'median': n}}))\n"
    )

    n_tokens = sum(map(len, X)) + sum(len(y.split()) for y in Y)
    assert LoopFromFile(script, pairs().spelled(), stepped=True)() == n_tokens


def test_by_turns_changes_who_is_first():
    calls = []

    def side(name):
        return lambda: calls.append(name) or len(calls)

    assert by_turns([side("a"), side("b")], 2) == [[1, 4], [2, 3]]
    assert calls == ["a", "b", "b", "a"]
    assert median_ratio([2, 9, 8], [1, 1, 2]) == 4


def test_apart_gives_result_and_peak_of_another_process():
    result, peak = apart(sum, [1, 2])

    assert result == 3
    assert peak > 1


def test_slopes_are_those_of_the_fit_from_the_least_size_on():
    found = {n: ((3.0 * n, 100.0), 100.0 + 5 * n**0.5) for n in (10, 100, 1000)}
    found[1] = ((9000.0, 0.0), 1e6)
    time, memory = _slopes("pairs", dict(sorted(found.items())), (0.9, 1.1), 10)

    np.testing.assert_allclose([time.ratio, memory.ratio], [1, 0.5])
    assert time.met
    assert memory.met is None
    assert fit_strings(40, 3, 5, QUICK)[0] > 0


@pytest.mark.parametrize(
    ("ratio", "goal", "met"),
    [(0.9, (0.95, None), False), (2.0, (None, 2.5), True), (1.0, (None, None), None)],
)
def test_row_says_whether_its_goal_is_met(ratio, goal, met):
    row = Row("part", "name", ratio, goal, 1234.5, None, "words/s")

    assert row.met is met
    assert ("missed" in line(row)) == (met is False)
    assert "1,234" in line(row)


def test_written_rows_keep_those_of_other_parts(tmp_path):
    path = tmp_path / "rows.json"
    write(path, QUICK, [Row("one", "a", 1.0), Row("two", "b", 2.0)])

    rows = write(path, QUICK, [Row("one", "c", 3.0)])

    assert [(row.part, row.name) for row in rows] == [("one", "c"), ("two", "b")]


def test_overhead_is_a_share_of_a_step():
    (row,) = measure_overhead(QUICK)

    assert 0 < row.ratio < 1
    assert row.ours < row.theirs


def test_command_prints_a_table_and_writes_json_and_plot(tmp_path, capsys):
    report, picture = tmp_path / "ratios.json", tmp_path / "ratios.png"
    options = ["--quick", "--only", "vectorizer", "padding"]
    options += ["--json", str(report), "--plot", str(picture)]

    rows = command.main(options)

    printed = capsys.readouterr().out
    assert all(row.name in printed for row in rows)
    parts = json.loads(report.read_text("utf8"))["parts"]
    assert parts.keys() == {"vectorizer", "padding"}
    assert set(parts["padding"]["rows"][0]) == set(vars(rows[0]))
    assert parts["padding"]["machine"]["quick"]
    assert picture.stat().st_size > 10_000


def test_plot_draws_bars_and_curves(tmp_path):
    details = {"by": "pairs", "sizes": [10, 100], "values": [1, 9]}
    rows = [
        Row("training", "a", 0.5, (0.95, None)),
        *(
            Row("growth", what, 0.95, details=details | {"what": what})
            for what in ("time", "memory")
        ),
    ]

    plot(tmp_path / "all.png", rows)
    plot(tmp_path / "bars.png", rows[:1])

    sizes = [(tmp_path / f"{name}.png").stat().st_size for name in ("all", "bars")]
    assert sizes[0] > sizes[1] > 5_000
