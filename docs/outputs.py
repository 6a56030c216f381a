"""Write into the pages what their code prints and draws.

    python -m docs.outputs [PAGE ...]

runs the Python blocks of each page (of those whose outputs are out of date, where none
is named) at their real size, from top to bottom in one namespace and in a folder of
their own. What a block prints, and the value of the expression that it ends in, follows
it as a block of `text`; its figures follow as pictures. So pages show their results
wherever they are read. `outputs.json` keeps a digest of each page's code and outputs,
and one of the package's defaults; `tests/test_docs.py` tells by them what has changed
since. Where a default has, all pages are run, and `make gallery` runs all examples.
"""

import ast
import contextlib
import hashlib
import inspect
import io
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from PIL import Image
from sklearn.base import BaseEstimator

import sklearn_seq2seq
from sklearn_seq2seq import _parameters
from sklearn_seq2seq._pairs import _when_to_copy
from sklearn_seq2seq._text import _normal_form
from sklearn_seq2seq._training import _settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PICTURES = DOCS / "_static" / "pages"
DIGESTS = DOCS / "outputs.json"
GALLERY = DOCS / "gallery"
# What "auto" stands for.
RULES = _parameters, _when_to_copy, _normal_form, _settings
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$"
    r"(?P<shown>(?:\n\n```text\n(?P<output>.*?)^```$)?"
    r"(?P<pictures>(?:\n\n!\[[^]]*\]\([^)]*_static/pages/[^)]*\))*))",
    re.MULTILINE | re.DOTALL,
)


def all_pages():
    """Pages whose Python blocks run: the README, the changelog, those of the site."""
    made = {"_build", "generated", "gallery"}
    pages = sorted(DOCS.rglob("*.md"))
    pages = [path for path in pages if path.relative_to(DOCS).parts[0] not in made]
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *pages]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def blocks_of(page):
    """Matches of a page's Python blocks, each with the outputs that follow it."""
    return list(BLOCK.finditer(page.read_text("utf-8")))


def digest_of(page):
    """Of all code and outputs, but not of the words that describe a picture."""
    shown = (re.sub(r"!\[[^]]*\]", "![]", block[0]) for block in blocks_of(page))
    return hashlib.sha256("\n".join(shown).encode()).hexdigest()[:16]


def digest_of_defaults():
    """Of the defaults of all estimators, and of the numbers in the rules of "auto"."""
    public = [getattr(sklearn_seq2seq, name) for name in sklearn_seq2seq.__all__]
    defaults = [
        f"{one.__name__} {parameter.name} {parameter.default!r}"
        for one in public
        if inspect.isclass(one) and issubclass(one, BaseEstimator)
        for parameter in inspect.signature(one).parameters.values()
    ]
    rules = [
        f"{module.__name__} {name} {value!r}"
        for module in RULES
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, int | float)
    ]
    return hashlib.sha256("\n".join(sorted(defaults + rules)).encode()).hexdigest()[:16]


def run(code, namespace, page, n_lines_before):
    """Run a block and return what it shows, as a notebook would.

    An estimator at the end is not: it says nothing that the code does not. Nor is what
    comes with a figure.
    """
    tree = ast.increment_lineno(ast.parse(code, page), n_lines_before)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()) as output:
        exec(compile(tree, page, "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), page, "eval"), namespace)
            if not isinstance(value, BaseEstimator | None) and not plt.get_fignums():
                print(repr(value))
    lines = output.getvalue().strip("\n").splitlines()
    return "".join(line.rstrip() + "\n" for line in lines)


def write_outputs(page):
    """Run a page, and write its outputs into it and its figures beside it."""
    text, written, end, n_pictures = page.read_text("utf-8"), [], 0, 0
    stem = "-".join(page.relative_to(ROOT).with_suffix("").parts).lower()
    stem = stem.removeprefix("docs-")
    for old in PICTURES.glob(f"{stem}-[0-9]*.png"):
        old.unlink()
    namespace = {"__name__": "__main__"}
    for block in blocks_of(page):
        written.append(text[end : block.start("shown")])
        end = block.end()
        n_before = text.count("\n", 0, block.start("code"))
        if output := run(block["code"], namespace, page, n_before):
            written.append(f"\n\n```text\n{output}```")
        words = re.findall(r"!\[([^]]*)\]", block["pictures"])
        for number in plt.get_fignums():
            n_pictures += 1
            path = PICTURES / f"{stem}-{n_pictures}.png"
            draw(plt.figure(number), path)
            link = os.path.relpath(path, page.parent)
            written.append(f"\n\n![{words.pop(0) if words else ''}]({link})")
        plt.close("all")
    page.write_text("".join([*written, text[end:]]), "utf-8")


def draw(figure, path):
    """Save a figure in few bytes: a plot has few colours."""
    path.parent.mkdir(exist_ok=True)
    pixels = io.BytesIO()
    figure.savefig(pixels, dpi=100, bbox_inches="tight")
    Image.open(pixels).convert("RGB").quantize(128).save(path, optimize=True)


def main(names):
    plt.switch_backend("Agg")
    digests = json.loads(DIGESTS.read_text("utf-8"))
    changed = digests.get("defaults") != digest_of_defaults()
    pages = [Path(name).resolve() for name in names] or [
        page
        for page in all_pages()
        if blocks_of(page)
        and (changed or digests.get(name_of(page)) != digest_of(page))
    ]
    for page in pages:
        print(name_of(page), flush=True)
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            write_outputs(page)
        digests[name_of(page)] = digest_of(page)
        DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")
    if changed and not names:
        for kept in GALLERY.glob("*.md5"):
            kept.unlink()
        digests["defaults"] = digest_of_defaults()
        DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
