"""A dask cluster of processes: the same bytes, whatever happens; and what workers lack is told before work begins."""

import os
import pickle
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import dask
import numpy as np
import pytest
import torch
import worker_parts
from distributed import Client, LocalCluster, SchedulerPlugin
from distributed.client import FutureCancelledError

from insarflow.errors import ModelError, WorkerError
from insarflow.learn.models import build_model, forget_model, register_model
from insarflow.learn.weights import resolve_model
from insarflow.segment import save_model, segment, segment_to_zarr
from insarflow.segment.own import OwnModule
from insarflow.segment.stream import lay_out_stream
from insarflow.segment.workers import current_client, facts, ready_workers, send_model
from insarflow.segment.workers.needs import needs_of
from insarflow.segment.workers.ready import PACKAGES, Needs
from insarflow.segment.workers.sending import lacks
from insarflow.stack import assemble, layout, write
from insarflow.stack.location import Folder
from insarflow.stack.store import open_stack, write_stack
from insarflow.types import Recipe

pytestmark = pytest.mark.filterwarnings("ignore::insarflow.errors.RecipeWarning")

MEMORY = facts.Memory(window=3_000_000, tile=2_000_000, weights=1_000_000)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(layout, "INNER", 32)
    monkeypatch.setattr(assemble, "SHARD", 64)
    monkeypatch.setattr(layout, "SHARD", 64)


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=2, threads_per_worker=1, protocol="tcp", dashboard_address=":0", memory_limit=0
    ) as running:
        yield running


@pytest.fixture
def client(cluster):
    with Client(cluster) as running:
        running.wait_for_workers(2, timeout=60)
        yield running


@pytest.fixture
def store(stack, tmp_path, small_shards):
    """18 shards of three interferograms, 12 of them not of nothing but NaN."""
    with dask.config.set(scheduler="threads"):
        write_stack(stack.chunk(), tmp_path / "stack.zarr")
    return open_stack(tmp_path / "stack.zarr")


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}


def alone(ds, model, out, **options):
    """The same by threads of this process."""
    with dask.config.set(scheduler="threads"):
        assert current_client() is None
        return contents(segment_to_zarr(ds, model, out, **options))


def written(out):
    """Shards of unfinished work, and when they were written."""
    return {p: p.stat().st_mtime_ns for p in Path(f"{out}.partial").glob("probability/c/*/*/*/*") if p.suffix == ""}


def test_weights_travel_once_where_the_path_is_not_shared(store, model, client, tmp_path, monkeypatch):
    expected = alone(store, model, tmp_path / "alone.zarr")
    client.run(worker_parts.hide, str(Path(model).resolve()))
    ref = resolve_model(model)
    assert all(why.startswith("no ") for why in client.run(lacks, ref).values())
    assert contents(segment_to_zarr(store, model, tmp_path / "out.zarr")) == expected
    for kept, folder in client.run(worker_parts.sent).values():
        assert [Path(path).name for path in kept] == [f"{ref.sha256}.safetensors"]
        assert Path(folder) in Path(kept[0]).parents
        assert Path(kept[0]).read_bytes() == Path(model).read_bytes()
    monkeypatch.setattr(Client, "register_plugin", lambda *_, **__: pytest.fail("sent again"))
    lazy = segment(store, model)["probability"]
    np.testing.assert_allclose(lazy, open_stack(tmp_path / "out.zarr")["probability"], atol=1e-3)
    assert not list(tmp_path.glob(".insarflow-*"))


def test_a_module_of_ones_own(store, client):
    network = worker_parts.Slow()
    lazy = segment(store.isel(date=[0], delay=[0]), network)["probability"]
    assert set(client.run(lacks, OwnModule(network)).values()) == {""}
    with dask.config.set(scheduler="threads"):
        expected = lazy.compute()
    np.testing.assert_array_equal(lazy.compute(), expected)


def test_which_client(client):
    assert current_client() is client
    with dask.config.set(scheduler="threads"):
        assert current_client() is None
    with dask.config.set(scheduler=client):
        assert current_client() is client


def test_a_client_that_compute_refuses(client, monkeypatch):
    monkeypatch.setattr(Client, "asynchronous", property(lambda _: True))
    with pytest.raises(RuntimeError, match="asynchronous Client in a synchronous context"):
        dask.delayed(1).compute()
    assert current_client() is None
    monkeypatch.undo()


