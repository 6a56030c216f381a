"""The pages: their code runs, their links lead somewhere, nothing public is missing."""

import ast
import inspect
import json
import pkgutil
import re
from dataclasses import replace
from importlib import import_module

import matplotlib.pyplot as plt
import pytest
from numpydoc.validate import ERROR_MSGS, validate
from sklearn.base import BaseEstimator

import sklearn_seq2seq
from docs import outputs
from docs.outputs import DOCS, ROOT, blocks_of, name_of
from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq._documentation import parameter_groups
from sklearn_seq2seq._training._settings import StoppingRule

PAGES = outputs.all_pages()
FENCE = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def prose_of(page):
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text("utf-8"))


# Code -------------------------------------------------------------------------------

# The code has real sizes; here it only has to run.
SMALLER = {
    r"\bn_words=[\d_]+": "n_words=60",
    r"\bn_samples=[\d_]+": "n_samples=60",
    r"\bmax_epochs=[\d_]+": "max_epochs=2",
    r"\bhidden_size=128\b": "hidden_size=16",
    r'("hidden_size"): 128\b': r"\1: 16",
    r'("max_epochs"): [\d_]+': r"\1: 2",
    r"\bn_jobs=[\d_]+": "n_jobs=1",
}


WITH_CODE = [page for page in PAGES if blocks_of(page)]
DECIMAL = re.compile(r"-?\d+\.\d+(?:e[+-]\d+)?")


# Models of two epochs predict nonsense, of which they warn.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    shortened = []

    def two_epochs(rule, enough=0):
        shortened.append(rule.max_epochs == "auto")
        return replace(rule, max_epochs=2) if shortened[-1] else rule

    monkeypatch.setattr(StoppingRule, "resolved", two_epochs)
    namespace, is_smaller = {"__name__": "__main__"}, False
    for block in blocks_of(page):
        code = block["code"]
        for large, small in SMALLER.items():
            code = re.sub(large, small, code)
        is_smaller |= code != block["code"]
        n_lines_before = text.count("\n", 0, block.start("code"))
        output = outputs.run(code, namespace, page, n_lines_before)
        plt.close("all")
        is_smaller |= any(shortened)
        if not is_smaller and block["output"] is not None:
            assert_alike(output, block["output"])


def assert_alike(output, expected):
    """Decimals may differ a little, as they do from processor to processor."""
    assert DECIMAL.sub("#", output).split() == DECIMAL.sub("#", expected).split()
    numbers = [float(number) for number in DECIMAL.findall(output)]
    shown = [float(number) for number in DECIMAL.findall(expected)]
    assert numbers == pytest.approx(shown, rel=0.05, abs=0.05)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
def test_outputs_are_those_of_the_code(page):
    digests = json.loads(outputs.DIGESTS.read_text("utf-8"))
    up_to_date = digests.get(name_of(page)) == outputs.digest_of(page)
    assert up_to_date, f"run: make outputs PAGE={name_of(page)}"
    assert "![](" not in page.read_text("utf-8"), "say what the picture shows"


SIZE = re.compile(r"\bhidden_size\b(?:=|\": )(\d+)\b.*")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("path", [*WITH_CODE, *EXAMPLES], ids=name_of)
def test_networks_smaller_than_the_default_are_called_small(path):
    """Nobody is to take for good settings what is there to be quick."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        text = "".join(block[0] for block in blocks_of(path))
    default = Seq2SeqTransformer().hidden_size
    for found in SIZE.finditer(text):
        if int(found[1]) < default and path.stem != "networks":  # the literature's
            assert re.search("# .*small", found[0]), found[0]


def test_outputs_are_of_the_present_defaults():
    digests = json.loads(outputs.DIGESTS.read_text("utf-8"))
    up_to_date = digests["defaults"] == outputs.digest_of_defaults()
    assert up_to_date, "run: make outputs gallery"


def test_pictures_of_outputs_are_on_a_page():
    text = "".join(page.read_text("utf-8") for page in PAGES)
    left_over = [p.name for p in outputs.PICTURES.iterdir() if p.name not in text]
    assert not left_over


# Links ------------------------------------------------------------------------------

LINK = re.compile(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)")
LITERATURE = re.compile(r"https://(?:arxiv\.org/abs|doi\.org)/[^)\s]+")


def anchors_of(page):
    """What a page's headings are called in links, as GitHub and MyST spell it."""
    headings = re.findall(r"^#+ (.*)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def local_links():
    for page in PAGES:
        for link in LINK.findall(prose_of(page)):
            if not re.match(r"[a-z]+:", link):
                yield page, link


@pytest.mark.parametrize(
    ("page", "link"), list(local_links()), ids=lambda x: x if isinstance(x, str) else ""
)
def test_link_leads_somewhere(page, link):
    path, _, anchor = link.partition("#")
    target = page if not path else (page.parent / path).resolve()
    assert target.exists()
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in anchors_of(target)


def test_pages_read_well_where_there_is_no_sphinx():
    """A forge shows directives and roles as they are; two pages are Sphinx's own."""
    own = {DOCS / "api.md", DOCS / "changelog.md"}
    for page in PAGES:
        text = page.read_text("utf-8")
        assert page in own or not re.search(r"^\s*(`{3,}|:{3,})\{", text, re.M), page
        assert not re.search(r"\{[\w:+.-]+\}`", text), page


def test_literature_is_on_the_page_of_references():
    listed = set(LITERATURE.findall((DOCS / "references.md").read_text("utf-8")))
    pages = [page for page in PAGES if page.name != "references.md"]
    assert listed == {
        link for page in pages for link in LITERATURE.findall(page.read_text("utf-8"))
    }


@pytest.mark.parametrize(
    ("page", "file", "start", "end"),
    [
        ("guide/serving.md", "serving.py", "class Batcher", "\n\nclass Handler"),
        ("guide/deployment.md", "javascript/predict.js", "", None),
    ],
)
def test_page_quotes_the_file(page, file, start, end):
    code = (ROOT / "examples" / file).read_text("utf-8")
    quoted = code[code.index(start) : end and code.index(end)]
    assert f"{quoted.strip()}\n```\n" in (DOCS / page).read_text("utf-8")


def test_links_are_found():
    assert (DOCS / "index.md", "getting_started.md") in set(local_links())


# Completeness -----------------------------------------------------------------------


def public_modules():
    yield sklearn_seq2seq
    for module in pkgutil.iter_modules(sklearn_seq2seq.__path__):
        if not module.name.startswith("_"):
            yield import_module(f"sklearn_seq2seq.{module.name}")


def public_names():
    return sorted((m.__name__, name) for m in public_modules() for name in m.__all__)


def test_api_page_has_every_public_name():
    text = (DOCS / "api.md").read_text("utf-8")
    listed, module = [], None
    for line in text.splitlines():
        if match := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        elif match := re.fullmatch(r"   (\w+)", line):
            listed.append((module, match[1]))
    assert sorted(listed) == public_names()


def test_contributing_has_the_table_of_the_house():
    text = (DOCS / "contributing.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)/?` \| (.*)", text, re.MULTILINE))
    found = pkgutil.walk_packages(sklearn_seq2seq.__path__, "sklearn_seq2seq.")
    modules = {module.name.removeprefix("sklearn_seq2seq.") for module in found}
    folders = {module.partition(".")[0] for module in modules}
    assert {name for name in folders - rows.keys() if f"`{name}`" not in text} == set()
    assert rows.keys() <= folders
    for module in modules:
        folder, _, name = module.partition(".")
        if folder.startswith("_") and name:
            assert f"`{name}`" in rows[folder], module


