"""Two sides by turns, a part in a process of its own, and the rows that come of it."""

import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the command line asks for.

    Attributes
    ----------
    data : Path or None
        Folder with ``sigmorphon2020/`` and ``multi30k/``; None generates data.
    loop : Path or None
        A training script to measure against as well.
    quick : bool
        Little data and one round: shows that all works, not how fast it is.
    cpu_time : bool
        Time of the processor instead of the wall's; meant for one thread.
    rounds : int or None
        Turns that the sides take in training; None for the usual number.
    device : str
        Of both sides of training and decoding.
    precisions : tuple of str
        Of both sides of training, one after the other.
    """

    data: Path | None = None
    loop: Path | None = None
    quick: bool = False
    cpu_time: bool = False
    rounds: int | None = None
    device: str = "cpu"
    precisions: tuple = ("float32",)

    @property
    def clock(self):
        """Seconds since some time in the past."""
        return time.process_time if self.cpu_time else time.perf_counter

    def where(self, precision):
        """Device and precision as a part of a row's name; none for the usual ones."""
        usual = {"cpu", "float32"}
        return "".join(f", {x}" for x in (self.device, precision) if x not in usual)

    def pick(self, full, quick):
        """Choose a size by whether this is a quick run."""
        return quick if self.quick else full


@dataclass
class Row:
    """One line of the table.

    Attributes
    ----------
    part, name : str
        What was measured.
    ratio : float
        In the unit of `goal`: a ratio, a share or a slope.
    goal : tuple of two (float or None)
        Bounds within which the ratio should be.
    ours, theirs : float or None
        What the ratio is of.
    unit : str
        Of `ours` and `theirs`.
    details : dict
        Whatever else is worth keeping, for the JSON file and the plot.
    """

    part: str
    name: str
    ratio: float
    goal: tuple = (None, None)
    ours: float | None = None
    theirs: float | None = None
    unit: str = ""
    details: dict = field(default_factory=dict)

    @property
    def met(self):
        """Whether the goal is met; None without one."""
        low, high = self.goal
        if low is None and high is None:
            return None
        return (low is None or self.ratio >= low) and (
            high is None or self.ratio <= high
        )


def seconds(function, clock):
    """Time that a call takes."""
    start = clock()
    function()
    return clock() - start


def by_turns(sides, rounds):
    """Let sides take turns, first one way round, then the other.

    Parameters
    ----------
    sides : list of callable
        Each returns the seconds that it took.
    rounds : int

    Returns
    -------
    list of list of float
        The seconds of each side, round by round.
    """
    taken = [[] for _ in sides]
    for n in range(rounds):
        order = range(len(sides))
        for k in order if n % 2 == 0 else reversed(order):
            taken[k].append(sides[k]())
    return taken


def median_ratio(above, below):
    """Median of the ratios of neighbours, which other load moves less than times."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def apart(function, *args):
    """Call a function in a fresh process.

    Returns
    -------
    result : object
        What the function returned.
    peak : float
        The most resident memory of that process, in MB.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_watched, function, args).result()


def _watched(function, args):
    return function(*args), _memory("VmHWM")


def resident():
    """Resident memory of this process, in MB."""
    return _memory("VmRSS")


def _memory(entry):
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text("ascii").splitlines():
            if line.startswith(entry + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    # Elsewhere the peak stands for both.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
