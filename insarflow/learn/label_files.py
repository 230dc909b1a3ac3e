"""Files of outlined movers: which kinds are read, which of their fields mean what, and which rows are no good."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from insarflow.errors import ProductError
from insarflow.types import parse_date, parse_delay

FIELDS: Final = ("confidence", "repetition", "class", "status", "first", "last", "date", "delay")
"""What is known of a polygon beside its outline; the columns of a file that are named so are read by default."""

KINDS: Final = {
    ".gpkg": (b"SQLite format 3\0",),
    ".geojson": (b"{",),
    ".json": (b"{",),
    ".shp": (b"\0\0\x27\x0a",),
    ".parquet": (b"PAR1",),
    ".geoparquet": (b"PAR1",),
}
"""How files of each kind begin: GDAL goes by this and not by the name, and knows kinds that open other files."""

_SHOWN: Final = 5
"""Rows that an error names."""


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
    path, name = Path(source).expanduser(), f"labels={str(source)!r}"
    check_kind(path, name)
    return read_layer(path, name, spatial_layers(path, name)[0]), name


def check_kind(path: Path, name: str) -> None:
    """Check that a file is of a kind that is read: by its ending and by how it begins.

    Raises
    ------
    ProductError
        If it is not, or cannot be read.
    """
    begins = KINDS.get(path.suffix.lower())
    if begins is None:
        raise ProductError(f"{name} must be one of the kinds {', '.join(KINDS)}, instead got {path.suffix or 'none'!r}")
    try:
        with path.open("rb") as stream:
            start = stream.read(1024).removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise ProductError(f"{name} cannot be read: {error.strerror}") from error
    if not (start.lstrip() if begins == (b"{",) else start).startswith(begins):
        raise ProductError(f"{name} is not what its name says, or damaged: it begins with {start[:8]!r}")


def spatial_layers(path: Path, name: str) -> list[str | int]:
    """The layers of a file of a known kind that have a place; at least one.

    Raises
    ------
    ProductError
        If it is damaged, or has none.
    """
    if path.suffix.lower() != ".gpkg":
        return [0]
    with _damage_told(name):
        # Others are tables, such as the styles of QGIS.
        found: list[str | int] = [str(layer) for layer, kind in pyogrio.list_layers(path.absolute()) if kind]
    if not found:
        raise ProductError(f"{name} must hold a layer of polygons, instead got none")
    return found


def read_layer(path: Path, name: str, layer: str | int) -> gpd.GeoDataFrame:
    """The table of a layer of a file of a known kind.

    Raises
    ------
    ProductError
        If it is damaged, or a package is missing that reads it.
    """
    try:
        with _damage_told(name):
            if path.suffix.lower().endswith("parquet"):
                return gpd.read_parquet(path)
            return gpd.read_file(path.absolute(), engine="pyogrio", layer=layer)
    except ImportError as error:
        raise ProductError(f"{name} needs a package to be read: pip install pyarrow, or save it as .gpkg") from error


@contextmanager
def _damage_told(name: str) -> Iterator[None]:
    """Errors of GDAL and others as one of ours."""
    try:
        with warnings.catch_warnings():
            # What GDAL warns of is either harmless or an error of those who look at the table.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
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
    default: dict[str, str] = {field: field for field in FIELDS if field in columns}
    chosen = default if fields is None else dict(fields)
    if fields is None and len({"date", "delay"} & chosen.keys()) == 1:
        chosen = {field: column for field, column in chosen.items() if field not in ("date", "delay")}
    strange = sorted(set(chosen) - set(FIELDS))
    if strange:
        raise ValueError(f"fields must be of {', '.join(FIELDS)}, instead got {strange[0]!r}")
    named = named_columns(frame, chosen, name)
    if len({"date", "delay"} & chosen.keys()) == 1:
        raise ValueError(f"fields must name both date and delay of a pair, or none, instead got {sorted(chosen)}")
    return named


def named_columns(frame: gpd.GeoDataFrame, fields: Mapping[str, str], name: str) -> dict[str, pd.Series[Any]]:
    """The columns of a table that `fields` names, by what they mean.

    Raises
    ------
    ProductError
        If one is not there; with those that are.
    """
    columns = [str(c) for c in frame.columns if c != frame.geometry.name]
    lacking = [column for column in fields.values() if column not in columns]
    if lacking:
        found = ", ".join(columns) or "none"
        raise ProductError(f"{name} has no field {', '.join(map(repr, lacking))}, it has {found}: see fields=")
    return {field: frame[column].reset_index(drop=True) for field, column in fields.items()}


def days(column: pd.Series[Any], field: str, name: str, ids: pd.Series[Any] | None = None) -> pd.Series[Any]:
    """Days as ``datetime64[ns]``, NaT where there is none; `ids` as of `rows_named`.

    Raises
    ------
    ProductError
        Naming the first row that is no date.
    """
    return _parsed(column, field, name, _day, "datetime64[ns]", ids)


def delays(column: pd.Series[Any], field: str, name: str) -> pd.Series[Any]:
    """Delays as ``timedelta64[ns]``, NaT where there is none.

    Raises
    ------
    ProductError
        Naming the first row that is no whole number of days.
    """
    return _parsed(column, field, name, _delay, "timedelta64[ns]")


def _parsed(
    column: pd.Series[Any], field: str, name: str, parse: Any, dtype: str, ids: pd.Series[Any] | None = None
) -> pd.Series[Any]:
    out = np.full(len(column), "NaT", dtype)
    for row, value in enumerate(column):
        if pd.isna(value) or value == "":
            continue
        try:
            out[row] = parse(value)
        except (TypeError, ValueError) as error:
            raise ProductError(f"{name}: {rows_named(np.array([row]), ids)}: {field}: {error}") from error
    return pd.Series(out)


def _day(value: Any) -> np.datetime64:
    if isinstance(value, pd.Timestamp):
        value = value.tz_localize(None).to_datetime64()
    return parse_date(str(int(value)) if isinstance(value, int | float | np.number) else value)


def _delay(value: Any) -> np.timedelta64:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return parse_delay(value.to_timedelta64() if isinstance(value, pd.Timedelta) else value)


def check_rows(
    wrong: pd.Series[bool],
    column: pd.Series[Any],
    field: str,
    wanted: str,
    name: str,
    ids: pd.Series[Any] | None = None,
) -> None:
    """Refuse values of a field; `ids` as of `rows_named`.

    Raises
    ------
    ProductError
        Naming the first value that is wrong, and the rows.
    """
    rows = np.flatnonzero(wrong.to_numpy(bool))
    if len(rows):
        got = column.iloc[rows[0]]
        got = got.item() if isinstance(got, np.generic) else got
        raise ProductError(f"{name}: {field} must be {wanted}; instead got {got!r} in {rows_named(rows, ids)}")


def rows_named(rows: np.ndarray, ids: pd.Series[Any] | None = None) -> str:
    """The first few of some rows, counted from 0, each with its id if it has one, and how many more there are."""
    named = ", ".join(f"{row}{'' if ids is None else _numbered(ids.iloc[row])}" for row in rows[:_SHOWN].tolist())
    more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
    return f"row{'s' if len(rows) > 1 else ''} {named}{more}"


def _numbered(value: Any) -> str:
    """The id of a row; 0 is none."""
    known = isinstance(value, int | float | np.integer | np.floating) and 0 < value < np.inf
    return f" (id {value:.0f})" if known and not isinstance(value, bool | np.bool_) else ""


def outlines(frame: gpd.GeoDataFrame, name: str, *, repair: bool | None) -> gpd.GeoSeries:
    """The polygons of a table, of which none is empty or crosses itself.

    Parameters
    ----------
    repair
        Whether those that cross themselves are mended; None where nobody can ask for it.

    Raises
    ------
    ProductError
        Naming the rows that are none, with their ``id`` if there is one.
    """
    ids = frame["id"] if "id" in frame.columns else None
    shapes = frame.geometry.reset_index(drop=True)
    empty = np.flatnonzero(shapes.isna() | shapes.is_empty)
    if len(empty):
        are, them = ("is", "it") if len(empty) == 1 else ("are", "them")
        raise ProductError(
            f"{name}: a polygon must have an outline, instead {rows_named(empty, ids)} {are} empty: remove {them}"
        )
    kinds = shapes.geom_type
    others = np.flatnonzero(~kinds.isin(["Polygon", "MultiPolygon"]))
    if len(others):
        raise ProductError(f"{name} must hold polygons, instead got a {kinds[others[0]]} in {rows_named(others, ids)}")
    crossed = np.flatnonzero(~shapes.is_valid)
    if not len(crossed):
        return shapes
    if not repair:
        reason = shapely.is_valid_reason(shapes.iloc[crossed[0]])
        raise ProductError(
            f"{name}: a polygon must not cross itself, instead got {reason} in {rows_named(crossed, ids)}: mend it"
            + ("" if repair is None else ", or let it be mended with repair=True")
        )
    shapes.iloc[crossed] = [_mended(shape) for shape in shapes.iloc[crossed]]
    lost = np.flatnonzero(shapes.is_empty)
    if len(lost):
        raise ProductError(f"{name}: nothing with an area is left of {rows_named(lost, ids)} once mended: remove them")
    return shapes


def _mended(shape: shapely.Geometry) -> shapely.Geometry:
    """The parts with an area of what `shapely.make_valid` makes of a polygon."""
    parts = shapely.get_parts(shapely.make_valid(shape))
    return shapely.union_all(parts[shapely.get_dimensions(parts) == 2])
