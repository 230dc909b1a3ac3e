import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from shapely.geometry import LineString, Point, box

from insarflow.errors import ProductError, SelectionError
from insarflow.learn.labels import Labels, read_labels
from insarflow.types import Grid, Pair, Window

GRID = Grid((5e5, 20.0, 0.0, 5.1e6, 0.0, -20.0), (60, 80), "EPSG:32632")
BOW = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


def ground(shape):
    """A shape in pixels as one in the CRS."""
    return shapely.transform(shape, lambda c: np.array([5e5, 5.1e6]) + c * (20.0, -20.0))


def frame(*shapes, crs="EPSG:32632", **columns):
    return gpd.GeoDataFrame(columns, geometry=[None if s is None else ground(s) for s in shapes], crs=crs)


@pytest.mark.parametrize("name", ["movers.gpkg", "movers.shp", "movers.geojson"])
def test_polygons_of_files_in_another_crs_come_to_the_pixels(tmp_path, name):
    shapes = [box(3, 4, 10, 12), box(50.5, 20.25, 60, 30).difference(box(53, 23, 56, 27))]
    frame(*shapes, confidence=[0.25, None]).to_crs(4326).to_file(tmp_path / name)
    labels = read_labels(tmp_path / name, GRID)
    for found, given in zip(labels.shapes, shapes, strict=True):
        assert found.hausdorff_distance(given) < 1e-3
    assert labels.table["confidence"].tolist() == [0.25, 1.0]
    assert labels.table["state"].tolist() == ["moving", "moving"]
    corners = shapely.get_coordinates(labels.shapes) * 4096
    assert np.array_equal(corners, np.rint(corners))


def test_fields_by_name_and_by_map():
    one, two = box(1, 1, 5, 5), box(10, 10, 20, 20)
    table = frame(one, two, status=["Confirmed", "rejected"], KIND=["Landslide", "Glacier"], CONF=[1, 3])
    plain = read_labels(table, GRID).table
    assert plain["rejected"].tolist() == [False, True]
    assert plain["state"].tolist() == ["moving", "absent"]
    assert plain["class"].isna().all()
    fields = {"class": "KIND", "confidence": "CONF"}
    classes = {"Landslide": "moving", "Glacier": "open"}
    mapped = read_labels(table, GRID, fields=fields, classes=classes, levels={"1": 0.2, "3": 1.0}).table
    assert mapped["rejected"].tolist() == [False, False]
    assert mapped["state"].tolist() == ["moving", "open"]
    assert mapped["confidence"].tolist() == [np.float32(0.2), 1.0]
    assert read_labels(table, GRID, fields={}).table["rejected"].sum() == 0


def test_only_what_people_looked_at_counts(tmp_path):
    shapes = [box(10 * k, 10, 10 * k + 5, 20) for k in range(5)]
    table = frame(*shapes, status=["new", "confirmed", "rejected", None, " Confirmed "])
    table["class"] = ["Landslide", "Landslide", "Landslide", "Landslide", "Bog"]
    assert read_labels(table, GRID).table["state"].tolist() == ["open", "moving", "absent", "open", "moving"]
    known = read_labels(table, GRID, classes={"Landslide": "moving", "Bog": "absent"}).table
    assert known["state"].tolist() == ["open", "moving", "absent", "open", "absent"]
    assert known["rejected"].tolist() == [False, False, True, False, False]
    # No file without a status knows of reviews: all are movers.
    assert set(read_labels(table.drop(columns="status"), GRID).table["state"]) == {"moving"}


