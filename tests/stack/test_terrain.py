import dask
import numpy as np
import pytest
import rioxarray
import xarray as xr

import insarflow
from insarflow.errors import MissingVariableError, SchemaError
from insarflow.ops.observability import observability
from insarflow.ops.terrain import SURFACE
from insarflow.schema import recipe_of, validate
from insarflow.stack.terrain import terrain

RADAR = ("local_incidence", "layover", "shadow", "layover_shadow")


@pytest.fixture
def scene(stack, grid):
    """The stack with a ridge from north to south, seen from the west."""
    dem = 800.0 - 0.9 * 78.0 * np.abs(np.arange(50) - 25.0)[None] + np.zeros((30, 1))
    incidence = 0.68
    look = {"los_east": -np.sin(incidence), "los_north": 0.0, "los_up": np.cos(incidence)}
    ds = stack.assign(dem=(("y", "x"), dem.astype(np.float32)))
    ds["dem"].encoding["grid_mapping"] = "spatial_ref"
    return ds.assign({n: (("y", "x"), np.full(grid.shape, v, np.float32)) for n, v in look.items()})


def test_a_ridge_seen_from_the_west(scene):
    found = terrain(scene, reach=3000.0)
    slope = np.arctan(0.9)
    west, east = (slice(2, -2), slice(2, 23)), (slice(2, -2), slice(28, -2))
    for side, aspect, local in ((west, 1.5 * np.pi, slope - 0.68), (east, 0.5 * np.pi, slope + 0.68)):
        np.testing.assert_allclose(found["slope"].values[side], slope, atol=4e-3)
        np.testing.assert_allclose(found["aspect"].values[side], aspect, atol=1e-3)
        np.testing.assert_allclose(found["local_incidence"].values[side], abs(local), atol=4e-3)
    # 42 degrees of slope: steeper than the incidence of 39, not as steep as its complement.
    assert found["layover"].values[west].all()
    assert not found["shadow"].any()
    # Behind the ridge, and before its foot, only other terrain is to blame.
    assert (found["layover_shadow"].values[west] == 1).all()
    behind = found["layover_shadow"].values[15, 26:]
    assert behind[0] == 2
    assert set(behind) == {0, 2}
    # The ridge is convex along the slope, and its contour lines are straight.
    assert (terrain(scene, scale=600.0)["profile_curvature"].values[2:-2, 23:25] > 1e-4).all()
    np.testing.assert_allclose(found["plan_curvature"].values[2:-2, 5:20], 0.0, atol=1e-6)


def test_the_rest_of_the_stack_stays(scene):
    found = terrain(scene, scale=400.0)
    validate(found)
    assert set(found) == {*scene, *SURFACE, *RADAR}
    xr.testing.assert_identical(found[list(scene)].drop_attrs(deep=False), scene.drop_attrs(deep=False))
    assert recipe_of(found).steps[-1] == {"operation": "terrain", "scale": 400.0, "reach": 8000.0}
    assert found["slope"].attrs["window"] == [3, 5]
    assert {found[name].encoding["grid_mapping"] for name in (*SURFACE, *RADAR)} == {"spatial_ref"}


def test_a_store_holds_it(scene, tmp_path):
    found = terrain(scene)
    insarflow.write_stack(found, tmp_path / "s.zarr")
    again = insarflow.open_stack(tmp_path / "s.zarr")
    for name in (*SURFACE, *RADAR):
        np.testing.assert_array_equal(again[name].values, found[name].values)
        assert again[name].attrs == {**found[name].attrs, "grid_mapping": "spatial_ref"}
        assert again[name].dtype == found[name].dtype
    assert str(again["slope"].rio.crs) == "EPSG:4326"
    plain = xr.open_zarr(tmp_path / "s.zarr", decode_timedelta=True)
    np.testing.assert_array_equal(plain["local_incidence"].values, found["local_incidence"].values)
    np.testing.assert_array_equal(plain["layover_shadow"].values, found["layover_shadow"].values)
    assert plain["layover_shadow"].dtype == np.uint8
    assert plain["layover_shadow"].attrs["flag_masks"] == [1, 2, 4, 8]


