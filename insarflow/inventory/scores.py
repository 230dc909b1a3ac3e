"""Scores of an inventory against one that is taken for true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from insarflow.inventory.agreement import Score, groups, most_pairs, resample, union_areas
from insarflow.inventory.outlines import SLIVER, Meetings, overlaps

RATE: Final = "los_rate_mm_yr"
STD: Final = "los_rate_std_mm_yr"

SCORES: Final = (
    *("precision", "recall", "f1", "located", "on_reference", "area_precision", "area_recall", "area_iou"),
    *("area_ratio", "rate_bias_mm_yr", "rate_rms_mm_yr", "rate_within_2_std", "direction"),
)
"""Names of the scores, see `Evaluation`."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How an inventory agrees with a reference.

    Attributes
    ----------
    found, missed, false
        Slopes of the reference that an outline was matched to, or none; outlines that were matched to none.
    located
        Slopes of the reference of which one outline covers at least the share ``min_cover``.
    on_reference
        Outlines that locate one, or lie with at least that share of themselves on one.
    outlines
        Outlines that were judged.
    area_m2, reference_area_m2
        Of the unions of the outlines, and of the slopes of the reference, inside the region.
    duplicates, reference_duplicates
        Outlines of the inventory, or the reference, beyond the first of those that by ``min_iou`` are one slope.
    rejected, reference_rejected
        Rows that were left out since their ``status`` is rejected.
    outside, reference_outside
        Rows that were not judged since they lie outside the region, or by more than half.
    compared, aliased
        Pairs whose rates were compared; those that were not since only a lower bound of the rate is known.
    scores
        Each of `SCORES` with its interval (`insarflow.inventory.agreement.Score`):

        - ``precision``, ``recall``, ``f1`` of found, missed and false;
        - ``located`` and ``on_reference``: these as shares of the slopes and of the outlines;
        - ``area_precision``, ``area_recall``, ``area_iou``: of the union of the outlines and that of the reference;
        - ``area_ratio``: median of the matched pairs' found over reference area, NaN without pairs;
        - ``rate_bias_mm_yr`` and ``rate_rms_mm_yr``: mean and root of the mean square of found less reference rate;
          ``rate_within_2_std``: share of the pairs that differ by at most two of the standard deviations that the
          inventory states (0.95 if they are right); ``direction``: share of those with the same sign, of those whose
          reference moves. NaN where nothing is compared.

        A share of nothing is 0, as of the scores of models.
    matches
        A row for each pair that counts as found: ``found`` and ``reference`` (ids), ``iou``, ``area_ratio``, and if
        rates are compared ``rate_mm_yr``, ``rate_std_mm_yr`` and ``reference_rate_mm_yr``.
    missed_ids, false_ids
        Ids of what is missed and false. Ids are those of the column ``id``, or the rows' numbers from 0 if there is
        none that tells them apart.
    rules
        ``min_iou``, ``min_cover``, ``rate_field``, ``seed``, ``draws`` and the ``crs`` that areas were measured in.
    """

    found: int
    missed: int
    false: int
    located: int
    on_reference: int
    outlines: int
    duplicates: int
    reference_duplicates: int
    rejected: int
    reference_rejected: int
    outside: int
    reference_outside: int
    compared: int
    aliased: int
    area_m2: float
    reference_area_m2: float
    scores: Mapping[str, Score]
    matches: pd.DataFrame
    missed_ids: list[object]
    false_ids: list[object]
    rules: Mapping[str, object]

    def to_dict(self) -> dict[str, Any]:
        """All of it as what JSON can hold; what is not defined is None."""
        facts = {name: value for name, value in vars(self).items() if name not in ("scores", "matches", "rules")}
        facts["rules"] = dict(self.rules)
        facts["scores"] = {name: _known(score._asdict()) for name, score in self.scores.items()}
        facts["matches"] = [_known(row) for row in self.matches.to_dict("records")]
        return facts


class Side(NamedTuple):
    """One of the two inventories, in one plane, without what is left out."""

    frame: gpd.GeoDataFrame
    ids: np.ndarray
    shapes: np.ndarray
    """What of them lies in the region."""
    judged: np.ndarray
    """Whether at least half of each does, bool."""
    rejected: int
    outside: int


def score(found: Side, reference: Side, rules: Mapping[str, Any], unit: float) -> Evaluation:
    """Compare two inventories by the rules of `insarflow.inventory.evaluate`; `unit` is that of their CRS in m."""
    n, m = len(found.ids), len(reference.ids)
    shapes, second = np.concatenate([found.shapes, reference.shapes]), np.arange(n + m) >= n
    judged = np.concatenate([found.judged, reference.judged])
    meetings = overlaps(shapes, shapes)
    size = shapely.area(shapes)
    iou = np.minimum(meetings.area / (size[meetings.first] + size[meetings.second] - meetings.area), 1.0)
    alike = iou >= rules["min_iou"] * (1 - SLIVER)
    own = second[meetings.first] == second[meetings.second]

    may = np.flatnonzero(alike & ~own)
    pairs = may[most_pairs(meetings.first[may], meetings.second[may] - n, iou[may])]
    lone = np.ones(n + m, bool)
    lone[meetings.first[pairs]] = lone[meetings.second[pairs]] = False
    pairs = pairs[judged[meetings.second[pairs]]]
    on = _on(meetings, ~own, size, rules["min_cover"])
    flags = np.stack([lone & second, lone & ~second, on & second, second, on & ~second, ~second]) & judged

    count, group = groups(n + m, meetings[:2])
    its, to = meetings.first[pairs], meetings.second[pairs]
    matches, rates = _matches(found, reference, its, to - n, rules["rate_field"])
    matches.insert(2, "iou", iou[pairs])
    matches.insert(3, "area_ratio", size[its] / size[to])
    areas = union_areas(shapes, second, group, count, meetings) * unit**2
    columns = [np.bincount(group[flag], minlength=count) for flag in flags]
    columns += [*areas.T, *(np.bincount(group[its], rate, minlength=count) for rate in rates)]
    ratio, of, counts = matches["area_ratio"].to_numpy(), group[its], np.stack(columns, axis=1).astype(np.float64)
    scores = resample(
        count, lambda times: _scores(times @ counts, np.repeat(ratio, times[of])), seed=rules["seed"], n=rules["draws"]
    )

    total = counts.sum(axis=0).tolist()
    like = [alike & own & (second[meetings.first] == side) for side in (False, True)]
    twice = [n + m - groups(n + m, (meetings.first[k], meetings.second[k]))[0] for k in like]
    aliased = _aliased(found)[its].sum() if rules["rate_field"] else 0
    return Evaluation(
        found=len(pairs), missed=int(total[0]), false=int(total[1]), located=int(total[2]), on_reference=int(total[4]),
        outlines=int(total[5]), duplicates=twice[0], reference_duplicates=twice[1], rejected=found.rejected,
        reference_rejected=reference.rejected, outside=found.outside, reference_outside=reference.outside,
        compared=int(total[10]), aliased=int(aliased), area_m2=total[7], reference_area_m2=total[8],
        scores=dict(zip(SCORES, scores, strict=True)), matches=matches,
        missed_ids=reference.ids[flags[0][n:]].tolist(), false_ids=found.ids[flags[1][:n]].tolist(), rules=rules,
    )  # fmt: skip


def _on(meetings: Meetings, across: np.ndarray, size: np.ndarray, share: float) -> np.ndarray:
    """Which slopes are located, and which outlines locate one or lie on one, bool."""
    covering = across & (meetings.area >= share * size[meetings.second])
    lying = across & (meetings.area >= share * size[meetings.first])
    on = np.zeros(len(size), bool)
    on[meetings.second[covering]] = True
    on[meetings.first[covering | lying]] = True
    return on


def _matches(
    found: Side, reference: Side, its: np.ndarray, to: np.ndarray, field: str | None
) -> tuple[pd.DataFrame, np.ndarray]:
    """A row for each pair; and what each adds to the sums of `_scores`, from the found ones on."""
    table = pd.DataFrame({"found": found.ids[its], "reference": reference.ids[to]})
    if field is None:
        return table, np.concatenate([np.ones((1, len(its))), np.zeros((7, len(its)))])
    rate, std, true = _numbers(found, RATE)[its], _numbers(found, STD)[its], _numbers(reference, field)[to]
    table = table.assign(rate_mm_yr=rate, rate_std_mm_yr=std, reference_rate_mm_yr=true)
    compared = np.isfinite(rate) & np.isfinite(true) & ~_aliased(found)[its]
    error = np.where(compared, rate - true, 0.0)
    stated, moving = compared & np.isfinite(std), compared & (true != 0.0)
    within, same = stated & (np.abs(error) <= 2.0 * std), moving & (np.sign(rate) == np.sign(true))
    return table, np.stack([np.ones(len(its)), compared, error, error**2, within, stated, same, moving])


def _numbers(side: Side, name: str) -> np.ndarray:
    """A column of a table, NaN if there is none."""
    column = side.frame[name] if name in side.frame else pd.Series(np.nan, side.frame.index)
    return np.asarray(pd.to_numeric(column), np.float64)


def _aliased(side: Side) -> np.ndarray:
    """Whether only a lower bound of each rate is known, bool."""
    column = side.frame["aliased"] if "aliased" in side.frame else pd.Series(False, side.frame.index)
    return np.asarray(column.astype(object).map(lambda known: known in (True, 1)), bool)


def _scores(sums: np.ndarray, ratios: np.ndarray) -> np.ndarray:
    """`SCORES` of sums over all groups, and of the area ratios of all pairs."""
    missed, false, located, slopes, on, outlines, both, area, reference_area, *rates = sums.tolist()
    found, compared, error, square, within, stated, same, moving = rates
    return np.array([
        _share(found, found + false), _share(found, found + missed), _share(2 * found, 2 * found + missed + false),
        _share(located, slopes), _share(on, outlines),
        *(min(_share(both, of), 1.0) for of in (area, reference_area, area + reference_area - both)),
        np.median(ratios) if len(ratios) else np.nan,
        _share(error, compared, np.nan), math.sqrt(_share(square, compared, np.nan)),
        _share(within, stated, np.nan), _share(same, moving, np.nan),
    ])  # fmt: skip


def _share(part: float, whole: float, of_nothing: float = 0.0) -> float:
    return part / whole if whole > 0 else of_nothing


def _known(values: Mapping[Any, Any]) -> dict[str, Any]:
    """What is not defined as None."""
    return {str(k): None if isinstance(v, float) and math.isnan(v) else v for k, v in values.items()}
