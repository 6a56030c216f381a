"""
Does it help to ask the encoder which tokens the target has?
============================================================

A grid search over ``encoder_loss_weight``, alpha in ``alpha * L_enc + (1 - alpha) *
L_dec``, with and without attention. Every candidate trains on the same pairs and is
scored on the same held-out tenth: by the perplexity of the references, in which L_enc
has no part, by exact match, and by chrF (``pip install 'sklearn_seq2seq[metrics]'``).

Without arguments the task is to sort digits. With ``--data FOLDER`` it is translation:
the folder has two files of one sentence a line, the same line being the same sentence,
named like ``train.de.gz`` and ``train.en.gz`` (``--languages de en``)::

    python examples/encoder_loss_grid.py --data multi30k --pairs 5000
"""

import argparse
import gzip
import time
from itertools import islice
from pathlib import Path

import numpy as np
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import make_sort
from sklearn_seq2seq.metrics import chrf_score, exact_match_score, perplexity


def read_sentences(folder, language, n_sentences):
    """First sentences of the training file of a language, compressed or not."""
    (path,) = sorted(Path(folder).glob(f"train.{language}*"))
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in islice(file, n_sentences)]


def evaluate(model, X, y):
    """Scores of one fitted candidate on held-out pairs."""
    predictions = model.predict(X)
    n_tokens = np.diff(model.target_vectorizer_.transform(y).indptr) + 1
    return {
        "neg_perplexity": -perplexity(model.log_likelihood(X, y), n_tokens),
        "exact_match": exact_match_score(y, predictions),
        "chrf": chrf_score(y, predictions),
    }


parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
parser.add_argument("--data", help="folder of parallel text; digits to sort without")
parser.add_argument("--languages", nargs=2, default=["de", "en"])
parser.add_argument("--pairs", type=int, default=5000)
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--alphas", nargs="+", type=float, default=[0.0, 0.1, 0.3, 0.5])
args = parser.parse_args()

if args.data:
    X, y = (read_sentences(args.data, name, args.pairs) for name in args.languages)
    vectorizer = SequenceVectorizer(analyzer="word", lowercase=True, min_df=2)
else:
    X, y = make_sort(
        args.pairs,
        max_length=12,
        alphabet="0123456789",
        random_state=0,
        return_X_y=True,
    )
    vectorizer = SequenceVectorizer()

search = GridSearchCV(
    Seq2SeqTransformer(
        source_vectorizer=vectorizer,
        target_vectorizer=vectorizer,
        hidden_size=128,  # small, for speed, with a higher learning rate
        embedding_size=128,
        batch_size=64,
        learning_rate=0.003,
        max_epochs=args.epochs,
        random_state=0,
    ),
    {"attention": [None, "general"], "encoder_loss_weight": args.alphas},
    scoring=evaluate,
    refit=False,
    cv=ShuffleSplit(1, test_size=0.1, random_state=0),
    error_score="raise",
)
start = time.perf_counter()
search.fit(X, y)

print(f"{len(X)} pairs, {args.epochs} epochs, {time.perf_counter() - start:.0f} s")
print("attention    alpha  perplexity   exact   chrF  fit s")
results = search.cv_results_
for k, params in enumerate(results["params"]):
    print(
        f"{params['attention'] or 'none':<12}{params['encoder_loss_weight']:>6}"
        f"{-results['mean_test_neg_perplexity'][k]:>12.2f}"
        f"{results['mean_test_exact_match'][k]:>8.1%}"
        f"{results['mean_test_chrf'][k]:>7.1f}"
        f"{results['mean_fit_time'][k]:>7.1f}"
    )
