"""Around an image: where its pixels lie, axis labels, scale bar, north."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pyproj
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnchoredText
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from insarflow.errors import SchemaError
from insarflow.stack.georeference import grid_of, pixel_size_m


@dataclass(frozen=True)
class Place:
    """Where the pixels of a picture lie.

    Attributes
    ----------
    origin
        Outer corner of pixel (0, 0), ``(y, x)``, in the axes' units.
    step
        Of a pixel, ``(y, x)``, in the axes' units.
    shape
        ``(y, x)`` pixels.
    labels
        Of the axes, ``(y, x)``.
    metre
        Length of a metre along x in the axes' units; None if the region has no place on the Earth.
    aspect
        Height of a unit along y over the width of one along x, as drawn.
    crs
        WKT; None if unknown.
    """

    origin: tuple[float, float]
    step: tuple[float, float]
    shape: tuple[int, int]
    labels: tuple[str, str]
    metre: float | None
    aspect: float
    crs: str | None

    @property
    def tall(self) -> float:
        """Height of the picture over its width."""
        height, width = (abs(n * step) for n, step in zip(self.shape, self.step, strict=True))
        return height / width * self.aspect


def place_of(ds: xr.Dataset) -> Place:
    """Where the pixels of `ds` lie; counted in pixels where it has no grid or no CRS.

    Raises
    ------
    SchemaError
        If `ds` has no ``y`` and ``x``, or no pixel.
    """
    shape = ds.sizes.get("y", 0), ds.sizes.get("x", 0)
    if 0 in shape:
        raise SchemaError(f"a picture needs pixels along 'y' and 'x', instead got sizes={dict(ds.sizes)}")
    size = pixel_size_m(ds)
    if size is None:
        return Place((0.0, 0.0), (1.0, 1.0), shape, ("row", "column"), None, 1.0, None)
    grid = grid_of(ds)
    crs = pyproj.CRS.from_wkt(grid.crs)
    x_origin, x_step, _, y_origin, _, y_step = grid.transform
    unit = "°" if crs.is_geographic else {"metre": "m"}.get(crs.axis_info[0].unit_name, crs.axis_info[0].unit_name)
    labels = (f"latitude ({unit})", f"longitude ({unit})")
    if not crs.is_geographic:
        labels = (f"northing ({unit})", f"easting ({unit})")
    metre = abs(x_step) / size[1]
    return Place(
        (y_origin, x_origin), (y_step, x_step), shape, labels, metre, size[0] / abs(y_step) * metre, grid.crs
    )  # fmt: skip


def figure_size(place: Place, rows: int = 1, columns: int = 1, *, bars: int = 1) -> tuple[float, float]:
    """Inches, ``(width, height)``, of a figure of equal panels near to the region's own shape, and `bars` of colour."""
    side = 2.6 if are_small(rows, columns) else 6.5 if columns == 1 else 5.0
    least = 1.2  # narrower, a title finds no room
    width = min(side, 1.4 * side / place.tall)
    height = max(width * place.tall, least / 2)
    # Room for the axes' labels on the left, a colour bar each, titles above each row, and the labels below; a colour
    # bar's own label must fit on its height.
    return max(width, least) * columns + 0.7 + 0.9 * bars, max((height + 0.3) * rows + 0.6, 2.8)


def are_small(rows: int, columns: int) -> bool:
    """Whether so many panels are drawn small."""
    return rows > 1 or columns > 3


def frame(axis: Axes, place: Place, *, small: bool = False, marks: bool = True) -> None:
    """Axis labels with units, true aspect, scale bar and north.

    Parameters
    ----------
    axis
        Holds an image drawn at `place`.
    place
        Where the pixels lie.
    small
        One of many panels: smaller letters.
    marks
        Whether to draw scale bar and north.
    """
    axis.set_aspect(place.aspect)
    axis.tick_params(labelsize=6 if small else 8)
    axis.ticklabel_format(style="plain", useOffset=False)
    axis.locator_params(axis="x", nbins=2 if small or place.tall > 1.5 else 4, steps=[1, 2, 5, 10])
    axis.locator_params(axis="y", nbins=1 if place.tall < 0.25 else 3 if small else 6, steps=[1, 2, 5, 10])
    if place.tall > 3:
        axis.tick_params(axis="x", labelrotation=90)
    axis.set_ylabel(place.labels[0], fontsize=7 if small else 9)
    axis.set_xlabel(place.labels[1], fontsize=7 if small else 9)
    if marks and place.metre is not None:
        _scale_bar(axis, place, place.metre, 6 if small else 8)
        _north(axis, 6 if small else 9)


def _scale_bar(axis: Axes, place: Place, metre: float, size: int) -> None:
    length = round_length(abs(place.step[1]) * place.shape[1] / metre)
    text = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    bar = AnchoredSizeBar(
        axis.transData, length * metre, text, loc="lower left", pad=0.3, borderpad=0.4, sep=2, frameon=True,
        fontproperties={"size": size},
    )  # fmt: skip
    bar.patch.set(alpha=0.75, linewidth=0.0)
    axis.add_artist(bar)


def round_length(span: float) -> float:
    """Longest of 1, 2 or 5 times a power of ten that is no more than a third of `span`."""
    power = 10.0 ** math.floor(math.log10(span / 3))
    return power * max(k for k in (1, 2, 5) if k * power <= span / 3 * 1.001)


def _north(axis: Axes, size: int) -> None:
    # Images are drawn with north up, whatever the order of their rows.
    arrow = AnchoredText("N ↑", loc="upper left", pad=0.2, borderpad=0.4, prop={"size": size})
    arrow.patch.set(alpha=0.75, linewidth=0.0)
    axis.add_artist(arrow)
