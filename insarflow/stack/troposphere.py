"""Delay in the troposphere from files, a date each, on the grid of a stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import dask.array as da
import numpy as np
import xarray as xr
from dask.base import tokenize

from insarflow.errors import MissingVariableError, ProductError
from insarflow.ops.checks import check_fraction, check_number
from insarflow.ops.columns import cut
from insarflow.ops.layer import Part, Reading, read_blocks, reading_of
from insarflow.ops.network import Edges, edges_of
from insarflow.schema import SPACE
from insarflow.stack.cover import check_cover
from insarflow.stack.georeference import grid_of
from insarflow.stack.mosaic import Windows
from insarflow.stack.placement import place_images
from insarflow.stack.raster import Pixels
from insarflow.stack.readers.gacos import find_delays, read_delay
from insarflow.stack.resample import averaged, chunk_side
from insarflow.stack.sources import SourceLike
from insarflow.stack.target import Target
from insarflow.types import Recipe

LIMITS: Final = (0.5, 3.0)
"""Zenith delays, m, that can be true: about 0.8 on the highest summit, 2.9 at the Dead Sea on a humid day."""

_UNITS = {"cm": 100.0, "mm": 1000.0}

_IMAGES = ("unwrapped", "igram", "coherence")
"""What tells which pairs there are, and chunks: the first that the stack has."""

_METHOD = "bilinear"


def open_troposphere(
    source: SourceLike, ds: xr.Dataset, *, incidence: float | None = None, max_missing: float = 0.0
) -> xr.DataArray:
    r"""Delay in the troposphere on all days of a stack, along the line of sight, from zenith delays of GACOS.

    Parameters
    ----------
    source
        A folder (with all below it), a glob, or several: ``YYYYMMDD.ztd`` (float32, little endian, m) with its header
        ``YYYYMMDD.ztd.rsc``, or ``YYYYMMDD.ztd.tif``. Other files, and days that no pair needs, are passed over.
    ds
        A stack with a CRS. Of its pairs the earlier and the later days are needed.
    incidence
        Angle of incidence, rad, one for all pixels; 0 leaves zenith delays. By default the stack's ``incidence``, or
        else ``los_up``.
    max_missing
        Part of the stack's pixels, 0 to 1, that may lie outside the files; they are NaN.

    Returns
    -------
    DataArray
        ``troposphere`` (float32, m, ``(date, y, x)``): one way, along the line of sight, positive for a longer path, as
        `insarflow.timeseries` takes it. Lazy, a date a block, chunked like the stack. NaN where a file has 0 or its
        no-data value, or the incidence is NaN: `insarflow.timeseries` takes such pixels for missing on that day.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range; while computing, if the stack's incidence is.
    SchemaError, NetworkError
        If `ds` is no stack, holds no pair, or has no CRS.
    MissingVariableError
        If `ds` has no image, or no ``incidence`` and no ``los_up``, and `incidence` is not given.
    ProductError
        If days are missing (all are listed), a day has two files, a file is truncated or damaged, or a header makes no
        sense; while computing, if the numbers are no delays in m (in cm or mm, for instance).
    GridMismatchError
        If a file does not cover the stack, saying how much is missing.

    Notes
    -----
    The delay along the line of sight is the zenith delay over the cosine of the incidence. Values between the files'
    pixels are bilinear; where the stack's pixels are larger, means over them. The headers of ``.ztd`` files are taken
    to tell the centre of the first pixel; GeoTIFFs lie where they say.

    GACOS is ordered for one time of day, which must be that of the satellite's pass: the files do not tell the stack's.

    If the incidence is in memory, or computed, `insarflow.timeseries` holds the blocks of all dates at one place;
    where a store holds it, or a number is given, it reads window by window.

    References
    ----------
    Yu, Li, Penna and Crippa (2018), doi:10.1029/2017JB015305.

    Examples
    --------
    >>> import insarflow, tempfile
    >>> from pathlib import Path
    >>> ds, truth = insarflow.simulate_stack((64, 64), acquisitions=3, delays=[6], movers=2)
    >>> header = "WIDTH 9\nFILE_LENGTH 9\nX_FIRST 6.8\nY_FIRST 45.1\nX_STEP 0.01\nY_STEP -0.01"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for day in ("20210703", "20210709", "20210715"):
    ...         np.full(81, 2.3, "<f4").tofile(Path(folder, f"{day}.ztd"))
    ...         count = Path(folder, f"{day}.ztd.rsc").write_text(header)
    ...     delays = open_troposphere(folder, ds, incidence=0.0).compute()
    >>> delays.dims, f"{float(delays.max()):.3f}"
    (('date', 'y', 'x'), '2.300')
    """
    max_missing = check_fraction("max_missing", max_missing)
    if incidence is not None and not 0.0 <= check_number("incidence", incidence) < math.pi / 2:
        raise ValueError(f"incidence must be in rad, at least 0 and below pi/2, instead got incidence={incidence}")
    name = next((key for key in _IMAGES if isinstance(ds, xr.Dataset) and key in ds), _IMAGES[0])
    edges = edges_of(ds, name, to="open_troposphere")
    slant = _slant_of(ds, incidence)
    grid = grid_of(ds)
    delays = _delays_of(source, edges)
    for own, path in {pixels.raster.grid: pixels.raster.path for pixels in delays}.items():
        check_cover(f"file={str(path)!r}", [own], grid, max_missing, remedy="order a larger region")
    grids = [pixels.raster.grid for pixels in delays]
    placement = place_images([[pixels.raster] for pixels in delays], Target(grid, None, None, _METHOD), nearest=False)
    # Of heights, too, it is the plain number that is interpolated.
    images = tuple(placement.source([pixels], "dem") for pixels in delays)
    chunks = ((1,) * len(images), *_chunks(ds[name], chunk_side(grids, grid)))
    data = _lazy(images, tuple(str(pixels.raster.path) for pixels in delays), slant, chunks)
    recipe = Recipe().then(
        "open_troposphere", files=[pixels.raster.path.name for pixels in delays], method=_METHOD,
        averaged_px=[round(ratio, 3) for ratio in averaged(grids, grid)], line_of_sight=slant.name,
    )  # fmt: skip
    coords = {key: ds[key] for key in (*SPACE, str(ds.rio.grid_mapping)) if key in ds.coords}
    result = xr.DataArray(data, {"date": edges.dates, **coords}, ("date", *SPACE), "troposphere")
    result["date"].attrs = {"long_name": "acquisition day", "standard_name": "time"}
    result.encoding["grid_mapping"] = ds.rio.grid_mapping
    words = "delay in the troposphere along the line of sight, one way"
    return result.assign_attrs(units="m", long_name=words, recipe=recipe.to_json())


@dataclass(frozen=True)
class _Slant:
    """What turns zenith delays to the line of sight: an angle of incidence, or the line of sight's part upward.

    Attributes
    ----------
    name
        ``incidence`` or ``los_up``.
    values
        One number, or ``(y, x)`` of the stack: an array, or how it is read.
    """

    name: str
    values: Any


@dataclass(frozen=True)
class _Delays:
    """What dask slices, ``(date, y, x)``: zenith delays on the stack's grid, slanted if the task can read how.

    Attributes
    ----------
    images
        A date each.
    files
        Where they come from, for errors.
    slant
        None leaves zenith delays.
    """

    images: tuple[Windows, ...]
    files: tuple[str, ...]
    slant: _Slant | None

    dtype = np.dtype(np.float32)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Dates, rows, columns."""
        return len(self.images), *self.images[0].shape

    def __getitem__(self, index: tuple[Part, slice, slice]) -> np.ndarray:
        date, rows, cols = index
        dates = range(*date.indices(len(self.images))) if isinstance(date, slice) else range(date, date + 1)
        values = np.stack([_checked(self.images[k][rows, cols], self.files[k]) for k in dates])
        if self.slant is not None:
            look = self.slant.values
            if isinstance(look, Reading):
                function, *arguments = look.call((), *((part.start, part.stop) for part in (rows, cols)))
                look = function(*arguments)
            values = _slanted(values, look, kind=self.slant.name)
        kept: np.ndarray = values if isinstance(date, slice) else values[0]
        return kept


