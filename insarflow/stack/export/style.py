"""How layers are drawn by QGIS: phase in colours that close in a circle, bits in one for each value, others in grey."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_HEX: Final = (
    "e2d9e2 dcd9df d1d5da c4ced4 b3c6ce a3beca 95b5c7 87abc4 7ba1c2 7297c1 6b8cbf 6682bd 6276ba "
    "6069b7 5f5eb3 5e51ad 5e43a5 5c379c 592a8f 552081 4e186f 45135c 3d114d 351140 2f1436 361138 "
    "3f123d 4a1342 581647 67194c 741e4f 812450 8e2c50 983550 a24050 aa4a50 b25652 b96356 be6f5b "
    "c27c63 c6896c c99679 cca389 cfaf99 d4bcac d8c7be ddd0ce e0d7da e2d9e2"
)
"""Colours of matplotlib's cyclic map ``twilight`` (CC0, B. Bechtold) at equal steps from -pi to pi: its two ends look
the same, and so do -pi and pi. ``ds.insar.plot`` draws phase in the same colours."""

CYCLE: Final = tuple(f"#{colour}" for colour in _HEX.split())
"""The same, as ``#rrggbb``."""

FLAG_COLOURS: Final = ("#b30000", "#fdae6b", "#08306b", "#9ecae1")
"""Colours of bits from the lowest on; those of one pair are one hue."""

Stop = tuple[float, str]
"""A value and its colour, ``#rrggbb``."""


def phase_stops() -> list[Stop]:
    """Values from -pi to pi, rad, with their colours."""
    last = len(CYCLE) - 1
    return [(-math.pi + 2 * math.pi * k / last, colour) for k, colour in enumerate(CYCLE)]


def phase_pipe(parent: ET.Element) -> None:
    """Draw wrapped phase: cyclic colours between the stops, and the nearest pixel, as the mean of two is none."""
    pseudocolour(parent, phase_stops(), ends=(-math.pi, math.pi))


def grey_pipe(parent: ET.Element, low: float, high: float) -> None:
    """Draw in shades of grey from black at `low` to white at `high`."""
    pipe = _pipe(parent)
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        type="singlebandgray",
        grayBand="1",
        gradient="BlackToWhite",
        opacity="1",
        alphaBand="-1",
    )
    stretch = ET.SubElement(renderer, "contrastEnhancement")
    ET.SubElement(stretch, "minValue").text = repr(low)
    ET.SubElement(stretch, "maxValue").text = repr(high)
    ET.SubElement(stretch, "algorithm").text = "StretchToMinimumMaximum"


def pseudocolour(parent: ET.Element, stops: Sequence[Stop], *, ends: tuple[float, float]) -> None:
    """Draw in colours, interpolated between stops."""
    low, high = map(repr, ends)
    pipe = _pipe(parent)
    renderer = ET.SubElement(
        pipe, "rasterrenderer", type="singlebandpseudocolor", band="1", opacity="1", alphaBand="-1",
        classificationMin=low, classificationMax=high,
    )  # fmt: skip
    shader = ET.SubElement(ET.SubElement(renderer, "rastershader"), "colorrampshader")
    shader.attrib.update(
        colorRampType="INTERPOLATED", classificationMode="1", clip="0", minimumValue=low, maximumValue=high
    )
    _ramp(shader, stops, ends)
    for value, colour in stops:
        ET.SubElement(shader, "item", value=repr(value), label=f"{value:.2f}", color=colour, alpha="255")


def flags_pipe(parent: ET.Element, flags: Sequence[str]) -> None:
    """Draw bits: a colour for each sum of them, the mean of those of its bits; 0 is transparent."""
    renderer = ET.SubElement(
        _pipe(parent), "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1", nodataColor=""
    )
    palette = ET.SubElement(renderer, "colorPalette")
    for value in range(1 << len(flags)):
        bits = [k for k in range(len(flags)) if value >> k & 1]
        label = ", ".join(flags[k].replace("_", " ") for k in bits) or "none"
        colour, alpha = _mixed([FLAG_COLOURS[k] for k in bits]), "255" if bits else "0"
        ET.SubElement(palette, "paletteEntry", value=str(value), color=colour, alpha=alpha, label=label)


def write_style(path: Path, *, flags: Sequence[str] = ()) -> None:
    """Write a style to a file that QGIS takes by itself if it has the raster's name (``.qml``).

    Parameters
    ----------
    path
        The file.
    flags
        What the bits of the raster mean, at most four; without them the style is that of wrapped phase.
    """
    root = ET.Element("qgis", version="3.28.0", styleCategories="Symbology")
    if flags:
        flags_pipe(root, flags)
    else:
        phase_pipe(root)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8")


def _pipe(parent: ET.Element) -> ET.Element:
    pipe = ET.SubElement(parent, "pipe")
    resampling = ET.SubElement(ET.SubElement(pipe, "provider"), "resampling", enabled="false", maxOversampling="2")
    for name in ("zoomedInResamplingMethod", "zoomedOutResamplingMethod"):
        resampling.set(name, "nearestNeighbour")
    return pipe


def _ramp(shader: ET.Element, stops: Sequence[Stop], ends: tuple[float, float]) -> None:
    """The same colours as a gradient, which QGIS shows in its legend and stretches to other limits."""
    ramp = ET.SubElement(shader, "colorramp", type="gradient", name="[source]")
    options = ET.SubElement(ramp, "Option", type="Map")
    inner = ":".join(f"{(v - ends[0]) / (ends[1] - ends[0]):.6f};{_rgba(c)}" for v, c in stops[1:-1])
    values = {
        "color1": _rgba(stops[0][1]), "color2": _rgba(stops[-1][1]), "discrete": "0", "rampType": "gradient",
        "stops": inner,
    }  # fmt: skip
    for name, value in values.items():
        ET.SubElement(options, "Option", name=name, type="QString", value=value)


def _rgba(colour: str) -> str:
    return ",".join(map(str, _parts(colour))) + ",255"


def _parts(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


def _mixed(colours: Sequence[str]) -> str:
    """Mean of colours; black of none."""
    sums = [sum(parts) for parts in zip(*map(_parts, colours), strict=True)] or [0, 0, 0]
    return "#" + "".join(f"{total // max(1, len(colours)):02x}" for total in sums)
