"""GACOS's zenith delays: ``YYYYMMDD.ztd`` with the header ``YYYYMMDD.ztd.rsc`` beside it, or ``YYYYMMDD.ztd.tif``.

The numbers of a ``.ztd`` are float32, little endian, row by row from the north, in metres. A header tells pixels by
``X_FIRST`` and ``Y_FIRST``: taken for the centre of the first one, as LiCSAR does (others take them for its corner, so
that half a pixel, some 45 m, remains in doubt). 0 is missing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from glob import iglob
from pathlib import Path
from typing import Any

import numpy as np

from insarflow.errors import ProductError
from insarflow.stack.archive import archive_of, file_version
from insarflow.stack.crs import parse_crs
from insarflow.stack.raster import MAX_PIXELS, MAX_SIDE, Pixels, Raster, read_header
from insarflow.stack.readers.parameters import Fields
from insarflow.stack.sources import RASTERS, SourceLike, as_path, find_sources
from insarflow.types import Grid, Window, parse_date

MISSING = (0.0,)
"""What stands for a missing delay, beside the file's own mark."""

MAX_FILES = 1_000_000
"""Most files looked at."""

_NAME = re.compile(r"(\d{8})\.ztd(?:\.tiff?)?", re.IGNORECASE)

_WANTED = "YYYYMMDD.ztd with YYYYMMDD.ztd.rsc beside it, or YYYYMMDD.ztd.tif"


class Flat(Pixels):
    """The numbers of a ``.ztd`` file; its header is made from the ``.rsc`` file."""

    def raw(self, window: Window) -> np.ndarray:
        """Numbers of the file as they stand there; nobody else holds them."""
        width = self.raster.grid.shape[1]
        # Whole rows are read, which lie together on the disk.
        rows = np.fromfile(self.raster.path, "<f4", window.height * width, offset=4 * window.y0 * width)
        if rows.size != window.height * width:
            raise OSError("the file ends too early")
        return rows.reshape(window.height, width)[:, window.x0 : window.x1].astype(np.float32)


def find_delays(source: SourceLike) -> dict[np.datetime64, Path]:
    """Files of zenith delays, by day (``datetime64[ns]``), ascending; files of other names are passed over.

    Raises
    ------
    TypeError, ValueError
        If `source` is neither a path nor several.
    ProductError
        If a path does not exist, a glob matches nothing, there is no file of delays, or two are of one day.
    """
    found: dict[np.datetime64, Path] = {}
    others: list[Path] = []
    for file in dict.fromkeys(_files(source)):
        day = _day(file)
        if day is None:
            others.append(file)
        elif found.setdefault(day, file) != file:
            raise ProductError(
                f"the zenith delay of {str(day)[:10]} must be there once, instead got file={str(found[day])!r} and "
                f"file={str(file)!r}: open one of them, for instance with a glob such as '*.ztd.tif'"
            )
    if not found:
        such = f", instead got {len(others)} others such as {others[0].name!r}" if others else ", instead there is none"
        raise ProductError(
            f"source={str(source)!r:.200} must hold zenith delays of GACOS, named {_WANTED}{such}: "
            "unpack archives first"
        )
    return dict(sorted(found.items()))


def read_delay(path: Path) -> Pixels:
    """Read and check the header of a file of zenith delays.

    Returns
    -------
    Pixels
        Zenith delay in the file's unit (GACOS: m), float32, NaN where missing.

    Raises
    ------
    ProductError
        If the file or its header is missing, damaged, truncated, of absurd size or of another CRS than WGS 84's
        degrees.
    """
    if path.suffix.lower() in RASTERS:
        return Pixels(read_header(path), MISSING)
    if archive_of(path) is not None:
        raise ProductError(f"file={str(path)!r} must not lie in a zip file: unzip it")
    beside = path.with_name(f"{path.name}.rsc")
    if not beside.is_file():
        raise ProductError(
            f"file={str(path)!r} must have its header beside it, instead there is no {beside.name!r}: "
            "unpack it again, or order GeoTIFFs"
        )
    fields = Fields(beside, separator=None)
    grid = _grid(fields)
    try:
        size, modified = file_version(path)
    except OSError as error:
        raise ProductError(f"file={str(path)!r} cannot be read: {error.strerror}") from error
    wanted = 4 * grid.shape[0] * grid.shape[1]
    if size != wanted:
        raise ProductError(
            f"file={str(path)!r} must have the {wanted} bytes of {grid.shape[0]} x {grid.shape[1]} float32 numbers "
            f"that its header tells, instead it has {size}: it is "
            f"{'truncated' if size < wanted else 'of another kind'}; download it again"
        )
    factor, offset = fields.known("Z_SCALE"), fields.known("Z_OFFSET")
    linear = 1.0 if factor is None else factor, 0.0 if offset is None else offset
    return Flat(Raster(path, grid, "<f4", None, *linear, None, size, modified), MISSING)


