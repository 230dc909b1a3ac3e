"""The true movers of a simulated region as polygons."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import xarray as xr
from affine import Affine
from rasterio.features import shapes
from shapely.geometry import shape
from shapely.ops import unary_union

from insarflow.schema import CELLS, require
from insarflow.stack.georeference import grid_of

TRUTH: Final = ("label", "los_rate", "kind", "confidence", "speed", "visible")
"""What is needed of a truth."""


def true_movers(truth: xr.Dataset) -> gpd.GeoDataFrame:
    """Outline the movers of a simulation.

    Parameters
    ----------
    truth
        As `insarflow.simulate_stack` gives it: ``label``, ``los_rate``, ``kind``, ``confidence``, ``speed`` and
        ``visible``. This computes them, once.

    Returns
    -------
    geopandas.GeoDataFrame
        One row per mover in the CRS of `truth`: ``number`` (int32, its label), ``kind`` (what it is), ``confidence``
        (float32, 0..1, of whoever says so), ``speed_m_yr`` (float32, mean speed of its core down the slope),
        ``peak_rate_m_yr`` (float32, its fastest pixel's speed along the line of sight, positive toward the satellite),
        ``visible_pairs`` (int32, number of interferograms that show it), and its outline along pixel edges.

    Raises
    ------
    TypeError
        If `truth` is no Dataset.
    MissingVariableError
        If a variable is missing.
    """
    require(truth, *TRUTH, to="true_movers")
    truth = truth[[*TRUTH]].compute()
    label = truth["label"].values.astype(np.int32)
    grid = grid_of(truth["label"])
    parts: dict[int, list[object]] = {int(number): [] for number in truth["mover"].values}
    for outline, number in shapes(label, mask=label > 0, transform=Affine.from_gdal(*grid.transform)):
        parts[int(number)].append(shape(outline))
    return gpd.GeoDataFrame(
        {
            "number": np.array(list(parts), np.int32),
            "kind": truth["kind"].values.astype(object),
            "confidence": truth["confidence"].values.astype(np.float32),
            "speed_m_yr": truth["speed"].values.astype(np.float32),
            "peak_rate_m_yr": _peaks(label, truth["los_rate"].values, len(parts)),
            "visible_pairs": truth["visible"].sum(CELLS).values.astype(np.int32),
        },
        geometry=[unary_union(pieces) for pieces in parts.values()],
        crs=grid.crs,
    )


def _peaks(label: np.ndarray, rate: np.ndarray, count: int) -> np.ndarray:
    """Signed rate of each mover's fastest pixel."""
    fastest, slowest = np.zeros(count + 1, np.float32), np.zeros(count + 1, np.float32)
    np.maximum.at(fastest, label, rate)
    np.minimum.at(slowest, label, rate)
    return np.where(fastest >= -slowest, fastest, slowest)[1:]
