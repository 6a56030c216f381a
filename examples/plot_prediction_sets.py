"""
Sets that hold the truth nine times in ten
==========================================

"3/5/09" is the fifth of March in the US and the third of May in Britain. Where people
of both write, no model can know which one is meant, but it can give both. A prediction
set has as many of the n best hypotheses as it takes to hold the true target as often as
you ask, and the guarantee does not depend on the model: it is calibrated on pairs that
the model has not seen.

One should see sets of one for "March 5, 2009" and of two for "3/5/09", and a coverage
that is about what was asked for, at all levels above the share of dates for which the
best hypothesis is right. Adding hypotheses up to the probability asked for, without
calibration, should cover more or less than that.
"""

# %%
# A small model of some hundred dates, which makes mistakes, is fitted on a part of the
# pairs. It is calibrated once; any coverage can then be asked for.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.frozen import FrozenEstimator

from sklearn_seq2seq import ConformalSeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_dates

X, y = make_dates(2600, locales=("en", "en_GB"), random_state=0, return_X_y=True)
model = Seq2SeqTransformer(
    hidden_size=64, learning_rate=0.005, max_epochs=20, random_state=0
)
model.fit(X[:600], y[:600])
sets = ConformalSeq2Seq(FrozenEstimator(model), n_best=20).fit(X[600:1600], y[600:1600])
X_new, y_new = X[1600:], y[1600:]
print(f"{sets.score(X_new, y_new):.0%} of new dates are right; of the n-best lists")
print(f"at least {sets.max_coverage_:.0%} hold the true one\n")

for text in ("March 5, 2009", "3/5/09", "3/15/09"):
    table = sets.predict_set([text], coverage=0.9)
    shown = zip(table["sequence"], table["probability"], strict=True)
    print(text, "->", ", ".join(f"{date} ({p:.2f})" for date, p in shown))

# %%
# Coverage and size at several levels, on dates that neither fit nor calibration has
# seen, beside sets whose probabilities add up to the level.
nbest = model.predict_nbest(X_new, 20)
before = nbest.groupby("row")["probability"].cumsum() - nbest["probability"]


def figures(table):
    held = table.groupby("row")["sequence"].agg(set)
    covered = [date in some for date, some in zip(y_new, held, strict=True)]
    return np.mean(covered), held.map(len).mean()


levels = [0.6, 0.7, 0.8, 0.85, 0.9, 0.93]
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
