"""
Translating an interface, placeholders intact
=============================================

Strings of an interface hold placeholders, such as ``%(name)s``, and markup, which a
translation must keep. A network can write them only if it has learned each of them, or
if it can copy. Here the same small network translates with and without copying, and is
compared with the floors of `DummySeq2Seq`.

There are fewer than two thousand training pairs, so do not expect good German.
:doc:`/applications/translation` has more.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,plot,subword]'``.
"""

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_ui_translations
from sklearn_seq2seq.inspection import AttentionDisplay
from sklearn_seq2seq.metrics import bleu_score, chrf_score

# %%
# The data
# --------
# The message catalogues of Django and of JupyterLab's language pack. Near-duplicates,
# such as "Delete %s" and "Delete it?", are of one group. A random split would test on
# strings that training nearly had.
strings = load_ui_translations(
    "de", packages=["Django", "jupyterlab-language-pack-de-DE"]
)
split = GroupShuffleSplit(1, test_size=0.15, random_state=0)
train, test = next(split.split(strings.data, groups=strings.groups))
X_train, y_train = strings.data[train], strings.target[train]
X_test, y_test = strings.data[test], strings.target[test]
placeholders = strings.placeholders[test]
print(f"{len(train)} for training, {len(test)} held out; licences: {strings.licenses}")
for row in np.flatnonzero(placeholders)[:3]:
    print(placeholders[row], X_test[row], y_test[row], sep="\n    ")

# %%
# The network
# -----------
# Subwords are learned from both languages together. So both cut a placeholder into the
# same subwords and share one table of vectors.
learner = SequenceVectorizer(analyzer="subword", max_features=800)
tokenizer = learner.fit(np.concatenate([X_train, y_train])).tokenizer_
pieces = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
network = {
    "source_vectorizer": pieces,
    "target_vectorizer": pieces,
    "share_embeddings": True,
    "attention": "general",  # learns to copy in fewer steps
    "hidden_size": 96,  # small, for speed, with a higher learning rate
    "embedding_size": 64,
    "learning_rate": 0.005,
    "batch_size": 32,
    "max_epochs": 12,
    "random_state": 0,
}
models = {
    "the source itself": DummySeq2Seq(strategy="copy"),
    "nearest string": DummySeq2Seq(strategy="nearest"),
    "without copying": Seq2SeqTransformer(**network),
    "with copying": Seq2SeqTransformer(**network, copy=True),
}


# %%
# The comparison
# --------------
# BLEU and chrF compare with the one reference translation. A placeholder is kept if it
# occurs in the prediction as often as it should.
def share_kept(placeholders, y_pred):
    kept = sum(
        min(row.count(p), text.count(p))
        for row, text in zip(placeholders, y_pred, strict=True)
        for p in set(row)
    )
    return kept / sum(map(len, placeholders))


predictions = {}
print(f"{'':<20}{'BLEU':>6}{'chrF':>6}{'placeholders kept':>19}")
for name, model in models.items():
    y_pred = predictions[name] = model.fit(X_train, y_train).predict(X_test)
    bleu, chrf = bleu_score(y_test, y_pred), chrf_score(y_test, y_pred)
    kept = share_kept(placeholders, y_pred)
    print(f"{name:<20}{bleu:>6.1f}{chrf:>6.1f}{kept:>19.0%}")

# %%
# The source itself keeps every placeholder, and is no translation. A good translator is
# high in all columns. Copying keeps two placeholders in three instead of one in two. It
# hardly changes BLEU and chrF, in which neither network reaches the floors.
#
# The first strings with placeholders:
for row in np.flatnonzero(placeholders)[:6]:
    print(f"{'source':<18}{X_test[row]}")
    print(f"{'true':<18}{y_test[row]}")
    for name in ("without copying", "with copying"):
        print(f"{name:<18}{predictions[name][row]}")
    print()

# %%
# Where it looks
# --------------
# The attention over the subwords of a short string with a placeholder. The subwords of
# the placeholder are written one by one, and each should look at its counterpart.
rows = np.flatnonzero(placeholders)
shortest = min(rows, key=lambda row: len(X_test[row]))
AttentionDisplay.from_estimator(models["with copying"], X_test, row=shortest)
plt.show()
