"""Imports point downward, and each heavy dependency has one home."""

import ast
from pathlib import Path

import pytest

import insarflow

PACKAGE = Path(insarflow.__file__).parent

ROOT = "insarflow"
ORDER = (
    *("constants", "errors", "types", "schema", "kernels", "ops", "stack", "sentinel1", "simulate"),
    *("learn", "datasets", "segment", "inventory", "workflows", "plot", "accessor", ROOT, "cli"),
)

HOMES = {
    "branca": {"plot"},
    "dask": set(ORDER) - {"constants", "errors", "types", "schema", "kernels"},
    "geopandas": {"stack", "inventory", "learn", "simulate"},
    "h5netcdf": {"stack"},
    "h5py": {"stack"},
    "lightning": {"learn"},
    "llvmlite": {"kernels"},
    "matplotlib": {"plot"},
    "mpl_toolkits": {"plot"},
    "numba": {"kernels"},
    "numcodecs": {"stack"},
    "rasterio": {"stack", "sentinel1"},
    "rasterio.features": {"stack", "sentinel1", "learn", "inventory"},
    "rich": {"cli"},
    "rioxarray": {"stack", "sentinel1"},
    "shapely": {"stack", "inventory", "learn", "simulate"},
    "skimage": {"inventory", "learn", "simulate"},
    "snaphu": {"ops"},
    "torch": {"learn", "datasets", "segment"},
    "torchmetrics": {"learn"},
    "typer": {"cli"},
    "xarray": set(ORDER) - {"kernels"},
    "yaml": {"workflows"},
    "zarr": {"stack"},
}
DOORS = {"workflows", "plot", "accessor", "cli"}
"""Layers that may name a heavy dependency's types, for annotations alone."""


def layer_of(parts):
    """Layer of a module from its dotted parts after ``insarflow``."""
    return parts[0] if parts else ROOT


def imports(source, parts, is_package):
    """Modules that a source file imports, anywhere: dotted name, line, and whether only for annotations."""
    tree = ast.parse(source)
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    folder = [ROOT, *(parts if is_package else parts[:-1])]
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = folder[: len(folder) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__"):
            names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant)]
        for name in names:
            yield name, node.lineno, id(node) in for_types


def offences(source, file):
    """What a file of the package, given by its path below the package, imports against the law."""
    path = Path(file)
    is_package = path.stem == "__init__"
    parts = list(path.parts[:-1]) if is_package else [*path.parts[:-1], path.stem]
    here = layer_of(parts)
    for name, line, for_types in imports(source, parts, is_package):
        first, *rest = name.split(".")
        if first == ROOT:
            there = rest[0] if rest and rest[0] in ORDER else ROOT
            if here != ROOT and ORDER.index(there) > ORDER.index(here):
                yield f"{file}:{line}: {here} imports {name}, which lies above it"
            continue
        known = [n for n in HOMES if name == n or name.startswith(n + ".")]
        if known and here not in HOMES[max(known, key=len)] and not (for_types and here in DOORS):
            yield f"{file}:{line}: {name} has no home in {here}"


def modules():
    return sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


def test_every_module_has_a_layer():
    assert {layer_of(Path(f).with_suffix("").parts) for f in modules()} <= {*ORDER, "__init__"}
    assert len(modules()) > 40


@pytest.mark.parametrize("file", modules())
def test_imports_point_downward_and_home(file):
    assert list(offences((PACKAGE / file).read_text(encoding="utf-8"), file)) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("kernels/fft.py", "from insarflow.ops.overlap import map_overlap"),
        ("kernels/fft.py", "from ..ops import overlap"),
        ("kernels/fft.py", "from .. import ops"),
        ("kernels/fft.py", "import xarray"),
        ("kernels/fft.py", "import dask.array as da"),
        ("kernels/__init__.py", "from ..stack.store import open_stack"),
        ("ops/goldstein.py", "def f():\n    from insarflow.stack import store"),
        (
            "ops/goldstein.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from insarflow.stack import store",
        ),
        ("ops/goldstein.py", "import insarflow.stack.store as s"),
        ("ops/goldstein.py", "import insarflow"),
        ("ops/goldstein.py", "from insarflow import goldstein"),
        ("ops/goldstein.py", "import importlib\nimportlib.import_module('insarflow.learn')"),
        ("ops/goldstein.py", "__import__('torch')"),
        ("ops/goldstein.py", "import numba"),
        ("ops/goldstein.py", "if TYPE_CHECKING:\n    import torch"),
        ("errors.py", "from insarflow.types import Pair"),
        ("simulate/scene.py", "class A:\n    def f(self):\n        import torch.nn as nn"),
        ("segment/engine.py", "import zarr"),
        ("learn/bank.py", "import rasterio"),
        ("inventory/polygons.py", "from rasterio import warp"),
        ("workflows/map.py", "import rioxarray"),
        ("workflows/map.py", "import geopandas as gpd"),
        ("accessor.py", "import typer"),
        ("stack/store.py", "from insarflow.cli import main"),
    ],
)
def test_an_offender_is_caught(file, source):
    assert len(list(offences(source, file))) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("ops/goldstein.py", "from insarflow.kernels import goldstein\nfrom insarflow.ops.overlap import map_overlap"),
        ("ops/goldstein.py", "from . import overlap\nfrom ..kernels.fft import twiddles\nimport dask.array"),
        ("learn/bank.py", "import torch\nfrom rasterio.features import rasterize\nfrom rasterio import features"),
        ("accessor.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import geopandas as gpd"),
        ("cli.py", "import insarflow\nimport typer\nimport torchlike"),
        ("__init__.py", "from insarflow import accessor\nfrom insarflow.cli import main"),
    ],
)
def test_the_innocent_pass(file, source):
    assert list(offences(source, file)) == []
