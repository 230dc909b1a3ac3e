"""Polygons of movers, as someone outlined them, on the pixels of a stack."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
import xarray as xr
from pyproj.exceptions import ProjError

from insarflow.errors import ProductError, SelectionError
from insarflow.learn.label_files import check_rows, days, delays, named_fields, outlines, read_frame, rows_named
from insarflow.ops.checks import check_choice
from insarflow.stack.georeference import grid_of
from insarflow.types import Grid, Pair, Window

State = Literal["moving", "open", "absent"]
"""What a polygon says of its pixels: there is a mover, nobody knows, there is none."""

STATES: Final = ("moving", "open", "absent")
STATUS: Final = ("new", "confirmed", "rejected")
"""What a reviewer may say of a polygon."""

STEP: Final = 4096
"""Steps of a corner's coordinates in a pixel: few enough that what is added to them is added without rounding."""


@dataclass(frozen=True, eq=False)
class Labels:
    """Polygons in pixels of a grid: (0, 0) is its outer corner.

    Attributes
    ----------
    grid
        The pixels.
    shapes
        Polygons and multipolygons of shapely, x before y, object ``(n,)``.
    table
        A row for each: ``row`` (in the file), ``state`` (see `State`), ``rejected`` (bool: someone looked and said that
        it is no mover), ``confidence`` (float32, 0..1), ``repetition`` (float32: how many times it was seen, infinite
        if nobody says), ``class``, ``first`` and ``last`` (days between which both
        acquisitions of a pair lie), ``date`` and ``delay`` (of the one pair that it was outlined in). NaT is any.
    """

    grid: Grid
    shapes: np.ndarray
    table: pd.DataFrame

    def __len__(self) -> int:
        return len(self.shapes)

    @cached_property
    def tree(self) -> shapely.STRtree:
        """Finds polygons by place."""
        return shapely.STRtree(self.shapes)

    @cached_property
    def columns(self) -> dict[str, np.ndarray]:
        """The table's columns as arrays."""
        return {str(name): self.table[name].to_numpy() for name in self.table.columns}

    @cached_property
    def timed(self) -> bool:
        """Whether some polygons are there in some pairs only."""
        return bool(self.table[["first", "last", "date"]].notna().any(axis=None))

    def near(self, window: Window, margin: float = 0.0) -> np.ndarray:
        """Numbers, ascending, of the polygons whose bounds come within `margin` pixels of a window."""
        box = shapely.box(window.x0 - margin, window.y0 - margin, window.x1 + margin, window.y1 + margin)
        return np.sort(self.tree.query(box))

    def of_pair(self, pair: Pair, polygons: np.ndarray) -> np.ndarray:
        """Which of the polygons with these numbers are valid for a pair: bool."""
        names = ("first", "last", "date", "delay")
        first, last, date, delay = (self.columns[name][polygons] for name in names)
        valid = (np.isnat(first) | (first <= pair.reference)) & (np.isnat(last) | (last >= pair.secondary))
        its = (date == pair.reference) & (delay == pair.delay)
        return np.asarray(valid & (np.isnat(date) | its), bool)


