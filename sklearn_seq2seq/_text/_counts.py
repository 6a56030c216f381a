"""Token counts, taken piece by piece, and the vocabulary that they select."""

from collections import defaultdict
from itertools import count

import numpy as np

from sklearn_seq2seq._text._analyzer import row_frequency
from sklearn_seq2seq._text._normal_form import FORMS
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN

# At most so many rows are kept to learn subwords from.
SAMPLE_SIZE = 100_000


class TokenCounts:
    """Counts of the tokens of any number of rows.

    Attributes
    ----------
    numbers : dict of str to int
        The tokens so far, numbered in the order of appearance.
    frequency : ndarray of int64, shape (n_tokens,)
        How often each occurs.
    in_rows : ndarray of int64, shape (n_tokens,), or None
        The number of rows in which each occurs; None if they are not counted.
    n_rows : int
    longest : int
        Tokens of the longest row.
    in_forms : dict of str to TokenCounts
        The counts of the rows in each normal form that not all of them are in.
    sample : list of str
        A uniform sample of at most `SAMPLE_SIZE` of the rows given to `keep`, in their
        order.
    """

    def __init__(self, count_rows=True):
        self.sample, self.keys = [], np.zeros(0)
        self.numbers = {}
        self.frequency = np.zeros(0, dtype=np.int64)
        self.in_rows = np.zeros(0, dtype=np.int64) if count_rows else None
        self.n_rows = self.longest = 0
        self.in_forms = {}

    def frequencies(self):
        """How often each token occurs: a dict."""
        return dict(zip(self.numbers, self.frequency.tolist(), strict=True))

    @property
    def forms(self):
        """The canonical forms that all rows are in."""
        return tuple(form for form in FORMS if form not in self.in_forms)

    def read_in(self, form):
        """The counts of the rows in a normal form."""
        return self.in_forms.get(form, self)

    def numbering(self):
        """The numbers so far, as a dict that gives a new token the next one."""
        return defaultdict(count(len(self.numbers)).__next__, self.numbers)

    def add(self, numbering, ids, lengths):
        """Count rows that were encoded with `numbering`."""
        self.numbers = dict(numbering)
        size = len(self.numbers)
        frequency = np.bincount(ids, minlength=size)
        frequency[: len(self.frequency)] += self.frequency
        self.frequency = frequency
        if self.in_rows is not None:
            in_rows = row_frequency(ids, lengths, size)
            in_rows[: len(self.in_rows)] += self.in_rows
            self.in_rows = in_rows
        self.see(lengths)

    def see(self, lengths):
        """Note the number and lengths of rows without counting their tokens."""
        self.n_rows += len(lengths)
        self.longest = max(self.longest, int(lengths.max()))

    def keep(self, rows):
        """Add rows to the sample; once it is full, they replace others at random."""
        # One draw for each row, so that the pieces do not change the sample.
        draws = np.random.Generator(np.random.PCG64(0).advance(self.n_rows))
        self.n_rows += len(rows)
        sample = self.sample + rows
        keys = np.concatenate((self.keys, draws.random(len(rows))))
        if len(sample) > SAMPLE_SIZE:
            kept = np.sort(np.argpartition(keys, SAMPLE_SIZE)[:SAMPLE_SIZE])
            sample, keys = [sample[i] for i in kept.tolist()], keys[kept]
        self.sample, self.keys = sample, keys

    def select(self, min_df, max_features, *, more_to_come=False):
        """Choose the vocabulary: ``(dict, new id of each token)``.

        It may be empty only if there are more rows to come.
        """
        tokens = list(self.numbers)
        kept = np.array(sorted(range(len(tokens)), key=tokens.__getitem__), dtype=int)
        least = min_df if isinstance(min_df, int) else min_df * self.n_rows
        if least > 1:
            kept = kept[self.in_rows[kept] >= least]
        if max_features is not None and len(kept) > max_features:
            most = np.argsort(-self.frequency[kept], kind="stable")[:max_features]
            kept = kept[np.sort(most)]
        if tokens and not len(kept) and not more_to_come:
            raise ValueError(
                f"No token occurs in min_df={min_df!r} rows or more, so the "
                "vocabulary would be empty; lower min_df."
            )
        new_ids = np.full(len(tokens), UNKNOWN, dtype=np.int32)
        new_ids[kept] = np.arange(FIRST_TOKEN, FIRST_TOKEN + len(kept))
        kept_tokens = map(tokens.__getitem__, kept.tolist())
        return dict(zip(kept_tokens, count(FIRST_TOKEN))), new_ids
