import resource
import signal

import numpy as np
import pytest
import rasterio
import tifffile

import insarflow
from insarflow.errors import StoreError
from insarflow.stack.export.cog import write_cog, write_cogs
from insarflow.stack.export.layers import stack_of
from insarflow.stack.export.pyramid import overviews


@pytest.fixture(scope="module")
def made(wide, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cog")
    return folder, write_cog(stack_of(wide), folder)


def test_one_file_an_image(wide, made):
    folder, files = made
    pairs = ["20180106_20180118", "20180106_20180130", "20180118_20180130"]
    static = ["dem", "incidence", "layover_shadow", "los_east", "los_north", "los_up", "shadow", "water"]
    names = [f"{pair}_{word}.tif" for pair in pairs for word in ("coherence", "phase", "unwrapped")]
    assert sorted(path.name for path in files) == sorted([*names, *(f"{name}.tif" for name in static)])
    styles = {f"{pair}_phase.qml" for pair in pairs} | {"layover_shadow.qml"}
    assert {path.name for path in folder.iterdir()} == {path.name for path in files} | styles


def test_values_and_places_read_back_equal(wide, made):
    stack = stack_of(wide)
    for group in stack.groups():
        for layer in group:
            with rasterio.open(made[0] / f"{layer.name}.tif") as file:
                values, true = file.read(1), np.asarray(layer.data)
                if layer.variable == "igram":
                    assert file.dtypes == ("float32",)
                    true = np.angle(true)
                np.testing.assert_array_equal(values, true)
                assert np.isnan(file.nodata) if values.dtype.kind == "f" else file.nodata is None
                assert file.crs.to_epsg() == 32632
                assert file.transform.to_gdal() == stack.grid.transform
                assert (file.descriptions, file.units) == ((layer.long_name,), (layer.units,))


def test_overviews_are_means_of_complex_numbers(wide, made):
    stack = stack_of(wide)
    for layer in (layer for group in stack.groups() for layer in group):
        (image,) = overviews(np.asarray(layer.data), 1)
        with rasterio.open(made[0] / f"{layer.name}.tif", overview_level=0) as file:
            np.testing.assert_array_equal(file.read(1), image)


def test_tags_tell_the_pair(made):
    with rasterio.open(made[0] / "20180106_20180130_phase.tif") as file:
        tags = file.tags()
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    wanted = {
        "FIRST_DATE": "2018-01-06", "SECOND_DATE": "2018-01-30", "DELAY_DAYS": "24", "DATA_UNITS": "RADIANS",
        "PERPENDICULAR_BASELINE_METRES": "12.25", "WAVELENGTH_METRES": "0.0555", "PLATFORM": "S1A",
        "PASS": "ascending", "LOOKS": "[2, 8]", "AREA_OR_POINT": "Area", "VARIABLE": "phase",
    }  # fmt: skip
    assert wanted.items() <= tags.items()
    assert "made up" in tags["RECIPE"]


def test_tags_tell_the_bits(made):
    with rasterio.open(made[0] / "layover_shadow.tif") as file:
        assert file.dtypes == ("uint8",)
        assert file.tags()["FLAG_MASKS"] == "[1, 2, 4, 8]"
        assert file.tags()["FLAG_MEANINGS"] == "active_layover passive_layover active_shadow passive_shadow"
        with rasterio.open(made[0] / "layover_shadow.tif", overview_level=0) as smaller:
            np.testing.assert_array_equal(smaller.read(1), file.read(1)[::2, ::2])
    with rasterio.open(made[0] / "shadow.tif") as file:
        assert "FLAG_MASKS" not in file.tags()


def test_labels_of_components_are_kept(wide, tmp_path):
    labels = np.random.default_rng(3).integers(0, 300, wide["unwrapped"].shape).astype(np.uint16)
    stack = stack_of(wide.assign(components=wide["unwrapped"].copy(data=labels)), ["components"])
    write_cog(stack, tmp_path)
    with rasterio.open(tmp_path / "20180106_20180118_components.tif") as file:
        np.testing.assert_array_equal(file.read(1), labels[0, 0])
        assert file.dtypes == ("uint16",)


def test_the_layout_is_that_of_a_cog(made):
    """IFDs come first, the largest image's first; then tiles, those of the smallest overview first."""
    with tifffile.TiffFile(made[0] / "20180106_20180118_phase.tif") as file:
        pages = list(file.pages)
        assert [page.shape for page in pages] == [(530, 610), (265, 305)]
        assert [page.is_reduced for page in pages] == [False, True]
        assert all(page.is_tiled for page in pages)
        offsets = [page.offset for page in pages]
        first_tile = min(min(page.dataoffsets) for page in pages)
        assert offsets == sorted(offsets)
        assert offsets[-1] < first_tile
        assert max(pages[1].dataoffsets) < min(pages[0].dataoffsets)


def test_a_folder_of_them_is_the_stack_again(wide, made):
    again = insarflow.open_stack(made[0])
    for name in ("date", "delay", "y", "x", "valid"):
        assert again[name].equals(wide[name]), name
    for name in ("coherence", "unwrapped", "dem"):
        np.testing.assert_array_equal(again[name].values, wide[name].values)
    np.testing.assert_allclose(again["igram"].values, wide["igram"].values, atol=3e-7)


def test_windows_and_chunks_change_no_bit(wide, made, tmp_path, monkeypatch):
    monkeypatch.setattr("insarflow.stack.export.layers.SHARD", 256)
    stack = stack_of(wide.chunk(y=100, x=170)[["igram", "water", "layover_shadow", "valid"]])
    write_cog(stack, tmp_path)
    for path in tmp_path.glob("*.tif"):
        with rasterio.open(path) as file, rasterio.open(made[0] / path.name) as whole:
            np.testing.assert_array_equal(file.read(1), whole.read(1))
        reduced = {"overview_level": 0}
        with rasterio.open(path, **reduced) as file, rasterio.open(made[0] / path.name, **reduced) as whole:
            np.testing.assert_array_equal(file.read(1), whole.read(1))


def test_what_is_there_is_not_made_again(wide, made, forbid_compute):
    stack = stack_of(wide)
    group = next(stack.groups())
    before = {path: path.stat().st_mtime_ns for path in made[1]}
    with forbid_compute():
        write_cogs(group, stack, made[0])
    assert {path: path.stat().st_mtime_ns for path in made[1]} == before


def test_a_full_disk_is_told_and_leaves_nothing(wide, tmp_path):
    stack = stack_of(wide, ["igram"])
    limits, heard = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for most in (100_000, 1_350_000):  # in the images of a window, and in what GDAL makes of them
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
            with pytest.raises(StoreError, match=r"20180106_20180118_phase.tif and its like cannot be written"):
                write_cogs(next(stack.groups()), stack, tmp_path)
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, heard)
