"""Training speed beside a bare torch loop with the same network, by turns.

The loop is a script of its own that takes ``--train --dev --test --epochs`` and prints
one JSON line with ``target_tokens_per_s``; the data are word-TAB-phones files::

    python benchmarks/training.py --loop run_bare_torch.py --data FOLDER --language hun

Both sides train a bidirectional LSTM encoder of 256 units a direction and an LSTM
decoder of 256 with general attention, embeddings of 128, dropout 0.3, batches of 64,
Adam. Ours also clips gradients and follows a schedule, as it does by default. Speed is
that of the median epoch after the first, in target tokens, ends included, a second.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

from sklearn_seq2seq import Seq2SeqTransformer, SequenceVectorizer
from sklearn_seq2seq.datasets import read_pairs


def loop_speed(args):
    """Tokens a second of the bare loop, in a process of its own."""
    files = [
        argument
        for part in ("train", "dev", "test")
        for argument in (f"--{part}", args.data / f"{args.language}_{part}.tsv")
    ]
    command = [sys.executable, args.loop, *files, "--epochs", str(args.epochs)]
    run = subprocess.run(
        [*map(str, command), "--repeats", "1"],
        capture_output=True,
        text=True,
        check=True,
        cwd=args.loop.parent,
    )
    return json.loads(run.stdout)["target_tokens_per_s"]


def our_speed(X, y, args):
    """Tokens a second of the estimator."""
    model = Seq2SeqTransformer(
        target_vectorizer=SequenceVectorizer(analyzer="word"),
        max_epochs=args.epochs,
        random_state=0,
    ).fit(X, y)
    seconds = statistics.median(epoch["dur"] for epoch in model.history_[1:])
    return model.history_[-1]["train_positions"] / seconds


def main():
    """Measure both sides by turns and print the ratio of each round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--loop", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--language", default="hun")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    args.loop, args.data = args.loop.resolve(), args.data.resolve()
    pairs = read_pairs(args.data / f"{args.language}_train.tsv", return_X_y=True)
    ratios = []
    for _ in range(args.rounds):
        loop, ours = loop_speed(args), our_speed(*pairs, args)
        ratios.append(ours / loop)
        print(f"loop {loop:,.0f}  ours {ours:,.0f}  ratio {ratios[-1]:.2f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
