"""Whole numbers added up by scene and stratum: the state of every score."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self

import numpy as np

Stratum = tuple[str, object] | None
"""A kind of pairs and one of its labels, such as ``("delay", 18)``; None is all pairs."""

_ALL: Final = ("", "")


class Tally:
    """Vectors of int64 by scene and stratum. Adding is exact, so neither order nor number of processes matters.

    Parameters
    ----------
    size
        Length of each vector.

    Examples
    --------
    >>> tally = Tally(2)
    >>> tally.add(np.array([3, 1]), scene="a", strata={"delay": 18})
    >>> tally.add(np.array([2, 0]), scene="b", strata={"delay": 6})
    >>> tally.total().tolist(), tally.total(("delay", 18)).tolist(), tally.strata()
    ([5, 1], [3, 1], [('delay', '18'), ('delay', '6')])
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._counts: dict[tuple[str, str, str], np.ndarray] = {}

    def add(self, counts: np.ndarray, *, scene: object = "", strata: Mapping[str, object] | None = None) -> None:
        """Add to all pairs and to each stratum.

        Parameters
        ----------
        counts
            Whole numbers, ``(size,)``.
        scene
            What is drawn again as one by `insarflow.learn.metrics.bootstrap`; told apart by its text.
        strata
            Kind of pairs -> label, told apart by its text.

        Raises
        ------
        ValueError
            If the counts have another length.
        """
        if counts.shape != (self.size,):
            raise ValueError(f"counts must have the shape ({self.size},), instead got shape={counts.shape}")
        for kind, label in (_ALL, *((strata or {}).items())):
            self._add((str(scene), kind, str(label)), counts)

    def total(self, of: Stratum = None) -> np.ndarray:
        """Sum over the scenes, int64 ``(size,)``.

        Raises
        ------
        ValueError
            If nothing was added to that stratum.
        """
        total: np.ndarray = self.by_scene(of).sum(axis=0, dtype=np.int64)
        return total

    def by_scene(self, of: Stratum = None) -> np.ndarray:
        """Int64 ``(scene, size)``, scenes in the order of their text.

        Raises
        ------
        ValueError
            If nothing was added to that stratum.
        """
        wanted = _ALL if of is None else (of[0], str(of[1]))
        rows = [self._counts[key] for key in sorted(self._counts) if key[1:] == wanted]
        if not rows and of is not None:
            raise ValueError(f"of must be one of {self.strata()}, instead got of={of!r}")
        return np.stack(rows) if rows else np.zeros((0, self.size), np.int64)

    def strata(self) -> list[tuple[str, str]]:
        """Kinds and labels that something was added to, sorted."""
        return sorted({(kind, label) for _, kind, label in self._counts} - {_ALL})

    def merge(self, other: Tally) -> None:
        """Add what another tally of the same kind holds.

        Raises
        ------
        ValueError
            If its vectors have another length.
        """
        if other.size != self.size:
            raise ValueError(f"other must count vectors of {self.size} numbers, instead got size={other.size}")
        for key, counts in other._counts.items():
            self._add(key, counts)

    def state(self) -> dict[str, np.ndarray]:
        """All that is known as arrays without objects: ``key`` (text, ``(n, 3)``: scene, kind, label), ``counts``."""
        keys = sorted(self._counts)
        counts = np.stack([self._counts[key] for key in keys]) if keys else np.zeros((0, self.size), np.int64)
        return {"key": np.array(keys, dtype=np.str_).reshape(-1, 3), "counts": counts}

    @classmethod
    def from_state(cls, state: Mapping[str, np.ndarray]) -> Self:
        """The tally that gave this state."""
        tally = cls(int(state["counts"].shape[1]))
        for (scene, kind, label), counts in zip(state["key"].tolist(), state["counts"], strict=True):
            tally._add((scene, kind, label), counts)
        return tally

    def _add(self, key: tuple[str, str, str], counts: np.ndarray) -> None:
        self._counts[key] = self._counts.get(key, 0) + counts.astype(np.int64)


def share(part: float, whole: float) -> float:
    """``part / whole``; 0 of nothing."""
    return part / whole if whole > 0 else 0.0
