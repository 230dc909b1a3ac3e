import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import coherence
from insarflow.kernels import coherence as kernel
from insarflow.schema import recipe_of
from insarflow.types import Looks


def noise(shape, seed):
    rng = np.random.default_rng(seed)
    z = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    z[rng.uniform(size=shape) < 0.1] = np.nan
    return z


def labelled(data):
    return xr.DataArray(data, dims=("date", "delay", "y", "x")[-data.ndim :])


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    shape = (2, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 45)))
    window = tuple(data.draw(st.integers(1, min(n, 12))) for n in shape[-2:])
    a, b = noise(shape, 1), noise(shape, 2)
    cut = [labelled(lazy(z, data.draw(chunkings(shape)))) for z in (a, b)]
    both = coherence(*cut, window=window)
    phase = coherence(cut[0], window=window)
    assert both.chunks == phase.chunks == cut[0].chunks
    np.testing.assert_array_equal(both, kernel.coherence(a, b, window=Looks(*window)))
    np.testing.assert_array_equal(phase, kernel.phase_coherence(a, window=Looks(*window)))


@pytest.mark.parametrize("chunks", [7, 97, 500, ((97, 33, 1), (128, 1))], ids=str)
def test_chunks_that_once_broke_something(chunks):
    a, b = noise((131, 129), 1), noise((131, 129), 2)
    result = coherence(labelled(lazy(a, chunks)), labelled(lazy(b, 50)), window=(4, 9))
    np.testing.assert_array_equal(result, coherence(labelled(a), labelled(b), window=(4, 9)))


def test_result_is_labelled():
    a = labelled(noise((20, 20), 1)).assign_coords(y=np.arange(20.0))
    a.attrs = {"grid_mapping": "spatial_ref", "units": "K"}
    result = coherence(a, a, window=(3, 5))
    assert result.name == "coherence"
    assert result.dtype == np.float32
    assert result.attrs["estimator"] == "two images, sliding boxcar"
    assert result.attrs["window"] == [3, 5]
    assert (result.attrs["units"], result.attrs["grid_mapping"]) == ("1", "spatial_ref")
    assert a.attrs["units"] == "K"
    xr.testing.assert_identical(result.y, a.y)
    step = {"operation": "coherence", "estimator": "two images, sliding boxcar", "window": [3, 5]}
    assert recipe_of(result).steps == (step,)


def test_dataset_gains_the_variable(stack):
    result = coherence(stack.drop_vars("coherence"), window=5)
    assert result.coherence.dims == ("date", "delay", "y", "x")
    np.testing.assert_array_equal(np.isnan(result.coherence), np.isnan(stack.igram))
    assert result.coherence.attrs["estimator"] == "phase only, sliding boxcar"
    assert [s["operation"] for s in recipe_of(result).steps] == ["read", "coherence"]
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    for name in ("igram", "dem", "valid", "spatial_ref"):
        xr.testing.assert_identical(result[name], stack[name])


def test_dimensions_of_the_secondary_in_another_order():
    a, b = (labelled(noise((2, 2, 9, 9), seed)) for seed in (1, 2))
    expected = coherence(a, b, window=3)
    xr.testing.assert_identical(coherence(a, b.transpose("x", "delay", "y", "date"), window=3), expected)


def test_lazy_in_lazy_out(stack, forbid_compute):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        one, two, other = coherence(cut), coherence(cut), coherence(cut, window=3)
        both = coherence(cut.igram, stack.igram)
    assert isinstance(one.coherence.data, da.Array)
    assert isinstance(both.data, da.Array)
    assert one.coherence.data.name == two.coherence.data.name != other.coherence.data.name
    assert one.coherence.dtype == np.float32
    xr.testing.assert_identical(one.compute(), coherence(stack))


@pytest.mark.parametrize(
    ("window", "error", "message"),
    [
        (0, ValueError, "^window must be a whole number of at least 1 and at most 41, instead got window=0$"),
        ((3, 55), ValueError, "^window must be a whole number of at least 1 and at most 54, instead got window=55$"),
        (2.5, TypeError, "^window must be a whole number .*, instead got window=2.5$"),
        (True, TypeError, "^window must be a whole number .*, instead got window=True$"),
        ("5", TypeError, "^window must be a whole number .*, instead got window='5'$"),
        ((3, 3, 3), ValueError, r"^window must be one number or \(y, x\), instead got window=\(3, 3, 3\)$"),
    ],
)
def test_windows_refused(stack, window, error, message):
    with pytest.raises(error, match=message):
        coherence(stack, window=window)


def test_data_refused(stack):
    with pytest.raises(TypeError, match=r"^secondary must be left out with a Dataset, whose igram already holds both"):
        coherence(stack, stack.igram)
    with pytest.raises(ValueError, match=r"^secondary must have the reference's sizes \{.*\}, instead got \{.*\}$"):
        coherence(stack.igram, stack.igram.isel(date=[0]))
    with pytest.raises(TypeError, match=r"^secondary must be complex64, instead got float32"):
        coherence(stack.igram, stack.coherence)
    with pytest.raises(TypeError, match=r"^reference must be complex64, instead got float32"):
        coherence(stack.coherence, stack.igram)
    with pytest.raises(TypeError, match=r"^igram must be complex64, instead got float32"):
        coherence(stack.coherence)


def test_images_must_lie_on_the_same_pixels():
    a = xr.DataArray(np.ones((5, 6), "complex64"), {"x": np.arange(6.0)}, ("y", "x"))
    with pytest.raises(ValueError, match=r"^secondary must lie on the reference's pixels, but their x coordinates"):
        coherence(a, a.assign_coords(x=a["x"] + 1000.0))
