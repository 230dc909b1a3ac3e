"""Every verb does its work on a tiny region, and says what it made."""

import functools
import json
import sys
from pathlib import Path

import geopandas as gpd
import places  # noqa: F401  (bucket://)
import pytest
from pyproj import Transformer

import insarflow
from benchmarks.store import product
from insarflow.learn.weights import load_card
from insarflow.workflows.demo import demo
from insarflow.workflows.simulate import SimulatedRegion


@pytest.fixture(scope="module")
def probability(run, stack, tmp_path_factory):
    """What ``insarflow segment`` makes of the stack."""
    path = tmp_path_factory.mktemp("segment") / "probability.zarr"
    said = run("segment", stack, "-o", path, "--scheduler", "sync")
    assert said.status == 0, said.err
    assert said.out == f"wrote {path}\n"
    assert said.err.splitlines()[-1] == f"next: insarflow inventory {path} -o inventory.gpkg"
    return path


def test_demo(run, monkeypatch, tmp_path):
    small = functools.lru_cache(functools.partial(demo, shape=(96, 112), overwrite=False))
    monkeypatch.setattr(
        "insarflow.workflows.demo.demo", lambda out, *, seed, overwrite, stage, draw: small(out, seed=seed, draw=draw)
    )
    said = run("demo", "-o", tmp_path / "demo", "--seed", 3)
    assert said.status == 0, said.err
    assert said.out.splitlines()[0].split() == ["movers", "number", "found", "missed"]
    assert f"wrote {tmp_path / 'demo' / 'map.png'}\n" in said.out
    assert said.err.splitlines()[-1].endswith("insarflow map FOLDER -o my-map")
    facts = run("demo", "-o", tmp_path / "demo", "--seed", 3, "--overwrite", "--json").facts
    assert set(facts) == {"score", "false", "polygons", "written"}
    assert all(Path(path).exists() for path in facts["written"])


def test_info_as_text_and_json(run, stack):
    said = run("info", stack)
    assert said.status == 0
    assert "20210703_20210709" in said.out
    assert said.err.splitlines()[-1] == f"next: insarflow map {stack} -o my-map"
    head = next(line for line in said.out.splitlines() if line.startswith("pair"))
    assert head.split() == ["pair", "days", "baseline", "(m)", "coherence", "valid"]
    facts = run("info", stack, "--json").facts
    assert facts["interferograms"] == len(facts["pairs"]) == 3
    assert facts["delays_days"] == [6, 12]
    assert facts["size"] == "96 rows x 100 columns"
    assert facts["pixel_m"] == [20.0, 20.0]


def test_info_of_a_model(run, tmp_path, monkeypatch):
    said = run("info", "default")
    assert said.status == 0, said.err
    assert "architecture           context-unet\n" in said.out
    assert "pixel_size_m           10.0 to 100.0\n" in said.out
    told = [line.split(maxsplit=1) for line in said.out.splitlines()]
    assert ["data", "simulated only: no real landslide label was used"] in told
    head = next(line for line in said.out.splitlines() if line.startswith("scores"))
    assert head.split() == [
        "scores", "precision", "recall", "f1", "iou", "dice", "accuracy", "auroc", "average_precision",
        "calibration_error", "brier",
    ]  # fmt: skip
    pixel = load_card("default").scores["validation"]["all"]["pixel"]
    first = next(line for line in said.out.splitlines() if line.startswith("validation / all / pixel")).split()
    assert first[5:7] == [f"{pixel[name]:.4g}" for name in ("precision", "recall")]
    assert said.err == "next: insarflow map STACK --model default -o my-map\n"
    facts = run("info", "default", "--json").facts
    assert (facts["architecture"], facts["temperature"]) == ("context-unet", load_card("default").temperature)
    assert facts["channels"][0] == "coherence"
    part = run("info", "default", "--delays", "6")
    assert (part.status, part.out) == (2, "")
    assert "no part of the model default can be chosen" in part.err
    said = run("info", tmp_path / "none.safetensors")
    assert (said.status, said.out) == (1, "")
    assert said.err.startswith("error: model must be one of ['default'] or the path of a .safetensors file")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").mkdir()
    assert "error: model" not in run("info", "default").err


