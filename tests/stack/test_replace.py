import threading
import time

import pytest

from insarflow.errors import OutputExistsError, StoreError
from insarflow.stack.replace import check_output, is_zarr, new_store


def fill(folder, text):
    (folder / "zarr.json").write_text(text)


def test_appears_whole(tmp_path):
    target = tmp_path / "a" / "s.zarr"
    with new_store(target, overwrite=False) as folder:
        assert folder.parent == target.parent
        assert folder.name.endswith(".partial")
        assert not target.exists()
        fill(folder, "new")
    assert [p.name for p in target.parent.iterdir()] == ["s.zarr"]
    assert is_zarr(target)


def fail(target, error, work):
    with new_store(target, overwrite=True) as folder:
        work(folder)
        raise error


def test_nothing_is_left_of_a_failure(tmp_path):
    target = tmp_path / "s.zarr"
    target.mkdir()
    fill(target, "old")
    with pytest.raises(ValueError, match=r"^$"):
        fail(target, ValueError, lambda folder: fill(folder, "new"))
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
    assert (target / "zarr.json").read_text() == "old"


@pytest.mark.parametrize("error", [KeyboardInterrupt, StoreError])
def test_interrupted_work_stays(tmp_path, error):
    with pytest.raises(error):
        fail(tmp_path / "s.zarr", error, lambda folder: fill(folder, "half"))
    with new_store(tmp_path / "s.zarr", overwrite=False) as folder:
        assert (folder / "zarr.json").read_text() == "half"
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_a_store_whose_replacement_was_killed_comes_back(tmp_path):
    old = tmp_path / "s.zarr.old"
    old.mkdir()
    fill(old, "old")
    with pytest.raises(OutputExistsError), new_store(tmp_path / "s.zarr", overwrite=False):
        pass
    assert (tmp_path / "s.zarr" / "zarr.json").read_text() == "old"
    assert not old.exists()


def test_one_writer(tmp_path):
    with new_store(tmp_path / "s.zarr", overwrite=False) as folder:
        fill(folder, "first")
        with pytest.raises(StoreError, match=r"^path='.*s\.zarr' is being written by another process: wait"):
            fail(tmp_path / "s.zarr", ValueError, lambda folder: fill(folder, "second"))
    assert (tmp_path / "s.zarr" / "zarr.json").read_text() == "first"


def test_nothing_is_left_by_threads_that_still_write(tmp_path):
    threads = []

    def late(folder):
        time.sleep(0.05)
        (folder / "c").mkdir(parents=True)

    def work(folder):
        threads.append(threading.Thread(target=late, args=(folder,)))
        threads[0].start()

    with pytest.raises(ValueError, match=r"^$"):
        fail(tmp_path / "s.zarr", ValueError, work)
    threads[0].join()
    assert list(tmp_path.iterdir()) == []


def test_overwrites_a_store_and_what_a_link_points_to(tmp_path):
    real, link = tmp_path / "real.zarr", tmp_path / "link.zarr"
    real.mkdir()
    fill(real, "old")
    link.symlink_to(real)
    with new_store(link, overwrite=True) as folder:
        fill(folder, "new")
    assert link.is_symlink()
    assert (real / "zarr.json").read_text() == "new"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.zarr", "real.zarr"]


def test_refusals(tmp_path):
    store, folder, file = tmp_path / "s.zarr", tmp_path / "photos", tmp_path / "f"
    store.mkdir()
    fill(store, "old")
    folder.mkdir()
    file.write_text("x")
    check_output(tmp_path / "new", overwrite=False)
    check_output(store, overwrite=True)
    with pytest.raises(
        OutputExistsError, match=r"^the output must not exist, instead got path='.*s\.zarr': pass overwrite"
    ):
        check_output(store, overwrite=False)
    for path in (folder, file):
        with pytest.raises(
            OutputExistsError, match=r"^only a Zarr store can be overwritten, and path='.*' is none: remove"
        ):
            check_output(path, overwrite=True)
    with pytest.raises(StoreError, match=r"^path='.*f/s\.zarr' cannot be written: "):
        fail(file / "s.zarr", ValueError, print)


def test_a_target_that_appears_meanwhile_is_kept(tmp_path):
    target = tmp_path / "s.zarr"
    made = new_store(target, overwrite=False)
    fill(made.__enter__(), "new")
    target.mkdir()
    fill(target, "other")
    with pytest.raises(OutputExistsError):
        made.__exit__(None, None, None)
    assert (target / "zarr.json").read_text() == "other"
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]
