"""Rates along the line of sight -> velocity classes, and speeds down the slope."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from insarflow.inventory.columns import DOWNSLOPE
from insarflow.ops.checks import check_fraction

THRESHOLDS: Final = (10.0, 30.0, 100.0, 300.0, 1000.0)
"""Between the classes of speed, mm/yr."""

UNDEFINED: Final = "undefined"

VELOCITY_CLASSES: Final = ("<1 cm/yr", "1-3 cm/yr", "3-10 cm/yr", "10-30 cm/yr", "30-100 cm/yr", ">100 cm/yr")
"""Classes of speed, slow to fast; what has none is `UNDEFINED`."""

LEAST_CLASSES: Final = (UNDEFINED, ">1 cm/yr", ">3 cm/yr", ">10 cm/yr", ">30 cm/yr", ">100 cm/yr")
"""Classes of speeds of which only a lower bound is sure, by the class that the bound is in."""

_MOST: Final = 2
_SURE: Final = 2.0


def velocity_class(rate_mm_yr: np.ndarray, std: np.ndarray, aliased: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Class of each slope's speed along the line of sight.

    Parameters
    ----------
    rate_mm_yr, std
        Rate of either sign and its standard deviation, mm/yr, (slope,); NaN where unknown.
    aliased
        Whether only `bound` is sure, bool (slope,).
    bound
        Where aliased, what the size of the rate is at least, mm/yr.

    Returns
    -------
    ndarray
        Text (slope,): one of `VELOCITY_CLASSES`, ``undefined``, or where aliased the lower threshold of the bound's
        class, such as ``>10 cm/yr``.

    Raises
    ------
    ValueError
        If the arguments are not one-dimensional and of one length, or a standard deviation is negative.

    Notes
    -----
    The thresholds are those of the moving areas of RGIK (Rock Glacier Inventories and Kinematics): 1, 3, 10, 30 and
    100 cm/yr, and ``undefined`` where no class can be told. A speed on a threshold is in the faster class. When a class
    can be told is our own rule: the speed plus and minus one standard deviation touches two classes at most. What is
    only known to be at least 1, 3, 10 or 30 cm/yr has no class in RGIK and is ``undefined`` there.

    References
    ----------
    Bertone et al. (2022), doi:10.5194/tc-16-2769-2022.

    Examples
    --------
    >>> velocity_class(np.array([-45.0, 45.0, 45.0]), np.full(3, 5.0), np.array([False, True, True]),
    ...                np.array([np.nan, 35.0, 2.0])).tolist()
    ['3-10 cm/yr', '>3 cm/yr', 'undefined']
    """
    rate, error, least = (np.asarray(array, np.float64) for array in (rate_mm_yr, std, bound))
    _check_columns(rate_mm_yr=rate, std=error, aliased=np.asarray(aliased), bound=least)
    size = np.abs(rate)
    lowest = np.digitize(np.fmax(size - error, 0.0), THRESHOLDS)
    highest = np.digitize(size + error, THRESHOLDS)
    told = np.isfinite(size) & np.isfinite(error) & (highest - lowest < _MOST)
    label = np.where(told, np.array(VELOCITY_CLASSES)[np.digitize(np.nan_to_num(size), THRESHOLDS)], UNDEFINED)
    return np.where(aliased, np.array(LEAST_CLASSES)[np.digitize(np.nan_to_num(least), THRESHOLDS)], label)


def downslope_rates(
    rate: pd.Series, std: pd.Series, sensitivity: pd.Series, *, min_sensitivity: float = 0.2
) -> pd.DataFrame:
    """Speeds down the slope that rates along the line of sight mean.

    Parameters
    ----------
    rate, std
        Rate along the line of sight, positive toward the radar, and its standard deviation, mm/yr; NaN where unknown.
    sensitivity
        Part of a motion downhill that the line of sight sees, with its sign, -1..1, on the same index; see
        `insarflow.ops.downslope`.
    min_sensitivity
        Where it is smaller in size, 0 to 1, no speed is told.

    Returns
    -------
    pandas.DataFrame
        The group DOWNSLOPE of `insarflow.inventory.columns`, on that index. ``implausible_direction`` is False where no
        speed is told. A rate that is aliased has an unsure sign too: leave it out (NaN).

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind, out of range, or on another index.
    """
    limit = check_fraction("min_sensitivity", min_sensitivity)
    for name, series in (("rate", rate), ("std", std), ("sensitivity", sensitivity)):
        if not isinstance(series, pd.Series):
            raise TypeError(f"{name} must be a pandas.Series, instead got {type(series).__name__}")
        if not series.index.equals(rate.index):
            raise ValueError(f"{name} must be on the index of rate, the ids of the slopes: use .reindex(rate.index)")
    part = sensitivity.to_numpy(np.float64)
    error = std.to_numpy(np.float64)
    _check_columns(rate=rate.to_numpy(np.float64), std=error, sensitivity=part)
    if (np.abs(part) > 1.0 + 1e-6).any():
        worst = part[np.nanargmax(np.abs(part))]
        raise ValueError(f"sensitivity must be between -1 and 1, instead got sensitivity={worst}")
    divisor = np.where((np.abs(part) >= limit) & (part != 0.0), part, np.nan)
    speed = rate.to_numpy(np.float64) / divisor
    spread = error / np.abs(divisor)
    values = {
        "sensitivity": part,
        "downslope_rate_mm_yr": speed,
        "downslope_rate_std_mm_yr": spread,
        "implausible_direction": speed < -_SURE * spread,
    }
    return pd.DataFrame({name: values[name].astype(column.dtype) for name, column in DOWNSLOPE.items()}, rate.index)


def _check_columns(**columns: np.ndarray) -> None:
    first = next(iter(columns))
    for name, values in columns.items():
        if values.ndim != 1 or len(values) != len(columns[first]):
            raise ValueError(
                f"{name} must be one-dimensional and as long as {first}, instead got shape {values.shape} "
                f"beside {columns[first].shape}"
            )
    if (columns["std"] < 0).any():
        raise ValueError(f"std must not be negative, instead got std={np.nanmin(columns['std'])}")
