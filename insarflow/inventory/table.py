"""The inventory of moving slopes as a table, and its file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import pyogrio
import xarray as xr
from pyogrio.errors import DataLayerError, DataSourceError

from insarflow.errors import MissingVariableError, OutputExistsError, StoreError
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.polygons import vectorise
from insarflow.inventory.summary import summarise
from insarflow.schema import SPACE, require

LAYER = "inventory"
"""Name of the layer in the file."""


def inventory(ds: xr.Dataset, *, threshold: float | None = None, min_area: float = 10_000.0) -> gpd.GeoDataFrame:
    """Inventory of the moving slopes of a stack.

    Parameters
    ----------
    ds
        Holds ``probability``: per pair (date, delay, y, x), or summarised (y, x) and then with ``support``.
    threshold
        Probability from which a pixel counts as moving, between 0 and 1, both excluded. By default the one that
        belongs to the data: that of ``support`` if summarised, else the model's frozen one in the attribute
        ``threshold`` of ``probability``.
    min_area
        Smaller polygons are left out, m^2.

    Returns
    -------
    geopandas.GeoDataFrame
        As of `insarflow.inventory.polygons.vectorise`. This computes.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If no threshold is known, it is not between 0 and 1, it is not the one that ``support`` was counted at, or
        `min_area` is negative.
    MissingVariableError
        If ``probability``, or ``support`` of a summary, is missing.
    SchemaError
        If dimensions, coordinates, CRS or the values do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from insarflow.stack.georeference import georeference
    >>> from insarflow.types import Grid
    >>> p = np.zeros((2, 1, 20, 20), "float32")
    >>> p[:, :, 3:13, 4:14] = 0.9
    >>> ds = xr.Dataset({"probability": (("date", "delay", "y", "x"), p)})
    >>> ds = georeference(ds, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (20, 20), "EPSG:32632"))
    >>> inventory(ds, threshold=0.5)["pairs"].tolist()
    [2]
    """
    require(ds, "probability", to="inventory")
    summarised = tuple(ds["probability"].dims) == SPACE
    if summarised and "support" not in ds:
        raise MissingVariableError(
            "inventory of one map needs the variable 'support' that summarise gives; of a single interferogram keep "
            "the dimensions date and delay, with ds.isel(date=[0], delay=[0])"
        )
    known = _known_threshold(ds, summarised)
    if threshold is None:
        threshold = known
    if threshold is None:
        raise ValueError(
            "threshold must be given, because probability has no attribute 'threshold' from a model: "
            "write inventory(ds, threshold=0.5), between 0 and 1"
        )
    threshold = check_threshold(threshold)
    if not summarised:
        ds = summarise(ds, threshold=threshold)
    counted = ds["support"].attrs.get("threshold", threshold)
    if counted != threshold:
        raise ValueError(
            f"threshold must be the one that support was counted at, {counted}, instead got threshold={threshold}: "
            "summarise again, or give the probability of the pairs"
        )
    frame = vectorise(ds["probability"], ds["support"], threshold=threshold, min_area=min_area)
    if "recipe" in ds.attrs:
        frame.attrs["recipe"] = ds.attrs["recipe"]
    return frame


def _known_threshold(ds: xr.Dataset, summarised: bool) -> float | None:
    sources = ("support", "probability") if summarised else ("probability",)
    return next((ds[name].attrs["threshold"] for name in sources if "threshold" in ds[name].attrs), None)


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
