"""Lazy images to GeoTIFF, window by window."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Final

import dask
import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from dask.base import compute
from rasterio.windows import Window as RasterWindow

from insarflow.errors import StoreError
from insarflow.schema import SPACE
from insarflow.stack.georeference import grid_of

_TILE: Final = 512
_SPAN: Final = 16 * _TILE


def write_geotiff(images: Mapping[Path, xr.DataArray]) -> None:
    """Write images of one grid to GeoTIFF files.

    Parameters
    ----------
    images
        For each file its image, dims ``(y, x)``, lazy or not; NaN becomes the file's nodata value. Files that exist
        are replaced.

    Raises
    ------
    StoreError
        If a file cannot be written; none of the files is then left behind.

    Notes
    -----
    Tiles are computed and written from left to right and top to bottom: the same image gives the same bytes, whatever
    its chunks. A window is one row of tiles, so what is costly to compute is kept first, with
    `insarflow.stack.blocks.BlockStore`. Computed in this process, also where a distributed scheduler is at hand.
    """
    files: dict[Path, rasterio.io.DatasetWriter] = {}
    ordered = {path: image.transpose(*SPACE) for path, image in images.items()}
    try:
        for path, image in ordered.items():
            files[path] = _open(path, image)
        height, width = next(iter(ordered.values())).shape if ordered else (0, 0)
        for y, x in product(range(0, height, _TILE), range(0, width, _SPAN)):
            rows, cols = slice(y, min(y + _TILE, height)), slice(x, min(x + _SPAN, width))
            values = compute(*(image.data[rows, cols] for image in ordered.values()), scheduler=local_scheduler())
            window = RasterWindow.from_slices(rows, cols)
            for file, part in zip(files.values(), values, strict=True):
                file.write(part, 1, window=window)
        for file in files.values():
            file.close()
    except BaseException as error:
        for path, file in files.items():
            file.close()
            path.unlink(missing_ok=True)
        if isinstance(error, OSError | rasterio.errors.RasterioError):
            raise StoreError(f"GeoTIFF files cannot be written: {error}") from error
        raise


def local_scheduler() -> str:
    """The chosen scheduler if it works in this process, as an open file needs; else threads."""
    chosen = dask.config.get("scheduler", None)
    return chosen if chosen in ("sync", "synchronous", "single-threaded", "threading") else "threads"


def _open(path: Path, image: xr.DataArray) -> rasterio.io.DatasetWriter:
    grid = grid_of(image)
    x0, dx, skew_x, y0, skew_y, dy = grid.transform
    real = image.dtype.kind == "f"
    file = rasterio.open(
        path, "w", driver="GTiff", width=grid.shape[1], height=grid.shape[0], count=1, dtype=image.dtype,
        crs=grid.crs, transform=Affine(dx, skew_x, x0, skew_y, dy, y0), nodata=np.nan if real else None,
        tiled=True, blockxsize=_TILE, blockysize=_TILE,
        compress="deflate", predictor=3 if real else 2, bigtiff="if_safer",
    )  # fmt: skip
    file.set_band_description(1, str(image.attrs.get("long_name", image.name)))
    return file
