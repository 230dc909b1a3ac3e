"""What patches to train on and patches to test on have in common."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import pandas as pd
import shapely

from insarflow.ops.checks import check_fraction, check_whole

_FAR: Final = 2**62
_BLOCK: Final = 2**22
"""Distances that are held at once."""


@dataclass(frozen=True)
class Shared:
    """What two sets of patches share.

    Attributes
    ----------
    patches
        Number of patches to train on and to test on.
    acquisitions
        Radar images of both sets, their names.
    pairs
        Interferograms of both sets, their names.
    pixels
        Pixels of the ground that lie in patches of both.
    patches_over
        Patches to test on that overlap one to train on.
    distance
        Smallest number of pixels between patches of both along the axis that parts them, 0 if they touch or overlap;
        None if they lie on no common ground as one set is empty.
    """

    patches: tuple[int, int]
    acquisitions: tuple[str, ...]
    pairs: tuple[str, ...]
    pixels: int
    patches_over: int
    distance: int | None


@dataclass(frozen=True)
class LeakageReport:
    """What a split shares, beside what a naive one of the same patches would.

    Attributes
    ----------
    split
        Of the two sets.
    naive
        Of the same patches, dealt at random.
    buffer
        Pixels that should lie between both sets.
    """

    split: Shared
    naive: Shared
    buffer: int

    @property
    def shares_ground(self) -> bool:
        """Whether patches of both sets overlap or lie closer than the buffer."""
        distance = self.split.distance
        return self.split.pixels > 0 or (distance is not None and distance < self.buffer)

    @property
    def shares_acquisitions(self) -> bool:
        """Whether both sets have a radar image in common, with its atmosphere and its noise."""
        return bool(self.split.acquisitions)

    def table(self) -> pd.DataFrame:
        """Both columns: ``split`` and ``naive``."""
        return pd.DataFrame({"split": _lines(self.split), "naive": _lines(self.naive)})

    def __str__(self) -> str:
        told = self.table().to_string(justify="right")
        ground = (
            f"{'shared, or' if self.split.pixels else 'not shared, but' if self.shares_ground else 'not shared, nor'}"
        )
        images = "shared" if self.shares_acquisitions else "not shared"
        return f"{told}\nground: {ground} closer than the buffer of {self.buffer} pixels\nradar images: {images}"


def leakage_report(
    train: pd.DataFrame, test: pd.DataFrame, *, buffer: int = 0, share: float = 0.2, seed: int = 0
) -> LeakageReport:
    """Say what two sets of patches share.

    Parameters
    ----------
    train, test
        Rows of the index of a `insarflow.learn.patches.PatchDataset`.
    buffer
        Pixels that should lie between both, the reach of the network (`insarflow.reach`).
    share, seed
        Share of the patches that a naive split would test on, and how they are drawn.

    Returns
    -------
    LeakageReport
        Prints as a table.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.

    Examples
    --------
    >>> rows = [(x, "20210703", "20210709") for x in (0, 64, 256)]
    >>> index = pd.DataFrame(rows, columns=["x", "reference", "secondary"])
    >>> index = index.assign(pair="20210703_20210709", y=0, height=64, width=64)
    >>> report = leakage_report(index[:2], index[2:], buffer=37)
    >>> report.shares_ground, report.shares_acquisitions, report.split.distance
    (False, True, 128)
    """
    check_whole("buffer", buffer, low=0)
    both = pd.concat([train, test])
    order = np.random.default_rng(seed).permutation(len(both))
    cut = round(len(both) * check_fraction("share", share))
    naive = shared(both.iloc[order[cut:]], both.iloc[order[:cut]])
    return LeakageReport(shared(train, test), naive, buffer)


def shared(train: pd.DataFrame, test: pd.DataFrame) -> Shared:
    """What two sets of rows share."""
    acquisitions = acquisitions_of(train) & acquisitions_of(test)
    pairs = set().union(*members_of(train)) & set().union(*members_of(test))
    ours, theirs = boxes(train), boxes(test)
    common = shapely.intersection(_ground(ours), _ground(theirs)).area
    gaps = distances(theirs, ours)
    over = overlapping(theirs, ours)
    return Shared(
        (len(train), len(test)),
        tuple(sorted(acquisitions)),
        tuple(sorted(pairs)),
        round(common),
        int(lying_at(test, theirs[over]).sum()),
        int(gaps.min()) if len(gaps) and len(ours) else None,
    )


_BOX: Final = ["y", "x", "height", "width"]


MEMBERS: Final = "members"
"""Column of the index of series: names of the interferograms that a sample may show, with a space between."""


def members_of(index: pd.DataFrame) -> list[set[str]]:
    """Names of the interferograms that rows show, a set for each kind of row."""
    column = index[MEMBERS if MEMBERS in index else "pair"]
    return [{*names.split()} for names in column.unique()]


def acquisitions_of(index: pd.DataFrame) -> set[str]:
    """Names of the radar images of rows; of a series those of all its members."""
    if MEMBERS in index:
        return {name for pairs in members_of(index) for pair in pairs for name in pair.split("_")}
    return {*index["reference"], *index["secondary"]}


def holding(index: pd.DataFrame, images: set[str]) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Rows that show some of these radar images, and rows that show no other; of a series all members count."""
    if MEMBERS not in index:
        first, second = (index[name].isin(images) for name in ("reference", "secondary"))
        return first | second, first & second
    shown = {names: {*names.replace("_", " ").split()} for names in index[MEMBERS].unique()}
    some = index[MEMBERS].isin([names for names, found in shown.items() if found & images])
    every = index[MEMBERS].isin([names for names, found in shown.items() if found <= images])
    return some, every


