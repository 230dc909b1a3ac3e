import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import goldstein
from insarflow.kernels.goldstein import goldstein as kernel
from insarflow.schema import recipe_of


def noisy(shape, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.2, 3, shape) * np.exp(1j * (0.2 * np.arange(shape[-1]) + rng.normal(0, 0.8, shape)))
    z[rng.uniform(size=shape) < 0.05] = np.nan
    return z.astype(np.complex64)


def labelled(data):
    return xr.DataArray(data, dims=("date", "delay", "y", "x")[-data.ndim :])


def same_bits(a, b):
    np.testing.assert_array_equal(np.asarray(a).view(np.uint64), np.asarray(b).view(np.uint64))


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    shape = (2, data.draw(st.integers(1, 60)), data.draw(st.integers(1, 70)))
    patch_size = data.draw(st.sampled_from([8, 16, 32]))
    options = {
        "patch_size": patch_size,
        "step": patch_size // data.draw(st.sampled_from([1, 2, 4])),
        "alpha": data.draw(st.sampled_from([0.5, 1.0, 0.3])),
        "amplitude": data.draw(st.sampled_from(["input", "filter", "unit"])),
    }
    z = noisy(shape)
    chunks = data.draw(chunkings(shape))
    result = goldstein(labelled(lazy(z, chunks)), **options)
    assert result.chunks == chunks
    same_bits(result, kernel(z, **options))


@pytest.mark.parametrize("chunks", [7, 97, 500, ((97, 33, 1), (128, 1))], ids=str)
def test_chunks_that_once_broke_something(chunks):
    z = noisy((131, 129))
    same_bits(goldstein(labelled(lazy(z, chunks))), goldstein(labelled(z)))


@pytest.mark.parametrize("shape", [(1, 1), (5, 90), (31, 33)])
def test_image_smaller_than_a_patch(shape):
    z = noisy(shape)
    result = goldstein(labelled(z))
    np.testing.assert_array_equal(np.isnan(result), np.isnan(z))
    same_bits(goldstein(labelled(lazy(z, (7, 40)))), result)


def test_stack_comes_back_with_all_it_holds(stack):
    result = goldstein(stack, alpha=0.7)
    others = [name for name in stack.variables if name != "igram"]
    for name in others:
        xr.testing.assert_identical(result[name], stack[name])
    assert result.igram.attrs == stack.igram.attrs
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    assert [s["operation"] for s in recipe_of(result).steps] == ["read", "goldstein"]
    assert recipe_of(result).steps[-1] == {
        "operation": "goldstein", "patch_size": 32, "step": 16, "alpha": 0.7, "min_valid": 0.5, "amplitude": "input",
    }  # fmt: skip
    assert "goldstein" not in stack.attrs["recipe"]


def test_absent_cells_stay_absent_and_touch_no_other(stack):
    result = goldstein(stack)
    assert np.isnan(result.igram[-1, -1]).all()
    same_bits(result.igram[0, 1], goldstein(stack.igram[0, 1]))
    np.testing.assert_array_equal(np.isnan(result.igram), np.isnan(stack.igram))
    assert np.abs(result.igram - stack.igram).max() > 0.1


def test_dimensions_in_another_order(stack):
    result = goldstein(stack.igram.transpose("x", "date", "y", "delay"))
    xr.testing.assert_equal(result.transpose("date", "delay", "y", "x"), goldstein(stack.igram))


def test_lazy_in_lazy_out(stack, forbid_compute):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        one, two, other = goldstein(cut), goldstein(cut), goldstein(cut, alpha=0.6)
    assert isinstance(one.igram.data, da.Array)
    assert one.igram.chunks == cut.igram.chunks
    assert one.igram.data.name == two.igram.data.name != other.igram.data.name
    assert one.igram.dtype == np.complex64
    same_bits(one.igram, goldstein(stack).igram)
    assert isinstance(goldstein(stack).igram.data, np.ndarray)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"patch_size": 33}, ValueError, "^patch_size must be a power of two, instead got patch_size=33$"),
        ({"patch_size": 4}, ValueError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"patch_size": 256}, ValueError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"patch_size": 32.0}, TypeError, "^patch_size must be a whole number of at least 8 and at most 128"),
        ({"step": 0}, ValueError, "^step must be a whole number of at least 1 and at most 32, instead got step=0$"),
        ({"step": 12}, ValueError, "^step must divide patch_size=32, instead got step=12$"),
        ({"alpha": 1.5}, ValueError, "^alpha must be between 0 and 1, instead got alpha=1.5$"),
        ({"alpha": "half"}, TypeError, "^alpha must be a number, instead got alpha='half'$"),
        ({"min_valid": -1}, ValueError, "^min_valid must be between 0 and 1, instead got min_valid=-1$"),
        ({"amplitude": "none"}, ValueError, r"^amplitude must be one of \('input', 'filter', 'unit'\), instead got"),
    ],
)
def test_arguments_refused(stack, options, error, message):
    with pytest.raises(error, match=message):
        goldstein(stack, **options)


def test_data_refused(stack):
    with pytest.raises(TypeError, match=r"^igram must be complex64, instead got float32"):
        goldstein(stack.coherence)
    with pytest.raises(TypeError, match=r"^igram must be an xarray.DataArray, instead got ndarray"):
        goldstein(stack.igram.values)
    with pytest.raises(ValueError, match=r"^igram must have the dimensions y and x"):
        goldstein(stack.igram.isel(x=0))


def test_infinite_values_are_missing():
    z = np.ones((40, 40), "complex64")
    z[3, 4] = np.inf
    result = goldstein(labelled(z)).values
    assert np.isnan(result[3, 4])
    assert np.isnan(result).sum() == 1
