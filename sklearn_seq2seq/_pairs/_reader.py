"""From what a user passes to a data set of pairs.

What a user passes is checked here and nowhere else: `rows` everywhere are what
`PairReader.check_sources` and `PairReader.check_targets` return.
"""

import copy
from functools import cached_property

from sklearn.utils import check_consistent_length
from sklearn.utils.validation import validate_data

from sklearn_seq2seq._pairs._copying import CopyTable, never_read
from sklearn_seq2seq._pairs._dataset import PairDataset
from sklearn_seq2seq._pairs._side import check_width, read_target_ids
from sklearn_seq2seq._pairs._sides import (
    common_form,
    form_for_target,
    form_of,
    grow_source,
    id_side,
    learn_text,
    read_in_form,
    shared_sides,
    warn_of_classes,
)
from sklearn_seq2seq._pairs._when_to_copy import chooses_to_copy
from sklearn_seq2seq._text._check_input import (
    check_equal_lengths,
    check_no_column_of_numbers,
    is_column,
    is_raw,
    take,
)
from sklearn_seq2seq._text._normal_form import choose_form
from sklearn_seq2seq._tokens import UNKNOWN, as_tokens, strings_of
from sklearn_seq2seq._warnings import warn_of_data


class PairReader:
    """How a fitted estimator reads rows, as `fit` learned it.

    Parameters
    ----------
    source, target : Side
    copies : CopyTable, default=None
        None unless the network copies.
    longest : tuple of two ints, default=(1, 1)
        Tokens of the longest source and of the longest target of training.
    knows_empty : bool, default=False
        Whether training had sources without tokens.
    """

    def __init__(
        self, source, target, copies=None, *, longest=(1, 1), knows_empty=False
    ):
        self.source = source
        self.target = target
        self.copies = copies
        self.longest = longest
        self.knows_empty = knows_empty

    def check_sources(self, X, estimator):
        """Check sources as a user passed them.

        Parameters
        ----------
        X : data
        estimator : estimator
            Its `n_features_in_` must be the number of columns of ids.

        Returns
        -------
        rows : list, or csr_array of int32
            Text for the vectorizer, or ids.
        """
        if self.source.is_text:
            return self.source.check(X, "X")
        if is_raw(X):
            raise ValueError(
                "X holds text, but this model was fitted on token ids. Pass ids made "
                "in the same way: in a Pipeline, by the steps before the model."
            )
        self.source.check_meaning(X, "X")
        return check_source_ids(X, estimator, reset=False)

    def check_targets(self, y, name="y"):
        """Check targets as a user passed them, as `check_sources` does."""
        return self.target.check(y, name)

    def read_sources(self, rows):
        """Read checked sources: ``(tokens, copy ids, strings of new ids)``."""
        tokens, extras = rows, []
        if self.source.is_text:
            tokens, extras = self.source.read(rows, "X", self.copies is not None)
        if self.copies is None:
            return tokens, None, []
        return tokens, *self.copies.of_source(tokens, extras)

    def pairs(self, source_rows, target_rows):
        """Read checked sources and targets into a data set."""
        tokens, copies, strings = self.read_sources(source_rows)
        if self.target.is_text:
            target, extras = self.target.read(target_rows, "y", copies is not None)
            if copies is not None:
                target = self.copies.of_target(target, extras, strings)
        else:
            target = target_rows.copy()
            if copies is None:
                target.data[target.data >= self.target.size] = UNKNOWN
        check_consistent_length(tokens, target)
        return self.dataset(tokens, target, copies)

    def dataset(self, tokens, target=None, copies=None):
        """Data set of token arrays and of the copy ids of `CopyTable`."""
        return PairDataset(
            tokens,
            target,
            source_size=self.source.size,
            target_size=self.target.size,
            copies=copies,
        )

    def check_known(self, source_rows, target_rows):
        """Check the ids of rows to go on training with, as vectorizers check text."""
        for side, tokens, name in (
            (self.source, source_rows, "X"),
            (self.target, target_rows, "y"),
        ):
            if side.is_text:
                continue
            check_width(tokens, side, name)
            new = tokens.data[tokens.data >= side.size]
            if len(new):
                warn_of_data(
                    f"{len(new)} token(s) in {name} are not in the vocabulary, which "
                    f"ends at id {side.size - 1}; for example {new[0]}.",
                )

    @cached_property
    def never_read(self):
        """Ids of the target vocabulary that no target has."""
        return never_read(self.source, self.target)

    def having_seen(self, dataset):
        """The reader of a model that was trained on these pairs too."""
        positions = dataset.source_positions, dataset.target_positions
        longest = (
            max(before, int(new.max()) - 1)
            for before, new in zip(self.longest, positions, strict=True)
        )
        seen = copy.copy(self)
        seen.longest = tuple(longest)
        return seen.knowing_empty(dataset)

    def knowing_empty(self, dataset):
        """The reader of a model that was trained, or validated, on these pairs too."""
        seen = copy.copy(self)
        seen.knows_empty |= bool((dataset.source_positions == 1).any())
        return seen


