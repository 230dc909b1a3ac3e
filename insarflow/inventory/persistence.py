"""Observations of slopes in many interferograms -> when, how often and how surely each is seen to move."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from insarflow.errors import MissingVariableError, SchemaError
from insarflow.inventory.columns import OUTLINE, SEEN
from insarflow.ops.checks import check_fraction, check_whole
from insarflow.schema import PAIR

ID: Final = "id"
"""Dimension of observations along the slopes; the other one is `insarflow.schema.PAIR`."""

NEAR_EDGE: Final = "near_edge"
"""The one column of SEEN that the outline tells, not the pairs."""

_HIGH_REPEATED: Final = 3
_HIGH_PART: Final = 0.5


def persistence(
    observations: xr.Dataset,
    *,
    min_known: float = 0.5,
    min_share: float = 0.3,
    min_coherence: float = 0.3,
    absent: int = 3,
) -> pd.DataFrame:
    """When, how often and how surely each slope is seen to move.

    Parameters
    ----------
    observations
        On (id, pair), in memory, with the coordinates ``id``, ``pair`` (names), ``date`` and ``delay`` (pair) and the
        variables ``known``, ``share`` and ``probability``; ``coherence`` and ``coherence_around`` are used if there.
    min_known
        A pair could have shown a slope if this part of its outline has a probability, 0..1.
    min_share
        It does show it if this part of those pixels moves, 0..1.
    min_coherence
        Mean coherence below which phase is not trusted, 0..1.
    absent
        So many pairs, begun after a slope was last seen, must have missed it for it to be inactive.

    Returns
    -------
    pandas.DataFrame
        By ``id``: ``pairs`` and the group SEEN of `insarflow.inventory.columns` but for ``near_edge``. Coherences are
        NaN where no pair shows the slope or they are not observed; ``low_coherence`` is then False.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or out of range.
    MissingVariableError
        If a variable or coordinate is missing.
    SchemaError
        If `observations` are laid out otherwise or hold no pair.

    Notes
    -----
    ``delay_days`` is the delay of the highest mean probability over the pairs that could have shown the slope, among
    those delays at which it is shown at all; the shortest of equals.

    ``inactive_since`` is ``last_seen`` if at least `absent` pairs that begin on that day or later, of delays at which
    the slope was shown before, could have shown it and did not. A pair with low coherence inside or around does not
    count: a slope that has become too fast for the radar is not inactive. If coherence is observed, it must be known
    inside.

    ``reliability`` has the three levels of RGIK's moving areas; the rule is our own:

    - *low*: one pair shows it, or all that do share one acquisition, so that the air of one day could explain it; or
      the ring around is incoherent (on the mean), so that nothing says that it stands still.
    - *high*: without the acquisition that most of them share there are still three pairs that show it; at its best
      delay at least half of those that could show it do; and coherence is known and sufficient, inside and around.
    - *medium*: all others.

    References
    ----------
    Moving areas and their reliability: Bertone et al. (2022), doi:10.5194/tc-16-2769-2022.
    """
    low = check_fraction("min_coherence", min_coherence)
    absent = check_whole("absent", absent, low=1)
    could = could_show(observations, min_known=min_known).values
    shown = supports(observations, min_known=min_known, min_share=min_share).values
    if "probability" not in observations:
        raise MissingVariableError("persistence needs the variable 'probability': observe the slopes again")
    begin = observations["date"].values.astype("datetime64[ms]")
    end = (observations["date"].values + observations["delay"].values).astype("datetime64[ms]")
    last = _extreme(end, shown, first=False)
    inside, around = (_coherence(observations, name) for name in ("coherence", "coherence_around"))
    means = [np.full(len(shown), np.nan) if values is None else _mean(values, shown) for values in (inside, around)]
    best, part, repetition = _delays(observations, could, shown)
    later = (begin >= last[:, None]) & could & _clear(inside, around, low) & _delays_shown(observations, shown)
    counts = shown.sum(axis=1)
    names = observations[PAIR].values.astype(str)
    with np.errstate(invalid="ignore"):
        fraction = counts / could.sum(axis=1)
    values = {
        "pairs": counts,
        "pairs_known": could.sum(axis=1),
        "active_fraction": fraction,
        "pair_names": [";".join(names[row]) for row in shown],
        "repetition": repetition,
        "delay_days": best,
        "first_seen": _extreme(begin, shown, first=True),
        "last_seen": last,
        "inactive_since": np.where(later.sum(axis=1) >= absent, last, np.datetime64("NaT", "ms")),
        "window_start": np.full(len(shown), begin.min()),
        "window_end": np.full(len(shown), end.max()),
        "reliability": _reliability(counts, counts - _most_shared(observations, shown), part, means, low),
        "coherence_mean": means[0],
        "coherence_around": means[1],
        "low_coherence": (means[0] < low) | (means[1] < low),
    }
    columns = {"pairs": OUTLINE["pairs"]} | {name: column for name, column in SEEN.items() if name != NEAR_EDGE}
    index = pd.Index(observations[ID].values, dtype="int64", name=ID)
    return pd.DataFrame({name: pd.Series(values[name], index, column.dtype) for name, column in columns.items()})


def could_show(observations: xr.Dataset, *, min_known: float = 0.5) -> xr.DataArray:
    """Which pairs could have shown which slopes: enough of the outline has a probability; bool (id, pair).

    Parameters and errors as of `persistence`.
    """
    limit = check_fraction("min_known", min_known)
    check_observations(observations, "known", to="persistence")
    return observations["known"] >= limit


def supports(observations: xr.Dataset, *, min_known: float = 0.5, min_share: float = 0.3) -> xr.DataArray:
    """Which pairs show which slopes moving: they could, and enough of the outline moves; bool (id, pair).

    Parameters and errors as of `persistence`.
    """
    limit = check_fraction("min_share", min_share)
    check_observations(observations, "known", "share", to="persistence")
    return could_show(observations, min_known=min_known) & (observations["share"] >= limit)


def check_observations(observations: xr.Dataset, *names: str, to: str) -> None:
    """Check that observations of slopes hold pairs and these variables.

    Raises
    ------
    TypeError
        If `observations` is no Dataset.
    MissingVariableError
        If a variable or coordinate is missing.
    SchemaError
        If one has other dimensions, or there is no pair.
    """
    if not isinstance(observations, xr.Dataset):
        raise TypeError(f"{to} needs an xarray.Dataset of observations, instead got {type(observations).__name__}")
    for name in (ID, PAIR, "date", "delay", *names):
        if name not in observations:
            raise MissingVariableError(
                f"{to} needs {name!r}, but the observations hold {sorted(map(str, observations.variables))}: "
                "observe the slopes on a stack that has it"
            )
        wanted = (ID, PAIR) if name in names else (ID,) if name == ID else (PAIR,)
        if tuple(observations[name].dims) != wanted:
            raise SchemaError(f"{name} must have dims {wanted}, instead got {tuple(observations[name].dims)}")
    if observations.sizes[PAIR] == 0:
        raise SchemaError("observations must hold pairs, instead got 0: choose others than none")


def whole_days(observations: xr.Dataset) -> np.ndarray:
    """Delay of each pair, days, int64 (pair,)."""
    days: np.ndarray = (observations["delay"].values / np.timedelta64(1, "D")).round().astype(np.int64)
    return days


def _coherence(observations: xr.Dataset, name: str) -> np.ndarray | None:
    if name not in observations:
        return None
    check_observations(observations, name, to="persistence")
    coherence: np.ndarray = observations[name].values
    return coherence


def _mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Of those of the mask that are known, float64 (id,); NaN without one."""
    mask = mask & np.isfinite(values)
    with np.errstate(invalid="ignore"):
        mean: np.ndarray = np.where(mask, values, 0.0).sum(axis=1, dtype=np.float64) / mask.sum(axis=1)
    return mean


