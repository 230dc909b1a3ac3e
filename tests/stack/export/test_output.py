import json

import pytest

from insarflow.errors import OutputExistsError, StoreError
from insarflow.stack.export.output import MANIFEST, new_export, new_file


def export(path, identity="a", *, overwrite=False, content="x", error=None):
    with new_export(path, identity, overwrite=overwrite) as folder:
        left = sorted(p.name for p in folder.glob("*.tif"))
        (folder / f"{content}.tif").write_text(content)
        if error is not None:
            raise error
    return left


def test_a_folder_appears_at_the_end_with_a_list_of_its_files(tmp_path):
    export(tmp_path / "out")
    assert json.loads((tmp_path / "out" / MANIFEST).read_text()) == {"files": ["x.tif"]}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [MANIFEST, "x.tif"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoreError("full"), OSError(28, "No space left on device")])
def test_stopped_work_is_gone_on_with(tmp_path, error):
    with pytest.raises((type(error), StoreError)):
        export(tmp_path / "out", error=error)
    assert not (tmp_path / "out").exists()
    assert export(tmp_path / "out", content="y") == ["x.tif"]
    assert sorted(p.name for p in (tmp_path / "out").glob("*.tif")) == ["x.tif", "y.tif"]


def test_other_work_begins_anew(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        export(tmp_path / "out", error=KeyboardInterrupt())
    assert export(tmp_path / "out", "b") == []


def test_a_mistake_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="no"):
        export(tmp_path / "out", error=ValueError("no"))
    assert list(tmp_path.iterdir()) == []


def test_only_an_export_is_replaced(tmp_path):
    export(tmp_path / "out")
    with pytest.raises(OutputExistsError, match="the output must not exist"):
        export(tmp_path / "out")
    export(tmp_path / "out", content="y", overwrite=True)
    assert [p.name for p in (tmp_path / "out").glob("*.tif")] == ["y.tif"]
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputExistsError, match="only a folder that insarflow exported can be overwritten"):
        export(tmp_path / "mine", overwrite=True)


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.nc"
    with pytest.raises(ValueError, match="no"), new_file(path, overwrite=False) as partial:
        raise ValueError(partial.write_text("half") and "no")
    assert list(path.parent.iterdir()) == []
    with new_file(path, overwrite=False) as partial:
        partial.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    with pytest.raises(OutputExistsError, match="pass overwrite=True"), new_file(path, overwrite=False):
        pass
    with pytest.raises(OutputExistsError, match="the output must be a file"), new_file(tmp_path, overwrite=True):
        pass
    with pytest.raises(StoreError, match="cannot be written"), new_file(path / "below.nc", overwrite=False):
        pass
    with pytest.raises(StoreError, match="No space"), new_file(path, overwrite=True):
        raise OSError(28, "No space left on device")
    assert path.read_text() == "whole"
