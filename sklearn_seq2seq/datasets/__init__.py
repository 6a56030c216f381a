"""Pairs of sequences to learn from: generators, loaders and a reader of files.

``make_*`` functions generate pairs by a rule, ``load_*`` functions read real pairs from
installed packages, most of which the extra ``datasets`` installs, and `read_pairs`
reads your own files. Nothing is downloaded.
"""

from sklearn_seq2seq.datasets._catalogues import load_ui_translations
from sklearn_seq2seq.datasets._docstrings import load_docstring_summaries
from sklearn_seq2seq.datasets._files import read_pairs
from sklearn_seq2seq.datasets._generators import (
    make_dates,
    make_names,
    make_number_words,
)
from sklearn_seq2seq.datasets._string_tasks import (
    make_addition,
    make_copy,
    make_reverse,
    make_sort,
)
from sklearn_seq2seq.datasets._words import (
    load_lemmas,
    load_misspellings,
    load_pronunciations,
)

__all__ = [
    "load_docstring_summaries",
    "load_lemmas",
    "load_misspellings",
    "load_pronunciations",
    "load_ui_translations",
    "make_addition",
    "make_copy",
    "make_dates",
    "make_names",
    "make_number_words",
    "make_reverse",
    "make_sort",
    "read_pairs",
]
