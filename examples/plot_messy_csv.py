"""
From a messy CSV to a saved model
=================================

Amounts were typed by hand: "EUR 1.234,50", "£1,234.50", "1.2k €". A colleague has
brought a quarter of them into one form, with some mistakes. A model learns from these
rows, finds the mistakes, fills in the other rows, and says which ones a person should
look at. All of it takes a minute. Put your own file in the place of this one.
"""

# %%
# The file
# --------
# It has what such files have: American and European separators, empty cells, trailing
# blanks, repeated rows, notes that are no amounts, and wrong answers among the right
# ones. `truth` keeps the right answers, to check the results with.
import tempfile
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, export_onnx, load, runtime
from sklearn_seq2seq.inspection import AlignmentDisplay, audit_pairs
from sklearn_seq2seq.metrics import sequence_report

N_ROWS, N_CLEANED = 3000, 800
FORMS = (
    "{code} {n:,.2f}|{n:,.2f} {code}|{n:.2f} {code}|{n:,.2f} {word}|{sign}{n:,.2f}|"
    "{sign} {n:.2f}|{n:.2f}{sign}|{sign}{n:,.0f}|{n:.0f} {word}|{n:.0f},- {sign}|"
    "{n:,.0f} {code}|{k:.1f}k {sign}"
)
CURRENCIES = {"EUR": ("€", "Euro"), "USD": ("$", "dollars"), "GBP": ("£", "pounds")}
NOTES = ["see e-mail", "paid", "200 or 300 EUR", "to be discussed", "approx. 1200 £"]
rng = np.random.default_rng(0)


def make_pair():
    """Write an amount as somebody would, and as it should be."""
    form, code = rng.choice(FORMS.split("|")), rng.choice(list(CURRENCIES))
    sign, word = CURRENCIES[code]
    n = 10 ** rng.uniform(2, 4.5)
    n = round(n, -2 if "k" in form else 0 if ".0f" in form else 2)
    written = form.format(n=n, k=n / 1000, code=code, sign=sign, word=word)
    if rng.random() < 0.5:
        written = written.translate(str.maketrans(",.", ".,"))
    return written, f"{n:.2f} {code}"


def spoil(label):
    """Make a mistake, as somebody would: in the currency, or in the digits."""
    number, code = label.split()
    other = "USD" if code == "EUR" else "EUR"
    at = rng.integers(len(number) - 4)
    swapped = number[:at] + number[at + 1] + number[at] + number[at + 2 :]
    return rng.choice([f"{number} {other}", f"{swapped} {code}", f"{number}0 {code}"])


truth = pd.DataFrame([make_pair() for _ in range(N_ROWS)], columns=["amount", "clean"])
truth[::10] = truth[5::10]  # repeated rows
truth = truth.sample(frac=1, random_state=0, ignore_index=True)
table = truth.copy()
table.loc[N_CLEANED:, "clean"] = None
for column, share, where, change in [
    ("clean", 0.05, table.index < N_CLEANED, spoil),
    ("amount", 0.02, table.index >= N_CLEANED, lambda _: rng.choice(NOTES)),
    ("amount", 0.05, True, lambda text: f"{text}  "),
    ("amount", 0.02, True, lambda _: None),
]:
    some = where & (rng.random(N_ROWS) < share)
    table.loc[some, column] = table.loc[some, column].map(change)
folder = Path(tempfile.mkdtemp())
table.to_csv(folder / "amounts.csv", index=False)

# %%
# A first look
# ------------
# Read text as text, or pandas makes numbers of it. Empty cells are an error that says
# where the first one is and how many there are.
table = pd.read_csv(folder / "amounts.csv", dtype=str)
print(table.head(8))
print("\nempty cells:", table.isna().sum().to_dict())

model = Seq2SeqTransformer(
    hidden_size=64,  # small, for speed, with a higher learning rate
    learning_rate=0.004,
    max_epochs=30,
    label_smoothing=0.0,  # with it, confidence stays far below 0.9
    random_state=0,
)
try:
    model.fit(table["amount"], table["clean"])
except ValueError as error:
    print("\n" + textwrap.fill(str(error)))

# %%
# The cleaned rows are the pairs to learn from. Where two of them contradict each other,
# one must be wrong.
table["amount"] = table["amount"].str.strip()
pairs = table.dropna().drop_duplicates(["amount", "clean"])
print(len(pairs), "pairs, of which these contradict each other:")
print(pairs[pairs.duplicated("amount", keep=False)].sort_values("amount"))

# %%
# Fit and score
# -------------
# A quarter of the pairs is kept for the test. Rows of the same amount are a group and
# stay together. Simple rules, the floors, show how hard the task is.
split = GroupShuffleSplit(1, test_size=0.25, random_state=0)
rows = next(split.split(pairs, groups=pairs["amount"]))
train, test = pairs.iloc[rows[0]], pairs.iloc[rows[1]]
model.fit(train["amount"], train["clean"])
predicted = model.predict(test["amount"])
for strategy in ("copy", "nearest", "suffix"):
    floor = DummySeq2Seq(strategy=strategy).fit(train["amount"], train["clean"])
    print(f"{strategy:<10}{floor.score(test['amount'], test['clean']):.1%} right")
