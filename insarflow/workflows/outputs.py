"""A folder of results appears whole or not at all, and takes nobody's files with it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from insarflow.errors import OutputExistsError
from insarflow.stack.replace import is_zarr


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
    _check(out, target, names, overwrite)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise OutputExistsError(f"output {out} cannot be written: {error.strerror}") from error
    try:
        yield partial
        _check(out, target, names, overwrite)
        target.mkdir(exist_ok=True)
        for name in names:
            _remove(target / name)
        for made in sorted(partial.iterdir()):
            made.replace(target / made.name)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check(out: Path, target: Path, names: tuple[str, ...], overwrite: bool) -> None:
    if target.exists() and not target.is_dir():
        raise OutputExistsError(f"output {out} is a file: name a folder")
    if is_zarr(target):
        raise OutputExistsError(f"output {out} is a Zarr store: name another folder")
    there = [name for name in names if (target / name).exists()]
    if there and not overwrite:
        raise OutputExistsError(
            f"output {out} already holds {', '.join(there)}: choose another folder, or overwrite them with --overwrite"
        )


def _remove(old: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
