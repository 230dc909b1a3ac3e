import dask.array as da
import numpy as np
import pytest
import xarray as xr
from grids import rugged
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from strategies import chunkings, lazy

from insarflow.errors import MissingVariableError
from insarflow.ops.terrain import SURFACE, layover_shadow, local_incidence, surface
from insarflow.types import Grid

GRID = Grid((7.0, 0.0003, 0.0, 46.0, 0.0, -0.0002), (61, 72), "EPSG:4326")


def scene(shape=GRID.shape, seed=0):
    """Rough terrain with holes, seen from the west; the line of sight turns a little over it."""
    rng = np.random.default_rng(seed)
    dem = rugged(rng, shape, 400.0)
    dem[rng.uniform(size=shape) < 0.01] = np.nan
    incidence = np.linspace(0.5, 0.8, shape[1])[None] + 0.0 * dem
    azimuth = 4.5 + np.linspace(0, 0.2, shape[0])[:, None] + 0.0 * dem
    los = np.sin(incidence) * np.sin(azimuth), np.sin(incidence) * np.cos(azimuth), np.cos(incidence)
    names = ("dem", "los_east", "los_north", "los_up")
    arrays = zip(names, (dem, *los), strict=True)
    return xr.Dataset({name: (("y", "x"), array.astype(np.float32)) for name, array in arrays})


@settings(max_examples=8)
@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    ds = scene()
    chunks = data.draw(chunkings(GRID.shape).filter(lambda c: len(c[0]) * len(c[1]) < 40))
    cut = ds.map(lambda a: a.copy(data=lazy(a.values, chunks)))
    scale = data.draw(st.sampled_from([None, 150.0]))
    reach = data.draw(st.sampled_from([0.0, 70.0, 900.0]))
    for eager, other in (
        (surface(ds["dem"], GRID, scale=scale), surface(cut["dem"], GRID, scale=scale)),
        (local_incidence(ds, GRID).to_dataset(), local_incidence(cut, GRID).to_dataset()),
        (layover_shadow(ds, GRID, reach=reach), layover_shadow(cut, GRID, reach=reach)),
    ):
        for name in eager:
            assert isinstance(other[name].data, da.Array)
            xr.testing.assert_identical(eager[name], other[name].compute())


def test_chunks_larger_than_a_part_give_the_same_bits(monkeypatch):
    whole = scene()
    expected = surface(whole["dem"], GRID, scale=100.0), layover_shadow(whole, GRID, reach=500.0)
    monkeypatch.setattr("insarflow.ops.overlap.PART", 20)
    found = surface(whole["dem"], GRID, scale=100.0), layover_shadow(whole, GRID, reach=500.0)
    for one, other in zip(expected, found, strict=True):
        xr.testing.assert_identical(one, other)


def test_the_scene_shows_everything():
    ds = scene()
    masks = layover_shadow(ds, GRID, reach=900.0)
    assert 0.02 < masks["layover"].mean() < 0.98
    assert 0.02 < masks["shadow"].mean() < 0.98
    assert not masks["layover"].where(ds["dem"].isnull(), other=False).any()
    near = layover_shadow(ds, GRID, reach=70.0)
    assert (near["layover"] <= masks["layover"]).all()
    assert near["layover"].sum() < masks["layover"].sum()


def test_active_and_passive_are_told_apart_and_make_up_layover_and_shadow():
    masks = layover_shadow(scene(), GRID, reach=900.0)
    bits = masks["layover_shadow"]
    assert bits.dtype == np.uint8
    assert bits.attrs["flag_masks"] == [1, 2, 4, 8]
    assert bits.attrs["flag_meanings"] == "active_layover passive_layover active_shadow passive_shadow"
    np.testing.assert_array_equal(bits & 3 > 0, masks["layover"])
    np.testing.assert_array_equal(bits & 12 > 0, masks["shadow"])
    assert all((bits & mask > 0).mean() > 0.01 for mask in (1, 2, 4, 8))