def test_info_of_a_part(run, stack):
    facts = run("info", stack, "--delays", "6", "--end", "2021-07-09", "--json", "--fast").facts
    assert [pair["pair"] for pair in facts["pairs"]] == ["20210703_20210709"]
    ds = insarflow.open_stack(stack)
    degrees = Transformer.from_crs(ds.rio.crs, "EPSG:4326", always_xy=True)
    west, south, east, north = degrees.transform_bounds(*ds.rio.bounds())
    box = f"{west},{south},{(west + east) / 2},{north}"
    size = run("info", stack, "--bbox", box, "--json", "--fast").facts["size"]
    assert size.startswith("96 rows x 5")


def test_build(run, stack, tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.cli.screen.LONG", 1e9)
    path = tmp_path / "new.zarr"
    said = run("build", stack, "-o", path, "--delays", "12", "--workers", 1)
    assert said.status == 0, said.err
    assert (said.out, said.err) == (f"wrote {path}\n", f"next: insarflow info {path}\n")
    assert dict(insarflow.open_stack(path).sizes)["delay"] == 1
    quiet = run("build", stack, "-o", path, "--overwrite", "--quiet")
    assert (quiet.status, quiet.out, quiet.err) == (0, "", "")
    assert run("build", stack, "-o", path, "--overwrite", "--json").facts == {"written": [str(path)]}


def test_build_to_a_url(run, stack, tmp_path):
    url = f"bucket://{tmp_path}/bucket/stack.zarr"
    said = run("build", stack, "-o", url, "--delays", "6")
    assert (said.status, said.out) == (0, f"wrote {url}\n")
    assert said.err.splitlines()[-1] == f"next: insarflow info {url}"
    assert run("build", stack, "-o", url, "--append", "--json").facts["written"] == [url]
    assert run("info", url, "--json").facts["pairs"] == run("info", stack, "--json").facts["pairs"]
    assert "pass overwrite=True (--overwrite)" in run("build", stack, "-o", url).err
    assert run("info", "nosuch://host/a.zarr").err.startswith("error: url='nosuch://host/a.zarr' must have a protocol")


def test_build_with_finer_coherence(run, tmp_path):
    path = tmp_path / "new.zarr"
    asked = ("build", product(tmp_path / "product", 128, 2), "-o", path, "--coherence", "uint16", "--workers", 1)
    planned = run(*asked, "--dry-run", "--json")
    assert planned.status == 0, planned.err
    assert not path.exists()
    assert run(*asked, "--quiet").status == 0
    assert insarflow.open_stack(path)["coherence"].attrs["quantisation_error"] < 1e-5
    used = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    assert planned.facts["disk"] == pytest.approx(used, rel=0.3)


def test_map(run, stack, tmp_path):
    folder = tmp_path / "map"
    said = run("map", stack, "-o", folder)
    assert said.status == 0, said.err
    for name in ("map.png", "inventory.gpkg", "probability.tif", "support.tif", "run.yaml"):
        assert f"wrote {folder / name}\n" in said.out
        assert (folder / name).is_file()
    assert "moving slope" in said.out.splitlines()[0]
    assert said.err.splitlines()[-1].startswith("next: look at ")


def test_on_pixels_of_another_size(run, stack, tmp_path):
    asked = ("segment", stack, "-o", tmp_path / "out.zarr", "--delays", "6", "--resolution", "25")
    plan = run(*asked, "--dry-run", "--json")
    assert plan.status == 0, plan.err
    said = run(*asked, "--workers", 1)
    assert said.status == 0, said.err
    assert "note: resampled from pixels of 20 by 20 m to 25 by 25 m\n" in said.err
    assert insarflow.open_stack(tmp_path / "out.zarr").sizes["y"] == pytest.approx(96 * 20 / 25, abs=2)
    kept = run("map", stack, "-o", tmp_path / "map", "--delays", "6", "--resolution", "model", "--json")
    assert kept.facts["notes"][0] == "not resampled: the model was trained on pixels of 20 by 20 m too"
    wrong = run("map", stack, "-o", tmp_path / "map", "--resolution", "fine")
    assert wrong.status == 2
    refused = run("map", tmp_path / "map" / "run.yaml", "--resolution", "model")
    assert "with a run.yaml --resolution comes from the file" in refused.err


def test_a_map_is_repeated_from_its_run_file(run, stack, tmp_path):
    first, again = tmp_path / "first", tmp_path / "again"
    arguments = ("--delays", "6", "--crs", "EPSG:4326", "--min-area", "0", "--threshold", "0.3")
    facts = run("map", stack, "-o", first, *arguments, "--json").facts
    assert facts["threshold"] == facts["peak"] == 0.3
    repeated = run("map", first / "run.yaml", "-o", again, "--json").facts
    assert {**repeated, "written": None} == {**facts, "written": None}
    for name in ("probability.tif", "support.tif", "map.png"):
        assert (first / name).read_bytes() == (again / name).read_bytes()
    assert gpd.read_file(again / "inventory.gpkg", layer="inventory").crs == "EPSG:4326"
    refused = run("map", first / "run.yaml")
    assert refused.status == 1
    assert f"{first} already holds" in refused.err


def test_build_on_another_grid(run, stack, tmp_path):
    path = tmp_path / "new.zarr"
    asked = ("build", stack, "-o", path, "--crs", "EPSG:4326", "--resolution", "0.0002,0.0003", "--workers", 1)
    plan = run(*asked, "--dry-run", "--json")
    assert plan.status == 0, plan.err
    assert plan.facts["tasks"] > 3
    assert not path.exists()
    said = run(*asked)
    assert said.status == 0, said.err
    ds = insarflow.open_stack(path)
    assert ds.rio.crs.to_epsg() == 4326
    assert [round(abs(step), 7) for step in ds.rio.resolution()] == [0.0003, 0.0002]
    copy = run("build", stack, "-o", tmp_path / "copy.zarr", "--grid", path, "--method", "nearest", "--quiet")
    assert copy.status == 0, copy.err
    assert insarflow.open_stack(tmp_path / "copy.zarr")["x"].equals(ds["x"])
    huge = run("build", stack, "-o", tmp_path / "x.zarr", "--resolution", "1e-6")
    assert huge.status == 1
    assert "resolution must give a grid of at most 17179869184 pixels" in huge.err


@pytest.mark.parametrize("verb", ["build", "segment", "map"])
def test_a_dry_run_writes_nothing(run, stack, tmp_path, verb):
    facts = run(verb, stack, "-o", tmp_path / "out", "--dry-run", "--workers", 2, "--memory", "64GB", "--json").facts
    assert set(facts) == {"tasks", "workers", "peak_memory", "disk", "seconds"}
    assert facts["workers"] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_is_told_in_words(run, stack):
    said = run("map", stack, "--dry-run", "--scheduler", "sync")
    assert said.status == 0, said.err
    rows = dict(line.split("  ", 1) for line in said.out.splitlines())
    assert list(rows) == ["tasks", "workers", "peak memory", "disk", "time"]
    assert rows["workers"].strip() == "1"
    assert said.err.splitlines()[-1] == "next: the same command without --dry-run does it"


def test_memory_limits_the_workers(run, stack, tmp_path):
    said = run("build", stack, "-o", tmp_path / "new.zarr", "--memory", "64GB", "--workers", 1)
    assert said.status == 0
    assert "note: 1 worker fits into 64GB\n" in said.err
    refused = run("build", stack, "-o", tmp_path / "x.zarr", "--memory", "4GB", "--scheduler", "tcp://127.0.0.1:1")
    assert refused.status == 2
    assert "it is for this machine" in refused.err


def test_segment_and_inventory(run, probability, tmp_path):
    path = tmp_path / "inventory.gpkg"
    said = run("inventory", probability, "-o", path, "--threshold", "0.3")
    assert said.status == 0, said.err
    assert said.out.splitlines()[-1] == f"wrote {path}"
    assert "moving slope" in said.out
    facts = run("inventory", probability, "-o", path, "--overwrite", "--threshold", "0.3", "--json").facts
    assert facts["polygons"] == len(gpd.read_file(path, layer="inventory"))
    assert facts["written"] == [str(path)]


@pytest.mark.parametrize("to", ["cog", "qgis", "stac"])
def test_export(run, stack, tmp_path, to):
    out = tmp_path / "out"
    said = run("export", stack, "--to", to, "-o", out, "--delays", "12", "--workers", 1)
    assert said.status == 0, said.err
    assert said.out.startswith(f"wrote {out} (")
    assert (out / "20210703_20210715_phase.tif").is_file()
    facts = run("export", stack, "--to", to, "-o", out, "--overwrite", "--variables", "dem,igram", "--json").facts
    assert facts["interferograms"] == 3
    assert facts["written"] == [str(out)]
    assert facts["files"] == len(list(out.iterdir()))
    assert facts["bytes"] == sum(path.stat().st_size for path in out.iterdir())
    plan = run(
        "export", stack, "--to", to, "-o", tmp_path / "new", "--variables", "dem,igram", "--dry-run", "--json"
    ).facts
    assert plan["files"] == facts["files"]
    assert plan["disk"] == pytest.approx(facts["bytes"], rel=0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_simulate(run, tmp_path):
    arguments = ("--size", "96,100", "--movers", 2, "--acquisitions", 3, "--delays", "6,12", "--seed", 5)
    facts = run("simulate", "-o", tmp_path / "region", *arguments, "--json").facts
    assert facts["interferograms"] == 3
    said = run("simulate", "-o", tmp_path / "region", *arguments, "--overwrite")
    assert f"wrote {tmp_path / 'region' / 'stack.zarr'}\n" in said.out
    assert f"next: insarflow map {tmp_path / 'region' / 'stack.zarr'} -o my-map" in said.err


def test_simulate_what_is_asked_for(run, monkeypatch, tmp_path):
    called = {}

    def region(out, **more):
        called.update(more)
        return SimulatedRegion(3, 2, 1)

    monkeypatch.setattr("insarflow.workflows.simulate.simulate_region", region)
    flags = ("--processing", "isslide", "--direction", "descending", "--dem", "dem.tif")
    assert run("simulate", "-o", tmp_path / "region", *flags).status == 0
    assert {name: called[name] for name in ("processing", "direction", "dem")} == {
        "processing": "isslide", "direction": "descending", "dem": Path("dem.tif")
    }  # fmt: skip


def test_train(run, monkeypatch, tmp_path):
    called = {}

    def trained(preset, out, bank, **more):
        called.update(preset=preset.name, out=out, bank=bank, **more)
        sys.stdout.write("what a library prints is no result")
        return load_card("default")

    monkeypatch.setattr("insarflow.workflows.train.train", trained)
    path = tmp_path / "new.safetensors"
    said = run("train", "-o", path, "--preset", "smoke", "--bank", tmp_path / "bank", "--workers", 3)
    assert said.status == 0, said.err
    assert called == {
        "preset": "smoke", "out": path, "bank": tmp_path / "bank", "workers": 3, "overwrite": False, "progress": None
    }  # fmt: skip
    assert said.out.splitlines()[-1] == f"wrote {path}"
    assert "what a library prints" in said.err
    facts = run("train", "-o", path, "--json").facts
    assert facts["threshold"] == load_card("default").threshold


def test_train_from_a_run_file(run, monkeypatch, tmp_path):
    called = {}

    def trained(described, folder, **more):
        called.update(described=described, folder=folder, **more)
        return load_card("default")

    monkeypatch.setattr("insarflow.workflows.train.train_run", trained)
    file = tmp_path / "run.yaml"
    file.write_text("insarflow: train\ndata: {scenes: 3}\ntraining: {epochs: 2}\n")
    said = run("train", "-o", tmp_path / "out", "--config", file, "--resume")
    assert said.status == 0, said.err
    assert called["described"].data.scenes == 3
    assert called["folder"] == tmp_path / "out"
    assert (called["resume"], called["overwrite"]) == (True, False)
    assert said.out.splitlines()[-1] == f"wrote {tmp_path / 'out' / 'model.safetensors'}"
    file.write_text("insarflow: train\ntraining: {epochs: 0}\n")
    said = run("train", "-o", tmp_path / "out", "--config", file)
    assert said.status == 1
    assert f"{file}: epochs must be a whole number of at least 1" in said.err
    said = run("train", "-o", tmp_path / "out", "--resume")
    assert said.status == 2
    assert "it needs --config" in said.err


def test_versions(run):
    said = run("versions")
    assert said.status == 0
    assert "torch" in said.out
    facts = run("versions", "--json").facts
    assert facts["insarflow"]["version"] == insarflow.__version__
    assert str(Path.home()) not in json.dumps(facts)
