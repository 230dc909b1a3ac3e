import geopandas as gpd
import pytest
from shapely.geometry import Point, box

BOXES = [box(x, 5e6, x + 1000, 5e6 + 1000) for x in (500_000, 510_000, 520_000, 530_000)]


def write(path, shapes, **columns):
    gpd.GeoDataFrame(columns, geometry=list(shapes), crs="EPSG:32632").to_file(path, engine="pyogrio")
    return path


@pytest.fixture
def found(tmp_path):
    shapes = [*BOXES[:3], BOXES[0].buffer(-5)]
    return write(
        tmp_path / "found.gpkg", shapes, id=range(1, 5), status=["new", "confirmed", "rejected", "new"],
        los_rate_mm_yr=[-10.0, -20.0, 5.0, 1.0], los_rate_std_mm_yr=[2.0] * 4, aliased=[False, True, False, False],
    )  # fmt: skip


@pytest.fixture
def reference(tmp_path):
    return write(tmp_path / "mapped.gpkg", BOXES, id=range(1, 5), velocity=[-12.0, -30.0, 4.0, 0.0])


def test_evaluate(run, found, reference):
    said = run("evaluate", found, "--reference", reference, "--rate-field", "velocity")
    assert said.status == 0, said.err
    rows = [line.split() for line in said.out.splitlines()]
    assert rows[:3] == [
        ["number", "km²", "found", "missed", "false"], ["reference", "4", "4.000", "2", "2"],
        ["inventory", "3", "2.000", "1"],
    ]  # fmt: skip
    told = {line[: line.index("  ")]: line.split()[-3:] for line in said.out.splitlines()[5:]}
    assert told["precision"][0] == "0.667"
    assert told["recall"][0] == "0.500"
    assert float(told["recall"][1]) < 0.5 < float(told["recall"][2])
    assert told["rate, found - true (mm/yr)"] == ["2.000"] * 3
    assert told["same direction"][0] == "1.000"
    assert said.err.splitlines() == [
        "note: inventory: 1 rejected, left out; 1 outlined twice",
        "note: 1 found with a rate that may lack whole cycles: not compared",
        "next: the same command with --json tells which slopes",
    ]


def test_as_json_in_a_region(run, found, reference, tmp_path):
    region = write(tmp_path / "region.gpkg", [box(499_000, 4.9e6, 515_000, 5.1e6)], name=["visited"])
    asked = ("evaluate", found, "--reference", reference, "--region", region, "--min-iou", "0.5")
    facts = run(*asked, "--json").facts
    assert (facts["found"], facts["missed"], facts["false"]) == (2, 0, 1)
    assert facts["matches"][1] == {"found": 2, "reference": 2, "iou": 1.0, "area_ratio": 1.0}
    assert (facts["missed_ids"], facts["false_ids"]) == ([], [4])
    assert facts["scores"]["recall"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert facts["scores"]["direction"]["value"] is None
    assert facts["rules"]["min_iou"] == 0.5
    said = run(*asked)
    assert "reference: 2 outside the region, not judged" in said.err
    assert "direction" not in said.out


def test_mistakes_are_one_line(run, found, reference, tmp_path):
    points = write(tmp_path / "points.gpkg", [Point(5e5, 5e6)], id=[1])
    for arguments, status, words in (
        ((found,), 2, "needs --reference (Outlines that are taken for true, in such a file)"),
        ((found, "--reference", tmp_path / "nowhere.gpkg"), 1, "No such file"),
        ((found, "--reference", points), 1, "reference must hold polygons, instead got a Point in id 1"),
        ((found, "--reference", reference, "--min-iou", "0"), 1, "min_iou must be a share above 0"),
        ((found, "--reference", reference, "--min-iou", "x"), 2, "it must be a number of 0 or more"),
        ((found, "--reference", reference, "--rate-field", "speed"), 1, "it has id, velocity"),
    ):
        said = run("evaluate", *arguments)
        assert (said.status, said.out, len(said.err.splitlines())) == (status, "", 1), said.err
        assert words in said.err
