import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from places import die_at, files_of

from insarflow.errors import GridMismatchError, ProductError, ProductWarning, SchemaError, StoreError
from insarflow.stack import layout
from insarflow.stack.journal import locked
from insarflow.stack.store import append_pairs, append_stack, build_stack, open_stack, write_stack
from insarflow.types import Pair
from insarflow.workflows.plan import plan_build

FIRST, LATER = ["20180106_20180118", "20180118_20180211"], ["20180106_20180115", "20180115_20180127"]

SIZE = (12, 24)


def digest(path):
    return hashlib.sha256(repr(sorted(files_of(path).items())).encode()).hexdigest()


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
        root = tmp_path / name
        for pair in pairs:
            write_tif(root / f"{pair}_phase.tif", rng.uniform(-3, 3, SIZE).astype(np.float32))
            write_tif(root / f"{pair}_coh.tif", rng.uniform(0.1, 1, SIZE).astype(np.float32))
        return root

    return make("first", FIRST), make("later", LATER)


class TestAppend:
    def test_only_new_pairs_and_no_byte_of_the_old(self, product, tmp_path, small):
        first, later = product
        path = build_stack(first, tmp_path / "s.zarr")
        before = {k: v for k, v in files_of(path).items() if "/c/" in k and k.split("/")[0] in ("phase", "coherence")}
        assert append_stack(later, path) == [Pair.parse(name) for name in LATER]
        after = files_of(path)
        assert before == {k: after[k] for k in before}
        np.testing.assert_array_equal(zarr.open_group(path, mode="r")["delay"][...], [12, 24, 9])  # in order of arrival
        opened = open_stack(path)
        assert (opened["delay"] / np.timedelta64(1, "D")).values.tolist() == [9, 12, 24]
        both = open_stack([first, later])
        xr.testing.assert_allclose(opened[["igram"]].compute(), both[["igram"]].compute(), atol=1e-4)
        np.testing.assert_array_equal(opened["valid"], both["valid"])
        plain = xr.open_zarr(path)
        assert plain["phase"].dims == ("date", "delay", "y", "x")
        assert np.isfinite(plain["phase"].sel(delay=np.timedelta64(9, "D")).isel(date=0)).all()
        assert sorted(p.name for p in tmp_path.iterdir() if "zarr" in p.name and "lock" not in p.name) == ["s.zarr"]

    def test_coherence_is_kept_as_in_the_store(self, product, tmp_path):
        path = build_stack(product[0], tmp_path / "s.zarr", coherence="uint16")
        append_stack(product[1], path)
        assert zarr.open_group(path, mode="r")["coherence"].dtype == np.uint16
        both = open_stack(list(product))["coherence"]
        np.testing.assert_allclose(open_stack(path)["coherence"], both, atol=8e-6)

    def test_is_idempotent(self, product, tmp_path):
        path = build_stack(product[0], tmp_path / "s.zarr")
        before = digest(path)
        assert append_stack(product[0], path) == []
        assert digest(path) == before

    def test_nothing_in_the_area(self, product, tmp_path, write_tif):
        """A pair without a pixel in the bbox leaves no date and no shard behind."""
        box = (7.0, 45.994, 7.01, 46.0)
        path = build_stack(product[0], tmp_path / "s.zarr", bbox=box)
        before = digest(path)
        other, hollow = tmp_path / "other", np.full(SIZE, np.nan, np.float32)
        hollow[-1, -1] = 0.5
        for role in ("phase", "coh"):
            write_tif(other / f"20180106_20180112_{role}.tif", hollow)
        assert append_stack(other, path, bbox=box) == []
        assert digest(path) == before

    def test_a_pair_of_known_date_and_delay(self, stack, tmp_path):
        """A new cell inside the old square."""
        part = stack.copy()
        part["valid"] = part["valid"].copy(data=[[True, True], [False, False]])
        path = write_stack(part, tmp_path / "s.zarr")
        assert append_pairs(stack, path) == [Pair.parse("20180118_20180130")]
        xr.testing.assert_equal(open_stack(path).compute(), stack.compute())

    def test_wrong(self, stack, product, tmp_path):
        path = write_stack(stack, tmp_path / "s.zarr")
        with pytest.raises(StoreError, match=r"^path='.*none\.zarr' must be a store to append to, .*: build it first"):
            append_pairs(stack, tmp_path / "none.zarr")
        with pytest.raises(GridMismatchError, match=r"^what is appended must lie on the grid of the store path='"):
            append_pairs(stack.isel(x=slice(0, 20)), path)
        with pytest.raises(SchemaError, match=r"must have the images of the store .*'coherence', 'igram'.*\['igram'\]"):
            append_pairs(stack.drop_vars("coherence"), path)
        with pytest.raises(SchemaError, match=r"must have the wavelength of the store path='.*', 0\.055, inst"):
            append_pairs(stack.assign_attrs(wavelength=0.2), path)
        filtered = stack.assign_attrs(recipe='[{"operation": "goldstein", "alpha": 0.5}]')
        with pytest.raises(SchemaError, match=r"must be processed as the store .* by nothing, instead got by \["):
            append_pairs(filtered, path)
        with locked(path), pytest.raises(StoreError, match=r"is being written by another process: wait"):
            append_pairs(stack, path)

    def test_an_interferogram_of_nothing(self, stack, tmp_path):
        part = stack.isel(date=[0])
        path = write_stack(part, tmp_path / "s.zarr")
        empty = stack.copy()
        empty["igram"] = empty["igram"].where(empty["date"] < np.datetime64("2018-01-10")).astype(np.complex64)
        with pytest.raises(ProductError, match=r"^interferogram 20180118_20180130 must hold pixels"):
            append_pairs(empty, path)
        xr.testing.assert_equal(open_stack(path).compute(), part.compute())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
