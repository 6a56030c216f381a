"""
When to trust a prediction
==========================

A wrong correction does harm; no correction does none. Every prediction has a
probability, that of its whole sequence. Can it be believed? A calibrated model is right
in 70 % of the rows to which it gives 0.7. Here this is measured on held-out
misspellings, and the model abstains where it is not sure enough.

The share of right corrections rises with the confidence, and an ensemble that is sure
is right more often than one network. The most similar word of a list corrects more
misspellings, but it does not say which of its answers are wrong.
"""

# %%
# Training has misspellings of the 300 words that are misspelt in most ways. One in five
# of the held-out misspellings is of another word. One part trains the model, another
# chooses the threshold, a third is for the report.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqEnsemble, Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_misspellings

typed, meant = load_misspellings(return_X_y=True)
plain = np.char.isalpha(meant.astype(str)) & np.char.islower(typed.astype(str))
typed, meant = typed[plain], meant[plain]
_, word, n_ways = np.unique(meant.astype(str), return_inverse=True, return_counts=True)
common = np.isin(word, np.argsort(-n_ways, kind="stable")[:300])

rng = np.random.default_rng(0)
known = rng.permutation(np.flatnonzero(common))[:2300]
strange = rng.permutation(np.flatnonzero(~common))[:200]
train = known[:1500]
chosen = np.concatenate([known[1500:1900], strange[:100]])
new = np.concatenate([known[1900:], strange[100:]])
for row in new[:3]:
    print(typed[row], "->", meant[row])

member = Seq2SeqTransformer(
    hidden_size=96,  # small, for speed
    label_smoothing=0.0,  # label smoothing makes a model less sure than it is right
)
ensemble = Seq2SeqEnsemble(member, n_estimators=3, random_state=0)
ensemble.fit(typed[train], meant[train])
single = ensemble.estimators_[0]

# %%
# The floor is the most similar word: of those in training, or of a list of all right
# words.
dictionary = sorted(set(meant))
known_words = np.isin(meant[new], meant[train])
floors = {
    "most similar in training": DummySeq2Seq(strategy="closest"),
    "most similar of all": DummySeq2Seq(strategy="closest", allowed_outputs=dictionary),
}
print(f"{'share right':<26}{'all':>6}{'in training':>13}")


def show(name, y_pred):
    right = y_pred == meant[new]
    print(f"{name:<26}{right.mean():>6.2f}{right[known_words].mean():>13.2f}")


for name, floor in floors.items():
    show(name, floor.fit(typed[train], meant[train]).predict(typed[new]))
show("one network", single.predict(typed[new]))
show("ensemble of three", ensemble.predict(typed[new]))
letters = set("".join(meant[train]))  # the network cannot write others
writable = [word for word in dictionary if letters.issuperset(word)]
ensemble.set_params(allowed_outputs=writable, beam_width=5)
show("ensemble, list and beam", ensemble.predict(typed[new]))

# %%
# The most similar word of the list wins: the ensemble writes few words that training
# lacks. On words that training has, list and beam bring the ensemble up to the floor;
# a larger network on more pairs is above it: :doc:`/guide/correct_against_a_list`. Here
# the networks answer freely, and we ask when they are right.
#
# The reliability table: predictions in bins of confidence, and how many of each bin are
# right. A positive `gap` is too much confidence, a negative one too little; the mean of
# its size, weighted by the rows, is the expected calibration error.
ensemble.set_params(allowed_outputs=None, beam_width=1)


def reliability(model, rows, edges=(0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)):
    confidence = model.predict_confidence(typed[rows])
    right = model.predict(typed[rows]) == meant[rows]
    bins = np.digitize(confidence, edges[1:-1])
    table = [
        (
            edges[k],
            edges[k + 1],
            mine.sum(),
            confidence[mine].mean(),
            right[mine].mean(),
        )
        for k in range(len(edges) - 1)
        if (mine := bins == k).any()
    ]
    return confidence, right, table


tables = {}
for name, model in (("one network", single), ("ensemble of three", ensemble)):
    _, _, tables[name] = reliability(model, new)
    print(f"\n{name}\n{'confidence':>12}{'rows':>6}{'mean':>8}{'right':>8}{'gap':>8}")
    for low, high, n, mean, right in tables[name]:
        figures = "".join(f"{x:>8.2f}" for x in (mean, right, mean - right))
        print(f"{low:>5.1f} to {high:.1f}{n:>6}{figures}")
    error = sum(n * abs(mean - right) for _, _, n, mean, right in tables[name])
    print(f"expected calibration error: {error / len(new):.3f}")

# %%
# Abstention: choose on held-out rows the lowest threshold above which at least 90 % of
# the predictions are right. Is the same true of the new rows?
confidence, right, _ = reliability(ensemble, chosen)
order = np.argsort(-confidence)
precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
enough = np.flatnonzero(precision >= 0.9)
threshold = float(confidence[order[enough[-1]]]) if len(enough) else 1.0

ensemble.set_params(min_confidence=threshold, abstain=None)
y_pred = ensemble.predict(typed[new])
said = np.array([prediction is not None for prediction in y_pred])
print(f"\nthreshold {threshold:.2f}: an answer for {said.mean():.0%} of the new ones,")
print(f"of which {np.mean(y_pred[said] == meant[new][said]):.0%} are right")

# %%
ensemble.set_params(min_confidence=0.0)
confidence, right, _ = reliability(ensemble, new)
order = np.argsort(-confidence)
covered = np.arange(1, len(order) + 1) / len(order)
figure, (ax, curve) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
ax.plot([0, 1], [0, 1], color="grey", linestyle=":", label="calibrated")
for name, table in tables.items():
    ax.plot([row[3] for row in table], [row[4] for row in table], "o-", label=name)
ax.set(xlabel="confidence", ylabel="share right", title="Reliability")
ax.legend()
curve.plot(covered, np.cumsum(right[order]) / np.arange(1, len(order) + 1))
curve.axvline(said.mean(), color="grey", linestyle=":")
curve.set(
    xlabel="share of misspellings answered", ylabel="share right", title="Abstention"
)
plt.show()
