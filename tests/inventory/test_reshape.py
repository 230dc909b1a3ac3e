import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.inventory.polygons import vectorise
from insarflow.inventory.reshape import reshape
from insarflow.stack.georeference import georeference
from insarflow.types import Grid

GRID = Grid((500_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (70, 80), "EPSG:32632")


def field(seed):
    """Smooth blobs between 0 and 1."""
    from scipy import ndimage

    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=GRID.shape), 4.0)
    p = (noise - noise.min()) / np.ptp(noise)
    return georeference(xr.Dataset({"probability": (("y", "x"), p.astype(np.float32))}), GRID)["probability"]


def test_a_staircase_becomes_a_line():
    steps = [(k // 2 + k % 2, k // 2) for k in range(21)]
    stairs = shapely.Polygon([*steps, (0, 10)])
    (line,) = reshape(np.array([stairs]), 1.0, 0)
    assert len(line.exterior.coords) == 4
    assert shapely.hausdorff_distance(line.exterior, stairs.exterior) <= 1.0


def test_each_cut_doubles_the_corners_and_stays_inside_a_square():
    square = shapely.box(0, 0, 8, 8)
    (once,) = reshape(np.array([square]), 0.0, 1)
    (twice,) = reshape(np.array([square]), 0.0, 2)
    assert [len(p.exterior.coords) - 1 for p in (once, twice)] == [8, 16]
    assert once.area == 64 - 4 * 0.5
    assert square.contains(once)
    assert once.contains(twice)
    hole = shapely.box(0, 0, 20, 20).difference(shapely.box(5, 5, 15, 15))
    assert len(reshape(np.array([hole]), 0.0, 1)[0].interiors) == 1


def test_what_would_collapse_stays():
    sliver = shapely.box(0, 0, 1, 50)
    assert reshape(np.array([sliver]), 20.0, 0)[0].area > 0


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), simplify=st.sampled_from([0.0, 0.8, 2.0]), smooth=st.integers(0, 3))
def test_outlines_stay_valid_and_near_for_any_chunking(seed, simplify, smooth):
    p = field(seed)
    plain = vectorise(p, threshold=0.6, min_area=0.0)
    shaped = vectorise(p, threshold=0.6, min_area=0.0, simplify=simplify, smooth=smooth)
    assert shaped.geometry.is_valid.all()
    assert shaped["id"].tolist() == plain["id"].tolist()
    far = shapely.hausdorff_distance(shaped.geometry.values, plain.geometry.values)
    assert (far <= 20.0 * (simplify + 1.5)).all()
    lazy = vectorise(p.chunk({"y": 13, "x": 17}), threshold=0.6, min_area=0.0, simplify=simplify, smooth=smooth)
    assert lazy.to_wkb().equals(shaped.to_wkb())


def test_hysteresis_keeps_what_reaches_the_threshold_whole():
    p = field(3)
    low, high, both = (
        vectorise(p, threshold=t, low=lo, min_area=0.0) for t, lo in ((0.55, None), (0.8, None), (0.8, 0.55))
    )
    assert 0 < len(both) < len(low)
    assert set(both.geometry.to_wkb()) <= set(low.geometry.to_wkb())
    reaches = low.geometry.intersects(high.union_all().buffer(-1.0))
    assert reaches.sum() == len(both)
    assert (both["probability_max"] >= 0.8).all()


def test_holes_up_to_an_area_are_filled():
    p = np.full(GRID.shape, 0.1, np.float32)
    p[10:50, 10:50] = 0.9
    p[20:22, 20:22] = p[30:40, 30:40] = 0.1
    image = georeference(xr.Dataset({"probability": (("y", "x"), p)}), GRID)["probability"]
    none, some, every = (vectorise(image, threshold=0.5, fill_holes=area) for area in (0.0, 5_000.0, 1e6))
    assert [len(f.geometry[0].interiors) for f in (none, some, every)] == [2, 1, 0]
    np.testing.assert_allclose(some["area_m2"] - none["area_m2"], 4 * 400.0, rtol=2e-3)
    np.testing.assert_allclose(every["area_m2"], 1600 * 400.0, rtol=2e-3)
    assert every["probability_mean"][0] == none["probability_mean"][0]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"low": 0.7}, ValueError, r"low must be at most the threshold 0\.6, instead got low=0\.7"),
        ({"low": 1.2}, ValueError, "low must be a probability between 0 and 1"),
        ({"fill_holes": -1.0}, ValueError, r"fill_holes must be 0 m\^2 or more"),
        ({"simplify": -1.0}, ValueError, "simplify must be 0 pixels or more"),
        ({"smooth": 9}, ValueError, "smooth must be"),
        ({"smooth": 1.5}, TypeError, "smooth must be"),
    ],
)
def test_wrong_arguments_are_named(change, error, message):
    with pytest.raises(error, match=message):
        vectorise(field(0), threshold=0.6, **change)
