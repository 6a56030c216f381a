"""Weights that a new network takes from a fitted one.

A part of the network (the encoder, the attention, ...) is taken whole or not at all.
Where entries of a weight belong to tokens, those of the tokens that both networks know
are taken, whatever their ids.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._fitting import naming
from sklearn_seq2seq._network._layers import OneHot
from sklearn_seq2seq._tokens import FIRST_TOKEN
from sklearn_seq2seq._warnings import warn

# The parameters that determine the shape and the meaning of the encoder's weights.
_ENCODER = (
    "cell",
    "hidden_size",
    "num_layers",
    "embedding_size",
    "bidirectional",
    "reverse_source",
)

# In reverse order: of two embeddings that are one, the encoder's is copied last.
_PARTS = (
    "words",
    "decoder.copy_gate",
    "decoder.output",
    "decoder.combine",
    "decoder.attention",
    "decoder.recurrent",
    "decoder.embedding",
    "bridge.cell_maps",
    "bridge.hidden_maps",
    "encoder",
)


def load_vectors(net, side, ids, matrix, freeze):
    """Set rows of the "source" or "target" embedding table; maybe freeze all of it."""
    part = net.module_.encoder if side == "source" else net.module_.decoder
    weight = part.embedding.weight
    weight.data[torch.from_numpy(ids)] = torch.from_numpy(matrix).to(weight.device)
    weight.requires_grad_(not freeze)


def check_pretrained(pretrained, network, kind):
    """Unwrap the parameter `pretrained`, and check that its encoder can be taken.

    Parameters
    ----------
    pretrained : estimator
    network : NetworkSettings
        Those of the estimator to be fitted.
    kind : type
        The class of `pretrained`.

    Returns
    -------
    estimator
        The fitted estimator.

    Raises
    ------
    TypeError
        If it is of another class.
    NotFittedError
        If it is not fitted.
    ValueError
        If its encoder has other parameters.
    """
    if isinstance(pretrained, FrozenEstimator):
        pretrained = pretrained.estimator
    if not isinstance(pretrained, kind):
        raise TypeError(
            f"pretrained must be a fitted {kind.__name__}, or a FrozenEstimator of "
            f"one; got {pretrained!r}."
        )
    check_is_fitted(
        pretrained,
        msg=(
            "pretrained is not fitted. Fit it first. For searches, cross-validation "
            "and ensembles, which clone this estimator, pass "
            "pretrained=FrozenEstimator(fitted) of sklearn.frozen: cloning makes other "
            "estimators unfitted."
        ),
    )
    net = pretrained.net_
    for name in _ENCODER:
        fitted = getattr(net, f"module__{name}")
        if name == "reverse_source" and network.bidirectional:
            continue
        wanted = getattr(network, name)
        if wanted not in (fitted, "auto"):
            raise ValueError(
                f"The encoder of pretrained has {name}={fitted!r}, and cannot be used "
                f"with {name}={wanted!r}; set {name}={fitted!r}, or "
                "pretrained=None."
            )
    return pretrained


def take_weights(new, old, source, target):
    """Copy the weights that a network has in common with another one.

    Parameters
    ----------
    new, old : EncoderDecoder
    source, target : tuple of (Side, Side)
        The sides of the new network's data and of the old one's.
    """
    # Equal source ids mean the same in both; target ids need not.
    source_ids, target_ids = _common(*source, ids_agree=True), _common(*target)
    one_hot = isinstance(new.encoder.embedding, OneHot)
    for part in _PARTS:
        if one_hot and part == "decoder.copy_gate":
            continue  # its entries for tokens come last, a case not worth its code
        sides, ids = source, source_ids
        if part != "encoder":
            sides, ids = target, target_ids
        sizes = [side.size for side in sides]
        weights = [_weights(network, part) for network in (new, old)]
        axes = {name: _vocabulary_axis(part, name, one_hot) for name in weights[0]}
        if _alike(weights, axes, sizes):
            for name, axis in axes.items():
                _copy(*(w[name] for w in weights), axis, sizes, ids)


def _common(new, old, ids_agree=False):
    """New and old ids of the tokens that both sides have, with the reserved ones."""
    ids = [(k, k) for k in range(FIRST_TOKEN)]
    if new.is_text and old.is_text:
        old_ids = old.vectorizer.vocabulary_
        new_ids = new.vectorizer.vocabulary_
        ids += [(new_ids[t], old_ids[t]) for t in new_ids if t in old_ids]
    elif ids_agree:
        ids = [(k, k) for k in range(old.size)]
    return torch.tensor(ids).unbind(1)


def _weights(network, part):
    """Weights of a part by name; none if the network has no such part."""
    for name in part.split("."):
        network = getattr(network, name, None)
    return {} if network is None else dict(network.named_parameters())


def _vocabulary_axis(part, name, one_hot):
    """The dimension of a weight that begins with an entry for each token, if any."""
    if part in ("words", "decoder.output", "decoder.embedding"):
        return 0
    if name == "embedding.weight":
        return 0
    return 1 if one_hot and name.endswith("layers.0.weight_ih_l0") else None


def _alike(weights, axes, sizes):
    """Whether two parts have the same shapes, except for the vocabulary sizes."""
    shapes = [
        {
            name: tuple(n - (k == axes.get(name)) * size for k, n in enumerate(w.shape))
            for name, w in part.items()
        }
        for part, size in zip(weights, sizes, strict=True)
    ]
    return shapes[0] == shapes[1]


@torch.no_grad()
def _copy(new, old, axis, sizes, ids):
    if axis is None:
        new.copy_(old)
        return
    # Entries after those of tokens, such as for the context in input feeding.
    rest = torch.arange(new.shape[axis] - sizes[0])
    new_rows, old_rows = (
        torch.cat((known, size + rest)) for known, size in zip(ids, sizes, strict=True)
    )
    values = old.movedim(axis, 0)[old_rows.to(old.device)]
    new.movedim(axis, 0)[new_rows.to(new.device)] = values.to(new.device)


def vectors_by_id(vectors, side, width, name):
    """Pretrained vectors and their ids.

    Parameters
    ----------
    vectors : array-like, shape (size, width), or mapping from token to vector
        Row k of an array belongs to id k; it has rows for the two reserved ids.
    side : Side
    width : int or None
        The embedding size.
    name : str
        The parameter, for messages.

    Returns
    -------
    ids : ndarray of int64, shape (n_found,)
    matrix : ndarray of float32, shape (n_found, width)

    Raises
    ------
    ValueError
        If the shape does not fit, a number is not finite, or no token has a vector.
    """
    # A frame has keys too: the names of its columns.
    if hasattr(vectors, "keys") and getattr(vectors, "ndim", 1) != 2:
        known = side.vectorizer.vocabulary_ if side.is_text else range(side.size)
        tokens = [token for token in known if token in vectors]
        if not tokens:
            raise ValueError(f"{name} has a vector for no token of the vocabulary.")
        ids = [known[token] for token in tokens]
        with naming(name):
            matrix = np.array([vectors[token] for token in tokens], dtype=np.float32)
    else:
        with naming(name):
            matrix = np.asarray(vectors, dtype=np.float32)
        ids = np.arange(side.size)
        if matrix.ndim != 2 or len(matrix) != side.size:
            raise ValueError(
                f"{name} must have one row for each of the {side.size} ids of the "
                f"vocabulary, the reserved 0 and 1 included; got shape {matrix.shape}."
            )
    if matrix.ndim != 2 or matrix.shape[1] != width:
        raise ValueError(
            f"{name} must hold vectors of embedding_size={width} numbers; got shape "
            f"{matrix.shape}."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must hold finite numbers; it has NaN or infinity.")
    missing = side.size - FIRST_TOKEN - int((np.asarray(ids) >= FIRST_TOKEN).sum())
    if missing:
        warn(
            f"{missing} of {side.size - FIRST_TOKEN} tokens have no vector in {name} "
            "and keep their random vectors.",
        )
    return np.asarray(ids, dtype=np.int64), matrix
