"""Which patches there are, and what each shows: a table, a row for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, Final

import numpy as np
import pandas as pd

from insarflow.errors import SelectionError
from insarflow.learn.channels import ChannelReader
from insarflow.learn.truth import Truth
from insarflow.simulate.truth import MOVING
from insarflow.types import Pair, Window

COLUMNS: Final = (
    *("date", "delay", "pair", "reference", "secondary"),
    *("y", "x", "height", "width", "positive", "rejected", "valid"),
)
"""See `insarflow.learn.patches.PatchDataset`."""

TRIES: Final = 200
"""Places that are drawn for one patch before it is given up."""


@dataclass(frozen=True)
class Scenes:
    """What patches are cut from.

    Attributes
    ----------
    pairs
        Those to use, with their positions along date and delay.
    least_valid
        Share of pixels that a patch must hold; None if nobody is to look.
    """

    reader: ChannelReader
    truth: Truth
    pairs: Sequence[tuple[Pair, tuple[int, int]]]
    patch: int
    least_valid: float | None

    def window(self, y: int, x: int) -> Window:
        """The patch whose first pixel this is."""
        return Window(y, x, self.patch, self.patch)

    def row(self, pair: Pair, cell: tuple[int, int], window: Window, valid: float) -> dict[str, Any]:
        """What is told of one patch."""
        names = pair.name.split("_")
        return {
            "date": pair.reference, "delay": pair.delay, "pair": pair.name,
            "reference": names[0], "secondary": names[1],
            "y": window.y0, "x": window.x0, "height": window.height, "width": window.width,
            "positive": float((self.truth.mask(window, pair, cell) == MOVING).mean()),
            "rejected": float(self.truth.rejected(window).mean()), "valid": valid,
        }  # fmt: skip

    def there(self, cell: tuple[int, int], window: Window) -> np.ndarray:
        """Pixels of which all channels are known."""
        return self.reader.read(cell, window)[1]

    def enough(self, valid: float) -> bool:
        """Whether a patch with this share of known pixels is used."""
        return self.least_valid is None or (valid > 0 and valid >= self.least_valid)


def starts(size: int, patch: int, step: int) -> list[int]:
    """First pixels of patches along an axis: multiples of the step, and one patch flush with the far end."""
    last = size - patch
    return [*range(0, last, step), last]


def grid_rows(scenes: Scenes, step: int) -> list[dict[str, Any]]:
    """All patches of a grid, pair by pair, row by row, that hold enough pixels."""
    height, width = scenes.reader.shape
    columns = starts(width, scenes.patch, step)
    rows = []
    for (pair, cell), y in product(scenes.pairs, starts(height, scenes.patch, step)):
        for x, valid in zip(columns, _strip(scenes, cell, y, columns), strict=True):
            if scenes.enough(valid):
                rows.append(scenes.row(pair, cell, scenes.window(y, x), valid))
    return rows


def _strip(scenes: Scenes, cell: tuple[int, int], y: int, columns: list[int]) -> list[float]:
    """Share of known pixels of the patches of one row, which is read once."""
    if scenes.least_valid is None:
        return [np.nan] * len(columns)
    width = scenes.reader.shape[1]
    sums = np.zeros(width + 1, np.int64)
    parts = [
        scenes.there(cell, Window(y, x, scenes.patch, min(_WIDE, width - x))).sum(axis=0)
        for x in range(0, width, _WIDE)
    ]
    sums[1:] = np.cumsum(np.concatenate(parts))
    return [float(sums[x + scenes.patch] - sums[x]) / scenes.patch**2 for x in columns]


_WIDE: Final = 2048
"""Columns of a row of patches that are read at once."""


def balanced(index: pd.DataFrame, balance: float, seed: int) -> pd.DataFrame:
    """As many patches as there can be with a share of `balance` that show a mover; which are left out is drawn.

    Of the patches without a mover those that show a rejected polygon are kept first.

    Raises
    ------
    SelectionError
        If there are none of a kind that is asked for.
    """
    with_mover = (index["positive"] > 0).to_numpy()
    shares = {True: balance, False: 1 - balance}
    for kind, share in shares.items():
        if share > 0 and not (with_mover == kind).any():
            told = "shows a mover" if kind else "is without a mover"
            raise SelectionError(f"balance={balance} is out of reach, as none of {len(index)} patches {told}")
    total = min((with_mover == kind).sum() / share for kind, share in shares.items() if share > 0)
    order = np.random.default_rng((seed, 1)).permutation(len(index))
    order = order[np.argsort(index["rejected"].to_numpy()[order] == 0, kind="stable")]
    kept = [order[with_mover[order] == kind][: round(total * share)] for kind, share in shares.items()]
    return index.iloc[np.sort(np.concatenate(kept))].reset_index(drop=True)


def labelled(index: pd.DataFrame, rows: pd.DataFrame | Sequence[int] | np.ndarray) -> pd.DataFrame:
    """Some rows of an index, by their labels, or by the rows.

    Raises
    ------
    SelectionError
        If a label is not in the index, or none is given.
    """
    labels = rows.index if isinstance(rows, pd.DataFrame) else pd.Index(np.asarray(rows))
    strange = labels.difference(index.index)
    if len(strange) or not len(labels):
        found = f"the label {strange[0]}" if len(strange) else "none"
        raise SelectionError(f"rows must be labels of the index, at least one, instead got {found}")
    return index.loc[labels]


def random_rows(scenes: Scenes, count: int, balance: float | None, seed: int) -> Iterator[dict[str, Any]]:
    """Patches at drawn places in drawn pairs; patch k is a function of ``(seed, k)``.

    Raises
    ------
    SelectionError
        If no place is found for one.
    """
    places = cache(scenes.truth.places)
    for k in range(count):
        wanted = None if balance is None else int((k + 1) * balance) > int(k * balance)
        rng = np.random.default_rng((seed, k))
        row = next((row for row in _drawn(scenes, wanted, rng, places, hard=bool(rng.random() < 0.5))), None)
        if row is None:
            kind = "" if wanted is None else " with a mover" if wanted else " without a mover"
            raise SelectionError(
                f"no patch{kind} was found at {TRIES} places: lower least_valid, choose other pairs, or "
                f"{'balance' if wanted is not None else 'patch'}"
            )
        yield row


def _drawn(
    scenes: Scenes, wanted: bool | None, rng: np.random.Generator, places: Callable[..., np.ndarray], *, hard: bool
) -> Iterator[dict[str, Any]]:
    """Patches at drawn places that hold enough pixels and, as `wanted`, a mover."""
    last = tuple(size - scenes.patch for size in scenes.reader.shape)
    for _ in range(TRIES):
        pair, cell = scenes.pairs[int(rng.integers(len(scenes.pairs)))]
        points = places(pair, rejected=not wanted) if wanted or (wanted is False and hard) else np.empty(0)
        if len(points):
            # Anywhere so that the patch holds the point.
            point = points[rng.integers(len(points))].astype(int)
            corner = point - rng.integers(0, scenes.patch, 2)
            y, x = (int(min(max(a, 0), b)) for a, b in zip(corner, last, strict=True))
        else:
            y, x = (int(rng.integers(0, b + 1)) for b in last)
        window = scenes.window(y, x)
        valid = np.nan if scenes.least_valid is None else float(scenes.there(cell, window).mean())
        if not scenes.enough(valid):
            continue
        row = scenes.row(pair, cell, window, valid)
        if wanted is None or (row["positive"] > 0) == wanted:
            yield row


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The table of rows, numbered from 0."""
    kinds = dict.fromkeys(("y", "x", "height", "width"), np.int64)
    return pd.DataFrame(list(rows), columns=list(COLUMNS)).astype(kinds)