print(f"{'the model':<10}{model.score(test['amount'], test['clean']):.1%} right\n")
print(sequence_report(test["clean"], predicted, unit="char", top=3))

# %%
# Look at the errors before you change the model. In these rows it is mostly the label
# that is wrong.
print(test.assign(predicted=predicted)[predicted != test["clean"]])

# %%
# Find the wrong labels
# ---------------------
# Every label is judged by a model that has not seen it. Its score is low if a character
# of it is improbable, and lower if several are.
audit = audit_pairs(model, pairs["amount"], pairs["clean"], cv=3)
audit.index = pairs.index[audit["row"]]
suspects = audit[audit["score"] < 0.1]
print(suspects.drop(columns=["row", "log_likelihood"]).head(8))

wrong = audit["target"] != truth["clean"][audit.index]
found = wrong[suspects.index].sum()
print(f"\n{len(suspects)} of {len(audit)} labels have a score below 0.1.")
print(f"{found} of these are wrong, of {wrong.sum()} wrong ones in all.")

# %%
# The most doubtful labels, and which of them are wrong. Below the line a person looks.
_, ax = plt.subplots(layout="constrained")
for name, some, marker in [("right", ~wrong, "."), ("wrong", wrong, "x")]:
    ax.semilogy(np.flatnonzero(some), audit["score"][some], marker, label=name)
ax.axhline(0.1, color="grey", linestyle=":")
ax.set(xlabel="labels, the most doubtful first", ylabel="score", xlim=(-2, 100))
ax.set_title("The most doubtful labels")
ax.legend()
plt.show()

# %%
# A person looks at the suspects and corrects them; here the truth does. The model is
# fitted again.
pairs.loc[suspects.index, "clean"] = truth["clean"][suspects.index]
train, test = pairs.iloc[rows[0]], pairs.iloc[rows[1]]
model.fit(train["amount"], train["clean"])
right = model.predict(test["amount"]) == test["clean"]
sure = model.predict_confidence(test["amount"]) >= 0.9
print(f"{right.mean():.1%} of the test rows are right;")
print(f"{sure.mean():.1%} of them have a confidence of 0.9 or more,")
print(f"and {right[sure].mean():.1%} of these are right.")

# %%
# Which character of an answer comes from which one of the amount? Nobody told the model
# what a dot or a comma means.
display = AlignmentDisplay.from_estimator(model, ["EUR 12.345,60"])
display.ax_.set_title("Where an answer comes from")
plt.show()

# %%
# Fill in the rest
# ----------------
# The answers go back into the file, each with its confidence. A person looks at the
# rows below 0.9.
new = table.index[table["clean"].isna() & table["amount"].notna()]
table.loc[new, "clean"] = model.predict(table["amount"][new])
table.loc[new, "confidence"] = model.predict_confidence(table["amount"][new])
table.to_csv(folder / "cleaned.csv", index=False)

filled = table.loc[new].sort_values("confidence")
sure = filled["confidence"] >= 0.9
right = filled["clean"] == truth["clean"][filled.index]
right &= ~filled["amount"].isin(NOTES)
print(f"{sure.sum()} rows are filled in, {(sure & ~right).sum()} of them wrongly;")
print(f"{(~sure).sum()} are left to a person, {right[~sure].sum()} of them right:\n")
print(filled.drop_duplicates("amount").head(8))

# %%
# Most wrong answers have a low confidence; a few, at the right, do not.
_, ax = plt.subplots(layout="constrained")
kinds = [filled["confidence"][some] for some in (right, ~right)]
ax.hist(kinds, np.linspace(0, 1, 11), log=True, label=["right", "wrong"])
ax.axvline(0.9, color="grey", linestyle=":")
ax.set(xlabel="confidence", ylabel="rows", title="Rows that were filled in")
ax.legend()
plt.show()

# %%
# These few are mostly one kind of note. Confidence is about rows like those of
# training, and nobody has told the model what "or" means. Give some notes a label, such
# as "?", and fit again.
strange = filled["amount"].isin(NOTES) | (sure & ~right)
print(filled[strange].drop_duplicates("amount"))

# %%
# Save, load, export
# ------------------
# One file holds the model, and no code. Export it to predict where there is neither
# torch nor scikit-learn.
model.save(folder / "amounts.model")
again = load(folder / "amounts.model")
assert (again.predict(table["amount"][new]) == table["clean"][new]).all()

export_onnx(model, folder / "amounts.onnx.zip")
exported = runtime.load(folder / "amounts.onnx.zip")
print(exported.predict(["€ 199,90", "1.3k $", "2000.- £"]))

# %%
# Both files work from the command line as well, one row a line:
#
# .. code-block:: console
#
#    $ python -m sklearn_seq2seq predict amounts.onnx.zip --confidence < new.txt
