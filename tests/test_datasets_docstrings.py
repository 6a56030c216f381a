"""Descriptions and first lines, out of made-up and installed packages."""

from collections import Counter

import numpy as np
import pytest

from sklearn_seq2seq.datasets import load_docstring_summaries
from sklearn_seq2seq.datasets._duplicates import group_near_duplicates

LONG = "This takes ten words to say, and here are two more."


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a made-up distribution of the given Python files."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name, files):
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nLicense-Expression: MIT\n")
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text, "utf-8")
        (info / "RECORD").write_text("".join(f"{path},,\n" for path in reversed(files)))

    return install


def function(docstring, name="f"):
    lines = "".join(f"    {line}\n" for line in docstring.splitlines())
    return f'def {name}():\n    r"""{lines.strip()}\n    """\n'


def pairs(bunch):
    return list(zip(bunch.data, bunch.target, strict=True))


@pytest.mark.parametrize(
    ("docstring", "pair"),
    [
        (f"Say a little.\n\n{LONG}", (LONG, "Say a little.")),
        (f"Say a little\nmore.\n\n\n{LONG}", (LONG, "Say a little more.")),
        (f"f(x, *, y=1) -> int\n\nSay a little.\n\n{LONG}", (LONG, "Say a little.")),
        (f"Say a little.\n\n{LONG[:20]}\n\n{LONG[21:]}", (LONG, "Say a little.")),
        (f":meth:`f` runs first.\n\n:func:`g` {LONG}", (f"g {LONG}", "f runs first.")),
        (f"Say ``a <b>``.\n\n{LONG}", (LONG, "Say a <b>.")),
        (
            f"Say a little.\n\n{LONG} See :class:`~a.b.C`, :func:`it <d>`, `x_`_ [1]_.",
            (f"{LONG} See a.b.C, it, x_.", "Say a little."),
        ),
        (
            f"Say a little.\n\n{LONG} An *odd* one, **bold**: x**2 * y**3::\n\n    x",
            (f"{LONG} An odd one, bold: x**2 * y**3:", "Say a little."),
        ),
        (
            f"Say a little.\n\n{LONG}\nRead more in the :ref:`User Guide <a>`.",
            (LONG, "Say a little."),
        ),
        (
            f"Say a little.\n\n.. note:: no\n\n   no\n\n>>> no\n\n- no\n\n{LONG}",
            (LONG, "Say a little."),
        ),
        (f"Say a little.\n\n{LONG}\n\nNotes\n-----\nno", (LONG, "Say a little.")),
        (f"Say a little.\n\n{LONG}\n\nArgs:\n    no: no", (LONG, "Say a little.")),
        (f"Say a little.\n\n{LONG}\n\n:param x: no", (LONG, "Say a little.")),
        (f"Say a little.\n\nNotes\n-----\n{LONG}", None),
        (f"Say a little.\n\nReturns:\n    {LONG}", None),
        (f"Say a little. {LONG}", None),
        ("Say a little.\n\nNine words are too few to be a description.", None),
        (f"Two words.\n\n{LONG}", None),
        (f"{'word ' * 26}\n\n{LONG}", None),
        (f".. deprecated:: 1.0\n\n{LONG}", None),
        (f"Parameters\n----------\nx y z\n\n{LONG}", None),
    ],
)
def test_load_docstring_summaries_keeps_to_its_rules(install, docstring, pair):
    known = "This one has to be there so that something is always there.", "Be of use."
    files = {
        "pack/a.py": function("\n\n".join(reversed(known))),
        "pack/b.py": function(docstring),
    }
    install("pack", files)

    bunch = load_docstring_summaries("pack")

    assert pairs(bunch) == [known] + [pair] * (pair is not None)


def test_load_docstring_summaries_finds_all_definitions_in_order(install):
    def doc(word):
        return f'"""The {word} one.\n\n{word} {LONG}\n"""'

    text = f"""\
{doc("module")}
class A:
    {doc("class")}
    def method(self):
        {doc("method")}
        def inner():
            {doc("inner")}
    async def other(self):
        {doc("async")}
if True:
    def one(): {doc("if")}
else:
    def one(): {doc("else")}
try:
    import absent
except ImportError:
    def one(): {doc("except")}
def no(): "Nothing to see."
x = {doc("string")}
"""
    words = ["module", "class", "method", "inner", "async", "if", "else", "except"]
    files = {"pack/b.py": text, "pack/a.py": function(f"Come in first.\n\n{LONG}")}
    files |= {"pack/c.py": "def no(:", "pack/d.txt": function(f"Not for us.\n\n{LONG}")}
    files |= {
        f"pack/{n}/t.py": function(f"A {n} file.\n\nNo {LONG}") for n in ["tests"]
    }
    install("pack", files)

    bunch = load_docstring_summaries(["pack"])

    expected = ["Come in first.", *(f"The {word} one." for word in words)]
    assert bunch.target.tolist() == expected
    assert bunch.data.tolist() == [LONG, *(f"{word} {LONG}" for word in words)]


def test_load_docstring_summaries_runs_nothing(install):
    text = function(f"Say a little.\n\n{LONG}") + "raise SystemExit\n"
    install("pack", {"pack/__init__.py": text})

    assert load_docstring_summaries("pack").target.tolist() == ["Say a little."]


