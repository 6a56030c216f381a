"""
What is wrong with a lexicon
============================

Pronouncing dictionaries are written by hand, and 134,000 entries are never all right. A
model with hard attention is trained on a part of the CMU dictionary. For every other
entry it says how probable each phone is and which letter it comes from. Look at the
least probable ones.
"""

# %%
# Train on some entries, and judge others. Attention that never goes back suits
# spelling, since sounds follow their letters.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations
from sklearn_seq2seq.inspection import AlignmentDisplay

words, phones = load_pronunciations(n_words=4000, random_state=0, return_X_y=True)
learned, judged = slice(0, 2400), slice(2400, None)
model = Seq2SeqTransformer(
    target_vectorizer=SequenceVectorizer(analyzer="word"),
    attention="hard",
    monotonic=True,
    hidden_size=64,  # small, for speed, with a higher learning rate
    embedding_size=32,
    learning_rate=0.004,
    max_epochs=12,
    random_state=0,
).fit(words[learned], phones[learned])

# %%
# One row for each phone: the letter it comes from, how sure that is, and how probable
# the phone itself is, given the word and the phones before. The two differ: an
# improbable phone often comes from one letter with certainty.
X, y = words[judged], phones[judged]
table = model.align(X, y)
table["probability_of_phone"] = np.exp(
    # Without the end of each target, which is no phone.
    np.concatenate([row[:-1] for row in model.log_likelihood(X, y, per_token=True)])
)
print(table.head(8).round(3).to_string(index=False))

# %%
# The phones of four letters that have many.
for letter in "aces":
    spoken = table.loc[table["source_token"] == letter, "target_token"]
    print(letter, spoken.value_counts().head(5).to_dict())

# %%
# The entries with the least probable phones are of four kinds:
#
# - plain mistakes: "zaremski" has lost its M and the vowel before it, "unzicker" begins
#   with AO N, "siese" ends in S;
# - abbreviations that are spelled, "cmu", "cb" and "kcop", which belong in another
#   list;
# - names from other languages, "lefrancois" and "dzokhar";
# - English as it is, "mortgage" and "colonels".
worst = table.sort_values("probability_of_phone").drop_duplicates("row").head(15)
for row in worst.itertuples():
    print(
        f"{X[row.row]:<16}{y[row.row]:<34}"
        f"{row.source_token} as {row.target_token}: {row.probability_of_phone:.1e}"
    )

# %%
# Three of them, with the model's alignment. Faint lines are unsure.
figure, axes = plt.subplots(3, figsize=(6, 6), layout="constrained")
for ax, row in zip(axes, worst["row"], strict=False):
    AlignmentDisplay.from_estimator(model, X, y, row=row, ax=ax)
    ax.set_title(f"{X[row]} as {y[row]}")
