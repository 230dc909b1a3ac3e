import subprocess
import sys
from contextlib import contextmanager
from dataclasses import asdict

import dask
import numpy as np
import pytest
from dask.callbacks import Callback

import insarflow
from insarflow.errors import InsarError, ModelError, ProductError, RecipeWarning
from insarflow.workflows.map import map_source
from insarflow.workflows.needs import Needs
from insarflow.workflows.plan import Plan, _fit, parse_memory, plan_build, plan_map, plan_segment
from insarflow.workflows.run import MapRun
from insarflow.workflows.sample import take_sample
from insarflow.workflows.segment import segment_source


class _Tasks(Callback):
    """Most tasks of a graph that was run, but for those that measure slopes: no plan knows how many there will be."""

    most = 0
    counts = True

    @contextmanager
    def stage(self, what, graphs=1, pixels=None):
        self.counts = what != "measuring"
        yield

    def _start_state(self, _, state):
        if self.counts:
            self.most = max(self.most, sum(len(state[k]) for k in ("ready", "waiting", "running", "finished")))


def _size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def stack(region, tmp_path_factory):
    """The region four times as large, in blocks of one interferogram."""
    ds = region[0].isel(date=[0, 1], delay=[0])
    ds = ds.pad(y=(0, 160), x=(0, 192), mode="wrap")
    ds = ds.assign_coords(y=4.99e6 - 20.0 * np.arange(320), x=3.3e5 + 20.0 * np.arange(384))
    return insarflow.write_stack(ds, tmp_path_factory.mktemp("plan") / "stack.zarr")


def _check(plan, folder, tasks):
    assert plan.disk == pytest.approx(_size(folder), rel=0.3)
    assert plan.tasks == pytest.approx(tasks.most, rel=0.1)
    assert plan.seconds > 0
    assert 10**8 < plan.peak_memory < 10**10


def test_build(stack, tmp_path):
    plan = plan_build(stack, workers=2)
    with _Tasks() as tasks:
        insarflow.build_stack(stack, tmp_path / "out.zarr")
    _check(plan, tmp_path / "out.zarr", tasks)
    assert plan.workers == 2


def test_segment(stack, tmp_path):
    plan = plan_segment(stack, workers=1, recipe="model")
    with _Tasks() as tasks:
        segment_source(stack, tmp_path / "out.zarr")
    _check(plan, tmp_path / "out.zarr", tasks)


def test_map(stack, filtering, tmp_path):
    run = MapRun((str(stack),), model=filtering)
    plan = plan_map(run)
    with _Tasks() as tasks:
        map_source(run, tmp_path / "out", stage=tasks.stage)
    _check(plan, tmp_path / "out", tasks)


def test_nothing_is_left_behind(stack, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = sorted(stack.rglob("*"))
    for plan in (plan_build(stack), plan_segment(stack), plan_map(MapRun((str(stack),)))):
        assert asdict(plan).keys() == {"tasks", "peak_memory", "disk", "seconds", "workers"}
    assert list(tmp_path.iterdir()) == []
    assert sorted(stack.rglob("*")) == before


def test_a_sample_reads_three_blocks_at_most(small_blocks):
    read = []

    class Reads(Callback):
        def _posttask(self, key, value, *_):
            read.append(key)

    ds = insarflow.open_stack(small_blocks)
    with Reads(), dask.config.set(scheduler="sync"):
        sample = take_sample(ds)
    assert sample.window.sizes == {"date": 1, "delay": 1, "y": 64, "x": 64}
    assert sample.known == 1.0
    assert 0 < len(read) <= 3 * 2 * len(ds.data_vars)


def test_what_is_missing_costs_no_time(region):
    ds = region[0].isel(date=[0], delay=[0])
    half = ds.where(ds["x"] < ds["x"].values[96])
    half = half.assign(valid=ds["valid"])
    assert take_sample(ds).known == 1.0
    assert take_sample(half).known < 0.7
    nothing = take_sample(half.isel(x=slice(100, None)))
    assert nothing.known == 1.0
    assert np.isfinite(nothing.window["igram"].values).all()


def test_as_many_workers_as_fit():
    needs = Needs(tasks=7, disk=5, memory=lambda n: 100 + 50 * n, seconds=lambda n: 60.0 / n)
    assert _fit(needs, 4, None) == Plan(7, 300, 5, 15.0, 4)
    assert _fit(needs, 4, 249) == Plan(7, 200, 5, 30.0, 2)
    assert _fit(needs, 4, 150).workers == 1
    needs = Needs(tasks=7, disk=5, memory=lambda n: 2 * 10**9 * n, seconds=lambda n: 1.0)
    with pytest.raises(InsarError, match=r"^memory=1\.0 GB is too little: one worker needs about 2\.0 GB here; allow"):
        _fit(needs, 4, 10**9)


def test_mistakes_are_those_of_the_work(stack, filtering, tmp_path):
    with pytest.raises(ProductError):
        plan_build(tmp_path / "nothing")
    with pytest.raises(ModelError, match="no-such-model"):
        plan_segment(stack, model="no-such-model")
    with pytest.raises(ValueError, match="workers must be a whole number of at least 1"):
        plan_build(stack, workers=0)
    with pytest.raises(InsarError, match="is too little"):
        plan_map(MapRun((str(stack),)), memory=1000)
    with pytest.warns(RecipeWarning) as told:
        plan_segment(stack, model=filtering, recipe="none")
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "size"),
    [("4GB", 4 * 10**9), ("500MiB", 500 * 2**20), (" 1.5 gb ", 1_500_000_000), ("2k", 2000), ("1T", 10**12), (7, 7)],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text", ["", "4", "GB", "nan", "inf GB", "-1GB", "0GB", "1e9GB", "4 XB", "٤GB", 0, -5, "9" * 99]
)
def test_what_is_no_size(text):
    with pytest.raises(ValueError, match=r"^memory must be a size such as 4GB or 500MiB, instead got memory="):
        parse_memory(text)


@pytest.mark.parametrize("value", [None, 1.5, True, b"4GB"])
def test_what_is_of_another_kind(value):
    with pytest.raises(TypeError, match=r"^memory must be a size such as 4GB or 500MiB, instead got memory="):
        parse_memory(value)


def test_planning_a_build_does_not_load_torch():
    code = "import insarflow.workflows.plan, sys; sys.exit('torch' in sys.modules or 'geopandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
