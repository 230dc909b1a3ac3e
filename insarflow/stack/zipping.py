"""A store as one zip file, to hand on: `insarflow.open_stack` opens it, and so does zarr."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path
from typing import Final

from insarflow.errors import OutputExistsError, StoreError
from insarflow.stack.archive import MAX_MEMBERS
from insarflow.stack.journal import journal_of
from insarflow.stack.location import Folder
from insarflow.stack.remote import is_url
from insarflow.stack.sources import as_path
from insarflow.stack.stored import open_store

EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""Time of every file in a zip that is written: the earliest there is."""

_COPIED: Final = 2**20


def zip_store(path: str | Path, out: str | Path, *, overwrite: bool = False) -> Path:
    """Copy a stack store into a zip file, at its root, one shard after the other; nothing is decoded.

    Parameters
    ----------
    path
        A store in a folder.
    out
        The file to make, such as ``stack.zarr.zip``. It appears whole or not at all.
    overwrite
        Whether to replace a file that is there, once the new one is complete.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    TypeError
        If an argument is no path.
    ValueError
        If `out` does not end in ``.zip``, or lies in the store.
    StoreError
        If `path` is no stack store in a folder, an append to it is unfinished, it has more files than a zip is opened
        with, or `out` cannot be written.
    OutputExistsError
        If `out` exists and `overwrite` is False, or is no file.

    Notes
    -----
    Shards are compressed already and are stored as they are, so that a reader finds a chunk without reading what is
    before it. Names are sorted and times are all the same: the same store gives the same bytes.

    Examples
    --------
    >>> import insarflow
    >>> folder = Path(getfixture("tmp_path"))
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=2, delays=[6], movers=0)
    >>> zip_store(insarflow.write_stack(ds, folder / "stack.zarr"), folder / "stack.zarr.zip").name
    'stack.zarr.zip'
    """
    if is_url(path):
        raise StoreError(f"path={str(path)!r} must be a store in a folder, instead got a URL: download it first")
    source, target = Folder(as_path(path, "path").resolve()), as_path(out, "out")
    if target.suffix.lower() != ".zip" or is_url(out):
        raise ValueError(f"out must be a file that ends in .zip, instead got out={str(out)!r}")
    if source.path in target.resolve().parents:
        raise ValueError(f"out must not lie in the store, instead got out={str(out)!r}: choose another folder")
    _check_output(target, overwrite=overwrite)
    open_store(source)
    where, key = journal_of(source)
    if where.read(key) is not None:
        raise StoreError(f"path={str(path)!r} holds an unfinished append: run the same append again, then zip it")
    names = sorted(p.relative_to(source.path).as_posix() for p in source.path.rglob("*") if p.is_file())
    if len(names) > MAX_MEMBERS:
        raise StoreError(f"path={str(path)!r} must have at most {MAX_MEMBERS} files, instead got {len(names)}")
    try:
        _write(source.path, names, target.resolve())
    except OSError as error:
        raise StoreError(f"out={str(out)!r} cannot be written: {error.strerror or error}") from error
    return target


def _check_output(target: Path, *, overwrite: bool) -> None:
    if target.is_dir():
        raise OutputExistsError(f"only a file can be overwritten, and out={str(target)!r} is a folder")
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"the output must not exist, instead got out={str(target)!r}: pass overwrite=True (--overwrite)"
        )


def _write(folder: Path, names: list[str], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
            for name in names:
                _copy(folder / name, name, archive)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _copy(file: Path, name: str, archive: zipfile.ZipFile) -> None:
    member = zipfile.ZipInfo(name, EPOCH)
    member.create_system = 3  # whatever writes it
    member.external_attr = 0o644 << 16
    member.file_size = file.stat().st_size  # tells whether its header needs room for a large number
    with file.open("rb") as stream, archive.open(member, "w") as place:
        shutil.copyfileobj(stream, place, _COPIED)
