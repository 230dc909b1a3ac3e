import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow import multilook
from insarflow.kernels.multilook import multilook as kernel
from insarflow.schema import recipe_of
from insarflow.types import Looks


@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    shape = (2, data.draw(st.integers(1, 40)), data.draw(st.integers(1, 50)))
    looks = Looks(*(data.draw(st.integers(1, min(n, 11))) for n in shape[-2:]))
    dtype = data.draw(st.sampled_from(["complex64", "float32", "float64", "bool"]))
    rng = np.random.default_rng(0)
    values = rng.normal(size=shape) + 1j * rng.normal(size=shape) if dtype == "complex64" else rng.normal(size=shape)
    values[rng.uniform(size=shape) < 0.3] = 0 if dtype == "bool" else np.nan
    values = values.astype(dtype)
    chunks = data.draw(chunkings(shape, single_pixels=min(shape[1:]) < 9))
    cut = xr.DataArray(lazy(values, chunks), dims=("pair", "y", "x"))
    result = multilook(cut, y=looks.y, x=looks.x, min_valid=0.4)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, kernel(values, looks=looks, min_valid=0.4))


@pytest.mark.parametrize("chunks", [7, 97, 500, ((97, 33, 1), (128, 1))], ids=str)
def test_chunks_that_once_broke_something(chunks):
    values = np.random.default_rng(0).normal(size=(131, 129))
    eager, cut = (xr.DataArray(v, dims=("y", "x")) for v in (values, lazy(values, chunks)))
    result = multilook(cut, y=8, x=5)
    np.testing.assert_array_equal(result, multilook(eager, y=8, x=5))
    assert result.shape == (16, 25)
    assert 0 not in result.chunks[0] + result.chunks[1]


def test_stack_comes_back_with_all_it_holds(stack):
    result = multilook(stack, y=2, x=4)
    assert dict(result.sizes) == {"date": 2, "delay": 2, "y": 20, "x": 13}
    assert set(result.variables) == set(stack.variables)
    for name in ("perpendicular_baseline", "valid", "date", "delay"):
        xr.testing.assert_identical(result[name].drop_vars("spatial_ref"), stack[name].drop_vars("spatial_ref"))
    for name in ("igram", "coherence", "dem", "water"):
        assert result[name].dtype == stack[name].dtype
        assert result[name].attrs == stack[name].attrs
        np.testing.assert_array_equal(result[name], kernel(stack[name].values, looks=Looks(2, 4)))
    assert np.isnan(result.igram[-1, -1]).all()
    assert result.attrs["wavelength"] == stack.attrs["wavelength"]
    assert recipe_of(result).steps[-1] == {"operation": "multilook", "y": 2, "x": 4, "min_valid": 0.5}
    assert recipe_of(result).steps[0]["operation"] == "read"


def test_coordinates_are_at_the_blocks_centres(stack):
    for result in (multilook(stack, y=2, x=4), multilook(stack.igram, y=2, x=4)):
        np.testing.assert_allclose(result.y, [3990.0 - 20 * k for k in range(20)])
        np.testing.assert_allclose(result.x, [540.0 + 80 * k for k in range(13)])
        assert result.y.attrs == {"units": "m"}
        assert [float(v) for v in result.spatial_ref.attrs["GeoTransform"].split()] == [500, 80, 0, 4000, 0, -20]
        assert result.spatial_ref.attrs["crs_wkt"] == "LOCAL"
    assert stack.spatial_ref.attrs["GeoTransform"] == "500.0 20.0 0.0 4000.0 0.0 -10.0"


def test_coordinates_and_geotransform_agree_after_two_rounds(stack):
    result = multilook(multilook(stack, y=3, x=2), y=2, x=5)
    origin_x, step_x, _, origin_y, _, step_y = map(float, result.spatial_ref.attrs["GeoTransform"].split())
    np.testing.assert_allclose(result.x, origin_x + step_x * (np.arange(result.sizes["x"]) + 0.5))
    np.testing.assert_allclose(result.y, origin_y + step_y * (np.arange(result.sizes["y"]) + 0.5))


def test_without_coordinates():
    result = multilook(xr.DataArray(np.arange(12.0).reshape(3, 4), dims=("y", "x")), y=3, x=2)
    assert not result.coords
    np.testing.assert_array_equal(result, [[4.5, 6.5]])


def test_whole_numbers_become_float32():
    result = multilook(xr.DataArray(np.array([[1, 2]], "int16"), dims=("y", "x")), y=1, x=2)
    assert result.dtype == np.float32
    assert result[0, 0] == 1.5


@given(st.data())
def test_bits_are_those_of_any_pixel_and_agree_with_the_masks(data):
    bits = np.random.default_rng(4).choice([0, 0, 0, 1, 2, 4, 9], (23, 31)).astype(np.uint8)
    masks = {"layover": bits & 3 > 0, "shadow": bits & 12 > 0, "layover_shadow": bits}
    ds = xr.Dataset({name: (("y", "x"), mask) for name, mask in masks.items()})
    coarse = multilook(ds, y=2, x=3)
    expected = np.bitwise_or.reduce(bits[:22, :30].reshape(11, 2, 10, 3), axis=(1, 3))
    assert coarse["layover_shadow"].dtype == np.uint8
    np.testing.assert_array_equal(coarse["layover_shadow"], expected)
    np.testing.assert_array_equal(coarse["layover_shadow"] & 3 > 0, coarse["layover"])
    np.testing.assert_array_equal(coarse["layover_shadow"] & 12 > 0, coarse["shadow"])
    chunks = dict(zip(("y", "x"), data.draw(chunkings(bits.shape)), strict=True))
    xr.testing.assert_identical(multilook(ds.chunk(chunks), y=2, x=3).compute(), coarse)


