import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr

import insarflow
from insarflow.errors import GridMismatchError, InsarError, MissingVariableError, OutputExistsError, SelectionError
from insarflow.inventory import Criteria, read_inventory
from insarflow.workflows.inventory import fuse_sources, inventory_source
from insarflow.workflows.joined import joined
from insarflow.workflows.segment import segment_source

MANY = {"threshold": 0.1, "min_area": 1000.0}
"""Outlines wherever the model has the least doubt."""


@pytest.fixture(scope="module")
def probabilities(stored_region, tmp_path_factory):
    return segment_source(stored_region, tmp_path_factory.mktemp("segmented") / "probability.zarr")[0]


def test_the_file_is_what_python_computes(probabilities, tmp_path):
    written = inventory_source(probabilities, tmp_path / "a.gpkg", outlining=MANY)
    expected = insarflow.open_stack(probabilities).insar.inventory(**MANY)
    assert len(written) == len(expected) > 1
    read = gpd.read_file(tmp_path / "a.gpkg", layer="inventory")
    assert read.geometry.geom_equals(expected.geometry).all()
    how = {"min_area": 1e5, "threshold": 0.9}
    fewer = inventory_source(probabilities, tmp_path / "a.gpkg", outlining=how, overwrite=True)
    assert fewer.attrs["threshold"] == 0.9
    assert len(fewer) < len(written)


def test_another_crs_moves_outlines_and_keeps_areas(probabilities, tmp_path):
    here = inventory_source(probabilities, tmp_path / "a.gpkg")
    there = inventory_source(probabilities, tmp_path / "b.gpkg", crs="EPSG:4326")
    read = gpd.read_file(tmp_path / "b.gpkg", layer="inventory")
    assert read.crs.to_epsg() == there.crs.to_epsg() == 4326
    assert np.abs(read.total_bounds).max() < 90
    np.testing.assert_array_equal(there["area_m2"], here["area_m2"])
    assert there.attrs == here.attrs


def test_mistakes_leave_nothing(stored_region, probabilities, tmp_path):
    with pytest.raises(MissingVariableError, match=r"holds igram, .*insarflow segment, or do both with insarflow map"):
        inventory_source(stored_region, tmp_path / "a.gpkg")
    with pytest.raises(ValueError, match=r"crs must be a map projection or degrees, .*crs='EPSG:1'"):
        inventory_source(probabilities, tmp_path / "a.gpkg", crs="EPSG:1")
    with pytest.raises(ValueError, match="threshold must be a probability"):
        inventory_source(probabilities, tmp_path / "a.gpkg", outlining={"threshold": 2})
    with pytest.raises(ValueError, match="min_area must be 0"):
        inventory_source(probabilities, tmp_path / "a.gpkg", outlining={"min_area": -1})
    with pytest.raises(ValueError, match=r"path must end in \.gpkg"):
        inventory_source(probabilities, tmp_path / "a.shp")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.gpkg").write_text("mine")
    with pytest.raises(OutputExistsError, match="the output must not exist"):
        inventory_source(probabilities, tmp_path / "a.gpkg")
    assert (tmp_path / "a.gpkg").read_text() == "mine"


def test_with_its_stack_slopes_are_measured(stored_region, probabilities, tmp_path):
    pages = []
    files = [tmp_path / name for name in ("a.gpkg", "a.csv", "a.geojson", "a.html")]
    slopes = inventory_source(
        probabilities,
        files,
        stack=stored_region,
        rasters=tmp_path / "rasters",
        draw_page=lambda *page: pages.append(page),
    )
    assert {"los_rate_mm_yr", "elevation_m", "downslope_rate_mm_yr", "repetition"} <= {*slopes}
    assert slopes["pairs_known"].gt(0).all()
    ((_, page, dem),) = pages
    assert page == tmp_path / "a.html"
    assert dem.dims == ("y", "x")
    with pytest.raises(OutputExistsError, match="already holds"):
        inventory_source(probabilities, tmp_path / "b.gpkg", stack=stored_region, rasters=tmp_path / "rasters")
    with pytest.raises(ValueError, match=r"draw_page must be given to draw .*b\.html"):
        inventory_source(probabilities, tmp_path / "b.html")
    with pytest.raises(ValueError, match="out must name each file once"):
        inventory_source(probabilities, [tmp_path / "b.gpkg"] * 2)
    back = read_inventory(tmp_path / "a.gpkg")
    pd.testing.assert_frame_equal(
        pd.DataFrame(back.drop(columns="geometry")), pd.DataFrame(slopes.drop(columns="geometry"))
    )
    assert back.attrs["threshold"] == slopes.attrs["threshold"]
    assert {path.name for path in (tmp_path / "rasters").iterdir()} == {
        "probability.tif",
        "support.tif",
        "los_rate.tif",
    }
    with rasterio.open(tmp_path / "rasters" / "los_rate.tif") as image:
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        rates = image.read(1)
    shown = rates[np.isfinite(rates)]
    known = slopes["los_rate_mm_yr"].dropna().to_numpy() * 1e-3
    np.testing.assert_allclose(np.unique(shown), np.unique(known.astype(np.float32)), rtol=1e-6)


