"""Time series, stacking and statistics on Mexico City, beside what PyRate made of the same interferograms."""

import numpy as np
import pytest
import rasterio

from insarflow.ops.pair_statistics import pair_statistics
from insarflow.ops.stacking import stacking_rate
from insarflow.ops.timeseries import timeseries
from insarflow.stack.store import open_stack


@pytest.fixture(scope="module")
def product(data):
    return data / "mexico-city-s1-stack"


@pytest.fixture(scope="module")
def stack(product):
    """Each interferogram referenced to its own median."""
    ds = open_stack(product).load()
    median = ds["unwrapped"].median(("y", "x"))
    return ds.assign(unwrapped=(ds["unwrapped"] - median).astype(np.float32).assign_attrs(ds["unwrapped"].attrs))


def test_coherence_statistics_are_pyrates(product, stack):
    statistics = pair_statistics(stack)
    for name in ("mean", "median", "std"):
        with rasterio.open(product / "expected_pyrate" / f"coh_{name}.tif") as file:
            np.testing.assert_allclose(statistics[name], file.read(1), rtol=0, atol=3e-7)


def test_rates(stack):
    """README: -102 and +208 mm/yr of motion away."""
    rate = stacking_rate(stack)
    np.testing.assert_allclose(np.nanpercentile(-1000 * rate["velocity"], [1, 99]), [-102, 208], atol=0.5)
    series = timeseries(stack)
    known = np.isfinite(series["velocity"]) & np.isfinite(rate["velocity"])
    apart = (series["velocity"] - rate["velocity"]).where(known)
    # The line through the dates and the stack of pairs weigh the dates differently.
    assert np.corrcoef(series["velocity"].values[known], rate["velocity"].values[known])[0, 1] > 0.99
    assert float((abs(apart) < 3 * series["velocity_std"]).where(known).mean()) > 0.98
    assert float(series["temporal_coherence"].median()) > 0.95


def test_residual_topography_beside_pyrates(product, stack):
    """PyRate divides by the sine of the look angle, not of the incidence, and takes a spanning tree of pairs."""
    with rasterio.open(product / "expected_pyrate" / "dem_error.tif") as file:
        theirs = file.read(1)
    series = timeseries(stack, weights="uniform", residual_topography=True)
    incidence, distance = float(stack["incidence"].mean()), stack.attrs["slant_range"]
    assert distance == pytest.approx(802.8e3, abs=500)
    radius = 6_371e3 + 2_240
    orbit = np.sqrt(radius**2 + distance**2 + 2 * radius * distance * np.cos(incidence))
    sine = radius * np.sin(incidence) / orbit
    ours = series["residual_topography"].values * sine / np.sin(incidence)
    known = np.isfinite(ours) & np.isfinite(theirs)
    assert known.mean() > 0.97
    assert np.corrcoef(ours[known], theirs[known])[0, 1] > 0.85
    assert np.polyfit(theirs[known], ours[known], 1)[0] == pytest.approx(1.0, abs=0.05)
    error = (series["residual_topography_std"].values * sine / np.sin(incidence))[known]
    # PyRate's reference is a pixel: the difference has a constant.
    apart = (ours - theirs)[known] - np.median((ours - theirs)[known])
    assert np.sqrt(np.mean((apart / error) ** 2)) < 0.7
    for name, earlier, delay in (("20180412-20180518", "2018-04-12", 36), ("20180130-20180412", "2018-01-30", 72)):
        screen = np.load(product / "expected_pyrate" / f"{name}_ifg_20_dem_error.npy")
        baseline = stack["perpendicular_baseline"].sel(date=earlier, delay=np.timedelta64(delay, "D"))
        # mm of motion away, with the contract's sign of the baseline.
        expected = -1000 * float(baseline) * theirs / (distance * sine)
        there = np.isfinite(expected)
        assert np.polyfit(expected[there], screen[there], 1)[0] == pytest.approx(1.0, abs=0.03)
