"""
When pairs are few
==================

Pronunciations take an expert to write; words are free. Here 200 English words have
their pronunciation and 3,000 others have none. An autoencoder, which learns to write
its own source, uses the 3,000, and `PairAugmenter` makes more pairs of the 200.

Each helps, the autoencoder more. Both together remove about a sixth of the errors.

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
# All fits take about 500 training steps. The figure is the phone error rate: edits for
# each phone of the reference. The 200 words have no "q", so it is unknown to a model
# that was trained on them alone.
by_spaces = SequenceVectorizer(analyzer="word")
network = {
    "hidden_size": 64,  # small, for speed
    "embedding_size": 32,
    "attention": "general",  # learns in fewer steps
    "batch_size": 64,
    "random_state": 0,
}
few = network | {"target_vectorizer": by_spaces, "batch_size": 16}
# After so few steps, networks sometimes do not end their predictions.
warnings.filterwarnings("ignore", message=".*ended by max_length")

rates = {}
plain = Seq2SeqTransformer(**few, max_epochs=40).fit(X, y)
rates["200 pairs"] = token_error_rate(y_test, plain.predict(X_test), unit="word")

# %%
# More pairs
# ----------
# If a task goes from left to right, two pairs, one after the other, are a pair too. In
# a search or cross-validation imbalanced-learn's Pipeline does this in the training
# folds only.
augmenter = PairAugmenter(joined=1, target_vectorizer=by_spaces, random_state=0)
X_more, y_more = augmenter.fit_resample(X, y)
print(f"{X_more[-1]} -> {y_more[-1]}")

augmented = Seq2SeqTransformer(**few, max_epochs=20).fit(X_more, y_more)
y_pred = augmented.predict(X_test)
rates["pairs joined"] = token_error_rate(y_test, y_pred, unit="word")

# %%
# Words without pronunciation
# ---------------------------
# ``fit`` without targets makes an autoencoder, and ``pretrained`` starts from it: its
# vocabulary, its encoder and its attention, which has learned to go along the word.
autoencoder = Seq2SeqTransformer(**network, max_epochs=8).fit(unlabelled)
print(f"words that it reproduces: {autoencoder.score(X_test, X_test):.0%}")

started = Seq2SeqTransformer(**few, max_epochs=40, pretrained=autoencoder).fit(X, y)
rates["autoencoder"] = token_error_rate(y_test, started.predict(X_test), unit="word")

both = Seq2SeqTransformer(**few, max_epochs=20, pretrained=autoencoder)
both.fit(X_more, y_more)
rates["both"] = token_error_rate(y_test, both.predict(X_test), unit="word")

# %%
# Side by side
# ------------
# One seed proves little. :doc:`/applications/scarce_data` has five seeds, two languages
# and four numbers of pairs.
for name, rate in rates.items():
    print(f"{name:<14}{rate:.1%}")
figure, ax = plt.subplots(figsize=(7, 2.8), layout="constrained")
bars = ax.barh(list(rates), [100 * rate for rate in rates.values()], color="tab:blue")
ax.bar_label(bars, fmt="%.1f", padding=3)
ax.margins(x=0.1)
ax.invert_yaxis()
ax.set_xlabel("phone error rate in percent")
plt.show()