class TestFaults:
    def test_build_killed_anywhere_goes_on(self, product, tmp_path, small):
        first = product[0]
        wanted = digest(build_stack(first, tmp_path / "whole.zarr"))
        point, out = 0, tmp_path / "s.zarr"
        finished = False
        while not finished:
            point += 1
            finished = die_at(point, lambda: build_stack(first, out))
            if not finished and not out.exists():
                build_stack(first, out)
            assert digest(out) == wanted
            assert [p.name for p in tmp_path.glob("*partial*")] == []
            if not finished:
                shutil.rmtree(out)
        assert point > 14

    @pytest.mark.parametrize("point", [1, 12, 50, 94])
    def test_a_product_killed_somewhere_goes_on(self, data, tmp_path, point):
        """Every point: ``python -m benchmarks store --product``."""
        source = data / "mexico-city-s1-stack"
        wanted, out = digest(build_stack(source, tmp_path / "whole.zarr")), tmp_path / "s.zarr"
        die_at(point, lambda: build_stack(source, out))
        if not out.exists():
            build_stack(source, out)
        assert digest(out) == wanted

    def test_append_killed_anywhere_goes_on(self, product, tmp_path, small):
        first, later = product
        path = build_stack(first, tmp_path / "whole.zarr")
        base = Path(shutil.copytree(path, tmp_path / "base.zarr"))
        before = open_stack(base).compute()
        append_stack(later, path)
        wanted, point, finished = files_of(path), 0, False
        while not finished:
            point += 1
            out = Path(shutil.copytree(base, tmp_path / f"{point}.zarr"))
            finished = die_at(point, lambda out=out: append_stack(later, out))
            seen = open_stack(out)
            if seen.sizes["delay"] == before.sizes["delay"]:
                xr.testing.assert_equal(seen.compute(), before)
                append_stack(later, out)
            else:
                assert append_stack(later, out) == []
            assert files_of(out) == wanted
            assert list(tmp_path.glob(".*unfinished*")) == []
        assert point > 18

    def test_another_append_after_a_kill(self, product, tmp_path, small, write_tif):
        """What was begun and given up does not come back as another pair's pixels."""
        first, later = product
        out = build_stack(first, tmp_path / "s.zarr")
        assert not die_at(6, lambda: append_stack(later, out))
        other = tmp_path / "other"
        for role in ("phase", "coh"):
            write_tif(other / f"20180106_20180112_{role}.tif", np.full(SIZE, 0.5, np.float32))
        assert append_stack(other, out) == [Pair.parse("20180106_20180112")]
        opened = open_stack(out)
        assert (opened["delay"] / np.timedelta64(1, "D")).values.tolist() == [6, 12, 24]
        np.testing.assert_allclose(np.angle(opened["igram"][0, 0]), 0.5, atol=1e-4)

    def test_finished_shards_are_not_computed_again(self, product, tmp_path, small, monkeypatch):
        first, out = product[0], tmp_path / "s.zarr"
        assert not die_at(10, lambda: build_stack(first, out))
        done = len(list((tmp_path / "s.zarr.partial").rglob("c/*/*/*/*")))
        written = []
        original = layout._write_shard
        monkeypatch.setattr(layout, "_write_shard", lambda *a: (written.append(a[1]), original(*a))[1])
        build_stack(first, out)
        assert done > 1
        assert len(written) == 2 * 2 * 2 - done


