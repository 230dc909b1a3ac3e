"""What the README says, works."""

import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import insarflow
from insarflow.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", README, flags=re.DOTALL)


def test_python_runs(tmp_path, monkeypatch):
    ds, _ = insarflow.simulate_stack((96, 100), seed=5, acquisitions=3, movers=2)
    insarflow.write_stack(ds, tmp_path / "stack.zarr")
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(code, names)
    assert "geometry" in names["inventory"].columns


def set_up_commands() -> list[str]:
    return [line for block in blocks("") for line in block.splitlines() if line.startswith("python3 -m venv")]


def test_two_set_up_commands():
    commands = set_up_commands()
    assert len(commands) == 2
    assert all("-c constraints.txt" in c for c in commands)
    assert commands[0].endswith("insarflow demo")
    assert commands[1].endswith("pytest -n 2")


def test_shell_verbs_exist():
    help_text = CliRunner().invoke(app, ["--help"]).stdout
    verbs = re.findall(r"^insarflow (\w+)", "\n".join(blocks("")), flags=re.MULTILINE)
    assert verbs
    assert all(verb in help_text for verb in verbs)


def test_every_dependency_is_pinned():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert pins["torch"] == "2.13.0"
    wanted = re.findall(
        r'^\s+"([a-z0-9-]+)(?:\[[a-z,]+\])?>=', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE
    )
    assert len(wanted) > 15
    assert [name for name in wanted if name not in pins] == []


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_ci_runs_the_readmes_command():
    (extraction,) = re.findall(r"^command=.*$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    shown = subprocess.run(
        ["bash", "-c", f'{extraction}; echo "$command"'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert shown.stdout.splitlines() == set_up_commands()[1:]
