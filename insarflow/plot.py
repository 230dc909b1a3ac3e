"""Pictures of maps."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from insarflow.ops.multilook import multilook
from insarflow.stack.georeference import pixel_size_m
from insarflow.types import Pair
from insarflow.workflows.map import RegionMap

LONGEST_SIDE: Final = 1200
"""Pixels of a drawn image; larger ones are averaged first, interferograms as complex numbers."""

OUTLINE: Final = "#0040ff"


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
    panels = 2 if truth is None else 3
    rows, cols = (result.summary.sizes[d] for d in ("y", "x"))
    tall = rows / cols * _aspect(result.summary)
    figure = Figure(figsize=(5.6 * panels, 1.1 + 4.0 * min(2.0, max(0.4, tall))), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(1, panels, sharex=True, sharey=True))
    pair = _phase(axes[0], result.stack)
    figure.colorbar(axes[0].images[-1], ax=axes[0], label="phase (rad), positive away", shrink=0.7)
    axes[0].set_title(f"{pair.name}: filtered phase, {pair.delay_days} days")
    _probability(axes[1], result)
    figure.colorbar(axes[1].images[-1], ax=axes[1], label="probability of movement", shrink=0.7)
    count = len(result.polygons)
    axes[1].set_title(f"{count} moving slope{'s' * (count != 1)}, p ≥ {result.threshold:.2f}")
    if truth is not None:
        _truth(axes[2], result, truth)
    for axis in axes:
        _frame(axis, result.summary)
    figure.savefig(path, dpi=110)


def _phase(axis: Axes, stack: xr.Dataset) -> Pair:
    """The interferogram in the middle of the period, at the middle delay."""
    cells = np.argwhere(stack["valid"].values)
    delays = np.unique(cells[:, 1])
    cells = cells[cells[:, 1] == delays[len(delays) // 2]]
    date, delay = cells[len(cells) // 2]
    cell = stack["igram"].isel(date=int(date), delay=int(delay))
    _image(axis, np.angle(_small(cell)), stack, cmap="twilight", vmin=-math.pi, vmax=math.pi)
    reference = stack["date"].values[date]
    return Pair(reference, reference + stack["delay"].values[delay])


def _probability(axis: Axes, result: RegionMap) -> None:
    _relief(axis, result.stack)
    probability = _small(result.summary["probability"])
    shown = np.where(probability >= 0.05, probability, np.nan)
    _image(axis, shown, result.summary, cmap="YlOrRd", vmin=0.0, vmax=1.0, alpha=0.85)
    _outline(axis, result, OUTLINE)


def _truth(axis: Axes, result: RegionMap, truth: xr.Dataset) -> None:
    _relief(axis, result.stack)
    rate = _small(truth["los_rate"])
    moving = np.where(rate == 0.0, np.nan, rate)
    limit = float(np.nanmax(np.abs(moving), initial=0.01))
    _image(axis, moving, truth, cmap="RdBu", vmin=-limit, vmax=limit)
    axis.figure.colorbar(axis.images[-1], ax=axis, label="true speed (m/yr), positive toward", shrink=0.7)
    _outline(axis, result, "black")
    axis.set_title("truth, with the outlines found")


def _outline(axis: Axes, result: RegionMap, colour: str) -> None:
    if len(result.polygons):
        result.polygons.boundary.plot(ax=axis, color=colour, linewidth=1.0, aspect=None)
    axis.legend(
        handles=[Patch(facecolor="none", edgecolor=colour, label="moving slope")], loc="upper right", fontsize=8
    )


def _relief(axis: Axes, stack: xr.Dataset) -> None:
    """Shaded relief where a DEM is known, else nothing."""
    if "dem" not in stack:
        axis.set_facecolor("0.85")
        return
    height = _small(stack["dem"])
    dy, dx = (size * _stride(stack) for size in pixel_size_m(stack) or (1.0, 1.0))
    shade = matplotlib.colors.LightSource(315, 45).hillshade(np.nan_to_num(height), dx=dx, dy=dy)
    _image(axis, shade, stack, cmap="gray", vmin=-0.3, vmax=1.2)


def _image(axis: Axes, values: np.ndarray, grid: xr.Dataset, **style: Any) -> None:
    n = _stride(grid)
    y, x = grid["y"].values, grid["x"].values
    dy, dx = (float(c[1] - c[0]) if c.size > 1 else 1.0 for c in (y, x))
    rows, cols = values.shape
    left, top = x[0] - dx / 2, y[0] - dy / 2
    extent = (left, left + cols * n * dx, top + rows * n * dy, top)
    axis.imshow(values, extent=extent, interpolation="nearest", **style)


def _small(image: xr.DataArray) -> np.ndarray:
    n = _stride(image)
    values: np.ndarray = (image if n == 1 else multilook(image, y=n, x=n, min_valid=0.0)).values
    return values


def _stride(grid: xr.Dataset | xr.DataArray) -> int:
    longest = max(grid.sizes["y"], grid.sizes["x"])
    return min(math.ceil(longest / LONGEST_SIDE), grid.sizes["y"], grid.sizes["x"])


def _frame(axis: Axes, grid: xr.Dataset) -> None:
    """Scale bar, north, and an aspect that is true at the region's middle."""
    degrees = grid.rio.crs.is_geographic
    axis.set_aspect(_aspect(grid))
    axis.tick_params(labelsize=7)
    axis.ticklabel_format(style="plain", useOffset=False)
    axis.set_xlabel("longitude (°)" if degrees else f"easting ({grid.rio.crs.linear_units})", fontsize=8)
    axis.set_ylabel("latitude (°)" if degrees else f"northing ({grid.rio.crs.linear_units})", fontsize=8)
    span = grid.sizes["x"] * (pixel_size_m(grid) or (1.0, 1.0))[1]
    length = 10 ** math.floor(math.log10(span / 3))
    length *= max(k for k in (1, 2, 5) if k * length <= span / 3 * 1.001)
    part = length / span
    axis.plot([0.05, 0.05 + part], [0.05, 0.05], color="white", linewidth=5, transform=axis.transAxes)
    axis.plot([0.05, 0.05 + part], [0.05, 0.05], color="black", linewidth=3, transform=axis.transAxes)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    box = {"facecolor": "white", "alpha": 0.7, "pad": 1.5, "edgecolor": "none"}
    axis.text(0.05, 0.075, text, fontsize=8, transform=axis.transAxes, bbox=box)
    axis.text(0.05, 0.95, "N ↑", fontsize=9, va="top", transform=axis.transAxes, bbox=box)


def _aspect(grid: xr.Dataset) -> float:
    """Height of a CRS unit along y over one along x, at the region's middle."""
    latitude = math.radians(float(grid["y"].mean()))
    return 1.0 / max(math.cos(latitude), 0.01) if grid.rio.crs.is_geographic else 1.0
