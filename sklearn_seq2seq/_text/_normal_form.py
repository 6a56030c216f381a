"""The choice of the Unicode normal form in which characters are read."""

import unicodedata
from collections import Counter
from itertools import chain

import numpy as np

# The canonical forms, "é" as one character or as "e" and an accent, among all forms.
FORMS = "NFC", "NFD"
ALL_FORMS = (*FORMS, "NFKC", "NFKD")
# A symbol that occurs less than RARE times is rare. Text is read decomposed if that at
# least halves the occurrences of rare symbols, and saves one or more in ROWS rows.
RARE, ROWS = 5, 50


def choose_form(columns):
    """Choose how strings are read: "NFC", "NFD", or None, as they are.

    Only strings that are all in one of the forms are read in a form, so that it
    restores them; new strings may then be in either. Decomposed, Hangul gains most: its
    thousands of syllables, most of them rare, consist of 67 letters.

    Parameters
    ----------
    columns : list of list of str
        The columns, one or more, that are to be read in one form. Each may have been
        written in a form of its own.

    Returns
    -------
    {"NFC", "NFD"} or None
    """
    if not _can_choose(map(forms_of, columns)):
        return None
    rows = list(chain.from_iterable(columns))
    return _chosen([_rare(rows, form) for form in FORMS], len(rows))


def choose_counted_form(counts):
    """`choose_form` for rows that were counted piece by piece.

    Parameters
    ----------
    counts : list of TokenCounts
        Of the sides or columns that are to be read in one form.
    """
    if not _can_choose(part.forms for part in counts):
        return None
    rare = []
    for form in FORMS:
        frequencies = Counter()
        for part in counts:
            frequencies.update(part.read_in(form).frequencies())
        rare.append(sum(n for n in frequencies.values() if n < RARE))
    return _chosen(rare, sum(part.n_rows for part in counts))


def forms_of(rows):
    """The forms that all strings are in: both for text without marks."""
    # No normal form combines characters across the end of a line.
    text = "" if all(map(str.isascii, rows)) else "\n".join(rows)
    return tuple(form for form in FORMS if unicodedata.is_normalized(form, text))


def fits_any_form(tokens):
    """Whether every text of these tokens is the same in both forms."""
    return forms_of(tokens) == FORMS and not any(map(combines, tokens))


def combines(token):
    """Whether a token, a mark or a Hangul letter, may change what is before it."""
    first = token[:1]
    is_mark = first and unicodedata.category(first) in ("Mn", "Mc")
    return bool(is_mark) or "\u1160" <= first <= "\u11ff"


def _can_choose(found):
    """Whether there are columns that are all in a form, and not all in both."""
    found = set(found)
    return () not in found and not found <= {FORMS}


def _chosen(rare, n_rows):
    composed, decomposed = rare
    saves_enough = 2 * decomposed <= composed and (
        ROWS * (composed - decomposed) >= max(n_rows, 1)
    )
    return "NFD" if saves_enough else "NFC"


def _rare(rows, form):
    """Occurrences of rare symbols."""
    text = unicodedata.normalize(form, "\n".join(["", *rows]))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    counts = np.bincount(codes)
    counts[ord("\n")] -= len(rows)
    return int(counts[counts < RARE].sum())
