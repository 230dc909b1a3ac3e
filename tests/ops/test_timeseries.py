import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import MissingVariableError, NetworkError, SchemaError
from insarflow.ops.layer import read_blocks
from insarflow.ops.network import edges_of
from insarflow.ops.pair_statistics import pair_statistics
from insarflow.ops.stacking import stacking_rate
from insarflow.ops.timeseries import timeseries

SHAPE = (13, 17)
WAVELENGTH = 0.0555
RANGE = 850e3


def draw_stack(seed=0, noise=0.0):
    """Seven dates, every 6 days, pairs of 6 and 12 days: steady motion and a wrong terrain model."""
    rng = np.random.default_rng(seed)
    days = np.datetime64("2021-07-03", "ns") + 6 * np.arange(7) * np.timedelta64(1, "D")
    delays = np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]")
    baseline = rng.normal(0, 90, 7)
    incidence = np.full(SHAPE, 0.6, np.float32) + np.linspace(0, 0.1, SHAPE[1], dtype=np.float32)
    velocity, height = rng.normal(0, 0.1, SHAPE), rng.normal(0, 15, SHAPE)
    years = 6 * np.arange(7) / 365.25
    motion = years[:, None, None] * velocity + noise * rng.normal(size=(7, *SHAPE))
    phase = np.full((6, 2, *SHAPE), np.nan)
    pair_baseline, valid = np.full((6, 2), np.nan, np.float32), np.zeros((6, 2), bool)
    for i in range(6):
        for j in range(min(2, 6 - i)):
            later = i + j + 1
            b = baseline[later] - baseline[i]
            topography = -4 * np.pi * b * height / (WAVELENGTH * RANGE * np.sin(incidence))
            phase[i, j] = -4 * np.pi / WAVELENGTH * (motion[later] - motion[i]) + topography
            pair_baseline[i, j], valid[i, j] = b, True
    coherence = np.where(np.isnan(phase), np.nan, rng.uniform(0.2, 0.95, phase.shape))
    dims = ("date", "delay", "y", "x")
    place = {"grid_mapping": "spatial_ref"}
    ds = xr.Dataset(
        {
            "unwrapped": (dims, phase.astype(np.float32), place),
            "coherence": (dims, coherence.astype(np.float32), place),
            "perpendicular_baseline": (dims[:2], pair_baseline),
            "valid": (dims[:2], valid),
            "incidence": (dims[2:], incidence),
            "los_up": (dims[2:], np.cos(incidence)),
        },
        {"date": days[:6], "delay": delays, "y": -10.0 * np.arange(13), "x": 20.0 * np.arange(17), "spatial_ref": 0},
        {"wavelength": WAVELENGTH, "looks": [2, 8], "slant_range": RANGE},
    )
    return ds, velocity, height


def missing(ds, share=0.1):
    """`ds` with some pixels of some pairs missing."""
    lost = np.random.default_rng(7).uniform(size=ds["unwrapped"].shape) < share
    return ds.assign(unwrapped=ds["unwrapped"].where(~xr.DataArray(lost, dims=ds["unwrapped"].dims)))


def test_exact_data_give_the_truth():
    ds, velocity, height = draw_stack()
    for weights in ("coherence", "uniform"):
        series = timeseries(ds, weights=weights, residual_topography=True)
        np.testing.assert_allclose(series["velocity"], velocity, atol=2e-6)
        np.testing.assert_allclose(series["residual_topography"], height, atol=2e-3)
        years = (series["date"].values - series["date"].values[0]) / np.timedelta64(31_557_600, "s")
        np.testing.assert_allclose(series["displacement"], years[:, None, None] * velocity, atol=1e-7)
        assert (series["pairs"] == 11).all()
        assert not series["closure_errors"].any()
    assert series["displacement"].attrs["grid_mapping"] == "spatial_ref"
    assert list(series["pair"].values[:2]) == ["20210703_20210709", "20210703_20210715"]
    assert "los_up" in series
    assert "timeseries" in series.attrs["recipe"]
    assert "residual_topography" not in timeseries(ds)


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    ds = missing(draw_stack(noise=0.003)[0])
    run = {"residual_topography": True, "drop_flagged": True}
    whole, rate, statistics = timeseries(ds, **run), stacking_rate(ds), pair_statistics(ds)
    chunks = data.draw(chunkings(ds["unwrapped"].shape))
    cut = ds.chunk(dict(zip(ds["unwrapped"].dims, chunks, strict=True)))
    cut["valid"], cut["perpendicular_baseline"] = ds["valid"], ds["perpendicular_baseline"]
    xr.testing.assert_identical(timeseries(cut, **run).compute(), whole)
    xr.testing.assert_identical(stacking_rate(cut).compute(), rate)
    xr.testing.assert_identical(pair_statistics(cut).compute(), statistics)


