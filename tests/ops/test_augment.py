import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import add_offset, add_ramp, add_stratified, add_turbulence, conjugate, decorrelate, degrade, goldstein
from insarflow.errors import MissingVariableError
from insarflow.kernels.decorrelate import decorrelate as kernel
from insarflow.schema import recipe_of

OPERATIONS = {
    "add_offset": lambda obj: add_offset(obj, 1.2),
    "conjugate": conjugate,
    "add_ramp": lambda obj: add_ramp(obj, slope_y=0.3, slope_x=-0.1),
    "decorrelate": lambda obj: decorrelate(obj, factor=0.6, looks=9, seed=3),
    "degrade": lambda obj: degrade(obj, factor=0.6, looks=9, seed=3),
    "add_turbulence": lambda obj: add_turbulence(obj, std=0.7, seed=3),
    "add_stratified": lambda obj: add_stratified(obj, rad_per_km=4.0),
}


def draw(shape):
    rng = np.random.default_rng(0)
    igram = (rng.uniform(0.2, 3, shape) * np.exp(1j * rng.uniform(-3, 3, shape))).astype(np.complex64)
    igram[rng.uniform(size=shape) < 0.1] = np.nan
    coherence = rng.uniform(0, 1, shape).astype(np.float32)
    return igram, coherence


def dataset(igram, coherence):
    dims = ("date", "delay", "y", "x")
    dem = 3000 * np.hypot(*np.mgrid[: igram.shape[-2], : igram.shape[-1]]).astype(np.float32)
    return xr.Dataset({"igram": (dims, igram), "coherence": (dims, coherence), "dem": (("y", "x"), dem)})


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    shape = (2, 2, data.draw(st.integers(1, 30)), data.draw(st.integers(1, 35)))
    operation = OPERATIONS[data.draw(st.sampled_from(sorted(OPERATIONS)))]
    images = draw(shape)
    result = operation(dataset(*(lazy(image, data.draw(chunkings(shape))) for image in images)))
    expected = operation(dataset(*images))
    for name in ("igram", "coherence"):
        np.testing.assert_array_equal(result[name], expected[name])


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("chunks", [7, 97, 500, ((2,), (2,), (97, 33, 1), (128, 1))], ids=str)
def test_chunks_that_once_broke_something(name, chunks):
    images = draw((2, 2, 131, 129))
    chunks = (1, 1, chunks, chunks) if isinstance(chunks, int) else chunks
    result = OPERATIONS[name](dataset(*(lazy(image, chunks) for image in images)))
    np.testing.assert_array_equal(result.igram, OPERATIONS[name](dataset(*images)).igram)


def test_offset(stack):
    np.testing.assert_allclose(add_offset(stack, 1.2).igram, stack.igram * np.exp(1.2j), rtol=1e-6)
    np.testing.assert_allclose(add_offset(add_offset(stack, 1.2), -1.2).igram, stack.igram, rtol=1e-6)


def test_conjugate(stack):
    np.testing.assert_array_equal(conjugate(stack).igram, np.conj(stack.igram))


def test_ramp(stack):
    y, x = np.mgrid[:41, :54]
    expected = stack.igram * np.exp(1j * (0.3 * y - 0.1 * x))
    np.testing.assert_allclose(add_ramp(stack, slope_y=0.3, slope_x=-0.1).igram, expected, rtol=1e-6)


def test_decorrelate(stack):
    result = decorrelate(stack, factor=0.6, looks=9, seed=3)
    expected = kernel(stack.igram.values, stack.coherence.values, factor=0.6, looks=9, seed=3)
    np.testing.assert_allclose(result.coherence, np.abs(expected), rtol=1e-6)
    np.testing.assert_allclose(np.abs(result.igram), np.abs(stack.igram), rtol=1e-5)
    valid = ~np.isnan(stack.igram.values)
    turn = np.angle(result.igram.values * np.conj(expected))[valid]
    np.testing.assert_allclose(turn, 0, atol=1e-5)
    assert result.igram.dtype == np.complex64
    assert result.coherence.dtype == np.float32
    assert float(result.coherence.max()) <= 1


