import json
import sys
from importlib.metadata import version
from pathlib import Path

import insarflow.workflows.versions as module
from insarflow.learn.weights import load_card
from insarflow.workflows.versions import versions


def test_what_a_report_needs():
    facts = versions()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["insarflow"] == {"version": version("insarflow"), "installed": facts["insarflow"]["installed"]}
    assert facts["insarflow"]["installed"] in ("editable", "package")
    assert facts["machine"]["cpus"] > 0
    assert facts["models"] == {"default": load_card("default").sha256}
    assert set(facts["raster"]) == {"gdal", "proj"}
    assert "cuda" in facts["gpu"]
    for name in ("torch", "dask", "llvmlite", "zarr", "lightning"):
        assert facts["packages"][name] == version(name)
    assert "pytest" not in facts["packages"]


def test_no_path_of_this_computer():
    assert str(Path.home()) not in json.dumps(versions())
    assert str(Path(module.__file__).parents[2]) not in json.dumps(versions())


def test_a_broken_package_is_named_and_the_rest_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "insarflow.segment.device", None)

    def damaged():
        raise OSError(f"{Path.home()}/lib/libgdal.so: cannot open\nshared object")

    monkeypatch.setattr("insarflow.stack.gdal.gdal_versions", damaged)
    facts = versions()
    assert facts["gpu"].startswith("broken: ModuleNotFoundError: ")
    assert facts["raster"] == "broken: OSError: ~/lib/libgdal.so: cannot open shared object"
    assert facts["models"] == {"default": load_card("default").sha256}


def test_a_missing_package_says_so(monkeypatch):
    monkeypatch.setattr(module, "requires", lambda _: ["numpy>=1", 'nowhere-to-be-found[x]>=2; extra == "a"'])
    packages = versions()["packages"]
    assert packages["nowhere-to-be-found"] == "not installed"
    assert packages["numpy"] == version("numpy")
