"""What this process takes: memory, time, and the space of what it wrote."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from insarflow.stack.codes import CODES

_STATM = Path("/proc/self/statm")
_UNKNOWN_RESIDENT: Final = 500_000_000
_PATIENCE: Final = 4.0
"""Time after which work is not tried again, s."""


def measured(run: Callable[[], object]) -> tuple[float, int]:
    """Time of the fastest of three runs, or of one that is long, s, and bytes that the last one took at most."""
    best, memory = float("inf"), 0
    for _ in range(3):
        with _Peak() as peak:
            started = time.perf_counter()
            run()
            took = time.perf_counter() - started
        best, memory = min(best, took), peak.taken
        if took > _PATIENCE:
            break
    return best, memory


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
