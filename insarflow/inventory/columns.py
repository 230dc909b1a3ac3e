"""The table of moving slopes, in one place: its columns, their dtypes and units, and who writes them.

A row is a moving slope. Columns come in groups; a table may miss those that nobody could tell: without interferograms
there are no rates, without terrain no slope angles. What is in a group is there as a whole. A missing number is NaN, a
missing day NaT, a missing text empty; whole numbers and flags are never missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

STATUS: Final = ("new", "confirmed", "rejected")
"""What people say of a slope; everything begins as the first."""

CLASSES: Final = ("", "Landslide", "Rock glacier", "Glacier", "Subsidence", "Other", "Unknown")
"""What a slope may be, as ISSLIDE names it, and what else is found; empty: nobody has said."""

ACTIVITY: Final = ("new", "faster", "slower", "steady", "gone", "unknown")
"""How a slope's motion has changed since the inventory before."""


@dataclass(frozen=True)
class Column:
    """One column: its pandas dtype, and what it means, with its unit."""

    dtype: str
    meaning: str


_DAY = "datetime64[ms]"

OUTLINE: Final = {
    "id": Column("int64", "number of the slope, from 1, for good"),
    "area_m2": Column("float64", "area on the ellipsoid, m2"),
    "probability_mean": Column("float32", "mean probability over the outline, 0..1"),
    "probability_max": Column("float32", "highest probability, 0..1"),
    "pairs": Column("int32", "interferograms that show it"),
}
"""What an outline tells by itself."""

EDITED: Final = {
    "status": Column("str", f"what a person says of it: {', '.join(STATUS)}"),
    "class": Column("str", f"what it is: {', '.join(filter(None, CLASSES))}; empty if nobody has said"),
    "reviewer": Column("str", "who has looked at it"),
    "comment": Column("str", "what they wrote"),
}
"""What people write; no program overwrites it."""

SEEN: Final = {
    "pairs_known": Column("int32", "interferograms that could have shown it"),
    "active_fraction": Column("float32", "pairs over pairs_known, 0..1"),
    "pair_names": Column("str", "the interferograms that show it: 20210703_20210715;20210709_20210721"),
    "repetition": Column("str", "for each delay in days those that show it, of those that could: 6:3/19;12:9/18"),
    "delay_days": Column("int32", "delay at which it shows best, days; 0 if at none"),
    "first_seen": Column(_DAY, "earlier acquisition of the first interferogram that shows it"),
    "last_seen": Column(_DAY, "later acquisition of the last one"),
    "inactive_since": Column(_DAY, "the same, if those that came later would have shown it"),
    "window_start": Column(_DAY, "first acquisition looked at"),
    "window_end": Column(_DAY, "last acquisition looked at"),
    "reliability": Column("str", "of the detection: low, medium, high"),
    "coherence_mean": Column("float32", "mean coherence inside, of the interferograms that show it, 0..1"),
    "coherence_around": Column("float32", "the same of the stable ring around it, 0..1"),
    "low_coherence": Column("bool", "coherence inside or around is too low to trust its phase"),
    "near_edge": Column("bool", "it reaches the edge of the data, and may be cut by it"),
}
"""What the probabilities and the coherence of its interferograms tell."""

RATE: Final = {
    "los_rate_mm_yr": Column("float64", "speed of its core along the line of sight, mm/yr, positive toward the radar"),
    "los_rate_std_mm_yr": Column("float64", "standard deviation of it, mm/yr"),
    "rate_delay_days": Column("int32", "delay it was taken at, days; 0 if none"),
    "rate_pairs": Column("int32", "interferograms it is made of"),
    "aliased": Column("bool", "whole cycles may be missing: only los_rate_min_mm_yr is sure"),
    "los_rate_min_mm_yr": Column("float64", "if aliased: its size is at least this, mm/yr"),
    "velocity_class": Column("str", "by the thresholds of RGIK"),
}
"""What the phase of its core against the ring tells."""

TERRAIN: Final = {
    "elevation_m": Column("float32", "mean height, m"),
    "slope_deg": Column("float32", "mean steepness, degrees"),
    "aspect_deg": Column("float32", "mean downhill azimuth, degrees clockwise from north"),
    "layover_fraction": Column("float32", "part of it in layover or shadow, 0..1"),
}
"""What the terrain tells."""

DOWNSLOPE: Final = {
    "sensitivity": Column("float32", "part of a motion downhill that the line of sight sees, with its sign, -1..1"),
    "downslope_rate_mm_yr": Column("float64", "speed down the slope that the rate means, mm/yr, positive downhill"),
    "downslope_rate_std_mm_yr": Column("float64", "standard deviation of it, mm/yr"),
    "implausible_direction": Column("bool", "it would slide uphill, by more than two standard deviations"),
}
"""What rate and terrain tell together."""

SOURCE: Final = {
    "orbit": Column("str", "pass and relative orbit: descending 66"),
    "sources": Column("str", "slopes of single orbits that it was made of: ascending:3;descending:7,8"),
}
"""Where it comes from."""

TRACK: Final = {
    "activity": Column("str", f"since the inventory before: {', '.join(ACTIVITY)}"),
    "previous_rate_mm_yr": Column("float64", "rate of the time before the recent one; its last one if not found"),
}
"""How it changed."""

GROUPS: Final = (OUTLINE, EDITED, SEEN, RATE, TERRAIN, DOWNSLOPE, SOURCE, TRACK)
"""All groups, in the order of a file."""

COLUMNS: Final = OUTLINE | EDITED | SEEN | RATE | TERRAIN | DOWNSLOPE | SOURCE | TRACK
"""All, in the order of a file."""