def _files(source: SourceLike) -> Iterator[Path]:
    entries: Any = [source] if isinstance(source, str | os.PathLike) else source
    if not isinstance(entries, list | tuple) or not entries:
        find_sources(entries)  # says what is wrong
    count = 0
    for entry in entries:
        path = as_path(entry, "source").expanduser()
        if not path.exists() and any(mark in str(path) for mark in "*?["):
            matches = sorted(Path(match).absolute() for match in iglob(str(path), recursive=True))
            if not matches:
                raise ProductError(f"source={str(entry)!r} matches nothing: check the pattern with ls")
        else:
            matches = find_sources(str(path))
        for match in matches:
            for file in sorted(match.rglob("*")) if match.is_dir() else [match]:
                count += 1
                if count > MAX_FILES:
                    raise ProductError(
                        f"source={str(entry)!r} must hold at most {MAX_FILES} files: open a smaller folder"
                    )
                if not file.is_dir():
                    yield file


def _day(file: Path) -> np.datetime64 | None:
    """Day that a file's name tells, None if it is of no zenith delay."""
    match = _NAME.fullmatch(file.name)
    if match is None:
        return None
    try:
        return parse_date(match[1])
    except ValueError:
        return None


def _grid(fields: Fields) -> Grid:
    """Pixels that a header tells."""
    name = f"file={str(fields.path)!r}"
    for key, known in (("PROJECTION", ("LATLON", "LL", "LAT/LON")), ("DATUM", ("WGS84", "WGS-84"))):
        if key in fields.values and fields.text(key).upper() not in known:
            raise ProductError(
                f"{name} must have {key} {known[0]}, instead got {fields.text(key)!r:.80}: make a GeoTIFF of it"
            )
    width, height = (fields.number(key) for key in ("WIDTH", "FILE_LENGTH"))
    if not (width % 1 == height % 1 == 0 and min(width, height) >= 1 and max(width, height) <= MAX_SIDE):
        raise ProductError(
            f"{name} must have WIDTH and FILE_LENGTH of 1 to {MAX_SIDE}, instead got {width:g} and {height:g}: "
            "download it again"
        )
    if width * height > MAX_PIXELS:
        raise ProductError(
            f"{name} must have at most {MAX_PIXELS} pixels, instead got {height:g} x {width:g}: download it again"
        )
    x, y, dx, dy = (fields.number(key) for key in ("X_FIRST", "Y_FIRST", "X_STEP", "Y_STEP"))
    last = y + (height - 1) * dy
    if not (dx > 0 > dy and width * dx <= 361 and abs(x) <= 361 and max(abs(y), abs(last)) <= 90):
        raise ProductError(
            f"{name} must have degrees, X_STEP above 0 and Y_STEP below 0, instead got X_FIRST={x:g}, Y_FIRST={y:g}, "
            f"X_STEP={dx:g}, Y_STEP={dy:g} for {height:g} x {width:g} pixels: download it again"
        )
    return Grid((x - 0.5 * dx, dx, 0.0, y - 0.5 * dy, 0.0, dy), (int(height), int(width)), _degrees())


@lru_cache(maxsize=1)
def _degrees() -> str:
    return parse_crs("EPSG:4326")
