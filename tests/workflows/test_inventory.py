import geopandas as gpd
import numpy as np
import pytest

import insarflow
from insarflow.errors import MissingVariableError, OutputExistsError
from insarflow.workflows.inventory import inventory_source
from insarflow.workflows.segment import segment_source


@pytest.fixture(scope="module")
def probabilities(stored_region, tmp_path_factory):
    return segment_source(stored_region, tmp_path_factory.mktemp("segmented") / "probability.zarr")[0]


def test_the_file_is_what_python_computes(probabilities, tmp_path):
    written = inventory_source(probabilities, tmp_path / "a.gpkg")
    expected = insarflow.open_stack(probabilities).insar.inventory()
    assert len(written) == len(expected) > 0
    read = gpd.read_file(tmp_path / "a.gpkg")
    assert read.geometry.geom_equals(expected.geometry).all()
    fewer = inventory_source(probabilities, tmp_path / "a.gpkg", min_area=1e5, threshold=0.9, overwrite=True)
    assert fewer.attrs["threshold"] == 0.9
    assert len(fewer) < len(written)


def test_another_crs_moves_outlines_and_keeps_areas(probabilities, tmp_path):
    here = inventory_source(probabilities, tmp_path / "a.gpkg")
    there = inventory_source(probabilities, tmp_path / "b.gpkg", crs="EPSG:4326")
    read = gpd.read_file(tmp_path / "b.gpkg")
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
        inventory_source(probabilities, tmp_path / "a.gpkg", threshold=2)
    with pytest.raises(ValueError, match="min_area must be 0"):
        inventory_source(probabilities, tmp_path / "a.gpkg", min_area=-1)
    with pytest.raises(ValueError, match=r"path must end in \.gpkg"):
        inventory_source(probabilities, tmp_path / "a.shp")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.gpkg").write_text("mine")
    with pytest.raises(OutputExistsError, match="already there"):
        inventory_source(probabilities, tmp_path / "a.gpkg")
    assert (tmp_path / "a.gpkg").read_text() == "mine"
