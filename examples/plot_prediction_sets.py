"""
Sets that hold the truth nine times in ten
==========================================

"3/5/09" is the fifth of March in the US and the third of May in Australia. Where people
of both write, no model can know which one is meant, but it can give both. A prediction
set has as many of the n best hypotheses as it takes to hold the true target as often as
you ask, and the guarantee does not depend on the model: it is calibrated on pairs that
the model has not seen.

"3/25/09" has a set of one, and dates such as "5/11/56" have sets of two. Of others,
such as "3/5/09", the model is surer than it should be, and a set of one may miss. On
average the coverage is about what was asked for, at all levels above the share of dates
whose best hypothesis is right. Hypotheses that add up to the probability asked for,
without calibration, cover what the model believes, which is another thing.
"""

# %%
# Dates of numbers alone. A small model is fitted on some of them, calibrated on others,
# once; any coverage can then be asked for.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_seq2seq import ConformalSeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_dates

X, y = make_dates(20_000, locales=("en", "en_AU"), random_state=0, return_X_y=True)
short = np.array([len(text) <= 8 for text in X])
X, y = X[short], y[short]
model = Seq2SeqTransformer(
    hidden_size=64,  # small, for speed, with a higher learning rate
    learning_rate=0.004,
    max_epochs=25,
    label_smoothing=0.0,  # so that its probabilities may add up to 1
    random_state=0,
)
model.fit(X[:1200], y[:1200])
sets = ConformalSeq2Seq(FrozenEstimator(model)).fit(X[1200:2000], y[1200:2000])
X_new, y_new = X[2000:], y[2000:]
print(f"{sets.score(X_new, y_new):.0%} of new dates are right; of the n-best lists")
print(f"at least {sets.max_coverage_:.0%} hold the true one\n")

for text in ("3/25/09", "5/11/56", "3/5/09"):
    table = sets.predict_set([text], coverage=0.95)
    shown = zip(table["sequence"], table["probability"], strict=True)
    print(text, "->", ", ".join(f"{date} ({p:.2f})" for date, p in shown))

# %%
# Coverage and size at several levels, on dates that neither fit nor calibration has
# seen, beside sets whose probabilities add up to the level.
nbest = model.predict_nbest(X_new, 10)
before = nbest.groupby("row")["probability"].cumsum() - nbest["probability"]


def figures(table):
    held = table.groupby("row")["sequence"].agg(set)
    covered = [date in some for date, some in zip(y_new, held, strict=True)]
    return np.mean(covered), held.map(len).mean()


levels = [0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
found = {"calibrated": [], "added up": []}
for level in levels:
    found["calibrated"].append(figures(sets.predict_set(X_new, coverage=level)))
    found["added up"].append(figures(nbest[before < level]))
    cells = [f"{name} {c[-1][0]:.3f}, size {c[-1][1]:.1f}" for name, c in found.items()]
    print(f"{level:.2f}: {'; '.join(cells)}")

# %%
figure, (coverage, size) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
coverage.plot(levels, levels, color="grey", linestyle=":", label="asked for")
for name, pairs in found.items():
    covered, sizes = zip(*pairs, strict=True)
    coverage.plot(levels, covered, "o-", label=name)
    size.plot(levels, sizes, "o-", label=name)
coverage.set(xlabel="asked for", ylabel="true date in the set", title="Coverage")
size.set(xlabel="asked for", ylabel="dates in a set", title="Size")
coverage.legend()
plt.show()
