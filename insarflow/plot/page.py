"""The inventory as one HTML file that opens anywhere, with the network cut: a map, a legend and a table to sort."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import tempfile
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import xarray as xr
from matplotlib.colors import LightSource
from matplotlib.image import imsave

from insarflow.errors import SchemaError, StoreError
from insarflow.inventory.colours import REJECTED, UNKNOWN, probability_classes, velocity_colours
from insarflow.inventory.corners import encoded
from insarflow.plot.images import looks_of, shrink
from insarflow.plot.mercator import coarse, to_mercator
from insarflow.plot.offline import leaflet
from insarflow.plot.page_table import page_table
from insarflow.schema import SPACE
from insarflow.stack.export.output import check_file, check_folder
from insarflow.stack.georeference import grid_of, pixel_size_m

if TYPE_CHECKING:
    import geopandas as gpd

LONGEST_SIDE: Final = 900
"""Pixels of the relief."""

_GREYS: Final = 32


def inventory_page(
    frame: gpd.GeoDataFrame, *, title: str = "Inventory of moving slopes", dem: xr.DataArray | None = None
) -> str:
    """Make an HTML page of an inventory: one text with all scripts and images inside, that loads nothing.

    Parameters
    ----------
    frame
        As of `insarflow.inventory.inventory`, in any CRS. Outlines are coloured by ``velocity_class``, else by
        ``probability_mean``; rejected ones are grey and dashed. A rate that is aliased reads as the least it may be.
    title
        Of the page.
    dem
        Heights, m, ``(y, x)`` on a grid: shaded below the outlines, at most 900 pixels a side. If it is lazy it is
        read block by block, about a row of blocks at a time.

    Returns
    -------
    str
        The same for the same table. A click on a row of the table zooms to the slope; corners are rounded to 1e-5
        degrees, about a metre.

    Raises
    ------
    InsarError
        If xstatic-leaflet is not installed.
    TypeError, ValueError
        If an argument is of another kind, or the table has no CRS.
    SchemaError
        If `dem` is no image on a grid, or lies where web mercator is not defined.
    """
    if not hasattr(frame, "geometry") or not hasattr(frame, "to_crs"):
        raise TypeError(f"frame must be a geopandas.GeoDataFrame, instead got {type(frame).__name__}")
    if not isinstance(title, str):
        raise TypeError(f"title must be a text, instead got title={title!r:.80}")
    if frame.crs is None:
        raise ValueError("frame must have a CRS, instead got none: set it with frame.set_crs(...)")
    script, style = leaflet()
    data = {**page_table(frame), **encoded(frame), **_colours(frame), "relief": None if dem is None else _relief(dem)}
    # Of the letters that could end a script element, none is left.
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    # Leaflet's own signature is a link; the page does not show it.
    script = script.replace('<a href="https://leafletjs.com"', "<a")
    parts = {"TITLE": escape(title), "LEAFLET_JS": script, "LEAFLET_CSS": style, "DATA": text}
    page = files("insarflow.plot").joinpath("page.html").read_text(encoding="utf-8")
    return re.sub("@@([A-Z_]+)@@", lambda found: parts[found[1]], page)


def write_page(
    frame: gpd.GeoDataFrame,
    path: str | os.PathLike[str],
    *,
    title: str = "Inventory of moving slopes",
    dem: xr.DataArray | None = None,
    overwrite: bool = False,
) -> Path:
    """Write `inventory_page` to a file, whole or not at all.

    Raises
    ------
    TypeError, ValueError, InsarError
        As `inventory_page`; ValueError also if `path` does not end in ``.html`` or its folder does not exist.
    OutputExistsError
        If the file exists and `overwrite` is False, or a folder has its name.
    StoreError
        If it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path must end in .html, instead got path={str(path)!r}")
    check_folder(path)
    check_file(path, overwrite=overwrite)
    page = inventory_page(frame, title=title, dem=dem)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as beside:
            draft = Path(beside) / path.name
            draft.write_text(page, encoding="utf-8", newline="\n")
            draft.replace(path)
    except OSError as error:
        raise StoreError(f"path={str(path)!r} cannot be written: {error.strerror or error}") from error
    return path


def _colours(frame: gpd.GeoDataFrame) -> dict[str, Any]:
    """Colour of each slope, and what colours mean."""
    refused = (frame["status"] == "rejected").to_numpy(bool) if "status" in frame else np.zeros(len(frame), bool)
    if "velocity_class" in frame:
        title, names = "velocity", frame["velocity_class"].fillna("").astype(str)
        known = velocity_colours(names)
        colours = np.array([known.get(name, UNKNOWN) for name in names], object)
        entries = [[name, colour] for name, colour in known.items()]
    else:
        title, colours, entries = "mean probability", np.full(len(frame), UNKNOWN, object), []
        values = (
            frame["probability_mean"].to_numpy(float) if "probability_mean" in frame else np.full(len(frame), np.nan)
        )
        for low, high, colour in probability_classes():
            colours[(values >= low) & (values <= high)] = colour
            entries.append([f"{low:g} to {high:g}", colour])
    if UNKNOWN in colours[~refused] and UNKNOWN not in [colour for _, colour in entries]:
        entries.append(["unknown", UNKNOWN])
    if refused.any():
        entries.append(["rejected", REJECTED])
    colours[refused] = REJECTED
    palette = sorted(set(colours))
    return {
        "palette": palette, "colour": [palette.index(colour) for colour in colours],
        "rejected": np.flatnonzero(refused).tolist(), "legend": {"title": title, "entries": entries},
    }  # fmt: skip


def _relief(dem: xr.DataArray) -> dict[str, Any]:
    """Shaded relief on web mercator, in few greys, as an image inside the page."""
    if not isinstance(dem, xr.DataArray):
        raise TypeError(f"dem must be an xarray.DataArray, instead got {type(dem).__name__}")
    if set(dem.dims) != set(SPACE):
        raise SchemaError(f"dem must have dims {SPACE}, instead got {tuple(map(str, dem.dims))}")
    grid = grid_of(dem)
    (height,) = shrink([dem], LONGEST_SIDE)
    looks = looks_of(grid.shape, LONGEST_SIDE)
    dy, dx = pixel_size_m(dem.to_dataset(name="dem")) or (1.0, 1.0)
    known = np.isfinite(height)
    filled = np.where(known, height, height[known].mean() if known.any() else 0.0)
    shade = np.zeros(height.shape)
    if min(height.shape) > 1:
        # The sun is in the north-west however rows and columns run.
        y, x = (np.sign(step) for step in (-grid.transform[5], grid.transform[1]))
        shade = LightSource(315, 45).hillshade(filled, dx=x * dx * looks.x, dy=y * dy * looks.y)
    there = to_mercator(coarse(grid, looks, height.shape), LONGEST_SIDE)
    laid = there.lay(np.where(known, shade, np.nan).astype(np.float32))
    grey = np.rint((0.35 + 0.6 * np.nan_to_num(laid)) * (_GREYS - 1)) / (_GREYS - 1)
    shades = np.repeat((255 * grey).astype(np.uint8)[..., None], 4, axis=2)
    shades[..., 3] = np.where(np.isfinite(laid), 255, 0)
    shades[shades[..., 3] == 0] = 0
    png = io.BytesIO()
    imsave(png, shades, format="png")
    return {"image": "data:image/png;base64," + base64.b64encode(png.getvalue()).decode(), "corners": there.corners}
