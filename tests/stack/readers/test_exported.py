import json
import shutil

import numpy as np
import pytest
import rasterio

import insarflow
from insarflow.errors import ProductError, ProductWarning
from insarflow.schema import recipe_of
from insarflow.stack.raster import written_here
from insarflow.stack.tags import software
from insarflow.workflows.export import export_stack

PHASE = "20180106_20180118_phase.tif"


@pytest.fixture
def folder(stack, tmp_path):
    """An export of three interferograms with coherence, heights and water."""
    export_stack(stack, tmp_path / "out", to="cog")
    return tmp_path / "out"


def retag(path, **tags):
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(**tags)


@pytest.mark.parametrize(
    ("tag", "value", "shown"),
    [
        ("WAVELENGTH_METRES", "0.23", "'0.055' in file='.*20180106_20180118_coherence.tif' and '0.23'"),
        ("RECIPE", '[{"operation": "deramp"}]', r"'\[\]' in file='.*_coherence.tif' and '\[{\"operation\": .*'"),
        ("PERPENDICULAR_BASELINE_METRES", "12", r"-31\.5 in file='.*20180106_20180118_coherence.tif' and 12\.0"),
    ],
)
def test_files_that_contradict_each_other_are_both_named(folder, tag, value, shown):
    retag(folder / PHASE, **{tag: value})
    first = f"all files of an export must have one {tag}, instead got {shown} in"
    with pytest.raises(ProductError, match=rf"^{first} file='.*{PHASE}': open each export by itself$"):
        insarflow.open_stack(folder)


def test_static_images_must_agree_too(folder):
    retag(folder / "water.tif", WAVELENGTH_METRES="0.23")
    with pytest.raises(ProductError, match=r"^all files of an export must have one WAVELENGTH_METRES, .*water\.tif'"):
        insarflow.open_stack(folder)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"WAVELENGTH_METRES": "long"}, r"a length below 10 m in the tag WAVELENGTH_METRES, instead got 'long'"),
        ({"RECIPE": '{"a": 1}'}, r"a JSON list of steps in the tag RECIPE, instead got '{\"a\": 1}'"),
        ({"FIRST_DATE": "x"}, r"an earlier and a later day in the tags .*, instead got 'x' and '2018-01-18'"),
    ],
)
def test_damaged_tags_are_errors_or_left_out(folder, tags, message):
    for path in sorted(folder.glob("20180106_20180118_*.tif")):
        retag(path, **tags)
    with pytest.raises(ProductError, match=rf"^file='.*_coherence\.tif' must have {message}: export the stack again$"):
        insarflow.open_stack(folder)
    with pytest.warns(ProductWarning, match=r"^left out: file='.*20180106_20180118"):
        left = insarflow.open_stack(folder, skip_bad=True)
    assert int(left["valid"].sum()) == 2
    assert left.attrs["wavelength"] == 0.055


def test_a_file_that_is_called_what_it_is_not(folder):
    (folder / "20180106_20180118_coherence.tif").rename(folder / "20180106_20180211_coherence.tif")
    shutil.copy(folder / PHASE, folder / "20180106_20180211_phase.tif")
    with pytest.raises(
        ProductError,
        match=r"^file='.*20180211_coherence.tif' must be named as its tags say, 20180106_20180118 coherence, "
        r"instead got 20180106_20180211 coherence: rename it$",
    ):
        insarflow.open_stack(folder)


