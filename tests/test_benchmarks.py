"""The benchmark command works; how fast anything is, it is for the command to say."""

import argparse
import copy
import functools
import gzip
import importlib
import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.utils import Bunch

from benchmarks import __main__ as command
from benchmarks import (
    _suite_tasks,
    accuracy,
    attention,
    conformal,
    corpus,
    defaults,
    inflection,
    languages,
    layers,
    long_texts,
    scarce_data,
    sentences,
    student,
    suite,
    summarisation,
    translation_memory,
)
from benchmarks._data import Pairs
from benchmarks._measure import Row, Settings, apart, by_turns, median_ratio
from benchmarks._report import line, plot, write
from benchmarks._tasks import TASKS
from benchmarks.bare_loop import BarePairs, bare_decoder, bare_twin
from benchmarks.growth import _slopes, fit_strings
from benchmarks.training import LoopFromFile, OurLoop, TheirLoop, measure_overhead
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq._pairs._dataset import PairDataset

QUICK = Settings(quick=True)
X = ["abc", "b", "cab", "ba", "acca", "bb"]
Y = ["c b a", "b", "b a c", "a b", "a c c a", "b b"]


def pairs():
    return Pairs(X, Y, SequenceVectorizer(), SequenceVectorizer(analyzer="word"))


def small_model(**params):
    sides = {"source_vectorizer": pairs().source, "target_vectorizer": pairs().target}
    sizes = {"hidden_size": 8, "embedding_size": 6}
    params = {"attention": "general", "copy": False, "max_epochs": 1} | params
    return Seq2SeqTransformer(**sides, **sizes, **params, random_state=0).fit(X, Y)


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


def test_attentions_are_compared():
    assert 0 <= attention.copied("dot", True, 1, 0) <= 1
    assert 0 < attention.wrong_phones("general", 1, 0) < 2
    ratios = attention.epoch_times(64, 1)
    assert ratios[attention.KINDS.index("general")] == 1
    assert min(ratios) > 0


def test_wall_time_of_a_script_is_not_compared_with_processor_time(capsys):
    with pytest.raises(SystemExit):
        command.main(["--cpu-time", "--loop", "loop.py"])
    assert "--cpu-time does not measure" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--only", "gpu"],
        ["--device", "cuda", "--only", "training", "search"],
        ["--device", "cuda", "--loop", "loop.py"],
        ["--device", "cuda:99"],
        ["--device", "banana"],
    ],
)
def test_what_a_device_does_not_measure_is_refused(options, capsys):
    with pytest.raises(SystemExit):
        command.main(options)
    assert re.search("error: .*device", capsys.readouterr().err)


@pytest.mark.parametrize("name", ["tried", "tried_before"])
def test_page_has_the_table_of_what_was_tried(name, capsys):
    results = Path(defaults.__file__).with_name(f"{name}.jsonl")
    defaults.print_tables(defaults.read_results(results))
    page = Path(__file__).parents[1] / "docs" / "laboratory.md"
    assert capsys.readouterr().out in page.read_text("utf-8")


def test_page_has_the_table_of_what_was_tried_on_sentences(monkeypatch, capsys):
    run(sentences, monkeypatch)
    page = (ROOT / "docs" / "laboratory.md").read_text("utf-8")
    assert capsys.readouterr().out.strip() in page


def test_a_candidate_that_became_the_start_is_not_measured_again(tmp_path):
    start = {f"{k}={v!r}" for k, v in defaults.START.items()}
    name = next(name for name in defaults.CANDIDATES if name in start)
    results = tmp_path / "tried.jsonl"
    args = argparse.Namespace(
        data=tmp_path, candidates=[name], languages=["hun"], seeds=[0], results=results
    )
    defaults.run(args)
    assert not results.exists()


def test_written_rows_keep_those_of_other_parts(tmp_path):
    path = tmp_path / "rows.json"
    write(path, QUICK, [Row("one", "a", 1.0), Row("two", "b", 2.0)])

    rows = write(path, QUICK, [Row("one", "c", 3.0)])

    assert [(row.part, row.name) for row in rows] == [("one", "c"), ("two", "b")]


def test_overhead_is_a_share_of_a_step():
    for row in measure_overhead(QUICK):
        assert 0 < row.ratio < 1
        assert row.ours < row.theirs
        assert all(min(seconds) > 0 for seconds in row.details.values())


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


