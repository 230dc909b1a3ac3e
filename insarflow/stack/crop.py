"""Small GeoTIFFs of one band that are read whole: crops, whose size is known before they are opened."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from insarflow.errors import ProductError, StoreError
from insarflow.types import Grid

T = TypeVar("T")

_READERS: Final = 8

MAX_BLOCK: Final = 2**24
"""Most bytes of a block inside a crop: one must be decoded whole to read a pixel of it."""


def read_crop(path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, Grid | None]:
    """Read a GeoTIFF of one band and of a size that is known.

    Parameters
    ----------
    path
        The file.
    shape
        ``(y, x)`` that it must have; looked at, as the size of its blocks is, before anything is allocated.

    Returns
    -------
    values : ndarray
        Real numbers as they stand there; if of floating point, NaN where the file's own mark of missing pixels is.
    grid : Grid or None
        Of its pixels; None if the file tells no place, or a rotated one.

    Raises
    ------
    ProductError
        If it is no GeoTIFF, is damaged, or has another size, several bands or complex numbers.
    """
    with _places_may_lack():
        return _read(path, shape)


def each_crop(
    paths: Sequence[Path], shape: tuple[int, int], look: Callable[[Path, np.ndarray, Grid | None], T]
) -> list[T]:
    """What `look` tells of each of many crops, read by several threads; errors as of `read_crop`, and those of `look`.

    Parameters
    ----------
    paths, shape
        As of `read_crop`.
    look
        Called with a file, its values and its grid, from any thread.
    """

    def one(path: Path) -> T:
        return look(path, *_read(path, shape))

    # Filters of warnings are one for all threads.
    with _places_may_lack(), ThreadPoolExecutor(_READERS) as pool:
        return list(pool.map(one, paths))


def write_crop(path: Path, values: np.ndarray, grid: Grid | None) -> None:
    """Write a crop, without compression, as most programs can read it.

    Parameters
    ----------
    path
        The file; replaced if it exists.
    values
        Real numbers, ``(y, x)``. NaN is declared to mean missing.
    grid
        Of its pixels; None for a file without a place.

    Raises
    ------
    StoreError
        If the file cannot be written.
    """
    place = {}
    if grid is not None:
        x, x_step, _, y, _, y_step = grid.transform
        place = {"crs": grid.crs, "transform": Affine(x_step, 0.0, x, 0.0, y_step, y)}
    try:
        with _places_may_lack(), rasterio.open(
            path, "w", driver="GTiff", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
            nodata=np.nan if values.dtype.kind == "f" else None, **place,
        ) as file:  # fmt: skip
            file.write(values, 1)
    except (RasterioError, OSError) as error:
        raise StoreError(f"file={str(path)!r} cannot be written: {error}") from error


@contextmanager
def _places_may_lack() -> Iterator[None]:
    """Files without a place are told by the grid that is None, not by a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        yield


def _read(path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, Grid | None]:
    name = f"file={str(path)!r}"
    try:
        with rasterio.open(path, driver="GTiff") as source:
            problem = _problem(source, shape)
            if problem is not None:
                raise ProductError(f"{name} {problem}")
            values: np.ndarray = source.read(1)
            grid, nodata = _grid(source), source.nodata
    except (RasterioError, OSError) as error:
        told = (str(error.__cause__ or error) or type(error).__name__).splitlines()[0]
        raise ProductError(f"{name} must be a GeoTIFF, instead it cannot be read: {told}") from error
    if nodata is not None and values.dtype.kind == "f":
        values[values == values.dtype.type(nodata)] = np.nan
    return values, grid


def _problem(source: rasterio.DatasetReader, shape: tuple[int, int]) -> str | None:
    """Say what makes a crop unfit, if anything does."""
    if source.shape != shape:
        return f"must be of {shape[0]} x {shape[1]} pixels, instead got {source.height} x {source.width}"
    if source.count != 1:
        return f"must have one band, instead got {source.count}"
    kind = source.dtypes[0]
    if kind.startswith("complex"):
        return f"must hold real numbers, instead got {kind}"
    rows, columns = source.block_shapes[0]
    if rows * columns * np.dtype(kind).itemsize > MAX_BLOCK:
        return f"must have blocks of at most {MAX_BLOCK} bytes, instead got {rows} x {columns} pixels: cut it anew"
    return None


def _grid(source: rasterio.DatasetReader) -> Grid | None:
    transform = source.transform
    upright = not transform.b and not transform.d and transform.a > 0 > transform.e
    if source.crs is None or not upright or not np.isfinite(tuple(transform)).all():
        return None
    return Grid(transform.to_gdal(), source.shape, source.crs.to_wkt())
