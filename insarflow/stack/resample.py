"""Images on another grid, lazily: each block reads the window of the source that it needs.

What is interpolated is never wrapped phase: the complex interferogram, or a real quantity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

from insarflow.kernels import resample as kernel
from insarflow.kernels.phase import azimuth, phasor
from insarflow.ops.cells import missing_block, nan_of
from insarflow.schema import CELLS, DIMS, SPACE, VARIABLES
from insarflow.stack.assemble import SHARD
from insarflow.stack.georeference import georeference, grid_of
from insarflow.stack.mesh import STEP, Mesh, Positions, read_window
from insarflow.stack.mosaic import Windows
from insarflow.stack.raster import Pixels
from insarflow.types import Grid, Window


class Resampled(Windows):
    """Rasters of any grids on one grid: the first that is not missing counts, NaN where there is none.

    Attributes
    ----------
    parts
        The rasters.
    grid
        Pixels of the result.
    method
        One of `insarflow.kernels.resample.METHODS`.
    name
        What the values are, by contract name.
    wrapped
        Whether the files hold wrapped phase in radians, of which ``exp(i phase)`` is interpolated.
    """

    def __init__(
        self,
        parts: Sequence[Pixels],
        grid: Grid,
        *,
        name: str,
        method: str,
        chunk: int = SHARD,
        clip: tuple[float, float] | None = None,
        wrapped: bool = False,
    ) -> None:
        super().__init__(grid.shape, np.dtype(VARIABLES[name].dtype), chunk, clip)
        self.parts, self.grid, self.name, self.method, self.wrapped = tuple(parts), grid, name, method, wrapped

    @property
    def identity(self) -> tuple[object, ...]:
        """What the values depend on."""
        parts = tuple((pixels.identity, pixels.raster.grid) for pixels in self.parts)
        return parts, self.grid, self.name, self.method, self.wrapped

    def read(self, window: Window) -> np.ndarray:
        """Interpolate in a window."""
        values: np.ndarray | None = None
        for pixels in self.parts:
            absent = None if values is None else np.isnan(values)
            if absent is not None and not absent.any():
                break
            found = self._part(pixels, window)
            if values is None or found is None:
                values = found if values is None else values
            else:
                np.copyto(values, found, where=absent)
        return np.full(window.shape, nan_of(self.dtype), self.dtype) if values is None else values

    def _part(self, pixels: Pixels, window: Window) -> np.ndarray | None:
        """Interpolate one raster; None if it has no pixel there."""
        view = look(pixels.raster.grid, self.grid, window, self.method)
        if view is None:
            return None
        image = pixels.read(view.read)
        if self.wrapped:
            image = phasor(image)
        return interpolate(image, view, self.name, self.method)


@dataclass(frozen=True)
class View:
    """What a window of the target needs of a source.

    Attributes
    ----------
    window
        Pixels of the target.
    read
        Pixels of the source.
    meshes
        Positions of the former on the latter.
    stretch
        Size of a target pixel along y and x, in pixels of the source.
    """

    window: Window
    read: Window
    meshes: list[Mesh]
    stretch: tuple[float, float]


def look(source: Grid, target: Grid, window: Window, method: str) -> View | None:
    """Find what a window of the target needs of a source; None if that has no pixel there."""
    stretch = _ratio(source, target)
    meshes = list(Positions(source, target).meshes(window))
    read = read_window(meshes, source.shape, (kernel.reach(method, stretch[0]), kernel.reach(method, stretch[1])))
    return None if read is None else View(window, read, meshes, stretch)


def interpolate(image: np.ndarray, view: View, name: str, method: str) -> np.ndarray:
    """Values of a window of the target.

    Parameters
    ----------
    image
        The pixels ``view.read`` of the source.
    view
        From `look`.
    name
        What the values are, by contract name: see Notes for ``unwrapped`` and ``aspect``. Whole numbers and booleans
        are taken from the nearest pixel.
    method
        One of `insarflow.kernels.resample.METHODS`.

    Returns
    -------
    ndarray
        Shape of ``view.window``, dtype of `image`.

    Notes
    -----
    Unwrapped phase may jump by whole cycles, and a mean over a jump is a phase that nobody measured. So the complex
    ``exp(i phase)`` is interpolated, and the cycles are those of the nearest pixel. The mean of two azimuths on either
    side of north is north, so of them, too, the complex number is interpolated.
    """
    if method == "nearest" or image.dtype.kind not in "fc":
        return _values(image, view, "nearest")
    if name == "aspect":
        return azimuth(_values(phasor(image), view, method))
    if name != "unwrapped":
        return _values(image, view, method)
    near = _values(image, view, "nearest")
    turned = _values(phasor(image), view, method)
    phase: np.ndarray = near + np.angle(turned * np.exp(-1j * near)).astype(np.float32)
    return phase


def chunk_side(sources: Sequence[Grid], target: Grid) -> int:
    """Side of blocks of the target for which no more of any source is read than a few blocks of it, pixels."""
    return max(STEP, int(SHARD / max(averaged(sources, target))) // STEP * STEP)


def averaged(sources: Sequence[Grid], target: Grid) -> tuple[float, float]:
    """Largest size of a target pixel along y and x, in pixels of a source, where means are taken; else 1."""
    ratios = [(1.0, 1.0), *(_ratio(source, target) for source in sources)]
    y, x = max(y for y, _ in ratios), max(x for _, x in ratios)
    return y if y > kernel.COARSE else 1.0, x if x > kernel.COARSE else 1.0


def resample_dataset(ds: xr.Dataset, grid: Grid, *, method: str) -> xr.Dataset:
    """Bring all images of a stack to another grid, lazily.

    Parameters
    ----------
    ds
        A stack with a georeference.
    grid
        Pixels of the result.
    method
        One of `insarflow.kernels.resample.METHODS`.

    Returns
    -------
    Dataset
        The same pairs and attributes. One task per block and image, with the blocks of the source that it needs.
    """
    source = grid_of(ds)
    side = chunk_side([source], grid)
    exists = ds["valid"].values if "valid" in ds and not isinstance(ds["valid"].data, da.Array) else None
    kept = ds[[n for n in VARIABLES if n in ds and VARIABLES[n].dims == CELLS]].drop_vars(
        [*SPACE, "spatial_ref"], errors="ignore"
    )
    images = {}
    for name in (n for n in VARIABLES if n in ds and VARIABLES[n].dims != CELLS):
        variable = ds[name].transpose(..., *SPACE)
        cells = exists if variable.dims == DIMS else None
        data = _blocks(variable.data, cells, source, grid, name=name, method=method, side=side)
        images[name] = (variable.dims, data, variable.attrs)
    result = kept.assign(images)[[n for n in VARIABLES if n in ds]].assign_attrs(ds.attrs)
    return georeference(result, grid)


def _blocks(
    data: Any, cells: np.ndarray | None, source: Grid, target: Grid, *, name: str, method: str, side: int
) -> da.Array:
    """`resample_dataset` of one variable: each output block depends on the source blocks that it needs."""
    array = data if isinstance(data, da.Array) else da.from_array(data, chunks=(*(1,) * (data.ndim - 2), SHARD, SHARD))
    array = array.rechunk(dict.fromkeys(range(array.ndim - 2), 1))
    chunks = da.core.normalize_chunks((side, side), shape=target.shape)
    label = f"resampled-{tokenize(array, cells, source, target, name, method, side)}"
    edges = [np.cumsum((0, *sizes)) for sizes in array.chunks[-2:]]
    graph: dict[Any, Any] = {}
    for (i, height), (j, width) in product(enumerate(chunks[0]), enumerate(chunks[1])):
        window = Window(i * side, j * side, height, width)
        view = look(source, target, window, method)
        for lead in np.ndindex(array.numblocks[:-2]):
            if view is None or (cells is not None and not cells[lead]):
                graph[(label, *lead, i, j)] = (_absent, (*(1,) * len(lead), height, width), array.dtype)
                continue
            rows, cols = (
                range(int(np.searchsorted(e, a, "right")) - 1, int(np.searchsorted(e, b, "left")))
                for e, a, b in zip(edges, (view.read.y0, view.read.x0), (view.read.y1, view.read.x1), strict=True)
            )
            blocks = [[(array.name, *lead, r, c) for c in cols] for r in rows]
            start = int(edges[0][rows[0]]), int(edges[1][cols[0]])
            graph[(label, *lead, i, j)] = (_block, blocks, start, source, target, window, name, method)
    layer = HighLevelGraph.from_collections(label, graph, dependencies=[array])
    return da.Array(layer, label, chunks=(*array.chunks[:-2], *chunks), meta=np.empty((0,) * array.ndim, array.dtype))


def _block(
    blocks: list[list[np.ndarray]],
    start: tuple[int, int],
    source: Grid,
    target: Grid,
    window: Window,
    name: str,
    method: str,
) -> np.ndarray:
    whole = blocks[0][0] if len(blocks) == len(blocks[0]) == 1 else np.block(blocks)
    lead = whole.shape[:-2]
    view = look(source, target, window, method)
    if view is None:
        return _absent((*lead, *window.shape), whole.dtype)
    rows, cols = view.read.within(Window(*start, *whole.shape[-2:]))
    image = whole[(0,) * len(lead)][rows, cols]
    return interpolate(image, view, name, method).reshape(*lead, *window.shape)


def _absent(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Make a block of nothing: NaN, or False or 0 where there is no NaN."""
    return missing_block(shape, dtype) if dtype.kind in "fc" else np.zeros(shape, dtype)


def _values(image: np.ndarray, view: View, method: str) -> np.ndarray:
    out = np.empty(view.window.shape, image.dtype)
    for mesh in view.meshes:
        kernel.resample(
            image,
            mesh.nodes,
            out,
            step=mesh.step,
            offset=(view.window.y0 - mesh.start[0], view.window.x0 - mesh.start[1]),
            origin=(view.read.y0, view.read.x0),
            cells=mesh.cells,
            method=method,
            stretch=view.stretch,
        )
    return out


@lru_cache(maxsize=1024)
def _ratio(source: Grid, target: Grid) -> tuple[float, float]:
    return Positions(source, target).ratio()
