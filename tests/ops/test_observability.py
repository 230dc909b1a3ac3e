import numpy as np
import pytest
import xarray as xr
from dask.core import flatten
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunkings, lazy

from insarflow.errors import MissingVariableError
from insarflow.kernels.phase_statistics import phase_std
from insarflow.ops.downslope import sensitivity
from insarflow.ops.observability import CLASSES, observability

SHAPE = (3, 4, 9, 11)
WAVELENGTH = 0.0555


def scene(seed=0):
    """A stack of which a third of the cells hold a pair; every class has pixels."""
    rng = np.random.default_rng(seed)
    valid = np.array([[1, 0, 1, 0], [0, 0, 1, 0], [0, 1, 0, 0]], bool)
    coherence = rng.uniform(0.1, 0.95, SHAPE)
    coherence[..., 0, :] *= 0.25
    coherence[rng.uniform(size=SHAPE) < 0.1] = np.nan
    coherence[~valid] = np.nan
    space = SHAPE[2:]
    incidence, azimuth = 0.65, 4.5
    look = np.sin(incidence) * np.sin(azimuth), np.sin(incidence) * np.cos(azimuth), np.cos(incidence)
    slope, aspect = rng.uniform(0.1, 0.9, space), rng.uniform(0, 6.28, space)
    slope[4, 4] = aspect[4, 4] = np.nan
    slope[5, 5], aspect[5, 5] = 0.0, np.nan
    images = {"slope": slope, "aspect": aspect} | {
        name: np.full(space, value) for name, value in zip(("los_east", "los_north", "los_up"), look, strict=True)
    }
    images["los_east"][6, 6] = np.nan
    ds = xr.Dataset({name: (("y", "x"), a.astype(np.float32)) for name, a in images.items()})
    return ds.assign(
        layover=(("y", "x"), rng.uniform(size=space) < 0.2),
        shadow=(("y", "x"), rng.uniform(size=space) < 0.1),
        coherence=(("date", "delay", "y", "x"), coherence.astype(np.float32)),
        valid=(("date", "delay"), valid),
    ).assign_coords(
        date=np.datetime64("2021-07-03", "ns") + np.arange(3) * np.timedelta64(12, "D"),
        delay=np.array([12, 24, 36, 48], "timedelta64[D]").astype("timedelta64[ns]"),
    ).assign_attrs(wavelength=WAVELENGTH, looks=[2, 8])  # fmt: skip


def oracle(ds, looks, min_sensitivity=0.2, min_coherence=0.3, sigmas=2.0):
    """Class, slowest and fastest, pixel by pixel and pair by pair, as the definitions have them."""
    share = sensitivity(ds).values
    out = np.full((3, *SHAPE[2:]), np.nan)
    for y, x in np.ndindex(SHAPE[2:]):
        speeds, delays = [], []
        for i, j in np.argwhere(ds["valid"].values):
            gamma = ds["coherence"].values[i, j, y, x]
            years = (12, 24, 36, 48)[j] / 365.25
            if gamma >= min_coherence:
                noise = float(phase_std(np.array([gamma]), looks=looks)[0])
                speeds.append(sigmas * WAVELENGTH * noise / (4 * np.pi * years))
                delays.append(years)
        s = abs(share[y, x])
        if np.isnan(ds["slope"].values[y, x]) or np.isnan(ds["los_east"].values[y, x]):
            name = "unknown"
        elif ds["shadow"].values[y, x]:
            name = "shadow"
        elif ds["layover"].values[y, x]:
            name = "layover"
        elif not s >= min_sensitivity:
            name = "insensitive"
        elif not delays:
            name = "decorrelated"
        else:
            name = "observable"
            out[1:, y, x] = min(speeds) / s, WAVELENGTH / 4 / min(delays) / s
        out[0, y, x] = CLASSES.index(name)
    return out


def test_against_the_definitions():
    ds = scene()
    found = observability(ds)
    state, slowest, fastest = oracle(ds, 16.0)
    np.testing.assert_array_equal(found["observability"], state)
    assert set(np.unique(state)) == set(range(len(CLASSES)))
    np.testing.assert_allclose(found["slowest"], slowest, rtol=1e-5)
    np.testing.assert_allclose(found["fastest"], fastest, rtol=1e-5)
    np.testing.assert_allclose(found["mean_coherence"], ds["coherence"].mean(("date", "delay")), rtol=1e-5)
    np.testing.assert_array_equal(found["pairs"], ds["coherence"].notnull().sum(("date", "delay")))
    xr.testing.assert_equal(found["layover"], ds["layover"])
    bits = xr.where(ds["layover"], np.uint8(1), np.uint8(0))
    xr.testing.assert_equal(observability(ds.assign(layover_shadow=bits))["layover_shadow"], bits)
    assert found["observability"].dtype == np.uint8
    assert found["observability"].attrs["flag_meanings"].split() == list(CLASSES)
    assert found["observability"].attrs["flag_values"] == [0, 1, 2, 3, 4, 5]
    assert {a.dtype.name for a in found.values()} == {"uint8", "float32", "int32", "bool"}
    assert found["slowest"].attrs["units"] == "m/yr"


