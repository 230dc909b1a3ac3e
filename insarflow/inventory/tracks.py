"""The same slope in successive inventories: it keeps its id and what people wrote; what changed is told."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely

from insarflow.errors import SchemaError
from insarflow.inventory.columns import COLUMNS, EDITED, OUTLINE, RATE, STATUS, TRACK
from insarflow.inventory.edited import check_edited, conformed, missing, never_found, plain
from insarflow.inventory.matching import match
from insarflow.ops.checks import check_number
from insarflow.types import JsonValue

SHARE: Final = 0.2
"""Part of the speed before that a slope must be faster or slower by, to be called so."""

KINDS: Final = ("new", "faster", "slower", "gone")
"""Changes that are reported; the other activities are none."""

LAST_ID: Final = "last_id"
"""Attribute of a table: the highest id that was ever given."""


@dataclass(frozen=True)
class Change:
    """What has become of one slope.

    Attributes
    ----------
    id
        Of the slope.
    kind
        One of `KINDS`.
    area_m2
        Of its outline, m2.
    los_rate_mm_yr, los_rate_std_mm_yr
        Along the line of sight, mm/yr, positive toward the radar; NaN if unknown.
    previous_rate_mm_yr
        The same of the inventory before.
    longitude, latitude
        Of the centroid, degrees (WGS 84).
    """

    id: int
    kind: str
    area_m2: float
    los_rate_mm_yr: float
    los_rate_std_mm_yr: float
    previous_rate_mm_yr: float
    longitude: float
    latitude: float


@dataclass(frozen=True)
class Changes:
    """What has changed from one inventory to the next, ordered by id; slopes that people rejected are left out."""

    slopes: tuple[Change, ...] = ()

    @property
    def new(self) -> list[int]:
        """Ids of slopes that move and did not before."""
        return self._ids("new")

    @property
    def faster(self) -> list[int]:
        """Ids of slopes that are faster than before."""
        return self._ids("faster")

    @property
    def slower(self) -> list[int]:
        """Ids of slopes that are slower than before."""
        return self._ids("slower")

    @property
    def gone(self) -> list[int]:
        """Ids of slopes that moved before and are not found any more."""
        return self._ids("gone")

    @property
    def any(self) -> bool:
        """Whether anything has changed."""
        return bool(self.slopes)

    def to_dict(self) -> dict[str, JsonValue]:
        """For JSON: under each of `KINDS` a list of slopes, the fields of `Change` each; None for NaN."""

        def facts_of(change: Change) -> dict[str, JsonValue]:
            facts = asdict(change)
            return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in facts.items()}

        return {kind: [facts_of(change) for change in self.slopes if change.kind == kind] for kind in KINDS}

    def _ids(self, kind: str) -> list[int]:
        return [change.id for change in self.slopes if change.kind == kind]


def track(
    found: gpd.GeoDataFrame, before: gpd.GeoDataFrame | None, *, min_overlap: float = 0.3
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
        Part of a new outline that must lie within an old one for both to be of one slope, above 0, at most 1.

    Returns
    -------
    geopandas.GeoDataFrame
        In the CRS of `found`, ordered by id: all slopes of `found`, with the ids that they had, or new ones; and all of
        `before` that were not found again, as they were. With the groups of columns of both, and `EDITED` and `TRACK`
        of `insarflow.inventory.columns`. The same for any order of the rows. ``attrs`` are those of `found`, and
        ``last_id``, the highest id that was ever given.
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
    *Ids.* Outlines are assigned one to one so that the sum of intersections over unions is largest. Where a slope has
    split, or several have merged, the largest overlap keeps the id. Ids of others are above every id ever given, also
    of rows that are gone or were deleted: first rows drawn by hand, then what is new, each from north to south. Of two
    rows of `before` with the same outline the one with the lower id goes on, and the other is gone.

    *Edits.* What people wrote is never changed, their own columns neither. A slope that is not found again stays, with
    its outline and activity "gone"; if it comes back it has its id, and is reported as new. What was rejected stays so,
    and is not reported. A row drawn by hand stays "unknown" until it is found, and then gets the outline that was
    found.

    *Activity.* "faster" or "slower" is a change of the rate of more than twice the standard deviation of the difference
    of both rates, and of the speed by more than a fifth. The errors are taken as independent, although successive
    inventories share data: the test is on the safe side. "unknown" if one of the rates, or its error, is missing or
    aliased.
    """
    min_overlap = check_number("min_overlap", min_overlap)
    if not 0.0 < min_overlap <= 1.0:
        raise ValueError(f"min_overlap must be above 0 and at most 1, instead got min_overlap={min_overlap}")
    found = _check_found(found)
    old = check_edited(found.iloc[:0] if before is None else before, found.crs)
    own = [name for name in old.columns if name not in COLUMNS and name not in found.columns]
    last = max(int(old.attrs.get(LAST_ID, 0)), *old["id"].tolist(), 0)
    attrs = dict(found.attrs)
    found, old = _alike(found, old), _alike(old, found)
    drawn = (old["id"] == 0).to_numpy()
    old.loc[drawn, "id"] = last + 1 + np.arange(drawn.sum())
    _measure(old)

    chosen = match(found.geometry.to_numpy(), old.geometry.to_numpy(), min_overlap=min_overlap)
    again = chosen >= 0
    now, then = _rows(found, chosen[again]), _rows(old, np.flatnonzero(again))
    now["activity"] = _activity(now, then)
    now["previous_rate_mm_yr"] = then.get("los_rate_mm_yr", np.nan)
    carried = ["id", *EDITED, *own]
    now[carried] = then[carried]
    fresh = _rows(found, np.setdiff1d(np.arange(len(found)), chosen))
    fresh["id"] = last + 1 + drawn.sum() + np.arange(len(fresh))
    fresh["activity"] = "new"
    kept = _rows(old, np.flatnonzero(~again))
    lost = ~never_found(kept) & (kept["activity"] != "gone")
    kept["activity"] = np.where(never_found(kept), "unknown", "gone")
    if "los_rate_mm_yr" in kept:
        kept["previous_rate_mm_yr"] = kept["los_rate_mm_yr"]

    told = np.concatenate([now["activity"].isin(KINDS), np.ones(len(fresh), bool), lost])
    frame = _together([now, fresh, kept], own)
    changes = _changes(frame[told.astype(bool) & (frame["status"] != "rejected").to_numpy(bool)])
    frame = frame.sort_values("id", ignore_index=True)
    frame.attrs = attrs | {LAST_ID: max([last, *frame["id"].tolist()])}
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