def test_lazy_in_lazy_out(stack, forbid_compute):
    cut = stack.chunk(date=1, delay=1, y=20, x=30)
    with forbid_compute():
        one, two, other = multilook(cut, y=3, x=7), multilook(cut, y=3, x=7), multilook(cut, y=3, x=7, min_valid=0.6)
    for name in ("igram", "coherence", "dem", "water"):
        assert isinstance(one[name].data, da.Array)
        assert one[name].data.name == two[name].data.name
    assert one.igram.data.name != other.igram.data.name
    assert one.igram.chunks == ((1, 1), (1, 1), (6, 7), (4, 3))
    xr.testing.assert_identical(one.compute(), multilook(stack, y=3, x=7))


def test_one_task_per_block():
    array = xr.DataArray(da.zeros((100, 100), chunks=17), dims=("y", "x"))
    result = multilook(array, y=10, x=10)
    assert len(result.data.dask.layers[result.data.name]) == result.data.npartitions == 36


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"y": 0, "x": 1}, ValueError, "^y must be a whole number of at least 1 and at most 41, instead got y=0$"),
        ({"y": 1, "x": 55}, ValueError, "^x must be a whole number of at least 1 and at most 54, instead got x=55$"),
        ({"y": 2.0, "x": 2}, TypeError, "^y must be a whole number .*, instead got y=2.0$"),
        ({"y": 2, "x": 2, "min_valid": 2}, ValueError, "^min_valid must be between 0 and 1, instead got min_valid=2$"),
    ],
)
def test_arguments_refused(stack, options, error, message):
    with pytest.raises(error, match=message):
        multilook(stack, **options)


def test_data_refused(stack):
    wanted = "^multilook needs a DataArray or Dataset with dimensions y and x, instead got "
    with pytest.raises(TypeError, match=wanted + "ndarray$"):
        multilook(stack.dem.values, y=2, x=2)
    with pytest.raises(TypeError, match=wanted + r"DataArray with dims=\('x',\)$"):
        multilook(stack.dem.isel(y=0), y=2, x=2)
    with pytest.raises(ValueError, match=r"^a variable must have both y and x .* got 'row' with dims=\('y',\): drop"):
        multilook(stack.assign(row=("y", np.arange(41))), y=2, x=2)


def test_looks_and_two_dimensional_coordinates_are_multilooked():
    lat = np.arange(24.0).reshape(4, 6)
    ds = xr.Dataset(
        {"coherence": (("y", "x"), np.ones((4, 6), "float32"))}, {"lat": (("y", "x"), lat)}, {"looks": [2, 8]}
    )
    coarse = ds.insar.multilook(y=2, x=3)
    assert coarse.attrs["looks"] == [4, 24]
    np.testing.assert_array_equal(coarse["lat"].values, lat.reshape(2, 2, 2, 3).mean(axis=(1, 3)))


def test_coordinates_along_one_axis_are_kept():
    times = np.datetime64("2021-07-03T06:00:00", "ns") + np.arange(6) * np.timedelta64(2, "s")
    ds = xr.Dataset(
        {"coherence": (("y", "x"), np.ones((6, 5), "float32"))},
        {
            "azimuth_time": ("y", times, {"note": "kept"}),
            "range": ("x", np.arange(5.0)),
            "burst": ("y", list("aaabbb")),
        },
    )
    coarse = multilook(ds, y=3, x=2)
    np.testing.assert_array_equal(coarse["azimuth_time"], times[[1, 4]])
    assert coarse["azimuth_time"].attrs == {"note": "kept"}
    np.testing.assert_array_equal(coarse["range"], [0.5, 2.5])
    np.testing.assert_array_equal(coarse["burst"], ["a", "b"])


def test_wrapped_phase_is_not_averaged(stack):
    wanted = (
        r"^phase must not be wrapped phase to be averaged: the mean of -3 and 3 rad is not 0. Work on the complex igram"
    )
    with pytest.raises(ValueError, match=wanted):
        multilook(stack.insar.phase, y=2, x=2)
    with pytest.raises(ValueError, match=wanted):
        multilook(stack.assign(phase=stack.insar.phase), y=2, x=2)
    said = stack["dem"].rename("phi").assign_attrs(standard_name="wrapped_phase")
    with pytest.raises(ValueError, match=r"^phi must not be wrapped phase .* np.exp"):
        multilook(said, y=2, x=2)
    unwrapped = stack["dem"].rename("unwrapped").assign_attrs(units="rad", long_name="unwrapped phase")
    assert multilook(unwrapped, y=2, x=2).name == "unwrapped"


def test_azimuths_are_averaged_as_directions():
    aspect = xr.DataArray(
        np.float32([[0.1, 2 * np.pi - 0.3, 1.0, 2.0], [0.1, 2 * np.pi - 0.3, np.nan, np.nan]]), dims=("y", "x")
    )
    ds = xr.Dataset({"aspect": aspect, "slope": aspect})
    coarse = multilook(ds, y=2, x=2)
    np.testing.assert_allclose(coarse["aspect"], [[2 * np.pi - 0.1, 1.5]], atol=1e-6)
    np.testing.assert_allclose(coarse["slope"], [[np.pi - 0.1, 1.5]], atol=1e-6)
    assert coarse["aspect"].dtype == np.float32
    cut = multilook(ds.chunk(x=3), y=2, x=2)
    np.testing.assert_array_equal(cut["aspect"], coarse["aspect"])
