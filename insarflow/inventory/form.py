"""The form in which people review slopes in QGIS: drop-down lists, what may be written, tabs by group of columns."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Final

from insarflow.inventory.columns import (
    CLASSES,
    COLUMNS,
    DOWNSLOPE,
    EDITED,
    OUTLINE,
    RATE,
    SEEN,
    SOURCE,
    STATUS,
    TERRAIN,
    TRACK,
    Column,
)

KEY: Final = "fid"
"""The number of a row in a GeoPackage, which QGIS counts as its first field."""

TABS: Final[Mapping[str, Mapping[str, Column]]] = {
    "Review": EDITED, "Outline": OUTLINE, "Seen": SEEN, "Rate": RATE, "Terrain": TERRAIN, "Downslope": DOWNSLOPE,
    "Source": SOURCE, "Change": TRACK,
}  # fmt: skip
"""Groups of columns by the name of their tab."""

OWN: Final = "Own fields"
"""Tab of the columns that are none of the inventory's: whoever added them writes them, too."""

_UNITS: Final = {"mm_yr": "mm/yr", "m2": "m²", "days": "days", "deg": "°", "m": "m"}


def alias(name: str) -> str:
    """What the form calls a column: words, and its unit in brackets; ``area (m²)`` for ``area_m2``."""
    for ending, unit in _UNITS.items():
        if name in COLUMNS and name.endswith(f"_{ending}"):
            return f"{name.removesuffix(f'_{ending}').replace('_', ' ')} ({unit})"
    return name.replace("_", " ") if name in COLUMNS else name


def add_form(root: ET.Element, columns: Sequence[str]) -> None:
    """Add what QGIS needs of fields and form to a style.

    Parameters
    ----------
    root
        The style, ``<qgis>``.
    columns
        Names of the columns, without the geometry, in the file's order.
    """
    fields = [KEY, *columns]
    _widgets(root, fields)
    aliases, defaults = ET.SubElement(root, "aliases"), ET.SubElement(root, "defaults")
    for index, name in enumerate(fields):
        ET.SubElement(aliases, "alias", field=name, index=str(index), name=alias(name))
        first = f"'{STATUS[0]}'" if name == "status" else ""
        ET.SubElement(defaults, "default", field=name, expression=first, applyOnUpdate="0")
    _constraints(root, fields)
    ET.SubElement(root, "editform", tolerant="1")
    ET.SubElement(root, "featformsuppress").text = "0"
    ET.SubElement(root, "editorlayout").text = "tablayout"
    _tabs(ET.SubElement(root, "attributeEditorForm"), fields)
    editable, above = ET.SubElement(root, "editable"), ET.SubElement(root, "labelOnTop")
    for name in fields:
        ET.SubElement(editable, "field", name=name, editable="1" if may_write(name) else "0")
        ET.SubElement(above, "field", name=name, labelOnTop="1" if name == "comment" else "0")
    ET.SubElement(root, "previewExpression").text = '"id"'


def may_write(name: str) -> bool:
    """Whether people write a field."""
    return name in EDITED or (name not in COLUMNS and name != KEY)


def _widgets(root: ET.Element, fields: Sequence[str]) -> None:
    """How each field is shown."""
    configuration = ET.SubElement(root, "fieldConfiguration")
    for name in fields:
        field = ET.SubElement(configuration, "field", name=name, configurationFlags="None")
        kind, options = _widget(name)
        config = ET.SubElement(ET.SubElement(field, "editWidget", type=kind), "config")
        made = ET.SubElement(config, "Option", type="Map")
        if kind == "ValueMap":
            choices = ET.SubElement(made, "Option", name="map", type="List")
            for value, label in options.items():
                choice = ET.SubElement(choices, "Option", type="Map")
                ET.SubElement(choice, "Option", name=label, type="QString", value=value)
            continue
        for option, value in options.items():
            plain = "bool" if value in ("true", "false") else "QString"
            ET.SubElement(made, "Option", name=option, type=plain, value=value)


def _widget(name: str) -> tuple[str, dict[str, str]]:
    """Kind of the widget of a field, and its options; of a drop-down list the text of each value."""
    if name == "status":
        return "ValueMap", {value: value for value in STATUS}
    if name == "class":
        return "ValueMap", {value: value or "(nobody has said)" for value in CLASSES}
    dtype = COLUMNS[name].dtype if name in COLUMNS else ""
    if dtype == "bool":
        return "CheckBox", {}
    if dtype.startswith("datetime64"):
        formats = {"display_format": "yyyy-MM-dd", "field_format": "yyyy-MM-dd HH:mm:ss", "field_iso_format": "false"}
        return "DateTime", {"allow_null": "true", "calendar_popup": "true", **formats}
    if name == KEY:
        return "Hidden", {}
    return "TextEdit", {"IsMultiline": "true" if name == "comment" else "false", "UseHtml": "false"}


def _constraints(root: ET.Element, fields: Sequence[str]) -> None:
    """Refuse a status that is none."""
    flags, expressions = ET.SubElement(root, "constraints"), ET.SubElement(root, "constraintExpressions")
    choices = ", ".join(f"'{value}'" for value in STATUS)
    for name in fields:
        bound = name == "status"
        # 4 is the bit of an expression, and 1 its strength: it must hold.
        ET.SubElement(
            flags, "constraint", field=name, constraints="4" if bound else "0", notnull_strength="0",
            unique_strength="0", exp_strength="1" if bound else "0",
        )  # fmt: skip
        ET.SubElement(
            expressions, "constraint", field=name, exp=f'"status" IN ({choices})' if bound else "",
            desc=f"one of {', '.join(STATUS)}" if bound else "",
        )  # fmt: skip


def _tabs(form: ET.Element, fields: Sequence[str]) -> None:
    """A tab for each group that is there; the first begins with the slope's number."""
    groups = {title: [name for name in fields if name in group] for title, group in TABS.items()}
    groups["Review"] = [name for name in fields if name == "id"] + groups["Review"]
    groups["Outline"] = [name for name in groups["Outline"] if name != "id"]
    groups[OWN] = [name for name in fields if name not in COLUMNS and name != KEY]
    for title, names in groups.items():
        if not names:
            continue
        tab = ET.SubElement(
            form, "attributeEditorContainer", name=title, showLabel="1", groupBox="0", columnCount="1",
            visibilityExpression="", visibilityExpressionEnabled="0",
        )  # fmt: skip
        for name in names:
            ET.SubElement(tab, "attributeEditorField", name=name, index=str(fields.index(name)), showLabel="1")
