import os
import pickle
import shutil
import time
import uuid
from pathlib import Path

import dask
import fsspec
import numpy as np
import pytest
import xarray as xr
import zarr
from places import die_at, files_of, serving

from insarflow.errors import OutputExistsError, ProductError, StoreError
from insarflow.stack import layout, remote
from insarflow.stack.journal import Journal
from insarflow.stack.remote import Remote, is_url
from insarflow.stack.store import append_pairs, append_stack, build_stack, create_stack, open_stack, write_stack
from insarflow.types import Pair

FIRST, LATER = ["20180106_20180118", "20180118_20180211"], ["20180106_20180115", "20180115_20180127"]
SIZE = (12, 14)


@pytest.fixture
def bucket(tmp_path):
    """Folder of an object store and URL of a store in it."""
    return tmp_path / "bucket" / "s.zarr", f"bucket://{tmp_path}/bucket/s.zarr"


@pytest.fixture
def served(tmp_path):
    """Folder of a web server and its address."""
    (tmp_path / "web").mkdir()
    with serving(tmp_path / "web") as address:
        yield tmp_path / "web", address


@pytest.fixture
def s3(served, monkeypatch):
    """Folder of an object store and URL of a store in it, by the S3 protocol."""
    pytest.importorskip("s3fs")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": served[1]})
    (served[0] / "bucket").mkdir()
    return served[0] / "bucket" / "s.zarr", "s3://bucket/s.zarr"


@pytest.fixture
def small(monkeypatch):
    """Shards of 16 and chunks of 8 pixels."""
    monkeypatch.setattr(layout, "INNER", 8)
    monkeypatch.setattr(layout, "SHARD", 16)


@pytest.fixture
def product(tmp_path, write_tif):
    """Two folders of pairs of phase and coherence: of the first acquisitions, and of one more, 9 days later."""
    rng = np.random.default_rng(5)

    def make(name, pairs):
        for pair in pairs:
            write_tif(tmp_path / name / f"{pair}_phase.tif", rng.uniform(-3, 3, SIZE).astype(np.float32))
            write_tif(tmp_path / name / f"{pair}_coh.tif", rng.uniform(0.1, 1, SIZE).astype(np.float32))
        return tmp_path / name

    return make("first", FIRST), make("later", LATER)


