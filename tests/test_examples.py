import importlib.util
from pathlib import Path

import geopandas as gpd
import pytest

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs(path, tmp_path, capsys):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    example.main(tmp_path, shape=(96, 112))
    assert "simulated movers" in capsys.readouterr().out
    assert set(gpd.read_file(tmp_path / "inventory.gpkg").columns) >= {"id", "area_m2", "pairs"}
