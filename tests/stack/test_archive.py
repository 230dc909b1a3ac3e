import struct
import warnings
import zipfile

import numpy as np
import pytest
import rasterio

from insarflow.errors import ProductError, StoreError
from insarflow.stack import archive
from insarflow.stack.archive import archive_of, changed, file_version, gdal_name, list_members, read_starts
from insarflow.stack.store import open_stack

PHASE = np.linspace(-3, 3, 1500, dtype=np.float32).reshape(30, 50)


def zipped(path, members, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", **options) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        for name, content in members:
            file.writestr(name, content)
    return path


def test_plain_paths_are_themselves(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"hello")
    assert archive_of(path) is None
    assert gdal_name(path) == str(path)
    assert file_version(path) == (5, path.stat().st_mtime_ns)
    assert list(read_starts([path], 3)) == [b"hel"]
    (tmp_path / "folder.zip").mkdir()
    assert archive_of(tmp_path / "folder.zip" / "a.tif") is None


def test_members(tmp_path):
    path = zipped(tmp_path / "a.ZIP", [("x/", ""), ("x/b.txt", b"hello"), ("c.txt", b"")], compression=8)
    members = list_members(path)
    assert members == [path / "x/b.txt", path / "c.txt"]
    assert archive_of(members[0]) == path
    assert file_version(members[0]) == (5, path.stat().st_mtime_ns)
    assert changed(members[0]) == path.stat().st_mtime_ns
    plain = tmp_path / "p.txt"
    plain.write_bytes(b"plain")
    assert list(read_starts([members[0], plain, members[0], members[1]], 4)) == [b"hell", b"plai", b"hell", b""]


@pytest.mark.parametrize("folder", ["plain", "has space ä", "x.zip", "odd}brace", "{odd}"])
def test_gdal_finds_it(tmp_path, write_tif, folder):
    tif = write_tif(tmp_path / "a.tif", PHASE)
    path = zipped(tmp_path / folder / "b.zip", [("in ner/ä.tif", tif.read_bytes())], compression=8)
    with rasterio.open(gdal_name(path / "in ner/ä.tif"), driver="GTiff") as source:
        np.testing.assert_array_equal(source.read(1), PHASE)


def test_a_new_version_is_read_anew(tmp_path):
    path = zipped(tmp_path / "a.zip", [("a", b"1")])
    assert len(list_members(path)) == 1
    zipped(path, [("a", b"1"), ("b", b"2")])
    assert len(list_members(path)) == 2


class TestHostile:
    @pytest.mark.parametrize("name", ["../a.tif", "/etc/a.tif", "x/../../a.tif", "x\\..\\a.tif", "./a.tif", "x//a.tif"])
    def test_names_that_lead_out(self, tmp_path, name):
        path = zipped(tmp_path / "a.zip", [(name, b"")])
        with pytest.raises(ProductError, match=r"^file='.*a\.zip' must hold files with plain names below it, instead"):
            list_members(path)

    def test_encrypted(self, tmp_path):
        path = zipped(tmp_path / "a.zip", [("a.tif", b"x")])
        content = bytearray(path.read_bytes())
        content[content.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(content)
        with pytest.raises(ProductError, match=r"^file='.*a\.zip' must not be encrypted, instead 'a\.tif' is: unzip"):
            list_members(path)

    def test_absurd(self, tmp_path, monkeypatch):
        path = zipped(tmp_path / "a.zip", [("a.tif", b"xyz"), ("b.tif", b"x")])
        for limit, value, message in (
            ("MAX_DIRECTORY", 9, r"must have a table of at most 9 bytes, instead got \d+$"),
            ("MAX_MEMBERS", 1, r"must hold at most 1 files, instead got 2: unzip it$"),
            ("MAX_MEMBER", 2, r"must hold sane files, instead it has 'a\.tif' of 3 bytes: unzip it$"),
        ):
            archive._contents.cache_clear()
            monkeypatch.setattr(archive, limit, value)
            with pytest.raises(ProductError, match=r"^file='.*a\.zip' " + message):
                list_members(path)
            monkeypatch.undo()

    def test_a_table_that_says_it_is_huge(self, tmp_path):
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**50, 0)
        (tmp_path / "a.zip").write_bytes(record + b"PK\x05\x06" + bytes(18))
        with pytest.raises(ProductError, match="must have a table of at most"):
            list_members(tmp_path / "a.zip")

    def test_same_name_twice(self, tmp_path):
        path = zipped(tmp_path / "a.zip", [("a.tif", b"x"), ("a.tif", b"y")])
        with pytest.raises(ProductError, match=r"instead it has 'a\.tif' twice"):
            list_members(path)

    @pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06", b"PK\x05\x06" + b"\xff" * 18])
    def test_none(self, tmp_path, content):
        (tmp_path / "a.zip").write_bytes(content)
        with pytest.raises(ProductError, match=r"^file='.*a\.zip' must "):
            list_members(tmp_path / "a.zip")

    def test_any_damage_is_one_error(self, tmp_path):
        path = zipped(tmp_path / "a.zip", [("a.tif", bytes(500)), ("b.tif", bytes(900))], compression=8)
        whole = path.read_bytes()
        rng = np.random.default_rng(0)
        for _ in range(150):
            content = bytearray(whole)
            for at in rng.integers(0, len(whole), 3):
                content[at] = rng.integers(256)
            path.write_bytes(content[: rng.integers(1, len(whole) + 1)])
            archive._contents.cache_clear()
            try:
                list(read_starts(list_members(path), 100))
            except ProductError:
                continue

    def test_member_that_went_away(self, tmp_path):
        path = zipped(tmp_path / "a.zip", [("a.tif", b"x")])
        for read in (file_version, lambda p: list(read_starts([p], 5))):
            with pytest.raises(ProductError, match=r"^file='.*a\.zip' must hold 'b\.tif'"):
                read(path / "b.tif")


class TestOpened:
    """A product in zip files is the product."""

    @pytest.fixture
    def zips(self, folder, tmp_path):
        """`folder` in one zip file, and a folder with a zip file for each pair."""
        whole = tmp_path / "zips" / "all.zip"
        files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
        zipped(whole, [(str(p.relative_to(folder)), p.read_bytes()) for p in files], compression=8)
        for pair in ("20180106-20180118", "20180118-20180211"):
            mine = [p for p in files if pair in p.name or p.name == "dem.tif"]
            zipped(tmp_path / "each" / f"{pair}.zip", [(f"{pair}/{p.name}", p.read_bytes()) for p in mine])
        return whole

    @pytest.mark.parametrize("place", ["zips/all.zip", "zips", "zips/*.zip", "each", "each/*.zip"])
    def test_same_values(self, folder, zips, tmp_path, place):
        expected, found = open_stack(folder, hash_files=True), open_stack(str(tmp_path / place), hash_files=True)
        assert found.drop_attrs().compute().identical(expected.drop_attrs().compute())

    def test_same_recipe(self, folder, zips):
        assert open_stack(zips).attrs["recipe"] == open_stack(folder).attrs["recipe"]

    def test_places_inside(self, folder, zips):
        alone = open_stack(zips / "unw" / "a_20180106-20180118_eqa_unw.tif")
        np.testing.assert_array_equal(alone["unwrapped"], open_stack(folder)["unwrapped"][:1, :1])
        assert open_stack(zips / "unw")["unwrapped"].equals(open_stack(folder)["unwrapped"])
        with pytest.raises(ProductError, match=r"^the source must exist, instead got .*: did you mean 'unw'\?$"):
            open_stack(zips / "unv")

    @pytest.mark.usefixtures("no_compute")
    def test_lazy_and_repeatable(self, zips):
        assert open_stack(zips)["igram"].data.name == open_stack(zips)["igram"].data.name

    def test_changed_since(self, zips):
        ds = open_stack(zips)
        content = zips.read_bytes()
        zips.write_bytes(content + b" ")
        with pytest.raises(ProductError, match=r"^file='.*all\.zip/.*\.tif' was changed after it was opened"):
            ds["igram"].compute()
        zips.unlink()
        with pytest.raises(ProductError, match=r"^file='.*all\.zip/.*\.tif' cannot be read"):
            ds["igram"].compute()

    @pytest.mark.parametrize("inside", ["product/", ""])
    def test_an_archive_beside_what_was_in_it(self, folder, tmp_path, inside):
        expected = open_stack(folder)
        files = [(inside + str(p.relative_to(folder)), p.read_bytes()) for p in folder.rglob("*.tif")]
        zipped(tmp_path / "product.zip", files)
        found = open_stack(tmp_path)
        assert found.drop_attrs().equals(expected.drop_attrs())
        (tmp_path / "product.zip").unlink()
        found["igram"].compute()

    def test_archives_inside_stay_closed(self, folder, zips, tmp_path):
        zipped(folder / "more.zip", [("inner.zip", zips.read_bytes()), ("x.SAFE/20180106_20180118_unw.tif", b"?")])
        assert int(open_stack(folder)["valid"].sum()) == 2

    def test_a_store_deep_in_a_zip(self, tmp_path):
        path = zipped(tmp_path / "s.zarr.zip", [("a/s.zarr/zarr.json", "{}"), ("a/s.zarr/igram/zarr.json", "{}")])
        with pytest.raises(ProductError, match=r"^file='.*s\.zarr\.zip' holds a Zarr store: unzip it and open the fol"):
            open_stack(path)
        assert not issubclass(ProductError, StoreError)

    def test_parameters_of_gamma(self, folder, tmp_path):
        fields = "date: 2018 01 06\nsensor: S1A\nradar_frequency: 5.405e9 Hz\nazimuth_lines: 9\nrange_samples: 9\n"
        fields += "start_time: 1\nazimuth_line_time: 1\nnear_range_slc: 1\nrange_pixel_spacing: 1\n"
        files = [(p.name, p.read_bytes()) for p in folder.rglob("*20180106-*.tif")]
        ds = open_stack(zipped(tmp_path / "g.zip", [*files, ("r20180106_mli.par", fields)]))
        assert ds.attrs["platform"] == "S1A"
        assert ds.attrs["wavelength"] == pytest.approx(0.0554658, abs=1e-6)
