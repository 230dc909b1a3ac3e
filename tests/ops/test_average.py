import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2
from strategies import chunkings

import insarflow
from insarflow.errors import MissingVariableError, NetworkError
from insarflow.ops.average import average
from insarflow.ops.deramp import deramp
from insarflow.ops.reference import reference
from insarflow.schema import recipe_of
from insarflow.simulate.scene import Scenario
from insarflow.types import Recipe


@pytest.fixture(scope="module")
def season():
    """30 pairs of 6 days over moving slopes, a constant of its own on each; the truth; phase of the truth in 6 days."""
    fast = Scenario(slides={"speed": (0.2, 0.5), "creep": (0.2, 0.5)})
    ds, truth = insarflow.simulate_stack((128, 128), seed=3, acquisitions=31, delays=[6], movers=4, scenario=fast)
    truth = truth[["label", "los_rate"]].compute()
    moved = -4 * np.pi / ds.attrs["wavelength"] * truth["los_rate"].values * 6 / 365.25
    # Motion that never pauses, and noise that no pair shares, so that it is known what the mean must be.
    rng = np.random.default_rng(0)
    shape = ds["igram"].shape
    noisy = moved + rng.uniform(-np.pi, np.pi, shape[:2])[..., None, None] + rng.normal(0, 0.5, shape)
    igram = ds["igram"].copy(data=np.exp(1j * noisy).astype(np.complex64))
    coherence = ds["coherence"].copy(data=rng.uniform(0.4, 0.8, shape).astype(np.float32))
    return ds.assign(igram=igram, coherence=coherence), truth["label"].values > 0, moved


def error_of(phase, moves, moved):
    """Root mean square of the phase's error on what moves, relative to what does not."""
    error = np.exp(1j * (phase - moved))
    error *= np.exp(-1j * np.angle(error[~moves].mean()))
    return np.sqrt((np.angle(error[moves]) ** 2).mean())


def test_referenced_it_shows_what_moves_unreferenced_it_is_noise(season):
    ds, moves, moved = season
    assert moves.mean() > 0.01
    assert np.abs(moved).max() > 0.3
    mean = average(ds)
    assert error_of(np.angle(mean["igram"].values[0]), moves, moved) < 0.15
    one = deramp(ds.isel(date=[4]))["igram"].values[0, 0]
    assert error_of(np.angle(one), moves, moved) > 0.3
    unreferenced = insarflow.circular_mean(ds, "date").values[0]
    assert error_of(unreferenced, moves, moved) > 0.2
    # Resultants: those of 30 random directions against those of phase of that noise.
    assert insarflow.circular_std(ds, "date").values.mean() > 1.2
    assert mean["resultant"].mean() > 0.6
    assert (mean["pairs"] == 30).all()
    by_coherence = average(ds, weights="coherence")
    assert error_of(np.angle(by_coherence["igram"].values[0]), moves, moved) < 0.15


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("weights", ["uniform", "coherence"])
def test_it_is_the_oracles(stack, weights):
    flat = reference(deramp(stack))
    z = flat["igram"].values.astype(complex)
    w = stack["coherence"].values if weights == "coherence" else ~np.isnan(z)
    phasors = np.nansum(w * z / np.abs(z), axis=0) / np.where(np.isnan(z), 0, w).sum(axis=0)
    mean = average(stack, weights=weights)
    assert mean["igram"].dims == mean["resultant"].dims == mean["pairs"].dims == ("delay", "y", "x")
    there = (~np.isnan(z)).any(axis=0)
    np.testing.assert_array_equal(mean["pairs"], (~np.isnan(z)).sum(axis=0))
    np.testing.assert_allclose(mean["resultant"].values[there], np.abs(phasors)[there], atol=1e-5)
    sure = there & (np.abs(phasors) > 0.01)
    np.testing.assert_allclose(mean["igram"].values[sure], (phasors / np.abs(phasors))[sure], atol=1e-4)
    np.testing.assert_allclose(np.abs(mean["igram"].values[there]), 1, atol=1e-6)
    assert np.isnan(mean["igram"].values[~there]).all()
    assert np.isnan(mean["resultant"].values[~there]).all()


def test_steps_that_were_taken_are_not_taken_again(stack):
    done = [step["operation"] for step in recipe_of(average(stack)).steps]
    assert done == ["read", "deramp", "reference", "average"]
    before = reference(deramp(stack, order="quadratic"), statistic="median")
    mean = average(before)
    assert [step["operation"] for step in recipe_of(mean).steps] == done
    xr.testing.assert_equal(mean["igram"], average(before, order=None)["igram"])
    x, y = float(stack["x"][9]), float(stack["y"][30])
    again = average(before, point=(x, y))
    assert [s["operation"] for s in recipe_of(again).steps] == ["read", "deramp", "reference", "reference", "average"]
    tilted = average(stack, order=None)
    assert [step["operation"] for step in recipe_of(tilted).steps] == ["read", "reference", "average"]
    assert recipe_of(tilted).steps[-1] == {"operation": "average", "weights": "uniform", "pool": False}
    stable = stack["water"].rename("stable")
    xr.testing.assert_identical(average(stack, mask=stable), average(stack.assign(stable=stable), mask="stable"))


