"""The QGIS style inside a GeoPackage, and whether another program has it open."""

import hashlib
import shutil
import sqlite3
from contextlib import closing

import pytest
from reviewed import inventory_of

from insarflow.errors import StoreError
from insarflow.inventory import write_inventory
from insarflow.inventory.geopackage import check_not_open
from insarflow.inventory.symbology import style


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_inventory(inventory_of(), tmp_path_factory.mktemp("written") / "inventory.gpkg")


@pytest.fixture
def path(written, tmp_path):
    return shutil.copy(written, tmp_path / "it's 100% #1.gpkg")


def state(path):
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns, sorted(path.parent.iterdir())


def test_the_style_is_where_qgis_looks_for_it(written):
    with closing(sqlite3.connect(written)) as file:
        file.row_factory = sqlite3.Row
        (row,) = file.execute("SELECT * FROM layer_styles").fetchall()
        contents = {r["table_name"]: r for r in file.execute("SELECT * FROM gpkg_contents")}
        geometry = file.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchone()
        assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert list(row.keys()) == [
        "id", "f_table_catalog", "f_table_schema", "f_table_name", "f_geometry_column", "styleName", "styleQML",
        "styleSLD", "useAsDefault", "description", "owner", "ui", "update_time",
    ]  # fmt: skip
    assert (row["f_table_name"], row["f_geometry_column"]) == tuple(geometry)
    assert row["useAsDefault"] == 1
    assert row["styleQML"] == style(inventory_of())
    assert contents["layer_styles"]["data_type"] == "attributes"
    assert {r["last_change"] for r in contents.values()} == {row["update_time"]} == {"2000-01-01T00:00:00.000Z"}


def test_a_file_that_nobody_has_open_stays_as_it_is(path):
    before = state(path)
    check_not_open(str(path))
    assert state(path) == before


@pytest.mark.parametrize("begin", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE", "BEGIN; SELECT count(*) FROM inventory"])
def test_a_file_that_is_being_written_is_open(path, begin):
    before = state(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        for statement in begin.split(";"):
            other.execute(statement).fetchall()
        if "SELECT" in begin:  # who only reads is in nobody's way
            check_not_open(path)
        else:
            with pytest.raises(StoreError, match=r"must not be open elsewhere, instead another program holds it: save"):
                check_not_open(path)
            with pytest.raises(StoreError, match="must not be open elsewhere"):
                write_inventory(inventory_of(2), path, overwrite=True)
    assert state(path) == before


def test_edits_that_are_not_yet_in_the_file(path):
    """As QGIS edits: with a write-ahead log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT count(*) FROM inventory").fetchall()
        before = state(path)
        with pytest.raises(StoreError, match="must not be open elsewhere, instead another program holds it"):
            check_not_open(path)
        assert state(path) == before
        # As QGIS does, by a statement that needs none of the functions that GDAL brings.
        other.execute("UPDATE layer_styles SET description = 'edited'")
        before = state(path)
        with pytest.raises(StoreError, match=r"instead it's 100% #1.gpkg-wal holds changes of it: save and close it"):
            check_not_open(path)
        assert state(path) == before
    # Closed: nothing is left beside, though the file stays one with a write-ahead log.
    before = path.read_bytes()
    check_not_open(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_program_that_was_stopped_while_it_wrote(path):
    journal = path.with_name(path.name + "-journal")
    journal.write_bytes(bytes(512))
    check_not_open(path)
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(504))
    before = state(path)
    with pytest.raises(StoreError, match="-journal holds changes of it"):
        check_not_open(path)
    assert state(path) == before


def test_what_is_no_geopackage_is_open_nowhere(tmp_path):
    (tmp_path / "text.gpkg").write_text("text")
    for name in ("text.gpkg", "absent.gpkg", "."):
        check_not_open(tmp_path / name)


def test_a_damaged_file(path):
    path.write_bytes(path.read_bytes()[:16] + bytes(5000))
    with pytest.raises(StoreError, match=r"it's 100% #1.gpkg is damaged: file is not a database"):
        check_not_open(path)
