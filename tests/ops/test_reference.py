import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import InsarError, MissingVariableError
from insarflow.ops.recipe import apply_recipe
from insarflow.ops.reference import reference
from insarflow.schema import recipe_of
from insarflow.types import Recipe


@pytest.fixture
def ds(stack):
    """The stack with unwrapped phase, another constant on each."""
    constants = np.array([[1.0, -20.0], [300.0, 0.0]])[..., None, None]
    unwrapped = (np.angle(stack["igram"]) + constants).astype(np.float32)
    stable = xr.DataArray(np.arange(54) > 20, dims="x").expand_dims(y=stack["y"]).assign_coords(x=stack["x"])
    return stack.assign(unwrapped=stack["igram"].copy(data=unwrapped), stable=stable.copy())


def phasor_mean(z, w):
    there = ~np.isnan(z)
    return (w[there] * z[there] / np.abs(z[there])).sum()


def test_to_a_point(ds):
    x, y = float(ds["x"][30]) + 4, float(ds["y"][11]) - 3
    result = reference(ds, point=(x, y), window=3)
    z, c, u = (ds[n].values[..., 10:13, 29:32].astype(complex) for n in ("igram", "coherence", "unwrapped"))
    for index in np.argwhere(ds["valid"].values):
        at = tuple(index)
        angle = np.angle(phasor_mean(z[at], c[at]))
        turned = result["igram"].values[at] * np.exp(1j * angle)
        np.testing.assert_allclose(turned, ds["igram"].values[at], rtol=1e-5)
        there = ~np.isnan(u[at])
        mean = ((c[at] * u[at])[there].sum() / c[at][there].sum()).real
        np.testing.assert_allclose(result["unwrapped"].values[at], ds["unwrapped"].values[at] - mean, atol=1e-4)
    assert recipe_of(result).steps[-1] == {"operation": "reference", "window": 3, "point": [x, y]}
    xr.testing.assert_identical(apply_recipe(ds, Recipe(recipe_of(result).steps[1:])), result)
    # At the border the window is cut; alone, the pixel itself is the reference.
    corner = reference(ds.fillna(1.0), point=(float(ds["x"][0]), float(ds["y"][0])), window=1)
    np.testing.assert_allclose(np.angle(corner["igram"][..., 0, 0]), 0, atol=1e-6)


@pytest.mark.parametrize("mask", [None, "stable"])
def test_to_a_mean(ds, mask):
    result = reference(ds, mask=mask)
    inside = np.ones((41, 54), bool) if mask is None else ds["stable"].values
    for index in np.argwhere(ds["valid"].values):
        z, c = (ds[n].values[tuple(index)][inside].astype(complex) for n in ("igram", "coherence"))
        wanted = ds["igram"].values[tuple(index)] * np.exp(-1j * np.angle(phasor_mean(z, c)))
        np.testing.assert_allclose(result["igram"].values[tuple(index)], wanted, rtol=1e-4)
        left = phasor_mean(result["igram"].values[tuple(index)][inside], c)
        assert abs(np.angle(left)) < 1e-5
    assert recipe_of(result).steps[-1] == {"operation": "reference", "statistic": "mean"} | (
        {"mask": mask} if mask else {}
    )
    if mask:
        xr.testing.assert_identical(reference(ds, mask=ds["stable"]), result)


@pytest.mark.parametrize("mask", [None, "stable"])
def test_to_a_median(ds, mask):
    result = reference(ds, mask=mask, statistic="median")
    inside = np.ones((41, 54), bool) if mask is None else ds["stable"].values
    there = ds["valid"].values
    medians = np.nanmedian(ds["unwrapped"].values[there][:, inside], axis=-1)
    wanted = (ds["unwrapped"].values[there].astype(float) - medians[:, None, None]).astype(np.float32)
    np.testing.assert_array_equal(result["unwrapped"].values[there], wanted)
    for z in result["igram"].values[there]:
        phase = np.angle(z[inside & ~np.isnan(z)])
        ahead, behind = (phase > 5e-4).sum(), (phase < -5e-4).sum()
        assert abs(int(ahead) - int(behind)) <= 0.02 * phase.size


