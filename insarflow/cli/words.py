"""How numbers, tables and texts are written for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from insarflow.workflows.words import duration as duration
from insarflow.workflows.words import size as size

if TYPE_CHECKING:
    import geopandas as gpd


def command(*words: object) -> str:
    """A command line that may be pasted into a shell: ``insarflow info stack.zarr``."""
    return shlex.join(["insarflow", *map(str, words)])


def printable(text: str) -> str:
    """`text` with nothing in it that a terminal would obey: names of files may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(text: object) -> str:
    """`text` on one line, `printable`."""
    return printable(" ".join(str(text).split()))


def columns(rows: Sequence[Sequence[object]], *, left: int = 1) -> list[str]:
    """Rows of a table as lines; the first `left` columns flush left."""
    cells = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(
            c.ljust(w) if k < left else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def describe(polygons: gpd.GeoDataFrame) -> tuple[dict[str, Any], str]:
    """What moves in an inventory, as facts and as a sentence."""
    from insarflow.inventory.activity import moving

    polygons = polygons[moving(polygons)]
    count, area = len(polygons), float(polygons["area_m2"].sum())
    slopes = "1 moving slope" if count == 1 else f"{count} moving slopes"
    return {"polygons": count, "area_m2": round(area, 1)}, f"{slopes}, {area / 1e6:.3f} km²"