def test_a_killed_worker_costs_the_shards_that_it_was_at(store, client, tmp_path):
    network = worker_parts.Slow()
    expected = alone(store, network, tmp_path / "alone.zarr")
    pids = client.run(worker_parts.process)
    out, there = tmp_path / "out.zarr", {}

    def kill():
        while len(written(out)) < 4:
            time.sleep(0.01)
        there.update(written(out))
        os.kill(min(pids.values()), signal.SIGKILL)

    killing = threading.Thread(target=kill)
    killing.start()
    segment_to_zarr(store, network, out)
    killing.join()
    assert contents(out) == expected
    assert 4 <= len(there) < 18
    for path, at in there.items():
        assert Path(str(path).replace(".partial", "", 1)).stat().st_mtime_ns == at
    # The one that is started in its place has the module without being asked for any work.
    client.wait_for_workers(2, timeout=60)
    assert min(pids.values()) not in client.run(worker_parts.process).values()
    assert set(client.run(lacks, OwnModule(network)).values()) == {""}


class Where(SchedulerPlugin):
    """Which worker finished what."""

    name = "where"

    def __init__(self):
        self.workers = {}

    def transition(self, key, start, finish, *args, worker=None, **kwargs):
        if (start, finish) == ("processing", "memory"):
            self.workers[key] = worker


def test_tasks_go_to_workers_with_the_resources(store, model, cluster, client, tmp_path):
    expected = alone(store, model, tmp_path / "alone.zarr")
    with pytest.raises(
        WorkerError, match=r"^no worker has resources=\{'GPU': 1\}, of 2: start one by 'dask worker \.\.\. --resources "
        r'"GPU=1"\', or leave resources out$',
    ):  # fmt: skip
        segment_to_zarr(store, model, tmp_path / "out.zarr", resources={"GPU": 1})
    chosen = sorted(client.run(worker_parts.process))[0]
    client.run(worker_parts.give, GPU=1, workers=[chosen])
    seen = Where()
    cluster.scheduler.add_plugin(seen)
    try:
        segment_to_zarr(store, model, tmp_path / "out.zarr", resources={"GPU": 1})
    finally:
        cluster.scheduler.remove_plugin(seen.name)
    assert contents(tmp_path / "out.zarr") == expected
    shards = [worker for key, worker in seen.workers.items() if key[0].startswith("write-probability-")]
    assert len(shards) == 18
    assert set(shards) == {chosen}


def test_what_is_not_there_is_told_of_each_worker(store, model, client, tmp_path):
    addresses = ", ".join(client.run(worker_parts.process))
    with pytest.raises(
        WorkerError, match=rf"^the cluster is not ready for this work; workers {addresses}: device must be one of "
        r"\['cpu'.*\] or None \(the fastest\), instead got device='cuda:99': choose another device, or give resources",
    ):  # fmt: skip
        segment_to_zarr(store, model, tmp_path / "out.zarr", device="cuda:99")
    with pytest.raises(ValueError, match=r"^device must be one of .*, instead got device='gpu'$"):
        segment_to_zarr(store, model, tmp_path / "out.zarr", device="gpu")
    assert [path.name for path in tmp_path.iterdir()] == ["stack.zarr"]


