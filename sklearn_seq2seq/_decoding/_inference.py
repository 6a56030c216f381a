"""Running a trained network over a data set, batch by batch: numpy in, numpy out.

Batches depend on the set of rows, not on their order, and results are scattered back:
the order of the rows does not change the result of any.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import wraps

import numpy as np
import torch
from scipy import sparse

from sklearn_seq2seq._decoding import _beam_and_sampling, _constraints, _search
from sklearn_seq2seq._files import is_lack_of_memory
from sklearn_seq2seq._network._losses import log_probabilities, position_mask
from sklearn_seq2seq._pairs._batches import cut, pair_order, prediction_batches
from sklearn_seq2seq._pairs._dataset import to_device
from sklearn_seq2seq._parameters import ROWS_FACTOR
from sklearn_seq2seq._tokens import canonical_order, flatten, from_parts, pad

# A GPU takes as long for a few rows as for this many.
ROWS_ON_GPU = 512

# Most source positions of a batch, padding included, are this times its rows.
ROW_POSITIONS = 64


def enough_memory(function):
    """Explain a lack of memory by what to lower."""

    @wraps(function)
    def checked(*args, batch_size, **kwargs):
        try:
            return function(*args, batch_size=batch_size, **kwargs)
        except (MemoryError, RuntimeError) as error:
            if not is_lack_of_memory(error):
                raise
            raise MemoryError(
                "Not enough memory for a batch of predictions. Lower batch_size (now "
                f"{batch_size}), or beam_width or n_best."
            ) from error

    return checked


@dataclass
class Decoded:
    """Result of a search over a data set, best first.

    Attributes
    ----------
    tokens : csr_array of int32, shape (n_samples * n_best, width)
        Each sample's sequences one after the other.
    log_probs : ndarray of float, shape (n_samples, n_best)
        Minus infinity where a row has fewer hypotheses.
    capped : ndarray of bool, shape (n_samples, n_best)
        Whether the length limit, not the model, ended the sequence.
    """

    tokens: sparse.csr_array
    log_probs: np.ndarray
    capped: np.ndarray

    @property
    def best(self):
        """The token array of every row's best hypothesis."""
        n_best = self.log_probs.shape[1]
        return self.tokens if n_best == 1 else self.tokens[::n_best]


@enough_memory
def decode(
    networks,
    dataset,
    *,
    limits,
    strategy,
    n_best,
    batch_size,
    beam_width=1,
    width=1,
    options=None,
):
    """Search for each row's best targets.

    Parameters
    ----------
    networks : list of EncoderDecoder
        They decode together, by the mean of their next-token probabilities.
    dataset : list of PairDataset
        The same rows for each network.
    limits : ndarray of int, shape (n_samples,)
        Most tokens of each target.
    strategy : callable
        Makes the strategy of each batch's search.
    n_best : int
        Hypotheses to return.
    batch_size : int
        Rows of a training batch; `ROWS_FACTOR` times as many are decoded at once.
    beam_width : int, default=1
        Hypotheses of each row.
    width : int, default=1
        Least number of columns of the token array.
    options : callable, default=None
        Returns further keyword arguments of `_search.search` for rows.

    Returns
    -------
    Decoded
    """
    first = dataset[0]
    device = device_of(networks[0])
    limits = np.asarray(limits, dtype=np.int64)
    parts = []
    for rows in _source_batches(first, rows_at_once(batch_size, device), beam_width):
        batches = [to_device(data.sources(rows), device) for data in dataset]
        with torch.inference_mode():
            states = [
                network.start(**batch)
                for network, batch in zip(networks, batches, strict=True)
            ]
        step, state = networks[0].step, states[0]
        if len(networks) > 1:
            step, state = _mean_step(networks), MemberStates(states)
        keywords = options(rows) if options else {}
        if "copy_ids" in batches[0]:
            copies = _constraints.Copies(batches[0]["copy_ids"], first.target_size)
            keywords["constraints"] = [copies, *keywords.get("constraints", ())]
        found = _search.search(
            step,
            state,
            torch.from_numpy(limits[rows]).to(device),
            strategy(),
            **keywords,
        )
        tokens = _name_copies(found.tokens[:, :n_best].cpu().numpy(), first, rows)
        log_probs = found.log_probs[:, :n_best].cpu().numpy()
        capped = found.capped[:, :n_best].cpu().numpy()
        parts.append(((rows, *flatten(tokens)), log_probs, capped))
    return _scatter(parts, len(first), width)


def _scatter(parts, n_samples, width):
    n_best = max(log_probs.shape[1] for _, log_probs, _ in parts)
    log_probs = np.full((n_samples, n_best), -np.inf, dtype=np.float64)
    capped = np.zeros((n_samples, n_best), dtype=bool)
    for (rows, *_), scores, caps in parts:
        log_probs[rows, : scores.shape[1]] = scores
        capped[rows, : caps.shape[1]] = caps
    tokens = from_parts([part[0] for part in parts], log_probs.shape, width)
    return Decoded(tokens, log_probs, capped)


def _name_copies(tokens, dataset, rows):
    """Replace V + s by the number of the token at source position s."""
    if dataset.copies is None:
        return tokens
    copies, _ = pad(dataset.copies, rows)  # (B, S)
    copied = tokens >= dataset.target_size  # (B, K, T)
    place = np.where(copied, tokens - dataset.target_size, 0)
    named = np.take_along_axis(copies[:, None], place, axis=2)
    return np.where(copied, named, tokens)


@dataclass
class MemberStates:
    """The states of networks that decode together."""

    states: list

    def select(self, hypotheses, sources=None):
        return MemberStates([s.select(hypotheses, sources) for s in self.states])


