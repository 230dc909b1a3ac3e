"""Inventories read back, as people and programs have left them."""

import sqlite3
from contextlib import closing

import geopandas as gpd
import geopandas.testing
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from reviewed import SOME, inventory_of

from insarflow.errors import ProductError
from insarflow.inventory import write_inventory
from insarflow.inventory.columns import COLUMNS, OUTLINE, TERRAIN
from insarflow.inventory.read import read_inventory

BOW = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])


def edited(frame, tmp_path, name="edited.gpkg", layer="inventory"):
    """A table as another program writes it."""
    frame.to_file(tmp_path / name, layer=layer)
    return tmp_path / name


@pytest.mark.parametrize("columns", [COLUMNS, SOME, OUTLINE | TERRAIN, OUTLINE], ids=len)
@pytest.mark.parametrize("count", [4, 0])
def test_a_table_comes_back_as_it_was(columns, count, tmp_path):
    frame = inventory_of(count, columns)
    frame.insert(2, "ticket", np.arange(count))
    path = write_inventory(frame, tmp_path / "a.gpkg")
    read = read_inventory(str(path))
    geopandas.testing.assert_geodataframe_equal(read, frame, check_geom_type=True)
    assert read.dtypes.to_dict() == frame.dtypes.to_dict()
    assert read.attrs == frame.attrs
    again = write_inventory(read, tmp_path / "b.gpkg")
    assert again.read_bytes() == path.read_bytes()


def test_a_geojson_comes_back_but_for_its_attributes(tmp_path):
    frame = inventory_of()
    read = read_inventory(write_inventory(frame, tmp_path / "a.geojson"))
    pd.testing.assert_frame_equal(read.drop(columns="geometry"), frame.drop(columns="geometry"), rtol=1e-6)
    assert read.crs == "EPSG:4326"
    assert read.attrs == {}


def test_a_geoparquet_comes_back(tmp_path):
    pytest.importorskip("pyarrow")
    frame = inventory_of()
    read = read_inventory(write_inventory(frame, tmp_path / "a.parquet"))
    geopandas.testing.assert_geodataframe_equal(read, frame)
    assert read.attrs == frame.attrs


