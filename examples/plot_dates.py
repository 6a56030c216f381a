"""
Dates as people write them, and where attention looks
=====================================================

"Donnerstag, 5. März 2009", "2009年3月5日", "5 mars 2009", "3/5/09": five languages
write one day in eight forms each. The model learns to write all of them as 2009-03-05,
character by character. It is given no language, no pattern and no name of a month.

Nearly all dates of new days come out right. The only error is a date in figures, of
which it is hard to tell which number is the month. Attention jumps from the year to the
month to the day.
"""

# %%
# The forms are those of the Unicode Common Locale Data Repository, which the package
# Babel ships. No day of the test rows occurs in training.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_dates
from sklearn_seq2seq.inspection import AttentionDisplay

dates = make_dates(4000, locales=["en", "de", "fr", "fi", "ja"], random_state=0)
written, iso, locale = dates.data, dates.target, dates.locale
days = np.random.default_rng(0).permutation(np.unique(iso))
new = np.isin(iso, days[: len(days) // 5])
print(f"{(~new).sum()} dates for training, {new.sum()} of other days, such as")
for row in np.flatnonzero(new)[:6]:
    print(f"  {iso[row]}  {written[row]}")

# %%
model = Seq2SeqTransformer(
    hidden_size=64,  # small, for speed, with a higher learning rate
    embedding_size=32,
    batch_size=16,
    learning_rate=0.004,
    max_epochs=10,
    random_state=0,
)
model.fit(written[~new], iso[~new])
predicted = model.predict(written[new])
right = predicted == iso[new]
floor = DummySeq2Seq(strategy="nearest").fit(written[~new], iso[~new])
print(f"right: {right.mean():.1%}")
print(f"copying the most similar date: {floor.score(written[new], iso[new]):.1%}")
for name in np.unique(locale):
    print(f"  {name:<4}{right[locale[new] == name].mean():>7.1%}")

# %%
# The errors. English dates in figures begin with the month; German, French and Finnish
# ones begin with the day.
for row in np.flatnonzero(~right):
    print(f"{predicted[row]} for {iso[new][row]}: {written[new][row]}")

# %%
# The attention for two dates: how much the decoder looks at each character of the
# source (along the bottom) while it writes each character of the target. It looks at
# the year first, although that comes last, and at no more than a letter or two of the
# month's name. For the hyphens and the end it looks at the end of the source, the sign
# ⊣.
figure, axes = plt.subplots(2, 1, figsize=(8, 8), layout="constrained")
for ax, text in zip(axes, ["Tuesday, March 5, 2019", "5. März 2019"], strict=True):
    print(text, "is", *model.predict([text]))
    AttentionDisplay.from_estimator(model, [text], ax=ax)
    ax.set_title(text)
plt.show()
