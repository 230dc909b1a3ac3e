"""What has become of slopes from one inventory to the next, as it is told."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import pyproj
import shapely

from insarflow.types import JsonValue

KINDS: Final = ("new", "faster", "slower", "gone")
"""Changes that are reported; the other activities are none."""


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
        Along the line of sight, mm/yr, positive toward the radar; of what is faster or slower that of the recent time.
        NaN if unknown, and of what is gone.
    previous_rate_mm_yr
        The same of the time before.
    longitude, latitude
        Of the centroid, degrees (WGS 84).
    note
        What else there is to say: "merged into 5".
    """

    id: int
    kind: str
    area_m2: float
    los_rate_mm_yr: float
    los_rate_std_mm_yr: float
    previous_rate_mm_yr: float
    longitude: float
    latitude: float
    note: str = ""


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


def changes_of(frame: gpd.GeoDataFrame) -> Changes:
    """Tell of every row, by id.

    Parameters
    ----------
    frame
        Slopes with ``id``, ``activity`` (of `KINDS`), ``area_m2`` and, if they are there, ``los_rate_mm_yr``,
        ``los_rate_std_mm_yr``, ``previous_rate_mm_yr``, ``note``.
    """
    frame = frame.sort_values("id")
    centres = shapely.centroid(frame.geometry.to_numpy())
    to_degrees = pyproj.Transformer.from_crs(frame.crs, "EPSG:4326", always_xy=True)
    east, north = to_degrees.transform(shapely.get_x(centres), shapely.get_y(centres))
    unknown, gone = np.full(len(frame), np.nan), (frame["activity"] == "gone").to_numpy()
    # What is gone has no rate now, though its row holds that of the time when it moved.
    now = [np.where(gone, np.nan, frame.get(name, unknown)) for name in ("los_rate_mm_yr", "los_rate_std_mm_yr")]
    rates = [*now, frame.get("previous_rate_mm_yr", unknown)]
    notes = frame.get("note", np.full(len(frame), "", object))
    facts = [frame["id"], frame["activity"], frame["area_m2"], *rates, east, north, notes]
    return Changes(tuple(Change(*one) for one in zip(*(np.asarray(values).tolist() for values in facts), strict=True)))
