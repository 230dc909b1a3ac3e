"""Rasters as lazy arrays: each block of the array is one task, which reads its windows of the files."""

from __future__ import annotations

from collections.abc import Sequence

import dask.array as da
import numpy as np
from dask.base import tokenize

from insarflow.kernels.phase import phasor
from insarflow.stack.assemble import SHARD, nan_of
from insarflow.stack.raster import Pixels, Raster
from insarflow.types import Window


class Windows:
    """What dask slices, read window by window; each task opens its files itself, so that any worker can run it.

    Attributes
    ----------
    shape, dtype
        Of the whole.
    chunk
        Largest side of a block, pixels.
    clip
        Smallest and largest value: rounding beyond is taken away.
    """

    ndim = 2

    def __init__(
        self, shape: tuple[int, int], dtype: np.dtype, chunk: int = SHARD, clip: tuple[float, float] | None = None
    ) -> None:
        self.shape, self.dtype, self.chunk, self.clip = shape, dtype, chunk, clip

    @property
    def identity(self) -> tuple[object, ...]:
        """What the values depend on, beside the shape."""
        raise NotImplementedError

    def read(self, window: Window) -> np.ndarray:
        """Values of a window that lies inside, before they are clipped; nobody else holds them."""
        raise NotImplementedError

    def lazy(self) -> da.Array:
        """All pixels as a dask array, one task a block."""
        name = f"raster-{tokenize(self.shape, self.chunk, self.clip, self.identity)}"
        array: da.Array = da.from_array(
            self, chunks=(self.chunk, self.chunk), name=name, lock=False, fancy=False, inline_array=True
        )
        return array

    def __getitem__(self, index: tuple[slice | int, ...]) -> np.ndarray:
        # dask hands a later selection down into this one, so that integers and steps arrive too.
        parts = [slice(i, i + 1) if isinstance(i, int | np.integer) else i for i in index]
        rows, cols = (range(*part.indices(size)) for part, size in zip(parts, self.shape, strict=True))
        if not rows or not cols:
            values = np.empty((len(rows), len(cols)), self.dtype)
        else:
            y0, x0 = min(rows), min(cols)
            values = self.read(Window(y0, x0, max(rows) + 1 - y0, max(cols) + 1 - x0))
            if self.clip is not None:
                np.clip(values, *self.clip, out=values)
            values = values[:: rows.step, :: cols.step]
        kept: np.ndarray = values[tuple(0 if isinstance(i, int | np.integer) else slice(None) for i in index)]
        return kept


class Mosaic(Windows):
    """Images placed on one grid: the first that is not missing counts, NaN where there is none.

    Reads only the files that a window needs.

    Attributes
    ----------
    parts
        Each image and where it lies on the grid; it may reach beyond.
    wrapped
        Whether the images are wrapped phase in radians, and the values ``exp(i phase)``.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Pixels, Window]],
        shape: tuple[int, int],
        chunk: int = SHARD,
        *,
        clip: tuple[float, float] | None = None,
        wrapped: bool = False,
    ) -> None:
        super().__init__(shape, np.dtype(np.complex64) if wrapped else parts[0][0].dtype, chunk, clip)
        self.parts, self.wrapped = tuple(parts), wrapped

    @property
    def identity(self) -> tuple[object, ...]:
        """What the values depend on."""
        return self.wrapped, tuple((pixels.identity, window.y0, window.x0) for pixels, window in self.parts)

    def read(self, window: Window) -> np.ndarray:
        """Values of a window, NaN where there is none."""
        values = self._read(window)
        return phasor(values) if self.wrapped else values

    def _read(self, window: Window) -> np.ndarray:
        parts = [(pixels, place, window.shared(place)) for pixels, place in self.parts]
        hits = [(pixels, place, shared) for pixels, place, shared in parts if shared is not None]
        if len(hits) == 1 and hits[0][2] == window:
            return hits[0][0].read(window.relative_to(hits[0][1]))
        dtype = self.parts[0][0].dtype
        values = np.full(window.shape, nan_of(dtype), dtype)
        for pixels, place, shared in hits:
            target = values[shared.within(window)]
            absent = np.isnan(target)
            if absent.any():
                np.copyto(target, pixels.read(shared.relative_to(place)), where=absent)
        return values


def lazy_raster(raster: Raster) -> da.Array:
    """Read the pixels of a raster in the tasks that need them.

    Returns
    -------
    dask.array.Array
        float32 (complex64 if the file is complex), shape ``(y, x)``, NaN where missing. A task raises `ProductError`
        if the file is damaged or was changed since.
    """
    return Mosaic([(Pixels(raster), Window(0, 0, *raster.grid.shape))], raster.grid.shape).lazy()