# Docstrings -------------------------------------------------------------------------

# All that numpydoc finds is mended, but for this.
LEFT_OUT = {
    "ES01": "the summary of a method often says it all",
    "EX01": "the class's examples show its methods; see the last test",
    "SA01": "the site links what belongs together",
    "RT02": "what is returned has a name",
    "SS05": "numpydoc can only guess what is a verb",
}


def documented():
    """Public classes and functions, and the methods of ours."""
    for module, name in public_names():
        member = getattr(import_module(module), name)
        if not callable(member):
            continue
        yield f"{module}.{name}"
        if inspect.isclass(member):
            for method in dir(member):
                owner = next((c for c in member.__mro__ if method in vars(c)), object)
                made_by_sklearn = re.fullmatch(r"set_\w+_(request|output)", method)
                ours = owner.__module__.startswith("sklearn_seq2seq")
                if ours and not method.startswith("_") and not made_by_sklearn:
                    yield f"{module}.{name}.{method}"


WITH_HEADINGS = {
    "sklearn_seq2seq.Seq2SeqTransformer",
    "sklearn_seq2seq.Seq2SeqAutoencoder",
}


@pytest.mark.parametrize("name", list(documented()))
def test_docstring_is_numpydoc(name):
    errors = [error for error in validate(name)["errors"] if error[0] not in LEFT_OUT]
    if name in WITH_HEADINGS:
        # numpydoc takes the headings among the parameters for parameters.
        (unknown,) = (text for code, text in errors if code == "PR02")
        headings = set(parameter_groups(Seq2SeqTransformer)) - {""}
        assert set(re.findall(r"'(\w+)'", unknown)) == headings
        errors = [error for error in errors if error[0] not in {"PR02", "PR04", "PR07"}]
    assert not errors


ESTIMATORS = [
    member
    for module, name in public_names()
    if inspect.isclass(member := getattr(import_module(module), name))
    and issubclass(member, BaseEstimator)
]


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_docstring_has_every_default(estimator):
    rows = re.findall(r"^    ([\w, ]+) : .*default=(.+)$", estimator.__doc__, re.M)
    documented = {name: text for names, text in rows for name in names.split(", ")}
    for name, parameter in inspect.signature(estimator).parameters.items():
        if parameter.default is not parameter.empty:
            assert ast.literal_eval(documented[name]) == parameter.default, name


def test_parameters_stand_in_groups_in_the_order_of_the_signature():
    groups = parameter_groups(Seq2SeqTransformer)
    assert list(groups) == [
        "",
        "Text",
        "Network",
        "Training",
        "Stopping",
        "Decoding",
        "Running",
    ]
    assert len(groups[""]) == 10
    documented = [name for names in groups.values() for name in names]
    signature = list(inspect.signature(Seq2SeqTransformer).parameters)
    assert documented == signature
    stored = re.findall(
        r"self\.(\w+) = \1", inspect.getsource(Seq2SeqTransformer.__init__)
    )
    assert stored == signature


def test_codes_left_out_exist():
    assert set(LEFT_OUT) <= set(ERROR_MSGS)


@pytest.mark.parametrize(("module", "name"), public_names())
def test_every_public_object_has_an_example(module, name):
    member = getattr(import_module(module), name)
    is_error = inspect.isclass(member) and issubclass(member, Exception)
    if callable(member) and not is_error:
        assert "    Examples\n" in member.__doc__
