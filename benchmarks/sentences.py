"""Translation of sentences: English to German captions of Multi30k, BLEU and chrF.

The folder holds ``{train,val,test_2016_flickr}.{en,de}.gz``, one sentence a line. The
settings are those that the documentation recommends for sentences; ``--set`` changes
them::

    python -m benchmarks.sentences --data multi30k --split test_2016_flickr
    python -m benchmarks.sentences --data multi30k --set input_feeding=True

The model is that of the epoch with the lowest loss on val. It prints a line an epoch,
then sacrebleu's figures, greedily and with a beam of 5.
"""

import argparse
import gzip
import time
from pathlib import Path

from sacrebleu.metrics import BLEU, CHRF

from benchmarks._setting import setting
from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer

KEYS = ("train_loss", "valid_loss", "valid_exact_match", "dur")


def read(folder, part, language):
    """The sentences of one file."""
    with gzip.open(folder / f"{part}.{language}.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def make_model(seed, pieces=5_000):
    """The recipe for sentences, as docs/recipes.md has it."""
    vectorizer = SequenceVectorizer(
        analyzer="subword", max_features=pieces, handle_unknown="silent"
    )
    return Seq2SeqTransformer(
        source_vectorizer=vectorizer,
        target_vectorizer=vectorizer,
        hidden_size=256,
        embedding_size=256,
        tie_output=True,
        dropout=0.4,
        batch_size=64,
        max_epochs=16,
        beam_width=5,
        length_penalty=1.0,
        random_state=seed,
    )


def main():
    """Read the command line, train, translate, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, help="train on the first so many")
    parser.add_argument("--split", choices=["val", "test_2016_flickr"], default="val")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", type=setting, nargs="+", default=[])
    parser.add_argument("--save", type=Path)
    args = parser.parse_args()
    train, valid, held_out = (
        [read(args.data, part, language) for language in ("en", "de")]
        for part in ("train", "val", args.split)
    )
    model = make_model(args.seed).set_params(**dict(args.set))
    wall, cpu = time.perf_counter(), time.process_time()
    model.fit(*(side[: args.pairs] for side in train), validation_data=valid)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    for row in model.history_:
        print(f"epoch {row['epoch']}", *(f"{row[k]:.3f}" for k in KEYS), flush=True)
    print(f"{model.n_parameters_:,} weights; {wall:.0f} s, {cpu:.0f} s of CPU")
    for beam_width, length_penalty in ((1, 0.0), (5, 0.0), (5, 1.0)):
        model.set_params(beam_width=beam_width, length_penalty=length_penalty)
        y_pred = list(model.predict(held_out[0]))
        print(f"beam_width={beam_width}, length_penalty={length_penalty}:")
        for metric in (BLEU(), CHRF()):
            score = metric.corpus_score(y_pred, [held_out[1]])
            print(f"  {score.score:.2f} {metric.get_signature()}", flush=True)
    if args.save:
        model.save(args.save)


if __name__ == "__main__":
    main()
