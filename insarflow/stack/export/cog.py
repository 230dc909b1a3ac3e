"""Cloud-optimised GeoTIFF: one file per image, read by tiles and by overviews that invent no fringes."""

from __future__ import annotations

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import RasterioError
from rasterio.shutil import copy as gdal_copy

from insarflow.errors import StoreError
from insarflow.schema import recipe_of
from insarflow.stack.assemble import SHARD
from insarflow.stack.export.layers import Layer, Stack, as_written, read, software
from insarflow.stack.export.pool import Stop, Tell, each, go_on, say_nothing
from insarflow.stack.export.pyramid import level_count, overviews
from insarflow.stack.export.style import write_style
from insarflow.stack.tags import make_tags, pair_tags
from insarflow.types import Grid, Window

TILE: Final = 512
"""Side of a tile, pixels."""

_MOST_LEVELS: Final = (SHARD - 1).bit_length()
"""A window must hold whole blocks of the coarsest overview."""

_NOISE: Final = ("igram", "coherence")
"""Images whose pixels do not tell their neighbours: without a predictor they are written faster, and coherence that was
kept as codes takes half the space."""

_GDAL_TYPES: Final = {"float32": "Float32", "uint8": "Byte", "uint16": "UInt16", "int32": "Int32"}


def write_cog(stack: Stack, folder: Path, *, tell: Tell = say_nothing) -> list[Path]:
    """Write every image of a stack to a cloud-optimised GeoTIFF, several interferograms at the same time.

    Parameters
    ----------
    stack
        From `insarflow.stack.export.layers.stack_of`.
    folder
        Where the files go: ``20180702_20180714_phase.tif``, ``20180702_20180714_coherence.tif``, ``dem.tif``, ...
        Those that are all there are kept as they are.
    tell
        Shows progress.

    Returns
    -------
    list of Path
        The files, sorted.

    Raises
    ------
    StoreError
        If one cannot be written.

    Notes
    -----
    As `write_cogs`. `insarflow.open_stack` reads the folder as the same stack again, interferograms of magnitude 1:
    tags hold what no image does.
    """
    made: list[Path] = []

    def write(layers: list[Layer], stop: Stop) -> None:
        made.extend(write_cogs(layers, stack, folder, stop=stop))

    each(stack.groups(), write, tell, count=stack.count)
    return sorted(made)


def write_cogs(layers: Sequence[Layer], stack: Stack, folder: Path, *, stop: Stop = go_on) -> list[Path]:
    """Write images that are computed together, each to a cloud-optimised GeoTIFF ``<name>.tif``.

    Parameters
    ----------
    layers
        Of `stack`; what they have in common is computed once for each window.
    stack
        Where they are from.
    folder
        Where the files go. Those that are all there are kept as they are.
    stop
        Called before each window; raises if work shall end early.

    Returns
    -------
    list of Path
        The files; beside one of phase or of bits lies its style for QGIS, ``<name>.qml``.

    Raises
    ------
    StoreError
        If a file cannot be written. Each appears whole or not at all.

    Notes
    -----
    Values are written as they are, NaN where missing; wrapped phase as float32 radians. Overviews are those of
    `insarflow.stack.export.pyramid`. Besides one window of each image, no pixels are held in memory: they pass through
    files in `folder`, about as large, without compression, as the images, which are removed at the end.
    """
    files = [folder / f"{layer.name}.tif" for layer in layers]
    if all(file.is_file() for file in files):
        return files
    work = folder / f"{layers[0].name}.partial"
    try:
        work.mkdir(exist_ok=True)
        _spill(layers, stack, work, stop)
        for layer, file in zip(layers, files, strict=True):
            _assemble(layer, stack, work, file)
    except (OSError, RasterioError) as error:
        raise StoreError(f"{files[0]} and its like cannot be written: {error}") from error
    except CPLE_BaseError as error:  # GDAL's own, which rasterio passes on as they are where it copies
        said = f"{error}; is the disk full?"
        raise StoreError(f"{files[0]} and its like cannot be written: {said}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return files


def _levels(grid: Grid) -> int:
    return min(level_count(grid.shape, TILE), _MOST_LEVELS)


def _spill(layers: Sequence[Layer], stack: Stack, work: Path, stop: Stop) -> None:
    """Compute the images and their overviews, window by window, into plain files of numbers."""
    levels = _levels(stack.grid)
    with ExitStack() as opened:
        files = {
            (layer.name, level): opened.enter_context(_raw(work, layer, level).open("wb"))
            for layer in layers
            for level in range(levels + 1)
        }
        for window in stack.windows():
            stop()
            for layer in layers:
                values = read(layer.data, window)
                _put(files[layer.name, 0], as_written(values), window, stack.grid, 0)
                for level, image in enumerate(overviews(values, levels), start=1):
                    _put(files[layer.name, level], image, window, stack.grid, level)


def _put(file: BinaryIO, image: np.ndarray, window: Window, grid: Grid, level: int) -> None:
    """Write an overview of a window to its place in a file of the whole."""
    width = _size(grid, level)[1]
    y0, x0 = window.y0 >> level, window.x0 >> level
    if image.shape[1] == width:
        file.seek(y0 * width * image.itemsize)
        file.write(np.ascontiguousarray(image).data)
        return
    for y, row in enumerate(image):
        file.seek(((y0 + y) * width + x0) * image.itemsize)
        file.write(row.tobytes())


def _size(grid: Grid, level: int) -> tuple[int, int]:
    return -(-grid.shape[0] >> level), -(-grid.shape[1] >> level)


def _raw(work: Path, layer: Layer, level: int) -> Path:
    return work / f"{layer.name}.{level}.raw"


def _assemble(layer: Layer, stack: Stack, work: Path, file: Path) -> None:
    """Let GDAL lay out a file from its numbers and overviews, which it is shown as a virtual raster."""
    grid, levels = stack.grid, _levels(stack.grid)
    sources = [work / f"{layer.name}.{level}.vrt" for level in range(levels + 1)]
    for level, source in enumerate(sources):
        _virtual(layer, stack, level, sources[1:] if level == 0 else []).write(source, encoding="UTF-8")
    made = work / file.name
    predictor = "NO" if layer.variable in _NOISE else "YES"
    options = {"COMPRESS": "DEFLATE", "LEVEL": 1, "PREDICTOR": predictor, "BLOCKSIZE": TILE, "BIGTIFF": "IF_SAFER"}
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):
        gdal_copy(sources[0], made, driver="COG", OVERVIEWS="FORCE_USE_EXISTING", NUM_THREADS=1, **options)
    _check_complete(made, grid, levels)
    if layer.variable == "igram":
        write_style(file.with_suffix(".qml"))
    elif layer.flags:
        write_style(file.with_suffix(".qml"), flags=layer.flags)
    os.replace(made, file)


