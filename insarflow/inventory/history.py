"""The file of an inventory through the years: what it says of itself, and its dated copies."""

from __future__ import annotations

import filecmp
import itertools
import shutil
from pathlib import Path

import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from insarflow.errors import StoreError


def facts_of(path: Path) -> dict[str, str]:
    """What a file of an inventory says of itself: the metadata of its layer; nothing if it has none.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    try:
        return dict(pyogrio.read_info(path, layer=0)["layer_metadata"] or {})
    except (DataSourceError, DataLayerError) as error:
        raise StoreError(f"path={str(path)!r} must be the GeoPackage of an inventory: {error}") from error


def keep_copy(path: Path, folder: Path, stamp: str) -> Path:
    """Copy a file to a folder, under its name and a time; no copy that is there is replaced.

    If the latest copy is the same, that is it. Only one process at a time may do it.

    Parameters
    ----------
    path
        Of the file.
    folder
        For the copies; made if need be.
    stamp
        The time, so that names sort by it: ``20210901T120000``.

    Returns
    -------
    pathlib.Path
        The copy: ``<name>-<stamp>.gpkg``, or ``<name>-<stamp>-2.gpkg`` if there is one.
    """
    folder.mkdir(exist_ok=True)
    there = sorted(folder.glob(f"{path.stem}-*{path.suffix}"), key=lambda copy: (copy.stat().st_mtime_ns, copy.name))
    if there and filecmp.cmp(there[-1], path, shallow=False):
        return there[-1]
    names = (f"{path.stem}-{stamp}{f'-{n}' if n > 1 else ''}{path.suffix}" for n in itertools.count(1))
    copy = next(place for place in (folder / name for name in names) if not place.exists())
    draft = folder / f".{path.name}.partial"
    shutil.copyfile(path, draft)
    draft.replace(copy)
    return copy