def unwrapped_of(stack, rate):
    days = stack["delay"].values / np.timedelta64(1, "D")
    values = np.where(np.isnan(stack["igram"]), np.nan, rate * days[:, None, None]).astype(np.float32)
    return stack.assign(unwrapped=stack["igram"].copy(data=values))


def test_pooled_rates(stack):
    y, x = np.ogrid[:41, :54]
    rate = 0.1 * np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 50)
    ds = unwrapped_of(stack, rate)
    ds["unwrapped"] += xr.DataArray([[5.0, -7.0], [30.0, 0.0]], dims=("date", "delay")).astype("float32")
    for weights in ("uniform", "coherence"):
        mean = average(ds, pool=True, order=None, statistic="median", weights=weights)
        assert mean["rate"].dims == mean["velocity"].dims == ("y", "x")
        there = mean["pairs"].values > 0
        np.testing.assert_array_equal(mean["pairs"], (~np.isnan(ds["unwrapped"])).sum(("date", "delay")))
        np.testing.assert_allclose(mean["rate"].values[there], rate[there] - np.median(rate), atol=0.01)
        np.testing.assert_allclose(mean["velocity"], mean["rate"] * (-0.0555 / 4 / np.pi * 365.25), rtol=1e-5)
        np.testing.assert_allclose(mean["velocity_std"], mean["rate_std"] * (0.0555 / 4 / np.pi * 365.25), rtol=1e-5)
        assert (mean["rate_std"].notnull() == (mean["pairs"] > 1)).all()
    units = [mean[name].attrs["units"] for name in ("rate", "rate_std", "velocity", "velocity_std", "pairs")]
    assert units == ["rad/day", "rad/day", "m/yr", "m/yr", "1"]
    assert set(average(ds.drop_attrs(), pool=True)) == {"rate", "rate_std", "pairs"}


def noisy(delays=(6, 12, 18), dates=14, side=40, seed=5):
    """Steady motion seen through noise of the acquisitions, all pairs of some delays; the rate, rad per day."""
    rng = np.random.default_rng(seed)
    rate = rng.normal(0, 0.02, (side, side))
    rate -= rate.mean()
    seen = 6 * np.arange(dates)[:, None, None] * rate + 0.7 * rng.normal(size=(dates, side, side))
    phase = np.full((dates - 1, len(delays), side, side), np.nan, np.float32)
    for i, j in np.ndindex(phase.shape[:2]):
        later = i + delays[j] // 6
        if later < dates:
            phase[i, j] = seen[later] - seen[i]
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset(
        {
            "unwrapped": (dims, phase),
            "coherence": (dims, rng.uniform(0.2, 0.9, phase.shape).astype(np.float32)),
            "valid": (dims[:2], ~np.isnan(phase[..., 0, 0])),
        },
        {
            "date": np.datetime64("2021-07-03", "ns") + 6 * np.arange(dates - 1) * np.timedelta64(1, "D"),
            "delay": np.array(delays, "timedelta64[D]").astype("timedelta64[ns]"),
        },
    )
    return ds, rate


@pytest.mark.parametrize("weights", ["uniform", "coherence"])
@pytest.mark.parametrize("delays", [(6,), (6, 12, 18), (6, 36)])
def test_errors_of_pooled_rates_are_as_large_as_stated(delays, weights):
    """The mean square error over the mean of the stated variances, which is unbiased: within what chance allows."""
    ds, rate = noisy(delays)
    mean = average(ds, pool=True, order=None, weights=weights)
    error, stated = mean["rate"].values - rate, mean["rate_std"].values
    low, high = chi2.ppf([1e-5, 1 - 1e-5], rate.size) / rate.size
    assert low < np.mean(error**2) / np.mean(stated**2) < high


def test_pairs_taken_as_independent_would_misstate_the_error_of_a_pooled_rate():
    for delays, wrong in (((6,), 2.5), ((6, 12, 18), 1.5)):
        ds, rate = noisy(delays)
        mean = average(ds, pool=True, order=None)
        rates = ds["unwrapped"].values / np.array(delays)[:, None, None]
        naive = np.nanstd(rates, axis=(0, 1)) / np.sqrt(mean["pairs"].values)
        actual = np.std(mean["rate"].values - rate)
        assert naive.mean() > wrong * actual
        assert mean["rate_std"].values.mean() == pytest.approx(actual, rel=0.15)


