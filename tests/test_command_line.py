"""The command line, in this process, and where signals matter in others."""

import io
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

import sklearn_seq2seq
from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    LexiconSeq2Seq,
    Seq2SeqEnsemble,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
    save,
)
from sklearn_seq2seq._command_line import main

SMALL = {"hidden_size": 8, "embedding_size": 6, "max_epochs": 1, "random_state": 0}
COMMAND = [sys.executable, "-m", "sklearn_seq2seq"]


def params_of(**params):
    return [f"{name}={value}" for name, value in params.items()]


def write_pairs(path, X, y):
    lines = [f"{source}\t{target}\n" for source, target in zip(X, y, strict=True)]
    path.write_text("".join(lines), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, fitted, words, shouted):
    """A fitted model and its pairs in files."""
    folder = tmp_path_factory.mktemp("command_line")
    fitted.save(folder / "model.s2s")
    write_pairs(folder / "pairs.tsv", words, shouted)
    return folder


@pytest.fixture
def run(folder, capfd, monkeypatch):
    """Run a command in this process: ``(status, lines of output, of errors)``."""

    def run(*args, stdin=b""):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        monkeypatch.chdir(folder)
        capfd.readouterr()
        status = main(list(map(str, args)))
        output, errors = capfd.readouterr()
        return status, output.splitlines(), errors.splitlines()

    return run


# fit --------------------------------------------------------------------------------


def test_fit_is_the_fit_of_the_estimator(run, folder, words, shouted, tmp_path):
    path = tmp_path / "new.s2s"
    validation = write_pairs(tmp_path / "more.tsv", words[:9], shouted[:9])
    params = params_of(**SMALL, cell="gru", source_vectorizer__lowercase=True)
    assert run("fit", "pairs.tsv", path, "--param", *params) == (0, [], [])
    lower = SequenceVectorizer(lowercase=True)
    direct = Seq2SeqTransformer(cell="gru", source_vectorizer=lower, **SMALL)
    direct.fit(words, shouted)
    assert load(path).source_vectorizer_.lowercase
    np.testing.assert_array_equal(load(path).transform(words), direct.transform(words))
    options = ["--param", *params[:3], "--param", "random_state=1"]
    run("fit", "pairs.tsv", path, "--validation", validation, *options)
    assert "valid_loss" in load(path).history_[-1]
    assert load(path).random_state == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["absent.tsv", "m"], "No such file .*: 'absent.tsv'"),
        (["wrong.tsv", "m"], "Line 2 of wrong.tsv must be two fields"),
        (["latin.tsv", "m"], "Line 1 of latin.tsv is not UTF-8"),
        (["pairs.tsv", "no/m"], "'no/m' cannot be written: 'no' is not writable"),
        (["pairs.tsv", "m", "--param", "hidden"], "must be NAME=VALUE; got 'hidden'"),
        (
            ["pairs.tsv", "m", "--param", "hiddensize=3"],
            "no parameter 'hiddensize'; did you mean hidden_size\\?",
        ),
        (["pairs.tsv", "m", "--param", "xyz=3"], "has no parameter 'xyz'.$"),
        (["pairs.tsv", "m", "--param", "hidden_size=-3"], "Got -3 instead."),
        (["pairs.tsv", "m", "--param", "cell=tree"], "Got 'tree' instead."),
        (["pairs.tsv", "m", "--param", "source_vectorizer=3"], "Got 3 instead."),
        (
            ["pairs.tsv", "m", "--param", "source_vectorizer__analyzer=token"],
            "analyzer='token' needs lists of tokens",
        ),
        (["pairs.tsv", "m", "--validation", "absent.tsv"], "No such file"),
    ],
)
def test_fit_says_in_a_line_what_is_wrong(args, message, run, folder):
    (folder / "wrong.tsv").write_text("a\tb\na\n")
    (folder / "latin.tsv").write_bytes(b"\xe4\tb\n")
    status, output, errors = run("fit", *args)
    assert (status, output) == (2, [])
    assert len(errors) == 1
    assert re.search(f"^error: .*{message}", errors[0])
    assert not (folder / "m").exists()


