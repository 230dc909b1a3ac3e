"""The inventories of two orbits as one: what both see counts once."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple, cast

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from insarflow.errors import SchemaError
from insarflow.inventory.activity import gone
from insarflow.inventory.agreement import groups
from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE
from insarflow.inventory.outlines import SLIVER, check_outlines, check_table, overlaps, shapes_in, who
from insarflow.ops.checks import check_fraction

PASSES: Final = ("ascending", "descending")

_SPAN: Final = {"first_seen": "min", "last_seen": "max", "window_start": "min", "window_end": "max"}
_LEVELS: Final = ("low", "medium", "high")
_BLANK: Final = ("new", "", "", "")
"""What stands in the columns that people write, where nobody has."""


class _Side(NamedTuple):
    """The inventory of one pass."""

    name: str
    frame: gpd.GeoDataFrame
    shapes: np.ndarray
    """Outlines in the CRS of the result."""


def fuse(ascending: gpd.GeoDataFrame, descending: gpd.GeoDataFrame, *, min_overlap: float = 0.0) -> gpd.GeoDataFrame:
    """Fuse the inventories of an ascending and a descending orbit.

    Slopes of the two orbits that intersect are one slope; the largest outline is kept with all its attributes. What
    hangs together through such intersections is one, too: one that meets several of the other orbit, and chains (a
    meets b, b meets c) whose ends do not touch. Slopes of one orbit are joined by the other's alone, never because
    they overlap each other. What is gone (by its ``activity``) joins nothing, and stays a row by itself.

    Parameters
    ----------
    ascending, descending
        Inventories with at least the columns ``id`` (whole, each once), ``area_m2``, ``probability_mean``,
        ``probability_max`` and ``pairs``. The columns of `insarflow.inventory.columns` that only one has are
        empty in the rows of the other; columns of one's own stay.
    min_overlap
        Intersection, as a share of the smaller of two slopes (0..1), from which they are one. At 0 any common area
        counts; a common point or edge never does.

    Returns
    -------
    geopandas.GeoDataFrame
        In the CRS of `ascending`, ordered from north to south by the top of the outlines, then from west to east, with
        new ``id`` from 1: the same whatever the order of the rows. Of slopes that both orbits see,

        - outline, areas, probabilities, pairs, coherence, rates, terrain and flags are those of the largest (by
          ``area_m2``; of equals the ascending one, then that of the lower id): they are measured in one geometry
          along one line of sight, and mean nothing if mixed;
        - ``first_seen`` and ``window_start`` are the earliest, ``last_seen`` and ``window_end`` the latest: a slope
          moves when either orbit sees it move. ``inactive_since`` is the latest ``last_seen`` if no orbit that has
          seen it still does; ``reliability`` the best, since the other orbit's silence takes nothing from it;
        - ``status``, ``class``, ``reviewer`` and ``comment`` are those of the largest that somebody has written in,
          each by itself; whatever else was written on the others is added to the comment, with where it stood;
        - ``orbit`` names all, such as ``ascending 15;descending 66`` (the pass alone if nothing else is known).

        ``sources`` tells the ids before: ``ascending:3;descending:7,8``. ``attrs`` that differ are kept as
        ``threshold_ascending``, ``threshold_descending`` and so on.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If `min_overlap` is not within 0..1.
    SchemaError
        If a table has no CRS, lacks columns, has ids twice or polygons that are empty or cross themselves, or is of
        the other pass or of both.

    References
    ----------
    Chen et al. (2022), doi:10.3390/rs14081848, section 6: intersecting elements of the two tracks are one source, of
    which the largest is retained.

    Examples
    --------
    >>> def slopes(*boxes):
    ...     shapes = [shapely.box(*box) for box in boxes]
    ...     known = {"id": range(1, len(boxes) + 1), "area_m2": shapely.area(shapes)}
    ...     rest = {"probability_mean": 0.8, "probability_max": 0.9, "pairs": 3}
    ...     return gpd.GeoDataFrame(known | rest, geometry=shapes, crs="EPSG:32632")
    >>> one = slopes((0, 500, 100, 600), (0, 0, 100, 100))
    >>> two = slopes((50, 0, 300, 100), (500, 0, 600, 100))
    >>> fuse(one, two)[["id", "area_m2", "orbit", "sources"]]
       id  area_m2                 orbit                   sources
    0   1  10000.0             ascending               ascending:1
    1   2  25000.0  ascending;descending  ascending:2;descending:1
    2   3  10000.0            descending              descending:2
    """
    min_overlap = check_fraction("min_overlap", min_overlap)
    for name, frame in zip(PASSES, (ascending, descending), strict=True):
        _check(frame, name)
    _check_passes(ascending, descending)
    crs = next((frame.crs for frame in (ascending, descending) if frame.crs is not None), None)
    sides = [
        _Side(name, frame, shapes_in(frame, pyproj.CRS(crs), name) if crs else np.empty(0, object))
        for name, frame in zip(PASSES, (ascending, descending), strict=True)
    ]
    rows = _ranked(sides, _groups(sides[0], sides[1], min_overlap))
    fused = _fused(rows)
    west, _, _, north = shapely.bounds(fused["geometry"].to_numpy(object)).T
    fused = fused.iloc[np.lexsort((fused["id"], fused["_side"], west, -north))].drop(columns="_side")
    fused["id"] = np.arange(1, len(fused) + 1)
    columns = [c for c in COLUMNS if c in fused] + [c for c in fused if c not in COLUMNS and c != "geometry"]
    result = gpd.GeoDataFrame(fused[columns].reset_index(drop=True), geometry=fused["geometry"].to_numpy(), crs=crs)
    result.attrs = _attributes(ascending.attrs, descending.attrs)
    return result


def _check(frame: gpd.GeoDataFrame, name: str) -> None:
    check_table(frame, name)
    wanted = [*OUTLINE, *(EDITED if any(c in frame for c in EDITED) else ())]
    lacking = [c for c in wanted if c not in frame]
    if lacking:
        raise SchemaError(
            f"{name} must have the columns {', '.join(wanted)}, instead got none named {', '.join(lacking)}: "
            "name them as they were"
        )
    ids, area = frame["id"], pd.to_numeric(frame["area_m2"], errors="coerce").to_numpy(np.float64)
    if not pd.api.types.is_integer_dtype(ids) or ids.isna().any() or not ids.is_unique:
        twice = ids[ids.duplicated()].tolist()[:1] or [str(ids.dtype)]
        raise SchemaError(f"{name} must have whole ids, each once, instead got id={twice[0]}: number its rows anew")
    check_outlines(frame, name)
    wrong = np.flatnonzero(~((area > 0) & np.isfinite(area)))
    if len(wrong):
        raise SchemaError(f"{name} must have areas above 0 m2, instead got area_m2={area[wrong[0]]} in "
                          f"{who(frame, wrong)}: measure it again")  # fmt: skip


def _orbits(frame: gpd.GeoDataFrame) -> list[str]:
    texts = frame["orbit"].dropna().astype(str).str.strip() if "orbit" in frame else []
    return sorted({text for text in texts if text})


def _check_passes(ascending: gpd.GeoDataFrame, descending: gpd.GeoDataFrame) -> None:
    """Check that what the orbits are called fits the arguments."""
    found = [_orbits(ascending), _orbits(descending)]
    seen = [{word for text in texts for word in PASSES if word in text.lower()} for texts in found]
    for name, texts, words in zip(PASSES, found, seen, strict=True):
        if len(words) > 1:
            raise SchemaError(
                f"{name} must be of one pass, instead got orbit={', '.join(texts)!r}: it is fused already; "
                "fuse the inventories that it was made of"
            )
    told = f"instead got orbit={', '.join(found[0])!r} and orbit={', '.join(found[1])!r}"
    if seen[0] and seen[0] == seen[1]:
        raise SchemaError(
            f"ascending and descending must be of two passes, {told}: for several orbits of one pass make one "
            "inventory, and fuse it with that of the other pass"
        )
    if (seen[0] | {PASSES[0]}, seen[1] | {PASSES[1]}) != ({PASSES[0]}, {PASSES[1]}):
        raise SchemaError(f"ascending must be of an ascending, descending of a descending orbit, {told}: exchange them")


def _groups(one_side: _Side, other_side: _Side, min_overlap: float) -> np.ndarray:
    """Number of the slope that each outline is of, first those of `one_side`."""
    ascending, descending = one_side.shapes, other_side.shapes
    n, m = len(ascending), len(descending)
    rows, columns, shared = overlaps(ascending, descending)
    smaller = np.minimum(shapely.area(ascending)[rows], shapely.area(descending)[columns])
    moves, its = (~gone(side.frame).to_numpy() for side in (one_side, other_side))
    one = (shared >= min_overlap * (1 - SLIVER) * smaller) & moves[rows] & its[columns]
    return groups(n + m, (rows[one], n + columns[one]))[1]


def _ranked(sides: list[_Side], group: np.ndarray) -> pd.DataFrame:
    """All rows, those of one slope together, the largest first; ``_side`` and ``_slope`` tell where they belong."""
    there = [c for c in COLUMNS if any(c in side.frame for side in sides)] + ["orbit"]
    tables = []
    for number, side in enumerate(sides):
        table = pd.DataFrame({c: _column(side, c) for c in dict.fromkeys(there)})
        own = [c for c in side.frame if c not in COLUMNS and c != side.frame.active_geometry_name]
        for c in own:
            table[c] = side.frame[c].to_numpy()
        tables.append(table.assign(geometry=side.shapes, _side=number))
    rows = pd.concat([t for t in tables if len(t)] or tables[:1], ignore_index=True).assign(_slope=group)
    rows["sources"] = pd.Series(
        [f"{PASSES[s]}:{i}" for s, i in zip(rows["_side"], rows["id"], strict=True)], dtype="str"
    )
    order = np.lexsort((rows["id"], rows["_side"], -rows["area_m2"], rows["_slope"]))
    return rows.iloc[order].reset_index(drop=True)


def _column(side: _Side, name: str) -> pd.Series[Any]:
    """A column as `COLUMNS` has it, and what stands where nothing is known."""
    dtype = COLUMNS[name].dtype
    empty: dict[str, object] = {"str": "", "bool": False, "int32": 0, "int64": 0}
    blank = dict(zip(EDITED, _BLANK, strict=True), orbit=side.name).get(name, empty.get(dtype))
    column = side.frame[name] if name in side.frame else pd.Series([blank] * len(side.frame), dtype=object)
    try:
        known = column if blank is None else column.astype(object).where(column.notna(), blank)
        if dtype == "str":
            known = known.astype(str).str.strip()
            known = known.where(known != "", str(blank))
        return known.astype(cast(Any, dtype)).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise SchemaError(f"{side.name}: column {name} must hold {COLUMNS[name].meaning}: {error}") from error


def _fused(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each slope: its first, with what the others add."""
    slope = rows["_slope"].to_numpy()
    first = np.flatnonzero(np.diff(slope, prepend=-1))
    fused = rows.iloc[first].set_index("_slope")
    sizes = np.diff(first, append=len(rows))
    several = rows[np.repeat(sizes, sizes) > 1]
    together = several.groupby("_slope", sort=False)
    made = {c: together[c].agg(how) for c, how in _SPAN.items() if c in rows}
    if {"inactive_since", "last_seen"} <= set(rows):
        made["inactive_since"] = _inactive(several, made["last_seen"])
    if "reliability" in rows:
        rank = several["reliability"].map({word: k for k, word in enumerate(_LEVELS)}).fillna(-1)
        best = several.loc[rank.groupby(several["_slope"], sort=False).idxmax()]
        made["reliability"] = best.set_index("_slope")["reliability"]
    slopes = several["_slope"].unique()
    made |= {name: pd.Series(texts, index=slopes, dtype="str") for name, texts in _told(several).items()}
    for name, column in made.items():
        fused[name] = fused[name].where(~fused.index.isin(column.index), column.reindex(fused.index))
    return fused


