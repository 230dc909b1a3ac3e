"""Time and memory of a call on one and two threads, beside baselines in the same run."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import psutil

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """Something to measure.

    Attributes
    ----------
    name
        What it is.
    call
        Does it once; may be called by two threads at a time.
    pixels
        Input pixels of one call.
    baselines
        Others that do the same, by name: a call, and its pixels where it is given fewer because it is slow.
    threads
        Whether `call` is serial, so that two threads may make it faster.
    """

    name: str
    call: Call
    pixels: int
    baselines: dict[str, tuple[Call, int]]
    threads: bool = True


@dataclass(frozen=True)
class Baseline:
    """What a case was compared with.

    Attributes
    ----------
    name
        What it is.
    mpx_per_s
        Median rate.
    ratio
        Our rate on one thread over this one's, median of neighbouring runs: above 1, insarflow is faster.
    peak_mib
        Memory above that before the call, MiB.
    """

    name: str
    mpx_per_s: float
    ratio: float
    peak_mib: float


@dataclass(frozen=True)
class Row:
    """What was measured of a case.

    Attributes
    ----------
    name
        What it is.
    mpx_per_s
        Median rate on one thread, million input pixels per second.
    mpx_per_s_2
        Median rate of two threads that each work on an image; None for what uses all cores by itself.
    of_copy
        Rate on one thread over that of copying complex64 pixels, measured just before.
    peak_mib
        Memory above that before the call, output included, MiB.
    baselines
        Others that do the same.
    """

    name: str
    mpx_per_s: float
    mpx_per_s_2: float | None
    of_copy: float
    peak_mib: float
    baselines: tuple[Baseline, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def measure(case: Case, copy: Case, *, runs: int) -> Row:
    """Run a case and its baselines in turn, `runs` times after one warm-up each."""
    calls = [(copy.call, copy.pixels), (case.call, case.pixels), *case.baselines.values()]
    for call, _ in calls:
        call()
    rates = [[pixels / _seconds(call) / 1e6 for call, pixels in calls] for _ in range(runs)]
    twice = [2 * case.pixels / _seconds_of_two(case.call) / 1e6 for _ in range(runs)] if case.threads else None
    copied, ours, *theirs = zip(*rates, strict=True)
    return Row(
        case.name,
        median(ours),
        None if twice is None else median(twice),
        median(a / b for a, b in zip(ours, copied, strict=True)),
        _peak_mib(case.call),
        tuple(
            Baseline(name, median(rate), median(a / b for a, b in zip(ours, rate, strict=True)), _peak_mib(call))
            for (name, (call, _)), rate in zip(case.baselines.items(), theirs, strict=True)
        ),
    )


def _seconds(call: Call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _seconds_of_two(call: Call) -> float:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: None, range(2)))  # the threads are there before the clock runs
        start = time.perf_counter()
        for future in [pool.submit(call) for _ in range(2)]:
            future.result()
        return time.perf_counter() - start


def _give_back() -> None:
    """Return freed memory to the system where the C library can, so that a call's own use shows."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _peak_mib(call: Call) -> float:
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