def test_lazy_and_only_present_cells_are_read(forbid_compute):
    ds = draw_stack(noise=0.003)[0]
    absent = ~ds["valid"].values

    class Store:
        def __init__(self, values):
            self.values, self.shape, self.dtype = values, values.shape, values.dtype

        def __getitem__(self, index):
            assert not absent[index[:2]].any()
            return self.values[index]

    stored = {
        name: (ds[name].dims, read_blocks(Store(ds[name].values), (1, 1, 8, 8), name))
        for name in ("unwrapped", "coherence")
    }
    lazy = ds.assign(stored)
    point = float(ds["x"][3]), float(ds["y"][5])
    with forbid_compute():
        series = timeseries(lazy, reference=point, troposphere=delays(ds).chunk(y=5))
        rate, statistics = stacking_rate(lazy, reference=point), pair_statistics(lazy)
    with dask.config.set(scheduler="sync"):
        expected = timeseries(ds, reference=point, troposphere=delays(ds))
        for name in expected.data_vars:
            np.testing.assert_array_equal(series[name].compute(), expected[name], err_msg=name)
        np.testing.assert_array_equal(rate["velocity"].compute(), stacking_rate(ds, reference=point)["velocity"])
        np.testing.assert_array_equal(statistics["median"].compute(), pair_statistics(ds)["median"])
    assert (expected["displacement"][:, 5, 3] == delays(ds)[:, 5, 3] - delays(ds)[0, 5, 3]).mean() < 1
    assert (stacking_rate(ds, reference=point)["velocity"][5, 3] == 0).all()


def delays(ds):
    """Delay in the air on all days, and on one that no pair has."""
    days = np.datetime64("2021-06-27") + 6 * np.arange(8)
    air = np.random.default_rng(3).normal(0, 0.01, (8, *SHAPE)).astype(np.float32)
    return xr.DataArray(air, {"date": days.astype("datetime64[ns]")}, ("date", "y", "x"), attrs={"units": "m"})


def test_troposphere():
    """A longer path is seen as motion away; taken off, the motion is what it was."""
    ds, velocity, _ = draw_stack()
    air = delays(ds)
    later = ds["date"] + ds["delay"]
    first = air.sel(date=ds["date"].values).values[:, None]
    second = air.reindex(date=later.values.ravel()).values.reshape(ds["unwrapped"].shape)
    ds = ds.assign(unwrapped=ds["unwrapped"] + np.float32(4 * np.pi / WAVELENGTH) * (second - first))
    corrected = timeseries(ds, residual_topography=True, troposphere=air)
    np.testing.assert_allclose(corrected["velocity"], velocity, atol=1e-5)
    assert np.abs(timeseries(ds, residual_topography=True)["velocity"] - velocity).max() > 0.05


def test_reference_is_subtracted():
    ds, velocity, _ = draw_stack()
    shifted = ds.assign(unwrapped=ds["unwrapped"] + np.float32(3.3))
    series = timeseries(shifted, residual_topography=True, reference=(61.0, -52.0))
    np.testing.assert_allclose(series["velocity"], velocity - velocity[5, 3], atol=5e-6)


def test_components_are_never_joined():
    ds = draw_stack()[0]
    valid = ds["valid"].copy()
    valid[2, :], valid[1, 1] = False, False
    ds = ds.assign(valid=valid, unwrapped=ds["unwrapped"].where(valid), coherence=ds["coherence"].where(valid))
    parts = r"\(2021-07-03, 2021-07-09, 2021-07-15\) and \(2021-07-21, 2021-07-27, 2021-08-02, 2021-08-08\)"
    with pytest.raises(NetworkError, match=rf"^the pairs must join all dates for timeseries, instead .* {parts}; form"):
        timeseries(ds)
    series = timeseries(ds, connected=False)
    assert series["component"].values.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert (series["displacement"].values[[0, 3]] == 0).all()
    assert np.isfinite(series["displacement"]).all()


