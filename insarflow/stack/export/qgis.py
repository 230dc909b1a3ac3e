"""A QGIS project beside the GeoTIFF files: layers in groups by delay, in the colours that their values ask for.

The file holds what QGIS needs and no more. It was made after QGIS's own files and is checked by its structure (well
formed, every source there, CRS and extents as the files have them), not by QGIS itself.
"""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
import pyproj
import rasterio

from insarflow.errors import ProductError, StoreError
from insarflow.stack.export.layers import Layer, Stack, software
from insarflow.stack.export.qml import stored_style, take_over
from insarflow.stack.export.style import flags_pipe, grey_pipe, phase_pipe
from insarflow.stack.georeference import Box
from insarflow.types import Grid

PROJECT: Final = "project.qgs"
"""Name of the project file."""

INVENTORY: Final = "inventory.gpkg"
"""Name that a file of polygons gets beside it."""

_GEOPACKAGE: Final = b"SQLite format 3\0"

_FIXED: Final = {"coherence": (0.0, 1.0), "probability": (0.0, 1.0)}
"""Values drawn black and white, where they do not depend on the data."""

_SHARE: Final = (2.0, 98.0)
"""Percentiles of an overview drawn black and white elsewhere."""


@dataclass(frozen=True)
class _Source:
    """What a layer of a project needs."""

    identity: str
    title: str
    path: str
    provider: str
    bounds: Box
    crs: str


def write_project(stack: Stack, folder: Path, *, inventory: Path | None = None) -> Path:
    """Write ``project.qgs`` for the files that `insarflow.stack.export.cog.write_cog` has made.

    Parameters
    ----------
    stack
        What the files hold.
    folder
        Where they are; paths in the project are relative to it.
    inventory
        GeoPackage whose polygons are drawn on top; it is copied to ``inventory.gpkg``. Layers for which it holds a
        style of QGIS have its symbols, labels and form, others a red outline.

    Returns
    -------
    Path
        The project.

    Raises
    ------
    ProductError
        If `inventory` is no GeoPackage of polygons.
    StoreError
        If a file cannot be written.
    """
    root = ET.Element("qgis", version="3.28.0", projectname="insarflow")
    ET.SubElement(root, "title").text = f"Radar interferograms ({software()})"
    _crs(ET.SubElement(root, "projectCrs"), stack.grid.crs)
    tree = ET.SubElement(root, "layer-tree-group")
    _canvas(root, stack.grid)
    layers = ET.SubElement(root, "projectlayers")
    try:
        if inventory is not None:
            for source in _copied(inventory, folder):
                _leaf(tree, source, shown=True)
                _polygons(layers, source, stored_style(folder / INVENTORY, source.title))
        _pairs(tree, layers, stack, folder)
        terrain = _group(tree, "Terrain and view", open_=False)
        for (layer,) in (group for group in stack.groups() if group[0].pair is None):
            _add(terrain, layers, layer, stack, folder, shown=False)
        paths = ET.SubElement(ET.SubElement(root, "properties"), "Paths")
        ET.SubElement(paths, "Absolute", type="bool").text = "false"
        ET.indent(root)
        ET.ElementTree(root).write(folder / PROJECT, encoding="UTF-8", xml_declaration=True)
    except OSError as error:
        raise StoreError(f"{folder / PROJECT} cannot be written: {error}") from error
    return folder / PROJECT


def check_inventory(path: Path) -> list[str]:
    """Names of the layers of polygons in a GeoPackage.

    Raises
    ------
    ProductError
        If it is none, cannot be read, or has no such layer.
    """
    import pyogrio  # loads geopandas

    wanted = f"inventory={str(path)!r} must be a GeoPackage of polygons"
    try:
        with path.open("rb") as file:
            # GDAL goes by the content and not by the name, and knows kinds that open other files.
            if file.read(len(_GEOPACKAGE)) != _GEOPACKAGE:
                raise ProductError(f"{wanted}, instead it is another kind of file")
        layers = [str(name) for name, kind in pyogrio.list_layers(path) if "Polygon" in str(kind)]
    except (RuntimeError, OSError) as error:
        raise ProductError(f"{wanted}, instead it cannot be read: {error}") from error
    if not layers:
        raise ProductError(f"{wanted}, instead it holds none")
    return layers


def _copied(inventory: Path, folder: Path) -> list[_Source]:
    """The polygons' layers in a copy beside the rasters."""
    import pyogrio

    sources = []
    names, target = check_inventory(inventory), folder / INVENTORY
    shutil.copyfile(inventory, target)
    for name in names:
        info = pyogrio.read_info(target, layer=name, force_total_bounds=True)
        left, low, right, high = (float(v) for v in info["total_bounds"])
        box = (left, low, right, high) if np.isfinite([left, low, right, high]).all() else (0.0, 0.0, 0.0, 0.0)
        crs = pyproj.CRS.from_user_input(info["crs"] or "EPSG:4326").to_wkt()
        path = f"./{INVENTORY}|layername={name}"
        sources.append(_Source(f"inventory_{name}", name, path, "ogr", box, crs))
    return sources


def _pairs(tree: ET.Element, layers: ET.Element, stack: Stack, folder: Path) -> None:
    """One group a delay, one in it a pair; the first pair is shown."""

    def days(group: list[Layer]) -> int:
        return group[0].pair.delay_days if group[0].pair is not None else 0

    of_pairs = sorted((group for group in stack.groups() if group[0].pair is not None), key=days)
    first = True
    for delay, groups in groupby(of_pairs, key=days):
        parent = _group(tree, f"{delay} days", open_=first)
        for group in groups:
            branch = _group(parent, str(group[0].pair), open_=first)
            for layer in group:
                _add(branch, layers, layer, stack, folder, shown=first and layer is group[0])
            first = False


