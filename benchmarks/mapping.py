"""The embedded model over a region, beside the bare network."""

from __future__ import annotations

import json

import numpy as np
import torch
import xarray as xr

from benchmarks.measure import Case
from insarflow.kernels.noise import complex_noise
from insarflow.learn.weights import load_model
from insarflow.types import Window


def case(size: int) -> Case:
    """The model through dask; the bare network on one tile without halo."""
    phase = complex_noise(Window(0, 0, size, size), width=size, seed=2, stream=0)
    ds = xr.Dataset(
        {"igram": (("y", "x"), phase), "coherence": (("y", "x"), np.full(phase.shape, 0.7, np.float32))},
        {"y": -20.0 * np.arange(size), "x": 20.0 * np.arange(size)},
    )
    ds.attrs["recipe"] = json.dumps(list(load_model("default")[1].recipe.steps))
    ds = ds.rio.write_crs("EPSG:32632").chunk(y=1024, x=1024)
    network = load_model("default")[0].eval().to(memory_format=torch.channels_last)
    tile = torch.zeros(1, 3, size, size).contiguous(memory_format=torch.channels_last)

    def bare() -> object:
        with torch.inference_mode():
            return torch.sigmoid(network(tile))

    return Case(
        "segment, whole line", lambda: ds.insar.segment()["probability"].values, size * size,
        {"bare network": (bare, size * size)}, threads=False,
    )  # fmt: skip
