import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import add_offset, add_ramp, conjugate, decorrelate
from insarflow.errors import MissingVariableError
from insarflow.kernels import augment as kernel
from insarflow.schema import recipe_of

OPERATIONS = {
    "add_offset": lambda obj: add_offset(obj, 1.2),
    "conjugate": conjugate,
    "add_ramp": lambda obj: add_ramp(obj, slope_y=0.3, slope_x=-0.1),
    "decorrelate": lambda obj: decorrelate(obj, factor=0.6, looks=9, seed=3),
}


def draw(shape):
    rng = np.random.default_rng(0)
    igram = (rng.uniform(0.2, 3, shape) * np.exp(1j * rng.uniform(-3, 3, shape))).astype(np.complex64)
    igram[rng.uniform(size=shape) < 0.1] = np.nan
    coherence = rng.uniform(0, 1, shape).astype(np.float32)
    return igram, coherence


def dataset(igram, coherence):
    dims = ("date", "delay", "y", "x")
    return xr.Dataset({"igram": (dims, igram), "coherence": (dims, coherence)})


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
    expected = kernel.decorrelate(stack.igram.values, stack.coherence.values, factor=0.6, looks=9, seed=3)
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


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_carries_everything_and_notes_itself(stack, name):
    before = stack.copy(deep=True)
    result = OPERATIONS[name](stack)
    xr.testing.assert_identical(stack, before)
    changed = {"igram", "coherence"} if name == "decorrelate" else {"igram"}
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
