"""Unfinished work on a store: what it was to become, so that it can be finished by the same command; and the lock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from insarflow.errors import StoreError
from insarflow.stack.location import Folder, WritableLocation
from insarflow.stack.remote import RECENT, UNFINISHED, Remote


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

    def write(self, where: WritableLocation, key: str) -> None:
        """Put it into an object, whole or not at all."""
        where.write(key, json.dumps(asdict(self)).encode())

    def check(self, where: WritableLocation, key: str) -> None:
        """Look whether it still stands there.

        Raises
        ------
        StoreError
            If other work has begun since: only where nothing can be locked.
        """
        if Journal.read(where, key) != self:
            raise StoreError(
                f"path={str(where)!r} is being written by other work, which began later: run this one again"
            )

    @classmethod
    def read(cls, where: WritableLocation, key: str) -> Journal | None:
        """What an object holds; None if there is none, or it is no journal."""
        try:
            data = json.loads(where.read(key) or b"")
            return cls(str(data["identity"]), tuple((int(i), int(j)) for i, j in data["cells"]))
        except (ValueError, TypeError, KeyError):
            return None

    @staticmethod
    def remove(where: WritableLocation, key: str) -> None:
        """The work is finished."""
        where.remove(key)


def journal_of(where: WritableLocation) -> tuple[WritableLocation, str]:
    """Where the journal of an append is, and its key: beside a folder, where no reader of the store sees it."""
    if isinstance(where, Folder):
        return Folder(where.path.parent), f".{where.path.name}.unfinished.json"
    return where, UNFINISHED


def unfinished(where: WritableLocation) -> Journal | None:
    """What is being made at a place where there is no store yet, or is to be replaced; None if nothing is."""
    if isinstance(where, Folder):
        path = where.path.resolve()
        where = Folder(path.with_name(f"{path.name}.partial"))
    return Journal.read(where, UNFINISHED)


def only_writer(where: WritableLocation) -> AbstractContextManager[None]:
    """Be the only writer of a store that is there, as far as can be told; network errors inside are told in one line.

    Raises
    ------
    StoreError
        As `locked`. Nothing locks an object store: see `refuse_another`.
    """
    if isinstance(where, Remote):
        return where.telling()
    return locked(Path(where.plain))


def refuse_another(where: WritableLocation, begun: Journal | None) -> None:
    """Refuse to go into a store where nothing can be locked while other work, whose journal is there, may go on.

    Raises
    ------
    StoreError
        If anything was changed there in the last `RECENT` seconds.
    """
    if not isinstance(where, Remote) or begun is None or not begun.identity:
        return
    idle = where.idle()
    if idle < RECENT:
        raise StoreError(
            f"path={str(where)!r} is being written by other work, or was {idle:.0f} s ago: wait until it has ended or, "
            f"if it was stopped, until {RECENT:.0f} s have passed, or remove {where}/{UNFINISHED}"
        )


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
