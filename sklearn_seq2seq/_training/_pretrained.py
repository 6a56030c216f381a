"""What a new network takes over from a fitted one: vocabulary and weights.

A part of the network (its encoder's layers, its attention, ...) is taken whole or not
at all. Where entries of a weight stand for tokens, those of the tokens that both
networks know are taken, whatever their ids.
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

# What the shape and the meaning of the encoder's weights depend on.
_ENCODER = (
    "cell",
    "hidden_size",
    "num_layers",
    "embedding_size",
    "bidirectional",
    "reverse_source",
)

# Backwards: where two tables are one and the same, the encoder's has the last word.
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
    """Set rows of the "source" or "target" embedding table; freeze the whole of it."""
    part = net.module_.encoder if side == "source" else net.module_.decoder
    weight = part.embedding.weight
    weight.data[torch.from_numpy(ids)] = torch.from_numpy(matrix).to(weight.device)
    weight.requires_grad_(not freeze)


def check_pretrained(pretrained, network, kind):
    """Unwrap what the parameter `pretrained` holds, and check that it can be taken.

    Parameters
    ----------
    pretrained : estimator
    network : NetworkSettings
        Of the estimator to be fitted.
    kind : type
        What `pretrained` must be.

    Returns
    -------
    estimator
        Fitted.

    Raises
    ------
    TypeError
        If it is of another kind.
    NotFittedError
        If it is not fitted.
    ValueError
        If its encoder is another one.
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
            "pretrained is not fitted. Fit it before; and where this estimator is "
            "cloned, as searches, cross-validation and ensembles do, pass "
            "pretrained=FrozenEstimator(fitted) of sklearn.frozen, since cloning makes "
            "a bare estimator unfitted."
        ),
    )
    net = pretrained.net_
    for name in _ENCODER:
        fitted = getattr(net, f"module__{name}")
        if name == "reverse_source" and network.bidirectional:
            continue
        wanted = getattr(network, name)
        if wanted != fitted:
            raise ValueError(
                f"The encoder of pretrained has {name}={fitted!r}, so it cannot be "
                f"taken with {name}={wanted!r}; set {name}={fitted!r}, or "
                "pretrained=None."
            )
    return pretrained


def take_weights(new, old, source, target):
    """Copy into a network what it has in common with another one.

    Parameters
    ----------
    new, old : EncoderDecoder
    source, target : tuple of (Side, Side)
        The sides of the new network's data and of the old one's.
    """
    # Ids of sources are the same here and there; those of targets need not be.
    of_source, of_target = _common(*source, ids_agree=True), _common(*target)
    one_hot = isinstance(new.encoder.embedding, OneHot)
    for part in _PARTS:
        if one_hot and part == "decoder.copy_gate":
            continue  # It ends with an entry for each token, which is not worth a case.
        sides, ids = (source, of_source) if part == "encoder" else (target, of_target)
        sizes = [side.size for side in sides]
        weights = [_weights(network, part) for network in (new, old)]
        axes = {name: _vocabulary_axis(part, name, one_hot) for name in weights[0]}
        if _alike(weights, axes, sizes):
            for name, axis in axes.items():
                _copy(*(w[name] for w in weights), axis, sizes, ids)


def _common(new, old, ids_agree=False):
    """Ids, here and there, of the tokens that both have, the reserved ones included."""
    ids = [(k, k) for k in range(FIRST_TOKEN)]
    if new.is_text and old.is_text:
        old_ids = old.vectorizer.vocabulary_
        new_ids = new.vectorizer.vocabulary_
        ids += [(new_ids[t], old_ids[t]) for t in new_ids if t in old_ids]
    elif ids_agree:
        ids = [(k, k) for k in range(old.size)]
    return torch.tensor(ids).unbind(1)


def _weights(network, part):
    """Weights of a part by name; none where the network has no such part."""
    for name in part.split("."):
        network = getattr(network, name, None)
    return {} if network is None else dict(network.named_parameters())


def _vocabulary_axis(part, name, one_hot):
    """Which dimension of a weight begins with an entry for each token, if any."""
    if part in ("words", "decoder.output", "decoder.embedding"):
        return 0
    if name == "embedding.weight":
        return 0
    return 1 if one_hot and name.endswith("layers.0.weight_ih_l0") else None


def _alike(weights, axes, sizes):
    """Whether two parts are the same but for the vocabulary."""
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
    # What is read beside the tokens, such as the context that is fed back.
    rest = torch.arange(new.shape[axis] - sizes[0])
    here, there = (
        torch.cat((known, size + rest)) for known, size in zip(ids, sizes, strict=True)
    )
    rows = old.movedim(axis, 0)[there.to(old.device)]
    new.movedim(axis, 0)[here.to(new.device)] = rows.to(new.device)


def vectors_by_id(vectors, side, width, name):
    """Pretrained vectors with the ids that they belong to.

    Parameters
    ----------
    vectors : array-like, shape (size, width), or mapping from token to vector
        Rows of an array are ids, the two reserved ones included.
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
    # A frame has keys too, those of its columns.
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
            "and keep their random start.",
        )
    return np.asarray(ids, dtype=np.int64), matrix
