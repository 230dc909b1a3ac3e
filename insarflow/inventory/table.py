"""The inventory of moving slopes as a table."""

from __future__ import annotations

import geopandas as gpd
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.polygons import vectorise
from insarflow.inventory.summary import summarise
from insarflow.schema import SPACE, require


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