# Commands of the pages ----------------------------------------------------------------

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def documented_commands():
    """What the pages call, ``(module, options)`` of each."""
    for page in PAGES:
        text = page.read_text("utf8").replace("\\\n", " ")
        command = r"^\$ (?:\w+=\S+ )*(?:python|torchrun \S+) -m (benchmarks\S*)(.*)$"
        yield from re.findall(command, text, re.M)


def test_pages_call_every_benchmark():
    called = {module.partition(".")[2] for module, _ in documented_commands()}
    own = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "ArgumentParser" in path.read_text("utf8")
    }
    assert own - {"__main__"} == called - {""}


class ParsedError(Exception):
    """A command line was understood."""


@pytest.mark.parametrize(("module", "options"), documented_commands())
def test_documented_command_is_understood(module, options, monkeypatch):
    parse_known_args = argparse.ArgumentParser.parse_known_args

    def stop(parser, *args, **kwargs):
        _, unknown = parse_known_args(parser, *args, **kwargs)
        raise ParsedError(unknown)

    name = module if "." in module else f"{module}.__main__"
    main = importlib.import_module(name).main
    monkeypatch.setattr("sys.argv", [module, *shlex.split(options)])
    monkeypatch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
    with pytest.raises(ParsedError) as parsed:
        main()
    assert parsed.value.args == ([],)


@pytest.fixture
def folder(tmp_path):
    """Words of two letters and their phones, and sentences made of them."""
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefgh"))
    for part, n in (("train", 60), ("dev", 20), ("test", 20)):
        words = ["".join(rng.choice(letters, size=3)) for _ in range(n)]
        lines = [f"{word}\t{' '.join(word.upper())}\n" for word in words]
        (tmp_path / f"xyz_{part}.tsv").write_text("".join(lines), encoding="utf8")
        part = {"dev": "val", "test": "test_2016_flickr"}.get(part, part)
        for language, side in (("en", words), ("de", [word[::-1] for word in words])):
            text = "".join(f"{a} {b}\n" for a, b in zip(side, side[::-1], strict=True))
            path = tmp_path / f"{part}.{language}.gz"
            path.write_bytes(gzip.compress(text.encode()))
    return tmp_path


def run(module, monkeypatch, *options):
    monkeypatch.setattr("sys.argv", [module.__name__, *map(str, options)])
    module.main()


def test_accuracy_prints_a_row_a_language(folder, monkeypatch, capsys):
    options = ["--data", folder, "--languages", "xyz", "--seeds", 0, 1, "--ensemble"]
    options += ["--pairs", 20]
    sizes, fit = [], accuracy.fit

    def counting_fit(train, *args):
        sizes.append(len(train[0]))
        return fit(train, *args)

    monkeypatch.setattr(accuracy, "fit", counting_fit)
    small = ["--set", "max_epochs=1", "hidden_size=8"]
    run(accuracy, monkeypatch, *options, *small)
    (row,) = capsys.readouterr().out.splitlines()
    assert row.startswith("xyz  epochs 1.00")
    assert "ensemble, beam 5" in row
    assert sizes == [20, 20]


def test_languages_prints_a_row_a_language_and_the_mean(folder, capsys):
    small = ["--set", "max_epochs=1", "hidden_size=8"]
    options = ["--languages", "xyz", "--seeds", "0", "1"]
    languages.main(["--data", str(folder), *options, *small])
    rows = capsys.readouterr().out.splitlines()
    one = ["seed", "xyz", "mean"]
    assert [row.split()[0] for row in rows] == [*one, *one, "together", *one[1:]]
    assert rows[1].split()[1:] == rows[2].split()[1:]


@pytest.mark.filterwarnings("ignore:.*ended by max_length")
def test_inflection_prints_a_row_a_task_and_a_size(monkeypatch, capsys):
    monkeypatch.setattr(inflection, "N_TEST", 20)
    small = ["--set", "max_epochs=1", "hidden_size=8"]
    inflection.main(
        ["--tasks", "plurals", "participles", "--sizes", "30", "40", *small]
    )
    rows = [row.split("|") for row in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1].strip() for row in rows] == [
        f"{task}, {size}" for task in ("plurals", "participles") for size in (30, 40)
    ]
    assert all(0 <= float(cell) <= 1 for row in rows for cell in row[2:5])


