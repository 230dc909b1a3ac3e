"""An inventory's file back as its table, as people and programs have left it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio

from insarflow.errors import ProductError
from insarflow.inventory.columns import CLASSES, COLUMNS, GROUPS, OUTLINE, STATUS, Column
from insarflow.inventory.write import LAYER, OF_A_RUN
from insarflow.learn.label_files import check_kind, check_rows, days, outlines, read_layer, rows_named, spatial_layers

_SHOWN: Final = 10
"""Columns of its own that an error names."""

_NUMBERS: Final = ("threshold", "peak", "min_area")
"""Attributes that are numbers; a GeoPackage keeps all as texts."""

_FLAGS: Final = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "": False}


def read_inventory(path: str | os.PathLike[str], *, layer: str | None = None) -> gpd.GeoDataFrame:
    """Read an inventory that was written, and perhaps edited since.

    Parameters
    ----------
    path
        GeoPackage, GeoParquet (extra package ``pyarrow``) or GeoJSON, as `insarflow.inventory.write_inventory` writes.
    layer
        Of a GeoPackage that holds several with a place; by default the only one, or the one named ``inventory``.

    Returns
    -------
    geopandas.GeoDataFrame
        In the file's order and CRS, its columns with the dtypes of `insarflow.inventory.columns`: texts are never
        missing, nor are whole numbers (0 instead) and flags (False). A slope that was drawn by hand and has no number
        has the ``id`` 0. An empty ``status`` is ``new``. Columns that are none of an inventory's stay as they are.
        The attributes ``threshold``, ``peak``, ``min_area`` (float), ``recipe`` and others (texts) are those it was
        written with, if the file keeps them.

    Raises
    ------
    TypeError
        If `path` is no path.
    ProductError
        If the file is missing, damaged, of another kind, or no inventory: columns are missing or were renamed, two
        slopes have one ``id``, a number is none, ``status`` or ``class`` is not in its list, an outline is empty, no
        polygon or crosses itself, there is no CRS, or there are several layers. Rows are counted from 0, and named with
        their ``id`` if they have one.
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path, instead got path={path!r:.80} ({type(path).__name__})")
    path = Path(path).expanduser()
    name = f"path={str(path)!r}"
    check_kind(path, name)
    chosen = _layer(spatial_layers(path, name), layer, name)
    frame = read_layer(path, name, chosen)
    if not isinstance(frame, gpd.GeoDataFrame):
        raise ProductError(f"{name} must be an inventory of slopes, instead it has no outlines")
    columns = [str(column) for column in frame.columns if column != frame.geometry.name]
    _check_columns(columns, name)
    if frame.crs is None:
        raise ProductError(f"{name} must have a CRS, instead got none: set it with ogr2ogr -a_srs or set_crs")
    frame = frame.reset_index(drop=True)
    outlines(frame, name, repair=None)
    attributes = _attributes(path, chosen, frame, name)
    ids = _restored(frame["id"], "id", name, None)
    _check_ids(ids, name)
    others = {column: _restored(frame[column], column, name, ids) for column in columns if column in COLUMNS}
    frame = frame.assign(**others | {"id": ids})
    frame.attrs = attributes
    return frame


def _layer(found: list[str | int], layer: str | None, name: str) -> str | int:
    """The layer to read."""
    named = ", ".join(map(str, found))
    if layer is not None and found != [0]:
        if layer not in found:
            raise ProductError(f"{name} has no layer {layer!r} with a place, it has {named}")
        return layer
    if len(found) > 1 and LAYER not in found:
        raise ProductError(f"{name} must hold one layer of outlines, instead got {named}: say which with layer=")
    return found[0] if len(found) == 1 else LAYER


def _check_columns(columns: Iterable[str], name: str) -> None:
    """Refuse a table that is no inventory, or where columns of groups were lost or renamed."""
    there = set(columns)
    missing = [column for group in GROUPS for column in _lost(group, there)]
    if not missing:
        return
    strange = sorted(there - COLUMNS.keys())
    near = {column: _nearest(column, strange) for column in missing}
    renamed = [f"{other!r} may be its {column!r}: name it so again" for column, other in near.items() if other]
    beside = ", ".join(strange[:_SHOWN]) + (f" and {len(strange) - _SHOWN} more" if len(strange) > _SHOWN else "")
    raise ProductError(
        f"{name} must have the columns of an inventory, instead {', '.join(map(repr, missing))} "
        f"{'is' if len(missing) == 1 else 'are'} missing"
        + (f" beside {beside}" if strange else "")
        + f"; {'; '.join(renamed) or 'was it made by insarflow inventory?'}"
    )


