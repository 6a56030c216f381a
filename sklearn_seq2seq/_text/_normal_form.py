"""The choice of the Unicode normal form in which characters are read."""

import unicodedata
from collections import Counter

import numpy as np

# A symbol that occurs less than RARE times is rare. Text is read decomposed if that at
# least halves the occurrences of rare symbols, and saves one or more in ROWS rows.
RARE, ROWS = 5, 50


def choose_form(rows):
    """Choose how strings are read: None, as they are, or "NFD", decomposed.

    Only text in NFC is decomposed, so that NFC restores every string. Hangul gains
    most: its thousands of syllables, most of them rare, consist of 67 letters.

    Parameters
    ----------
    rows : list of str

    Returns
    -------
    {"NFD"} or None
    """
    if not holds_marks(rows) or not is_composed(rows):
        return None
    text = "".join(rows)
    before, after = map(_rare, (text, unicodedata.normalize("NFD", text)))
    return "NFD" if _saves_enough(before, after, len(rows)) else None


def choose_counted_form(counts):
    """`choose_form` for rows that were counted piece by piece.

    Parameters
    ----------
    counts : list of TokenCounts
        Of the sides or columns that are to be read in one form.
    """
    if not all(part.composed for part in counts):
        return None
    before, after = Counter(), Counter()
    for part in counts:
        before.update(part.frequencies())
        after.update((part.letters or part).frequencies())
    before, after = (
        sum(n for n in frequencies.values() if n < RARE)
        for frequencies in (before, after)
    )
    n_rows = sum(part.n_rows for part in counts)
    return "NFD" if _saves_enough(before, after, n_rows) else None


def holds_marks(rows):
    """Whether normal forms of strings may differ."""
    return not all(map(str.isascii, rows))


def is_composed(rows):
    # No normal form combines characters across the end of a line.
    return unicodedata.is_normalized("NFC", "\n".join(rows))


def _saves_enough(before, after, n_rows):
    return 2 * after <= before and ROWS * (before - after) >= max(n_rows, 1)


def _rare(text):
    """Occurrences of rare symbols."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    counts = np.bincount(codes)
    return int(counts[counts < RARE].sum())