@given(data=st.data())
def test_any_chunks_give_the_same_bits(data):
    rng = np.random.default_rng(0)
    shape = (2, 61, 47)
    igram = np.exp(1j * rng.normal(1, 0.7, shape)).astype(np.complex64)
    coherence = rng.uniform(0, 1, shape).astype(np.float32)
    dims = ("pair", "y", "x")
    ds = xr.Dataset(
        {"igram": (dims, igram), "coherence": (dims, coherence), "unwrapped": (dims, 9 * coherence)},
        {"y": np.arange(61.0), "x": np.arange(47.0)},
    )
    ds["stable"] = (dims[1:], rng.uniform(size=shape[1:]) < 0.5)
    cut = ds.chunk(dict(zip(dims, data.draw(chunkings(shape)), strict=True)))
    how = data.draw(
        st.sampled_from([{"point": (9.0, 12.0)}, {}, {"mask": "stable"}, {"mask": "stable", "statistic": "median"}])
    )
    xr.testing.assert_identical(reference(cut, **how).compute(), reference(ds, **how))


def test_lazy_stays_lazy_and_absent_stays_absent(ds, forbid_compute):
    cut = ds.chunk(date=1, delay=1, y=20, x=30)
    for how in ({"point": (800.0, 3800.0)}, {}, {"mask": "stable"}, {"statistic": "median"}):
        with forbid_compute():
            result = reference(cut, **how)
        xr.testing.assert_identical(result.compute(), reference(ds, **how))
        assert np.isnan(result["igram"][1, 1].values).all()


@pytest.mark.parametrize("chunks", [None, {"date": 1, "y": 20}])
def test_a_reference_without_a_pixel_is_named(ds, chunks):
    ds["igram"][1, 0, 5:12, 5:12] = np.nan
    if chunks:
        ds = ds.chunk(chunks)
    x, y = float(ds["x"][8]), float(ds["y"][8])
    message = r"20210709_20210715 has none in the 3 x 3 pixels around point=\(670, 3915\): choose another, or leave"
    with pytest.raises(InsarError, match=message):
        reference(ds, point=(x, y), window=3).compute()
    nowhere = xr.zeros_like(ds["stable"])
    for statistic in ("mean", "median"):
        with pytest.raises(InsarError, match=r"but 202107\d\d_202107\d\d has none in the mask"):
            reference(ds, mask=nowhere, statistic=statistic).compute()


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"point": (0.0, 3800.0)}, ValueError, r"^point must lie on the grid, x from 510 to 1570, .*point=\(0, 3800\)"),
        ({"point": (800.0, 1e6)}, ValueError, r"^point must lie on the grid, y from 3595 to 3995, instead got"),
        ({"point": 5.0}, TypeError, r"^point must be \(x, y\) in the stack's CRS, instead got point=5.0"),
        ({"point": (1.0, np.nan)}, ValueError, "^point must be finite, instead got point=nan"),
        (
            {"point": (800.0, 3800.0), "mask": "stable"},
            ValueError,
            "^reference needs a point or a mask, instead got both",
        ),
        ({"point": (800.0, 3800.0), "statistic": "median"}, ValueError, "^statistic must be 'mean' with a point"),
        ({"statistic": "mode"}, ValueError, r"^statistic must be one of \('mean', 'median'\), instead got"),
        ({"window": 4}, ValueError, "^window must be odd, so that it has a middle, instead got window=4"),
        ({"mask": "rock"}, MissingVariableError, "^reference needs the variable 'rock'"),
        ({"mask": "dem"}, TypeError, "^mask must be bool, instead got float32"),
    ],
)
def test_bad_input(ds, how, error, message):
    with pytest.raises(error, match=message):
        reference(ds, **how)


def test_masks_that_do_not_fit(ds):
    with pytest.raises(ValueError, match=r"^mask must have the stack's shape \(41, 54\), instead got shape=\(40, 54\)"):
        reference(ds, mask=ds["stable"].isel(y=slice(40)))
    with pytest.raises(ValueError, match=r"^mask must lie on the stack's pixels, but their x coordinates differ"):
        reference(ds, mask=ds["stable"].assign_coords(x=ds["x"] + 1))
    with pytest.raises(ValueError, match=r"^reference needs coordinate values along y to find a point"):
        reference(ds.drop_vars("y"), point=(800.0, 3800.0))
