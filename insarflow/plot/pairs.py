"""Pictures of interferograms: phase, coherence, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.image import AxesImage

from insarflow.plot.choice import chosen, is_one, is_single, single, title, with_valid
from insarflow.plot.frame import Place, are_small, figure_size, frame, place_of
from insarflow.plot.images import LONGEST_SIDE, check_axis, colour_bar, draw_image, new_axis, new_figure, shrink
from insarflow.schema import SPACE, require
from insarflow.stack.labels import cell_of
from insarflow.types import Pair, PairLike

MOST_PAIRS: Final = 60
MOST_PANELS: Final = 240
"""Panels of one picture, the empty ones included."""

VARIABLE: Final[dict[Literal["phase", "coherence"], str]] = {"phase": "igram", "coherence": "coherence"}


def draw_phase(
    ds: xr.Dataset, pairs: PairLike | Sequence[PairLike] | None = None, *, ax: Axes | None = None
) -> Axes | np.ndarray:
    """Draw wrapped phase; see `insarflow.plot.Plot.phase`."""
    return _draw(ds, "phase", pairs, ax)


def draw_coherence(
    ds: xr.Dataset, pairs: PairLike | Sequence[PairLike] | None = None, *, ax: Axes | None = None
) -> Axes | np.ndarray:
    """Draw coherence; see `insarflow.plot.Plot.coherence`."""
    return _draw(ds, "coherence", pairs, ax)


def _draw(
    ds: xr.Dataset,
    kind: Literal["phase", "coherence"],
    pairs: PairLike | Sequence[PairLike] | None,
    ax: Axes | None,
) -> Axes | np.ndarray:
    require(ds, VARIABLE[kind], to=f"plot.{kind}")
    place = place_of(ds)
    if is_single(ds) or (pairs is not None and is_one(pairs)):
        one, pair = single(ds, pairs)  # type: ignore[arg-type]  # is_one, or refused
        axis = new_axis(ax, place)
        (values,) = shrink([one[VARIABLE[kind]]])
        colour_bar([axis], _panel(axis, values, place, kind), kind)
        axis.set_title(title(pair, tall=place.tall), fontsize=10)
        frame(axis, place)
        return axis
    if ax is not None:
        check_axis(ax)
        raise ValueError("ax must be left out where several interferograms are drawn: name one pair, or leave ax out")
    known = with_valid(ds)
    return _facets(known, chosen(known, pairs), kind, place)


def _panel(axis: Axes, values: np.ndarray, place: Place, kind: Literal["phase", "coherence"]) -> AxesImage:
    return draw_image(axis, np.angle(values) if kind == "phase" else values, place, kind)


def _facets(ds: xr.Dataset, pairs: list[Pair], kind: Literal["phase", "coherence"], place: Place) -> np.ndarray:
    """One panel per pair: a row per date, a column per delay."""
    dates, delays = sorted({p.reference for p in pairs}), sorted({p.delay for p in pairs})
    rows, columns = len(dates), len(delays)
    if len(pairs) > MOST_PAIRS or rows * columns > MOST_PANELS:
        raise ValueError(
            f"pairs must be at most {MOST_PAIRS} on at most {MOST_PANELS} panels (dates x delays), instead got "
            f"{len(pairs)} pairs on {rows} x {columns}: name some, as ds.insar.plot.{kind}([{pairs[0].name!r}, ...]), "
            "or cut the stack first, as ds.sel(date='2021-07')"
        )
    cells = [ds[VARIABLE[kind]].isel(date=i, delay=j) for i, j in (cell_of(ds, p) for p in pairs)]
    images = shrink(cells, max(150, LONGEST_SIDE // max(1, round(len(pairs) ** 0.5))))
    small = are_small(rows, columns)
    figure = new_figure(figure_size(place, rows, columns))
    axes: np.ndarray = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    filled = np.zeros(axes.shape, bool)
    for number, (pair, values) in enumerate(zip(pairs, images, strict=True)):
        row, column = dates.index(pair.reference), delays.index(pair.delay)
        axis, filled[row, column] = axes[row, column], True
        axis.set_axis_on()
        shown = _panel(axis, values, place, kind)
        axis.set_title(title(pair, tall=place.tall), fontsize=7 if small else 10)
        frame(axis, place, small=small, marks=number == 0 or not small)
    for i, j in np.argwhere(filled).tolist():  # the outermost panels need not be at the figure's edge
        lowest, leftmost = not filled[i + 1 :, j].any(), not filled[i, :j].any()
        axes[i, j].tick_params(labelbottom=lowest, labelleft=leftmost)
        axes[i, j].set(xlabel=place.labels[1] * lowest, ylabel=place.labels[0] * leftmost)
    pad = 0.02 if place.tall < 3 else 0.3  # titles reach out of narrow panels
    colour_bar(list(axes.flat), shown, kind, shrink=min(1.0, 5.0 / figure.get_figheight()), pad=pad)
    return axes


def draw_before_after(before: xr.Dataset, after: xr.Dataset, pair: PairLike | None = None) -> np.ndarray:
    """Draw a pair twice and the difference; see `insarflow.plot.Plot.before_after`."""
    for ds in (before, after):
        require(ds, "igram", to="plot.before_after")
    for dim in SPACE:
        a, b = before.sizes.get(dim), after.sizes.get(dim)
        if a != b or (
            dim in before.indexes and dim in after.indexes and not before.indexes[dim].equals(after.indexes[dim])
        ):
            raise ValueError(
                f"after must lie on the pixels of the stack before, instead got {dim}={b} against {dim}={a} or other "
                "coordinates: give both the same looks and the same region"
            )
    first, found = single(before, pair)
    if found is None and not is_single(after):
        raise ValueError("after must be one interferogram as the one before is, instead got a stack: select its pair")
    second, other = single(after, None if is_single(after) else found)
    if found is not None and other is not None and found != other:
        raise ValueError(f"after must be the interferogram of before, {found}, instead got {other}")
    place = place_of(before)
    # Dask may chunk the two differently: the product is taken without their coordinates.
    one, two = (xr.DataArray(ds["igram"].transpose(*SPACE).data, dims=SPACE) for ds in (first, second))
    images = shrink([one, two, two * np.conj(one)])
    figure = new_figure(figure_size(place, 1, 3, bars=1))
    axes: np.ndarray = figure.subplots(1, 3, sharex=True, sharey=True)
    for axis, values, text in zip(axes, images, ("before", "after", "after - before, wrapped"), strict=True):
        shown = _panel(axis, values, place, "phase")
        axis.set_title(text, fontsize=10)
        frame(axis, place)
        axis.label_outer()
    figure.suptitle(title(found), fontsize=11)
    colour_bar(list(axes), shown, "phase")
    return axes
