"""The least that decoding can be: one network, plain loops, nothing but torch.

A bidirectional LSTM encoder, an LSTM decoder with "general" attention, and the two
decoding loops that one would write for just this network. `decoding.py` measures the
package against it, with the same weights, so that both do the same work.
"""

import torch
from torch import nn
from torch.nn import functional as F

END = 0


class BareLoop(nn.Module):
    """Encoder-decoder with loops of its own; ids as in the package, 0 being the end."""

    def __init__(self, source_ids, target_names, embed=128, hidden=256):
        super().__init__()
        self.source_ids = source_ids
        self.target_names = target_names
        self.source = nn.Embedding(2 + len(source_ids), embed)
        self.target = nn.Embedding(len(target_names), embed)
        self.ahead = nn.LSTM(embed, hidden, batch_first=True)
        self.back = nn.LSTM(embed, hidden, batch_first=True)
        self.cell = nn.LSTM(embed, hidden, batch_first=True)
        self.first_h = nn.Linear(2 * hidden, hidden)
        self.first_c = nn.Linear(2 * hidden, hidden)
        self.key = nn.Linear(2 * hidden, hidden, bias=False)
        self.combine = nn.Linear(3 * hidden, hidden)
        self.output = nn.Linear(hidden, len(target_names))

    def read(self, words):
        """Strings to padded ids and lengths, the end included."""
        rows = [[self.source_ids.get(c, 1) for c in word] + [END] for word in words]
        lengths = torch.tensor([len(row) for row in rows])
        ids = nn.utils.rnn.pad_sequence([torch.tensor(r) for r in rows], True)
        return ids, lengths

    def write(self, rows):
        """Rows of ids to strings."""
        texts = []
        for row in rows.tolist():
            row = row[: row.index(END)] if END in row else row
            texts.append(" ".join(self.target_names[k] for k in row))
        return texts

    def encode(self, ids, lengths):
        """Values, keys, mask and first state."""
        x = self.source(ids)
        steps = torch.arange(ids.shape[1])
        turn = (lengths[:, None] - 1 - steps).remainder(ids.shape[1])[:, :, None]
        ahead, _ = self.ahead(x)
        back, _ = self.back(x.gather(1, turn.expand_as(x)))
        rows = torch.arange(len(ids))
        last = torch.cat((ahead[rows, lengths - 1], back[rows, lengths - 1]), 1)
        values = torch.cat((ahead, back.gather(1, turn.expand_as(back))), 2)
        mask = torch.zeros(len(ids), 1, ids.shape[1])
        mask.masked_fill_(steps >= lengths[:, None, None], float("-inf"))
        h, c = torch.tanh(self.first_h(last)), self.first_c(last)
        return values, self.key(values), mask, h, c

    def table(self):
        """Each target token's share of the gates."""
        bias = self.cell.bias_ih_l0 + self.cell.bias_hh_l0
        return F.linear(self.target.weight, self.cell.weight_ih_l0, bias)

    def step(self, gates, h, c, values, keys, mask):
        """Logits and the next state; several hypotheses of a row are side by side."""
        gates = torch.addmm(gates, h, self.cell.weight_hh_l0.t())
        i, f, g, o = gates.chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        query = h.view(len(values), -1, h.shape[1])
        weights = torch.softmax(torch.bmm(query, keys.transpose(1, 2)) + mask, -1)
        context = torch.bmm(weights, values)
        x = torch.tanh(self.combine(torch.cat((query, context), -1)))
        return self.output(x).flatten(0, 1), h, c

    @torch.inference_mode()
    def greedy(self, words, limit, batch_size):
        """Greedy decoding, strings to strings."""
        table = self.table()
        result = [None] * len(words)
        order = sorted(range(len(words)), key=lambda k: len(words[k]))
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            ids, lengths = self.read([words[k] for k in rows])
            values, keys, mask, h, c = self.encode(ids, lengths)
            token = torch.zeros(len(rows), dtype=torch.int64)
            done = token > 0
            taken = []
            for _ in range(limit):
                logits, h, c = self.step(table[token], h, c, values, keys, mask)
                logits[:, 1] = float("-inf")
                token = logits.argmax(1)
                taken.append(token)
                done |= token == END
                if done.all():
                    break
            for k, text in zip(rows, self.write(torch.stack(taken, 1)), strict=True):
                result[k] = text
        return result

    @torch.inference_mode()
    def beam(self, words, limit, batch_size, width=5):
        """Beam search, strings to strings."""
        table = self.table()
        result = [None] * len(words)
        order = sorted(range(len(words)), key=lambda k: len(words[k]))
        for at in range(0, len(order), batch_size):
            rows = order[at : at + batch_size]
            ids, lengths = self.read([words[k] for k in rows])
            values, keys, mask, h, c = self.encode(ids, lengths)
            h, c = h.repeat_interleave(width, 0), c.repeat_interleave(width, 0)
            n = len(rows)
            token = torch.zeros(n * width, dtype=torch.int64)
            scores = torch.full((n, width), float("-inf"))
            scores[:, 0] = 0
            done = torch.zeros(n, width, dtype=torch.bool)
            history = torch.zeros(n, width, 0, dtype=torch.int64)
            base = torch.arange(n)[:, None] * width
            for _ in range(limit):
                logits, h, c = self.step(table[token], h, c, values, keys, mask)
                logp = torch.log_softmax(logits, 1).view(n, width, -1)
                logp[:, :, 1] = float("-inf")
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
            texts = self.write(history[torch.arange(n), best])
            for k, text in zip(rows, texts, strict=True):
                result[k] = text
        return result


def with_weights_of(model, embed=128, hidden=256):
    """Make a bare loop with the weights of a fitted `Seq2SeqTransformer`."""
    names = ["", "<unk>", *model.target_vectorizer_.vocabulary_]
    bare = BareLoop(model.source_vectorizer_.vocabulary_, names, embed, hidden)
    module = model.net_.module_
    pairs = [
        (bare.source, module.encoder.embedding),
        (bare.target, module.decoder.embedding),
        (bare.ahead, module.encoder.forward_layers[0]),
        (bare.back, module.encoder.backward_layers[0]),
        (bare.cell, module.decoder.recurrent.layers[0]),
        (bare.first_h, module.bridge.hidden_maps[0]),
        (bare.first_c, module.bridge.cell_maps[0]),
        (bare.key, module.decoder.attention.key),
        (bare.combine, module.decoder.combine),
        (bare.output, module.decoder.output),
    ]
    for own, its in pairs:
        own.load_state_dict(its.state_dict())
    return bare.eval()
