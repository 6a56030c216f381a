"""The gallery: scripts run, on less data, and end in a picture."""

import ast
import hashlib
import re
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt

from sklearn_seq2seq import Seq2SeqTransformer

EXAMPLES = Path(__file__).parents[1] / "examples"
GALLERY = EXAMPLES.parent / "docs" / "gallery"
PAGES = [*sorted(EXAMPLES.glob("plot_*.py")), EXAMPLES / "quickstart.py"]
# Networks that have hardly learnt do not end their translations of a catalogue's long
# strings, which takes minutes; the gallery runs all as they are.
SMALLER = [page for page in PAGES if page.stem != "plot_translation"]
# Packages with few docstrings in place of those with many.
PACKAGES = {"pandas": "joblib", "scikit-learn": "skorch"}


class Smaller(ast.NodeTransformer):
    """One epoch, a twentieth of all large numbers, smaller packages, one process.

    Sizes and where data are split shrink alike, so that the script stays sound.
    """

    def visit_Constant(self, node):
        if type(node.value) is int and node.value >= 200:
            return ast.Constant(node.value // 20)
        return ast.Constant(PACKAGES.get(node.value, node.value))

    def visit_keyword(self, node):
        if node.arg in ("max_epochs", "n_jobs"):
            return ast.keyword(node.arg, ast.Constant(1))
        return self.generic_visit(node)


# Models of one epoch predict nonsense, of which they warn.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("page", SMALLER, ids=lambda page: page.stem)
def test_example_runs(page, capsys, monkeypatch):
    # Seq2SeqAutoencoder inherits this constructor.
    monkeypatch.setitem(Seq2SeqTransformer.__init__.__kwdefaults__, "max_epochs", 1)
    tree = ast.fix_missing_locations(
        Smaller().visit(ast.parse(page.read_text("utf-8")))
    )
    plt.close("all")
    with mpl.rc_context({"backend": "Agg"}):
        exec(compile(tree, page, "exec"), {"__name__": "__main__"})
        n_figures = len(plt.get_fignums())
        plt.close("all")
    assert capsys.readouterr().out
    assert n_figures


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_example_begins_with_its_title(page):
    title, underline, blank, *_ = ast.get_docstring(ast.parse(page.read_text())).split(
        "\n"
    )
    assert underline == "=" * len(title)
    assert not blank


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_gallery_shows_networks_that_were_trained_enough(page):
    """Nobody is to learn from an example that its own warning calls unfinished."""
    kept = (GALLERY / f"{page.stem}.rst").read_text("utf-8")
    assert "ConvergenceWarning: " not in kept


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_gallery_says_what_its_pictures_show(page):
    """Who cannot see a picture hears its titles, or else the script's name."""
    kept = (GALLERY / f"{page.stem}.rst").read_text("utf-8")
    described = re.findall(r"^ *:alt: (.*)$", kept, re.MULTILINE)
    assert described
    assert page.stem.replace("_", " ") not in described


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_gallery_shows_what_the_script_does(page):
    kept = GALLERY / f"{page.name}.md5"
    digest = hashlib.md5(page.read_text("utf-8").encode()).hexdigest()
    assert kept.exists(), "run: make gallery"
    assert kept.read_text() == digest, "run: make gallery"
