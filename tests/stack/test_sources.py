import os

import numpy as np
import pytest

from insarflow.errors import ProductError
from insarflow.stack.sources import as_path, find_sources
from insarflow.stack.store import open_stack, write_stack


def test_one_and_several(folder):
    unw, coh = folder / "unw", folder / "coh"
    assert find_sources(unw) == [unw]
    assert find_sources([unw, str(coh), unw]) == [unw, coh]
    assert find_sources(f"{folder}/unw/*_unw.tif") == sorted(unw.glob("*.tif"))
    assert find_sources(f"{folder}/**/*_unw.tif") == sorted(unw.glob("*.tif"))
    assert find_sources([f"{folder}/*", coh]) == [coh, folder / "dem.tif", unw]


def test_relative_and_home(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    monkeypatch.setenv("HOME", str(folder))
    assert find_sources("product") == [folder]
    assert find_sources("~/unw") == [folder / "unw"]


def test_a_name_that_looks_like_a_glob(folder):
    odd = folder / "a[1]"
    odd.mkdir()
    assert find_sources(odd) == [odd]


def test_same_stack_by_any_name(folder):
    expected = open_stack(folder)
    for source in (str(folder), [folder / "unw", folder / "coh", folder / "dem.tif"], f"{folder}/*"):
        found = open_stack(source)
        assert found.drop_attrs().equals(expected.drop_attrs())
        assert found.attrs["recipe"] == expected.attrs["recipe"]
    assert "coherence" not in open_stack(f"{folder}/unw/*_unw.tif")


def test_files_of_a_glob_know_their_side_cars(folder):
    text = "date: 2018 01 06\nsensor: S1A\nazimuth_lines: 9\nrange_samples: 9\nstart_time: 1\n"
    text += "azimuth_line_time: 1\nnear_range_slc: 1\nrange_pixel_spacing: 1\n"
    (folder / "unw" / "20180106_mli.par").write_text(text)
    (folder / "unw" / "deep").mkdir()
    (folder / "unw" / "a_20180106-20180118_eqa_unw.tif").rename(folder / "unw/deep/a_20180106-20180118_eqa_unw.tif")
    ds = open_stack(f"{folder}/unw/**/*_unw.tif")
    assert int(ds["valid"].sum()) == 2
    assert ds.attrs["platform"] == "S1A"


class TestErrors:
    @pytest.mark.parametrize("source", [None, 3, {"a": 1}, [None], b"bytes", "", [""]])
    def test_kinds(self, source):
        with pytest.raises(TypeError, match=r"^source must be a path"):
            open_stack(source)

    def test_none_of_several(self):
        with pytest.raises(ValueError, match=r"^source must name at least one path, instead got none$"):
            open_stack([])

    def test_as_path(self):
        with pytest.raises(TypeError, match=r"^out must be a path, instead got out=None \(NoneType\)$"):
            as_path(None, "out")

    def test_missing(self, folder):
        with pytest.raises(
            ProductError, match=r"^the source must exist, instead got source='.*/prodct': did you mean 'product'\?$"
        ):
            open_stack(folder.parent / "prodct")
        for nowhere in ("/nowhere/at/all", "~nobody-of-this-name/x", "a\0b", "x" * 5000):
            with pytest.raises(ProductError, match=r"^the source must exist, instead got source="):
                open_stack(nowhere)

    def test_glob_of_nothing(self, folder):
        with pytest.raises(ProductError, match=r"^source='.*/\*_wrapped\.tif' matches nothing: check the pattern"):
            open_stack(f"{folder}/*_wrapped.tif")
        (folder / "a.txt").write_text("")
        with pytest.raises(
            ProductError, match=r"must match folders, zip files or GeoTIFFs, instead got 1 others such as '.*a\.txt'"
        ):
            open_stack(f"{folder}/*.txt")

    def test_a_store_among_others(self, folder, stack, tmp_path):
        path = write_stack(stack, tmp_path / "s.zarr")
        with pytest.raises(ProductError, match=r"^a store must be opened by itself, instead got source='.*s\.zarr'"):
            open_stack([folder, path])

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_forbidden(self, folder):
        folder.chmod(0)
        try:
            with pytest.raises(ProductError, match=r"cannot be read: Permission denied"):
                open_stack(folder / "unw")
        finally:
            folder.chmod(0o755)

    @pytest.mark.parametrize(
        "names",
        [
            ["S1A_IW_SLC__1SDV_20180106T063730_20180106T063757_050174_0609E3_DAA1.SAFE"],
            ["20180106_vv.tif", "20180118_vv.tif"],
            ["20180106_amp.tif", "mean.tif"],
        ],
    )
    def test_single_dates(self, tmp_path, write_tif, names):
        for name in names:
            if name.endswith(".SAFE"):
                (tmp_path / name / "measurement").mkdir(parents=True)
            else:
                write_tif(tmp_path / name, np.ones((3, 4), np.float32))
        with pytest.raises(
            ProductError, match=rf"holds images of one date each, such as '{names[0]}': an interferogram needs two"
        ):
            open_stack(tmp_path)
