"""Crops of all that ever moves in a zone, cut from a stack and what people or a simulation say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import numpy as np
import xarray as xr
from scipy.ndimage import label

from insarflow.datasets.crops import SIDE, SPACING, Crop, Place, crop_places
from insarflow.errors import SchemaError, SelectionError
from insarflow.learn.labels import Labels
from insarflow.learn.rasterise import Drawing, burnt
from insarflow.learn.truth import Truth, truth_of
from insarflow.ops.phase import phase
from insarflow.schema import require, validate
from insarflow.simulate.truth import MOVING
from insarflow.stack.georeference import grid_of
from insarflow.stack.labels import cell_of, pair_of, pairs_of
from insarflow.types import Grid, Pair, PairLike, Window

TOUCHED: Final = Drawing(all_touched=True, elsewhen="absent")
"""ISSLIDE's way: a polygon holds each pixel that it touches, and was looked for in each interferogram."""

_CELL: Final = 1024
"""Crops that begin in one square of so many pixels are read together."""

_STILL: Final = 2
"""Pixels about polygons, which touch the first of them at most."""


def extract_crops(
    ds: xr.Dataset,
    labels: Labels | xr.DataArray,
    *,
    zone: str,
    ids: np.ndarray | None = None,
    pairs: Literal["all"] | Sequence[PairLike] = "all",
    drawing: Drawing = TOUCHED,
    side: int = SIDE,
    spacing: int = SPACING,
) -> Iterator[Crop]:
    """Cut crops about all that ever moves in a zone from every interferogram, at the same places in all of them.

    Parameters
    ----------
    ds
        A stack, lazy or not, with ``igram`` and ``coherence``.
    labels
        Polygons of the zone (`insarflow.learn.labels.read_labels`); or an image of states (`insarflow.simulate.truth`)
        on the stack's pixels.
    zone
        Its name.
    ids
        Whole numbers on the stack's ``(y, x)``: id of what moves there. By default of polygons the column ``id`` of
        their table, or their number in it from 1; of an image the number of the connected part. Counts only where
        something moves in one of the interferograms.
    pairs
        Names of those to use.
    drawing
        How polygons become pixels; by default ISSLIDE's way.
    side, spacing
        As of `insarflow.datasets.crops.crop_places`.

    Yields
    ------
    Crop
        For each interferogram one of each place, whether anything moves there or not.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SchemaError
        If `ds` is no stack, or `ids` is not on its pixels.
    InsarError
        Of the labels; `SelectionError` if nothing moves.

    Notes
    -----
    Held in memory are ids and distances of the box about all that moves (24 bytes a pixel), and of one interferogram
    the square of 1,024 pixels, and a crop, in which crops begin.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299, section III-C.
    """
    validate(ds)
    for name in ("igram", "coherence"):
        require(ds, name, to="crops")
    grid, truth = grid_of(ds), truth_of(labels, drawing, ds)
    if ids is not None and np.shape(ids) != grid.shape:
        raise SchemaError(f"ids must be on the stack's {grid.shape} pixels, instead got {np.shape(ids)}")
    chosen = pairs_of(ds) if pairs == "all" else [pair_of(ds, pair) for pair in pairs]
    window = _box(labels, grid)
    of_zone = (
        _ids(labels, truth, ds, chosen, window, drawing) if ids is None else _where(ids, truth, ds, chosen, window)
    )
    places = crop_places(of_zone, side=side, spacing=spacing, inside=grid.shape, corner=(window.y0, window.x0))
    for pair in chosen:
        yield from _of_pair(ds, truth, pair, places, zone, grid)


