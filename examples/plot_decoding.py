"""
Greedy, beam, sampling, ensemble: four ways to read one answer out of a model
=============================================================================

A fitted network gives next-token probabilities. How a sequence is made of them is
decided when you predict. So the ways below need no refit, except the last, which takes
several networks.
"""

# %%
# English words and their phones.
import matplotlib.pyplot as plt

from sklearn_seq2seq import Seq2SeqEnsemble, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations
from sklearn_seq2seq.metrics import exact_match_score, token_error_rate

words, phones = load_pronunciations(n_words=1700, random_state=0, return_X_y=True)
X, y, X_new, y_new = words[:1400], phones[:1400], words[1400:], phones[1400:]

member = Seq2SeqTransformer(
    target_vectorizer=SequenceVectorizer(analyzer="word"),
    hidden_size=64,  # small, for speed, with a higher learning rate
    embedding_size=32,
    learning_rate=0.004,
    batch_size=16,
    max_epochs=20,
)
ensemble = Seq2SeqEnsemble(member, n_estimators=3, random_state=0).fit(X, y)
model = ensemble.estimators_[0]

# %%
# Greedy decoding takes the likeliest token at every step. A beam keeps several
# beginnings, so that a token that is less likely at first can win in the end. It finds
# sequences of higher probability, which need not be right more often. An ensemble
# averages its members' probabilities at every step. With 300 words a share has a
# standard error of almost three points, so small differences are noise.
scores = {}


def report(name, y_pred):
    scores[name] = exact_match_score(y_new, y_pred)
    errors = token_error_rate(y_new, y_pred)
    print(f"{name:<24}{scores[name]:>8.1%} right{errors:>8.1%} phones wrong")


report("greedy", model.predict(X_new))
report("beam of 5", model.set_params(beam_width=5).predict(X_new))
model.set_params(beam_width=1)
drawn = model.sample(X_new, random_state=0)
report("one sample", drawn["sequence"])
report("ensemble of 3, greedy", ensemble.predict(X_new))
ensemble.set_params(beam_width=5)
report("ensemble of 3, beam of 5", ensemble.predict(X_new))

# %%
# `predict_nbest` ranks several answers. The right one is often among them.
table = ensemble.predict_nbest(X_new, n_best=5)
table["right"] = [
    y_new[row] == s for row, s in zip(table.row, table.sequence, strict=True)
]
by_rank = table.groupby("rank")["right"].sum().cumsum() / len(X_new)
print("\nright answer among the first n:", by_rank.round(3).to_list())
print(f"\n{X_new[0]!r} is {y_new[0]!r}:")
print(table[table["row"] == 0][["sequence", "probability"]].to_string(index=False))

# %%
# Sampling gives variety: for synthetic data, several readings, or an idea of what else
# the model finds possible. A lower temperature stays closer to the likeliest answer.
for temperature in (1.5, 1.0, 0.5, 0.0):
    drawn = model.sample(X_new[:1], 5, temperature=temperature, random_state=0)
    print(f"temperature {temperature}:", " | ".join(drawn["sequence"]))

# %%
figure, ax = plt.subplots(layout="constrained")
ax.barh(list(scores), list(scores.values()))
ax.invert_yaxis()
ax.set(xlabel="share of words wholly right", title="Held-out words")
plt.show()
