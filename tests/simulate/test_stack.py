import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.schema import recipe_of, validate
from insarflow.simulate.stack import simulate_stack

OPTIONS = {"seed": 5, "acquisitions": 4, "delays": (6, 12), "movers": 6}


@pytest.fixture(scope="module")
def simulated():
    return simulate_stack((96, 112), **OPTIONS)


def test_stack_follows_the_contract(simulated):
    stack, _ = simulated
    validate(stack)
    assert dict(stack.sizes) == {"date": 3, "delay": 2, "y": 96, "x": 112}
    assert {"igram", "coherence", "dem", "incidence", "los_east", "los_north", "los_up"} < set(stack.data_vars)
    assert list(stack.delay.values.astype("timedelta64[D]").astype(int)) == [6, 12]
    assert str(stack.date.values[0])[:10] == "2021-07-03"
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert stack.attrs["looks"] == [2, 8]
    assert stack.attrs["pass"] in ("ascending", "descending")
    (step,) = recipe_of(stack).of("simulate")
    version = step.pop("insarflow")
    assert version == insarflow.__version__
    assert step == {
        "operation": "simulate",
        "seed": 5,
        "shape": [96, 112],
        "pixel_size": 20.0,
        "start": "20210703",
        "acquisitions": 4,
        "delays": [6, 12],
        "movers": 6,
    }


def test_pairs_that_do_not_exist_are_missing(simulated):
    stack, _ = simulated
    np.testing.assert_array_equal(stack.valid, [[True, True], [True, True], [True, False]])
    for name in ("igram", "coherence"):
        missing = np.isnan(stack[name]).values
        np.testing.assert_array_equal(missing.all(axis=(2, 3)), ~stack.valid)
        np.testing.assert_array_equal(missing.any(axis=(2, 3)), ~stack.valid)


def test_same_seed_same_stack(simulated):
    for a, b in zip(simulated, simulate_stack((96, 112), **OPTIONS), strict=True):
        xr.testing.assert_identical(a.compute(), b.compute())
    other, _ = simulate_stack((96, 112), **OPTIONS | {"seed": 6})
    assert not np.array_equal(other.dem, simulated[0].dem)


def test_line_of_sight_is_a_unit_vector_up(simulated):
    stack, _ = simulated
    length = stack.los_east**2 + stack.los_north**2 + stack.los_up**2
    np.testing.assert_allclose(length, 1, rtol=1e-6)
    np.testing.assert_allclose(stack.los_up, np.cos(stack.incidence), rtol=1e-6)
    assert (float(stack.los_east[0, 0]) < 0) == (stack.attrs["pass"] == "ascending")


def test_baselines_are_differences_of_positions(simulated):
    stack, _ = simulated
    six, twelve = stack.perpendicular_baseline.values.T
    assert np.abs(six).max() > 1
    np.testing.assert_allclose(twelve[:2], six[:2] + six[1:], rtol=1e-5)


def test_truth_is_about_the_same_pixels(simulated):
    stack, truth = simulated
    for name in ("y", "x", "date", "delay", "spatial_ref"):
        xr.testing.assert_identical(truth[name], stack[name])
    numbers = np.unique(truth.label)
    np.testing.assert_array_equal(numbers, [0, *truth.mover])
    assert truth.visible.dims == ("date", "delay", "mover")
    assert truth.sizes["mover"] > 2
    assert not truth.los_rate.values[truth.label.values == 0].any()
    expected = [np.abs(truth.los_rate.values[truth.label.values == n]).max() for n in truth.mover.values]
    np.testing.assert_allclose(truth.peak_rate, expected)


def test_visible_movers_against_a_loop(simulated):
    stack, truth = simulated
    for i, j, k in np.ndindex(truth.visible.shape):
        body = truth.label.values == truth.mover.values[k]
        days = stack.delay.values[j] / np.timedelta64(1, "D")
        phase = 4 * np.pi / SENTINEL1_WAVELENGTH * float(truth.peak_rate[k]) * days / 365.25
        gamma = stack.coherence.values[i, j][body]
        expected = bool(stack.valid[i, j]) and phase >= 0.8 and gamma.mean() >= 0.3
        assert bool(truth.visible[i, j, k]) == expected
    assert truth.visible.values.any()
    assert not truth.visible.values.all()


def test_ground_is_that_of_a_grid_in_metres(simulated):
    stack, _ = simulated
    np.testing.assert_allclose(np.diff(stack.x), 20)
    np.testing.assert_allclose(np.diff(stack.y), -20)
    assert "32632" in stack.spatial_ref.attrs["crs_wkt"]


@pytest.mark.parametrize("delays", [(), (7,), (24,)])
def test_delays_that_give_no_pair(delays):
    message = r"^delays must hold a multiple of 6 up to 18 days for 4 acquisitions, instead got delays="
    with pytest.raises(ValueError, match=message):
        simulate_stack((32, 32), acquisitions=4, delays=delays)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"movers": -3}, "^movers must be a whole number of at least 0"),
        ({"acquisitions": 1}, "^acquisitions must be a whole number of at least 2"),
        ({"seed": -1}, "^seed must be a whole number of at least 0"),
        ({"delays": (-6,)}, "^delay must be a whole positive number of days"),
        ({"shape": (1, 32)}, "^shape must be a whole number of at least 2"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(ValueError, match=words):
        simulate_stack(**{"shape": (32, 32), **options})


def test_delays_in_any_form():
    forms = [simulate_stack((16, 16), acquisitions=3, delays=[d])[0] for d in (6, "6D", np.timedelta64(6, "D"))]
    assert len({tuple(f["delay"].values.tolist()) for f in forms}) == 1
