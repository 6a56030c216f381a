"""Whether a network copies, where the training pairs are to decide."""

from collections import Counter
from itertools import count, pairwise

import numpy as np
from scipy import sparse

from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, gather, lengths, like

# Pairs that are looked at, from the first.
LOOKED_AT = 2000
# Of the target tokens that another row's source does not have by chance, the share that
# the own source must have as they are, and in either case of letters.
COPIED, SHARED = 1 / 4, 1 / 2
# Share of pairs above which targets recur: what was seen is better written from memory.
RECURRING = 1 / 10
# But inflected words recur and are better copied: this share of the targets begins (or
# ends) as its source does, over half of its length, and the list of targets is longer.
ALIKE_AT_AN_END, FEW_TARGETS = 3 / 4, 2000
# Share of targets that begin or end alike, as in "...@example.com", from which on what
# they share says nothing about the rest.
ALIKE = 9 / 10


def chooses_to_copy(source, target, tokens, target_tokens):
    """Whether targets are made of their own sources' tokens, and are new ones.

    Parameters
    ----------
    source, target : Side
    tokens, target_tokens : csr_array of int32
        The training pairs, unknown tokens as of `Side.read`.

    Returns
    -------
    bool
    """
    if not (source.is_text and target.is_text) or len(lengths(tokens)) < 2:
        return False
    try:
        table = CopyTable(source, target)
    except ValueError:  # They cannot be copied.
        return False
    tokens, target_tokens = (
        _known(some[:LOOKED_AT], side.size)
        for some, side in ((tokens, source), (target_tokens, target))
    )
    copies, _ = table.of_source(tokens, [])
    counts = count_targets(tokens, target_tokens)
    if recur(counts) and (
        _of_a_short_list(counts) or not _alike_at_an_end(copies, target_tokens)
    ):
        return False
    target_tokens = _without_shared_ends(target_tokens)
    strings = [*target.vectorizer._token_strings(), *table.strings]
    exact, folded = (
        _share(*(_counts(x, _numbered(some)) for x in (copies, target_tokens)))
        for some in (strings, [string.casefold() for string in strings])
    )
    return exact > COPIED and folded > SHARED


def _without_shared_ends(tokens):
    """The rows without what nearly all of them begin and end with."""
    sizes = lengths(tokens)
    starts, ends = tokens.indptr[:-1], tokens.indptr[1:]
    begin = _n_shared(tokens.data, starts, 1, sizes)
    end = _n_shared(tokens.data, ends - 1, -1, sizes - begin)
    place = np.arange(len(tokens.data)) - np.repeat(starts, sizes)
    kept = (place >= begin) & (place < np.repeat(sizes - end, sizes))
    rest = np.maximum(sizes - begin - end, 0)
    return like(tokens, tokens.data[kept], rest, tokens.shape[1])


def _n_shared(ids, first, step, sizes):
    """How many tokens nearly all rows share, from their `first` ones on."""

    def alike(n):
        here = ids[first[sizes > n] + n * step]
        return np.bincount(here, minlength=1).max() >= ALIKE * len(sizes)

    return next(n for n in count() if not alike(n))


def _share(here, there):
    """Of what is not there by chance, the share of `there` that its row `here` has."""
    n = here.shape[0]
    # Rows next to each other may be alike.
    others = here[(np.arange(n) + n // 2) % n]
    own, by_chance = (x.minimum(there).sum() for x in (here, others))
    rest = there.sum() - by_chance
    return (own - by_chance) / rest if rest else 0.0


def _known(tokens, size):
    """The same with unknown tokens where some have ids from `size` upward."""
    ids = np.where(tokens.data < size, tokens.data, UNKNOWN)
    return like(tokens, ids, lengths(tokens), tokens.shape[1])


def _numbered(strings):
    """One number for all strings that are the same."""
    numbers = {}
    return np.array([numbers.setdefault(string, len(numbers)) for string in strings])


def _counts(tokens, numbers):
    """How often each row has each number, which tokens stand for, as a csr_array."""
    rows = np.repeat(np.arange(tokens.shape[0]), lengths(tokens))
    known = tokens.data >= FIRST_TOKEN
    ones = np.ones(known.sum(), dtype=np.int64)
    places = rows[known], numbers[tokens.data[known]]
    return sparse.csr_array((ones, places), shape=(tokens.shape[0], len(numbers)))


def count_targets(tokens, target_tokens):
    """How many different pairs have each target."""
    sides = (map(bytes, _rows(some)) for some in (tokens, target_tokens))
    pairs = set(zip(*sides, strict=True))
    return list(Counter(target for _, target in pairs).values())


def recur(counts):
    """Whether more than a tenth of different pairs share their target with another."""
    return sum(k for k in counts if k > 1) > RECURRING * sum(counts)


def _of_a_short_list(counts):
    """Whether two pairs share their target as often as if drawn from a list of few.

    The share of pairs that share their target with any other grows with their number;
    this does not (Simpson, "Measurement of diversity", Nature, 1949).
    """
    n = sum(counts)
    return n * (n - 1) < FEW_TARGETS * sum(k * (k - 1) for k in counts)


def _alike_at_an_end(copies, target_tokens):
    """Whether most targets begin as their sources do, or most end so.

    So do inflected words, but not words and their misspellings, where a network that
    copies also copies the mistakes.
    """
    pairs = list(zip(_rows(copies), _rows(target_tokens), strict=True))
    return any(
        np.mean([_n_common(x[::step], y[::step]) >= len(y) / 2 for x, y in pairs])
        >= ALIKE_AT_AN_END
        for step in (1, -1)
    )


def _n_common(x, y):
    """How many tokens two sequences have in common from the first on."""
    same = x[: len(y)] == y[: len(x)]
    return len(same) if same.all() else int(same.argmin())


def _rows(tokens):
    """The ids of each row."""
    ids, sizes = gather(tokens, np.arange(tokens.shape[0]))
    return [ids[a:b] for a, b in pairwise([0, *np.cumsum(sizes)])]
