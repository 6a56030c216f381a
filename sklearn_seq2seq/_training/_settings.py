"""The parameters that a training takes, in groups by what they are about."""

from __future__ import annotations

from dataclasses import dataclass

from sklearn_seq2seq._parameters import ParameterGroup


@dataclass(frozen=True)
class NetworkSettings(ParameterGroup):
    """What the network is, and what it does in training alone (`dropout` and below)."""

    cell: str
    decoder_cell: str | None
    hidden_size: int
    num_layers: int
    embedding_size: int | None
    bidirectional: bool
    reverse_source: bool
    attention: str | None
    attention_order: int
    monotonic: bool
    input_feeding: bool
    copy: bool
    share_embeddings: bool
    tie_output: bool
    dropout: float
    unknown_dropout: float
    encoder_loss_weight: float

    def of_module(self):
        """The arguments of `EncoderDecoder` among them."""
        arguments = dict(vars(self))
        del arguments["encoder_loss_weight"]
        return arguments


@dataclass(frozen=True)
class OptimizationSettings(ParameterGroup):
    """How the network's weights are changed, step by step."""

    optimizer: object
    learning_rate: float
    lr_schedule: object
    weight_decay: float
    gradient_clip: float | None
    gradient_accumulation_steps: int
    batch_size: int
    max_tokens: int | None
    label_smoothing: float
    teacher_forcing: object
    device: object
    precision: str


@dataclass(frozen=True)
class StoppingRule(ParameterGroup):
    """How long training goes on, and what is watched meanwhile."""

    max_epochs: int
    max_time: float | None
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    scoring: object

    @property
    def patience(self):
        """Epochs without improvement after which to stop; None never stops."""
        return self.n_iter_no_change if self.early_stopping else None


@dataclass(frozen=True)
class RunningSettings(ParameterGroup):
    """What happens beside training, and makes no difference to its result."""

    callbacks: object
    checkpoint: object
    checkpoint_interval: int
    checkpoint_minutes: float | None
    verbose: int