def _lazy(
    images: tuple[Windows, ...], files: tuple[str, ...], slant: _Slant, chunks: tuple[tuple[int, ...], ...]
) -> da.Array:
    look = slant.values
    reading = reading_of(look) if isinstance(look, da.Array) else None
    inside = _Slant(slant.name, reading or look) if reading or not look.ndim else None
    name = f"troposphere-{tokenize([(image.identity, image.shape) for image in images], slant, chunks)}"
    delays = read_blocks(_Delays(images, files, inside), chunks, name)
    if inside is not None:
        return delays
    slanted: da.Array = da.map_blocks(
        _slanted, delays, da.asarray(look).rechunk(chunks[1:])[None], kind=slant.name, dtype=np.float32,
        meta=np.empty((0, 0, 0), np.float32),
    )  # fmt: skip
    return slanted


def _slanted(zenith: np.ndarray, look: np.ndarray, *, kind: str) -> np.ndarray:
    """Delay along the line of sight; `look` is the incidence or ``los_up`` of the same pixels, as `kind` tells."""
    upward = np.cos(look) if kind == "incidence" else look
    beyond = (look < 0.0) | (upward <= 0.0) | (upward > 1.0 + 1e-5)
    if kind == "incidence":
        beyond |= look >= math.pi / 2
    if beyond.any():
        wanted = "in rad, at least 0 and below pi/2" if kind == "incidence" else "above 0 and at most 1"
        raise ValueError(
            f"{kind} must be {wanted}, instead got {np.asarray(look)[beyond].ravel()[0]:g}: correct the stack's, or "
            "pass open_troposphere(..., incidence=) in rad"
        )
    slanted: np.ndarray = (zenith / upward).astype(np.float32)
    return slanted


