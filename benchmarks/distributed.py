"""An epoch in several processes beside the same epoch in one of them.

    torchrun --nproc-per-node=2 -m benchmarks.distributed

has, by turns, the first process train an epoch alone while the others wait, all train
the epoch together, and each train it for itself at the same time; sentences, with the
network of the training part. It prints how many times as fast they are together; and
what the machine has to give, which is the number of processes times how much faster one
is alone than beside the others. Once by the wall's clock, which means something where
nothing else runs, and once by the processor's time of the process that took most, which
leaves out what a process waits for messages and for other programs.
"""

import argparse
import statistics
import time

import torch
from torch import distributed

from benchmarks._data import sentences
from benchmarks._measure import Settings, by_turns, median_ratio
from benchmarks.bare_loop import AS_PARAMETERS
from benchmarks.training import EpochClock
from sklearn_seq2seq import Seq2SeqTransformer

CLOCKS = {"wall": time.perf_counter, "processors": time.process_time}


class Side:
    """A model of its own, called for the seconds of one more epoch.

    Parameters
    ----------
    pairs : Pairs
    device : str
    everywhere : bool
        Whether all processes train, or the first alone.
    **params
        Of the model.
    """

    def __init__(self, pairs, device, everywhere, **params):
        self.pairs = pairs
        self.takes_part = everywhere or distributed.get_rank() == 0
        self.seconds = [[] for _ in CLOCKS]
        self.model = Seq2SeqTransformer(
            source_vectorizer=pairs.source,
            target_vectorizer=pairs.target,
            device=device,
            max_epochs=1,
            callbacks=list(map(EpochClock, CLOCKS.values(), self.seconds)),
            random_state=0,
            **AS_PARAMETERS | params,
        )

    def __call__(self):
        """Seconds of an epoch, of the process that took most, by each clock."""
        distributed.barrier()
        own = torch.zeros(len(CLOCKS), dtype=torch.float64)
        if self.takes_part:
            self.model.partial_fit(self.pairs.X, self.pairs.y)
            own[:] = torch.tensor([seconds[-1] for seconds in self.seconds])
        distributed.all_reduce(own, op=distributed.ReduceOp.MAX)
        return own.tolist()


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[64, 256])
    args = parser.parse_args()
    distributed.init_process_group("gloo")
    pairs = sentences(Settings()).some(args.pairs)
    for batch_size in args.batch_size:
        sides = [
            Side(pairs, *where, batch_size=batch_size)
            for where in (("cpu", False), ("distributed", True), ("cpu", True))
        ]
        by_turns(sides, 1)  # what is first done once
        taken = by_turns(sides, args.rounds)
        if distributed.get_rank() == 0:
            report(sides[0].model, batch_size, taken)
    distributed.destroy_process_group()


def report(model, batch_size, taken):
    """Print a line for each clock."""
    n_steps = model.history_[-1]["train_batch_count"]
    n_bytes = 4 * model.n_parameters_
    print(
        f"batches of {batch_size}: {n_bytes / 1e6:.1f} MB a step and process on the "
        f"wire, {distributed.get_world_size()} processes"
    )
    for k, name in enumerate(CLOCKS):
        seconds = [[row[k] for row in side] for side in taken]
        alone, together, beside = seconds
        steps = [f"{1e3 * statistics.median(x) / n_steps:.0f}" for x in seconds]
        limit = distributed.get_world_size() * median_ratio(alone, beside)
        print(
            f"  {name}: {median_ratio(alone, together):.2f} times as fast, of "
            f"{limit:.2f} to be had; alone, together, beside the others "
            f"{', '.join(steps)} ms a step",
            flush=True,
        )


if __name__ == "__main__":
    main()