@pytest.mark.parametrize("first", [True, False])
def test_tables_without_a_place_are_no_labels(tmp_path, first):
    """As QGIS keeps its styles in a GeoPackage."""
    path, styles = tmp_path / "reviewed.gpkg", pd.DataFrame({"styleName": ["a"]})
    if first:
        pyogrio.write_dataframe(styles, path, layer="layer_styles")
    frame(box(1, 1, 5, 5)).to_file(path, layer="inventory", mode="a" if first else "w")
    if not first:
        pyogrio.write_dataframe(styles, path, layer="layer_styles", append=True)
    assert len(pyogrio.list_layers(path)) == 2
    assert len(read_labels(path, GRID)) == 1
    pyogrio.write_dataframe(styles, tmp_path / "styles.gpkg", layer="layer_styles")
    with pytest.raises(ProductError, match=r"styles.gpkg' must hold a layer of polygons, instead got none"):
        read_labels(tmp_path / "styles.gpkg", GRID)


def test_classes_may_be_numbers():
    table = frame(box(1, 1, 5, 5), box(10, 10, 20, 20), KIND=[1.0, 2.0])
    classes = {"1": "moving", "2": "absent"}
    assert read_labels(table, GRID, fields={"class": "KIND"}, classes=classes).table["state"].tolist() == [
        "moving",
        "absent",
    ]


def test_polygons_are_valid_in_pairs_between_their_days_or_in_one_pair():
    table = frame(
        *[box(1, 1, 5, 5)] * 4,
        first=["2018-07-02", None, None, None],
        last=["20180714", None, "2018-07-08", None],
        date=[None, None, None, pd.Timestamp("2018-07-02")],
        delay=[None, None, None, 12],
    )
    labels = read_labels(table, GRID)
    assert labels.timed
    every = np.arange(4)
    assert labels.of_pair(Pair.parse("20180702_20180714"), every).tolist() == [True, True, False, True]
    assert labels.of_pair(Pair.parse("20180626_20180708"), every).tolist() == [False, True, True, False]
    assert labels.of_pair(Pair.parse("20180702_20180708"), every).tolist() == [True, True, True, False]
    assert not read_labels(frame(box(1, 1, 5, 5), date=["no day"]), GRID).timed


def test_a_tree_finds_what_is_near():
    labels = read_labels(frame(box(40, 40, 50, 50), box(1, 1, 5, 5), box(20, 1, 30, 5)), GRID)
    assert isinstance(labels, Labels)
    assert len(labels) == 3
    assert labels.near(Window(0, 0, 10, 18)).tolist() == [1]
    assert labels.near(Window(0, 0, 10, 18), 2.0).tolist() == [1, 2]


def test_what_lies_outside_is_left_out_with_a_warning():
    inside, outside = box(70, 50, 90, 90), box(100, 1, 110, 5)
    with pytest.warns(UserWarning, match=r"^labels: 2 of 3 polygons lie outside the image and are left out"):
        labels = read_labels(frame(outside, inside, outside, status=["new", "rejected", "new"]), GRID)
    assert labels.table["row"].tolist() == [1]
    assert labels.table["rejected"].tolist() == [True]
    with pytest.raises(
        SelectionError, match=r"none of the 1 polygons touches the image: .* 100 to 110, 1 to 5, .*80 by 60"
    ):
        read_labels(frame(outside), GRID)