def test_interrupted_fit_keeps_the_best_weights(folder, words, shouted, tmp_path):
    path = tmp_path / "model.s2s"
    params = params_of(**{**SMALL, "max_epochs": 100_000, "n_iter_no_change": 100_000})
    options = ["--validation", "pairs.tsv", "--param", *params, "verbose=1"]
    process = subprocess.Popen(
        [*COMMAND, "fit", "pairs.tsv", path, *options],
        cwd=folder,
        stderr=subprocess.PIPE,
        # A shell's background jobs ignore SIGINT, and their children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    seen = b""
    while b"epoch 4/" not in seen:
        chunk = os.read(process.stderr.fileno(), 1000)
        assert chunk, seen
        seen += chunk
    process.send_signal(signal.SIGINT)
    errors = process.communicate()[1].decode()
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert re.search("^warning: .*interrupted", errors, re.MULTILINE)
    model = load(path)
    losses = model.history_[:, "valid_loss"]
    assert 4 <= len(losses) < 100_000
    n_positions = sum(map(len, shouted)) + len(shouted)
    loss = -model.log_likelihood(words, shouted).sum() / n_positions
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_interrupt_before_training_saves_nothing(run, folder, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(Seq2SeqTransformer, "fit", interrupted)
    assert run("fit", "pairs.tsv", "none.s2s") == (130, [], [])
    assert not (folder / "none.s2s").exists()


# predict ----------------------------------------------------------------------------


def test_predict_writes_a_line_for_each(run, fitted, words):
    text = "".join(f"{word}\n" for word in words)
    expected = fitted.predict(words).tolist()
    assert run("predict", "model.s2s", stdin=text) == (0, expected, [])
    # Blocks, Windows line ends, no last line end and a byte order mark make no odds.
    status, output, _ = run("predict", "model.s2s", "--block", 7, stdin=text[:-1])
    assert (status, output) == (0, expected)
    windows = ("\ufeff" + text).replace("\n", "\r\n")
    assert run("predict", "model.s2s", stdin=windows)[1] == expected
    assert run("predict", "model.s2s", stdin="") == (0, [], [])


def test_predict_with_columns(run, fitted, words):
    text = "\n".join(words)
    _, output, _ = run("predict", "model.s2s", "--n-best", 3, stdin=text)
    table = fitted.predict_nbest(words, 3)
    for row, line in enumerate(output):
        found = table.loc[table["row"] == row, "sequence"].tolist()
        assert line.split("\t") == found + [""] * (3 - len(found))
    args = ["predict", "model.s2s", "--n-best", 3, "--confidence", "--block", 9]
    _, both, _ = run(*args, stdin=text)
    assert [line.split("\t")[::2] for line in both] == [o.split("\t") for o in output]
    for row, line in enumerate(both):
        found = table.loc[table["row"] == row, "probability"]
        numbers = [float(p) for p in line.split("\t")[1::2] if p]
        np.testing.assert_allclose(numbers, found, rtol=2e-3)
    _, sure, _ = run("predict", "model.s2s", "--confidence", stdin=text)
    confidence = fitted.predict_confidence(words)
    for line, target, p in zip(sure, fitted.predict(words), confidence, strict=True):
        assert line == f"{target}\t{p:.4g}"


def test_predict_names_the_line_in_errors_and_warnings(run, fitted, folder):
    strict = SequenceVectorizer(handle_unknown="error")
    model = Seq2SeqTransformer(source_vectorizer=strict, **SMALL).fit(["ab"], ["x"])
    model.save(folder / "strict.s2s")
    text = "ab\n" * 5 + "a?\n"
    args = ["predict", "strict.s2s", "--block", 4]
    status, output, errors = run(*args, stdin=text)
    assert (status, len(output)) == (2, 4)
    assert errors == [
        "error: Line 6 holds '?', which is not in the vocabulary; "
        "handle_unknown='use_unknown' accepts it."
    ]
    model.set_params(max_source_length=2, long_source="truncate_end")
    model.save(folder / "strict.s2s")
    _, output, errors = run(*args, stdin="ab\n" * 6 + "aba")
    assert len(output) == 7
    assert any("the first is line 7, of 3 tokens" in error for error in errors)
    status, _, errors = run("predict", "model.s2s", stdin=b"ab\n\xff\n")
    assert status == 2
    assert errors[0].startswith("error: Line 2 is not UTF-8: ")


def test_predict_with_a_lexicon(run, fitted, folder, words):
    (folder / "own.tsv").write_text("ab\tX\n?\t!\nab\tY\n")
    expected = ["X", "!", fitted.predict(["ba"])[0]]
    args = ["predict", "model.s2s", "--lexicon", "own.tsv"]
    assert run(*args, stdin="ab\n?\nba")[:2] == (0, expected)
    _, output, _ = run(*args, "--n-best", 2, "--confidence", stdin="ab")
    assert output == ["X\t1\tY\t1"]
    model = LexiconSeq2Seq(fitted, lexicon={"ab": "old", "b": "B"})
    model.save(folder / "with.s2s")
    args[1] = "with.s2s"
    assert run(*args, stdin="ab\n?\nb")[1] == ["X", "!", "B"]


def test_predict_of_other_estimators(run, folder, words, shouted):
    text = "\n".join(words[:5])
    reader = SequenceVectorizer(handle_unknown="silent")
    pipe = Pipeline([("source", reader), ("seq2seq", Seq2SeqTransformer(**SMALL))])
    pipe.fit(words, shouted)
    save(pipe, folder / "pipe.s2s")
    assert run("predict", "pipe.s2s", stdin=text)[1] == pipe.predict(words[:5]).tolist()
    _, output, _ = run("predict", "pipe.s2s", "--n-best", 2, stdin=text)
    assert {line.count("\t") for line in output} == {1}
    lists = Seq2SeqTransformer(**SMALL).fit(words, [list(w) for w in shouted])
    lists.save(folder / "lists.s2s")
    expected = [" ".join(row) for row in lists.predict(words[:5])]
    assert run("predict", "lists.s2s", stdin=text)[1] == expected
    save(DummySeq2Seq(strategy="copy").fit(["a"], ["b"]), folder / "copy.s2s")
    assert run("predict", "copy.s2s", stdin="x\ny") == (0, ["x", "y"], [])


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["absent"], "No such file"),
        (["pairs.tsv"], "'pairs.tsv': this is not a whole model file"),
        (["letters.s2s"], "holds a SequenceVectorizer, which cannot predict"),
        (["unfitted.s2s"], "not fitted yet"),
        (
            ["copy.s2s", "--confidence"],
            "A DummySeq2Seq gives one answer and no confidence",
        ),
        (["tab.s2s"], "A target contains a tab or a line break: 'a.tb'"),
        (["named.s2s"], "names 'builtins.str.split', which is not trusted"),
        (["model.s2s", "--lexicon", "model.s2s"], "Line . of model.s2s is not UTF-8"),
    ],
)
def test_predict_says_in_a_line_what_is_wrong(args, message, run, folder, fitted):
    save(SequenceVectorizer().fit(["a"]), folder / "letters.s2s")
    save(Seq2SeqTransformer(), folder / "unfitted.s2s")
    save(DummySeq2Seq(strategy="copy").fit(["a"], ["b"]), folder / "copy.s2s")
    save(DummySeq2Seq().fit(["a"], ["a\tb"]), folder / "tab.s2s")
    named = SequenceVectorizer(analyzer=str.split)
    save(Seq2SeqTransformer(source_vectorizer=named, **SMALL), folder / "named.s2s")
    status, output, errors = run("predict", *args, stdin="ab\n")
    assert (status, output) == (2, [])
    assert len(errors) == 1
    assert re.search(f"^error: .*{message}", errors[0])


