import numpy as np
import pytest

from insarflow.datasets.isslide import ISSLIDE
from insarflow.datasets.isslide_simulated import simulate_isslide
from insarflow.datasets.isslide_splits import split_isslide
from insarflow.errors import OutputExistsError, SelectionError
from insarflow.learn.splits import leakage_report


def test_a_simulated_data_set_is_read_and_split_like_the_real_one(tmp_path):
    root = simulate_isslide(tmp_path / "simulated", scenes=2, seed=7, acquisitions=4, side=128)
    ds = ISSLIDE(root)
    index = ds.index
    assert {*index["zone"]} == {"Ecrins", "Queyras"}
    assert {*index["delay"] / np.timedelta64(1, "D")} == {6, 12, 18}
    assert index["pair"].nunique() == 3 + 2 + 1
    assert (index.groupby(["zone", "k"])["pair"].nunique() == 6).all()
    assert (index.groupby(["zone", "k"])["move"].nunique() == 1).all()
    resting = index["positive"] == 0
    assert 0 < resting.sum() < len(index)
    assert (index["x"] < 128).groupby(index["zone"]).nunique().eq(1).all()  # no crop lies in two zones
    sample = ds[0]
    assert sample["valid"].float().mean() > 0.5
    assert (sample["image"][1:].square().sum(0)[sample["valid"]] - 1).abs().max() < 1e-5
    for scheme in ("published", "released"):
        split = split_isslide(index, scheme)
        report = leakage_report(split.train, split.test)
        assert report.shares_acquisitions
        assert not report.shares_ground
    with pytest.raises(OutputExistsError):
        simulate_isslide(root)


def test_a_region_that_shows_nothing_is_told(tmp_path):
    with pytest.raises(SelectionError, match="two zones must show a mover at least, instead 0 of 2 do: give another"):
        simulate_isslide(tmp_path / "still", scenes=2, seed=6, acquisitions=3, side=100)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "told"),
    [({"scenes": 1}, "scenes must"), ({"acquisitions": 2}, "acquisitions must"), ({"side": 99}, "side must")],
)
def test_arguments_are_checked(tmp_path, given, told):
    with pytest.raises(ValueError, match=told):
        simulate_isslide(tmp_path / "simulated", **given)