def _inactive(rows: pd.DataFrame, last: pd.Series[Any]) -> pd.Series[Any]:
    """The day that each slope was last seen, NaT where some orbit that has seen it might still."""
    moving = rows["inactive_since"].isna() & rows["last_seen"].notna()
    return last.where(~moving.groupby(rows["_slope"], sort=False).any())


def _told(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Sources, orbits and what people wrote, of each slope."""
    edited = [c for c in EDITED if c in rows]
    columns = [rows[c].tolist() for c in ("_slope", "_side", "id", "orbit", *edited)]
    told: dict[str, list[str]] = {c: [] for c in ("sources", "orbit", *edited)}
    for _, group in groupby(zip(*columns, strict=True), itemgetter(0)):
        slope = [row[1:] for row in group]
        ids = [(name, sorted(row[1] for row in slope if row[0] == side)) for side, name in enumerate(PASSES)]
        told["sources"].append(";".join(f"{name}:{','.join(map(str, its))}" for name, its in ids))
        told["orbit"].append(";".join(dict.fromkeys(orbit for _, orbit in sorted((row[0], row[2]) for row in slope))))
        if edited:
            for name, text in _written([f"{PASSES[row[0]]}:{row[1]}" for row in slope], [row[3:] for row in slope]):
                told[name].append(text)
    return told


def _written(names: list[str], texts: list[tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """What people wrote on the rows of one slope, by column; of what they disagree in, nothing is lost."""
    columns = zip(*texts, strict=True)
    chosen = [next((t for t in column if t != blank), blank) for column, blank in zip(columns, _BLANK, strict=True)]
    comments = [chosen[-1]] if chosen[-1] else []
    for name, row in zip(names, texts, strict=True):
        differs = [
            text if column == "comment" else f"{column} {text}"
            for column, text, kept, blank in zip(EDITED, row, chosen, _BLANK, strict=True)
            if text not in (kept, blank)
        ]
        if differs:
            comments.append(f"{name}: {', '.join(differs)}")
    yield from zip(EDITED, [*chosen[:-1], "; ".join(comments)], strict=True)


def _attributes(ascending: dict[Any, Any], descending: dict[Any, Any]) -> dict[str, Any]:
    """Attributes of both, those that differ under two names."""
    made: dict[str, Any] = {}
    for key in dict.fromkeys([*ascending, *descending]):
        values = {name: attrs[key] for name, attrs in zip(PASSES, (ascending, descending), strict=True) if key in attrs}
        same = len(values) == 2 and values[PASSES[0]] == values[PASSES[1]]
        made |= {str(key): values[PASSES[0]]} if same else {f"{key}_{name}": v for name, v in values.items()}
    return made
