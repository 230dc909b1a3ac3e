from itertools import pairwise

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import chunkings

from insarflow.errors import MissingVariableError, SchemaError, SelectionError, UnknownPairError
from insarflow.schema import DIMS, recipe_of, validate
from insarflow.stack.assemble import pairs_table, stack_pairs
from insarflow.stack.codes import phase_only
from insarflow.stack.pairs import to_pairs
from insarflow.stack.select import select_pairs
from insarflow.types import Grid, Pair, Recipe

DAYS = ("20180106", "20180112", "20180118", "20180124", "20180130")
PAIRS = [Pair.parse(f"{a}_{b}") for k, a in enumerate(DAYS) for b in DAYS[k + 1 : k + 4]]
BASELINE = {pair: 20.0 * k - 60 for k, pair in enumerate(PAIRS[:-1])}
COHERENCE = {pair: 0.1 * (1 + (5 * k) % len(PAIRS)) for k, pair in enumerate(PAIRS)}


@pytest.fixture(scope="module")
def network():
    """All pairs of five dates up to 18 days: nine; the last one's baseline is not known."""
    rng = np.random.default_rng(0)
    grid = Grid((400_000.0, 20.0, 0.0, 5_100_000.0, 0.0, -20.0), (12, 15), "EPSG:32632")
    cells = {}
    for pair in PAIRS:
        igram = np.exp(1j * rng.uniform(-3, 3, grid.shape)).astype(np.complex64)
        coherence = np.full(grid.shape, COHERENCE[pair], np.float32)
        coherence[:3] = np.nan
        cells[pair] = {"igram": igram, "coherence": coherence}
    dem = {"dem": rng.random(grid.shape).astype(np.float32)}
    return stack_pairs(cells, grid, static=dem, baselines=BASELINE, recipe=Recipe().then("read", interferogram="phase"))


def names(ds):
    return to_pairs(ds)["pair"].values.tolist()


def wanted(start, end, low, high, pairs, exclude, baseline, coherence, nearest):
    """The pairs that hold all of it, one question after the other."""
    left = [p for p in PAIRS if p.name[:8] >= start and p.name[9:] <= end and low <= p.delay_days <= high]
    left = [p for p in left if p in pairs and p not in exclude]
    left = [p for p in left if abs(BASELINE.get(p, np.inf)) <= baseline] if baseline is not None else left
    left = [p for p in left if COHERENCE[p] >= coherence - 1e-7] if coherence is not None else left
    rank = {p: sum(q.reference == p.reference and q.delay <= p.delay for q in left) for p in left}
    return [p.name for p in sorted(left) if nearest is None or rank[p] <= nearest]


@given(st.data())
def test_all_that_is_asked_holds(network, data):
    draw = data.draw
    start, end = sorted(draw(st.lists(st.sampled_from(DAYS), min_size=2, max_size=2, unique=True)))
    low, high = sorted(draw(st.lists(st.sampled_from([6, 12, 18]), min_size=2, max_size=2)))
    pairs = draw(st.sets(st.sampled_from(PAIRS), min_size=5))
    exclude = draw(st.sets(st.sampled_from(PAIRS), min_size=1, max_size=2))
    baseline = draw(st.sampled_from([None, 40.0, 100.0]))
    coherence = draw(st.sampled_from([None, 0.3, 0.6]))
    nearest = draw(st.sampled_from([None, 1, 2]))
    asked = {
        "start": start, "end": end, "min_delay": low, "max_delay": f"{high}D", "max_baseline": baseline,
        "pairs": sorted(pairs), "exclude": [p.name for p in exclude], "min_coherence": coherence, "nearest": nearest,
    }  # fmt: skip
    expected = wanted(start, end, low, high, pairs, exclude, baseline, coherence, nearest)
    with dask.config.set(scheduler="sync"):
        if not expected:
            with pytest.raises(SelectionError, match="leaves no interferogram"):
                select_pairs(network, **asked)
            return
        found = validate(select_pairs(network, **asked))
        assert names(found) == expected
        assert bool(found["valid"].any("delay").all())
        assert bool(found["valid"].any("date").all())
        cells = {"date": found["date"], "delay": found["delay"]}
        same = network.sel(cells).where(found["valid"])
        for name in ("igram", "coherence", "perpendicular_baseline"):
            np.testing.assert_array_equal(found[name], same[name])
        xr.testing.assert_identical(found["dem"].compute(), network["dem"].compute())


