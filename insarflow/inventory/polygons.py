"""A map of probability -> a table of polygons."""

from __future__ import annotations

import math
from itertools import product

import dask.array as da
import geopandas as gpd
import numpy as np
import pyproj
import shapely
import xarray as xr

from insarflow.errors import SchemaError
from insarflow.inventory.checks import check_probability, check_support, check_threshold
from insarflow.inventory.components import FIXED_POINT, find_components, merge
from insarflow.inventory.rings import Rings, trace
from insarflow.ops.checks import check_number
from insarflow.ops.overlap import Reads, map_windows
from insarflow.schema import SPACE
from insarflow.stack.georeference import grid_of
from insarflow.types import Tile, Window

_EAGER_BLOCK = 1024
"""Side of the blocks in which an array in memory is worked through, so that intermediates stay small."""


def vectorise(
    probability: xr.DataArray,
    support: xr.DataArray | None = None,
    *,
    threshold: float,
    min_area: float = 10_000.0,
) -> gpd.GeoDataFrame:
    """Polygons of the connected pixels at or above a threshold.

    This computes: every block once, all in one graph; only outlines and sums are gathered. Any chunking gives the
    same table, byte for byte.

    Parameters
    ----------
    probability
        (y, x), float32, 0..1, NaN where unknown; with evenly spaced coordinates and a CRS.
    support
        (y, x), integer, number of interferograms in which the pixel is at or above the threshold. Without it
        `probability` counts as one interferogram.
    threshold
        Between 0 and 1, both excluded.
    min_area
        Smaller polygons are left out, m^2.

    Returns
    -------
    geopandas.GeoDataFrame
        One polygon with its holes per component of 4-neighbours, in the CRS of `probability`, ordered by first pixel
        (top to bottom, then left to right):
        ``id`` (int64, from 1), ``area_m2`` (float64, on the CRS's ellipsoid, edges as geodesics),
        ``probability_mean`` and ``probability_max`` (float32), ``pairs`` (int32, highest support of a pixel).
        ``attrs``: threshold, min_area, and recipe if the input has one.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If `threshold` is not between 0 and 1, or `min_area` negative.
    SchemaError
        If dimensions, coordinates, CRS or the values do not fit.

    Examples
    --------
    >>> from insarflow.stack.georeference import georeference
    >>> from insarflow.types import Grid
    >>> p = np.zeros((20, 20), "float32")
    >>> p[3:13, 4:14] = 0.9
    >>> ds = xr.Dataset({"probability": (("y", "x"), p)})
    >>> ds = georeference(ds, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (20, 20), "EPSG:32632"))
    >>> vectorise(ds["probability"], threshold=0.5)[["id", "area_m2", "probability_max", "pairs"]].round(1)
       id  area_m2  probability_max  pairs
    0   1  40032.0              0.9      1
    """
    threshold = check_threshold(threshold)
    min_area = check_number("min_area", min_area)
    if min_area < 0.0:
        raise ValueError(f"min_area must be 0 m^2 or more, instead got min_area={min_area}")
    probability = check_probability(probability, SPACE)
    arrays = [probability.data]
    if support is not None:
        arrays.append(check_support(support, probability).data)
    grid = grid_of(probability)

    components = merge(_blocks(arrays, threshold))
    rings = trace(components.corners)
    crs = pyproj.CRS.from_wkt(grid.crs)
    x = grid.transform[0] + rings.cols * grid.transform[1]
    y = grid.transform[3] + rings.rows * grid.transform[5]
    area = _areas(x, y, rings, len(components.pixels), crs)
    keep = area >= min_area
    frame = gpd.GeoDataFrame(
        {
            "id": np.arange(1, keep.sum() + 1),
            "area_m2": area[keep],
            "probability_mean": (components.total / FIXED_POINT / components.pixels).astype(np.float32)[keep],
            "probability_max": components.highest[keep],
            "pairs": components.pairs[keep],
        },
        geometry=_polygons(x, y, rings)[keep],
        crs=crs,
    )
    recipe = {"recipe": probability.attrs["recipe"]} if "recipe" in probability.attrs else {}
    frame.attrs = {"threshold": threshold, "min_area": min_area, **recipe}
    return frame


def _blocks(arrays: list[np.ndarray | da.Array], threshold: float) -> np.ndarray:
    """`Block` of every block, object (rows of blocks, columns of blocks)."""
    blocks: np.ndarray
    if any(isinstance(a, da.Array) for a in arrays):
        first, *others = map(da.asarray, arrays)
        heights, widths = ([n for n in chunks if n] for chunks in first.chunks)
        blocks = map_windows(
            find_components,
            first,
            *others,
            reads=(_whole_chunks(heights), _whole_chunks(widths)),
            out_chunks=((1,) * len(heights), (1,) * len(widths)),
            dtype=object,
            threshold=threshold,
        ).compute()
        return blocks
    whole = Tile.whole(arrays[0].shape)
    height, width = whole.shape
    rows, cols = range(0, height, _EAGER_BLOCK), range(0, width, _EAGER_BLOCK)
    blocks = np.empty((len(rows), len(cols)), object)
    for (i, y0), (j, x0) in product(enumerate(rows), enumerate(cols)):
        window = Window(y0, x0, min(_EAGER_BLOCK, height - y0), min(_EAGER_BLOCK, width - x0))
        cut = window.within(whole.read)
        tile = Tile(window, window, whole.shape)
        blocks[i, j] = find_components(*(a[cut] for a in arrays), tile=tile, threshold=threshold)[0, 0]
    return blocks


def _whole_chunks(chunks: list[int]) -> Reads:
    """Output element k reads chunk k."""
    edges = np.cumsum([0, *chunks]).tolist()

    def reads(start: int, stop: int, size: int) -> tuple[int, int]:
        return edges[start], edges[stop]

    return reads


def _polygons(x: np.ndarray, y: np.ndarray, rings: Rings) -> np.ndarray:
    """Polygon of every component, shells counter-clockwise."""
    if not len(rings.component):
        return np.empty(0, object)
    outlines = shapely.linearrings(x, y, indices=rings.ring)
    return np.asarray(shapely.orient_polygons(shapely.polygons(outlines, indices=rings.component)))


def _areas(x: np.ndarray, y: np.ndarray, rings: Rings, n: int, crs: pyproj.CRS) -> np.ndarray:
    """Area of every component on the ellipsoid, m^2."""
    geodetic, geod = crs.geodetic_crs, crs.get_geod()
    if geodetic is None or geod is None:
        raise SchemaError(f"the CRS must have an ellipsoid to measure areas on, instead got {crs.name!r}")
    if not crs.is_geographic:
        x, y = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True).transform(x, y)
    unit = geodetic.axis_info[0]
    to_degrees = 1.0 if unit.unit_name == "degree" else math.degrees(unit.unit_conversion_factor)
    ends = np.cumsum(np.bincount(rings.ring, minlength=len(rings.component)))
    area = np.zeros(n)
    start = 0
    for end, component, shell in zip(ends.tolist(), rings.component.tolist(), rings.shell.tolist(), strict=True):
        ring, _ = geod.polygon_area_perimeter(x[start:end] * to_degrees, y[start:end] * to_degrees)
        area[component] += abs(ring) if shell else -abs(ring)
        start = end
    if not np.isfinite(area).all():
        raise SchemaError(
            f"y and x must lie where the CRS {crs.name!r} is defined, instead got an area that is not finite"
        )
    return area
