"""A part of a stack: by place, time, delay and track. Lazy, like the stack."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from insarflow.errors import SelectionError
from insarflow.ops.checks import check_number, check_whole
from insarflow.schema import DIMS, recipe_of, validate
from insarflow.stack.aoi import masked, read_area
from insarflow.stack.georeference import Box, crop, degrees_of, grid_of, to_pixels, transform_box, window_of
from insarflow.stack.part import existing, images, keep_cells, replaced
from insarflow.stack.sources import as_path
from insarflow.stack.times import in_time, noted, parse_delays, parse_period
from insarflow.types import DateLike, DelayLike, Grid, JsonValue


def subset(
    ds: xr.Dataset,
    *,
    bbox: Sequence[float] | None = None,
    aoi: str | Path | None = None,
    start: DateLike | None = None,
    end: DateLike | None = None,
    delays: Sequence[DelayLike] | None = None,
    track: int | None = None,
) -> xr.Dataset:
    """Select a part of a stack; what is None selects all.

    Parameters
    ----------
    ds
        A stack.
    bbox
        West, south, east, north in degrees of longitude and latitude (WGS 84): the pixels that it touches.
    aoi
        GeoPackage, GeoJSON or Shapefile with polygons: the stack is cut to their bounds, and images of pairs are NaN
        at pixels whose centre lies outside them.
    start, end
        First and last day: pairs are kept whose both acquisitions lie between, the days themselves included.
    delays
        Temporal baselines to keep.
    track
        Relative orbit: checked against the attribute ``relative_orbit``, or written there.

    Returns
    -------
    Dataset
        Lazy if `ds` is. Dates and delays without a pair are dropped; a cell that falls out of the selection but lies
        between others is NaN and not ``valid``. The recipe tells what was asked.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SchemaError
        If `ds` is no stack.
    ProductError
        If `aoi` is no file of polygons.
    SelectionError
        If the stack has no such delay, is of another track, or nothing is left.
    """
    validate(ds)
    box = None if bbox is None else _box(bbox)
    period = parse_period(start, end)
    spans = None if delays is None else parse_delays(delays)
    place = None if aoi is None else as_path(aoi, "aoi").expanduser()
    asked: dict[str, JsonValue] = {
        "bbox": None if box is None else list(box),
        "aoi": None if place is None else place.name,
        **noted(period, spans),
        "track": None if track is None else check_whole("track", track, low=1),
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    if not asked:
        return ds
    if track is not None:
        ds = _on_track(ds, int(track))
    if spans is not None or period != (None, None):
        ds = keep_cells(ds, in_time(ds, period, spans))
    if box is not None:
        ds = _in_box(ds, box)
    if place is not None:
        ds = _in_area(ds, place)
    return ds.assign_attrs(recipe=recipe_of(ds).then("subset", **asked).to_json())


def _box(bbox: Sequence[float]) -> Box:
    wanted = "bbox must be west, south, east, north in degrees of longitude and latitude"
    remedy = "for other coordinates give an aoi file, which carries its CRS"
    if isinstance(bbox, str | bytes) or not isinstance(bbox, Sequence | np.ndarray):
        raise TypeError(f"{wanted}, instead got bbox={bbox!r:.80} ({type(bbox).__name__})")
    if len(bbox) != 4:
        raise ValueError(f"{wanted}, instead got {len(bbox)} numbers")
    west, south, east, north = (check_number(name, v) for name, v in zip(_SIDES, bbox, strict=True))
    given = f"instead got bbox={[west, south, east, north]}"
    if max(abs(west), abs(east)) > 180 or max(abs(south), abs(north)) > 90:
        raise ValueError(f"{wanted}, {given}: {remedy}")
    if west >= east or south >= north:
        raise ValueError(f"{wanted}, with west < east and south < north, {given}")
    return west, south, east, north


_SIDES = tuple(f"bbox {side}" for side in ("west", "south", "east", "north"))


def _on_track(ds: xr.Dataset, track: int) -> xr.Dataset:
    known = ds.attrs.get("relative_orbit")
    if known is not None and str(known) != str(track):
        raise SelectionError(f"track must be the stack's relative orbit {known}, instead got track={track}")
    return ds.assign_attrs(relative_orbit=track)


def _in_box(ds: xr.Dataset, box: Box) -> xr.Dataset:
    grid = grid_of(ds)
    whole = degrees_of(grid)
    part = box
    if whole is not None:
        # Far from the stack its projection may have no numbers.
        west, east = (box[0], box[2]) if whole[0] > whole[2] else (max(box[0], whole[0]), min(box[2], whole[2]))
        part = west, max(box[1], whole[1]), east, min(box[3], whole[3])
    window = None
    if part[0] < part[2] and part[1] < part[3]:
        bounds = transform_box("EPSG:4326", grid.crs, part)
        window = None if bounds is None else window_of(grid, to_pixels(bounds, grid))
    if window is None:
        raise SelectionError(f"bbox={list(box)} does not touch the stack, {_where(grid)}")
    return crop(ds, window)


def _in_area(ds: xr.Dataset, path: Path) -> xr.Dataset:
    grid = grid_of(ds)
    area = read_area(path, grid)
    (left, top), (right, bottom) = area.bounds[:, :2].min(axis=0), area.bounds[:, 2:].max(axis=0)
    window = window_of(grid, (left, top, right, bottom))
    if window is None:
        raise SelectionError(f"aoi={str(path)!r} does not touch the stack, {_where(grid)}")
    ds = crop(ds, window)
    keep = existing(ds)
    return replaced(ds, {n: (DIMS, masked(ds[n].data, keep, area, window), ds[n].attrs) for n in images(ds)})


def _where(grid: Grid) -> str:
    """Where a grid lies, in words."""
    bounds = degrees_of(grid)
    if bounds is None:
        return "which lies where degrees cannot tell"
    return f"which lies within west, south, east, north = {', '.join(f'{v:.4f}' for v in bounds)}"
