import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from places import die_at, files_of

from insarflow.errors import GridMismatchError, ProductError, SchemaError, StoreError
from insarflow.stack import layout
from insarflow.stack.journal import locked
from insarflow.stack.store import append_pairs, append_stack, build_stack, open_stack, write_stack
from insarflow.types import Pair

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
