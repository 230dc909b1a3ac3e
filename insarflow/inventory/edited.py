"""An inventory that people have edited: what is believed of it, and what is refused."""

from __future__ import annotations

from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
import xarray as xr

from insarflow.errors import SchemaError
from insarflow.inventory.columns import COLUMNS, DOWNSLOPE, GROUPS, RATE, SEEN, SOURCE, STATUS, TERRAIN, Column
from insarflow.inventory.measure import measure

_POLYGONS: Final = ("Polygon", "MultiPolygon")


def check_edited(before: gpd.GeoDataFrame, crs: Any) -> gpd.GeoDataFrame:
    """An edited inventory as a table that can be trusted.

    Parameters
    ----------
    before
        As `insarflow.inventory.inventory` gives it, or read from its file, after people have worked on it: rows in any
        order, some deleted or drawn by hand, columns of their own, in any CRS.
    crs
        CRS that is wanted.

    Returns
    -------
    geopandas.GeoDataFrame
        In that CRS and with the dtypes of `insarflow.inventory.columns`, ordered by id. A row without an id (NaN or 0:
        somebody drew it) comes last, with id 0, in the order of upper edges, from north. An empty status is "new".

    Raises
    ------
    TypeError
        If `before` is no GeoDataFrame.
    SchemaError
        If columns are missing or renamed, ids occur twice or are no whole numbers from 1, a status is of no known
        kind, a number is none, a row has no polygon, or the CRS is not known.
    """
    if not isinstance(before, gpd.GeoDataFrame):
        raise TypeError(f"before must be a geopandas.GeoDataFrame, instead got {type(before).__name__}")
    _check_columns(before)
    frame = plain(before).reset_index(drop=True)
    _check_outlines(frame)
    if frame.crs is None:
        raise SchemaError(
            "the edited inventory must have a CRS, instead got none: set it in QGIS, or with frame.set_crs"
        )
    attrs = dict(frame.attrs)
    if pyproj.CRS(frame.crs) != pyproj.CRS(crs):
        frame = frame.to_crs(crs)
        if not np.isfinite(shapely.bounds(frame.geometry.to_numpy())).all():
            raise SchemaError("the edited inventory lies where the stack's CRS is not defined: see its CRS in QGIS")
    for name in [name for name in COLUMNS if name in frame]:
        frame[name] = conformed(frame[name], name, COLUMNS[name])
    if "status" in frame:
        _check_status(frame)
    _check_ids(frame["id"])
    corners = frame.geometry.bounds
    order = np.lexsort(
        (frame.geometry.to_wkb(hex=True), corners["minx"], -corners["maxy"], frame["id"], frame["id"] == 0)
    )
    frame = frame.iloc[order].reset_index(drop=True)
    frame.attrs = attrs
    return frame


