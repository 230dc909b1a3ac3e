"""Probabilities straight to a store: the same as the lazy way, whatever happens on the way."""

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr

from insarflow.errors import ModelError, OutputExistsError, ProductWarning, SchemaError, SelectionError, StoreError
from insarflow.ops.goldstein import goldstein
from insarflow.ops.layer import read_blocks, window_of
from insarflow.ops.recipe import apply_recipe
from insarflow.schema import recipe_of
from insarflow.segment import blocks, device, segment, segment_to_zarr, stream
from insarflow.stack import assemble, layout
from insarflow.stack.assemble import stack_pairs
from insarflow.stack.georeference import grid_of
from insarflow.stack.store import open_stack, write_stack
from insarflow.stack.write import run
from insarflow.types import Pair, Recipe

FILTER = Recipe().then("goldstein", patch_size=32, step=16, alpha=0.5)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(layout, "INNER", 32)
    monkeypatch.setattr(assemble, "SHARD", 64)
    monkeypatch.setattr(layout, "SHARD", 64)


def as_product(ds):
    """Interferograms of magnitude one that say so, which a store keeps as codes."""
    igram = ds["igram"] / abs(ds["igram"])
    read = {"operation": "read", "interferogram": "phase"}
    steps = [read, *json.loads(ds.attrs.get("recipe", "[]"))[1:]]
    return ds.assign(igram=igram.astype("complex64")).assign_attrs(recipe=json.dumps(steps))


@pytest.fixture
def codes(stack, small_shards, tmp_path):
    """A stack kept as int16 and uint8."""
    write_stack(as_product(stack).chunk(), tmp_path / "codes.zarr")
    return open_stack(tmp_path / "codes.zarr")


@pytest.fixture
def numbers(stack, small_shards, tmp_path):
    """A stack kept as it is."""
    write_stack(stack.chunk(), tmp_path / "numbers.zarr")
    return open_stack(tmp_path / "numbers.zarr")


def close(a, b, atol):
    np.testing.assert_allclose(a.values, b.values, rtol=0, atol=atol)


quiet = pytest.mark.filterwarnings("ignore::insarflow.errors.RecipeWarning")


@quiet
@pytest.mark.parametrize("kind", ["codes", "numbers"])
@pytest.mark.parametrize(("encoding", "error"), [("float32", 0), ("float16", 2.0**-12), ("uint8", 1 / 508)])
def test_same_as_the_lazy_way(kind, encoding, error, model, tmp_path, request):
    ds = request.getfixturevalue(kind)
    assert ("phase" in xr.open_zarr(tmp_path / f"{kind}.zarr")) == (kind == "codes")
    lazy = segment(ds, model, tile_size=64)
    out = segment_to_zarr(ds, model, tmp_path / "out.zarr", encoding=encoding, tile_size=64)
    found = open_stack(out)
    assert found["probability"].dtype == np.float32
    close(found["probability"], lazy["probability"], error + 1e-5)
    assert np.nanstd(found["probability"]) > 0.1
    assert found["probability"].attrs.get("quantisation_error", 0) == pytest.approx(error)
    plain = xr.open_zarr(out)["probability"]
    close(plain, found["probability"], 1e-6)
    assert set(found.data_vars) == {"probability", "valid", "perpendicular_baseline"}
    np.testing.assert_array_equal(found["valid"], ds["valid"])
    assert recipe_of(found) == recipe_of(lazy)
    for name in ("model", "model_sha256", "threshold", "precision"):
        assert found["probability"].attrs[name] == lazy["probability"].attrs[name]


@pytest.fixture
def graph(monkeypatch):
    """Tasks of what is written, as the scheduler gets them."""
    tasks = {}

    def look(writes, target, *names):
        for array in writes:
            tasks.update(array.__dask_graph__().cull(set(dask.core.flatten(array.__dask_keys__()))))
        return run(writes, target, *names)

    monkeypatch.setattr(stream, "run", look)
    return tasks


