"""What an export needs: one window of one interferogram is exported and thrown away, the rest is counted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import dask

from insarflow.stack.export.cog import write_cog
from insarflow.stack.export.layers import Stack, stack_of
from insarflow.stack.export.netcdf import write_netcdf
from insarflow.workflows.measure import folder_size
from insarflow.workflows.needs import Needs, cpus
from insarflow.workflows.sample import Sample, timed

_LIBRARIES: Final = 60_000_000
_HDF5: Final = ("netcdf", "mintpy")
"""Formats of few files, which are kept alike."""

_PIXEL_OF_COG, _PIXEL_OF_HDF5 = 70, 40
"""Bytes of memory per pixel of a window that a worker is at."""

_RECORD: Final = 3_000
"""Bytes of what is told of an interferogram, in a catalogue or a project."""


def export_needs(stack: Stack, sample: Sample, base: int, *, to: str) -> Needs:
    """What `insarflow.workflows.export.export_source` needs in a process that held `base` bytes before it began."""
    part = stack_of(sample.window, [*stack.images, *stack.static])
    pairs, area = len(stack.names), stack.grid.shape[0] * stack.grid.shape[1]
    images, static = _tried(replace(part, static=()), to), _tried(replace(part, images=()), to)
    windows = list(stack.windows())
    largest = max(window.height * window.width for window in windows)
    read = sample.read if stack.images else 0.0
    one_file = to in _HDF5

    def memory(workers: int) -> int:
        return int(base + _LIBRARIES + (_PIXEL_OF_HDF5 if one_file else _PIXEL_OF_COG) * workers * largest)

    def seconds(workers: int) -> float:
        return area * (pairs * (read + images.seconds) + static.seconds) / min(workers, cpus())

    disk = area * (pairs * sample.known * images.size + static.size) + _RECORD * pairs
    disk += max(images.once, static.once) if one_file else pairs * images.once + static.once
    return Needs(stack.count * len(windows), int(disk), memory, seconds)


def count_files(stack: Stack, *, to: str, inventory: bool) -> int:
    """Number of files of an export."""
    if to in ("netcdf", "zip"):
        return 1
    if to == "mintpy":
        return 3
    pairs, styles = len(stack.names), int("igram" in stack.images)
    rasters = pairs * (len(stack.images) + styles) + len(stack.static)
    beside = {"qgis": 1 + int(inventory), "stac": 1 + (pairs if stack.images else 0)}
    return rasters + beside.get(to, 0) + 1


@dataclass(frozen=True)
class _Trial:
    """What writing took.

    Attributes
    ----------
    seconds, size
        Time, s, and bytes of a pixel of all images.
    once
        Bytes that do not depend on the number of pixels.
    """

    seconds: float = 0.0
    size: float = 0.0
    once: int = 0


def _tried(stack: Stack, to: str) -> _Trial:
    """Write a small stack, and a corner of it, which takes what an image takes however large."""
    if not stack.count:
        return _Trial()
    corner = replace(stack, pairs=stack.pairs.isel(y=[0, 1], x=[0, 1]), grid=replace(stack.grid, shape=(2, 2)))
    pixels = stack.grid.shape[0] * stack.grid.shape[1]
    with tempfile.TemporaryDirectory() as folder, dask.config.set(scheduler="sync"):
        place = Path(folder) / "trial"
        took, _ = timed(lambda: _write(stack, to, place))
        size = folder_size(Path(folder))
        _write(corner, to, place)
        once = folder_size(Path(folder))
    return _Trial(took / pixels, max(0, size - once) / pixels, once)


def _write(stack: Stack, to: str, place: Path) -> None:
    """MintPy's files are kept as NetCDF's are."""
    if to in _HDF5:
        write_netcdf(stack, place.with_suffix(".nc"), overwrite=True)
        return
    place.mkdir(exist_ok=True)
    for file in place.iterdir():
        file.unlink()
    write_cog(stack, place)
