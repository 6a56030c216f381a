"""
How much does a fixed-length vector hold?
=========================================

An encoder without attention must put the whole source into one vector of fixed length.
Random strings cannot be compressed: each of their letters, drawn from eight, carries
three bits. Attention lets the decoder look back at the source instead, and a copying
decoder need not even name what it sees.

Four networks of one size learn, in the same number of epochs, to repeat random strings
of 1 to 24 letters. Their vector, the state of an LSTM of 24 units, is 48 numbers. At
which length does each of them fail, up to twice that of training?
"""

# %%
# The training strings, and new strings of several lengths.
import warnings

import matplotlib.pyplot as plt
from sklearn.exceptions import ConvergenceWarning

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_copy

LETTERS = "abcdefgh"
LENGTHS = [2, 4, 6, 8, 12, 16, 24, 36, 48]

options = {"alphabet": LETTERS, "return_X_y": True}
X, y = make_copy(1200, max_length=24, random_state=0, **options)
tests = {
    n: make_copy(60, min_length=n, max_length=n, random_state=n, **options)
    for n in LENGTHS
}

# %%
# One set of parameters, four ways to look at the source. The last is what the default,
# `attention="auto"` with `copy="auto"`, chooses for these pairs.
networks = {
    "the vector alone": {"attention": None},
    "soft attention": {"attention": "additive", "copy": False},
    "hard attention": {"attention": "hard", "copy": False},
    "hard attention and copying": {"attention": "hard", "copy": True},
}
scores = {}
# The vector alone cannot learn its training strings, which is what this page shows.
warnings.filterwarnings("ignore", category=ConvergenceWarning)
for name, params in networks.items():
    model = Seq2SeqTransformer(
        **params,
        hidden_size=24,  # small, for speed, with a higher learning rate
        learning_rate=0.01,
        dropout=0.0,
        max_length=60,
        random_state=0,
    )
    model.fit(X, y)
    scores[name] = [model.score(*tests[n]) for n in LENGTHS]
    print(f"{name:<28}", *(f"{score:5.0%}" for score in scores[name]))

# %%
# The vector alone fails early: of strings of four letters, twelve bits, it repeats two
# in five. Its 48 numbers have room for more, but a network must also learn to write
# them and to read them in order. Soft attention does not lack room. Among letters that
# occur again and again it loses its place, and the longer the string, the more often.
# Hard attention, which looks at one letter at a time, makes no error, with copying or
# without, even where strings are twice as long as in training:
# :doc:`/applications/long_texts`.
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
