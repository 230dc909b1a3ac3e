import dask
import numpy as np
import pytest
import xarray as xr

from insarflow.types import Recipe


def draw_igram(shape, seed=0, missing=0.05):
    """Noisy fringes with missing pixels."""
    rng = np.random.default_rng(seed)
    phase = 0.2 * np.arange(shape[-1]) + rng.normal(0, 0.8, shape)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * phase)
    z[rng.uniform(size=shape) < missing] = np.nan
    return z.astype(np.complex64)


@pytest.fixture(autouse=True)
def _one_thread():
    """Block functions run one after the other, which is faster for many tiny ones."""
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.fixture
def stack():
    """A small stack with all kinds of variables; its last cell is absent."""
    igram = draw_igram((2, 2, 41, 54))
    igram[-1, -1] = np.nan
    rng = np.random.default_rng(1)
    coherence = np.where(np.isnan(igram), np.nan, rng.uniform(0.1, 0.95, igram.shape)).astype(np.float32)
    dims = ("date", "delay", "y", "x")
    spatial_ref = xr.DataArray(0, attrs={"crs_wkt": "LOCAL", "GeoTransform": "500.0 20.0 0.0 4000.0 0.0 -10.0"})
    return xr.Dataset(
        {
            "igram": (dims, igram, {"units": "1", "grid_mapping": "spatial_ref"}),
            "coherence": (dims, coherence, {"units": "1", "grid_mapping": "spatial_ref"}),
            "dem": (("y", "x"), rng.uniform(0, 3000, (41, 54)).astype(np.float32)),
            "water": (("y", "x"), rng.uniform(size=(41, 54)) < 0.1),
            "perpendicular_baseline": (("date", "delay"), np.float32([[1, 2], [3, np.nan]])),
            "valid": (("date", "delay"), np.array([[True, True], [True, False]])),
        },
        {
            "date": np.array(["2021-07-03", "2021-07-09"], "datetime64[ns]"),
            "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]"),
            "y": ("y", 3995.0 - 10.0 * np.arange(41), {"units": "m"}),
            "x": ("x", 510.0 + 20.0 * np.arange(54), {"units": "m"}),
            "spatial_ref": spatial_ref,
        },
        attrs={"wavelength": 0.0555, "recipe": Recipe().then("read", product="made up").to_json()},
    )
