"""Groups of parameters, and checks of those of `Seq2SeqTransformer` together."""

from dataclasses import fields
from numbers import Real

from sklearn.metrics import get_scorer_names
from sklearn.utils._param_validation import StrOptions
from torch.optim import Optimizer

from sklearn_seq2seq._fitting import Number, plain
from sklearn_seq2seq.metrics._scorers import SCORERS, is_scorer_name

# Pairs of a training step where "auto" does not make them fewer.
BATCH_SIZE = 32
# Prediction keeps no gradients, so this many times a training batch fits in memory. On
# a CPU 128 rows of a word each are a third faster than 512: they stay in its cache.
ROWS_FACTOR = 4
# Other libraries' names for choices of parameters.
ALIASES = {
    "bahdanau": "additive",
    "concat": "additive",
    "mlp": "additive",
    "luong": "general",
    "bilinear": "general",
    "multiplicative": "dot",
    "elman": "rnn",
    "fp16": "float16",
    "bf16": "bfloat16",
    "fp32": "float32",
}


def check_names(model):
    """Refuse another library's name for a choice, and name this package's."""
    for name, constraints in model._parameter_constraints.items():
        value = getattr(model, name)
        known = {
            option
            for constraint in constraints
            if isinstance(constraint, StrOptions)
            for option in constraint.options
        }
        if isinstance(value, str) and value not in known:
            alias = ALIASES.get(value.lower(), value.lower())
            if alias in known:
                raise ValueError(f"{name}={value!r} is called {alias!r} here.")


def _check_scoring(scoring):
    """Refuse unknown names of scores."""
    several = scoring.values() if isinstance(scoring, dict) else scoring
    alone = isinstance(scoring, str)
    known = {*get_scorer_names(), *(["loss"] if alone else [])}
    for name in [scoring] if alone or callable(scoring) else several:
        if isinstance(name, str) and name not in known and not is_scorer_name(name):
            raise ValueError(
                f"scoring holds {name!r}, which is not a scorer. Those of this package "
                f"are {', '.join(SCORERS)}; sklearn.metrics.get_scorer_names() lists "
                "scikit-learn's; and scoring='loss' is the cross-entropy."
            )


class ParameterGroup:
    """Base of frozen dataclasses of parameters, with the names of an estimator."""

    @classmethod
    def of(cls, estimator):
        """Take the current values of the parameters from an estimator."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: plain(getattr(estimator, name)) for name in names})


def check_combinations(model):
    """Refuse parameters that cannot be combined, with the reason."""
    if model.attention is None:
        for name, what in (
            ("input_feeding", "feeds the attention's context back"),
            ("copy", "copies the source token that attention looks at"),
        ):
            value = getattr(model, name)
            if value and value != "auto":
                raise ValueError(
                    f"{name}=True {what}, so it needs attention; got attention=None."
                )
    if model.attention == "hard" and model.input_feeding:
        raise ValueError(
            "attention='hard' needs input_feeding=False: with the context fed back, "
            "the sum over all alignments would not be exact."
        )
    if model.embedding_size is None:
        for name in ("share_embeddings", "tie_output"):
            if getattr(model, name):
                raise ValueError(
                    f"{name}=True needs an embedding table; embedding_size=None feeds "
                    "one-hot vectors, which have none. Change one of the two."
                )
    for name in ("source_vectors", "target_vectors"):
        if getattr(model, name) is not None and model.embedding_size is None:
            raise ValueError(f"{name} needs embedding_size, the vectors' width.")
    both = model.source_vectors is not None and model.target_vectors is not None
    if model.share_embeddings and both:
        raise ValueError(
            "share_embeddings=True has one embedding table for both sides; give "
            "source_vectors or target_vectors, not both."
        )
    if model.pretrained is not None and model.source_vectors is not None:
        raise ValueError(
            "pretrained provides the source's embeddings; set source_vectors=None."
        )
    _check_scoring(model.scoring)
    optimizer = model.optimizer
    if isinstance(optimizer, type) and not issubclass(optimizer, Optimizer):
        raise ValueError(
            f"optimizer must be a name or an optimiser class of torch; got {optimizer}."
        )
    _check_pair(
        "teacher_forcing",
        model.teacher_forcing,
        Number(Real, 0, 1, closed="both"),
        "for the first and the last epoch",
    )
    _check_pair(
        "unknown_dropout",
        model.unknown_dropout,
        Number(Real, 0, 1, closed="left"),
        "for source and target",
    )


def _check_pair(name, value, share, of_what):
    """Refuse a tuple that is no pair of shares."""
    if not isinstance(value, tuple):
        return
    if len(value) != 2 or not all(map(share.is_satisfied_by, value)):
        end = "1]" if share.closed == "both" else "1)"
        raise ValueError(
            f"{name} must be a number in [0, {end} or a pair of such numbers, "
            f"{of_what}; got {value!r}."
        )
