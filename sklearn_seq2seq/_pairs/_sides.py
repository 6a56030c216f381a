"""Learning the two sides of the data.

A side is text (strings or token lists, with a fitted vectorizer) or ids.
"""

from dataclasses import replace

import numpy as np
from sklearn.base import clone

from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._text._check_input import check_raw
from sklearn_seq2seq._text._normal_form import FORMS
from sklearn_seq2seq._text._vectorizer import SequenceVectorizer
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, as_lists
from sklearn_seq2seq._warnings import warn, warn_of_data

# Targets look like class labels if there are so few, each with so many sources.
MOST_CLASSES, SOURCES_OF_A_CLASS = 20, 10


def grow_source(side, tokens, old, rows):
    """Put the vocabulary of another source side before that of a side.

    Parameters
    ----------
    side : Side
        Just learned; its vectorizer is changed in place.
    tokens : csr_array of int32
        The sources as `side` reads them.
    old : Side
    rows : list or csr_array
        The sources, checked.

    Returns
    -------
    side : Side
    tokens : csr_array of int32

    Raises
    ------
    ValueError
        If one side is text and the other ids, or they cut text differently.
    """
    if not side.is_text and not old.is_text:
        return replace(side, size=max(side.size, old.size)), tokens
    vectorizer = side.vectorizer
    check_alike(vectorizer, old)
    side, tokens = read_in_form(
        side, tokens, rows, form_of(old.vectorizer, any_form="auto")
    )
    vectorizer._grow(old.vectorizer)
    tokens, _ = vectorizer._transform_with_extras(rows)
    # Without the warning of `_transform`: min_df may have left tokens out.
    tokens.data[tokens.data >= vectorizer.vocabulary_size_] = UNKNOWN
    return Side(vectorizer, vectorizer.vocabulary_size_, tokens.shape[1]), tokens


def check_alike(vectorizer, old):
    """Check that a vectorizer, or None for ids, can extend the side `old`."""
    if (vectorizer is not None) != old.is_text:
        kinds = {True: "text", False: "token ids"}
        raise ValueError(
            f"pretrained was fitted on {kinds[old.is_text]}; X holds "
            f"{kinds[not old.is_text]}. Give both the same."
        )
    if type(vectorizer) is not type(old.vectorizer):
        raise ValueError(
            f"pretrained reads sources with a {type(old.vectorizer).__name__}; "
            f"source_vectorizer is a {type(vectorizer).__name__}."
        )


def learn_text(rows, vectorizer, name):
    """Fit a side of text.

    Parameters
    ----------
    rows : text
        As a user passed it.
    vectorizer : estimator or None
        Cloned before it is fitted. None reads characters of strings, items of lists.
    name : str
        The name of the data in messages.

    Returns
    -------
    side : Side
    rows : list
        Checked.
    tokens : csr_array of int32
    """
    vectorizer, rows = text_vectorizer(rows, vectorizer, name)
    tokens = vectorizer._learn_transform(rows, name)
    return Side(vectorizer, vectorizer.vocabulary_size_, tokens.shape[1]), rows, tokens


def text_vectorizer(rows, vectorizer, name):
    """The unfitted vectorizer of `learn_text`, and the rows checked by it."""
    if vectorizer is None:
        rows = check_raw(rows, name, copy=False)
        lists = isinstance(rows[0], list)
        return SequenceVectorizer(analyzer="token" if lists else "char"), rows
    if not hasattr(vectorizer, "_transform_with_extras"):
        raise TypeError(
            f"{name} needs a SequenceVectorizer or a ColumnVectorizer, which keep the "
            f"order of tokens; got {vectorizer!r}."
        )
    vectorizer = clone(vectorizer)
    return vectorizer, vectorizer._check_rows(rows, name, learning=True)


def form_of(vectorizer, *, any_form=None):
    """The normal form in which text is read; for columns a dict by their names.

    `any_form` stands for None where the vocabulary would be the same in any form.
    """
    forms = {
        name: any_form if reader._fits_any_form else reader._form
        for name, reader in _readers(vectorizer).items()
    }
    return forms.get(None, forms)


def form_for_target(source, target):
    """The normal form for the vectorizer of targets that share tokens with another's.

    "auto" leaves it as it is: text in neither form could not be restored, and a source
    without characters or marks does not matter.
    """
    readers = [r for r in _of_characters(source) if not r._fits_any_form]
    if not readers or None in [r._own_form for r in _of_characters(target)]:
        return "auto"
    forms = {reader._form for reader in readers} & set(FORMS)
    return forms.pop() if len(forms) == 1 else None


def common_form(vectorizers, data, choose):
    """Choose one normal form for two sides that share tokens.

    Parameters
    ----------
    vectorizers : pair of fitted vectorizers
    data : pair of list
        The rows or counts of each, or for columns a list of them.
    choose : function
        `choose_form` or `choose_counted_form`.

    Returns
    -------
    {"NFC", "NFD", "auto"} or None
        None if a given vocabulary or another given form leaves one of them no choice,
        "auto" if one has no characters.
    """
    given, free = set(), []
    for vectorizer, held in zip(vectorizers, data, strict=True):
        readers = _readers(vectorizer)
        columns = [held] if None in readers else held
        pairs = zip(readers.values(), columns, strict=True)
        pairs = [(reader, part) for reader, part in pairs if reader.analyzer == "char"]
        if not pairs:
            return "auto"
        given |= {reader._form for reader, _ in pairs if not reader._chooses_form}
        free += [
            reader._cased(part) if isinstance(part, list) else part
            for reader, part in pairs
            if reader._chooses_form
        ]
    form = choose(free)
    if given and form is not None:
        return given.pop() if len(given) == 1 and given <= set(FORMS) else None
    return form


