import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunkings

import insarflow
from insarflow.errors import InsarError, MissingVariableError
from insarflow.ops.recipe import apply_recipe
from insarflow.ops.stratified import remove_stratified, stratification
from insarflow.schema import recipe_of
from insarflow.types import Recipe


def terrain(shape):
    y, x = np.ogrid[: shape[0], : shape[1]]
    return (1200 + 500 * np.sin(y / 17) * np.cos(x / 11) + 150 * np.sin(x / 5 + y / 7)).astype(np.float32)


@pytest.fixture(scope="module")
def ds():
    """Three interferograms with rates 8, -3 and 0 rad per km, ramps, noise and unwrapped phase."""
    shape, rng = (3, 90, 75), np.random.default_rng(0)
    dem = terrain(shape[1:])
    y, x = np.ogrid[:90, :75]
    phase = np.array([8.0, -3.0, 0.0])[:, None, None] * dem / 1000 + np.array([0.1, 0.0, -0.2])[:, None, None] * (x + y)
    igram = np.exp(1j * (phase + rng.normal(0, 0.8, shape))).astype(np.complex64)
    igram[:, 40:50, 10:20] = np.nan
    dims = ("pair", "y", "x")
    names = ["20210703_20210709", "20210709_20210715", "20210715_20210721"]
    coherence = rng.uniform(0.2, 1, shape).astype(np.float32)
    return xr.Dataset(
        {
            "igram": (dims, igram), "coherence": (dims, coherence), "dem": (dims[1:], dem),
            "unwrapped": (dims, phase.astype(np.float32)),
        },
        {
            "pair": names, "date": ("pair", np.array(["2021-07-03", "2021-07-09", "2021-07-15"], "datetime64[ns]")),
            "delay": ("pair", np.full(3, 6, "timedelta64[D]").astype("timedelta64[ns]")),
        },
    )  # fmt: skip


def test_what_was_added_goes(ds):
    found = stratification(ds)
    np.testing.assert_allclose(found["rad_per_km"], [8, -3, 0], atol=0.1)
    np.testing.assert_allclose(found["resultant"], np.exp(-0.32), atol=0.03)
    np.testing.assert_allclose(found["height_std"], ds["dem"].std(), rtol=0.1)
    clean = remove_stratified(ds)
    np.testing.assert_allclose(np.abs(clean["igram"]), np.abs(ds["igram"]), rtol=2e-6)
    removed = found["rad_per_km"].values[:, None, None] * ds["dem"].values / 1000
    np.testing.assert_allclose(clean["unwrapped"], ds["unwrapped"] - removed, atol=1e-4)
    turned = ds["igram"] * np.conj(clean["igram"])
    np.testing.assert_allclose(np.nan_to_num(np.angle(turned * np.exp(-1j * removed))), 0, atol=1e-4)
    np.testing.assert_allclose(stratification(clean)["rad_per_km"], 0, atol=1e-3)
    step = recipe_of(clean).steps[-1]
    assert step == {"operation": "remove_stratified", "limit": 20.0, "plane": True, "min_spread": 50.0}
    xr.testing.assert_identical(apply_recipe(ds, Recipe((step,))), clean)


def test_no_rate_of_a_fine_grid_is_better(ds):
    one = ds.isel(pair=1).drop_vars("coherence")
    found = stratification(one, plane=False, limit=10.0)
    unit, dem = one["igram"].values, one["dem"].values
    lengths = [np.abs(np.nanmean(unit * np.exp(-1j * rate * dem / 1000))) for rate in np.linspace(-10, 10, 401)]
    assert found["rad_per_km"].item() == pytest.approx(np.linspace(-10, 10, 401)[np.argmax(lengths)], abs=0.03)
    assert found["resultant"].item() >= max(lengths) - 1e-5


