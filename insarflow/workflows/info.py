"""What a stack or product holds, as plain facts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from insarflow.schema import recipe_of
from insarflow.stack.assemble import pairs_table
from insarflow.stack.georeference import pixel_size_m
from insarflow.stack.store import open_stack


def describe_source(source: str | Path) -> dict[str, Any]:
    """Facts about a stack or product that JSON can hold; ``pairs`` is a list with one dict per interferogram.

    Raises
    ------
    InsarError
        If the source is no stack and no product.
    """
    ds = open_stack(source)
    metres = pixel_size_m(ds)
    table = pairs_table(ds)
    facts: dict[str, Any] = {
        "source": str(source),
        "interferograms": len(table),
        "first": str(table["reference"].min())[:10],
        "last": str(table["secondary"].max())[:10],
        "delays_days": [int(d / np.timedelta64(1, "D")) for d in ds["delay"].values],
        "size": f"{ds.sizes['y']} rows x {ds.sizes['x']} columns",
        "pixel_m": None if metres is None else [round(m, 2) for m in metres],
        "crs": ds.rio.crs.to_string(),
        "bounds": list(map(float, ds.rio.bounds())),
        "variables": sorted(map(str, ds.data_vars)),
    }
    incidence = math.degrees(float(ds["incidence"].mean())) if "incidence" in ds else None
    facts["incidence_deg"] = incidence if incidence is None else round(incidence, 2)
    heading = ds.attrs.get("heading")
    facts["heading_deg"] = heading if heading is None else round(math.degrees(heading), 2)
    facts["wavelength_m"] = _plain(ds.attrs.get("wavelength"))
    facts |= {name: _plain(ds.attrs[name]) for name in ("platform", "pass", "looks") if name in ds.attrs}
    if "ignored_files" in ds.attrs:
        facts["ignored_files"] = json.loads(ds.attrs["ignored_files"])
    facts["recipe"] = [", ".join(f"{k} {v}" for k, v in step.items()) for step in recipe_of(ds).steps]
    facts["pairs"] = [
        {"pair": str(name), **{column: _plain(value) for column, value in row.items() if column not in _DATES}}
        for name, row in table.iterrows()
    ]
    return facts


_DATES = ("reference", "secondary")


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 9)
    return value
