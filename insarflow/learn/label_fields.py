"""What the fields of a file of polygons hold, and what they could mean: names differ from survey to survey."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd

from insarflow.errors import ProductError
from insarflow.learn.label_files import days, delays, read_frame
from insarflow.stack.georeference import crs_name

SHOWN: Final = 5
"""Values of a field that are told."""

_LONG: Final = 40
_FEW: Final = 20
_WORDS: Final = re.compile(r"[a-z]+")

Fits = Callable[["pd.Series[Any]"], bool]


def _whole(low: int) -> Fits:
    def fits(column: pd.Series[Any]) -> bool:
        numbers = pd.to_numeric(column, errors="coerce")
        return bool(((numbers >= low) & (numbers == numbers.round())).all())

    return fits


def _few(column: pd.Series[Any]) -> bool:
    return bool(column.astype(str).nunique() <= _FEW)


def _levels(column: pd.Series[Any]) -> list[str]:
    """Values of confidence as text, unless all are 0 to 1."""
    within = bool(pd.to_numeric(column, errors="coerce").between(0, 1).all())
    return [] if within else sorted(column.astype(str).unique())


def _confidence(column: pd.Series[Any]) -> bool:
    return not _levels(column) or _few(column)


def _parsed(parse: Callable[..., Any]) -> Fits:
    def fits(column: pd.Series[Any]) -> bool:
        try:
            parse(column, "", "")
        except ProductError:
            return False
        return True

    return fits


class _Meaning(NamedTuple):
    """How a field of some meaning is known: a word of its name begins so, and its values can be that."""

    words: tuple[str, ...]
    fits: Fits


_MEANINGS: Final[Mapping[str, _Meaning]] = {
    "confidence": _Meaning(("conf", "cert", "reliab", "fiab"), _confidence),
    "repetition": _Meaning(("rep", "occur", "recur"), _whole(0)),
    "class": _Meaning(("class", "type", "kind", "categ", "nature"), _few),
    "status": _Meaning(("status", "review"), _few),
    "first": _Meaning(("first", "start", "begin"), _parsed(days)),
    "last": _Meaning(("last", "end", "until"), _parsed(days)),
    "date": _Meaning(("date", "reference"), _parsed(days)),
    "delay": _Meaning(("delay", "span"), _parsed(delays)),
    "id": _Meaning(("id", "fid", "objectid", "ident", "num"), _whole(1)),
}


def describe_fields(source: str | Path | gpd.GeoDataFrame) -> dict[str, Any]:
    """Facts about a file of polygons.

    Parameters
    ----------
    source
        As of `insarflow.learn.labels.read_labels`.

    Returns
    -------
    dict
        That JSON can hold. ``polygons``, how many; ``shapes``, how many of each kind; ``crs``; ``bounds`` in it;
        ``fields``, of each ``name``, ``type``, ``empty`` (rows without a value), ``values`` (the first that differ),
        ``different`` (how many do), and ``could_be``, what it could mean to `read_labels`, or None; ``fields_map``,
        a column for each such meaning; ``levels``, the values of confidence that `read_labels` must be told a level of.

    Raises
    ------
    TypeError
        If `source` is neither a path nor a GeoDataFrame.
    ProductError
        If the file is missing, of another kind, or damaged.

    Examples
    --------
    >>> import shapely
    >>> frame = gpd.GeoDataFrame({"CONF_IDX": [1, 3]}, geometry=[shapely.box(0, 0, 1, 1)] * 2, crs="EPSG:4326")
    >>> describe_fields(frame)["fields_map"]
    {'confidence': 'CONF_IDX'}
    """
    frame, _ = read_frame(source)
    columns = [name for name in frame.columns if name != frame.geometry.name]
    meanings = suggested_fields(frame)
    meant = {column: meaning for meaning, column in meanings.items()}
    bounds = frame.total_bounds.tolist() if len(frame) else []
    return {
        "polygons": len(frame),
        "shapes": {str(kind): int(count) for kind, count in frame.geometry.geom_type.value_counts().items()},
        "crs": None if frame.crs is None else crs_name(frame.crs.to_wkt()),
        "bounds": [round(v, 7) for v in bounds] if np.isfinite(bounds).all() else [],
        "fields": [_told(frame[name], str(name), meant.get(str(name))) for name in columns],
        "fields_map": meanings,
        "levels": _levels(frame[meanings["confidence"]].dropna()) if "confidence" in meanings else [],
    }


def suggested_fields(frame: gpd.GeoDataFrame) -> dict[str, str]:
    """A column for each meaning that one could have, by its name and its values: ``{"confidence": "CONF_IDX"}``."""
    found: dict[str, str] = {}
    for meaning, known in _MEANINGS.items():
        for name in map(str, frame.columns):
            if name == frame.geometry.name or name in found.values():
                continue
            column = frame[name].dropna()
            named = any(word.startswith(known.words) for word in _WORDS.findall(name.lower()))
            if named and len(column) and known.fits(column.reset_index(drop=True)):
                found[meaning] = name
                break
    if len({"date", "delay"} & found.keys()) == 1:
        found = {meaning: name for meaning, name in found.items() if meaning not in ("date", "delay")}
    return found


def _told(column: pd.Series[Any], name: str, meaning: str | None) -> dict[str, Any]:
    there = column.dropna()
    texts = there.astype(str).unique()
    kind = "text" if column.dtype == object or pd.api.types.is_string_dtype(column) else str(column.dtype)
    return {
        "name": name,
        "type": kind,
        "empty": int(column.isna().sum()),
        "different": len(texts),
        "values": [text[:_LONG] for text in texts[:SHOWN]],
        "could_be": meaning,
    }
