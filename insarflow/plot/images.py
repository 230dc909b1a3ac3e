"""Images small enough to draw, and drawing them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import xarray as xr
from dask.base import compute
from matplotlib.axes import Axes
from matplotlib.colors import LightSource
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from insarflow.ops.multilook import multilook
from insarflow.ops.phase import COLOURS
from insarflow.plot.frame import Place, figure_size
from insarflow.schema import SPACE
from insarflow.types import Looks

LONGEST_SIDE: Final = 1200
"""Pixels of a drawn image; larger ones are averaged first, interferograms as complex numbers."""

MISSING: Final = "0.87"
"""Grey of pixels without data."""

Kind = Literal["phase", "coherence", "probability", "speed"]


class Style(NamedTuple):
    """How one kind of image is drawn."""

    colours: str
    low: float
    high: float
    label: str


STYLES: Final = {
    "phase": Style(COLOURS, -math.pi, math.pi, "phase (rad),\npositive away from the satellite"),
    "coherence": Style("gray", 0.0, 1.0, "coherence"),
    "probability": Style("YlOrRd", 0.0, 1.0, "probability of movement"),
    "speed": Style("RdBu", -0.01, 0.01, "true speed (m/yr),\npositive toward the satellite"),
}


def looks_of(shape: tuple[int, int], longest: int = LONGEST_SIDE) -> Looks:
    """Pixels averaged along y and x so that neither side of an image exceeds `longest`."""
    return Looks(*(math.ceil(n / longest) for n in shape))


def shrink(images: Sequence[xr.DataArray], longest: int = LONGEST_SIDE) -> list[np.ndarray]:
    """Images ``(y, x)`` averaged by blocks to at most `longest` pixels a side: complex ones as complex numbers.

    This computes, all images in one graph; memory is a few blocks per worker and the small images.
    """
    return list(compute(*(_blocks(image, longest) for image in images)))


def _blocks(image: xr.DataArray, longest: int) -> np.ndarray:
    # Coordinates and recipe stay behind: only pixels are drawn, and a foreign recipe must not stop a picture.
    plain = xr.DataArray(image.transpose(*SPACE).data, dims=SPACE)
    looks = looks_of((plain.sizes["y"], plain.sizes["x"]), longest)
    small = plain if looks == Looks(1, 1) else multilook(plain, y=looks.y, x=looks.x, min_valid=0.0)
    values: np.ndarray = small.data  # or a dask array
    return values


def draw_image(
    axis: Axes, values: np.ndarray, place: Place, kind: Kind, *, limit: float | None = None, alpha: float = 1.0
) -> AxesImage:
    """Draw a (shrunk) image where it lies, north up; NaN is grey, or shows what is below if there is an image."""
    style = STYLES[kind]
    low, high = (style.low, style.high) if limit is None else (-limit, limit)
    if not axis.images:
        axis.set_facecolor(MISSING)
        if not np.isfinite(values).any():
            axis.text(0.5, 0.5, "no data", ha="center", va="center", color="0.4", transform=axis.transAxes)
    return _show(axis, values, place, cmap=style.colours, vmin=low, vmax=high, alpha=alpha)


def draw_relief(axis: Axes, height: np.ndarray, place: Place, size: tuple[float, float] | None) -> None:
    """Draw terrain heights (m) as shaded relief; `size` of an unshrunk pixel along y and x in m."""
    looks = _looks_drawn(height, place)
    dy, dx = (length * n for length, n in zip(size or (1.0, 1.0), (looks.y, looks.x), strict=True))
    filled = np.where(np.isfinite(height), height, np.nanmean(height) if np.isfinite(height).any() else 0.0)
    # A hillshade needs a gradient, hence two pixels along each axis.
    shade = LightSource(315, 45).hillshade(filled, dx=dx, dy=dy) if min(height.shape) > 1 else np.zeros(height.shape)
    axis.set_facecolor(MISSING)
    _show(axis, np.where(np.isfinite(height), shade, np.nan), place, cmap="gray", vmin=-0.3, vmax=1.2, alpha=1.0)


def _looks_drawn(values: np.ndarray, place: Place) -> Looks:
    return Looks(*(max(1, size // n) for size, n in zip(place.shape, values.shape, strict=True)))


def _show(
    axis: Axes, values: np.ndarray, place: Place, *, cmap: str, vmin: float, vmax: float, alpha: float
) -> AxesImage:
    looks = _looks_drawn(values, place)
    y = place.origin[0], place.origin[0] + values.shape[0] * looks.y * place.step[0]
    x = place.origin[1], place.origin[1] + values.shape[1] * looks.x * place.step[1]
    # North is up and east is right whatever the order of rows and columns; bare pixel rows count downward.
    down = place.metre is None
    flip_y, flip_x = (place.step[0] > 0) is not down, place.step[1] < 0
    image = values[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    bottom, top = (max(y), min(y)) if down else (min(y), max(y))
    extent = (min(x), max(x), bottom, top)
    return axis.imshow(
        image, extent=extent, interpolation="nearest", cmap=cmap, vmin=vmin, vmax=vmax, alpha=alpha, aspect=place.aspect
    )


def colour_bar(axes: Sequence[Axes], image: AxesImage, kind: Kind, *, shrink: float = 0.8, pad: float = 0.02) -> None:
    """Colour bar with unit beside `axes`; phase has ticks at -pi, 0 and pi."""
    bar = axes[0].figure.colorbar(image, ax=axes, shrink=shrink, aspect=25, pad=pad)
    bar.set_label(STYLES[kind].label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    if kind == "phase":
        bar.set_ticks([-math.pi, 0.0, math.pi], labels=["-π", "0", "π"])


def new_axis(ax: Axes | None, place: Place) -> Axes:
    """`ax`, or the only axes of a new figure that a notebook shows.

    Raises
    ------
    TypeError
        If `ax` is no Axes of matplotlib.
    """
    if ax is None:
        return new_figure(figure_size(place)).subplots()
    return check_axis(ax)


def check_axis(ax: Axes) -> Axes:
    """`ax` if it is an Axes of matplotlib.

    Raises
    ------
    TypeError
        If it is not, such as an array of several.
    """
    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be one matplotlib Axes, instead got ax={ax!r:.80} ({type(ax).__name__})")
    return ax


def new_figure(size: tuple[float, float]) -> Figure:
    """A figure of `size` (width, height) in inches that a notebook shows."""
    from matplotlib import pyplot  # chooses a backend when imported: only when a figure is to be shown

    return pyplot.figure(figsize=size, layout="constrained")
