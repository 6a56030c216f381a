"""Descriptions and their summaries, from the docstrings of installed packages."""

import ast
import re
import warnings

import numpy as np
from sklearn.utils._param_validation import validate_params

from sklearn_seq2seq.datasets._bunch import COUNT, FORMAT, make_bunch, object_array
from sklearn_seq2seq.datasets._duplicates import group_near_duplicates
from sklearn_seq2seq.datasets._installed_packages import (
    files_of,
    licenses_of,
    need_distributions,
)

# Folders of tests and of vendored code.
_LEFT_OUT = {"tests", "test", "testing", "_testing", "externals", "_vendor"}
_DOCUMENTED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_BLOCKS = ("body", "handlers", "orelse", "finalbody")
_MIN_WORDS = 10
_SUMMARY_WORDS = range(3, 26)

_PARAGRAPHS = re.compile(r"\n[ \t]*\n\s*?(?=[ \t]*\S)")
_SIGNATURE = re.compile(r"[\w.]+\(.*\)(?: *->.*)?$", re.DOTALL)
# Underlined (numpydoc), or a known word and a colon (Google), or a field.
_SECTION = re.compile(
    r"(?:.+\n[ \t]*[-=~^]{3,}[ \t]*(?:\n|$)"
    r"|(?:args?|arguments|params?|parameters|attributes|returns?|yields?|raises"
    r"|examples?|notes?|keyword arg\w*|shape|see also|references|usage|warnings?)"
    r"[ \t]*::?[ \t]*(?:\n|$)"
    r"|:(?:param|return|returns|rtype|type|raises)\b)",
    re.IGNORECASE,
)
_NO_PROSE = re.compile(r"[ \t]|\.\.|>>>|[|+*=#-]|\d+[.)]|:\w+:(?!`)|@\w|```")
_USER_GUIDE = re.compile(r"(?:Read|See) (?:more|further)?[^.:]*:ref:`[^`]*`[^.]*\.?")
_CLEAN = [
    (re.compile(r":(?:\w+:)+(?=`)"), ""),  # the role of a reference
    (re.compile(r"``([^`]+)``"), r"\1"),
    (re.compile(r"`~?([^`]*?)(?:\s*<[^`>]*>)?`_{0,2}"), r"\1"),  # with its target
    (re.compile(r"[ \n]*\[[\w-]+\]_"), ""),  # footnotes
    (re.compile(r"(?<!\w)(\*{1,2})(?=\S)([^*\n]+?)(?<=\S)\1(?!\w)"), r"\2"),
    (re.compile(r"::(?=\s|$)"), ":"),
    (re.compile(r"\s+"), " "),
]