@settings(max_examples=4)
@given(st.data())
def test_any_chunking(network, data):
    chunks = dict(zip(DIMS, data.draw(chunkings(network["igram"].shape)), strict=True))
    asked = {"exclude": ["20180112_20180118"], "min_coherence": 0.2, "nearest": 2}
    with dask.config.set(scheduler="sync"):
        expected = select_pairs(network, **asked).compute()
        assert select_pairs(network.chunk(chunks).assign(valid=network["valid"]), **asked).compute().identical(expected)
        assert select_pairs(network.compute(), **asked).identical(expected)


class TestNearest:
    def test_a_chain(self, network):
        assert names(select_pairs(network, nearest=1)) == [f"{a}_{b}" for a, b in pairwise(DAYS)]

    def test_over_what_is_missing(self, network):
        found = select_pairs(network, exclude=["20180106_20180112"], nearest=1)
        assert names(found)[0] == "20180106_20180118"

    def test_more_than_there_are(self, network):
        assert names(select_pairs(network, nearest=9)) == names(network)


class TestLazy:
    def test_metadata_is_enough(self, network, forbid_compute):
        with forbid_compute():
            found, again = (select_pairs(network, max_delay=12, max_baseline=50, nearest=2) for _ in range(2))
        assert isinstance(found["igram"].data, da.Array)
        assert found["igram"].data.name == again["igram"].data.name

    def test_coherence_from_a_table(self, network, forbid_compute):
        table = pairs_table(network)
        with forbid_compute():
            found = select_pairs(network, min_coherence=0.5, table=table)
        assert names(found) == names(select_pairs(network, min_coherence=0.5))
        assert recipe_of(found).steps[-1] == {"operation": "select_pairs", "min_coherence": 0.5}

    def test_coherence_of_what_is_left_alone_is_read(self, network):
        seen = []

        def note(block, block_info):
            seen.append(tuple(start for start, _ in block_info[0]["array-location"][:2]))
            return block

        def refuse(block):
            raise AssertionError("the interferogram is read")

        meta = np.empty((0,) * 4, np.float32)
        noted = network["coherence"].data.map_blocks(note, dtype=np.float32, meta=meta)
        refused = network["igram"].data.map_blocks(refuse, dtype=np.complex64, meta=meta.astype(np.complex64))
        ds = network.assign(coherence=(DIMS, noted), igram=(DIMS, refused))
        with dask.config.set(scheduler="sync"):
            select_pairs(ds, delays=[12], end="20180124", min_coherence=0.0)
        assert set(seen) == {(0, 1), (1, 1)}

    def test_a_lazy_valid_is_not_computed(self, network, forbid_compute):
        with forbid_compute():
            found = select_pairs(network.chunk(date=1), max_delay=6)
        assert found.sizes["delay"] == 1

    def test_without_valid(self, network):
        found = select_pairs(network.drop_vars("valid").isel(date=slice(0, 2)), exclude=["20180112_20180118"])
        assert names(found) == [pair.name for pair in PAIRS[:6] if pair.name != "20180112_20180118"]


def test_nothing_asked(network):
    assert select_pairs(network) is network


