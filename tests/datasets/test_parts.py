from itertools import pairwise

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from insarflow.datasets.parts import PARTS, SHARES, by_group, dealt, in_belts


def drawn(seed, count):
    rng = np.random.default_rng(seed)
    south = rng.uniform(0, 1000, count)
    return pd.DataFrame(
        {
            "south": south,
            "north": south + rng.uniform(1, 50, count),
            "positive": rng.random(count) * (rng.random(count) < 0.4),
            "group": rng.integers(0, 12, count),
        }
    )


@given(seed=st.integers(0, 2**32), count=st.integers(1, 200))
def test_belts_share_no_ground_and_no_row(seed, count):
    index = drawn(seed, count)
    parts = in_belts(index)
    ends = [(rows["south"].min(), rows["north"].max()) for rows in parts.values() if len(rows)]
    assert all(low >= high for (low, _), (_, high) in pairwise(ends))
    rows = np.concatenate([rows.index for rows in parts.values()])
    assert len(set(rows)) == len(rows)
    assert list(parts) == list(PARTS)


def test_belts_are_about_as_large_as_they_should_be_and_each_has_a_positive():
    index = drawn(0, 3000)
    parts = in_belts(index)
    for rows, share in zip(parts.values(), SHARES, strict=True):
        assert abs(len(rows) / 3000 - share) < 0.05
        assert (rows["positive"] > 0).any()
    # Where three rows are positive, belts are drawn so that each has one.
    order = index["north"].sort_values().index
    few = index.assign(positive=0.0)
    few.loc[order[[0, 2500, 2900]], "positive"] = 1.0
    assert all((rows["positive"] > 0).any() for rows in in_belts(few).values())


@given(seed=st.integers(0, 2**32), count=st.integers(0, 200))
def test_all_are_dealt_once(seed, count):
    index = drawn(seed, count)
    for parts in (dealt(index, seed=seed), by_group(index, index["group"], seed=seed)):
        rows = np.concatenate([rows.index for rows in parts.values()])
        assert sorted(rows) == index.index.tolist()


@given(seed=st.integers(0, 2**32))
def test_a_group_is_in_one_part_and_draws_are_reproducible(seed):
    index = drawn(seed, 100)
    parts = by_group(index, index["group"], seed=seed)
    groups = [set(rows["group"]) for rows in parts.values()]
    assert sum(map(len, groups)) == index["group"].nunique()
    again = by_group(index, index["group"], seed=seed)
    assert all(parts[name].equals(again[name]) for name in PARTS)
    assert len(parts["train"]) > len(parts["test"])