def test_predict_of_a_trusted_function(run, folder, words):
    named = SequenceVectorizer(analyzer=str.split)
    model = Seq2SeqTransformer(source_vectorizer=named, **SMALL).fit(["a b"], ["x"])
    model.save(folder / "named.s2s")
    args = ["predict", "named.s2s", "--trust", "builtins.str.split"]
    assert run(*args, stdin="a b")[0] == 0


def test_predict_of_an_exported_model(run, folder, fitted, words):
    assert run("export", "model.s2s", "model.onnx.zip") == (0, [], [])
    text = "".join(f"{word}\n" for word in words)
    args = ["model.onnx.zip", "--n-best", 2]
    expected = run("predict", "model.s2s", "--n-best", 2, stdin=text)[1]
    assert run("predict", *args, stdin=text) == (0, expected, [])
    status, _, errors = run("predict", *args, "--lexicon", "pairs.tsv", stdin=text)
    assert (status, len(errors)) == (2, 1)
    status, _, errors = run("score", "model.onnx.zip", "pairs.tsv")
    assert (status, len(errors)) == (2, 1)
    code = (
        "import sys\n"
        "from sklearn_seq2seq._command_line import main\n"
        "assert main(['predict', 'model.onnx.zip', '--confidence']) == 0\n"
        "assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", code]
    fresh = subprocess.run(
        command, cwd=folder, input=text, capture_output=True, text=True, check=True
    )
    targets = [line.split("\t")[0] for line in fresh.stdout.splitlines()]
    assert targets == fitted.predict(words).tolist()


