"""An area of interest: the polygons of a vector file, as pixels of a stack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
from affine import Affine
from dask._task_spec import Task, TaskRef
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph
from pyproj.exceptions import ProjError
from rasterio.features import rasterize

from insarflow.errors import ProductError
from insarflow.ops.cells import missing_block, nan_of
from insarflow.ops.layer import Reading, array_by_rule, reading_of
from insarflow.types import Grid, Window

if TYPE_CHECKING:
    import geopandas as gpd

MAX_BYTES = 64 * 2**20
"""Largest file that is read."""

MAX_SPAN = 1e9
"""Largest extent of polygons, in units of their CRS (of which none is much less than a metre)."""

MANY = 10_000
"""Corners from which on polygons are taken to have short edges."""

_KINDS = {
    ".gpkg": (b"SQLite format 3\0",),
    ".geojson": (b"{",),
    ".json": (b"{",),
    ".shp": (b"\0\0\x27\x0a",),
}
"""How files of each kind begin: GDAL goes by this and not by the name, and knows kinds that open other files."""

_POLYGONS = {"Polygon", "MultiPolygon"}


ONE_RASTERISES = Lock()
"""rasterio changes the process's warning filters while it rasterises, which is not safe in several threads."""


@dataclass(frozen=True)
class Area:
    """Polygons in pixels of a grid: (0, 0) is its outer corner.

    Attributes
    ----------
    shapes
        The polygons as GeoJSON geometries, x before y.
    bounds
        Left, top, right and bottom of each, shape ``(n, 4)``.
    """

    shapes: tuple[Mapping[str, Any], ...]
    bounds: np.ndarray

    def inside(self, window: Window) -> np.ndarray:
        """Which pixels of a window have their centre inside: bool, the window's shape."""
        near = (
            (self.bounds[:, 0] < window.x1)
            & (self.bounds[:, 2] > window.x0)
            & (self.bounds[:, 1] < window.y1)
            & (self.bounds[:, 3] > window.y0)
        )
        if not near.any():
            return np.zeros(window.shape, bool)
        # Whole pixels: so a polygon meets the same centres however the grid is cut.
        place = Affine.translation(window.x0, window.y0)
        with ONE_RASTERISES:
            burnt: np.ndarray = rasterize(
                [self.shapes[k] for k in np.flatnonzero(near)], out_shape=window.shape, transform=place, dtype="uint8"
            )
        return burnt.astype(bool)

    def lazy(self, window: Window, chunks: tuple[tuple[int, ...], tuple[int, ...]]) -> da.Array:
        """`inside` of a window as dask blocks."""
        name = f"inside-{tokenize(self.shapes, window, chunks)}"
        graph: dict[Any, Any] = {f"{name}-area": self}
        for i, j in np.ndindex(len(chunks[0]), len(chunks[1])):
            y0, x0 = window.y0 + sum(chunks[0][:i]), window.x0 + sum(chunks[1][:j])
            block = Window(y0, x0, chunks[0][i], chunks[1][j])
            graph[(name, i, j)] = (Area.inside, f"{name}-area", block)
        layer = HighLevelGraph.from_collections(name, graph)
        return da.Array(layer, name, chunks=chunks, meta=np.empty((0, 0), bool))


def masked(data: np.ndarray | da.Array, keep: np.ndarray, area: Area, window: Window) -> Any:
    """Images ``(date, delay, y, x)`` of a window: missing outside the area and in the cells that are not to keep."""
    if not isinstance(data, da.Array):
        return _mask(data, keep, area.inside(window))
    inside = area.lazy(window, (data.chunks[2], data.chunks[3]))
    reading = reading_of(data)
    starts = [np.cumsum((0, *sizes)) for sizes in data.chunks]
    rule = _Masked(reading or data.name, keep, inside.name, starts, data.dtype)
    sources = [inside] if reading is not None else [data, inside]
    return array_by_rule(f"masked-{tokenize(data, keep, inside)}", rule, data.chunks, data.dtype, sources)


