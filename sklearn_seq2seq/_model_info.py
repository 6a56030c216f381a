"""A description of a model file, which reads its JSON without loading the model."""

from math import prod
from typing import NamedTuple

from sklearn_seq2seq._persistence._format import (
    DOCUMENT,
    check_seal,
    parse,
    read,
    reading,
)

_FIGURES = ("train_loss", "valid_loss", "valid_exact_match", "valid_score")


def describe(path, *, params=False):
    """Describe the estimators of a model file.

    Parameters
    ----------
    path : str or path-like
    params : bool, default=False
        Whether to list all parameters.

    Returns
    -------
    list of str
        Lines.

    Raises
    ------
    ModelFileError
        If `save` has not written the file.
    """
    data = read(path)
    with reading(path):
        check_seal(data)
        size = 8 + int.from_bytes(data[:8], "little")
        tensors = parse(data[8:size])
        start, end = tensors[DOCUMENT]["data_offsets"]
        document = parse(data[size + start : size + end])
        versions = document["versions"]
        saved = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
        lines = [f"file: {len(data):,} bytes", f"saved with: {saved}"]
        return lines + _estimator("", _plain(document["model"]), tensors, params)


class _Estimator(NamedTuple):
    name: str
    params: dict
    state: dict | None
    weights: str | None


def _plain(value):
    """JSON values without the tags with which `save` marks other types."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") == "estimator":
        params, state = _items(value["params"]), value["state"]
        state = None if state is None else _items(state)
        return _Estimator(value["class"], params, state, value["weights"])
    inner = value["value"]
    return _items(inner) if isinstance(inner, dict) else _plain(inner)


def _items(values):
    return {name: _plain(value) for name, value in values.items()}


def _estimator(role, node, tensors, params):
    """Lines about an estimator; those about its parts are indented."""
    learned = "not fitted" if node.state is None else "fitted"
    # A Pipeline or FrozenEstimator has learned nothing itself.
    lines = [f"{role}{node.name}" + (f", {learned}" if node.state != {} else "")]
    facts = list(_facts(node, node.state or {}, tensors))
    if params:
        facts += [f"{name} = {_value(value)}" for name, value in node.params.items()]
    # Fitted parts say more than the templates among the parameters.
    for name, part in [*_learned(node.state or {})] or _parts("", node.params):
        facts += _estimator(f"{name}: ", part, tensors, params)
    return lines + [f"  {fact}" for fact in facts]


def _facts(node, state, tensors):
    prefix = f"{node.weights}/"
    weights = [prod(t["shape"]) for k, t in tensors.items() if k.startswith(prefix)]
    if weights:
        yield f"weights: {sum(weights):,}"
    if "network" in state:
        shown = ("cell", "hidden_size", "num_layers", "attention", "copy")
        yield ", ".join(f"{name}={state['network'][name]!r}" for name in shown)
    if state.get("history"):
        last = state["history"][-1]
        figures = [f", {name} {last[name]:.4g}" for name in _FIGURES if name in last]
        yield f"epochs: {len(state['history'])}{''.join(figures)}"
    if "longest" in state:
        source, target = state["longest"]
        yield f"longest training pair: {source} source tokens, {target} target tokens"
    for name, side in zip(("source", "target"), state.get("sides", ()), strict=False):
        if side["vectorizer"] is None:
            yield f"{name}: token ids below {side['size']:,}"
    if "vocabulary" in state:
        analyzer = _value(node.params["analyzer"])
        yield f"{len(state['vocabulary']):,} tokens, analyzer={analyzer}"
    if node.params.get("lexicon"):
        yield f"lexicon: {len(node.params['lexicon']):,} entries"
    if state.get("memory"):
        yield f"memory: {len(state['memory']):,} sources"


def _learned(state):
    """Fitted estimators and their names."""
    if "sides" not in state:
        yield from _parts("", state)
        return
    for name, side in zip(("source", "target"), state["sides"], strict=True):
        yield from _parts(name, [side["vectorizer"]])


def _parts(name, value):
    """Estimators among values, and their names."""
    if isinstance(value, _Estimator):
        yield name, value
    elif isinstance(value, list):
        if value and isinstance(value[0], str):  # a pair of name and estimator
            name, *value = value
        for item in value:
            yield from _parts(name, item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _parts(key, item)


def _value(value):
    return f"a {value.name}" if isinstance(value, _Estimator) else f"{value!r:.60}"