def test_predict_streams_and_a_broken_pipe_is_quiet(folder):
    """Answers come before the input ends, and nobody need read them all."""
    process = subprocess.Popen(
        [*COMMAND, "predict", "model.s2s", "--block", "50"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdin.write(b"ab\n" * 60)
    process.stdin.flush()
    lines = [process.stdout.readline() for _ in range(50)]
    assert len(set(lines)) == 1
    process.stdout.close()
    process.stdin.write(b"ab\n" * 60)
    process.stdin.close()
    assert process.wait() == 141
    assert process.stderr.read() == b""
    process.stderr.close()


# score, info, export ----------------------------------------------------------------


def test_files_with_another_separator(run, folder, fitted, words, shouted, tmp_path):
    tabs = (folder / "pairs.tsv").read_text("utf-8")
    other = tmp_path / "pairs.txt"
    other.write_text(tabs.replace("\t", " ;"), encoding="utf-8")
    sep = "--sep", " ;"
    params = params_of(**SMALL)
    fit = "fit", other, tmp_path / "new.s2s", "--validation", other, *sep
    assert run(*fit, "--param", *params) == (0, [], [])
    direct = Seq2SeqTransformer(**SMALL).fit(words, shouted)
    new = load(tmp_path / "new.s2s")
    np.testing.assert_array_equal(new.transform(words), direct.transform(words))
    assert run("score", "model.s2s", other, *sep) == run(
        "score", "model.s2s", "pairs.tsv"
    )
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text(f"{words[0]} ;ruled\n", encoding="utf-8")
    options = "--lexicon", lexicon, *sep
    _, lines, _ = run("predict", "model.s2s", *options, stdin=f"{words[0]}\n")
    assert lines == ["ruled"]
    status, _, errors = run("score", "model.s2s", other)
    assert status == 2
    assert "two fields separated by '\\t'" in errors[0]
    # A shell hands a quoted \t on as two characters.
    assert run("score", "model.s2s", "pairs.tsv", "--sep", r"\t") == run(
        "score", "model.s2s", "pairs.tsv"
    )


def test_score(run, fitted, folder, words, shouted):
    expected = fitted.score(words, shouted)
    assert run("score", "model.s2s", "pairs.tsv") == (
        0,
        [f"exact_match\t{expected:.6g}"],
        [],
    )
    scoring = ["--scoring", "char_error_rate", "exact_match"]
    _, output, _ = run("score", "model.s2s", "pairs.tsv", *scoring)
    assert [line.split("\t")[0] for line in output] == [
        "neg_char_error_rate",
        "exact_match",
    ]
    write_pairs(folder / "own.tsv", words, shouted)
    _, output, _ = run("score", "model.s2s", "pairs.tsv", "--lexicon", "own.tsv")
    assert output == ["exact_match\t1"]
    status, _, errors = run("score", "model.s2s", "pairs.tsv", "--scoring", "best")
    assert status == 2
    assert "There is no scorer 'best'" in errors[0]


def test_info_says_what_a_file_holds(run, folder, fitted, words, shouted):
    _, output, errors = run("info", "model.s2s")
    assert errors == []
    text = "\n".join(output)
    assert "Seq2SeqTransformer, fitted\n" in text
    assert f"weights: {fitted.n_parameters_:,}" in text
    assert "epochs: 25, train_loss " in text
    assert "source: SequenceVectorizer, fitted\n    5 tokens, analyzer='char'" in text
    assert sklearn_seq2seq.__version__ in text
    assert "beam_width" not in text
    assert "  beam_width = 1" in run("info", "model.s2s", "--params")[1]
    ids = np.array([[2, 3], [4, 0]])
    columns = ColumnVectorizer([("lemma", SequenceVectorizer(), 0)])
    small = Seq2SeqTransformer(**SMALL)
    for estimator, expected in [
        (clone_fit(small, ids, ids), "source: token ids below 5"),
        (Seq2SeqEnsemble(small, n_estimators=2), "Seq2SeqEnsemble, not fitted"),
        (Seq2SeqTransformer(source_vectorizer=columns), "lemma: SequenceVectorizer"),
        (LexiconSeq2Seq(fitted, lexicon={"type": "estimator"}), "lexicon: 1 entries"),
        (LexiconSeq2Seq(fitted, lexicon={("a", "b"): "x"}), "lexicon: 1 entries"),
        (Pipeline([("source", SequenceVectorizer()), ("net", small)]), "net: Seq2Seq"),
    ]:
        save(estimator, folder / "other.s2s")
        status, output, errors = run("info", "other.s2s", "--params")
        assert (status, errors) == (0, [])
        assert expected in "\n".join(output)


def clone_fit(model, X, y):
    return Seq2SeqTransformer(**model.get_params()).fit(X, y)


def test_info_of_damaged_files(run, folder):
    data = (folder / "model.s2s").read_bytes()
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    for content in (data[:-10], bytes(damaged), b"", b"\x80pickle" * 100):
        (folder / "damaged.s2s").write_bytes(content)
        status, output, errors = run("info", "damaged.s2s")
        assert (status, output, len(errors)) == (2, [], 1)
        assert errors[0].startswith("error: 'damaged.s2s': ")


def test_info_needs_no_torch(folder):
    """Nor scikit-learn, which take seconds to import."""
    code = (
        "import sys\n"
        "from sklearn_seq2seq._command_line import main\n"
        "assert main(['info', 'model.s2s']) == 0\n"
        "assert not {'torch', 'sklearn', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


# Arguments --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "arguments are required: command"),
        (["train"], "invalid choice: 'train'"),
        (["predict", "model.s2s", "--block", "0"], "--block: invalid whole number"),
        (["predict", "model.s2s", "--n-best", "x"], "--n-best: invalid whole number"),
    ],
)
def test_arguments_that_are_none(args, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(args)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["fit"], ["predict"], ["info"], ["export"]])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([*command, "--help"])
    assert stopped.value.code == 0
    assert "python -m sklearn_seq2seq" in capsys.readouterr().out