def test_what_a_pixel_does_not_know_is_missing():
    ds = draw_stack()[0]
    phase = ds["unwrapped"].copy()
    phase[0, :, 0, 0] = np.nan
    phase[5, 0, 0, 1] = phase[4, 1, 0, 1] = np.nan
    phase[:, :, 0, 2] = np.nan
    series = timeseries(ds.assign(unwrapped=phase))
    assert np.isnan(series["displacement"][:, 0, 0]).all()
    assert np.isfinite(series["velocity"][0, 0])
    assert np.isnan(series["displacement"][:, 0, 1]).values.tolist() == [False] * 6 + [True]
    assert np.isnan(series["velocity"][0, 2])
    assert series["pairs"].values[0, :3].tolist() == [9, 9, 0]
    empty = timeseries(ds.assign(unwrapped=phase * np.nan))
    assert np.isnan(empty["displacement"]).all()


def test_stacking_by_hand():
    ds = missing(draw_stack(noise=0.004)[0], 0.3)
    edges = edges_of(ds, "unwrapped", to="test")
    phase = ds["unwrapped"].values[tuple(edges.cells.T)].astype(float) * -WAVELENGTH / (4 * np.pi)
    spans = np.array([6 if cell[1] == 0 else 12 for cell in edges.cells]) / 365.25
    incidence = np.zeros((len(spans), 7))
    incidence[np.arange(len(spans)), edges.pairs[:, 0]] = -1
    incidence[np.arange(len(spans)), edges.pairs[:, 1]] = 1
    for method in ("least-squares", "sum"):
        rates = stacking_rate(ds, method=method), stacking_rate(ds, method=method, noise=0.004)
        for i, j in [(0, 0), (3, 5), (12, 16)]:
            used = np.isfinite(phase[:, i, j])
            t, p, b = spans[used], phase[used, i, j], incidence[used]
            c = t / (t @ t) if method == "least-squares" else np.ones(t.size) / t.sum()
            rate = c @ p
            own = ((p - rate * t) ** 2).sum() / np.linalg.norm((np.eye(t.size) - np.outer(t, c)) @ b) ** 2
            for result, variance in zip(rates, (own, 0.004**2), strict=True):
                assert result["velocity"][i, j] == pytest.approx(rate, rel=1e-5)
                assert result["velocity_std"][i, j] == pytest.approx(
                    np.sqrt(variance) * np.linalg.norm(b.T @ c), rel=1e-4
                )
                assert result["pairs"][i, j] == used.sum()


def test_statistics_by_hand():
    ds = missing(draw_stack()[0].rename(unwrapped="c", coherence="unwrapped"), 0.5).rename(unwrapped="coherence")
    statistics = pair_statistics(ds)
    values = ds["coherence"].values[ds["valid"].values].astype(float)
    np.testing.assert_allclose(statistics["mean"], np.nanmean(values, axis=0), rtol=1e-7)
    np.testing.assert_allclose(statistics["median"], np.nanmedian(values, axis=0), rtol=1e-7)
    np.testing.assert_allclose(statistics["std"], np.nanstd(values, axis=0), rtol=1e-6, atol=1e-8)
    np.testing.assert_array_equal(statistics["pairs"], np.isfinite(values).sum(axis=0))


