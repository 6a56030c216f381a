"""
What a model thinks of a given pair
===================================

`predict` gives the best target for a source; `log_likelihood` gives the probability of
any target. Use it to rank candidates from elsewhere, to compare models by perplexity,
and to find wrong pairs in the training data.
"""

# %%
# Words and their pronunciations. Forty of them are wrong: they have the phones of
# another word.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import KFold

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations
from sklearn_seq2seq.metrics import perplexity

words, phones = load_pronunciations(n_words=1200, random_state=0, return_X_y=True)
words, phones = np.array(words, dtype=object), np.array(phones, dtype=object)
rng = np.random.default_rng(0)
wrong = rng.choice(len(words), 40, replace=False)
noisy = phones.copy()
noisy[wrong] = phones[np.roll(wrong, 1)]

model = Seq2SeqTransformer(
    # The smallest training set below lacks a phone.
    target_vectorizer=SequenceVectorizer(analyzer="word", handle_unknown="silent"),
    hidden_size=96,  # small, for speed
    random_state=0,
)

# %%
# Label errors. A model that has not seen a pair judges it, for each phone, so that long
# words are not suspect only because they are long. The least likely come first.
surprise = np.empty(len(words))
n_tokens = np.array([len(p.split()) + 1 for p in noisy])
for seen, held in KFold(3, shuffle=True, random_state=0).split(words):
    model.fit(words[seen], noisy[seen])
    likely = model.log_likelihood(words[held], noisy[held])
    surprise[held] = -likely / n_tokens[held]
suspects = np.argsort(-surprise)
found = np.isin(suspects, wrong)
print(f"of the {len(wrong)} wrong pairs, {found[:40].sum()} are among the 40 most")
print(f"suspect of {len(words)}, and {found[:80].sum()} among the 80 most suspect")
for row in suspects[:5]:
    print(f"  {words[row]:<14}{noisy[row]:<32}{'wrong' if row in wrong else ''}")

# %%
# Perplexity: among how many equally likely phones would a model be as undecided? It
# says more than the share of right words if few words are right. Here it shows what
# more training pairs are worth. The floor is the phones of the nearest word.
_, held = next(KFold(3, shuffle=True, random_state=2).split(words))
seen = np.setdiff1d(np.arange(len(words)), held)
for n in (300, len(seen)):
    model.fit(words[seen[:n]], phones[seen[:n]])
    likely = model.log_likelihood(words[held], phones[held])
    positions = [len(p.split()) + 1 for p in phones[held]]
    floor = DummySeq2Seq(strategy="nearest").fit(words[seen[:n]], phones[seen[:n]])
    print(
        f"{n:>5} pairs: perplexity {perplexity(likely, positions):.2f}, "
        f"{model.score(words[held], phones[held]):.1%} right, "
        f"floor {floor.score(words[held], phones[held]):.1%}"
    )

# %%
# Re-ranking. The model can choose among candidates from any source. Here it has to find
# a word's own phones among those of five words that begin alike, where chance finds one
# in five.
ordered = held[np.argsort(words[held])]
groups = [ordered[k : k + 5] for k in range(0, len(ordered) - 4, 5)]
sources = [words[row] for group in groups for row in group for _ in group]
candidates = [phones[row] for group in groups for _ in group for row in group]
scores = model.log_likelihood(sources, candidates).reshape(-1, 5)
truth = np.tile(np.arange(5), len(groups))
print(f"found among five alike: {np.mean(scores.argmax(axis=1) == truth):.1%}")

# %%
# The log-probability of each token shows where a pair is improbable.
row = suspects[0]
(steps,) = model.log_likelihood([words[row]], [noisy[row]], per_token=True)
figure, (ax, bars) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
n_looked = 200
ax.plot(np.arange(n_looked) + 1, np.cumsum(found[:n_looked]))
ax.set(xlabel="pairs looked at", ylabel="wrong pairs found", title="Label errors")
names = [*noisy[row].split(), "end"]
bars.bar(range(len(names)), -steps)
bars.set_xticks(range(len(names)), names)
bars.set(ylabel="surprise, nats", title=f"{words[row]!r} as {noisy[row]!r}")
plt.show()
