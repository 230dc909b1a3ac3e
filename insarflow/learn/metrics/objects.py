"""Movers found, missed and falsely reported, by scene, by kind of pair and by kind of mover."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Self

import numpy as np

from insarflow.learn.metrics.bootstrap import Interval, bootstrap
from insarflow.learn.metrics.matching import SAME_OBJECT, SMALLEST_OBJECT, Matches, match
from insarflow.learn.metrics.tally import Stratum, Tally, share

_NAMES: Final = ("precision", "recall", "f1")


class ObjectScores:
    """Movers found, missed and falsely reported, map by map.

    A mover counts in a pair if at least `smallest` of its pixels are moving (visible) there. Predicted objects of at
    least `smallest` pixels are matched with such movers one to one, at an intersection over union of at least `same`,
    pixels that are open or missing left out (`match`). A mover that no object is matched to is missed. An object that
    is matched to none is false, unless at least the share `same` of it lies on open pixels (movers that are there, but
    not visible): then it is neither right nor false.

    Parameters
    ----------
    smallest
        Pixels that a mover and a predicted object need to count.
    same
        Intersection over union from which they may be the same.
    """

    def __init__(self, *, smallest: int = SMALLEST_OBJECT, same: float = SAME_OBJECT) -> None:
        self.smallest = smallest
        self.same = same
        self.tally = Tally(3)
        self.movers = Tally(2)

    def update(
        self,
        probability: np.ndarray,
        target: np.ndarray,
        threshold: float,
        *,
        label: np.ndarray | None = None,
        sure: np.ndarray | None = None,
        scene: object = "",
        strata: Mapping[str, object] | None = None,
        mover_strata: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        """Add one map.

        Parameters
        ----------
        probability, target, label, sure
            As of `insarflow.learn.metrics.match`. Without `label`, movers are the components of moving pixels.
        threshold
            Probability from which a pixel belongs to a predicted object.
        scene
            What intervals draw again as one.
        strata
            Kind of pairs -> label of this one, such as ``{"delay": 18, "recipe": "isslide"}``.
        mover_strata
            Kind of movers -> label of each, the first that of mover number 1, such as
            ``{"peak_phase": ["0.8-1.5", "over pi"]}``: found and missed are counted for each. Needs `label`.

        Raises
        ------
        TypeError, ValueError
            If shapes, types or values do not fit.
        """
        kinds = _checked_strata(strata, mover_strata, label)
        m = match(probability, target, threshold, label=label, sure=sure, smallest=self.smallest, same=self.same)
        self.add(m, scene=scene, strata=strata, mover_strata=kinds)

    def add(
        self,
        matches: Matches,
        *,
        scene: object = "",
        strata: Mapping[str, object] | None = None,
        mover_strata: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        """Add one map that is matched already."""
        counts = np.array([len(matches.found), len(matches.missed), len(matches.false)])
        self.tally.add(counts, scene=scene, strata=strata)
        for kind, labels in (mover_strata or {}).items():
            for outcome, numbers in ((np.array([1, 0]), matches.found), (np.array([0, 1]), matches.missed)):
                for number in numbers.tolist():
                    self.movers.add(outcome, scene=scene, strata={kind: labels[number - 1]})

    @property
    def found(self) -> int:
        """Movers found."""
        return int(self.tally.total()[0])

    @property
    def missed(self) -> int:
        """Movers missed."""
        return int(self.tally.total()[1])

    @property
    def false(self) -> int:
        """Predicted objects that are no mover."""
        return int(self.tally.total()[2])

    def scores(self, *, of: Stratum = None) -> dict[str, float]:
        """Counts, and precision, recall and F1 with four digits, 0 where they divide by nothing.

        Of a kind of movers there is no precision: ``found``, ``missed`` and ``recall``.

        Raises
        ------
        ValueError
            If nothing was added to that stratum.
        """
        if of is not None and (of[0], str(of[1])) in self.movers.strata():
            found, missed = self.movers.total(of).tolist()
            return {"found": found, "missed": missed, "recall": round(share(found, found + missed), 4)}
        total = self.tally.total(of)
        counts: dict[str, float] = dict(zip(("found", "missed", "false"), total.tolist(), strict=True))
        return counts | {name: round(v, 4) for name, v in zip(_NAMES, rates(total).tolist(), strict=True)}

    def intervals(self, *, seed: int, of: Stratum = None, n: int = 1000, level: float = 0.95) -> dict[str, Interval]:
        """Precision, recall and F1 (of a kind of movers: recall) with their intervals; see `bootstrap`.

        Raises
        ------
        ValueError
            If there are less than two scenes, or nothing was added to that stratum.
        """
        if of is not None and (of[0], str(of[1])) in self.movers.strata():
            counts = self.movers.by_scene(of)
            return {"recall": bootstrap(counts, lambda c: share(c[0], c[0] + c[1]), seed=seed, n=n, level=level)}
        whole = bootstrap(self.tally.by_scene(of), rates, seed=seed, n=n, level=level)
        return {name: whole.part(i) for i, name in enumerate(_NAMES)}

    def strata(self) -> list[tuple[str, str]]:
        """Kinds and labels of pairs and of movers that something was counted of."""
        return sorted({*self.tally.strata(), *self.movers.strata()})

    def merge(self, other: ObjectScores) -> None:
        """Add what another process counted.

        Raises
        ------
        ValueError
            If it counted by other rules.
        """
        if (other.smallest, other.same) != (self.smallest, self.same):
            raise ValueError(
                f"other must have smallest={self.smallest} and same={self.same}, instead got "
                f"smallest={other.smallest} and same={other.same}"
            )
        self.tally.merge(other.tally)
        self.movers.merge(other.movers)

    def state(self) -> dict[str, np.ndarray]:
        """All that was counted, and the rules, as plain arrays."""
        parts = {"pairs": self.tally, "movers": self.movers}
        arrays = {f"{name}_{key}": array for name, tally in parts.items() for key, array in tally.state().items()}
        return arrays | {"smallest": np.array(self.smallest), "same": np.array(self.same)}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The scores that gave this state."""
        scores = cls(smallest=int(state["smallest"]), same=float(state["same"]))
        scores.tally, scores.movers = (
            Tally.from_state({"key": state[f"{name}_key"], "counts": state[f"{name}_counts"]})
            for name in ("pairs", "movers")
        )
        return scores


def _checked_strata(
    strata: Mapping[str, object] | None, mover_strata: Mapping[str, Sequence[object]] | None, label: np.ndarray | None
) -> Mapping[str, Sequence[object]] | None:
    """`mover_strata`, where each mover has a label of every kind."""
    if not mover_strata:
        return None
    if label is None:
        raise ValueError("label must be given to tell movers apart for mover_strata, instead got label=None")
    for kind, labels in mover_strata.items():
        if kind in (strata or {}):
            raise ValueError(f"mover_strata must have other kinds than strata, instead got {kind!r} in both")
        if len(labels) < label.max(initial=0):
            raise ValueError(
                f"mover_strata must have one label per mover, {label.max()}, instead got {len(labels)} of {kind!r}"
            )
    return mover_strata


def rates(counts: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of found, missed and false."""
    found, missed, false = counts.tolist()
    return np.array([
        share(found, found + false), share(found, found + missed), share(2 * found, 2 * found + missed + false)
    ])  # fmt: skip
