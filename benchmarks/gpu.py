"""What limits training on a GPU: how long it computes at all, by the batch's size."""

import statistics
from collections import defaultdict

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks._data import sentences, words
from benchmarks._measure import Row
from benchmarks.training import OurLoop, in_one_fit

BATCH_SIZES = (64, 512)


class Profiled:
    """Called after each epoch: profiles the last one.

    Attributes
    ----------
    kernels : dict of str to float
        Seconds of each kernel in that epoch.
    """

    def __init__(self, n_epochs):
        self.left = n_epochs
        self.kernels = defaultdict(float)
        self.profile = profile(
            activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True
        )

    def __call__(self):
        """Begin or end, when it is time."""
        self.left -= 1
        if self.left == 1:
            self.profile.start()
        if self.left == 0:
            self.profile.stop()
            for event in self.profile.events():
                on_device = event.device_type == DeviceType.CUDA
                if on_device and not event.is_user_annotation:
                    seconds = event.time_range.elapsed_us() / 1e6
                    self.kernels[event.name] += seconds


def measure_gpu(settings):
    """Time of an epoch on a GPU, how much of it kernels run, and what a CPU takes.

    What is left is time in which the GPU waits for Python.
    """
    if settings.device == "cpu":
        return
    kinds = {"words": words(settings), "sentences": sentences(settings)}
    for kind, pairs in kinds.items():
        some = pairs.some(settings.pick(2048, 64))
        n_tokens = sum(len(row) + 1 for row in some.ids()[1])
        rounds = settings.pick(3, 2)
        cpu = statistics.median(_fit(settings, some, lambda: None, rounds))
        for batch_size in BATCH_SIZES:
            for precision in settings.precisions:
                place = {"device": settings.device, "precision": precision}
                watch = Profiled(2 + rounds)
                seconds = _fit(
                    settings, some, watch, rounds, batch_size=batch_size, **place
                )
                own, busy = statistics.median(seconds[:-1]), sum(watch.kernels.values())
                name = f"{kind}, batches of {batch_size}{settings.where(precision)}"
                yield Row(
                    "gpu",
                    f"{name}, share of time in kernels",
                    busy / own,
                    ours=1e3 * busy,
                    theirs=1e3 * own,
                    unit="ms an epoch",
                    details={"ms": _longest(watch.kernels), "seconds": seconds},
                )
                yield Row(
                    "gpu",
                    f"{name}, over the CPU with batches of 64",
                    cpu / own,
                    ours=n_tokens / own,
                    theirs=n_tokens / cpu,
                    unit="target tokens/s",
                )


def _fit(settings, pairs, watch, rounds, **params):
    """Seconds of the epochs of a fit, without the first two."""
    loop = OurLoop(pairs, settings.clock, **params)
    return in_one_fit(loop, watch, rounds)[0]


def _longest(kernels, n=8):
    """The kernels that take longest, in milliseconds."""
    names = sorted(kernels, key=kernels.get, reverse=True)[:n]
    return {name: round(1e3 * kernels[name], 3) for name in names}
