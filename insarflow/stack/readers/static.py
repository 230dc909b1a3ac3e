"""Images that are the same for all interferograms: terrain heights of any product, and what this package exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import dask.array as da
import numpy as np

from insarflow.schema import VARIABLES
from insarflow.stack.mosaic import Windows
from insarflow.stack.placement import Placement
from insarflow.stack.raster import Pixels, Raster, read_tagged
from insarflow.stack.readers.bad import Bad
from insarflow.stack.readers.exported import Told
from insarflow.stack.readers.files import Found
from insarflow.stack.readers.images import Missing, whole_numbers
from insarflow.types import Window


def read_static(
    found: Found, placement: Placement, bad: Bad, told: Told
) -> tuple[Placement, dict[str, list[Raster]], list[Path]]:
    """Headers of the static images that the grid can use.

    Returns
    -------
    Placement
        `placement` with their files.
    dict
        By contract name the files, on the grid's lattice unless all is resampled; the first that has a pixel counts.
    list of Path
        Files left over.

    Raises
    ------
    ProductError
        If a file is bad, and bad ones are not to be left out.
    """
    kept: dict[str, list[Raster]] = {}
    unused: list[Path] = []
    for name in (n for n in VARIABLES if n == "dem" or n in found.layers):
        files = found.dems if name == "dem" else found.layers[name]
        placement, rasters, rest = _covering(name, files, placement, bad, told, nearest=found.snap)
        unused += rest
        if rasters:
            kept[name] = rasters
    return placement, kept, unused


def heights_of(rasters: Sequence[Raster], missing: Missing, placement: Placement) -> Windows | None:
    """What reads terrain heights; None if there are none."""
    parts = [Pixels(r, missing["dem"] if r.variable is None else ()) for r in rasters]
    return placement.source(parts, "dem") if parts else None


def layers_of(rasters: Mapping[str, Sequence[Raster]], placement: Placement) -> dict[str, da.Array]:
    """Static images other than terrain heights, lazily."""
    return {name: _layer(name, files, placement) for name, files in rasters.items() if name != "dem"}


def _layer(name: str, files: Sequence[Raster], placement: Placement) -> da.Array:
    if np.dtype(VARIABLES[name].dtype).kind != "f":
        return whole_numbers(files, placement, name)
    return placement.source([Pixels(raster) for raster in files], name).lazy()


def _covering(
    name: str, files: Sequence[Path], placement: Placement, bad: Bad, told: Told, *, nearest: bool
) -> tuple[Placement, list[Raster], list[Path]]:
    """Files that have something for the grid that those before have not; and those left over."""
    whole = Window(0, 0, *placement.grid.shape)
    kept: list[Raster] = []
    boxes: list[Window] = []
    unused: list[Path] = []
    for path in files:
        unused.append(path)
        if whole in boxes:
            continue
        with bad.file(path):
            raster, tags = read_tagged(path)
            placed = placement.with_raster(raster, nearest=nearest)
            box = None if placed is None else placed.bounds(raster)
            if placed is not None and box is not None and not any(other.shared(box) == box for other in boxes):
                told.note(raster, tags, None, name)
                placement = placed
                kept.append(raster)
                boxes.append(box)
                unused.pop()
    return placement, kept, [path for path in unused if path not in bad.files]
