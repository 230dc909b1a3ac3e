import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunkings

import insarflow
from insarflow.errors import MissingVariableError
from insarflow.ops.deramp import deramp, ramps
from insarflow.schema import recipe_of
from insarflow.stack.codes import phase_only


def tilted(stack, *slopes):
    """The stack with another plane on every interferogram, and phase 10 times it as unwrapped."""
    y, x = np.ogrid[:41, :54]
    planes = np.zeros((2, 2, 41, 54))
    for index, (sy, sx) in zip(np.ndindex(2, 2), slopes, strict=True):
        planes[index] = sy * (y - 20) + sx * (x - 26.5)
    unwrapped = np.where(np.isnan(stack["igram"]), np.nan, planes + 3).astype(np.float32)
    igram = (stack["igram"] * np.exp(1j * planes)).astype(np.complex64)
    return stack.assign(igram=igram.assign_attrs(stack["igram"].attrs), unwrapped=stack["igram"].copy(data=unwrapped))


SLOPES = ((0.3, -0.5), (-1.0, 0.2), (0.0, 0.1), (9.0, 9.0))


def test_planes_go_and_constants_and_magnitudes_stay(stack):
    # The stack's own fringes rise by 0.2 rad a column.
    ds = tilted(stack, *SLOPES)
    found = ramps(ds)
    assert set(found) == {"constant", "slope_y", "slope_x", "resultant"}
    assert found["slope_y"].dims == ("date", "delay")
    assert found["slope_x"].attrs["units"] == "rad/pixel"
    wanted = np.array(SLOPES).reshape(2, 2, 2)
    there = stack["valid"].values
    np.testing.assert_allclose(found["slope_y"].values[there], wanted[..., 0][there], atol=0.01)
    np.testing.assert_allclose(found["slope_x"].values[there], wanted[..., 1][there] + 0.2, atol=0.01)
    assert np.isnan(found["constant"].values[~there]).all()
    flat = deramp(ds)
    assert set(flat) == set(ds)
    np.testing.assert_allclose(np.abs(flat["igram"]), np.abs(ds["igram"]), rtol=2e-6)
    removed = (ds["igram"] * np.conj(flat["igram"])).isel(y=20, x=[26, 27]).values[there]
    np.testing.assert_allclose(np.angle(removed).sum(axis=-1), 0, atol=1e-4)
    again = ramps(flat)
    for slope in ("slope_y", "slope_x"):
        assert np.abs(again[slope].values[there]).max() < 1e-4
    step = recipe_of(flat).steps[-1]
    assert step == {"operation": "deramp", "order": "plane"}
    np.testing.assert_allclose(flat["unwrapped"], ds["unwrapped"] * 0 + 3, atol=2e-3)
    np.testing.assert_allclose(
        ramps(ds, variable="unwrapped")["slope_x"].values[there], wanted[..., 1][there], atol=1e-4
    )


@pytest.mark.parametrize("order", ["plane", "quadratic"])
@settings(max_examples=6)
@given(data=st.data())
def test_any_chunks_give_the_same_bits(order, data):
    rng = np.random.default_rng(0)
    shape = (2, 140, 23)
    y, x = np.ogrid[:140, :23]
    igram = np.exp(1j * (0.1 * y + 1e-3 * x * x + rng.normal(0, 0.7, shape))).astype(np.complex64)
    coherence = rng.uniform(0, 1, shape).astype(np.float32)
    dims = ("pair", "y", "x")
    ds = xr.Dataset({"igram": (dims, igram), "coherence": (dims, coherence), "unwrapped": (dims, 3 * coherence)})
    cut = ds.chunk(dict(zip(dims, data.draw(chunkings(shape)), strict=True)))
    xr.testing.assert_identical(deramp(cut, order=order).compute(), deramp(ds, order=order))
    xr.testing.assert_identical(ramps(cut, order=order).compute(), ramps(ds, order=order))


def test_nothing_is_computed_and_absent_cells_stay(stack, forbid_compute):
    ds = tilted(stack, *SLOPES)
    with forbid_compute():
        flat, found = deramp(ds.chunk(date=1, delay=1, y=20, x=30)), ramps(ds.chunk(date=1, delay=1, y=20, x=30))
    xr.testing.assert_identical(flat.compute(), deramp(ds))
    xr.testing.assert_identical(found.compute(), ramps(ds))
    assert np.isnan(flat["igram"][1, 1].values).all()
    without = deramp(ds.drop_vars("valid"))
    for name in ("igram", "unwrapped"):
        np.testing.assert_array_equal(flat[name], without[name])


def test_a_stack_without_ramps_is_hardly_changed():
    rng = np.random.default_rng(3)
    phase = rng.normal(0, 1.0, (200, 200))
    phase[80:120, 90:130] += 2.5 * np.hanning(40)[:, None] * np.hanning(40)
    ds = xr.Dataset({"igram": (("y", "x"), np.exp(1j * phase).astype(np.complex64))})
    for order, most in (("plane", 0.05), ("quadratic", 0.2)):
        turned = np.angle(deramp(ds, order=order)["igram"] * np.conj(ds["igram"]))
        assert np.abs(turned).max() < most


def test_orbits_of_a_simulated_stack():
    ds = insarflow.simulate_stack((128, 128), seed=1, acquisitions=3, delays=[6], movers=3)[0].load()
    y, x = np.ogrid[:128, :128]
    orbit = np.exp(2j * np.pi * (3 * (y - 63.5) - 5 * (x - 63.5)) / 128)
    tilt = ds.assign(igram=(ds["igram"] * orbit).astype(np.complex64))
    with_orbit, without = deramp(tilt)["igram"], deramp(ds)["igram"]
    assert np.abs(np.angle(with_orbit * np.conj(without))).max() < 0.01


def test_a_product_of_phase_still_is_one(stack):
    steps = recipe_of(stack).then("read", interferogram="phase").steps[1:]
    assert phase_only(type(recipe_of(stack))(steps).then("deramp", order="plane").then("reference"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: deramp(s["igram"]), TypeError, r"^deramp needs an xarray.Dataset, instead got DataArray"),
        (lambda s: deramp(s.drop_vars("igram")), MissingVariableError, "^deramp needs the variable 'igram'"),
        (lambda s: deramp(s, order="cubic"), ValueError, r"^order must be one of \('plane', 'quadratic'\), .*'cubic'"),
        (lambda s: ramps(s, variable="dem"), ValueError, "^variable must be one of .*, instead got variable='dem'"),
        (lambda s: ramps(s, variable="unwrapped"), MissingVariableError, "^ramps needs the variable 'unwrapped'"),
        (lambda s: deramp(s.assign(igram=s["dem"])), TypeError, "^igram must be complex64, instead got float32"),
        (lambda s: deramp(s.assign(coherence=s["coherence"] > 0)), TypeError, "^coherence must be float32, instead"),
    ],
)
def test_bad_input(stack, call, error, message):
    with pytest.raises(error, match=message):
        call(stack)