def held_out(data, rows, side, held):
    """Select rows of what a user passed, for a scorer.

    Parameters
    ----------
    data, rows : the data, unchecked and checked
    side : Side
    held : ndarray of int
    """
    if side.is_text and not side.has_columns:
        return [rows[i] for i in held]
    return take(data, held)


def learn_pairs(
    X,
    y,
    *,
    estimator,
    source_vectorizer=None,
    target_vectorizer=None,
    share_embeddings=False,
    copies=False,
    start=None,
):
    """Learn how to read pairs, and read them.

    Parameters
    ----------
    X, y : data
        As a user passed them; y=None makes each source its own target.
    estimator : estimator
        Receives `n_features_in_` where sources are ids.
    source_vectorizer, target_vectorizer : estimator, default=None
    share_embeddings : bool, default=False
    copies : bool or "auto", default=False
    start : PairReader, default=None
        The reader of a model to start from, whose source vocabulary is kept.

    Returns
    -------
    reader : PairReader
    source_rows, target_rows : list or csr_array
        The pairs, checked.
    dataset : PairDataset
    """
    if source_vectorizer is None and start is not None and is_raw(X):
        source_vectorizer = start.source.vectorizer
    if y is None:
        if source_vectorizer is None:
            _check_no_pairs(X)
        y = X
        if target_vectorizer is None:
            target_vectorizer = source_vectorizer
    source, source_rows, tokens = _learn_source(X, source_vectorizer, estimator)
    if start is not None:
        start.source.check_meaning(X, "X")
        source, tokens = grow_source(source, tokens, start.source, source_rows)
    target, target_rows, target_tokens = _learn_target(y, target_vectorizer)
    if source.is_text and not target.is_text:
        check_no_column_of_numbers(y, "y")
    if target.is_text:
        target.vectorizer._warn_lost(target_rows, "y")
    check_consistent_length(tokens, target_tokens)
    if y is not X:
        warn_of_classes(source_rows, target_rows, source, target)
    if copies == "auto" and y is X:
        copies = False  # an autoencoder that copies would learn nothing
    is_text = source.is_text and target.is_text
    if (copies or share_embeddings) and is_text:
        vectorizers = source.vectorizer, target.vectorizer
        own_forms = list(map(form_of, vectorizers))
        if start is None:
            rows = source_rows, target_rows
            forms = [common_form(vectorizers, rows, choose_form)] * 2
        else:
            forms = "auto", form_for_target(*vectorizers)
        source, tokens = read_in_form(source, tokens, source_rows, forms[0])
        target, target_tokens = read_in_form(
            target, target_tokens, target_rows, forms[1], "y"
        )
    if copies == "auto":
        copies = chooses_to_copy(source, target, tokens, target_tokens)
        if is_text and not copies and not share_embeddings:
            source, tokens = read_in_form(source, tokens, source_rows, own_forms[0])
            target, target_tokens = read_in_form(
                target, target_tokens, target_rows, own_forms[1], "y"
            )
    if share_embeddings:
        before = source, target
        source, target = shared_sides(source, target)
        if source.is_text and source is not before[0]:
            # Read again with the shared vocabulary, which renumbers all tokens.
            tokens = source.vectorizer._learn_transform(source_rows, "X")
            target_tokens = target.vectorizer._learn_transform(target_rows, "y")
            for side, old in zip((source, target), before, strict=True):
                side.vectorizer.set_params(**old.vectorizer.get_params())
    reader = PairReader(source, target, CopyTable(source, target) if copies else None)
    # Copying needs the extra tokens, which the first reading has made unknown.
    if copies and source.is_text:
        dataset = reader.pairs(source_rows, target_rows)
    else:
        dataset = reader.dataset(tokens, target_tokens, tokens if copies else None)
    return reader, source_rows, target_rows, dataset


def check_source_ids(X, estimator, *, reset):
    """Check sources that are token ids, and the number of their columns."""
    check_equal_lengths(X, "X")
    checks = {"accept_sparse": "csr", "dtype": "numeric", "ensure_non_negative": True}
    return as_tokens(validate_data(estimator, X, reset=reset, **checks))


def _check_no_pairs(X):
    """Refuse pairs of strings where sources alone are to be their own targets."""
    if isinstance(X, list) and all(
        isinstance(row, tuple) and len(row) == 2 and isinstance(row[0], str)
        for row in X
    ):
        raise ValueError(
            "Without y each row of X is its own target, but the rows of X look like "
            "pairs of a source and its target. Pass them apart, as fit(sources, "
            "targets) or fit(*zip(*pairs)). Use lists for rows of two tokens."
        )


def _learn_source(X, vectorizer, estimator):
    # The checks of text explain best what is wrong with a column of numbers.
    if vectorizer is not None or is_raw(X) or is_column(X):
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)
        return learn_text(X, vectorizer, "X")
    if hasattr(X, "columns"):
        check_no_column_of_numbers(X, "X")
    tokens = check_source_ids(X, estimator, reset=True)
    return id_side(tokens, "X", strings=strings_of(X)), tokens, tokens


def _learn_target(y, vectorizer):
    if vectorizer is not None or is_raw(y):
        return learn_text(y, vectorizer, "y")
    tokens, ndim = read_target_ids(y)
    return id_side(tokens, "y", ndim, strings_of(y)), tokens, tokens
