import os
import pickle
import stat
import zipfile

import dask
import numpy as np
import pytest
import xarray as xr
import zarr

from insarflow.errors import OutputExistsError, ProductError, StoreError
from insarflow.stack import zipped
from insarflow.stack.journal import Journal, journal_of
from insarflow.stack.location import Folder
from insarflow.stack.store import build_stack, open_stack, write_stack
from insarflow.stack.zipping import zip_store


@pytest.fixture
def written(stack, tmp_path):
    return write_stack(stack, tmp_path / "s.zarr")


def pack(store, archive, folder="", compression=zipfile.ZIP_STORED, extra=()):
    """A zip as a user makes it, with entries of folders."""
    with zipfile.ZipFile(archive, "w", compression) as file:
        for path in sorted(store.rglob("*")):
            file.write(path, f"{folder}{path.relative_to(store).as_posix()}")
        for name, data in extra:
            file.writestr(name, data)
    return archive


class TestZipStore:
    def test_opens_here_and_with_zarr(self, stack, written, tmp_path):
        out = zip_store(written, tmp_path / "new" / "s.zarr.zip")
        assert out == tmp_path / "new" / "s.zarr.zip"
        xr.testing.assert_identical(open_stack(out).compute(), open_stack(written).compute())
        with zarr.storage.ZipStore(out, mode="r") as store:
            xr.testing.assert_equal(xr.open_zarr(store).compute(), stack.compute())
        assert [p.name for p in out.parent.iterdir()] == ["s.zarr.zip"]

    def test_same_bytes_and_nothing_compressed(self, written, tmp_path):
        first = zip_store(written, tmp_path / "a.zip")
        for path in written.rglob("*"):
            os.utime(path, (1e9, 1e9))
        assert zip_store(str(written), tmp_path / "b.zip").read_bytes() == first.read_bytes()
        with zipfile.ZipFile(first) as file:
            assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}
            names = file.namelist()
            assert names == sorted(p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file())
            assert all(file.read(name) == (written / name).read_bytes() for name in names)

    def test_whole_or_not_at_all(self, written, tmp_path, monkeypatch):
        out = zip_store(written, tmp_path / "s.zip")
        before = out.read_bytes()
        with pytest.raises(
            OutputExistsError, match=r"^the output must not exist, instead got out='.*s\.zip': pass over"
        ):
            zip_store(written, out)

        def full(*args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("insarflow.stack.zipping.shutil.copyfileobj", full)
            with pytest.raises(StoreError, match=r"^out='.*s\.zip' cannot be written: No space left on device$"):
                zip_store(written, out, overwrite=True)
        assert out.read_bytes() == before
        assert sorted(p.name for p in tmp_path.iterdir()) == ["s.zarr", "s.zip"]
        assert zip_store(written, out, overwrite=True).read_bytes() == before

    def test_wrong(self, written, tmp_path):
        with pytest.raises(ValueError, match=r"^out must be a file that ends in \.zip, instead got out='.*s\.tar'$"):
            zip_store(written, tmp_path / "s.tar")
        with pytest.raises(ValueError, match=r"^out must not lie in the store, instead got out="):
            zip_store(written, written / "s.zip")
        (tmp_path / "folder.zip").mkdir()
        with pytest.raises(OutputExistsError, match=r"^only a file can be overwritten, and out='.*' is a folder$"):
            zip_store(written, tmp_path / "folder.zip", overwrite=True)
        with pytest.raises(StoreError, match=r"^source='.*none' is "):
            zip_store(tmp_path / "none", tmp_path / "s.zip")
        with pytest.raises(StoreError, match=r"^path='s3://b/s\.zarr' must be a store in a folder, instead got a URL"):
            zip_store("s3://b/s.zarr", tmp_path / "s.zip")
        Journal("other", ((0, 0),)).write(*journal_of(Folder(written)))
        with pytest.raises(StoreError, match=r"holds an unfinished append: run the same append again"):
            zip_store(written, tmp_path / "s.zip")
        assert not (tmp_path / "s.zip").exists()


class TestOpen:
    @pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    @pytest.mark.parametrize("folder", ["", "stack.zarr/"])
    def test_root_or_one_folder(self, written, tmp_path, folder, compression):
        archive = pack(written, tmp_path / "a.zarr.zip", folder, compression, [("__MACOSX/x", b""), ("notes.txt", b"")])
        opened = open_stack(archive)
        assert opened["igram"].chunks == open_stack(written)["igram"].chunks
        xr.testing.assert_identical(opened.compute(), open_stack(written).compute())
        assert not (tmp_path / "stack.zarr").exists()

    def test_tasks_travel(self, written, tmp_path):
        data = open_stack(zip_store(written, tmp_path / "s.zip"))["igram"].data
        graph = pickle.loads(pickle.dumps(data.__dask_graph__()))
        key = (data.name, 0, 0, 0, 0)
        np.testing.assert_array_equal(dask.get(graph, key), open_stack(written)["igram"].values[:1, :1])

    def test_is_lazy(self, written, tmp_path, forbid_compute):
        archive = zip_store(written, tmp_path / "s.zip")
        with forbid_compute(), open_stack(archive) as closed:
            assert open_stack(archive)["igram"].data.name == closed["igram"].data.name
        open_stack(archive).load()

    def test_another_version_another_graph(self, stack, written, tmp_path):
        archive = zip_store(written, tmp_path / "s.zip")
        before = open_stack(archive)["igram"].data.name
        other = write_stack(stack.assign(igram=stack["igram"] * 2), tmp_path / "other.zarr")
        zip_store(other, archive, overwrite=True)
        os.utime(archive, (1e9, 1e9))
        opened = open_stack(archive)
        assert opened["igram"].data.name != before
        xr.testing.assert_equal(opened.compute(), open_stack(other).compute())

    def test_a_part_and_another_grid(self, written, tmp_path):
        archive = zip_store(written, tmp_path / "s.zip")
        part = open_stack(archive, bbox=(7.01, 45.98, 7.03, 45.99), delays=[12])
        xr.testing.assert_equal(
            part.compute(), open_stack(written, bbox=(7.01, 45.98, 7.03, 45.99), delays=[12]).compute()
        )
        assert open_stack(written, grid=archive).sizes == open_stack(written).sizes

    def test_several(self, written, tmp_path):
        archive = pack(written, tmp_path / "s.zip", "a.zarr/")
        with zipfile.ZipFile(archive, "a") as file:
            for path in (p for p in written.rglob("*") if p.is_file()):
                file.write(path, f"b.zarr/{path.relative_to(written).as_posix()}")
        with pytest.raises(
            StoreError, match=r"must hold one store, instead got a\.zarr, b\.zarr: open one of them, such"
        ):
            open_stack(archive)
        xr.testing.assert_equal(open_stack(archive / "b.zarr").compute(), open_stack(written).compute())
        with pytest.raises(
            ProductError, match=r"^a store must be opened by itself, instead got source='.*t\.zarr\.zip'"
        ):
            open_stack([zip_store(written, tmp_path / "t.zarr.zip"), archive])

    def test_hostile(self, written, tmp_path, monkeypatch):
        out = pack(written, tmp_path / "out.zip", extra=[("../x", b"")])
        with pytest.raises(ProductError, match=r"must hold files with plain names below it, instead got '\.\./x'"):
            open_stack(out)
        monkeypatch.setattr(zipped, "MAX_OBJECT", 1000)
        with pytest.raises(StoreError, match=r"^source='.*' holds '.*' of \d+ bytes: too large to be a stack's$"):
            open_stack(zip_store(written, tmp_path / "large.zip"))

    def test_damaged(self, written, tmp_path):
        archive = zip_store(written, tmp_path / "s.zip")
        data = bytearray(archive.read_bytes())
        with zipfile.ZipFile(archive) as file:
            info = file.getinfo("igram/c/0/0/0/0")
        data[info.header_offset + 200] ^= 0xFF
        archive.write_bytes(data)
        with pytest.raises(StoreError, match=r"^source='.*s\.zip' is damaged: igram cannot be read at "):
            open_stack(archive)["igram"][0, 0].load()
        archive.write_bytes(data[:-30])
        with pytest.raises(ProductError, match=r"must be a zip archive, instead it is damaged or none"):
            open_stack(archive)

    def test_another_tools(self, tmp_path):
        xr.Dataset({"a": ("x", np.arange(3))}).to_zarr(tmp_path / "a.zarr", consolidated=False)
        with pytest.raises(
            StoreError, match=r"^source='.*a\.zip' is a Zarr store of another tool: it has no schema_ver"
        ):
            open_stack(pack(tmp_path / "a.zarr", tmp_path / "a.zip"))

    def test_a_product_is_one_still(self, folder, tmp_path):
        archive = pack(folder, tmp_path / "product.zip")
        assert open_stack(archive).sizes == open_stack(folder).sizes
        assert stat.S_ISREG(archive.stat().st_mode)
        with pytest.raises(OutputExistsError, match=r"^the output must not exist"):
            build_stack(folder, archive)
