"""How a vectorizer learns: its vocabulary or tokenizer, and its normal form."""

import copy
import sys
from itertools import chain, count, islice

import numpy as np

from sklearn_seq2seq._fitting import plain
from sklearn_seq2seq._text._analyzer import BLOCK, check_vocabulary, continue_numbering
from sklearn_seq2seq._text._codec import TextCodec, raise_unknown
from sklearn_seq2seq._text._counts import TokenCounts
from sklearn_seq2seq._text._normal_form import (
    FORMS,
    choose_counted_form,
    choose_form,
    forms_of,
)
from sklearn_seq2seq._text._subwords import (
    check_encodable,
    piece_ids,
    read_tokenizer,
    train_tokenizer,
    warn_of_losses,
)
from sklearn_seq2seq._tokens import FIRST_TOKEN, UNKNOWN, from_flat

DEFAULT_WIDTH = 2**14


class TextLearner(TextCodec):
    """A `TextCodec` that learns from rows, by the parameters of SequenceVectorizer.

    All methods but `_check_rows` take rows that it has checked.
    """

    def _learn_transform(self, rows, name="X", form="auto"):
        ids, lengths, extras, cut = self._learn(rows, name, form)
        self._warn_cut(cut, name)
        tokens = from_flat(ids, lengths, self.max_length_)
        return self._mark_unknown(tokens, extras, name)

    def _check_rows(self, X, name="X", *, learning=False):
        if learning:
            self._validate_params()
        return super()._check_rows(X, name)

    def _learn(self, rows, name="X", form="auto"):
        """Fit, and return what `_learn_transform` needs for its result.

        `form` is the normal form of another side that is to be read in the same one.
        """
        width = sys.maxsize if self.max_length is None else int(self.max_length)
        forms = FORMS
        if self.analyzer == "char":
            cased = self._cased(rows)
            forms = forms_of(cased)
        form = self._choose_form(form, lambda: choose_form([cased]))
        analyzer = self._analyzer_in(form)
        tokenizer, extras = None, []
        if self.analyzer == "subword":
            tokenizer = self._make_tokenizer(rows, name, analyzer)
            vocabulary = piece_ids(tokenizer)
            ids, lengths, cut = analyzer.encode(rows, width, tokenizer, name)
            if self.handle_unknown == "error" and (ids == UNKNOWN).any():
                raise_unknown(ids, lengths, [], sys.maxsize, name)
            if self.tokenizer is not None and self.handle_unknown != "silent":
                whole = lengths < (self.max_length or np.inf)
                prepared = analyzer.prepare(rows)
                warn_of_losses(prepared, whole, ids, lengths, tokenizer, name)
        elif self.vocabulary is not None:
            vocabulary = check_vocabulary(self.vocabulary)
            numbering = continue_numbering(vocabulary)
            ids, lengths, cut = analyzer.encode(rows, width, numbering, name)
            extras = list(islice(numbering, len(vocabulary), None))
            if extras and self.handle_unknown == "error":
                raise_unknown(ids, lengths, extras, FIRST_TOKEN + len(vocabulary), name)
        else:
            least = plain(self.min_df)
            counts = TokenCounts(count_rows=isinstance(least, float) or least > 1)
            numbering = counts.numbering()
            ids, lengths, cut = analyzer.encode(rows, width, numbering, name)
            counts.add(numbering, ids, lengths)
            vocabulary, new_ids = counts.select(least, self.max_features)
            ids = new_ids[ids]
        # Nothing is assigned before everything has succeeded, so that a failed fit
        # leaves a fitted vectorizer as it was.
        for leftover in ("tokenizer_", "_counts"):
            vars(self).pop(leftover, None)
        if tokenizer is not None:
            self.tokenizer_ = tokenizer
        self._set_vocabulary(vocabulary, int(lengths.max()), form, forms)
        return ids, lengths, extras, cut

    @property
    def _chooses_form(self):
        """Whether the rows decide on the normal form; only characters need it."""
        return self.normalize == "auto" and self.analyzer == "char" and self._learns

    def _choose_form(self, form, choose):
        if self._chooses_form:
            return choose() if form == "auto" else form
        return None if self.normalize == "auto" else self.normalize

    def _cased(self, rows):
        return [row.lower() for row in rows] if self.lowercase else rows

    def _new_counts(self):
        return TokenCounts()

    def _count(self, rows, counts, name="X"):
        """Add rows to the counts for `_learn_counted`."""
        if not self._learns:
            _, lengths, *_ = copy.copy(self)._learn(rows, name)
            counts.see(lengths)
        elif self.analyzer == "subword":
            counts.keep(check_encodable(rows, 0, name))
        else:
            if self._chooses_form:
                same = set(forms_of(self._cased(rows))).intersection(counts.forms)
                # Where all rows were in a form so far, their counts are the same in it.
                counts.in_forms = {
                    form: copy.copy(counts.read_in(form))
                    for form in FORMS
                    if form not in same
                }
            for form, counts_in_form in counts.in_forms.items():
                self._add(rows, counts_in_form, form, name)
            self._add(rows, counts, self._choose_form(None, None), name)

    def _add(self, rows, counts, form, name):
        width = sys.maxsize if self.max_length is None else int(self.max_length)
        numbering = counts.numbering()
        encode = self._analyzer_in(form).encode
        ids, lengths, _ = encode(rows, width, numbering, name)
        counts.add(numbering, ids, lengths)

    def _learn_counted(self, counts, form="auto", **how):
        """Learn the vocabulary from what `_count` has counted."""
        form = self._choose_form(form, lambda: choose_counted_form([counts]))
        forms = counts.forms
        counts = counts.read_in(form)
        if self.analyzer == "subword" and self._learns:
            self._learn(counts.sample)
            return
        vars(self).pop("tokenizer_", None)
        if self.analyzer == "subword":
            self.tokenizer_ = read_tokenizer(self.tokenizer)
            vocabulary = piece_ids(self.tokenizer_)
        elif self._learns:
            least = plain(self.min_df)
            vocabulary, _ = counts.select(least, self.max_features, **how)
        else:
            vocabulary = check_vocabulary(self.vocabulary)
        self._set_vocabulary(vocabulary, counts.longest, form, forms)

    @property
    def _learns(self):
        """Whether the vocabulary is learned from the rows, not given."""
        given = self.tokenizer if self.analyzer == "subword" else self.vocabulary
        return given is None

    def _set_vocabulary(self, vocabulary, longest, form, forms):
        self.normalize_ = form
        self._own_form = forms[0] if forms else None
        self.vocabulary_ = vocabulary
        self.vocabulary_size_ = FIRST_TOKEN + len(vocabulary)
        self.max_length_ = self.max_length and int(self.max_length)
        if self.max_length is None:
            next_power = 1 << max(2 * longest - 1, 0).bit_length()
            self.max_length_ = max(DEFAULT_WIDTH, next_power)

    def _grow(self, other):
        """Put the vocabulary of another fitted vectorizer before that of this one."""
        for name in ("analyzer", "token_pattern", "lowercase", "_form"):
            value, other_value = getattr(self, name), getattr(other, name)
            if name == "_form" and other._fits_any_form:
                continue
            if value != other_value:
                name = name.replace("_form", "normalize")
                raise ValueError(
                    f"Vectorizers that cut text differently cannot share a "
                    f"vocabulary: one has {name}={value!r}, the other "
                    f"{name}={other_value!r}."
                )
        vocabulary = other.vocabulary_
        if self.analyzer != "subword":
            tokens = dict.fromkeys(chain(vocabulary, self.vocabulary_))
            vocabulary = dict(zip(tokens, count(FIRST_TOKEN)))
        elif self.tokenizer is None:
            self.tokenizer_ = other.tokenizer_
        elif self.tokenizer_ != other.tokenizer_:
            raise ValueError(
                "Vectorizers with different tokenizers cannot share a vocabulary; "
                "set tokenizer=None to take the other's."
            )
        self.vocabulary_ = dict(vocabulary)
        self.vocabulary_size_ = FIRST_TOKEN + len(vocabulary)

    def _make_tokenizer(self, rows, name, analyzer):
        if self.vocabulary is not None:
            raise ValueError(
                "analyzer='subword' learns its vocabulary or takes it from tokenizer; "
                "set vocabulary=None."
            )
        if self.tokenizer is not None:
            return read_tokenizer(self.tokenizer)
        prepare = analyzer.prepare
        blocks = (
            check_encodable(list(prepare(rows[i : i + BLOCK])), i, name)
            for i in range(0, len(rows), BLOCK)
        )
        return train_tokenizer(
            blocks, self.subword_model, int(self.max_features or 2000)
        )
