"""Lazy images to GeoTIFF, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

import dask
import dask.array as da
import numpy as np
import rasterio
import xarray as xr
from affine import Affine
from rasterio.windows import Window as RasterWindow

from insarflow.errors import StoreError
from insarflow.schema import SPACE
from insarflow.stack.georeference import grid_of


def write_geotiff(images: Mapping[Path, xr.DataArray]) -> None:
    """Write images of one grid to GeoTIFF files in one pass over what they are computed from.

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
    Computed by the threads of this process, also where a distributed scheduler is at hand: they share the open files.
    """
    bands: dict[Path, _Band] = {}
    try:
        for path, image in images.items():
            bands[path] = _Band(_open(path, image))
        targets: list[Any] = list(bands.values())
        sources = [da.asarray(image.transpose(*SPACE).data) for image in images.values()]
        da.store(sources, targets, lock=False, scheduler=_local_scheduler())
        for band in bands.values():
            band.close()
    except BaseException as error:
        for path, band in bands.items():
            band.close()
            path.unlink(missing_ok=True)
        if isinstance(error, OSError | rasterio.errors.RasterioError):
            raise StoreError(f"GeoTIFF files cannot be written: {error}") from error
        raise


class _Band:
    """What dask writes blocks to; GDAL takes one at a time.

    After a failure dask's other threads go on for a while: what they bring once the file is closed is dropped.
    """

    def __init__(self, file: rasterio.io.DatasetWriter) -> None:
        self.file: rasterio.io.DatasetWriter | None = file
        self.lock = Lock()

    def __setitem__(self, place: tuple[slice, slice], values: np.ndarray) -> None:
        rows, cols = place
        window = RasterWindow(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        with self.lock:
            if self.file is not None:
                self.file.write(values, 1, window=window)

    def close(self) -> None:
        with self.lock:
            if self.file is not None:
                self.file.close()
            self.file = None


def _local_scheduler() -> str:
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
        tiled=True, blockxsize=512, blockysize=512, compress="deflate", predictor=3 if real else 2, bigtiff="if_safer",
    )  # fmt: skip
    file.set_band_description(1, str(image.attrs.get("long_name", image.name)))
    return file
