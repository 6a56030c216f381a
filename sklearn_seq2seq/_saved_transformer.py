"""What a model file holds of `Seq2SeqTransformer`, and how it is checked."""

import numpy as np
import torch
from skorch.history import History

from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._persistence._values import is_int, is_strings, require
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import FIRST_TOKEN
from sklearn_seq2seq._training._distributed import DISTRIBUTED
from sklearn_seq2seq._training._make_net import make_net
from sklearn_seq2seq._training._settings import NetworkSettings, OptimizationSettings
from sklearn_seq2seq._warnings import warn

VECTORIZERS = (SequenceVectorizer, ColumnVectorizer)

# What a file holds of a network; the last is not an argument of the module.
_NETWORK = tuple(NetworkSettings.__dataclass_fields__)

# Objects of the session or the machine, which only a further fit would use.
_NOT_SAVED = (
    "callbacks",
    "checkpoint",
    "pretrained",
    "source_vectors",
    "target_vectors",
)


def transformer_params(model):
    """The parameters to save."""
    params = model.get_params(deep=False)
    return {name: value for name, value in params.items() if name not in _NOT_SAVED}


def accept_transformer(params):
    """The parameters to load from those in a file."""
    for name in _NOT_SAVED:
        if name in params:
            raise ValueError(f"it sets {name}, which is never saved.")
    return params


def pack_transformer(model, tensors):
    """What a model has learned, or None; its weights go into `tensors`."""
    if not hasattr(model, "net_"):
        return None
    net, reader = model.net_, model._reader
    weights = dict(net.module_.named_parameters())
    for name, weight in weights.items():
        # A copy, since a member may be in an ensemble twice.
        tensors[name] = weight.detach().cpu().contiguous().clone()
    network = {name: getattr(net, f"module__{name}") for name in _NETWORK[:-1]}
    # It says whether the network has a layer for it; training sets the weight anew.
    network["encoder_loss_weight"] = 0.5 if net.module__predict_bag else 0.0
    return {
        # The network as it was fitted, whatever set_params has changed since.
        "network": network,
        "seed": net.seed,
        "frozen": [name for name, w in weights.items() if not w.requires_grad],
        "history": [dict(epoch) for epoch in net.history],
        "sides": [dict(vars(side)) for side in (reader.source, reader.target)],
        "longest": list(reader.longest),
        "knows_empty": reader.knows_empty,
        "n_features_in": getattr(model, "n_features_in_", None),
        "feature_names_in": getattr(model, "feature_names_in_", None),
    }


def unpack_transformer(model, state, tensors):
    """Set what `pack_transformer` returned for another model, after checking it."""
    model.device = _available_device(model.device)
    # Files from before hard attention do not name its parameters.
    network = {"attention_order": 1, "monotonic": False, **state["network"]}
    known = set(network) == set(_NETWORK) and "auto" not in network.values()
    require(known, "it does not say what its network is.")
    params = model.get_params(deep=False) | network
    type(model)(**params)._check_parameters()
    model._reader = _reader(state, network["copy"])
    net = _trained_net(model, network, state, tensors)
    layers = params["num_layers"] * (2 if net.module_.decoder_cell == "lstm" else 1)
    model._n_features_out = layers * params["hidden_size"]
    model.source_vectorizer_ = model._reader.source.vectorizer
    model.target_vectorizer_ = model._reader.target.vectorizer
    model._take_net(net)
    n_columns, names = state["n_features_in"], state["feature_names_in"]
    width = model._reader.source.width
    if n_columns is not None:
        require(n_columns == width, "n_features_in does not count its columns.")
        model.n_features_in_ = n_columns
    if names is not None:
        require(
            np.shape(names) == (width,), "feature_names_in does not name its columns."
        )
        model.feature_names_in_ = names


def _reader(state, copies):
    """The reader of a model's pairs."""
    source, target = (_side(side) for side in state["sides"])
    longest = state["longest"]
    require(
        isinstance(longest, list)
        and len(longest) == 2
        and all(is_int(n, 1) for n in longest),
        "it does not say how long its training pairs were.",
    )
    require(
        type(state["knows_empty"]) is bool,
        "it does not say whether its training pairs had empty sources.",
    )
    return PairReader(
        source,
        target,
        CopyTable(source, target) if copies else None,
        longest=tuple(longest),
        knows_empty=state["knows_empty"],
    )


