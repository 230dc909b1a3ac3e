import inspect
import warnings

import numpy as np
import pytest
import xarray as xr

import insarflow
from insarflow.accessor import InsarAccessor
from insarflow.errors import RecipeWarning
from insarflow.inventory import inventory, summarise
from insarflow.inventory.columns import COLUMNS, TRACK
from insarflow.plot import Plot
from insarflow.segment import segment


@pytest.fixture(scope="module")
def ds():
    return insarflow.simulate_stack((64, 80), seed=3, acquisitions=3, delays=[6, 12], movers=2)[0].persist()


def test_chain_of_the_readme(ds):
    filtered = ds.insar.goldstein(patch_size=32, step=16, alpha=0.5)
    coarse = filtered.insar.multilook(y=2, x=2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RecipeWarning)
        mapped = coarse.insar.segment("default")
    assert set(mapped) - set(coarse) == {"probability"}
    assert mapped["probability"].chunks is not None
    assert mapped.sizes["y"] == ds.sizes["y"] // 2
    frame = mapped.insar.inventory()
    assert list(frame.columns) == [name for name in COLUMNS if name not in TRACK] + ["geometry"]
    for name in ("dem", "los_east", "perpendicular_baseline", "valid", "coherence"):
        assert name in mapped


def test_pairs_table(ds):
    table = ds.insar.pairs
    assert list(table.columns) == [
        "reference",
        "secondary",
        "temporal_baseline",
        "perpendicular_baseline",
        "mean_coherence",
        "valid_fraction",
    ]
    assert list(table.index) == sorted(table.index)
    assert len(table) == int(ds["valid"].sum()) == 3


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("goldstein", {"alpha": 0.3}),
        ("multilook", {"y": 2, "x": 3}),
        ("coherence", {"window": 3}),
        ("coherence", {"window": 3, "weights": "gaussian", "bias": "simple", "looks": 4.0}),
        ("phase_std", {"looks": 9, "method": "cramer-rao"}),
        ("circular_mean", {"dim": "date"}),
        ("circular_std", {"dim": "delay"}),
        ("closure_phase", {}),
        ("residues", {}),
        ("residue_count", {}),
        ("add_offset", {"angle": 1.0}),
        ("add_ramp", {"slope_y": 0.1, "slope_x": 0.2}),
        ("conjugate", {}),
        ("decorrelate", {"factor": 0.5, "looks": 16, "seed": 1}),
        ("degrade", {"factor": 0.5, "looks": 16, "seed": 1}),
        ("add_turbulence", {"std": 0.5, "seed": 1, "longest": 100.0}),
        ("add_stratified", {"rad_per_km": 2.0}),
    ],
)
def test_methods_are_the_functions(ds, name, arguments):
    xr.testing.assert_identical(getattr(ds.insar, name)(**arguments), getattr(insarflow, name)(ds, **arguments))


@pytest.mark.parametrize(
    ("name", "function"),
    [
        *(
            (n, getattr(insarflow, n))
            for n in (
                "goldstein",
                "multilook",
                "coherence",
                "phase_std",
                "add_offset",
                "add_ramp",
                "decorrelate",
                "degrade",
                "add_turbulence",
                "add_stratified",
            )
        ),
        ("segment", segment),
        ("summarise", summarise),
        ("inventory", inventory),
    ],
)
def test_methods_have_the_functions_arguments_and_defaults(name, function):
    method = inspect.signature(getattr(InsarAccessor, name)).parameters
    wanted = inspect.signature(function).parameters
    for key in set(method) - {"self"}:
        assert method[key].default == wanted[key].default, key
    # Blocks are no pixels of a Dataset; a coherence array is the Dataset's own.
    assert set(wanted) - set(method) <= {"ds", "obj", "secondary", "estimate", "coherence"}


def test_functions_take_arrays(ds):
    igram = ds["igram"].isel(date=0, delay=0)
    np.testing.assert_array_equal(
        insarflow.goldstein(igram).values, ds.insar.goldstein()["igram"].isel(date=0, delay=0).values
    )


def test_repr_tells_what_the_stack_holds(ds, forbid_compute):
    with forbid_compute():
        assert "3, on 2 dates x 2 delays" in repr(ds.insar)
        assert "<svg" in ds.insar._repr_html_()


def test_pairs_phase_and_recipes_are_the_functions(ds):
    xr.testing.assert_identical(ds.insar.pair("20210703_20210709"), insarflow.select_pair(ds, "2021-07-03", 6))
    xr.testing.assert_equal(
        ds.insar.pair("2021-07-03", "6D").insar.phase.drop_vars("perpendicular_baseline"), ds.insar.phase[0, 0]
    )
    xr.testing.assert_identical(ds.insar.amplitude, insarflow.amplitude(ds))
    recipe = insarflow.Recipe().then("multilook", y=2, x=2)
    xr.testing.assert_identical(ds.insar.apply_recipe(recipe), ds.insar.multilook(y=2, x=2))
    assert isinstance(ds.insar.plot, Plot)
