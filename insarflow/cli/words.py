"""How numbers, tables and texts are written for people."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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


def duration(seconds: float) -> str:
    """``7.3 s``, ``12 min``, ``5.1 h``."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """``1.2 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def describe(polygons: gpd.GeoDataFrame) -> tuple[dict[str, Any], str]:
    """What is in an inventory, as facts and as a sentence."""
    count, area = len(polygons), float(polygons["area_m2"].sum())
    slopes = "1 moving slope" if count == 1 else f"{count} moving slopes"
    return {"polygons": count, "area_m2": round(area, 1)}, f"{slopes}, {area / 1e6:.3f} km²"
