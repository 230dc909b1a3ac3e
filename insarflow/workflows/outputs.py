"""A folder of results appears whole or not at all, and takes nobody's files with it."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from insarflow.errors import OutputExistsError
from insarflow.stack.replace import is_zarr

if sys.platform != "win32":
    import fcntl

UNFINISHED: Final = "unfinished"
"""Folder inside an output folder that holds work which can be gone on with."""

_LOCK: Final = "lock"
_NO_LOCKS: Final = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK, errno.EINVAL)
"""What a file system says that has no locks (some of clusters)."""


@contextmanager
def new_folder(out: Path, names: tuple[str, ...], *, overwrite: bool) -> Iterator[Path]:
    """Work in a folder beside `out` whose content moves to `out` at the end, and is removed if anything fails.

    Parameters
    ----------
    out
        Folder that will hold the results. May exist.
    names
        Files and folders that the results may hold; others in `out` are never touched.
    overwrite
        Remove those of them that are already there, once the new ones are complete.

    Raises
    ------
    OutputExistsError
        If a result is already there and `overwrite` was not asked for, or `out` is no folder or cannot be made.
    """
    target = out.resolve()
    check_folder(out, names, overwrite=overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise _not_writable(out, error) from error
    try:
        yield partial
        check_folder(out, names, overwrite=overwrite)
        target.mkdir(exist_ok=True)
        for name in names:
            remove(target / name)
        for made in sorted(partial.iterdir()):
            made.replace(target / made.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def unfinished_folder(out: Path) -> Iterator[Path]:
    """Work in ``out/unfinished``, which stays if anything fails, so that the work can be gone on with.

    Only one process at a time may; the system frees the lock of one that dies.

    Yields
    ------
    Path
        The folder, with what an earlier process left there. Whoever is done calls `publish`.

    Raises
    ------
    OutputExistsError
        If another process works there, or the folder cannot be made.
    """
    folder = out.resolve() / UNFINISHED
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = _lock(folder / _LOCK)
    except BlockingIOError as error:
        raise OutputExistsError(
            f"another insarflow is writing to {out}: wait until it is done, or choose another folder"
        ) from error
    except OSError as error:
        raise _not_writable(out, error) from error
    try:
        yield folder
    finally:
        os.close(lock)


def publish(results: Path, out: Path, names: tuple[str, ...]) -> None:
    """Move complete results to `out`, where they replace old ones, and remove the unfinished work.

    Parameters
    ----------
    results
        Folder inside ``out/unfinished``.
    out
        Folder that shall hold them.
    names
        Files that results may hold. The last one moves last: while it is not in `out`, the results are not.

    Raises
    ------
    OutputExistsError
        If they cannot be moved.
    """
    try:
        for name in names:
            made = results / name
            if made.exists():
                made.replace(out / name)
            else:
                remove(out / name)
    except OSError as error:
        raise _not_writable(out, error) from error
    folder = out / UNFINISHED
    with suppress(OSError):
        for left in folder.iterdir():
            if left.name != _LOCK:
                remove(left)
        # Last, and then only an empty folder: another process may begin here as soon as the lock is gone.
        (folder / _LOCK).unlink()
        folder.rmdir()


def check_folder(out: Path, names: tuple[str, ...], *, overwrite: bool) -> None:
    """Check that results may go to a folder, before any work.

    Raises
    ------
    OutputExistsError
        As `new_folder`.
    """
    target = out.resolve()
    above = next(folder for folder in (target, *target.parents) if folder.exists())
    if not above.is_dir():
        what = f"output {out}" if above == target else f"output {out} cannot be made: {above}"
        raise OutputExistsError(f"{what} is a file: name a folder")
    if is_zarr(target):
        raise OutputExistsError(f"output {out} is a Zarr store: name another folder")
    there = [name for name in names if (target / name).exists()]
    if there and not overwrite:
        raise OutputExistsError(
            f"output {out} already holds {', '.join(there)}: choose another folder, or overwrite them with --overwrite"
        )
    if not os.access(above, os.W_OK):
        raise OutputExistsError(f"output {out} cannot be written: no permission in {above}; choose another folder")


def remove(old: Path) -> None:
    """Remove a file or folder; one that is not there is fine."""
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def _lock(path: Path) -> int:
    """Open file whose lock this process holds.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    while True:
        with suppress(FileExistsError):
            os.mkdir(path.parent)
        try:
            opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # who was here is done, and removed the folder
        try:
            if sys.platform != "win32":
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(opened), path.stat()):
                return opened
        except FileNotFoundError:
            pass  # likewise
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return opened
            os.close(opened)
            raise
        os.close(opened)


def _not_writable(out: Path, error: OSError) -> OutputExistsError:
    return OutputExistsError(f"output {out} cannot be written: {error.strerror}; choose another folder")
