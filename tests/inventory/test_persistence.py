"""Persistence: equal to a slow loop over slopes and pairs, and what its rules are for."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.inventory.columns import OUTLINE, SEEN
from insarflow.inventory.persistence import could_show, persistence, supports

FIRST = np.datetime64("2021-01-03", "ns")
DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")


def observations(share, pairs, **variables):
    """Of slopes in pairs (first day, last day); `share` is (id, pair)."""
    share = np.atleast_2d(np.asarray(share, np.float32))
    begin, end = np.array(pairs).T
    date, delay = FIRST + begin * DAY, (end - begin) * DAY
    names = [f"{d:%Y%m%d}_{e:%Y%m%d}" for d, e in zip(pd.to_datetime(date), pd.to_datetime(date + delay), strict=True)]
    given = {"known": np.ones_like(share), "share": share, "probability": share} | variables
    return xr.Dataset(
        {name: (("id", "pair"), np.broadcast_to(np.float32(v), share.shape)) for name, v in given.items()},
        {"id": 3 + np.arange(len(share)), "pair": names, "date": ("pair", date), "delay": ("pair", delay)},
        {"threshold": 0.5},
    )


def chain(n, delays=(6,)):
    return sorted((6 * k, 6 * k + delay) for k in range(n) for delay in delays)


def oracle(ds, i, min_known, min_share, low, absent):
    """One slope, with lists of its pairs."""
    pairs = []
    for p in range(ds.sizes["pair"]):
        pair = {name: float(ds[name].values[i, p]) for name in ds.data_vars}
        date, delay = ds["date"].values[p], ds["delay"].values[p]
        pair |= {"name": str(ds["pair"].values[p]), "begin": date, "end": date + delay, "days": int(delay / DAY)}
        pair["could"] = pair["known"] >= min_known
        pair["shown"] = pair["could"] and pair["share"] >= min_share
        pairs.append(pair)
    shown = [pair for pair in pairs if pair["shown"]]
    could = [pair for pair in pairs if pair["could"]]
    row = {"pairs": len(shown), "pairs_known": len(could)}
    row["active_fraction"] = len(shown) / len(could) if could else np.nan
    row["pair_names"] = ";".join(pair["name"] for pair in shown)
    row["first_seen"] = min((pair["begin"] for pair in shown), default=pd.NaT)
    row["last_seen"] = max((pair["end"] for pair in shown), default=pd.NaT)
    row["window_start"], row["window_end"] = min(p["begin"] for p in pairs), max(p["end"] for p in pairs)
    best, texts, part = (-1.0, 0), [], 0.0
    for days in sorted({pair["days"] for pair in pairs}):
        these, those = ([p for p in group if p["days"] == days] for group in (shown, could))
        texts.append(f"{days}:{len(these)}/{len(those)}")
        if these and np.mean([p["probability"] for p in those]) > best[0]:
            best, part = (np.mean([p["probability"] for p in those]), days), len(these) / len(those)
    row["repetition"], row["delay_days"] = ";".join(texts), best[1]
    for column, name in (("coherence_mean", "coherence"), ("coherence_around", "coherence_around")):
        known = [p[name] for p in shown if not np.isnan(p[name])]
        row[column] = np.mean(known) if known else np.nan
    row["low_coherence"] = row["coherence_mean"] < low or row["coherence_around"] < low
    days = {pair["days"] for pair in shown}
    later = [p for p in could if shown and p["begin"] >= row["last_seen"] and p["days"] in days]
    later = [p for p in later if p["coherence"] >= low and not p["coherence_around"] < low]
    row["inactive_since"] = row["last_seen"] if len(later) >= absent else pd.NaT
    days = {p["begin"] for p in shown} | {p["end"] for p in shown}
    left = min((sum(day not in (p["begin"], p["end"]) for p in shown) for day in days), default=0)
    row["reliability"] = "medium"
    if left >= 3 and part > 0.5 and row["coherence_mean"] >= low and row["coherence_around"] >= low:
        row["reliability"] = "high"
    if len(shown) < 2 or left < 1 or row["coherence_around"] < low:
        row["reliability"] = "low"
    return row


def drawn(seed, n=5):
    rng = np.random.default_rng(seed)
    pairs = [pair for pair in chain(9, (6, 12, 18)) if rng.uniform() < 0.8]
    shape = (n, len(pairs))

    def coherence():
        values = rng.uniform(0, 1, shape) ** rng.choice([0.3, 3.0], (n, 1))
        return np.where(rng.uniform(size=shape) < 0.15, np.nan, values)

    known = np.where(rng.uniform(size=shape) < 0.3, 0.0, rng.uniform(0.3, 1, shape))
    share = np.where(known > 0, rng.uniform(0, 1, shape) * rng.uniform(0, 1, (n, 1)), np.nan)
    if pairs:
        share[:, len(pairs) // 2 :] *= rng.integers(0, 2, (n, 1))
    probability = np.where(known > 0, rng.uniform(0, 1, shape), np.nan)
    numbers = {"probability": probability, "coherence": coherence(), "coherence_around": coherence()}
    return observations(share, pairs, known=known, **numbers)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000), known=st.sampled_from([0.4, 0.5]), share=st.sampled_from([0.1, 0.3]))
def test_equals_the_oracle(seed, known, share):
    ds = drawn(seed)
    table = persistence(ds, min_known=known, min_share=share, min_coherence=0.4, absent=2)
    rows = [oracle(ds, i, known, share, 0.4, 2) for i in range(ds.sizes["id"])]
    expected = pd.DataFrame(rows, index=pd.Index(ds["id"].values, name="id"))[list(table.columns)]
    pd.testing.assert_frame_equal(table, expected.astype(table.dtypes.to_dict()), rtol=1e-6)


def test_the_oracle_saw_every_answer():
    tables = pd.concat([persistence(drawn(seed), min_coherence=0.4, absent=2) for seed in range(25)])
    assert set(tables["reliability"]) == {"low", "medium", "high"}
    assert set(tables["delay_days"]) == {0, 6, 12, 18}
    for name in ("inactive_since", "last_seen", "coherence_mean"):
        assert 5 < tables[name].isna().sum() < len(tables) - 5
    assert 5 < tables["low_coherence"].sum() < len(tables) - 5


def test_columns_and_dtypes_are_those_of_the_table():
    columns = {"pairs": OUTLINE["pairs"]} | {k: v for k, v in SEEN.items() if k != "near_edge"}
    for ds in (drawn(1), drawn(1).isel(id=slice(0))):
        table = persistence(ds)
        assert {k: str(v) for k, v in table.dtypes.items()} == {k: v.dtype for k, v in columns.items()}
        assert table.index.name == "id"
        assert table.index.tolist() == ds["id"].values.tolist()


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), data=st.data())
def test_neither_other_slopes_nor_the_order_matter(seed, data):
    ds = drawn(seed)
    order = data.draw(st.permutations(range(ds.sizes["id"])))[:3]
    pd.testing.assert_frame_equal(persistence(ds.isel(id=order)), persistence(ds).iloc[order])


def test_repetition_reads_as_promised():
    pairs = chain(3, (6, 12))
    ds = observations([[0.9, 0.1, 0.9, np.nan, 0.1, 0.9]], pairs, known=[1, 1, 1, 0, 1, 1])
    row = persistence(ds).loc[3]
    assert row["repetition"] == "6:2/3;12:1/2"
    assert row["pair_names"] == "20210103_20210109;20210109_20210115;20210115_20210127"
    assert row["active_fraction"] == np.float32(3 / 5)
    assert str(row["window_end"])[:10] == "2021-01-27"


def test_inactive_only_if_those_that_came_later_would_have_shown_it():
    seen = [0.9, 0.9, 0.9, 0.0, 0.0, 0.0]

    def since(**variables):
        return persistence(observations(seen, chain(6), **variables))["inactive_since"].iloc[0]

    assert str(since())[:10] == "2021-01-21"
    assert str(since(coherence=0.8, coherence_around=0.8))[:10] == "2021-01-21"
    assert pd.isna(since(known=[1, 1, 1, 1, 0.2, 1]))
    # It has become too fast for the radar: not inactive.
    assert pd.isna(since(coherence=[0.8, 0.8, 0.8, 0.8, 0.8, 0.1], coherence_around=0.8))
    assert pd.isna(since(coherence=0.8, coherence_around=[0.8, 0.8, 0.8, 0.8, 0.8, 0.1]))
    assert pd.isna(persistence(observations(seen, chain(6)), absent=4)["inactive_since"].iloc[0])
    # Only 12 days showed it, only 6 days came later.
    ds = observations([0.9, 0, 0, 0, 0], [(0, 12), (12, 18), (18, 24), (24, 30), (30, 36)])
    assert pd.isna(persistence(ds)["inactive_since"].iloc[0])


def test_the_air_of_one_day_makes_no_reliable_slope():
    pairs = chain(8, (6, 12, 18))
    clear = {"coherence": 0.8, "coherence_around": 0.8}
    one_day = [0.9 if 24 in pair else 0.0 for pair in pairs]
    two_days = [0.9 if {24, 30} & set(pair) else 0.0 for pair in pairs]
    always = [0.9] * len(pairs)
    table = persistence(observations([one_day, two_days, always], pairs, **clear))
    assert table["pairs"].iloc[0] == 6
    assert table["reliability"].tolist() == ["low", "medium", "high"]
    around = persistence(observations(always, pairs, coherence=0.8, coherence_around=0.1))
    inside = persistence(observations(always, pairs, coherence=0.1, coherence_around=0.8))
    unknown = persistence(observations(always, pairs))
    assert [t["reliability"].iloc[0] for t in (around, inside, unknown)] == ["low", "medium", "medium"]
    assert [bool(t["low_coherence"].iloc[0]) for t in (around, inside, unknown)] == [True, True, False]
    assert np.isnan(unknown["coherence_mean"].iloc[0])


def test_who_could_show_and_who_does():
    ds = observations([[0.9, 0.3, 0.29, 0.9]], chain(4), known=[1.0, 0.5, 1.0, 0.49])
    assert could_show(ds).values.tolist() == [[True, True, True, False]]
    assert supports(ds).values.tolist() == [[True, True, False, False]]
    assert supports(ds).dims == ("id", "pair")


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (lambda ds: ds["share"], {}, TypeError, r"^persistence needs an xarray.Dataset of observations, .*DataArray"),
        (lambda ds: ds.drop_vars("share"), {}, MissingVariableError, r"^persistence needs 'share', but the obs"),
        (lambda ds: ds.drop_vars("probability"), {}, MissingVariableError, r"^persistence needs 'probability', but"),
        (lambda ds: ds.drop_vars("delay"), {}, MissingVariableError, r"^persistence needs 'delay', but the"),
        (lambda ds: ds.transpose(), {}, SchemaError, r"^known must have dims \('id', 'pair'\), instead got \('pair'"),
        (lambda ds: ds.isel(pair=slice(0)), {}, SchemaError, r"^observations must hold pairs, instead got 0"),
        (lambda ds: ds, {"min_known": 1.5}, ValueError, r"^min_known must be between 0 and 1, .*min_known=1.5"),
        (lambda ds: ds, {"min_share": -0.1}, ValueError, r"^min_share must be between 0 and 1, .*min_share=-0.1"),
        (lambda ds: ds, {"min_coherence": "x"}, TypeError, r"^min_coherence must be a number, .*min_coherence='x'"),
        (lambda ds: ds, {"absent": 0}, ValueError, r"^absent must be a whole number of at least 1, .*absent=0"),
    ],
)
def test_wrong_arguments_are_named(change, arguments, error, message):
    with pytest.raises(error, match=message):
        persistence(change(drawn(1)), **arguments)
