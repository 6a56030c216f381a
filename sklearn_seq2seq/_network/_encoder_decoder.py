"""The encoder-decoder: every network of this package is a configuration of this module.

Shapes: B rows, S source positions, T target positions, V target vocabulary size, F
length of the fixed-length vector.

References
----------
.. [1] Sutskever, Vinyals and Le, "Sequence to sequence learning with neural networks",
   NeurIPS, 2014. :arxiv:`1409.3215`
.. [2] Bengio, Vinyals, Jaitly and Shazeer, "Scheduled sampling for sequence prediction
   with recurrent neural networks", NeurIPS, 2015. :arxiv:`1506.03099`
.. [3] Bowman, Vilnis, Vinyals, Dai, Jozefowicz and Bengio, "Generating sentences from a
   continuous space", CoNLL, 2016. :arxiv:`1511.06349`
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sklearn_seq2seq._network._attention import ATTENTIONS
from sklearn_seq2seq._network._decoder import Decoder, DecoderState
from sklearn_seq2seq._network._encoder import Bridge, Encoder
from sklearn_seq2seq._network._hard_attention import HardAttention
from sklearn_seq2seq._network._hard_decoder import HardDecoder
from sklearn_seq2seq._network._layers import (
    Dropout,
    Randomness,
    initialise,
    new_embedding,
    without_weights,
)
from sklearn_seq2seq._network._losses import position_mask
from sklearn_seq2seq._network._recurrent import State
from sklearn_seq2seq._tokens import BOUNDARY, UNKNOWN


class Output(NamedTuple):
    """What a teacher-forced pass returns.

    Attributes
    ----------
    logits : Tensor ``(B, T, V)``; with copying log-probabilities ``(B, T, V + S)``
    bag_logits : Tensor ``(B, V)`` or None
        Logits that each target token occurs, predicted from the encoder's final state.
    weights : Tensor ``(B, T, S)`` or None
        Attention weights.
    """

    logits: Tensor
    bag_logits: Tensor | None
    weights: Tensor | None


class EncoderDecoder(nn.Module):
    """Encoder, bridge and decoder, with `start` and `step` for a search [1]_.

    Attributes
    ----------
    randomness : Randomness
        Draws the initial weights and all dropout.
    teacher_forcing : float
        Probability that a training step is fed the reference rather than a sample of
        the model [2]_.
    unknown_dropout : tuple of two floats
        Shares of source tokens, and of target tokens that the decoder reads [3]_, which
        are unknown in training.
    """

    def __init__(
        self,
        source_size,
        target_size,
        *,
        cell="lstm",
        decoder_cell=None,
        hidden_size=128,
        num_layers=1,
        embedding_size=128,
        bidirectional=True,
        reverse_source=False,
        attention="additive",
        attention_order=1,
        monotonic=False,
        input_feeding=False,
        copy=False,
        share_embeddings=False,
        tie_output=False,
        dropout=0.0,
        unknown_dropout=(0.0, 0.0),
        predict_bag=False,
        seed=0,
    ):
        super().__init__()
        decoder_cell = decoder_cell or cell
        directions = 2 if bidirectional else 1
        self.randomness = Randomness(seed)
        self.teacher_forcing = 1.0
        self.unknown_dropout = unknown_dropout
        self.copies = copy
        self.decoder_cell = decoder_cell
        self.num_layers = num_layers
        shape = {"hidden_size": hidden_size, "num_layers": num_layers}
        drop = Dropout(dropout, self.randomness)
        source_embedding = new_embedding(source_size, embedding_size)
        target_embedding = source_embedding
        if not share_embeddings:
            target_embedding = new_embedding(target_size, embedding_size)
        self.encoder = Encoder(
            source_embedding,
            cell=cell,
            bidirectional=bidirectional,
            reverse_source=reverse_source,
            dropout=drop,
            **shape,
        )
        self.bridge = Bridge(
            encoder_cell=cell,
            decoder_cell=decoder_cell,
            directions=directions,
            **shape,
        )
        if attention == "hard":
            attend = HardAttention(hidden_size, directions, attention_order, monotonic)
        else:
            attend = attention and ATTENTIONS[attention](hidden_size, directions)
        self.decoder = (HardDecoder if attention == "hard" else Decoder)(
            target_embedding,
            vocabulary_size=target_size,
            cell=decoder_cell,
            directions=directions,
            attention=attend,
            input_feeding=input_feeding,
            copy=copy,
            tie_output=tie_output,
            dropout=drop,
            **shape,
        )
        self.words = None  # for the bag of tokens; the name of its weights in files
        if predict_bag:
            width = num_layers * hidden_size * (2 if decoder_cell == "lstm" else 1)
            self.words = without_weights(nn.Linear, width, target_size)
        self._draw_weights(tie_output)

    def _draw_weights(self, tie_output):
        generator = self.randomness.generator(torch.device("cpu"))
        initialise(self, generator)
        if tie_output:
            # An embedding that is also the output layer starts with rows of norm one.
            table = self.decoder.embedding.weight.data
            table.normal_(std=table.shape[1] ** -0.5, generator=generator)

    def encode(self, source: Tensor, n_positions: Tensor) -> tuple[Tensor, State]:
        """Encode: the outputs ``(B, S, M)`` and the decoder's first state."""
        values, final = self.encoder(source, n_positions)
        return values, self.bridge(final)

    def start(self, source, source_positions, copy_ids=None) -> DecoderState:
        """Encode and return the state from which a search starts."""
        values, recurrent = self.encode(source, source_positions)
        return self._start(values, recurrent, source_positions, copy_ids)

    def start_from_vector(self, vector: Tensor) -> DecoderState:
        """Return the state of a search that starts from a vector ``(B, F)``."""
        state = State.from_vector(vector, self.num_layers, self.decoder_cell)
        return self.decoder.start(state, None, None)

    def step(self, state, previous):
        """Take one step of the decoder (see `Decoder.step`)."""
        return self.decoder.step(state, previous)

    def forward(self, source, source_positions, target, copy_ids=None) -> Output:
        """Teacher-forced pass.

        Parameters
        ----------
        source : Tensor of int64 ``(B, S)``
        source_positions : Tensor of int64 ``(B,)``
        target : Tensor of int64 ``(B, T)``
            Ends in the boundary; V + s is the token at source position s, copied.
        copy_ids : Tensor of int64 ``(B, S)`` or None

        Returns
        -------
        Output
        """
        source_share, target_share = self.unknown_dropout if self.training else (0, 0)
        dropped = None
        if source_share:
            source, dropped = self._drop_tokens(source, source_share, copy_ids)
        values, recurrent = self.encode(source, source_positions)
        bag = None if self.words is None else self.words(recurrent.to_vector())
        # The decoder reads the target shifted by one position: (B, T).
        inputs = F.pad(target[:, :-1], (1, 0), value=BOUNDARY)
        if self.training and self.teacher_forcing < 1:
            state = self._start(values, recurrent, source_positions, copy_ids)
            inputs = self._mix_samples(inputs, state)
        unseen = None
        if dropped is not None and copy_ids is not None:
            # A source token that was made unknown is unknown in the target as well.
            unseen = _is_among(inputs, copy_ids, dropped)
        if target_share:
            hidden = self._draw(inputs, target_share)
            unseen = hidden if unseen is None else unseen | hidden
        memory = self.decoder.remember(values, source_positions)
        logits, weights = self.decoder(inputs, recurrent, memory, copy_ids, unseen)
        return Output(logits, bag, weights)

    @torch.no_grad()
    def align(self, source, source_positions, target, target_positions, copy_ids=None):
        """Align given pairs; the parameters are those of `forward`.

        Returns
        -------
        posterior : Tensor ``(B, T, S)``
            Probability of each source position; without hard attention, its weight.
        best : Tensor of int64 ``(B, T)``
            The likeliest alignment as a whole; without hard attention, the position of
            the largest weight.
        """
        if not isinstance(self.decoder, HardDecoder):
            weights = self(source, source_positions, target, copy_ids).weights
            return weights, weights.argmax(dim=2)
        values, recurrent = self.encode(source, source_positions)
        return self.decoder.align(
            F.pad(target[:, :-1], (1, 0), value=BOUNDARY),
            target,
            position_mask(target_positions, target.shape[1]),
            recurrent,
            self.decoder.remember(values, source_positions),
            copy_ids,
        )

    def _start(self, values, recurrent, n_positions, copy_ids):
        memory = self.decoder.remember(values, n_positions)
        return self.decoder.start(recurrent, memory, copy_ids)

    def _drop_tokens(self, source, share, copy_ids=None):
        """Replace some tokens by the unknown one, to train it; also return which."""
        dropped = self._draw(source, share)
        if copy_ids is not None:
            # All positions of a token are dropped together: it could be copied else.
            dropped = _is_among(copy_ids, copy_ids, dropped) & (source != BOUNDARY)
        return source.masked_fill(dropped, UNKNOWN), dropped

    def _draw(self, tokens, share):
        """Draw a share of the tokens, without boundaries and padding: a bool mask."""
        keep = self.randomness.keep_mask(tokens.shape, share, self.decoder.output.bias)
        return (keep == 0) & (tokens != BOUNDARY)

    @torch.no_grad()
    def _mix_samples(self, inputs, state):
        """Replace inputs by samples of the model with probability 1 - teacher_forcing.

        No gradient flows through a sample, so that the usual pass over the mixed inputs
        can follow.
        """
        like = self.decoder.output.bias
        sampled = self.randomness.keep_mask(inputs.shape, self.teacher_forcing, like)
        generator = self.randomness.generator(inputs.device)
        columns = [inputs[:, 0]]
        for t in range(1, inputs.shape[1]):
            log_probs, state = self.step(state, columns[-1])
            sample = torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]
            columns.append(torch.where(sampled[:, t] > 0, sample, inputs[:, t]))
        return torch.stack(columns, dim=1)


def _is_among(tokens, copy_ids, chosen):
    """Mark tokens ``(B, T)`` that stand at a chosen source position ``(B, S)``."""
    same = tokens[:, :, None] == copy_ids[:, None]  # (B, T, S)
    return (same & chosen[:, None]).any(dim=2)
