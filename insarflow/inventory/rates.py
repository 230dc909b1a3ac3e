"""Phases of slopes against the stable ring around them -> rates along the line of sight, with honest errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from insarflow.constants import DAYS_PER_YEAR
from insarflow.inventory.columns import RATE
from insarflow.inventory.persistence import ID, check_observations, could_show, whole_days
from insarflow.inventory.trend import Network, misfit, network_of, trend
from insarflow.inventory.velocity import velocity_class
from insarflow.ops.attributes import wavelength_of
from insarflow.ops.checks import check_fraction, check_number

ATMOSPHERE_PATH: Final = 2.2e-3
"""Scatter of a pair from air and unsteady motion that is expected where too few pairs tell it, m of path one way.

It is 0.5 rad at C band. Our choice: a few mm is what the wet delay differs by, within a kilometre, between two days.
"""

_NOISE_FLOOR: Final = 0.05
_TURN: Final = 2.0 * np.pi
_COHERENT_PART: Final = 1.0 / 3.0
_FAR_STEP: Final = 0.75 * np.pi
_GROWTH: Final = 3.0
_SURE_PREDICTION: Final = np.pi / 3.0
_STEP_PART: Final = 0.8
_OUTLIER: Final = 3.0
_OUTLIER_NOISE: Final = 0.3
_ROUNDS: Final = 4
_SURE: Final = 2.0


def rates(
    observations: xr.Dataset,
    *,
    min_known: float = 0.5,
    min_consistency: float = 0.5,
    max_step: float = np.pi / 2,
) -> pd.DataFrame:
    """Rate of each slope's core along the line of sight, from its phase against the ring around.

    Parameters
    ----------
    observations
        On (id, pair), in memory, with the coordinates ``id``, ``pair``, ``date`` and ``delay`` (pair), the variables
        ``known``, ``phase`` (rad, core minus ring, positive away from the satellite), ``phase_std`` (rad, of noise
        only), ``consistency`` (0..1, of the core's phases) and ``step`` (rad, largest one on the way from the ring to
        the core), and the attribute ``wavelength`` (m).
    min_known
        A pair is looked at if this part of the outline has a probability, 0..1.
    min_consistency
        The core is coherent in a pair if its consistency is at least this, 0..1.
    max_step
        Cycles are trusted up to this step, rad, more than 0 and at most pi.

    Returns
    -------
    pandas.DataFrame
        By ``id``: the group RATE of `insarflow.inventory.columns`. An aliased rate is the one without further cycles.
        Where the core is coherent at no delay, the rate is NaN, ``aliased`` is set and the bound is 0: any number of
        cycles may be missing. Where no pair tells a phase, all is NaN and ``aliased`` is not set.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range, or the wavelength is missing.
    MissingVariableError
        If a variable is missing: without interferograms there are no rates.
    SchemaError
        If `observations` are laid out otherwise or hold no pair.

    Notes
    -----
    ``v = -wavelength / (4 pi) * phase / delay``, the mean over the time that the pairs span.

    *Base delay*: the shortest one at which the core is coherent in at least a third of the pairs that tell its phase.
    All its coherent pairs count, whether they show the slope as moving or not: those that do are those in which the
    air adds to the motion, and their mean is too fast.

    *Cycles*: a pair whose own step is above `max_step` takes the cycle nearest to the median of its delay. The rate is
    ``aliased`` if one pair in five has such a step; or if at another delay, up to three times the base, the phase is a
    whole cycle off what the base pairs predict, though its steps, as predicted and as seen, are at most 3/4 pi. (Where
    the base's steps are too large for that, a longer delay can tell nothing: its phase is lost there even if the base
    is right.) The sure bound is the smallest size of phase that differs from the one measured by whole cycles, none
    included, less two standard deviations; so it is at most half a cycle at the base delay. What no rule can see is a
    slope with a sharp rim that moves by a whole cycle more: at all multiples of the base delay its phases are the same.

    *Longer delays*, up to three times the base, are used too if the base predicts their phase to pi / 3 (one standard
    deviation); there a pair of large step takes the cycle nearest to the prediction. They bridge gaps and tell which
    pairs close badly: what such a pair misses the others by, beyond three times the noise, is added to its noise.

    *Error*: see `insarflow.inventory.trend.trend`. It contains the noise, the scatter between pairs, that pairs of one
    acquisition share its air, and unsteady motion; with few pairs it falls back on `ATMOSPHERE_PATH`. The rate is the
    mean from the first to the last acquisition of the observations, seasons included.

    Examples
    --------
    >>> day = np.timedelta64(24, "h").astype("timedelta64[ns]")
    >>> date = np.datetime64("2021-07-03", "ns") + 6 * day * np.arange(4)
    >>> table = (("id", "pair"), np.ones((1, 4)))
    >>> ds = xr.Dataset(
    ...     {"known": table, "phase": table, "phase_std": table, "consistency": table, "step": table},
    ...     {"id": [1], "pair": list("abcd"), "date": ("pair", date), "delay": ("pair", np.full(4, 6 * day))},
    ...     {"wavelength": 0.0555},
    ... )
    >>> rates(ds)["los_rate_mm_yr"].round(1).item()
    -268.9
    """
    check_observations(observations, "known", "phase", "phase_std", "consistency", "step", to="rates")
    consistent = check_fraction("min_consistency", min_consistency)
    limit = check_number("max_step", max_step)
    if not 0.0 < limit <= np.pi:
        raise ValueError(f"max_step must be more than 0 and at most pi rad, instead got max_step={max_step}")
    wavelength = wavelength_of(observations, to="rates")
    looked = could_show(observations, min_known=min_known).values
    pairs = _pairs(observations, looked, consistent, 4.0 * np.pi / wavelength * ATMOSPHERE_PATH)
    base = _base(pairs, limit)
    rate, variance = trend(base.phase, base.noise, pairs.network, pairs.expected)
    off = misfit(pairs.phase, base.noise, pairs.network, _OUTLIER * pairs.expected)
    aliased = base.there & ((base.step > limit) | _contradicted(pairs, base, off))
    bound = _bound(rate, variance, base.days)
    noise = _joined(pairs, base, np.sqrt(variance), aliased)
    turns = np.where(pairs.step > limit, np.rint(np.nan_to_num(off) / _TURN), 0.0)
    phase = np.where(np.isfinite(base.noise), base.phase, pairs.phase - _TURN * turns)
    noise = _less_outliers(phase, noise, pairs.network, pairs.expected)
    rate, variance = trend(phase, noise, pairs.network, pairs.expected)

    to_speed = wavelength / (4.0 * np.pi) * DAYS_PER_YEAR * 1e3
    decorrelated = ~base.there & pairs.looked.any(axis=0)
    speed, error, least = -to_speed * rate, to_speed * np.sqrt(variance), np.where(aliased, to_speed * bound, np.nan)
    aliased, least = aliased | decorrelated, np.where(decorrelated, 0.0, least)
    values = {
        "los_rate_mm_yr": speed,
        "los_rate_std_mm_yr": error,
        "rate_delay_days": np.where(base.there, base.days, 0.0),
        "rate_pairs": np.isfinite(noise).sum(axis=0),
        "aliased": aliased,
        "los_rate_min_mm_yr": least,
        "velocity_class": velocity_class(speed, error, aliased, least),
    }
    index = pd.Index(observations[ID].values, dtype="int64", name=ID)
    return pd.DataFrame({name: pd.Series(values[name], index, column.dtype) for name, column in RATE.items()})


@dataclass(frozen=True)
class _Pairs:
    """Observed phases, pair first: (pair, id)."""

    network: Network
    delays: np.ndarray
    phase: np.ndarray
    variance: np.ndarray
    step: np.ndarray
    looked: np.ndarray
    coherent: np.ndarray
    expected: float


@dataclass(frozen=True)
class _Base:
    """The base delay of each slope, (id,), and the phase and noise of its pairs, (pair, id), infinite for others."""

    there: np.ndarray
    days: np.ndarray
    step: np.ndarray
    phase: np.ndarray
    noise: np.ndarray


def _pairs(observations: xr.Dataset, looked: np.ndarray, min_consistency: float, expected: float) -> _Pairs:
    phase, noise, consistency, step = (
        observations[name].values.T.astype(np.float64) for name in ("phase", "phase_std", "consistency", "step")
    )
    looked = looked.T & np.isfinite(phase)
    coherent = looked & np.isfinite(noise) & np.isfinite(step) & (consistency >= min_consistency)
    return _Pairs(
        network_of(observations["date"].values, observations["delay"].values),
        np.unique(whole_days(observations)),
        np.where(coherent, phase, 0.0),
        np.where(coherent, np.fmax(noise, _NOISE_FLOOR) ** 2, np.inf),
        step,
        looked,
        coherent,
        expected,
    )


def _base(pairs: _Pairs, max_step: float) -> _Base:
    n = pairs.phase.shape[1]
    there, days, step = np.zeros(n, bool), np.full(n, np.nan), np.full(n, np.nan)
    phase, noise = pairs.phase.copy(), np.full(pairs.phase.shape, np.inf)
    for day in pairs.delays:
        of_delay = np.flatnonzero(pairs.network.days == day)
        coherent = pairs.coherent[of_delay]
        enough = coherent.sum(axis=0) >= np.fmax(1.0, _COHERENT_PART * pairs.looked[of_delay].sum(axis=0))
        new = enough & ~there
        days[new] = day
        step[new] = _quantile(pairs.step[of_delay], coherent, _STEP_PART)[new]
        middle = _quantile(pairs.phase[of_delay], coherent, 0.5)
        turns = np.rint(np.nan_to_num(pairs.phase[of_delay] - middle) / _TURN)
        doubtful = new & coherent & (pairs.step[of_delay] > max_step)
        phase[of_delay] -= _TURN * np.where(doubtful, turns, 0.0)
        noise[of_delay] = np.where(new, pairs.variance[of_delay], np.inf)
        there |= new
    return _Base(there, days, step, phase, noise)


def _contradicted(pairs: _Pairs, base: _Base, off: np.ndarray) -> np.ndarray:
    """Whether some longer delay that can tell is a whole cycle off, bool (id,)."""
    found = np.zeros(len(base.there), bool)
    for day in pairs.delays:
        of_delay = np.flatnonzero(pairs.network.days == day)
        coherent = pairs.coherent[of_delay]
        growth = day / base.days
        step = np.fmax(growth * base.step, _quantile(pairs.step[of_delay], coherent, 0.5))
        tells = (growth > 1.0) & (growth <= _GROWTH) & (step <= _FAR_STEP) & coherent.any(axis=0)
        found |= tells & (np.abs(_quantile(off[of_delay], coherent, 0.5)) > np.pi)
    return found


def _bound(rate: np.ndarray, variance: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Smallest size of rate that whole cycles at the base delay leave possible, less its error, rad/day."""
    nearest = rate * days - _TURN * np.rint(rate * days / _TURN)
    bound: np.ndarray = np.fmax(np.abs(nearest) - _SURE * np.sqrt(variance) * days, 0.0) / days
    return bound


