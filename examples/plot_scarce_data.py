"""
When pairs are few
==================

Pronunciations take an expert to write; words are free. Here 200 English words have
their pronunciation and 3,000 others have none. `PairAugmenter` makes more pairs of the
200, and an autoencoder, which learns to write its own source, uses the 3,000.

Joined pairs remove one error in twenty, the autoencoder none, and as many pairs again
one in four. Few pairs need long training, which the defaults give; before they did, an
autoencoder looked like a great help.

It needs ``pip install 'sklearn_seq2seq[datasets,plot]'``.
"""

# %%
# The pairs and the words without
# -------------------------------
import warnings

import matplotlib.pyplot as plt

from sklearn_seq2seq import PairAugmenter, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations
from sklearn_seq2seq.metrics import token_error_rate

words, phones = load_pronunciations(n_words=3600, random_state=0, return_X_y=True)
X, y = words[:200], phones[:200]
unlabelled = words[200:3200]
X_test, y_test = words[3200:], phones[3200:]
print(f"{X[0]} -> {y[0]}, {unlabelled[0]} -> ?")

# %%
# What a fit on the 200 gives
# ---------------------------
# The figure is the phone error rate: edits for each phone of the reference. The 200
# words have no "q", so it is unknown to a model that was trained on them alone.
by_spaces = SequenceVectorizer(analyzer="word")
network = {
    "source_vectorizer": SequenceVectorizer(handle_unknown="silent"),
    "hidden_size": 96,  # small, for speed
    "random_state": 0,
}
pronouncer = {"target_vectorizer": by_spaces} | network
# A few of the 400 words get phones without end.
warnings.filterwarnings("ignore", message=".*ended by max_length")

rates = {}
plain = Seq2SeqTransformer(**pronouncer).fit(X, y)
rates["200 pairs"] = token_error_rate(y_test, plain.predict(X_test), unit="word")
print(f"{plain.max_epochs_} epochs, {plain.attention_} attention")

# %%
# More pairs from the pairs
# -------------------------
# If a task goes from left to right, two pairs, one after the other, are a pair too. In
# a search or cross-validation imbalanced-learn's Pipeline does this in the training
# folds only.
augmenter = PairAugmenter(joined=1, target_vectorizer=by_spaces, random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
print(f"{X_more[-1]} -> {y_more[-1]}")

augmented = Seq2SeqTransformer(**pronouncer).fit(X_more, y_more)
y_pred = augmented.predict(X_test)
rates["pairs joined"] = token_error_rate(y_test, y_pred, unit="word")

# %%
# Words without pronunciation
# ---------------------------
# ``fit`` without targets makes an autoencoder, and ``pretrained`` starts from it: its
# vocabulary, its encoder and its attention. That is "hard" here, as by default for so
# few pairs; for 3,000 words the default would be another.
autoencoder = Seq2SeqTransformer(**network, attention="hard").fit(unlabelled)
print(f"words that it reproduces: {autoencoder.score(X_test, X_test):.0%}")

started = Seq2SeqTransformer(**pronouncer, pretrained=autoencoder).fit(X, y)
rates["autoencoder"] = token_error_rate(y_test, started.predict(X_test), unit="word")

# %%
# Twice as many pairs
# -------------------
# What would another 200 pronunciations be worth?
twice = Seq2SeqTransformer(**pronouncer).fit(words[:400], phones[:400])
rates["400 pairs"] = token_error_rate(y_test, twice.predict(X_test), unit="word")

# %%
# Side by side
# ------------
# One seed proves little. :doc:`/applications/scarce_data` has two languages and three
# numbers of pairs.
for name, rate in rates.items():
    print(f"{name:<14}{rate:.1%}")
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
bars = ax.barh(list(rates), [100 * rate for rate in rates.values()], color="tab:blue")
ax.bar_label(bars, fmt="%.1f", padding=3)
ax.margins(x=0.1)
ax.invert_yaxis()
ax.set(xlabel="phone error rate in percent", title="What more than 200 pairs is worth")
plt.show()
