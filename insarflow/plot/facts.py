"""What a stack holds, in words, from its metadata alone: nothing is computed."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyproj
import xarray as xr
from pyproj.exceptions import ProjError

from insarflow.errors import SchemaError
from insarflow.plot.choice import single, title
from insarflow.schema import CELLS, SPACE, recipe_of
from insarflow.stack.georeference import grid_of, pixel_size_m
from insarflow.stack.labels import pairs_of
from insarflow.types import Pair

LONGEST: Final = 100
"""Letters of one text; what is longer is cut."""

MOST: Final = 12
"""Things of one kind that are listed; the rest is counted."""


def short(value: object) -> str:
    """`value` as text of bounded length, on one line."""
    text = " ".join(str(value)[: 2 * LONGEST].split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def listed(texts: list[str]) -> str:
    """First of `texts`, and how many more there are."""
    more = len(texts) - MOST
    return ", ".join(map(short, texts[:MOST])) + (f" and {more} more" if more > 0 else "")


def facts(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Lines of what is known: name and text. A dataset that is no stack has lines that say what is missing."""
    return [*_pairs(ds), *_place(ds), *_radar(ds), *_recipe(ds)]


def variables(ds: xr.Dataset) -> list[tuple[str, str]]:
    """Name of each variable with its dimensions, dtype and size."""
    rows = []
    for name, variable in list(ds.data_vars.items())[:MOST]:
        kept = "" if variable.chunks is None else ", lazy"
        rows.append(
            (short(name), f"({listed(list(map(str, variable.dims)))}) {variable.dtype}, {_size(variable)}{kept}")
        )
    more = len(ds.data_vars) - MOST
    return [*rows, ("…", f"{more} more")] if more > 0 else rows


def known_pairs(ds: xr.Dataset) -> list[Pair]:
    """Interferograms of a stack, or the one that `ds` is; none where dates or delays are missing or damaged."""
    if set(CELLS) <= set(ds.coords) and (ds["date"].dtype.kind, ds["delay"].dtype.kind) != ("M", "m"):
        return []
    try:
        if set(CELLS) <= set(ds.dims):
            return pairs_of(ds)
        pair = single(ds, None)[1]
    except (SchemaError, ValueError, TypeError):
        return []
    return [] if pair is None else [pair]


def next_steps(ds: xr.Dataset) -> list[str]:
    """Calls that make sense now."""
    try:
        done = [step.get("operation") for step in recipe_of(ds).steps]
    except SchemaError:
        done = []
    steps = []
    if "igram" in ds:
        steps += ["ds.insar.plot.phase()"] + ["ds.insar.coherence()"] * ("coherence" not in ds)
        steps += ["ds.insar.goldstein()"] * ("goldstein" not in done)
        steps += ["ds.insar.segment()"] * ("probability" not in ds and "coherence" in ds)
    if set(CELLS) <= set(ds.dims):
        steps += ["ds.insar.pairs", "ds.insar.plot.network()"]
    if "probability" in ds:
        steps += ["ds.insar.inventory()", "ds.insar.plot.inventory()"]
    return [*steps, "ds.insar.explore()"] if steps else ["insarflow.open_stack(source)"]


def _pairs(ds: xr.Dataset) -> list[tuple[str, str]]:
    if not set(CELLS) & set(ds.dims):
        pairs = known_pairs(ds)
        return [("interferogram", title(pairs[0]) if pairs else "one or none: no dimensions date and delay")]
    missing = [d for d in CELLS if d not in ds.dims or d not in ds.coords]
    if missing:
        return [("interferograms", f"unknown: no {' and no '.join(missing)}")]
    pairs = known_pairs(ds)
    if not pairs:
        return [("interferograms", "none, or dates and delays that are no times: see insarflow.normalise_time")]
    days = sorted({d for p in pairs for d in (p.reference, p.secondary)})
    delays = sorted({p.delay_days for p in pairs})
    lazy = "valid" not in ds or ds["valid"].chunks is not None
    return [
        ("interferograms", f"{'up to ' * lazy}{len(pairs)}, on {ds.sizes['date']} dates x {ds.sizes['delay']} delays"),
        ("acquisitions", f"{len(days)}, {str(days[0])[:10]} to {str(days[-1])[:10]}"),
        ("delays", f"{listed([str(d) for d in delays])} days"),
    ]


def _place(ds: xr.Dataset) -> list[tuple[str, str]]:
    if not set(SPACE) <= set(ds.dims):
        return [("size", f"no pixels: dimensions are {listed(list(map(str, ds.dims))) or 'none'}")]
    rows = [("size", f"{ds.sizes['y']} x {ds.sizes['x']} pixels (y, x)")]
    try:
        size, grid = pixel_size_m(ds), grid_of(ds)
        crs = pyproj.CRS.from_wkt(grid.crs)
        x, dx, _, y, _, dy = grid.transform
        (left, right), (low, high) = sorted((x, x + dx * grid.shape[1])), sorted((y, y + dy * grid.shape[0]))
        to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        west, south, east, north = to_degrees.transform_bounds(left, low, right, high)
    except (SchemaError, ProjError, TypeError, ValueError) as error:
        return [*rows, ("place", f"unknown: {short(error)}")]
    if size is not None:
        rows.append(("pixel", f"{size[0]:.3g} m x {size[1]:.3g} m"))
    rows.append(("CRS", short(crs.name)))
    rows.append(("bounds", f"{west:.4f}, {south:.4f}, {east:.4f}, {north:.4f}° (west, south, east, north)"))
    return rows


def _radar(ds: xr.Dataset) -> list[tuple[str, str]]:
    rows = []
    wavelength = ds.attrs.get("wavelength")
    if isinstance(wavelength, int | float | np.number):
        rows.append(("wavelength", f"{float(wavelength) * 100:.4g} cm"))
    words = [f"{ds.attrs[n]}" for n in ("platform", "pass") if n in ds.attrs]
    words += [f"relative orbit {ds.attrs['relative_orbit']}"] if "relative_orbit" in ds.attrs else []
    return [*rows, ("satellite", listed(words))] if words else rows


def _recipe(ds: xr.Dataset) -> list[tuple[str, str]]:
    try:
        steps: list[Any] = [step.get("operation", "?") for step in recipe_of(ds).steps]
    except SchemaError:
        return [("recipe", "the attribute 'recipe' is not insarflow's")]
    return [("recipe", " → ".join(map(short, steps[:MOST])) + " → …" * (len(steps) > MOST))] if steps else []


def _size(array: xr.DataArray) -> str:
    size = float(array.size * array.dtype.itemsize)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.1f} GB"
