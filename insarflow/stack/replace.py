"""A folder appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from insarflow.errors import OutputExistsError, StoreError, WorkerError
from insarflow.stack.faults import fault_point
from insarflow.stack.journal import locked

STORE_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")
"""A folder that holds one of these is a Zarr store."""


def is_zarr(path: Path) -> bool:
    """Whether `path` is a folder that holds a Zarr hierarchy of any version."""
    return path.is_dir() and any((path / mark).is_file() for mark in STORE_MARKS)


@dataclass(frozen=True)
class FolderKind:
    """What a folder must be to be replaced.

    Attributes
    ----------
    name
        With its article.
    holds
        Whether a path is one.
    """

    name: str
    holds: Callable[[Path], bool]


STORE: Final = FolderKind("a Zarr store", is_zarr)


def check_output(path: Path, *, overwrite: bool, kind: FolderKind = STORE) -> None:
    """Check that a store, or another kind of folder, may be written to `path`.

    Raises
    ------
    OutputExistsError
        If something is there and `overwrite` was not asked for, or it is not of the kind.
    """
    if not path.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"the output must not exist, instead got path={str(path)!r}: pass overwrite=True (--overwrite)"
        )
    if not kind.holds(path):
        raise OutputExistsError(
            f"only {kind.name} can be overwritten, and path={str(path)!r} is none: "
            "remove it yourself or choose another path"
        )


@contextmanager
def new_store(path: Path, *, overwrite: bool, keep: bool = False) -> Iterator[Path]:
    """Work in a sibling folder that takes the name `path` at the end: `replacing` for a Zarr store."""
    with replacing(path, STORE, overwrite=overwrite, keep=keep) as folder:
        yield folder


@contextmanager
def replacing(path: Path, kind: FolderKind, *, overwrite: bool, keep: bool = False) -> Iterator[Path]:
    """Work in a sibling folder that takes the name `path` at the end.

    If the work is interrupted, or cannot be written, the folder stays, so that the same work can go on in it; after any
    other error it is removed, or stays, too, if `keep`.

    Yields
    ------
    Path
        The folder ``<name>.partial`` beside `path`, locked; with what an interrupted work has left in it.

    Raises
    ------
    OutputExistsError
        As `check_output`, before the work and again before the renaming.
    StoreError
        If the folder cannot be made, or another process works in it.
    """
    # A link is followed once, here, so that what it points to is replaced and not the link.
    target = path.resolve()
    partial, old = target.with_name(f"{target.name}.partial"), target.with_name(f"{target.name}.old")
    if kind.holds(old) and not target.exists():  # a process was killed while it replaced this one
        old.rename(target)
    check_output(target, overwrite=overwrite, kind=kind)
    _make(partial, path)  # before the lock, which takes a folder that cannot be written to for a busy one
    with locked(target):
        _make(partial, path)
        try:
            yield partial
            check_output(target, overwrite=overwrite, kind=kind)
            fault_point()
            _rename(partial, target, old, kind)
        except (StoreError, WorkerError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            if not keep:
                _remove(partial)
            raise


def _make(folder: Path, path: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error.strerror}") from error


def clear_folder(folder: Path) -> None:
    """Remove what an earlier, other work has left."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def flush(folder: Path, *, deep: bool = True) -> None:
    """Wait until the disk holds a folder, with all that is in it or only its list of names."""
    paths = [*folder.rglob("*")] if deep else []
    for path in (*paths, folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _rename(partial: Path, target: Path, old: Path, kind: FolderKind) -> None:
    if not target.exists():
        partial.rename(target)
        return
    if kind.holds(old):
        _remove_store(old)
    target.rename(old)
    fault_point()
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    _remove_store(old)


def _remove_store(folder: Path) -> None:
    """Remove the arrays at the same time, as a disk takes long for each folder; last what tells that it is a store."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(shutil.rmtree, [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]))
    shutil.rmtree(folder)


def _remove(folder: Path) -> None:
    """Remove a folder into which threads of an interrupted computation may still be writing."""
    absent = 0
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        absent = 0 if folder.exists() else absent + 1
        if absent == 3:
            return
        time.sleep(0.05)
