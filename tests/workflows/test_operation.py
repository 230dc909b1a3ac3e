import inspect
import subprocess
import sys
from pathlib import Path

import dask
import numpy as np
import pytest
from dask.callbacks import Callback

import insarflow
from insarflow.accessor import InsarAccessor
from insarflow.errors import MissingVariableError, SchemaError
from insarflow.schema import SPACE, VARIABLES
from insarflow.workflows.operation import _Graph
from insarflow.workflows.operations import operations
from insarflow.workflows.plan import Plan


class _Tasks(Callback):
    """Number of tasks that were run."""

    def __init__(self):
        self.count = 0

    def _pretask(self, *_):
        self.count += 1


def _size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def ds(small_blocks):
    """Two interferograms in 2 by 3 blocks."""
    return insarflow.open_stack(small_blocks)


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("write", {}),
        ("goldstein", {"preset": "baran03"}),
        ("multilook", {"y": 2, "x": 2}),
        (lambda ds, by: ds.insar.goldstein().insar.add_offset(by), {"by": 1.0}),
    ],
)
def test_a_stack_is_planned_as_it_is_written(operation, parameters, ds, tmp_path):
    planned = ds.insar.plan(operation, workers=2, **parameters)
    result = ds
    if operation != "write":
        work = getattr(insarflow, operation) if isinstance(operation, str) else operation
        result = work(ds, **parameters)
    with _Tasks() as run, dask.config.set(scheduler="sync"):
        insarflow.write_stack(result, tmp_path / "s.zarr")
    assert planned.tasks == run.count
    assert planned.disk == pytest.approx(_size(tmp_path / "s.zarr"), rel=0.3)
    assert planned.workers == 2
    assert planned.seconds > 0
    assert 10**8 < planned.peak_memory < 10**10


@pytest.mark.parametrize(
    "operation", ["phase", "closure_phase", "residue_count", lambda ds: ds["coherence"].mean("date")]
)
def test_what_is_no_stack_is_planned_as_it_is_computed(operation, ds, region):
    source = region[0] if operation == "closure_phase" else ds
    result = operation(ds) if callable(operation) else getattr(insarflow, operation)(source.chunk(date=1, delay=1))
    planned = insarflow.plan(source, operation)
    with _Tasks() as run, dask.config.set(scheduler="sync"):
        result.compute()
    assert planned.disk == 0
    if source is ds:
        assert planned.tasks == run.count


def test_many_interferograms_are_counted_by_few(region, tmp_path):
    ds = region[0]
    cells = np.zeros((40, 3), bool)
    cells[:, :2] = True
    grid = insarflow.stack.georeference.grid_of(ds)
    dates = ds["date"].values[0] + np.arange(40) * np.timedelta64(6, "D")
    insarflow.create_stack(tmp_path / "s.zarr", dates, [6, 12, 18], grid)
    many = insarflow.open_stack(tmp_path / "s.zarr")
    many = many.assign(valid=(("date", "delay"), cells))
    planned = insarflow.plan(many, "goldstein")
    # A task a shard with its alias and one an interferogram, for igram and coherence, and one for all.
    assert planned.tasks == 80 * (2 * 2 + 1) + 1
    mixing = insarflow.plan(many, lambda ds: ds.assign(igram=ds["igram"] * ds["coherence"].max("date")))
    assert mixing.tasks > 40 * 3


def test_nothing_but_a_block_is_computed(ds, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    keys = set()

    class Reads(Callback):
        def _pretask(self, key, *_):
            keys.add(key)

    with Reads():
        insarflow.plan(ds, "goldstein")
    written = {key[1:] for key in keys if "write-igram" in str(key[0])}
    assert len(written) == 1
    assert list(tmp_path.iterdir()) == []


def test_images_in_memory(region):
    ds = region[0].compute()
    assert ds["igram"].chunks is None
    static = sum(variable.dims == SPACE for name, variable in VARIABLES.items() if name in ds)
    assert insarflow.plan(ds, "add_offset", angle=1.0).tasks == 6 * (2 * 2 + 1) + 1 + 2 * static


def test_it_is_printed_as_a_table(ds):
    planned = Plan(tasks=1234, peak_memory=2_500_000_000, disk=0, seconds=600.0, workers=4)
    assert str(planned).splitlines() == [
        "tasks             1234",
        "workers              4",
        "peak memory     2.5 GB",
        "disk           0 bytes",
        "time            10 min",
    ]
    assert planned._repr_html_().startswith("<table><tr><th>tasks</th><td>1234</td></tr>")
    printed = []
    planned._repr_pretty_(type("Printer", (), {"text": lambda _, text: printed.append(text)})(), cycle=False)
    assert printed == [str(planned)]


def test_every_lazy_operation_has_a_name():
    others = {"explore", "export", "inventory", "open_troposphere", "plan", "plot", "pair", "pairs", "segment_to_zarr"}
    methods = {name for name, _ in inspect.getmembers(InsarAccessor) if not name.startswith("_")}
    assert set(operations()) == (methods - others) | {"write"}


def test_mistakes_are_those_of_the_operation(ds):
    with pytest.raises(ValueError, match=r"^operation must be one of goldstein, .*, instead got operation='goldstain'"):
        insarflow.plan(ds, "goldstain")
    with pytest.raises(TypeError, match=r"^operation must be a name or a function, instead got 3"):
        insarflow.plan(ds, 3)
    with pytest.raises(TypeError, match=r"^operation must return a Dataset or DataArray, instead got int"):
        insarflow.plan(ds, lambda ds: 3)
    with pytest.raises(ValueError, match="patch_size must be a power of two"):
        insarflow.plan(ds, "goldstein", patch_size=33)
    with pytest.raises(MissingVariableError):
        insarflow.plan(ds.drop_vars("coherence"), "goldstein", preset="baran03")
    with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
        insarflow.plan(ds.insar.to_pairs(), "goldstein")
    with pytest.raises(SchemaError, match=r"^plan needs at least one interferogram"):
        insarflow.plan(ds.assign(valid=ds["valid"] & False), "goldstein")
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1"):
        insarflow.plan(ds, "goldstein", workers=0)


def test_blocks_that_wait_for_neighbours_are_seen(ds):
    chained = ds.insar.goldstein().insar.goldstein()["igram"].data
    assert _Graph.of([ds.insar.goldstein()["igram"].data]).shared == 0
    assert _Graph.of([chained]).shared > 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells what a process held at most")
def test_memory_is_that_of_a_process(stored_region, tmp_path):
    script = """
import re, sys, insarflow, dask
source = insarflow.open_stack(sys.argv[1])
planned = insarflow.plan(source, "goldstein", workers=1)
with dask.config.set(scheduler="threads", num_workers=1):
    insarflow.write_stack(source.insar.goldstein(), sys.argv[2])
print(planned.peak_memory, 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]))
"""
    arguments = [sys.executable, "-c", script, str(stored_region), str(tmp_path / "out.zarr")]
    planned, real = map(int, subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split())
    assert planned == pytest.approx(real, rel=0.3)


def test_what_chooses_among_interferograms_is_planned(ds):
    """Of one interferogram alone it may leave nothing."""
    longest = int(ds["delay"].values.max() / np.timedelta64(1, "D"))
    assert insarflow.plan(ds, "select_pairs", delays=[longest]).tasks > 0