def without(name):
    return lambda ds: ds.drop_vars(name)


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (without("unwrapped"), {}, MissingVariableError, "^timeseries needs the variable 'unwrapped', .*: unwrap the"),
        (without("coherence"), {}, MissingVariableError, "^timeseries needs the variable 'coherence' .*'uniform'$"),
        (lambda ds: ds.assign_coords(delay=-ds["delay"]), {}, SchemaError, "^delay must be whole positive days"),
        (lambda ds: ds.drop_attrs(), {}, ValueError, "^timeseries needs the attribute 'wavelength'"),
        (lambda ds: ds.assign_attrs(wavelength=-1), {}, ValueError, "^wavelength must be more than 0 m, instead"),
        (lambda ds: ds.assign(valid=ds["valid"] & False), {}, NetworkError, "^timeseries needs interferograms, inst"),
        (None, {"weights": "x"}, ValueError, "^weights must be one of .*, instead got weights='x'$"),
        (None, {"looks": 0.1}, ValueError, "^looks must be at least 1, instead got looks=0.1$"),
        (None, {"noise": 0}, ValueError, "^noise must be more than 0 m, instead got noise=0$"),
        (None, {"connected": 1}, TypeError, "^connected must be True or False, instead got connected=1"),
        (None, {"reference": 3.0}, TypeError, r"^reference must be a point \(x, y\) in map coordinates, instead got"),
        (None, {"reference": (1e6, 0.0)}, ValueError, "^reference must lie inside the image, x from 0.0 to 320.0, in"),
        (
            lambda ds: ds.assign(unwrapped=ds["unwrapped"].where(ds["x"] > 0)),
            {"reference": (0.0, 0.0)}, ValueError,
            "^reference must be a pixel that every pair has, instead got NaN there in 11 of 11 pairs, such as 2021",
        ),
        (lambda ds: ds.isel(date=[0], delay=[0]), {"residual_topography": True}, NetworkError,
         "^timeseries needs at least 3 connected dates for velocity and residual topography, instead got"),
        (without("perpendicular_baseline"), {"residual_topography": True}, MissingVariableError,
         "^timeseries needs the variable 'perpendicular_baseline' for residual_topography=True"),
        (without("incidence"), {"residual_topography": True}, MissingVariableError, "^timeseries needs .* 'incidence'"),
        (lambda ds: ds.assign(perpendicular_baseline=ds["perpendicular_baseline"] * np.nan),
         {"residual_topography": True}, ValueError, "^perpendicular_baseline must be known for every pair, instead"),
        (lambda ds: ds.assign(perpendicular_baseline=ds["perpendicular_baseline"] * 0),
         {"residual_topography": True}, ValueError, "^perpendicular_baseline must vary, and otherwise than steadily"),
        (lambda ds: ds.assign(perpendicular_baseline=ds["perpendicular_baseline"].chunk()),
         {"residual_topography": True}, ValueError, "^perpendicular_baseline must be in memory, instead got a lazy"),
        (lambda ds: ds.assign_attrs(slant_range=-2), {"residual_topography": True}, ValueError,
         "^slant_range must be more than 0 m, instead got slant_range=-2$"),
    ],
)  # fmt: skip
def test_bad_input(change, arguments, error, message):
    ds = draw_stack()[0]
    with pytest.raises(error, match=message):
        timeseries(ds if change is None else change(ds), **arguments)


def test_more_bad_input():
    ds = draw_stack()[0]
    with pytest.raises(ValueError, match=r"^slant_range must be given \(m\) for residual_topography=True, because"):
        timeseries(ds.assign_attrs({"slant_range": None}), residual_topography=True)
    del ds.attrs["looks"]
    with pytest.raises(
        ValueError, match=r"^looks must be given, as the stack has neither the attribute effective_looks nor looks$"
    ):
        timeseries(ds)
    air = delays(ds)
    for wrong, message in (
        (air.isel(date=slice(3)), "^troposphere must hold every date of the network, instead got none for .'2021-07-"),
        (air.assign_attrs(units="rad"), "^troposphere must be in m, instead got units='rad': convert it$"),
        (air.isel(x=slice(5)), "^troposphere must have the reference's sizes"),
        (air.isel(date=0), "^troposphere must have dims"),
    ):
        with pytest.raises(ValueError, match=message):
            timeseries(ds, weights="uniform", troposphere=wrong)
    with pytest.raises(ValueError, match=r"^method must be one of .*, instead got method='mean'$"):
        stacking_rate(ds, method="mean")
    with pytest.raises(TypeError, match=r"^wrapped must be float32 or float64, instead got complex64$"):
        pair_statistics(ds.assign(wrapped=ds["coherence"].astype("complex64")), "wrapped")
    with pytest.raises(ValueError, match=r"^wrapped must not be wrapped phase to be averaged"):
        pair_statistics(ds.assign(wrapped=ds["coherence"]), "wrapped")
    with pytest.raises(ValueError, match=r"^incidence must have the dimensions"):
        pair_statistics(ds, "incidence")
