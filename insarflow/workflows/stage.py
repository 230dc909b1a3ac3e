"""How long work tells what it is doing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Stage = Callable[[str], AbstractContextManager[object]]
"""Called with what is being done; what happens inside is shown as progress."""


def quiet(_: str) -> AbstractContextManager[object]:
    """No progress shown."""
    return nullcontext()
