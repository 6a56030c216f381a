"""
From inflected words to dictionary forms
========================================

French *cherchiez* is in the dictionary under *chercher*. There are lists of such pairs,
but no list has every word. Here a model is trained on a list and asked for words whose
lemma does not occur in that list, in any form.

Five of six come out right. Most of the others have the right lemma in second or third
place: *compacté* may be a form of *compacter*, or a word in its own right.
"""

# %%
# The list is that of the package simplemma, without proper names. All forms of a lemma
# stay on one side of the split: with *cherchais* in training, *cherchait* would be no
# test.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq import (
    DummySeq2Seq,
    LexiconSeq2Seq,
    Seq2SeqTransformer,
)
from sklearn_seq2seq.datasets import load_lemmas
from sklearn_seq2seq.inspection import EditConfusionDisplay, LengthErrorDisplay

forms, lemmas = load_lemmas("fr", n_words=3600, random_state=0, return_X_y=True)
plain = np.char.islower(forms.astype(str))
forms, lemmas = forms[plain], lemmas[plain]
split = GroupShuffleSplit(1, test_size=0.2, random_state=0)
train, test = next(split.split(forms, groups=lemmas.astype(str)))
X, y, X_new, y_new = forms[train], lemmas[train], forms[test], lemmas[test]
print(f"{len(X)} forms for training, {len(X_new)} of other lemmas")

# %%
# There are two floors: one leaves every word as it is, the other rewrites the longest
# suffix that it saw in training.
model = Seq2SeqTransformer(
    hidden_size=96,  # small, for speed
    random_state=0,
)
model.fit(X, y)
print(f"{model.attention_} attention, copying: {model.copy_}")
predicted = model.predict(X_new)
right, same = predicted == y_new, X_new == y_new
print(f"right                      {right.mean():.1%}")
print(f"  where the form differs   {right[~same].mean():.1%}")
print(f"  where it is the lemma    {right[same].mean():.1%}")
for strategy in ("copy", "suffix"):
    floor = DummySeq2Seq(strategy=strategy).fit(X, y)
    print(f"floor: {strategy:<20}{floor.score(X_new, y_new):.1%}")

# %%
# The network is above both floors and ranks its answers. Some errors, with the three
# best answers. A form alone does not always determine its lemma, and only a dictionary
# knows that *admît* comes from *admettre*.
best = model.predict_nbest(X_new, n_best=3)
answers = best.groupby("row")["sequence"].agg(list)
among = [lemma in answers[row] for row, lemma in enumerate(y_new)]
print(f"right answer among the best three: {sum(among) / len(among):.1%}\n")
for row in np.flatnonzero(~right)[:12]:
    print(f"{X_new[row]:<18}{y_new[row]:<16}{', '.join(answers[row])}")

# %%
# Give the model such a dictionary, without training it again: the entries overrule the
# model and come first among the answers.
wrong = np.flatnonzero(~right)[:12]
corrected = dict(zip(X_new[wrong], y_new[wrong], strict=True))
own = LexiconSeq2Seq(FrozenEstimator(model), lexicon=corrected)
print(f"right with those twelve in a lexicon: {own.score(X_new, y_new):.1%}\n")
columns = ["sequence", "probability", "entry"]
print(own.predict_nbest(X_new[wrong[:1]], n_best=3)[columns].round(2))

# %%
# Long words are not harder than short ones. Errors are small: letters missing or added
# at the end, and accents.
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
LengthErrorDisplay.from_predictions(y_new, predicted, unit="char", ax=axes[0])
EditConfusionDisplay.from_predictions(y_new, predicted, unit="char", top=10, ax=axes[1])
axes[0].set_title("Long words and short ones")
axes[1].set_title("What is edited")
plt.show()