def _add(branch: ET.Element, layers: ET.Element, layer: Layer, stack: Stack, folder: Path, *, shown: bool) -> None:
    """Put a raster into the tree and among the layers."""
    file = f"{layer.name}.tif"
    title = layer.word if layer.pair is None else f"{layer.word} {layer.pair}"
    source = _Source(f"layer_{layer.name}", title, f"./{file}", "gdal", _bounds(stack.grid), stack.grid.crs)
    _leaf(branch, source, shown=shown)
    made = _layer(layers, source, "raster")
    nodata = ET.SubElement(made, "noData")
    ET.SubElement(nodata, "noDataList", bandNo="1", useSrcNoData="1")
    if layer.variable == "igram":
        phase_pipe(made)
    elif layer.flags:
        flags_pipe(made, layer.flags)
    else:
        grey_pipe(made, *_limits(layer, folder / file))


def _limits(layer: Layer, file: Path) -> tuple[float, float]:
    """Values drawn black and white."""
    if layer.dtype.kind != "f":
        return 0.0, 1.0
    if layer.word in _FIXED:
        return _FIXED[layer.word]
    with rasterio.open(file) as opened:
        levels = len(opened.overviews(1))
    with rasterio.open(file, **({"overview_level": levels - 1} if levels else {})) as opened:
        values = opened.read(1)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, _SHARE))
    return (low, high) if high > low else (low, low + 1.0)


def _layer(layers: ET.Element, source: _Source, kind: str) -> ET.Element:
    """What layers of all kinds have."""
    made = ET.SubElement(layers, "maplayer", type=kind)
    _extent(made, source.bounds)
    for name, text in (("id", source.identity), ("datasource", source.path), ("layername", source.title)):
        ET.SubElement(made, name).text = text
    _crs(ET.SubElement(made, "srs"), source.crs)
    provider = ET.SubElement(made, "provider")
    provider.text = source.provider
    if source.provider == "ogr":
        provider.set("encoding", "UTF-8")
    return made


def _polygons(layers: ET.Element, source: _Source, style: ET.Element | None) -> None:
    """As their style has it; else outlines without a filling, so that what is below stays seen."""
    made = _layer(layers, source, "vector")
    made.set("geometry", "Polygon")
    if style is not None:
        take_over(style, made)
        return
    renderer = ET.SubElement(made, "renderer-v2", type="singleSymbol", symbollevels="0", enableorderby="0")
    symbols = ET.SubElement(renderer, "symbols")
    symbol = ET.SubElement(symbols, "symbol", name="0", type="fill", alpha="1", clip_to_extent="1")
    outline = ET.SubElement(symbol, "layer", attrib={"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
    options = ET.SubElement(outline, "Option", type="Map")
    values = {
        "style": "no", "outline_color": "228,26,28,255", "outline_style": "solid", "outline_width": "0.5",
        "outline_width_unit": "MM",
    }  # fmt: skip
    for name, value in values.items():
        ET.SubElement(options, "Option", name=name, type="QString", value=value)


def _group(parent: ET.Element, name: str, *, open_: bool) -> ET.Element:
    return ET.SubElement(parent, "layer-tree-group", name=name, checked="Qt::Checked", expanded="1" if open_ else "0")


def _leaf(parent: ET.Element, source: _Source, *, shown: bool) -> None:
    ET.SubElement(
        parent, "layer-tree-layer", id=source.identity, name=source.title, source=source.path,
        providerKey=source.provider, checked="Qt::Checked" if shown else "Qt::Unchecked", expanded="0",
    )  # fmt: skip


def _canvas(root: ET.Element, grid: Grid) -> None:
    """The view that the project opens with: all of the grid."""
    canvas = ET.SubElement(root, "mapcanvas", name="theMapCanvas", annotationsVisible="1")
    ET.SubElement(canvas, "units").text = "degrees" if pyproj.CRS.from_wkt(grid.crs).is_geographic else "meters"
    _extent(canvas, _bounds(grid))
    ET.SubElement(canvas, "rotation").text = "0"
    _crs(ET.SubElement(canvas, "destinationsrs"), grid.crs)


def _bounds(grid: Grid) -> Box:
    """Left, bottom, right and top of a grid."""
    x, x_step, _, y, _, y_step = grid.transform
    (left, right), (low, high) = sorted((x, x + x_step * grid.shape[1])), sorted((y, y + y_step * grid.shape[0]))
    return left, low, right, high


def _extent(parent: ET.Element, bounds: Box) -> None:
    extent = ET.SubElement(parent, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        ET.SubElement(extent, name).text = repr(float(value))


def _crs(parent: ET.Element, wkt: str) -> None:
    """A CRS by its definition and, where it has one, by its code."""
    crs = pyproj.CRS.from_wkt(wkt)
    code = crs.to_authority()
    system = ET.SubElement(parent, "spatialrefsys", nativeFormat="Wkt")
    ET.SubElement(system, "wkt").text = crs.to_wkt("WKT2_2019")
    if code is not None:
        if code[0] == "EPSG":
            ET.SubElement(system, "srid").text = code[1]
        ET.SubElement(system, "authid").text = ":".join(code)
    ET.SubElement(system, "description").text = crs.name
    ET.SubElement(system, "geographicflag").text = "true" if crs.is_geographic else "false"