def boxes(index: pd.DataFrame) -> np.ndarray:
    """The different places of rows: int64 ``(n, 4)``, y, x, height, width."""
    return np.asarray(index[_BOX].drop_duplicates().to_numpy(np.int64))


def lying_at(index: pd.DataFrame, places: np.ndarray) -> np.ndarray:
    """Which rows lie at one of some places: bool."""
    if index.empty or not len(places):
        return np.zeros(len(index), bool)
    rows, wanted = pd.MultiIndex.from_frame(index[_BOX]), pd.MultiIndex.from_arrays(list(places.T))
    return np.asarray(rows.isin(wanted), bool)


def distances(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each place the pixels to the nearest of the others, along the axis that parts them; 0 where they overlap."""
    gaps: np.ndarray = np.maximum(_gaps(places, others), 0)
    return gaps


def overlapping(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which places have a pixel in common with one of the others."""
    found: np.ndarray = _gaps(places, others) < 0
    return found


def _gaps(places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each place the least gap to one of the others: the larger one of y and x, negative where they overlap."""
    found = np.full(len(places), _FAR, np.int64)
    if not len(others):
        return found
    step = max(1, _BLOCK // len(others))
    for k in range(0, len(places), step):
        part = places[k : k + step, None]
        after = part[..., :2] - (others[:, :2] + others[:, 2:])
        before = others[:, :2] - (part[..., :2] + part[..., 2:])
        found[k : k + step] = np.maximum(after, before).max(axis=-1).min(axis=1)
    return found


def _ground(places: np.ndarray) -> shapely.Geometry:
    y, x, height, width = places.T
    return shapely.union_all(shapely.box(x, y, x + width, y + height))


def _lines(found: Shared) -> dict[str, str]:
    return {_WORDS[field.name]: _word(getattr(found, field.name)) for field in fields(found)}


_WORDS: Final = {
    "patches": "patches to train on / to test on",
    "acquisitions": "radar images in both",
    "pairs": "interferograms in both",
    "pixels": "pixels of ground in both",
    "patches_over": "patches to test on that overlap",
    "distance": "pixels between both",
}


def _word(value: object) -> str:
    if isinstance(value, tuple):
        return " / ".join(map(str, value)) if all(isinstance(v, int) for v in value) and value else str(len(value))
    return "none" if value is None else str(value)
