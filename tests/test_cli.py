import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import insarflow
from insarflow.cli import app

run = CliRunner().invoke


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    ds, _ = insarflow.simulate_stack((96, 100), seed=5, acquisitions=3, delays=[6, 12], movers=2)
    return insarflow.write_stack(ds, tmp_path_factory.mktemp("cli") / "stack.zarr")


def test_info_as_text_and_json(stack):
    text = run(app, ["info", str(stack)])
    assert text.exit_code == 0, text.output
    assert "20210703_20210709" in text.stdout
    facts = json.loads(run(app, ["info", str(stack), "--json"]).stdout)
    assert facts["interferograms"] == len(facts["pairs"]) == 3
    assert facts["delays_days"] == [6, 12]
    assert facts["size"] == "96 rows x 100 columns"
    assert facts["pixel_m"] == [20.0, 20.0]


def test_map_writes_files_and_says_where(stack, tmp_path):
    result = run(app, ["map", str(stack), "-o", str(tmp_path / "map")])
    assert result.exit_code == 0, result.output
    for name in ("map.png", "inventory.gpkg", "probability.tif", "support.tif"):
        assert (tmp_path / "map" / name).exists()
        assert str(tmp_path / "map" / name) in result.stdout
    assert "note: filtered as the model's training data" in result.stdout
    again = run(app, ["map", str(stack), "-o", str(tmp_path / "map")])
    assert again.exit_code == 1
    assert "--overwrite" in again.stderr
    assert run(app, ["map", str(stack), "-o", str(tmp_path / "map"), "--overwrite"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "nowhere"], "nowhere"),
        (["info", "{empty}"], "empty"),
        (["build", "{empty}", "-o", "{empty}/stack.zarr"], "empty"),
        (["map", "nowhere", "-o", "{empty}/map"], "nowhere"),
        (["map", "{stack}", "-o", "{empty}/map", "--model", "nothing"], "nothing"),
        (["map", "{stack}", "-o", "{empty}/map", "--model", "{pickle}"], "pickle"),
        (["build", "{stack}", "-o", "{stack}"], "stack.zarr"),
        (["map", "{stack}", "-o", "{stack}"], "Zarr store"),
        (["train", "-o", "{empty}/nowhere/x.safetensors", "--preset", "smoke"], "nowhere"),
        (["train", "-o", "{empty}/x.safetensors", "--preset", "nothing"], "preset must be one of default, smoke"),
    ],
)
def test_mistakes_get_one_line(stack, tmp_path, arguments, words):
    empty = tmp_path / "empty"
    empty.mkdir()
    pickle = tmp_path / "model.safetensors"
    pickle.write_bytes(b"PK\x03\x04" + bytes(100))
    pickle.with_suffix(".json").write_text("{}")
    filled = [a.format(empty=empty, stack=stack, pickle=pickle) for a in arguments]
    result = run(app, filled)
    assert result.exit_code == 1
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert words in lines[0]
    assert list(empty.iterdir()) == []


def test_help_lists_what_is_built_and_nothing_else():
    result = run(app, ["--help"])
    for verb in ("demo", "info", "build", "map", "train"):
        assert verb in result.stdout
    for verb in ("update", "export", "evaluate"):
        assert verb not in result.stdout


def test_the_command_starts_without_torch():
    code = "import sys, insarflow.cli; print(sorted({'torch', 'geopandas', 'matplotlib'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
