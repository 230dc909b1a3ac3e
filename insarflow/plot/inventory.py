"""Pictures of the inventory of moving slopes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from insarflow.errors import MissingVariableError
from insarflow.plot.choice import single, title
from insarflow.plot.frame import Place, frame, place_of
from insarflow.plot.images import colour_bar, draw_image, draw_relief, new_axis, shrink
from insarflow.plot.outlines import draw_outlines, on_place
from insarflow.schema import SPACE, require
from insarflow.stack.georeference import pixel_size_m

if TYPE_CHECKING:
    import geopandas as gpd

Background = Literal["probability", "phase", "dem"]

BACKGROUNDS: Final[dict[Background, str]] = {"probability": "probability", "dem": "dem", "phase": "igram"}
"""Variable behind each background, in the order of preference."""

FAINT: Final = 0.05
"""Probability below which nothing is drawn over the relief."""


def draw_inventory(
    ds: xr.Dataset,
    polygons: gpd.GeoDataFrame | None = None,
    *,
    background: Background | None = None,
    threshold: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw outlines of moving slopes; see `insarflow.plot.Plot.inventory`."""
    require(ds, to="plot.inventory")
    shown = _background(ds, background)
    if polygons is None or (shown == "probability" and tuple(ds["probability"].dims) != SPACE):
        ds = summarised(ds, threshold)
    if polygons is None:
        from insarflow.inventory import inventory  # loads geopandas: only when asked for

        polygons = inventory(ds, threshold=threshold)
    place = place_of(ds)
    polygons = on_place(polygons, place)
    axis = new_axis(ax, place)
    count = f"{len(polygons)} moving slope{'s' * (len(polygons) != 1)}"
    if shown == "phase":
        one, pair = single(ds, None)
        (values,) = shrink([one["igram"]])
        colour_bar([axis], draw_image(axis, np.angle(values), place, "phase"), "phase")
        count = f"{count} on {title(pair)}" if pair is not None else count
    elif shown == "probability":
        draw_probability(axis, ds, ds, place)
    else:
        relief(axis, ds, place)
    draw_outlines(axis, polygons, place, "black" if shown == "phase" else "#0040ff")
    axis.set_title(count, fontsize=10)
    frame(axis, place)
    return axis


def summarised(ds: xr.Dataset, threshold: float | None) -> xr.Dataset:
    """`ds` with ``probability`` and ``support`` on ``(y, x)``, lazy if they are.

    Raises
    ------
    MissingVariableError
        If there is no ``probability``.
    ValueError
        If no threshold is known.
    """
    if "probability" not in ds:
        raise MissingVariableError(
            "plot.inventory needs polygons, or the variable 'probability' to find them in: make it with "
            "ds.insar.segment(), or give the polygons, as insarflow.inventory.read_inventory('inventory.gpkg')"
        )
    if tuple(ds["probability"].dims) == SPACE:
        return ds
    from insarflow.inventory import summarise  # loads geopandas: only when asked for
    from insarflow.inventory.checks import known_cut, settle_cut

    threshold, peak = settle_cut(threshold, None, known_cut(ds["probability"]))
    summary = summarise(ds, threshold=threshold, peak=peak)
    return ds.drop_vars(["probability", "support"], errors="ignore").assign(
        probability=summary["probability"], support=summary["support"]
    )


def draw_probability(axis: Axes, summary: xr.Dataset, stack: xr.Dataset, place: Place) -> None:
    """Draw probability ``(y, x)`` over the relief of `stack`, with its colour bar; what is near 0 is left out."""
    relief(axis, stack, place)
    (probability,) = shrink([summary["probability"]])
    shown = np.where(probability >= FAINT, probability, np.nan)
    colour_bar([axis], draw_image(axis, shown, place, "probability", alpha=0.85), "probability")


def relief(axis: Axes, stack: xr.Dataset, place: Place) -> None:
    """Draw shaded relief where terrain heights are known, else plain grey."""
    if "dem" not in stack:
        axis.set_facecolor("0.85")
        return
    (height,) = shrink([stack["dem"]])
    draw_relief(axis, height, place, pixel_size_m(stack))


def _background(ds: xr.Dataset, background: Background | None) -> Background:
    if background is None:
        return next((name for name, variable in BACKGROUNDS.items() if variable in ds), "dem")
    if background not in BACKGROUNDS:
        raise ValueError(f"background must be one of {sorted(BACKGROUNDS)}, instead got background={background!r:.80}")
    require(ds, BACKGROUNDS[background], to=f"plot.inventory(background={background!r})")
    return background