class TestFingerprint:
    """What tells one version of an interferogram's files from another."""

    def test_follows_the_files(self, product, tmp_path):
        first = product[0]
        known = open_stack(first)["fingerprint"]
        assert known.dtype == np.uint64
        assert known.attrs["of"] == "size, time and first bytes of each file"
        stored = open_stack(build_stack(first, tmp_path / "s.zarr"))
        xr.testing.assert_identical(stored["fingerprint"], known)
        np.testing.assert_array_equal(known.values != 0, stored["valid"].values)
        file = first / f"{FIRST[0]}_coh.tif"
        os.utime(file, ns=(1, 1))
        changed = open_stack(first)["fingerprint"].values != known.values
        assert changed.tolist() == [[True, False], [False, False]]

    def test_of_whole_files(self, product, write_tif):
        """Only their bytes count, all of them."""
        first = product[0]
        known = open_stack(first, hash_files=True)["fingerprint"]
        assert known.attrs["of"] == "all bytes of each file"
        file = first / f"{FIRST[1]}_coh.tif"
        os.utime(file, ns=(1, 1))
        xr.testing.assert_identical(open_stack(first, hash_files=True)["fingerprint"], known)
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        changed = open_stack(first, hash_files=True)["fingerprint"].values != known.values
        assert changed.tolist() == [[False, False], [False, True]]

    def test_in_a_zip(self, product, tmp_path):
        archive = shutil.make_archive(str(tmp_path / "first"), "zip", product[0])
        members = open_stack(archive, hash_files=True)["fingerprint"]
        xr.testing.assert_identical(members, open_stack(product[0], hash_files=True)["fingerprint"])

    def test_append_tells_of_changed_files(self, product, tmp_path):
        first, later = product
        path = build_stack(first, tmp_path / "s.zarr")
        for name in FIRST:
            os.utime(first / f"{name}_phase.tif", ns=(1, 1))
        before = digest(path)
        told = r"^path='.*s\.zarr' holds 20180106_20180118 and 1 more as read from other files, .*build the store anew"
        with pytest.warns(ProductWarning, match=told):
            assert append_stack(first, path) == []
        assert digest(path) == before
        assert len(append_stack(later, path)) == 2
        np.testing.assert_array_equal(open_stack(path)["fingerprint"].values != 0, open_stack(path)["valid"].values)

    def test_a_store_without_them(self, product, tmp_path):
        """One that was written from memory, or before there were fingerprints."""
        path = write_stack(open_stack(product[0]).drop_vars("fingerprint"), tmp_path / "s.zarr")
        assert append_stack(product[0], path) == []
        assert len(append_stack(product[1], path)) == 2
        assert "fingerprint" not in open_stack(path)


class TestPlan:
    def test_counts_what_is_not_held(self, product, tmp_path):
        first, later = product
        path = build_stack(first, tmp_path / "s.zarr")
        before = digest(path)
        nothing = plan_build(first, append_to=path)
        assert (nothing.tasks, nothing.disk) == (0, 0)
        some, all_of_it = plan_build([first, later], append_to=path), plan_build([first, later])
        assert 0 < some.tasks < all_of_it.tasks
        assert 0 < some.disk < all_of_it.disk
        assert digest(path) == before
        with pytest.raises(StoreError, match=r"must be a store to append to, instead there is none: build it first"):
            plan_build(first, append_to=tmp_path / "none.zarr")
