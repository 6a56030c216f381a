"""Near-duplicates among many texts, without comparing all pairs."""

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import HashingVectorizer

_N_BANDS, _BAND_SIZE = 32, 4
_MIN_SIMILARITY = 0.6


def group_near_duplicates(texts, keys, *, analyzer, ngram_range):
    """Number the groups of near-duplicates.

    Two texts are in one group if their keys are equal, if they share at least 60 % of
    their n-grams (the Jaccard index), or if both are in a group with a third. Only
    texts whose MinHash signatures [1]_ agree in one of 32 bands of 4 hashes are
    compared, and in each band only with the first of them, so that time grows with the
    number of n-grams. Pairs of a similarity of 0.6 are compared with probability 0.99.

    Parameters
    ----------
    texts : list of str
        Non-empty texts.
    keys : list of hashable, one for each text
    analyzer : {"word", "char_wb"}
        The units of n-grams.
    ngram_range : tuple of two int
        The shortest and the longest n-grams.

    Returns
    -------
    ndarray of int64, shape (n_texts,)
        The group of each text; groups are numbered in the order of appearance.

    References
    ----------
    .. [1] A. Z. Broder, "On the resemblance and containment of documents", Compression
       and Complexity of Sequences, 1997.
    """
    vectorizer = HashingVectorizer(
        analyzer=analyzer,
        ngram_range=ngram_range,
        token_pattern=r"\S+",
        binary=True,
        norm=None,
        alternate_sign=False,
    )
    shingles = vectorizer.transform(texts)
    rows = np.arange(len(texts))
    edges = [_firsts(np.unique(np.array(keys, dtype=object), return_inverse=True)[1])]
    for band in _signatures(shingles):
        first = _firsts(np.unique(band, axis=1, return_inverse=True)[1].ravel())
        edges.append(np.where(_similar(shingles, first), first, rows))
    links = np.ravel(edges), np.tile(rows, len(edges))
    graph = sparse.coo_array((np.ones(len(links[0])), links), (len(rows),) * 2)
    groups = sparse.csgraph.connected_components(graph, directed=False)[1]
    return groups.astype(np.int64)


def _signatures(shingles):
    """MinHash values of the rows, band by band, each of shape (band size, rows)."""
    rng = np.random.RandomState(0)
    columns, starts = shingles.indices.astype(np.uint32), shingles.indptr[:-1]
    for _ in range(_N_BANDS):
        factors, shifts = rng.randint(2**32, size=(2, _BAND_SIZE, 1), dtype=np.uint32)
        # Odd factors make each hash, modulo 2 ** 32, a permutation.
        hashes = columns * (factors | np.uint32(1)) + shifts
        yield np.minimum.reduceat(hashes, starts, axis=1)


def _firsts(labels):
    """For each row, the first one with the same label."""
    return np.unique(labels, return_index=True)[1][labels]


def _similar(shingles, others):
    """Whether each row is similar enough to its row of `others`."""
    both = np.ravel(shingles.multiply(shingles[others]).sum(axis=1))
    sizes = np.diff(shingles.indptr)
    return both >= _MIN_SIMILARITY * (sizes + sizes[others] - both)
