import re

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from strategies import chunkings

from insarflow.plot.frame import place_of
from insarflow.plot.images import check_axis, colour_bar, draw_image, draw_relief, looks_of, shrink
from insarflow.types import Looks


def image(values):
    return xr.DataArray(values, dims=("y", "x"))


def block_means(values, looks):
    """Slow oracle: mean over each full block of what is finite."""
    out = np.full((values.shape[0] // looks.y, values.shape[1] // looks.x), np.nan, values.dtype)
    for i, j in np.ndindex(out.shape):
        block = values[i * looks.y : (i + 1) * looks.y, j * looks.x : (j + 1) * looks.x]
        if np.isfinite(block).any():
            out[i, j] = block[np.isfinite(block)].mean()
    return out


@given(shape=st.tuples(st.integers(1, 70), st.integers(1, 70)), longest=st.integers(10, 80), data=st.data())
def test_block_means_for_any_chunking(shape, longest, data):
    rng = np.random.default_rng(7)
    values = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    values[rng.random(shape) < 0.2] = np.nan
    lazy = da.from_array(values, chunks=data.draw(chunkings(shape)))
    eager, small = shrink([image(values), image(lazy)], longest)
    np.testing.assert_array_equal(eager, small)
    assert max(small.shape) <= longest
    np.testing.assert_allclose(small, block_means(values, looks_of(shape, longest)), rtol=2e-6, atol=1e-6)


def test_a_fast_ramp_keeps_its_fringes():
    """Averaged radians would tend to 0; averaged complex numbers keep the ramp."""
    x = np.arange(4000)
    ramp = np.exp(0.9j * x).astype(np.complex64)[None].repeat(2, axis=0)
    (small,) = shrink([image(ramp)], 1000)
    expected = np.exp(1j * 0.9 * (4 * np.arange(1000) + 1.5))
    assert np.abs(np.angle(small[0] * expected.conj())).max() < 1e-3
    radians = np.angle(ramp[0]).reshape(-1, 4).mean(axis=1)
    assert np.abs(np.angle(np.exp(1j * radians) * expected.conj())).max() > 1.0  # the test is not vacuous


def test_each_side_has_its_own_looks():
    assert looks_of((20_000, 300)) == Looks(17, 1)
    assert looks_of((1, 1)) == Looks(1, 1)


@pytest.mark.parametrize("flip", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_north_is_up_whatever_the_order_of_rows(make, flip):
    z = np.exp(1j * np.linspace(-3, 3, 35).reshape(5, 7))
    one = make({"20210703_20210709": z}).isel(date=0, delay=0)
    turned = one.isel(y=slice(None, None, flip[0]), x=slice(None, None, flip[1]))
    axis = Figure().subplots()
    (values,) = shrink([turned["igram"]])
    drawn = draw_image(axis, np.angle(values), place_of(turned), "phase")
    np.testing.assert_allclose(drawn.get_array(), np.angle(z), rtol=1e-5)
    assert drawn.get_extent() == pytest.approx([330_000, 330_140, 4_989_900, 4_990_000])
    assert axis.get_ylim() == pytest.approx((4_989_900, 4_990_000))
    assert drawn.get_clim() == pytest.approx((-np.pi, np.pi))


def test_a_shrunk_image_lies_on_its_pixels(make):
    one = make({"20210703_20210709": np.ones((10, 2405), np.complex64)}).isel(date=0, delay=0)
    (values,) = shrink([one["igram"]])
    assert values.shape == (10, 801)
    drawn = draw_image(Figure().subplots(), np.angle(values), place_of(one), "phase")
    assert drawn.get_extent()[:2] == pytest.approx([330_000, 330_000 + 2403 * 20])


def test_rows_without_place_count_downward():
    axis = Figure().subplots()
    values = np.arange(6.0).reshape(2, 3)
    drawn = draw_image(axis, values, place_of(xr.Dataset({"a": (("y", "x"), values)})), "coherence")
    np.testing.assert_array_equal(drawn.get_array(), values)
    assert axis.get_ylim() == (2.0, 0.0)


def test_an_empty_image_says_so(make):
    one = make({"20210703_20210709": np.full((4, 4), np.nan, np.complex64)}).isel(date=0, delay=0)
    axis = Figure().subplots()
    draw_image(axis, np.full((4, 4), np.nan), place_of(one), "phase")
    assert [t.get_text() for t in axis.texts] == ["no data"]


@pytest.mark.parametrize("height", [np.full((5, 5), np.nan), np.ones((1, 5)), np.arange(25.0).reshape(5, 5)])
def test_relief(make, height):
    place = place_of(make({"20210703_20210709": np.ones(height.shape, np.complex64)}))
    axis = Figure().subplots()
    draw_relief(axis, height, place, (20.0, 20.0))
    shade = np.ma.filled(axis.images[0].get_array(), np.nan)
    np.testing.assert_array_equal(np.isnan(shade), np.isnan(height))


def test_phase_has_ticks_of_pi():
    figure = Figure()
    axis = figure.subplots()
    place = place_of(xr.Dataset({"a": (("y", "x"), np.zeros((2, 2)))}))
    colour_bar([axis], draw_image(axis, np.zeros((2, 2)), place, "phase"), "phase")
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["-π", "0", "π"]
    assert "positive away from the satellite" in figure.axes[1].get_ylabel()


def test_no_axes():
    with pytest.raises(TypeError, match=re.escape("ax must be one matplotlib Axes, instead got ax=3 (int)")):
        check_axis(3)
