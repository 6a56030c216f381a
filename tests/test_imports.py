"""The house rules that a machine can check: who imports whom, and quiet imports."""

import ast
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

# Each room, and the rooms it may use.
MAY_IMPORT = {
    "_fitting": set(),
    "_optional": set(),
    "_warnings": set(),
    "_tokens": set(),
    "_raw": set(),
    "_subwords": {"_optional", "_tokens"},
    "_vectorizer": {"_raw", "_subwords", "_tokens", "_warnings"},
    "_columns": {"_tokens", "_vectorizer"},
    "_recurrent": set(),
    "_attention": set(),
    "_encoder": {"_recurrent"},
    "_decoder": {"_attention", "_recurrent", "_tokens"},
    "_model": {"_decoder", "_encoder", "_recurrent", "_tokens"},
    "_objectives": {"_tokens"},
    "_search": {"_tokens"},
    "_batches": {"_tokens"},
    "_pieces": {"_tokens"},
    "_sides": {"_raw", "_subwords", "_tokens", "_vectorizer", "_warnings"},
    "_augment": {"_fitting", "_raw", "_sides", "_tokens", "_vectorizer"},
    "_callbacks": {"_optional"},
    "_graphs": {"_recurrent", "_warnings"},
    "_net": {
        "_batches",
        "_callbacks",
        "_graphs",
        "_model",
        "_objectives",
        "_recurrent",
    },
    "_checkpoint": set(),
    "_training": {"_callbacks", "_checkpoint", "_net", "_warnings"},
    "_inference": {"_batches", "_objectives", "_search", "_tokens"},
    "metrics._pairs": {"_raw", "_tokens"},
    "metrics._scores": {"_optional", "metrics._pairs"},
    "metrics._overlap": {"_optional", "metrics._pairs"},
    "metrics._edits": {"_optional", "metrics._pairs"},
    "metrics._report": {
        "_tokens",
        "metrics._edits",
        "metrics._pairs",
        "metrics._scores",
    },
    "metrics._scorers": {"metrics._overlap", "metrics._scores"},
    "metrics": {
        "metrics._edits",
        "metrics._overlap",
        "metrics._report",
        "metrics._scorers",
        "metrics._scores",
    },
    "_decoding": {
        "_fitting",
        "_inference",
        "_pieces",
        "_raw",
        "_search",
        "_sides",
        "_tokens",
        "_warnings",
        "metrics",
    },
    "_pretrained": {"_recurrent", "_sides", "_tokens"},
    "_estimator": {
        "_batches",
        "_callbacks",
        "_decoding",
        "_fitting",
        "_inference",
        "_net",
        "_persistence",
        "_pretrained",
        "_recurrent",
        "_sides",
        "_tokens",
        "_training",
        "_warnings",
    },
    "_ensemble": {"_checkpoint", "_decoding", "_estimator", "_fitting", "_sides"},
    "_persistence": {"_optional", "metrics._scorers"},
    "_stored": {
        "_baseline",
        "_columns",
        "_ensemble",
        "_estimator",
        "_net",
        "_persistence",
        "_sides",
        "_subwords",
        "_tokens",
        "_vectorizer",
        "_warnings",
    },
    "inspection._drawing": {"_optional", "_warnings"},
    "inspection._attention": {"_optional", "inspection._drawing"},
    "inspection._confusion": {"_optional", "inspection._drawing", "metrics"},
    "inspection._history": {"_optional", "inspection._drawing"},
    "inspection._length": {"_optional", "inspection._drawing", "metrics"},
    "inspection": {
        "inspection._attention",
        "inspection._confusion",
        "inspection._history",
        "inspection._length",
    },
    "_baseline": {"_fitting", "_optional", "_raw", "_tokens", "metrics"},
    "datasets._bunch": {"_optional"},
    "datasets._distributions": set(),
    "datasets._duplicates": set(),
    "datasets._generators": {"_optional", "datasets._bunch"},
    "datasets._words": {"_optional", "datasets._bunch"},
    "datasets._files": {"datasets._bunch"},
    "datasets._catalogues": {
        "_optional",
        "datasets._bunch",
        "datasets._distributions",
        "datasets._duplicates",
    },
    "datasets._docstrings": {
        "datasets._bunch",
        "datasets._distributions",
        "datasets._duplicates",
    },
    "datasets": {
        "datasets._catalogues",
        "datasets._docstrings",
        "datasets._files",
        "datasets._generators",
        "datasets._words",
    },
}
# Tensors, arrays and strings each have their own files.
TORCH_ONLY = {"_recurrent", "_attention", "_encoder", "_decoder", "_model"}
NO_TORCH = {
    "_pieces",
    "_tokens",
    "_raw",
    "_subwords",
    "_vectorizer",
    "_columns",
    "_sides",
    "_baseline",
    "_augment",
    *(name for name in MODULES if name.startswith(("datasets", "metrics"))),
}


def imports(module):
    """Names of all modules that a module imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(PATHS[module].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            if node.module == "sklearn_seq2seq":
                found.update(f"sklearn_seq2seq.{alias.name}" for alias in node.names)
            else:
                found.add(node.module)
    return found


def own_imports(module):
    names = imports(module)
    prefix = "sklearn_seq2seq."
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def test_every_module_has_its_row():
    assert sorted(MAY_IMPORT) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_only_what_it_may(module):
    assert own_imports(module) <= MAY_IMPORT[module]


def test_imports_point_one_way():
    TopologicalSorter(MAY_IMPORT).prepare()


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