def read_in_form(side, tokens, rows, form, name="X"):
    """Read a side again in a normal form (see `form_of`), if it can be and was not."""
    if can_change_form(side.vectorizer, form):
        tokens = side.vectorizer._learn_transform(rows, name, form)
        side = replace(side, size=side.vectorizer.vocabulary_size_)
    return side, tokens


def can_change_form(vectorizer, form):
    """Whether a fitted vectorizer is free to read in a normal form and does not."""
    readers = _readers(vectorizer)
    forms = form if isinstance(form, dict) else dict.fromkeys(readers, form)
    return any(
        reader._chooses_form and forms.get(name, "auto") not in ("auto", reader._form)
        for name, reader in readers.items()
    )


def _readers(vectorizer):
    """The fitted vectorizer of each column by its name; of the only one, by None."""
    columns = getattr(vectorizer, "transformers_", [(None, vectorizer, None)])
    return {name: reader for name, reader, _ in columns}


def _of_characters(vectorizer):
    readers = _readers(vectorizer).values()
    return [reader for reader in readers if reader.analyzer == "char"]


def id_side(tokens, name, ndim=2, strings=None):
    """Side of ids, with a vocabulary up to the largest.

    `strings` are those of the ids, if they are known. A warning gives the cost where
    few of many ids occur.
    """
    size = max(int(tokens.data.max(initial=0)) + 1, FIRST_TOKEN)
    if size > 100_000:
        n_distinct = len(np.unique(tokens.data))
        if size > 10 * n_distinct:
            warn(
                f"Numbers in {name} are read as token ids, each a row of a table up to "
                f"the largest: {size:,} rows, of which {n_distinct:,} occur. Number "
                "the tokens from 2 on; or, if these are numbers to be read by their "
                "digits, pass them as strings.",
            )
    return Side(None, size, tokens.shape[1], ndim, strings)


def warn_of_classes(source_rows, target_rows, source, target):
    """Warn if targets look like the labels of a classifier that follows.

    That is at most `MOST_CLASSES` distinct targets, with `SOURCES_OF_A_CLASS` distinct
    sources each on average.
    """
    of_columns = source.has_columns or target.has_columns
    if of_columns or not (target.is_text or target.ndim == 1):
        return
    n_classes = len(_distinct(target_rows))
    if not 1 < n_classes <= MOST_CLASSES:
        return
    n_sources = len(_distinct(source_rows))
    if n_sources >= SOURCES_OF_A_CLASS * n_classes:
        warn_of_data(
            f"Targets look like class labels: y has {n_classes} distinct values for "
            f"{n_sources} distinct sources, and fit learns to write them. In front of "
            "a classifier, use Seq2SeqAutoencoder, which ignores y."
        )


def _distinct(rows):
    """The set of rows of text or ids, checked."""
    if not isinstance(rows, list):
        rows = as_lists(rows)
    return set(rows if isinstance(rows[0], str) else map(tuple, rows))


def shared_sides(source, target):
    """Give both sides one vocabulary, the union of theirs.

    Returns
    -------
    source, target : Side
        Text sides have new vectorizers, not fitted yet but with the vocabulary.

    Raises
    ------
    ValueError
        If one side is ids and the other text, or a vectorizer cannot take a given
        vocabulary.
    """
    if source.is_text != target.is_text:
        raise ValueError(
            "share_embeddings=True needs one vocabulary for both sides, but one side "
            "is text and the other token ids."
        )
    if not source.is_text:
        size = max(source.size, target.size)
        return replace(source, size=size), replace(target, size=size)
    vectorizers = [side.vectorizer for side in (source, target)]
    if vectorizers[0].vocabulary_ == vectorizers[1].vocabulary_:
        return source, target
    for vectorizer in vectorizers:
        simple = isinstance(vectorizer, SequenceVectorizer)
        if not simple or vectorizer.analyzer == "subword":
            raise ValueError(
                "share_embeddings=True needs two vectorizers that can share one "
                f"vocabulary; {vectorizer!r} has its own. Give both sides the same "
                "trained tokenizer, or set share_embeddings=False."
            )
    # Sorted, so that the ids do not depend on Python's hashing.
    tokens = sorted({*vectorizers[0].vocabulary_, *vectorizers[1].vocabulary_})
    return tuple(
        replace(
            side,
            # Silent, since tokens that min_df left out need no warning.
            vectorizer=clone(side.vectorizer).set_params(
                vocabulary=tokens,
                handle_unknown="silent",
                normalize=side.vectorizer.normalize_,
            ),
            size=len(tokens) + FIRST_TOKEN,
        )
        for side in (source, target)
    )
