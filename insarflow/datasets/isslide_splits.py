"""How ISSLIDE is split into crops to train on and to test on: as published, warts included, and without leaks."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from insarflow.errors import SelectionError
from insarflow.learn.published import QUEYRAS, split_by_name
from insarflow.learn.split import Split
from insarflow.learn.splits import split_by_acquisition
from insarflow.ops.checks import check_choice

Scheme = Literal["published", "released", "zone", "acquisitions", "apart"]
"""Name of a split."""

SCHEMES: Final[tuple[Scheme, ...]] = ("published", "released", "zone", "acquisitions", "apart")

SHARE: Final = 0.8
"""Of the interferograms, which are trained on."""

PUBLISHED: Final = (4_821, 572)
"""Crops to train on and to test on that the paper tells of; it does not tell which interferograms were drawn."""

_EXTRA: Final = np.datetime64("2018-10-30")
"""A 21st acquisition, which is none of the paper's 20 and which the released code leaves out by its name."""


def split_isslide(index: pd.DataFrame, scheme: Scheme = "published", *, seed: int = 0) -> Split:
    """Rows of an index to train on and to test on.

    Parameters
    ----------
    index
        Of a `insarflow.datasets.isslide.ISSLIDE`.
    scheme
        ``"published"``: as the paper's text says (`insarflow.learn.published.split_by_name`). 80 % of the
        interferograms are drawn; trained on are their crops in every zone but Queyras, tested on is Queyras in the
        others. Only crops that show a move; the acquisition of 30 October 2018 is not among the paper's.
        ``"released"``: as the released code does it, which draws nothing. Interferograms of each delay and zone are
        sorted by name, so by day of the month before month and year; the first 80 % are trained on, of Queyras the rest
        is tested on. Only crops that show a move; names with 30Oct are left out.
        ``"zone"``: Queyras against all others, all interferograms: no ground is shared.
        ``"acquisitions"``: interferograms of a run of a fifth of the acquisitions against those without any of them: no
        radar image is shared.
        ``"apart"``: both of the last two; neither is shared.
    seed
        Of what is drawn.

    Returns
    -------
    Split
        Either side holds a crop with a move.

    Raises
    ------
    ValueError
        If there is no such scheme.
    SelectionError
        If one side has no crop, or none that moves.

    Notes
    -----
    Both published splits share radar images, since interferograms of successive dates share acquisitions.
    `insarflow.leakage_report` tells what a split shares.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299, section IV-B.
    """
    check_choice("scheme", scheme, SCHEMES)
    held_out = _held_out(index)
    if scheme == "zone":
        return Split(index[~held_out], index[held_out])
    if scheme == "acquisitions":
        return split_by_acquisition(index, 1 - SHARE, seed=seed)
    if scheme == "apart":
        return _apart(index, held_out, seed)
    told = _told_of(index)
    extra = {"with the acquisition of 30 October 2018": int((~told).sum())}
    if scheme == "published":
        split = split_by_name(index[told], "isslide", zones=sorted({*index["zone"][held_out]}), seed=seed)
        return replace(split, dropped={**extra, **split.dropped})
    first, moving = _first(index), told & (index["positive"] > 0).to_numpy(bool)
    dropped = {
        **extra,
        "without a mover": int((told & ~moving).sum()),
        "of the held-out zone in interferograms that are trained on": int((moving & held_out & first).sum()),
        "of other zones in interferograms that are tested on": int((moving & ~held_out & ~first).sum()),
    }
    return Split(index[moving & ~held_out & first], index[moving & held_out & ~first], dropped)


def _held_out(index: pd.DataFrame) -> np.ndarray:
    inside: np.ndarray = index["zone"].str.contains(QUEYRAS, regex=False).to_numpy(bool)
    if len(index) and not inside.any():
        zones = ", ".join(sorted({*index["zone"]}))
        raise SelectionError(f"the split tests on the zone {QUEYRAS}, which is not among zones={zones}")
    return inside


def _apart(index: pd.DataFrame, held_out: np.ndarray, seed: int) -> Split:
    return Split(index[~held_out], index[held_out]).also(split_by_acquisition(index, 1 - SHARE, seed=seed))


def _told_of(index: pd.DataFrame) -> np.ndarray:
    """Which rows are of acquisitions that the paper tells of."""
    later = index["date"] + index["delay"]
    return ((index["date"] != _EXTRA) & (later != _EXTRA)).to_numpy(bool)


def _first(index: pd.DataFrame) -> np.ndarray:
    """Whether the interferogram of each row is among the first by name of its delay and zone."""
    first: set[str] = set()
    for _, rows in index[_told_of(index)].groupby(["delay", "zone"], sort=True):
        folders = sorted({*rows["folder"]})
        first |= {*folders[: int(SHARE * len(folders))]}
    return index["folder"].isin(first).to_numpy(bool)
