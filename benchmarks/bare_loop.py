"""The least that the work can be: one network, plain loops, nothing but torch.

A bidirectional encoder, a decoder with "general" attention, and the loops that one
would write for just this network: training on length-bucketed batches, with the decoder
in one call or stepped, greedy decoding and beam search. The encoder's backward
direction reads each row turned round, which one thread has measured as fast as packing.
"""

import random
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

END, UNKNOWN = 0, 1
# The same network, loss, rate and batches, as parameters of Seq2SeqTransformer.
AS_PARAMETERS = {
    "hidden_size": 256,
    "num_layers": 1,
    "embedding_size": 128,
    "attention": "general",
    "copy": False,
    "dropout": 0.3,
    "label_smoothing": 0.1,
    "learning_rate": 1e-3,
    "batch_size": 64,
}


class BareLoop(nn.Module):
    """Encoder-decoder with loops of its own; ids as in the package, 0 being the end."""

    def __init__(
        self,
        n_source,
        n_target,
        cell="lstm",
        stepped=False,
        precision="float32",
        embed=AS_PARAMETERS["embedding_size"],
        hidden=AS_PARAMETERS["hidden_size"],
    ):
        super().__init__()
        layer = {"lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.is_lstm, self.stepped, self.embed = cell == "lstm", stepped, embed
        self.precision = precision
        self.source = nn.Embedding(n_source, embed)
        self.target = nn.Embedding(n_target, embed)
        self.ahead = layer(embed, hidden, batch_first=True)
        self.back = layer(embed, hidden, batch_first=True)
        fed_back = 2 * hidden if stepped else 0
        self.cell = layer(embed + fed_back, hidden, batch_first=True)
        self.first_h = nn.Linear(2 * hidden, hidden)
        self.first_c = nn.Linear(2 * hidden, hidden) if self.is_lstm else None
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.output = nn.Linear(hidden, n_target)
        self.dropout = nn.Dropout(AS_PARAMETERS["dropout"])

    def encode(self, ids, lengths):
        """Values, keys, mask and first state."""
        x = self.dropout(self.source(ids))
        steps = torch.arange(ids.shape[1], device=ids.device)
        turn = (lengths[:, None] - 1 - steps).remainder(ids.shape[1])[:, :, None]
        ahead, _ = self.ahead(x)
        back, _ = self.back(x.gather(1, turn.expand_as(x)))
        rows = torch.arange(len(ids), device=ids.device)
        last = torch.cat((ahead[rows, lengths - 1], back[rows, lengths - 1]), 1)
        values = torch.cat((ahead, back.gather(1, turn.expand_as(back))), 2)
        mask = values.new_zeros(len(ids), 1, ids.shape[1])
        mask.masked_fill_(steps >= lengths[:, None, None], float("-inf"))
        h = torch.tanh(self.first_h(last))
        c = self.first_c(last) if self.is_lstm else None
        return (values, self.key(values), mask), h, c

    def attend(self, query, values, keys, mask):
        """Contexts of queries, several a row."""
        weights = torch.softmax(torch.bmm(query, keys.transpose(1, 2)) + mask, -1)
        return torch.bmm(weights, values)

    def read_out(self, hidden, context):
        """Logits."""
        x = torch.tanh(self.combine(torch.cat((hidden, context), -1)))
        return self.output(self.dropout(x))

    def forward(self, ids, lengths, previous):
        """Logits of whole targets."""
        memory, h, c = self.encode(ids, lengths)
        x = self.dropout(self.target(previous))
        if not self.stepped:
            state = (h[None], c[None]) if self.is_lstm else h[None]
            hidden, _ = self.cell(x, state)
            return self.read_out(hidden, self.attend(hidden, *memory))
        weights = self.weights()
        context = x.new_zeros(len(x), memory[0].shape[2])
        hiddens, contexts = [], []
        for gates in self.input_gates(x).unbind(1):
            h, c = self.advance(gates, context, h, c, weights)
            context = self.attend(h[:, None], *memory)[:, 0]
            hiddens.append(h)
            contexts.append(context)
        return self.read_out(torch.stack(hiddens, 1), torch.stack(contexts, 1))

    def input_gates(self, x):
        """Share of embedded tokens in the gates."""
        bias = self.cell.bias_ih_l0
        if self.is_lstm:
            bias = bias + self.cell.bias_hh_l0
        return F.linear(x, self.cell.weight_ih_l0[:, : self.embed], bias)

    def weights(self):
        """What the rest of the inputs is multiplied by, made once for all steps."""
        fed_back = self.cell.weight_ih_l0[:, self.embed :]
        if self.is_lstm:
            return torch.cat((fed_back, self.cell.weight_hh_l0), 1).t()
        return fed_back.t()

    def advance(self, gates, context, h, c, weights):
        """One step of the cell; `context` is None unless it is fed back."""
        if self.is_lstm:
            x = h if context is None else torch.cat((context, h), 1)
            i, f, g, o = torch.addmm(gates, x, weights).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            return torch.sigmoid(o) * torch.tanh(c), c
        if context is not None:
            gates = torch.addmm(gates, context, weights)
        own = torch.addmm(self.cell.bias_hh_l0, h, self.cell.weight_hh_l0.t())
        r, z, n = gates.chunk(3, 1)
        own_r, own_z, own_n = own.chunk(3, 1)
        n = torch.tanh(n + torch.sigmoid(r + own_r) * own_n)
        return torch.lerp(n, h, torch.sigmoid(z + own_z)), None

    def in_precision(self, device):
        """Context of a forward pass."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device, getattr(torch, self.precision))

    def train_epoch(self, pairs, optimizer):
        """Take a step on each batch of the epoch."""
        self.train()
        total = 0.0
        for rows in pairs.batches():
            ids, lengths, previous, target = pairs.take(rows)
            with self.in_precision(ids.device.type):
                logits = self(ids, lengths, previous)
            loss = F.cross_entropy(
                logits.flatten(0, 1).float(),
                target.flatten(),
                ignore_index=-1,
                label_smoothing=AS_PARAMETERS["label_smoothing"],
            )
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.detach()
        return float(total)


class BarePairs:
    """Rows of ids, padded once and put on the device, and their batches by length.

    Parameters
    ----------
    source, target : list of ndarray of int
    batch_size : int
    seed : int
    device : str
    """

    def __init__(
        self,
        source,
        target,
        batch_size=AS_PARAMETERS["batch_size"],
        seed=0,
        device="cpu",
    ):
        self.source, self.source_sizes = padded(source, END)
        self.target, self.target_sizes = padded(target, -1)
        self.source, self.target = self.source.to(device), self.target.to(device)
        self.previous = F.pad(self.target[:, :-1].clamp(min=0), (1, 0))
        self.device = device
        self.batch_size = batch_size
        self.random = random.Random(seed)

    def batches(self):
        """Row numbers of each batch, by length, in random order."""
        order = list(range(len(self.source)))
        self.random.shuffle(order)
        source, target = self.source_sizes.tolist(), self.target_sizes.tolist()
        order.sort(key=lambda row: (source[row], target[row]))
        size = self.batch_size
        batches = [order[i : i + size] for i in range(0, len(order), size)]
        self.random.shuffle(batches)
        return list(map(torch.tensor, batches))

    def take(self, rows):
        """Source ids and lengths, the decoder's inputs, the targets."""
        lengths = self.source_sizes[rows]
        n_source, n_target = int(lengths.max()), int(self.target_sizes[rows].max())
        rows, lengths = (x.to(self.device, non_blocking=True) for x in (rows, lengths))
        return (
            self.source[rows, :n_source],
            lengths,
            self.previous[rows, :n_target],
            self.target[rows, :n_target],
        )


def padded(rows, value):
    """Rows of ids, ends added, as one tensor; and their lengths."""
    rows = [torch.from_numpy(np.append(row, END).astype(np.int64)) for row in rows]
    return nn.utils.rnn.pad_sequence(rows, True, value), torch.tensor(
        [len(row) for row in rows]
    )


class BareDecoder:
    """Strings to strings: greedy decoding and beam search of a bare loop.

    Parameters
    ----------
    network : BareLoop
    source_ids : dict of str to int
        Of characters.
    target_names : list of str
    """

    def __init__(self, network, source_ids, target_names):
        self.network = network
        self.source_ids = source_ids
        self.target_names = target_names

    def read(self, words):
        """Strings to padded ids and lengths, the end included."""
        ids = self.source_ids
        both = padded([[ids.get(c, UNKNOWN) for c in word] for word in words], END)
        return [x.to(self.network.source.weight.device) for x in both]

    def write(self, rows):
        """Rows of ids to strings."""
        texts = []
        for row in rows.tolist():
            row = row[: row.index(END)] if END in row else row
            texts.append(" ".join(self.target_names[k] for k in row))
        return texts

    def step(self, gates, h, c, memory, weights):
        """Logits and the next state; several hypotheses of a row are side by side."""
        h, c = self.network.advance(gates, None, h, c, weights)
        query = h.view(len(memory[0]), -1, h.shape[1])
        logits = self.network.read_out(query, self.network.attend(query, *memory))
        return logits.flatten(0, 1), h, c

    @torch.inference_mode()
    def greedy(self, words, limit, batch_size=128):
        """Greedy decoding."""
        weights = self.network.cell.weight_hh_l0.t()
        table = self.network.input_gates(self.network.target.weight)
        result = [None] * len(words)
        order = sorted(range(len(words)), key=lambda k: len(words[k]))
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            ids, lengths = self.read([words[k] for k in rows])
            memory, h, c = self.network.encode(ids, lengths)
            token = torch.zeros_like(lengths)
            done = token > 0
            taken = []
            for _ in range(limit):
                logits, h, c = self.step(table[token], h, c, memory, weights)
                logits[:, UNKNOWN] = float("-inf")
                token = logits.argmax(1)
                taken.append(token)
                done |= token == END
                if done.all():
                    break
            for k, text in zip(rows, self.write(torch.stack(taken, 1)), strict=True):
                result[k] = text
        return result

    @torch.inference_mode()
    def beam(self, words, limit, batch_size=128, width=5):
        """Beam search."""
        weights = self.network.cell.weight_hh_l0.t()
        table = self.network.input_gates(self.network.target.weight)
        result = [None] * len(words)
        order = sorted(range(len(words)), key=lambda k: len(words[k]))
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            ids, lengths = self.read([words[k] for k in rows])
            memory, h, c = self.network.encode(ids, lengths)
            h, c = h.repeat_interleave(width, 0), c.repeat_interleave(width, 0)
            n = len(rows)
            token = torch.zeros_like(lengths).repeat_interleave(width)
            scores = h.new_full((n, width), float("-inf"))
            scores[:, 0] = 0
            done = torch.zeros_like(scores, dtype=torch.bool)
            history = ids.new_zeros(n, width, 0)
            base = torch.arange(n, device=ids.device)[:, None] * width
            for _ in range(limit):
                logits, h, c = self.step(table[token], h, c, memory, weights)
                logp = torch.log_softmax(logits, 1).view(n, width, -1)
                logp[:, :, UNKNOWN] = float("-inf")
                logp[done] = float("-inf")
                logp[:, :, END] = logp[:, :, END].masked_fill(done, 0.0)
                size = logp.shape[2]
                scores, flat = (scores[:, :, None] + logp).flatten(1).topk(width, 1)
                parent, tokens = flat // size, flat % size
                past = history.gather(1, parent[:, :, None].expand_as(history))
                history = torch.cat((past, tokens[:, :, None]), 2)
                done = done.gather(1, parent) | (tokens == END)
                index = (base + parent).view(-1)
                h, c, token = h[index], c[index], tokens.view(-1)
                if done[:, 0].all():
                    break
            best = scores.masked_fill(~done, float("-inf")).argmax(1)
            texts = self.write(history[base[:, 0] // width, best])
            for k, text in zip(rows, texts, strict=True):
                result[k] = text
        return result


def bare_twin(model):
    """Make a `BareLoop` of the size and with the weights of a fitted model.

    Parameters
    ----------
    model : Seq2SeqTransformer
        Of one bidirectional layer, with "general" attention.

    Returns
    -------
    BareLoop
    """
    module = model.net_.module_
    bare = BareLoop(
        module.encoder.embedding.num_embeddings,
        module.decoder.embedding.num_embeddings,
        cell=model.cell,
        stepped=model.input_feeding,
        embed=model.embedding_size,
        hidden=model.hidden_size,
    )
    pairs = [
        (bare.source, module.encoder.embedding),
        (bare.target, module.decoder.embedding),
        (bare.ahead, module.encoder.forward_layers[0]),
        (bare.back, module.encoder.backward_layers[0]),
        (bare.cell, module.decoder.recurrent.layers[0]),
        (bare.first_h, module.bridge.hidden_maps[0]),
        (bare.key, module.decoder.attention.key),
        (bare.combine, module.decoder.combine),
        (bare.output, module.decoder.output),
    ]
    if bare.is_lstm:
        pairs.append((bare.first_c, module.bridge.cell_maps[0]))
    for own, its in pairs:
        own.load_state_dict(its.state_dict())
    return bare.to(model.net_.device)


def bare_decoder(model):
    """Make a `BareDecoder` with the weights of a fitted model without context fed back.

    Parameters
    ----------
    model : Seq2SeqTransformer

    Returns
    -------
    BareDecoder
    """
    names = ["", "<unk>", *model.target_vectorizer_.vocabulary_]
    ids = model.source_vectorizer_.vocabulary_
    return BareDecoder(bare_twin(model).eval(), ids, names)
