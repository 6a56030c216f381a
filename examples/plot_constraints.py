"""
Predictions under constraints
=============================

You often know more about an answer than the model does: it is one of a list, it begins
in a certain way, some tokens cannot occur. Such constraints hold exactly and are set
after the fit.

The task is to correct misspellings of English words that do not occur in training.
"""

# %%
# Misspellings and corrections. The words of the test do not occur in training, but they
# are in the dictionary, the list of all right spellings.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_misspellings

typed, meant = load_misspellings(n_words=2400, random_state=0, return_X_y=True)
typed, meant = np.array(typed, dtype=object), np.array(meant, dtype=object)
plain = np.array([word.isascii() and word.islower() for word in meant])
typed, meant = typed[plain], meant[plain]
dictionary = sorted(set(meant))
new_words = np.random.default_rng(0).choice(dictionary, 250, replace=False)
new = np.isin(meant, new_words)
print(f"{(~new).sum()} pairs for training, {new.sum()} new, {len(dictionary)} words")

model = Seq2SeqTransformer(
    hidden_size=96,  # small, for speed
    random_state=0,
)
model.fit(typed[~new], meant[~new])
scores = {"free": model.score(typed[new], meant[new])}

# %%
# **A closed list.** With `allowed_outputs` every prediction is a member of the list. A
# beam lets several members compete. The floor is the most similar member. It wins here,
# where all words are new to the model. The model wins on words that training has: see
# :doc:`/guide/correct_against_a_list`.
model.set_params(allowed_outputs=dictionary, beam_width=5)
corrected = model.predict(typed[new])
assert set(corrected) <= set(dictionary)
scores["from the dictionary"] = np.mean(corrected == meant[new])
floor = DummySeq2Seq(strategy="closest", allowed_outputs=dictionary)
scores["floor: most similar"] = floor.fit(typed[~new], meant[~new]).score(
    typed[new], meant[new]
)

# %%
# **A prefix for each row.** Someone has typed the beginning of the right word. The
# answer begins with exactly that, and the model writes the rest.
model.set_params(allowed_outputs=None)
for n in (2, 4):
    beginnings = [word[:n] for word in meant[new]]
    completed = model.predict(typed[new], prefix=beginnings)
    scores[f"with its first {n} letters"] = np.mean(completed == meant[new])
for name, score in scores.items():
    print(f"{name:<26}{score:>7.1%}")

# %%
# **Banned tokens, and no repeats.** The same model without the letter "e", and without
# writing any letter twice.
some = typed[new][:4]
print("\ntyped     ", *some)
print("free      ", *model.predict(some))
print("without e ", *model.set_params(banned_tokens=["e"]).predict(some))
model.set_params(banned_tokens=None, no_repeat_ngram_size=1)
print("no repeats", *model.predict(some))

# %%
figure, ax = plt.subplots(layout="constrained")
ax.barh(list(scores), list(scores.values()))
ax.invert_yaxis()
ax.set(xlabel="share of misspellings corrected", title="Words not in training")
plt.show()