def plain(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """`frame` with its outlines in the column ``geometry``: files call it ``geom``."""
    return frame if frame.geometry.name == "geometry" else frame.rename_geometry("geometry")


def conformed(values: pd.Series[Any], name: str, column: Column) -> pd.Series[Any]:
    """Values in the dtype of a column; what is missing as `insarflow.inventory.columns` says.

    Raises
    ------
    SchemaError
        Naming the column and the first value that is of another kind.
    """
    kind = column.dtype
    if kind == "str":
        return values.astype(object).where(values.notna(), "").astype("str")
    if kind == "bool":
        return values.astype(object).where(values.notna(), False).astype("bool")
    if kind.startswith("datetime"):
        days = pd.to_datetime(values, errors="coerce", utc=True)
        _refuse(values, values.notna() & days.isna(), name, "a day")
        return days.dt.tz_localize(None).astype(pd.api.types.pandas_dtype(kind))
    numbers = pd.to_numeric(values, errors="coerce")
    _refuse(values, values.notna() & ~values.isin([""]) & numbers.isna(), name, "a number")
    if kind.startswith("int"):
        numbers = numbers.astype("float64").fillna(0.0) if numbers.isna().any() else numbers
        _refuse(values, numbers != np.rint(numbers), name, "a whole number")
    return numbers.astype(pd.api.types.pandas_dtype(kind))


def never_found(frame: gpd.GeoDataFrame) -> pd.Series[bool]:
    """Rows that people drew and no program has outlined: without a probability."""
    drawn: pd.Series[bool] = frame["probability_max"].isna()
    return drawn


def measure_drawn(slopes: gpd.GeoDataFrame, ds: xr.Dataset) -> gpd.GeoDataFrame:
    """Measure the slopes that people drew: those that no program has found, and those whose outline is theirs.

    Parameters
    ----------
    slopes
        As of `insarflow.inventory.tracks.track`, with the attributes ``threshold`` and, if there are any, ``by_hand``.
    ds
        As `insarflow.inventory.measure.measure`. This computes, if there are such slopes.

    Returns
    -------
    geopandas.GeoDataFrame
        `slopes` with what `ds` tells of them. The others are looked at, too: they are none of the stable ring.
    """
    there = slopes["activity"] != "gone"
    drawn = (never_found(slopes) | slopes["id"].isin(slopes.attrs.get("by_hand", []))) & there
    if not drawn.any():
        return slopes
    told = measure(slopes[there], ds, threshold=float(slopes.attrs["threshold"]))
    told, ids = told.set_index("id"), slopes["id"][drawn]
    names = [name for name in told if name in slopes and name in {**SEEN, **RATE, **TERRAIN, **DOWNSLOPE, **SOURCE}]
    columns = {
        name: pd.concat([slopes[name][~drawn], pd.Series(told[name][ids].array, index=ids.index)]).sort_index()
        for name in [*names, "pairs"]
    }
    measured = slopes.assign(**columns)
    measured.attrs = dict(slopes.attrs)
    return measured


def missing(column: Column, count: int) -> pd.Series[Any]:
    """Values of a column that nobody could tell."""
    kind = column.dtype
    if kind == "str":
        return pd.Series([""] * count, dtype="str")
    if kind.startswith("datetime"):
        return pd.Series(np.full(count, "NaT", kind))
    if kind.startswith("float"):
        return pd.Series(np.full(count, np.nan, kind))
    return pd.Series(np.zeros(count, kind))


def _refuse(values: pd.Series[Any], wrong: pd.Series[Any], name: str, what: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise SchemaError(f"{name} must be {what} or empty, instead got {name}={values.iloc[row]!r} in row {row + 1}")


def _check_columns(frame: gpd.GeoDataFrame) -> None:
    """Refuse a table of which a column was removed or renamed."""
    there = [str(name) for name in frame.columns]
    for group in GROUPS:
        lacking = [name for name in group if name not in there]
        if lacking and ("id" in lacking or len(lacking) < len(group)):
            raise SchemaError(
                f"the edited inventory must have the columns {', '.join(lacking)}, instead got {', '.join(there)}: "
                "give them back their names, or take the last copy in history"
            )


def _check_outlines(frame: gpd.GeoDataFrame) -> None:
    """Refuse rows without a polygon."""
    wrong = ~frame.geom_type.isin(_POLYGONS) | frame.geometry.is_empty
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        kind = frame.geom_type.iloc[row]
        raise SchemaError(
            f"each row must have a polygon, instead got {kind if isinstance(kind, str) else 'none'} in row {row + 1} "
            f"(id={frame['id'].iloc[row]}): draw its outline, or delete the row"
        )


def _check_status(frame: gpd.GeoDataFrame) -> None:
    frame["status"] = frame["status"].where(frame["status"] != "", STATUS[0])
    strange = frame[~frame["status"].isin(STATUS)]
    if len(strange):
        told = "; ".join(f"{s!r} of id={i}" for i, s in zip(strange["id"][:5], strange["status"][:5], strict=True))
        raise SchemaError(f"status must be {', '.join(STATUS)}, instead got {told}: choose one of these words")


def _check_ids(ids: pd.Series[Any]) -> None:
    twice = sorted({int(i) for i in ids[ids.duplicated() & (ids != 0)]})
    if twice:
        raise SchemaError(
            f"id must be of one row only, instead got id={', '.join(map(str, twice))} more than once: leave that of a "
            "copied row empty, it is given a new one"
        )
    if (ids < 0).any():
        raise SchemaError(f"id must be a whole number from 1, or empty, instead got id={int(ids.min())}")
