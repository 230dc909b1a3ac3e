import numpy as np
import pytest

import insarflow
from insarflow.errors import MissingVariableError, ModelError, OutputExistsError, ProductError, RecipeWarning
from insarflow.learn.weights import load_card
from insarflow.workflows.info import describe_source
from insarflow.workflows.segment import segment_source


@pytest.fixture(scope="module")
def segmented(stored_region, filtering, tmp_path_factory):
    path = tmp_path_factory.mktemp("segmented") / "probability.zarr"
    return segment_source(stored_region, path, model=filtering)


def test_what_is_written_is_what_python_computes(region, filtering, segmented):
    path, notes = segmented
    stored = insarflow.open_stack(path)
    assert set(stored.data_vars) == {"probability", "valid", "perpendicular_baseline", "dem"}
    step = {k: v for k, v in load_card(filtering).recipe.of("goldstein")[0].items() if k != "operation"}
    direct = region[0].insar.goldstein(**step).insar.segment(filtering)
    np.testing.assert_allclose(stored["probability"].values, direct["probability"].values, atol=2.0**-12 + 1e-6)
    np.testing.assert_array_equal(stored["valid"].values, region[0]["valid"].values)
    for name in ("threshold", "model", "model_sha256"):
        assert stored["probability"].attrs[name] == direct["probability"].attrs[name]
    assert len(notes) == 1
    assert "Goldstein" in notes[0]


def test_the_store_serves_the_next_verbs(segmented):
    path, _ = segmented
    stored = insarflow.open_stack(path)
    assert len(stored.insar.inventory()) > 0
    facts = describe_source(path)
    assert facts["variables"] == ["dem", "perpendicular_baseline", "probability", "valid"]
    assert facts["pairs"][0]["valid_fraction"] == 1.0


def test_a_part_and_no_filter(stored_region, filtering, tmp_path):
    with pytest.warns(RecipeWarning, match="goldstein is applied not at all"):
        path, notes = segment_source(
            stored_region, tmp_path / "part.zarr", model=filtering, recipe="none", selection={"delays": [12]},
            overwrite=True,
        )  # fmt: skip
    assert notes == ()
    assert list(insarflow.open_stack(path)["delay"].values) == [np.timedelta64(12, "D")]


def test_mistakes_leave_nothing(stored_region, segmented, tmp_path):
    with pytest.raises(ProductError):
        segment_source(tmp_path / "nothing", tmp_path / "out.zarr")
    with pytest.raises(ModelError, match="no-such-model"):
        segment_source(stored_region, tmp_path / "out.zarr", model="no-such-model")
    with pytest.raises(ValueError, match="device must be one of"):
        segment_source(stored_region, tmp_path / "out.zarr", device="cuda:99")
    with pytest.raises(MissingVariableError, match="igram"):
        segment_source(segmented[0], tmp_path / "out.zarr")
    (tmp_path / "there").mkdir()
    with pytest.raises(OutputExistsError, match="must not exist"):
        segment_source(stored_region, tmp_path / "there")
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


def test_the_source_is_not_replaced(stored_region):
    for source in (stored_region, str(stored_region), [stored_region]):
        with pytest.raises(OutputExistsError, match="output must not be the source"):
            segment_source(source, stored_region, overwrite=True)
    assert "igram" in insarflow.open_stack(stored_region)
