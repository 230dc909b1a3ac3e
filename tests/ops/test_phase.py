import math

import dask.array as da
import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.ops.phase import amplitude, phase

mpl.use("Agg")


@pytest.fixture
def ds():
    rng = np.random.default_rng(1)
    z = (rng.normal(size=(2, 2, 20, 30)) + 1j * rng.normal(size=(2, 2, 20, 30))).astype(np.complex64)
    z[..., 3:5, 4:9] = complex(np.nan, np.nan)
    z[0, 0, 0, 0] = -1.0
    return xr.Dataset({"igram": (("date", "delay", "y", "x"), z)}, {"y": np.arange(20.0), "x": np.arange(30.0)})


@pytest.fixture(autouse=True)
def close():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


def test_values_units_and_missing(ds):
    found = phase(ds)
    np.testing.assert_array_equal(found.values, np.angle(ds["igram"].values))
    assert found.dtype == np.float32
    assert found.name == "phase"
    assert found.attrs["units"] == "rad"
    assert np.isnan(found.values[..., 3, 4]).all()
    assert found.values[0, 0, 0, 0] == np.float32(math.pi)
    np.testing.assert_array_equal(amplitude(ds).values, np.abs(ds["igram"].values))


@pytest.mark.parametrize("chunks", [(1, 1, 20, 30), (2, 1, 7, 11), (1, 2, 1, 30)])
def test_lazy_is_eager(ds, chunks, forbid_compute):
    lazy = ds.assign(igram=(ds["igram"].dims, da.from_array(ds["igram"].values, chunks=chunks)))
    for function in (phase, amplitude):
        with forbid_compute():
            found, again = function(lazy), function(lazy)
        assert found.data.name == again.data.name
        assert found.data.chunks == lazy["igram"].data.chunks
        np.testing.assert_array_equal(found.values, function(ds).values)


def test_amplitude_of_the_product_comes_first(ds):
    given = ds.assign(amplitude=ds["coherence"] if "coherence" in ds else xr.ones_like(ds["igram"].real))
    assert amplitude(given).identical(given["amplitude"])


def test_xarray_draws_phase_with_cyclic_colours(ds):
    one = phase(ds).isel(date=0, delay=0)
    for image in (one.plot(), one.plot.imshow(), one.plot.pcolormesh()):
        assert image.cmap.name == "twilight"
        assert image.get_clim() == (-math.pi, math.pi)
    grid = phase(ds).plot(row="date", col="delay")
    assert {a.collections[0].cmap.name for a in grid.axs.flat} == {"twilight"}
    assert one.plot(cmap="gray").cmap.name == "gray"
    assert one.plot(vmin=0).get_clim()[0] == 0


def test_other_plots_are_xarrays(ds):
    one = phase(ds).isel(date=0, delay=0)
    assert len(one.isel(x=0).plot()) == 1
    assert one.plot.hist()[0].sum() == 590


def test_a_phase_times_something_is_no_phase(ds):
    one = phase(ds).isel(date=0, delay=0)
    image = (-0.0044 * one).plot()
    assert image.get_clim()[1] < 0.02
    assert type(one * 2) is xr.DataArray
    assert type(2 - one) is xr.DataArray


def test_errors(ds):
    with pytest.raises(MissingVariableError, match=r"^phase needs the variable 'igram'"):
        phase(ds.drop_vars("igram"))
    with pytest.raises(MissingVariableError, match=r"^amplitude needs the variable 'igram'"):
        amplitude(ds.drop_vars("igram"))
    with pytest.raises(TypeError, match=r"^phase needs an xarray.Dataset"):
        phase(ds["igram"])
