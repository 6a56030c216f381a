"""
One fit on several processes
============================

Each process that torchrun starts calls ``fit`` with the same pairs and takes its share
of every batch; the model is that of one process. On one machine::

    torchrun --nproc-per-node=2 examples/distributed_fit.py

and on several, a line on each, with the same address of one of them::

    torchrun --nnodes=2 --nproc-per-node=4 --rdzv-backend=c10d \\
        --rdzv-endpoint=HOST:29500 examples/distributed_fit.py --checkpoint fit.pt

Whatever ends it, the same command goes on from the checkpoint.
"""

import argparse

from torch import distributed

from sklearn_seq2seq import Seq2SeqTransformer
from sklearn_seq2seq.datasets import make_dates

parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--pairs", type=int, default=4000)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--checkpoint", help="file, on a disk that the first process sees")
parser.add_argument("--save", help="file for the fitted model")
args = parser.parse_args()

# torchrun has said who takes part. GPUs talk through NCCL, CPUs through gloo.
distributed.init_process_group()
try:
    X, y = make_dates(n_samples=args.pairs, random_state=0, return_X_y=True)
    n_train = len(X) * 9 // 10
    model = Seq2SeqTransformer(
        device="distributed",
        hidden_size=128,  # small, for speed, with a higher learning rate
        batch_size=64,
        max_epochs=args.epochs,
        learning_rate=0.005,
        checkpoint=args.checkpoint,
        random_state=0,
    )
    model.fit(X[:n_train], y[:n_train])
    if distributed.get_rank() == 0:
        score = model.score(X[n_train:], y[n_train:])
        print(f"{distributed.get_world_size()} processes: {score:.1%} of dates right")
        if args.save:
            model.save(args.save)
finally:
    distributed.destroy_process_group()
