"""The whole line on real interferograms."""

import numpy as np
import pytest

import insarflow
from insarflow.errors import RecipeWarning
from insarflow.plot import draw_map
from insarflow.workflows.info import describe_source
from insarflow.workflows.map import map_source
from insarflow.workflows.run import MapRun


@pytest.mark.parametrize(
    ("product", "pairs", "outside"),
    [("mexico-city-s1-stack", 30, True), ("morocco-2023-s1-pair/ifg_20230904_20230916", 1, False)],
)
def test_info_build_map(data, tmp_path, product, pairs, outside):
    facts = describe_source(data / product)
    assert facts["interferograms"] == pairs == len(facts["pairs"])
    insarflow.build_stack(data / product, tmp_path / "stack.zarr")
    for built, read in zip(describe_source(tmp_path / "stack.zarr")["pairs"], facts["pairs"], strict=True):
        assert built == pytest.approx(read, abs=0.002, nan_ok=True)  # coherence is kept in steps of 1/254

    def run(out):
        return map_source(MapRun((str(tmp_path / "stack.zarr"),)), out, draw=draw_map)

    if outside:
        with pytest.warns(RecipeWarning, match="pixel"):
            result = run(tmp_path / "map")
    else:
        result = run(tmp_path / "map")
    probability = result.summary["probability"].values
    ds = insarflow.open_stack(tmp_path / "stack.zarr")
    known = (np.isfinite(ds["igram"]) & np.isfinite(ds["coherence"])).any(("date", "delay")).values
    np.testing.assert_array_equal(np.isfinite(probability), known)
    assert np.nanmin(probability) >= 0.0
    assert np.nanmax(probability) <= 1.0
    assert (tmp_path / "map" / "map.png").stat().st_size > 10_000
