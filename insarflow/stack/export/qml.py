"""The style of a layer that a GeoPackage holds for QGIS, as far as a project may take it over.

Anyone may have made the file: its style is bounded, without entities, and nothing of it runs as a program.
"""

from __future__ import annotations

import re
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

LARGEST: Final = 4 * 1024**2
"""Bytes of a style."""

DEEPEST: Final = 100
"""Elements in each other."""

PARTS: Final = (
    *("fieldConfiguration", "renderer-v2", "labeling", "aliases", "defaults", "constraints", "constraintExpressions"),
    *("editform", "featformsuppress", "editorlayout", "attributeEditorForm", "editable", "labelOnTop"),
    "previewExpression",
)
"""What a project takes over: symbols, labels, and the form without its Python."""

_PASSIVE: Final = {"attributeEditorContainer", "attributeEditorField", "labelStyle", "labelFont"}
"""What a form may be made of; others show web pages or run QML."""

_AT_ONCE: Final = 4096
"""Letters that are parsed between looks at the depth."""

_DOCTYPE: Final = re.compile(r"\s*(<\?xml[^<>]*\?>\s*)?<!DOCTYPE\s+qgis\b[^<>\[\]]*>")
"""How QGIS begins a style: it declares nothing."""


def stored_style(path: Path, layer: str) -> ET.Element | None:
    """The default style of a layer.

    Parameters
    ----------
    path
        GeoPackage, that nothing is writing.
    layer
        Name of a layer in it.

    Returns
    -------
    Element or None
        ``<qgis>``; None if the file holds none, or one that cannot be read, is larger than `LARGEST`, deeper than
        `DEEPEST`, declares entities, or draws nothing.
    """
    text = _stored(path, layer)
    if text is None:
        return None
    text = _DOCTYPE.sub("", text, count=1) if _DOCTYPE.match(text) else text
    # Entities are declared in a DTD, and there alone.
    if "<!DOCTYPE" in text:
        return None
    root = _parsed(text)
    return root if root is not None and root.tag == "qgis" and root.find("renderer-v2") is not None else None


def take_over(style: ET.Element, layer: ET.Element) -> None:
    """Put what draws a layer and what its form is into ``<maplayer>`` of a project."""
    layer.set("labelsEnabled", "1" if style.get("labelsEnabled") == "1" else "0")
    for name in PARTS:
        part = style.find(name)
        if part is None or (name == "attributeEditorForm" and not {e.tag for e in part.iter()} <= {name, *_PASSIVE}):
            continue
        if name == "editform":
            # A path of a form is one of another machine.
            part = ET.Element(name, tolerant="1")
        layer.append(part)


def _stored(path: Path, layer: str) -> str | None:
    """The text of the newest default style of a layer, where QGIS looks for it."""
    # Nothing is made beside the file, nor looked for there.
    address = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as file:
            file.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
            file.execute("PRAGMA trusted_schema = OFF")
            # A view could ask for anything.
            if not file.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'layer_styles' AND type = 'table'"
            ).fetchone():
                return None
            row = file.execute(
                "SELECT styleQML FROM layer_styles WHERE f_table_name = ? AND useAsDefault "
                "ORDER BY update_time DESC, id DESC LIMIT 1",
                (layer,),
            ).fetchone()
    except (sqlite3.Error, UnicodeError):
        return None
    return row[0] if row is not None and isinstance(row[0], str) else None


def _parsed(text: str) -> ET.Element | None:
    """The root of well-formed XML that is not too deep: what handles it calls itself for each level."""
    parser: Any = ET.XMLPullParser(("start", "end"))
    depth = 0
    root: ET.Element | None = None
    try:
        for start in range(0, len(text) + 1, _AT_ONCE):
            parser.feed(text[start : start + _AT_ONCE])
            if start + _AT_ONCE > len(text):
                parser.close()
            for event, element in parser.read_events():
                root = element if root is None else root
                depth += 1 if event == "start" else -1
                if depth > DEEPEST:
                    return None
    except (ET.ParseError, ValueError):
        return None
    return root
