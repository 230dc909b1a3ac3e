import xml.etree.ElementTree as ET

import numpy as np
import pytest
import rasterio
import shapely

from insarflow.errors import ProductError
from insarflow.stack.export.cog import write_cog
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.qgis import write_project
from insarflow.stack.export.style import phase_stops

gpd = pytest.importorskip("geopandas")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory):
    path = tmp_path_factory.mktemp("inventory") / "mine.gpkg"
    movers = gpd.GeoDataFrame(
        {"number": [1]}, geometry=[shapely.box(331_000, 4_980_000, 332_000, 4_981_000)], crs=32632
    )
    movers.to_file(path, layer="movers")
    gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=32632).to_file(path, layer="points", mode="a")
    return path


@pytest.fixture(scope="module")
def project(wide, inventory, tmp_path_factory):
    folder = tmp_path_factory.mktemp("qgis")
    stack = stack_of(wide, ["igram", "coherence", "dem", "layover_shadow", "water"])
    write_cog(stack, folder)
    path = write_project(stack, folder, inventory=inventory)
    return folder, ET.parse(path).getroot()


def layers_of(root):
    return {layer.findtext("id"): layer for layer in root.iter("maplayer")}


def test_every_source_is_there_by_a_relative_path(project):
    folder, root = project
    assert root.find("properties/Paths/Absolute").text == "false"
    for layer in layers_of(root).values():
        path, _, name = layer.findtext("datasource").partition("|layername=")
        assert path.startswith("./")
        assert (folder / path).is_file()
        assert layer.findtext("provider") == ("ogr" if name else "gdal")
    assert len(layers_of(root)) == 3 * 2 + 3 + 1


def test_crs_and_extents_are_those_of_the_files(project):
    folder, root = project
    assert root.find("projectCrs/spatialrefsys/authid").text == "EPSG:32632"
    assert root.find("mapcanvas/destinationsrs/spatialrefsys/authid").text == "EPSG:32632"
    for layer in layers_of(root).values():
        assert layer.find("srs/spatialrefsys/authid").text == "EPSG:32632"
        assert layer.find("srs/spatialrefsys/wkt").text.startswith("PROJCRS")
        if layer.get("type") == "raster":
            with rasterio.open(folder / layer.findtext("datasource")) as file:
                assert [float(side.text) for side in layer.find("extent")] == list(file.bounds)


def test_the_tree_holds_every_layer_once_in_groups_by_delay(project):
    root = project[1]
    leaves = [leaf.get("id") for leaf in root.iter("layer-tree-layer")]
    assert sorted(leaves) == sorted(layers_of(root))
    tree = root.find("layer-tree-group")
    assert [group.get("name") for group in tree.findall("layer-tree-group")] == [
        "12 days",
        "24 days",
        "Terrain and view",
    ]
    first = tree.find("layer-tree-group")
    pairs = [group.get("name") for group in first]
    assert pairs == ["20180106_20180118", "20180118_20180130"]
    shown = [leaf.get("name") for leaf in root.iter("layer-tree-layer") if leaf.get("checked") == "Qt::Checked"]
    assert shown == ["movers", "phase 20180106_20180118"]


def test_layers_are_drawn_as_their_values_ask(project):
    layers = layers_of(project[1])
    phase = layers["layer_20180106_20180130_phase"].find("pipe/rasterrenderer")
    assert phase.get("type") == "singlebandpseudocolor"
    assert [(float(i.get("value")), i.get("color")) for i in phase.iter("item")] == phase_stops()
    limits = {}
    for name in ("20180106_20180130_coherence", "dem", "water"):
        grey = layers[f"layer_{name}"].find("pipe/rasterrenderer")
        assert grey.get("type") == "singlebandgray"
        limits[name] = [float(grey.findtext(f"contrastEnhancement/{end}")) for end in ("minValue", "maxValue")]
    assert limits["20180106_20180130_coherence"] == limits["water"] == [0, 1]
    assert 1000 < limits["dem"][0] < limits["dem"][1] < 1000 + 530 + 610
    bits = layers["layer_layover_shadow"].find("pipe/rasterrenderer")
    assert bits.get("type") == "paletted"
    assert len(bits.find("colorPalette")) == 16
    assert layers["inventory_movers"].get("geometry") == "Polygon"
    assert layers["inventory_movers"].find("renderer-v2/symbols/symbol").get("type") == "fill"


def test_polygons_are_copied(project, inventory):
    copy = gpd.read_file(project[0] / "inventory.gpkg", layer="movers")
    assert copy.geometry.equals(gpd.read_file(inventory, layer="movers").geometry)


def test_a_raster_of_one_value_can_be_drawn(wide, tmp_path):
    flat = stack_of(
        wide.assign(dem=wide["dem"] * 0 + 7, incidence=wide["dem"] * np.float32(np.nan)), ["dem", "incidence"]
    )
    write_cog(flat, tmp_path)
    root = ET.parse(write_project(flat, tmp_path)).getroot()
    ends = [[float(e.findtext(n)) for n in ("minValue", "maxValue")] for e in root.iter("contrastEnhancement")]
    assert ends == [[7, 8], [0, 1]]


def test_no_geopackage_of_polygons(wide, tmp_path):
    (tmp_path / "a.gpkg").write_text("<VRTDataset/>")
    (tmp_path / "b.gpkg").write_bytes(b"SQLite format 3\0 and no more")
    gpd.GeoDataFrame(geometry=[shapely.Point(0, 0)], crs=32632).to_file(tmp_path / "c.gpkg", layer="points")
    for name, words in {
        "a": "is another kind of file", "b": "cannot be read", "c": "holds none", "d": "cannot be read"
    }.items():  # fmt: skip
        with pytest.raises(ProductError, match=f"must be a GeoPackage of polygons, instead it {words}"):
            write_project(stack_of(wide, ["dem"]), tmp_path, inventory=tmp_path / f"{name}.gpkg")
