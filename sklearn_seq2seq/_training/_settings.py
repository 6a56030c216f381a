"""The parameters of a training, in groups."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sklearn_seq2seq._pairs._when_to_copy import count_targets, recur
from sklearn_seq2seq._parameters import BATCH_SIZE, ROWS_FACTOR, ParameterGroup

# What "auto" means for `max_epochs` and `batch_size`: enough passes over many pairs; of
# few pairs enough steps, in smaller batches. Steps are counted in full batches, and are
# fewer if hard attention copies; of smaller batches it takes more, by the root of size.
LEAST_STEPS, LEAST_STEPS_COPYING, LEAST_EPOCHS = 1000, 600, 30
SMALLEST_BATCH = 8

# What "auto" means for `attention`: hard where the network copies, and for fewer pairs
# than this whose targets do not recur and have at least this share of their sources'
# positions; as long as a batch of the longest pairs has no more products of pair,
# target position, source position and token than that.
FEW_PAIRS, LEAST_SHARE, MOST_EMITTED = 2000, 0.5, 2**25
# What it means for `unknown_dropout`: of the source where the network copies; of the
# target where hard attention would suit few pairs but for the length of their targets.
SOURCE_DROPOUT, TARGET_DROPOUT = 0.1, 0.5
# What it means for `num_layers`: two for at least this many pairs, unless it copies.
MANY_PAIRS = 10_000


def are_few_and_new(dataset):
    """Whether there are few pairs, whose targets do not recur.

    A target that recurs is better written from memory.
    """
    if len(dataset) >= FEW_PAIRS:
        return False
    return not recur(count_targets(dataset.source, dataset.target))


def are_long(dataset):
    """Whether each target token can come from a source token of its own."""
    n_source, n_target = dataset.source_positions.sum(), dataset.target_positions.sum()
    return n_target >= LEAST_SHARE * n_source


@dataclass(frozen=True)
class NetworkSettings(ParameterGroup):
    """The network; `dropout` and what follows matter only in training."""

    cell: str
    decoder_cell: str | None
    hidden_size: int
    num_layers: int | str
    embedding_size: int | None
    bidirectional: bool
    reverse_source: bool
    attention: str | None
    attention_order: int
    monotonic: bool
    input_feeding: bool
    copy: bool | str
    share_embeddings: bool
    tie_output: bool
    dropout: float
    unknown_dropout: float | tuple | str
    encoder_loss_weight: float

    def resolved(self, copies, n_emitted, dataset=None):
        """The same with what "auto" stands for.

        Parameters
        ----------
        copies : bool
            Whether the network copies.
        n_emitted : int
            Numbers that hard attention would hold at once.
        dataset : PairDataset, default=None
            The training pairs; None if more will follow.
        """
        new = dataset is not None and are_few_and_new(dataset)
        long = new and are_long(dataset)
        attention, dropout = self.attention, self.unknown_dropout
        if attention == "auto":
            wanted = copies or long
            possible = n_emitted <= MOST_EMITTED and not self.input_feeding
            attention = "hard" if wanted and possible else "additive"
        if dropout == "auto":
            # Hard attention finds its way along the source by itself.
            lost = new and not (long or copies or attention == "hard")
            dropout = SOURCE_DROPOUT * copies, TARGET_DROPOUT * lost
        layers = self.num_layers
        if layers == "auto":
            many = dataset is not None and len(dataset) >= MANY_PAIRS
            layers = 2 if many and not copies else 1
        return replace(
            self,
            attention=attention,
            copy=copies,
            num_layers=layers,
            unknown_dropout=dropout,
        )

    @property
    def least_steps(self):
        """Training steps that "auto" takes at least, in full batches."""
        copies = self.attention == "hard" and self.copy
        return LEAST_STEPS_COPYING if copies else LEAST_STEPS

    @property
    def unknown_shares(self):
        """Shares of unknown tokens in training, of sources and of targets."""
        share = self.unknown_dropout
        return share if isinstance(share, tuple) else (share, 0.0)

    def of_module(self):
        """The arguments of `EncoderDecoder`."""
        arguments = vars(self) | {"unknown_dropout": self.unknown_shares}
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
    batch_size: int | str
    max_tokens: int | None
    label_smoothing: float
    teacher_forcing: object
    device: object
    precision: str

    def resolved(self, n_pairs=None, least_steps=1):
        """Replace ``batch_size="auto"`` by a number.

        Parameters
        ----------
        n_pairs : int, default=None
            Training pairs, of which few make small batches; None for full ones.
        least_steps : int, default=1
            Steps that they need in full batches.
        """
        if self.batch_size != "auto":
            return self
        size = BATCH_SIZE
        # Of hardly more pairs than a small batch holds, steps would be no smaller.
        if n_pairs is not None and n_pairs > 2 * SMALLEST_BATCH:
            # With this size the least number of passes has as many steps as it needs.
            n_steps = LEAST_EPOCHS * n_pairs / BATCH_SIZE
            size = int(BATCH_SIZE * (n_steps / least_steps) ** 2)
        size = min(max(size, SMALLEST_BATCH), BATCH_SIZE)
        return replace(self, batch_size=size)

    def n_steps(self, least_steps):
        """Steps of this size that are worth so many of full batches."""
        return least_steps * max(BATCH_SIZE / self.pairs_a_step, 1) ** 0.5

    @property
    def pairs_a_step(self):
        return self.batch_size * self.gradient_accumulation_steps

    @property
    def pairs_to_validate(self):
        """Pairs to validate at once: of small batches several, up to a full one."""
        return max(self.batch_size, min(ROWS_FACTOR * self.batch_size, BATCH_SIZE))


@dataclass(frozen=True)
class StoppingRule(ParameterGroup):
    """How long training takes, and how it is validated."""

    max_epochs: int | str
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

    def resolved(self, enough=0):
        """Replace ``max_epochs="auto"`` by a number.

        Parameters
        ----------
        enough : int, default=0
            Epochs that make as many training steps as are needed.
        """
        if self.max_epochs != "auto":
            return self
        return replace(self, max_epochs=max(LEAST_EPOCHS, enough))


@dataclass(frozen=True)
class RunningSettings(ParameterGroup):
    """What happens beside training, without changing its result."""

    callbacks: object
    checkpoint: object
    checkpoint_interval: int
    checkpoint_minutes: float | None
    verbose: int
