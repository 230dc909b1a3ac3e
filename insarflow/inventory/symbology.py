"""How QGIS draws an inventory: outlines filled by velocity class or probability, rejected ones hatched, numbers.

The style was made after QGIS's own files and is checked by its structure, not by QGIS itself.
"""

from __future__ import annotations

import uuid
import xml.etree.ElementTree as ET
from typing import Final

import geopandas as gpd

from insarflow.inventory.colours import REJECTED, UNKNOWN, probability_classes, velocity_colours
from insarflow.inventory.form import add_form

DOCTYPE: Final = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

_KEPT: Final = "coalesce(\"status\", '') <> 'rejected'"
_REFUSED: Final = "\"status\" = 'rejected'"
_WIDTH: Final = "if(\"status\" = 'confirmed', 0.8, 0.35)"


def style(frame: gpd.GeoDataFrame) -> str:
    """The style of a table that people review, as QML of QGIS 3.

    Parameters
    ----------
    frame
        With the columns ``id`` and ``status``; the filling tells its ``velocity_class``, else its
        ``probability_mean``, if it has one. Confirmed outlines are thick.

    Returns
    -------
    str
        XML; the same for the same columns and classes.
    """
    columns = [str(name) for name in frame.columns if name != frame.geometry.name]
    root = ET.Element(
        "qgis", version="3.28.0", styleCategories="Symbology|Labeling|Fields|Forms", labelsEnabled="1", readOnly="0"
    )
    _renderer(root, _rules(frame, columns))
    _labels(root)
    add_form(root, columns)
    ET.indent(root)
    return DOCTYPE + ET.tostring(root, encoding="unicode")


Rule = tuple[str, str, str]
"""Label, filter and colour."""


def _rules(frame: gpd.GeoDataFrame, columns: list[str]) -> list[Rule]:
    """How slopes that are not rejected are filled; the last rule takes what is left."""
    if "velocity_class" in columns:
        colours = velocity_colours(frame["velocity_class"].dropna().astype(str))
        rules = [(name, f'"velocity_class" = {_quoted(name)}', colour) for name, colour in colours.items()]
        return [*rules, ("no velocity", "ELSE", UNKNOWN)]
    if "probability_mean" not in columns:
        return [("moving slope", "ELSE", UNKNOWN)]
    rules = []
    for low, high, colour in probability_classes():
        upper = "<=" if high == 1.0 else "<"
        bounds = f'"probability_mean" >= {low} AND "probability_mean" {upper} {high}'
        rules.append((f"probability {low:g} to {high:g}", bounds, colour))
    return [*rules, ("probability unknown", "ELSE", UNKNOWN)]


def _renderer(root: ET.Element, rules: list[Rule]) -> None:
    """Rejected slopes first, whatever their class."""
    renderer = ET.SubElement(
        root, "renderer-v2", type="RuleRenderer", symbollevels="0", enableorderby="0", forceraster="0",
        referencescale="-1",
    )  # fmt: skip
    top = ET.SubElement(renderer, "rules", key=_key("top"))
    symbols = ET.SubElement(renderer, "symbols")
    ET.SubElement(top, "rule", symbol="0", label="rejected", filter=_REFUSED, key=_key("rejected"))
    _fill(symbols, "0", REJECTED, hatched=True)
    kept = ET.SubElement(top, "rule", label="moving slopes", filter=_KEPT, key=_key("kept"))
    for number, (label, condition, colour) in enumerate(rules, start=1):
        ET.SubElement(kept, "rule", symbol=str(number), label=label, filter=condition, key=_key(condition))
        _fill(symbols, str(number), colour, hatched=False)


def _key(text: str) -> str:
    """An identity of a rule that does not depend on the run."""
    return f"{{{uuid.uuid5(uuid.NAMESPACE_URL, text)}}}"


def _fill(symbols: ET.Element, name: str, colour: str, *, hatched: bool) -> None:
    """A filling that the map below can be seen through, and its outline."""
    symbol = ET.SubElement(symbols, "symbol", name=name, type="fill", alpha="1", clip_to_extent="1", force_rhr="0")
    layer = ET.SubElement(symbol, "layer", attrib={"class": "SimpleFill", "enabled": "1", "pass": "0", "locked": "0"})
    options = ET.SubElement(layer, "Option", type="Map")
    values = {
        "color": rgba(colour, 160), "style": "b_diagonal" if hatched else "solid", "outline_color": rgba(colour, 255),
        "outline_style": "dash" if hatched else "solid", "outline_width": "0.35", "outline_width_unit": "MM",
        "joinstyle": "bevel",
    }  # fmt: skip
    for option, value in values.items():
        ET.SubElement(options, "Option", name=option, type="QString", value=value)
    if not hatched:
        _defined(layer, "outlineWidth", _WIDTH)


def _defined(layer: ET.Element, name: str, expression: str) -> None:
    """Let a property of a symbol follow an expression."""
    outer = ET.SubElement(ET.SubElement(layer, "data_defined_properties"), "Option", type="Map")
    ET.SubElement(outer, "Option", name="name", type="QString", value="")
    one = ET.SubElement(ET.SubElement(outer, "Option", name="properties", type="Map"), "Option", name=name, type="Map")
    ET.SubElement(one, "Option", name="active", type="bool", value="true")
    ET.SubElement(one, "Option", name="expression", type="QString", value=expression)
    # 3 is an expression, 2 would be a field.
    ET.SubElement(one, "Option", name="type", type="int", value="3")
    ET.SubElement(outer, "Option", name="type", type="QString", value="collection")


def _labels(root: ET.Element) -> None:
    """The slope's number inside its outline, with a white rim."""
    settings = ET.SubElement(ET.SubElement(root, "labeling", type="simple"), "settings", calloutType="simple")
    text = ET.SubElement(
        settings, "text-style", fieldName="id", isExpression="0", fontSize="8", fontSizeUnit="Point",
        textColor="30,30,30,255", textOpacity="1",
    )  # fmt: skip
    ET.SubElement(
        text, "text-buffer", bufferDraw="1", bufferSize="0.8", bufferSizeUnits="MM", bufferColor="255,255,255,220",
        bufferOpacity="1",
    )  # fmt: skip
    # 4 is horizontal, inside the polygon.
    ET.SubElement(settings, "placement", placement="4", priority="5")
    ET.SubElement(settings, "rendering", displayAll="0", obstacle="0", drawLabels="1")


def rgba(colour: str, alpha: int) -> str:
    """``#rrggbb`` as QGIS writes it: ``r,g,b,alpha``, each 0 to 255."""
    return ",".join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5)) + f",{alpha}"


def _quoted(text: str) -> str:
    """A text in an expression of QGIS."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
