import json

import dask
import numpy as np
import pytest
import rasterio
from affine import Affine

from insarflow.errors import GridMismatchError, ProductError
from insarflow.schema import recipe_of, validate
from insarflow.stack.readers import files, geotiff
from insarflow.stack.readers.geotiff import read_geotiff_pairs

PHASE = np.linspace(-3, 3, 1500, dtype=np.float32).reshape(30, 50)


def only(ds):
    """The one interferogram of a stack, as arrays by name."""
    assert ds["valid"].values.all()
    return {name: ds[name].values[0, 0] for name in ("igram", "coherence", "unwrapped", "amplitude") if name in ds}


def test_pyrate_names(folder):
    ds = validate(read_geotiff_pairs(folder))
    assert list(ds.data_vars) == ["igram", "coherence", "unwrapped", "valid", "fingerprint", "dem"]
    assert ds.sizes == {"date": 2, "delay": 2, "y": 30, "x": 50}
    np.testing.assert_array_equal(ds["valid"], [[True, False], [False, True]])
    unwrapped, igram = ds["unwrapped"].values[0, 0], ds["igram"].values[0, 0]
    assert np.isnan(unwrapped[:3]).all()
    np.testing.assert_array_equal(np.isnan(igram), np.isnan(unwrapped))
    np.testing.assert_array_equal(np.isnan(ds["coherence"].values[0, 0]), np.isnan(unwrapped))
    np.testing.assert_allclose(igram[3:], np.exp(1j * unwrapped[3:].astype(float)), atol=1e-6)
    assert "wavelength" not in ds.attrs
    assert json.loads(ds.attrs["ignored_files"]) == []


def test_recipe_says_what_was_done(folder):
    step = recipe_of(read_geotiff_pairs(folder)).steps[0]
    assert step.pop("sha") == recipe_of(read_geotiff_pairs(folder)).steps[0]["sha"]
    assert step == {
        "operation": "read",
        "product": "geotiff pairs",
        "files": 5,
        "phase_sign": "kept",
        "date_order": "earlier first",
        "nodata": {"coherence": [0.0], "unwrapped": [0.0]},
        "scale": {},
        "interferogram": "phase",
    }


def test_hash_follows_the_files(folder, write_tif):
    before = recipe_of(read_geotiff_pairs(folder)).steps[0]["sha"]
    write_tif(folder / "coh" / "a_20180106-20180118_flat_eqa_cc.tif", np.full((30, 50), 0.5, np.float32))
    assert recipe_of(read_geotiff_pairs(folder)).steps[0]["sha"] != before


@pytest.mark.usefixtures("no_compute")
def test_lazy_and_repeatable(folder):
    first, second = read_geotiff_pairs(folder), read_geotiff_pairs(folder)
    for name in ("igram", "coherence", "unwrapped", "dem"):
        assert dask.is_dask_collection(first[name].data)
        assert first[name].data.name == second[name].data.name


def test_wrapped_pair_named_by_its_folder(tmp_path, write_tif):
    root = tmp_path / "ifg_20230904_20230916"
    phase = PHASE.copy()
    phase[0], phase[5] = -9999, 0
    amplitude = np.full((30, 50), 2.0, np.float32)
    amplitude[1] = 0
    write_tif(root / "phi_vv.tif", phase, nodata=-9999)
    write_tif(root / "amp_prm_vv.tif", amplitude)
    write_tif(root / "amp_sec_vv.tif", amplitude * 3)
    for source in (tmp_path, root):
        ds = read_geotiff_pairs(source)
        found = only(ds)
        assert np.isnan(found["igram"][0]).all()
        np.testing.assert_array_equal(found["igram"][5], 1)  # a phase of exactly 0 is a measurement
        np.testing.assert_allclose(np.abs(found["igram"][1:]), 1, atol=1e-6)
        np.testing.assert_allclose(np.angle(found["igram"][6:]), PHASE[6:], atol=1e-6)
        np.testing.assert_array_equal(np.isnan(found["amplitude"]), amplitude == 0)
        assert np.nanmax(found["amplitude"]) == 2
        assert json.loads(ds.attrs["ignored_files"])[0].endswith("amp_sec_vv.tif")
    alone = read_geotiff_pairs(root / "phi_vv.tif")
    assert list(alone.data_vars) == ["igram", "valid", "fingerprint"]


def test_snap_export(tmp_path, write_tif):
    phase = PHASE.copy()
    phase[0] = 0
    write_tif(tmp_path / "phase" / "IW1_VV_06Jan2023_12Jan2023_pha.tif", phase)
    write_tif(tmp_path / "coherence" / "IW1_VV_06Jan2023_12Jan2023_coh.tif", np.full((30, 50), 0.5, np.float32))
    ds = read_geotiff_pairs(tmp_path)
    assert np.isnan(only(ds)["igram"][0]).all()
    assert recipe_of(ds).steps[0]["product"] == "snap geotiff"
    assert recipe_of(ds).steps[0]["nodata"]["phase"] == [0.0, -9999.0]


