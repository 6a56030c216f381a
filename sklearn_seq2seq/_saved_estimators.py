"""What a model file holds of each class of estimators, and how it is checked.

To add a class, call `register` once at the end of this module.
"""

from contextlib import suppress

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklearn_seq2seq._autoencoder import Seq2SeqAutoencoder
from sklearn_seq2seq._conformal import ConformalSeq2Seq
from sklearn_seq2seq._dummy import DummySeq2Seq
from sklearn_seq2seq._ensemble import Seq2SeqEnsemble
from sklearn_seq2seq._lexicon import LexiconSeq2Seq
from sklearn_seq2seq._lexicon_entries import check_targets, parts_of, target_of
from sklearn_seq2seq._persistence._values import (
    is_int,
    is_strings,
    register,
    require,
)
from sklearn_seq2seq._saved_transformer import (
    accept_transformer,
    pack_transformer,
    transformer_params,
    unpack_transformer,
)
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._check_input import check_raw
from sklearn_seq2seq._text._columns import ColumnVectorizer
from sklearn_seq2seq._text._normal_form import ALL_FORMS, FORMS
from sklearn_seq2seq._text._subwords import checked_piece_ids, read_tokenizer
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import FIRST_TOKEN
from sklearn_seq2seq._translation_memory import TranslationMemory
from sklearn_seq2seq._warnings import warn


def _vectorizer_params(vectorizer):
    params = vectorizer.get_params(deep=False)
    if hasattr(vectorizer, "tokenizer_") and params["tokenizer"] is not None:
        # The file that it was read from may have changed or gone.
        params["tokenizer"] = vectorizer.tokenizer_
    elif params["tokenizer"] is not None:
        with suppress(ValueError):  # a missing file: `fit` would report it
            params["tokenizer"] = read_tokenizer(params["tokenizer"])
    return params


def _accept_vectorizer(params):
    tokenizer = params.get("tokenizer")
    if isinstance(tokenizer, str) and not tokenizer.lstrip().startswith("{"):
        warn(
            f"The tokenizer {tokenizer!r:.80} is not in the model file, and paths in "
            "model files are not followed. Set the parameter tokenizer before you fit "
            "again.",
        )
        params = params | {"tokenizer": None}
    return params


def _pack_vectorizer(vectorizer, tensors):
    if not hasattr(vectorizer, "vocabulary_"):
        return None
    return {
        "vocabulary": list(vectorizer.vocabulary_),
        "max_length": vectorizer.max_length_,
        "normalize": vectorizer.normalize_,
        "own_form": vectorizer._own_form,
        "tokenizer": getattr(vectorizer, "tokenizer_", None),
    }


def _unpack_vectorizer(vectorizer, state, tensors):
    tokens, tokenizer = state["vocabulary"], state["tokenizer"]
    require(is_strings(tokens), "its vocabulary is not made of strings.")
    require(len(set(tokens)) == len(tokens), "a token is in its vocabulary twice.")
    require(is_int(state["max_length"], 1), "max_length is not a positive int.")
    vocabulary = {token: id_ for id_, token in enumerate(tokens, FIRST_TOKEN)}
    require(
        (tokenizer is not None) == (vectorizer.analyzer == "subword"),
        "analyzer='subword' and a tokenizer come together.",
    )
    if tokenizer is not None:
        require(type(tokenizer) is str, "its tokenizer is not text.")
        require(
            checked_piece_ids(tokenizer) == vocabulary,
            "its tokenizer has another vocabulary.",
        )
        vectorizer.tokenizer_ = tokenizer
    # Files from before normalize="auto" hold the form as the parameter only.
    given = vectorizer.normalize
    vectorizer.normalize_ = state.get("normalize", None if given == "auto" else given)
    known = vectorizer.normalize_ in (None, *ALL_FORMS)
    require(known, "it has an unknown normal form.")
    # Not in files from when only composed text was read in a form of its own choice.
    vectorizer._own_form = state.get("own_form", "NFC")
    require(vectorizer._own_form in (None, *FORMS), "its text has an unknown form.")
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
    require(isinstance(transformers, list), "its transformers are not a list.")
    ColumnVectorizer(transformers)._check_transformers()
    require(
        all(hasattr(item[1], "vocabulary_") for item in transformers),
        "a column's vectorizer is not fitted.",
    )
    vectorizer.transformers_ = [tuple(item) for item in transformers]


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


def _wrapper_params(model):
    params = model.get_params(deep=False)
    if hasattr(model, "estimator_") and params["estimator"] is not None:
        # The fitted model is stored too; the parameters of the given one suffice.
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


def _pack_conformal(model, tensors):
    if not hasattr(model, "estimator_"):
        return None
    taken = model.estimator_ is model.estimator
    return {
        "estimator": None if taken else model.estimator_,
        "n_best": model.n_best_,
        "scores": model.conformity_scores_,
        "weights": model.calibration_weights_,
    }


