"""A map of probability -> a table of polygons."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise, product

import dask.array as da
import geopandas as gpd
import numpy as np
import pyproj
import shapely
import xarray as xr

from insarflow.errors import ProductWarning, SchemaError
from insarflow.inventory.checks import check_probability, check_support, check_threshold
from insarflow.inventory.components import FIXED_POINT, Components, find_components, merge
from insarflow.inventory.reshape import reshape
from insarflow.inventory.rings import trace
from insarflow.ops.checks import check_number, check_whole
from insarflow.ops.overlap import Reads, map_windows
from insarflow.schema import SPACE
from insarflow.stack.georeference import grid_of
from insarflow.types import Grid, Tile, Window

Reshape = Callable[[np.ndarray], np.ndarray]

_EAGER_BLOCK = 1024
"""Side of the blocks in which an array in memory is worked through, so that intermediates stay small."""


def vectorise(
    probability: xr.DataArray,
    support: xr.DataArray | None = None,
    *,
    threshold: float,
    low: float | None = None,
    min_area: float = 10_000.0,
    fill_holes: float = 0.0,
    simplify: float = 0.0,
    smooth: int = 0,
) -> gpd.GeoDataFrame:
    """Polygons of the connected pixels at or above a threshold.

    This computes: every block once, all in one graph; only outlines and sums are gathered. Any chunking gives the
    same table, byte for byte.

    Parameters
    ----------
    probability
        (y, x), float32, 0..1, NaN where unknown; with evenly spaced coordinates and a CRS.
    support
        (y, x), integer, number of interferograms that support a pixel, as `insarflow.inventory.summarise` counts
        them; an outline of which no pixel has any is left out. Without it
        `probability` counts as one interferogram.
    threshold
        Between 0 and 1, both excluded.
    low
        With hysteresis: outlines are those of the pixels at or above this, of which one at least is at or above
        `threshold`. By default `threshold`.
    min_area
        Smaller polygons are left out, m^2.
    fill_holes
        Smaller holes are filled, m^2.
    simplify
        Most that outlines may move to need fewer corners, pixels; 0 keeps the edges of the pixels.
    smooth
        How often corners are cut (Chaikin), which makes outlines round; 0 to 4.

    Returns
    -------
    geopandas.GeoDataFrame
        One polygon with its holes per component of 4-neighbours, in the CRS of `probability`, ordered by first pixel
        (top to bottom, then left to right):
        ``id`` (int64, from 1), ``area_m2`` (float64, on the CRS's ellipsoid, edges as geodesics),
        ``probability_mean`` and ``probability_max`` (float32, of the component's pixels), ``pairs`` (int32, highest
        support of a pixel). ``attrs``: threshold, min_area, and recipe if the input has one.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If `threshold` is not between 0 and 1, `low` above it, or another number out of range.
    SchemaError
        If dimensions, coordinates, CRS or the values do not fit.

    Warns
    -----
    ProductWarning
        If no pixel has a probability.

    Notes
    -----
    All of this is done in pixels, whole ones but for smoothing; the affine transform is applied once at the end.
    Outlines that are simplified or smoothed do not know of each other: neighbours may overlap by parts of a pixel.

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
    low = threshold if low is None else check_threshold(low, name="low")
    if low > threshold:
        raise ValueError(f"low must be at most the threshold {threshold}, instead got low={low}")
    for name, value, unit in (
        ("min_area", min_area, " m^2"),
        ("fill_holes", fill_holes, " m^2"),
        ("simplify", simplify, " pixels"),
    ):
        if check_number(name, value) < 0.0:
            raise ValueError(f"{name} must be 0{unit} or more, instead got {name}={value}")
    smooth = check_whole("smooth", smooth, low=0, high=4)
    probability = check_probability(probability, SPACE)
    arrays = [probability.data]
    if support is not None:
        arrays.append(check_support(support, probability).data)
    grid = grid_of(probability)

    blocks = _blocks(arrays, low)
    if not any(block.known for block in blocks.flat):
        warnings.warn("no pixel has a probability: the inventory is empty", ProductWarning, stacklevel=2)
    components = merge(blocks)
    outlines, area = _outlines(components, grid, fill_holes, lambda pixels: reshape(pixels, simplify, smooth))
    keep = (area >= min_area) & (components.highest >= threshold) & (components.pairs > 0)
    frame = gpd.GeoDataFrame(
        {
            "id": np.arange(1, keep.sum() + 1),
            "area_m2": area[keep],
            "probability_mean": (components.total / FIXED_POINT / components.pixels).astype(np.float32)[keep],
            "probability_max": components.highest[keep],
            "pairs": components.pairs[keep],
        },
        geometry=outlines[keep],
        crs=pyproj.CRS.from_wkt(grid.crs),
    )
    recipe = {"recipe": probability.attrs["recipe"]} if "recipe" in probability.attrs else {}
    frame.attrs = {"threshold": threshold, "min_area": float(min_area), **recipe}
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


def _outlines(
    components: Components, grid: Grid, fill_holes: float, reshaped: Reshape
) -> tuple[np.ndarray, np.ndarray]:
    """Polygon of every component in the CRS, shells counter-clockwise, and its area, m^2."""
    rings = trace(components.corners)
    x0, dx, _, y0, _, dy = grid.transform
    if fill_holes > 0.0 and len(rings.component):
        area = _areas(x0 + rings.cols * dx, y0 + rings.rows * dy, rings.ring, grid)
        rings = rings.where(rings.shell | (area >= fill_holes))
    if not len(rings.component):
        return np.empty(0, object), np.empty(0)
    lines = shapely.linearrings(rings.cols, rings.rows, indices=rings.ring)
    pixels = reshaped(shapely.polygons(lines, indices=rings.component))
    placed = shapely.transform(pixels, lambda xy: np.array([x0, y0]) + xy * np.array([dx, dy]))
    outlines = np.asarray(shapely.orient_polygons(placed))
    lines, owner = shapely.get_rings(outlines, return_index=True)
    xy, ring = shapely.get_coordinates(lines, return_index=True)
    sign = np.where(np.r_[True, owner[1:] != owner[:-1]], 1.0, -1.0)
    area = np.zeros(len(outlines))
    np.add.at(area, owner, sign * _areas(xy[:, 0], xy[:, 1], ring, grid))
    return outlines, area


def _areas(x: np.ndarray, y: np.ndarray, ring: np.ndarray, grid: Grid) -> np.ndarray:
    """Area of every ring on the ellipsoid, m^2."""
    crs = pyproj.CRS.from_wkt(grid.crs)
    geodetic, geod = crs.geodetic_crs, crs.get_geod()
    if geodetic is None or geod is None:
        raise SchemaError(f"the CRS must have an ellipsoid to measure areas on, instead got {crs.name!r}")
    if not crs.is_geographic:
        x, y = pyproj.Transformer.from_crs(crs, geodetic, always_xy=True).transform(x, y)
    unit = geodetic.axis_info[0]
    to_degrees = 1.0 if unit.unit_name == "degree" else math.degrees(unit.unit_conversion_factor)
    ends = np.cumsum(np.bincount(ring)).tolist()
    area = np.array(
        [
            abs(geod.polygon_area_perimeter(x[start:end] * to_degrees, y[start:end] * to_degrees)[0])
            for start, end in pairwise([0, *ends])
        ]
    )
    if not np.isfinite(area).all():
        raise SchemaError(
            f"y and x must lie where the CRS {crs.name!r} is defined, instead got an area that is not finite"
        )
    return area