def test_a_class_that_workers_cannot_load(store, client, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("import worker_parts\nclass Net(worker_parts.Slow):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    network = only_here.Net()
    with pytest.raises(
        WorkerError, match=r"^model 'Net' cannot be loaded on worker tcp://\S+: ModuleNotFoundError: No module named "
        r"'only_here'; on worker tcp://.*; install the module that defines it there, or save the model",
    ):  # fmt: skip
        segment(store, network)
    assert not any("only_here" in str(value) for value in client.cluster.scheduler.worker_plugins.values())
    sys.modules.pop("only_here")


def test_a_network_that_workers_have_not_registered(store, client, tmp_path):
    register_model("only-here", lambda channels: torch.nn.Conv2d(channels, 1, 1), stride=1, reach=1)
    path = tmp_path / "only.safetensors"
    save_model(build_model("only-here"), path, channels=("coherence", "cos", "sin"), recipe=Recipe())
    with pytest.raises(
        WorkerError,
        match=r"^model 'only.safetensors' cannot be loaded on worker tcp://\S+: \S+json: architecture must be one of "
        r"\['context-unet', .*\], instead got architecture='only-here': to use another network, call "
        r"insarflow.register_model.*; a network of your own must be registered there: dask worker --preload MODULE, or",
    ):  # fmt: skip
        segment(store, path)
    client.run(register_model, "only-here", partial(torch.nn.Conv2d, out_channels=1, kernel_size=1), stride=1, reach=1)
    segment(store, path)
    client.run(forget_model, "only-here")
    forget_model("only-here")


def test_a_module_that_cannot_be_pickled(store, client):
    with pytest.raises(
        ModelError, match=r"^model 'Unpicklable' cannot be sent to the workers of a cluster, as it cannot be pickled: "
        r".*; save it with insarflow.save_model and give its path, or compute without the cluster$",
    ):  # fmt: skip
        segment(store, worker_parts.Unpicklable())


def test_a_lost_scheduler(store, model, tmp_path, monkeypatch):
    def lose(*_):
        raise FutureCancelledError("key", "scheduler-connection-lost")

    with monkeypatch.context() as patched:
        patched.setattr(write, "compute", lose)
        with pytest.raises(
            WorkerError, match=r"^path='.*out.zarr': the dask scheduler, or the connection to it, was lost \(FutureCanc"
            r"elledError\): start it again, or look into its log; what is written stays, and the same call goes on",
        ):  # fmt: skip
            segment_to_zarr(store, model, tmp_path / "out.zarr")
        with pytest.raises(WorkerError, match=r"^path='.*copy.zarr': the dask scheduler"):
            write_stack(store, tmp_path / "copy.zarr")
    assert (tmp_path / "out.zarr.partial").is_dir()
    assert (tmp_path / "copy.zarr.partial").is_dir()
    segment_to_zarr(store, model, tmp_path / "out.zarr")


def versions(**changes):
    return {"packages": {"python": "3.12.1.final.0", **dict.fromkeys(PACKAGES, "1.0"), **changes}}


def fake_answer(**changes):
    values = {"sources": (), "output": None, "device": None, "file": None, "memory": None, "threads": 1}
    return facts.Answer(**{**values, "resources": {}, **changes})


def fake_client(answers, workers=None, scheduler=None):
    """A client whose workers, a and b, say this."""
    told = {"a": versions(), "b": versions()} if workers is None else workers
    found = {"client": versions(), "scheduler": scheduler or versions(), "workers": told}

    def run(function, *_, on_error):
        return answers if function is facts.answer else dict.fromkeys(answers, "")

    return SimpleNamespace(get_versions=lambda packages: found, run=run)


def needs(tmp_path, model, **changes):
    return Needs(**{"witnesses": (), "output": Folder(tmp_path / "out.zarr"), "model": resolve_model(model),
                    "memory": MEMORY, **changes})  # fmt: skip


NOT_READY = "^the cluster is not ready for this work; "


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sources": ("source='s' cannot be seen (FileNotFoundError)",)},
         r"worker b: source='s' cannot be seen \(FileNotFoundError\): let it see the same files under the same path"),
        ({"output": "the folder 'f' of the output is not the same"},
         "worker b: the folder 'f' of the output is not the same: choose an output in a folder that all workers"),
        ({"file": "x"}, "worker b: what it writes to '.*' does not arrive here: choose an output in a folder that all"),
        ({"memory": 8_000_000, "threads": 2},
         r"worker b: the limit of 8 MB is below what is needed, at least 9 MB \(windows of 2 shards at a time 6 MB, "
         r"tile 2 MB, weights 1 MB\): give workers more memory or fewer threads$"),
        ({"memory": 5_000_000}, r"worker b: the limit of 5 MB .* 6 MB \(window of a shard 3 MB, tile 2 MB, weights"),
    ],
)  # fmt: skip
def test_a_worker_that_lacks_something(changes, message, model, tmp_path):
    client = fake_client({"a": fake_answer(), "b": fake_answer(**changes)})
    with pytest.raises(WorkerError, match=NOT_READY + message):
        ready_workers(client, needs(tmp_path, model))
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_does_not_answer(model, tmp_path):
    client = fake_client({"a": OSError("gone"), "b": fake_answer()})
    with pytest.raises(WorkerError, match=NOT_READY + r"worker a: it cannot be asked \(OSError: gone\): look into its"):
        ready_workers(client, needs(tmp_path, model))
    client = SimpleNamespace(run=lambda *_, **__: {"a": OSError("gone"), "b": ""})
    with pytest.raises(
        WorkerError, match=r"^cannot be asked for the model 'random.safetensors': worker a: gone; start"
    ):
        send_model(client, resolve_model(model))


