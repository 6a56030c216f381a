"""
Watching a model learn: callbacks and learning curves
=====================================================

Curves answer two questions about training. Over the epochs of one fit: does it still
improve, or does it only memorise its training pairs? Over the number of pairs: would
more of them help?

Over the epochs the share of right new words levels off, while more and more training
words are right: longer training would not help. Over the number of pairs, the share
rises from 57 % with 100 pairs to 78 % with 800, two to nine points above the floor at
every size: more pairs would help.
"""

# %%
# Inflected Italian words and their dictionary forms, from the package simplemma.
import warnings
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LearningCurveDisplay, ShuffleSplit, learning_curve
from skorch.callbacks import Callback

from sklearn_seq2seq import DummySeq2Seq, Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_lemmas
from sklearn_seq2seq.inspection import HistoryDisplay
from sklearn_seq2seq.metrics import get_scorer

X, y = load_lemmas("it", n_words=1200, random_state=0, return_X_y=True)
for form, lemma in zip(X[:3], y[:3], strict=True):
    print(form, "->", lemma)


# %%
# **skorch's callbacks** see the network at every step, epoch and gradient. They record
# into `history_`, beside the losses. This one records the norm of the gradients, after
# clipping.
class GradientNorm(Callback):
    def on_epoch_begin(self, net, **kwargs):
        self.norms_ = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        grads = [p.grad.norm() for _, p in named_parameters if p.grad is not None]
        self.norms_.append(float(sum(norm**2 for norm in grads)) ** 0.5)

    def on_epoch_end(self, net, **kwargs):
        net.history.record("gradient_norm", float(np.mean(self.norms_)))


model = Seq2SeqTransformer(
    hidden_size=96,  # small, for speed
    early_stopping=True,
    validation_fraction=0.2,
    callbacks=[GradientNorm()],
    random_state=0,
)

# %%
# **scikit-learn's callbacks** (from version 1.9) see the estimator at the end of every
# epoch, through pipelines and searches too. Its monitor scores the pairs given to
# `fit`, a fifth of which are held out here. After the first epoch some predictions do
# not end by themselves; we need no warning of that.
warnings.filterwarnings("ignore", ".*predictions were ended by max_length")
if find_spec("sklearn.callback"):
    from sklearn.callback import ScoringMonitor

    monitor = ScoringMonitor(scoring=get_scorer("exact_match"))
    model.set_callbacks(monitor)
model.fit(X, y)
if find_spec("sklearn.callback"):
    records = monitor.get_logs().data
    shares = [r["score"] for r in records if r["task_name"] == "epoch"]
    print("right, epoch by epoch, of all given:", *(f"{x:.0%}" for x in shares))

columns = ("train_loss", "valid_loss", "valid_exact_match", "gradient_norm")
print("\nepoch", *(f"{name:>18}" for name in columns))
for epoch, record in list(enumerate(model.history_[:, columns], start=1))[::3]:
    print(f"{epoch:>5}", *(f"{figure:>18.3f}" for figure in record))

# %%
# **A learning curve** over the number of pairs is scikit-learn's own. Every size is
# trained for the default number of epochs, and tested on the same words. The floor is
# the longest suffix seen in training, rewritten in the commonest way.
model = model.set_params(early_stopping=False, callbacks=None)
if find_spec("sklearn.callback"):
    model.set_callbacks()
options = {
    "train_sizes": [1 / 8, 1 / 4, 1 / 2, 1.0],
    "cv": ShuffleSplit(1, test_size=400, random_state=0),
}
sizes, trained, tested = learning_curve(model, X, y, **options)
_, _, floor = learning_curve(DummySeq2Seq(strategy="suffix"), X, y, **options)
print("pairs  trained on  new words  floor")
for size, *shares in zip(sizes, trained, tested, floor, strict=True):
    of_trained, of_new, of_floor = np.ravel(shares)
    print(f"{size:>5}{of_trained:>12.2f}{of_new:>11.2f}{of_floor:>7.2f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
HistoryDisplay.from_estimator(model, ax=left)
LearningCurveDisplay(
    train_sizes=sizes,
    train_scores=trained,
    test_scores=tested,
    score_name="share of words wholly right",
).plot(ax=right, score_type="both", std_display_style=None)
right.plot(sizes, floor, color="grey", linestyle=":", label="Floor: suffixes")
left.set_title("Over the epochs")
right.set(xlabel="pairs in training", title="Over the number of pairs")
right.legend()
plt.show()
