"""Which outlines of an inventory people have drawn, and which rows have lost their id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import geopandas as gpd
import numpy as np
import shapely

Marks = Mapping[str, Sequence[float]]
"""Of each outline by id, as text: its corners, its area, and easting and northing of its centroid."""

_SAME: Final = 1e-5
"""Part of its size by which an outline may differ from its mark: it may have been through another CRS."""


def marks_of(frame: gpd.GeoDataFrame) -> dict[str, list[float]]:
    """Marks by which outlines are known again, in the CRS of `frame`."""
    return {str(id_): one for id_, one in zip(frame["id"].tolist(), _marks(frame).tolist(), strict=True)}


def redrawn(frame: gpd.GeoDataFrame, marks: Marks) -> list[int]:
    """Ids of the rows whose outlines are not those of their marks any more; what has none is not known to be.

    Parameters
    ----------
    frame
        In the CRS that the marks were made in.
    marks
        As of `marks_of`.
    """
    known = np.flatnonzero([str(id_) in marks for id_ in frame["id"].tolist()])
    if not len(known):
        return []
    ids = frame["id"].to_numpy()[known]
    same = _same(_marks(frame.iloc[known]), np.array([marks[str(id_)] for id_ in ids.tolist()], np.float64))
    return sorted(ids[~same].tolist())


def restored(frame: gpd.GeoDataFrame, marks: Marks) -> tuple[gpd.GeoDataFrame, list[int], int]:
    """Give rows that a program has outlined and that have no id the one that their outline is marked with.

    Ids that other rows have are not given: a row that was copied is another.

    Returns
    -------
    geopandas.GeoDataFrame
        `frame`, with these ids.
    list of int
        The ids given.
    int
        How many such rows are left without.
    """
    lost = np.flatnonzero((frame["id"] == 0) & frame["probability_max"].notna())
    there = {*frame["id"].tolist()}
    free = np.array([int(id_) for id_ in marks if int(id_) not in there], np.int64)
    if not len(lost):
        return frame, [], 0
    given = frame["id"].to_numpy(copy=True)
    told = np.array([marks[str(id_)] for id_ in free.tolist()], np.float64).reshape(-1, 4)
    taken = np.zeros(len(free), bool)
    for row, mark in zip(lost.tolist(), _marks(frame.iloc[lost]), strict=True):
        same = np.flatnonzero(_same(mark[None], told) & ~taken)
        if len(same):
            given[row], taken[same[0]] = free[same[0]], True
    attrs = frame.attrs
    frame = frame.assign(id=given)
    frame.attrs = attrs
    return frame, sorted(free[taken].tolist()), int((given[lost] == 0).sum())


def _marks(frame: gpd.GeoDataFrame) -> np.ndarray:
    """(n, 4)."""
    shapes = shapely.force_2d(frame.geometry.to_numpy())
    centres = shapely.centroid(shapes)
    numbers = [
        shapely.get_num_coordinates(shapes),
        shapely.area(shapes),
        shapely.get_x(centres),
        shapely.get_y(centres),
    ]
    return np.array(numbers, np.float64).reshape(4, -1).T


def _same(marks: np.ndarray, others: np.ndarray) -> np.ndarray:
    size = np.sqrt(others[:, 1])
    near = np.abs(marks[:, 2:] - others[:, 2:]).max(axis=1, initial=0.0) <= _SAME * size
    alike: np.ndarray = (marks[:, 0] == others[:, 0]) & near & (np.abs(marks[:, 1] - others[:, 1]) <= _SAME * size**2)
    return alike