@dataclass(frozen=True)
class _Masked:
    """The rule of the tasks of `masked`; what is only read is read by the task."""

    source: Reading | str
    keep: np.ndarray
    inside: str
    starts: list[np.ndarray]
    dtype: np.dtype

    def task(self, key: tuple[Any, ...]) -> Task:
        """Mask a block, or make one that is missing."""
        ends = [edges[k : k + 2].tolist() for edges, k in zip(self.starts, key[1:], strict=True)]
        cells = self.keep[tuple(slice(*pair) for pair in ends[:2])]
        if not cells.any():
            return Task(key, missing_block, tuple(b - a for a, b in ends), self.dtype)
        inside = TaskRef((self.inside, *key[3:]))
        if isinstance(self.source, Reading):
            return Task(key, _mask_of, cells, inside, *self.source.call(key[1:3], *map(tuple, ends[2:])))
        return Task(key, _mask, TaskRef((self.source, *key[1:])), cells, inside)


def _mask_of(cells: np.ndarray, inside: np.ndarray, function: Callable[..., np.ndarray], *args: Any) -> np.ndarray:
    return _mask(function(*args), cells, inside)


def _mask(block: np.ndarray, cells: np.ndarray, inside: np.ndarray) -> np.ndarray:
    return np.where(cells[:, :, None, None] & inside, block, block.dtype.type(nan_of(block.dtype)))


def read_area(path: Path, grid: Grid) -> Area:
    """Read the polygons of a GeoPackage (its first layer), GeoJSON or Shapefile.

    Raises
    ------
    ProductError
        If the file is missing, of another kind, too large or damaged, has no CRS, or holds anything but polygons.
    """
    _check_file(path)
    name = f"aoi={str(path)!r}"
    frame = _read(path)
    if frame.crs is None:
        raise ProductError(f"{name} must have a CRS, instead got none: set it with ogr2ogr -a_srs")
    outlines = frame.geometry[~(frame.geometry.isna() | frame.geometry.is_empty)]
    others = sorted(set(outlines.geom_type) - _POLYGONS)
    if others or outlines.empty:
        raise ProductError(f"{name} must hold polygons, instead got {', '.join(others) or 'no geometry'}")
    west, south, east, north = outlines.total_bounds
    span = max(east - west, north - south)
    if not 0 < span < MAX_SPAN:
        raise ProductError(f"{name} must hold polygons on Earth, instead they span {span:g} units of its CRS")
    try:
        # An edge is straight in the file's CRS, and in the stack's only if it is short.
        short = outlines.segmentize(span / 200) if outlines.count_coordinates().sum() < MANY else outlines
        moved = short.to_crs(grid.crs)
    except (ProjError, RuntimeError, ValueError) as error:
        raise ProductError(f"{name} cannot be brought to the stack's CRS: {error}") from error
    x, x_step, _, y, _, y_step = grid.transform
    pixels = moved.affine_transform([1 / x_step, 0, 0, 1 / y_step, -x / x_step, -y / y_step])
    bounds = pixels.bounds.to_numpy(dtype=np.float64)
    if not np.isfinite(bounds).all():
        raise ProductError(f"{name} holds coordinates that have no place in the stack's CRS")
    return Area(tuple(shape.__geo_interface__ for shape in pixels), bounds)


def _check_file(path: Path) -> None:
    name = f"aoi={str(path)!r}"
    begins = _KINDS.get(path.suffix.lower())
    if begins is None:
        raise ProductError(f"{name} must be a GeoPackage (.gpkg), GeoJSON (.geojson) or Shapefile (.shp)")
    try:
        with path.open("rb") as stream:
            start = stream.read(1024).removeprefix(b"\xef\xbb\xbf")
        size = path.stat().st_size
    except OSError as error:
        raise ProductError(f"{name} cannot be read: {error.strerror}") from error
    if size > MAX_BYTES:
        raise ProductError(f"{name} must have at most {MAX_BYTES} bytes, instead got {size}: simplify it")
    if not (start.lstrip() if begins == (b"{",) else start).startswith(begins):
        raise ProductError(f"{name} is not what its name says, or damaged: it begins with {start[:8]!r}")


def _read(path: Path) -> gpd.GeoDataFrame:
    import geopandas as gpd

    try:
        with warnings.catch_warnings():
            # What GDAL warns of is either harmless or an error below.
            warnings.simplefilter("ignore", RuntimeWarning)
            return gpd.read_file(path.absolute(), engine="pyogrio", columns=[], layer=0)
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ProductError(f"aoi={str(path)!r} cannot be read, it is damaged: {reason}") from error
