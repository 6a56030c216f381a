"""
What the encoder knows: features for a classifier, and a map of words
=====================================================================

`transform` gives the fixed-length vector that the encoder passes to its decoder. A
network that pronounces words has learned more about them than their letters. Can a
classifier use what is in the vector?

The classifier has to say how many syllables an English word has, which the encoder was
never told. The vectors beat counts of letters by five points, and the two together
beat both. Words lie beside words that begin and sound alike.
"""

# %%
# The encoder is trained on 3,000 words; 3,000 others are for the classifier. A syllable
# has one vowel, and only vowels are marked for stress in the dictionary.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from sklearn_seq2seq import (
    DummySeq2Seq,
    Seq2SeqAutoencoder,
    Seq2SeqTransformer,
    SequenceVectorizer,
)
from sklearn_seq2seq.datasets import load_pronunciations

words, stressed = load_pronunciations(
    n_words=6000, stress=True, random_state=0, return_X_y=True
)
phones = [text.translate(str.maketrans("", "", "012")) for text in stressed]
syllables = np.array([sum(c.isdigit() for c in text) for text in stressed])
pronounced, others = np.arange(3000), np.flatnonzero(syllables[3000:] <= 5) + 3000
print("words of 1, 2, ... syllables:", *np.bincount(syllables[others])[1:])

# %%
# Without attention the decoder sees nothing but the vector, so everything it needs must
# be in there. That is much for so small a network.
network = {
    "hidden_size": 96,  # small, for speed
    "random_state": 0,
}
encoder = Seq2SeqTransformer(
    target_vectorizer=SequenceVectorizer(analyzer="word"), attention=None, **network
)
encoder.fit(words[pronounced], [phones[row] for row in pronounced])
right = encoder.score(words[others], [phones[row] for row in others])
print(f"new words pronounced right: {right:.1%}")
floor = DummySeq2Seq(strategy="nearest")
floor.fit(words[pronounced], [phones[row] for row in pronounced])
right = floor.score(words[others], [phones[row] for row in others])
print(f"with the phones of the nearest word: {right:.1%}")

# %%
# An autoencoder of the same words has seen only how they are spelled.
autoencoder = Seq2SeqAutoencoder(**network).fit(words[pronounced])
print(f"new words reproduced: {autoencoder.score(words[others]):.1%}")

# %%
# Features for a classifier. In a Pipeline the encoder is frozen: otherwise it would be
# fitted again, with the classifier's answers in place of phones. (The autoencoder would
# be fitted on the classifier's few words alone.) A union joins the encoder's vectors
# with counts of one to four letters in a row. The floor, two syllables for every word,
# is right in 47 %.
vectors = make_pipeline(FrozenEstimator(encoder), StandardScaler())
spelling = make_pipeline(FrozenEstimator(autoencoder), StandardScaler())
letters = CountVectorizer(analyzer="char_wb", ngram_range=(1, 4))
features = {
    "letters": (letters, 1.0),
    "autoencoder": (spelling, 0.01),
    "encoder": (vectors, 0.01),
    "both": (make_union(vectors, letters), 0.1),
}
SIZES = [100, 300, 1000]
shares = {}
for name, (transformer, C) in features.items():
    classifier = make_pipeline(transformer, LogisticRegression(C=C, max_iter=2000))
    shares[name] = np.empty((len(SIZES), 3))
    for row, size in enumerate(SIZES):
        for seed in range(3):
            X, X_new, y, y_new = train_test_split(
                words[others], syllables[others], train_size=size, random_state=seed
            )
            shares[name][row, seed] = classifier.fit(X, y).score(X_new, y_new)
    print(f"{name:<11}", *(f"{share:7.1%}" for share in shares[name].mean(axis=1)))

# %%
# Neighbours. These are the nearest words to a few words. They mostly share beginnings
# and sounds rather than spelling, although the network pronounces only one word in
# four right.
space = vectors.transform(words)
finder = NearestNeighbors(n_neighbors=5).fit(space)
for word in ["knight", "station", "queen", "unhappy"]:
    near = finder.kneighbors(vectors.transform([word]), return_distance=False)[0]
    print(f"{word:<9}", *[words[row] for row in near if words[row] != word][:4])

# %%
# The map on the left shows the vectors' two main directions, without the words farthest
# out. Most short words lie at the top, most long ones farther down.
figure, (plane, curve) = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
points = PCA(2).fit_transform(space[others])
for n in range(1, 6):
    of_n = syllables[others] == n
    color = plt.get_cmap("viridis")((n - 1) / 4)
    plane.scatter(*points[of_n].T, s=6, color=color, label=str(n))
(left, bottom), (right, top) = np.percentile(points, [1, 99], axis=0)
plane.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
plane.set_title("New words, by the encoder's vectors")
white = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1}
for row in np.random.default_rng(0).choice(len(others), 14, replace=False):
    word = words[others[row]]
    plane.annotate(word, points[row], fontsize=9, bbox=white, annotation_clip=True)
plane.legend(title="syllables", markerscale=3)
for name, share in shares.items():
    spread = share.std(axis=1)
    curve.errorbar(SIZES, share.mean(axis=1), spread, marker="o", capsize=3, label=name)
curve.set(
    xlabel="training answers of the classifier",
    ylabel="share of words right",
    title="How many syllables?",
    xscale="log",
    xticks=SIZES,
    xticklabels=[str(size) for size in SIZES],
)
curve.minorticks_off()
curve.legend()
plt.show()
