"""Movers of a place found over a season: on the map of all its pairs, or in enough single pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np

from insarflow.learn.metrics.checks import checked_probability
from insarflow.learn.metrics.matching import SAME_OBJECT, SMALLEST_OBJECT, Matches, components, match
from insarflow.learn.metrics.objects import ObjectScores
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN


def season(probability: np.ndarray, target: np.ndarray, delay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a place as one map, as an inventory has it, and its truth.

    Parameters
    ----------
    probability
        Floating point ``(pair, y, x)``, 0..1; ignored where the target is missing.
    target
        uint8, same shape, states of `insarflow.simulate.truth`.
    delay
        ``(pair,)``: time between the acquisitions of each pair, in any unit.

    Returns
    -------
    probability : ndarray
        float32 ``(y, x)``: for every delay the mean over its dates, then the highest over the delays; NaN where no
        pair has data.
    target : ndarray
        uint8 ``(y, x)``: moving where some pair shows it, else open where some pair hides it, missing where no pair
        has data, else absent.

    Raises
    ------
    TypeError, ValueError
        If shapes, types or values do not fit, or there is no pair.
    """
    p, t = (tensor.cpu().numpy() for tensor in checked_probability(probability, target))
    if p.ndim != 3 or not len(p) or np.shape(delay) != (len(p),):
        raise ValueError(
            f"probability must be (pair, y, x) of at least one pair, with one delay each, instead got "
            f"shape={p.shape} and {np.size(delay)} delays"
        )
    highest = np.full(p.shape[1:], np.nan, np.float32)
    for one in np.unique(delay):
        pairs = np.asarray(delay) == one
        known = (t[pairs] != MISSING) & ~np.isnan(p[pairs])
        total = np.where(known, p[pairs], 0.0).sum(axis=0, dtype=np.float64)
        count = known.sum(axis=0)
        mean = np.full(highest.shape, np.nan, np.float32)
        np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
        highest = np.fmax(highest, mean)
    whole = np.where((t == MISSING).all(axis=0), MISSING, ABSENT).astype(np.uint8)
    for state in (OPEN, MOVING):
        whole[(t == state).any(axis=0)] = state
    return highest, whole


def surest(probability: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Highest probability of any pair of a place, float ``(y, x)``, 0 where none has data; arguments as of `season`."""
    highest: np.ndarray = np.where(np.asarray(target) == MISSING, np.float32(0), probability).max(axis=0)
    return highest


class LocationScores:
    """Locations found, missed and falsely reported over a season, in two ways.

    A location is a mover that at least one pair shows with enough moving pixels.

    Parameters
    ----------
    persistence
        Number of pairs in which a mover must be found, or something must be falsely reported, to count as
        `persistent`.
    smallest, same
        As of `ObjectScores`.

    Attributes
    ----------
    season
        Scores of the map of the whole season (`insarflow.learn.metrics.season`) against all pixels that some pair
        shows moving: what an inventory is made of.
    persistent
        A location is found if it is found in at least `persistence` pairs. False are components of the pixels that
        at least `persistence` pairs report falsely, if they are large enough and less than the share `same` of them
        lies on what moves, visibly or not, in some pair.
    """

    def __init__(self, *, persistence: int = 1, smallest: int = SMALLEST_OBJECT, same: float = SAME_OBJECT) -> None:
        if persistence < 1:
            raise ValueError(f"persistence must be at least 1 pair, instead got persistence={persistence}")
        self.persistence = persistence
        self.season = ObjectScores(smallest=smallest, same=same)
        self.persistent = ObjectScores(smallest=smallest, same=same)

    def update(
        self,
        probability: np.ndarray,
        target: np.ndarray,
        delay: np.ndarray,
        threshold: float,
        *,
        peak: float | None = None,
        label: np.ndarray | None = None,
        scene: object = "",
        strata: Mapping[str, object] | None = None,
        mover_strata: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        """Add one place with all its pairs.

        Parameters
        ----------
        probability, target, delay
            As of `season`.
        threshold
            Probability from which a pixel belongs to a predicted object, of the season's map and of single pairs.
        peak
            Probability that an object of a single pair, or in some pair one of the season, reaches somewhere; see
            `insarflow.learn.card.ModelCard`. By default `threshold`.
        label
            Whole numbers ``(y, x)``: number of the mover, 0 for none; the same for all pairs. Without it, movers are
            the components of pixels that some pair shows moving.
        scene, strata, mover_strata
            As of `ObjectScores.update`.

        Raises
        ------
        TypeError, ValueError
            If shapes, types or values do not fit.
        """
        highest, whole = season(probability, target, delay)
        numbers = components(whole == MOVING) if label is None else label
        peak = threshold if peak is None else peak
        self.season.update(
            highest, whole, threshold, label=numbers, sure=surest(probability, target) >= peak, scene=scene,
            strata=strata, mover_strata=mover_strata,
        )  # fmt: skip
        matches = self._over_pairs(probability, target, threshold, peak, numbers, whole)
        self.persistent.add(matches, scene=scene, strata=strata, mover_strata=mover_strata)

    def scores(self) -> dict[str, dict[str, float]]:
        """``{"season": ..., "persistent": ...}``, each as `ObjectScores.scores`."""
        return {"season": self.season.scores(), "persistent": self.persistent.scores()}

    def merge(self, other: LocationScores) -> None:
        """Add what another process counted.

        Raises
        ------
        ValueError
            If it counted by other rules.
        """
        if other.persistence != self.persistence:
            raise ValueError(
                f"other must have persistence={self.persistence}, instead got persistence={other.persistence}"
            )
        self.season.merge(other.season)
        self.persistent.merge(other.persistent)

    def state(self) -> dict[str, np.ndarray]:
        """All that was counted, and the rules, as plain arrays."""
        parts = {"season": self.season, "persistent": self.persistent}
        arrays = {f"{name}_{key}": array for name, part in parts.items() for key, array in part.state().items()}
        return arrays | {"persistence": np.array(self.persistence)}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The scores that gave this state."""
        scores = cls(persistence=int(state["persistence"]))
        scores.season, scores.persistent = (
            ObjectScores.from_state({
                key.removeprefix(f"{name}_"): array for key, array in state.items() if key.startswith(f"{name}_")
            })
            for name in ("season", "persistent")
        )  # fmt: skip
        return scores

    def _over_pairs(
        self, probability: np.ndarray, target: np.ndarray, threshold: float, peak: float,
        label: np.ndarray, whole: np.ndarray,
    ) -> Matches:  # fmt: skip
        """What the pairs together found, missed and falsely reported."""
        smallest, same = self.season.smallest, self.season.same
        n = int(label.max(initial=0)) + 1
        found, shown = np.zeros(n, np.int64), np.zeros(n, bool)
        reports = np.zeros(whole.shape, np.int64)
        for p, t in zip(probability, target, strict=True):
            m = match(p, t, threshold, label=label, sure=p >= peak, smallest=smallest, same=same)
            found[m.found] += 1
            shown[m.found] = shown[m.missed] = True
            reports += np.isin(m.predicted, m.false)
        enough = found >= self.persistence
        places = components(reports >= self.persistence)
        sizes = np.bincount(places.ravel())
        on_movers = np.bincount(places[(whole == MOVING) | (whole == OPEN)], minlength=len(sizes))
        false = np.flatnonzero((sizes >= smallest) & (on_movers < same * sizes))
        return Matches(np.flatnonzero(shown & enough), np.flatnonzero(shown & ~enough), false[false > 0], places)