def test_only_workers_with_the_resources_need_memory_and_device(model, tmp_path):
    small = fake_answer(memory=1, device="none")
    large = fake_answer(memory=6_500_000, threads=4, resources={"GPU": 1})
    wanted = needs(tmp_path, model, resources={"GPU": 1})
    ready_workers(fake_client({"a": small, "b": large}), wanted)
    with pytest.raises(WorkerError, match=NOT_READY + "worker a: none: choose another device, or give resources that"):
        ready_workers(fake_client({"a": small, "b": large}), needs(tmp_path, model))


def test_other_versions(model, tmp_path):
    workers = {"a": versions(torch="0.9", python="3.12.7.final.0"), "b": versions(torch="0.9", insarflow=None)}
    client = fake_client({}, workers, versions(torch="0.9", python="3.11.1.final.0"))
    same = "start it in the same environment"
    with pytest.raises(
        WorkerError, match=NOT_READY + rf"workers a, b and scheduler: torch must be 1.0 as here, instead got torch="
        rf"0.9: {same}; worker b: insarflow must be 1.0 as here, instead got insarflow=not installed: {same}; "
        rf"scheduler: python must be 3.12 as here, instead got python=3.11: {same}$",
    ):  # fmt: skip
        ready_workers(client, needs(tmp_path, model))


def test_no_workers(model, tmp_path):
    with pytest.raises(WorkerError, match=r"^the dask cluster has no workers: start some with 'dask worker', or wait"):
        ready_workers(fake_client({}, {}), needs(tmp_path, model))


def test_the_output_of_another_computer(tmp_path, monkeypatch):
    token = facts.Token.put(Folder(tmp_path / "new" / "out.zarr"))
    problem, name = token.answer()
    assert problem is None
    assert token.answered(name)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "touch", lambda _: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
        assert token.answer()[0] == f"the folder {str(tmp_path)!r} of the output cannot be written (Permission denied)"
    token.remove()
    assert list(tmp_path.iterdir()) == []
    assert token.answer() == (f"the folder {str(tmp_path)!r} of the output is not the same", None)


def test_the_least_that_a_task_needs(stack, store, model, tmp_path):
    work, halo, weights = lay_out_stream(store, model).work, 40, Path(model).stat().st_size
    found = needs_of(store, work, (112, 131), Folder(tmp_path)).memory
    assert found == facts.Memory((64 + halo) ** 2 * (8 + 4 + 4), 112 * 131 * 3 * 4, weights)
    own = OwnModule(torch.nn.Conv2d(3, 1, 1))
    assert lay_out_stream(stack, own.module).work.predictor.size == 4 * 4


def test_graphs_grow_by_shards_and_hold_no_weights(make_stack, model, tmp_path):
    def sizes(width):
        write_stack(make_stack((64, width), cells=(1, 2)).chunk(), tmp_path / f"{width}.zarr")
        laid_out = lay_out_stream(open_stack(tmp_path / f"{width}.zarr"), model)
        array = laid_out.writes(Folder(tmp_path))[1][0]
        tasks = array.__dask_graph__().cull(set(dask.core.flatten(array.__dask_keys__())))
        return array.size, [len(pickle.dumps(task)) for task in tasks.values()], len(pickle.dumps(array))

    (few, small, sent), (many, large, also) = sizes(128), sizes(1024)
    assert (few, many) == (2, 16)
    assert max(large) < 1.05 * max(small) < 2500
    # What goes to the scheduler is a rule, of which it makes the tasks.
    assert abs(also - sent) < 1000 < sent < 10_000
    assert Path(model).stat().st_size > 20 * sent


def test_distributed_is_not_loaded_for_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "distributed")
    assert current_client() is None
    assert "distributed" not in sys.modules


def test_a_module_that_nobody_sent():
    unknown = pickle.loads(pickle.dumps(OwnModule.named("Net", "0" * 64)))
    with pytest.raises(ModelError, match=r"^model 'Net' \(sha256=00000000\.\.\.\) is not known to this process: make"):
        _ = unknown.module


def test_a_shard_that_ends_workers_is_named(store, cluster, client, tmp_path):
    cluster.scheduler.allowed_failures = 0
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
    network = worker_parts.Deadly()
    with pytest.raises(
        WorkerError, match=r"^path='.*out.zarr': 1 workers ended one after another while they computed "
        r"2024\d{4}_2024\d{4} rows \d+:\d+, columns \d+:\d+, the last one tcp://\S+: most often their memory is full, "
        r"so .*; what is written stays, and the same call goes on from there$",
    ):  # fmt: skip
        segment_to_zarr(store, network, tmp_path / "out.zarr")
    assert (tmp_path / "out.zarr.partial").is_dir()
