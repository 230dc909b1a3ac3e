import xml.etree.ElementTree as ET

import matplotlib
import numpy as np

from insarflow.ops.phase import COLOURS
from insarflow.stack.export.style import phase_stops, write_style


def colours(stops, values):
    """What QGIS draws between stops."""
    at = [value for value, _ in stops]
    rgb = np.array([[int(colour[k : k + 2], 16) for k in (1, 3, 5)] for _, colour in stops])
    return np.stack([np.interp(values, at, rgb[:, k]) for k in range(3)], axis=-1)


def test_colours_are_those_of_the_plots():
    values = np.linspace(-np.pi, np.pi, 1001)
    true = 255 * matplotlib.colormaps[COLOURS]((values + np.pi) / (2 * np.pi))[:, :3]
    assert np.abs(colours(phase_stops(), values) - true).max() < 1.5


def test_the_ends_of_the_circle_meet():
    (low, first), *_, (high, last) = phase_stops()
    assert (low, high) == (-np.pi, np.pi)
    assert first == last


def test_the_style_file_holds_the_stops(tmp_path):
    write_style(tmp_path / "a.qml")
    root = ET.parse(tmp_path / "a.qml").getroot()
    renderer = root.find("pipe/rasterrenderer")
    assert (root.tag, renderer.get("type"), renderer.get("band")) == ("qgis", "singlebandpseudocolor", "1")
    items = [(float(item.get("value")), item.get("color")) for item in renderer.iter("item")]
    assert items == phase_stops()
    assert renderer.find("rastershader/colorrampshader").get("colorRampType") == "INTERPOLATED"
    resampling = root.find("pipe/provider/resampling")
    assert set(resampling.attrib.values()) >= {"nearestNeighbour"}  # the mean of two phases is none