def _check_complete(file: Path, grid: Grid, levels: int) -> None:
    """Open what was written: a disk that is full need not have said so."""
    with rasterio.open(file) as made:
        if made.shape != grid.shape or len(made.overviews(1)) != levels:
            raise OSError(f"{file.name} is incomplete: is the disk full?")


def _virtual(layer: Layer, stack: Stack, level: int, smaller: Sequence[Path]) -> ET.ElementTree[ET.Element]:
    """GDAL's description of an image in a file of plain numbers."""
    height, width = _size(stack.grid, level)
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    if level == 0:
        ET.SubElement(root, "SRS", dataAxisToSRSAxisMapping="1,2").text = stack.grid.crs
        ET.SubElement(root, "GeoTransform").text = ", ".join(map(repr, map(float, stack.grid.transform)))
        tags = ET.SubElement(root, "Metadata")
        for key, value in tags_of(layer, stack).items():
            ET.SubElement(tags, "MDI", key=key).text = value
    band = ET.SubElement(
        root, "VRTRasterBand", dataType=_GDAL_TYPES[layer.dtype.name], band="1", subClass="VRTRawRasterBand"
    )
    ET.SubElement(band, "Description").text = layer.long_name
    ET.SubElement(band, "UnitType").text = layer.units
    if layer.dtype.kind == "f":
        ET.SubElement(band, "NoDataValue").text = "nan"
    for path in smaller:
        overview = ET.SubElement(band, "Overview")
        ET.SubElement(overview, "SourceFilename", relativeToVRT="1").text = path.name
        ET.SubElement(overview, "SourceBand").text = "1"
    size = layer.dtype.itemsize
    ET.SubElement(band, "SourceFilename", relativetoVRT="1").text = _raw(Path(), layer, level).name
    for name, number in (("ImageOffset", 0), ("PixelOffset", size), ("LineOffset", size * width)):
        ET.SubElement(band, name).text = str(number)
    ET.SubElement(band, "ByteOrder").text = "LSB" if sys.byteorder == "little" else "MSB"
    return ET.ElementTree(root)


def tags_of(layer: Layer, stack: Stack) -> dict[str, str]:
    """What a file says of itself in tags, where it can: `insarflow.stack.tags` reads them again.

    ``DATA_UNITS`` is PyRate's name; ``FLAG_MASKS`` and ``FLAG_MEANINGS`` are what the CF conventions call them.
    """
    tags = {"AREA_OR_POINT": "Area", "TIFFTAG_SOFTWARE": software(), "VARIABLE": layer.word}
    if layer.pair is not None:
        tags |= pair_tags(layer.pair, layer.baseline)
    if layer.units == "rad":
        tags["DATA_UNITS"] = "RADIANS"
    if layer.flags:
        tags["FLAG_MASKS"] = json.dumps([1 << k for k in range(len(layer.flags))])
        tags["FLAG_MEANINGS"] = " ".join(layer.flags)
    return tags | make_tags(stack.pairs.attrs, recipe_of(stack.pairs))
