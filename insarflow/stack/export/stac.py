"""What a catalogue tells of the files: STAC, one Item an interferogram and one Collection for the stack.

Words are those of STAC 1.1 and its extensions ``insar``, ``sar``, ``sat``, ``view`` and ``projection`` (2.0). What the
stack does not tell is left out, and so is an extension of which nothing is known.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyproj

from insarflow.constants import SPEED_OF_LIGHT
from insarflow.errors import StoreError
from insarflow.schema import recipe_of
from insarflow.stack.export.footprint import footprint
from insarflow.stack.export.layers import Layer, Stack, read, software
from insarflow.stack.georeference import pixel_size_m
from insarflow.types import Grid, Pair, Window

STAC_VERSION: Final = "1.1.0"

EXTENSIONS: Final = {
    "insar": "https://stac-extensions.github.io/insar/v1.0.0/schema.json",
    "sar": "https://stac-extensions.github.io/sar/v1.3.0/schema.json",
    "sat": "https://stac-extensions.github.io/sat/v1.2.0/schema.json",
    "view": "https://stac-extensions.github.io/view/v1.1.0/schema.json",
    "proj": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
}
"""Schemas by the prefix of their words."""

COLLECTION: Final = "collection.json"

_COG: Final = "image/tiff; application=geotiff; profile=cloud-optimized"

_ROLES: Final = {"igram": "phase", "unwrapped": "unwrapped_phase", "coherence": "coherence", "amplitude": "amplitude"}
"""Roles of assets by the ``insar`` extension."""

_BANDS: Final = ("P", 0.25), ("L", 1.0), ("S", 2.0), ("C", 4.0), ("X", 8.0), ("Ku", 12.0), ("K", 18.0), ("Ka", 27.0)
"""Radar bands and the frequency at which each begins, GHz (IEEE 521); P as radars in space use it."""


def write_catalogue(stack: Stack, folder: Path, *, name: str) -> list[Path]:
    """Write ``collection.json`` and ``<pair>.json`` for the files that `insarflow.stack.export.cog.write_cog` has made.

    Parameters
    ----------
    stack
        What the files hold.
    folder
        Where they are; links are relative to it.
    name
        Identifier of the collection.

    Returns
    -------
    list of Path
        The files, the collection first.

    Raises
    ------
    StoreError
        If a file cannot be written.

    Notes
    -----
    An Item lasts from the earlier to the later acquisition (``start_datetime``, ``end_datetime``); ``datetime`` is the
    middle. Without ``acquisition_times`` in the stack the time is midnight.
    """
    shared = _shared(stack)
    made: dict[Path, dict[str, Any]] = {}
    extents = []
    for group in stack.groups():
        if group[0].pair is not None:
            item = _item(group, group[0].pair, stack, shared, name)
            made[folder / f"{item['id']}.json"] = item
            extents.append((item["properties"]["start_datetime"], item["properties"]["end_datetime"]))
    static = [layer for group in stack.groups() for layer in group if layer.pair is None]
    times = [min(a for a, _ in extents), max(b for _, b in extents)] if extents else _whole_time(stack)
    collection = _collection(stack, static, list(made), times, name)
    files = {folder / COLLECTION: collection, **made}
    try:
        for path, content in files.items():
            path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    except OSError as error:
        raise StoreError(f"{folder / COLLECTION} and its Items cannot be written: {error}") from error
    return list(files)


def _item(layers: list[Layer], pair: Pair, stack: Stack, shared: dict[str, Any], name: str) -> dict[str, Any]:
    start, end = (_time(day, stack) for day in (pair.reference, pair.secondary))
    properties = {
        "datetime": _utc(start + (end - start) // 2),
        "start_datetime": _utc(start),
        "end_datetime": _utc(end),
        "insar:reference_datetime": _utc(start),
        "insar:secondary_datetime": _utc(end),
        "insar:temporal_baseline": pair.delay_days,
        **shared,
    }
    if np.isfinite(layers[0].baseline):
        properties["insar:perpendicular_baseline"] = round(layers[0].baseline, 4)
    geometry, box = footprint(stack.grid)
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": _used(properties),
        "id": pair.name,
        "collection": name,
        "geometry": geometry,
        "bbox": box,
        "properties": properties,
        "links": [{"rel": rel, "href": f"./{COLLECTION}", "type": "application/json"} for rel in _UP],
        "assets": {layer.word: _asset(layer) for layer in layers},
    }


_UP: Final = ("root", "parent", "collection")


def _collection(stack: Stack, static: list[Layer], items: list[Path], times: list[str], name: str) -> dict[str, Any]:
    _, box = footprint(stack.grid)
    content: dict[str, Any] = {
        "type": "Collection",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": name,
        "title": "Stack of radar interferograms",
        "description": f"{len(items)} radar interferograms of one grid, and what they share; by {software()}.",
        "license": "other",
        "extent": {"spatial": {"bbox": [box]}, "temporal": {"interval": [times]}},
        "links": [
            {"rel": "root", "href": f"./{COLLECTION}", "type": "application/json"},
            *({"rel": "item", "href": f"./{path.name}", "type": "application/geo+json"} for path in items),
        ],
    }
    if static:
        where = _projection(stack.grid)
        content["assets"] = {layer.word: _asset(layer) | where for layer in static}
        content["stac_extensions"] = _used(where)
    return content


def _asset(layer: Layer) -> dict[str, Any]:
    role = _ROLES.get(layer.variable)
    asset = {
        "href": f"./{layer.name}.tif",
        "type": _COG,
        "title": layer.long_name,
        "roles": ["data", *([role] if role else [])],
        "data_type": layer.dtype.name,
    }
    if layer.dtype.kind == "f":
        asset["nodata"] = "nan"
    if layer.units != "1":
        asset["unit"] = layer.units
    return asset


def _shared(stack: Stack) -> dict[str, Any]:
    """Properties that all Items have."""
    attrs = stack.pairs.attrs
    found: dict[str, Any] = {**_projection(stack.grid), **_platform(attrs.get("platform")), **_view(stack)}
    metres = pixel_size_m(stack.pairs)
    if metres is not None:
        found["gsd"] = round(max(metres), 3)
    if attrs.get("wavelength"):
        frequency = SPEED_OF_LIGHT / float(attrs["wavelength"]) / 1e9
        found["sar:center_frequency"] = round(frequency, 6)
        below = [band for band, low in _BANDS if low <= frequency]
        if below and frequency < 40.0:
            found["sar:frequency_band"] = below[-1]
    looks = attrs.get("looks")
    if looks is not None and len(looks) == 2:
        found |= {"sar:looks_azimuth": int(looks[0]), "sar:looks_range": int(looks[1])}
    if attrs.get("pass") in ("ascending", "descending"):
        found["sat:orbit_state"] = attrs["pass"]
    if attrs.get("relative_orbit") is not None:
        found["sat:relative_orbit"] = int(attrs["relative_orbit"])
    return {**found, "insarflow:recipe": list(recipe_of(stack.pairs).steps)}


def _projection(grid: Grid) -> dict[str, Any]:
    crs = pyproj.CRS.from_wkt(grid.crs)
    code = crs.to_authority()
    x, x_step, x_skew, y, y_skew, y_step = grid.transform
    place: dict[str, Any] = {
        "proj:code": None if code is None else ":".join(code),
        "proj:shape": list(grid.shape),
        "proj:transform": [x_step, x_skew, x, y_skew, y_step, y],
    }
    return place if code is not None else {**place, "proj:wkt2": crs.to_wkt("WKT2_2019")}


def _platform(platform: object) -> dict[str, Any]:
    """``platform`` and ``constellation`` as STAC writes them: lower case, in full."""
    if not platform:
        return {}
    satellites = [word.strip() for word in str(platform).split(",")]
    short = [re.fullmatch(r"(?:S1|Sentinel-1)([A-D])", word, re.IGNORECASE) for word in satellites]
    if all(short):
        names = [f"sentinel-1{match[1].lower()}" for match in short if match is not None]
        return {"constellation": "sentinel-1", **({"platform": names[0]} if len(names) == 1 else {})}
    return {"platform": str(platform).lower()}


def _view(stack: Stack) -> dict[str, Any]:
    """Incidence in the middle of the grid, and the direction in which the satellite looked, clockwise from north."""
    middle = Window(stack.grid.shape[0] // 2, stack.grid.shape[1] // 2, 1, 1)
    names = [n for n in ("incidence", "los_east", "los_north") if n in stack.static]
    values = {name: float(read(stack.pairs[name].data, middle)[0, 0]) for name in names}
    found = {}
    if math.isfinite(values.get("incidence", math.nan)):
        found["view:incidence_angle"] = round(math.degrees(values["incidence"]), 3)
    east, north = (values.get(name, math.nan) for name in ("los_east", "los_north"))
    if math.isfinite(east + north):
        found["view:azimuth"] = round(math.degrees(math.atan2(-east, -north)) % 360.0, 3)
    return found


def _used(properties: dict[str, Any]) -> list[str]:
    """Schemas of the extensions whose words are used."""
    prefixes = {key.split(":")[0] for key in properties if ":" in key}
    return [schema for prefix, schema in EXTENSIONS.items() if prefix in prefixes]


def _whole_time(stack: Stack) -> list[str]:
    return [_utc(_time(pick, stack)) for pick in (stack.names[0].reference, max(p.secondary for p in stack.names))]


def _time(day: np.datetime64, stack: Stack) -> np.datetime64:
    """When the satellite was there: midnight if only the day is known."""
    times = json.loads(stack.pairs.attrs.get("acquisition_times") or "{}")
    milliseconds = round(1000.0 * float(times.get(str(day)[:10], 0.0)))
    moment: np.datetime64 = day.astype("datetime64[ms]") + np.timedelta64(milliseconds, "ms")
    return moment


def _utc(moment: np.datetime64) -> str:
    return f"{moment.astype('datetime64[ms]')}Z"
