"""Fits that are killed again and again; run by test_checkpoint.

Called with a folder, this trains each model below once without a break, and once more
in processes that get SIGKILL at random moments or at the sight of a file being written,
until the same call has come to its end. It prints a line for each kill, and as its last
line what both ways led to, as JSON.

Children are forked: a fresh interpreter for each would take three seconds to start.
"""

import hashlib
import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import torch
from skorch.callbacks import Callback

from sklearn_seq2seq import Seq2SeqTransformer

WORDS = sorted({f"{a}{b}{c}"[: 1 + (i % 3)] for i, (a, b, c) in enumerate(
    (a, b, c) for a in "abcde" for b in "bcdea" for c in "cdeab"
)})  # fmt: skip
SHOUTED = [word.upper() for word in WORDS]
COMMON = {
    "hidden_size": 24,
    "embedding_size": 8,
    "batch_size": 8,
    "random_state": 0,
}
MODELS = {
    "stopped early, plateau": {
        "early_stopping": True,
        "n_iter_no_change": 3,
        "lr_schedule": "plateau",
        "learning_rate": 0.02,
        "max_epochs": 40,
    },
    "cosine, dropout": {
        "lr_schedule": "cosine",
        "dropout": 0.3,
        "optimizer": "adamw",
        "teacher_forcing": (1.0, 0.7),
        "max_epochs": 25,
    },
    "exact match, sgd": {
        "early_stopping": True,
        "scoring": "exact_match",
        "optimizer": "sgd",
        "learning_rate": 3.0,
        "lr_schedule": "constant",
        "gradient_accumulation_steps": 2,
        "max_epochs": 25,
    },
    "every third epoch": {"checkpoint_interval": 3, "max_epochs": 20},
    "at the end only": {"checkpoint_interval": 1000, "max_epochs": 6},
    "after every step": {
        "checkpoint_interval": 1000,
        "checkpoint_minutes": 1e-9,
        "early_stopping": True,
        "n_iter_no_change": 20,
        "lr_schedule": "cosine",
        "dropout": 0.3,
        "teacher_forcing": 0.8,
        "gradient_accumulation_steps": 2,
        "max_epochs": 10,
    },
}


class Tell(Callback):
    """Writes a byte into a pipe at the beginning of each epoch: its number."""

    def __init__(self, pipe):
        self.pipe = pipe

    def on_epoch_begin(self, net, **kwargs):
        os.write(self.pipe, bytes([len(net.history)]))


def result(model):
    """What must not depend on interruptions, to the last bit."""
    digest = hashlib.sha256()
    net = model.net_
    tensors = list(net.module_.state_dict().values())
    for state in net.optimizer_.state_dict()["state"].values():
        tensors += [x for x in state.values() if x is not None]
    for tensor in tensors:
        digest.update(tensor.numpy().tobytes())
    return {
        "weights and optimiser": digest.hexdigest(),
        "history": list(model.history_),
        "early stopping": net.memory_,
        "predictions": list(model.predict(WORDS[:5])),
    }


def child(params, pipe, answer):
    """Fit in a process of its own, to be killed from outside."""
    pid = os.fork()
    if pid:
        return pid
    try:
        model = Seq2SeqTransformer(**COMMON, **params, callbacks=[Tell(pipe)])
        model.fit(WORDS, SHOUTED)
        answer.write_text(json.dumps(result(model)), "utf-8")
        os._exit(0)
    except BaseException as error:
        print(repr(error), flush=True)
        os._exit(1)


def being_written(folder):
    """The file that a process is writing, or had been when it was killed."""
    return next(folder.glob(".*.part"), None)


def kill(pid, reader, folder, n_epochs, delay, at_write):
    """Kill after so many epochs and a delay, or soon after a file begins to be written.

    Returns the epochs begun, and whether it was not too late.
    """
    begun = b""
    deadline = None
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if select.select([reader], [], [], 0.0002)[0]:
            begun += os.read(reader, 1000)
        if len(begun) < n_epochs:
            continue
        deadline = deadline or time.monotonic() + delay
        if being_written(folder) if at_write else time.monotonic() > deadline:
            time.sleep(delay / 100 if at_write else 0)  # a write takes a millisecond
            os.kill(pid, signal.SIGKILL)
            return begun, os.WIFSIGNALED(os.waitpid(pid, 0)[1])
    return begun, False


def run(name, params, folder, n_kills, rng):
    """Return the results without and with kills, and how many kills there were."""
    reader, writer = os.pipe()
    answer, path = folder / "answer.json", folder / f"{name}.pt"

    def finish(**params):
        assert os.waitpid(child(params, writer, answer), 0)[1] == 0
        os.read(reader, 1000)
        return json.loads(answer.read_text("utf-8"))

    expected = finish(**params)
    epoch_time = sum(row["dur"] for row in expected["history"]) / params["max_epochs"]
    counts = {"kills": 0, "in writes": 0, "resumed within epochs": 0}
    while counts["kills"] < n_kills:
        for part in folder.glob(".*.part"):
            part.unlink()
        at_write = rng.random() < 0.5
        n_epochs, delay = rng.randrange(8), rng.uniform(0, 2 * epoch_time)
        pid = child({**params, "checkpoint": path}, writer, answer)
        begun, killed = kill(pid, reader, folder, n_epochs, delay, at_write)
        if not killed:
            path.unlink()
            continue
        counts["kills"] += 1
        where = f"in epoch {begun[-1]}" if begun else "before its first epoch"
        part = being_written(folder)
        if part is not None:
            counts["in writes"] += 1
            where += f", {part.stat().st_size} bytes into a write"
        sums = torch.load(path, weights_only=True)["sums"] if path.exists() else None
        if sums is not None:
            counts["resumed within epochs"] += 1
            where += f"; going on after {sums['batches']} batches"
        print(f"{name}: kill {counts['kills']} {where}")
    resumed = finish(**params, checkpoint=path)
    for record in expected["history"] + resumed["history"]:
        del record["dur"]
    return {"expected": expected, "resumed": resumed, **counts}


def main(folder, seed, n_kills):
    # With one thread, a process that has trained can be forked; what is imported when
    # it is first used need not be imported by every child.
    torch.set_num_threads(1)
    Seq2SeqTransformer(**COMMON, max_epochs=1).fit(WORDS, SHOUTED)
    rng = random.Random(seed)
    print(
        json.dumps(
            {
                name: run(name, params, Path(folder), n_kills, rng)
                for name, params in MODELS.items()
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
