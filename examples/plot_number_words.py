"""
How many examples does counting take?
=====================================

French says *quatre-vingt-dix-sept*, four twenties ten seven; Danish puts the ones
before the tens and counts these in half twenties; English does neither. A model that
reads numbers in words and writes them in digits has to find such rules in examples.

The share of right numbers rises steeply with the number of training pairs, latest in
French. It falls to nothing for numbers of one more digit than any in training: the
model has learned how such numbers are said, not how counting goes on.
"""

# %%
# Numbers below 10,000, written in words by the package num2words: the same numbers in
# every language.
import matplotlib.pyplot as plt

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_number_words

LANGUAGES = {"en": "English", "da": "Danish", "fr": "French"}
SIZES = [50, 100, 200]
numbers = {
    code: make_number_words(
        700, language=code, high=10_000, random_state=0, return_X_y=True
    )
    for code in LANGUAGES
}
for code, (X, y) in numbers.items():
    print(f"{y[0]}  {LANGUAGES[code]:<8} {X[0]}")

# %%
# All fits take the same number of steps, so more pairs do not mean more training.
scores, models = {}, {}
for code, (X, y) in numbers.items():
    model = Seq2SeqTransformer(
        hidden_size=48,  # small, for speed, with a higher learning rate
        embedding_size=24,
        dropout=0.2,
        label_smoothing=0.0,
        batch_size=8,
        learning_rate=0.005,
        random_state=0,
    )
    scores[code] = []
    for size in SIZES:
        model.set_params(max_epochs=5000 // size).fit(X[:size], y[:size])
        scores[code].append(model.score(X[300:], y[300:]))
    models[code] = model
    print(f"{LANGUAGES[code]:<8}", *(f"{score:6.1%}" for score in scores[code]))

# %%
# With 400 numbers a share has a standard error of up to 2.5 points, and another
# `random_state` changes it by more. So the rise from 50 on is certain, the order of
# close languages is not.
#
# The models of 200 examples get no larger number right:
for code, model in models.items():
    X, y = make_number_words(
        200, language=code, low=10_000, high=100_000, random_state=0, return_X_y=True
    )
    model.set_params(max_length=8)
    print(
        f"{LANGUAGES[code]:<8}{model.score(X, y):6.1%}, for instance "
        f"{model.predict(X[:1])[0]} for {y[0]}"
    )

# %%
_, ax = plt.subplots(layout="constrained")
for code, shares in scores.items():
    ax.plot(SIZES, shares, marker="o", label=LANGUAGES[code])
ax.set(
    xlabel="numbers in training",
    ylabel="share of new numbers wholly right",
    title="Numbers below 10,000, from words to digits",
    xticks=SIZES,
    ylim=(0, 1),
)
ax.legend()
plt.show()
