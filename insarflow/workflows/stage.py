"""How long work tells what it is doing."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Stage(Protocol):
    """Shows what happens inside as progress."""

    def __call__(self, what: str, graphs: int = 1, pixels: int | None = None) -> AbstractContextManager[object]:
        """Show `what` is being done, in so many dask graphs of about one size, to so many pixels in all."""
        ...


def quiet(what: str, graphs: int = 1, pixels: int | None = None) -> AbstractContextManager[object]:
    """No progress shown."""
    return nullcontext()
