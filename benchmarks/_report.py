"""Rows as a table, a JSON file and a plot."""

import json
import os
import platform
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from benchmarks._measure import Row
from sklearn_seq2seq._optional import import_optional

WIDTH = 68


def header():
    """First lines of the table."""
    cells = f"{'':<{WIDTH}}{'ours':>10}{'theirs':>10}  {'unit':<18}{'ratio':>7}  goal"
    return f"{cells}\n{'-' * (len(cells) + 12)}"


def line(row):
    """One line of the table."""
    sides = "".join(
        f"{'' if value is None else f'{value:,.4g}':>10}"
        for value in (row.ours, row.theirs)
    )
    verdict = {None: "", True: ", met", False: ", missed"}[row.met]
    name = f"{row.part}: {row.name}"
    return (
        f"{name:<{WIDTH}}{sides}  {row.unit:<18}{row.ratio:>7.2f}  {goal(row)}{verdict}"
    ).rstrip()


def goal(row):
    """Bounds of a row's goal, in words."""
    low, high = row.goal
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"at least {low}"
    return "" if high is None else f"at most {high}"


def machine(settings):
    """On what, and how, it was measured."""
    return {
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": platform.machine(),
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "clock": "processor" if settings.cpu_time else "wall",
        "quick": settings.quick,
        "data": "generated" if settings.data is None else settings.data.name,
    }


def write(path, settings, rows):
    """Write rows to a JSON file; the parts that they do not measure stay as they are.

    Returns
    -------
    list of Row
        All that the file now holds.
    """
    parts = {}
    if path.exists():
        parts = json.loads(path.read_text("utf8"))["parts"]
    for part in dict.fromkeys(row.part for row in rows):
        own = [asdict(row) for row in rows if row.part == part]
        parts[part] = {"machine": machine(settings), "rows": own}
    text = json.dumps({"parts": parts}, indent=1)
    path.write_text(text + "\n", "utf8")
    return [Row(**row) for part in parts.values() for row in part["rows"]]


def plot(path, rows):
    """Draw the ratios as bars, and the growth as curves on logarithmic axes."""
    plt = import_optional("matplotlib.pyplot", "plot")
    curves = [row for row in rows if row.part == "growth"]
    bars = [row for row in rows if row.part != "growth"][::-1]
    heights = {_draw_bars: 1.5 + 0.3 * len(bars), _draw_curves: 5.5}
    halves = {_draw_bars: bars, _draw_curves: curves}
    halves = {draw: own for draw, own in halves.items() if own}
    heights = [heights[draw] for draw in halves]
    figure = plt.figure(figsize=(10, sum(heights)), layout="constrained")
    places = figure.subfigures(len(halves), 1, height_ratios=heights, squeeze=False)
    for place, (draw, own) in zip(places.flat, halves.items(), strict=True):
        draw(place, own)
    figure.savefig(Path(path), dpi=150)
    plt.close(figure)


def _draw_bars(figure, rows):
    axes = figure.subplots()
    colours = {None: "tab:gray", True: "tab:blue", False: "tab:red"}
    values = [max(row.ratio, 1e-3) for row in rows]
    places = np.arange(len(rows))
    axes.barh(places, values, color=[colours[row.met] for row in rows], height=0.7)
    for place, row, value in zip(places, rows, values, strict=True):
        bounds = [bound for bound in row.goal if bound is not None]
        for bound in bounds:
            axes.plot([bound] * 2, [place - 0.45, place + 0.45], color="black")
        right = 1.06 * max([value, *bounds])
        axes.text(right, place, f"{row.ratio:.2f}", va="center", fontsize=8)
    axes.set_yticks(places, [f"{row.part}: {row.name}" for row in rows], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlim(min([0.5 * v for v in values] + [0.5]), 2 * max([*values, 2]))
    axes.axvline(1, color="tab:gray", linewidth=0.8, zorder=0)
    axes.set_xlabel("ratio; black: the goal; red: goal missed; gray: no goal")


def _draw_curves(figure, rows):
    kinds = list(dict.fromkeys(row.details["by"] for row in rows))
    axes = figure.subplots(2, len(kinds), squeeze=False)
    for row in rows:
        column = kinds.index(row.details["by"])
        own = axes[0 if row.details["what"] == "time" else 1, column]
        own.loglog(row.details["sizes"], row.details["values"], "o-", color="tab:blue")
        own.set_title(f"slope {row.ratio:.2f}", fontsize=9)
        own.grid(alpha=0.3, which="both", linewidth=0.5)
    for column, kind in enumerate(kinds):
        axes[1, column].set_xlabel(kind)
    axes[0, 0].set_ylabel("time, s")
    axes[1, 0].set_ylabel("memory, MB")