def test_wrapped_and_unwrapped_are_both_kept(tmp_path, write_tif):
    write_tif(tmp_path / "20230106_20230112.geo.diff_pha.tif", PHASE)
    write_tif(tmp_path / "20230106_20230112.geo.unw.tif", PHASE + 7)
    found = only(read_geotiff_pairs(tmp_path))
    np.testing.assert_allclose(np.angle(found["igram"]), PHASE, atol=1e-6)
    np.testing.assert_array_equal(found["unwrapped"], PHASE + 7)


def test_byte_coherence(tmp_path, write_tif):
    write_tif(tmp_path / "20230106_20230112.geo.unw.tif", PHASE)
    write_tif(tmp_path / "20230106_20230112.geo.cc.tif", np.arange(1500).reshape(30, 50).astype(np.uint8))
    found = only(read_geotiff_pairs(tmp_path))["coherence"]
    assert np.isnan(found[0, 0])
    np.testing.assert_allclose(found[0, 1:], np.arange(1, 50) / 255, rtol=1e-6)


def test_complex_interferogram(tmp_path, write_tif):
    z = (np.exp(1j * PHASE) * 5).astype(np.complex64)
    z[0] = 0
    write_tif(tmp_path / "20230106_20230112.int.tif", z)
    found = only(read_geotiff_pairs(tmp_path))["igram"]
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1:], z[1:])
    write_tif(tmp_path / "20230106_20230112.unw.tif", z)
    with pytest.raises(ProductError, match=r"^file='.*unw\.tif' must be real \(unwrapped\), instead got <c8"):
        read_geotiff_pairs(tmp_path)


def test_what_is_not_looked_at(folder, tmp_path, write_tif):
    outside = write_tif(tmp_path / "outside" / "20200101_20200113_unw.tif", PHASE)
    for place in (".hidden", "A.SAFE/measurement", "s.zarr"):
        write_tif(folder / place / "20200101_20200113_unw.tif", PHASE)
    (folder / "link.tif").symlink_to(outside)
    (folder / "20200101_20200113_link_unw.tif").symlink_to(outside)
    (folder / "linked").symlink_to(outside.parent)
    (folder / "same_20200201_20200213_unw.tif").symlink_to(folder / "unw" / "a_20180106-20180118_eqa_unw.tif")
    ds = read_geotiff_pairs(folder)
    assert int(ds["valid"].sum()) == 3
    assert np.datetime64("2020-02-01") in ds["date"].values
    assert np.datetime64("2020-01-01") not in ds["date"].values


def test_rasters_left_over_are_listed(folder, write_tif, monkeypatch):
    write_tif(folder / "other_dem.tif", np.ones((3, 4), np.float32))
    write_tif(folder / "z_dem.tif", np.ones((30, 50), np.float32))
    write_tif(folder / "coh_mean.tif", PHASE)
    write_tif(folder / "20200101_20200113_cc.tif", PHASE)
    ds = read_geotiff_pairs(folder)
    expected = ["20200101_20200113_cc.tif", "coh_mean.tif", "other_dem.tif", "z_dem.tif"]
    assert json.loads(ds.attrs["ignored_files"]) == expected
    assert int(ds["valid"].sum()) == 2
    monkeypatch.setattr(geotiff, "MAX_IGNORED", 1)
    assert json.loads(read_geotiff_pairs(folder).attrs["ignored_files"]) == [expected[0], "and 3 more"]


