"""Rows of an index on two or three sides: to train on, to validate on, to test on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from insarflow.errors import SelectionError


@dataclass(frozen=True)
class Split:
    """Rows of an index to train on and to test on.

    Attributes
    ----------
    train, test
        For `insarflow.learn.patches.PatchDataset.at`; each holds a patch with a mover (``positive`` above 0).
    dropped
        Number of rows on no side, by reason.
    validation
        Rows to choose a model by, with a mover, too; None if none are kept for that (see `validating`).

    Raises
    ------
    SelectionError
        If one side has no patch, or none with a mover.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    dropped: Mapping[str, int] = field(default_factory=dict)
    validation: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        for verb, side in (("train", self.train), ("validate", self.validation), ("test", self.test)):
            if side is not None and (side.empty or not (side["positive"] > 0).any()):
                has = "no patch" if side.empty else f"no mover in its {len(side)} patches"
                left_out = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items() if count) or "none"
                raise SelectionError(
                    f"the set to {verb} on has {has} (left out: {left_out}): choose another split, a smaller buffer, "
                    "or more patches"
                )

    def also(self, other: Split) -> Split:
        """Rows on the same side of both splits, so that neither ground nor radar images are shared.

        Raises
        ------
        SelectionError
            As `Split`.
        """
        train, test = _common(self.train, other.train), _common(self.test, other.test)
        validation = None
        if self.validation is not None or other.validation is not None:
            ours, theirs = (s.train if s.validation is None else s.validation for s in (self, other))
            validation = _common(ours, theirs)
        lost = self._count() - len(train) - len(test) - (0 if validation is None else len(validation))
        return Split(train, test, {**self.dropped, "on another side of the other split": lost}, validation)

    def validating(self, again: Split) -> Split:
        """Keep a part of `train` to validate on: a split of it alone, whose `test` becomes the third part.

        What is tested on stays as far from both as it was from `train`, whatever splits are used.

        Raises
        ------
        ValueError
            If `again` is no split of this one's `train`.

        Examples
        --------
        >>> rows = [(x, 0.1, 0, 64, 64) for x in (0, 128, 256, 384)]
        >>> index = pd.DataFrame(rows, columns=["x", "positive", "y", "height", "width"])
        >>> split = Split(index[:3], index[3:])
        >>> three = split.validating(Split(split.train[:2], split.train[2:]))
        >>> [side["x"].tolist() for side in (three.train, three.validation, three.test)]
        [[0, 128], [256], [384]]
        """
        both = again.train.index.union(again.test.index)
        if again.validation is not None or len(both.difference(self.train.index)):
            raise ValueError("again must be a split of this one's train into two, instead got one of other rows")
        return Split(again.train, self.test, {**self.dropped, **again.dropped}, again.test)

    def _count(self) -> int:
        return len(self.train) + len(self.test) + (0 if self.validation is None else len(self.validation))


def _common(ours: pd.DataFrame, theirs: pd.DataFrame) -> pd.DataFrame:
    return ours.loc[ours.index.intersection(theirs.index)]
