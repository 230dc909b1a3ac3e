"""The notebooks run as they are, offline, and hold no output."""

from pathlib import Path

import geopandas as gpd
import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def execute(path, folder):
    """Run a notebook in `folder`; the executed notebook."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def outputs(notebook, kind):
    return [o["data"][kind] for c in notebook.cells for o in c.get("outputs", ()) if kind in o.get("data", {})]


def test_first_map(tmp_path):
    notebook = execute(EXAMPLES / "01_first_map.ipynb", tmp_path)
    assert len(outputs(notebook, "image/png")) >= 7
    assert any("leaflet" in text for text in outputs(notebook, "text/html"))
    assert len(gpd.read_file(tmp_path / "inventory.gpkg", layer="inventory")) > 0


def test_my_product_makes_one_where_there_is_none(tmp_path):
    notebook = execute(EXAMPLES / "02_my_product.ipynb", tmp_path)
    assert len(outputs(notebook, "image/png")) >= 4
    assert (tmp_path / "my-inventory.gpkg").exists()


def test_my_product_on_real_data(tmp_path, data, monkeypatch):
    whole = data / "morocco-2023-s1-pair"
    monkeypatch.setenv("INSARFLOW_PRODUCT", str(whole))
    assert len(outputs(execute(EXAMPLES / "02_my_product.ipynb", tmp_path), "image/png")) >= 4


def test_rates(tmp_path):
    pytest.importorskip("snaphu", reason="needs the extra unwrap")
    notebook = execute(EXAMPLES / "03_rates.ipynb", tmp_path)
    assert len(outputs(notebook, "image/png")) >= 7
    said = "".join(o["text"] for c in notebook.cells for o in c.get("outputs", ()) if o["output_type"] == "stream")
    assert "mean speed of the movers" in said


def test_rates_of_mexico_city(tmp_path, data, monkeypatch):
    monkeypatch.setenv("INSARFLOW_PRODUCT", str(data / "mexico-city-s1-stack"))
    assert len(outputs(execute(EXAMPLES / "03_rates.ipynb", tmp_path), "image/png")) >= 7


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_stored_without_output(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert all(not c.get("outputs") and c.get("execution_count") is None for c in notebook.cells)