class TestErrors:
    def test_unknown_product(self, tmp_path):
        (tmp_path / "a.h5").write_text("x")
        with pytest.raises(
            ProductError, match=r"^source='.*a\.h5' is of no known product: give a stack store, a GeoTIFF"
        ):
            read_geotiff_pairs(tmp_path / "a.h5")

    def test_no_pair(self, tmp_path, write_tif):
        write_tif(tmp_path / "picture.tif", PHASE)
        write_tif(tmp_path / "20180106_20180118_cc.tif", PHASE)
        with pytest.raises(
            ProductError, match=r"^source='.*' holds no interferogram .* among 2 GeoTIFF files: it must have"
        ):
            read_geotiff_pairs(tmp_path)

    def test_later_date_first(self, tmp_path, write_tif):
        write_tif(tmp_path / "20180118_20180106_unw.tif", PHASE)
        with pytest.raises(
            ProductError, match=r"^file='.*20180118_20180106_unw\.tif' must be named earlier date first, .*: rename it"
        ):
            read_geotiff_pairs(tmp_path)

    def test_pair_twice(self, tmp_path, write_tif):
        write_tif(tmp_path / "20180106_20180118_vv_unw.tif", PHASE)
        write_tif(tmp_path / "20180106_20180118_vh_unw.tif", PHASE)
        with pytest.raises(
            ProductError,
            match=r"^pair 20180106_20180118 must be there once, instead its unwrapped is in file='.*vh.*vv.*: open a",
        ):
            read_geotiff_pairs(tmp_path)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"crs": "EPSG:32632"},
                r"share one lattice of pixels, instead got file='.*118_flat.*' in EPSG:4326 and "
                r"file='.*211_flat.*' in EPSG:32632: have them resampled with "
                r"crs='EPSG:4326', or insarflow build --crs EPSG:4326$",
            ),
            (
                {"transform": Affine(0.002, 0, 7.0, 0, -0.002, 46.0)},
                r"share one lattice of pixels, instead got file='.*118_flat.*' with pixels of 0\.001 x 0\.001 and "
                r"file='.*211_flat.*' with pixels of 0\.002 x 0\.002: have them "
                r"resampled with resolution=0\.001, or insarflow build --resolution 0\.001$",
            ),
            (
                {"transform": Affine(0.001, 0, 7.0003, 0, -0.001, 46.0)},
                r"share one lattice of pixels, instead got file='.*118_flat.*' from \(x, y\) = \(7, 46\) and "
                r"file='.*211_flat.*' 0\.3 pixels off its pixels: have them resampled with "
                r"grid='union', or insarflow build --grid union$",
            ),
            (
                {"transform": Affine(0.001, 0, 8.0, 0, -0.001, 46.0)},
                r"be of one region, instead got file='.*118_flat.*' and, far from it, file='.*211_flat.*': "
                r"open each region's folder by itself$",
            ),
        ],
    )
    def test_mismatched_grids(self, folder, write_tif, options, message):
        write_tif(folder / "coh" / "a_20180118-20180211_flat_eqa_cc.tif", PHASE, **options)
        with pytest.raises(GridMismatchError, match=r"^all images must " + message):
            read_geotiff_pairs(folder)

    @pytest.mark.parametrize("role", ["unw/a_20180106-20180118_eqa_unw.tif", "dem.tif"])
    def test_truncated(self, folder, role):
        with (folder / role).open("r+b") as stream:
            stream.truncate(1000)
        with pytest.raises(ProductError, match=rf"^file='.*{role}' is truncated"):
            read_geotiff_pairs(folder)

    def test_truncated_in_the_middle(self, folder, write_tif):
        path = write_tif(folder / "unw" / "a_20180106-20180118_eqa_unw.tif", PHASE, compress="deflate", blockysize=1)
        content = bytearray(path.read_bytes())
        content[len(content) // 3 : len(content) // 2] = b"\xff" * (len(content) // 2 - len(content) // 3)
        path.write_bytes(content)
        ds = read_geotiff_pairs(folder)
        with pytest.raises(
            ProductError, match=r"^file='.*20180118_eqa_unw\.tif' cannot be read, it is truncated or damaged"
        ):
            ds["igram"].isel(date=0, delay=0).compute()

    def test_phase_that_is_none(self, tmp_path, write_tif):
        write_tif(tmp_path / "20180106_20180118_diff.tif", PHASE * 40)
        with pytest.raises(ProductError, match=r"^file='.*diff\.tif' must hold values within \(-6\.29"):
            read_geotiff_pairs(tmp_path)["igram"].compute()

    def test_too_many_files(self, folder, monkeypatch):
        monkeypatch.setattr(files, "MAX_FILES", 3)
        with pytest.raises(ProductError, match=r"^source='.*product' must hold at most 3 files: open a smaller folder"):
            read_geotiff_pairs(folder)


def test_byte_coherence_is_noted_and_a_declared_scale_wins(tmp_path, write_tif):
    path = tmp_path / "20230106_20230112.geo.cc.tif"
    write_tif(tmp_path / "20230106_20230112.geo.unw.tif", PHASE)
    codes = np.full((30, 50), 100, np.uint8)
    write_tif(path, codes)
    assert recipe_of(read_geotiff_pairs(tmp_path)).steps[0]["scale"] == {"coherence": 1 / 255}
    with rasterio.open(path, "r+") as file:
        file.scales = (0.005,)
    ds = read_geotiff_pairs(tmp_path)
    np.testing.assert_allclose(only(ds)["coherence"], 0.5, rtol=1e-6)
    assert recipe_of(ds).steps[0]["scale"] == {}


def test_infinite_values_are_missing(tmp_path, write_tif):
    phase = PHASE.copy()
    phase[3, 4] = np.inf
    write_tif(tmp_path / "20230106_20230112.unw.tif", phase)
    found = only(read_geotiff_pairs(tmp_path))
    assert np.isnan(found["unwrapped"][3, 4])
    assert np.isnan(found["igram"][3, 4])
    assert np.isnan(found["unwrapped"]).sum() == 1


def test_undeclared_nodata_in_unwrapped_phase(tmp_path, write_tif):
    phase = PHASE.copy()
    phase[:5] = -9999.0
    write_tif(tmp_path / "20230106_20230112.unw.tif", phase)
    with pytest.raises(ProductError, match="its no-data value is not declared"):
        read_geotiff_pairs(tmp_path)["igram"].compute()


def test_rounding_of_coherence_is_clipped(tmp_path, write_tif):
    write_tif(tmp_path / "20230106_20230112.unw.tif", PHASE)
    write_tif(tmp_path / "20230106_20230112.cc.tif", np.linspace(-0.05, 1.05, 1500, dtype=np.float32).reshape(30, 50))
    found = only(read_geotiff_pairs(tmp_path))["coherence"]
    assert (found.min(), found.max()) == (0.0, 1.0)