def _measure(frame: gpd.GeoDataFrame) -> None:
    """Areas of outlines that nobody has measured, on the ellipsoid."""
    unknown = frame["area_m2"].isna().to_numpy()
    crs = pyproj.CRS(frame.crs)
    geod = crs.get_geod()
    if unknown.any() and geod is not None:
        degrees = frame.geometry[unknown].to_crs(crs.geodetic_crs)
        frame.loc[unknown, "area_m2"] = [abs(geod.geometry_area_perimeter(one)[0]) for one in degrees]


def _activity(now: gpd.GeoDataFrame, then: gpd.GeoDataFrame) -> np.ndarray:
    """Activity of slopes of which both inventories tell, row by row; object."""
    returned = ((then["activity"] == "gone") | never_found(then)).to_numpy()
    kinds = np.full(len(now), "unknown", object)
    if set(RATE) <= {*now.columns}:
        (rate, std), (rate_then, std_then) = (
            [frame[name].to_numpy() for name in ("los_rate_mm_yr", "los_rate_std_mm_yr")] for frame in (now, then)
        )
        known = np.isfinite(rate + std + rate_then + std_then) & ~(now["aliased"] | then["aliased"]).to_numpy()
        gain = np.abs(rate) - np.abs(rate_then)
        sure = np.abs(rate - rate_then) > 2.0 * np.hypot(std, std_then)
        changed = sure & (np.abs(gain) > SHARE * np.abs(rate_then))
        kinds[known] = np.where(changed, np.where(gain > 0.0, "faster", "slower"), "steady")[known]
    kinds[returned] = "new"
    return kinds


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


def _changes(frame: gpd.GeoDataFrame) -> Changes:
    """Tell of every row, by id."""
    frame = frame.sort_values("id")
    centres = shapely.centroid(frame.geometry.to_numpy())
    to_degrees = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
    east, north = to_degrees.transform(shapely.get_x(centres), shapely.get_y(centres))
    unknown = np.full(len(frame), np.nan)
    rates = [frame.get(name, unknown) for name in ("los_rate_mm_yr", "los_rate_std_mm_yr", "previous_rate_mm_yr")]
    facts = [frame["id"], frame["activity"], frame["area_m2"], *rates, east, north]
    return Changes(tuple(Change(*one) for one in zip(*(np.asarray(values).tolist() for values in facts), strict=True)))
