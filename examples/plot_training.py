"""
Watching a model learn: callbacks and learning curves
=====================================================

Curves answer two questions about training. Over the epochs of one fit: does it still
improve, or does it only memorise its training pairs? Over the number of pairs: would
more of them help?

The share of right new words levels off over the epochs. Training words are right
somewhat more often than new ones. The curve over the number of pairs still rises at its
end: more pairs would help more than more epochs.
"""

# %%
# Inflected Italian words and their dictionary forms, from the package simplemma.
import warnings
from importlib.util import find_spec

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import LearningCurveDisplay, ShuffleSplit
from skorch.callbacks import Callback

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import load_lemmas
from sklearn_seq2seq.inspection import HistoryDisplay
from sklearn_seq2seq.metrics import get_scorer

X, y = load_lemmas("it", n_words=2000, random_state=0, return_X_y=True)
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
    hidden_size=64,  # small, for speed, with a higher learning rate
    embedding_size=32,
    batch_size=16,
    learning_rate=0.004,
    max_epochs=12,
    early_stopping=True,
    validation_fraction=0.2,
    n_iter_no_change=4,
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
for epoch, record in enumerate(model.history_[:, columns], start=1):
    print(f"{epoch:>5}", *(f"{figure:>18.3f}" for figure in record))

# %%
# **A learning curve** over the number of pairs is scikit-learn's own. Every size is
# tested on the same words.
model = model.set_params(early_stopping=False, callbacks=None, max_epochs=8)
if find_spec("sklearn.callback"):
    model.set_callbacks()

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
HistoryDisplay.from_estimator(model, ax=left)
LearningCurveDisplay.from_estimator(
    model,
    X,
    y,
    train_sizes=[200, 400, 800, 1600],
    cv=ShuffleSplit(2, test_size=400, random_state=0),
    score_type="both",
    score_name="share of words wholly right",
    ax=right,
)
right.set(xlabel="pairs in training")
plt.show()
