import errno
import os
import threading

import pytest

from insarflow.errors import OutputExistsError
from insarflow.workflows.outputs import check_folder, new_folder, publish, unfinished_folder


def test_results_appear_at_the_end(tmp_path):
    with new_folder(tmp_path / "out", ("a.txt",), overwrite=False) as folder:
        (folder / "a.txt").write_text("new")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out" / "a.txt").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_failure_leaves_nothing(tmp_path):
    def work():
        with new_folder(tmp_path / "out", ("a.txt",), overwrite=False) as folder:
            (folder / "a.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list(tmp_path.iterdir()) == []


def test_existing_results_are_kept_unless_asked(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").write_text("old")
    (out / "mine.txt").write_text("mine")
    with (
        pytest.raises(OutputExistsError, match=r"already holds a\.txt: choose another folder, or .*--overwrite"),
        new_folder(out, ("a.txt",), overwrite=False),
    ):
        pass
    with pytest.raises(ValueError, match="stop"), new_folder(out, ("a.txt",), overwrite=True):
        raise ValueError("stop")
    assert (out / "a.txt").read_text() == "old"
    with new_folder(out, ("a.txt",), overwrite=True) as folder:
        (folder / "a.txt").write_text("new")
    assert (out / "a.txt").read_text() == "new"
    assert (out / "mine.txt").read_text() == "mine"


def test_a_folder_among_the_results_is_replaced(tmp_path):
    for text in ("old", "new"):
        with new_folder(tmp_path / "out", ("stack.zarr",), overwrite=True) as folder:
            (folder / "stack.zarr").mkdir()
            (folder / "stack.zarr" / text).write_text(text)
    assert [p.name for p in (tmp_path / "out" / "stack.zarr").iterdir()] == ["new"]


def test_output_that_is_a_store(tmp_path):
    (tmp_path / "zarr.json").write_text("{}")
    with pytest.raises(OutputExistsError, match="is a Zarr store"), new_folder(tmp_path, ("a",), overwrite=True):
        pass


def test_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("a file")
    with (
        pytest.raises(OutputExistsError, match="is a file: name a folder"),
        new_folder(tmp_path / "out", (), overwrite=True),
    ):
        pass


def test_output_below_a_file(tmp_path):
    (tmp_path / "file").write_text("a file")
    for make in (lambda out: new_folder(out, (), overwrite=False), unfinished_folder):
        with (
            pytest.raises(OutputExistsError, match=r"^output .*below/out cannot be "),
            make(tmp_path / "file/below/out"),
        ):
            pass
    with pytest.raises(OutputExistsError, match=r"cannot be made: .*file is a file: name a folder"):
        check_folder(tmp_path / "file" / "below" / "out", (), overwrite=True)


def test_output_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputExistsError, match=r"cannot be written: no permission in .*; choose another folder"):
        check_folder(tmp_path / "new" / "out", (), overwrite=False)


def test_unfinished_work_stays(tmp_path):
    def work():
        with unfinished_folder(tmp_path / "out") as folder:
            (folder / "half").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    with unfinished_folder(tmp_path / "out") as folder:
        assert (folder / "half").read_text() == "half"


def test_published_results_replace_old_ones(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    for name in ("a", "b"):
        (tmp_path / name).write_text("old")
    with unfinished_folder(tmp_path) as folder:
        (folder / "results").mkdir()
        (folder / "results" / "a").write_text("new")
        publish(folder / "results", tmp_path, ("a", "b"))
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a": "new", "mine.txt": "mine"}


def test_one_at_a_time(tmp_path):
    with unfinished_folder(tmp_path), pytest.raises(OutputExistsError, match="another insarflow is writing"):
        unfinished_folder(tmp_path).__enter__()
    with unfinished_folder(tmp_path):
        pass


def test_never_two_at_once(tmp_path):
    """Who waits for the lock of one that finishes, and removes it, gets a new one."""
    inside, most, refused = [], [], []

    def work():
        for _ in range(50):
            try:
                with unfinished_folder(tmp_path) as folder:
                    inside.append(1)
                    most.append(len(inside))
                    (folder / "results").mkdir()
                    inside.pop()
                    publish(folder / "results", tmp_path, ())
            except OutputExistsError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(most) + len(refused) == 200
    assert not [text for text in refused if "another insarflow" not in text]


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with unfinished_folder(tmp_path) as folder:
        assert folder.is_dir()
