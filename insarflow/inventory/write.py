"""The file of an inventory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from insarflow.errors import OutputExistsError, StoreError

LAYER = "inventory"
"""Name of the layer in the file."""


def write_inventory(
    frame: gpd.GeoDataFrame, path: str | os.PathLike[str], *, layer: str = LAYER, overwrite: bool = False
) -> Path:
    """Write an inventory as a GeoPackage with one layer.

    It is written beside its place and then moved there: an interrupted write leaves nothing behind. Threshold,
    min_area and recipe become metadata of the layer.

    Parameters
    ----------
    frame
        As of `inventory`.
    path
        Ends in ``.gpkg``; its folder exists.
    layer
        Its name.
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
        If `path` does not end in ``.gpkg``, or its folder does not exist.
    OutputExistsError
        If the file exists and `overwrite` is False, or a folder has its name.
    StoreError
        If the file cannot be written.
    """
    if not isinstance(frame, gpd.GeoDataFrame):
        raise TypeError(f"frame must be a geopandas.GeoDataFrame, instead got {type(frame).__name__}")
    path = check_file(path, overwrite=overwrite)
    try:
        _write_beside(frame, path, layer)
    except (OSError, DataSourceError, DataLayerError) as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error}") from error
    return path


def check_file(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The path of an inventory to be written, before any work.

    Raises
    ------
    ValueError
        If it does not end in ``.gpkg``, or its folder does not exist.
    OutputExistsError
        If the file exists and `overwrite` is False, or a folder has its name.
    """
    path = Path(path)
    if path.suffix.lower() != ".gpkg":
        raise ValueError(f"path must end in .gpkg (GeoPackage), instead got path={str(path)!r}")
    if not path.parent.is_dir():
        raise ValueError(
            f"path must be in an existing folder, instead got path={str(path)!r}: make {path.parent} first"
        )
    if path.is_dir():
        raise OutputExistsError(f"path must not be a folder, instead got path={str(path)!r}: choose another name")
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} is already there: choose another name, or set overwrite=True (--overwrite) to replace it"
        )
    return path


def _write_beside(frame: gpd.GeoDataFrame, path: Path, layer: str) -> None:
    # A folder of its own: GDAL keeps journals beside a GeoPackage while it writes.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as beside:
        draft = Path(beside) / path.name
        with _no_clock():
            frame.to_file(
                draft,
                layer=layer,
                driver="GPKG",
                engine="pyogrio",
                geometry_type="Polygon" if (frame.geom_type == "Polygon").all() else "MultiPolygon",
                layer_metadata={key: str(value) for key, value in frame.attrs.items()},
            )
        draft.replace(path)


@contextmanager
def _no_clock() -> Iterator[None]:
    """Write no time of day into a GeoPackage: the same table gives the same bytes."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before or "2000-01-01T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})
