"""Entries of a lexicon: sources as a model reads them, targets as it writes them."""

from collections import Counter, defaultdict
from itertools import zip_longest
from numbers import Integral

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_array
from sklearn.utils.validation import _num_samples

from sklearn_seq2seq._decoding._mixin import PredictionMixin
from sklearn_seq2seq._tokens import as_tokens

# The model --------------------------------------------------------------------------


def parts_of(model):
    """The transformers before a model's network (or ensemble), and the network."""
    if isinstance(model, FrozenEstimator):
        return parts_of(model.estimator)
    if isinstance(model, Pipeline):
        *steps, (_, last) = model.steps
        before, network = parts_of(last)
        # Samplers take part in `fit` only.
        return [s for _, s in steps if hasattr(s, "transform")] + before, network
    if not isinstance(model, PredictionMixin):
        raise TypeError(
            "estimator must be a Seq2SeqTransformer, a Seq2SeqEnsemble, or a Pipeline "
            f"that ends in one; got {model!r:.200}."
        )
    return [], model


def target_of(model):
    return parts_of(model)[1]._fitted_model().target


def reader_of(model):
    """The transformers before a model's first vectorizer, and it (None for ids)."""
    before, network = parts_of(model)
    for place, step in enumerate(before):
        if hasattr(step, "_row_keys"):
            return before[:place], step
    return before, network.source_vectorizer_


def read_sources(model, X):
    """A hashable key for each source, equal for sources that are read alike."""
    before, vectorizer = reader_of(model)
    for step in before:
        X = step.transform(X)
    if vectorizer is not None:
        return vectorizer._row_keys(vectorizer._check_rows(X))
    return _id_rows(check_array(X, accept_sparse="csr", dtype="numeric"))


def read_keys(model, keys):
    if not keys:
        return []
    if reader_of(model)[1] is None and all(isinstance(key, tuple) for key in keys):
        keys = np.array(list(zip_longest(*keys, fillvalue=0))).T
    try:
        return read_sources(model, keys)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The keys of lexicon must be sources of the kind of X: {error}"
        ) from error


def _id_rows(ids):
    tokens = as_tokens(ids)
    return list(map(tuple, np.split(tokens.data, tokens.indptr[1:-1])))


# Targets: str; list of str; tuple of a target for each column; or tuple of ids --------


def read_targets(y, side):
    """Targets passed as `y`, read and written again."""
    rows = side.check(y, "y")
    return side.as_read(rows).tolist() if side.is_text else _id_rows(rows)


def reads_as(target, reading, side):
    """Whether a target of an entry is read as `reading`, a row of `read_targets`."""
    # If predictions join token lists, entries are strings, which cannot be read.
    joined = side.joiner is not None and side.vectorizer.analyzer == "token"
    if target == reading or not side.is_text or joined:
        return target == reading
    return side.as_read(side.check([target], "an entry"))[0] == reading


def check_targets(value, key, side):
    """Check an entry's target or targets, and return them as a list."""
    value = value.tolist() if hasattr(value, "tolist") else value
    several = [value] if _is_target(value, side) else value
    if (
        not isinstance(several, list | tuple)
        or not several
        or not all(_is_target(one, side) for one in several)
    ):
        kind = "token ids"
        if side.is_text:
            kind = "lists of strings" if side.joiner is None else "strings"
            kind = "tuples of the columns' cells" if side.has_columns else kind
        raise ValueError(
            f"The targets of lexicon must be {kind}, as in y: one, or a list of "
            f"several, for each source; got {value!r:.80} for {key!r:.80}."
        )
    if not side.is_text:
        several = [
            (one,) if isinstance(one, Integral) else tuple(one) for one in several
        ]
    elif side.joiner is None and not side.has_columns:
        several = list(map(list, several))
    return list(several)


def _is_target(value, side):
    if not side.is_text:
        if side.ndim == 1 and isinstance(value, Integral):
            return value > 0
        return (
            isinstance(value, tuple if side.ndim == 1 else list | tuple)
            and len(value) <= side.width
            and all(isinstance(id_, Integral) and id_ > 0 for id_ in value)
        )
    if side.has_columns:
        return isinstance(value, tuple)
    if side.joiner is None:
        return isinstance(value, list | tuple) and all(
            isinstance(t, str) for t in value
        )
    return isinstance(value, str)


def write(targets, side):
    """Targets as the model's `predict` returns them."""
    if side.is_text:
        return np.fromiter(targets, dtype=object, count=len(targets))
    ids = np.zeros((len(targets), side.width), dtype=np.int64)
    for row, target in zip(ids, targets, strict=True):
        row[: len(target)] = target
    return ids if side.ndim == 2 else ids[:, 0]


# Memory -----------------------------------------------------------------------------


def remember(model, X, y, sample_weight):
    """The targets of each source key, those with the largest weight first."""
    side = target_of(model)
    weight = np.ones(_num_samples(X)) if sample_weight is None else sample_weight
    totals = defaultdict(Counter)
    for reading, target, w in zip(
        read_sources(model, X), read_targets(y, side), weight, strict=True
    ):
        if w > 0:
            totals[reading][tuple(target) if isinstance(target, list) else target] += w
    lists = side.is_text and side.joiner is None and not side.has_columns
    return {
        reading: [list(t) if lists else t for t, _ in total.most_common()]
        for reading, total in totals.items()
    }


def weight_of(fit_params):
    """The `sample_weight` among the parameters of `fit`, maybe of a Pipeline's step."""
    names = [n for n in fit_params if n.split("__")[-1] == "sample_weight"]
    return fit_params[names[0]] if names else None


# Tables -----------------------------------------------------------------------------


def table_of(entries, side):
    """All entries, as columns of a table."""
    pairs = [(row, one) for row, targets in entries.items() for one in targets]
    sequences = np.empty(len(pairs), dtype=object)
    sequences[:] = list(write([one for _, one in pairs], side))
    return {
        "row": np.array([row for row, _ in pairs], dtype=np.int64),
        "rank": np.zeros(len(pairs), dtype=np.int64),
        "sequence": sequences,
        "log_probability": np.zeros(len(pairs)),
        "probability": np.ones(len(pairs)),
        "mean_probability": np.ones(len(pairs)),
        "entry": np.ones(len(pairs), dtype=bool),
    }


def append(table, answers, asked):
    """Append the model's answers for rows `asked`, except for those in the table."""
    answers = {name: np.asarray(answers[name]) for name in table if name != "entry"}
    answers["row"] = asked[answers["row"]]
    answers["entry"] = np.zeros(len(answers["row"]), dtype=bool)
    there = {*zip(table["row"].tolist(), map(repr, table["sequence"]), strict=True)}
    new = [
        place
        for place, sequence in enumerate(answers["sequence"])
        if (int(answers["row"][place]), repr(sequence)) not in there
    ]
    return {
        name: np.concatenate([column, answers[name][new]])
        for name, column in table.items()
    }