@quiet
def test_no_task_depends_on_another(codes, model, tmp_path, graph):
    segment_to_zarr(codes, model, tmp_path / "out.zarr")
    assert len(graph) == 3 * 2 * 3  # interferograms, rows and columns of shards
    assert not any(task.dependencies for task in graph.values())
    assert len(pickle.dumps(graph)) < 2500 * len(graph) < Path(model).stat().st_size


@quiet
def test_codes_are_not_decoded(codes, model, tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError("decoded")

    source, _ = window_of(codes["igram"].data, (0, 0), (0, 1), (0, 1))
    monkeypatch.setattr(type(source), "__getitem__", refuse)
    segment_to_zarr(codes, model, tmp_path / "out.zarr")


@quiet
@pytest.mark.parametrize("coherence", ["uint8", "uint16"])
def test_codes_made_channels_on_the_device(stack, model, tmp_path, monkeypatch, coherence):
    """As it is done on a GPU, here on the processor."""
    write_stack(as_product(stack).chunk(), tmp_path / "codes.zarr", coherence=coherence)
    ds = open_stack(tmp_path / "codes.zarr")
    here = segment_to_zarr(ds, model, tmp_path / "here.zarr", encoding="float32")
    batches = []
    real = blocks.predict
    monkeypatch.setattr(blocks, "predict", lambda p, x, **k: batches.append(x) or real(p, x, **k))
    monkeypatch.setattr(blocks, "runs_on_gpu", lambda _: True)
    there = segment_to_zarr(ds, model, tmp_path / "there.zarr", encoding="float32")
    assert batches
    assert all(isinstance(x, device.Codes) for x in batches)
    close(open_stack(there)["probability"], open_stack(here)["probability"], 1e-5)


@quiet
def test_filtered_on_the_way(codes, model, tmp_path, graph):
    ds = codes.assign_attrs(recipe=json.dumps([{"operation": "read", "interferogram": "phase"}]))
    lazy = segment(goldstein(ds, patch_size=32, step=16, alpha=0.5), model)
    out = segment_to_zarr(ds, model, tmp_path / "out.zarr", before=FILTER, encoding="float32")
    assert not any(task.dependencies for task in graph.values())
    close(open_stack(out)["probability"], lazy["probability"], 1e-5)
    assert [s["operation"] for s in recipe_of(open_stack(out)).steps] == ["read", "goldstein", "segment"]


@quiet
def test_looks_on_the_way(codes, model, tmp_path):
    steps = Recipe().then("multilook", y=2, x=2)
    lazy = segment(apply_recipe(codes, steps), model)
    out = segment_to_zarr(codes, model, tmp_path / "out.zarr", before=steps, encoding="float32")
    close(open_stack(out)["probability"], lazy["probability"], 1e-5)


@quiet
@pytest.mark.parametrize("where", ["in the store", "in memory"])
def test_masks(stack, model, tmp_path, graph, where):
    water = xr.zeros_like(stack["igram"][0, 0].real, dtype=bool)
    water[30:60, 20:50] = True
    write_stack(as_product(stack.assign(water=water)).chunk(), tmp_path / "codes.zarr")
    ds = open_stack(tmp_path / "codes.zarr")
    mask = ds["water"] if where == "in the store" else water
    out = segment_to_zarr(ds, model, tmp_path / "out.zarr", mask=mask, encoding="float32")
    close(open_stack(out)["probability"], segment(ds, model, mask=water)["probability"], 1e-5)
    assert np.isnan(open_stack(out)["probability"].values[..., water.values]).all()
    assert any(task.dependencies for task in graph.values()) == (where == "in memory")


@quiet
def test_what_was_changed_lazily(codes, model, tmp_path):
    """No window can be read for it: blocks depend on their neighbours, and the answer is the same."""
    changed = codes.assign(igram=codes["igram"] * np.complex64(1j))
    out = segment_to_zarr(changed, model, tmp_path / "out.zarr", encoding="float32")
    close(open_stack(out)["probability"], segment(changed, model)["probability"], 1e-5)


@quiet
def test_a_pair_that_is_not_just_read(stack, model, tmp_path):
    """A product's images may be read, or be put together of others: none of these may be lost."""
    cells = {
        Pair.parse(f"20240101_{day}"): {
            name: made(read_blocks(image, (64, 64), f"{name}-{k}"))
            for name in ("igram", "coherence")
            for image in [stack[name].values[0, k]]
        }
        for k, (day, made) in enumerate({"20240113": lambda a: a, "20240125": lambda a: a + 0}.items())
    }
    ds = stack_pairs(cells, grid_of(stack))
    assert window_of(ds["igram"].data, (0, 0), (0, 1), (0, 1)) is not None
    assert window_of(ds["igram"].data, (0, 1), (0, 1), (0, 1)) is None
    found = open_stack(segment_to_zarr(ds, model, tmp_path / "out.zarr", encoding="float32"))["probability"]
    close(found, segment(ds, model)["probability"], 1e-5)
    assert np.isfinite(found[0, 1]).any()


@quiet
def test_in_memory(stack, model, tmp_path):
    out = segment_to_zarr(stack, model, tmp_path / "out.zarr", encoding="float32")
    close(open_stack(out)["probability"], segment(stack, model)["probability"], 1e-5)


@quiet
def test_offsets(codes, model, tmp_path):
    one = segment(codes.isel(date=[0], delay=[0]), model, offsets=5)
    out = segment_to_zarr(codes, model, tmp_path / "out.zarr", offsets=5, encoding="float32")
    found = open_stack(out).isel(date=[0], delay=[0])
    close(found["probability"], one["probability"], 1e-5)
    close(found["probability_std"], one["probability_std"], 1e-5)
    assert np.nanmax(found["probability_std"]) > 0.01
    assert recipe_of(found).steps[-1]["offsets"] == 5


def run_in_a_process(store, model, out, fault=None):
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "from insarflow.stack import assemble, layout\n"
        "layout.INNER, layout.SHARD, assemble.SHARD = 32, 64, 64\n"
        "import dask; dask.config.set(scheduler='sync')\n"
        "from insarflow.segment import segment_to_zarr\n"
        "from insarflow.stack.store import open_stack\n"
        "segment_to_zarr(open_stack(sys.argv[1]), sys.argv[2], sys.argv[3])\n"
    )
    environment = dict(os.environ) | ({} if fault is None else {"INSARFLOW_FAULT": str(fault)})
    done = subprocess.run(
        [sys.executable, "-c", code, str(store), str(model), str(out)], env=environment, capture_output=True
    )
    assert done.returncode in (0, 137), done.stderr.decode()
    return done.returncode


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


