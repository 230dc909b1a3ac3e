"""The line under dask.distributed: the same files."""

import pytest
from distributed import Client, LocalCluster

from insarflow.errors import InsarError
from insarflow.workflows import machine as machines
from insarflow.workflows.machine import machine
from insarflow.workflows.map import map_source
from insarflow.workflows.run import MapRun

FILES = ("inventory.gpkg", "probability.tif", "support.tif")


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=":0"
    ) as running:
        yield running


def test_same_map_with_a_client(small_blocks, predictions, cluster, tmp_path):
    run = MapRun((str(small_blocks),), threshold=0.9, min_area=0.0)
    map_source(run, tmp_path / "alone")
    predictions.threads.clear()
    with Client(cluster):
        map_source(run, tmp_path / "cluster")
    assert all("Dask-Default-Threads" in name for name in predictions.threads)
    for name in FILES:
        assert (tmp_path / "cluster" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()


def test_a_cluster_by_its_address(small_blocks, predictions, cluster, tmp_path):
    run = MapRun((str(small_blocks),), threshold=0.9)
    with machine(cluster.scheduler_address) as found:
        map_source(run, tmp_path / "map")
    assert found.workers == 2
    with pytest.raises(ValueError, match=r"^workers must be left out with scheduler=tcp://.*, instead got workers=2"):
        machine(cluster.scheduler_address, 2).__enter__()


def test_a_cluster_without_workers():
    with (
        LocalCluster(n_workers=0, processes=False, protocol="tcp", dashboard_address=":0") as empty,
        pytest.raises(InsarError, match=r"^the dask scheduler at scheduler=tcp://.* has no workers: start some"),
        machine(empty.scheduler_address),
    ):
        pass


def test_nobody_answers(monkeypatch):
    monkeypatch.setattr(machines, "PATIENCE", "200ms")
    with (
        pytest.raises(InsarError, match=r"^no dask scheduler answers at scheduler=tcp://127\.0\.0\.1:9: start one"),
        machine("tcp://127.0.0.1:9"),
    ):
        pass