@validate_params(
    {"packages": [str, "array-like"], "max_words": [COUNT, None], **FORMAT},
    prefer_skip_nested_validation=True,
)
def load_docstring_summaries(
    packages=("numpy", "scipy", "scikit-learn", "torch", "pandas"),
    *,
    max_words=None,
    return_X_y=False,
    as_frame=False,
):
    """Load descriptions from docstrings, and the first lines that summarise them.

    They come from the Python files of installed distributions, which are parsed but
    never imported. The five default packages take half a minute.

    Parameters
    ----------
    packages : str or sequence of str
        Distributions to read, in this order, by their names for pip.
    max_words : int, default=None
        Number of words after which descriptions are cut; None keeps them whole.
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return pandas Series, and a DataFrame of both columns.

    Returns
    -------
    Bunch
        With these attributes; with `return_X_y`, the first two as a tuple.

        data : ndarray of str objects, or Series, of shape (n_samples,)
            The text between the first line and the first section, each text once.
        target : ndarray of str objects, or Series, of shape (n_samples,)
            First lines.
        groups : ndarray of int64, shape (n_samples,)
            Rows have the same number if their descriptions are near-duplicates, or
            their first lines equal except for case. A splitter such as
            `GroupShuffleSplit` keeps them on one side.
        origin : ndarray of str objects, shape (n_samples,)
            The distribution of each row.
        licenses : dict of str
            From each distribution to the licence in its metadata.
        frame : DataFrame of shape (n_samples, 2)
            Only with `as_frame`: the columns "description" and "summary".
        feature_names, target_names : list of str
            The names of those columns.
        DESCR : str
            This text.

    Raises
    ------
    ImportError
        If one of `packages` is not installed.
    ValueError
        If none of them has such a docstring.

    Notes
    -----
    The rows are selected as follows:

    - Docstrings of modules, classes, functions and methods are read, in the order of
      `packages`, of their files' names and of the lines, except for those in folders of
      tests and of vendored code.
    - The summary is the first paragraph that is not a signature: 3 to 25 words.
    - The description is what follows, up to the first section (of numpydoc, Google or
      fields): at least 10 words. Indented blocks, directives, doctests, lists, tables
      and references to a user guide are left out.
    - Roles, back quotes, footnotes and emphasis are replaced by their text, and runs of
      white space by one space.
    - Of descriptions that are equal after `max_words`, the first is kept.

    The result depends on the installed releases. Descriptions are near-duplicates if
    they share at least 60 % of their n-grams of one to three words.

    Source: NumPy, SciPy, scikit-learn, PyTorch and pandas (all BSD-3-Clause), and
    whatever else `packages` names.

    Examples
    --------
    >>> from sklearn_seq2seq.datasets import load_docstring_summaries
    >>> docs = load_docstring_summaries("scikit-learn")
    >>> summaries = {text: line for text, line in zip(docs.data, docs.target)}
    >>> len(summaries) > 500
    True
    >>> docs.licenses
    {'scikit-learn': 'BSD-3-Clause'}
    """
    distributions = need_distributions(np.atleast_1d(packages).tolist())
    rows = {}
    for dist in distributions:
        name = dist.name
        for docstring in _docstrings(dist):
            pair = _split(docstring)
            if pair is not None:
                description = " ".join(pair[0].split()[:max_words])
                rows.setdefault(description, (pair[1], name))
    if not rows:
        names = ", ".join(dist.name for dist in distributions)
        raise ValueError(f"No docstring of {names} has a summary and a description.")
    target, origin = zip(*rows.values(), strict=True)
    return make_bunch(
        {"description": rows},
        {"summary": target},
        load_docstring_summaries,
        return_X_y,
        as_frame,
        groups=group_near_duplicates(
            [text.lower() for text in rows],
            [line.lower() for line in target],
            analyzer="word",
            ngram_range=(1, 3),
        ),
        origin=object_array(origin),
        licenses=licenses_of(distributions),
    )


def _docstrings(dist):
    """Yield the docstrings of a distribution's Python files."""
    for path in files_of(dist):
        if path.suffix == ".py" and not _LEFT_OUT.intersection(path.parts):
            yield from _docstrings_in(dist.locate_file(path).read_bytes())


def _docstrings_in(source):
    """Yield the docstrings of a file; none if this Python cannot parse it."""
    try:
        with warnings.catch_warnings(action="ignore"):
            stack = [ast.parse(source)]
    except (SyntaxError, ValueError):
        return
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Module, *_DOCUMENTED)):
            docstring = ast.get_docstring(node)
            if docstring:
                yield docstring
        # Only statements contain definitions; most of a tree are expressions.
        inner = [child for block in _BLOCKS for child in getattr(node, block, ())]
        stack.extend(reversed(inner))


def _split(docstring):
    """A docstring's description and summary, or None."""
    summary, *paragraphs = _PARAGRAPHS.split(docstring)
    if _SIGNATURE.match(summary) and paragraphs:
        summary, *paragraphs = paragraphs
    if _NO_PROSE.match(summary) or _SECTION.match(summary):
        return None
    prose = []
    for paragraph in paragraphs:
        if _SECTION.match(paragraph):
            break
        if not _NO_PROSE.match(paragraph):
            prose.append(paragraph)
    summary = _clean(summary)
    description = _clean(_USER_GUIDE.sub("", "\n".join(prose)))
    if len(summary.split()) not in _SUMMARY_WORDS:
        return None
    return (description, summary) if len(description.split()) >= _MIN_WORDS else None


def _clean(text):
    for pattern, replacement in _CLEAN:
        text = pattern.sub(replacement, text)
    return text.strip()
