"""The same slope in successive inventories: it keeps its id and what people wrote; what changed is told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj

from insarflow.errors import SchemaError
from insarflow.inventory.activity import activity_of, inactive, rejected, trend_of
from insarflow.inventory.changes import KINDS, Changes, changes_of
from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE, STATUS, TRACK
from insarflow.inventory.edited import check_edited, conformed, missing, never_found, plain
from insarflow.inventory.matching import match, within
from insarflow.ops.checks import check_number

LAST_ID: Final = "last_id"
"""Attribute of a table: the highest id that was ever given."""

BY_HAND: Final = "by_hand"
"""Attribute of a table: ids of the slopes whose outlines people drew."""


def track(
    found: gpd.GeoDataFrame,
    before: gpd.GeoDataFrame | None,
    *,
    min_overlap: float = 0.3,
    trend: pd.DataFrame | None = None,
    by_hand: Collection[int] = (),
    wanted: Collection[int] | None = None,
) -> tuple[gpd.GeoDataFrame, Changes]:
    """Carry ids, and what people wrote, from one inventory to the next.

    Parameters
    ----------
    found
        A newly measured inventory, as of `insarflow.inventory.inventory`.
    before
        The inventory before it, which people may have edited: status, class, reviewer and comment; columns of their
        own; rows that they deleted, or drew by hand, without an id. In any CRS. None if there is none.
    min_overlap
        Part of the smaller one of a new and an old outline that both must share to be of one slope, above 0, at most 1.
    trend
        Rates of a recent time and of that before it, by the ids of `found`, as of
        `insarflow.inventory.recent.recent_rates`. By default the rates of both inventories are compared.
    by_hand
        Ids of `before` whose outlines people drew: they stay.
    wanted
        Ids of `found` that may become new slopes, such as those that meet criteria; by default all.

    Returns
    -------
    geopandas.GeoDataFrame
        In the CRS of `found`, ordered by id: all slopes of `found`, with the ids that they had, or new ones; and all of
        `before` that were not found again, as they were. With the groups of columns of both, and `EDITED` and `TRACK`
        of `insarflow.inventory.columns`. The same for any order of the rows. ``attrs`` are those of `found`, and
        ``last_id``, the highest id that was ever given, and, if there are any, ``by_hand``, the ids of outlines that
        people drew.
    Changes
        What is new, faster, slower and gone.

    Raises
    ------
    TypeError
        If an argument is of another kind.
    ValueError
        If `min_overlap` is not above 0 and at most 1.
    SchemaError
        If `before` was edited into something that is no inventory: see `insarflow.inventory.edited.check_edited`.

    Notes
    -----
    *Ids.* Outlines are assigned one to one so that the sum of intersections over unions is largest; of equals, those
    that people confirmed go first. Where a slope has split, or several have merged, the largest overlap keeps the id;
    the others that a slope has swallowed are gone, with the note "merged into 5". Ids of others are above every id ever
    given, also of rows that are gone or were deleted: first rows drawn by hand, then what is new, each from north to
    south. Of two rows of `before` with the same outline the one with the lower id goes on, and the other is gone.

    *Edits.* What people wrote is never changed, their own columns neither, nor outlines that they drew: of those only
    the measured columns are renewed. A slope that is not found again stays, with its outline and activity "gone"; if it
    comes back it has its id, and is reported as new. What was rejected stays so, and is not reported. A row drawn by
    hand stays "unknown" until it is found.

    *Activity.* "faster" or "slower" is a change of the rate of more than twice the standard deviation of the difference
    of both rates, and of the speed by more than a fifth. "unknown" if one of the rates, or its error, is missing or
    aliased. With `trend`, what is faster or slower is reported once, as long as it stays so. "gone" is also a slope
    that still has an outline, from long ago, but is ``inactive_since`` a day; it is measured on.
    """
    min_overlap = check_number("min_overlap", min_overlap)
    if not 0.0 < min_overlap <= 1.0:
        raise ValueError(f"min_overlap must be above 0 and at most 1, instead got min_overlap={min_overlap}")
    found = _check_found(found)
    old = check_edited(found.iloc[:0] if before is None else before, found.crs)
    own = [name for name in old.columns if name not in COLUMNS and name not in found.columns]
    last = max(int(old.attrs.get(LAST_ID, 0)), *old["id"].tolist(), 0)
    attrs, ids = dict(found.attrs), found["id"].to_numpy()
    found, old = _alike(found, old), _alike(old, found)
    hand = (old["id"].isin([*by_hand]) | never_found(old) | (old["id"] == 0)).to_numpy()
    drawn = (old["id"] == 0).to_numpy()
    old.loc[drawn, "id"] = last + 1 + np.arange(drawn.sum())
    _measure(old, old["area_m2"].isna().to_numpy() | hand)

    chosen = _matched(found, old, min_overlap)
    again = chosen >= 0
    now, then = _rows(found, chosen[again]), _rows(old, np.flatnonzero(again))
    rates = trend_of(now, then) if trend is None else trend.reindex(ids[chosen[again]]).reset_index(drop=True)
    now["activity"] = activity_of(now, then, rates)
    now["previous_rate_mm_yr"] = rates["rate_before"] if trend is not None else then.get("los_rate_mm_yr", np.nan)
    now[["id", *EDITED, *own]] = then[["id", *EDITED, *own]]
    kept_outline = hand[again]
    now["geometry"] = then.geometry.where(kept_outline, now.geometry)
    now.loc[kept_outline, "area_m2"] = then.loc[kept_outline, "area_m2"]
    fresh = _fresh(found, np.setdiff1d(np.arange(len(found)), chosen), ids, wanted)
    fresh["id"] = last + 1 + drawn.sum() + np.arange(len(fresh))
    kept = _rows(old, np.flatnonzero(~again))
    lost = ~never_found(kept) & (kept["activity"] != "gone")
    kept["activity"] = np.where(never_found(kept), "unknown", "gone")
    if "los_rate_mm_yr" in kept:
        kept["previous_rate_mm_yr"] = kept["los_rate_mm_yr"]

    differs = (now["activity"] != then["activity"]) | (now["activity"].isin(("faster", "slower")) & (trend is None))
    told = np.concatenate([now["activity"].isin(KINDS) & differs, fresh["activity"] == "new", lost]).astype(bool)
    frame = _together([now, fresh, kept], own)
    changes = _changes(frame, told, rates if trend is not None else None, now, kept, min_overlap)
    frame = frame.sort_values("id", ignore_index=True)
    kept_outlines = {BY_HAND: sorted(old["id"][hand].tolist())} if hand.any() else {}
    frame.attrs = attrs | {LAST_ID: max([last, *frame["id"].tolist()])} | kept_outlines
    return frame, changes


def _check_found(found: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """A measured table, ordered by id."""
    if not isinstance(found, gpd.GeoDataFrame):
        raise TypeError(f"found must be a geopandas.GeoDataFrame, instead got {type(found).__name__}")
    lacking = [name for name in OUTLINE if name not in found]
    if lacking or found.crs is None or found["id"].duplicated().any():
        what = f"columns {', '.join(map(str, found.columns))}" if lacking else f"crs={found.crs}, id={[*found['id']]}"
        raise SchemaError(
            f"found must have the columns {', '.join(OUTLINE)}, each id once, and a CRS, instead got {what:.300}"
        )
    return plain(found).sort_values("id", ignore_index=True)


def _alike(frame: gpd.GeoDataFrame, other: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """`frame` with all columns of the inventory that it or another has, and those that are written here."""
    wanted = [name for name in COLUMNS if name in frame or name in other or name in EDITED or name in TRACK]
    columns = {
        name: conformed(frame[name], name, COLUMNS[name]) if name in frame else missing(COLUMNS[name], len(frame))
        for name in wanted
    }
    columns["status"] = columns["status"].where(columns["status"] != "", STATUS[0])
    more = {name: frame[name] for name in frame.columns if name not in columns and name != "geometry"}
    return gpd.GeoDataFrame({**columns, **more}, geometry=frame.geometry, crs=frame.crs)


def _rows(frame: gpd.GeoDataFrame, at: np.ndarray) -> gpd.GeoDataFrame:
    return frame.iloc[at].reset_index(drop=True)


def _measure(frame: gpd.GeoDataFrame, unknown: np.ndarray) -> None:
    """Areas of some outlines, on the ellipsoid."""
    crs = pyproj.CRS(frame.crs)
    geod = crs.get_geod()
    if unknown.any() and geod is not None:
        degrees = frame.geometry[unknown].to_crs(crs.geodetic_crs)
        frame.loc[unknown, "area_m2"] = [abs(geod.geometry_area_perimeter(one)[0]) for one in degrees]


def _matched(found: gpd.GeoDataFrame, old: gpd.GeoDataFrame, min_overlap: float) -> np.ndarray:
    """Number of the row of `found` of each row of `old`, -1 if there is none; what people confirmed goes first."""
    order = np.argsort((old["status"] != "confirmed").to_numpy(), kind="stable")
    chosen = np.empty(len(old), np.int64)
    chosen[order] = match(found.geometry.to_numpy(), old.geometry.to_numpy()[order], min_overlap=min_overlap)
    return chosen


def _fresh(
    found: gpd.GeoDataFrame, at: np.ndarray, ids: np.ndarray, wanted: Collection[int] | None
) -> gpd.GeoDataFrame:
    """Slopes that no inventory has had, of those that are wanted; what has stopped long ago is gone, not new."""
    fresh = _rows(found, at if wanted is None else at[np.isin(ids[at], [*wanted])])
    fresh["activity"] = np.where(inactive(fresh), "gone", "new").astype(object)
    return fresh


def _changes(
    frame: gpd.GeoDataFrame,
    told: np.ndarray,
    rates: pd.DataFrame | None,
    now: gpd.GeoDataFrame,
    kept: gpd.GeoDataFrame,
    min_overlap: float,
) -> Changes:
    """What has become of the rows that are told; `frame` holds first `now`, and last `kept`."""
    first, rest = len(now), len(frame) - len(kept)
    shown = frame.assign(note="")
    into = within(kept.geometry.to_numpy(), now.geometry.to_numpy(), min_overlap=min_overlap)
    shown["note"] = [*[""] * rest, *(f"merged into {now['id'].iloc[k]}" if k >= 0 else "" for k in into.tolist())]
    if rates is not None and "los_rate_mm_yr" in shown:
        changed = np.flatnonzero(now["activity"].isin(("faster", "slower")))
        for name, column in (("los_rate_mm_yr", "rate"), ("los_rate_std_mm_yr", "std")):
            recent = shown[name].to_numpy(copy=True)
            recent[:first][changed] = rates[column].to_numpy()[changed]
            shown[name] = recent
    return changes_of(shown[told & ~rejected(frame).to_numpy()])


def _together(parts: list[gpd.GeoDataFrame], own: list[str]) -> gpd.GeoDataFrame:
    """All rows; whole numbers and flags of people's own columns stay such where rows have none."""
    nullable = {"int64": "Int64", "int32": "Int32", "bool": "boolean"}
    lacking = any(len(part) and name not in part for part in parts for name in own)
    filled = [part for part in parts if len(part)] or parts[:1]
    if lacking:
        kinds = {name: str(part[name].dtype) for part in filled for name in own if name in part}
        kinds = {name: nullable[kind] for name, kind in kinds.items() if kind in nullable}
        filled = [part.astype({name: kind for name, kind in kinds.items() if name in part}) for part in filled]
    frame = pd.concat(filled, ignore_index=True)
    others = [name for name in frame.columns if name not in COLUMNS and name not in own and name != "geometry"]
    return frame[[*(name for name in COLUMNS if name in frame), *others, *(n for n in own if n in frame), "geometry"]]
