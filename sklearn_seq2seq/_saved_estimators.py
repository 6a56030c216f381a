"""What a model file holds of each class of estimators, and how it is checked.

To add a class, call `register` once at the end of this module.
"""

from contextlib import suppress

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted
from skorch.history import History

from sklearn_seq2seq._autoencoder import Seq2SeqAutoencoder
from sklearn_seq2seq._dummy import DummySeq2Seq
from sklearn_seq2seq._ensemble import Seq2SeqEnsemble
from sklearn_seq2seq._lexicon import LexiconSeq2Seq
from sklearn_seq2seq._lexicon_entries import check_targets, target_of
from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._reader import PairReader
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._persistence._save_load import load, save  # noqa: F401 (with all classes known)
from sklearn_seq2seq._persistence._values import register
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._subwords import checked_piece_ids, read_tokenizer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import FIRST_TOKEN
from sklearn_seq2seq._training._distributed import DISTRIBUTED
from sklearn_seq2seq._training._make_net import make_net
from sklearn_seq2seq._training._settings import NetworkSettings, OptimizationSettings
from sklearn_seq2seq._warnings import warn

VECTORIZERS = (SequenceVectorizer, ColumnVectorizer)

# What a file says of a network; the last is no argument of the module.
_NETWORK = tuple(NetworkSettings.__dataclass_fields__)

# Objects of the session or the machine, which only a further fit would use.
_NOT_SAVED = (
    "callbacks",
    "checkpoint",
    "pretrained",
    "source_vectors",
    "target_vectors",
)


def _require(condition, what):
    if not condition:
        raise ValueError(f"it is no fitted estimator: {what}")


def _is_int(value, least):
    return type(value) is int and value >= least


def _is_strings(values):
    return isinstance(values, list) and set(map(type, values)) <= {str}


def _vectorizer_params(vectorizer):
    params = vectorizer.get_params(deep=False)
    if hasattr(vectorizer, "tokenizer_") and params["tokenizer"] is not None:
        # The file that it was read from may be another one now, or gone.
        params["tokenizer"] = vectorizer.tokenizer_
    elif params["tokenizer"] is not None:
        with suppress(ValueError):  # a file that is not there: fit says so, if it comes
            params["tokenizer"] = read_tokenizer(params["tokenizer"])
    return params


def _accept_vectorizer(params):
    tokenizer = params.get("tokenizer")
    if isinstance(tokenizer, str) and not tokenizer.lstrip().startswith("{"):
        warn(
            f"The tokenizer {tokenizer!r:.80} is not in the model file, and a path is "
            "not taken from one. Set the parameter tokenizer before you fit again.",
        )
        params = params | {"tokenizer": None}
    return params


def _pack_vectorizer(vectorizer, tensors):
    if not hasattr(vectorizer, "vocabulary_"):
        return None
    return {
        "vocabulary": list(vectorizer.vocabulary_),
        "max_length": vectorizer.max_length_,
        "tokenizer": getattr(vectorizer, "tokenizer_", None),
    }


def _unpack_vectorizer(vectorizer, state, tensors):
    tokens, tokenizer = state["vocabulary"], state["tokenizer"]
    _require(_is_strings(tokens), "its vocabulary is not made of strings.")
    _require(len(set(tokens)) == len(tokens), "a token is in its vocabulary twice.")
    _require(_is_int(state["max_length"], 1), "max_length is not a positive int.")
    vocabulary = {token: id_ for id_, token in enumerate(tokens, FIRST_TOKEN)}
    _require(
        (tokenizer is not None) == (vectorizer.analyzer == "subword"),
        "analyzer='subword' and a tokenizer come together.",
    )
    if tokenizer is not None:
        _require(type(tokenizer) is str, "its tokenizer is not text.")
        _require(
            checked_piece_ids(tokenizer) == vocabulary,
            "its tokenizer has another vocabulary.",
        )
        vectorizer.tokenizer_ = tokenizer
    vectorizer.vocabulary_ = vocabulary
    vectorizer.vocabulary_size_ = FIRST_TOKEN + len(vocabulary)
    vectorizer.max_length_ = state["max_length"]


def _pack_columns(vectorizer, tensors):
    if not hasattr(vectorizer, "transformers_"):
        return None
    return {"transformers": vectorizer.transformers_}


