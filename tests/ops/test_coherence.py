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
    result = coherence(a, a.copy(deep=True), window=(3, 5))
    assert result.name == "coherence"
    assert result.dtype == np.float32
    assert result.attrs["estimator"] == "two images, sliding boxcar"
    assert result.attrs["window"] == [3, 5]
    assert result.attrs["bias"] == "kept"
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
        coherence(a, (2 * a).assign_coords(x=a["x"] + 1000.0))
    same = r"^secondary must be another image than the reference, instead got the same image twice$"
    for image in (a, a.chunk(y=2)):
        with pytest.raises(ValueError, match=same):
            coherence(image, image)


def test_images_must_be_in_order_of_time():
    a, b = labelled(noise((9, 9), 1)), labelled(noise((9, 9), 2))
    early, late = (np.datetime64(day, "ns") for day in ("2021-07-03", "2021-07-09"))
    assert coherence(a.assign_coords(date=early), b.assign_coords(date=late), window=3).dims == ("y", "x")
    wanted = "^secondary must be later than the reference of 2021-07-09, instead got an image of 2021-07-03: swap"
    with pytest.raises(ValueError, match=wanted):
        coherence(a.assign_coords(date=late), b.assign_coords(date=early), window=3)


@given(st.data())
def test_any_chunks_give_the_same_bits_with_every_option(data):
    shape = (data.draw(st.integers(6, 40)), data.draw(st.integers(6, 45)))
    window = tuple(data.draw(st.integers(1, 6)) for _ in shape)
    options = data.draw(st.sampled_from([{"weights": "gaussian"}, {"estimate": "block"}, {"bias": "simple"}]))
    a, b = noise(shape, 1), noise(shape, 2)
    cut = [labelled(lazy(z, data.draw(chunkings(shape)))) for z in (a, b)]
    for eager, chunked in (((a, b), cut), ((a,), cut[:1])):
        whole = coherence(*map(labelled, eager), window=window, **options)
        xr.testing.assert_identical(coherence(*chunked, window=window, **options).compute(), whole)


def test_blocks_are_the_blocks():
    a, b = labelled(noise((13, 17), 1)), labelled(noise((13, 17), 2))
    a = a.assign_coords(y=10.0 * np.arange(13), line=("y", np.arange(13)), name=("x", list("abcdefghijklmnopq")))
    both, phase = coherence(a, b, window=(3, 4), estimate="block"), coherence(a, window=(3, 4), estimate="block")
    for row, col in np.ndindex(4, 4):
        p, q = (z.values[3 * row : 3 * row + 3, 4 * col : 4 * col + 4].astype(complex).ravel() for z in (a, b))
        there = ~np.isnan(p + q)
        wanted = abs(np.vdot(q[there], p[there])) / np.linalg.norm(p[there]) / np.linalg.norm(q[there])
        assert float(both[row, col]) == pytest.approx(wanted, rel=1e-6)
        z = p[~np.isnan(p)]
        assert float(phase[row, col]) == pytest.approx(abs(np.mean(z / abs(z))), rel=1e-6)
    assert both.attrs["estimator"] == "two images, block boxcar"
    np.testing.assert_array_equal(both["y"], [10, 40, 70, 100])
    np.testing.assert_array_equal(both["line"], [1, 4, 7, 10])
    assert "".join(both["name"].values) == "cgko"


def test_bias_is_removed_and_said(stack):
    for bias in ("touzi", "simple"):
        result = coherence(stack, window=(3, 5), bias=bias, looks=9)
        assert result["coherence"].attrs["bias"] == f"removed ({bias})"
        assert result["coherence"].attrs["looks"] == 9
        step = recipe_of(result).steps[-1]
        assert (step["bias"], step["looks"]) == (bias, 9)
        raw = coherence(stack, window=(3, 5))["coherence"]
        assert float((raw - result["coherence"]).min()) > -1e-6
        assert float(result["coherence"].min()) >= 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"estimate": "box"},
            ValueError,
            r"^estimate must be one of \('block', 'sliding'\), instead got estimate='box'$",
        ),
        ({"weights": "x"}, ValueError, r"^weights must be one of \('boxcar', 'gaussian'\), instead got weights='x'$"),
        ({"bias": "x"}, ValueError, r"^bias must be one of \(None, 'touzi', 'simple'\), instead got bias='x'$"),
        (
            {"bias": "touzi", "looks": 26},
            ValueError,
            "^looks must be more than 1 and at most the 25 pixels .* looks=26$",
        ),
        ({"bias": "touzi", "looks": "9"}, TypeError, "^looks must be a number, instead got looks='9'$"),
        ({"looks": 9}, ValueError, "^looks must be left out unless bias is to be removed, instead got looks=9$"),
        (
            {"estimate": "block"},
            ValueError,
            "^estimate must be 'sliding' with a Dataset, whose pixels stay, .* pass ds",
        ),
        ({"estimate": "block", "weights": "gaussian"}, ValueError, "^weights must be 'boxcar' with estimate='block'"),
    ],
)
def test_options_refused(stack, options, error, message):
    with pytest.raises(error, match=message):
        coherence(stack, **options)