def test_what_is_noted(network):
    found = select_pairs(network, start="2018-01-06", delays=["6D", 12], pairs=PAIRS[:4], nearest=2)
    assert recipe_of(found).steps[-1] == {
        "operation": "select_pairs",
        "start": "2018-01-06",
        "delays": [6, 12],
        "pairs": [pair.name for pair in PAIRS[:4]],
        "nearest": 2,
    }
    assert phase_only(recipe_of(found))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"start": "20190101"}, r"^start=2019-01-01 leaves no interferogram, both acquisitions"),
        ({"delays": [9]}, r"^delay 9 days is not in the stack: it has 6, 12, 18 days$"),
        (
            {"min_delay": 24, "nearest": 1},
            r"^min_delay=24 leaves no interferogram: the 9 have delays of 6, 12, 18 days$",
        ),
        (
            {"min_delay": 12, "max_delay": 12, "min_coherence": 0.95},
            r"^min_coherence=0.95 leaves no interferogram: the 3 that all else leaves have means of up to 0\.\d{3}$",
        ),
        ({"max_baseline": 10, "pairs": PAIRS[:2]}, r"^max_baseline=10.0 leaves no .*: the 2 .* have at least 40.0 m$"),
        ({"max_baseline": 10, "pairs": PAIRS[-1:]}, r"^max_baseline=10.0 leaves no .* have unknown baselines$"),
        ({"pairs": PAIRS[:1], "exclude": PAIRS[:1]}, r"^exclude=\['20180106_20180112'\] leaves no .* have these names"),
    ],
)
def test_what_left_nothing_is_named(network, asked, message):
    with pytest.raises(SelectionError, match=message):
        select_pairs(network, **asked)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"nearest": 0}, ValueError, r"^nearest must be a whole number of at least 1, instead got nearest=0$"),
        ({"nearest": 1.5}, TypeError, r"^nearest must be a whole number"),
        ({"min_delay": 18, "max_delay": 6}, ValueError, r"^min_delay must not exceed max_delay, instead got 18 and 6"),
        ({"max_delay": 1.5}, TypeError, r"^delay must be a whole positive number of days"),
        ({"min_coherence": 1.2}, ValueError, r"^min_coherence must be between 0 and 1, instead got min_coherence=1.2"),
        ({"max_baseline": -3}, ValueError, r"^max_baseline must not be negative, instead got max_baseline=-3$"),
        ({"pairs": "20180106_20180112"}, TypeError, r"^pairs must be several interferograms, such as"),
        ({"exclude": []}, ValueError, r"^exclude must name at least one interferogram, instead got none$"),
        (
            {"exclude": ["20180106_20180113"]},
            UnknownPairError,
            r"^interferogram 20180106_20180113 \(7 days\) is not in",
        ),
        ({"table": pd.DataFrame()}, ValueError, r"^table must be left out unless min_coherence is given"),
        ({"table": [], "min_coherence": 0.1}, TypeError, r"^table must be a table as insarflow.pairs_table gives it"),
        (
            {"table": pd.DataFrame({"a": []}), "min_coherence": 0.1},
            ValueError,
            r"^table must have the column mean_coherence, instead got \['a'\]$",
        ),
        (
            {"table": pd.DataFrame({"mean_coherence": []}), "min_coherence": 0.1},
            ValueError,
            r"^table must hold every interferogram, but 20180106_20180112 is not in it: make it again$",
        ),
        ({"start": "20180201", "end": "20180101"}, ValueError, r"^start must not be after end"),
    ],
)
def test_bad_arguments(network, asked, error, message):
    with pytest.raises(error, match=message):
        select_pairs(network, **asked)


def test_what_is_not_there(network):
    with pytest.raises(
        MissingVariableError, match=r"^select_pairs with max_baseline needs the variable 'perpendicular"
    ):
        select_pairs(network.drop_vars("perpendicular_baseline"), max_baseline=100)
    with pytest.raises(MissingVariableError, match=r"^select_pairs with min_coherence needs the variable 'coherence'"):
        select_pairs(network.drop_vars("coherence"), min_coherence=0.1)
    with pytest.raises(SchemaError, match=r"^a stack must have dimensions"):
        select_pairs(network.isel(date=0), nearest=1)