def _trained_net(model, network, state, tensors):
    """The skorch net of the saved network, with its weights and history."""
    require(is_int(state["seed"], 0), "its seed is not an int.")
    sizes = model._reader.source.size, model._reader.target.size
    _check_sizes(model.get_params(deep=False) | network, *sizes, tensors)
    net = make_net(
        NetworkSettings(**network),
        OptimizationSettings.of(model).resolved(),
        source_size=sizes[0],
        target_size=sizes[1],
        seed=state["seed"],
    )
    _load_weights(net.module_, tensors, state["frozen"])
    net.module_.eval()
    net.history = _history(state["history"])
    return net


def _available_device(device):
    """The saved device, or "auto" with a warning if this machine lacks it."""
    if device == DISTRIBUTED:
        return "auto"  # the processes of the training are gone
    wanted = torch.device("cpu" if device == "auto" else device)
    if wanted.type == "cpu":
        return device
    backend = getattr(torch, wanted.type, None) or getattr(
        torch.backends, wanted.type, None
    )
    found = backend is not None and backend.is_available()
    if found and wanted.index is not None:
        found = wanted.index < getattr(backend, "device_count", lambda: 1)()
    if found:
        return device
    warn(
        f"The model was saved with device={str(device)!r}, which is not available "
        "here; it has device='auto' now.",
    )
    return "auto"


def _side(saved):
    """A side of the data, checked."""
    # Older files do not hold the strings of ids.
    saved = {"id_strings": None, **saved}
    require(set(saved) == set(Side.__annotations__), "a side has other parts.")
    side = Side(**saved)
    require(
        side.id_strings is None or is_strings(side.id_strings),
        "its id_strings are not strings.",
    )
    require(is_int(side.size, FIRST_TOKEN), "a vocabulary has no size.")
    require(is_int(side.width, 1), "a side has no width.")
    require(side.ndim in (1, 2) and type(side.ndim) is int, "a side has no ndim.")
    if side.vectorizer is not None:
        require(
            isinstance(side.vectorizer, VECTORIZERS),
            "a vectorizer is of an unknown class.",
        )
        require(
            getattr(side.vectorizer, "vocabulary_size_", None) == side.size
            and side.vectorizer.max_length_ == side.width,
            "a vectorizer and the network differ in size.",
        )
    return side


def _check_sizes(params, source_size, target_size, tensors):
    """Refuse a network larger than its weights before allocating memory for it.

    The size of a network is within a small factor of the largest of these products, and
    its weights have at least that many numbers.
    """
    hidden, layers = params["hidden_size"], params["num_layers"]
    source_width = params["embedding_size"] or source_size
    target_width = params["embedding_size"] or target_size
    products = [hidden * hidden * layers, hidden * source_width, hidden * target_width]
    if params["embedding_size"]:
        products += [source_size * source_width, target_size * target_width]
    if not params["tie_output"]:
        products.append(target_size * hidden)
    if params["encoder_loss_weight"]:
        products.append(target_size * hidden * layers)
    available = sum(weight.numel() for weight in tensors.values())
    require(
        max(products) <= available, "its network is larger than the weights it has."
    )


def _load_weights(module, weights, frozen):
    parameters = dict(module.named_parameters())
    require(
        weights.keys() == parameters.keys(), "its weights are not those of its network."
    )
    require(
        isinstance(frozen, list) and set(frozen) <= parameters.keys(),
        "it freezes weights that it does not have.",
    )
    for name, parameter in parameters.items():
        weight = weights[name]
        require(
            weight.shape == parameter.shape and weight.dtype == parameter.dtype,
            f"the weights {name} have shape {tuple(weight.shape)} and {weight.dtype}; "
            f"its network needs {tuple(parameter.shape)} and {parameter.dtype}.",
        )
        require(
            bool(torch.isfinite(weight).all()), f"the weights {name} are not finite."
        )
        parameter.data.copy_(weight)
        parameter.requires_grad_(name not in frozen)


def _history(epochs):
    require(
        isinstance(epochs, list)
        and all(isinstance(e, dict) and "train_loss" in e for e in epochs),
        "it has no history.",
    )
    return History(epochs)
