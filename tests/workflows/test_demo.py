import numpy as np
import pandas as pd

from insarflow.plot import draw_map
from insarflow.workflows.demo import demo, score_map
from insarflow.workflows.map import RegionMap


def test_demo_scores_its_map_and_draws_it(tmp_path):
    result, score = demo(tmp_path / "demo", shape=(192, 200), draw=draw_map)
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == [
        "inventory.gpkg",
        "map.png",
        "probability.tif",
        "stack.zarr",
        "support.tif",
    ]
    assert list(score.table["movers"]) == [
        "visible from 6 days",
        "visible from 12 days",
        "visible from 18 days",
        "in no interferogram visible",
    ]
    seen = score.table.iloc[:3]
    pd.testing.assert_series_equal(seen["number"], seen["found"] + seen["missed"], check_names=False)
    assert (tmp_path / "demo" / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert 0 <= score.false <= len(result.polygons)


def test_a_perfect_map_scores_full_and_an_empty_one_nothing(region):
    ds, truth = region
    rate = np.abs(truth["los_rate"])
    peak = np.zeros(truth.sizes["mover"] + 1)
    np.maximum.at(peak, truth["label"].values, rate.values)
    perfect = (truth["label"] > 0) & (rate >= peak[truth["label"].values] / 3)
    # The region may end before a mover's core begins.
    within = np.unique(truth["label"].values[perfect.values]).size
    assert within >= truth.sizes["mover"] - 1
    for found, probability in ((True, perfect.astype("float32")), (False, (rate * 0).astype("float32"))):
        summary = ds[["dem"]].assign(probability=probability, support=perfect.astype("int32"))
        polygons = summary.insar.inventory(threshold=0.5, min_area=0.0)
        score = score_map(RegionMap(ds, summary, polygons, 0.5, ()), truth)
        assert score.table["number"].sum() == truth.sizes["mover"]
        assert score.table["found"].sum() == (within if found else 0)
        assert score.false == 0


def test_one_polygon_over_everything_finds_nothing(region):
    ds, truth = region
    everything = (truth["los_rate"] * 0 + 1).astype("float32")
    summary = ds[["dem"]].assign(probability=everything, support=everything.astype("int32"))
    polygons = summary.insar.inventory(threshold=0.5)
    score = score_map(RegionMap(ds, summary, polygons, 0.5, ()), truth)
    assert score.table["found"].sum() == 0
