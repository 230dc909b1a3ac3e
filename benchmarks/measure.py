"""Time and memory of a call, beside a baseline in the same run."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import psutil


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    name
        What was measured.
    mpx_per_s
        Median rate, million input pixels per second.
    baseline
        What it is compared with.
    baseline_mpx_per_s
        Median rate of the baseline.
    ratio
        Time of the baseline over ours, median of neighbouring runs: above 1, insarflow is faster.
    peak_mib, baseline_peak_mib
        Memory above that before the call, MiB.
    """

    name: str
    mpx_per_s: float
    baseline: str
    baseline_mpx_per_s: float
    ratio: float
    peak_mib: float
    baseline_peak_mib: float

    def as_dict(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


def compare(
    name: str, pixels: int, ours: Callable[[], object], baseline: str, theirs: Callable[[], object], *, runs: int
) -> Row:
    """Run both in turn `runs` times after one warm-up each."""
    ours(), theirs()
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(runs)]
    ratios = sorted(b / a for a, b in times)
    a, b = (sorted(column)[runs // 2] for column in zip(*times, strict=True))
    return Row(
        name, pixels / a / 1e6, baseline, pixels / b / 1e6, ratios[runs // 2], _peak_mib(ours), _peak_mib(theirs)
    )


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _give_back() -> None:
    """Return freed memory to the system where the C library can, so that a call's own use shows."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _peak_mib(call: Callable[[], object]) -> float:
    """Highest resident memory during a call, above that before it, sampled every 2 ms."""
    gc.collect()
    _give_back()
    process, done = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    highest = [before]

    def watch() -> None:
        while not done.wait(0.002):
            highest[0] = max(highest[0], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    result = call()
    highest[0] = max(highest[0], process.memory_info().rss)
    done.set()
    watcher.join()
    del result
    return (highest[0] - before) / 2**20
