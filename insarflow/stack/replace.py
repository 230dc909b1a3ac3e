"""A folder appears whole or not at all."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insarflow.errors import OutputExistsError, StoreError

STORE_MARKS = ("zarr.json", ".zgroup", ".zmetadata", ".zarray")
"""A folder that holds one of these is a Zarr store."""


def is_zarr(path: Path) -> bool:
    """Whether `path` is a folder that holds a Zarr hierarchy of any version."""
    return path.is_dir() and any((path / mark).is_file() for mark in STORE_MARKS)


def check_output(path: Path, *, overwrite: bool) -> None:
    """Check that a store may be written to `path`.

    Raises
    ------
    OutputExistsError
        If something is there and `overwrite` was not asked for, or it is not a Zarr store.
    """
    if not path.exists():
        return
    if not overwrite:
        raise OutputExistsError(
            f"the output must not exist, instead got path={str(path)!r}: pass overwrite=True (--overwrite)"
        )
    if not is_zarr(path):
        raise OutputExistsError(
            f"only a Zarr store can be overwritten, and path={str(path)!r} is none: "
            "remove it yourself or choose another path"
        )


@contextmanager
def new_store(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Work in a sibling folder that takes the name `path` at the end, and is removed if anything fails.

    Yields
    ------
    Path
        An empty folder ``<name>.<random>.partial`` beside `path`.

    Raises
    ------
    OutputExistsError
        As `check_output`, before the work and again before the renaming.
    StoreError
        If the folder cannot be made.
    """
    # A link is followed once, here, so that what it points to is replaced and not the link.
    target = path.resolve()
    check_output(target, overwrite=overwrite)
    partial = target.with_name(f"{target.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
    except OSError as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error.strerror}") from error
    try:
        yield partial
        check_output(target, overwrite=overwrite)
        _rename(partial, target)
    except BaseException:
        _remove(partial)
        raise


def _rename(partial: Path, target: Path) -> None:
    if not target.exists():
        partial.rename(target)
        return
    old = partial.with_suffix(".old")
    target.rename(old)
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _remove(folder: Path) -> None:
    """Remove a folder into which threads of an interrupted computation may still be writing."""
    absent = 0
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
        absent = 0 if folder.exists() else absent + 1
        if absent == 3:
            return
        time.sleep(0.05)