def _checked(zenith: np.ndarray, file: str) -> np.ndarray:
    """Zenith delays that can be true."""
    known = zenith[~np.isnan(zenith)]
    if not known.size or (known.min() >= LIMITS[0] and known.max() <= LIMITS[1]):
        return zenith
    low, high = float(known.min()), float(known.max())
    unit = next((u for u, f in _UNITS.items() if f * LIMITS[0] <= low and high <= f * LIMITS[1]), None)
    remedy = f"they seem to be in {unit}, divide them by {_UNITS[unit]:g}" if unit else (
        "they are no zenith delays (their difference, or radians), big endian, or damaged"
    )  # fmt: skip
    raise ProductError(
        f"file={file!r} must hold zenith delays of {LIMITS[0]:g} to {LIMITS[1]:g} m, instead they go from {low:g} to "
        f"{high:g}: {remedy}"
    )


def _delays_of(source: SourceLike, edges: Edges) -> list[Pixels]:
    """Delays of all dates of the pairs, in order."""
    found = find_delays(source)
    days = edges.dates.astype("datetime64[D]").astype("datetime64[ns]")
    absent = [str(day)[:10].replace("-", "") for day in days if day not in found]
    if absent:
        raise ProductError(
            f"source={str(source)!r:.200} must hold a zenith delay for each of the {len(days)} days of the pairs, "
            f"instead {len(absent)} are missing: {', '.join(absent)}; order them, or leave their pairs out with "
            "select_pairs"
        )
    return [read_delay(found[day]) for day in days]


def _slant_of(ds: xr.Dataset, incidence: float | None) -> _Slant:
    if incidence is not None:
        return _Slant("incidence", np.float32(incidence))
    for name in ("incidence", "los_up"):
        if name in ds:
            return _Slant(name, ds[name].transpose(*SPACE).data)
    raise MissingVariableError(
        "open_troposphere needs the variable 'incidence' or 'los_up', but the dataset holds "
        f"{sorted(map(str, ds.data_vars))}; pass incidence=... (rad), or 0.0 for zenith delays"
    )


def _chunks(image: xr.DataArray, side: int) -> tuple[tuple[int, ...], ...]:
    """Chunks along y and x: those of an image, cut to a side."""
    shape = tuple(image.sizes[dim] for dim in SPACE)
    own = dict(zip(image.dims, image.chunks, strict=True)) if image.chunks else {}
    return tuple(cut(own.get(dim, (size,)), side) for dim, size in zip(SPACE, shape, strict=True))