def _joined(pairs: _Pairs, base: _Base, std: np.ndarray, aliased: np.ndarray) -> np.ndarray:
    """Variance of the noise of the base's pairs and of those of longer delays that it predicts, infinite for others."""
    days = pairs.network.days[:, None]
    predicted = (days * std < _SURE_PREDICTION) & (days > base.days) & (days <= _GROWTH * base.days) & ~aliased
    return np.where(predicted, pairs.variance, base.noise)


def _less_outliers(phase: np.ndarray, variance: np.ndarray, network: Network, expected: float) -> np.ndarray:
    """`variance` plus what pairs miss the others by, beyond the noise."""
    usual = _OUTLIER * np.sqrt(np.where(np.isfinite(variance), variance, 0.0) + _OUTLIER_NOISE**2)
    noise = variance
    for _ in range(_ROUNDS):
        excess = np.abs(misfit(phase, noise, network, _OUTLIER * expected)) - usual
        noise = variance + np.fmax(excess, 0.0) ** 2
    return noise


def _quantile(values: np.ndarray, mask: np.ndarray, part: float) -> np.ndarray:
    """The value that this part of those of the mask does not exceed, (id,); the lower of two; NaN without one."""
    ordered = np.sort(np.where(mask, values, np.nan), axis=0)
    place = np.fmax(np.ceil(part * mask.sum(axis=0)) - 1, 0).astype(np.int64)
    found: np.ndarray = np.take_along_axis(ordered, place[None], axis=0)[0]
    return found
