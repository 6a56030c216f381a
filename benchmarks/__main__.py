"""Measure ratios of speed and memory, both sides by turns in one run.

    python -m benchmarks --json ratios.json --plot ratios.png

prints a table, row by row as they come: ours, theirs, the ratio and its goal. See
`docs/laboratory.md` for what the rows mean.
"""

import argparse
import os
from pathlib import Path

import torch

from benchmarks import _report
from benchmarks._measure import Settings
from benchmarks.decoding import measure_decoding
from benchmarks.gpu import measure_gpu
from benchmarks.growth import measure_growth, measure_memory
from benchmarks.search import measure_search
from benchmarks.training import measure_overhead, measure_padding, measure_training
from benchmarks.vectorizer import measure_vectorizer
from sklearn_seq2seq._training._devices import choose_device

PARTS = {
    "padding": measure_padding,
    "vectorizer": measure_vectorizer,
    "training": measure_training,
    "overhead": measure_overhead,
    "decoding": measure_decoding,
    "search": measure_search,
    "memory": measure_memory,
    "growth": measure_growth,
    "gpu": measure_gpu,
}
# What is measured on a device that is not the CPU.
ON_DEVICE = ["training", "decoding", "gpu"]


def main(argv=None):
    """Read the command line, measure, report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.partition("\n")[0]
    )
    parser.add_argument(
        "--data",
        type=Path,
        help="folder that holds sigmorphon2020/ and multi30k/; else data are generated",
    )
    parser.add_argument(
        "--loop",
        type=Path,
        help="a training script to measure against too (LoopFromFile in training.py)",
    )
    parser.add_argument("--only", nargs="+", choices=PARTS)
    parser.add_argument(
        "--device",
        default="cpu",
        help="where both sides train and decode; cuda measures " + ", ".join(ON_DEVICE),
    )
    parser.add_argument(
        "--precision",
        nargs="+",
        choices=["float32", "bfloat16"],
        default=["float32"],
        help="of both sides of training; of several, one after the other",
    )
    parser.add_argument(
        "--quick", action="store_true", help="little data; shows that all works"
    )
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="time of the processor, with one thread, for a busy machine",
    )
    parser.add_argument(
        "--rounds", type=int, help="turns that the sides take in training; 5 by default"
    )
    parser.add_argument(
        "--json", type=Path, help="file to write; parts not measured now are kept"
    )
    parser.add_argument("--plot", type=Path, help="picture to write")
    args = parser.parse_args(argv)
    if args.cpu_time and args.loop:
        parser.error("--loop tells the wall's time, which --cpu-time does not measure")
    parts = args.only or (list(PARTS) if args.device == "cpu" else ON_DEVICE)
    if args.device != "cpu" and (args.loop or not set(parts) <= set(ON_DEVICE)):
        parser.error(f"--device goes with {', '.join(ON_DEVICE)} and without --loop")
    if args.device == "cpu" and "gpu" in (args.only or ()):
        parser.error("gpu needs a --device, such as cuda")
    try:
        choose_device(args.device)
    except ValueError as error:
        parser.error(str(error))
    if args.cpu_time:
        torch.set_num_threads(1)
        os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that it starts
    settings = Settings(
        args.data,
        args.loop,
        args.quick,
        args.cpu_time,
        args.rounds,
        args.device,
        tuple(args.precision),
    )
    print(_report.header(), flush=True)
    rows = []
    for part in parts:
        for row in PARTS[part](settings):
            rows.append(row)
            print(_report.line(row), flush=True)
        known = rows
        if args.json is not None:
            own = [row for row in rows if row.part == part]
            known = _report.write(args.json, settings, own)
    if args.plot is not None:
        _report.plot(args.plot, known)
    return rows


if __name__ == "__main__":
    main()