def age(folder, seconds=remote.RECENT + 1):
    """Let what is in a folder be old."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - seconds,) * 2)


def test_whether_an_object_is_there():
    where = Remote(f"memory://{uuid.uuid4()}/s.zarr")
    assert not where.holds("a/c/0")
    where.write("a/c/0", b"1")
    assert where.holds("a/c/0")


def test_is_url():
    assert all(map(is_url, ("s3://a/b", "memory://x", "zip://a::https://h/b.zip", "file:///a")))
    assert not any(map(is_url, ("a.zarr", "/a/b", "C:\\a", "c:/a", "a:b", 3, None)))


@pytest.mark.parametrize("work", [lambda url: open_stack(url), lambda url: build_stack("nowhere", url)])
def test_a_path_is_no_url(work):
    with pytest.raises(TypeError, match=r"must be a URL as text, instead got (source|out)=.*: a Path drops one of its"):
        work(Path("s3://bucket/s.zarr"))


class TestOpen:
    def test_a_web_server(self, stack, served):
        folder, address = served
        path = write_stack(stack, folder / "s.zarr")
        opened = open_stack(f"{address}/s.zarr/")
        assert opened["igram"].chunks == open_stack(path)["igram"].chunks
        xr.testing.assert_identical(opened.compute(), open_stack(path).compute())

    def test_tasks_travel_and_the_graph_is_the_same(self, stack, served, forbid_compute):
        folder, address = served
        write_stack(stack, folder / "s.zarr")
        with forbid_compute():
            data = open_stack(f"{address}/s.zarr")["igram"].data
            assert open_stack(f"{address}/s.zarr")["igram"].data.name == data.name
        graph = pickle.loads(pickle.dumps(data.__dask_graph__()))
        np.testing.assert_array_equal(dask.get(graph, (data.name, 0, 1, 0, 0))[0, 0], stack["igram"][0, 1])
        write_stack(stack, folder / "s.zarr", overwrite=True)
        os.utime(folder / "s.zarr" / "zarr.json", (1e9, 1e9))
        assert open_stack(f"{address}/s.zarr")["igram"].data.name != data.name

    def test_a_version_without_a_word_of_the_server(self, stack, served, monkeypatch):
        """The metadata tell versions apart where the server does not."""
        folder, address = served
        monkeypatch.setattr(remote, "_MARKS", ())
        write_stack(stack, folder / "s.zarr")
        before = open_stack(f"{address}/s.zarr")["igram"].data.name
        write_stack(stack.assign_attrs(heading=1.0), folder / "s.zarr", overwrite=True)
        assert open_stack(f"{address}/s.zarr")["igram"].data.name != before

    def test_a_part_and_another_grid(self, stack, served):
        folder, address = served
        path = write_stack(stack, folder / "s.zarr")
        chosen = {"bbox": (7.01, 45.98, 7.03, 45.99), "delays": [12]}
        part = open_stack(f"{address}/s.zarr", **chosen)
        xr.testing.assert_equal(part.compute(), open_stack(path, **chosen).compute())
        assert open_stack(path, grid=f"{address}/s.zarr").sizes == stack.sizes

    def test_a_file_url_is_a_folder(self, stack, tmp_path):
        path = write_stack(stack, f"file://{tmp_path}/with%20space/s.zarr")
        assert path == tmp_path / "with space" / "s.zarr"
        xr.testing.assert_equal(open_stack(f"file://{tmp_path}/with space/s.zarr").compute(), stack.compute())

    def test_a_zip_at_a_url(self, stack, tmp_path):
        archive = shutil.make_archive(str(tmp_path / "s"), "zip", write_stack(stack, tmp_path / "s.zarr"))
        xr.testing.assert_equal(open_stack(f"zip://::file://{archive}").compute(), stack.compute())
        with pytest.raises(StoreError, match=r"is a zip file: download it, or open it where it is as 'zip://::https"):
            open_stack("https://host/s.zarr.zip")

    @pytest.mark.parametrize(
        ("place", "message"),
        [
            ("{}/none", r"^url='.*/none' holds no Zarr metadata \(zarr\.json\): it is no store, or there is nothing"),
            ("{}/forbidden/s.zarr", r"^url='.*' may not be read or written with these rights: 403.*FSSPEC_S3_ANON"),
            ("{}/broken", r"^url='.*/broken': the server answers 503: 503"),
            (
                "http://127.0.0.1:9/s.zarr",
                r"^url='.*' cannot be reached: .*127\.0\.0\.1:9.*; check the address and the",
            ),
            ("nosuch://host/s.zarr", r"^url='.*' must have a protocol such as s3://, gs://, https://, instead: Proto"),
        ],
    )
    def test_out_of_reach(self, served, place, message):
        with pytest.raises(StoreError, match=message) as caught:
            open_stack(place.format(served[1]))
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize(
        ("url", "message"),
        [
            ("s3://b/s.zarr", r"needs the package s3fs, which is not installed: pip install \"insarflow\[cloud\]\"$"),
            ("gs://b/s.zarr", r"needs the package gcsfs, which is not installed: pip install gcsfs$"),
        ],
    )
    def test_a_package_is_missing(self, monkeypatch, url, message):
        def fail(*args, **options):
            raise ImportError("Install it")

        monkeypatch.setattr(remote.fsspec, "url_to_fs", fail)
        with pytest.raises(StoreError, match=rf"^url='{url}' {message}"):
            open_stack(url)

    def test_damage(self, stack, served):
        folder, address = served
        path, url = write_stack(stack, folder / "s.zarr"), f"{address}/s.zarr"
        (path / "igram" / "c" / "0" / "0" / "0" / "0").write_bytes(b"?")
        with pytest.raises(StoreError, match=r"^source='.*s\.zarr' is damaged: igram cannot be read at "):
            open_stack(url)["igram"][0, 0].load()
        zarr.open_group(path, mode="r+").attrs["schema_version"] = 99
        with pytest.raises(StoreError, match=r"^source='http.*' has schema_version=99, this insarflow reads up to 2"):
            open_stack(url)
        (path / "zarr.json").write_text("{")
        with pytest.raises(StoreError, match=r"^source='http.*' is no Zarr v3 group that can be read"):
            open_stack(url)
        xr.Dataset({"a": ("x", np.arange(3))}).to_zarr(folder / "a.zarr", consolidated=False)
        with pytest.raises(StoreError, match=r"^source='http.*' is a Zarr store of another tool"):
            open_stack(f"{address}/a.zarr")

    def test_metadata_of_absurd_size(self, stack, served, monkeypatch):
        write_stack(stack, served[0] / "s.zarr")
        monkeypatch.setattr(remote, "MAX_METADATA", 1000)
        with pytest.raises(StoreError, match=r"has more than 1000 bytes of metadata: too large to be a stack's$"):
            open_stack(f"{served[1]}/s.zarr")

    def test_a_server_that_goes_away(self, stack, tmp_path):
        write_stack(stack, tmp_path / "s.zarr")
        with serving(tmp_path) as address:
            opened = open_stack(f"{address}/s.zarr")
        with pytest.raises(StoreError, match=r"^url='.*s\.zarr' cannot be reached: "):
            opened["igram"][0, 0].load()

    def test_alone(self, stack, tmp_path):
        path = write_stack(stack, tmp_path / "s.zarr")
        with pytest.raises(
            ProductError, match=r"^a store must be opened by itself, instead got source='memory://x' am"
        ):
            open_stack(["memory://x", path])


class TestWrite:
    def test_same_bytes_as_a_folder(self, product, bucket, tmp_path, small):
        folder, url = bucket
        assert build_stack(product[0], url) == url
        assert files_of(folder) == files_of(build_stack(product[0], tmp_path / "s.zarr"))
        later = [Pair.parse(name) for name in LATER]
        assert append_stack(product[1], url) == append_stack(product[1], tmp_path / "s.zarr") == later
        assert files_of(folder) == files_of(tmp_path / "s.zarr")
        assert append_stack(product[1], url) == []
        assert files_of(folder) == files_of(tmp_path / "s.zarr")

    def test_by_s3(self, product, s3, tmp_path, small):
        folder, url = s3
        build_stack(product[0], url)
        assert files_of(folder) == files_of(build_stack(product[0], tmp_path / "s.zarr"))
        append_stack(product[1], url)
        append_stack(product[1], tmp_path / "s.zarr")
        assert files_of(folder) == files_of(tmp_path / "s.zarr")
        xr.testing.assert_equal(open_stack(url).compute(), open_stack(tmp_path / "s.zarr").compute())
        build_stack(product[1], url, overwrite=True)
        assert files_of(folder) == files_of(build_stack(product[1], tmp_path / "s.zarr", overwrite=True))
        with pytest.raises(StoreError, match=r"may not be read or written with these rights"):
            open_stack("s3://forbidden/s.zarr")

    def test_memory(self, stack, grid):
        url = f"memory://{uuid.uuid4()}/s.zarr"
        xr.testing.assert_equal(open_stack(write_stack(stack, url)).compute(), stack.compute())
        with pytest.raises(
            OutputExistsError, match=r"^the output must not exist, instead got path='memory.*pass overw"
        ):
            create_stack(url, ["20180106"], [12], grid)
        assert not open_stack(create_stack(url, ["20180106"], [12], grid, overwrite=True))["valid"].any()

    def test_overwrite(self, stack, bucket, tmp_path):
        folder, url = bucket
        write_stack(stack, url)
        with pytest.raises(OutputExistsError, match=r"^the output must not exist, instead got path='bucket:"):
            build_stack(tmp_path / "nowhere", url)
        part = stack.isel(date=[0], x=slice(0, 20))
        write_stack(part, url, overwrite=True)
        assert files_of(folder) == files_of(write_stack(part, tmp_path / "s.zarr"))
        (folder / "zarr.json").unlink()
        with pytest.raises(
            OutputExistsError, match=r"^only a Zarr store can be overwritten, and path='bucket:.*is none"
        ):
            write_stack(stack, url, overwrite=True)

    def test_not_by_what_is_read_from_it(self, stack, bucket):
        write_stack(stack, bucket[1])
        before = files_of(bucket[0])
        opened = open_stack(bucket[1])
        for ds in (opened.isel(y=slice(10)), opened.insar.multilook(y=2, x=2)):
            with pytest.raises(
                StoreError, match=r"^path='bucket:.*' cannot be replaced by what is read from it: at a URL"
            ):
                write_stack(ds, bucket[1], overwrite=True)
        assert files_of(bucket[0]) == before

    def test_nothing_is_left_of_a_failure(self, stack, bucket):
        def fail(block):
            raise ProductError("broken")

        broken = stack["coherence"].data.map_blocks(fail, dtype=np.float32, meta=np.empty((0,) * 4, np.float32))
        with pytest.raises(ProductError, match=r"^broken$"):
            write_stack(stack.assign(coherence=(stack["coherence"].dims, broken)), bucket[1])
        assert files_of(bucket[0]) == {}

    def test_what_cannot_be_written(self, stack, served, tmp_path):
        for url in (f"{served[1]}/s.zarr", f"zip://s.zarr::file://{tmp_path}/a.zip"):
            for work in (write_stack, append_pairs):
                with pytest.raises(StoreError, match=rf"^url='{url}' cannot be written: (http|zip) is for reading"):
                    work(stack, url)
        with pytest.raises(StoreError, match=r"^url='http://127\.0\.0\.1:9/s\.zarr' cannot be written: http is for"):
            build_stack(tmp_path, "http://127.0.0.1:9/s.zarr")

    def test_a_full_store(self, stack, bucket, monkeypatch):
        with monkeypatch.context() as patch:

            def full(*args, **options):
                raise OSError(28, "No space left on device")

            patch.setattr(layout.zarr, "open_array", full)
            with pytest.raises(StoreError, match=r"^path='bucket:.*' could not be written: .*No space left.* goes on"):
                write_stack(stack, bucket[1])
        xr.testing.assert_equal(open_stack(write_stack(stack, bucket[1])).compute(), stack.compute())


class TestOthers:
    """Nothing locks an object store: what can be seen of others is."""

    def test_unfinished_is_no_store(self, product, bucket, small):
        folder, url = bucket
        assert not die_at(18, lambda: build_stack(product[0], url))
        assert (folder / "phase").is_dir()
        with pytest.raises(
            StoreError, match=r"^url='bucket:.*' is unfinished: what writes it has not ended, or was stop"
        ):
            open_stack(url)

    def test_another_build(self, product, bucket, small):
        folder, url = bucket
        assert not die_at(18, lambda: build_stack(product[0], url))
        with pytest.raises(
            StoreError, match=r"is being written by other work, or was \d+ s ago: wait until .*unfinished"
        ):
            build_stack(product[1], url)
        age(folder)
        build_stack(product[1], url)
        assert open_stack(url).sizes["delay"] == 2
        assert not die_at(18, lambda: build_stack(product[0], url, overwrite=True))
        build_stack(product[1], url, overwrite=True)

    def test_another_append(self, product, bucket, small, write_tif, tmp_path):
        folder, url = bucket
        build_stack(product[0], url)
        assert not die_at(6, lambda: append_stack(product[1], url))
        for role in ("phase", "coh"):
            write_tif(tmp_path / "other" / f"20180106_20180112_{role}.tif", np.full(SIZE, 0.5, np.float32))
        with pytest.raises(StoreError, match=r"is being written by other work, or was \d+ s ago"):
            append_stack(tmp_path / "other", url)
        age(folder)
        assert append_stack(tmp_path / "other", url) == [Pair.parse("20180106_20180112")]
        opened = open_stack(url)
        assert (opened["delay"] / np.timedelta64(1, "D")).values.tolist() == [6, 12, 24]
        np.testing.assert_allclose(np.angle(opened["igram"][0, 0]), 0.5, atol=1e-4)

    def test_others_that_begin_meanwhile(self, stack, bucket):
        def taken(block):
            Journal("other").write(Remote(bucket[1]), remote.UNFINISHED)
            return block

        late = stack.assign(
            igram=(stack["igram"].dims, stack["igram"].data.map_blocks(taken, meta=np.empty((0,) * 4, np.complex64)))
        )
        with pytest.raises(StoreError, match=r"^path='bucket:.*' is being written by other work, which began later"):
            write_stack(late, bucket[1])
        assert not (bucket[0] / "zarr.json").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
class TestFaults:
    def build_killed(self, product, folder, url, points, wanted):
        for point in points:
            finished = die_at(point, lambda: build_stack(product, url, delays=[12]))
            if not finished:
                if not (folder / "zarr.json").exists():
                    with pytest.raises(StoreError, match=r"is unfinished|holds no Zarr metadata"):
                        open_stack(url)
                build_stack(product, url, delays=[12])
            assert files_of(folder) == wanted
            if finished:
                return point
            shutil.rmtree(folder)
        return None

    def append_killed(self, product, folder, url, points, wanted):
        base = shutil.copytree(folder, folder.with_name("base"))
        before = open_stack(url).sizes["delay"]
        for point in points:
            finished = die_at(point, lambda: append_stack(product, url, delays=[9]))
            assert finished or open_stack(url).sizes["delay"] in (before, before + 1)
            if not finished:
                append_stack(product, url, delays=[9])
            assert files_of(folder) == wanted
            if finished:
                return point
            shutil.rmtree(folder)
            shutil.copytree(base, folder)
        return None

    def test_killed_anywhere_goes_on(self, product, bucket, tmp_path, small):
        whole = build_stack(product[0], tmp_path / "whole.zarr", delays=[12])
        assert self.build_killed(product[0], *bucket, range(1, 100), files_of(whole)) > 18
        append_stack(product[1], whole, delays=[9])
        assert self.append_killed(product[1], *bucket, range(1, 100), files_of(whole)) > 10

    def test_by_s3(self, product, s3, tmp_path, small):
        whole = build_stack(product[0], tmp_path / "whole.zarr", delays=[12])
        assert self.build_killed(product[0], *s3, (18, 1000), files_of(whole)) == 1000
        append_stack(product[1], whole, delays=[9])
        assert self.append_killed(product[1], *s3, (9, 1000), files_of(whole)) == 1000

    def test_overwriting_killed_goes_on(self, product, bucket, tmp_path, small):
        wanted = files_of(build_stack(product[1], tmp_path / "whole.zarr"))
        folder, url = bucket
        build_stack(product[0], url)
        base = shutil.copytree(folder, tmp_path / "base")
        for point in range(1, 5):
            assert not die_at(point, lambda: build_stack(product[1], url, overwrite=True))
            build_stack(product[1], url, overwrite=True)
            assert files_of(folder) == wanted
            shutil.rmtree(folder)
            shutil.copytree(base, folder)

    def test_finished_shards_are_not_computed_again(self, product, bucket, small, monkeypatch):
        folder, url = bucket
        assert not die_at(20, lambda: build_stack(product[0], url))
        done = len(list(folder.rglob("c/*/*/*/*")))
        written = []
        original = layout._write_shard
        monkeypatch.setattr(layout, "_write_shard", lambda *a: (written.append(a[1]), original(*a))[1])
        build_stack(product[0], url)
        assert done > 1
        assert len(written) == 2 * 2 - done
