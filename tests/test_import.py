"""What ``import insarflow`` loads, and what works without torch: each in a fresh interpreter."""

import json
import subprocess
import sys
import textwrap

import dask.array as da
import numpy as np
import xarray as xr

import insarflow

HEAVY = ("torch", "lightning", "torchmetrics", "geopandas", "matplotlib", "shapely", "skimage", "typer")


def run(code):
    """What a script prints as JSON."""
    script = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_import_is_light():
    loaded = run("""
        import json, sys
        import insarflow
        print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
    """)
    assert not set(HEAVY) & set(loaded)
    assert {"xarray", "numba"} < set(loaded)  # the list is that of loaded modules


def test_filters_and_stack_without_torch():
    result = run("""
        import importlib.abc, json, sys

        class Blocker(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "lightning", "torchmetrics"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Blocker())
        try:
            import torch
        except ModuleNotFoundError:
            blocked = True

        import dask.array as da
        import numpy as np
        import xarray as xr
        import insarflow

        igram = np.exp(0.1j * np.arange(40 * 40)).reshape(40, 40).astype("complex64")
        grid = insarflow.Grid((0.0, 20.0, 0.0, 0.0, 0.0, -20.0), (40, 40), "EPSG:32632")
        ds = insarflow.stack_pairs({insarflow.Pair.parse("20210703_20210709"): {"igram": igram}}, grid)
        ds = insarflow.coherence(insarflow.multilook(insarflow.goldstein(ds), y=2, x=2), window=3)
        lazy = xr.DataArray(da.ones((90, 90), chunks=30, dtype="complex64"), dims=("y", "x"))
        print(json.dumps({
            "blocked": blocked,
            "sizes": dict(ds.sizes),
            "coherence": float(ds.coherence.mean()),
            "names": [insarflow.goldstein(lazy).data.name, insarflow.coherence(lazy).data.name],
        }))
    """)
    assert result["blocked"]
    assert result["sizes"] == {"date": 1, "delay": 1, "y": 20, "x": 20}
    assert 0 < result["coherence"] <= 1
    lazy = xr.DataArray(da.ones((90, 90), chunks=30, dtype="complex64"), dims=("y", "x"))
    names = [insarflow.goldstein(lazy).data.name, insarflow.coherence(lazy).data.name]
    assert result["names"] == names  # graphs have the same names in every process


def test_folders_that_need_torch_are_loaded_when_asked_for():
    found = run("""
        import json, sys
        import insarflow
        before = "torch" in sys.modules
        name = insarflow.datasets.ISSLIDE.__name__
        print(json.dumps([before, name, "torch" in sys.modules]))
    """)
    assert found == [False, "ISSLIDE", True]


def test_public_names_exist():
    for name in insarflow.__all__:
        assert hasattr(insarflow, name)
    assert insarflow.__all__ == sorted(insarflow.__all__)
    assert np.prod([len(part) for part in insarflow.__version__.split(".")]) > 0
