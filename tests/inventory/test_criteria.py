import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

from insarflow.errors import GridMismatchError, MissingVariableError
from insarflow.inventory.criteria import Criteria, select_slopes
from insarflow.stack.georeference import georeference
from insarflow.types import Grid


@pytest.fixture
def slopes():
    outlines = [shapely.box(500_000 + 400 * k, 5_099_600, 500_200 + 400 * k, 5_099_800) for k in range(4)]
    frame = gpd.GeoDataFrame(
        {
            "id": [5, 2, 8, 1],
            "pairs": [1, 2, 3, 4],
            "active_fraction": [0.1, 0.2, 0.5, np.nan],
            "coherence_around": [0.2, 0.4, np.nan, 0.8],
            "layover_fraction": [0.0, 0.9, 0.2, np.nan],
            "slope_deg": [5.0, 20.0, 35.0, 60.0],
            "elevation_m": [1500.0, 2500.0, 2600.0, 3200.0],
            "implausible_direction": [False, True, False, False],
        },
        geometry=outlines,
        crs="EPSG:32632",
    )
    frame.attrs = {"threshold": 0.5}
    return frame


def raster(values, pixel=100.0):
    """An image whose upper left corner is that of the slopes' ground."""
    ds = xr.Dataset({"raster": (("y", "x"), np.asarray(values, np.float32))})
    grid = Grid((499_900.0, pixel, 0.0, 5_100_000.0, 0.0, -pixel), ds["raster"].shape, "EPSG:32632")
    return georeference(ds, grid)["raster"]


@pytest.mark.parametrize(
    ("asked", "stay"),
    [
        ({}, [5, 2, 8, 1]),
        ({"min_pairs": 3}, [8, 1]),
        ({"min_active_fraction": 0.2}, [2, 8, 1]),
        ({"min_coherence": 0.3}, [2, 8, 1]),
        ({"max_layover": 0.5}, [5, 8, 1]),
        ({"min_slope": 10.0, "max_slope": 45.0}, [2, 8]),
        ({"plausible": True}, [5, 8, 1]),
        ({"min_elevation": 2000.0}, [2, 8, 1]),
        ({"max_elevation": 2550.0, "min_pairs": 2}, [2]),
    ],
)
def test_each_criterion_leaves_out_what_it_says(slopes, asked, stay):
    kept = select_slopes(slopes, Criteria(**asked))
    assert kept["id"].tolist() == stay
    assert kept.attrs["threshold"] == 0.5
    assert kept.index.tolist() == list(range(len(stay)))
    assert sum(kept.attrs["left_out"].values()) >= 4 - len(stay)


def test_what_was_left_out_is_told(slopes):
    kept = select_slopes(slopes, Criteria(max_elevation=2550.0, min_pairs=2))
    assert kept.attrs["left_out"] == {"min_pairs": 1, "max_elevation": 2}


def test_a_snow_line_that_rises_to_the_east(slopes):
    line = raster(np.tile(np.linspace(1000.0, 4000.0, 18), (6, 1)))
    kept = select_slopes(slopes, Criteria(max_elevation=line))
    means = [float(line.values[2:4, 1 + 4 * k : 3 + 4 * k].mean()) for k in range(4)]
    assert kept["id"].tolist() == slopes["id"][slopes["elevation_m"] <= means].tolist()
    assert 0 < len(kept) < 4
    degrees = slopes.to_crs("EPSG:4326")
    assert select_slopes(degrees, Criteria(max_elevation=line))["id"].tolist() == kept["id"].tolist()
    assert select_slopes(slopes, Criteria(max_elevation=line.chunk({"y": 2, "x": 5})))["id"].equals(kept["id"])


def test_a_mask_leaves_out_what_lies_in_it(slopes):
    values = np.zeros((60, 180), np.float32)
    values[:, 50:60] = np.nan
    values[:, 62:] = 1.0
    mask = raster(values, 10.0)
    assert select_slopes(slopes, Criteria(mask=mask))["id"].tolist() == [5, 2]
    values[:, 50:67] = 1.0
    assert select_slopes(slopes, Criteria(mask=raster(values, 10.0), max_masked=0.9))["id"].tolist() == [5]
    assert select_slopes(slopes, Criteria(mask=raster(values, 10.0), max_masked=1.0))["id"].tolist() == [5, 2, 8, 1]


def test_a_raster_that_does_not_cover_is_refused(slopes):
    small = raster(np.full((6, 8), 3000.0))
    with pytest.raises(GridMismatchError, match=r"max_elevation must cover every .* where 2 of 4 lie \(id 8, 1\)"):
        select_slopes(slopes, Criteria(max_elevation=small))
    with pytest.raises(GridMismatchError, match=r"mask must be a raster with dims \('y', 'x'\)"):
        select_slopes(slopes, Criteria(mask=small.expand_dims("band")))


def test_what_was_not_measured_is_named(slopes):
    bare = slopes[["id", "geometry"]]
    with pytest.raises(MissingVariableError, match="'coherence_around': make it from a stack that holds coherence"):
        select_slopes(bare, Criteria(min_coherence=0.3))
    with pytest.raises(MissingVariableError, match="'elevation_m': make it from a stack that holds dem"):
        select_slopes(bare, Criteria(max_elevation=3000.0))
    blind = slopes.assign(layover_fraction=np.nan)
    with pytest.raises(MissingVariableError, match="'layover_fraction' of the inventory is empty: make it"):
        select_slopes(blind, Criteria(max_layover=0.5))
    assert len(select_slopes(blind.iloc[:0], Criteria(max_layover=0.5))) == 0
    with pytest.raises(TypeError, match=r"frame must be a geopandas\.GeoDataFrame"):
        select_slopes(bare.drop(columns="geometry").to_numpy(), Criteria())


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"min_pairs": -1}, ValueError, "min_pairs"),
        ({"min_pairs": 1.5}, TypeError, "min_pairs"),
        ({"min_coherence": 2.0}, ValueError, "min_coherence"),
        ({"max_layover": -0.1}, ValueError, "max_layover"),
        ({"min_slope": 50.0, "max_slope": 20.0}, ValueError, "min_slope must be at most max_slope"),
        ({"max_slope": 120.0}, ValueError, r"max_slope must be 0 to 90 degrees, instead got max_slope=120\.0"),
        ({"max_elevation": "high"}, TypeError, "max_elevation"),
    ],
)
def test_wrong_arguments_are_named(asked, error, message):
    with pytest.raises(error, match=message):
        Criteria(**asked)
