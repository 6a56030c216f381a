"""The house rules that a machine can check: who imports whom, and quiet imports."""

import ast
import pickle
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import sklearn_seq2seq

PACKAGE = Path(sklearn_seq2seq.__file__).parent
PATHS = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(
        ".__init__"
    ): path
    for path in PACKAGE.rglob("*.py")
    if path.parent != PACKAGE or path.stem != "__init__"
}
MODULES = sorted(PATHS)

# Each wing and each module of the root, and those that it may use.
SHARED = {"_documentation", "_files", "_fitting", "_optional", "_tokens", "_warnings"}
MAY_IMPORT = {
    **{name: set() for name in SHARED},
    "_parameters": {*SHARED, "metrics"},
    "_text": SHARED,
    "_pairs": {*SHARED, "_text"},
    "_network": {"_tokens"},
    "metrics": {*SHARED, "_text"},
    "_training": {*SHARED, "_network", "_pairs", "_parameters", "_text", "metrics"},
    "_decoding": {
        *SHARED,
        "_network",
        "_pairs",
        "_parameters",
        "_text",
        "metrics",
    },
    "_persistence": {*SHARED, "metrics"},
    "_augment": {*SHARED, "_pairs", "_text"},
    "_dummy": {*SHARED, "_text", "metrics"},
    "_translation_memory": {*SHARED, "_text"},
    "_seq2seq_transformer": {
        *SHARED,
        "_decoding",
        "_network",
        "_pairs",
        "_parameters",
        "_persistence",
        "_text",
        "_training",
    },
    "_autoencoder": {"_seq2seq_transformer"},
    "_ensemble": {*SHARED, "_decoding", "_seq2seq_transformer", "_text", "_training"},
    "_lexicon_entries": {*SHARED, "_decoding", "_pairs"},
    "_lexicon": {
        *SHARED,
        "_lexicon_entries",
        "_persistence",
        "_seq2seq_transformer",
        "_text",
    },
    "_conformity": set(),
    "_conformal": {
        *SHARED,
        "_conformity",
        "_lexicon_entries",
        "_pairs",
        "_persistence",
        "_seq2seq_transformer",
        "_text",
        "_training",
    },
    "_saved_transformer": {*SHARED, "_pairs", "_persistence", "_text", "_training"},
    "_saved_estimators": {
        *SHARED,
        "_autoencoder",
        "_conformal",
        "_dummy",
        "_ensemble",
        "_lexicon",
        "_lexicon_entries",
        "_persistence",
        "_saved_transformer",
        "_seq2seq_transformer",
        "_text",
        "_translation_memory",
    },
    "_corpus": {
        *SHARED,
        "_pairs",
        "_persistence",
        "_saved_transformer",
        "_seq2seq_transformer",
        "_text",
    },
    "_model_info": {"_persistence"},
    "_command_line": {"_model_info", "datasets", "metrics", "runtime"},
    "__main__": {"_command_line"},
    "runtime": {*SHARED, "_decoding", "_pairs", "_persistence", "_text"},
    "_onnx": {
        *SHARED,
        "_ensemble",
        "_network",
        "_persistence",
        "_seq2seq_transformer",
        "_text",
        "runtime",
    },
    "datasets": SHARED,
    "inspection": {*SHARED, "_text", "metrics"},
}
# Tensors, arrays and strings each have their own files.
TORCH_ONLY = {name for name in MODULES if name.startswith("_network.")}
NO_TORCH = {
    "_augment",
    "_conformity",
    "_dummy",
    "_tokens",
    "_translation_memory",
    *(f"_pairs.{name}" for name in ("_copying", "_long_sources", "_reader", "_sides")),
    *(f"_pairs.{name}" for name in ("_pieces", "_token_files")),
    *(name for name in MODULES if name.startswith(("_text", "datasets", "metrics"))),
}


def imports(module):
    """Names of all modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(PATHS[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            rooms = {name for name in inner if name.partition(".")[2] in PATHS}
            found.update(rooms or {node.module})
    return found


def own_imports(module):
    """Modules of this package that a module imports."""
    names = imports(module)
    prefix = "sklearn_seq2seq."
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def wing(module):
    return module.partition(".")[0]


def test_every_wing_has_its_row():
    assert sorted(MAY_IMPORT) == sorted({wing(module) for module in MODULES})


@pytest.mark.parametrize("module", MODULES)
def test_wing_imports_only_wings_below(module):
    used = {wing(name) for name in own_imports(module)}
    assert used <= MAY_IMPORT[wing(module)] | {wing(module)}


def test_imports_point_one_way():
    TopologicalSorter(MAY_IMPORT).prepare()
    TopologicalSorter({name: own_imports(name) for name in MODULES}).prepare()


@pytest.mark.parametrize("module", sorted(TORCH_ONLY))
def test_tensor_files_know_no_arrays(module):
    tops = {name.split(".")[0] for name in imports(module)}
    assert not tops & {"numpy", "scipy"}


@pytest.mark.parametrize("module", sorted(NO_TORCH))
def test_array_and_string_files_know_no_tensors(module):
    assert not any(
        name.split(".")[0] in {"torch", "skorch"} for name in imports(module)
    )


def test_import_prints_nothing():
    command = [sys.executable, "-W", "error", "-c", "import sklearn_seq2seq"]
    run = subprocess.run(command, capture_output=True, check=True)
    assert run.stdout == run.stderr == b""


def run_fresh(code):
    """Output of a Python process of its own."""
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


def test_names_are_imported_when_asked_for():
    found = run_fresh(
        "import sys, sklearn_seq2seq\n"
        "assert set(sklearn_seq2seq.__all__) <= set(dir(sklearn_seq2seq))\n"
        "assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "sklearn_seq2seq.SequenceVectorizer()\n"
        "assert not {'torch', 'skorch'} & set(sys.modules)\n"
        "from sklearn_seq2seq import *\n"
        "print(load is sklearn_seq2seq.load, sklearn_seq2seq.metrics.__name__)\n"
    )
    assert found.split() == ["True", "sklearn_seq2seq.metrics"]
    with pytest.raises(AttributeError, match="no attribute 'Transformer'"):
        sklearn_seq2seq.Transformer  # noqa: B018


def test_unpickled_estimators_can_be_saved(tmp_path):
    model = sklearn_seq2seq.DummySeq2Seq().fit(["a"], ["b"])
    vectorizer = sklearn_seq2seq.SequenceVectorizer().fit(["a"])
    (tmp_path / "pickled").write_bytes(pickle.dumps((model, vectorizer)))
    found = run_fresh(
        "import os, pickle\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "model, vectorizer = pickle.load(open('pickled', 'rb'))\n"
        "print('readthedocs' in vectorizer._repr_html_())\n"
        "import sklearn_seq2seq\n"
        "sklearn_seq2seq.save(model, 'saved')\n"
        "print(sklearn_seq2seq.load('saved').predict(['x']).tolist())\n"
    )
    assert found.split() == ["True", "['b']"]


@pytest.mark.parametrize(
    "module",
    [
        "_decoding._bounds",
        "_decoding._constraint_parameters",
        "_decoding._max_length",
        "_decoding._nbest_table",
        "_pairs._batches",
        "_pairs._copying",
        "_pairs._long_sources",
        "_files",
        "_pairs._side",
        "_persistence._format",
        "_text._codec",
    ],
)
def test_what_the_runtime_needs_knows_neither_torch_nor_scikit_learn(module):
    found = run_fresh(f"import sys, sklearn_seq2seq.{module}\nprint(*sys.modules)")
    assert not {"torch", "skorch", "sklearn", "scipy", "pandas"} & set(found.split())
