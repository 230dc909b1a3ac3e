import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.errors import SchemaError
from insarflow.schema import DIMS, VARIABLES, validate
from insarflow.stack.assemble import pairs_table, stack_pairs, valid_cells
from insarflow.types import Grid, Pair, Recipe

A, B, C = (Pair.parse(n) for n in ("20180106_20180118", "20180106_20180130", "20180118_20180130"))
DAYS = np.array(["2018-01-06", "2018-01-18"], "datetime64[ns]")


def test_every_image_lands_in_its_cell(stack):
    assert stack.sizes == {"date": 2, "delay": 2, "y": 30, "x": 50}
    np.testing.assert_array_equal(stack["date"], DAYS)
    np.testing.assert_array_equal(stack["delay"] / np.timedelta64(1, "D"), [12, 24])
    np.testing.assert_array_equal(stack["valid"], [[True, True], [True, False]])
    np.testing.assert_array_equal(stack["perpendicular_baseline"], np.float32([[-31.5, np.nan], [np.nan, np.nan]]))
    there = ~np.isnan(stack["igram"].values)
    np.testing.assert_array_equal(there.any(axis=(2, 3)), stack["valid"])
    assert not there[0, 0, 4:9, 5:11].any()
    assert stack["igram"].chunksizes["date"] == (1, 1)


def test_cells_hold_what_was_given(grid):
    first, second = (np.full(grid.shape, k, np.complex64) for k in (1j, -1j))
    ds = stack_pairs({B: {"igram": first}, A: {"igram": da.from_array(second, chunks=(7, 9))}}, grid)
    np.testing.assert_array_equal(ds["igram"].values, [[second, first]])
    assert ds["igram"].chunksizes["y"] == (7, 7, 7, 7, 2)


def test_contract_is_kept(stack, grid):
    validate(stack)
    for name in stack.data_vars:
        assert stack[name].dtype == VARIABLES[name].dtype
        assert stack[name].attrs["units"] == VARIABLES[name].units
        assert stack[name].attrs["long_name"]
    assert stack.rio.crs.to_epsg() == 4326
    assert stack["igram"].rio.grid_mapping == "spatial_ref"
    assert stack["igram"].encoding["grid_mapping"] == "spatial_ref"
    np.testing.assert_allclose([stack["x"][0], stack["y"][0]], [7.0005, 45.9995])
    assert stack.attrs == {"wavelength": 0.055, "recipe": "[]", "schema_version": 2}


def test_recipe_and_dtypes(grid):
    cells = {A: {"igram": np.ones(grid.shape, np.complex128), "coherence": np.ones(grid.shape)}}
    ds = stack_pairs(cells, grid, static={"dem": np.ones(grid.shape, np.int16)}, recipe=Recipe().then("read", n=1))
    assert (ds["igram"].dtype, ds["coherence"].dtype, ds["dem"].dtype) == ("complex64", "float32", "float32")
    assert Recipe.from_json(ds.attrs["recipe"]).of("read")
    assert "perpendicular_baseline" not in ds


def test_a_pair_may_lack_a_variable(grid):
    ones = np.ones(grid.shape, np.float32)
    ds = stack_pairs({A: {"igram": ones + 0j}, B: {"igram": ones + 0j, "coherence": ones}}, grid)
    np.testing.assert_array_equal(np.isnan(ds["coherence"]).all(["y", "x"]), [[True, False]])
    assert ds["valid"].values.all()


@pytest.mark.usefixtures("no_compute")
def test_nothing_is_computed(grid):
    pixels = da.zeros(grid.shape, chunks=(7, 9), dtype=np.complex64)
    assert isinstance(stack_pairs({A: {"igram": pixels}}, grid)["igram"].data, da.Array)


def test_same_input_same_graph(grid):
    pixels = da.zeros(grid.shape, chunks=(7, 9), dtype=np.complex64)
    names = {stack_pairs({A: {"igram": pixels}, C: {"igram": pixels + 1}}, grid)["igram"].data.name for _ in range(2)}
    assert len(names) == 1


def test_absent_cells_cost_nothing():
    grid = Grid((0.0, 1.0, 0.0, 5000.0, 0.0, -1.0), (5000, 3000), "EPSG:32632")
    ds = stack_pairs({p: {"coherence": da.zeros(grid.shape, dtype=np.float32)} for p in (A, B, C)}, grid)
    assert max(map(max, ds["coherence"].chunks[2:])) <= 2048
    sizes = ds["coherence"].data.map_blocks(lambda b: np.full((1,) * 4, max(b.strides)), dtype=int, chunks=(1,) * 4)
    np.testing.assert_array_equal(sizes.compute()[..., 0, 0] == 0, ~ds["valid"].values)


@pytest.mark.parametrize(
    ("cells", "options", "error", "message"),
    [
        ({}, {}, ValueError, r"^cells must hold at least one pair"),
        ({"20180106": {}}, {}, TypeError, r"^cells must have Pair keys, instead got '20180106' \(str\)"),
        ({A: {"phase": np.zeros((30, 50))}}, {}, ValueError, r"^cells\[.*\]\['phase'\] must be one of \[.*'igram'"),
        ({A: {"igram": [1]}}, {}, TypeError, r"must be a NumPy or dask array, instead got list"),
        ({A: {"coherence": np.zeros((30, 50), complex)}}, {}, TypeError, r"must be float32, instead got complex128"),
        (
            {A: {"igram": np.zeros((3, 50))}},
            {},
            ValueError,
            r"must have the grid's shape \(30, 50\), instead got \(3, 50\)",
        ),
        (
            {A: {}},
            {"static": {"igram": np.zeros((30, 50))}},
            ValueError,
            r"^static\['igram'\] must be one of \[.*'dem'",
        ),
        ({A: {}}, {"static": {"water": np.zeros((30, 50))}}, TypeError, r"^static\['water'\] must be bool"),
        (
            {A: {}},
            {"baselines": {B: 1.0}},
            ValueError,
            r"^baselines must name pairs of cells, instead got 20180106_2018",
        ),
    ],
)
def test_wrong_arguments(grid, cells, options, error, message):
    with pytest.raises(error, match=message):
        stack_pairs(cells, grid, **options)


