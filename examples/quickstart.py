"""
Learn to pronounce English
==========================

Train on words of the CMU Pronouncing Dictionary, then pronounce words that are new.
Strings go in, phones come out. Run it with ``make quickstart``, or
``python examples/quickstart.py``.
"""

import matplotlib.pyplot as plt
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import Pipeline

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_pronunciations, make_dates
from sklearn_seq2seq.inspection import AttentionDisplay
from sklearn_seq2seq.metrics import exact_match_score, token_error_rate

N_WORDS = 10_000
N_TEST = 2_000
N_DATES, N_SHOWN = 400, 3

# %%
# Words in, phones out. A phone such as "OW" is one token of the target.
words, phones = load_pronunciations(n_words=N_WORDS, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    words, phones, test_size=N_TEST, random_state=0
)
print(f"{len(X_train)} words for training, {len(X_test)} others for the test")

model = Seq2SeqTransformer(
    target_vectorizer=SequenceVectorizer(analyzer="word"),
    hidden_size=128,  # small, for speed: 192 units and 30 epochs are the defaults
    batch_size=64,
    max_epochs=10,
    random_state=0,
    verbose=1,
)
model.fit(X_train, y_train)
y_pred = model.predict(X_test)

# %%
# How good is it? The floor copies the pronunciation of the most similar word.
floor = DummySeq2Seq(strategy="nearest").fit(X_train, y_train).predict(X_test)
print(f"\n{'on new words':<28}{'model':>8}{'floor':>8}")
for name, score in [
    ("wholly right", exact_match_score),
    ("phone error rate", token_error_rate),
]:
    ours, theirs = score(y_test, y_pred), score(y_test, floor)
    print(f"{name:<28}{ours:>8.1%}{theirs:>8.1%}")

print(f"\n{'word':<16}{'predicted':<32}dictionary")
for word, predicted, true in zip(X_test[:10], y_pred[:10], y_test[:10], strict=True):
    print(f"{word:<16}{predicted:<32}{'right' if predicted == true else true}")

# %%
# A search can tune every part of a Pipeline. Dates in many forms, such as "3/5/09" or
# "Thursday, March 5, 2009", need fewer pairs than English spelling.
dates, iso = make_dates(N_DATES, random_state=0, return_X_y=True)
pipeline = Pipeline(
    [
        ("source", SequenceVectorizer()),
        # Small, for speed.
        ("seq2seq", Seq2SeqTransformer(embedding_size=64, random_state=0)),
    ]
)
search = GridSearchCV(
    pipeline,
    {"seq2seq__bidirectional": [False, True], "seq2seq__hidden_size": [32, 64]},
    cv=2,
    n_jobs=2,
)
search.fit(dates[N_SHOWN:], iso[N_SHOWN:])
print(f"\nsearched on {N_DATES - N_SHOWN} dates:")
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(f"  {score:6.1%} wholly right with {params}")
print(
    "the best says:",
    dict(zip(dates[:N_SHOWN], search.predict(dates[:N_SHOWN]), strict=True)),
)

# %%
# Where the first model looks in a word (along the bottom) while it writes each phone
# (from top to bottom).
print("phoneme is", *model.predict(["phoneme"]))
display = AttentionDisplay.from_estimator(model, ["phoneme"])
display.ax_.set_title("Where the phones of a word come from")
plt.show()
