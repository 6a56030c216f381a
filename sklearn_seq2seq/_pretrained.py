"""What a new network takes over from a fitted one: vocabulary and weights.

A part of the network (its encoder's layers, its attention, ...) is taken whole or not
at all. Where entries of a weight stand for tokens, those of the tokens that both
networks know are taken, whatever their ids.
"""

import torch
from sklearn.frozen import FrozenEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._recurrent import OneHot
from sklearn_seq2seq._sides import Side
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN

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


def check_pretrained(pretrained, params, kind):
    """Unwrap what the parameter `pretrained` holds, and check that it can be taken.

    Parameters
    ----------
    pretrained : estimator
    params : dict
        Those of the estimator to be fitted.
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
    if params["source_vectors"] is not None:
        raise ValueError(
            "pretrained brings the source's token vectors; set source_vectors=None."
        )
    net = pretrained.net_
    for name in _ENCODER:
        theirs = getattr(net, f"module__{name}")
        if name == "reverse_source" and params["bidirectional"]:
            continue
        if params[name] != theirs:
            raise ValueError(
                f"The encoder of pretrained has {name}={theirs!r}, so it cannot be "
                f"taken with {name}={params[name]!r}; set {name}={theirs!r}, or "
                "pretrained=None."
            )
    return pretrained


def grow_source(side, tokens, old, X):
    """Put the vocabulary of another source side in front of a side's own.

    Parameters
    ----------
    side : Side
        Just learned; its vectorizer is changed in place.
    tokens : csr_array of int32
        The sources as `side` reads them.
    old : Side
    X : text or token ids
        The sources.

    Returns
    -------
    side : Side
    tokens : csr_array of int32

    Raises
    ------
    ValueError
        If one side is text and the other ids, or they cut text differently.
    """
    if side.is_text != old.is_text:
        kinds = {True: "text", False: "token ids"}
        raise ValueError(
            f"pretrained was fitted on {kinds[old.is_text]}; X holds "
            f"{kinds[side.is_text]}. Give both the same."
        )
    if not side.is_text:
        return Side(None, max(side.size, old.size), side.width), tokens
    vectorizer = side.vectorizer
    if type(vectorizer) is not type(old.vectorizer):
        raise ValueError(
            f"pretrained reads sources with a {type(old.vectorizer).__name__}; "
            f"source_vectorizer is a {type(vectorizer).__name__}."
        )
    vectorizer._grow(old.vectorizer)
    tokens, _ = vectorizer._transform_open(X)
    # Those that the vectorizer leaves out on purpose are no news.
    tokens.data[tokens.data >= vectorizer.vocabulary_size_] = UNKNOWN
    return Side(vectorizer, vectorizer.vocabulary_size_, tokens.shape[1]), tokens


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
        theirs = old.vectorizer.vocabulary_
        own = new.vectorizer.vocabulary_
        ids += [(own[token], theirs[token]) for token in own if token in theirs]
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
        torch.cat((own, size + rest)) for own, size in zip(ids, sizes, strict=True)
    )
    rows = old.movedim(axis, 0)[there.to(old.device)]
    new.movedim(axis, 0)[here.to(new.device)] = rows.to(new.device)
