"""Styles that GeoPackages hold, in a project; whoever made them."""

import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing

import pytest
from reviewed import inventory_of

from insarflow.inventory import write_inventory
from insarflow.inventory.columns import COLUMNS
from insarflow.inventory.symbology import style
from insarflow.stack.export import qml
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.qgis import write_project
from insarflow.stack.export.qml import stored_style, take_over

DRAWN = '<renderer-v2 type="RuleRenderer"/>'


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_inventory(inventory_of(), tmp_path_factory.mktemp("style") / "a.gpkg")


@pytest.fixture
def path(written, tmp_path):
    (tmp_path / "a.gpkg").write_bytes(written.read_bytes())
    return tmp_path / "a.gpkg"


def change(path, *statement):
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(*statement)


def restyled(path, text):
    change(path, "UPDATE layer_styles SET styleQML = ?", (text,))
    return path


def of_polygons(path, stack, folder):
    folder.mkdir()
    root = ET.parse(write_project(stack, folder, inventory=path)).getroot()
    return next(layer for layer in root.iter("maplayer") if layer.findtext("provider") == "ogr")


@pytest.fixture(scope="module")
def stack(wide):
    return stack_of(wide.drop_vars([name for name in wide.data_vars if name != "dem"], errors="ignore"), ["dem"])


def test_a_project_has_the_rules_labels_and_form_of_the_inventory(path, stack, tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.stack.export.qgis._limits", lambda layer, file: (0.0, 1.0))
    layer = of_polygons(path, stack, tmp_path / "out")
    wanted = ET.fromstring(style(inventory_of()))
    ET.indent(wanted)
    for name in qml.PARTS:
        (part,) = layer.findall(name)
        assert [(e.tag, e.attrib, (e.text or "").strip()) for e in part.iter()] == [
            (e.tag, e.attrib, (e.text or "").strip()) for e in wanted.find(name).iter()
        ]
    assert {part.tag for part in wanted} == {*qml.PARTS}  # nothing of it is lost
    assert layer.get("labelsEnabled") == "1"
    assert layer.find("renderer-v2").get("type") == "RuleRenderer"
    editable = {f.get("name") for f in layer.findall("editable/field") if f.get("editable") == "1"}
    assert "status" in editable
    assert "area_m2" not in editable
    assert {f.get("field") for f in layer.findall("aliases/alias")} == {"fid", *COLUMNS}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["inventory.gpkg", "project.qgs"]
    plain = of_polygons(restyled(path, "<qgis>&boom;</qgis>"), stack, tmp_path / "plain")
    assert plain.find("renderer-v2").get("type") == "singleSymbol"
    assert plain.find("editable") is None


@pytest.mark.parametrize(
    "text",
    [
        "", "no xml", None, f"<qgis>{DRAWN}", "<qgis/>", f"<other>{DRAWN}</other>", f"<qgis>{DRAWN}</qgis><qgis/>",
        f'<!DOCTYPE qgis [<!ENTITY a "aaaa">]><qgis>{DRAWN}&a;</qgis>',
        f'<!DOCTYPE qgis PUBLIC "a" "b"><!DOCTYPE qgis [<!ENTITY a "a">]><qgis>{DRAWN}&a;</qgis>',
        f'<!DOCTYPE qgis [<!ENTITY a SYSTEM "file:///etc/hostname">]><qgis>{DRAWN}&a;</qgis>',
        f"<qgis>{DRAWN}{'<a>' * 200}{'</a>' * 200}</qgis>", f"<qgis>{DRAWN}{'<a>' * 200_000}",
        f"<qgis>{DRAWN}{'<a/>' * (qml.LARGEST // 4)}</qgis>", b"\xff\xfe<qgis/>", 7, f"<qgis>{DRAWN}\0</qgis>",
    ],
    ids=range(16),
)  # fmt: skip
def test_a_style_that_is_no_good_is_none(path, text):
    assert stored_style(path, "inventory") is not None
    assert stored_style(restyled(path, text), "inventory") is None


def test_a_style_as_qgis_writes_it(path):
    begin = "<?xml version='1.0' encoding='UTF-8'?>\n<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
    made = stored_style(restyled(path, f"{begin}<qgis>{DRAWN}</qgis>"), "inventory")
    assert made.find("renderer-v2").get("type") == "RuleRenderer"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE layer_styles SET useAsDefault = 0", "DELETE FROM layer_styles", "DROP TABLE layer_styles",
        "ALTER TABLE layer_styles RENAME COLUMN styleQML TO gone", "UPDATE layer_styles SET f_table_name = 'other'",
    ],
)  # fmt: skip
def test_no_style(path, statement):
    change(path, statement)
    assert stored_style(path, "inventory") is None


def test_a_view_is_no_table_of_styles(path):
    change(path, "ALTER TABLE layer_styles RENAME TO others")
    change(path, "CREATE VIEW layer_styles AS SELECT * FROM others")
    assert stored_style(path, "inventory") is None


def test_the_newest_style_is_taken(path):
    change(
        path,
        "INSERT INTO layer_styles (f_table_name, styleQML, useAsDefault, update_time) "
        f"VALUES ('inventory', '<qgis version=\"new\">{DRAWN}</qgis>', 1, '2030-01-01')",
    )
    assert stored_style(path, "inventory").get("version") == "new"


def test_nothing_of_a_style_runs(path):
    text = (
        f'<qgis>{DRAWN}<editform tolerant="1">/tmp/a.ui</editform><editforminit>open</editforminit>'
        "<editforminitcodesource>2</editforminitcodesource><editforminitcode>import os</editforminitcode>"
        "<attributeactions><actionsetting/></attributeactions><attributeEditorForm><attributeEditorContainer>"
        "<attributeEditorQmlElement>a</attributeEditorQmlElement></attributeEditorContainer></attributeEditorForm></qgis>"
    )
    layer = ET.Element("maplayer")
    take_over(stored_style(restyled(path, text), "inventory"), layer)
    assert [part.tag for part in layer] == ["renderer-v2", "editform"]
    assert layer.find("editform").text is None
    assert layer.get("labelsEnabled") == "0"