@pytest.mark.parametrize("latitude", [0.0, 45.0, -70.0])
def test_a_cone_in_degrees(latitude):
    """Height falls by half a metre a metre from a point, along geodesics: the closed form is known everywhere."""
    grid = Grid((10.0, 0.002, 0.0, latitude + 0.05, 0.0, -0.001), (101, 61), "EPSG:4326")
    x, y = np.meshgrid(grid.x, grid.y)
    geod = Geod(ellps="WGS84")
    azimuth, _, distance = geod.inv(np.full(x.shape, grid.x[30]), np.full(x.shape, grid.y[50]), x, y)
    dem = xr.DataArray((4000.0 - 0.5 * distance).astype(np.float32), dims=("y", "x"))
    found = surface(dem, grid)
    inner = (slice(1, -1), slice(1, -1))
    away = (distance > 2500.0)[inner]
    np.testing.assert_allclose(np.tan(found["slope"].values[inner][away]), 0.5, rtol=5e-3)
    turned = np.angle(np.exp(1j * (found["aspect"].values - np.radians(azimuth))))[inner][away]
    # Meridians converge: over 6 km by up to 0.2 degrees.
    np.testing.assert_allclose(turned, 0.0, atol=1e-2)


def test_lazy_in_lazy_out(forbid_compute):
    cut = scene().chunk(y=25, x=40)
    with forbid_compute():
        one, two = (layover_shadow(cut, GRID, reach=500.0).assign(surface(cut["dem"], GRID, scale=s)) for s in (90, 90))
        other = surface(cut["dem"], GRID)
    for name in ("layover", "layover_shadow", *SURFACE):
        assert one[name].data.name == two[name].data.name
        assert one[name].chunks == cut["dem"].chunks
    assert one["slope"].data.name != other["slope"].data.name
    assert one["slope"].attrs["window"] == [5, 3]


def test_attributes():
    found = surface(scene()["dem"].assign_attrs(grid_mapping="spatial_ref", units="feet"), GRID)
    assert found["slope"].attrs == {
        "grid_mapping": "spatial_ref", "window": [3, 3], "units": "rad", "long_name": "slope of the terrain"
    }  # fmt: skip
    assert {a.dtype.name for a in found.values()} == {"float32"}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda ds: surface(ds["dem"], GRID, scale=0.0),
            ValueError,
            r"^scale must be more than 0 m and at most 1356 m, ",
        ),
        (lambda ds: surface(ds["dem"], GRID, scale=2e4), ValueError, r"^scale must be .*, instead got scale=20000.0$"),
        (lambda ds: surface(ds["dem"], GRID, scale="a"), TypeError, r"^scale must be a number, instead got scale='a'$"),
        (
            lambda ds: surface(ds["dem"][1:], GRID),
            ValueError,
            r"^dem must have the grid's shape \(61, 72\), instead got",
        ),
        (
            lambda ds: surface(ds["dem"].astype(float), GRID),
            TypeError,
            r"^dem must be float32, instead got float64: convert",
        ),
        (lambda ds: surface(ds["dem"].expand_dims("t"), GRID), ValueError, r"^dem must have the dims \('y', 'x'\)"),
        (
            lambda ds: layover_shadow(ds, GRID, reach=-1.0),
            ValueError,
            r"^reach must be at least 0 m, instead got reach=-1",
        ),
        (
            lambda ds: local_incidence(ds.drop_vars("los_up"), GRID),
            MissingVariableError,
            r"^local_incidence needs the variable 'los_up', .*; for a right-looking satellite .* los_up = cos\(incid",
        ),
        (
            lambda ds: layover_shadow(ds.drop_vars("dem"), GRID, reach=1.0),
            MissingVariableError,
            r"^layover_shadow needs the variable 'dem', but the dataset holds \['los_east', 'los_north', 'los_up'\]$",
        ),
    ],
)
def test_arguments_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(scene())
