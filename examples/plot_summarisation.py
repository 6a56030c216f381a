"""
Summaries that copy
===================

The first line of a docstring sums up the description below it. Descriptions are full of
names that occur once and are in no vocabulary. A network that can copy may still use
them. It is scored by ROUGE and compared with the lead, the first sentence of the
description, which is the baseline to beat.

There are few pairs and little time here. :doc:`/applications/summarisation` has more.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,pandas,plot]'``.
"""

import re

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_docstring_summaries
from sklearn_seq2seq.inspection import AttentionDisplay
from sklearn_seq2seq.metrics import rouge_score

# %%
# The data
# --------
# Docstrings are read from installed files, which are not imported. Near-duplicates stay
# on one side of the split.
docs = load_docstring_summaries(["pandas", "scikit-learn"], max_words=25)
split = GroupShuffleSplit(1, test_size=0.15, random_state=0)
train, test = next(split.split(docs.data, groups=docs.groups))
X_train, y_train = docs.data[train], docs.target[train]
X_test, y_test = docs.data[test], docs.target[test]
print(f"{len(train)} for training, {len(test)} held out; licences: {docs.licenses}")
print(X_train[0], y_train[0], sep="\n-> ")

# %%
# Words that are not known
# ------------------------
# The vocabularies have the most common words. Other words of a summary must be copied:
words = SequenceVectorizer(analyzer="word", max_features=1500)
known = words.fit(y_train).vocabulary_
tokens = [
    (word, text)
    for text, line in zip(X_test, y_test, strict=True)
    for word in line.split()
]
unknown = [(word, text) for word, text in tokens if word not in known]
there = sum(word in text.split() for word, text in unknown)
print(f"Of {len(tokens)} words of held-out summaries, {len(unknown)} are unknown,")
print(f"of which {there} stand in the description.")

# %%
# The network and its floors
# --------------------------
# Copying adds some points of ROUGE-1 and ROUGE-L. That brings the network to about the
# level of its floors, but not above both.
network = {
    "source_vectorizer": words,
    "target_vectorizer": words,
    "attention": "general",  # learns to copy in fewer steps
    "hidden_size": 64,  # small, for speed, with a higher learning rate
    "embedding_size": 64,
    "learning_rate": 0.005,
    "batch_size": 32,
    "max_epochs": 8,
    "no_repeat_ngram_size": 3,
    "random_state": 0,
}
models = {
    "nearest description": DummySeq2Seq(strategy="nearest"),
    "without copying": Seq2SeqTransformer(**network),
    "with copying": Seq2SeqTransformer(**network, copy=True),
}
predictions = {
    "lead sentence": [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in X_test]
}
for name, model in models.items():
    predictions[name] = model.fit(X_train, y_train).predict(X_test)

variants = ("rouge1", "rouge2", "rougeL")
print(f"{'':<22}" + "".join(f"{variant:>8}" for variant in variants))
for name, y_pred in predictions.items():
    scores = [rouge_score(y_test, y_pred, variant=variant) for variant in variants]
    print(f"{name:<22}" + "".join(f"{100 * score:>8.1f}" for score in scores))

# %%
# Good and bad
# ------------
# The first held-out rows:
y_pred = predictions["with copying"]


def show(rows):
    for row in rows:
        print(f"{'source':<11}{X_test[row]}")
        print(f"{'true':<11}{y_test[row]}")
        print(f"{'predicted':<11}{y_pred[row]}\n")


show(range(5))

# %%
# The best three and the worst three by ROUGE-L:
scores = [
    rouge_score([true], [pred]) for true, pred in zip(y_test, y_pred, strict=True)
]
order = np.argsort(scores, kind="stable")
show(order[::-1][:3])
show(order[:3])

# %%
# The origin of the best summary's words: how much the network looks at each word of the
# description (along the bottom) while it writes the summary.
AttentionDisplay.from_estimator(models["with copying"], X_test, row=order[-1])
plt.show()
