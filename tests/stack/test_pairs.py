import warnings

import dask
import dask.array as da
import numpy as np
import pyproj
import pytest
import rioxarray
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import insarflow
from insarflow.errors import SchemaError
from insarflow.stack.pairs import from_pairs, to_pairs
from insarflow.types import Grid, Pair

GRID = Grid((7e5, 10.0, 0.0, 5.2e6, 0.0, -10.0), (12, 16), pyproj.CRS(32632).to_wkt())
DAYS = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(6, "D")


def _stack(cells, *, lazy=True):
    """A stack with these cells, of 5 dates by 3 delays before those without a pair are left out."""
    rng = np.random.default_rng(0)
    images = {}
    for i, j in cells:
        pair = Pair(DAYS[i], DAYS[i] + np.timedelta64(6 * (j + 1), "D"))
        igram = np.exp(1j * rng.normal(size=GRID.shape)).astype("complex64")
        coherence = rng.random(GRID.shape, np.float32)
        images[pair] = {"igram": da.from_array(igram, chunks=8), "coherence": da.from_array(coherence, chunks=8)}
    ds = insarflow.stack_pairs(
        images, GRID, static={"dem": np.ones(GRID.shape, "float32")}, baselines=dict.fromkeys(images, 12.5),
        attrs={"wavelength": 0.0555},
    )  # fmt: skip
    return ds if lazy else ds.compute()


CELLS = [(0, 0), (0, 2), (2, 1), (4, 0)]


def _chunks(ds):
    return {name: array.chunks for name, array in ds.data_vars.items()}


@given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1), st.booleans())
def test_there_and_back_is_the_same(cells, lazy):
    ds = _stack(sorted(cells), lazy=lazy)
    with warnings.catch_warnings(), dask.config.set(scheduler="sync"):
        warnings.simplefilter("error")
        pairs = to_pairs(ds)
        again = from_pairs(pairs)
        assert dict(pairs.sizes) == {"pair": len(cells), "y": 12, "x": 16}
        assert _chunks(again) == _chunks(ds)
        xr.testing.assert_identical(again.compute(), ds.compute())


@pytest.mark.parametrize("lazy", [True, False])
def test_what_a_pair_has(lazy, forbid_compute):
    ds = _stack(CELLS, lazy=lazy)
    with forbid_compute():
        pairs = to_pairs(ds)
    assert pairs["pair"].dtype == "<U17"
    assert pairs["pair"].values.tolist() == [p.name for p in insarflow.stack.labels.pairs_of(ds)]
    assert [Pair(a, b).name for a, b in zip(pairs["reference"].values, pairs["secondary"].values, strict=True)] == list(
        pairs["pair"].values
    )
    np.testing.assert_array_equal(pairs["date"], pairs["reference"])
    np.testing.assert_array_equal(pairs["date"] + pairs["delay"], pairs["secondary"])
    assert all(pairs[name].dims == ("pair",) for name in ("valid", "perpendicular_baseline"))
    assert pairs["dem"].dims == ("y", "x")
    assert pairs.attrs == ds.attrs
    with dask.config.set(scheduler="sync"):
        for name in pairs["pair"].values:
            one, other = pairs.sel(pair=name), ds.insar.pair(name)
            np.testing.assert_array_equal(one["igram"], other["igram"])
            assert float(one["perpendicular_baseline"]) == 12.5
    assert (pairs["igram"].chunks is not None) == lazy
    assert ds.insar.to_pairs().identical(pairs)
    assert pairs.insar.from_pairs().sizes == ds.sizes


def test_only_cells_that_exist_are_in_the_graph():
    cube = to_pairs(_stack(CELLS))["igram"].data
    assert cube.chunks == ((1, 1, 1, 1), (8, 4), (8, 8))
    functions = str(list(dict(dask.optimize(cube)[0].dask).values()))
    assert "missing_block" not in functions
    assert to_pairs(_stack(CELLS))["igram"].data.name == cube.name


def test_dates_and_delays_without_a_pair_come_back(tmp_path):
    days, delays = ["20200113", "20200101", "20200125"], [12, 6]
    insarflow.create_stack(tmp_path / "s.zarr", days, delays, GRID)
    empty = insarflow.open_stack(tmp_path / "s.zarr")
    with pytest.raises(SchemaError, match=r"^to_pairs needs at least one interferogram, instead got valid=False every"):
        to_pairs(empty)
    ds = empty.assign(
        valid=empty["valid"] | ((empty["date"] == empty["date"][1]) & (empty["delay"] == empty["delay"][0]))
    )
    ds["valid"].attrs = empty["valid"].attrs
    pairs = to_pairs(ds)
    assert pairs["pair"].values.tolist() == ["20200113_20200119"]
    assert len(pairs["date"].attrs["without_pair"]) == 2
    assert pairs["delay"].attrs["without_pair"] == [12]
    with dask.config.set(scheduler="sync"):
        xr.testing.assert_identical(from_pairs(pairs).compute(), ds.compute())