@pytest.mark.parametrize("name", ["a.gpkg", "a.parquet"])
def test_what_a_run_left_out_is_in_no_file(name, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    frame = inventory_of()
    told = frame.attrs | {"left_out": {"min_pairs": 2}}
    plain = write_inventory(frame, tmp_path / name).read_bytes()
    frame.attrs = told
    path = write_inventory(frame, tmp_path / name, overwrite=True)
    assert path.read_bytes() == plain
    assert frame.attrs == told  # the table itself keeps it
    if name.endswith("gpkg"):  # as older versions wrote it
        frame.to_file(path, layer="inventory", layer_metadata={key: str(value) for key, value in told.items()})
    else:
        frame.to_parquet(path)
    assert read_inventory(path).attrs == inventory_of().attrs


def test_a_slope_drawn_by_hand_has_no_number(tmp_path):
    """As QGIS writes it: what nobody filled in is NULL."""
    path = write_inventory(inventory_of(2), tmp_path / "a.gpkg")
    drawn = gpd.GeoDataFrame({"comment": ["mine", None]}, geometry=shapely.box([0, 9], 0, [5, 14], 5), crs=32632)
    drawn.to_file(path, layer="inventory", mode="a")
    read = read_inventory(path)
    assert read["id"].tolist() == [1, 2, 0, 0]
    assert read["status"].tolist()[2:] == ["new", "new"]
    assert read["comment"].tolist()[2:] == ["mine", ""]
    assert read["class"].tolist()[2:] == ["", ""]
    assert read["pairs"].tolist()[2:] == [0, 0]
    assert read["near_edge"].tolist()[2:] == [False, False]
    assert read["area_m2"].isna().tolist()[2:] == [True, True]
    assert read["first_seen"].isna().tolist()[2:] == [True, True]
    assert {name: str(read[name].dtype) for name in COLUMNS} == {n: c.dtype for n, c in COLUMNS.items()}
    assert not read.select_dtypes("str").isna().any(axis=None)


def test_other_dtypes_and_spellings_are_taken_for_what_they_are(tmp_path):
    frame = inventory_of()
    loose = frame.assign(
        id=frame["id"].astype(float), area_m2=frame["area_m2"].map(str), near_edge=["true", "0", "1", None],
        first_seen=["2018-07-02", None, "20180726", "2018-08-07"], status=["New", " confirmed", None, "REJECTED"],
        reviewer=[1, 2, 3, 4], **{"class": ["rock glacier", "", None, "Landslide "]},
    )  # fmt: skip
    read = read_inventory(edited(loose, tmp_path))
    assert {name: str(read[name].dtype) for name in COLUMNS} == {n: c.dtype for n, c in COLUMNS.items()}
    for name in ("id", "area_m2", "first_seen"):
        pd.testing.assert_series_equal(read[name], frame[name])
    assert read["near_edge"].tolist() == [True, False, True, False]
    assert read["status"].tolist() == ["new", "confirmed", "new", "rejected"]
    assert read["class"].tolist() == ["Rock glacier", "", "", "Landslide"]
    assert read["reviewer"].tolist() == ["1", "2", "3", "4"]


def test_the_layer_with_slopes_is_found(tmp_path):
    frame = inventory_of(columns=OUTLINE)
    path = edited(frame, tmp_path, layer="zones")
    assert len(read_inventory(path)) == 4
    frame[:2].to_file(path, layer="others")
    with pytest.raises(ProductError, match="must hold one layer of outlines, instead got zones, others: say which wi"):
        read_inventory(path)
    assert len(read_inventory(path, layer="others")) == 2
    frame[:1].to_file(path, layer="inventory")
    assert len(read_inventory(path)) == 1
    with pytest.raises(ProductError, match="has no layer 'layer_styles' with a place, it has zones, others, inventory"):
        read_inventory(path, layer="layer_styles")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns="id"), "must have the columns of an inventory, instead 'id' is missing; was"),
        (lambda f: f.rename(columns={"id": "ID"}), "'id' is missing .*; 'ID' may be its 'id': name it so again$"),
        (lambda f: f.rename(columns={"id": "slope_id"}), "'slope_id' may be its 'id'"),
        (lambda f: f.rename(columns={"status": "Status"}), "'status' is missing .*'Status' may be its 'status'"),
        (lambda f: f.rename(columns={"reviewer": "reviewed_b", "comment": "comments"}),
         "'reviewer', 'comment' are missing .*'reviewed_b' may be its 'reviewer': name it so again; 'comments' may be"),
        (lambda f: f.drop(columns="slope_deg"), "instead 'slope_deg' is missing; was it made by insarflow inventory"),
        (lambda f: f.drop(columns=["slope_deg", "status", "aliased"]).assign(own=1, mine=2),
         "instead 'status', 'aliased', 'slope_deg' are missing beside mine, own; was"),
        (lambda f: f.assign(**{f"own{k:02}": k for k in range(12)}).drop(columns="orbit"),
         "'orbit' is missing beside own00, .*, own09 and 2 more; was"),
        (lambda f: f.assign(id=[1, 0, None, 4], area_m2=["x"] * 4),
         r"instead got 'x' in rows 0 \(id 1\), 1, 2, 3 \(id 4\)$"),
        (lambda f: f.assign(id=[1, 2, 2, 0]), "id must be another in each row, instead 2 is in rows 1, 2: clear it"),
        (lambda f: f.assign(id=[1, 2, 3, -4]), "id must be a whole number from 0 to .*; instead got -4 in row 3"),
        (lambda f: f.assign(id=[1, 2, 3, 4.5]), "id must be a whole number from 0 to .*; instead got 4.5 in row 3"),
        (lambda f: f.assign(id=["1", "2", "3", "four"]), "id must be a number; instead got 'four' in row 3"),
        (lambda f: f.assign(id=[True, True, False, True]), "id must be a number; .* True in rows 0, 1, 2, 3"),
        (lambda f: f.assign(area_m2=["1", "2.5", "large", ""]), "area_m2 must be a number; .* 'large' in row 2"),
        (lambda f: f.assign(area_m2=[1, np.inf, 2, 3]), "area_m2 must be a number; instead got inf in row 1"),
        (lambda f: f.assign(area_m2=f["first_seen"]), "area_m2 must be a number; instead got Timestamp"),
        (lambda f: f.assign(pairs=[1, 2, 3, 2.0**40]), "pairs must be a whole number from 0 to 2147483647; instead"),
        (lambda f: f.assign(near_edge=["yes", "true", "", "no"]), "near_edge must be true or false; instead got 'yes'"),
        (lambda f: f.assign(first_seen=["soon", "", "", ""]), "row 0 \\(id 1\\): first_seen: date must be like"),
        (lambda f: f.assign(status=["new", "ok", "new", "new"]),
         "status must be one of new, confirmed, rejected, or empty; instead got 'ok' in row 1 \\(id 2\\)$"),
        (lambda f: f.assign(**{"class": ["", "", "", "Slide"]}),
         "class must be one of Landslide, Rock glacier, .*, or empty; instead got 'Slide' in row 3 \\(id 4\\)$"),
        (lambda f: f.set_geometry([*f.geometry[:3], None]), "instead row 3 \\(id 4\\) is empty: remove it"),
        (lambda f: f.set_geometry([*f.geometry[:3], shapely.Polygon()]),
         "an outline, instead row 3 \\(id 4\\) is empty: remove it"),
        (lambda f: f.set_geometry([*f.geometry[:3], shapely.Point(1, 2)]), "must hold polygons, instead got a Point"),
        (lambda f: f.set_geometry([BOW, *f.geometry[1:]]),
         "a polygon must not cross itself, instead got Self-inters.* in row 0 \\(id 1\\): mend it$"),
        (lambda f: f.set_crs(None, allow_override=True), "must have a CRS, instead got none: set it"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*crs. was not provided:UserWarning", "ignore:.*:RuntimeWarning")
def test_what_is_no_inventory_is_told(change, message, tmp_path):
    path = edited(change(inventory_of()), tmp_path)
    with pytest.raises(ProductError, match=rf"^path='.*edited.gpkg'.*{message}") as told:
        read_inventory(path)
    assert "\n" not in str(told.value)


def test_bad_files_are_told(tmp_path):
    with pytest.raises(TypeError, match=r"^path must be a path, instead got path=3 \(int\)"):
        read_inventory(3)
    with pytest.raises(ProductError, match=r"none.gpkg' cannot be read: No such file"):
        read_inventory(tmp_path / "none.gpkg")
    with pytest.raises(ProductError, match=r"must be one of the kinds \.gpkg, .* instead got '\.csv'"):
        read_inventory(write_inventory(inventory_of(), tmp_path / "a.csv"))
    path = tmp_path / "a.gpkg"
    path.write_bytes(b"<OGRVRTDataSource/>")
    with pytest.raises(ProductError, match="is not what its name says, or damaged"):
        read_inventory(path)
    path.write_bytes(b"SQLite format 3\0" + bytes(2000))
    with pytest.raises(ProductError, match="cannot be read, it is damaged"):
        read_inventory(path)
    path.unlink()
    pyogrio.write_dataframe(pd.DataFrame({"id": [1]}), path, layer="inventory")
    with pytest.raises(ProductError, match="must hold a layer of polygons, instead got none"):
        read_inventory(path)


def test_half_a_file(tmp_path):
    whole = write_inventory(inventory_of(200), tmp_path / "a.gpkg").read_bytes()
    (tmp_path / "half.gpkg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ProductError, match=r"half.gpkg'.* damaged"):
        read_inventory(tmp_path / "half.gpkg")


def test_a_damaged_attribute(tmp_path):
    path = write_inventory(inventory_of(), tmp_path / "a.gpkg")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE gpkg_metadata SET metadata = replace(metadata, '0.6', 'high')")
    with pytest.raises(ProductError, match="threshold must be a number, instead got 'high'"):
        read_inventory(path)
