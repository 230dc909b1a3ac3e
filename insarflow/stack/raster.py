"""GeoTIFF rasters: the header up front, the pixels by windows, NaN for what is missing."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window as RasterWindow

from insarflow.errors import ProductError
from insarflow.kernels.sentinels import MOST, translate
from insarflow.stack.archive import changed, file_version, gdal_name
from insarflow.stack.assemble import nan_of
from insarflow.stack.tags import variable_of
from insarflow.types import Grid, Window

MAX_SIDE = 2**22
"""Most rows or columns of a raster that is opened."""

MAX_PIXELS = 2**34
"""Most pixels of an image: a task for each of its blocks is made before any is read."""

MAX_BLOCK = 2**30
"""Most bytes of a block inside a raster (one must be decoded whole to read a pixel of it)."""


@dataclass(frozen=True)
class Raster:
    """The header of a GeoTIFF file of one band.

    Attributes
    ----------
    path
        The file.
    grid
        Its pixels.
    dtype
        Of the numbers in the file.
    nodata
        The file's own mark of missing pixels.
    scale, offset
        What the file declares its numbers are to be multiplied by, and what is then added.
    wavelength
        Of the radar, m, if PyRate's tag ``WAVELENGTH_METRES`` tells it.
    size, modified
        Bytes, and time of the last change (ns): what tells one version of the file from another.
    variable
        Contract name of the image, if this package wrote the file: its values are the contract's already.
    """

    path: Path
    grid: Grid
    dtype: str
    nodata: float | None
    scale: float
    offset: float
    wavelength: float | None
    size: int
    modified: int
    variable: str | None = None


def read_header(path: Path) -> Raster:
    """Read and check the header of a GeoTIFF file.

    Raises
    ------
    ProductError
        As `read_tagged`.
    """
    return read_tagged(path)[0]


def read_tagged(path: Path) -> tuple[Raster, dict[str, str]]:
    """Read and check the header of a GeoTIFF file, and read its tags.

    Raises
    ------
    ProductError
        If the file is no GeoTIFF, is truncated, has no CRS, is rotated, or has more than one band.
    """
    name = f"file={str(path)!r}"
    try:
        size, modified = file_version(path)
        with warnings.catch_warnings():
            # What it warns of is an error two lines below, in our words.
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(gdal_name(path), driver="GTiff") as source:
                problem = _problem(source, size)
                if problem is not None:
                    raise ProductError(f"{name} {problem}")
                grid = Grid(source.transform.to_gdal(), source.shape, source.crs.to_wkt())
                dtype = _dtype(source).str
                linear = float(source.scales[0]), float(source.offsets[0])
                tags = source.tags()
                ours = variable_of(tags, dtype) if linear == (1.0, 0.0) else None
                return Raster(path, grid, dtype, source.nodata, *linear, _wavelength(tags), size, modified, ours), tags
    except (RasterioError, OSError) as error:
        raise _unopened(path, error) from error


def written_here(path: Path) -> str | None:
    """Contract name of the image in a file that this package wrote; None of any other GeoTIFF.

    Raises
    ------
    ProductError
        If the file is no GeoTIFF.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(gdal_name(path), driver="GTiff") as source:
                return variable_of(source.tags(), _dtype(source))
    except (RasterioError, OSError) as error:
        raise _unopened(path, error) from error


def read_grid(path: Path) -> Grid:
    """Read the pixels' places of a GeoTIFF file of any bands.

    Raises
    ------
    ProductError
        If the file is no GeoTIFF, has no CRS or is rotated.
    """
    name = f"file={str(path)!r}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(gdal_name(path), driver="GTiff") as source:
                problem = _misplaced(source)
                if problem is not None:
                    raise ProductError(f"{name} {problem}")
                return Grid(source.transform.to_gdal(), source.shape, source.crs.to_wkt())
    except (RasterioError, OSError) as error:
        raise _unopened(path, error) from error


