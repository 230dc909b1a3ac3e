"""The interactive map of a notebook: images and outlines that one can zoom into, offline."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Final

import matplotlib
import numpy as np
import xarray as xr
from matplotlib.colors import Normalize, to_hex
from matplotlib.image import imsave

from insarflow.errors import InsarError, MissingVariableError
from insarflow.ops.checks import check_fraction, check_whole
from insarflow.plot.choice import single, title
from insarflow.plot.images import STYLES, Kind, looks_of, shrink
from insarflow.plot.mercator import coarse, to_mercator
from insarflow.plot.offline import MISSING, without_network
from insarflow.plot.outlines import OUTLINE, check_polygons, thin
from insarflow.schema import SPACE, require
from insarflow.stack.georeference import grid_of
from insarflow.types import PairLike

if TYPE_CHECKING:
    import folium
    import geopandas as gpd

LONGEST_SIDE: Final = 1500
"""Pixels of an overlay."""

IMAGES: Final[dict[Kind, str]] = {"phase": "igram", "coherence": "coherence", "probability": "probability"}
"""Variable behind each image, in the order of the list."""

MOST_FIELDS: Final = 20
"""Attributes in a tooltip."""

LONGEST_TEXT: Final = 120
"""Letters of one attribute in a tooltip."""


def explore(
    ds: xr.Dataset,
    pair: PairLike | None = None,
    *,
    polygons: gpd.GeoDataFrame | None = None,
    opacity: float = 0.9,
    tiles: str | None = None,
    height: int = 560,
) -> folium.Map:
    """Make an interactive map of one interferogram, its coherence, the probability and polygons.

    It needs no network: no tile server, no script from elsewhere. Notebooks show it; ``.save("map.html")`` writes one
    file that opens anywhere.

    Parameters
    ----------
    ds
        A stack, or one interferogram, with ``igram``, ``coherence`` or ``probability``.
    pair
        By name or (date, delay); by default the one in the middle of the period.
    polygons
        Outlines, in any CRS; a tooltip shows their attributes.
    opacity
        Of the images, 0 to 1.
    tiles
        Base map below, by folium's name or as a URL; with it the page does load scripts and tiles from the network.
    height
        Of the map in the notebook, screen pixels.

    Returns
    -------
    folium.Map

    Raises
    ------
    InsarError
        If folium or xstatic-leaflet is not installed.
    TypeError, ValueError
        If an argument is of another kind.
    MissingVariableError
        If there is no image to show.
    UnknownPairError
        If the stack does not hold the pair.
    SchemaError
        If the pixels have no place on the Earth.

    Notes
    -----
    Images are averaged to at most 1500 pixels a side, interferograms as complex numbers, then laid on web mercator by
    nearest neighbour: no phase is interpolated, neither here nor by the browser.
    """
    try:
        import branca.element
        import folium
    except ImportError as error:
        raise InsarError(MISSING) from error

    require(ds, to="explore")
    opacity = check_fraction("opacity", opacity)
    height = check_whole("height", height, low=100, high=10_000)
    if polygons is not None:
        check_polygons(polygons)
    grid = grid_of(ds)
    layers, name = _layers(ds, pair)
    images = shrink([image for _, image in layers], LONGEST_SIDE)
    looks = looks_of(grid.shape, LONGEST_SIDE)
    there = to_mercator(coarse(grid, looks, images[0].shape), LONGEST_SIDE)

    figure = branca.element.Figure(height=f"{height}px")
    # Of a name folium knows whose tiles they are; of a URL it must be told.
    source = escape(tiles) if tiles is not None and "://" in tiles else None
    page = folium.Map(tiles=tiles, attr=source, control_scale=True, font_size="0.8rem", zoom_snap=0.25)
    page.add_to(figure)
    if tiles is None:
        without_network(page, figure)
    for number, ((kind, _), values) in enumerate(zip(layers, images, strict=True)):
        shown = np.angle(values) if kind == "phase" else values
        folium.raster_layers.ImageOverlay(
            _png(there.lay(shown), kind), there.corners, name=kind, opacity=opacity, show=number == 0
        ).add_to(page)
    if polygons is not None:
        _add_polygons(page, polygons, abs(grid.transform[1]) * looks.x / 2, grid.crs)
    folium.LayerControl(collapsed=False).add_to(page)
    figure.html.add_child(branca.element.Element(_keys(name, [kind for kind, _ in layers])), name="keys")
    page.fit_bounds(there.corners)
    return page


def _layers(ds: xr.Dataset, pair: PairLike | None) -> tuple[list[tuple[Kind, xr.DataArray]], str]:
    """Images to show, the first one on opening, and the title of the interferogram."""
    one, which = single(ds, pair)
    found = [(kind, one[name]) for kind, name in IMAGES.items() if name in one and set(one[name].dims) == set(SPACE)]
    if not found:
        raise MissingVariableError(
            f"explore needs one of the variables {sorted(IMAGES.values())}, but the dataset holds "
            f"{sorted(map(str, ds.data_vars))}"
        )
    return found, title(which)


def _png(values: np.ndarray, kind: Kind) -> str:
    """Data URI of an image in its colours, clear where it is NaN."""
    style = STYLES[kind]
    shades = matplotlib.colormaps[style.colours](Normalize(style.low, style.high)(values), bytes=True)
    shades[..., 3] = np.where(np.isfinite(values), 255, 0)
    png = io.BytesIO()
    imsave(png, shades, format="png")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def _add_polygons(page: folium.Map, polygons: gpd.GeoDataFrame, tolerance: float, crs: str) -> None:
    """Outlines with a tooltip each; their text is data and must not become markup."""
    import folium

    drawn = polygons[~(polygons.geometry.isna() | polygons.geometry.is_empty)]
    if drawn.empty:
        return
    names = [n for n in drawn.columns if n != drawn.geometry.name][:MOST_FIELDS]
    rows = zip(*(drawn[n] for n in names), strict=True) if names else [()] * len(drawn)
    texts = ["<br>".join(f"<b>{_text(n)}</b> {_text(v)}" for n, v in zip(names, row, strict=True)) for row in rows]
    plain = thin(drawn.to_crs(crs), tolerance)[[drawn.geometry.name]].assign(tooltip=texts)
    tooltip = folium.GeoJsonTooltip(fields=["tooltip"], labels=False) if names else None
    folium.GeoJson(
        plain.to_crs("EPSG:4326"),
        name="polygons",
        tooltip=tooltip,
        style_function=lambda _: {"color": OUTLINE, "weight": 1.5, "fillOpacity": 0.05},
        highlight_function=lambda _: {"weight": 3},
    ).add_to(page)


def _text(value: object) -> str:
    text = str(value)
    if isinstance(value, float | np.floating):
        text = f"{value:.4g}" if abs(float(value)) < 1000 else f"{value:,.0f}"
    return escape(text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…")


def _keys(name: str, kinds: list[Kind]) -> str:
    """Name of the interferogram and colour bars of the images."""
    bars = [f"<b>{escape(name)}</b>"]
    for kind in kinds:
        style = STYLES[kind]
        colours = [to_hex(c) for c in matplotlib.colormaps[style.colours](np.linspace(0.0, 1.0, 17))]
        low, high = ("-π", "π") if kind == "phase" else (f"{style.low:g}", f"{style.high:g}")
        bars.append(
            f'<div style="margin-top:4px">{escape(style.label)}<br>{low} <span style="display:inline-block;width:110px;'
            f'height:9px;background:linear-gradient(to right,{",".join(colours)})"></span> {high}</div>'
        )
    box = "position:fixed;right:10px;bottom:24px;z-index:1000;background:#fffd;color:#222;padding:3px 8px 6px;"
    return f'<div style="{box}font:11px sans-serif;border-radius:4px">{"".join(bars)}</div>'