def test_a_polygon_that_crosses_itself_is_mended_only_on_request():
    crossed = frame(box(1, 1, 5, 5), BOW)
    with pytest.raises(
        ProductError, match=r"must not cross itself, instead got Self-intersection.* in row 1: .*repair"
    ):
        read_labels(crossed, GRID)
    labels = read_labels(crossed, GRID, repair=True)
    assert labels.shapes[1].is_valid
    assert labels.shapes[1].area == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (frame(box(1, 1, 2, 2), crs=None), {}, "must have a CRS, instead got none"),
        (frame(), {}, "must hold polygons, instead got none"),
        (frame(box(1, 1, 2, 2), None), {}, "row 1 is empty: remove it"),
        (frame(shapely.Polygon(), box(1, 1, 2, 2)), {}, "row 0 is empty"),
        (frame(shapely.Polygon(), None, box(1, 1, 2, 2), id=[7, None, 8]), {}, r"rows 0 \(id 7\), 1 are empty:"),
        (frame(box(1, 1, 2, 2), Point(3, 3)), {}, "must hold polygons, instead got a Point in row 1"),
        (frame(LineString([(1, 1), (2, 2)])), {}, "must hold polygons, instead got a LineString"),
        (frame(box(1, 1, 2, 2), CONF=[1]), {"fields": {"confidence": "SURE"}}, "no field 'SURE', it has CONF"),
        (frame(box(1, 1, 2, 2), confidence=[3]), {}, "confidence must be 0 to 1: .*levels=; .*3.* in row 0"),
        (frame(box(1, 1, 2, 2), confidence=["high"]), {}, "confidence must be 0 to 1"),
        (frame(box(1, 1, 2, 2), confidence=[2]), {"levels": {"1": 0.5}}, "confidence must be one of 1: add it"),
        (frame(box(1, 1, 2, 2), status=["maybe"]), {}, "status must be one of new, .*'maybe' in row 0"),
        (frame(box(1, 1, 2, 2), status=[1]), {}, "status must be one of new, .*1.* in row 0"),
        (frame(*[box(1, 1, 2, 2)] * 2, status=["new", None]), {}, "instead nobody has reviewed any of the 2: review"),
        (
            frame(*[box(1, 1, 2, 2)] * 8, **{"class": ["Landslide", *["Bog"] * 7]}),
            {"classes": {"Landslide": "moving"}},
            "class must be one of Landslide: add it to classes; instead got 'Bog' in rows 1, 2, 3, 4, 5 and 2 more",
        ),
        (frame(box(1, 1, 2, 2)), {"classes": {"Landslide": "moving"}}, "has no class, which classes= tells apart"),
        (frame(box(1, 1, 2, 2)), {"levels": {"high": 1.0}}, "has no confidence, which levels= tells: name its field"),
        (frame(box(1, 1, 2, 2), first=["soon"]), {}, "row 0: first: date must be like"),
        (frame(box(1, 1, 2, 2), date=["20180702"], delay=[0]), {}, "row 0: delay: delay must be"),
    ],
)  # fmt: skip
def test_bad_tables_are_told(table, options, message):
    with pytest.raises(ProductError, match=message):
        read_labels(table, GRID, **options)


def test_bad_arguments_are_told():
    table = frame(box(1, 1, 2, 2), date=["20180702"])
    with pytest.raises(TypeError, match=r"^labels must be a path or a GeoDataFrame, instead got int"):
        read_labels(3, GRID)
    with pytest.raises(ValueError, match=r"^fields must be of confidence, .* instead got 'Confidence'"):
        read_labels(table, GRID, fields={"Confidence": "date"})
    with pytest.raises(ValueError, match=r"^fields must name both date and delay"):
        read_labels(table, GRID, fields={"date": "date"})
    with pytest.raises(ValueError, match="a state in classes must be"):
        read_labels(table, GRID, classes={"Landslide": "yes"})


def test_bad_files_are_told(tmp_path):
    with pytest.raises(ProductError, match=r"cannot be read: No such file"):
        read_labels(tmp_path / "none.gpkg", GRID)
    with pytest.raises(ProductError, match=r"must be one of the kinds \.gpkg, .* instead got '\.csv'"):
        read_labels(tmp_path / "movers.csv", GRID)
    (tmp_path / "movers.gpkg").write_bytes(b"<VRTDataset/>")
    with pytest.raises(ProductError, match=r"is not what its name says, or damaged"):
        read_labels(tmp_path / "movers.gpkg", GRID)
    (tmp_path / "movers.geojson").write_bytes(b'{"type": "FeatureCollection", "features": [')
    with pytest.raises(ProductError, match=r"cannot be read, it is damaged"):
        read_labels(str(tmp_path / "movers.geojson"), GRID)


def test_a_geoparquet_is_read_or_says_what_is_missing(tmp_path):
    path = tmp_path / "movers.parquet"
    try:
        frame(box(1, 1, 5, 5)).to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(ProductError, match=r"needs a package to be read: pip install pyarrow"):
            read_labels(path, GRID)
    else:
        assert len(read_labels(path, GRID)) == 1
