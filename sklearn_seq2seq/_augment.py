"""`PairAugmenter`: more training pairs from few."""

from itertools import pairwise
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods, StrOptions

from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import (
    Number,
    generator_of,
    non_negative,
    plain,
    with_groups,
)
from sklearn_seq2seq._pairs._sides import learn_text
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import from_flat, lengths

NOISES = ("swap", "drop", "repeat", "replace")


class PairAugmenter(DocumentationMixin, BaseEstimator):
    """Make new training pairs from few.

    New pairs join two pairs to one, add noise to a source, or copy a sequence. The
    result holds the given pairs, followed by the new ones. The interface is that of
    imbalanced-learn's samplers: ``imblearn.pipeline.Pipeline`` calls `fit_resample` in
    training only, so that nothing is added to what is predicted or scored.

    Parameters
    ----------
    source_vectorizer, target_vectorizer : SequenceVectorizer, default=None
        They cut the two sides into tokens, as the model will; clones are fitted. None
        cuts strings into characters and takes lists as tokens.
    joined : float, default=1.0
        Number of new pairs that join two random pairs [1]_, as a multiple of the given
        pairs. Joining suits tasks that go from left to right. A side whose strings hold
        spaces is joined by a space.
    noisy : float, default=0.0
        Number of new pairs with noise in the source only [2]_, as a multiple of the
        given pairs.
    noise : float, default=0.1
        Share of tokens that get noise.
    noise_kinds : tuple of str, default=("swap", "drop", "repeat", "replace")
        The kinds of noise, all equally likely: "swap" a token with the next one, "drop"
        it, "repeat" it, or "replace" it by a random token of all sources.
    copy : {"source", "target"}, default=None
        The side whose sequences become new pairs to be copied: targets [3]_ teach the
        decoder what targets look like, sources [4]_ teach the encoder.
    unlabelled : list or array of str or of lists of str, default=None
        The sequences to be copied, of the kind of that side; None means those of the
        given pairs.
    tag : str, default=None
        A token (one character, if characters are the tokens) that is put before the
        source of every copy, so that the model can distinguish the tasks. Copied
        sources need one [4]_, copied targets do not [3]_.
    random_state : int, RandomState instance or None, default=None
        Determines the random choices. Global random state is neither used nor changed.

    Attributes
    ----------
    origins_ : ndarray of int, shape (n_samples_new, 2)
        The two rows that each pair of the last `fit_resample` came from; the same row
        twice unless it is joined. Rows of `unlabelled` are numbered after those of `X`.

    See Also
    --------
    Seq2SeqTransformer : Its `pretrained` is another use of unlabelled sources.

    Notes
    -----
    The result of `fit_resample` has `origins_` as its `groups`, in a Pipeline too. So
    `Seq2SeqTransformer` with early stopping trains on no pair that was made from a
    held-out pair.

    Time and memory are linear in the number of tokens. The data must be text, since ids
    of several steps may have different meanings.

    References
    ----------
    .. [1] Kondo, Hotate, Hirasawa, Kaneko and Komachi, "Sentence concatenation approach
       to data augmentation for neural machine translation", NAACL Student Research
       Workshop, 2021. :arxiv:`2104.08478`
    .. [2] Belinkov and Bisk, "Synthetic and natural noise both break neural machine
       translation", ICLR, 2018. :arxiv:`1711.02173`
    .. [3] Currey, Miceli Barone and Heafield, "Copied monolingual data improves
       low-resource neural machine translation", WMT, 2017.
    .. [4] Kann and Schuetze, "Unlabeled data for morphological generation with
       character-based sequence-to-sequence models", SCLeM, 2017. :arxiv:`1705.06106`

    Examples
    --------
    >>> from sklearn_seq2seq import PairAugmenter, SequenceVectorizer
    >>> words, phones = ["so", "me"], ["S OW", "M IY"]
    >>> vectorizer = SequenceVectorizer(analyzer="word")
    >>> augmenter = PairAugmenter(target_vectorizer=vectorizer, random_state=0)
    >>> X, y = augmenter.fit_resample(words, phones)
    >>> X
    array(['so', 'me', 'some', 'meso'], dtype=object)
    >>> y
    array(['S OW', 'M IY', 'S OW M IY', 'M IY S OW'], dtype=object)

    Further words to copy, marked by a tag:

    >>> augmenter = PairAugmenter(
    ...     target_vectorizer=vectorizer,
    ...     joined=0,
    ...     copy="source",
    ...     unlabelled=["see"],
    ...     tag="=",
    ... )
    >>> X, y = augmenter.fit_resample(words, phones)
    >>> X[-1], y[-1]
    ('=see', 's e e')
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "source_vectorizer": [SequenceVectorizer, None],
        "target_vectorizer": [SequenceVectorizer, None],
        "joined": [non_negative(Real)],
        "noisy": [non_negative(Real)],
        "noise": [Number(Real, 0, 1, closed="both")],
        "noise_kinds": [list, tuple],
        "copy": [StrOptions({"source", "target"}), None],
        "unlabelled": ["array-like", HasMethods(["__iter__"]), None],
        "tag": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        source_vectorizer=None,
        target_vectorizer=None,
        joined=1.0,
        noisy=0.0,
        noise=0.1,
        noise_kinds=NOISES,
        copy=None,
        unlabelled=None,
        tag=None,
        random_state=None,
    ):
        self.source_vectorizer = source_vectorizer
        self.target_vectorizer = target_vectorizer
        self.joined = joined
        self.noisy = noisy
        self.noise = noise
        self.noise_kinds = noise_kinds
        self.copy = copy
        self.unlabelled = unlabelled
        self.tag = tag
        self.random_state = random_state

    def fit_resample(self, X, y):
        """Return the pairs with new ones behind them.

        Parameters
        ----------
        X : iterable of str or of lists of str
            The sources, n_samples of them.
        y : iterable of str or of lists of str
            Their targets.

        Returns
        -------
        X_resampled : ndarray of object, shape (n_samples_new,)
            The sources: first `X`, then those of joined, noisy and copied pairs.
        y_resampled : ndarray of object, shape (n_samples_new,)
            Their targets.

        Raises
        ------
        ValueError
            If a row is not text, `X` and `y` differ in length, or ``copy="source"`` has
            no tag.
        """
        self._validate_params()
        if not self.noise_kinds or not set(self.noise_kinds) <= set(NOISES):
            raise ValueError(
                f"noise_kinds must be some of {NOISES}; got {self.noise_kinds!r}."
            )
        if self.copy == "source" and self.tag is None:
            raise ValueError(
                "copy='source' gives some sources two targets: their own and "
                "themselves. Mark the copies with a tag, such as tag='='."
            )
        source = _Text(X, self.source_vectorizer, "X")
        target = _Text(y, self.target_vectorizer, "y")
        check_consistent_length(source.rows, target.rows)
        rng = generator_of(self.random_state)
        n = len(source.rows)
        pairs = rng.randint(n, size=(round(plain(self.joined) * n), 2))
        rows = np.resize(rng.permutation(n), round(plain(self.noisy) * n))
        noised = _disturb(
            source.tokens[rows], source.tokens.data, self.noise, self.noise_kinds, rng
        )
        copied_source, copied_target = self._copies(source, target)
        copied = np.arange(len(copied_source))
        if self.unlabelled is not None:
            copied += n
        self.origins_ = np.concatenate(
            [
                np.repeat(np.arange(n), 2).reshape(-1, 2),
                pairs,
                np.repeat(np.concatenate([rows, copied]), 2).reshape(-1, 2),
            ]
        )
        X_resampled = _column(
            source.rows, source.joined(pairs), source.write(noised), copied_source
        )
        y_resampled = _column(
            target.rows,
            target.joined(pairs),
            map(target.rows.__getitem__, rows),
            copied_target,
        )
        return with_groups(X_resampled, self.origins_), y_resampled

    def _copies(self, source, target):
        """Sources and targets of the pairs that are copies."""
        if self.copy is None:
            return [], []
        copied, other = (source, target) if self.copy == "source" else (target, source)
        if self.unlabelled is not None:
            copied = _Text(self.unlabelled, copied.vectorizer, "unlabelled")
        sides = [copied.rows, copied.as_of(other)]
        if self.copy == "target":
            sides.reverse()
        if self.tag is not None:
            sides[0] = source.after(self.tag, sides[0])
        return sides

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.target_tags.required = True
        return tags


class _Text:
    """The rows of one side, as text and as tokens."""

    def __init__(self, rows, vectorizer, name):
        # Every token is kept, even those that the vectorizer leaves out, and rows are
        # joined as they were given: `joiner` is for predictions.
        if vectorizer is not None:
            vectorizer = clone(vectorizer).set_params(handle_unknown="silent")
            if not callable(vectorizer.analyzer):
                vectorizer.set_params(joiner=None)
        self.side, self.rows, _ = learn_text(rows, vectorizer, name)
        self.vectorizer = self.side.vectorizer
        self.tokens, self.extras = self.side.read(self.rows, name, keep_unknown=True)

    def write(self, tokens):
        return self.vectorizer._inverse_with_extras(tokens, self.extras)

    def joined(self, pairs):
        """Join pairs of rows, with a space if rows hold spaces."""
        spaced = self.vectorizer.analyzer in ("char", "subword") and any(
            len(row.split()) > 1 for row in self.rows
        )
        if not spaced:
            return self.write(_join(self.tokens, pairs))
        parts = (self.write(self.tokens[rows]) for rows in pairs.T)
        return [" ".join(filter(None, pair)) for pair in zip(*parts, strict=True)]

    def as_of(self, other):
        """The rows written so that the other side reads the same tokens."""
        kinds = {text.vectorizer.analyzer for text in (self, other)}
        if len(kinds) == 1 or ("subword" in kinds and "token" not in kinds):
            return self.rows
        strings = np.array(self.side.strings(self.extras), dtype=object)
        flat = strings[self.tokens.data].tolist()
        rows = [flat[start:end] for start, end in pairwise(self.tokens.indptr.tolist())]
        joiner = other.vectorizer._joiner()
        return rows if joiner is None else list(map(joiner.join, rows))

    def after(self, token, rows):
        """Rows with a token before them."""
        joiner = self.vectorizer._joiner()
        if joiner is None:
            return [[token, *row] for row in rows]
        return [f"{token}{joiner}{row}" for row in rows]


def _join(tokens, pairs):
    """Token array of pairs of rows, joined."""
    parts = tokens[pairs.ravel()]
    counts = lengths(parts).reshape(-1, 2).sum(axis=1)
    return from_flat(parts.data, counts, counts.max(initial=1))


def _disturb(tokens, drawn_from, rate, kinds, rng):
    """Add noise to rows of a token array; rows with tokens keep at least one."""
    ids, counts = tokens.data.copy(), lengths(tokens)
    rows = np.repeat(np.arange(len(counts)), counts)
    hit = rng.uniform(size=len(ids)) < rate
    kind = np.where(hit, rng.randint(len(kinds), size=len(ids)), -1)
    of_kind = {name: kind == k for k, name in enumerate(kinds)}
    none = np.zeros(len(ids), dtype=bool)
    replaced = of_kind.get("replace", none)
    ids[replaced] = rng.choice(drawn_from, size=replaced.sum())
    swapped = of_kind.get("swap", none)
    # With the next token of the row, and no token twice.
    first = np.flatnonzero(swapped[:-1] & (rows[:-1] == rows[1:]))
    first = first[np.diff(first, prepend=-2) > 1]
    ids[first], ids[first + 1] = ids[first + 1], ids[first]
    times = np.ones(len(ids), dtype=np.int64)
    times[of_kind.get("drop", none)] = 0
    times[of_kind.get("repeat", none)] = 2
    left = np.bincount(rows, weights=times, minlength=len(counts))
    times[left[rows] == 0] = 1
    ids, rows = np.repeat(ids, times), np.repeat(rows, times)
    counts = np.bincount(rows, minlength=len(counts))
    return from_flat(ids, counts, counts.max(initial=1))


def _column(*parts):
    """An array of objects of several parts, whose items may be lists."""
    items = [item for part in parts for item in part]
    return np.fromiter(items, dtype=object, count=len(items))