def test_flags_that_are_none(folder):
    with rasterio.open(folder / "water.tif", "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.write(np.full(file.shape, 7, np.uint8), 1)
    ds = insarflow.open_stack(folder)
    with pytest.raises(ProductError, match=r"^file='.*water\.tif' must hold values within \(0\.0, 1\.0\)"):
        ds["water"].compute()


def test_a_damaged_layer_of_an_export_is_not_passed_over(folder):
    content = (folder / "water.tif").read_bytes()
    (folder / "water.tif").write_bytes(content[:200])
    with pytest.raises(ProductError, match=r"^file='.*water\.tif' (is truncated|must be a GeoTIFF)"):
        insarflow.open_stack(folder)
    (folder / "water.tif").write_bytes(b"")
    with pytest.raises(ProductError, match=r"^file='.*water\.tif' must be a GeoTIFF, instead it cannot be opened"):
        insarflow.open_stack(folder)
    with pytest.warns(ProductWarning, match=r"^left out: file='.*water\.tif' must be a GeoTIFF"):
        assert "water" not in insarflow.open_stack(folder, skip_bad=True)


def test_zero_is_a_measurement_in_what_we_wrote_and_missing_elsewhere(stack, tmp_path, write_tif):
    zeros = stack.assign(coherence=stack["coherence"].where(stack["coherence"].isnull(), 0))
    export_stack(zeros, tmp_path / "ours", to="cog")
    ours = insarflow.open_stack(tmp_path / "ours")["coherence"]
    np.testing.assert_array_equal(ours.values, zeros["coherence"].values)
    for name in ("phase", "coherence"):
        path = tmp_path / "ours" / f"20180106_20180118_{name}.tif"
        with rasterio.open(path) as file:
            write_tif(tmp_path / "theirs" / path.name, file.read(1), transform=file.transform)
    assert np.isnan(insarflow.open_stack(tmp_path / "theirs")["coherence"].values).all()


class TestProductsOfOthers:
    """Whose names or tags are like ours."""

    @pytest.fixture
    def theirs(self, tmp_path, write_tif):
        for name in ("20180106_20180118_phase", "20180106_20180118_components", "water", "los_up"):
            write_tif(tmp_path / f"{name}.tif", np.full((30, 50), 0.5, np.float32))
        return tmp_path

    @pytest.fixture
    def opened(self, theirs):
        return insarflow.open_stack(theirs)

    @pytest.mark.parametrize(
        "tags",
        [
            {},
            {"VARIABLE": "water", "RECIPE": "no", "WAVELENGTH_METRES": "x", "FIRST_DATE": "x"},
            {"VARIABLE": "phase", "TIFFTAG_SOFTWARE": "PyRate 0.6", "PERPENDICULAR_BASELINE_METRES": "x"},
            {"VARIABLE": "something", "TIFFTAG_SOFTWARE": software(), "ATTRIBUTES": "no"},
        ],
    )
    def test_are_read_as_ever(self, theirs, opened, tags):
        for path in theirs.glob("*.tif"):
            retag(path, **tags)
        ds = insarflow.open_stack(theirs)
        assert list(ds.data_vars) == ["igram", "valid", "fingerprint"]
        assert json.loads(ds.attrs["ignored_files"]) == ["20180106_20180118_components.tif", "los_up.tif", "water.tif"]
        assert ds.attrs.keys() == opened.attrs.keys()
        assert recipe_of(ds).steps[0]["product"] == "geotiff pairs"
        assert recipe_of(ds).steps[0]["nodata"] == {"phase": [-9999.0]}

    def test_may_lie_beside_what_cannot_be_opened(self, theirs):
        (theirs / "water.tif").write_bytes(b"")
        assert "water.tif" in json.loads(insarflow.open_stack(theirs).attrs["ignored_files"])

    def test_what_was_made_of_our_file_is_no_longer_ours(self, folder, tmp_path, write_tif):
        with rasterio.open(folder / "20180106_20180118_coherence.tif") as file:
            values, tags = np.nan_to_num(255 * file.read(1)).astype(np.uint8), file.tags()
        (folder / "20180106_20180118_coherence.tif").unlink()
        path = write_tif(folder / "20180106_20180118_coherence.tif", values)
        retag(path, **tags)
        assert written_here(path) is None
        read = insarflow.open_stack(folder)["coherence"].values[0, 0]
        np.testing.assert_array_equal(np.isnan(read), values == 0)
        assert np.nanmax(read) <= 1
