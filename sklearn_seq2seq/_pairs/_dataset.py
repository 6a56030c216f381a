"""The data set of pairs: padded tensors of any of its rows."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch.utils.data import Dataset

from sklearn_seq2seq._pairs._copying import local_ids
from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN, gather, lengths, pad

# Rows counted at a time, so that a corpus on disk stays there.
BLOCK = 2**16


class PairDataset(Dataset):
    """Pairs of token rows; a whole batch is one slice.

    Parameters
    ----------
    source : csr_array of int32 or RowViews, shape (n_samples, width)
    target : csr_array of int32 or RowViews, shape (n_samples, width), default=None
        None for prediction.
    source_size, target_size : int
        Vocabulary sizes; larger source ids are read as unknown.
    copies : csr_array of int32 or RowViews, shape (n_samples, width), default=None
        What each source token is copied as: a target id, or from `target_size` upward
        the number of a token outside the target vocabulary.
    weight : ndarray of float, shape (n_samples,), default=None
        1 by default.
    """

    def __init__(
        self, source, target=None, *, source_size, target_size, copies=None, weight=None
    ):
        self.source = source
        self.target = target
        self.source_size = source_size
        self.target_size = target_size
        self.copies = copies
        self.weight = weight
        self.source_positions = lengths(source) + 1
        self.target_positions = None if target is None else lengths(target) + 1

    def __len__(self):
        return self.source.shape[0]

    def take(self, rows):
        """Select rows, in the order given."""
        return PairDataset(
            *(None if x is None else x[rows] for x in (self.source, self.target)),
            source_size=self.source_size,
            target_size=self.target_size,
            copies=None if self.copies is None else self.copies[rows],
            weight=None if self.weight is None else self.weight[rows],
        )

    def count_targets(self):
        """Count each target token, the boundary included, by its rows' weights.

        Returns
        -------
        ndarray of float64, shape (target_size,)
        """
        counts = np.zeros(self.target_size)
        for start in range(0, len(self), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(self)))
            ids, sizes = gather(self.target, rows)
            known = ids < self.target_size  # larger ids can only be copied
            weights = 1.0
            if self.weight is not None:
                weights = np.repeat(self.weight[rows], sizes)[known]
            np.add.at(counts, ids[known], weights)
        counts[BOUNDARY] = len(self) if self.weight is None else self.weight.sum()
        return counts

    def sources(self, rows):
        """Source half of a batch: the arguments of the network's `start`.

        Parameters
        ----------
        rows : array of int, shape (B,)

        Returns
        -------
        dict of Tensor
            ``source (B, S)``, ``source_positions (B,)``, ``copy_ids (B, S)`` or None.
        """
        return self._tensors(*self._read_sources(rows))

    def __getitems__(self, rows):
        """Take one batch, ready for the network and its loss.

        Parameters
        ----------
        rows : array of int, shape (B,)

        Returns
        -------
        inputs : dict
            The arguments of the network's `forward`.
        outputs : dict
            ``target (B, T)``, ``positions (B,)``, ``weight (B,)`` and ``size (2,)``:
            the number of target positions and of rows, times their mean weights.
        """
        source, positions, copies = self._read_sources(rows)
        target, target_positions = pad(self.target, rows)  # (B, T), (B,)
        if copies is not None:
            target = local_ids(target, copies, self.target_size)
        weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        inputs = self._tensors(source, positions, copies)
        inputs["target"] = torch.from_numpy(target)
        outputs = {
            "target": inputs["target"],
            "positions": torch.from_numpy(target_positions),
            "weight": torch.from_numpy(weight.astype(np.float32)),
            "size": self.size_of(rows),
        }
        return inputs, outputs

    def size_of(self, rows):
        """The ``size (2,)`` of a batch."""
        n_positions = self.target_positions[rows].sum()
        size = np.array([n_positions, len(rows)]) * self._mean_weights
        return torch.from_numpy(size.astype(np.float32))

    @property
    def heaviest(self):
        """The largest weight, over the mean weight of a target position."""
        return 1.0 if self.weight is None else self.weight.max() / self._mean_weights[0]

    @cached_property
    def _mean_weights(self):
        """Mean weight of a target position, and of a row.

        The means are those of the data set: a batch holds rows of one length, and its
        own means would cancel the greater weight of long rows.
        """
        if self.weight is None:
            return np.ones(2)
        parts = self.target_positions, None
        return np.array([np.average(self.weight, weights=part) for part in parts])

    def _read_sources(self, rows):
        source, positions = pad(self.source, rows)  # (B, S), (B,)
        source[source >= self.source_size] = UNKNOWN
        copies = None if self.copies is None else pad(self.copies, rows)[0]
        return source, positions, copies

    def _tensors(self, source, positions, copies):
        tensors = {
            "source": torch.from_numpy(source),
            "source_positions": torch.from_numpy(positions),
        }
        if copies is not None:
            local = local_ids(copies, copies, self.target_size)
            tensors["copy_ids"] = torch.from_numpy(local)
        return tensors


def to_device(tensors, device):
    """Move the inputs or the outputs of a batch to a device."""
    # Only a copy to CUDA may be asynchronous: others would be read too soon.
    cuda = torch.device(device).type == "cuda"
    return {
        name: tensor.to(device, non_blocking=cuda) for name, tensor in tensors.items()
    }
