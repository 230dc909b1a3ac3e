"""The recent time against all before: what starts, stops or speeds up is seen within it."""

import numpy as np
import pytest
import xarray as xr

from insarflow.inventory.persistence import persistence
from insarflow.inventory.recent import compare_rates, summarise_recent
from insarflow.inventory.summary import summarise

DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")
FIRST = np.datetime64("2021-01-03", "ns")
RATE = -0.0555 / (4 * np.pi) * 365.25e3
"""mm/yr of 1 rad/day."""


def probabilities(begins, n=30, shape=(4, 6)):
    """Of 6 and 12 days; the pixel (1, 1) moves in pairs that begin at one of these numbers."""
    values = np.random.default_rng(0).uniform(0.05, 0.2, (n, 2, *shape)).astype(np.float32)
    values[begins, :, 1, 1] = 0.9
    values[3, 1, 2, 2] = np.nan
    return xr.Dataset(
        {"probability": (("date", "delay", "y", "x"), values), "valid": (("date", "delay"), np.ones((n, 2), bool))},
        {"date": FIRST + 6 * DAY * np.arange(n), "delay": DAY * np.array([6, 12])},
    )


def test_what_starts_in_the_last_third_shows_at_once():
    ds = probabilities(slice(21, 30))
    assert summarise(ds, threshold=0.5)["probability"][1, 1] < 0.5
    both = summarise_recent(ds, threshold=0.5)
    assert both["probability"][1, 1] > 0.8
    assert (both["probability"] > 0.5).sum() == 1
    assert both["support"][1, 1] == 18
    assert both["support"].attrs["threshold"] == 0.5
    # What all time shows stays.
    assert summarise_recent(probabilities(slice(0, 20)), threshold=0.5)["probability"][1, 1] > 0.5


@pytest.mark.parametrize("days", [1, 20, 60, 1000])
def test_the_highest_of_all_and_of_the_pairs_within_the_window(days):
    ds = probabilities(slice(25, 30))
    ds["valid"][27, 1] = False
    ds["probability"][27, 1] = np.nan
    # The last acquisition is that of the last pair of 12 days.
    inside = ds["date"].values >= ds["date"].values[-1] + 12 * DAY - days * DAY
    expected = summarise(ds, threshold=0.5)["probability"].values
    for delay in (0, 1):
        if (inside & ds["valid"].values[:, delay]).sum() >= 3:
            mean = ds["probability"].values[inside, delay].astype(float)
            expected = np.fmax(expected, np.nanmean(mean, axis=0).astype(np.float32))
    got = summarise_recent(ds, threshold=0.5, window_days=days)
    np.testing.assert_allclose(got["probability"], expected, atol=1e-6)
    lazy = summarise_recent(ds.chunk(date=7, y=3, x=2), threshold=0.5, window_days=days)
    assert lazy["probability"].chunks is not None
    np.testing.assert_array_equal(lazy["probability"], got["probability"])
    np.testing.assert_array_equal(lazy["support"], got["support"])


def observed(rate, n=30, shown=None, **more):
    """A slope of these rates, rad/day, from each acquisition to the next; pairs of 6 and 12 days; air of each day."""
    rng = np.random.default_rng(1)
    rate = np.broadcast_to(rate, n)
    place = 6 * np.cumsum(np.r_[0.0, rate]) + rng.normal(0, 0.1, n + 1)
    pairs = [(k, d) for k in range(n) for d in (1, 2) if k + d <= n]
    phase = np.array([place[k + d] - place[k] for k, d in pairs])
    shows = np.array([rate[k] != 0.0 for k, _ in pairs])
    numbers = {"known": 1.0, "phase": phase, "phase_std": 0.1, "consistency": 0.95, "step": np.abs(phase) / 2}
    numbers |= {"share": shows * 1.0, "probability": shows * 0.8} | more
    return xr.Dataset(
        {name: (("id", "pair"), np.broadcast_to(v, (1, len(pairs))).astype("f8")) for name, v in numbers.items()},
        {
            "id": [7],
            "pair": [f"{k}_{d}" for k, d in pairs],
            "date": ("pair", [FIRST + 6 * DAY * k for k, _ in pairs]),
            "delay": ("pair", [6 * DAY * d for _, d in pairs]),
        },
        {"wavelength": 0.0555},
    )


def test_two_and_a_half_times_faster_is_told_within_the_window():
    rate = np.where(np.arange(30) < 20, 0.06, 0.15)
    told = compare_rates(observed(rate)).loc[7]
    assert told["rate"] == pytest.approx(0.15 * RATE, rel=0.1)
    assert told["rate_before"] == pytest.approx(0.06 * RATE, rel=0.1)
    assert abs(told["rate"] - told["rate_before"]) > 2 * np.hypot(told["std"], told["std_before"])
    steady = compare_rates(observed(0.06)).loc[7]
    assert abs(steady["rate"] - steady["rate_before"]) < 2 * np.hypot(steady["std"], steady["std_before"])
    # All of the time is recent, or the recent pairs tell nothing.
    assert compare_rates(observed(rate), window_days=1000).loc[7, ["rate_before", "std_before"]].isna().all()
    silent = observed(rate)
    silent["phase"][:, silent["date"] >= FIRST + 108 * DAY] = np.nan
    told = compare_rates(silent).loc[7]
    assert told[["rate", "std"]].isna().all()
    assert told["rate_before"] == pytest.approx(0.06 * RATE, rel=0.1)
    # What may miss whole cycles tells nothing either.
    assert compare_rates(observed(rate, step=3.0)).loc[7].isna().all()


@pytest.mark.parametrize("extra", [1, 2, 3])
def test_what_stops_is_inactive_after_some_pairs(extra):
    """Three pairs that would have shown it are in two dates."""
    seen = persistence(observed(np.r_[np.full(20, 0.1), np.zeros(1 + extra)], n=21 + extra))
    assert seen["inactive_since"].notna().tolist() == [extra >= 2]


def test_a_window_must_be_a_whole_number_of_days():
    with pytest.raises(ValueError, match="window_days must be"):
        summarise_recent(probabilities([]), threshold=0.5, window_days=0)