def test_load_docstring_summaries_takes_equal_descriptions_once(install):
    texts = [f"Say a little.\n\n{LONG}", f"Say it again.\n\n{LONG}"]
    install("one", {"one/a.py": function(texts[0])})
    install(
        "two", {"two/a.py": function(texts[1]) + function(f"Go on now.\n\n{LONG}!")}
    )

    bunch = load_docstring_summaries(["two", "one"])

    assert pairs(bunch) == [(LONG, "Say it again."), (f"{LONG}!", "Go on now.")]
    assert bunch.origin.tolist() == ["two", "two"]
    assert bunch.licenses == {"two": "MIT", "one": "MIT"}


def test_load_docstring_summaries_groups_what_is_nearly_the_same(install):
    words = [letter * 3 for letter in "abcdefghijkl"]
    texts = {
        "The first one.": " ".join(words),
        "The second one.": " ".join([*words, "mmm"]).upper(),
        "the FIRST one.": "something else that is of ten words in all, just so",
        "The last one.": " ".join(reversed(words)),
    }
    source = "".join(function(f"{line}\n\n{text}") for line, text in texts.items())
    install("pack", {"pack/a.py": source})

    groups = load_docstring_summaries("pack").groups

    assert groups.tolist() == [0, 0, 0, 1]


def test_load_docstring_summaries_returns_one_content_in_three_forms(install):
    texts = [f"Say a little.\n\n{LONG}", f"Go on now.\n\nBut {LONG}"]
    install("pack", {"pack/a.py": "".join(map(function, texts))})

    bunch = load_docstring_summaries("pack")
    X, y = load_docstring_summaries("pack", return_X_y=True)
    frame = load_docstring_summaries("pack", as_frame=True).frame

    np.testing.assert_array_equal(X, bunch.data)
    np.testing.assert_array_equal(y, bunch.target)
    assert frame.columns.tolist() == ["description", "summary"]
    assert frame.to_numpy().tolist() == np.c_[X, y].tolist()
    assert frame["summary"].tolist() == ["Say a little.", "Go on now."]
    assert bunch.DESCR.startswith("Load descriptions from docstrings")


def test_load_docstring_summaries_ends_after_max_words(install):
    install("pack", {"pack/a.py": function(f"Say a little.\n\n{LONG}")})

    assert load_docstring_summaries("pack", max_words=3).data.tolist() == [
        "This takes ten"
    ]


def test_load_docstring_summaries_has_each_shortened_text_once(install):
    texts = [f"Say {k} little.\n\n{LONG} {k}" for k in ("a", "no", "very")]
    install("pack", {f"pack/{k}.py": function(text) for k, text in enumerate(texts)})

    assert len(load_docstring_summaries("pack").data) == 3
    assert load_docstring_summaries("pack", max_words=3).target.tolist() == [
        "Say a little."
    ]


def test_load_docstring_summaries_names_what_is_missing(install):
    install("bare", {"bare/a.py": "x = 1\n"})

    with pytest.raises(ValueError, match="No docstring of bare has a summary"):
        load_docstring_summaries("bare")
    with pytest.raises(ImportError, match=r"not installed: absent\."):
        load_docstring_summaries(["bare", "absent"])


# Installed ones ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def real():
    return load_docstring_summaries("numpy")


def test_load_docstring_summaries_finds_real_pairs(real):
    known = dict(zip(real.target, real.data, strict=True))

    assert len(real.data) > 400
    assert known["Return the Hanning window."] == (
        "The Hanning window is a taper formed by using a weighted cosine."
    )
    assert all(3 <= len(line.split()) <= 25 for line in known)
    assert len(set(real.data)) == len(real.data)


def test_load_docstring_summaries_groups_real_pairs(real):
    sizes = Counter(real.groups.tolist()).values()

    assert len(sizes) > 0.7 * len(real.data)
    assert 2 < max(sizes) < 30
    lowered = [line.lower() for line in real.target]
    assert len(set(zip(lowered, real.groups, strict=True))) == len(set(lowered))


# Near-duplicates --------------------------------------------------------------------


def test_group_near_duplicates_agrees_with_comparing_all():
    rng = np.random.default_rng(0)
    vocabulary = [f"w{i}" for i in range(200)]
    texts = []
    for _ in range(60):
        words = rng.choice(vocabulary, size=30)
        for n_changed in (0, 3, 20):
            changed = words.copy()
            changed[rng.choice(30, n_changed, replace=False)] = "new"
            texts.append(" ".join(changed))
    sets = [set(text.split()) for text in texts]
    similar = [[len(a & b) / len(a | b) >= 0.6 for a in sets] for b in sets]
    expected = np.array([row.index(True) for row in similar])
    while (deeper := expected[expected]).tolist() != expected.tolist():
        expected = deeper

    groups = group_near_duplicates(
        texts, list(range(len(texts))), analyzer="word", ngram_range=(1, 1)
    )

    assert [groups.tolist().index(group) for group in groups] == expected.tolist()


def test_group_near_duplicates_goes_by_keys_too():
    groups = group_near_duplicates(
        ["a b", "c d", "e f", "c d", "g h"],
        ["x", "y", "x", "z", "z"],
        analyzer="word",
        ngram_range=(1, 2),
    )

    assert groups.tolist() == [0, 1, 0, 1, 1]
