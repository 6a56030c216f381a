"""
Saving, loading and trusting a model
====================================

A model is fitted here and used elsewhere, next year, by someone else. A fresh process
must give the same answers as this one, a damaged file must be refused, and a user must
learn how sure an answer is.

All three are shown: equal answers, an error that names the file, and predictions that
are right far more often where the model is sure.
"""

# %%
# English words and their phones: some for training, some for later.
import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklearn_seq2seq import (
    DummySeq2Seq,
    ModelFileError,
    Seq2SeqTransformer,
    SequenceVectorizer,
    load,
)
from sklearn_seq2seq.datasets import load_pronunciations

words, phones = load_pronunciations(n_words=2500, random_state=1, return_X_y=True)
X, y, X_new, y_new = words[:2000], phones[:2000], words[2000:], phones[2000:]
model = Seq2SeqTransformer(
    target_vectorizer=SequenceVectorizer(analyzer="word"),
    hidden_size=96,  # small, for speed
    random_state=0,
)
model.fit(X, y)
floor = DummySeq2Seq(strategy="nearest").fit(X, y)
print(f"{model.score(X_new, y_new):.1%} of new words right")
print(f"{floor.score(X_new, y_new):.1%} with the phones of the nearest word")

# %%
# **Saving.** One file holds parameters, vocabularies and weights. It holds no code, and
# none is run when it is read.
folder = Path(tempfile.mkdtemp())
path = folder / "pronounce.model"
model.save(path)
weights = 4 * model.n_parameters_
print(f"{path.stat().st_size:,} bytes, {weights:,} of them weights")

# %%
# **Loading in a fresh process**, which gets nothing but the file.
program = """
import sys
from sklearn_seq2seq import load
print(*load(sys.argv[1]).predict(sys.argv[2:]), sep="\\n")
"""
some = [str(word) for word in X_new[:5]]
command = [sys.executable, "-c", program, str(path), *some]
there = subprocess.run(command, capture_output=True, text=True, check=True)
here = model.predict(some)
for word, said, also in zip(some, here, there.stdout.splitlines(), strict=True):
    print(f"{word:<14}{said:<28}{'the same there' if said == also else also}")
again = load(path)
same = again.predict_confidence(X_new) == model.predict_confidence(X_new)
print("probabilities equal to the last bit:", same.mean())

# %%
# **A changed file.** One bit of one weight is enough. The checksum finds damage. It
# does not prove who wrote a file, since a forger can forge the checksum too.
data = bytearray(path.read_bytes())
data[len(data) // 2] ^= 1
broken = folder / "broken.model"
broken.write_bytes(data)
for suspect, content in ((broken, None), (folder / "other.model", b"not a model")):
    if content is not None:
        suspect.write_bytes(content)
    try:
        load(suspect)
    except ModelFileError as error:
        print(str(error).replace(str(folder), "..."))

# %%
# **Trust.** The loaded model says how probable each of its answers is, and is right far
# more often where it is sure. `min_confidence` makes it abstain elsewhere, and is saved
# with the model. The probabilities are low because of `label_smoothing`.
confidence = again.predict_confidence(X_new)
right = again.predict(X_new) == y_new
order = np.argsort(-confidence)
for share in (0.25, 0.5, 1.0):
    surest = order[: int(share * len(order))]
    print(f"the surest {share:>4.0%}: {right[surest].mean():.1%} right")
again.set_params(min_confidence=0.3, abstain="?").save(path)
print(*load(path).predict(some), sep=" | ")

# %%
_, ax = plt.subplots(layout="constrained")
bins = np.linspace(0, 1, 11)
ax.hist(
    [confidence[right], confidence[~right]],
    bins,
    stacked=True,
    label=["right", "wrong"],
    color=["tab:blue", "tab:orange"],
)
ax.axvline(0.3, color="black", linestyle=":", label="min_confidence")
ax.set(xlabel="probability of the answer", ylabel="new words", title="Sure and right")
ax.legend()
plt.show()
