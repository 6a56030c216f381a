"""A neural transducer that edits its source, learned by imitation.

Where attention looks for the source of each target token, the transducer of Makarov and
Clematide [1]_ [2]_ walks through the source and edits it: it deletes, copies or
substitutes the token at its place, inserts one before it, or ends. It learns from an
expert, a memoryless edit model, which knows the best edits wherever the network has
come by its own actions. All pairs of a batch advance together.

Shapes: B pairs, S source tokens, T target tokens, L actions, K hypotheses a source, V
target vocabulary size, A kinds of actions, G gates, H hidden size. Tables of places
have S + 1 and T + 1 entries, for what is read and what is written.

References
----------
.. [1] Makarov and Clematide, "Imitation learning for neural morphological string
   transduction", EMNLP, 2018. :arxiv:`1808.10701`
.. [2] Makarov and Clematide, "CLUZH at SIGMORPHON 2020 shared task on multilingual
   grapheme-to-phoneme conversion", SIGMORPHON, 2020.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import LambdaLR

from sklearn_seq2seq import SequenceVectorizer
from sklearn_seq2seq._network._edit_model import Edits, fit_edits
from sklearn_seq2seq._network._encoder import Encoder
from sklearn_seq2seq._network._layers import (
    Dropout,
    Randomness,
    initialise,
    new_embedding,
)
from sklearn_seq2seq._network._recurrent import Recurrent, State
from sklearn_seq2seq._pairs._copying import CopyTable
from sklearn_seq2seq._pairs._side import Side
from sklearn_seq2seq._tokens import UNKNOWN, from_flat, pad
from sklearn_seq2seq._training._schedules import Cosine

# Then insertions of the tokens 2 to V - 1, substitutions by them, and at last what
# stands for the action before the first.
END, DELETE, COPY = range(3)
NEVER = 1e9  # the cost of what cannot be done
TIE = 1e-6  # costs that differ by less are equal


@dataclass
class Pairs:
    """Padded pairs, as tensors of int64.

    Attributes
    ----------
    source, copies : Tensor ``(B, S + 1)``
        Ids that the encoder reads, and the target ids that the tokens are copied as.
    target : Tensor ``(B, T + 1)``
    n_source, n_target : Tensor ``(B,)``
        Tokens without padding.
    """

    source: torch.Tensor
    copies: torch.Tensor
    n_source: torch.Tensor
    target: torch.Tensor
    n_target: torch.Tensor


def edit_costs(pairs, source_size, target_size):
    """Costs of substitutions ``(B, S, T)``, deletions and insertions in each pair.

    They are minus the log-probabilities of a memoryless edit model.
    """
    source, target = pairs.source[:, :-1], pairs.target[:, :-1]
    n_kinds = source_size * target_size
    kinds = source[:, :, None] * target_size + target[:, None]
    parts = kinds, source + n_kinds, target + n_kinds + source_size
    edits = Edits(*parts, pairs.n_source, pairs.n_target)
    log_probs = fit_edits([edits], n_kinds + source_size + target_size + 1)
    return tuple(-log_probs[part] for part in parts)


def costs_to_go(substitute, delete, insert, end):
    """Least cost of what is left, ``(B, S + 1, T + 1)``.

    Parameters
    ----------
    substitute, delete, insert : Tensor ``(B, S, T)``, ``(B, S)``, ``(B, T)``
        Cost of each edit.
    end : Tensor of bool ``(B, S + 1, T + 1)``
        The place where all is read and written.
    """
    inserted = F.pad(insert.cumsum(dim=1), (1, 0))  # the first tokens: (B, T + 1)
    row, rows = torch.full_like(inserted, NEVER), []
    for i in reversed(range(end.shape[1])):
        if rows:
            replaced = F.pad(substitute[:, i] + row[:, 1:], (0, 1), value=NEVER)
            row = torch.minimum(delete[:, i, None] + row, replaced)
        row = row.masked_fill(end[:, i], 0.0) + inserted
        row = row.flip(1).cummin(dim=1).values.flip(1) - inserted
        rows.append(row)
    return torch.stack(rows[::-1], dim=1)


class Expert:
    """The edit model's choice of the next action, wherever one has come.

    Attributes
    ----------
    costs : Tensor of float64 ``(B, S + 1, 4, T + 1)``
        At each place the cost of inserting, substituting, deleting and ending, with
        that of the rest, if the output is worth so many target tokens.
    actions : Tensor of int64 ``(B, S + 1, 4, T + 1)``
    """

    def __init__(self, pairs, substitute, delete, insert, target_size):
        n, t = len(pairs.source), pairs.target
        end = torch.zeros(n, pairs.source.shape[1], t.shape[1], dtype=torch.bool)
        end[torch.arange(n), pairs.n_source, pairs.n_target] = True
        rest = costs_to_go(substitute, delete, insert, end)
        rest = F.pad(rest, (0, 1, 0, 1), value=NEVER)
        costs = (
            F.pad(insert[:, None], (0, 1)) + rest[:, :-1, 1:],
            F.pad(substitute, (0, 1, 0, 1)) + rest[:, 1:, 1:],
            F.pad(delete, (0, 1))[:, :, None] + rest[:, 1:, :-1],
            torch.full(end.shape, NEVER).masked_fill(end, 0.0),
        )
        copied = pairs.copies[:, :, None] == t[:, None]
        actions = (
            (1 + t[:, None]).expand(end.shape),
            torch.where(copied, COPY, target_size - 1 + t[:, None]),
            torch.full(end.shape, DELETE),
            torch.full(end.shape, END),
        )
        self.costs, self.actions = torch.stack(costs, 2), torch.stack(actions, 2)
        self.target, self.n_actions = t, 2 * target_size - 1
        self.beyond = torch.arange(t.shape[1]) > pairs.n_target[:, None]

    def start(self, rows):
        """Edit distance ``(B, T + 1)`` of an empty output to each target prefix."""
        return torch.arange(self.target.shape[1]).expand(len(rows), -1)

    def extend(self, rows, distance, written):
        """Edit distances once the output has one token more; 0 writes none."""
        longer, steps = distance + 1, torch.arange(distance.shape[1])
        replaced = distance[:, :-1] + (self.target[rows, :-1] != written[:, None])
        new = torch.minimum(longer[:, 1:], replaced)
        new = torch.cat((longer[:, :1], new), dim=1) - steps
        new = new.cummin(dim=1).values + steps
        return torch.where(written[:, None] > 0, new, distance)

    def optimal(self, rows, places, distance):
        """Which actions are best: bool ``(B, A)``.

        The output stands for the prefixes of the target that it is nearest to.
        """
        nearest = distance.masked_fill(
            self.beyond[rows], torch.iinfo(distance.dtype).max
        )
        far = nearest > nearest.amin(dim=1, keepdim=True)
        costs = self.costs[rows, places].masked_fill(far[:, None], 2 * NEVER).flatten(1)
        best = (costs <= costs.amin(dim=1, keepdim=True) + TIE).to(torch.float32)
        counts = torch.zeros(len(rows), self.n_actions)
        counts.scatter_add_(1, self.actions[rows, places].flatten(1), best)
        return counts > 0


class Network(nn.Module):
    """Reads the source, then the last action and the place that it led to.

    The output layer sees the place as well as the recurrent state, as that of hard
    attention does; in the papers it sees the state alone.
    """

    def __init__(self, source_size, target_size, embedding_size, hidden_size, dropout):
        super().__init__()
        self.target_size, self.n_actions = target_size, 2 * target_size - 1
        self.dropout = dropout
        self.encoder = Encoder(
            new_embedding(source_size, embedding_size),
            cell="lstm",
            hidden_size=hidden_size,
            num_layers=1,
            bidirectional=True,
            reverse_source=False,
            dropout=dropout,
        )
        self.actions = new_embedding(self.n_actions + 1, embedding_size)
        size = 2 * hidden_size + embedding_size
        self.recurrent = Recurrent("lstm", size, hidden_size, 1, dropout)
        self.combine = nn.Linear(3 * hidden_size, hidden_size)
        self.output = nn.Linear(hidden_size, self.n_actions)
        advances = torch.zeros(self.n_actions, dtype=torch.bool)
        advances[[DELETE, COPY]] = advances[target_size + 1 :] = True
        self.register_buffer("advances", advances)

    def encode(self, source, n_source):
        """Encode sources ``(B, S + 1)``, of which each has a place at its end."""
        return self.dropout(self.encoder(source, n_source + 1)[0])

    def start(self, n):
        """The decoder's state before the first action, of n rows."""
        zeros = self.output.weight.new_zeros(n, self.recurrent.hidden_size)
        return State([zeros], [zeros])

    def read_out(self, hidden, here):
        """Input of the output layer ``(..., H)``, of the state and the place."""
        return torch.tanh(self.combine(torch.cat((hidden, here), dim=-1)))

    def log_probs(self, x, at_end):
        """Log-probabilities ``(..., A)``; at its end nothing of the source is left."""
        forbidden = at_end[..., None] & self.advances
        return self.output(x).masked_fill(forbidden, -NEVER).log_softmax(dim=-1)

    def forward(self, states, n_source, places, previous):
        """Log-probabilities ``(B, L, A)`` at places, after actions ``(B, L)``."""
        here = states.gather(1, places[..., None].expand(-1, -1, states.shape[2]))
        x = torch.cat((here, self.dropout(self.actions(previous))), dim=2)
        x = self.read_out(self.recurrent(x, self.start(len(x))), here)
        return self.log_probs(self.dropout(x), places == n_source[:, None])

    def stepper(self, states, n_source):
        """Make a function that does `forward` step by step, without dropout."""
        gates = self.recurrent.input_gates(states)  # (B, S + 1, G)
        weight = self.recurrent.layers[0].weight_ih_l0[:, states.shape[2] :]
        last = F.linear(self.actions.weight, weight)  # (A + 1, G)

        def step(rows, places, previous, state):
            both = gates[rows, places] + last[previous]
            state = self.recurrent.step(both, None, state)
            x = self.read_out(state.hidden[-1], states[rows, places])
            return self.log_probs(x, places == n_source[rows]), state

        return step

    def act(self, action, places, copies):
        """Carry actions ``(B,)`` out: places after them, and tokens written or 0."""
        is_insertion = action <= self.target_size
        token = action - torch.where(is_insertion, 1, self.target_size - 1)
        here = copies.gather(1, places[:, None])[:, 0]
        written = torch.where(action == COPY, here, token * (action > COPY))
        places = places + self.advances[action]
        # A beam may hold what cannot be done, with the probability 0.
        return places.clamp(max=copies.shape[1] - 1), written

    @torch.no_grad()
    def roll_in(self, states, pairs, expert, rows, own, generator):
        """Act, with probability `own` as the network draws, else as is best.

        Returns
        -------
        places, taken : Tensor of int64 ``(B, L)``
        optimal : Tensor of bool ``(B, L, A)``
        open : Tensor of bool ``(B, L)``
            Whether the end had not come before.
        """
        n_source, copies = pairs.n_source[rows], pairs.copies[rows]
        step, state = self.stepper(states, n_source), self.start(len(rows))
        place, distance = torch.zeros_like(rows), expert.start(rows)
        action, every = torch.full_like(rows, self.n_actions), torch.arange(len(rows))
        is_open, steps = torch.ones_like(rows, dtype=torch.bool), []
        for _ in range(states.shape[1] + 2 * distance.shape[1]):
            log_probs, state = step(every, place, action, state)
            optimal = expert.optimal(rows, place, distance)
            best = log_probs.masked_fill(~optimal, -2 * NEVER).argmax(dim=1)
            drawn = torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]
            is_own = torch.rand(len(rows), generator=generator) < own
            action = torch.where(is_own, drawn, best)
            steps.append((place, action, optimal, is_open))
            place, written = self.act(action, place, copies)
            distance = expert.extend(rows, distance, written)
            is_open = is_open & (action != END)
            if not is_open.any():
                break
        return [torch.stack(parts, dim=1) for parts in zip(*steps, strict=True)]

    def loss(self, states, n_source, places, taken, optimal, is_open, smoothing):
        """Minus the log-probability that the best actions have together, a step."""
        previous = F.pad(taken[:, :-1], (1, 0), value=self.n_actions)
        log_probs = self(states, n_source, places, previous)
        losses = -log_probs.masked_fill(~optimal, -NEVER).logsumexp(dim=2)
        if smoothing:
            possible = log_probs > -NEVER / 2
            mean = (log_probs * possible).sum(dim=2) / possible.sum(dim=2)
            losses = (1 - smoothing) * losses - smoothing * mean
        return losses[is_open].mean()

    @torch.no_grad()
    def search(self, source, copies, n_source, width, n_steps):
        """Tokens ``(B, L)`` of the likeliest derivation in a beam; 0 writes none."""
        n, rows = len(source), torch.arange(len(source)).repeat_interleave(width)
        step = self.stepper(self.encode(source, n_source), n_source)
        copies, state = copies[rows], self.start(len(rows))
        place, action = torch.zeros_like(rows), torch.full_like(rows, self.n_actions)
        score = torch.full((n, width), -NEVER)
        score[:, 0] = 0
        ended = torch.zeros(n * width, dtype=torch.bool)
        output = torch.zeros(n * width, 0, dtype=torch.int64)
        stay = torch.full((self.n_actions,), -NEVER)
        stay[END] = 0
        for _ in range(n_steps):
            log_probs, state = step(rows, place, action, state)
            log_probs = torch.where(ended[:, None], stay, log_probs)
            total = score[:, :, None] + log_probs.view(n, width, -1)  # (B, K, A)
            score, best = total.flatten(1).topk(width)
            action = (best % self.n_actions).flatten()
            parents = torch.arange(n)[:, None] * width + best // self.n_actions
            parents = parents.flatten()
            state = state.map(lambda x, parents=parents: x[parents])
            place, written = self.act(action, place[parents], copies)
            output = torch.cat((output[parents], written[:, None]), dim=1)
            ended = ended[parents] | (action == END)
            if ended.view(n, width)[:, 0].all():
                break
        best = score.masked_fill(~ended.view(n, width), -2 * NEVER).argmax(dim=1)
        return output.view(n, width, -1)[torch.arange(n), best]


