"""Patches to train on and patches to test on that do not know of each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr

from insarflow.errors import SelectionError
from insarflow.learn.labels import read_labels
from insarflow.learn.leakage import acquisitions_of, boxes, distances, holding, lying_at, overlapping
from insarflow.learn.leakage import leakage_report as leakage_report
from insarflow.learn.metrics.checks import check_share
from insarflow.learn.published import split_by_name as split_by_name
from insarflow.learn.split import Split as Split
from insarflow.ops.checks import check_number, check_whole
from insarflow.types import DateLike, Grid, parse_date


def split_by_region(
    index: pd.DataFrame,
    holdout: str | Path | gpd.GeoDataFrame,
    ds: xr.Dataset | Grid,
    *,
    buffer: int,
    acquisitions: float | Sequence[DateLike] | None = None,
    seed: int = 0,
) -> Split:
    """Test on the patches whose middle lies in held-out zones; train on those that are far enough away.

    Parameters
    ----------
    index
        Of a `insarflow.learn.patches.PatchDataset`.
    holdout
        Polygons, as `insarflow.learn.labels.read_labels`.
    ds
        The stack on whose pixels the patches are, or its grid.
    buffer
        Pixels that lie at least between a patch to train on and each patch to test on: the reach of the network, so
        that it has seen nothing that it is tested on (`insarflow.reach`).
    acquisitions, seed
        Radar images that are held out, too, as ``test`` of `split_by_acquisition`: then nothing at all is shared, as
        most that passes for skill in a new zone may be the atmosphere of an old day. By default they are shared.

    Returns
    -------
    Split
        Patches in between are dropped.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    InsarError
        Of the polygons; `SelectionError` if one side has no patch, or none with a mover.

    Examples
    --------
    >>> import pandas as pd
    >>> days = ["20210703", "20210709", "20210715", "20210721"]
    >>> rows = [(x, *days[k : k + 2]) for x in (0, 64, 256) for k in range(3)]
    >>> index = pd.DataFrame(rows, columns=["x", "reference", "secondary"])
    >>> index = index.assign(pair=index["reference"] + "_" + index["secondary"], y=0, height=64, width=64, positive=0.1)
    >>> grid = Grid((0.0, 20.0, 0.0, 1280.0, 0.0, -20.0), (64, 320), "EPSG:32632")
    >>> zone = gpd.GeoDataFrame(geometry=[shapely.box(5000, 0, 6400, 1280)], crs="EPSG:32632")
    >>> split = split_by_region(index, zone, grid, buffer=37)
    >>> sorted(set(split.train["x"])), sorted(set(split.test["x"]))
    ([0, 64], [256])
    """
    train, test, dropped = in_zones(index, holdout, ds, buffer=buffer)
    if acquisitions is None:
        return Split(train, test, dropped)
    early, late, _ = of_acquisitions(index, _named(index, acquisitions, seed))
    kept = [side.loc[side.index.intersection(other.index)] for side, other in ((train, early), (test, late))]
    lost = len(train) + len(test) - sum(map(len, kept))
    return Split(kept[0], kept[1], {**dropped, "with a radar image of the other set": lost})


def split_by_edge(index: pd.DataFrame, share: float = 0.2, *, buffer: int) -> Split:
    """Test on a strip along one side of the image; train on what is far enough away.

    Parameters
    ----------
    index
        Of a `insarflow.learn.patches.PatchDataset`.
    share
        Of the moving pixels that the strip holds, at least; between 0 and 1, both excluded.
    buffer
        As of `split_by_region`.

    Returns
    -------
    Split
        Of the four sides, with the one that leaves most moving pixels to train on.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SelectionError
        If one side of every such split has no patch, or none with a mover.

    Examples
    --------
    >>> import pandas as pd
    >>> days = ["20210703", "20210709", "20210715", "20210721"]
    >>> rows = [(x, *days[k : k + 2]) for x in (0, 64, 256) for k in range(3)]
    >>> index = pd.DataFrame(rows, columns=["x", "reference", "secondary"])
    >>> index = index.assign(pair=index["reference"] + "_" + index["secondary"], y=0, height=64, width=64, positive=0.1)
    >>> split = split_by_edge(index, buffer=37)
    >>> sorted(set(split.train["x"])), sorted(set(split.test["x"]))
    ([0, 64], [256])
    """
    return Split(*along_edge(index, share, buffer=buffer))


Parts = tuple[pd.DataFrame, pd.DataFrame, dict[str, int]]
"""Rows to train on and to test on, of which either may be empty, and numbers of rows in neither by reason."""


def in_zones(index: pd.DataFrame, zones: str | Path | gpd.GeoDataFrame, ds: xr.Dataset | Grid, *, buffer: int) -> Parts:
    """As `split_by_region`, whatever either side holds."""
    check_whole("buffer", buffer, low=0)
    ground = shapely.union_all(read_labels(zones, ds, fields={}).shapes)
    return _apart(index, np.asarray(shapely.contains_xy(ground, *_middles(index)[::-1])), buffer)


def along_edge(index: pd.DataFrame, share: float = 0.2, *, buffer: int) -> Parts:
    """As `split_by_edge`, whatever either side holds."""
    check_whole("buffer", buffer, low=0)
    check_share("share", share)
    moving = index["positive"].to_numpy(float)
    best: Parts = (index, index.iloc[:0], {})
    most = 0.0
    for middle in _middles(index):
        for place in (middle, -middle):
            order = np.argsort(place, kind="stable")
            sums = np.cumsum(moving[order])
            if not len(sums) or not sums[-1]:
                continue
            cut = place[order[np.searchsorted(sums, share * sums[-1])]]
            parts = _apart(index, place <= cut, buffer)
            left = float(parts[0]["positive"].sum())
            if left > most:
                best, most = parts, left
    return best


def _middles(index: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    y, x = ((index[corner] + index[side] / 2).to_numpy(float) for corner, side in (("y", "height"), ("x", "width")))
    return y, x


def _apart(index: pd.DataFrame, inside: np.ndarray, buffer: int) -> Parts:
    """Rows far enough from those inside; those inside."""
    test, rest = index[inside], index[~inside]
    places, others = boxes(rest), boxes(test)
    near = overlapping(places, others) | (distances(places, others) < buffer)
    close = lying_at(rest, places[near])
    return rest[~close], test, {f"within {buffer} pixels of the other set": int(close.sum())}


def split_by_time(index: pd.DataFrame, start: DateLike) -> Split:
    """Test on the interferograms of acquisitions from a day on; train on those of acquisitions before it.

    Parameters
    ----------
    index
        Of a `insarflow.learn.patches.PatchDataset`.
    start
        First day to test on.

    Returns
    -------
    Split
        Interferograms across the day are dropped, so no radar image is on both sides.

    Raises
    ------
    TypeError, ValueError
        If `start` is no day.
    SelectionError
        If one side has no patch, or none with a mover.

    Examples
    --------
    >>> import pandas as pd
    >>> days = ["20210703", "20210709", "20210715", "20210721"]
    >>> rows = [(x, *days[k : k + 2]) for x in (0, 64, 256) for k in range(3)]
    >>> index = pd.DataFrame(rows, columns=["x", "reference", "secondary"])
    >>> index = index.assign(pair=index["reference"] + "_" + index["secondary"], y=0, height=64, width=64, positive=0.1)
    >>> split = split_by_time(index, "2021-07-15")
    >>> set(split.train["pair"]), set(split.test["pair"]), dict(split.dropped)
    ({'20210703_20210709'}, {'20210715_20210721'}, {'with a radar image of each set': 3})
    """
    day = parse_date(start)
    return _by_acquisition(index, {name for name in acquisitions_of(index) if parse_date(name) >= day})


def split_by_acquisition(index: pd.DataFrame, test: float | Sequence[DateLike], *, seed: int = 0) -> Split:
    """Test on the interferograms between some acquisitions; train on those between the others.

    Parameters
    ----------
    index
        Of a `insarflow.learn.patches.PatchDataset`.
    test
        Days of the acquisitions to test on; or their share, of which one run of successive acquisitions is drawn, as
        few short interferograms lie between acquisitions that are scattered.
    seed
        Of where the run begins.

    Returns
    -------
    Split
        Interferograms from one set to the other are dropped, so no radar image is on both sides.

    Raises
    ------
    TypeError, ValueError
        If `test` holds no days, or is no share.
    SelectionError
        If a day is none of an acquisition; if one side has no patch, or none with a mover.

    Examples
    --------
    >>> import pandas as pd
    >>> days = ["20210703", "20210709", "20210715", "20210721"]
    >>> rows = [(x, *days[k : k + 2]) for x in (0, 64, 256) for k in range(3)]
    >>> index = pd.DataFrame(rows, columns=["x", "reference", "secondary"])
    >>> index = index.assign(pair=index["reference"] + "_" + index["secondary"], y=0, height=64, width=64, positive=0.1)
    >>> split = split_by_acquisition(index, ["2021-07-03", "2021-07-09"])
    >>> set(split.test["pair"])
    {'20210703_20210709'}
    """
    return _by_acquisition(index, _named(index, test, seed))


def _named(index: pd.DataFrame, test: float | Sequence[DateLike], seed: int) -> set[str]:
    """Names of the radar images of days, or of a drawn run of a share of them."""
    known = sorted(acquisitions_of(index))
    if isinstance(test, str) or not isinstance(test, int | float | Sequence):
        raise TypeError(f"test must be a share or a list of days, instead got test={test!r}")
    if isinstance(test, int | float):
        if not 0 < check_number("test", test) < 1:
            raise ValueError(f"test must be between 0 and 1, both excluded, or days, instead got test={test}")
        count = min(max(round(test * len(known)), 2), len(known))
        first = int(np.random.default_rng(seed).integers(0, len(known) - count + 1))
        return {*known[first : first + count]}
    names = [str(parse_date(day).astype("datetime64[D]")).replace("-", "") for day in test]
    strange = [name for name in names if name not in known]
    if strange:
        raise SelectionError(
            f"test must be days of acquisitions, instead got {strange[0]}: there are {', '.join(known)}"
        )
    return {*names}


def _by_acquisition(index: pd.DataFrame, test: set[str]) -> Split:
    return Split(*of_acquisitions(index, test))


def of_acquisitions(index: pd.DataFrame, test: set[str]) -> Parts:
    """As `split_by_acquisition`, by names of radar images, whatever either side holds."""
    some, every = holding(index, test)
    crossing = {"with a radar image of each set": int((some & ~every).sum())}
    return index[~some], index[every], crossing
