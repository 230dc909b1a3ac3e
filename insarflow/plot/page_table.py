"""Table of the page of an inventory: columns and rows as JSON knows them, and what must be doubted of each slope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from insarflow.inventory.columns import COLUMNS
from insarflow.inventory.form import alias

if TYPE_CHECKING:
    import geopandas as gpd

FLAGS: Final = "flags"
"""Column of the page that names all that must be doubted of a slope."""

LISTED: Final = (
    *("id", "status", "class", "velocity_class", "los_rate_mm_yr", FLAGS, "area_m2", "probability_mean", "activity"),
)
"""Columns of the table; the map tells more of a slope."""

TOLD: Final = (
    *LISTED[:3], "reviewer", "comment", *LISTED[3:5], "los_rate_std_mm_yr", FLAGS,
    *("downslope_rate_mm_yr", "downslope_rate_std_mm_yr", "activity", "previous_rate_mm_yr", "area_m2"),
    *("probability_mean", "active_fraction", "pairs", "reliability", "first_seen", "last_seen"),
    *("inactive_since", "elevation_m", "slope_deg", "aspect_deg", "orbit", "sources"),
)  # fmt: skip
"""Columns that the page holds, if the table does."""

LONGEST_TEXT: Final = 500
"""Letters of one attribute."""

HIDDEN: Final = 0.1
"""Part of a slope in layover or shadow from which its flags say so."""

_WORDS: Final = {
    "aliased": "aliased", "implausible_direction": "uphill", "low_coherence": "low coherence",
    "near_edge": "near edge",
}  # fmt: skip
"""What is said of a slope where a flag of the table is set."""

_RATES: Final = ("los_rate_mm_yr", "los_rate_std_mm_yr")
_DIGITS: Final = 4


def page_table(frame: gpd.GeoDataFrame) -> dict[str, Any]:
    """The table of the page.

    Parameters
    ----------
    frame
        As of `insarflow.inventory.inventory`.

    Returns
    -------
    dict
        ``columns``: of each its label, its meaning, whether it is listed, whether it holds numbers, whether it may
        take several lines, and what is said in some rows instead of its value, by row; ``rows``: values, each a number,
        a text or None. A rate that is aliased is its lower bound, and says so; its standard deviation is None.
    """
    values = {name: [_plain(value) for value in frame[name]] for name in TOLD if name in frame.columns}
    flags = _flags(frame)
    if flags is not None:
        values[FLAGS] = list(flags)
    said = _aliased(frame, values)
    names = sorted(values, key=_place)
    columns = [
        {
            "label": alias(name), "meaning": _meaning(name), "listed": name in LISTED,
            "number": name != FLAGS and pd.api.types.is_numeric_dtype(frame[name].dtype), "wraps": name == FLAGS,
            "said": said.get(name, {}),
        }
        for name in names
    ]  # fmt: skip
    rows = [list(row) for row in zip(*(values[name] for name in names), strict=True)]
    return {"columns": columns, "rows": rows if names else [[]] * len(frame)}


def _place(name: str) -> tuple[int, int]:
    """Listed columns come first, in their order."""
    return LISTED.index(name) if name in LISTED else len(LISTED), TOLD.index(name)


def _meaning(name: str) -> str:
    if name != FLAGS:
        return COLUMNS[name].meaning
    return "; ".join([*(f"{word}: {COLUMNS[flag].meaning}" for flag, word in _WORDS.items()), "layover: or shadow"])


def _flags(frame: gpd.GeoDataFrame) -> list[str] | None:
    """What must be doubted of each slope; None if the table cannot tell."""
    marks = []
    for name, word in _WORDS.items():
        if name in frame.columns:
            marks.append([word if flag else "" for flag in _is_set(frame, name)])
    if "layover_fraction" in frame.columns:
        parts = frame["layover_fraction"].to_numpy(np.float64)
        marks.append([f"layover {100 * part:.0f} %" if part >= HIDDEN else "" for part in parts])
    return [", ".join(filter(None, row)) for row in zip(*marks, strict=True)] if marks else None


def _aliased(frame: gpd.GeoDataFrame, values: dict[str, list[Any]]) -> dict[str, dict[int, str]]:
    """What is said instead of rates of which only a lower bound is sure; their values become that bound."""
    if "aliased" not in frame.columns or _RATES[0] not in values:
        return {}
    nothing = pd.Series(np.nan, frame.index)
    bounds = [_plain(value) for value in frame.get("los_rate_min_mm_yr", nothing)]
    said = {}
    for row in np.flatnonzero(_is_set(frame, "aliased")).tolist():
        bound = bounds[row]
        said[row] = "aliased: size and sign unsure" if bound is None else f"at least {bound} mm/yr, sign unsure"
        for name, value in zip(_RATES, (bound, None), strict=True):
            if name in values:
                values[name][row] = value
    return {_RATES[0]: said}


def _is_set(frame: gpd.GeoDataFrame, name: str) -> np.ndarray:
    return np.asarray(frame[name].fillna(False), bool)


def _plain(value: Any) -> float | int | str | None:
    """A value as a number of few digits, a day or a bounded text; None if it is missing."""
    if value is None or value is pd.NaT or (isinstance(value, float | np.floating) and not np.isfinite(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else ""
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return round(number) if abs(number) >= 10**_DIGITS else float(f"{number:.{_DIGITS}g}")
    if isinstance(value, pd.Timestamp):
        return value.strftime("%Y-%m-%d")
    text = str(value)
    return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