def test_decorrelate_never_exceeds_one():
    ones = dataset(np.ones((1, 1, 99, 99), np.complex64) * 3, np.ones((1, 1, 99, 99), np.float32))
    for factor, looks in ((1.0, 2), (0.999, 2), (0.999, 30)):
        assert float(decorrelate(ones, factor=factor, looks=looks, seed=1).coherence.max()) <= 1


def test_decorrelate_by_seed(stack):
    one, two = (decorrelate(stack, factor=0.6, looks=9, seed=seed) for seed in (3, 4))
    xr.testing.assert_identical(one, decorrelate(stack, factor=0.6, looks=9, seed=3))
    assert float((one.igram == two.igram).mean()) < 0.01
    assert not np.array_equal(one.coherence[0, 0], one.coherence[0, 1])


def test_decorrelate_pairs_by_dimension_not_by_place(stack):
    turned = stack.assign(coherence=stack.coherence.transpose("delay", "date", "y", "x"))
    options = {"factor": 0.6, "looks": 9, "seed": 3}
    xr.testing.assert_identical(decorrelate(turned, **options), decorrelate(stack, **options))


def test_filtered_phase_is_not_decorrelated_but_degraded(stack):
    filtered = goldstein(stack)
    options = {"factor": 0.6, "looks": 9, "seed": 3}
    message = "^decorrelate must come before the filter, but the recipe holds goldstein: .* use degrade, which"
    with pytest.raises(ValueError, match=message):
        decorrelate(filtered, **options)
    with pytest.raises(ValueError, match=message):
        decorrelate(stack.assign(igram=goldstein(stack.igram)), **options)
    result = degrade(filtered, **options)
    assert float(result.coherence.mean()) < float(stack.coherence.mean())
    assert [step["operation"] for step in recipe_of(result).steps] == ["read", "goldstein", "degrade"]
    np.testing.assert_array_equal(degrade(stack, **options).igram, decorrelate(stack, **options).igram)
    assert [step["operation"] for step in recipe_of(goldstein(decorrelate(stack, **options))).steps][1:] == [
        "decorrelate", "goldstein"
    ]  # fmt: skip


def test_turbulence_of_each_interferogram_is_its_own(stack):
    result = add_turbulence(stack, std=0.5, seed=2)
    turn = np.angle((result.igram * np.conj(stack.igram)).values)
    assert 0.1 < np.nanstd(turn[0, 0]) < 1.5
    assert np.nanstd(turn[0, 0] - turn[0, 1]) > 0.1
    step = recipe_of(result).steps[-1]
    assert step == {
        "operation": "add_turbulence", "std": 0.5, "seed": 2, "exponent": -11 / 3, "longest": 108.0,
        "pixel_size": [1.0, 1.0],
    }  # fmt: skip
    again = add_turbulence(stack, std=0.5, seed=2, longest=108.0, pixel_size=1)
    xr.testing.assert_identical(again, result)
    smoother = add_turbulence(stack, std=0.5, seed=2, exponent=-5.0)
    assert not np.allclose(smoother.igram, result.igram, equal_nan=True)


