"""All that is printed: results on stdout; progress, notes, warnings and errors on stderr."""

from __future__ import annotations

import json
import logging
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dask.callbacks import Callback
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from insarflow.cli.options import Json, Quiet, Verbose
from insarflow.cli.words import duration, one_line, printable

HIDDEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings for developers."""

err = Console(stderr=True, soft_wrap=True, markup=False, highlight=False, emoji=False)

LONG = 1.0
"""Seconds from which on it is worth telling how long something took."""

Tell = Callable[[str, int, int], None]
"""Called with (what, done, wanted)."""


def say(kind: str, text: object, style: str = "") -> None:
    """One line on stderr: ``error: …``."""
    err.print(f"{kind}: {one_line(text)}", style=style)


@dataclass(frozen=True)
class Screen:
    """The flags that say what is printed, and the printing."""

    json: Json = False
    quiet: Quiet = False
    verbose: Verbose = False

    def facts(self, facts: Mapping[str, Any], lines: Iterable[str], *, then: str | None = None) -> None:
        """What was asked for, on stdout: as JSON, or as lines; and what to try next, on stderr."""
        if self.json:
            sys.stdout.write(json.dumps(_plain(facts), indent=2, allow_nan=False) + "\n")
        else:
            sys.stdout.writelines(printable(line) + "\n" for line in lines)
            if then is not None and not self.quiet:
                sys.stdout.flush()
                say("next", then)

    def result(self, facts: Mapping[str, Any], lines: Iterable[str], *, then: str) -> None:
        """What was made, on stdout, and what to try next, on stderr."""
        if self.json or not self.quiet:
            self.facts(facts, lines, then=then)

    def note(self, text: object) -> None:
        """Something worth knowing, on stderr."""
        if not self.quiet:
            say("note", text)

    @contextmanager
    def stage(self, what: str, graphs: int = 1, pixels: int | None = None) -> Iterator[None]:
        """Show progress, with the time left, of whatever dask computes inside: so many graphs of about one size.

        If it is known to how many pixels it is done, it is also told how many are done in a second.
        """
        start = time.monotonic()
        if self.live:
            with _bar() as bar, _Tasks(bar, what, graphs, pixels):
                yield
        else:
            yield
        self._took(what, start)

    @contextmanager
    def counter(self, what: str) -> Iterator[Tell | None]:
        """Show progress, with the time left, of what counts for itself; None if nobody looks."""
        start = time.monotonic()
        if self.live:
            with _bar() as bar:
                tasks: dict[str, TaskID] = {}

                def tell(part: str, done: int, wanted: int) -> None:
                    if part not in tasks:
                        tasks[part] = bar.add_task(part, total=wanted, rate="")
                    bar.update(tasks[part], completed=done)

                yield tell
        else:
            yield None
        self._took(what, start)

    @property
    def live(self) -> bool:
        """Whether somebody looks at progress."""
        return not self.quiet and err.is_terminal

    def _took(self, what: str, start: float) -> None:
        seconds = time.monotonic() - start
        if self.verbose or (seconds >= LONG and not self.quiet):
            err.print(f"{one_line(what)}: {duration(seconds)}")


class _Tasks(Callback):
    """Moves a bar with the tasks of dask's local schedulers."""

    def __init__(self, bar: Progress, what: str, graphs: int, pixels: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._pixels, self._begun = pixels, time.monotonic()
        self._bar, self._task = bar, bar.add_task(what, total=None, rate="")
        self._graphs, self._done, self._size = graphs, 0, 0

    def _start_state(self, _: Any, state: Any) -> None:
        self._size = sum(len(state[k]) for k in ("ready", "waiting", "running", "finished"))
        if self._graphs == 0:  # nobody said that there would be more
            self._bar.reset(self._task)
            self._done, self._graphs = 0, 1
        self._bar.update(self._task, total=self._done + self._graphs * self._size)
        self._graphs -= 1
        self._show(state)

    def _posttask(self, _key: Any, _result: Any, _dsk: Any, state: Any, _worker: Any) -> None:
        self._show(state)

    def _finish(self, _dsk: Any, _state: Any, _failed: bool) -> None:
        self._done += self._size

    def _show(self, state: Any) -> None:
        done = self._done + len(state["finished"])
        self._bar.update(self._task, completed=done, rate=self._rate(done))

    def _rate(self, done: int) -> str:
        seconds, total = time.monotonic() - self._begun, self._bar.tasks[self._task].total
        if self._pixels is None or not total or not seconds:
            return ""
        return f"{self._pixels * done / total / seconds / 1e6:.2f} Mpx/s"


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True)


@contextmanager
def one_line_warnings(screen: Screen) -> Iterator[None]:
    """Show each warning, raised or logged, once and on one line; none if quiet."""
    shown: set[str] = set()

    def tell(text: object) -> None:
        line = one_line(text)
        if line not in shown and not screen.quiet:
            shown.add(line)
            say("warning", line, "yellow")

    def show(message: Warning | str, category: type[Warning], *_args: Any, **_kwargs: Any) -> None:
        if not issubclass(category, HIDDEN):
            tell(message)

    log = logging.Handler(logging.WARNING)
    log.emit = lambda record: tell(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger().addHandler(log)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = show
            yield
    finally:
        logging.getLogger().removeHandler(log)


def _plain(value: Any) -> Any:
    """What JSON can hold: paths as text, NumPy's numbers as Python's, no number as null."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
