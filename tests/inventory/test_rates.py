"""Rates of simulated slopes: no bias, errors as large as stated, cycles trusted where they can be."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.inventory.columns import RATE
from insarflow.inventory.rates import ATMOSPHERE_PATH, rates

WAVELENGTH = 0.0555
TO_SPEED = -WAVELENGTH / (4 * np.pi) * 365.25e3
"""rad/day to mm/yr toward the radar."""

FIRST = np.datetime64("2021-01-03", "ns")
DAY = np.timedelta64(24, "h").astype("timedelta64[ns]")


def pairs_of(n, delays):
    return np.array(sorted((k, k + d) for k in range(0, 6 * n, 6) for d in delays if k + d < 6 * n)).T


def observations(phase, pairs, *, std=0.1, consistency=0.95, step=None, known=1.0):
    phase = np.asarray(phase, np.float64)
    begin, end = pairs
    step = np.abs(phase) if step is None else step
    numbers = {"known": known, "phase": phase, "phase_std": std, "consistency": consistency, "step": step}
    dtypes = {"phase": np.float64, "phase_std": np.float64}
    return xr.Dataset(
        {
            name: (("id", "pair"), np.array(np.broadcast_to(v, phase.shape), dtypes.get(name, np.float32)))
            for name, v in numbers.items()
        },
        {
            "id": 1 + np.arange(len(phase)),
            "pair": [f"{a}_{b}" for a, b in zip(begin, end, strict=True)],
            "date": ("pair", FIRST + begin * DAY),
            "delay": ("pair", (end - begin) * DAY),
        },
        {"wavelength": WAVELENGTH},
    )


def simulated(seed, speed, *, n=20, delays=(6, 12, 18), air=0.3, noise=0.1, kept=1.0, slips=0.0, bins=(1, 6), season=0):
    """Slopes of these speeds (rad/day): rims of some bins, each step wrapped; air of each acquisition; noise."""
    rng = np.random.default_rng(seed)
    pairs = pairs_of(n, delays)
    first, last = pairs // 6
    time = np.linspace(0, 1, n)
    moved = 6.0 * (n - 1) * (time - season * np.sin(2 * np.pi * time) / (2 * np.pi))
    places = speed[:, None] * moved + rng.normal(0, air, (len(speed), n))
    phase = places[:, last] - places[:, first]
    steps = np.full(phase.shape, 0.0)
    for i in range(len(speed)):
        parts = rng.dirichlet(np.full(rng.integers(*bins), 3.0))
        true = phase[i, :, None] * parts + rng.normal(0, noise / np.sqrt(len(parts)), (phase.shape[1], len(parts)))
        seen = (true + np.pi) % (2 * np.pi) - np.pi
        phase[i], steps[i] = seen.sum(axis=1), np.abs(seen).max(axis=1)
    slipped = rng.uniform(size=phase.shape) < slips
    phase[slipped] += 2 * np.pi * rng.choice([-1, 1], slipped.sum())
    consistency = np.where(rng.uniform(size=phase.shape) < kept, 0.95, 0.1)
    return observations(phase, pairs, std=noise, step=steps, consistency=consistency), TO_SPEED * speed


def speeds(n, low, high, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(low, high, n) * rng.choice([-1, 1], n) / 6


@pytest.mark.parametrize(
    ("arguments", "least"),
    [({"air": 0.35}, 0.6), ({"kept": 0.6}, 0.6), ({"bins": (1, 2)}, 0.6), ({"air": 0.15}, 0.4)],  # calm air: cautious
)
def test_no_bias_and_errors_as_large_as_stated(arguments, least):
    ds, truth = simulated(1, speeds(150, 0.0, 0.9), **arguments)
    table = rates(ds)
    sure = ~table["aliased"]
    # Without coherence at 6 days the base is 12 days, where fast ones are aliased.
    assert sure[table["rate_delay_days"] == 6].all()
    assert (table["rate_delay_days"] == 6).mean() > 0.9
    truth, error = truth[sure], (table["los_rate_mm_yr"] - truth)[sure]
    stated = table["los_rate_std_mm_yr"][sure]
    assert abs(error.mean()) < 3 * error.std() / np.sqrt(len(error))
    assert abs(np.sum(error * truth) / np.sum(truth**2)) < 0.015
    assert least < np.mean((error / stated) ** 2) < 1.4
    assert np.mean(abs(error) > 2 * stated) < 0.1


@pytest.mark.parametrize(("n", "delays"), [(2, (6,)), (4, (6,)), (20, (6,)), (20, (12,))])
def test_few_pairs_or_one_delay_have_larger_errors_and_say_so(n, delays):
    ds, truth = simulated(2, speeds(150, 0.0, 0.5), n=n, delays=delays, air=0.3)
    table = rates(ds)
    sure = ~table["aliased"]
    assert sure.mean() > 0.9
    z = (table["los_rate_mm_yr"] - truth)[sure] / table["los_rate_std_mm_yr"][sure]
    assert 0.25 < np.mean(z**2) < 1.5


def test_a_single_pair_has_the_error_that_air_is_expected_to_make():
    table = rates(observations([[0.4]], pairs_of(2, (6,)), std=0.01))
    expected = ATMOSPHERE_PATH * 1e3 / 6 * 365.25
    assert table["los_rate_mm_yr"].iloc[0] == pytest.approx(TO_SPEED * 0.4 / 6)
    assert table["los_rate_std_mm_yr"].iloc[0] == pytest.approx(expected, rel=0.15)
    assert table["rate_pairs"].iloc[0] == 1


def test_a_season_is_averaged_and_a_slipped_pair_found_by_its_closure():
    for arguments, limit in (({"season": 1.0}, 2.5), ({"slips": 0.03}, 3.0)):
        ds, truth = simulated(3, speeds(150, 0.3, 0.9), **arguments)
        table = rates(ds)
        sure = ~table["aliased"]
        error = (table["los_rate_mm_yr"] - truth)[sure]
        assert sure.mean() > 0.95
        assert abs(np.sum(error * truth[sure]) / np.sum(truth[sure] ** 2)) < 0.05
        assert np.median((error / table["los_rate_std_mm_yr"][sure]) ** 2) / 0.455 < limit
    # What 3 of 100 slips do to a chain of 6 days, and here they do not.
    alone = 2 * np.pi * abs(TO_SPEED) / 6 * np.sqrt(0.03 / 19)
    assert error.std() < 0.35 * alone


def test_pairs_that_show_the_slope_would_make_it_too_fast():
    ds, truth = simulated(4, np.full(120, 0.6 / 6), noise=0.1, air=0.4)
    fast = ds.assign(known=ds["known"].where(ds["phase"] > 0.6, 0.0).astype("float32"))
    assert np.mean(rates(ds)["los_rate_mm_yr"] / truth) == pytest.approx(1.0, abs=0.01)
    assert np.mean(rates(fast)["los_rate_mm_yr"] / truth) > 1.015


def test_cycles_are_trusted_where_they_can_be_and_said_where_not():
    shares = {}
    for low, high in ((0.0, 1.2), (2.0, 3.0), (3.6, 5.0)):
        ds, truth = simulated(5, speeds(120, low, high), bins=(2, 6))
        table = rates(ds)
        wrong = abs(table["los_rate_mm_yr"] - truth) * 6 / abs(TO_SPEED) > np.pi
        shares[high] = (wrong.mean(), table["aliased"][wrong].mean(), table["aliased"][~wrong].mean())
        bound = table["los_rate_min_mm_yr"]
        assert bound.notna().equals(table["aliased"])
        assert (bound <= abs(truth)).mean() >= 0.95 * table["aliased"].mean()
    assert shares[1.2][0] == 0
    assert shares[1.2][2] == 0
    assert shares[3.0][2] < 0.5
    assert shares[5.0][0] > 0.05
    assert shares[5.0][1] > 0.85


def exact(phase_of_delay, step=0.3, **arguments):
    """One slope whose phase is the same in all pairs of a delay."""
    pairs = pairs_of(8, tuple(phase_of_delay))
    phase = np.array([[phase_of_delay[int(b - a)] for a, b in pairs.T]])
    return rates(observations(phase, pairs, step=step, **arguments)).iloc[0]


def test_phase_must_grow_two_and_three_times():
    right = exact({6: 0.7, 12: 1.4, 18: 2.1})
    assert not right["aliased"]
    assert right["los_rate_mm_yr"] == pytest.approx(TO_SPEED * 0.7 / 6, rel=1e-3)
    assert np.isnan(right["los_rate_min_mm_yr"])
    assert right["velocity_class"] == "10-30 cm/yr"
    assert right["rate_pairs"] == 18
    wrong = exact({6: 0.7, 12: 1.4 - 2 * np.pi, 18: 2.1 - 4 * np.pi})
    assert wrong["aliased"]
    # It may be 0.7 rad, or 5.6 rad the other way: 0.7 less the error is sure.
    bound = abs(TO_SPEED) * 0.7 / 6 - 2 * wrong["los_rate_std_mm_yr"]
    assert wrong["los_rate_min_mm_yr"] == pytest.approx(bound, abs=0.3 * bound)
    assert wrong["rate_pairs"] == 7
    assert wrong["velocity_class"].startswith(">")


def test_a_longer_delay_that_must_lose_its_count_proves_nothing():
    # 1.4 rad in one step is 2.8 rad at 12 days, and 4.2 rad, seen as -2.1, at 18 days.
    pairs = pairs_of(10, (6, 12, 18))
    phase = np.array([[{6: 1.4, 12: 2.8, 18: 4.2 - 2 * np.pi}[b - a] for a, b in pairs.T]])
    row = rates(observations(phase, pairs)).iloc[0]
    assert not row["aliased"]
    assert row["los_rate_mm_yr"] == pytest.approx(TO_SPEED * 1.4 / 6, rel=0.01)
    assert row["rate_pairs"] == phase.size


def test_large_steps_are_not_trusted_and_the_bound_is_the_nearest_of_all_cycles():
    row = exact({6: 5.0}, step=2.0, std=0.01)
    assert row["aliased"]
    assert row["los_rate_min_mm_yr"] < abs(TO_SPEED) * (2 * np.pi - 5.0) / 6
    assert row["los_rate_min_mm_yr"] > 0.5 * abs(TO_SPEED) * (2 * np.pi - 5.0) / 6


def test_the_shortest_delay_at_which_the_core_is_coherent_is_the_base():
    pairs = pairs_of(8, (6, 12))
    days = pairs[1] - pairs[0]
    phase = 0.05 * days[None] * np.ones((3, 1))
    consistency = np.where(days == 6, [[0.95], [0.2], [0.2]], [[0.95], [0.95], [0.2]])
    table = rates(observations(phase, pairs, consistency=consistency))
    assert table["rate_delay_days"].tolist() == [6, 12, 0]
    assert table["rate_pairs"].tolist() == [13, 6, 0]
    assert table["aliased"].tolist() == [False, False, True]
    # The core is seen but decorrelated: any number of cycles may be missing.
    last = table.iloc[2]
    assert last["los_rate_min_mm_yr"] == 0
    assert last["velocity_class"] == "undefined"
    assert np.isnan(last["los_rate_mm_yr"])


def test_where_no_pair_tells_a_phase_nothing_is_said():
    pairs = pairs_of(4, (6,))
    for ds in (
        observations(np.full((1, 3), np.nan), pairs, std=np.nan, step=np.nan, consistency=np.nan),
        observations(np.ones((1, 3)), pairs, known=0.2),
    ):
        row = rates(ds).iloc[0]
        assert not row["aliased"]
        assert row[["los_rate_mm_yr", "los_rate_std_mm_yr", "los_rate_min_mm_yr"]].isna().all()
        assert (row["rate_delay_days"], row["rate_pairs"], row["velocity_class"]) == (0, 0, "undefined")


def test_columns_and_dtypes_are_those_of_the_table():
    ds, _ = simulated(6, speeds(3, 0, 1), n=5)
    for part in (ds, ds.isel(id=slice(0))):
        table = rates(part)
        assert {k: str(v) for k, v in table.dtypes.items()} == {k: v.dtype for k, v in RATE.items()}
        assert table.index.name == "id"
        assert table.index.tolist() == part["id"].values.tolist()


@settings(max_examples=5, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(seed=st.integers(0, 1000), data=st.data())
def test_neither_other_slopes_nor_their_order_nor_the_sign_matter(seed, data):
    ds, _ = simulated(seed, speeds(5, 0, 3, seed), n=6, kept=0.7)
    table = rates(ds)
    order = data.draw(st.permutations(range(5)))[:3]
    pd.testing.assert_frame_equal(rates(ds.isel(id=order)), table.iloc[order], rtol=1e-7)
    mirrored = rates(ds.assign(phase=-ds["phase"]))
    same = table.drop(columns="los_rate_mm_yr")
    pd.testing.assert_frame_equal(mirrored.drop(columns="los_rate_mm_yr"), same, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(mirrored["los_rate_mm_yr"], -table["los_rate_mm_yr"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "arguments", "error", "message"),
    [
        (lambda ds: ds["phase"], {}, TypeError, r"^rates needs an xarray.Dataset of observations, instead got Data"),
        (
            lambda ds: ds.drop_vars("phase"),
            {},
            MissingVariableError,
            r"^rates needs 'phase', but the observations hold",
        ),
        (lambda ds: ds.drop_attrs(), {}, ValueError, r"^rates needs the attribute 'wavelength' \(m\), but the dataset"),
        (lambda ds: ds.assign_attrs(wavelength=-1), {}, ValueError, r"^wavelength must be more than 0 m, .*=-1"),
        (lambda ds: ds.isel(pair=slice(0)), {}, SchemaError, r"^observations must hold pairs, instead got 0"),
        (lambda ds: ds.isel(pair=0), {}, SchemaError, r"^pair must have dims \('pair',\), instead got \(\)"),
        (lambda ds: ds, {"min_known": 2}, ValueError, r"^min_known must be between 0 and 1, .*min_known=2"),
        (lambda ds: ds, {"min_consistency": -1}, ValueError, r"^min_consistency must be between 0 and 1, .*=-1"),
        (lambda ds: ds, {"max_step": 4.0}, ValueError, r"^max_step must be more than 0 and at most pi rad, .*=4.0"),
        (lambda ds: ds, {"max_step": None}, TypeError, r"^max_step must be a number, instead got max_step=None"),
    ],
)
def test_wrong_arguments_are_named(change, arguments, error, message):
    ds, _ = simulated(0, speeds(2, 0, 1), n=4)
    with pytest.raises(error, match=message):
        rates(change(ds), **arguments)
