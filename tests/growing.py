"""A stack that grows, and a network that costs nothing: what moves is what is coherent."""

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import xarray as xr

from insarflow.stack.append import append_pairs
from insarflow.stack.georeference import georeference
from insarflow.stack.write import write_stack
from insarflow.types import Grid

SHAPE = (48, 64)
RECIPE = [
    {"operation": "goldstein", "patch_size": 32, "step": 16, "alpha": 0.5, "min_valid": 0.5, "amplitude": "input"}
]
A, B, C, D = (4, 4, 10, 10), (4, 24, 8, 8), (28, 6, 8, 12), (26, 40, 9, 9)
"""Slopes: first row, first column, rows, columns."""


def outline(slope):
    """Rectangle of a slope in the CRS of the stack."""
    row, col, rows, cols = slope
    left, top = 5e5 + 20 * col, 5.1e6 - 20 * row
    return left, top - 20 * rows, left + 20 * cols, top


def images(first, count, slopes, step=None):
    """Interferograms of 6 and 12 days that begin at `count` dates, the first being number `first`; these move.

    With `step`, rad in 6 days, the ground around is coherent enough to measure them.
    """
    rng = np.random.default_rng(first)
    coherence = np.full((count, 2, *SHAPE), 0.05, np.float32)
    for row, col, rows, cols in slopes:
        coherence[..., row : row + rows, col : col + cols] = 0.9
    phase = rng.uniform(-3, 3, coherence.shape)
    if step is not None:
        phase = rng.normal(0, 0.05, coherence.shape) + np.where(coherence > 0.5, step * np.array([[[1]], [[2]]]), 0.0)
        coherence[coherence < 0.5] = 0.33
    igram = np.exp(1j * phase).astype(np.complex64)
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset(
        {"igram": (dims, igram), "coherence": (dims, coherence), "valid": (dims[:2], np.ones((count, 2), bool))},
        coords={
            "date": np.datetime64("2021-01-01", "ns") + (first + np.arange(count)) * np.timedelta64(6, "D"),
            "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]"),
        },
        attrs={"recipe": json.dumps(RECIPE), **({} if step is None else {"wavelength": 0.0555})},
    )
    return georeference(ds, Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), SHAPE, "EPSG:32632"))


def begin(path, slopes, count=2, **more):
    """A store with the first dates."""
    return write_stack(images(0, count, slopes, **more), path)


def grow(path, first, slopes, count=1, **more):
    """Append interferograms of later dates."""
    return append_pairs(images(first, count, slopes, **more), path)


def read(folder):
    """The table of a folder, by id."""
    return gpd.read_file(Path(folder) / "inventory.gpkg", layer="inventory").set_index("id")


def edit(folder, change):
    """Let somebody work on the file, as with geopandas: `change` takes and gives the table."""
    path = Path(folder) / "inventory.gpkg"
    frame = change(gpd.read_file(path, layer="inventory"))
    path.unlink()
    pyogrio.write_dataframe(frame, path, layer="inventory")