@quiet
@pytest.mark.parametrize("fault", [1, 6, 13])
def test_killed_and_gone_on(codes, model, tmp_path, fault, monkeypatch):
    expected = contents(segment_to_zarr(codes, model, tmp_path / "whole.zarr"))
    assert run_in_a_process(tmp_path / "codes.zarr", model, tmp_path / "out.zarr", fault) == 137
    assert not (tmp_path / "out.zarr").exists()
    there = len(list((tmp_path / "out.zarr.partial").glob("probability/c/*/*/*/*")))
    calls = []
    real = blocks.predict
    monkeypatch.setattr(blocks, "predict", lambda *a, **k: calls.append(1) or real(*a, **k))
    segment_to_zarr(codes, model, tmp_path / "out.zarr")
    assert contents(tmp_path / "out.zarr") == expected
    assert not (tmp_path / "out.zarr.partial").exists()
    assert fault < 6 or there > 0
    assert len(calls) <= 18 - there


@quiet
def test_modes_are_not_mixed(codes, model, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise ModelError("the device is gone")

    with monkeypatch.context() as patched:
        patched.setattr(blocks, "predict", fail)
        with pytest.raises(ModelError, match=r"^the device is gone$"):
            segment_to_zarr(codes, model, tmp_path / "out.zarr")
    assert (tmp_path / "out.zarr.partial").is_dir()
    with pytest.raises(
        OutputExistsError,
        match=r"^output .*out.zarr holds unfinished work with encoding='float16', precision='exact': go on as it was",
    ):
        segment_to_zarr(codes, model, tmp_path / "out.zarr", precision="fast", encoding="uint8")
    segment_to_zarr(codes, model, tmp_path / "out.zarr", encoding="uint8", overwrite=True)
    assert open_stack(tmp_path / "out.zarr")["probability"].attrs["quantisation_error"] == pytest.approx(1 / 508)


@pytest.fixture
def damaged(codes, tmp_path):
    """One shard of one interferogram is cut off."""
    file = tmp_path / "codes.zarr" / "phase" / "c" / "0" / "0" / "0" / "0"
    file.write_bytes(file.read_bytes()[:100])
    return open_stack(tmp_path / "codes.zarr")


@quiet
def test_a_damaged_shard_is_named(damaged, model, tmp_path):
    with pytest.raises(
        StoreError, match=r"^source='.*codes.zarr' is damaged: phase cannot be read at \(slice\(0, 1, None\)"
    ):
        segment_to_zarr(damaged, model, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()


@quiet
def test_a_damaged_shard_is_passed_over(damaged, model, tmp_path):
    with pytest.warns(
        ProductWarning, match=r"^4 shards of the source could not be read and are NaN: 20240101_20240113 rows 0:64, col"
    ):
        out = segment_to_zarr(damaged, model, tmp_path / "out.zarr", skip_bad=True)
    listed = json.loads((out / "skipped.json").read_text())
    # Its neighbours are left out as well: the network looks into it for them.
    assert listed[-1] == "20240101_20240113 rows 64:112, columns 64:128"
    assert len(listed) == 4
    found, whole = open_stack(out)["probability"], segment(damaged, model)["probability"]
    assert np.isnan(found[0, 0]).all()
    close(found[0, 1], whole[0, 1], 1e-3)


@quiet
def test_a_full_disk(codes, model, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(layout, "by_whole_shards", full)
        with pytest.raises(StoreError, match=r"out.zarr' could not be written: .*No space left.*goes on from there$"):
            segment_to_zarr(codes, model, tmp_path / "out.zarr")
    segment_to_zarr(codes, model, tmp_path / "out.zarr")


@quiet
def test_refused(codes, stack, model, tmp_path):
    with pytest.raises(OutputExistsError, match=r"^out='.*codes.zarr' is the store that is segmented: choose another"):
        segment_to_zarr(codes, model, tmp_path / "codes.zarr", overwrite=True)
    with pytest.raises(ValueError, match=r"^encoding must be .*float16.*, instead got encoding='int8'"):
        segment_to_zarr(codes, model, tmp_path / "out.zarr", encoding="int8")
    with pytest.raises(SchemaError, match="date"):
        segment_to_zarr(stack.isel(date=0), model, tmp_path / "out.zarr")
    nothing = codes.assign(valid=xr.zeros_like(codes["valid"]))
    with pytest.raises(SelectionError, match=r"^the stack holds no interferogram that could be segmented: see ds"):
        segment_to_zarr(nothing, model, tmp_path / "out.zarr")
    assert not (tmp_path / "out.zarr").exists()
    segment_to_zarr(codes, model, tmp_path / "out.zarr")
    with pytest.raises(OutputExistsError, match=r"^the output must not exist"):
        segment_to_zarr(codes, model, tmp_path / "out.zarr")


@quiet
def test_a_region_smaller_than_the_reach(make_stack, model, tmp_path):
    ds = as_product(make_stack((9, 11), cells=(1, 2)))
    write_stack(ds.chunk(), tmp_path / "small.zarr")
    out = segment_to_zarr(open_stack(tmp_path / "small.zarr"), model, tmp_path / "out.zarr", encoding="float32")
    close(open_stack(out)["probability"], segment(open_stack(tmp_path / "small.zarr"), model)["probability"], 1e-6)
    assert np.isfinite(open_stack(out)["probability"]).any()