def _extreme(days: np.ndarray, mask: np.ndarray, *, first: bool) -> np.ndarray:
    """First or last of the days of the mask, (id,); NaT without one."""
    number = days.astype(np.int64)
    found = (
        np.where(mask, number, number.max()).min(axis=1) if first else np.where(mask, number, number.min()).max(axis=1)
    )
    return np.where(mask.any(axis=1), found.astype("datetime64[ms]"), np.datetime64("NaT", "ms"))


def _clear(inside: np.ndarray | None, around: np.ndarray | None, low: float) -> np.ndarray:
    """Whether the phase of a pair would have been trusted, (id, pair)."""
    clear = np.array(True) if inside is None else inside >= low
    return clear if around is None else clear & ~(around < low)


def _delays_shown(observations: xr.Dataset, shown: np.ndarray) -> np.ndarray:
    """Whether a pair is of a delay at which the slope is shown by some pair, bool (id, pair)."""
    found = np.zeros(shown.shape, bool)
    days = whole_days(observations)
    for day in np.unique(days):
        found[:, days == day] = shown[:, days == day].any(axis=1)[:, None]
    return found


def _delays(observations: xr.Dataset, could: np.ndarray, shown: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Delay that shows a slope best, the part of its pairs that do, and the text of all delays, (id,)."""
    days, probability = whole_days(observations), observations["probability"].values
    best, part, highest = np.zeros(len(shown), np.int64), np.zeros(len(shown)), np.full(len(shown), -1.0)
    texts = []
    for day in np.unique(days):
        of_delay = days == day
        n_shown, n_could = shown[:, of_delay].sum(axis=1), could[:, of_delay].sum(axis=1)
        mean = _mean(probability[:, of_delay], could[:, of_delay])
        better = (n_shown > 0) & (mean > highest)
        best, highest = np.where(better, day, best), np.where(better, mean, highest)
        part = np.where(better, n_shown / np.maximum(n_could, 1), part)
        texts.append([f"{day}:{a}/{b}" for a, b in zip(n_shown.tolist(), n_could.tolist(), strict=True)])
    return best, part, [";".join(row) for row in zip(*texts, strict=True)]


def _most_shared(observations: xr.Dataset, shown: np.ndarray) -> np.ndarray:
    """Of the pairs that show a slope, how many the acquisition that most of them share is in, int64 (id,)."""
    begin, end = observations["date"].values, observations["date"].values + observations["delay"].values
    most = np.zeros(len(shown), np.int64)
    for acquisition in np.unique(np.concatenate([begin, end])):
        np.maximum(most, shown[:, (begin == acquisition) | (end == acquisition)].sum(axis=1), out=most)
    return most


def _reliability(
    counts: np.ndarray, repeated: np.ndarray, part: np.ndarray, coherence: list[np.ndarray], low: float
) -> np.ndarray:
    """By the rule of `persistence`; `repeated` are the pairs left without the acquisition that most share."""
    inside, around = coherence
    poor = (counts < 2) | (repeated < 1) | (around < low)
    plain = (repeated >= _HIGH_REPEATED) & (part >= _HIGH_PART) & (inside >= low) & (around >= low)
    return np.where(poor, "low", np.where(plain, "high", "medium"))
