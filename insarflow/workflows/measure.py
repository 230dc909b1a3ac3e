"""What this process takes: memory, time, and the space of what it wrote."""

from __future__ import annotations

import os
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

from insarflow.stack.codes import CODES

_STATM = Path("/proc/self/statm")
_UNKNOWN_RESIDENT: Final = 500_000_000
_PATIENCE: Final = 1.0
"""Time after which work is not tried beside its like, s."""

_MOST: Final = 20.0
"""Time after which it is not even tried again to see what was compiled in it, s."""


_AT_ONCE: Final = 4
"""Most pieces of work that are tried at the same time: more would take the memory that the real work may take."""


@dataclass(frozen=True)
class Pace:
    """How long a piece of work takes, s.

    Attributes
    ----------
    alone
        By itself.
    together
        Each of `number` that are done at the same time: they share memory, caches, the interpreter's lock, and the
        computer with whatever else runs on it.
    number
        How many those are.
    """

    alone: float
    together: float
    number: int

    def without(self, other: Pace) -> Pace:
        """What is left if another piece of work, done as many at a time, is a part of this one."""
        return Pace(max(0.0, self.alone - other.alone), max(0.0, self.together - other.together), self.number)

    def seconds(self, pieces: float, workers: int) -> float:
        """Time for many pieces, so many at a time; beyond `number` they are not taken to slow each other more."""
        workers = max(1, min(workers, int(pieces)))
        share = (min(workers, self.number) - 1) / max(1, self.number - 1)
        return pieces / workers * (self.alone + share * (self.together - self.alone))

    def slowdown(self, workers: int) -> float:
        """How many times as long each of so many pieces takes as one alone."""
        return self.seconds(workers, workers) / self.alone if self.alone else 1.0


def pace(run: Callable[[int], object], workers: int) -> tuple[Pace, int]:
    """Try a piece of work alone, and beside its like: the median of up to three runs each.

    Parameters
    ----------
    run
        The work; it is given a number, another one for each of those that run at the same time.
    workers
        How many would work at the same time.

    Returns
    -------
    Pace, int
        And the most memory that one takes, bytes. What is loaded and compiled once is no part of either, unless the
        work takes so long that it is done once only.
    """
    took, memory = _measured(partial(run, 0))
    if took > _PATIENCE:
        if took < _MOST:
            took, memory = _measured(partial(run, 0))
        return Pace(took, took, 1), memory
    alone, memory = _typical(partial(run, 0))
    number = min(workers, _AT_ONCE)
    if number == 1:
        return Pace(alone, alone, 1), memory
    with warnings.catch_warnings(), ThreadPoolExecutor(number) as pool:
        # Threads that each silence a warning for a while let it out by turns; work alone has shown all others.
        warnings.simplefilter("ignore")
        together, _ = _typical(lambda: list(pool.map(run, range(number))))
    return Pace(alone, together, number), memory


def _typical(run: Callable[[], object]) -> tuple[float, int]:
    """Median of the times of three runs, s, or of fewer that are long; bytes that the last one took at most."""
    times: list[float] = []
    memory = 0
    while not times or (len(times) < 3 and sum(times) < _PATIENCE):
        took, memory = _measured(run)
        times.append(took)
    return median(times), memory


def _measured(run: Callable[[], object]) -> tuple[float, int]:
    with _Peak() as held:
        started = time.perf_counter()
        run()
        took = time.perf_counter() - started
    return took, held.taken


class _Peak:
    """The most memory that this process took inside, bytes, looked at every few milliseconds."""

    def __enter__(self) -> _Peak:
        self._before = self._most = resident()
        self._done = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._watch.join()

    def _look(self) -> None:
        while not self._done.wait(0.002):
            self._most = max(self._most, resident())

    @property
    def taken(self) -> int:
        """Bytes beyond those held before."""
        return self._most - self._before


def resident() -> int:
    """Memory that this process holds now, bytes."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, AttributeError, ValueError):
        return _UNKNOWN_RESIDENT


def stored_size(store: Path, name: str) -> int:
    """Bytes of a variable of the contract in a store, however it is kept."""
    names = {name, *(code.stored for code in CODES.get(name, ()))}
    return sum(folder_size(store / kept) for kept in names)


def folder_size(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
