"""Files that are no good: one clear error, or left out and listed."""

import json
import warnings

import numpy as np
import pytest
import rasterio
from affine import Affine

from insarflow.errors import ProductError, ProductWarning
from insarflow.schema import recipe_of
from insarflow.stack.raster import MAX_PIXELS
from insarflow.stack.readers import images
from insarflow.stack.store import build_stack, open_stack

PHASE = np.random.default_rng(5).uniform(-3, 3, (30, 50)).astype(np.float32)
NAMES = ("20180106_20180118", "20180118_20180130", "20180130_20180211")


@pytest.fixture
def pairs(tmp_path, write_tif):
    """Three interferograms with coherence."""
    root = tmp_path / "product"
    for name in NAMES:
        write_tif(root / f"{name}_phase.tif", PHASE, compress="deflate", blockysize=1)
        write_tif(root / f"{name}_coh.tif", np.abs(PHASE) / 4)
    return root


def truncated(path):
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def not_a_raster(path):
    path.write_bytes(b"nothing")


def damaged_in_the_middle(path):
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 3, len(content) // 2)
    content[middle] = b"\xff" * (middle.stop - middle.start)
    path.write_bytes(content)


def of_another_kind(path):
    with rasterio.open(path, "r+") as file:
        file.write(PHASE * 50, 1)


def without_crs(path):
    with rasterio.open(path) as file:
        profile = {**file.profile, "crs": None}
    with rasterio.open(path, "w", **profile) as file:
        file.write(PHASE, 1)


def absurdly_large(path):
    options = {"driver": "GTiff", "width": 2**21, "height": 2**21, "count": 1, "dtype": "float32", "crs": "EPSG:4326"}
    place = Affine(1e-5, 0, 7, 0, -1e-5, 46)
    tiles = {"tiled": True, "blockxsize": 8192, "blockysize": 8192, "sparse_ok": True}
    with rasterio.open(path, "w", **options, transform=place, **tiles):
        pass


DAMAGE = {
    truncated: "is truncated",
    not_a_raster: "must be a GeoTIFF, instead it cannot be opened",
    damaged_in_the_middle: "cannot be read, it is truncated or damaged",
    of_another_kind: r"must hold values within \(-6\.29",
    without_crs: "must have a CRS, instead got none",
    absurdly_large: f"must have at most {MAX_PIXELS} pixels, instead got 2097152 x 2097152",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_bad_file_is_an_error_or_left_out(pairs, damage, tmp_path):
    bad = pairs / f"{NAMES[1]}_phase.tif"
    damage(bad)
    said = rf"file='.*{NAMES[1]}_phase\.tif' {DAMAGE[damage]}"
    with pytest.raises(ProductError, match="^" + said):
        build_stack(pairs, tmp_path / "s.zarr")
    assert not (tmp_path / "s.zarr").exists()
    with pytest.warns(ProductWarning, match=r"^left out: " + said):
        build_stack(pairs, tmp_path / "s.zarr", skip_bad=True)
    ds = open_stack(tmp_path / "s.zarr")
    assert list(ds.insar.pairs.index) == [NAMES[0], NAMES[2]]
    assert list(json.loads(ds.attrs["skipped_files"])) == [bad.name]
    assert recipe_of(ds).of("read")[0]["skipped"] == 1


def test_what_is_good_of_a_pair_stays(pairs):
    truncated(pairs / f"{NAMES[1]}_coh.tif")
    with pytest.warns(ProductWarning, match=r"coh\.tif' is truncated"):
        ds = open_stack(pairs, skip_bad=True)
    assert ds["valid"].sum() == 3
    pair = ds.insar.pair(NAMES[1])
    assert pair["igram"].notnull().all()
    assert pair["coherence"].isnull().all()


def test_names(pairs, write_tif):
    """A pair that is there twice and one whose later date is first."""
    write_tif(pairs / f"vh_{NAMES[0]}_phase.tif", PHASE)
    write_tif(pairs / "20180118_20180106_coh.tif", PHASE)
    with pytest.raises(ProductError, match="20180118_20180106_coh"):
        open_stack(pairs)
    with pytest.warns(ProductWarning, match="left out") as said:
        ds = open_stack(pairs, skip_bad=True)
    assert len(said) == 2
    skipped = json.loads(ds.attrs["skipped_files"])
    assert skipped["20180118_20180106_coh.tif"].endswith("if the images are, negate its phase too")
    assert "must be there once" in skipped[f"vh_{NAMES[0]}_phase.tif"]


def test_nothing_to_skip(pairs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ds = open_stack(pairs, skip_bad=True)
    assert "skipped_files" not in ds.attrs
    assert ds.attrs["recipe"] == open_stack(pairs).attrs["recipe"]


def test_nothing_left(pairs):
    for path in pairs.iterdir():
        not_a_raster(path)
    with pytest.raises(
        ProductError, match=r"^no interferogram is left without the bad files: file='.*5 more files are"
    ):
        open_stack(pairs, skip_bad=True)


def test_files_are_read_in_strips(pairs, monkeypatch):
    monkeypatch.setattr(images, "_STRIP", 400)
    damaged_in_the_middle(pairs / f"{NAMES[2]}_phase.tif")
    with pytest.warns(ProductWarning, match="truncated or damaged"):
        assert open_stack(pairs, skip_bad=True)["valid"].sum() == 2


@pytest.mark.parametrize(("one", "other"), [("T005A", "t012D"), ("005A_04854_171313", "124D_04854_171313")])
def test_two_tracks(tmp_path, write_tif, one, other):
    write_tif(tmp_path / one / f"{NAMES[0]}.geo.unw.tif", PHASE)
    write_tif(tmp_path / one / f"{NAMES[1]}.geo.unw.tif", PHASE)
    assert open_stack(tmp_path)["valid"].sum() == 2
    write_tif(tmp_path / other / f"{NAMES[2]}.geo.unw.tif", PHASE)
    with pytest.raises(
        ProductError, match=r"^all interferograms must be of one track, instead got file=.* of 005A and "
    ):
        open_stack(tmp_path, skip_bad=True)
