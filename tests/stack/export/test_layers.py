import numpy as np
import pytest

from insarflow.errors import MissingVariableError, SchemaError, SelectionError
from insarflow.stack.export.layers import as_written, stack_of, with_pixels


def test_interferograms_that_exist_leave_in_groups(wide):
    stack = stack_of(wide, ["dem", "igram"])
    names = [[layer.name for layer in group] for group in stack.groups()]
    pairs = ["20180106_20180118", "20180106_20180130", "20180118_20180130"]
    assert names == [*([f"{pair}_phase"] for pair in pairs), ["dem"]]
    assert stack.count == 4
    assert stack.baselines.tolist() == [-31.5, 12.25, 43.75]


def test_nothing_is_computed(wide, forbid_compute):
    with forbid_compute():
        stack = stack_of(wide.chunk(y=100).assign(wide[["valid", "perpendicular_baseline"]]))
        assert len(list(stack.groups())) == stack.count


def test_windows_tile_the_grid(wide, monkeypatch):
    monkeypatch.setattr("insarflow.stack.export.layers.SHARD", 200)
    seen = np.zeros((530, 610), int)
    for window in stack_of(wide).windows():
        seen[window.y0 : window.y1, window.x0 : window.x1] += 1
        assert (window.y0 % 200, window.x0 % 200) == (0, 0)
    assert (seen == 1).all()


def test_what_stands_in_files():
    np.testing.assert_array_equal(as_written(np.array([1j, np.nan])), np.float32([np.pi / 2, np.nan]))
    assert as_written(np.array([True, False])).tolist() == [1, 0]


def test_mistakes_are_named(wide):
    with pytest.raises(MissingVariableError, match=r"variables must be among those of the stack, \['igram', .*'speed'"):
        stack_of(wide, ["igram", "speed"])
    with pytest.raises(MissingVariableError, match="variables must name at least one"):
        stack_of(wide, [])
    with pytest.raises(TypeError, match="variables must be several names"):
        stack_of(wide, "igram")
    with pytest.raises(SchemaError, match=r"instead got \['speed'\]: drop them first"):
        stack_of(wide.assign(speed=wide["dem"]))
    with pytest.raises(SchemaError, match=r"no CRS: set it with ds.rio.write_crs"):
        stack_of(wide.drop_vars("spatial_ref"))


def test_pairs_without_a_pixel_are_left_out(wide):
    blank = wide["igram"].copy(data=wide["igram"].data.copy())
    blank[0] = np.nan
    stack = stack_of(wide.assign(igram=blank), ["igram"])
    assert [pair.name for pair in with_pixels(stack).names] == ["20180118_20180130"]
    assert with_pixels(stack).baselines.tolist() == [43.75]
    with pytest.raises(SelectionError, match="no interferogram has a pixel"):
        with_pixels(stack_of(wide.assign(igram=blank.where(False)), ["igram"]))