def test_a_ramp_is_mistaken_for_terrain_unless_it_is_estimated():
    shape = (80, 80)
    y, x = np.ogrid[:80, :80]
    dem = (np.float32(10) * x + terrain(shape) / 4).astype(np.float32)
    igram = np.exp(1j * (2.0 * dem / 1000 + 0.05 * x + 0 * y)).astype(np.complex64)
    ds = xr.Dataset({"igram": (("y", "x"), igram), "dem": (("y", "x"), dem)})
    assert stratification(ds)["rad_per_km"].item() == pytest.approx(2.0, abs=1e-3)
    assert stratification(ds, plane=False)["rad_per_km"].item() > 4.0


def test_the_simulators_air():
    ds = insarflow.simulate_stack((128, 128), seed=5, acquisitions=2, delays=[6], movers=1)[0].load()
    before = stratification(ds)["rad_per_km"].values.item()
    hazy = insarflow.add_stratified(ds, rad_per_km=6.0)
    assert stratification(hazy)["rad_per_km"].values.item() == pytest.approx(before + 6.0, abs=0.05)
    clean = remove_stratified(hazy)["igram"] * np.conj(remove_stratified(ds)["igram"])
    assert np.abs(np.angle(clean)).max() < 0.1


@settings(max_examples=6)
@given(data=st.data())
def test_any_chunks_give_the_same_bits(ds, data):
    sizes = dict(zip(("pair", "y", "x"), data.draw(chunkings((3, 90, 75))), strict=True))
    one = ds.isel(pair=[0, 2])
    cut = one.chunk({**sizes, "pair": 1})
    xr.testing.assert_identical(remove_stratified(cut).compute(), remove_stratified(one))


def test_nothing_is_computed(ds, forbid_compute):
    with forbid_compute():
        clean, found = remove_stratified(ds.chunk(pair=1, y=40)), stratification(ds.chunk(pair=1))
    xr.testing.assert_identical(clean.compute(), remove_stratified(ds))
    xr.testing.assert_identical(found.compute(), stratification(ds))
    missing = ds.assign(dem=ds["dem"].where(ds["dem"] > 1200))
    assert np.isnan(remove_stratified(missing)["igram"].values[:, ds["dem"].values <= 1200]).all()


@pytest.mark.parametrize("chunks", [None, {"pair": 1, "y": 30}])
def test_flat_terrain_is_refused(ds, chunks):
    flat = ds.assign(dem=1000 + ds["dem"] / 100)
    flat = flat.chunk(chunks) if chunks else flat
    message = (
        r"^the terrain must have a height spread \(standard deviation\) of at least 50 m to tell phase that follows "
        r"it, instead got 2\.\d+ m in 202107\d\d_202107\d\d: leave remove_stratified out"
    )
    with pytest.raises(InsarError, match=message):
        remove_stratified(flat).compute(scheduler="sync")
    with pytest.raises(InsarError, match=r"instead got 0 m in"):
        remove_stratified(flat.assign(dem=flat["dem"] * 0)).compute(scheduler="sync")
    remove_stratified(flat, min_spread=1.0).compute()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s: remove_stratified(s.drop_vars("dem")), MissingVariableError, "^remove_stratified needs .*'dem'"),
        (lambda s: remove_stratified(s, limit=0), ValueError, "^limit must be more than 0, instead got limit=0$"),
        (lambda s: remove_stratified(s, min_spread=-1), ValueError, "^min_spread must be more than 0, instead got"),
        (lambda s: remove_stratified(s, plane=1), TypeError, "^plane must be True or False, instead got plane=1"),
        (lambda s: remove_stratified(s.assign(dem=s["igram"])), TypeError, "^dem must be float32, instead got"),
        (lambda s: stratification(s.assign(dem=s["coherence"])), ValueError, r"^dem must have the dims \('y', 'x'\)"),
    ],
)  # fmt: skip
def test_bad_input(ds, call, error, message):
    with pytest.raises(error, match=message):
        call(ds)
