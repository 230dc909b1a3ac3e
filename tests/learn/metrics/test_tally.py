import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.learn.metrics import Tally

ADDED = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(-(2**40), 2**40)), max_size=12)


def tally_of(added):
    tally = Tally(1)
    for scene, label, value in added:
        tally.add(np.array([value]), scene=scene, strata={"kind": label})
    return tally


@given(added=ADDED, cut=st.integers(0, 12), order=st.randoms())
def test_sums_do_not_depend_on_order_or_parts(added, cut, order):
    whole = tally_of(added)
    mixed = order.sample(added, len(added))
    merged = tally_of(mixed[:cut])
    merged.merge(Tally.from_state(tally_of(mixed[cut:]).state()))
    assert merged.state()["key"].tolist() == whole.state()["key"].tolist()
    np.testing.assert_array_equal(merged.state()["counts"], whole.state()["counts"])
    assert whole.total().tolist() == [sum(value for *_, value in added)]
    for _, label in whole.strata():
        expected = [sum(v for s, k, v in added if (s, str(k)) == (scene, label)) for scene in range(4)
                    if any((s, str(k)) == (scene, label) for s, k, _ in added)]  # fmt: skip
        assert whole.by_scene(("kind", label))[:, 0].tolist() == expected


def test_state_survives_a_file_without_pickle(tmp_path):
    tally = tally_of([(1, 2, 3), (4, 5, 6)])
    np.savez(tmp_path / "scores.npz", **tally.state())
    with np.load(tmp_path / "scores.npz", allow_pickle=False) as state:
        again = Tally.from_state(state)
    assert again.strata() == tally.strata() == [("kind", "2"), ("kind", "5")]
    assert again.total().tolist() == [9]
    assert Tally.from_state(Tally(3).state()).total().tolist() == [0, 0, 0]


def test_what_is_added_is_copied():
    tally, counts = Tally(2), np.array([1, 2])
    tally.add(counts)
    counts[:] = 9
    tally.add(np.array([1, 1]))
    assert tally.total().tolist() == [2, 3]


def test_bad_input():
    with pytest.raises(ValueError, match=r"^counts must have the shape \(2,\), instead got shape=\(3,\)$"):
        Tally(2).add(np.zeros(3, int))
    with pytest.raises(ValueError, match=r"^of must be one of \[\], instead got of=\('delay', 6\)$"):
        Tally(2).total(("delay", 6))
