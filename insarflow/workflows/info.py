"""What a stack or product holds, as plain facts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from insarflow.schema import recipe_of
from insarflow.stack.assemble import pairs_table
from insarflow.stack.georeference import pixel_size_m
from insarflow.stack.sources import SourceLike
from insarflow.stack.store import open_stack
from insarflow.workflows.sample import image_names, largest_block
from insarflow.workflows.selection import Selection


def describe_source(source: SourceLike, *, selection: Selection | None = None, fast: bool = False) -> dict[str, Any]:
    """Facts about a stack or product.

    Parameters
    ----------
    source
        Anything `insarflow.open_stack` opens.
    selection
        Part of the source that is wanted.
    fast
        Leave out what needs a pass over the data: ``mean_coherence`` and ``valid_fraction`` of the pairs, and the
        incidence are None.

    Returns
    -------
    dict
        That JSON can hold; ``pairs`` is a list with one dict per interferogram. ``size_gb`` is what the existing
        images take in memory, ``chunks`` the largest block ``[y, x]`` in pixels.

    Raises
    ------
    TypeError, ValueError
        If the selection is wrong.
    InsarError
        If the source is no stack and no product.
    """
    ds = open_stack(source, **(selection or {}))
    metres = pixel_size_m(ds)
    # Without its images, the table has nothing to pass over.
    table = pairs_table(ds.drop_vars(image_names(ds)) if fast and "valid" in ds else ds)
    facts: dict[str, Any] = {
        "source": str(source) if isinstance(source, str | Path) else [str(one) for one in source],
        "interferograms": len(table),
        "first": str(table["reference"].min())[:10],
        "last": str(table["secondary"].max())[:10],
        "delays_days": [int(d / np.timedelta64(1, "D")) for d in ds["delay"].values],
        "size": f"{ds.sizes['y']} rows x {ds.sizes['x']} columns",
        "size_gb": _gigabytes(ds, len(table)),
        "chunks": list(largest_block(ds)),
        "pixel_m": None if metres is None else [round(m, 2) for m in metres],
        "crs": ds.rio.crs.to_string(),
        "bounds": list(map(float, ds.rio.bounds())),
        "variables": sorted(map(str, ds.data_vars)),
    }
    incidence = math.degrees(float(ds["incidence"].mean())) if "incidence" in ds and not fast else None
    facts["incidence_deg"] = incidence if incidence is None else round(incidence, 2)
    heading = ds.attrs.get("heading")
    facts["heading_deg"] = heading if heading is None else round(math.degrees(heading), 2)
    facts["wavelength_m"] = _plain(ds.attrs.get("wavelength"))
    facts["track"] = _plain(ds.attrs.get("relative_orbit"))
    facts |= {name: _plain(ds.attrs[name]) for name in ("platform", "pass", "looks") if name in ds.attrs}
    if "ignored_files" in ds.attrs:
        facts["ignored_files"] = json.loads(ds.attrs["ignored_files"])
    facts["recipe"] = [", ".join(f"{k} {v}" for k, v in step.items()) for step in recipe_of(ds).steps]
    facts["pairs"] = [
        {"pair": str(name), **{column: _plain(value) for column, value in row.items() if column not in _DATES}}
        for name, row in table.iterrows()
    ]
    return facts


def describe_labels(source: str | Path) -> dict[str, Any]:
    """Facts about a file of polygons: its fields, some of their values, and what they could mean.

    Parameters
    ----------
    source
        A GeoPackage, GeoJSON, Shapefile or GeoParquet.

    Returns
    -------
    dict
        As `insarflow.learn.label_fields.describe_fields`, and ``labels``, the source.

    Raises
    ------
    ProductError
        If the file is missing, of another kind, or damaged.
    """
    # Stacks are described without geopandas and torch.
    from insarflow.learn.label_fields import describe_fields

    return {"labels": str(source), **describe_fields(source)}


_DATES = ("reference", "secondary")


def _gigabytes(ds: xr.Dataset, pairs: int) -> float:
    """Size in memory of the images of the existing interferograms."""
    pixels = pairs * ds.sizes["y"] * ds.sizes["x"]
    return round(pixels * sum(ds[name].dtype.itemsize for name in image_names(ds)) / 1e9, 3)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 9)
    return value