def test_inflection_pairs():
    assert ("city", "cities") in zip(*inflection.plurals(), strict=True)
    assert ("abholen", "abgeholt") in zip(*inflection.participles(), strict=True)


def test_student_prints_a_row_a_size(monkeypatch, capsys):
    monkeypatch.setattr(student, "N_TEST", 20)
    small = ["--set", "max_epochs=1", "hidden_size=8"]
    student.main(["--sizes", "30", "40", "--words", "50", *small])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[1] for row in rows] == ["30", "40"]
    assert all(0 <= float(cell) <= 100 for cell in rows[0].split("|")[2:5])


@pytest.mark.filterwarnings("ignore:coverage=")
def test_conformal_prints_a_row_a_level(monkeypatch, capsys):
    monkeypatch.setattr(conformal, "N_NEW", 100)
    options = ["--tasks", "misspellings", "--coverage", "0.05", "0.9", "--splits", "3"]
    conformal.main([*options, "--n-best", "2", "--set", "max_epochs=1"])
    rows = [row.split(" | ") for row in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1] for row in rows] == ["0.05", "0.9"]
    assert all(1 <= float(row[5]) <= 2 for row in rows)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_corpus_prints_a_row_a_stage(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(corpus, "apart", lambda function, *args: (function(*args), 1))
    monkeypatch.setattr(corpus, "PIECE", 200)
    corpus.main(["--pairs", "500", "--rounds", "1", "--folder", str(tmp_path)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[1] for row in rows] == [
        "generate",
        "encode",
        "batches",
        "fit",
        "predict",
        "fit",
        "fit,",
    ]
    assert rows[-1][-1] == rows[-2][3]
    assert {row[0] for row in rows} == {"500"}
    assert float(rows[1][5]) == pytest.approx(27, abs=4)  # bytes a pair
    assert not list(tmp_path.iterdir())


def test_defaults_adds_what_is_missing_and_compares(folder, monkeypatch, capsys):
    results = folder / "tried.jsonl"
    options = ["--data", folder, "--results", results, "--languages", "xyz"]
    small = {"hidden_size": 8, "batch_size": 32, "max_epochs": 2}
    monkeypatch.setattr(defaults, "START", small)
    names = ["the start", "max_epochs=20", "pairs in random order"]
    run(defaults, monkeypatch, *options, "--candidates", *names[:2])
    before = results.read_text("utf8")
    run(defaults, monkeypatch, *options, "--candidates", *names)
    after = results.read_text("utf8")
    assert after.startswith(before)
    assert len(after.splitlines()) == 3
    table = capsys.readouterr().out.splitlines()[-11:]
    cells = [[cell.strip(" `") for cell in row.split("|")[1:-1]] for row in table]
    assert cells[0] == ["the start", "xyz"]
    assert cells[5] == ["fits", "1"]
    assert [row[:3] for row in cells[-2:]] == [[name, "xyz", "1"] for name in names[1:]]


def test_defaults_are_compared_on_another_task(tmp_path, monkeypatch, capsys):
    small = {"hidden_size": 8, "batch_size": 64, "max_epochs": 1}
    monkeypatch.setattr(defaults, "START", small)
    results = tmp_path / "tried.jsonl"
    options = ["--tasks", "misspellings", "--results", results]
    name = "dropout=0.2"
    run(defaults, monkeypatch, *options, "--candidates", "the start", name)
    table = capsys.readouterr().out
    assert "| the start | misspellings |" in table
    assert f"| `{name}` | misspellings | 1 |" in table
    for fit in defaults.read_results(results).values():
        assert 0 < fit["wer"] <= 100
        assert fit["per"] > 0


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_is_to_find_is_new(task):
    (X, y), (X_new, y_new) = TASKS[task]()
    assert len(X) == len(y) > 3 * len(X_new) == 3 * len(y_new) > 1000
    assert not set(y) & set(y_new)


def test_kept_fits_are_of_candidates():
    for name in ("tried.jsonl", "tried_before.jsonl"):
        lines = defaults.read_results(ROOT / "benchmarks" / name)
        assert lines
        assert {candidate for candidate, _, _ in lines} <= set(defaults.CANDIDATES)


def test_scarce_data_goes_on_and_draws(folder, monkeypatch, capsys):
    small = {"max_epochs": 1, "hidden_size": 8, "embedding_size": 8}
    for name, value in small.items():
        monkeypatch.setitem(Seq2SeqTransformer.__init__.__kwdefaults__, name, value)
    results, picture = folder / "scarce.jsonl", folder / "scarce.png"
    options = ["--data", folder, "--results", results, "--languages", "xyz"]
    options += ["--sizes", 50, "--seeds", 0, "--picture", picture]
    methods = *scarce_data.METHODS, *scarce_data.TRIED
    options += ["--methods", *methods]
    run(scarce_data, monkeypatch, *options)
    lines = results.read_text("utf8").splitlines()
    assert len(lines) == len(methods)
    run(scarce_data, monkeypatch, *options)
    assert results.read_text("utf8").splitlines() == lines
    table = capsys.readouterr().out
    assert all(f"\n| {name} | " in table for name in methods)
    assert picture.stat().st_size > 5_000


@pytest.mark.parametrize("task", _suite_tasks.TASKS)
def test_suite_draws_parts_that_share_nothing(task, monkeypatch):
    monkeypatch.setattr(_suite_tasks, "N_POOL", 1800)
    drawn = _suite_tasks.draw.__wrapped__(task, 400)
    assert [len(X) for X, _ in drawn] == [len(y) for _, y in drawn] == [400, 250, 500]
    kept = 1 if task in _suite_tasks.CLOSED else 2
    for side in range(kept):
        parts = [set(part[side]) for part in drawn]
        assert len(set.union(*parts)) == sum(map(len, parts))
    assert {type(text) for part in drawn for side in part for text in side} == {str}


@pytest.mark.parametrize("task", ["phone numbers", "misspellings", "amounts"])
def test_suite_draws_fewer_pairs_as_the_first_of_more(task):
    train, *others = _suite_tasks.draw.__wrapped__(task, 400)
    (X, y), *same = _suite_tasks.draw.__wrapped__(task, 30)
    assert (X, y) == (train[0][:30], train[1][:30])
    assert same == others
    assert _suite_tasks.draw.__wrapped__(task, 30, 1) != [(X, y), *same]


def test_suite_goes_on_and_draws(tmp_path, monkeypatch, capsys):
    X = [f"{k:03}" for k in range(60)]
    parts = [
        (X[a:b], [x[::-1] for x in X[a:b]]) for a, b in ((0, 40), (40, 50), (50, 60))
    ]
    monkeypatch.setattr(suite, "draw", lambda task, size, seed: parts)
    small = functools.partial(Seq2SeqTransformer, hidden_size=8)
    monkeypatch.setattr(suite, "Seq2SeqTransformer", small)
    monkeypatch.setattr(suite, "GRID", {"short": {"n_steps": 3}})
    results, picture = tmp_path / "suite.jsonl", tmp_path / "suite.png"
    options = ["--results", str(results), "--picture", str(picture), "--tasks", "names"]
    options += ["--sizes", "40", "50", "--models", "floors", "grid"]
    suite.main(options)
    lines = results.read_text("utf8").splitlines()
    assert len(lines) == len(suite.FLOORS) + 1  # there are no 50 pairs
    suite.main([*options, "default", "--set", "n_steps=3", "batch_size=8"])
    grown = results.read_text("utf8").splitlines()
    assert grown[: len(lines)] == lines
    assert [json.loads(line)["model"] for line in grown[len(lines) :]] == [
        "default",
        "n_steps=3, batch_size=8",
    ]
    table = capsys.readouterr().out
    assert "\n| copy | 0.100 (1, 0) |" in table  # 050 of 050 to 059
    assert picture.stat().st_size > 5_000
    with pytest.raises(SystemExit):
        suite.main([*options, "--final"])


def test_suite_leaves_out_nfd_that_changes_nothing(monkeypatch):
    params = {"source_vectorizer": suite.NFD, "max_epochs": 1, "hidden_size": 8}
    for text, measured in (("ab", False), ("\u00e4b", True)):
        pairs = [text] * 2, ["\u00e9"] * 2
        monkeypatch.setattr(suite, "draw", lambda *_, pairs=pairs: (pairs,) * 3)
        figures = suite.measure("long, NFD", params, "names", 2, 0)
        assert (figures is not None) == measured


def test_suite_compares_the_default_with_what_dev_chooses(capsys):
    def fit(test, dev=0.0, **figures):
        return {"test": test, "dev": dev, "train": 0.4, "seconds": 9, **figures}

    names = list(suite.GRID)
    fits = {
        "default": fit(0.2, warned=False),
        "copy": fit(0.3),
        "suffix": fit(0.1),
        names[0]: fit(0.4, dev=0.5),
        names[1]: fit(0.6, dev=0.4),
    }
    lines = {("names", 50, 0, name): line for name, line in fits.items()}
    lines["names", 50, 1, "default"] = fit(0.4, warned=True)
    cells = suite.mean_figures(lines, ["names"])
    assert suite.sides(cells["names", 50]) == pytest.approx((0.3, 0.4, 0.3))
    suite.print_tables(cells)
    table = capsys.readouterr().out.splitlines()
    assert table[2] == "| names | 0.30 / 0.40 / 0.30 |"
    counts = [row.rpartition(" | ")[2] for row in table[3:8]]
    assert counts == ["0.750 |", "0.750 |", "0.750 |", "0 of 1 |", "1 of 1 |"]
    cells["names", 50]["suffix"]["test"] = 0.31
    assert (
        suite.SUMMARY["tasks with the default under a floor"](cells.values())
        == "1 of 1"
    )
    other = {"default": fit(1.0), names[0]: fit(0.8)}
    both = [cells["names", 50], other]
    assert suite.SUMMARY["mean of default / best of grid"](both) == "1.000"
    assert suite.SUMMARY["mean of default / mean of best of grid"](both) == "1.083"
    both[1] = {"default": fit(0.9)}  # of at most 1
    least = suite.SUMMARY["the same, at least, with 1 for what is not measured"]
    assert least(both) == "0.825"


def test_suite_steps_are_epochs_enough():
    params = {"n_steps": 1000, "batch_size": 8}
    assert suite.make_model("x", params, "names", 50, 0).max_epochs == 143
    assert suite.make_model("x", params, "names", 3000, 0).max_epochs == 20
    assert len(suite.GRID) == 8
    for name, change in suite.GRID.items():
        suite.make_model(name, change, "names", 300, 0)._validate_params()


@pytest.fixture
def documents():
    """Descriptions that have the summaries of their neighbours."""
    rng = np.random.default_rng(0)
    kinds = rng.permutation(np.arange(80) % 4)
    words = np.array(["array", "matrix", "sparse graph", "random number"])[kinds]
    return Bunch(
        data=np.array(
            [f"It takes one {w}. See {k}." for k, w in enumerate(words)], "O"
        ),
        target=np.array([f"Return the {w}." for w in words], "O"),
        groups=np.arange(80) // 2,
        placeholders=np.fromiter([()] * 80, object),
    )


SMALL = ["max_epochs=1", "hidden_size=8", "embedding_size=8"]


def test_layers_prints_a_row_for_each_fit(monkeypatch, capsys):
    monkeypatch.setattr(layers, "N_TEST", 10)
    options = "--pairs", 40, "--language", "en", "--set", *SMALL
    run(layers, monkeypatch, *options)
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    tasks = ["| pronunciations", "| lemmas"]
    assert [row[0] for row in rows] == np.repeat(tasks, 2).tolist()
    assert [row[3] for row in rows] == ["1", "2"] * 2
    assert all(0 <= float(rate) <= 1 for row in rows for rate in row[4:6])


def test_long_texts_prints_and_draws_some_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(long_texts, "TESTED", (1, 4))
    picture = tmp_path / "long.png"
    seeds = "--seeds", 0, 1
    options = "--pairs", 40, "--epochs", 1, "--tests", 3, "--figure", picture, *seeds
    networks = "attention", "hard attention, copying"
    run(long_texts, monkeypatch, *options, "--networks", *networks)
    out = capsys.readouterr().out
    fitted = re.findall("^(.*), seed 1: fitted", out, re.MULTILINE)
    assert fitted == ["copy", "nearest", *networks]
    # Floors and networks, for each way and number of sentences: two seeds and the mean.
    assert out.count("TER") == 3 * (2 + 2 * len(long_texts.WAYS)) * 2
    assert out.count("±") == out.count("TER")  # three figures in a third of the lines
    assert picture.stat().st_size > 5_000


def test_summarisation_prints_floors_networks_and_means(documents, monkeypatch, capsys):
    monkeypatch.setattr(
        summarisation, "load_docstring_summaries", lambda max_words: documents
    )
    rest, test = summarisation.split(documents, "test")
    val = summarisation.split(documents, "val")[1]
    parts = [set(documents.groups[rows]) for rows in (rest, val, test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 40
    run(summarisation, monkeypatch, "--seeds", 0, 1, "--set", *SMALL)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "64 pairs to learn from, 8 held out."
    names = [line[:24].strip() for line in lines[1:10]]
    assert names == [
        "lead sentence",
        "nearest description",
        "match of the memory",
        *("plain, seed 0", "plain, seed 1", "plain, mean"),
        *("memory, seed 0", "memory, seed 1", "memory, mean"),
    ]
    assert "ROUGE-1 100.0" in lines[3]
    assert " ± " in lines[9]
    assert sum(line.startswith("predicted") for line in lines) == 8


def test_translation_memory_prints_floors_networks_and_the_best_of_both(
    documents, monkeypatch, capsys
):
    monkeypatch.setattr(translation_memory, "load_ui_translations", lambda: documents)
    options = "--without", "--pieces", 60, "--set", *SMALL
    run(translation_memory, monkeypatch, *options)
    out = capsys.readouterr().out
    for name in (
        "copy",
        "nearest",
        "network",
        "match",
        "best of both",
        "without memory",
    ):
        assert re.search(rf"^{name} +BLEU .*chrF", out, re.MULTILINE)
    assert re.search(r"^match .*exact 100\.0", out, re.MULTILINE)
    assert out.count("best of both") == 2  # with the memory as input and without


def test_sentences_prints_scores_of_three_searches(folder, monkeypatch, capsys):
    small = ["max_epochs=1", "hidden_size=8", "embedding_size=8"]
    results = folder / "sentences.jsonl"
    options = ["--data", folder, "--results", results]
    saved = [folder / "0.model", folder / "1.model"]
    run(sentences, monkeypatch, *options, "--save", saved[0], "--set", *small)
    scores = capsys.readouterr().out
    assert scores.count("case:mixed|eff:no|tok:13a") == 3
    assert scores.count("case:lc|eff:no|tok:13a") == 3
    again = "--data", folder, "--load"
    run(sentences, monkeypatch, *again, saved[0])
    assert capsys.readouterr().out in scores
    with pytest.raises(SystemExit):
        run(sentences, monkeypatch, *again, saved[0], "--results", results)
    assert "--load goes with --data and --split alone" in capsys.readouterr().err
    others = "--seed", "1", "--save", saved[1], "--set", *small
    run(sentences, monkeypatch, "--data", folder, *others)
    capsys.readouterr()
    run(sentences, monkeypatch, *again, *saved)
    assert capsys.readouterr().out.count("tok:13a") == 6
    with pytest.raises(SystemExit):
        run(sentences, monkeypatch, *again, saved[0], "--teachers", *saved)
    seen = []
    fit = Seq2SeqTransformer.fit

    def fit_and_see(self, X, y, **kwargs):
        seen.append((X, y))
        return fit(self, X, y, **kwargs)

    monkeypatch.setattr(Seq2SeqTransformer, "fit", fit_and_see)
    run(sentences, monkeypatch, *options, "--teachers", *saved, "--set", *small)
    (X, y), n = seen[0], 60
    assert len(X) == len(y) == 2 * n
    assert X[:n] == X[n:]
    teachers = sentences.together(saved).set_params(beam_width=5, length_penalty=1.0)
    assert y[n:] == teachers.predict(X[:n]).tolist()
    capsys.readouterr()
    run(sentences, monkeypatch, "--results", results)
    title, _, row, taught = capsys.readouterr().out.splitlines()[:4]
    assert title.startswith("| 60 pairs | seeds | val loss | greedy |")
    settings = "| `max_epochs=1, hidden_size=8, embedding_size=8"
    assert row.startswith(f"{settings}` | 1 | ")
    assert taught.startswith(f"{settings}, taught by 2` | 1 | ")
