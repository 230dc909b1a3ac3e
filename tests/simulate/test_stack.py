import dask
import numpy as np
import pytest
import xarray as xr
from scenes import still

import insarflow
from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.schema import recipe_of, validate
from insarflow.simulate import blocks
from insarflow.simulate.scene import Scenario
from insarflow.simulate.stack import simulate_stack

SHAPE = (48, 64)
SMALL = Scenario(slides={"density": 0.8, "size": (60.0, 200.0), "giants": 0.0})
OPTIONS = {"seed": 5, "acquisitions": 4, "delays": (6, 12), "movers": 1, "processing": "looks1x4", "scenario": SMALL}


@pytest.fixture(scope="module")
def lazy():
    return simulate_stack(SHAPE, **OPTIONS)


@pytest.fixture(scope="module")
def stack(lazy):
    return lazy[0].compute(scheduler="threads")


def refuse(*_, **__):
    pytest.fail("something was computed")


def test_stack_follows_the_contract(stack):
    validate(stack)
    assert dict(stack.sizes) == {"date": 3, "delay": 2, "y": 48, "x": 64}
    images = {"dem", "incidence", "los_east", "los_north", "los_up", "layover", "shadow", "water"}
    assert {"igram", "coherence", *images} < set(stack.data_vars)
    assert list(stack.delay.values.astype("timedelta64[D]").astype(int)) == [6, 12]
    assert str(stack.date.values[0])[:10] == "2021-07-03"
    assert stack.attrs["wavelength"] == SENTINEL1_WAVELENGTH
    assert stack.attrs["looks"] == [1, 4]
    assert stack.attrs["pass"] == "ascending"
    assert stack.igram.dtype == np.complex64
    assert {stack[name].dtype for name in ("layover", "shadow", "water")} == {np.dtype(bool)}


def test_recipe_tells_what_made_it(lazy):
    (step,) = recipe_of(lazy[0]).of("simulate")
    assert step.pop("insarflow") == insarflow.__version__
    assert step == {
        "operation": "simulate",
        "seed": 5,
        "shape": [48, 64],
        "pixel_size": 20.0,
        "start": "20210703",
        "acquisitions": 4,
        "delays": [6, 12],
        "movers": 1,
        "direction": "ascending",
        "processing": "looks1x4",
        "looks": [1, 4],
        "coherence_window": [2, 8],
        "resampling": "bilinear",
    }


def test_nothing_is_computed_before_it_is_asked_for():
    with dask.config.set(scheduler=refuse):
        large, truth = simulate_stack((8_000, 10_000), acquisitions=3, movers=0)
        part = large.isel(y=slice(700, 710), x=slice(5, 9))
    assert large.igram.data.chunksize == (1, 1, 512, 512)
    assert truth.label.data.chunksize == (512, 512)
    assert dask.is_dask_collection(part)


def test_blocks_are_parts_of_one_image(monkeypatch, lazy, stack):
    monkeypatch.setattr(blocks, "BLOCK", 40)
    smaller, truth = simulate_stack(SHAPE, **OPTIONS)
    assert smaller.igram.data.chunks[-2:] == ((40, 8), (40, 24))
    one = {"date": [0], "delay": [1]}
    xr.testing.assert_identical(smaller.isel(one).compute(scheduler="sync"), stack.isel(one))
    names = ["label", "target", "atmosphere"]
    xr.testing.assert_identical(truth[names].isel(one).compute(), lazy[1][names].isel(one).compute())


def test_a_part_is_that_of_the_whole(lazy, stack):
    part = {"y": slice(11, 20), "x": slice(40, 64), "date": [1]}
    xr.testing.assert_identical(lazy[0].isel(part).compute(), stack.isel(part))


def test_graphs_of_the_same_call_are_the_same(lazy):
    again, truth = simulate_stack(SHAPE, **OPTIONS)
    other, _ = simulate_stack(SHAPE, **OPTIONS | {"seed": 6})
    for name in ("igram", "coherence", "dem"):
        assert again[name].data.name == lazy[0][name].data.name
        assert other[name].data.name != again[name].data.name
    assert truth.target.data.name == lazy[1].target.data.name


def test_another_seed_is_another_region(stack):
    other = simulate_stack(SHAPE, **OPTIONS | {"seed": 6})[0]
    assert not np.array_equal(other.dem, stack.dem)


def test_pairs_that_do_not_exist_are_missing(stack):
    np.testing.assert_array_equal(stack.valid, [[True, True], [True, True], [True, False]])
    for name in ("igram", "coherence"):
        missing = np.isnan(stack[name]).values
        np.testing.assert_array_equal(missing.all(axis=(2, 3)), ~stack.valid)
        np.testing.assert_array_equal(missing.any(axis=(2, 3)), ~stack.valid)


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_line_of_sight_is_a_unit_vector_up(direction):
    stack, _ = simulate_stack(SHAPE, **OPTIONS, direction=direction)
    length = stack.los_east**2 + stack.los_north**2 + stack.los_up**2
    np.testing.assert_allclose(length, 1, rtol=1e-6)
    np.testing.assert_allclose(stack.los_up, np.cos(stack.incidence), rtol=1e-6)
    assert (float(stack.los_east[0, 0]) < 0) == (direction == "ascending")
    assert stack.attrs["pass"] == direction


def test_baselines_are_differences_of_positions(stack):
    six, twelve = stack.perpendicular_baseline.values.T
    assert np.abs(six).max() > 1
    np.testing.assert_allclose(twelve[:2], six[:2] + six[1:], rtol=1e-5)


def test_ground_is_that_of_a_grid_in_metres(stack):
    np.testing.assert_allclose(np.diff(stack.x), 20)
    np.testing.assert_allclose(np.diff(stack.y), -20)
    assert "32632" in stack.spatial_ref.attrs["crs_wkt"]


def test_a_density_that_is_given_counts():
    ranges = still(0.6, slides={"density": 0.0})
    assert simulate_stack(SHAPE, movers=3, scenario=ranges)[1].sizes["mover"] == 0
    assert simulate_stack((150, 150), movers=3, seed=3, acquisitions=2, delays=[6])[1].sizes["mover"] > 0


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
        ({"pixel_size": 0.0}, "^pixel_size must be more than 0 m, instead got pixel_size=0.0"),
        ({"processing": "best"}, "^processing must be one of .*isslide.*, instead got processing='best'"),
        ({"direction": "north"}, "^direction must be one of .*descending.*, instead got direction='north'"),
    ],
)
def test_wrong_options(options, words):
    with pytest.raises(ValueError, match=words):
        simulate_stack(**{"shape": (32, 32), **options})


def test_delays_in_any_form():
    forms = [
        simulate_stack((16, 16), acquisitions=3, delays=[d], movers=0)[0] for d in (6, "6D", np.timedelta64(6, "D"))
    ]
    assert len({tuple(f["delay"].values.tolist()) for f in forms}) == 1