def test_a_pooled_rate_and_its_error_by_hand():
    ds = noisy(side=6)[0]
    lost = np.random.default_rng(2).uniform(size=ds["unwrapped"].shape) < 0.3
    done = Recipe().then("read").then("reference").to_json()
    ds = ds.assign(unwrapped=ds["unwrapped"].where(~xr.DataArray(lost, dims=ds["unwrapped"].dims))).assign_attrs(
        recipe=done
    )
    for weights in ("uniform", "coherence"):
        mean = average(ds, pool=True, order=None, weights=weights)
        for y, x in np.ndindex(6, 6):
            phase, gamma = (ds[name].values[..., y, x].astype(float) for name in ("unwrapped", "coherence"))
            cells = np.argwhere(np.isfinite(phase))
            t, b = 6.0 * (cells[:, 1] + 1), np.zeros((len(cells), 14))
            b[np.arange(len(cells)), cells[:, 0]] = -1
            b[np.arange(len(cells)), cells[:, 0] + cells[:, 1] + 1] = 1
            p, w = phase[tuple(cells.T)], gamma[tuple(cells.T)] if weights == "coherence" else np.ones(len(cells))
            c = w / t / w.sum()
            own = ((p - t * (c @ p)) ** 2).sum() / np.linalg.norm((np.eye(len(t)) - np.outer(t, c)) @ b) ** 2
            assert mean["rate"].values[y, x] == pytest.approx(c @ p, rel=1e-5, abs=1e-7)
            assert mean["rate_std"].values[y, x] == pytest.approx(np.sqrt(own) * np.linalg.norm(c @ b), rel=1e-4)
            assert mean["pairs"].values[y, x] == len(cells)


@settings(max_examples=5)
@given(data=st.data())
def test_any_chunks_give_the_same_bits(data):
    rng = np.random.default_rng(0)
    shape = (5, 2, 40, 31)
    igram = np.exp(1j * rng.normal(1, 0.7, shape)).astype(np.complex64)
    igram[rng.uniform(size=shape) < 0.1] = np.nan
    coherence = rng.uniform(0, 1, shape).astype(np.float32)
    dims = ("date", "delay", "y", "x")
    ds = xr.Dataset(
        {"igram": (dims, igram), "coherence": (dims, coherence), "unwrapped": (dims, 9 * coherence)},
        {
            "date": np.datetime64("2021-07-03", "ns") + 6 * np.arange(5) * np.timedelta64(1, "D"),
            "delay": np.array([6, 12], "timedelta64[D]").astype("timedelta64[ns]"),
        },
    )
    cut = ds.chunk(dict(zip(dims, data.draw(chunkings(shape)), strict=True)))
    for how in ({"weights": "coherence"}, {"pool": True}, {"pool": True, "weights": "coherence"}):
        xr.testing.assert_identical(average(cut, **how).compute(), average(ds, **how))


def test_nothing_is_computed_and_absent_cells_are_not_looked_at(stack, forbid_compute):
    def fail(block, block_info=None):
        (date, _), (delay, _) = block_info[0]["array-location"][:2]
        assert (date, delay) != (1, 1)
        return block

    cut = stack.chunk(date=1, delay=1, y=30, x=30).assign(valid=stack["valid"])
    cut = cut.assign(
        {n: cut[n].copy(data=cut[n].data.map_blocks(fail, dtype=cut[n].dtype)) for n in ("igram", "coherence")}
    )
    with forbid_compute():
        mean = average(cut, weights="coherence")
    xr.testing.assert_identical(mean.compute(), average(stack, weights="coherence"))
    whole = unwrapped_of(stack, 0.1 * np.ones((41, 54)))
    cut = cut.assign(unwrapped=whole["unwrapped"].chunk(date=1, delay=1, y=30, x=30))
    cut["unwrapped"] = cut["unwrapped"].copy(data=cut["unwrapped"].data.map_blocks(fail, dtype=np.float32))
    with forbid_compute():
        mean = average(cut, pool=True)
    xr.testing.assert_identical(mean.compute(), average(whole, pool=True))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: average(s, pool=True), MissingVariableError, "^average needs the variable 'unwrapped'"),
        (
            lambda s: average(unwrapped_of(s, np.ones((41, 54))).assign(valid=s["valid"] & False), pool=True),
            NetworkError,
            "^average needs interferograms, instead got valid=False everywhere$",
        ),
        (
            lambda s: average(unwrapped_of(s, np.ones((41, 54))).drop_vars("date"), pool=True),
            ValueError,
            r"^average needs dates and delays to pool, as datetime64 and timedelta64, instead got date of int64 and "
            r"delay of timedelta64\[ns\]: assign them with ds.assign_coords$",
        ),
        (
            lambda s: average(unwrapped_of(s, np.ones((41, 54))).assign_coords(delay=-s["delay"]), pool=True),
            ValueError,
            r"^delay must be positive to be pooled, instead got \[-6.0, -12.0\] days: swap dates and signs$",
        ),
        (
            lambda s: average(s.drop_vars("coherence"), weights="coherence"),
            MissingVariableError,
            "^average needs .*'coh",
        ),
        (
            lambda s: average(s, weights="best"),
            ValueError,
            r"^weights must be one of \('uniform', 'coherence'\), instead",
        ),
        (lambda s: average(s, pool=1), TypeError, "^pool must be True or False, instead got pool=1"),
        (lambda s: average(s, order="cubic"), ValueError, "^order must be one of"),
        (
            lambda s: average(insarflow.to_pairs(s)),
            ValueError,
            r"^average needs igram with the dims \('date', .*from_pairs",
        ),
    ],
)
def test_bad_input(stack, call, error, message):
    with pytest.raises(error, match=message):
        call(stack)
