"""The file of an inventory: which kinds there are, and writing them whole or not at all."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
from pyogrio.errors import DataLayerError, DataSourceError

from insarflow.errors import InsarError, StoreError
from insarflow.inventory.geopackage import check_not_open, write_geopackage
from insarflow.stack.export.output import check_file as check_new
from insarflow.stack.export.output import check_folder

LAYER: Final = "inventory"
"""Name of the layer in the file."""

DEGREES: Final = "EPSG:4326"
"""CRS of the kinds that name none: CSV and GeoJSON."""

OF_A_RUN: Final = ("left_out",)
"""Attributes that tell of the run that chose the slopes, and not of the table: no file keeps them."""

_DIGITS: Final = 7
"""Decimals of degrees, a centimetre."""


def write_inventory(
    frame: gpd.GeoDataFrame, path: str | os.PathLike[str], *, layer: str = LAYER, overwrite: bool = False
) -> Path:
    """Write an inventory; the file's name tells its kind.

    It is written beside its place and then moved there: an interrupted write leaves nothing behind. The same table
    gives the same bytes.

    Parameters
    ----------
    frame
        As of `insarflow.inventory.inventory`.
    path
        In a folder that exists. It ends in

        - ``.gpkg``: a GeoPackage with one layer. If the table has ``id`` and ``status`` it holds a QGIS style and the
          form to review slopes, too. Threshold, min_area and recipe become metadata of the layer; ``left_out`` does
          not.
        - ``.parquet`` or ``.geoparquet``: GeoParquet (extra package ``pyarrow``), with the same metadata.
        - ``.csv``: all columns, then ``lon`` and ``lat`` of a point inside, and ``wkt``, the outline; in degrees
          (EPSG:4326), UTF-8. Nothing reads it back into an inventory.
        - ``.geojson``: as RFC 7946 has it, in degrees; without metadata.
    layer
        Its name, in a GeoPackage.
    overwrite
        Whether to replace a file that is already there.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    TypeError
        If `frame` is no GeoDataFrame.
    ValueError
        If `path` has another ending, its folder does not exist, or a CSV or GeoJSON is asked of a table without CRS.
    OutputExistsError
        If the file exists and `overwrite` is False, or a folder has its name.
    StoreError
        If the file is open in another program, or cannot be written.
    InsarError
        If a package is missing.
    """
    if not isinstance(frame, gpd.GeoDataFrame):
        raise TypeError(f"frame must be a geopandas.GeoDataFrame, instead got {type(frame).__name__}")
    path = check_file(path, overwrite=overwrite)
    write = KINDS[path.suffix.lower()]
    if write in (_csv, _geojson) and frame.crs is None:
        raise ValueError(f"frame must have a CRS to be written in degrees, as {path.suffix}: set it with set_crs")
    try:
        frame = frame.copy(deep=False)
        frame.attrs = {key: value for key, value in frame.attrs.items() if key not in OF_A_RUN}
        # A folder of its own: GDAL keeps journals beside a GeoPackage while it writes.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as beside:
            draft = Path(beside) / path.name
            write(frame, draft, layer)
            draft.replace(path)
    except ImportError as error:
        raise InsarError(
            f"{path.suffix} needs the package pyarrow: pip install 'insarflow[export]', or write .gpkg"
        ) from error
    except (OSError, DataSourceError, DataLayerError, sqlite3.Error) as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error}") from error
    return path


def check_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The path of an inventory to be written, before any work.

    Raises
    ------
    ValueError
        If its ending is of no kind, or its folder does not exist.
    OutputExistsError
        If the file exists and `overwrite` is False, or a folder has its name.
    StoreError
        If it is to be replaced, and open in another program.
    """
    path = Path(path)
    if path.suffix.lower() not in KINDS:
        raise ValueError(
            "path must end in .gpkg (GeoPackage), .parquet or .geoparquet (GeoParquet), .csv or .geojson, instead got "
            f"path={str(path)!r}"
        )
    check_folder(path)
    check_new(path, overwrite=overwrite)
    if path.exists():
        check_not_open(path)
    return path


def _parquet(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    frame.to_parquet(path, index=False)


def _csv(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    """All columns, and place and outline in degrees; a flag is true or false, a day as ISO 8601 has it."""
    degrees = frame.geometry.to_crs(DEGREES)
    table = frame.drop(columns=frame.geometry.name)
    for name in table.select_dtypes("bool").columns:
        table[name] = np.where(table[name], "true", "false")
    inside = degrees.representative_point()
    table = table.assign(
        lon=inside.x.round(_DIGITS), lat=inside.y.round(_DIGITS), wkt=degrees.to_wkt(rounding_precision=_DIGITS)
    )
    table.to_csv(path, index=False, lineterminator="\n", date_format="%Y-%m-%d", encoding="utf-8")


def _geojson(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    frame.to_crs(DEGREES).to_file(
        path, layer=layer, driver="GeoJSON", engine="pyogrio", RFC7946="YES", COORDINATE_PRECISION=_DIGITS
    )


KINDS: Final[dict[str, Callable[[gpd.GeoDataFrame, Path, str], None]]] = {
    ".gpkg": write_geopackage, ".parquet": _parquet, ".geoparquet": _parquet, ".csv": _csv, ".geojson": _geojson,
}  # fmt: skip
"""What writes each kind of file, by its ending."""
