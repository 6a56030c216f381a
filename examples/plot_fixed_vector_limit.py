"""
How much does a fixed-length vector hold?
=========================================

An encoder without attention must put the whole source into one vector of fixed length.
Random strings cannot be compressed: each of their letters, drawn from eight, carries
three bits. Attention lets the decoder look back at the source instead, and a copying
decoder need not even name what it sees.

Three networks of one size learn, in the same number of steps, to repeat random strings
of 1 to 24 letters. Their vector, the state of an LSTM of 24 units, is 48 numbers. At
which length does each of them fail?
"""

# %%
# The training strings, and new strings of several lengths.
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
# One set of parameters, three ways to look at the source. "general" attention learns to
# copy in fewer steps than the default.
networks = {
    "the vector alone": {"attention": None},
    "attention": {"attention": "general", "copy": False},
    "attention and copying": {"attention": "general", "copy": True},
}
scores = {}
for name, params in networks.items():
    model = Seq2SeqTransformer(
        **params,
        hidden_size=24,  # small, for speed, with a higher learning rate
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
# The vector alone fails after some five letters, fifteen bits. Its 48 numbers have room
# for more, but a network must also learn to write them and to read them in order. Of
# strings four times as long, attention repeats two in three, and copying nine in ten.
# They do not lack room: among letters that occur again and again they lose their place.
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
