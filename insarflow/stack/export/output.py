"""What is exported appears whole or not at all, and takes nobody's files with it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from insarflow.errors import OutputExistsError, StoreError
from insarflow.stack.journal import Journal, locked
from insarflow.stack.location import Folder
from insarflow.stack.replace import FolderKind, check_output, clear_folder, replacing
from insarflow.stack.tags import MANIFEST as MANIFEST

_UNFINISHED: Final = "unfinished.json"


def _is_export(path: Path) -> bool:
    return path.is_dir() and (path / MANIFEST).is_file()


_EXPORT: Final = FolderKind("a folder that insarflow exported", _is_export)


@contextmanager
def new_export(path: Path, identity: str, *, overwrite: bool) -> Iterator[Path]:
    """Work in a sibling folder that takes the name `path` at the end, and goes on where the same work was stopped.

    Parameters
    ----------
    path
        Folder to make.
    identity
        Token of all that the result depends on: what other work has left in the sibling folder is removed.
    overwrite
        Whether to replace a folder that was exported earlier.

    Yields
    ------
    Path
        The folder; files in it are whole.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False, or it was not exported.
    StoreError
        If it cannot be written, or another process is writing it.
    """
    with _writing(path), replacing(path, _EXPORT, overwrite=overwrite) as folder, _writing(path):
        file, place, journal = folder / _UNFINISHED, Folder(folder), Journal(identity)
        if Journal.read(place, _UNFINISHED) != journal:
            clear_folder(folder)
            journal.write(place, _UNFINISHED)
        yield folder
        files = sorted(str(made.relative_to(folder)) for made in folder.rglob("*") if made.is_file() and made != file)
        (folder / MANIFEST).write_text(json.dumps({"files": files}, indent=2) + "\n")
        Journal.remove(place, _UNFINISHED)


@contextmanager
def new_file(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Write to a file beside `path` that takes its name at the end, and is removed if anything fails.

    Raises
    ------
    OutputExistsError
        If something is there and `overwrite` was not asked for, or it is no file.
    StoreError
        If it cannot be written, or another process is writing it.
    """
    check_file(path, overwrite=overwrite)
    partial = path.with_name(f"{path.name}.partial")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):
            try:
                yield partial
                check_file(path, overwrite=overwrite)
                os.replace(partial, path)
            finally:
                with suppress(OSError):
                    partial.unlink(missing_ok=True)


def check_export(path: Path, *, overwrite: bool) -> None:
    """Check that a folder may be exported to `path`, before any work.

    Raises
    ------
    OutputExistsError
        As `new_export`.
    """
    check_output(path, overwrite=overwrite, kind=_EXPORT)


def check_file(path: Path, *, overwrite: bool) -> None:
    """Check that a file may be written to `path`, before any work.

    Raises
    ------
    OutputExistsError
        As `new_file`.
    """
    if path.is_dir():
        raise OutputExistsError(f"the output must be a file, instead got the folder path={str(path)!r}: name another")
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"the output must not exist, instead got path={str(path)!r}: pass overwrite=True (--overwrite)"
        )


def check_folder(path: Path) -> None:
    """Check that the folder of a file exists, where none is made.

    Raises
    ------
    ValueError
        If it does not.
    """
    if not path.parent.is_dir():
        raise ValueError(
            f"path must be in an existing folder, instead got path={str(path)!r}: make {path.parent} first"
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error.strerror or error}") from error
