"""
Translating an interface, placeholders intact
=============================================

Strings of an interface hold placeholders, such as ``%(name)s``, and markup, which a
translation must keep. Here a network is compared with a translation memory, which gives
what the most similar string became, with the best of the two, and with the floors of
`DummySeq2Seq`.

There are 1,420 training pairs, which are too few: the floors win. With four times as
many the network alone is far above all floors, and the best of both keeps nearly every
placeholder: :doc:`/applications/translation`.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,plot,subword]'``.
"""

import re
import warnings

import numpy as np
from matplotlib import pyplot as plt
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq import (
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
# The network
# -----------
# Subwords are learned from both languages together. So both cut a placeholder into the
# same subwords.
learner = SequenceVectorizer(analyzer="subword", max_features=800)
tokenizer = learner.fit(np.concatenate([X[train], y[train]])).tokenizer_
pieces = SequenceVectorizer(analyzer="subword", tokenizer=tokenizer)
network = Seq2SeqTransformer(
    source_vectorizer=pieces,
    target_vectorizer=pieces,
    attention="additive",
    copy=True,
    dropout=0.4,
    max_epochs=60,
    no_repeat_ngram_size=4,
    beam_width=4,
    length_penalty=1.0,
    random_state=0,
).fit(X[train], y[train])

# %%
# The comparison
# --------------
# BLEU and chrF compare with the one reference translation. A placeholder is kept if it
# occurs in the prediction as often as it should.
#
# The best of both is, among the match and four answers of the network, what keeps most
# placeholders; among equals the surest. An answer is as sure as the mean probability of
# its tokens, the match 0.4.
warnings.filterwarnings("ignore", ".*predictions were ended by max_length")
memory = TranslationMemory().fit(X[train], y[train])
match = memory.transform(X[test])[:, 1]
answers = network.predict_nbest(X[test], 4)
candidates = [[(text, 0.4)] for text in match]
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
    "match of the memory": match,
    "network": network.predict(X[test]),
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
# With so few pairs the floors win: the match in BLEU, the nearest string in chrF. The
# best of both keeps more placeholders than either, for a point of the match's BLEU and
# half a point of its chrF.
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
# The attention over the subwords of a string with a placeholder. Subwords are made of
# bytes: each � is half of a no-break space.
row = min(rows, key=lambda row: abs(len(X_test[row]) - 25))
display = AttentionDisplay.from_estimator(network, X[test], row=row)
display.ax_.set_title("Where a translation comes from")
plt.show()
