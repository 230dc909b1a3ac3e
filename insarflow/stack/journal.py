"""Unfinished work on a store: what it was to become, so that it can be finished by the same command; and the lock."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from insarflow.errors import StoreError
from insarflow.stack.faults import fault_point


@dataclass(frozen=True)
class Journal:
    """What is being written.

    Attributes
    ----------
    identity
        Token of everything that the result depends on: files with sizes and times, grid, parameters.
    cells
        Indices along ``date`` and ``delay`` that are being filled.
    """

    identity: str
    cells: tuple[tuple[int, int], ...] = ()

    def write(self, file: Path) -> None:
        """Put it into a file, whole or not at all."""
        temporary = file.with_name(f"{file.name}.partial")
        fault_point()
        temporary.write_text(json.dumps(asdict(self)))
        fault_point()
        os.replace(temporary, file)

    @classmethod
    def read(cls, file: Path) -> Journal | None:
        """What a file holds; None if it is none, or cannot be read."""
        try:
            data = json.loads(file.read_text())
            return cls(str(data["identity"]), tuple((int(i), int(j)) for i, j in data["cells"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    @staticmethod
    def remove(file: Path) -> None:
        """The work is finished."""
        fault_point()
        file.unlink(missing_ok=True)


def journal_of(path: Path) -> Path:
    """Where the journal of work on a store is: beside it, where no reader of the store sees it."""
    return path.with_name(f".{path.name}.unfinished.json")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Be the only writer of the store at `path`; the lock ends with the process, however that ends.

    Raises
    ------
    StoreError
        If another process, or another thread of this one, is writing, or the folder may not be written to.
    """
    file = path.with_name(f".{path.name}.lock")
    try:
        with FileLock(file, blocking=False, thread_local=False):
            try:
                yield
            finally:
                # While it is held: who has opened it meanwhile sees that it is gone, and makes another.
                with suppress(OSError):
                    file.unlink()
    except Timeout as error:
        raise StoreError(f"path={str(path)!r} is being written by another process: wait until it has ended") from error
    except PermissionError as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error.strerror}") from error


def remove_temporaries(folder: Path) -> None:
    """Remove files that a process began and did not finish; only under the lock."""
    for path in folder.rglob("*.partial"):
        path.unlink(missing_ok=True)