@dataclass(eq=False, repr=False)
class EditTransducer(BaseEstimator):
    """The transducer as an estimator; parameters as of `Seq2SeqTransformer`.

    Parameters
    ----------
    k : float, default=1
        In epoch e the network acts by itself with probability
        ``1 - k / (k + exp(e / k))``.
    """

    source_vectorizer: SequenceVectorizer
    target_vectorizer: SequenceVectorizer
    hidden_size: int = 192
    embedding_size: int = 128
    dropout: float = 0.3
    label_smoothing: float = 0.0
    unknown_dropout: float = 0.0
    learning_rate: float = 0.002
    batch_size: int = 32
    n_steps: int = 1000
    k: float = 1.0
    beam_width: int = 1
    random_state: int = 0

    def fit(self, X, y):
        """Learn from strings."""
        sides = self.source_vectorizer.fit(X), self.target_vectorizer.fit(y)
        source, target = (Side(v, v.vocabulary_size_, v.max_length_) for v in sides)
        self.copy_table_, sizes = CopyTable(source, target), (source.size, target.size)
        ids, copies, n_source, _ = self._read(X)
        targets, n_positions = map(torch.from_numpy, pad(sides[1].transform(y)))
        pairs = Pairs(ids, copies, n_source, targets, n_positions - 1)
        self.n_steps_ = 2 * targets.shape[1]
        expert = Expert(pairs, *edit_costs(pairs, *sizes), target.size)
        generator = torch.Generator().manual_seed(self.random_state)
        dropout = Dropout(self.dropout, Randomness(self.random_state))
        self.network_ = Network(*sizes, self.embedding_size, self.hidden_size, dropout)
        initialise(self.network_, generator)
        self._train(pairs, expert, generator)
        return self

    def _train(self, pairs, expert, generator):
        network, self.losses_ = self.network_.train(), []
        rate = self.learning_rate
        optimizer = torch.optim.Adam(network.parameters(), lr=rate, fused=True)
        n_batches = math.ceil(len(pairs.source) / self.batch_size)
        n_epochs = math.ceil(self.n_steps / n_batches)
        schedule = LambdaLR(optimizer, Cosine(n_epochs * n_batches))
        for epoch in range(n_epochs):
            own = 1 - self.k / (self.k + math.exp(min(epoch / self.k, 50)))
            order = torch.randperm(len(pairs.source), generator=generator)
            for rows in order.split(self.batch_size):
                n_source = pairs.n_source[rows]
                source = pairs.source[rows, : int(n_source.max()) + 1]
                hidden = torch.rand(source.shape, generator=generator)
                hidden = (hidden < self.unknown_dropout) & (source > 0)
                states = network.encode(source.masked_fill(hidden, UNKNOWN), n_source)
                episode = network.roll_in(states, pairs, expert, rows, own, generator)
                loss = network.loss(states, n_source, *episode, self.label_smoothing)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                self.losses_.append(loss.item())
        network.eval()

    def _read(self, X):
        """Source ids, those of their copies, lengths, and strings of new ids."""
        tokens, extras = self.source_vectorizer._transform_with_extras(list(X))
        copies, strings = self.copy_table_.of_source(tokens, extras)
        (ids, n_positions), (copies, _) = pad(tokens), pad(copies)
        ids[ids >= self.source_vectorizer.vocabulary_size_] = UNKNOWN
        return *map(torch.from_numpy, (ids, copies, n_positions - 1)), strings

    def predict(self, X):
        """Edit sources with a beam of `beam_width`."""
        ids, copies, n_source, strings = self._read(X)
        lengths, found = [], []
        for rows in torch.arange(len(ids)).split(128):
            n_steps = self.n_steps_ + int(n_source[rows].max())
            parts = ids[rows], copies[rows], n_source[rows]
            output = self.network_.search(*parts, self.beam_width, n_steps)
            found.append(output[output > 0].numpy())
            lengths.append((output > 0).sum(dim=1).numpy())
        tokens, lengths = np.concatenate(found), np.concatenate(lengths)
        tokens = from_flat(tokens, lengths, int(lengths.max()))
        return self.target_vectorizer._inverse_with_extras(tokens, strings)