def test_criteria_leave_out(stored_region, probabilities, tmp_path):
    every = inventory_source(probabilities, tmp_path / "a.gpkg", stack=stored_region, outlining=MANY)
    assert len(every) > 2
    limit = float(every["elevation_m"].median())
    some = inventory_source(
        probabilities, tmp_path / "b.gpkg", stack=stored_region, outlining=MANY, criteria=Criteria(max_elevation=limit)
    )
    assert some["id"].tolist() == every["id"][every["elevation_m"] <= limit].tolist()
    assert some.attrs["left_out"] == {"max_elevation": len(every) - len(some)}


def test_two_passes_become_one_inventory(probabilities, tmp_path):
    one = inventory_source(probabilities, tmp_path / "a.gpkg", outlining=MANY)
    other = one.assign(geometry=one.geometry.translate(5.0, 0.0), orbit="descending 66")
    insarflow.inventory.write_inventory(other.iloc[1:], tmp_path / "d.parquet")
    both = fuse_sources(tmp_path / "a.gpkg", tmp_path / "d.parquet", tmp_path / "both.gpkg")
    assert len(both) == len(one)
    assert sum("descending" in text and "ascending" in text for text in both["sources"]) == len(one) - 1
    again = fuse_sources(probabilities, tmp_path / "d.parquet", tmp_path / "again.gpkg", outlining=MANY)
    assert again.geometry.geom_equals(both.geometry).all()
    with pytest.raises(InsarError, match="descending 66"):
        fuse_sources(tmp_path / "d.parquet", tmp_path / "d.parquet", tmp_path / "no.gpkg")
    assert not (tmp_path / "no.gpkg").exists()


def test_another_stack_is_refused(stored_region, probabilities, tmp_path):
    stack = insarflow.open_stack(stored_region)
    insarflow.write_stack(stack.isel(y=slice(0, 40)), tmp_path / "part.zarr")
    insarflow.write_stack(stack.isel(date=slice(0, 1)), tmp_path / "short.zarr")
    with pytest.raises(
        GridMismatchError, match=r"must lie on the grid of the probabilities, .* give the stack that was"
    ):
        inventory_source(probabilities, tmp_path / "a.gpkg", stack=tmp_path / "part.zarr")
    other = stack.assign_attrs({"pass": "descending"})
    insarflow.write_stack(other, tmp_path / "other.zarr")
    with pytest.raises(GridMismatchError, match="must have the pass of the probabilities, ascending, instead got desc"):
        inventory_source(probabilities, tmp_path / "a.gpkg", stack=tmp_path / "other.zarr")
    with pytest.raises(SelectionError, match=r"the stack lacks .* values of date"):
        inventory_source(probabilities, tmp_path / "a.gpkg", stack=tmp_path / "short.zarr")
    assert not (tmp_path / "a.gpkg").exists()


def test_a_longer_stack_gives_the_same(stored_region, probabilities, tmp_path):
    ds = insarflow.open_stack(probabilities)
    part = joined(ds.isel(date=slice(0, 1)), insarflow.open_stack(stored_region))
    whole = joined(ds, insarflow.open_stack(stored_region)).isel(date=slice(0, 1))
    xr.testing.assert_identical(part["igram"].load(), whole["igram"].load())
