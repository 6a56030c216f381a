"""The pages: their code runs, their links lead somewhere, nothing public is missing."""

import doctest
import inspect
import os
import pkgutil
import re
from importlib import import_module
from itertools import zip_longest
from pathlib import Path

import pytest
from numpydoc.validate import validate

import sklearn_seq2seq

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BUILT = ("_build", "generated", "gallery")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md"] + sorted(
    path for path in DOCS.rglob("*.md") if path.relative_to(DOCS).parts[0] not in BUILT
)
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The pages' code has real sizes; here it only has to run.
SMALLER = {
    r"\bn_words=[\d_]+": "n_words=60",
    r"\bn_samples=[\d_]+": "n_samples=60",
    r"\bmax_epochs=[\d_]+": "max_epochs=2",
    r"\bhidden_size=128": "hidden_size=16",
    r"\bn_jobs=[\d_]+": "n_jobs=1",
}


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def code_of(page):
    """Each Python block: its first line, its text, and the output that follows it."""
    text = page.read_text("utf-8")
    fences = list(FENCE.finditer(text))
    for fence, following in zip_longest(fences, fences[1:]):
        if fence[1] != "python":
            continue
        output = None
        if (
            following is not None
            and following[1] == "text"
            and not text[fence.end() : following.start()].strip()
        ):
            output = following[2]
        yield text.count("\n", 0, fence.start(2)) + 1, fence[2], output


PAGES_WITH_CODE = [page for page in PAGES if any(code_of(page))]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", PAGES_WITH_CODE, ids=name_of)
def test_page_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, code, expected in code_of(page):
        for large, small in SMALLER.items():
            code = re.sub(large, small, code)
        # Empty lines before it, so that a traceback has the page's line numbers.
        compiled = compile("\n" * (line - 1) + code, str(page), "exec")
        exec(compiled, namespace)
        output = capsys.readouterr().out
        if expected is not None:
            flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            right = doctest.OutputChecker().check_output(expected, output, flags)
            assert right, f"line {line} prints\n{output}instead of\n{expected}"
