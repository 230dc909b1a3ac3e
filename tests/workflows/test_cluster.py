"""The line under dask.distributed: the same files."""

import numpy as np
from distributed import Client, LocalCluster

import insarflow
from insarflow.workflows.map import map_region


def test_same_map_with_a_client(region, tmp_path):
    ds, _ = region
    insarflow.write_stack(ds, tmp_path / "stack.zarr")
    ds = insarflow.open_stack(tmp_path / "stack.zarr").chunk(y=97, x=101)
    summaries = []
    for folder in (tmp_path / "alone", tmp_path / "cluster"):
        folder.mkdir()
    summaries.append(map_region(ds, tmp_path / "alone").summary.load())
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        Client(cluster),
    ):
        summaries.append(map_region(ds, tmp_path / "cluster").summary.load())
    for name in ("probability", "support"):
        np.testing.assert_array_equal(summaries[0][name].values, summaries[1][name].values)
