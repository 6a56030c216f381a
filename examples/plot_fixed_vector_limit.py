"""
How much does a fixed-length vector hold?
=========================================

An encoder that hands its decoder one vector of fixed length must press every source
through it, and random strings cannot be pressed: each of their letters, drawn from
eight, carries three bits. Attention lets the decoder look back at the source instead,
and a copying decoder need not even name what it sees.

Three networks of one size learn, in the same number of steps, to repeat random strings
of 1 to 24 letters. Their vector, the state of an LSTM of 24 units, is 48 numbers. Where
does each of them fail?
"""

# %%
# The lesson, and strings of every length that were not in it.
import matplotlib.pyplot as plt

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_copy

LETTERS = "abcdefgh"
LENGTHS = [2, 4, 6, 8, 12, 16, 20, 24]

options = {"alphabet": LETTERS, "return_X_y": True}
X, y = make_copy(1200, max_length=24, random_state=0, **options)
tests = {
    n: make_copy(60, min_length=n, max_length=n, random_state=n, **options)
    for n in LENGTHS
}

# %%
# One set of parameters, three ways to look at the source.
networks = {
    "the vector alone": {"attention": None},
    "attention": {"attention": "general"},
    "attention and copying": {"attention": "general", "copy": True},
}
scores = {}
for name, params in networks.items():
    model = Seq2SeqTransformer(
        **params,
        hidden_size=24,
        embedding_size=16,
        dropout=0.0,
        label_smoothing=0.0,
        learning_rate=0.01,
        lr_schedule="cosine",
        batch_size=16,
        max_epochs=12,
        max_length=40,
        random_state=0,
    )
    model.fit(X, y)
    scores[name] = [model.score(*tests[n]) for n in LENGTHS]
    print(f"{name:<22}", *(f"{score:5.0%}" for score in scores[name]))

# %%
# The vector alone gives out after some five letters, fifteen bits: it has room for more
# in its 48 numbers, but a network must also learn to write there and to read it out in
# order. The other two go on about four times as long. What stops them is no lack of
# room: among letters that come again and again they lose their place.
_, axes = plt.subplots(layout="constrained")
for name, share in scores.items():
    axes.plot(LENGTHS, share, marker="o", label=name)
axes.set(
    xlabel="letters in the string",
    ylabel="share of strings wholly right",
    ylim=(-0.05, 1.05),
    xticks=LENGTHS,
    title="What an LSTM of 24 units repeats",
)
axes.legend()
plt.show()