def read_labels(
    source: str | Path | gpd.GeoDataFrame,
    ds: xr.Dataset | Grid,
    *,
    fields: Mapping[str, str] | None = None,
    classes: Mapping[str, State] | None = None,
    levels: Mapping[str, float] | None = None,
    repair: bool = False,
) -> Labels:
    """Bring outlined movers to the pixels of a stack.

    Parameters
    ----------
    source
        A GeoPackage (its first layer), GeoJSON, Shapefile or GeoParquet (extra package ``pyarrow``), or a table;
        polygons in any CRS.
    ds
        A stack, or its grid.
    fields
        Column of each of ``confidence``, ``repetition``, ``class``, ``status``, ``first``, ``last``, ``date``,
        ``delay``; by default each that is named so, none with ``{}``. ``repetition`` is the number of times that the
        mover was seen. ``status`` is what a reviewer says: confirmed polygons are what their class says, rejected ones
        hold no mover, and are worth showing to a network; new ones, and those where it is empty, nobody has looked at:
        they are open. A polygon is there in pairs whose acquisitions are not before ``first`` and not after ``last``
        (days, both may be empty), or in the one pair of ``date`` and ``delay``.
    classes
        What each class, as text, says of its pixels: ``{"Slide": "moving", "Bowl": "absent"}``; by default all move.
    levels
        Confidence, 0..1, of each value of the field, such as ``{"1": 0.3, "2": 0.7, "3": 1.0}``; by default the field
        holds it. Where the field is empty it is 1.
    repair
        Whether polygons that cross themselves are mended (`shapely.make_valid`); by default they are an error.

    Returns
    -------
    Labels
        Of the polygons that touch the image, in their order. Corners are rounded to 1/4096 pixel.

    Warns
    -----
    UserWarning
        If some polygons, but not all, lie outside the image: they are left out.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    ProductError
        If the file cannot be read, has no CRS or lacks a field; or, naming the row, if one is empty, no polygon,
        crosses itself, or holds a class, status, confidence or day that is none; or if no polygon has been reviewed.
    SchemaError
        If `ds` has no grid.
    SelectionError
        If no polygon touches the image.

    Examples
    --------
    >>> grid = Grid((0.0, 20.0, 0.0, 2000.0, 0.0, -20.0), (100, 100), "EPSG:32632")
    >>> outlines = gpd.GeoDataFrame({"CONF": [0.5]}, geometry=[shapely.box(200, 400, 600, 800)], crs="EPSG:32632")
    >>> labels = read_labels(outlines, grid, fields={"confidence": "CONF"})
    >>> len(labels), labels.shapes[0].bounds, labels.table["confidence"].tolist()
    (1, (10.0, 60.0, 30.0, 80.0), [0.5])
    """
    for state in (classes or {}).values():
        check_choice("a state in classes", state, STATES)
    grid = ds if isinstance(ds, Grid) else grid_of(ds)
    frame, name = read_frame(source)
    if not len(frame):
        raise ProductError(f"{name} must hold polygons, instead got none")
    if frame.crs is None:
        raise ProductError(f"{name} must have a CRS, instead got none: set it with ogr2ogr -a_srs or set_crs")
    table = _table(named_fields(frame, fields, name), len(frame), classes, levels, name)
    shapes = _on_grid(outlines(frame, name, repair=repair), grid, name)
    inside = shapely.intersects(shapes, shapely.box(0, 0, grid.shape[1], grid.shape[0]))
    if not inside.any():
        raise SelectionError(
            f"{name}: none of the {len(shapes)} polygons touches the image: they lie at columns and rows "
            f"{_extent(shapely.total_bounds(shapes))}, the image has {grid.shape[1]} by {grid.shape[0]}"
        )
    if not inside.all():
        told = f"{name}: {(~inside).sum()} of {len(inside)} polygons lie outside the image and are left out"
        warnings.warn(told, stacklevel=2)
    return Labels(grid, shapes[inside], table[inside].reset_index(drop=True))


def _extent(bounds: np.ndarray) -> str:
    left, top, right, bottom = (f"{v:.0f}" for v in bounds)
    return f"{left} to {right}, {top} to {bottom}"


def _table(
    known: Mapping[str, pd.Series[Any]],
    count: int,
    classes: Mapping[str, State] | None,
    levels: Mapping[str, float] | None,
    name: str,
) -> pd.DataFrame:
    """What is known of each polygon, see `Labels`."""
    nothing = pd.Series([None] * count, dtype=object)
    kinds = known.get("class", nothing)
    if classes is not None and "class" not in known:
        raise ProductError(f"{name} has no class, which classes= tells apart: name its field, fields={{'class': ...}}")
    if levels is not None and "confidence" not in known:
        raise ProductError(
            f"{name} has no confidence, which levels= tells: name its field, fields={{'confidence': ...}}"
        )
    states = pd.Series(["moving"] * count, dtype=object)
    if classes is not None:
        words = _words(kinds)
        check_rows(~words.isin(list(classes)), kinds, "class", f"one of {', '.join(classes)}: add it to classes", name)
        states = words.map(dict(classes))
    status = _reviewed(known["status"], name) if "status" in known else pd.Series(["confirmed"] * count, dtype=object)
    rejected = (status == "rejected").to_numpy(bool)
    states = states.where(status != "new", "open").where(~rejected, "absent")
    return pd.DataFrame(
        {
            "row": np.arange(count),
            "state": states,
            "rejected": rejected,
            "confidence": _confidence(known.get("confidence", nothing), levels, name),
            "repetition": _repetition(known.get("repetition", nothing), name),
            "class": kinds,
            "first": days(known.get("first", nothing), "first", name),
            "last": days(known.get("last", nothing), "last", name),
            "date": days(known.get("date", nothing), "date", name),
            "delay": delays(known.get("delay", nothing), "delay", name),
        }
    )


