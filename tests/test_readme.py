"""What the README says, works."""

import re
import shlex
import shutil
import subprocess
import tomllib
import warnings
from pathlib import Path

import matplotlib as mpl
import pytest
from typer.testing import CliRunner

import insarflow
from insarflow.cli import app
from insarflow.stack.export.geotiff import write_geotiff

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    return [block for language, block in found if language == kind]


@pytest.fixture(scope="module")
def region():
    return insarflow.simulate_stack((96, 100), seed=5, acquisitions=3, movers=2)[0].load()


def test_shell_lines_run(region, tmp_path, monkeypatch):
    names = list(region.insar.pairs.index)
    for name in names:
        folder = tmp_path / ("new" if name == names[-1] else "interferograms")
        folder.mkdir(exist_ok=True)
        one = region.insar.pair(name)
        write_geotiff({folder / f"{name}_phase.tif": one.insar.phase, folder / f"{name}_coh.tif": one["coherence"]})
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("") for line in block.splitlines() if re.match("insarflow [a-z]", line)]
    assert len(lines) == 11
    for line in lines:
        result = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
    assert list(insarflow.open_stack(tmp_path / "stack.zarr").insar.pairs.index) == names
    for name in ("inventory.gpkg", "probability.tif", "support.tif", "map.png", "run.yaml"):
        assert (tmp_path / "my-map" / name).exists()
    assert (tmp_path / "my-map-again" / "inventory.gpkg").exists()


def test_python_runs(region, tmp_path, monkeypatch):
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    insarflow.write_stack(region, tmp_path / "stack.zarr")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for code in blocks("python"):
            exec(code, names)
    plt.close("all")
    assert "geometry" in names["inventory"].columns


def set_up_commands() -> list[str]:
    return [line for block in blocks("") for line in block.splitlines() if line.startswith("python3 -m venv")]


def test_two_set_up_commands():
    commands = set_up_commands()
    assert len(commands) == 2
    assert all("-c constraints.txt" in c for c in commands)
    assert commands[0].endswith("insarflow demo")
    assert commands[1].endswith("pytest -n 2")


def test_files_it_names_are_there():
    named = re.findall(r"\]\(([\w./-]+)\)", README)
    named += re.findall(r"`((?:examples|insarflow)/[\w./-]+|[A-Z]+\.(?:md|cff))`", README)
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_dependency_is_pinned():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {name.lower().replace("_", "-") for name in pins}
    assert pins["torch"] == "2.13.0"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    # Some of what dolphin needs excludes the versions that are pinned; nothing here needs it.
    extras["bench"].remove("dolphin>=0.42")
    asked = [text for texts in (project["dependencies"], *extras.values()) for text in texts]
    wanted = [re.split(r"[\[>=<]", text)[0].lower() for text in asked]
    assert len(wanted) > 30
    assert [name for name in wanted if name not in pinned | {"insarflow"}] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_ci_runs_the_readmes_command():
    (extraction,) = re.findall(r"^command=.*$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    shown = subprocess.run(
        ["bash", "-c", f'{extraction}; echo "$command"'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == set_up_commands()[1:]
