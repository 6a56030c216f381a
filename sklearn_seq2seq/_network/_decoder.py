"""The decoder: from a state, and a memory to attend to, to a distribution over tokens.

Shapes: B rows, T target positions, S source positions, K hypotheses a row (1 except in
a beam), Q queries a row (T or K), E embedding size, H hidden size, M memory size, V
vocabulary size, G gates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_seq2seq._network._attention import Memory
from sklearn_seq2seq._network._layers import Dropout, without_weights
from sklearn_seq2seq._network._recurrent import Recurrent, State
from sklearn_seq2seq._tokens import UNKNOWN

# Up to this vocabulary size a search computes what embeddings add to the gates once for
# all tokens, instead of at every step.
TABLE_ROWS = 4096


@dataclass
class DecoderState:
    """All that a search carries from step to step.

    Attributes
    ----------
    recurrent : State
        Of ``B * K`` rows, the K hypotheses of a source side by side.
    memory : Memory or None
        Of ``B`` rows; None without attention.
    context : Tensor ``(B * K, M)`` or None
        The last step's context, when it is fed back.
    copy_ids : Tensor of int64 ``(B, S)`` or None
        The target id that each source position is copied as.
    table : Tensor ``(V, G)`` or None
        What each token's embedding adds to the first layer's gates.
    """

    recurrent: State
    memory: Memory | None = None
    context: Tensor | None = None
    copy_ids: Tensor | None = None
    table: Tensor | None = None

    def select(self, hypotheses: Tensor, sources: Tensor | None = None) -> DecoderState:
        """Take some hypotheses (in any order, repeats allowed), of some sources.

        Parameters
        ----------
        hypotheses : Tensor of int64 ``(B' * K',)``
            Indices into the ``B * K`` rows.
        sources : Tensor of int64 ``(B',)``, default=None
            Indices into the ``B`` sources; None keeps them all as they are.
        """

        def take(x):
            return None if x is None else x[hypotheses]

        memory, copy_ids = self.memory, self.copy_ids
        if sources is not None:
            memory = None if memory is None else memory.keep(sources)
            copy_ids = None if copy_ids is None else copy_ids[sources]
        return replace(
            self,
            recurrent=self.recurrent.map(take),
            memory=memory,
            context=take(self.context),
            copy_ids=copy_ids,
        )


class Decoder(nn.Module):
    """Recurrent decoder with optional attention, input feeding and copying.

    Without input feeding only the recurrent state feeds back, and one fused call runs
    over whole targets; with it, steps are taken one by one.
    """

    def __init__(
        self,
        embedding,
        *,
        vocabulary_size,
        cell,
        hidden_size,
        num_layers,
        directions,
        attention,
        input_feeding,
        copy,
        tie_output,
        dropout: Dropout,
    ):
        super().__init__()
        self.embedding = embedding
        self.vocabulary_size = vocabulary_size
        self.input_feeding = input_feeding
        self.dropout = dropout
        size = embedding.embedding_dim
        memory_size = 0 if attention is None else directions * hidden_size
        self.attention = attention
        fed_back = memory_size if input_feeding else 0
        self.memory_size = memory_size
        self.recurrent = Recurrent(
            cell, size + fed_back, hidden_size, num_layers, dropout
        )
        read_size = size if tie_output else hidden_size
        self.combine = None
        if attention is not None or read_size != hidden_size:
            self.combine = without_weights(
                nn.Linear, hidden_size + memory_size, read_size
            )
        self.output = without_weights(nn.Linear, read_size, vocabulary_size)
        if tie_output:
            self.output.weight = embedding.weight
        self.copy_gate = None
        if copy:
            self.copy_gate = without_weights(
                nn.Linear, hidden_size + memory_size + size, 1
            )

    def remember(self, values: Tensor, n_positions: Tensor) -> Memory | None:
        """What attention reads of the encoder's outputs ``(B, S, M)``."""
        if self.attention is None:
            return None
        return self.attention.remember(values, n_positions)

    def start(self, recurrent: State, memory: Memory | None, copy_ids) -> DecoderState:
        """State of a search before its first step, one hypothesis a row."""
        context = None
        if self.input_feeding:
            hidden = recurrent.hidden[0]
            context = hidden.new_zeros((len(hidden), self.memory_size))
        table = None
        if not self.training and self.vocabulary_size <= TABLE_ROWS:
            tokens = torch.arange(
                self.vocabulary_size, device=recurrent.hidden[0].device
            )
            table = self.recurrent.input_gates(self.embedding(tokens))
        return DecoderState(recurrent, memory, context, copy_ids, table)

    def step(
        self, state: DecoderState, previous: Tensor
    ) -> tuple[Tensor, DecoderState]:
        """Take one step.

        Parameters
        ----------
        state : DecoderState
            Of ``B * K`` hypotheses.
        previous : Tensor of int64 ``(B * K,)``
            The token before: 0 at the start; V + s for one copied from position s.

        Returns
        -------
        log_probs : Tensor ``(B * K, V)``, or ``(B * K, V + S)`` with copying
        state : DecoderState
        """
        recurrent, embedded = self._advance(state, previous)
        hidden = recurrent.hidden[-1]  # (B * K, H)
        memory = state.memory
        if self.attention is None or memory is None:
            log_probs = torch.log_softmax(self._logits(hidden, None), dim=-1)
            return log_probs, replace(state, recurrent=recurrent)
        query = hidden.view(len(memory.values), -1, hidden.shape[1])  # (B, K, H)
        context, weights = self.attention(query, memory)  # (B, K, M), (B, K, S)
        logits = self._logits(query, context)  # (B, K, V)
        if self.copy_gate is None or embedded is None:
            log_probs = torch.log_softmax(logits, dim=-1)
        else:
            embedded = embedded.view(*query.shape[:2], -1)
            log_probs = self._mix_copies(
                logits, query, context, weights, embedded, state.copy_ids
            )
        state = replace(
            state,
            recurrent=recurrent,
            context=context.flatten(0, 1) if self.input_feeding else None,
        )
        return log_probs.flatten(0, 1), state  # (B * K, V) or (B * K, V + S)

    def _advance(self, state, previous):
        """The state after a token, and its embedding ``(B * K, E)``.

        With a table of gates, there is an embedding only if the copy gate reads it.
        """
        previous = self._known(previous)
        if state.table is not None:
            gates = state.table[previous]  # (B * K, G)
            embedded = None if self.copy_gate is None else self.embedding(previous)
        else:
            embedded = self.dropout(self.embedding(previous))
            gates = self.recurrent.input_gates(embedded)
        return self.recurrent.step(gates, state.context, state.recurrent), embedded

    def forward(
        self,
        inputs: Tensor,
        recurrent: State,
        memory: Memory | None,
        copy_ids,
        unseen: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Teacher-forced pass over whole targets.

        Parameters
        ----------
        inputs : Tensor of int64 ``(B, T)``
            The boundary, then the target without its last position.
        recurrent : State
        memory : Memory or None
        copy_ids : Tensor of int64 ``(B, S)`` or None
        unseen : Tensor of bool ``(B, T)`` or None
            Inputs to be read as the unknown token.

        Returns
        -------
        logits : Tensor ``(B, T, V)``; with copying log-probabilities ``(B, T, V + S)``
        weights : Tensor ``(B, T, S)`` or None
            The attention weights.
        """
        embedded = self.dropout(self.embedding(self._known(inputs, unseen)))
        if self.input_feeding:
            hidden, context, weights = self._unroll(embedded, recurrent, memory)
        else:
            hidden = self.recurrent(embedded, recurrent)  # (B, T, H)
            if self.attention is None:
                return self._logits(hidden, None), None
            context, weights = self.attention(hidden, memory)  # (B, T, M), (B, T, S)
        logits = self._logits(hidden, context)
        if self.copy_gate is not None:
            logits = self._mix_copies(
                logits, hidden, context, weights, embedded, copy_ids
            )
        return logits, weights

    def _unroll(self, embedded, state, memory):
        """Run step by step; each step reads the context of the step before."""
        context = embedded.new_zeros((len(embedded), self.memory_size))
        hiddens, contexts, weights = [], [], []
        for step in self.recurrent.steps(embedded):
            state = step(context, state)
            hiddens.append(state.hidden[-1])
            # One query a row: (B, 1, H) to (B, 1, M) and (B, 1, S).
            read, weight = self.attention(state.hidden[-1][:, None], memory)
            context = read[:, 0]
            contexts.append(context)
            weights.append(weight[:, 0])
        return tuple(torch.stack(x, dim=1) for x in (hiddens, contexts, weights))

    def _known(self, tokens, unseen=None):
        """Make `unseen` tokens, and copied ones outside the vocabulary, unknown."""
        if unseen is not None:
            tokens = tokens.masked_fill(unseen, UNKNOWN)
        if self.copy_gate is None:
            return tokens
        return tokens.masked_fill(tokens >= self.vocabulary_size, UNKNOWN)

    def _logits(self, hidden, context):
        x = hidden
        if self.combine is not None:
            if context is not None:
                x = torch.cat((hidden, context), dim=-1)
            x = torch.tanh(self.combine(x))
        return self.output(self.dropout(x))

    def _mix_copies(self, logits, hidden, context, weights, embedded, copy_ids):
        """Mix generating with copying from where attention looks (See et al., 2017).

        Column V + s is the token at source position s, if it is outside the vocabulary.
        """
        gate = self.copy_gate(torch.cat((hidden, context, embedded), dim=-1))
        # Probabilities are mixed in full precision, whatever the network's.
        generate = torch.sigmoid(gate.float())  # (B, Q, 1)
        probs = generate * torch.softmax(logits.float(), dim=-1)  # (B, Q, V)
        probs = F.pad(probs, (0, copy_ids.shape[1]))  # (B, Q, V + S)
        index = copy_ids[:, None].expand_as(weights)  # (B, Q, S)
        # Positions of the same token add up.
        probs = probs.scatter_add(2, index, (1 - generate) * weights.float())
        # The smallest normal number stands for zero, whose logarithm has no gradient.
        return torch.log(probs.clamp(min=torch.finfo(probs.dtype).tiny))
