"""The Unicode normal form in which characters are read, where rows are to choose."""

import unicodedata
from collections import Counter

import numpy as np

# A symbol that occurs fewer times than that is rare. Text is read decomposed where that
# at least halves the occurrences of rare symbols, and spares one in so many rows.
RARE, ROWS = 5, 50


def choose_form(rows):
    """Choose how strings are read: None, as they are, or "NFD", decomposed.

    Only what is wholly composed is decomposed, so that nothing is lost: NFC gives every
    string back. Hangul is the plainest case: thousands of syllables, most of them rare,
    are 67 letters.

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
    return "NFD" if _spares(before, after, len(rows)) else None


def choose_counted_form(counts):
    """The same for rows that were counted piece by piece, here by several.

    Parameters
    ----------
    counts : list of TokenCounts
    """
    if not all(own.composed for own in counts):
        return None
    before, after = Counter(), Counter()
    for own in counts:
        before.update(own.frequencies())
        after.update((own.letters or own).frequencies())
    before, after = (
        sum(n for n in frequencies.values() if n < RARE)
        for frequencies in (before, after)
    )
    return "NFD" if _spares(before, after, sum(own.n_rows for own in counts)) else None


def holds_marks(rows):
    """Whether strings hold anything that normal forms may differ in."""
    return not all(map(str.isascii, rows))


def is_composed(rows):
    # No form joins what stands on two sides of a line's end.
    return unicodedata.is_normalized("NFC", "\n".join(rows))


def _spares(before, after, n_rows):
    return 2 * after <= before and ROWS * (before - after) >= max(n_rows, 1)


def _rare(text):
    """Occurrences of rare symbols."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    counts = np.bincount(codes)
    return int(counts[counts < RARE].sum())
