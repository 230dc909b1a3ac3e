import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from insarflow.errors import MissingVariableError
from insarflow.ops.downslope import downslope, sensitivity


def scene(shape=(12, 15), seed=0):
    rng = np.random.default_rng(seed)
    look = rng.normal(size=(3, *shape))
    look[2] = np.abs(look[2])
    look /= np.sqrt((look**2).sum(axis=0))
    slope, aspect = rng.uniform(0.05, 1.2, shape), rng.uniform(0, 2 * np.pi, shape)
    slope[0, 0], aspect[0, 0] = 0.0, np.nan
    slope[1, 1] = aspect[1, 1] = np.nan
    look[0, 2, 2] = np.nan
    names = ("slope", "aspect", "los_east", "los_north", "los_up")
    ds = xr.Dataset(
        {name: (("y", "x"), a.astype(np.float32)) for name, a in zip(names, (slope, aspect, *look), strict=True)}
    )
    return ds.assign_coords(y=np.arange(12.0), x=np.arange(15.0))


def test_a_motion_down_the_slope_comes_back():
    ds = scene()
    rng = np.random.default_rng(1)
    speed = rng.uniform(0.1, 2.0, (3, 12, 15))
    a, b = ds["aspect"].values.astype(float), ds["slope"].values.astype(float)
    s = np.stack([np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), -np.sin(b)])
    u = np.stack([ds[n].values for n in ("los_east", "los_north", "los_up")]).astype(float)
    share = (u * s).sum(axis=0)
    motion = xr.DataArray(speed * share, dims=("date", "y", "x"), attrs={"units": "m/yr"})
    found = downslope(ds, motion, error=xr.full_like(motion, 0.01))
    np.testing.assert_allclose(found["sensitivity"], share, atol=1e-6)
    seen, error = np.abs(share) >= 0.2, 0.01 / np.abs(share) + 0.0 * speed
    assert 0.3 < seen.mean() < 0.95
    assert not seen[[0, 1, 2], [0, 1, 2]].any()
    np.testing.assert_allclose(found["downslope"].values[:, seen], speed[:, seen], rtol=1e-5)
    np.testing.assert_allclose(found["downslope_error"].values[:, seen], error[:, seen], rtol=1e-5)
    assert np.isnan(found["downslope"].values[:, ~seen]).all()
    assert np.isnan(found["downslope_error"].values[:, ~seen]).all()
    assert found["downslope"].attrs["units"] == "m/yr"
    assert found["downslope"].dims == ("date", "y", "x")
    assert found["downslope"].dtype == np.float64
    assert set(downslope(ds, motion)) == {"downslope", "sensitivity"}


@given(st.floats(0.05, 1.4), st.floats(0.3, 1.0))
def test_a_slope_that_faces_away_from_an_ascending_satellite_moves_away(slope, incidence):
    """Right-looking, flying north: the satellite is in the west; ground that moves east and down recedes."""
    one = xr.DataArray(np.ones((1, 1), np.float32), dims=("y", "x"))
    look = {"los_east": -np.sin(incidence), "los_north": 0.0, "los_up": np.cos(incidence)}
    ds = xr.Dataset({"slope": one * np.float32(slope), "aspect": one * np.float32(np.pi / 2)})
    ds = ds.assign({name: one * np.float32(value) for name, value in look.items()})
    away = sensitivity(ds).item()
    assert away == pytest.approx(-np.cos(slope) * np.sin(incidence) - np.sin(slope) * np.cos(incidence), abs=1e-6)
    west = sensitivity(ds.assign(aspect=one * np.float32(1.5 * np.pi))).item()
    assert west == pytest.approx(np.sin(incidence - slope), abs=1e-6)


def test_lazy_in_lazy_out(forbid_compute):
    ds = scene()
    motion = xr.full_like(ds["slope"], 0.02)
    cut = ds.chunk(y=5, x=7)
    with forbid_compute():
        lazy = downslope(cut, motion.chunk(y=4, x=15), error=motion)
    xr.testing.assert_identical(lazy.compute(), downslope(ds, motion, error=motion))
    assert lazy["sensitivity"].chunks == ((5, 5, 2), (7, 7, 1))


def test_even_without_a_limit_nothing_is_divided_by_0():
    ds = scene()
    ds = ds.assign(**{name: 0.0 * ds[name] for name in ("los_east", "los_north", "los_up")})
    assert downslope(ds, ds["slope"], min_sensitivity=0.0)["downslope"].isnull().all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda ds: downslope(ds.drop_vars("aspect"), ds["slope"]),
            MissingVariableError,
            r"^downslope needs the variable 'aspect', but .*; make them with ds.insar.terrain\(scale=...\)$",
        ),
        (
            lambda ds: downslope(ds.drop_vars("los_east"), ds["slope"]),
            MissingVariableError,
            r"^downslope needs the variable 'los_east', but .*; for a right-looking satellite",
        ),
        (
            lambda ds: downslope(ds, ds["slope"][1:]),
            ValueError,
            r"^motion must have the terrain's 12 pixels along y, instead got 11$",
        ),
        (
            lambda ds: downslope(ds, ds["slope"].assign_coords(x=np.arange(15.0) + 1)),
            ValueError,
            r"^motion must lie on the terrain's pixels, but their x coordinates differ$",
        ),
        (lambda ds: downslope(ds, ds["slope"] > 0), TypeError, r"^motion must be float32 or float64, instead got bool"),
        (
            lambda ds: downslope(ds, ds["slope"], error=ds["slope"].expand_dims("date")),
            ValueError,
            r"^error must have the motion's dims \('y', 'x'\), instead got dims=\('date', 'y', 'x'\)$",
        ),
        (
            lambda ds: downslope(ds, ds["slope"], min_sensitivity=2),
            ValueError,
            r"^min_sensitivity must be between 0 and 1, instead got min_sensitivity=2$",
        ),
    ],
)
def test_arguments_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(scene())