def _mean_step(networks):
    """A step of several networks: the mean of their probabilities."""

    def step(state, previous):
        steps = [
            network.step(member, previous)
            for network, member in zip(networks, state.states, strict=True)
        ]
        log_probs = torch.stack(
            [log_prob for log_prob, _ in steps]
        )  # (members, B*K, W)
        mean = torch.logsumexp(log_probs, dim=0) - np.log(len(networks))
        return mean, MemberStates([member for _, member in steps])

    return step


@enough_memory
def decode_vectors(network, vectors, *, limit, batch_size, width):
    """Greedily decode fixed-length vectors; return the token array."""
    parts = []
    device = device_of(network)
    for rows in cut(np.arange(len(vectors)), None, rows_at_once(batch_size, device)):
        # torch.from_numpy would share read-only memory, and warn of it.
        batch = torch.tensor(vectors[rows], dtype=torch.float32, device=device)
        with torch.inference_mode():
            state = network.start_from_vector(batch)
        limits = torch.full((len(rows),), limit, device=device)
        found = _search.search(network.step, state, limits, _beam_and_sampling.Greedy())
        parts.append((rows, *flatten(found.tokens.cpu().numpy())))
    return from_parts(parts, (len(vectors), 1), width)


@enough_memory
@torch.inference_mode()
def encode(network, dataset, *, batch_size):
    """The fixed-length vector of every row, float32 of shape (n_samples, F)."""
    vectors, device = None, device_of(network)
    for rows in _source_batches(dataset, rows_at_once(batch_size, device)):
        batch = to_device(dataset.sources(rows), device)
        _, state = network.encode(batch["source"], batch["source_positions"])
        part = state.to_vector().float().cpu().numpy()
        if vectors is None:
            vectors = np.empty((len(dataset), part.shape[1]), dtype=np.float32)
        vectors[rows] = part
    return vectors


@enough_memory
@torch.inference_mode()
def token_log_probs(networks, dataset, *, batch_size):
    """Log-probability of each position of given targets.

    Parameters
    ----------
    networks : list of EncoderDecoder
    dataset : list of PairDataset
        The same rows, with targets, for each network.
    batch_size : int

    Returns
    -------
    ndarray of float64, shape (n_positions,)
        The positions of all rows one after the other, ends included.
    """
    n_positions = dataset[0].target_positions
    starts = np.cumsum(n_positions) - n_positions
    result = np.empty(int(n_positions.sum()))
    device = device_of(networks[0])
    for rows in _pair_batches(dataset[0], batch_size):
        members = []
        for network, data in zip(networks, dataset, strict=True):
            inputs, outputs = data.__getitems__(rows)
            inputs = to_device(inputs, device)
            logits = network(**inputs).logits
            log_probs = log_probabilities(logits.float(), network.copies)  # (B, T, V)
            members.append(log_probs.gather(2, inputs["target"][:, :, None])[..., 0])
        mean = torch.logsumexp(torch.stack(members), dim=0) - np.log(len(members))
        mask = position_mask(outputs["positions"], mean.shape[1]).numpy()
        # Where each position (B, T) belongs in the result.
        place = starts[rows][:, None] + np.arange(mask.shape[1])
        result[place[mask]] = mean.cpu().numpy()[mask]
    return result


def attention_weights(network, dataset, *, batch_size):
    """Attention weights for each position of given targets.

    Returns
    -------
    list of ndarray of float32, shape (target positions, source positions)
        Boundaries included; rows sum to 1. With hard attention, the posterior.
    """
    return [
        weights for weights, _ in alignments(network, dataset, batch_size=batch_size)
    ]


@enough_memory
def alignments(network, dataset, *, batch_size):
    """The `attention_weights` of each pair, and its best alignment.

    Returns
    -------
    list of (ndarray of float32, ndarray of int64)
        The second has a source position for each target position.
    """
    found, device = [None] * len(dataset), device_of(network)
    for rows in _pair_batches(dataset, batch_size):
        inputs, outputs = dataset.__getitems__(rows)
        inputs = to_device(inputs, device)
        positions = outputs["positions"].to(device)
        weights, best = network.align(**inputs, target_positions=positions)
        weights, best = weights.float().cpu().numpy(), best.cpu().numpy()
        sizes = zip(
            rows.tolist(),
            outputs["positions"].tolist(),
            inputs["source_positions"].tolist(),
            strict=True,
        )
        for k, (row, n_target, n_source) in enumerate(sizes):
            found[row] = weights[k, :n_target, :n_source].copy(), best[k, :n_target]
    return found


def rows_at_once(batch_size, device):
    """Rows to decode at once, given the rows of a training batch."""
    n_rows = ROWS_FACTOR * batch_size
    return n_rows if device.type == "cpu" else max(n_rows, ROWS_ON_GPU)


def _source_batches(dataset, n_rows, beam_width=1):
    most = ROW_POSITIONS * n_rows // beam_width
    return prediction_batches(dataset.source, n_rows, most)


def _pair_batches(dataset, batch_size):
    n_rows = ROWS_FACTOR * batch_size
    sizes = np.column_stack((dataset.source_positions, dataset.target_positions))
    # Content breaks ties of length, so that the order of rows does not matter.
    ties = (
        np.argsort(canonical_order(side)) for side in (dataset.target, dataset.source)
    )
    order = pair_order(*sizes.T, *ties)
    return cut(order, sizes, n_rows, 2 * ROW_POSITIONS * n_rows)


def device_of(network):
    """Device of a network's weights."""
    return next(network.parameters()).device
