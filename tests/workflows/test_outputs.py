import pytest

from insarflow.errors import OutputExistsError
from insarflow.workflows.outputs import new_folder


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
