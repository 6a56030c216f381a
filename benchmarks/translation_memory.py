"""Translation with a memory: a network that sees the most similar pair's target.

Without ``--data`` the pairs are interface strings, split as `benchmarks.translation`
does, whose placeholders are numbered before and put back behind. ``--data`` names the
folder of Multi30k that `benchmarks.sentences` describes; its first ``--pairs`` captions
are learned from::

    python -m benchmarks.translation_memory
    python -m benchmarks.translation_memory --data multi30k --pairs 3000
    python -m benchmarks.translation_memory --split test --without

``--split val`` holds a part of the training pairs out, for choosing settings; the fit
never sees it, so that ``--split test`` fits the same model. It prints a line for each
floor, for the memory's target alone, for the network, and for the best of network and
memory. ``--without`` adds the same network that does not see the memory.
"""

import argparse
import re
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import Pipeline

from benchmarks._setting import setting
from benchmarks.sentences import read
from benchmarks.translation import kept, shared_pieces
from sklearn_seq2seq import (
    ColumnVectorizer,
    DummySeq2Seq,
    Seq2SeqTransformer,
    TranslationMemory,
)
from sklearn_seq2seq.datasets import load_ui_translations
from sklearn_seq2seq.metrics import bleu_score, chrf_score, exact_match_score

PLACEHOLDER = re.compile(
    r"%\(\w+\)[-#0+]*\d*(?:\.\d+)?[a-zA-Z]|%[-#0+]*\d*(?:\.\d+)?[diouxXeEfFgGcrs]\b"
    r"|%\d+|%%|\{\{.*?\}\}|\{[\w.!:]*\}|</?[a-zA-Z][^<>]*>|&#?\w+;"
)
LANGUAGES = ("en", "de")
TRUST = 0.4
NUMBERED = re.compile(r"⟨(\d+)⟩")


def placeholders_of(text):
    """The different placeholders of a text, in order."""
    return list(dict.fromkeys(PLACEHOLDER.findall(text)))


def number(text, placeholders):
    """Write placeholders by their number in a list."""
    return PLACEHOLDER.sub(
        lambda m: f"⟨{placeholders.index(m[0])}⟩" if m[0] in placeholders else m[0],
        text,
    )


def put_back(text, placeholders):
    """Undo `number`; a number that the list does not have is left out."""
    numbers = dict(enumerate(placeholders))
    return NUMBERED.sub(lambda m: numbers.get(int(m[1]), ""), text)


def interface_strings(split):
    """Training pairs with their groups, test pairs, what each has to keep."""
    strings = load_ui_translations()
    splitter = GroupShuffleSplit(1, test_size=0.1, random_state=0)
    rest, test = next(splitter.split(strings.data, groups=strings.groups))
    train, val = next(splitter.split(rest, groups=strings.groups[rest]))
    train, test = rest[train], test if split == "test" else rest[val]
    pairs = [(strings.data[rows], strings.target[rows]) for rows in (train, test)]
    return *pairs, strings.groups[train], strings.placeholders[test]


def captions(folder, n_pairs, split):
    """The same of Multi30k, without groups and placeholders."""
    split = "test_2016_flickr" if split == "test" else "val"
    train, test = (
        [np.array(read(folder, part, language), dtype=object) for language in LANGUAGES]
        for part in ("train", split)
    )
    return [side[:n_pairs] for side in train], test, None, [()] * len(test[0])


def make_model(vectorizer, *, memory, seed):
    """The same network with and without the memory."""
    names = ("source", "match", "similarity")
    columns = [(name, vectorizer, k) for k, name in enumerate(names)]
    model = Seq2SeqTransformer(
        source_vectorizer=ColumnVectorizer(columns) if memory else vectorizer,
        target_vectorizer=vectorizer,
        attention="additive",
        copy=True,
        hidden_size=256,
        dropout=0.4,
        max_epochs=40,
        no_repeat_ngram_size=8,
        beam_width=4,
        length_penalty=1.0,
        random_state=seed,
    )
    steps = [("match", TranslationMemory())] if memory else []
    return Pipeline([*steps, ("seq2seq", model)])


def choose(table, sources, matches, trust):
    """Of beam and match, what keeps most of the source's numbers, then the surest.

    `trust` is how sure the match is, held against the mean probability of a token.
    """
    options = [[(match, trust)] for match in matches]
    for row, target, sure in zip(
        table["row"], table["sequence"], table["mean_probability"], strict=True
    ):
        options[row].append((target, sure))
    chosen = []
    for source, candidates in zip(sources, options, strict=True):
        numbers = [tuple(NUMBERED.findall(source))]
        chosen.append(
            max(
                candidates,
                key=lambda one: (
                    kept(numbers, [NUMBERED.findall(one[0])])[0, 0],
                    one[1],
                ),
            )[0]
        )
    return chosen


def figures(y, y_pred, placeholders):
    """All figures of some predictions, as a line."""
    n_kept, n_all = kept(placeholders, y_pred).T
    found = {
        "BLEU": bleu_score(y, y_pred),
        "chrF": chrf_score(y, y_pred),
        "exact": 100 * exact_match_score(y, y_pred),
    }
    if n_all.any():
        found["placeholders"] = 100 * n_kept.sum() / n_all.sum()
        found["rows with all"] = 100 * np.mean(n_kept[n_all > 0] == n_all[n_all > 0])
    return "  ".join(f"{name} {value:.1f}" for name, value in found.items())


def main():
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of Multi30k")
    parser.add_argument("--pairs", type=int, default=3000, help="of Multi30k")
    parser.add_argument("--split", choices=["val", "test"], default="val")
    parser.add_argument("--pieces", type=int, default=2000)
    parser.add_argument("--trust", type=float, default=TRUST)
    parser.add_argument("--without", action="store_true", help="without the memory too")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    args = parser.parse_args()

    data = interface_strings(args.split)
    if args.data is not None:
        data = captions(args.data, args.pairs, args.split)
    (X, y), (X_test, y_test), groups, placeholders = data
    print(f"{len(X)} pairs to learn from, {len(X_test)} held out.", flush=True)
    for strategy in ("copy", "nearest"):
        y_pred = DummySeq2Seq(strategy=strategy).fit(X, y).predict(X_test)
        print(f"{strategy:<16}{figures(y_test, y_pred, placeholders)}", flush=True)

    own = list(map(placeholders_of, X))
    X, y = map(number, X, own), map(number, y, own)
    X, y = np.fromiter(X, object), np.fromiter(y, object)
    own = list(map(placeholders_of, X_test))
    X_test = list(map(number, X_test, own))

    def report(name, y_pred):
        y_pred = list(map(put_back, y_pred, own))
        print(f"{name:<16}{figures(y_test, y_pred, placeholders)}", flush=True)

    vectorizer = shared_pieces(X, y, args.pieces)
    found = TranslationMemory().fit(X, y, groups=groups).transform(X_test)
    report("match", found[:, 1])
    for memory in (True, False) if args.without else (True,):
        model = make_model(vectorizer, memory=memory, seed=args.seed)
        model[-1].set_params(**dict(args.set))
        start = time.process_time()
        model.fit(X, y, **({"match__groups": groups} if memory else {}))
        print(f"{time.process_time() - start:.0f} s of CPU", flush=True)
        report("network" if memory else "without memory", model.predict(X_test))
        beam = model[-1].predict_nbest(found if memory else X_test, 4)
        report("best of both", choose(beam, X_test, found[:, 1], args.trust))


if __name__ == "__main__":
    main()
