import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
import xarray as xr
from rasterio import open as open_raster
from rasterio.transform import Affine

from insarflow.cli import errors
from insarflow.cli.errors import explain
from insarflow.errors import ProductError
from insarflow.types import parse_delay


def write_tif(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    profile = {"driver": "GTiff", "height": 8, "width": 8, "count": 1, "dtype": "float32", "crs": "EPSG:32632"}
    with open_raster(path, "w", transform=Affine(20, 0, 330_000, 0, -20, 4_990_000), **profile) as file:
        file.write(np.ones((1, 8, 8), np.float32))


@pytest.fixture
def scene(stack, tmp_path):
    """What a mistaken user may have: paths by name."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("a file, not a folder")
    (tmp_path / "done" / "unfinished").mkdir(parents=True)
    (tmp_path / "done" / "inventory.gpkg").write_text("somebody's map")
    write_tif(tmp_path / "single" / "S1A_20210703_amp.tif")
    xr.Dataset({"t": ("x", np.zeros(3))}).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    return {name: str(tmp_path / name) for name in ("empty", "file", "done", "single", "new", "nowhere")} | {
        "stack": str(stack),
        "other": str(tmp_path / "other.zarr"),
    }


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        pytest.param("info {nowhere}", 1, "nowhere", id="wrong path"),
        pytest.param("map {nowhere} -o {new}", 1, "nowhere", id="wrong path to map"),
        pytest.param("info {stack} --start 2021-13-45", 2, "date must be like 20180702", id="wrong date"),
        pytest.param("info {stack} --start 2031-01-01", 1, "2031-01-01", id="date outside"),
        pytest.param("map {stack} -o {new} --delays 9", 1, "6, 12", id="delay that is not there"),
        pytest.param("map {stack} -o {new} --delays 12days,x", 2, "whole days such as 6,12 or 12D", id="no delay"),
        pytest.param("build {empty} -o {new}", 1, "empty", id="empty folder"),
        pytest.param("build {single} -o {stack} --append --overwrite", 2, "goes without --overwrite", id="both"),
        pytest.param("build {single} -o {stack} --append --exact", 2, "goes without --exact", id="append exactly"),
        pytest.param("build {single} -o {stack} --append --coherence uint16", 2, "goes without --coherence", id="kept"),
        pytest.param("build {stack} -o {new} --coherence int8", 1, "coherence must be one of", id="kind of numbers"),
        pytest.param("build {stack} -o {new} --coherence uint16 --exact", 1, "exact must be False", id="exact kind"),
        pytest.param("map {stack} -o {done}", 1, "--overwrite", id="existing output"),
        pytest.param("build {stack} -o {done}", 1, "overwrite", id="existing output of build"),
        pytest.param(
            "segment {stack} -o {new} --device cuda", 1, "device must be one of", id="no GPU",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here"),
        ),
        pytest.param("info {other}", 1, "other.zarr", id="store of another tool"),
        pytest.param("mpa {stack} -o {new}", 2, "did you mean map? Verbs: demo, info,", id="misspelt verb"),
        pytest.param("info {single}", 1, "two dates", id="product of one date"),
        pytest.param("build {stack} -o {file}/stack.zarr", 1, "file", id="no write permission"),
        pytest.param("map {stack} -o {file}/map", 1, "file", id="no write permission for map"),
        pytest.param("inventory {stack} -o {new}.gpkg", 1, "insarflow segment", id="inventory of a plain stack"),
        pytest.param("map {stack} -o {stack}", 1, "stack.zarr", id="onto itself"),
        pytest.param("map {stack} -o {new} --model nothing", 1, "nothing", id="no such model"),
        pytest.param("map {stack}", 2, "insarflow map needs -o/--output", id="no output"),
        pytest.param("build {stack}", 2, "insarflow build needs -o/--output", id="no output of build"),
        pytest.param("info", 2, "insarflow info needs SOURCE", id="no source"),
        pytest.param("map {stack} -o {new} --delys 6", 2, "did you mean --delays?", id="misspelt flag"),
        pytest.param("map {stack} -o {new} --workers two", 2, "whole number of 1 or more", id="no number"),
        pytest.param("map {stack} -o {new} --bbox 6.5,44.9", 2, "W,S,E,N", id="half a box"),
        pytest.param("map {stack} -o {new} --crs EPSG:x", 1, "crs must be", id="no CRS"),
        pytest.param("map {stack} -o {new} --threshold 2", 1, "threshold must be", id="no probability"),
        pytest.param("map {stack} -o {new} --scheduler slurm", 1, "scheduler must be", id="no scheduler"),
        pytest.param("map {stack} -o {new} --memory lots", 2, "--memory", id="no size"),
        pytest.param("map {stack} -o {new} --memory 4kB", 1, "memory", id="too little memory"),
        pytest.param("map {nowhere}/run.yaml", 1, "run.yaml", id="no run file"),
        pytest.param("map {nowhere}/run.yaml --delays 6", 2, "--delays comes from the file", id="flag with run file"),
        pytest.param("export {stack} --to tiff -o {new}", 1, "to must be one of ('cog', 'netcdf'", id="no such format"),
        pytest.param("export {stack} -o {new}", 2, "insarflow export needs --to", id="no format"),
        pytest.param("export {stack} --to cog -o {done}", 1, "overwrite", id="existing output of export"),
        pytest.param("export {stack} --to cog -o {done} --overwrite", 1, "only a folder that insarflow", id="not ours"),
        pytest.param("export {stack} --to cog -o {stack} --overwrite", 1, "must not be the source", id="over itself"),
        pytest.param("export {stack} --to cog -o {file}/a", 1, "file", id="no write permission for export"),
        pytest.param("export {stack} --to netcdf -o {empty}", 1, "must be a file", id="folder for a file"),
        pytest.param("export {stack} --to mintpy -o {new}", 1, "unwrap the stack first", id="wrapped for MintPy"),
        pytest.param("export {stack} --to cog -o {new} --variables speed", 1, "'speed'", id="no such variable"),
        pytest.param("export {stack} --to cog -o {new} --variables a,,b", 2, "--variables cannot", id="empty variable"),
        pytest.param("export {stack} --to cog -o {new} --delays 9", 1, "6, 12", id="delay to export"),
        pytest.param("export {stack} --to cog -o {new} --bbox 1,1,2,2", 1, "does not touch", id="empty selection"),
        pytest.param("export {stack} --to cog -o {new} --inventory {file}", 1, "goes with to='qgis'", id="undrawn"),
        pytest.param("export {stack} --to qgis -o {new} --inventory {file}", 1, "GeoPackage", id="no polygons"),
        pytest.param("export {nowhere} --to cog -o {new}", 1, "nowhere", id="wrong path to export"),
        pytest.param("train -o {nowhere}/x.safetensors --preset smoke", 1, "nowhere", id="no folder for a model"),
        pytest.param("train -o {new} --preset nothing", 2, "one of default, smoke", id="no such preset"),
        pytest.param("simulate -o {new} --size 0,5", 1, "shape must be", id="no region"),
        pytest.param("simulate -o {new} --processing raw", 1, "processing must be one of", id="no such product"),
        pytest.param("simulate -o {new} --direction up", 1, "direction must be one of", id="no such direction"),
        pytest.param("simulate -o {new} --dem {nowhere}/dem.tif", 1, "dem.tif", id="no DEM"),
        pytest.param("simulate -o {new} --dem {file}", 1, "must be a GeoTIFF", id="no heights"),
        pytest.param("info ''", 2, "must not be empty", id="empty source"),
        pytest.param("map {stack} -o ''", 2, "must not be empty", id="empty output"),
    ],
)  # fmt: skip
def test_a_mistake_gets_one_helpful_line_and_leaves_no_file(run, scene, tmp_path, arguments, status, words):
    before = files_in(tmp_path)
    said = run(*("" if word == "''" else word.format(**scene) for word in arguments.split(" ")))
    lines = said.err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines, said.err
    assert len(lines) == 1
    assert words in lines[0]
    assert said.status == status
    assert said.out == ""
    assert files_in(tmp_path) == before


def test_a_delay_may_be_written_with_its_unit(run, stack):
    assert run("info", stack, "--delays", "12D", "--json", "--fast").facts["delays_days"] == [12]


def test_verbose_shows_where_an_error_comes_from(run, tmp_path):
    said = run("info", tmp_path / "nowhere", "-v")
    assert said.status == 1
    assert "Traceback" in said.err
    assert said.err.splitlines()[-1].startswith("error: ")


def raised(action):
    try:
        action()
    except Exception as error:
        return error
    raise RuntimeError("nothing was raised")


@pytest.mark.parametrize(
    ("error", "words", "status"),
    [
        (ProductError("x.tif is no GeoTIFF"), "x.tif is no GeoTIFF", 1),
        (raised(lambda: parse_delay("x")), "delay must be a whole positive number", 1),
        (raised(lambda: int("x")), "unexpected ValueError: invalid literal", 70),
        (raised(lambda: np.zeros(3).reshape(2)), "this is a bug: run again with -v", 70),
        (KeyError("x"), "insarflow versions", 70),
        (RecursionError("too deep"), "unexpected RecursionError: too deep: this is a bug", 70),
        (MemoryError(), "not enough memory: no more memory could be had; fewer --workers", 1),
        (MemoryError("a batch does not fit"), "a batch does not fit", 1),
        (PermissionError(13, "Permission denied", "/x"), "Permission denied: /x", 1),
        (OSError(28, "No space left on device"), "No space left on device", 1),
        (TimeoutError(), "TimeoutError", 1),
        (ModuleNotFoundError("no", name="lightning"), "pip install 'insarflow[train]'", 1),
        (ModuleNotFoundError("no", name="h5netcdf"), "pip install 'insarflow[export]'", 1),
        (ModuleNotFoundError("no", name="elsewhere"), "pip install elsewhere", 1),
        (ModuleNotFoundError("no", name="insarflow.nothing"), "this is a bug", 70),
    ],
)
def test_every_error_is_explained(error, words, status):
    said, code = explain(error)
    assert words in said
    assert code == status


def test_a_dead_worker_is_explained():
    killed = type("KilledWorker", (Exception,), {})
    assert "for want of memory" in explain(killed("segment"))[0]


def test_a_bug_ends_with_status_70(run, monkeypatch, tmp_path):
    def broken(*_, **__):
        raise KeyError("\x1b[31mred\nname")

    monkeypatch.setattr("insarflow.workflows.info.describe_source", broken)
    said = run("info", tmp_path)
    assert said.status == 70
    assert len(said.err.splitlines()) == 1
    assert "\x1b" not in said.err
    assert "unexpected KeyError" in said.err


@pytest.mark.parametrize(
    ("stop", "status"), [(KeyboardInterrupt, errors.INTERRUPTED), (errors.Terminated, errors.TERMINATED)]
)
def test_an_interrupt_says_how_to_go_on(run, monkeypatch, stack, tmp_path, stop, status):
    def interrupted(*_, **__):
        raise stop

    monkeypatch.setattr("insarflow.workflows.map.map_source", interrupted)
    said = run("map", stack, "-o", tmp_path / "map")
    assert (said.status, said.err) == (status, "stopped: the same command goes on from here\n")


CODE = "import sys; from insarflow.cli import main; sys.argv = ['insarflow', *sys.argv[1:]]; main()"


def shell(*arguments, **more):
    return subprocess.run([sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, **more)


def test_exit_statuses_of_the_real_program(stack):
    wrong = shell("mpa")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("error: no verb 'mpa'")
    right = shell("info", stack, "--json", "--fast")
    assert (right.returncode, right.stderr) == (0, "")
    assert right.stdout.startswith("{")
    assert "\x1b" not in right.stdout


def test_nobody_reading_is_no_error(stack):
    """As ``insarflow info … | head -1``, its reader gone at once."""
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-c", CODE, "info", str(stack), "--fast"]
    try:
        ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    finally:
        os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode == errors.PIPE


def test_a_signal_ends_the_real_program(tmp_path):
    arguments = ["simulate", "-o", str(tmp_path / "region"), "--size", "1500,1500"]
    process = subprocess.Popen([sys.executable, "-c", CODE, *arguments], stderr=subprocess.PIPE, text=True)
    for _ in range(1200):
        time.sleep(0.05)
        if list(tmp_path.iterdir()):
            break
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == errors.TERMINATED
    assert said == "stopped: nothing is left half written\n"
    assert list(tmp_path.iterdir()) == []
