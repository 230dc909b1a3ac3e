"""Slopes in interferograms: equal to plain means, and to the phase that was put in."""

import dask.array as da
import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import insarflow
from insarflow.errors import MissingVariableError
from insarflow.inventory import windows
from insarflow.inventory.observe import observe
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

SHAPE = (96, 110)
GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), SHAPE, "EPSG:32632")
WAVELENGTH = 0.055
MIDDLES = [(30, 30, 11), (60, 80, 8), (10, 103, 6)]
"""Row, column and radius of the slopes, pixels."""


def disc(row, col, radius):
    return shapely.Point(500_010.0 + 20.0 * col, 5_099_990.0 - 20.0 * row).buffer(20.0 * radius + 7.0)


@pytest.fixture(scope="module")
def slopes():
    return gpd.GeoDataFrame({"id": [7, 3, 9]}, geometry=[disc(*m) for m in MIDDLES], crs="EPSG:32632")


def motion(peak):
    """Phase of all slopes: a slow rim, a plug that moves as one."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    phase = np.zeros(SHAPE)
    for row, col, radius in MIDDLES:
        depth = 1.0 - np.hypot(y - row, x - col) / radius
        phase += peak * np.clip(depth / 0.45, 0.0, 1.0)
    return phase


@pytest.fixture(scope="module")
def stack():
    """Two dates by three delays, one pair missing; more phase with every delay."""
    rng = np.random.default_rng(0)
    peaks = np.array([[2.0, 4.0, 6.0], [-2.0, -4.0, 9.0]])
    phase = np.stack([[motion(p) for p in row] for row in peaks]) + rng.normal(0.0, 0.2, (2, 3, *SHAPE))
    igram = np.exp(1j * (phase + rng.uniform(-3, 3, (2, 3, 1, 1)))).astype(np.complex64)
    probability = np.clip(motion(1.0) + rng.normal(0.0, 0.1, (2, 3, *SHAPE)), 0.0, 1.0).astype(np.float32)
    coherence = rng.uniform(0.3, 0.9, igram.shape).astype(np.float32)
    valid = np.array([[True, True, True], [True, True, False]])
    for image in (igram, probability, coherence):
        image[~valid] = np.nan
        image[0, 1, :, 76:82] = np.nan
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset(
        {"igram": (dims, igram), "coherence": (dims, coherence), "probability": (dims, probability)},
        coords={
            "date": np.array(["2021-07-03", "2021-07-09"], "M8[ns]"),
            "delay": np.array([6, 12, 18], "m8[D]").astype("m8[ns]"),
        },
        attrs={"wavelength": WAVELENGTH, "pass": "ascending", "relative_orbit": 15},
    )
    ds["valid"] = (dims[:2], valid)
    return georeference(ds, GRID)


def test_the_phase_of_the_core_is_followed_through_the_fringes_of_the_rim(slopes, stack):
    seen = observe(slopes, stack, threshold=0.5)
    assert seen["pair"].values.tolist() == [
        "20210703_20210709", "20210703_20210715", "20210703_20210721", "20210709_20210715", "20210709_20210721",
    ]  # fmt: skip
    expected = {7: [2.0, 4.0, 6.0, -2.0, -4.0]}
    for number, peaks in expected.items():
        found = seen.sel(id=number)
        np.testing.assert_allclose(found["phase"], peaks, atol=0.25)
        assert (found["consistency"] > 0.8).all()
        assert (found["step"] < 2.0).all()
        assert (abs(found["phase"] - peaks) < 6 * found["phase_std"]).all()
    assert seen.attrs == {"wavelength": WAVELENGTH, "orbit": "ascending 15", "threshold": 0.5}


def test_numbers_are_plain_means_over_the_outline(slopes, stack):
    seen = observe(slopes, stack, threshold=0.5)
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    for number, outline in zip(slopes["id"], slopes.geometry, strict=True):
        inside = shapely.contains_xy(outline, 500_010.0 + 20.0 * x, 5_099_990.0 - 20.0 * y)
        for k, (i, j) in enumerate(np.argwhere(stack["valid"].values).tolist()):
            values = stack["probability"].values[i, j][inside]
            known = ~np.isnan(values)
            one = seen.sel(id=number).isel(pair=k)
            np.testing.assert_allclose(one["known"], known.mean(), rtol=1e-6)
            np.testing.assert_allclose(one["share"], (values[known] >= 0.5).mean(), rtol=1e-6)
            np.testing.assert_allclose(one["probability"], values[known].mean(), rtol=1e-5)
            np.testing.assert_allclose(one["coherence"], np.nanmean(stack["coherence"].values[i, j][inside]), rtol=1e-5)
    assert (seen["known"].sel(id=3, pair="20210703_20210715") < 0.8).item()
    assert (seen["margin"].sel(id=9) == 0.0).all(), "the grid ends beside it"
    assert (seen["margin"].sel(id=7) == 1.0).all()


def test_pixels_of_the_ring_that_move_are_not_stable_ground(slopes, stack):
    small = slopes.assign(geometry=slopes.geometry.buffer(-80.0))
    seen, without = (observe(small, ds, threshold=0.2) for ds in (stack, stack.drop_vars("probability")))
    one = {"id": 7, "pair": "20210703_20210715"}
    assert seen["phase"].sel(one) > without["phase"].sel(one)


@settings(max_examples=8, deadline=None)
@given(
    rows=st.integers(7, 96), cols=st.integers(7, 110), dates=st.integers(1, 2), delays=st.integers(1, 3),
    block=st.integers(16, 200),
)  # fmt: skip
def test_any_chunking_and_grouping_gives_the_same_numbers(slopes, stack, rows, cols, dates, delays, block):
    expected = observe(slopes, stack, threshold=0.5)
    lazy = stack.chunk({"date": dates, "delay": delays, "y": rows, "x": cols})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(windows, "_BLOCK", block)
        patched.setattr(windows, "_AT_ONCE", 2)
        xr.testing.assert_identical(observe(slopes, lazy, threshold=0.5), expected)


def test_of_a_store_only_the_windows_of_slopes_are_read(slopes, stack, tmp_path, monkeypatch):
    insarflow.write_stack(stack.drop_vars("probability"), tmp_path / "s.zarr", exact=True)
    stored = insarflow.open_stack(tmp_path / "s.zarr")
    seen = observe(slopes, stack.drop_vars("probability"), threshold=0.5)
    shapes = []
    read = windows._Stored.read
    monkeypatch.setattr(windows._Stored, "read", lambda w: (shapes.append(w.index[-2:]), read(w))[1])
    monkeypatch.setattr(windows, "_BLOCK", 64)
    xr.testing.assert_allclose(observe(slopes, stored, threshold=0.5), seen, atol=1e-2)
    assert shapes
    sizes = [(rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in shapes]
    assert max(sizes) < SHAPE[0] * SHAPE[1]


def test_without_valid_every_cell_is_looked_at(slopes, stack):
    seen = observe(slopes, stack.drop_vars("valid"), threshold=0.5)
    assert seen.sizes["pair"] == 6
    assert (seen["known"].isel(pair=-1) == 0.0).all()
    assert seen["phase"].isel(pair=-1).isnull().all()


def test_what_is_outside_or_too_large_is_not_told(slopes, stack, monkeypatch):
    far = slopes.assign(geometry=slopes.geometry.translate(1e6, 0.0))
    assert observe(far, stack, threshold=0.5)["known"].isnull().all()
    monkeypatch.setattr(windows, "LARGEST", 40 * 40)
    seen = observe(slopes, stack, threshold=0.5)
    assert seen["known"].isnull().all("pair").values.tolist() == [True, False, False]
    assert observe(slopes.iloc[:0], stack, threshold=0.5).sizes == {"id": 0, "pair": 5}


def test_only_what_is_there_is_looked_at(slopes, stack):
    seen = observe(slopes, stack[["probability", "valid"]], threshold=0.5)
    assert set(seen.data_vars) == {"known", "share", "probability", "margin"}
    seen = observe(slopes, stack[["igram", "valid"]], threshold=0.5)
    assert set(seen.data_vars) == {"known", "margin", "phase", "phase_std", "consistency", "step"}


def test_wrong_arguments_are_named(slopes, stack):
    with pytest.raises(MissingVariableError, match=r"looked at in 'probability' or 'igram', but the dataset holds"):
        observe(slopes, stack[["coherence"]], threshold=0.5)
    with pytest.raises(MissingVariableError, match="must have a column 'id', instead it has"):
        observe(slopes.drop(columns="id"), stack, threshold=0.5)
    with pytest.raises(ValueError, match="threshold must be a probability"):
        observe(slopes, stack, threshold=1.5)
    with pytest.raises(TypeError, match=r"needs an xarray\.Dataset"):
        observe(slopes, stack["igram"], threshold=0.5)


def test_lazy_images_beside_ones_in_memory(slopes, stack):
    mixed = stack.assign(igram=stack["igram"].copy(data=da.from_array(stack["igram"].values, chunks=(1, 1, 50, 60))))
    xr.testing.assert_identical(observe(slopes, mixed, threshold=0.5), observe(slopes, stack, threshold=0.5))
