"""
Summaries with a memory
=======================

The first line of a docstring sums up the description below it. Descriptions are full
of names that occur once and are in no vocabulary, so the network must be able to copy
them. It also sees what the most similar description was summed up as. It is scored by
ROUGE and compared with the lead, the first sentence of the description, which is the
baseline to beat.

There are few pairs and little time here. :doc:`/applications/summarisation` has more.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,pandas,plot]'``.
"""

import re

import numpy as np
from matplotlib import pyplot as plt
from sklearn.base import clone
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqTransformer,
    SequenceVectorizer,
    TranslationMemory,
)
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
# Networks and floors
# -------------------
# A memory puts the summary of the most similar description before each description. In
# training it takes one of another group, since held-out rows find none of their own.
network = Seq2SeqTransformer(
    source_vectorizer=words,
    target_vectorizer=words,
    attention="additive",
    copy=True,
    hidden_size=128,  # small, for speed
    no_repeat_ngram_size=3,
    random_state=0,
)
columns = [("match", words, 1), ("similarity", words, 2), ("source", words, 0)]
reader = clone(network).set_params(source_vectorizer=ColumnVectorizer(columns))
with_memory = Pipeline([("match", TranslationMemory()), ("seq2seq", reader)])

nearest = DummySeq2Seq(strategy="nearest").fit(X_train, y_train)
network.fit(X_train, y_train)
with_memory.fit(X_train, y_train, match__groups=docs.groups[train])
lead = [re.split(r"(?<=[.!?])\s", text, maxsplit=1)[0] for text in X_test]
predictions = {
    "lead sentence": lead,
    "nearest description": nearest.predict(X_test),
    "match of the memory": with_memory[:-1].transform(X_test)[:, 1],
    "network": network.predict(X_test),
    "network with memory": with_memory.predict(X_test),
}
variants = ("rouge1", "rouge2", "rougeL")
print(f"{'':<22}" + "".join(f"{variant:>8}" for variant in variants))
for name, y_pred in predictions.items():
    scores = [rouge_score(y_test, y_pred, variant=variant) for variant in variants]
    print(f"{name:<22}" + "".join(f"{100 * score:>8.1f}" for score in scores))

# %%
# The lead is beaten by the match alone, which is the strongest floor: a similar
# function has a similar summary. The network mends the match: more words are right, and
# their order. Of pairs of words the match has more right.
#
# Good and bad
# ------------
# The first held-out rows:
y_pred = predictions["network with memory"]


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
# match and of the description (along the bottom) while it writes the summary.
display = AttentionDisplay.from_estimator(with_memory, X_test, row=order[-1])
display.ax_.set_title("Where the words of a summary come from")
plt.show()