def test_a_dem_alone(scene):
    found = terrain(scene["dem"].rename("height"), scale=300.0)
    assert set(found) == {"dem", *SURFACE}
    np.testing.assert_array_equal(found["slope"], terrain(scene, scale=300.0)["slope"])
    assert recipe_of(found).steps[-1] == {"operation": "terrain", "scale": 300.0}


def test_lazy(scene, no_compute):
    found = terrain(scene.chunk(y=10, x=20))
    assert all(found[name].chunks is not None for name in (*SURFACE, *RADAR))


def test_data_refused(scene):
    message = r"^terrain needs the variable 'dem', but .*; add one with insarflow.add_dem\(ds, 'dem.tif'\)$"
    with pytest.raises(MissingVariableError, match=message):
        terrain(scene.drop_vars("dem"))
    with pytest.raises(MissingVariableError, match=r"^terrain needs the variable 'los_north', .* right-looking"):
        terrain(scene.drop_vars("los_north"))
    with pytest.raises(SchemaError, match=r"^the dataset has no CRS"):
        terrain(scene.drop_vars("spatial_ref"))
    with pytest.raises(TypeError, match=r"^terrain needs an xarray.Dataset, instead got str$"):
        terrain("dem.tif")


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")
def test_grenoble_from_an_ascending_sentinel1(real):
    """Layover is on slopes that face the satellite in the west, shadow on those that face away from it."""
    file = real("dem-tiles") / "grenoble_copernicus_N45E005.tif"
    dem = rioxarray.open_rasterio(file).squeeze(drop=True).astype(np.float32)
    incidence, heading = np.radians(39), np.radians(-12)
    look = -np.sin(incidence) * np.cos(heading), np.sin(incidence) * np.sin(heading), np.cos(incidence)
    ds = dem.rename("dem").to_dataset()
    ds = ds.assign({f"los_{n}": xr.full_like(dem, v) for n, v in zip(("east", "north", "up"), look, strict=True)})
    found = terrain(ds)
    east = found["aspect"] < np.pi
    assert 0.005 < float(found["layover"].mean()) < 0.05
    assert 0 < float(found["shadow"].mean()) < 0.01
    active, passive = (float((found["layover_shadow"] & bit > 0).mean()) for bit in (1, 2))
    assert active > 0.2 * passive > 0.0
    assert float(east.where(found["layover"]).mean()) < 0.05
    assert float(east.where(found["shadow"]).mean()) > 0.95
    lit = found["local_incidence"]
    assert float(lit.where(east).mean()) > incidence > float(lit.where(~east).mean())


def test_mexico_city(real):
    """Flat ground: nothing in layover or shadow, and what moves down a slope of a degree is hardly known."""
    ds = insarflow.open_stack(real("mexico-city-s1-stack"))
    found = terrain(ds)
    with dask.config.set(scheduler="synchronous"):
        found, seen = found.compute(), observability(found, looks=16.0).compute()
    assert not found["layover"].any()
    assert not found["shadow"].any()
    assert float(abs(found["local_incidence"] - found["incidence"]).max()) < 0.11
    expected = found["coherence"].mean(("date", "delay"))
    np.testing.assert_allclose(seen["mean_coherence"], expected, rtol=1e-5)
    assert int(seen["pairs"].max()) == 30
    observable = seen["observability"] == 1
    assert 0.5 < float(observable.mean()) < 1.0
    assert (seen["slowest"] < seen["fastest"]).where(observable, other=True).all()
    # A quarter of a wavelength in 12 days is 0.42 m/yr along the line of sight.
    fastest = (seen["fastest"] * abs(seen["sensitivity"])).where(observable)
    np.testing.assert_allclose(float(fastest.max()), 0.055466 / 4 / (12 / 365.25), rtol=1e-4)