def _unpack_conformal(model, state, tensors):
    learned = model.estimator if state["estimator"] is None else state["estimator"]
    parts_of(learned)
    check_is_fitted(learned)
    scores, weights = state["scores"], state["weights"]
    require(is_int(state["n_best"], 1), "it has no number of hypotheses.")
    for values in (scores, weights):
        require(
            isinstance(values, np.ndarray)
            and (values.dtype, values.ndim) == (np.float64, 1),
            "its scores and their weights are not numbers.",
        )
    require(
        len(scores) == len(weights) > 0
        and (scores >= 0).all()
        and (weights > 0).all()
        and (weights <= 1).all(),
        "its scores and their weights are out of range.",
    )
    model._take(learned, state["n_best"], scores, weights)


def _check_memory(memory, target):
    require(isinstance(memory, dict), "its memory is not a dict.")
    for source, targets in memory.items():
        require(type(source) in (str, tuple), "a key of its memory is not a source.")
        require(
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
    require(
        set(state) <= set(_DUMMY),
        "it holds attributes that DummySeq2Seq does not learn.",
    )
    kinds, strategy = state["kinds_"], state["_strategy"]
    rows = {"strings": str, "token lists": tuple, "token ids": tuple}
    require(
        type(kinds) is tuple and len(kinds) == 2 and set(kinds) <= set(rows),
        "it does not say what it was fitted on.",
    )
    model._validate_params()
    DummySeq2Seq(strategy=strategy)._validate_params()
    if kinds[1] == "token ids":
        require(is_int(state["n_outputs_"], 0), "it has no number of outputs.")
    if strategy == "suffix":
        _check_rules(state["rules_"], rows[kinds[0]])
    elif strategy != "copy":
        targets = state["targets_"]
        require(
            isinstance(targets, np.ndarray)
            and targets.dtype == object
            and set(map(type, targets)) == {rows[kinds[1]]},
            "its targets are not of one kind.",
        )
        places = [] if strategy == "closest" else [state["most_frequent_"]]
        if strategy in ("lookup", "nearest"):
            sources = state["sources_"]
            require(
                isinstance(sources, dict)
                and set(map(type, sources)) == {rows[kinds[0]]},
                "its sources are not of one kind.",
            )
            places += sources.values()
        require(
            all(is_int(place, 0) and place < len(targets) for place in places),
            "an index of a target is out of range.",
        )
    vars(model).update(state)


def _check_rules(rules, row):
    require(
        isinstance(rules, dict)
        and set(map(type, rules)) <= {row}
        and set(map(type, rules.values())) <= {tuple}
        and all(
            len(rule) == 2 and is_int(rule[0], 0) and type(rule[1]) is row
            for rule in rules.values()
        ),
        "its rules do not rewrite suffixes.",
    )
    require(
        all(rule[0] <= len(suffix) for suffix, rule in rules.items()),
        "a rule cuts more than its suffix.",
    )


def _pack_translations(memory, tensors):
    if not hasattr(memory, "sources_"):
        return None
    return {
        "sources": list(memory.sources_),
        "targets": list(memory.targets_),
        "levels": memory.levels_.tolist(),
    }


def _unpack_translations(memory, state, tensors):
    # Its vectorizer learns the same from the same sources.
    rows, targets = check_raw(state["sources"]), check_raw(state["targets"], "targets")
    require(len(rows) == len(targets), "its sources and targets differ in number.")
    levels = state["levels"]
    require(
        isinstance(levels, list)
        and set(map(type, levels)) <= {float}
        and sorted(levels) == levels,
        "its levels are not numbers in ascending order.",
    )
    memory._remember(rows, targets)
    memory.levels_ = np.array(levels, dtype=float)


def _unpack_frozen(frozen, state, tensors):
    require(not state, "a FrozenEstimator learns nothing itself.")
    require(isinstance(frozen.estimator, BaseEstimator), "no estimator is frozen.")


def _pack_nothing(estimator, tensors):
    # An empty state, so that `unpack` is called and checks the parameters.
    return {}


def _unpack_pipeline(pipeline, state, tensors):
    require(not state, "a Pipeline learns nothing itself.")
    require(
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
    # `memory` is a folder of the machine, in which every fit would write.
    return {name: value for name, value in params.items() if name != "memory"}


register(
    SequenceVectorizer,
    _pack_vectorizer,
    _unpack_vectorizer,
    _vectorizer_params,
    _accept_vectorizer,
)

register(ColumnVectorizer, _pack_columns, _unpack_columns)

for cls in (Seq2SeqTransformer, Seq2SeqAutoencoder):
    register(
        cls,
        pack_transformer,
        unpack_transformer,
        transformer_params,
        accept_transformer,
    )

register(Seq2SeqEnsemble, _pack_ensemble, _unpack_ensemble, _ensemble_params)

register(LexiconSeq2Seq, _pack_lexicon, _unpack_lexicon, _wrapper_params)

register(ConformalSeq2Seq, _pack_conformal, _unpack_conformal, _wrapper_params)

register(FrozenEstimator, _pack_nothing, _unpack_frozen)

register(DummySeq2Seq, _pack_dummy, _unpack_dummy)

register(Pipeline, _pack_nothing, _unpack_pipeline, _pipeline_params, _accept_pipeline)

register(TranslationMemory, _pack_translations, _unpack_translations)
