"""
Tuning vocabulary and network together
======================================

The best tokens and the best size of a network depend on each other. So one grid search
varies the analyzer, the size of its vocabulary and the size of the network. The task is
to correct misspellings of English words.

Characters beat subwords, and the larger network beats the smaller. The most similar
word of a list of right words, which needs no training, beats them all.

It needs ``pip install 'sklearn_seq2seq[datasets,metrics,plot,subword]'``.
"""

from matplotlib import pyplot as plt
from sklearn.model_selection import GridSearchCV, ShuffleSplit, train_test_split

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import load_misspellings
from sklearn_seq2seq.inspection import (
    AttentionDisplay,
    EditConfusionDisplay,
    HistoryDisplay,
    LengthErrorDisplay,
)
from sklearn_seq2seq.metrics import get_scorer, sequence_report

# %%
# The data
# --------
X, y = load_misspellings(n_words=1_500, random_state=0, return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=300, random_state=0)
for pair in zip(X_train[:3], y_train[:3], strict=True):
    print(*pair, sep=" -> ")

# %%
# The search
# ----------
# Two underscores lead to the parameters of the vectorizers. A vocabulary of subwords
# has at least the 256 bytes. The scorer is the share of characters that have to be
# edited.
model = Seq2SeqTransformer(
    source_vectorizer=SequenceVectorizer(),
    target_vectorizer=SequenceVectorizer(),
    random_state=0,
)
sizes = {"hidden_size": [48, 96]}  # small, for speed
search = GridSearchCV(
    model,
    [
        {
            "source_vectorizer__analyzer": ["char"],
            "source_vectorizer__max_features": [None],
            **sizes,
        },
        {
            "source_vectorizer__analyzer": ["subword"],
            "source_vectorizer__max_features": [300, 600],
            **sizes,
        },
    ],
    scoring=get_scorer("neg_char_error_rate"),
    cv=ShuffleSplit(1, test_size=0.2, random_state=0),
    refit=False,
    n_jobs=2,
)
search.fit(X_train, y_train)
print(f"{'analyzer':<10}{'vocabulary':>11}{'hidden_size':>13}{'error rate':>12}")
for params, score in zip(
    search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
):
    print(
        f"{params['source_vectorizer__analyzer']:<10}"
        f"{params['source_vectorizer__max_features'] or 'all':>11}"
        f"{params['hidden_size']:>13}{-score:>12.3f}"
    )

# %%
# What the best one does
# ----------------------
# The best candidate is trained again; a tenth of the pairs says when it is to stop.
best = model.set_params(**search.best_params_, early_stopping=True)
best.fit(X_train, y_train)
y_pred = best.predict(X_test)
print(sequence_report(y_test, y_pred, unit="char"))
floor = DummySeq2Seq(strategy="closest", allowed_outputs=load_misspellings().target)
floor.fit(X_train, y_train)
print(f"floor, the most similar word of a list: {floor.score(X_test, y_test):.2f}")

# %%
# Most errors are one or two letters, but one is enough to make a word wrong. Where all
# right words are known, take the most similar of them if, as here, training lacks most
# of the words. Where training has several misspellings of each word, a network with
# `allowed_outputs` and a beam beats the most similar word:
# :doc:`/guide/correct_against_a_list`. The errors in pictures:
figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
HistoryDisplay.from_estimator(best, ax=axes[0, 0])
LengthErrorDisplay.from_predictions(y_test, y_pred, unit="char", ax=axes[0, 1])
EditConfusionDisplay.from_predictions(
    y_test, y_pred, unit="char", top=12, ax=axes[1, 0]
)
AttentionDisplay.from_estimator(best, X_test[:1], ax=axes[1, 1])
titles = "Training", "Long words and short ones", "What is edited", "Attention"
for ax, title in zip(axes.flat, titles, strict=True):
    ax.set_title(title)
plt.show()
