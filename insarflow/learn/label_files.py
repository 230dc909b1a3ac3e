"""Files of outlined movers: which kinds are read, and which of their fields mean what."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd

from insarflow.errors import ProductError
from insarflow.types import parse_date, parse_delay

FIELDS: Final = ("confidence", "class", "status", "first", "last", "date", "delay")
"""What is known of a polygon beside its outline; the columns of a file that are named so are read by default."""

_KINDS: Final = {
    ".gpkg": (b"SQLite format 3\0",),
    ".geojson": (b"{",),
    ".json": (b"{",),
    ".shp": (b"\0\0\x27\x0a",),
    ".parquet": (b"PAR1",),
    ".geoparquet": (b"PAR1",),
}
"""How files of each kind begin: GDAL goes by this and not by the name, and knows kinds that open other files."""


def read_frame(source: str | Path | gpd.GeoDataFrame) -> tuple[gpd.GeoDataFrame, str]:
    """A table of polygons, and what errors call it.

    Raises
    ------
    TypeError
        If `source` is neither a path nor a GeoDataFrame.
    ProductError
        If the file is missing, of another kind, or damaged.
    """
    if isinstance(source, gpd.GeoDataFrame):
        return source, "labels"
    if not isinstance(source, str | Path):
        raise TypeError(f"labels must be a path or a GeoDataFrame, instead got {type(source).__name__}")
    path = Path(source).expanduser()
    name = f"labels={str(source)!r}"
    begins = _KINDS.get(path.suffix.lower())
    if begins is None:
        raise ProductError(
            f"{name} must be one of the kinds {', '.join(_KINDS)}, instead got {path.suffix or 'none'!r}"
        )
    try:
        with path.open("rb") as stream:
            start = stream.read(1024).removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ProductError(f"{name} cannot be read: {error.strerror}") from error
    if not (start.lstrip() if begins == (b"{",) else start).startswith(begins):
        raise ProductError(f"{name} is not what its name says, or damaged: it begins with {start[:8]!r}")
    return _read(path, name), name


def _read(path: Path, name: str) -> gpd.GeoDataFrame:
    try:
        with warnings.catch_warnings():
            # What GDAL warns of is either harmless or an error of those who look at the table.
            warnings.simplefilter("ignore", RuntimeWarning)
            if path.suffix.lower().endswith("parquet"):
                return gpd.read_parquet(path)
            return gpd.read_file(path.absolute(), engine="pyogrio", layer=0)
    except ImportError as error:
        raise ProductError(f"{name} needs a package to be read: pip install pyarrow, or save it as .gpkg") from error
    except (RuntimeError, ValueError, TypeError, OSError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ProductError(f"{name} cannot be read, it is damaged: {reason}") from error


def named_fields(frame: gpd.GeoDataFrame, fields: Mapping[str, str] | None, name: str) -> dict[str, pd.Series[Any]]:
    """The columns of a table by what they mean.

    Parameters
    ----------
    fields
        Column of each of `FIELDS`, such as ``{"confidence": "CONF"}``; by default each that is named as its meaning.

    Raises
    ------
    ValueError
        If `fields` asks for a meaning that there is not.
    ProductError
        If the table lacks a column that `fields` names, or has only one of date and delay.
    """
    columns = [str(c) for c in frame.columns if c != frame.geometry.name]
    chosen = {field: field for field in FIELDS if field in columns} if fields is None else dict(fields)
    if fields is None and len({"date", "delay"} & chosen.keys()) == 1:
        chosen = {field: column for field, column in chosen.items() if field not in ("date", "delay")}
    strange = sorted(set(chosen) - set(FIELDS))
    if strange:
        raise ValueError(f"fields must be of {', '.join(FIELDS)}, instead got {strange[0]!r}")
    lacking = [column for column in chosen.values() if column not in columns]
    if lacking:
        found = ", ".join(columns) or "none"
        raise ProductError(f"{name} has no field {', '.join(map(repr, lacking))}, it has {found}: see fields=")
    if len({"date", "delay"} & chosen.keys()) == 1:
        raise ValueError(f"fields must name both date and delay of a pair, or none, instead got {sorted(chosen)}")
    return {field: frame[column].reset_index(drop=True) for field, column in chosen.items()}


def days(column: pd.Series[Any], field: str, name: str) -> pd.Series[Any]:
    """Days as ``datetime64[ns]``, NaT where there is none.

    Raises
    ------
    ProductError
        Naming the first row that is no date.
    """
    return _parsed(column, field, name, _day, "datetime64[ns]")


def delays(column: pd.Series[Any], field: str, name: str) -> pd.Series[Any]:
    """Delays as ``timedelta64[ns]``, NaT where there is none.

    Raises
    ------
    ProductError
        Naming the first row that is no whole number of days.
    """
    return _parsed(column, field, name, _delay, "timedelta64[ns]")


def _parsed(column: pd.Series[Any], field: str, name: str, parse: Any, dtype: str) -> pd.Series[Any]:
    out = np.full(len(column), "NaT", dtype)
    for row, value in enumerate(column):
        if pd.isna(value) or value == "":
            continue
        try:
            out[row] = parse(value)
        except (TypeError, ValueError) as error:
            raise ProductError(f"{name}: row {row}: {field}: {error}") from error
    return pd.Series(out)


def _day(value: Any) -> np.datetime64:
    if isinstance(value, pd.Timestamp):
        value = value.tz_localize(None).to_datetime64()
    return parse_date(str(int(value)) if isinstance(value, int | float | np.number) else value)


def _delay(value: Any) -> np.timedelta64:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return parse_delay(value.to_timedelta64() if isinstance(value, pd.Timedelta) else value)
