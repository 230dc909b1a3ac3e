"""The picture that the verb ``map`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from insarflow.plot.choice import single, title
from insarflow.plot.frame import Place, figure_size, frame, place_of
from insarflow.plot.images import colour_bar, draw_image, shrink
from insarflow.plot.inventory import draw_probability, relief
from insarflow.plot.outlines import draw_outlines, on_place

if TYPE_CHECKING:
    from insarflow.workflows.map import RegionMap


def draw_map(result: RegionMap, path: Path, truth: xr.Dataset | None = None) -> None:
    """Draw a map of moving slopes to a PNG file: one interferogram, the probability with outlines, the truth if known.

    Parameters
    ----------
    result
        As `insarflow.workflows.map.map_region` gives it.
    path
        The file to write.
    truth
        As `insarflow.simulate_stack` gives it.
    """
    place = place_of(result.summary)
    panels = 2 if truth is None else 3
    # No pyplot: a server or a thread that writes a file has no figure to show.
    figure = Figure(figsize=figure_size(place, 1, panels, bars=panels), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, sharex=True, sharey=True)
    one, pair = single(result.stack, None)
    (igram,) = shrink([one["igram"]])
    colour_bar([axes[0]], draw_image(axes[0], np.angle(igram), place, "phase"), "phase")
    axes[0].set_title(f"phase {title(pair)}", fontsize=10)
    draw_probability(axes[1], result.summary, result.stack, place)
    polygons = on_place(result.polygons, place)
    draw_outlines(axes[1], polygons, place)
    count = f"{len(polygons)} moving slope{'s' * (len(polygons) != 1)}"
    axes[1].set_title(f"{count}, probability ≥ {result.threshold:.2f}", fontsize=10)
    if truth is not None:
        _truth(axes[2], result, truth, place)
        draw_outlines(axes[2], polygons, place, "black")
    for axis in axes:
        frame(axis, place)
        axis.label_outer()
    figure.savefig(path, dpi=110)


def _truth(axis: Axes, result: RegionMap, truth: xr.Dataset, place: Place) -> None:
    relief(axis, result.stack, place)
    (rate,) = shrink([truth["los_rate"]])
    moving = np.where(rate == 0.0, np.nan, rate)
    limit = float(np.nanmax(np.abs(moving), initial=0.01))
    colour_bar([axis], draw_image(axis, moving, place, "speed", limit=limit), "speed")
    axis.set_title("truth, with the outlines found", fontsize=10)