def _reviewed(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """What reviewers say of each polygon, one of `STATUS`; where it is empty nobody has looked."""
    text = column.astype(object).where(column.notna(), "").astype(str).str.strip().str.lower()
    check_rows(~text.isin(["", *STATUS]), column, "status", f"one of {', '.join(STATUS)}, or empty", name)
    if not text.isin(["confirmed", "rejected"]).any():
        raise ProductError(
            f"{name}: status must be confirmed or rejected in some rows, instead nobody has reviewed any of the "
            f"{len(text)}: review them, or take all as movers with fields= that leave the status out"
        )
    return text.where(text != "", "new")


def _words(column: pd.Series[Any]) -> pd.Series[Any]:
    """Values as text, whole numbers without a fraction."""
    return column.map(lambda v: str(int(v)) if isinstance(v, float) and v.is_integer() else str(v))


def _confidence(column: pd.Series[Any], levels: Mapping[str, float] | None, name: str) -> np.ndarray:
    if levels is not None:
        words = {str(key): float(value) for key, value in levels.items()}
        text = _words(column)
        strange = column.notna() & ~text.isin(list(words))
        check_rows(strange, column, "confidence", f"one of {', '.join(words)}: add it to levels", name)
        column = text.map(words).where(column.notna())
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column.notna() & ~numbers.between(0.0, 1.0)
    check_rows(wrong, column, "confidence", "0 to 1: say what its values mean with levels=", name)
    return np.asarray(numbers.fillna(1.0), np.float32)


def _repetition(column: pd.Series[Any], name: str) -> np.ndarray:
    numbers = pd.to_numeric(column, errors="coerce")
    wrong = column.notna() & ~((numbers >= 0) & (numbers == numbers.round()))
    check_rows(wrong, column, "repetition", "a whole number from 0 on: how many times it was seen", name)
    return np.asarray(numbers.fillna(np.inf), np.float32)


def _on_grid(outlines: gpd.GeoSeries, grid: Grid, name: str) -> np.ndarray:
    """The polygons in pixels of a grid."""
    if outlines.crs != grid.crs:
        west, south, east, north = outlines.total_bounds
        try:
            # An edge is straight in the file's CRS, and in the stack's only if it is short.
            outlines = outlines.segmentize(max(east - west, north - south) / 200).to_crs(grid.crs)
        except (ProjError, RuntimeError, ValueError) as error:
            raise ProductError(f"{name} cannot be brought to the stack's CRS: {error}") from error
    x, x_step, _, y, _, y_step = grid.transform
    shapes = shapely.transform(outlines.to_numpy(), _rounded((x, y), (x_step, y_step)))
    lost = np.flatnonzero(~np.isfinite(shapely.bounds(shapes)).all(axis=1))
    if len(lost):
        raise ProductError(f"{name} holds coordinates that have no place in the stack's CRS, in {rows_named(lost)}")
    return np.asarray(shapes)


def _rounded(origin: tuple[float, float], step: tuple[float, float]) -> Callable[[np.ndarray], np.ndarray]:
    def rounded(corners: np.ndarray) -> np.ndarray:
        pixels: np.ndarray = np.rint((corners - origin) / step * STEP) / STEP
        return pixels

    return rounded
