"""The inventory of moving slopes as a table."""

from __future__ import annotations

import geopandas as gpd
import pandas as pd
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory.checks import known_cut, settle_cut
from insarflow.inventory.criteria import Criteria, select_slopes
from insarflow.inventory.measure import complete, measure
from insarflow.inventory.polygons import vectorise
from insarflow.inventory.summary import summarise
from insarflow.schema import SPACE, require


def inventory(
    ds: xr.Dataset,
    *,
    threshold: float | None = None,
    peak: float | None = None,
    low: float | None = None,
    min_area: float = 10_000.0,
    fill_holes: float = 0.0,
    simplify: float = 0.0,
    smooth: int = 0,
    measured: bool = True,
    criteria: Criteria | None = None,
) -> gpd.GeoDataFrame:
    """Inventory of the moving slopes of a stack: their outlines, when they show, how fast they move, on what terrain.

    Parameters
    ----------
    ds
        Holds ``probability``: per pair (date, delay, y, x), or summarised (y, x) and then with ``support``. Whatever
        else of a stack is there is used to measure the slopes: see `insarflow.inventory.measure.measure`.
    threshold
        Probability from which a pixel counts as moving, between 0 and 1, both excluded. By default the one that
        belongs to the data: that of ``support`` if summarised, else the model's frozen one in the attribute
        ``threshold`` of ``probability``.
    peak
        Probability that some interferogram must reach somewhere in an outline, at least as high: air feigns motion
        that is nowhere sure. By default the one that belongs to the data, as the threshold; with another threshold
        than that, the threshold itself.
    low, min_area, fill_holes, simplify, smooth
        As `insarflow.inventory.polygons.vectorise`.
    measured
        Whether slopes are measured; if not, only what outlines and probability tell is there. With a ``probability``
        that is lazy and not stored, the network runs once for the outlines, and again where slopes are measured.
    criteria
        What a slope must be to stay; by default all do. See `insarflow.inventory.criteria.Criteria`.

    Returns
    -------
    geopandas.GeoDataFrame
        A row a slope, columns as in `insarflow.inventory.columns`. Any chunking gives the same. This computes.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If no threshold is known, it or the peak is not between 0 and 1 or not the one that ``support`` was counted
        with, the peak is below the threshold, or another number is out of range.
    MissingVariableError
        If ``probability``, or ``support`` of a summary, or what a criterion needs is missing.
    GridMismatchError
        If a raster of the criteria does not cover a slope.
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
    >>> days = np.array(["2021-07-03", "2021-07-09"], "M8[ns]"), np.array([6], "m8[D]").astype("m8[ns]")
    >>> ds = ds.assign_coords(date=days[0], delay=days[1])
    >>> ds = georeference(ds, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (20, 20), "EPSG:32632"))
    >>> inventory(ds, threshold=0.5)[["pairs", "repetition"]].values.tolist()
    [[2, '6:2/2']]
    """
    require(ds, "probability", to="inventory")
    summarised = tuple(ds["probability"].dims) == SPACE
    if summarised and "support" not in ds:
        raise MissingVariableError(
            "inventory of one map needs the variable 'support' that summarise gives; of a single interferogram keep "
            "the dimensions date and delay, with ds.isel(date=[0], delay=[0])"
        )
    counted = known_cut(ds["support"]) if summarised else (None, None)
    threshold, peak = settle_cut(threshold, peak, known_cut(ds["probability"]) if counted[0] is None else counted)
    summary = ds if summarised else summarise(ds, threshold=threshold, peak=peak)
    for name, asked, was in zip(("threshold", "peak"), (threshold, peak), counted, strict=True):
        if was is not None and asked != was:
            raise ValueError(
                f"{name} must be the one that support was counted with, {was}, instead got {name}={asked}: "
                "summarise again, or give the probability of the pairs"
            )
    frame = vectorise(
        summary["probability"], summary["support"], threshold=threshold, low=low, min_area=min_area,
        fill_holes=fill_holes, simplify=simplify, smooth=smooth,
    )  # fmt: skip
    frame.attrs["peak"] = peak
    if "recipe" in summary.attrs:
        frame.attrs["recipe"] = summary.attrs["recipe"]
    frame = measure(frame, ds, threshold=threshold) if measured else complete(frame, pd.DataFrame())
    return frame if criteria is None else select_slopes(frame, criteria)
