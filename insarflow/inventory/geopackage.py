"""The GeoPackage of an inventory: a layer with its QGIS style and form; and whether another program has it open."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import geopandas as gpd
import pyogrio

from insarflow.errors import StoreError
from insarflow.inventory.symbology import style

MAGIC: Final = b"SQLite format 3\0"
"""How a GeoPackage begins."""

STYLES: Final = "layer_styles"
"""The table in which QGIS looks for styles."""

NO_TIME: Final = "2000-01-01T00:00:00.000Z"
"""Written where a GeoPackage asks for the time of day: the same table gives the same bytes."""

_TABLE: Final = f"""CREATE TABLE "{STYLES}" ("id" INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
"f_table_catalog" TEXT(256), "f_table_schema" TEXT(256), "f_table_name" TEXT(256), "f_geometry_column" TEXT(256),
"styleName" TEXT(30), "styleQML" TEXT, "styleSLD" TEXT, "useAsDefault" BOOLEAN, "description" TEXT, "owner" TEXT(30),
"ui" TEXT(30), "update_time" DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))"""


def write_geopackage(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """Write a table to a new GeoPackage.

    A table with the columns ``id`` and ``status`` gets a style and a form for QGIS; threshold, min_area, recipe and
    what else its attributes hold become metadata of the layer.

    Raises
    ------
    OSError, RuntimeError, sqlite3.Error
        If it cannot be written.
    """
    with _no_clock():
        frame.to_file(
            path,
            layer=layer,
            driver="GPKG",
            engine="pyogrio",
            geometry_type="Polygon" if (frame.geom_type == "Polygon").all() else "MultiPolygon",
            layer_metadata={key: str(value) for key, value in frame.attrs.items()},
        )
    if {"id", "status"} <= set(frame.columns):
        _add_style(path, layer, style(frame))


def _add_style(path: Path, layer: str, qml: str) -> None:
    """Put a style into a GeoPackage as QGIS itself does, as the layer's default."""
    with closing(sqlite3.connect(path)) as file, file:
        (column,) = file.execute(
            "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
        ).fetchone()
        file.execute(_TABLE)
        file.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change) "
            "VALUES (?, 'attributes', ?, '', ?)",
            (STYLES, STYLES, NO_TIME),
        )
        file.execute(
            f"INSERT INTO {STYLES} (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName, "
            "styleQML, styleSLD, useAsDefault, description, owner, update_time) "
            "VALUES ('', '', ?, ?, ?, ?, '', 1, 'Moving slopes, with the form to review them', '', ?)",
            (layer, column, layer, qml, NO_TIME),
        )


@contextmanager
def _no_clock() -> Iterator[None]:
    """Write no time of day into a GeoPackage."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before or NO_TIME})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def check_not_open(path: str | os.PathLike[str]) -> None:
    """Check that no other program is editing a GeoPackage; no byte of it changes.

    A missing file and one that is no GeoPackage are open nowhere.

    Raises
    ------
    StoreError
        If another program holds it, or was stopped while it wrote and left changes beside it.

    Notes
    -----
    A program that only looks, and locks nothing, is not seen: QGIS locks a layer once it is edited.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                return
    except OSError:
        return
    way = "save and close it there (QGIS: save the edits, remove the layer), then do this again"
    for ending in ("-wal", "-journal"):
        beside = path.with_name(path.name + ending)
        if _holds_changes(beside):
            raise StoreError(f"{path} must not be open elsewhere, instead {beside.name} holds changes of it: {way}")
    try:
        _lock(path)
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise StoreError(f"{path} must not be open elsewhere, instead another program holds it: {way}") from error
        if "readonly" not in str(error):
            raise StoreError(f"{path} cannot be read: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path} is damaged: {error}") from error


def _holds_changes(beside: Path) -> bool:
    """Whether a journal has something in it; one that is done is empty, gone, or begins with zeros."""
    try:
        with beside.open("rb") as file:
            return any(file.read(8))
    except OSError:
        return False


def _lock(path: Path) -> None:
    """Take the lock of who writes, alone, and give it back."""
    address = f"file:{quote(str(path.resolve()))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as file:
        # With a write-ahead log, who only has the file open shares a lock that this refuses to share.
        file.execute("PRAGMA locking_mode = EXCLUSIVE")
        file.execute("BEGIN IMMEDIATE")
        file.execute("ROLLBACK")