def test_a_stack_without_valid_has_all_pairs(forbid_compute):
    ds = _stack([(0, 0), (0, 1), (1, 0), (1, 1)]).drop_vars("valid")
    with forbid_compute():
        pairs = to_pairs(ds)
        again = from_pairs(pairs)
    assert pairs.sizes["pair"] == 4
    assert "valid" not in again
    with dask.config.set(scheduler="sync"):
        xr.testing.assert_identical(again.compute(), ds.compute())
        part = from_pairs(pairs.isel(pair=[0, 3]))
        np.testing.assert_array_equal(part["valid"], np.eye(2, dtype=bool))
        assert np.isnan(part["igram"].values[0, 1]).all()


def test_deep_chunks():
    ds = _stack(CELLS)
    with dask.config.set(scheduler="sync"):
        again = from_pairs(to_pairs(ds.chunk(date=2, delay=-1)).chunk(pair=3))
        assert _chunks(again)["igram"] == _chunks(ds)["igram"]
        xr.testing.assert_identical(again.compute(), ds.compute())


def test_operations_give_the_same(forbid_compute):
    ds = _stack(CELLS)
    with forbid_compute():
        ours = from_pairs(insarflow.goldstein(to_pairs(ds), patch_size=8, step=4))
        theirs = insarflow.goldstein(ds, patch_size=8, step=4)
    with dask.config.set(scheduler="sync"):
        xr.testing.assert_identical(ours.compute(), theirs.compute())


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray's
def test_rasterio_zarr_and_facets_work_on_pairs(tmp_path):
    pairs = to_pairs(_stack(CELLS, lazy=False))
    warped = pairs["igram"].rio.reproject("EPSG:4326")
    assert warped.dims == ("pair", "y", "x")
    assert warped["pair"].values.tolist() == pairs["pair"].values.tolist()
    back = from_pairs(warped.to_dataset(name="igram"))
    assert back["valid"].values.sum() == 4
    pairs["coherence"].rio.to_raster(tmp_path / "c.tif")
    with rioxarray.open_rasterio(tmp_path / "c.tif") as read:
        np.testing.assert_array_equal(read.values, pairs["coherence"].values)
    grid = insarflow.phase(pairs).plot(col="pair", col_wrap=2)
    assert len(grid.axs.flat) == 4
    assert [axis.get_title() for axis in grid.axs.flat] == [f"pair = {name}" for name in pairs["pair"].values]


def _opened(path):
    return xr.open_zarr(path, consolidated=False, decode_coords="all", decode_timedelta=True)


@pytest.mark.parametrize("lazy", [True, False])
def test_zarr_without_a_warning(lazy, tmp_path):
    pairs = to_pairs(_stack(CELLS, lazy=lazy))
    some = pairs.isel(pair=[2, 0])
    with dask.config.set(scheduler="sync"):
        for name, ds in (("all", pairs), ("some", some), ("phase", insarflow.phase(pairs).to_dataset())):
            ds.to_zarr(tmp_path / name, consolidated=False)
            again = _opened(tmp_path / name)
            assert again["pair"].values.tolist() == ds["pair"].values.tolist()
            xr.testing.assert_equal(again.drop_vars("pair").load(), ds.drop_vars("pair").compute())
        again = _opened(tmp_path / "all")
        assert again["igram"].rio.crs == pairs["igram"].rio.crs
        one = again["igram"].sel(pair="20200113_20200125")
        np.testing.assert_array_equal(one, pairs["igram"].sel(pair="20200113_20200125"))
        xr.testing.assert_equal(from_pairs(again).compute(), from_pairs(pairs).compute())


def test_mistakes_are_told(forbid_compute):
    ds = _stack(CELLS)
    pairs = to_pairs(ds)
    with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
        to_pairs(pairs)
    with pytest.raises(SchemaError, match=r"^a variable must lie along both date and delay or neither .* 'orbit' with"):
        to_pairs(ds.assign(orbit=("date", np.arange(ds.sizes["date"]))))
    with pytest.raises(TypeError, match=r"^from_pairs needs an xarray.Dataset, instead got DataArray"):
        from_pairs(pairs["igram"])
    with pytest.raises(SchemaError, match=r"^from_pairs needs the dims \('pair', 'y', 'x'\)"):
        from_pairs(ds)
    with pytest.raises(SchemaError, match=r"^a pair must be there once, instead got 20200101_20200107 twice"):
        from_pairs(pairs.isel(pair=[0, 0]))
    with pytest.raises(SchemaError, match=r"^pair must hold names such as 20180702_20180714: pair name must be"):
        from_pairs(pairs.drop_vars(["date", "delay"]).assign_coords(pair=["a", "b", "c", "d"]))
    with pytest.raises(SchemaError, match=r"^from_pairs needs names along pair such as"):
        from_pairs(pairs.drop_vars(["date", "delay", "pair"]))
    with pytest.raises(SchemaError, match=r"^kind must hold numbers to have cells that are missing, instead got <U1"):
        from_pairs(pairs.assign(kind=("pair", list("abcd"))))
    noted = pairs.assign_coords(date=pairs["date"].assign_attrs(without_pair=["yesterday"]))
    with pytest.raises(SchemaError, match=r"^the attribute 'without_pair' of date must hold days"):
        from_pairs(noted)