def _lost(group: Mapping[str, Column], there: set[str]) -> list[str]:
    """Columns that a table lacks of a group that it has in part; of an outline's it needs the number alone."""
    if group is OUTLINE:
        return [column for column in group if column not in there] if "id" not in there else []
    missing = [column for column in group if column not in there]
    return missing if len(missing) < len(group) else []


def _nearest(column: str, others: list[str]) -> str | None:
    """The column that `column` may have been renamed to."""
    plain = {other.lower(): other for other in others}
    found = get_close_matches(column, plain, n=1, cutoff=0.6)
    inside = [other for other in plain if column in other.split("_") or (len(other) > 3 and column.startswith(other))]
    return plain[(found or inside)[0]] if found or inside else None


def _restored(values: pd.Series[Any], column: str, name: str, ids: pd.Series[Any] | None) -> pd.Series[Any]:
    """A column with its own dtype."""
    dtype: Any = COLUMNS[column].dtype
    if dtype == "str":
        return _text(values, column, name, ids)
    if dtype == "bool":
        return _flags(values, column, name, ids)
    if dtype.startswith("datetime64"):
        return _days(values, column, name, ids).astype(dtype)
    missing = values.isna() | values.astype(str).str.strip().str.lower().isin(["", "nan"])
    numbers = pd.to_numeric(values.where(~missing), errors="coerce")
    wrong = (~missing & numbers.isna()) | np.isinf(numbers)
    if values.dtype.kind in "bMm":
        # They are numbers to pandas, but nobody counts with flags and days.
        wrong |= ~missing
    check_rows(wrong, values, column, "a number", name, ids)
    if dtype.startswith("float"):
        return numbers.astype(dtype)
    whole = numbers.fillna(0)
    limit = np.iinfo(dtype).max
    strange = (whole < 0) | (whole > limit) | (whole != np.floor(whole))
    check_rows(strange, values, column, f"a whole number from 0 to {limit}", name, ids)
    return whole.astype(dtype)


def _text(values: pd.Series[Any], column: str, name: str, ids: pd.Series[Any] | None) -> pd.Series[Any]:
    """Texts; those that people choose from a list as the list has them."""
    text = values.astype(object).where(values.notna(), "").astype(str)
    choices: tuple[str, ...] = {"status": STATUS, "class": CLASSES}.get(column, ())
    if choices:
        plain = {choice.lower(): choice for choice in choices} | ({"": STATUS[0]} if column == "status" else {})
        known = text.str.strip().str.lower()
        listed = ", ".join(filter(None, choices))
        check_rows(~known.isin(list(plain)), values, column, f"one of {listed}, or empty", name, ids)
        text = known.map(plain)
    return text.astype("str")


def _flags(values: pd.Series[Any], column: str, name: str, ids: pd.Series[Any] | None) -> pd.Series[Any]:
    text = values.astype(object).where(values.notna(), "").astype(str).str.strip().str.lower()
    check_rows(~text.isin(list(_FLAGS)), values, column, "true or false", name, ids)
    return text.map(_FLAGS).astype(bool)


def _days(values: pd.Series[Any], column: str, name: str, ids: pd.Series[Any] | None) -> pd.Series[Any]:
    if values.dtype.kind == "M":
        return values.dt.tz_localize(None) if values.dt.tz is not None else values
    return days(values, column, name, ids)


def _check_ids(ids: pd.Series[Any], name: str) -> None:
    """Refuse a number that two slopes have; 0 is none."""
    twice = ids[(ids != 0) & ids.duplicated(keep=False)]
    if len(twice):
        first = twice.iloc[0]
        rows = np.flatnonzero(ids == first)
        raise ProductError(
            f"{name}: id must be another in each row, instead {first} is in {rows_named(rows)}: "
            "clear it where a slope was copied or split, it gets a new one"
        )


def _attributes(path: Path, layer: str | int, frame: gpd.GeoDataFrame, name: str) -> dict[str, Any]:
    """What the table was written with."""
    kept = frame.attrs
    if path.suffix.lower() == ".gpkg":
        kept = pyogrio.read_info(path.absolute(), layer=layer)["layer_metadata"] or {}
    # GDAL adds some of its own, in capitals; older files hold what is none of theirs.
    attributes: dict[str, Any] = {key: v for key, v in kept.items() if not key.isupper() and key not in OF_A_RUN}
    for key in _NUMBERS:
        if key in attributes:
            try:
                attributes[key] = float(attributes[key])
            except (TypeError, ValueError) as error:
                raise ProductError(f"{name}: {key} must be a number, instead got {attributes[key]!r:.80}") from error
    return attributes
