"""``insarflow update``: what changed, in lines, as JSON and as the exit status."""

from pathlib import Path

import geopandas as gpd
import pytest
from disturbance import cheap_prediction
from growing import A, B, C, begin, edit, grow

from insarflow.cli import update
from insarflow.inventory.changes import Change

MODEL = Path(__file__).parents[1] / "former" / "resunet.safetensors"


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    monkeypatch.setattr("insarflow.segment.blocks.predict", cheap_prediction)
    monkeypatch.setattr("insarflow.cli.screen.LONG", 1e9)


def test_what_changed_is_told_in_every_way(run, tmp_path):
    stack, folder = begin(tmp_path / "stack.zarr", [A, B]), tmp_path / "out"
    asked = ("update", stack, "-o", folder, "--model", MODEL, "--scheduler", "sync")
    first = run(*asked, "--exit-code")
    assert first.status == 10, first.err
    lines = first.out.splitlines()
    assert lines[0].split() == ["slope", "id", "km²", "mm/yr", "before", "longitude", "latitude"]
    assert [line.split()[:5] for line in lines[1:3]] == [
        ["new", "1", "0.040", "-", "-"],
        ["new", "2", "0.026", "-", "-"],
    ]
    assert lines[3:] == ["2 moving slopes, 0.066 km², with 4 more interferograms", f"wrote {folder / 'inventory.gpkg'}"]
    assert first.err.splitlines()[-1].endswith(f"insarflow build NEW -o {stack} --append, and run this again")

    nothing = run(*asked, "--exit-code")
    assert (nothing.status, nothing.out) == (0, f"nothing is new: {folder / 'inventory.gpkg'} is as it was\n")

    edit(folder, lambda frame: frame.assign(status=["new", "rejected"]))
    grow(stack, 2, [A, B, C], count=3)
    facts = run(*asked, "--json")
    assert facts.status == 0, facts.err
    facts = facts.facts
    assert [(one["id"], one["kind"], one["los_rate_mm_yr"]) for one in facts["new"]] == [(3, "new", None)]
    assert (facts["faster"], facts["slower"], facts["gone"]) == ([], [], [])
    assert len(facts["added"]) == 6
    assert facts["polygons"] == 2
    assert facts["written"] == [str(folder / "inventory.gpkg")]
    assert gpd.read_file(folder / "inventory.gpkg", layer="inventory")["status"].tolist() == ["new", "rejected", "new"]

    grow(stack, 5, [A, B], count=6)
    quiet = run(*asked, "--exit-code", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (10, "", "")
    again = run(*asked, "--json").facts
    assert (again["written"], again["added"], again["gone"]) == ([], [], [])


def test_what_is_as_before_needs_not_be_said_again(run, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        "insarflow.workflows.update.update_source", lambda source, out, **more: asked.append(more) or Update()
    )
    from insarflow.workflows.update import Update

    assert run("update", "stack.zarr", "-o", tmp_path).status == 0
    assert run("update", "stack.zarr", "-o", tmp_path, "--min-area", 5000, "--offsets", 4, "--overwrite").status == 0
    assert [one["outlining"] for one in asked] == [{}, {"min_area": 5000.0}]
    assert [one["overwrite"] for one in asked] == [False, True]
    assert asked[1]["running"] == {"precision": "exact", "encoding": "float16", "offsets": 4}
    assert asked[0]["criteria"] == {}
    snow = ("--max-elevation", "snow.tif", "--min-elevation", 900, "--min-active", 0.2, "--window-days", 30)
    assert run("update", "stack.zarr", "-o", tmp_path, *snow).status == 0
    assert asked[2]["criteria"] == {"max_elevation": "snow.tif", "min_elevation": 900.0, "min_active_fraction": 0.2}
    assert [one["window_days"] for one in asked] == [None, None, 30]
    told = run("update", "--help").out
    assert "--skip-bad" not in told
    assert told.count("as before") >= 5
    refused = run("update", "stack.zarr", "-o", tmp_path, "--skip-bad")
    assert refused.status == 2
    assert "update goes without --skip-bad" in refused.err


def test_rates_are_told_with_their_errors():
    lines = update._table(
        (
            Change(3, "gone", 2e4, -12.0, 3.0, -12.0, 9.0, 46.0),
            Change(7, "faster", 1.5e5, 31.25, 2.0, 20.0, 9.00012, 46.05),
        )
    )
    assert [line.split() for line in lines[1:]] == [
        ["faster", "7", "0.150", "+31.2", "±2.0", "+20.0", "9.00012", "46.05000"],
        ["gone", "3", "0.020", "-12.0", "±3.0", "-12.0", "9.00000", "46.00000"],
    ]
    swallowed = update._table((Change(3, "gone", 2e4, float("nan"), float("nan"), -12.0, 9.0, 46.0, "merged into 7"),))
    assert swallowed[0].split()[-1] == "note"
    assert swallowed[1].split() == ["gone", "3", "0.020", "-", "-12.0", "9.00000", "46.00000", "merged", "into", "7"]
    assert update._table(()) == ["no slope is new, faster, slower or gone"]


def test_mistakes_are_one_line(run, tmp_path):
    said = run("update", tmp_path / "none.zarr", "-o", tmp_path / "out")
    assert (said.status, said.out) == (1, "")
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