def test_parameters_change_what_they_say():
    ds = scene()
    options = {"min_sensitivity": 0.5, "min_coherence": 0.6, "sigmas": 1.0}
    found = observability(ds, looks=4.0, **options)
    state, slowest, fastest = oracle(ds, 4.0, **options)
    np.testing.assert_array_equal(found["observability"], state)
    np.testing.assert_allclose(found["slowest"], slowest, rtol=1e-5)
    np.testing.assert_allclose(found["fastest"], fastest, rtol=1e-5)
    effective = observability(ds.assign_attrs(effective_looks=4.0), **options)
    xr.testing.assert_identical(found, effective)


@settings(max_examples=8)
@given(st.data())
def test_any_chunks_give_the_same_bits(data):
    ds = scene()
    chunks = data.draw(chunkings(SHAPE))
    space = data.draw(chunkings(SHAPE[2:]))
    cut = ds.assign(
        {n: a.copy(data=lazy(a.values, chunks if a.ndim == 4 else space)) for n, a in ds.items() if n != "valid"}
    )
    xr.testing.assert_identical(observability(cut).compute(), observability(ds))


def test_absent_cells_are_not_visited(forbid_compute):
    ds = scene()
    cut = ds.chunk(date=1, delay=1, y=5, x=11)
    with forbid_compute():
        found = observability(cut.assign(valid=ds["valid"]))
        again = observability(cut.assign(valid=ds["valid"]))
    assert found["slowest"].data.name == again["slowest"].data.name
    mean, source = found["mean_coherence"].data, cut["coherence"].data.name
    needed = mean.__dask_graph__().cull(set(flatten(mean.__dask_keys__())))
    cells = {key[1:3] for key in needed.to_dict() if key[0] == source}
    assert cells == set(map(tuple, np.argwhere(ds["valid"].values).tolist()))


def test_without_coherence_the_shortest_delay_counts():
    ds = scene()
    found = observability(ds.drop_vars("coherence"))
    assert set(found) == {"observability", "fastest", "sensitivity", "layover", "shadow"}
    assert not (found["observability"] == CLASSES.index("decorrelated")).any()
    seen = found["observability"] == 1
    limit = (WAVELENGTH / 4 / (12 / 365.25) / abs(found["sensitivity"])).where(seen)
    np.testing.assert_allclose(found["fastest"], limit, rtol=1e-5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda ds: observability(ds.drop_vars("layover")),
            MissingVariableError,
            r"^observability needs the variable 'layover', .*; make them with ds.insar.terrain\(scale=...\)$",
        ),
        (
            lambda ds: observability(ds.drop_attrs()),
            ValueError,
            r"^observability needs the attribute 'wavelength' \(m\), but the dataset has none: set",
        ),
        (
            lambda ds: observability(ds.assign_attrs(wavelength=-1.0)),
            ValueError,
            r"^wavelength must be more than 0 m, instead",
        ),
        (
            lambda ds: observability(ds.drop_attrs().assign_attrs(wavelength=0.05)),
            ValueError,
            r"^looks must be given, as the stack has neither the attribute effective_looks nor looks$",
        ),
        (lambda ds: observability(ds, looks=0.5), ValueError, r"^looks must be at least 1, instead got looks=0.5$"),
        (lambda ds: observability(ds, sigmas=0), ValueError, r"^sigmas must be more than 0, instead got sigmas=0$"),
        (
            lambda ds: observability(ds, min_coherence=3),
            ValueError,
            r"^min_coherence must be between 0 and 1, instead got",
        ),
        (
            lambda ds: observability(ds.assign(valid=~ds["valid"] & ds["valid"])),
            ValueError,
            r"^observability needs at least one pair, instead got valid=False everywhere$",
        ),
        (lambda ds: observability(ds.isel(date=0)), ValueError, r"^observability needs a stack with date and delay"),
        (
            lambda ds: observability(ds.assign(shadow=ds["slope"])),
            TypeError,
            r"^shadow must be bool, instead got float32",
        ),
    ],
)
def test_arguments_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(scene())