@dataclass(frozen=True)
class Pixels:
    """The numbers of a raster as the contract's values.

    Attributes
    ----------
    raster
        From `read_header`.
    missing
        Values that mean "missing", beside the file's own.
    scale
        Factor that real values are multiplied by, after what the file itself declares.
    limits
        Smallest and largest value (after `scale`) that can be true.
    """

    raster: Raster
    missing: tuple[float, ...] = ()
    scale: float = 1.0
    limits: tuple[float, float] | None = None

    @property
    def dtype(self) -> np.dtype:
        """``complex64`` if the file is complex, else ``float32``."""
        return np.dtype(np.complex64 if np.dtype(self.raster.dtype).kind == "c" else np.float32)

    @property
    def identity(self) -> tuple[object, ...]:
        """What the values depend on."""
        raster = self.raster
        file = str(raster.path), raster.size, raster.modified, raster.dtype, raster.nodata
        return *file, raster.scale, raster.offset, self.missing, self.scale, self.limits

    def read(self, window: Window) -> np.ndarray:
        """Read a window of the file; NaN where missing.

        Raises
        ------
        ProductError
            If the file is damaged or was changed since its header was read, or a value lies beyond the limits.
        """
        name = f"file={str(self.raster.path)!r}"
        try:
            if changed(self.raster.path) != self.raster.modified:
                raise ProductError(f"{name} was changed after it was opened: open the source again")
            raw = self.raw(window)
        except (RasterioError, OSError) as error:
            raise ProductError(f"{name} cannot be read, it is truncated or damaged: {_first_line(error)}") from error
        values, beyond = self._translate(raw)
        if beyond:
            raise ProductError(
                f"{name} must hold values within {self.limits}, instead they go from {np.nanmin(values):g} to "
                f"{np.nanmax(values):g}: it is of another kind than its name says, or its no-data value is not declared"
            )
        return values

    def raw(self, window: Window) -> np.ndarray:
        """Numbers of the file as they stand there; nobody else holds them."""
        with rasterio.open(gdal_name(self.raster.path), driver="GTiff") as source:
            numbers: np.ndarray = source.read(1, window=RasterWindow(window.x0, window.y0, window.width, window.height))
        return numbers

    def _translate(self, raw: np.ndarray) -> tuple[np.ndarray, int]:
        """Numbers of the file to the contract's, NaN for missing, then the scale; how many are beyond the limits."""
        limits = self.limits or (-np.inf, np.inf)
        sentinels = {*self.missing, *(() if self.raster.nodata is None else (self.raster.nodata,))}
        if raw.dtype == np.float32 and len(sentinels) <= MOST and self.scale == 1.0:
            return translate(raw, sentinels, self.raster.scale, self.raster.offset, limits)
        absent = np.zeros(raw.shape, bool)
        for sentinel in sentinels:
            # In the file's own type, where a float32 sentinel equals itself.
            with np.errstate(over="ignore"):
                absent |= raw == (raw.dtype.type(sentinel) if raw.dtype.kind in "fc" else sentinel)
        values: np.ndarray = raw.astype(self.dtype)
        if (self.raster.scale, self.raster.offset) != (1.0, 0.0):
            values = (values * self.raster.scale + self.raster.offset).astype(self.dtype)
        if self.scale != 1.0:
            values *= np.float32(self.scale)
        absent |= ~np.isfinite(values)
        values[absent] = nan_of(self.dtype)
        if self.limits is None:
            return values, 0
        return values, int(np.count_nonzero((values < limits[0]) | (values > limits[1])))


def _wavelength(tags: Mapping[str, str]) -> float | None:
    try:
        wavelength = float(tags.get("WAVELENGTH_METRES", "nan"))
    except ValueError:
        return None
    return wavelength if 0 < wavelength < 10 else None


def _problem(source: rasterio.DatasetReader, size: int) -> str | None:
    """Say what makes a raster unfit, if anything does."""
    rows, cols = source.block_shapes[0]
    if source.count != 1:
        return f"must have one band, instead got {source.count}"
    if source.tags().get("DATA_UNITS") == "MILLIMETRES":
        return (
            "must hold phase in radians, instead its tag DATA_UNITS says MILLIMETRES: export the interferogram itself"
        )
    misplaced = _misplaced(source)
    if misplaced is not None:
        return misplaced
    if rows * cols * _dtype(source).itemsize > MAX_BLOCK:
        return (
            f"must have blocks of at most {MAX_BLOCK} bytes, instead got {rows} x {cols}: tile it with gdal_translate"
        )
    last = f"{-(-source.width // cols) - 1}_{-(-source.height // rows) - 1}"
    offset, length = (source.get_tag_item(f"BLOCK_{what}_{last}", "TIFF", bidx=1) for what in ("OFFSET", "SIZE"))
    if offset is not None and length is not None and int(offset) + int(length) > size:
        return f"is truncated: its last block ends at byte {int(offset) + int(length)}, but it has {size}"
    return None


def _misplaced(source: rasterio.DatasetReader) -> str | None:
    """Say what makes the place or size of a raster unfit, if anything does."""
    transform = source.transform
    if source.crs is None:
        return "must have a CRS, instead got none: set it with gdal_edit.py -a_srs"
    if transform.b or transform.d or not (transform.a > 0 > transform.e and np.isfinite(tuple(transform)).all()):
        return f"must be north up, instead got transform={tuple(transform)[:6]}: warp it with gdalwarp"
    if max(source.shape) > MAX_SIDE:
        return f"must have at most {MAX_SIDE} rows and columns, instead got {source.shape}"
    if source.height * source.width > MAX_PIXELS:
        return f"must have at most {MAX_PIXELS} pixels, instead got {source.height} x {source.width}"
    return None


def _dtype(source: rasterio.DatasetReader) -> np.dtype:
    """Type that the pixels are read as (NumPy has none for pairs of integers)."""
    return np.dtype(np.complex64 if source.dtypes[0] == "complex_int16" else source.dtypes[0])


def _unopened(path: Path, error: Exception) -> ProductError:
    return ProductError(f"file={str(path)!r} must be a GeoTIFF, instead it cannot be opened: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return (str(error.__cause__ or error) or type(error).__name__).splitlines()[0]