def _box(labels: Labels | xr.DataArray, grid: Grid) -> Window:
    """Pixels about all polygons, with still ground at their border; of an image all."""
    whole = Window(0, 0, *grid.shape)
    if not isinstance(labels, Labels):
        return whole
    bounds = np.array([shape.bounds for shape in labels.shapes]).reshape(-1, 4)
    if not len(bounds):
        raise SelectionError("crops need polygons, instead there are none in the zone")
    left, top = (np.floor(bounds[:, :2].min(axis=0)) - _STILL).astype(int).tolist()
    right, bottom = (np.ceil(bounds[:, 2:].max(axis=0)) + _STILL).astype(int).tolist()
    part = Window(top, left, bottom - top, right - left).shared(whole)
    if part is None:
        raise SelectionError("crops need polygons that touch the image, instead none of them does: choose others")
    return part


def _ids(
    labels: Labels | xr.DataArray, truth: Truth, ds: xr.Dataset, pairs: Sequence[Pair], window: Window, drawing: Drawing
) -> np.ndarray:
    """Id of what moves in each pixel of a window in some interferogram, the highest; 0 where nothing does."""
    if not isinstance(labels, Labels):
        parts: np.ndarray = label(_ever(truth, ds, pairs, window), structure=np.ones((3, 3)))[0]
        return parts
    numbers = labels.table["id"].to_numpy() if "id" in labels.table else np.arange(1, len(labels) + 1)
    moves = np.zeros(len(labels), bool)
    everyone = np.arange(len(labels))
    for pair in pairs:
        moves |= drawing.states(labels, everyone, pair) == MOVING
    chosen = everyone[moves][np.argsort(numbers[moves], kind="stable")]
    ranks = burnt(labels.shapes[chosen], window, all_touched=drawing.all_touched)
    ids: np.ndarray = np.concatenate([[0], numbers[chosen]]).astype(np.int64)[ranks]
    return ids


def _where(ids: np.ndarray, truth: Truth, ds: xr.Dataset, pairs: Sequence[Pair], window: Window) -> np.ndarray:
    cut = np.asarray(ids)[window.within(Window(0, 0, *np.shape(ids)))]
    found: np.ndarray = np.where(_ever(truth, ds, pairs, window), cut, 0)
    return found


def _ever(truth: Truth, ds: xr.Dataset, pairs: Sequence[Pair], window: Window) -> np.ndarray:
    """Where something moves in some interferogram, bool."""
    ever = np.zeros(window.shape, bool)
    for pair in pairs:
        ever |= truth.mask(window, pair, cell_of(ds, pair)) == MOVING
    return ever


def _of_pair(
    ds: xr.Dataset, truth: Truth, pair: Pair, places: Sequence[Place], zone: str, grid: Grid
) -> Iterator[Crop]:
    date, delay = cell = cell_of(ds, pair)
    squares: dict[tuple[int, int], list[Place]] = {}
    for place in places:
        squares.setdefault((place.window.y0 // _CELL, place.window.x0 // _CELL), []).append(place)
    for inside in squares.values():
        y0, x0 = (min(getattr(p.window, name) for p in inside) for name in ("y0", "x0"))
        y1, x1 = (max(getattr(p.window, name) for p in inside) for name in ("y1", "x1"))
        read = Window(y0, x0, y1 - y0, x1 - x0)
        cut = ds[["igram", "coherence"]].isel(date=date, delay=delay, y=slice(y0, y1), x=slice(x0, x1))
        images = cut.assign(phase=phase(cut)).compute()
        angle, coherence = images["phase"].values, images["coherence"].values.astype(np.float32)
        missing = np.isnan(angle) | np.isnan(coherence) | (images["igram"].values == 0)
        angle, coherence = (np.where(missing, np.float32(np.nan), image) for image in (angle, coherence))
        for place in inside:
            part = place.window.within(read)
            mask = truth.mask(place.window, pair, cell) == MOVING
            yield Crop(
                zone, pair, place.move, place.k, angle[part], coherence[part], mask, grid_within(grid, place.window)
            )


def grid_within(grid: Grid, window: Window) -> Grid:
    """The part of a grid that a window of it is."""
    x, x_step, _, y, _, y_step = grid.transform
    corner = (x + x_step * window.x0, x_step, 0.0, y + y_step * window.y0, 0.0, y_step)
    return Grid(corner, window.shape, grid.crs)
