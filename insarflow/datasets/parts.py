"""Which samples are for training, for validation and for the test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

import numpy as np
import pandas as pd

from insarflow.errors import SelectionError
from insarflow.learn import published
from insarflow.ops.checks import check_choice

Part = Literal["train", "validation", "test"]
PARTS: Final[tuple[Part, ...]] = get_args(Part)

Scheme = Literal["random", "apart"]
"""``"random"``: dealt sample by sample. ``"apart"``: no ground is shared."""

SHARES: Final = (0.7, 0.2, 0.1)
"""Of the parts, in their order: 7:2:1 (Chen et al. 2022, doi:10.3390/rs14081848)."""

Parts = dict[Part, pd.DataFrame]


def dealt(index: pd.DataFrame, *, seed: int) -> Parts:
    """Rows dealt 7:2:1 at random, as `insarflow.split_by_name` deals them for DRs-UNet.

    Examples
    --------
    >>> {name: len(rows) for name, rows in dealt(pd.DataFrame({"positive": range(20)}), seed=0).items()}
    {'train': 14, 'validation': 4, 'test': 2}
    """
    return dict(zip(PARTS, published.dealt(index, np.random.default_rng(seed)), strict=True))


def in_belts(index: pd.DataFrame, *, shares: Sequence[float] = SHARES) -> Parts:
    """Rows in three belts from the north, training, validation, test; what lies across a border is in none.

    Parameters
    ----------
    index
        With ``south`` and ``north`` of each row, northings or heights, and ``positive``.
    shares
        Of the rows, about: each border is where fewest rows are lost to it for the share that it gives. Where it can,
        it leaves positive rows on both sides.

    Notes
    -----
    Belts share no ground whatever the grids, tracks and places of the rows are. They may share acquisitions.
    """
    if index.empty:
        return dict.fromkeys(PARTS, index)
    south, north = (index[name].to_numpy(float) for name in ("south", "north"))
    positive = index["positive"].to_numpy(float) > 0
    # The lowest border that has a positive row below it, and the lowest with another one between both.
    least = north[positive].min(initial=np.inf)
    between = north[positive & (south >= least)].min(initial=np.inf)
    high = _border(south, north, positive, shares[0], between)
    above, below = south >= high, north <= high
    low = high
    if below.any():
        share = shares[1] / (shares[1] + shares[2])
        low = _border(south[below], north[below], positive[below], share, least)
    return {
        "train": index[above],
        "validation": index[below & (south >= low)],
        "test": index[below & (north <= low)],
    }


def _border(south: np.ndarray, north: np.ndarray, positive: np.ndarray, share: float, least: float) -> float:
    """Northing from `least` on that about `share` of the rows lie north of, a positive one among them."""
    heights = np.unique(np.concatenate((south, north)))
    above = len(south) - np.searchsorted(np.sort(south), heights, side="left")
    below = np.searchsorted(np.sort(north), heights, side="right")
    off = np.abs(above / len(south) - share) + 1 - (above + below) / len(south)
    fits = (heights >= least) & (heights <= south[positive].max(initial=-np.inf))
    # 2 is more than any row can cost, so that it counts only where nothing else is left.
    return float(heights[np.argmin(off + 2.0 * ~fits)])


def by_group(index: pd.DataFrame, groups: pd.Series[Any], *, seed: int, shares: Sequence[float] = SHARES) -> Parts:
    """Rows of one group in one part: groups with most positive rows first, each to the part that lacks most.

    Parameters
    ----------
    index
        With ``positive``.
    groups
        Group of each row.
    seed
        Of the order of groups that have as many.
    """
    counts = pd.DataFrame({"positive": index["positive"] > 0, "rows": 1}).groupby(groups.to_numpy()).sum()
    counts = counts.sample(frac=1, random_state=np.random.default_rng(seed))
    counts = counts.sort_values("positive", ascending=False, kind="stable")
    wanted = np.outer(np.asarray(shares), counts.sum().to_numpy(float))
    held = np.zeros_like(wanted)
    part_of: dict[object, Part] = {}
    for group, row in counts.iterrows():
        # Groups without a positive row go where rows are lacking.
        what = 0 if row["positive"] > 0 else 1
        number = int(np.argmax((wanted - held)[:, what]))
        held[number] += row.to_numpy(float)
        part_of[group] = PARTS[number]
    of_row = groups.map(part_of).to_numpy()
    return {name: index[of_row == name] for name in PARTS}


def part_of(parts: Parts, split: Part | None, whole: pd.DataFrame, *, what: str) -> pd.DataFrame:
    """The rows of a part, or all with None.

    Parameters
    ----------
    what
        A positive sample, in words.

    Raises
    ------
    ValueError
        If `split` is no part.
    SelectionError
        If the part has no row, or none that is positive.
    """
    check_choice("split", split, (None, *PARTS))
    rows = whole if split is None else parts[split]
    if rows.empty or not (rows["positive"] > 0).any():
        has = "no sample" if rows.empty else f"{what} in none of its {len(rows)} samples"
        raise SelectionError(
            f"the {'data set' if split is None else f'{split} set'} has {has}: choose another seed or scheme, or add "
            "places"
        )
    return rows
