"""An inventory that is kept up to date: people's edits outlive every update, and only what is new is segmented."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from disturbance import Disturbed, cheap_prediction
from growing import A, B, C, D, begin, edit, grow, images, outline, read
from places import die_at, files_of

import insarflow
from insarflow.errors import MissingVariableError, OutputExistsError, ProductError, StoreError
from insarflow.inventory.history import keep_copy
from insarflow.stack.append import append_pairs
from insarflow.workflows.update import update_source
from insarflow.workflows.update_settings import Said, settle_settings


@pytest.fixture(scope="module")
def begun(filtering, tmp_path_factory):
    """A stack of four interferograms in which A and B move, and the folder of its first update."""
    home = tmp_path_factory.mktemp("begun")
    stack = begin(home / "stack.zarr", [A, B])
    with pytest.MonkeyPatch.context() as patch:
        seen = Disturbed(cheap_prediction)
        patch.setattr("insarflow.segment.blocks.predict", seen)
        return home, update_source(stack, home / "out", model=filtering), seen.calls


@pytest.fixture
def stack(begun, tmp_path):
    """The stack, beside a folder ``out`` of one update."""
    shutil.copytree(begun[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "stack.zarr"


@pytest.fixture
def folder(stack):
    return stack.parent / "out"


@pytest.fixture
def update(stack, filtering, predictions):
    """``update()``, and how many interferograms the network has seen in it."""

    def call(**more):
        before = predictions.calls
        result = update_source(stack, stack.parent / "out", **{"model": filtering} | more)
        return result, predictions.calls - before

    return call


def shapes(folder):
    return {id_: tuple(one.bounds) for id_, one in read(folder).geometry.items()}


def test_the_first_call_makes_all_and_later_ones_only_what_is_new(begun, update, stack, folder):
    _, result, seen = begun
    assert seen == len(result.added) == 4
    assert sorted(path.name for path in folder.iterdir()) == ["inventory.gpkg", "probability.zarr", "update.json"]
    assert shapes(folder) == {1: outline(A), 2: outline(B)}
    assert (result.changes.new, result.kept) == ([1, 2], None)
    shards = {path: path.stat().st_mtime_ns for path in (folder / "probability.zarr/probability/c").rglob("*")}

    grow(stack, 2, [A, B, C], count=3)
    result, seen = update()
    assert seen == len(result.added) == 6
    assert {path: path.stat().st_mtime_ns for path in shards if path.is_file()} == {
        path: when for path, when in shards.items() if path.is_file()
    }
    assert insarflow.open_stack(folder / "probability.zarr")["valid"].values.all()
    assert shapes(folder) == {1: outline(A), 2: outline(B), 3: outline(C)}
    assert result.changes.new == [3]
    assert result.kept.parent == folder / "history"
    report = json.loads((folder / "update.json").read_text())
    assert [one["id"] for one in report["changes"]["new"]] == [3]

    grow(stack, 5, [A, C], count=12)
    result, _ = update()
    assert (result.changes.new, result.changes.gone) == ([], [2])
    assert read(folder)["activity"].to_dict() == {1: "unknown", 2: "gone", 3: "unknown"}
    assert len(list((folder / "history").iterdir())) == 2


def test_the_same_as_making_it_at_once(update, stack, folder):
    grow(stack, 2, [A, D], count=4)
    update()
    ds = insarflow.open_stack(stack)
    direct = insarflow.open_stack(folder / "probability.zarr").insar.inventory()
    np.testing.assert_allclose(
        insarflow.open_stack(folder / "probability.zarr")["probability"], ds["coherence"], atol=1e-3
    )
    here = read(folder)
    assert here["activity"].to_dict() == {1: "unknown", 2: "gone", 3: "new"}
    here = here[here["activity"] != "gone"]
    for name in ("area_m2", "pairs", "probability_mean"):
        np.testing.assert_array_equal(here[name], direct[name])
    assert here.geometry.to_wkb().tolist() == direct.geometry.to_wkb().tolist()


def test_a_slope_that_speeds_up_is_told(filtering, predictions, tmp_path):
    stack, folder = begin(tmp_path / "stack.zarr", [A, B], count=4, step=0.2), tmp_path / "out"
    first = update_source(stack, folder, model=filtering, outlining={"threshold": 0.6})
    rate = -0.2 * 55.5 / (4 * np.pi) * 365.25 / 6
    np.testing.assert_allclose(first.slopes["los_rate_mm_yr"], rate, rtol=0.1)
    grow(stack, 4, [A], count=12, step=0.6)
    then = update_source(stack, folder, model=filtering)
    assert (then.changes.faster, then.changes.gone, then.changes.new) == ([1], [2], [])
    (told,) = then.changes.to_dict()["faster"]
    # Of the pairs before the last 60 days, a few of which are of the fast time, and of those within.
    assert told["previous_rate_mm_yr"] == then.slopes.loc[0, "previous_rate_mm_yr"]
    assert 2.5 * rate < told["previous_rate_mm_yr"] < 0.9 * rate
    assert told["los_rate_mm_yr"] == pytest.approx(3 * rate, rel=0.1)
    assert then.slopes.attrs["threshold"] == 0.6
    assert read(folder).loc[2, "los_rate_mm_yr"] == pytest.approx(first.slopes.loc[1, "los_rate_mm_yr"])


def test_what_starts_and_stops_is_told_at_once(filtering, predictions, tmp_path):
    stack, folder = begin(tmp_path / "stack.zarr", [A, B], count=24, step=0.2), tmp_path / "out"
    first = update_source(stack, folder, model=filtering, outlining={"threshold": 0.6}, criteria={"min_pairs": 16})
    assert first.changes.new == [1, 2]
    # Of all time C and D are still below the threshold, and B above it; D is seen too seldom.
    grow(stack, 24, [A, C], count=1, step=0.2)
    grow(stack, 25, [A, C, D], count=7, step=0.2)
    then = update_source(stack, folder, model=filtering)
    assert (then.changes.new, then.changes.gone) == ([3], [2])
    assert then.slopes["activity"].tolist() == ["steady", "gone", "new"]
    assert then.slopes.loc[1, "pairs_known"] == 64
    assert shapes(folder) == {1: outline(A), 2: outline(B), 3: outline(C)}


def test_an_interferogram_of_which_the_network_knows_nothing_is_not_asked_for_again(update, stack):
    blind = images(2, 1, [A, B])
    blind["coherence"][:] = np.nan
    append_pairs(blind, stack)
    result, _ = update()
    assert len(result.added) == 2
    assert not result.changes.any
    assert update()[0].slopes is None


def test_nothing_new_changes_no_byte(update, stack, folder):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}
    content = files_of(folder)
    result, seen = update()
    assert (result.slopes, result.added, result.changes.any, seen) == (None, (), False, 0)
    assert files_of(folder) == content
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in before} == before
    # Not even if somebody has edited it since, with a program that keeps no metadata.
    edit(folder, lambda frame: frame.assign(comment="mine"))
    content = files_of(folder)
    assert update()[0].slopes is None
    assert files_of(folder) == content


def review(frame):
    """What a person does at first."""
    frame.loc[frame["id"] == 1, ["status", "class", "reviewer"]] = ["confirmed", "Rock glacier", "M. Muster"]
    frame.loc[frame["id"] == 1, "comment"] = 'cracks; "Schönegg" — 3 m'
    frame.loc[frame["id"] == 2, "status"] = "rejected"
    frame["houses"] = [4, 0]
    drawn = gpd.GeoDataFrame(
        {"comment": ["by hand"], "status": ["confirmed"]}, geometry=[shapely.box(*outline(D))], crs=frame.crs
    )
    return gpd.GeoDataFrame(pd.concat([frame, drawn], ignore_index=True), crs=frame.crs)


def test_edits_survive_three_updates_and_every_version_is_kept(update, stack, folder, monkeypatch):
    monkeypatch.setattr("insarflow.workflows.update.now", lambda: "20300101T000000")
    edit(folder, review)
    assert np.isnan(read(folder).index.to_numpy()).sum() == 1
    versions = []
    for first, slopes, count in ((2, [A, B, C], 3), (5, [A, C], 12), (17, [A, B, C, D], 20)):
        versions.append((folder / "inventory.gpkg").read_bytes())
        grow(stack, first, slopes, count=count)
        result, _ = update()
        now = read(folder)
        assert now.loc[1, ["status", "class", "reviewer", "comment", "houses"]].tolist() == [
            "confirmed", "Rock glacier", "M. Muster", 'cracks; "Schönegg" — 3 m', 4
        ]  # fmt: skip
        assert now.loc[2, ["status", "houses"]].tolist() == ["rejected", 0]
        assert now.loc[3, ["status", "comment"]].tolist() == ["confirmed", "by hand"]
        # What was drawn is measured like what was found.
        assert now.loc[3, "pairs_known"] == 2 * (first + count)
        assert 2 not in result.changes.new + result.changes.gone
        assert now.loc[4, "status"] == "new"
        # In between somebody writes more.
        edit(folder, lambda frame: frame.assign(reviewer=frame["reviewer"].where(frame["id"] != 4, "A. B.")))
    assert read(folder).loc[4, "reviewer"] == "A. B."
    assert result.changes.new == [3]
    assert now["activity"].to_dict() == {1: "unknown", 2: "new", 3: "new", 4: "unknown"}
    assert shapes(folder) == {1: outline(A), 2: outline(B), 3: outline(D), 4: outline(C)}
    # Even of one second.
    names = [f"inventory-20300101T000000{part}.gpkg" for part in ("", "-2", "-3")]
    assert sorted(path.name for path in (folder / "history").iterdir()) == sorted(names)
    assert [(folder / "history" / name).read_bytes() for name in names] == versions


def test_a_copy_that_is_there_is_not_made_again(tmp_path):
    file = tmp_path / "inventory.gpkg"
    file.write_text("one")
    assert (
        keep_copy(file, tmp_path / "h", "1") == keep_copy(file, tmp_path / "h", "2") == tmp_path / "h/inventory-1.gpkg"
    )
    file.write_text("two")
    assert keep_copy(file, tmp_path / "h", "2").read_text() == "two"


def test_killed_anywhere_the_same_call_goes_on(update, stack, folder, filtering):
    edit(folder, lambda frame: frame.assign(comment="mine"))
    grow(stack, 2, [A, B, C], count=3)
    before = (folder / "inventory.gpkg").read_bytes()
    point, ended, replaced = 1, False, False
    while not ended:
        ended = die_at(point, lambda: update_source(stack, folder, model=filtering))
        point += 7
        now = (folder / "inventory.gpkg").read_bytes()
        # Whole: the old one, or, once, the new one.
        assert now == before or sorted(shapes(folder)) == [1, 2, 3]
        replaced = replaced or now != before
    assert replaced
    assert point > 20
    assert shapes(folder) == {1: outline(A), 2: outline(B), 3: outline(C)}
    assert read(folder)["comment"].to_dict() == {1: "mine", 2: "mine", 3: ""}
    assert [path.read_bytes() for path in (folder / "history").iterdir()] == [before]
    assert update()[0].slopes is None
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_file_that_is_open_elsewhere_is_refused_before_any_work(update, stack, folder):
    grow(stack, 2, [A, B])
    file = folder / "inventory.gpkg"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        before = files_of(folder)
        with pytest.raises(StoreError, match=r"inventory.gpkg must not be open elsewhere, .* save and close it there"):
            update()
        other.execute("ROLLBACK")
        assert files_of(folder) == before
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        # As QGIS keeps it, although it is only looked at.
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("SELECT * FROM inventory").fetchall()
        with pytest.raises(StoreError, match="must not be open elsewhere"):
            update()
        assert len(insarflow.open_stack(folder / "probability.zarr")["date"]) == 2
    assert len(update()[0].added) == 2


def test_edits_that_a_dead_program_left_in_the_log_are_not_lost(update, stack, folder):
    file = folder / "inventory.gpkg"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        for (name,) in other.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            other.execute(f'DROP TRIGGER "{name}"')
        other.execute("UPDATE inventory SET comment = 'in the log'")
        log = {path.name: path.read_bytes() for path in folder.glob("inventory.gpkg*")}
    # As if that program had been killed.
    for name, content in log.items():
        (folder / name).write_bytes(content)
    grow(stack, 2, [A, B])
    assert (folder / "inventory.gpkg-wal").stat().st_size > 0
    update()
    assert read(folder)["comment"].to_dict() == {1: "in the log", 2: "in the log"}
    assert [path.name for path in folder.glob("inventory.gpkg*")] == ["inventory.gpkg"]


def test_an_edit_while_the_file_is_being_replaced_is_not_lost(update, stack, folder, monkeypatch):
    grow(stack, 2, [A, B])
    write = insarflow.workflows.update.write_inventory

    def late(frame, path, **more):
        edit(folder, lambda frame: frame.assign(comment="at the last moment"))
        return write(frame, path, **more)

    monkeypatch.setattr("insarflow.workflows.update.write_inventory", late)
    with pytest.raises(StoreError, match=r"was changed while it was read: run this again; nothing is lost"):
        update()
    monkeypatch.undo()
    update()
    assert read(folder)["comment"].to_dict() == {1: "at the last moment", 2: "at the last moment"}


def test_another_model_or_setting_is_refused_or_taken_with_ids_and_edits(update, stack, folder, filtering):
    edit(folder, lambda frame: frame.assign(comment="mine"))
    content = files_of(folder)
    with pytest.raises(OutputExistsError, match=r"threshold must be 0.37 as before, instead got threshold=0.5: leave"):
        update(outlining={"threshold": 0.5})
    with pytest.raises(OutputExistsError, match=r"min_area must be 10000.0 as before, instead got min_area=5000"):
        update(outlining={"min_area": 5000})
    with pytest.raises(
        OutputExistsError, match=r"probability.zarr has encoding='float16', instead got encoding='uint8': go on as it"
    ):
        update(running={"encoding": "uint8"})
    other = folder.parent / "other.safetensors"
    for kind in (".safetensors", ".json"):
        shutil.copyfile(Path(filtering).with_suffix(kind), other.with_suffix(kind))
    with pytest.raises(OutputExistsError, match=r"has model='resunet.safetensors', instead got model='other.saf"):
        update(model=other)
    assert files_of(folder) == content

    _, seen = update(outlining={"threshold": 0.5}, overwrite=True)
    assert seen == 0
    assert read(folder)["comment"].to_dict() == {1: "mine", 2: "mine"}
    result, seen = update(running={"encoding": "uint8"}, overwrite=True)
    assert (seen, len(result.added)) == (4, 4)
    assert read(folder)["comment"].to_dict() == {1: "mine", 2: "mine"}
    # As before is what was asked for last.
    grow(stack, 2, [A, B])
    assert update(running={"encoding": "uint8"})[0].slopes.attrs["threshold"] == 0.5


def test_an_inventory_that_was_made_otherwise_is_gone_on_with(update, stack, folder):
    edit(folder, lambda frame: frame.assign(id=[7, 9], comment="reviewed"))
    for name in ("update.json", "probability.zarr"):
        path = folder / name
        path.rename(folder.parent / name)
    result, seen = update()
    assert (seen, result.changes.any) == (4, False)
    assert read(folder)["comment"].to_dict() == {7: "reviewed", 9: "reviewed"}


def test_the_crs_of_the_file_is_remembered_and_may_be_any(update, stack, folder):
    assert not update(crs="EPSG:4326")[0].changes.any
    edit(folder, lambda frame: frame.to_crs("EPSG:3035"))
    grow(stack, 2, [A, B])
    assert not update()[0].changes.any
    assert read(folder).crs.to_epsg() == 4326
    assert sorted(read(folder).index) == [1, 2]


def test_outlines_of_people_stay_and_are_measured_anew(update, stack, folder):
    mine = shapely.box(*outline((6, 5, 5, 5)))

    def draw(frame):
        frame.loc[frame["id"] == 1, "geometry"] = [mine]
        return frame

    edit(folder, draw)
    for first in (2, 3):
        grow(stack, first, [A, B])
        assert update()[0].notes == ()
        assert read(folder).geometry[1].equals(mine)
        assert shapes(folder)[2] == outline(B)
        assert read(folder).loc[1, "area_m2"] == pytest.approx(10_000, rel=1e-2)
        assert read(folder).loc[1, "pairs_known"] == 2 * (first + 1)


def test_ids_that_were_all_lost_are_found_again(update, stack, folder):
    edit(folder, lambda frame: frame.assign(id=None, comment=["one", "two"]))
    grow(stack, 2, [A, B])
    result, _ = update()
    assert result.notes == ("2 slopes had lost their ids and have them again: 1, 2",)
    assert (result.changes.any, read(folder)["comment"].to_dict()) == (False, {1: "one", 2: "two"})


def test_interferograms_of_another_orbit_are_told_in_plain_words(update, stack, monkeypatch):
    told = "what is appended must have the relative_orbit of x, 15, instead got 66"
    monkeypatch.setattr("insarflow.workflows.update.compare", lambda *_: ([told], 0))
    with pytest.raises(OutputExistsError, match=f"probability.zarr does not fit: {told}: go on as it was begun"):
        update()


def test_ids_of_deleted_rows_are_not_given_again(update, stack, folder):
    edit(folder, lambda frame: frame[frame["id"] == 1])
    grow(stack, 2, [A, C], count=6)
    result, _ = update()
    assert sorted(shapes(folder)) == [1, 3]
    assert result.changes.new == [3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.rename(columns={"comment": "Bemerkung"}), "must have the columns .*'comment' is missing"),
        (lambda frame: frame.assign(id=1), "id must be another in each row, instead 1 is in rows 0, 1: clear"),
    ],
)
def test_what_is_no_inventory_is_refused_before_any_work(update, stack, folder, change, message):
    edit(folder, change)
    grow(stack, 2, [A, B])
    content = files_of(folder)
    with pytest.raises(ProductError, match=message):
        update()
    assert files_of(folder) == content


def test_wrong_arguments_and_places_are_named(update, stack, folder, tmp_path):
    with pytest.raises(ValueError, match="threshold must be a probability between 0 and 1"):
        update(outlining={"threshold": 2})
    with pytest.raises(ValueError, match="min_area must be 0 or more, instead got min_area=-1"):
        update(outlining={"min_area": -1})
    with pytest.raises(ValueError, match=r"outlining must be of threshold, peak, low, .*, instead got 'colour'"):
        update(outlining={"colour": 1})
    with pytest.raises(ValueError, match=r"low must be at most the threshold 0.37, instead got low=0.6"):
        update(outlining={"low": 0.6}, overwrite=True)
    with pytest.raises(ValueError, match=r"criteria must be of min_pairs, .*, instead got 'size'"):
        update(criteria={"size": 1})
    with pytest.raises(ValueError, match="min_pairs must be a number, instead got min_pairs='many'"):
        update(criteria={"min_pairs": "many"})
    with pytest.raises(ValueError, match="window_days must be"):
        update(window_days=0)
    with pytest.raises(MissingVariableError, match="give the stack that was segmented"):
        update_source(folder / "probability.zarr", tmp_path / "watch", model=folder)
    assert not (tmp_path / "watch").exists()
    with pytest.raises(ValueError, match="crs must be a map projection"):
        update(crs="nowhere")
    with pytest.raises(ValueError, match="running must be without skip_bad"):
        update(running={"skip_bad": True})
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(OutputExistsError, match="is a file: name a folder"):
        update_source(stack, file)
    (folder / "inventory.gpkg").write_text("no database")
    with pytest.raises(StoreError, match=r"inventory.gpkg' must be the GeoPackage of an inventory"):
        update()
    assert not [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_stack_that_lost_interferograms_is_told(update, stack, folder, filtering):
    less = begin(stack.parent / "less.zarr", [A], count=1)
    result = update_source(less, folder, model=filtering)
    store = folder / "probability.zarr"
    assert result.notes == (f"2 interferograms of {store} are left out: the stack does not hold them any more",)
    assert result.added == ()
    assert pyogrio.read_info(folder / "inventory.gpkg", layer="inventory")["layer_metadata"]["last_id"] == "2"


def test_a_peak_belongs_to_its_threshold():
    def settled(said=None, cut=(0.4, 0.75), sha256="a", **asked):
        how = {"asked": asked, "crs": None, "window_days": None, "criteria": {}, "overwrite": True}
        return settle_settings(said or Said(), sha256, cut, **how)

    def cut_of(settings):
        return settings.outlining["threshold"], settings.outlining["peak"]

    first = settled()
    assert cut_of(first) == (0.4, 0.75)
    assert cut_of(settled(threshold=0.6)) == (0.6, 0.6)
    assert cut_of(settled(threshold=0.6, peak=0.7)) == (0.6, 0.7)
    own = Said(settled(peak=0.9), "a")
    assert cut_of(settled(own)) == (0.4, 0.9)
    assert cut_of(settled(own, threshold=0.5)) == (0.5, 0.5)
    assert cut_of(settled(own, cut=(0.3, None), sha256="b")) == (0.3, 0.3)
    with pytest.raises(ValueError, match=r"^peak must be at least the threshold 0.4, instead got peak=0.3"):
        settled(peak=0.3)
