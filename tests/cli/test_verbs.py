import shlex
import subprocess
import sys

import pytest

from insarflow.cli import VERBS, app
from insarflow.cli.verbs import EXAMPLES


def test_root_help_lists_the_verbs_in_the_order_of_use(run):
    said = run("--help")
    assert said.status == 0
    assert "From stacks of radar interferograms to maps of moving slopes." in said.out
    places = [said.out.index(f"│ {verb} ") for verb in VERBS]
    assert places == sorted(places)
    assert run().out == said.out


def test_version(run):
    assert run("--version").out.startswith("insarflow 0.")


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_a_purpose_and_examples(run, verb):
    said = run(verb, "--help")
    assert said.status == 0
    _, _, examples = said.out.partition("Examples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines == list(EXAMPLES[verb])
    assert len(lines) >= 2
    for panel in ("Display", "Output" if "-o" in said.out else "Display"):
        assert f" {panel} " in said.out


@pytest.mark.parametrize("example", [line for lines in EXAMPLES.values() for line in lines])
def test_every_example_is_understood(run, monkeypatch, example):
    """It is parsed; the verb is not called."""
    guarded = []
    monkeypatch.setattr("insarflow.cli.verbs._guard", lambda work, screen, stopped: guarded.append(screen))
    program, *arguments = shlex.split(example)
    assert program == "insarflow"
    said = run(*arguments)
    assert (said.status, said.err) == (0, "")
    assert len(guarded) == 1


def test_the_command_starts_without_torch():
    code = "import sys, insarflow.cli; print(sorted({'torch', 'geopandas', 'matplotlib'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("width", ["40", "200"])
def test_help_fits_any_width_without_colours(run, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    said = run("map", "--help")
    assert said.status == 0
    assert "\x1b" not in said.out
    head, _, _ = said.out.partition(" Examples:")
    assert max(map(len, head.splitlines())) <= int(width)


def test_app_is_the_application_the_entry_point_runs(run):
    assert app.registered_commands
    assert sorted(VERBS) == sorted(command.name for command in app.registered_commands)
