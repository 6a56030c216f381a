"""`Seq2SeqEnsemble`: several networks that decode together."""

from inspect import isroutine
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import _BaseComposition
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
)

from sklearn_seq2seq._decoding._decode import FittedModel, Member
from sklearn_seq2seq._decoding._mixin import DECODING_CONSTRAINTS, PredictionMixin
from sklearn_seq2seq._documentation import DocumentationMixin
from sklearn_seq2seq._fitting import check_parts, generator_of, groups_of, positive
from sklearn_seq2seq._seq2seq_transformer import Seq2SeqTransformer
from sklearn_seq2seq._text._check_input import readable_twice
from sklearn_seq2seq._text._normal_form import fits_any_form
from sklearn_seq2seq._training._fingerprint import digest

# Parameters of a vectorizer that do not affect how it cuts text into tokens.
# (`tokenizer` does, but the fitted `tokenizer_` holds what was read from it.)
_NOT_CUTTING = {
    "min_df",
    "max_features",
    "vocabulary",
    "handle_unknown",
    "joiner",
    "tokenizer",
}


class Seq2SeqEnsemble(PredictionMixin, DocumentationMixin, _BaseComposition):
    """Several encoder-decoders that predict together.

    At every step of decoding the next-token probabilities of all members are averaged
    [1]_, and one search runs over the averages. Members may differ in their seed only,
    or also in architecture, parameters and source vocabulary. They must have the same
    target vocabulary, over whose tokens probabilities are averaged.

    Parameters
    ----------
    estimator : Seq2SeqTransformer, default=None
        Template of the members: `n_estimators` clones with different seeds are fitted.
        None means ``Seq2SeqTransformer()``. Ignored if `estimators` are given.
    estimators : list of (str, Seq2SeqTransformer), default=None
        Named members; clones of them are fitted. Those without a `random_state` get
        one.
    n_estimators : int, default=5
        Number of clones of `estimator`.
    bootstrap : bool, default=False
        Whether each member is trained on a sample of the rows, drawn with replacement
        and of the same size, rather than on every row. Vocabularies are learned from
        all rows.
    prefit : bool, default=False
        Whether `estimators` are fitted already, and used as they are. Cloning makes
        them unfitted, unless each is wrapped in `sklearn.frozen.FrozenEstimator`.
    n_jobs : int, default=None
        Number of members to fit at the same time; the result does not depend on it.
        None means 1, -1 the number of processors.
    random_state : int, RandomState instance or None, default=None
        Determines the members' seeds and the rows of `bootstrap`.
    beam_width : int, default=1
        As for `Seq2SeqTransformer`, like all that follow. The members' own parameters
        of decoding have no effect here.
    length_penalty : float, default=0.0
        Exponent of the length penalty.
    max_length : "auto", int or float, default="auto"
        Most tokens of a prediction; "auto" is the largest of the members' limits.
    max_source_length : "auto" or int, default=None
        Most tokens of a source that is read at once; "auto" is the smallest of the
        members' limits. In `fit` the parameters of the members apply.
    long_source : {"error", "truncate_end", "truncate_start", "chunk"}, default="error"
        What to do with longer sources. "chunk" needs members that cut sources into the
        same tokens.
    min_length : int, default=0
        Fewest tokens of a prediction.
    no_repeat_ngram_size : int, default=None
        No n-gram of this size occurs twice in a prediction, before `replace_unknown`.
    banned_tokens : iterable of str (or of int, or tuples), default=None
        Target tokens never to predict.
    allowed_outputs : iterable, default=None
        Closed set of targets; every prediction is one of them.
    replace_unknown : {"copy", "keep"}, default=None
        What to do with unknown tokens; "copy" uses the attention of the first member
        that has it.
    min_confidence : float, default=0.0
        Predictions whose confidence, their probability, is lower become `abstain`.
    abstain : object, default=None
        The value that replaces predictions with too little confidence.
    batch_size : int, default=32
        Four times as many rows are predicted at once.

    Attributes
    ----------
    estimators_ : list of Seq2SeqTransformer
        The fitted members.
    source_vectorizer_, target_vectorizer_ : SequenceVectorizer or None
        Those of the first member; the target side is the same for all.
    n_features_in_ : int
        Number of columns of `X`, if it was ids.

    See Also
    --------
    Seq2SeqTransformer : A single network.
    sklearn.ensemble.VotingClassifier : The same idea for classes.

    Notes
    -----
    Fitting and predicting take the sum of the members' times. There is no vote, since
    complete sequences of several members seldom agree.

    References
    ----------
    .. [1] Sutskever, Vinyals and Le, "Sequence to sequence learning with neural
       networks", NeurIPS, 2014. :arxiv:`1409.3215`

    Examples
    --------
    >>> from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer
    >>> words = ["ab", "ba", "abb", "bab", "aab", "b"]
    >>> shouted = [word.upper() for word in words]
    >>> member = Seq2SeqTransformer(hidden_size=16, dropout=0, learning_rate=0.02)
    >>> ensemble = Seq2SeqEnsemble(member, n_estimators=3, random_state=0)
    >>> ensemble.fit(words, shouted).predict(["ab", "bab"])
    array(['AB', 'BAB'], dtype=object)
    """

    _parameter_constraints = {  # noqa: RUF012 (scikit-learn's own form)
        "estimator": [HasMethods(["fit", "predict"]), None],
        "estimators": [list, tuple, None],
        "n_estimators": [positive()],
        "bootstrap": ["boolean"],
        "prefit": ["boolean"],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        **DECODING_CONSTRAINTS,
    }

    def __init__(
        self,
        estimator=None,
        *,
        estimators=None,
        n_estimators=5,
        bootstrap=False,
        prefit=False,
        n_jobs=None,
        random_state=None,
        beam_width=1,
        length_penalty=0.0,
        max_length="auto",
        max_source_length=None,
        long_source="error",
        min_length=0,
        no_repeat_ngram_size=None,
        banned_tokens=None,
        allowed_outputs=None,
        replace_unknown=None,
        min_confidence=0.0,
        abstain=None,
        batch_size=32,
    ):
        self.estimator = estimator
        self.estimators = estimators
        self.n_estimators = n_estimators
        self.bootstrap = bootstrap
        self.prefit = prefit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.beam_width = beam_width
        self.length_penalty = length_penalty
        self.max_length = max_length
        self.max_source_length = max_source_length
        self.long_source = long_source
        self.min_length = min_length
        self.no_repeat_ngram_size = no_repeat_ngram_size
        self.banned_tokens = banned_tokens
        self.allowed_outputs = allowed_outputs
        self.replace_unknown = replace_unknown
        self.min_confidence = min_confidence
        self.abstain = abstain
        self.batch_size = batch_size

    def fit(self, X, y=None, *, sample_weight=None, groups=None, validation_data=None):
        """Fit the members, or with `prefit` check that they can decode together.

        Parameters
        ----------
        X : iterable of str, of lists of str, or array of ids
            The sources, as for `Seq2SeqTransformer.fit`. Ignored with `prefit`.
        y : iterable of str, of lists of str, or array of ids, default=None
            The targets; None makes every source its own target.
        sample_weight : array-like of float, shape (n_samples,), default=None
            How much each pair counts in the members' losses.
        groups : array-like, shape (n_samples,), default=None
            Pairs of one group stay on one side of a member's validation split.
        validation_data : tuple (X, y), default=None
            Pairs that members validate on, instead of a part of `X` and `y`.

        Returns
        -------
        self : Seq2SeqEnsemble
            This estimator, fitted.

        Raises
        ------
        ValueError
            If members cannot decode together; the message names one.
        TypeError
            If a member is not a `Seq2SeqTransformer`.
        """
        self._validate_params()
        names, members = self._named_members()
        if not self.prefit:
            members = self._fit_members(
                members, X, y, sample_weight, groups, validation_data
            )
        _check_agreement(names, members)
        first = members[0]
        for name in ("n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
            if hasattr(first, name):
                setattr(self, name, getattr(first, name))
        self.source_vectorizer_ = first.source_vectorizer_
        self.target_vectorizer_ = first.target_vectorizer_
        self.estimators_ = members
        return self

    def _named_members(self):
        """Names and members to fit, or fitted ones with `prefit`."""
        if self.estimators is None:
            if self.prefit:
                raise ValueError(
                    "prefit=True needs fitted members; pass them as "
                    "estimators=[(name, estimator), ...]."
                )
            template = Seq2SeqTransformer()
            if self.estimator is not None:
                template = clone(self.estimator)
            # Without a seed, so that each clone gets its own.
            if "random_state" in template.get_params(deep=False):
                template.set_params(random_state=None)
            pairs = [(f"member_{k}", template) for k in range(self.n_estimators)]
        else:
            pairs = list(self.estimators)
        if not pairs or not all(
            isinstance(pair, list | tuple)
            and len(pair) == 2
            and isinstance(pair[0], str)
            for pair in pairs
        ):
            raise ValueError(
                "estimators must be a list of (name, estimator) pairs, at least one; "
                f"got {self.estimators!r}."
            )
        names, members = zip(*pairs, strict=True)
        self._validate_names(names)
        if self.prefit:
            members = [
                m.estimator if isinstance(m, FrozenEstimator) else m for m in members
            ]
        for name, member in zip(names, members, strict=True):
            if not isinstance(member, Seq2SeqTransformer):
                raise TypeError(
                    f"Member {name!r} must be a Seq2SeqTransformer; got {member!r}."
                )
        return names, list(members)

    def _fit_members(self, members, X, y, sample_weight, groups, validation_data):
        rng = generator_of(self.random_state)
        groups = groups_of(X, groups)
        X, y = readable_twice(X), readable_twice(y)
        if isinstance(validation_data, tuple | list):
            validation_data = tuple(map(readable_twice, validation_data))
        jobs = []
        for member in members:
            member = clone(member)
            seed = rng.randint(np.iinfo(np.int32).max)
            if member.random_state is None:
                member.set_params(random_state=seed)
            weight = sample_weight
            if self.bootstrap:
                weight = _draw_rows(_num_samples(X), seed, sample_weight)
            options = {
                "sample_weight": weight,
                "groups": groups,
                "validation_data": validation_data,
            }
            jobs.append(delayed(member.fit)(X, y, **options))
        return Parallel(n_jobs=self.n_jobs)(jobs)

    def _fitted_model(self):
        """What decoding needs of this estimator."""
        return FittedModel(
            [
                Member(member, member.net_.module_, member._reader)
                for member in self.estimators_
            ]
        )

    def set_params(self, **params):
        """Set parameters of the ensemble, of `estimator`, or of named members.

        Parameters
        ----------
        **params : dict
            Values by name: ``beam_width``, ``estimator__hidden_size``, or for a member
            named "small" ``small__hidden_size``.

        Returns
        -------
        self : Seq2SeqEnsemble
            This estimator.
        """
        check_parts(self, params)
        return self._set_params("estimators", **params)

    def get_params(self, deep=True):
        """Get the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of `estimator` and of named members.

        Returns
        -------
        params : dict
            Values by name.
        """
        return self._get_params("estimators", deep=deep)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.sparse = True
        tags.input_tags.categorical = True
        tags.input_tags.positive_only = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


def _draw_rows(n_samples, seed, sample_weight):
    """Weights that say how often each row was drawn, times the given weights.

    A weight of 2 equals a row twice. So no row is copied, and all members learn their
    vocabularies from all rows.
    """
    rng = np.random.RandomState(seed)
    weight = np.ones(n_samples)
    if sample_weight is not None:
        weight = _check_sample_weight(sample_weight, weight, ensure_non_negative=True)
    while True:
        rows = rng.randint(n_samples, size=n_samples)
        drawn = weight * np.bincount(rows, minlength=n_samples)
        # If few rows have a weight, maybe none of them was drawn.
        if drawn.any() or not weight.any():
            return drawn


def _check_agreement(names, members):
    """Refuse members that cannot decode together, with the reason."""
    for name, member in zip(names, members, strict=True):
        check_is_fitted(
            member,
            msg=f"Member {name!r} is not fitted, as prefit=True requires.",
        )
        reason = _disagreement(members[0]._reader, member._reader)
        if reason:
            raise ValueError(
                f"Member {name!r} cannot decode together with {names[0]!r}: {reason}."
            )


def _disagreement(first, other):
    """Why models with two readers cannot decode together; None if they can."""
    if first.source.is_text != other.source.is_text:
        return "one reads text and the other token ids"
    a, b = first.target, other.target
    if a.is_text != b.is_text:
        return "one predicts text and the other token ids"
    if a.is_text:
        return _other_vocabulary(a, b) or _other_copies(first, other)
    if (a.size, a.width, a.ndim) != (b.size, b.width, b.ndim):
        return (
            f"its targets have {b.size} ids in {b.width} columns, those of the other "
            f"{a.size} in {a.width}"
        )
    return _other_copies(first, other)


def _other_vocabulary(first, other):
    vectorizers = first.vectorizer, other.vectorizer
    a, b = (vectorizer.vocabulary_ for vectorizer in vectorizers)
    if a == b:
        tokens = [token[1] if isinstance(token, tuple) else token for token in a]
        marked = not fits_any_form(tokens)
        cutting = [_cutting(v, form=marked) for v in vectorizers]
        if cutting[0] != cutting[1]:
            return "they cut targets into tokens differently"
        written = {getattr(v, "_written_form", None) for v in vectorizers}
        if marked and len(written) > 1:
            return "their targets are in different Unicode normal forms"
        return None
    tokens = sorted(map(str, a.keys() ^ b.keys()))[:5]
    if not tokens:
        return "it has another target vocabulary: the same tokens in another order"
    return (
        "it has another target vocabulary; only one of the two has, for example, "
        f"{', '.join(map(repr, tokens))}. Give both the same vocabulary="
    )


def _other_copies(first, other):
    copies = [reader.copies is not None for reader in (first, other)]
    if copies[0] != copies[1]:
        return "one copies source tokens and the other does not"
    if not copies[0] or not first.source.is_text:
        return None
    if _cutting(first.source.vectorizer) != _cutting(other.source.vectorizer):
        return "both copy source tokens, but they cut sources into tokens differently"
    return None


def _cutting(vectorizer, *, form=True):
    """What determines the tokens into which a vectorizer cuts text."""
    if hasattr(vectorizer, "transformers_"):
        parts = vectorizer.transformers_
        return [(name, at, _cutting(part, form=form)) for name, part, at in parts]
    params = vectorizer.get_params(deep=False)
    params["normalize"] = vectorizer._form if form else None
    cutting = {
        # Clones of one object need not compare equal; a function equals itself.
        k: digest(value) if callable(value) and not isroutine(value) else value
        for k, value in params.items()
        if k not in _NOT_CUTTING
    }
    return type(vectorizer), cutting, getattr(vectorizer, "tokenizer_", None)
