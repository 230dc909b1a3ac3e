import pytest

from insarflow.datasets.folder import Origin, absent, folder_of
from insarflow.errors import ProductError

ORIGIN = Origin("Slopes", "https://example.org/slopes", "CC BY 4.0", "doi:10.1/slopes", "  <root>/<zone>/phase/*.tif")


def test_a_missing_folder_tells_source_licence_tree_and_what_is_there(tmp_path):
    with pytest.raises(ProductError) as error:
        folder_of(tmp_path / "nowhere", ORIGIN)
    told = str(error.value)
    for part in (
        "nowhere does not exist",
        ORIGIN.source,
        ORIGIN.licence,
        ORIGIN.cite,
        ORIGIN.tree,
        "found there: nothing",
    ):
        assert part in told


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "slopes.zip"
    path.write_bytes(b"")
    with pytest.raises(ProductError, match="must be a folder"):
        folder_of(path, ORIGIN)


def test_what_is_no_path_is_named():
    with pytest.raises(TypeError, match="root must be the path of a folder, instead got"):
        folder_of(None, ORIGIN)


def test_what_was_found_is_told_and_ends(tmp_path):
    assert "found there: an empty folder" in str(absent(tmp_path, ORIGIN, "holds no zone"))
    for k in range(40):
        (tmp_path / "zone" / f"{k:02d}").mkdir(parents=True)
    told = str(absent(tmp_path, ORIGIN, "holds no phase"))
    assert "zone/, zone/00/, zone/01/" in told
    assert told.endswith("zone/10/ ...")
