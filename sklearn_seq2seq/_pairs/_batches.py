"""Which rows make a batch."""

from __future__ import annotations

import numpy as np

from sklearn_seq2seq._tokens import canonical_order, lengths


class TrainingBatches:
    """Batches of pairs of similar length, in a new order every epoch.

    Parameters
    ----------
    dataset : PairDataset
    batch_size : int
        Rows of a batch, at most.
    max_tokens : int, default=None
        Positions of a batch, source and target, padding included, at most.
    shuffle : bool, default=True
        False for validation: the same batches every time.

    Attributes
    ----------
    seed : int
        Determines the order.
    start : int
        Batches that are left out at the beginning.
    share : tuple (k, n)
        Takes every n-th row of each batch, from the k-th on. A share without rows is
        one row of weight 0, so that every process takes part in every batch.
    """

    def __init__(self, dataset, batch_size, max_tokens=None, shuffle=True):
        self.dataset = dataset
        self.batch_size = batch_size
        self.max_tokens = max_tokens
        self.shuffle = shuffle
        self.seed = 0
        self.start = 0
        self.share = 0, 1

    def __len__(self):
        if self.max_tokens is None:
            return -(-len(self.dataset) // self.batch_size)
        return len(self.plan())

    def __iter__(self):
        k, n = self.share
        for rows in self.plan()[self.start :]:
            if n == 1:
                yield self.dataset.__getitems__(rows)
                continue
            share = rows[k::n]
            batch = self.dataset.__getitems__(share if len(share) else rows[:1])
            batch[1]["size"] = self.dataset.size_of(rows)
            if not len(share):
                batch[1]["weight"].zero_()
            yield batch

    def plan(self):
        """Rows of each batch of the epoch, in the order that `seed` determines."""
        source = self.dataset.source_positions
        target = self.dataset.target_positions
        sizes = None
        if self.max_tokens is not None:
            sizes = np.column_stack((source, target))  # (n_samples, 2)
        if not self.shuffle:
            order = pair_order(source, target)
            return cut(order, sizes, self.batch_size, self.max_tokens)
        rng = np.random.default_rng(self.seed)
        # Random ties: other pairs of the same lengths meet in a batch every epoch.
        order = pair_order(source, target, rng.random(len(source)))
        batches = cut(order, sizes, self.batch_size, self.max_tokens)
        return [batches[i] for i in rng.permutation(len(batches))]


def pair_order(source, target, *ties):
    """Order pairs so that neighbours are of similar length on both sides.

    By target length, then by source length, which ascends and descends in turn: where
    the target length changes, neighbouring sources still are of similar length.

    Parameters
    ----------
    source, target : ndarray of int, shape (n_samples,)
        Positions.
    *ties : ndarray, shape (n_samples,)
        Order among pairs of the same lengths.

    Returns
    -------
    ndarray of int, shape (n_samples,)
    """
    # Counting finds the distinct lengths faster than sorting (np.unique) would.
    descending = (np.cumsum(np.bincount(target) > 0) % 2 == 0)[target]
    # numpy sorts integers of two bytes by radix sort, in half the time.
    longest = max(source.max(initial=0), target.max(initial=0))
    kind = np.min_scalar_type(-int(longest) - 1)
    source, target = source.astype(kind), target.astype(kind)
    return np.lexsort((*ties, np.where(descending, -source, source), target))


def cut(order, sizes, batch_size, max_tokens=None):
    """Cut an order of rows into batches.

    Parameters
    ----------
    order : ndarray of int, shape (n_samples,)
    sizes : ndarray of int, shape (n_samples,) or (n_samples, n_sides), or None
        Positions of each row on each side; not needed without `max_tokens`.
    batch_size : int
        Rows of a batch, at most.
    max_tokens : int, default=None
        Positions of a batch, at most: its rows times the sum of the longest of each
        side. A single row may have more.

    Returns
    -------
    list of ndarray of int
    """
    if max_tokens is None:
        return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    batches, i = [], 0
    while i < len(order):
        window = order[i : i + batch_size]
        # Padded positions of a batch of the first 1, 2, ... rows of the window.
        longest = np.maximum.accumulate(sizes[window].reshape(len(window), -1), axis=0)
        total = np.arange(1, len(window) + 1) * longest.sum(axis=1)
        n_rows = max(1, int(np.searchsorted(total, max_tokens, side="right")))
        batches.append(window[:n_rows])
        i += n_rows
    return batches


def prediction_batches(source, batch_size, max_tokens=None):
    """Rows of each batch for prediction, by length.

    The batches do not depend on the order of the rows.
    """
    return cut(canonical_order(source), lengths(source) + 1, batch_size, max_tokens)
