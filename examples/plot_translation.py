"""
Translating an interface, placeholders intact
=============================================

Strings of an interface hold placeholders, such as ``%(name)s``, and markup, which a
translation must keep. Here a translation memory, which gives what the most similar
string became, is compared with a network alone, with a network that sees the memory's
match, and with the floors of `DummySeq2Seq`.

There are 1,420 training pairs, so do not expect good German. The match wins in BLEU;
together with the network, it keeps more placeholders. With four times as many pairs and
a larger network, the two together win in BLEU and chrF and keep every placeholder:
:doc:`/applications/translation`.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,plot,subword]'``.
"""

import re
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqTransformer,
    SequenceVectorizer,
    TranslationMemory,
)
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
short = np.flatnonzero([len(text) <= 80 for text in strings.data])  # small, for speed
split = GroupShuffleSplit(1, test_size=0.15, random_state=0)
train, test = next(split.split(short, groups=strings.groups[short]))
train, test = short[train], short[test]
X_test, y_test = strings.data[test], strings.target[test]
print(f"{len(train)} for training, {len(test)} held out; licences: {strings.licenses}")

# %%
# Placeholders are numbered, and put back into the translation. The match of another
# string then has the right ones.
PLACEHOLDER = re.compile(r"%\(\w+\)\w|%\w\b|\{+.*?\}+|<[^<>]+>|&\w+;")


def number(text, placeholders):
    def write(found):
        known = found[0] in placeholders
        return f"⟨{placeholders.index(found[0])}⟩" if known else found[0]

    return PLACEHOLDER.sub(write, text)


def put_back(text, placeholders):
    for k, placeholder in enumerate(placeholders):
        text = text.replace(f"⟨{k}⟩", placeholder)
    return re.sub("⟨\\d+⟩", "", text)


own = [PLACEHOLDER.findall(text) for text in strings.data]
X = np.array(list(map(number, strings.data, own)), dtype=object)
y = np.array(list(map(number, strings.target, own)), dtype=object)
row = next(row for row in test if own[row])
print(strings.data[row], X[row], y[row], sep="\n")

# %%
# The networks
# ------------
# Subwords are learned from both languages together. So both cut a placeholder into the
# same subwords. The memory puts before the network, beside each string, what the most
# similar training string became; in training, one of another group.
learner = SequenceVectorizer(analyzer="subword", max_features=800)
tokenizer = learner.fit(np.concatenate([X[train], y[train]])).tokenizer_
pieces = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
names = ("source", "match", "similarity")
columns = ColumnVectorizer([(name, pieces, k) for k, name in enumerate(names)])
options = {
    "target_vectorizer": pieces,
    "attention": "additive",  # over two texts, faster than "hard"
    "copy": True,
    "hidden_size": 128,  # small, for speed
    "max_epochs": 60,  # more than by default, as the network is small
    "no_repeat_ngram_size": 4,
    "random_state": 0,
}
network = Seq2SeqTransformer(source_vectorizer=pieces, **options)
network.fit(X[train], y[train])
reader = Seq2SeqTransformer(source_vectorizer=columns, **options)
with_memory = Pipeline([("match", TranslationMemory()), ("seq2seq", reader)]).fit(
    X[train], y[train], match__groups=strings.groups[train]
)

# %%
# The comparison
# --------------
# BLEU and chrF compare with the one reference translation. A placeholder is kept if it
# occurs in the prediction as often as it should.
#
# The best of both is the match, unless one of four answers of the network keeps more
# placeholders; then the answer that keeps most, and of those the surest.
warnings.filterwarnings("ignore", ".*predictions were ended by max_length")
matched = with_memory[:-1].transform(X[test])
answers = with_memory[-1].predict_nbest(matched, 4)
candidates = [[(match, 1.0)] for match in matched[:, 1]]
for row, *answer in answers[["row", "sequence", "mean_probability"]].values:
    candidates[row].append(answer)


def worth(source, candidate):
    numbers = re.findall(r"⟨\d+⟩", source)
    return sum(number in candidate[0] for number in numbers), candidate[1]


best = [
    max(those, key=lambda one, source=source: worth(source, one))[0]
    for source, those in zip(X[test], candidates, strict=True)
]
nearest = DummySeq2Seq(strategy="nearest").fit(X[train], y[train])
predictions = {
    "the source itself": X[test],
    "nearest string": nearest.predict(X[test]),
    "match of the memory": matched[:, 1],
    "network alone": network.predict(X[test]),
    "network with memory": with_memory.predict(X[test]),
    "best of both": best,
}


def share_kept(y_pred):
    rows = list(zip(strings.placeholders[test], y_pred, strict=True))
    kept = [min(row.count(p), text.count(p)) for row, text in rows for p in set(row)]
    return sum(kept) / sum(len(row) for row, _ in rows)


print(f"{'':<20}{'BLEU':>6}{'chrF':>6}{'placeholders kept':>19}")
for name, y_pred in predictions.items():
    y_pred = [put_back(text, own[row]) for text, row in zip(y_pred, test, strict=True)]
    predictions[name] = y_pred
    bleu, chrf = bleu_score(y_test, y_pred), chrf_score(y_test, y_pred)
    print(f"{name:<20}{bleu:>6.1f}{chrf:>6.1f}{share_kept(y_pred):>19.0%}")

# %%
# The source itself keeps every placeholder, and is no translation. The match equals the
# nearest string in BLEU, and keeps more placeholders, since they were numbered. The
# network alone loses to both in BLEU. With the memory it loses less, but it still
# breaks more of a match than it mends. The best of both keeps nine placeholders in ten,
# for a little of the match's BLEU and chrF.
#
# The first strings with placeholders:
rows = np.flatnonzero(strings.placeholders[test])
for row in rows[:6]:
    print(f"{'source':<21}{X_test[row]}")
    print(f"{'true':<21}{y_test[row]}")
    for name in list(predictions)[2:]:
        print(f"{name:<21}{predictions[name][row]}")
    print()

# %%
# Where it looks
# --------------
# The attention over the subwords of a short string with a placeholder, and of its
# match.
shortest = min(rows, key=lambda row: len(X_test[row]))
AttentionDisplay.from_estimator(with_memory, X[test], row=shortest)
plt.show()
