"""Rasters of one place: a folder with a GeoTIFF for each band, all on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from insarflow.datasets.folder import Origin, absent
from insarflow.errors import GridMismatchError, ProductError, SchemaError, StoreError
from insarflow.schema import SPACE
from insarflow.stack.export.geotiff import write_geotiff
from insarflow.stack.georeference import crs_name, degrees_of, georeference
from insarflow.stack.raster import Pixels, read_header
from insarflow.types import Grid, Window

MOST_SIDE: Final = 2**16
"""Most rows or columns of a place: rows of patches are held whole."""

MOST_HELD: Final = 2**26
"""Most pixels of all places together that are kept once they were read: opening a file costs more than a patch."""

Limits = tuple[float, float]
"""Smallest and largest value that can be true."""


@dataclass(frozen=True)
class Rasters:
    """Bands of one place, read by windows.

    Attributes
    ----------
    folder
        Where they are.
    grid
        Their pixels.
    bands
        Each by the name of its file without ``.tif``.
    held
        Whole bands that were read; None if they are read window by window.
    """

    folder: Path
    grid: Grid
    bands: Mapping[str, Pixels]
    held: dict[str, np.ndarray] | None = None

    @property
    def whole(self) -> Window:
        """All pixels."""
        return Window(0, 0, *self.grid.shape)

    def read(self, name: str, window: Window) -> np.ndarray:
        """A window of a band, float32 ``window.shape``, NaN where missing.

        Raises
        ------
        ProductError
            If the file is damaged, or a value lies beyond the band's limits.
        """
        if self.held is None:
            return self.bands[name].read(window)
        if name not in self.held:
            self.held[name] = self.bands[name].read(self.whole)
        return np.array(self.held[name][window.within(self.whole)])

    def states(self, window: Window, *, most: int) -> np.ndarray:
        """A window of the band ``mask``, uint8 ``window.shape``, whole numbers from 0 to `most`.

        Raises
        ------
        ProductError
            If it holds anything else.
        """
        values = self.read("mask", window)
        strange = values[~np.isin(values, np.arange(most + 1))]
        if strange.size:
            raise ProductError(
                f"file={str(self.bands['mask'].raster.path)!r} must hold states from 0 to {most}, instead got "
                f"{strange[0]:g}: 0 stable, 1 moving, 2 open, 3 missing"
            )
        return values.astype(np.uint8)


def open_rasters(folder: Path, limits: Mapping[str, Limits | None], origin: Origin, *, least: int) -> Rasters:
    """Open the bands of a place and check that they lie on one grid; nothing but headers is read.

    Parameters
    ----------
    folder
        Holds ``<band>.tif`` of each name in `limits`.
    limits
        Bands that must be there, and what their values lie within.
    origin
        Of the data set, for the error of what is missing.
    least
        Rows and columns that there must be at least.

    Raises
    ------
    ProductError
        If a band is missing or no GeoTIFF, or the place is too small or too large.
    GridMismatchError
        If a band lies on another grid than the first.
    """
    missing = [f"{name}.tif" for name in limits if not (folder / f"{name}.tif").is_file()]
    if missing:
        raise absent(folder, origin, f"lacks {', '.join(missing)}")
    bands = {name: Pixels(read_header(folder / f"{name}.tif"), limits=pair) for name, pair in limits.items()}
    first, *others = bands.values()
    grid = first.raster.grid
    for other in others:
        if not other.raster.grid.same_as(grid):
            raise GridMismatchError(
                f"{other.raster.path} must lie on the pixels of {first.raster.path.name}, {grid.shape} from "
                f"{grid.transform}, instead got {other.raster.grid.shape} from {other.raster.grid.transform}"
            )
    if min(grid.shape) < least or max(grid.shape) > MOST_SIDE:
        raise ProductError(
            f"{folder} must hold images of {least} to {MOST_SIDE} rows and columns, instead got {grid.shape}"
        )
    return Rasters(folder, grid, bands)


def kept(places: Mapping[str, Rasters]) -> dict[str, Rasters]:
    """The same places, whose bands stay in memory once they were read, if all together are small enough."""
    small = sum(r.grid.shape[0] * r.grid.shape[1] for r in places.values()) <= MOST_HELD
    return {name: replace(rasters, held={} if small else None) for name, rasters in places.items()}


def sides(grid: Grid, windows: Iterable[Window], *, degrees: bool) -> list[tuple[float, float]]:
    """Southern and northern end of windows of a grid, in units of its CRS or in degrees.

    Raises
    ------
    SchemaError
        If degrees are asked for and the grid lies nowhere on the Earth.
    """
    x, x_step, _, y, _, y_step = grid.transform
    if not degrees:
        return [(y + w.y1 * y_step, y + w.y0 * y_step) for w in windows]
    boxes = [
        degrees_of(Grid((x + w.x0 * x_step, x_step, 0.0, y + w.y0 * y_step, 0.0, y_step), w.shape, grid.crs))
        for w in windows
    ]
    if None in boxes:
        raise SchemaError(f"the grid must lie on the Earth, instead its CRS tells no degrees: {crs_name(grid.crs)}")
    return [(box[1], box[3]) for box in boxes if box is not None]


def on_one_plane(index: pd.DataFrame, place: str, grids: Mapping[str, Grid]) -> pd.DataFrame:
    """Rows with ``y`` and ``x``, their first pixels counted over all places, so that common ground is common pixels.

    Parameters
    ----------
    index
        With ``top`` and ``left``, pixels of the place that the column `place` names.
    grids
        Of each place. Those of another CRS or pixel size are counted far away.
    """
    sheets = {name: repr((grid.crs, grid.transform[1], grid.transform[5])) for name, grid in grids.items()}
    known = sorted({*sheets.values()})
    down = {name: round(-grid.transform[3] / abs(grid.transform[5])) for name, grid in grids.items()}
    right = {
        name: round(grid.transform[0] / grid.transform[1]) + 2**40 * known.index(sheets[name])
        for name, grid in grids.items()
    }
    return index.assign(y=index["top"] + index[place].map(down), x=index["left"] + index[place].map(right))


def write_rasters(folder: Path, images: Mapping[str, np.ndarray | xr.DataArray], grid: Grid) -> None:
    """Write the bands of a place, so that `open_rasters` reads them.

    Parameters
    ----------
    folder
        Made if it is not there; files that are there are replaced.
    images
        Of each band ``(y, x)``, lazy or not; NaN is missing.

    Raises
    ------
    StoreError
        If they cannot be written.
    ValueError
        If an image does not have the grid's size.
    """
    data = {name: (SPACE, image.transpose(*SPACE).data if isinstance(image, xr.DataArray) else image)
            for name, image in images.items()}  # fmt: skip
    located = georeference(xr.Dataset(data), grid)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}") from error
    write_geotiff({folder / f"{name}.tif": located[name] for name in images})


def places(root: Path, origin: Origin) -> list[Path]:
    """The folders of a data set's places in the order of their names: all that hold a raster or a table.

    Raises
    ------
    ProductError
        If there is none.
    """
    found = sorted(path for path in root.iterdir() if path.is_dir() and any((*path.glob("*.tif"), *path.glob("*.csv"))))
    if not found:
        raise absent(root, origin, "has no folder with .tif files")
    return found


def starts(size: int, patch: int, step: int) -> Sequence[int]:
    """First pixels of patches along an axis: every `step`, and one more flush with the far end.

    Examples
    --------
    >>> starts(300, 128, 64)
    [0, 64, 128, 172]
    """
    regular = list(range(0, size - patch + 1, step))
    return regular if regular[-1] == size - patch else [*regular, size - patch]