def test_unknown_crs(grid):
    with pytest.raises(ValueError, match=r"^grid\.crs must be a coordinate reference system, instead got 'Mars'"):
        stack_pairs({A: {"igram": np.zeros(grid.shape)}}, Grid(grid.transform, grid.shape, "Mars"))


def test_table(stack):
    table = pairs_table(stack)
    assert list(table.index) == ["20180106_20180118", "20180106_20180130", "20180118_20180130"]
    assert table.index.name == "pair"
    assert list(table.columns) == [
        "reference",
        "secondary",
        "temporal_baseline",
        "perpendicular_baseline",
        "mean_coherence",
        "valid_fraction",
    ]
    row = table.loc["20180106_20180130"]
    assert (row["reference"], row["secondary"]) == (pd.Timestamp("2018-01-06"), pd.Timestamp("2018-01-30"))
    np.testing.assert_array_equal(table["temporal_baseline"], [12, 24, 12])
    np.testing.assert_array_equal(table["perpendicular_baseline"], [-31.5, np.nan, np.nan])
    expected = stack["coherence"].astype(float).mean(["y", "x"]).values
    np.testing.assert_allclose(table["mean_coherence"], expected[stack["valid"]], rtol=1e-12)
    np.testing.assert_allclose(table["valid_fraction"], 1 - 30 / 1500)


@settings(deadline=None, max_examples=12)
@given(y=st.integers(6, 30), x=st.integers(9, 50), date=st.integers(1, 2), lazy=st.booleans())
def test_table_knows_no_chunks(stack_once, y, x, date, lazy):
    expected = pairs_table(stack_once)
    ds = stack_once.chunk({"date": date, "delay": 2, "y": y, "x": x}) if lazy else stack_once.compute()
    pd.testing.assert_frame_equal(pairs_table(ds), expected, rtol=1e-12)
    pd.testing.assert_frame_equal(pairs_table(ds.drop_vars("valid")), expected, rtol=1e-12)


@pytest.fixture(scope="module")
def stack_once():
    grid = Grid((7.0, 0.001, 0.0, 46.0, 0.0, -0.001), (30, 50), "EPSG:4326")
    rng = np.random.default_rng(3)
    cells = {p: {"igram": np.exp(1j * rng.normal(size=(30, 50))), "coherence": rng.random((30, 50))} for p in (A, B, C)}
    cells[B]["coherence"][:7] = np.nan
    return stack_pairs(cells, grid).compute()


def test_table_is_one_computation_that_skips_absent_cells(stack):
    runs, read = [], []

    def counting(graph, keys, **options):
        runs.append(1)
        return dask.get(graph, keys, **options)

    def spy(block, block_info):
        read.append(tuple(a for a, _ in block_info[0]["array-location"][:2]))
        return block

    watched = stack.assign(
        igram=(DIMS, stack["igram"].data.map_blocks(spy, dtype=np.complex64, meta=np.empty((0,) * 4, "c8")))
    )
    with dask.config.set(scheduler=counting):
        pairs_table(watched)
    assert len(runs) == 1
    assert sorted(set(read)) == [(0, 0), (0, 1), (1, 0)]


def test_table_without_coherence_or_images(stack):
    assert pairs_table(stack.drop_vars("coherence"))["mean_coherence"].isna().all()
    bare = stack[["valid"]].assign_coords(y=stack["y"], x=stack["x"])
    assert pairs_table(bare)["valid_fraction"].isna().all()
    assert len(pairs_table(bare)) == 3


def test_table_of_no_stack():
    with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
        pairs_table(xr.Dataset())


def test_valid_cells_are_derived_where_not_told(stack):
    np.testing.assert_array_equal(valid_cells(stack), stack["valid"])
    np.testing.assert_array_equal(valid_cells(stack.drop_vars("valid")), stack["valid"])
    assert not valid_cells(stack[["dem"]].expand_dims(date=2, delay=2)).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cells": None}, r"^cells must be a mapping of Pair to images, instead got cells=None \(NoneType\)$"),
        (
            {"cells": {Pair.at("20180106", 12): None}},
            r"^cells\[20180106_20180118\] must be a mapping of names",
        ),
        ({"grid": None}, r"^grid must be a Grid, instead got grid=None \(NoneType\)$"),
        ({"static": 3}, r"^static must be a mapping, instead got static=3 \(int\)$"),
        ({"baselines": [1.0]}, r"^baselines must be a mapping, instead got "),
        ({"attrs": "x"}, r"^attrs must be a mapping, instead got "),
        ({"recipe": None}, r"^recipe must be a Recipe, instead got recipe=None"),
    ],
)
def test_kinds(grid, change, message):
    cells = {Pair.at("20180106", 12): {"igram": np.ones(grid.shape, np.complex64)}}
    with pytest.raises(TypeError, match=message):
        stack_pairs(**({"cells": cells, "grid": grid} | change))
