import xml.etree.ElementTree as ET

import matplotlib
import numpy as np

from insarflow.ops.phase import COLOURS
from insarflow.schema import VARIABLES
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


def test_bits_have_a_colour_for_each_sum(tmp_path):
    write_style(tmp_path / "a.qml", flags=VARIABLES["layover_shadow"].flags)
    renderer = ET.parse(tmp_path / "a.qml").getroot().find("pipe/rasterrenderer")
    assert renderer.get("type") == "paletted"
    entries = list(renderer.find("colorPalette"))
    assert [entry.get("value") for entry in entries] == [str(value) for value in range(16)]
    labels = {int(entry.get("value")): entry.get("label") for entry in entries}
    assert (labels[0], labels[1], labels[9]) == ("none", "active layover", "active layover, passive shadow")
    assert [entry.get("alpha") for entry in entries] == ["0", *["255"] * 15]
    mixed = {int(entry.get("value")): entry.get("color") for entry in entries}
    assert len(set(mixed.values())) == 16
    one, other, both = ([int(mixed[v][k : k + 2], 16) for k in (1, 3, 5)] for v in (1, 8, 9))
    assert np.abs(np.add(one, other) / 2 - both).max() <= 0.5
