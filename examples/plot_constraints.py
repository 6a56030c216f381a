"""
Saying only what may be said
============================

Often more is known about an answer than the model knows: it is one of a list, it begins
in a certain way, it has none of some tokens. Such constraints hold exactly, are set
after the fit, and cost nothing when they are not used.

The task is to correct the spelling of English words that nobody has taught.
"""

# %%
# Misspellings and corrections. The words of the test are not in the lesson, but they
# are in the dictionary, the list of all right spellings.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_misspellings

typed, meant = load_misspellings(n_words=2400, random_state=0, return_X_y=True)
typed, meant = np.array(typed, dtype=object), np.array(meant, dtype=object)
plain = np.array([word.isascii() and word.islower() for word in meant])
typed, meant = typed[plain], meant[plain]
dictionary = sorted(set(meant))
new_words = np.random.default_rng(0).choice(dictionary, 250, replace=False)
new = np.isin(meant, new_words)
print(f"{(~new).sum()} pairs to learn from, {new.sum()} new, {len(dictionary)} words")

model = Seq2SeqTransformer(
    hidden_size=64,
    embedding_size=32,
    learning_rate=0.004,
    batch_size=16,
    max_epochs=8,
    copy=True,
    attention="general",  # learns to copy sooner
    random_state=0,
)
model.fit(typed[~new], meant[~new])
scores = {"free": model.score(typed[new], meant[new])}

# %%
# **A closed set.** `allowed_outputs` is compiled to a trie, and every prediction is one
# of its members. A beam lets them compete.
model.set_params(allowed_outputs=dictionary, beam_width=5)
corrected = model.predict(typed[new])
assert set(corrected) <= set(dictionary)
scores["from the dictionary"] = np.mean(corrected == meant[new])

# %%
# **A prefix for each row.** Someone has already typed the beginning of the right word.
# The answer begins with exactly that, and the model does the rest.
model.set_params(allowed_outputs=None)
for n in (2, 4):
    beginnings = [word[:n] for word in meant[new]]
    completed = model.predict(typed[new], prefix=beginnings)
    scores[f"with its first {n} letters"] = np.mean(completed == meant[new])
for name, score in scores.items():
    print(f"{name:<26}{score:>7.1%}")

# %%
# **Banned tokens, and no repeats.** The same model, with a broken keyboard and a horror
# of writing any letter twice.
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
ax.set(xlabel="share of misspellings corrected", title="Words not in the lesson")
plt.show()
