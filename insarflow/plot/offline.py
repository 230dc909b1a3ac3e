"""A folium page that loads nothing from the network: Leaflet written into it."""

from __future__ import annotations

import base64
import re
from functools import cache
from importlib.metadata import PackageNotFoundError, files
from typing import TYPE_CHECKING, Final

from insarflow.errors import InsarError

if TYPE_CHECKING:
    import branca.element
    import folium

PACKAGE: Final = "XStatic-Leaflet"

MISSING: Final = "the interactive map needs folium and xstatic-leaflet: pip install 'insarflow[notebook]'"


def without_network(page: folium.Map, figure: branca.element.Figure) -> None:
    """Write Leaflet into `page`, drawn in `figure`, in place of every script and style sheet that folium would load.

    Raises
    ------
    InsarError
        If Leaflet's files are not installed.
    """
    from branca.element import Element

    script, style = leaflet()
    page.default_js, page.default_css = [], []
    header = figure.header
    header.add_child(Element(_verbatim(f"<style>{style}</style>")), name="leaflet_style")
    header.add_child(Element(_verbatim(f"<script>{script}</script>")), name="leaflet_script")


def _verbatim(text: str) -> str:
    # What an Element holds is a template to Jinja.
    return "{% raw %}" + text + "{% endraw %}"


@cache
def leaflet() -> tuple[str, str]:
    """Script and style sheet of Leaflet, its few icons inside."""
    try:
        found = {f.name: f for f in files(PACKAGE) or [] if "data" in f.parts}
        script = found["leaflet.js"].read_text(encoding="utf-8")
        style = found["leaflet.css"].read_text(encoding="utf-8")
        icons = {name: base64.b64encode(f.read_binary()).decode() for name, f in found.items() if name.endswith(".png")}
    except (PackageNotFoundError, KeyError, OSError) as error:
        raise InsarError(MISSING) from error
    for name, icon in icons.items():
        style = style.replace(f"url(images/{name})", f"url(data:image/png;base64,{icon})")
    return re.sub(r"//# sourceMappingURL=\S*", "", script), style