def test_stratified_delay_follows_the_terrain(stack):
    result = add_stratified(stack, rad_per_km=-6.0)
    np.testing.assert_allclose(result.igram, stack.igram * np.exp(-6e-3j * stack.dem), atol=1e-4)
    turned = stack.assign(igram=stack.igram.transpose("x", "delay", "y", "date"), dem=stack.dem.T)
    np.testing.assert_array_equal(
        add_stratified(turned, rad_per_km=-6.0).igram.transpose(*stack.igram.dims), result.igram
    )


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_carries_everything_and_notes_itself(stack, name):
    before = stack.copy(deep=True)
    result = OPERATIONS[name](stack)
    xr.testing.assert_identical(stack, before)
    changed = {"igram", "coherence"} if name in ("decorrelate", "degrade") else {"igram"}
    for other in set(stack.variables) - changed:
        xr.testing.assert_identical(result[other], stack[other])
    assert result.igram.attrs == stack.igram.attrs
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    assert [s["operation"] for s in recipe_of(result).steps] == ["read", name]
    np.testing.assert_array_equal(np.isnan(result.igram), np.isnan(stack.igram))


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_lazy_in_lazy_out(stack, forbid_compute, name):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        one, two = OPERATIONS[name](cut), OPERATIONS[name](cut)
    assert isinstance(one.igram.data, da.Array)
    assert one.igram.data.name == two.igram.data.name
    assert one.igram.chunks == cut.igram.chunks
    assert one.igram.dtype == np.complex64
    assert one.coherence.dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda ds: add_offset(ds, np.nan), ValueError, "^angle must be finite, instead got angle=nan$"),
        (lambda ds: add_offset(ds, "1"), TypeError, "^angle must be a number, instead got angle='1'$"),
        (lambda ds: add_ramp(ds, slope_y=np.inf, slope_x=0), ValueError, "^slope_y must be finite, instead got"),
        (lambda ds: add_ramp(ds, slope_y=0, slope_x=None), TypeError, "^slope_x must be a number, instead got"),
        (lambda ds: conjugate(ds.coherence), TypeError, "^igram must be complex64, instead got float32"),
        (lambda ds: conjugate(ds.drop_vars("igram")), MissingVariableError, "^conjugate needs the variable 'igram'"),
        (lambda ds: decorrelate(ds, factor=1.5, looks=4, seed=0), ValueError, "^factor must be between 0 and 1"),
        (lambda ds: decorrelate(ds, factor=0.5, looks=1, seed=0), ValueError, "^looks must be .* at most 1000"),
        (lambda ds: decorrelate(ds, factor=0.5, looks=4, seed=-1), ValueError, "^seed must be a whole number"),
        (lambda ds: decorrelate(ds, factor=0.5, looks=4, seed=0.5), TypeError, "^seed must be a whole number"),
        (lambda ds: degrade(ds, factor=-0.1, looks=4, seed=0), ValueError, "^factor must be between 0 and 1"),
        (lambda ds: degrade(ds.drop_vars("igram"), factor=1, looks=4, seed=0), MissingVariableError, "^degrade needs"),
        (lambda ds: add_turbulence(ds, std=-1, seed=0), ValueError, "^std must be at least 0, instead got std=-1"),
        (lambda ds: add_turbulence(ds, std=1, seed=0, exponent=1), ValueError, "^exponent must be from -6 to below 0"),
        (lambda ds: add_turbulence(ds, std=1, seed=-1), ValueError, "^seed must be a whole number of at least 0"),
        (lambda ds: add_turbulence(ds, std=1, seed=1, longest=2), ValueError, "^longest must be at least four pixels"),
        (
            lambda ds: add_turbulence(ds, std=1, seed=1, pixel_size=(1, 2, 3)),
            ValueError,
            "^pixel_size must be one numb",
        ),
        (lambda ds: add_turbulence(ds, std=1, seed=1, pixel_size=0), ValueError, "^pixel_size must be positive"),
        (
            lambda ds: add_turbulence(np.ones(3), std=1, seed=1),
            TypeError,
            "^igram must be an xarray.DataArray, instead",
        ),
        (lambda ds: add_stratified(ds, rad_per_km="1"), TypeError, "^rad_per_km must be a number"),
        (lambda ds: add_stratified(ds.drop_vars("dem"), rad_per_km=1), MissingVariableError, "^add_stratified needs"),
        (
            lambda ds: add_stratified(ds.assign(dem=ds.dem.astype(float)), rad_per_km=1),
            TypeError,
            "^dem must be float32",
        ),
        (
            lambda ds: add_stratified(ds.assign(dem=ds.dem.expand_dims(date=ds.date)), rad_per_km=1),
            ValueError,
            "^dem must have the dims",
        ),
        (lambda ds: decorrelate(ds.igram, factor=0.5, looks=4, seed=0), TypeError, "^decorrelate needs an xarray"),
        (
            lambda ds: decorrelate(ds.drop_vars("coherence"), factor=0.5, looks=4, seed=0),
            MissingVariableError,
            r"^decorrelate needs the variable 'coherence', .*; estimate it with ds.insar.coherence\(window=5\)$",
        ),
        (
            lambda ds: decorrelate(ds.assign(coherence=ds.coherence[0]), factor=0.5, looks=4, seed=0),
            ValueError,
            "^coherence must have igram's dims .*, instead got dims=",
        ),
    ],
)
def test_refused(stack, call, error, message):
    with pytest.raises(error, match=message):
        call(stack)
