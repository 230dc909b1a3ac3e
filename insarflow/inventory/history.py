"""The file of an inventory through the years: whether it may be replaced, what it says of itself, its dated copies."""

from __future__ import annotations

import filecmp
import itertools
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from insarflow.errors import StoreError
from insarflow.learn.label_files import read_frame


def settle(path: Path) -> None:
    """Check that no program has a GeoPackage open, and let it be one file.

    Edits that a program which died left beside it (``-wal``, ``-journal``) are put into it, or taken back, by SQLite.

    Raises
    ------
    StoreError
        If a program has it open or is writing it, or it may not be written, or is no GeoPackage.
    """
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.0, isolation_level=None)) as database:
            (mode,) = database.execute("PRAGMA journal_mode").fetchone()
            if mode == "wal":
                # Refused while anyone else has it open; else what is in the log goes to the file.
                database.execute("PRAGMA journal_mode = DELETE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("ROLLBACK")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise StoreError(
                f"path={str(path)!r} is open in another program, whose edits would be lost: save and close it there "
                "(in QGIS remove the layer, or close the project), then run this again"
            ) from error
        raise StoreError(f"path={str(path)!r} must be a GeoPackage that may be written: {error}") from error
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise StoreError(
            f"path={str(path)!r} has edits beside it, in {log.name}: open it in QGIS, save, close it, run this again"
        )


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


def read_edited(path: Path) -> gpd.GeoDataFrame:
    """The table of a file of an inventory, as it stands there; ``attrs`` as `facts_of`."""
    frame, _ = read_frame(path)
    frame.attrs = dict(facts_of(path))
    return frame


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
