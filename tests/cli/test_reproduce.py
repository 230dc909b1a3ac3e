"""``insarflow reproduce``: what is asked for, what is printed, what is refused."""

import json
import sys

import pytest

from insarflow.datasets.nava import ORIGIN
from insarflow.workflows import reproduce_nava
from insarflow.workflows.reproduce_asked import Reproduction
from insarflow.workflows.reproduce_results import Reproduced
from insarflow.workflows.reproduce_table import Outcome


@pytest.fixture
def called(monkeypatch):
    calls = {}

    def reproduce(asked, out, **more):
        calls.update(asked=asked, out=out, **more)
        sys.stdout.write("what a library prints is no result")
        outcome = Outcome("ResUNet", "resunet", {"f1": 0.681}, {"f1": 0.6}, {"f1": 0.5})
        return Reproduced(
            "Table I", (outcome,), [["row", "F1-S"], ["ResUNet", "0.681 / 0.600 (-0.081)"]],
            [["row", "F1"], ["ResUNet", "0.500"]], ("split: published",),
        )  # fmt: skip

    monkeypatch.setattr("insarflow.workflows.reproduce.reproduce", reproduce)
    return calls


def test_flags_say_what_is_reproduced(run, called, tmp_path):
    said = run(
        "reproduce", "isslide", "--data", tmp_path, "-o", tmp_path / "out", "--rows", "ResUNet, FCN_P", "--epochs", 3,
        "--pretrained", "a.pth", "--pretrained", "b.pth", "--scheme", "apart", "--hours", "0.5", "--overwrite",
    )  # fmt: skip
    assert said.status == 0, said.err
    pretrained = tuple(path.__class__(name) for path in [tmp_path] for name in ("a.pth", "b.pth"))
    assert called["asked"] == Reproduction(
        "isslide", tmp_path, ("ResUNet", "FCN_P"), 3, pretrained, "apart", None, 0.5
    )  # fmt: skip
    assert (called["out"], called["overwrite"], called["progress"]) == (tmp_path / "out", True, False)
    assert said.out.splitlines() == [
        "Table I", "", "row                        F1-S", "ResUNet  0.681 / 0.600 (-0.081)", "",
        "this project's own scores", "row         F1", "ResUNet  0.500", "", "split: published",
        f"wrote {tmp_path / 'out' / 'table.md'}",
    ]  # fmt: skip
    assert "what a library prints" in said.err
    facts = run("reproduce", "drsunet", "--simulate", "--area", tmp_path, "-o", tmp_path / "out", "--json").facts
    assert facts["rows"][0]["reproduced"] == {"f1": 0.6}
    assert called["asked"] == Reproduction("drsunet", area=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("isslide",), 2, "--data cannot be read: it, or --simulate, is needed"),
        (("isslide", "--data", "x", "--simulate"), 2, "--data cannot be read: give one of --data and --simulate"),
        (("table1", "--simulate"), 1, "table must be one of"),
        (("isslide", "--simulate", "--rows", "VGG"), 1, "rows must be among FCN_S, FCN_P, DeepLabV3_S"),
        (("isslide", "--simulate", "--rows", ","), 2, "--rows cannot be read"),
        (("nava", "--simulate", "--scheme", "apart"), 1, "scheme must be one of"),
        (("nava", "--simulate", "--area", "x"), 1, "area must be left out, as nava scores on no other place"),
        (("nava", "--data", "no-such-folder"), 1, "no-such-folder does not exist. Nava 2021 is not downloaded for you"),
    ],
)  # fmt: skip
def test_what_is_refused(run, tmp_path, arguments, status, message):
    said = run("reproduce", *arguments, "-o", tmp_path / "out")
    assert (said.status, said.out) == (status, "")
    assert message in said.err
    assert not (tmp_path / "out").exists()


def test_the_expected_tree_is_drawn_line_by_line(run, tmp_path):
    said = run("reproduce", "nava", "--data", tmp_path / "no\x1bwhere", "-o", tmp_path / "out")
    first, *tree, last = said.err.splitlines()
    assert first.startswith("error: ")
    assert first.endswith("and unpack it as")
    assert tree == list(ORIGIN.tree.splitlines())
    assert last == "found there: nothing"
    assert "\x1b" not in said.err


def test_simulated_from_end_to_end(run, tmp_path, monkeypatch):
    simulate = reproduce_nava.simulate_nava
    monkeypatch.setattr(
        reproduce_nava,
        "simulate_nava",
        lambda folder, scenes, seed: simulate(folder, seed=seed, shape=(200, 200), clips=30),
    )
    out = tmp_path / "out"
    said = run("reproduce", "nava", "--simulate", "--rows", "BAA", "--epochs", 1, "-o", out)
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert "SIMULATED data: no reproduction of its numbers" in lines[0]
    assert lines[2].split()[:2] == ["row", "accuracy"]
    assert lines[3].startswith("BAA")
    assert json.loads((out / "reproduction.json").read_text())["asked"]["data"] == "simulated"
    assert sorted(path.name for path in out.iterdir()) == ["data", "reproduction.json", "table.md", "trainings"]