def _unpack_columns(vectorizer, state, tensors):
    vectorizer._check_transformers()
    transformers = state["transformers"]
    _require(isinstance(transformers, list), "its transformers are not a list.")
    ColumnVectorizer(transformers)._check_transformers()
    _require(
        all(hasattr(item[1], "vocabulary_") for item in transformers),
        "a column's vectorizer is not fitted.",
    )
    vectorizer.transformers_ = [tuple(item) for item in transformers]


def _transformer_params(model):
    params = model.get_params(deep=False)
    return {name: value for name, value in params.items() if name not in _NOT_SAVED}


def _accept_transformer(params):
    for name in _NOT_SAVED:
        if name in params:
            raise ValueError(f"it sets {name}, which is never saved.")
    return params


def _pack_transformer(model, tensors):
    if not hasattr(model, "net_"):
        return None
    net, reader = model.net_, model._reader
    weights = dict(net.module_.named_parameters())
    for name, weight in weights.items():
        # A copy, since a member may be in an ensemble twice.
        tensors[name] = weight.detach().cpu().contiguous().clone()
    network = {name: getattr(net, f"module__{name}") for name in _NETWORK[:-1]}
    # Whether the network has a layer for it; training sets the weight afresh.
    network["encoder_loss_weight"] = 0.5 if net.module__predict_words else 0.0
    return {
        # Of the network as it was fitted, whatever set_params has changed since.
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


def _unpack_transformer(model, state, tensors):
    model.device = _available_device(model.device)
    # Files of before hard attention do not name its parameters.
    network = {"attention_order": 1, "monotonic": False, **state["network"]}
    _require(
        set(network) == set(_NETWORK),
        "it does not say what its network is.",
    )
    params = model.get_params(deep=False) | network
    Seq2SeqTransformer(**params)._check_parameters()
    source, target = (_side(side) for side in state["sides"])
    longest = state["longest"]
    _require(
        isinstance(longest, list)
        and len(longest) == 2
        and all(_is_int(n, 1) for n in longest),
        "it does not say how long its training pairs were.",
    )
    _require(
        type(state["knows_empty"]) is bool,
        "it does not say whether its training pairs had empty sources.",
    )
    _require(_is_int(state["seed"], 0), "its seed is no int.")
    _check_sizes(params, source.size, target.size, tensors)
    net = make_net(
        NetworkSettings(**network),
        OptimizationSettings.of(model),
        source_size=source.size,
        target_size=target.size,
        seed=state["seed"],
    )
    _load_weights(net.module_, tensors, state["frozen"])
    net.module_.eval()
    net.history = _history(state["history"])
    model._reader = PairReader(
        source,
        target,
        CopyTable(source, target) if network["copy"] else None,
        longest=tuple(longest),
        knows_empty=state["knows_empty"],
    )
    layers = params["num_layers"] * (2 if net.module_.decoder_cell == "lstm" else 1)
    model._n_features_out = layers * params["hidden_size"]
    model.source_vectorizer_ = source.vectorizer
    model.target_vectorizer_ = target.vectorizer
    model._take_net(net)
    if state["n_features_in"] is not None:
        _require(state["n_features_in"] == source.width, "its columns are not counted.")
        model.n_features_in_ = state["n_features_in"]
    if state["feature_names_in"] is not None:
        names = state["feature_names_in"]
        _require(np.shape(names) == (source.width,), "its columns have no names.")
        model.feature_names_in_ = names


def _available_device(device):
    """The saved device, or "auto" with a warning where it is not here."""
    if device == DISTRIBUTED:
        return "auto"  # how it was trained, which is over
    wanted = torch.device("cpu" if device == "auto" else device)
    if wanted.type == "cpu":
        return device
    backend = getattr(torch, wanted.type, None) or getattr(
        torch.backends, wanted.type, None
    )
    here = backend is not None and backend.is_available()
    if here and wanted.index is not None:
        here = wanted.index < getattr(backend, "device_count", lambda: 1)()
    if here:
        return device
    warn(
        f"The model was saved with device={str(device)!r}, which is not available "
        "here; it has device='auto' now.",
    )
    return "auto"


def _side(saved):
    """A side of the data, its parts consistent."""
    # Files of before ids were known by their strings do not name these.
    saved = {"id_strings": None, **saved}
    _require(set(saved) == set(Side.__annotations__), "a side has other parts.")
    side = Side(**saved)
    _require(
        side.id_strings is None or _is_strings(side.id_strings), "ids are no strings."
    )
    _require(_is_int(side.size, FIRST_TOKEN), "a vocabulary has no size.")
    _require(_is_int(side.width, 1), "a side has no width.")
    _require(side.ndim in (1, 2) and type(side.ndim) is int, "a side has no ndim.")
    if side.vectorizer is not None:
        _require(
            isinstance(side.vectorizer, VECTORIZERS), "a vectorizer is none of ours."
        )
        _require(
            getattr(side.vectorizer, "vocabulary_size_", None) == side.size
            and side.vectorizer.max_length_ == side.width,
            "a vectorizer and the network have other sizes.",
        )
    return side


def _check_sizes(params, source_size, target_size, tensors):
    """Refuse a network larger than its weights, before any memory is taken for it.

    What a network needs is within a small factor of the largest of these products, all
    of which its weights have.
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
    _require(
        max(products) <= available, "its network is larger than the weights it has."
    )


def _load_weights(module, weights, frozen):
    parameters = dict(module.named_parameters())
    _require(
        weights.keys() == parameters.keys(), "its weights are not those of its network."
    )
    _require(
        isinstance(frozen, list) and set(frozen) <= parameters.keys(),
        "it has no weights of the names that do not change.",
    )
    for name, parameter in parameters.items():
        weight = weights[name]
        _require(
            weight.shape == parameter.shape and weight.dtype == parameter.dtype,
            f"the weights {name} have shape {tuple(weight.shape)} and {weight.dtype}; "
            f"its network needs {tuple(parameter.shape)} and {parameter.dtype}.",
        )
        _require(
            bool(torch.isfinite(weight).all()), f"the weights {name} are not finite."
        )
        parameter.data.copy_(weight)
        parameter.requires_grad_(name not in frozen)


def _history(epochs):
    _require(
        isinstance(epochs, list)
        and all(isinstance(e, dict) and "train_loss" in e for e in epochs),
        "it has no history.",
    )
    return History(epochs)


def _ensemble_params(ensemble):
    params = ensemble.get_params(deep=False)
    if params["estimators"] is not None:
        params["estimators"] = [
            (name, getattr(member, "estimator", member))  # not frozen
            for name, member in params["estimators"]
        ]
    return params


def _pack_ensemble(ensemble, tensors):
    if not hasattr(ensemble, "estimators_"):
        return None
    members = ensemble.estimators_
    if ensemble.prefit and ensemble.estimators is not None:
        given = ensemble._named_members()[1]
        if list(map(id, given)) == list(map(id, members)):
            members = None  # they are a parameter already
    return {"members": members}


def _unpack_ensemble(ensemble, state, tensors):
    together = ensemble
    if state["members"] is not None:
        members = [(f"member_{k}", member) for k, member in enumerate(state["members"])]
        together = Seq2SeqEnsemble(estimators=members, prefit=True)
    learned = vars(together.fit(None))
    vars(ensemble).update({k: v for k, v in learned.items() if k.endswith("_")})


def _lexicon_params(model):
    params = model.get_params(deep=False)
    if hasattr(model, "estimator_") and params["estimator"] is not None:
        # Of the fitted model, which is stored too, only the parameters are needed.
        params["estimator"] = clone(params["estimator"])
    return params


def _pack_lexicon(model, tensors):
    if not hasattr(model, "estimator_"):
        return None
    taken = model.estimator_ is model.estimator
    return {
        "estimator": None if taken else model.estimator_,
        "memory": getattr(model, "memory_", None),
    }


def _unpack_lexicon(model, state, tensors):
    learned = state["estimator"]
    model.estimator_ = model.estimator if learned is None else learned
    target = target_of(model.estimator_)
    check_is_fitted(model.estimator_)
    if state["memory"] is not None:
        _check_memory(state["memory"], target)
        model.memory_ = state["memory"]
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(model.estimator_, name):
            setattr(model, name, getattr(model.estimator_, name))


def _check_memory(memory, target):
    _require(isinstance(memory, dict), "its memory is no dict.")
    for source, targets in memory.items():
        _require(type(source) in (str, tuple), "a key of its memory is no source.")
        _require(
            type(targets) is list and check_targets(targets, source, target) == targets,
            "its memory does not hold lists of targets.",
        )


_DUMMY = (
    "kinds_",
    "targets_",
    "most_frequent_",
    "sources_",
    "rules_",
    "n_outputs_",
    "n_features_in_",
    "feature_names_in_",
    "_strategy",
)


def _pack_dummy(model, tensors):
    learned = {name: getattr(model, name) for name in _DUMMY if hasattr(model, name)}
    return learned or None


def _unpack_dummy(model, state, tensors):
    _require(
        set(state) <= set(_DUMMY),
        "it holds what no DummySeq2Seq learns.",
    )
    kinds, strategy = state["kinds_"], state["_strategy"]
    rows = {"strings": str, "token lists": tuple, "token ids": tuple}
    _require(
        type(kinds) is tuple and len(kinds) == 2 and set(kinds) <= set(rows),
        "it does not say what it was fitted on.",
    )
    model._validate_params()
    DummySeq2Seq(strategy=strategy)._validate_params()
    if kinds[1] == "token ids":
        _require(_is_int(state["n_outputs_"], 0), "it has no number of outputs.")
    if strategy == "suffix":
        _check_rules(state["rules_"], rows[kinds[0]])
    elif strategy != "copy":
        targets = state["targets_"]
        _require(
            isinstance(targets, np.ndarray)
            and targets.dtype == object
            and set(map(type, targets)) == {rows[kinds[1]]},
            "its targets are not of one kind.",
        )
        places = [] if strategy == "closest" else [state["most_frequent_"]]
        if strategy in ("lookup", "nearest"):
            sources = state["sources_"]
            _require(
                isinstance(sources, dict)
                and set(map(type, sources)) == {rows[kinds[0]]},
                "its sources are not of one kind.",
            )
            places += sources.values()
        _require(
            all(_is_int(place, 0) and place < len(targets) for place in places),
            "it points at no target.",
        )
    vars(model).update(state)


def _check_rules(rules, row):
    _require(
        isinstance(rules, dict)
        and set(map(type, rules)) <= {row}
        and set(map(type, rules.values())) <= {tuple}
        and all(
            len(rule) == 2 and _is_int(rule[0], 0) and type(rule[1]) is row
            for rule in rules.values()
        ),
        "its rules do not rewrite suffixes.",
    )
    _require(
        all(rule[0] <= len(suffix) for suffix, rule in rules.items()),
        "a rule cuts more than its suffix.",
    )


def _unpack_frozen(frozen, state, tensors):
    _require(not state, "a FrozenEstimator learns nothing itself.")
    _require(isinstance(frozen.estimator, BaseEstimator), "no estimator is frozen.")


def _pack_nothing(estimator, tensors):
    # What it holds are parameters; there is nothing else to check them.
    return {}


def _unpack_pipeline(pipeline, state, tensors):
    _require(not state, "a Pipeline learns nothing itself.")
    _require(
        all(
            type(step) is tuple and len(step) == 2 and type(step[0]) is str
            for step in pipeline.steps
        ),
        "a Pipeline's steps are not pairs of name and estimator.",
    )
    pipeline._validate_steps()


def _pipeline_params(pipeline):
    params = pipeline.get_params(deep=False)
    params["steps"] = list(map(tuple, pipeline.steps))
    return _accept_pipeline(
        {name: value for name, value in params.items() if value is not None}
    )


def _accept_pipeline(params):
    # A folder of the machine, in which every fit would write.
    return {name: value for name, value in params.items() if name != "memory"}


register(
    SequenceVectorizer,
    _pack_vectorizer,
    _unpack_vectorizer,
    _vectorizer_params,
    _accept_vectorizer,
)

register(ColumnVectorizer, _pack_columns, _unpack_columns)

register(
    Seq2SeqTransformer,
    _pack_transformer,
    _unpack_transformer,
    _transformer_params,
    _accept_transformer,
)

register(
    Seq2SeqAutoencoder,
    _pack_transformer,
    _unpack_transformer,
    _transformer_params,
    _accept_transformer,
)

register(Seq2SeqEnsemble, _pack_ensemble, _unpack_ensemble, _ensemble_params)

register(LexiconSeq2Seq, _pack_lexicon, _unpack_lexicon, _lexicon_params)

register(FrozenEstimator, _pack_nothing, _unpack_frozen)

register(DummySeq2Seq, _pack_dummy, _unpack_dummy)

register(Pipeline, _pack_nothing, _unpack_pipeline, _pipeline_params, _accept_pipeline)
