"""The truth about a window of an interferogram: polygons, or an image that a simulation made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import shapely
import xarray as xr

from insarflow.errors import GridMismatchError, SchemaError
from insarflow.learn.labels import Labels
from insarflow.learn.rasterise import Drawing, burnt, confidence, rasterise
from insarflow.schema import DIMS, SPACE
from insarflow.simulate.truth import MISSING, MOVING
from insarflow.stack.georeference import grid_of
from insarflow.types import Pair, Window


class Truth(Protocol):
    """What patches are told of their pixels."""

    def mask(self, window: Window, pair: Pair, cell: tuple[int, int]) -> np.ndarray:
        """States of a window's pixels in a pair, uint8; `cell` is its position along date and delay."""
        ...

    def confidence(self, window: Window, pair: Pair) -> np.ndarray | None:
        """How sure one is of them, float32 0..1; None if that is not known."""
        ...

    def rejected(self, window: Window) -> np.ndarray:
        """Pixels that someone looked at and said that they are no mover, bool."""
        ...

    def places(self, pair: Pair, *, rejected: bool) -> np.ndarray:
        """A point ``(y, x)``, in pixels, in each mover of a pair, or in each rejected polygon; none if not known."""
        ...


@dataclass(frozen=True)
class PolygonTruth:
    """Truth as polygons tell it."""

    labels: Labels
    drawing: Drawing

    def mask(self, window: Window, pair: Pair, cell: tuple[int, int]) -> np.ndarray:
        """As `Truth.mask`."""
        return rasterise(self.labels, window, pair=pair, drawing=self.drawing)

    def confidence(self, window: Window, pair: Pair) -> np.ndarray | None:
        """As `Truth.confidence`."""
        return confidence(self.labels, window, pair=pair, drawing=self.drawing)

    def rejected(self, window: Window) -> np.ndarray:
        """As `Truth.rejected`."""
        near = self.labels.near(window, 1)
        near = near[self.labels.columns["rejected"][near]]
        return burnt(self.labels.shapes[near], window, all_touched=self.drawing.all_touched) > 0

    def places(self, pair: Pair, *, rejected: bool) -> np.ndarray:
        """As `Truth.places`."""
        chosen = self.labels.columns["rejected"]
        if not rejected:
            chosen = self.drawing.states(self.labels, np.arange(len(self.labels)), pair) == MOVING
        points: np.ndarray = shapely.get_coordinates(shapely.point_on_surface(self.labels.shapes[chosen]))
        return points[:, ::-1]


@dataclass(frozen=True)
class MaskTruth:
    """Truth as an image of states, ``(y, x)`` or ``(date, delay, y, x)``; uint8, or bool: True moves."""

    states: xr.DataArray

    def __post_init__(self) -> None:
        kind = self.states.dtype
        if kind not in (np.dtype(np.uint8), np.dtype(bool)) or tuple(self.states.dims) not in (DIMS, SPACE):
            dims = tuple(map(str, self.states.dims))
            raise SchemaError(
                f"labels as an image must be uint8 or bool on (y, x) or (date, delay, y, x), instead got {kind} on "
                f"{dims}"
            )

    def mask(self, window: Window, pair: Pair, cell: tuple[int, int]) -> np.ndarray:
        """As `Truth.mask`."""
        lead = cell if tuple(self.states.dims) == DIMS else ()
        cut = self.states.variable[(*lead, slice(window.y0, window.y1), slice(window.x0, window.x1))].data
        # Of a lazy image one window is computed, without a thread for each block.
        states = np.array(cut.compute(scheduler="synchronous") if hasattr(cut, "compute") else cut, np.uint8)
        if states.max(initial=0) > MISSING:
            raise SchemaError(
                "labels as an image must hold 0 (absent), 1 (moving), 2 (open) or 3 (missing), instead got "
                f"{states.max()}"
            )
        return states

    def confidence(self, window: Window, pair: Pair) -> np.ndarray | None:
        """As `Truth.confidence`: not known."""
        return None

    def rejected(self, window: Window) -> np.ndarray:
        """As `Truth.rejected`: none."""
        return np.zeros(window.shape, bool)

    def places(self, pair: Pair, *, rejected: bool) -> np.ndarray:
        """As `Truth.places`: not known."""
        return np.empty((0, 2))


def truth_of(labels: Labels | xr.DataArray, drawing: Drawing, ds: xr.Dataset) -> Truth:
    """The truth that labels tell about a stack.

    Raises
    ------
    TypeError
        If `labels` are neither `Labels` nor a DataArray.
    SchemaError
        If an image holds no states.
    GridMismatchError
        If they lie on other pixels than `ds`.
    """
    if isinstance(labels, Labels):
        grid = grid_of(ds)
        if not grid.same_as(labels.grid):
            raise GridMismatchError(
                f"labels must lie on the stack's grid of {grid.shape} pixels, instead got one of {labels.grid.shape}: "
                "read them for the stack as it is after the recipe's steps"
            )
        return PolygonTruth(labels, drawing)
    if not isinstance(labels, xr.DataArray):
        raise TypeError(f"labels must be those of read_labels, or a DataArray, instead got {type(labels).__name__}")
    truth = MaskTruth(labels)
    wanted = {str(dim): ds.sizes[dim] for dim in labels.dims}
    if dict(labels.sizes) != wanted:
        raise GridMismatchError(f"labels must have the stack's size {wanted}, instead got {dict(labels.sizes)}")
    for dim in labels.dims:
        if dim in labels.coords and not np.array_equal(labels[dim].values, ds[dim].values):
            raise GridMismatchError(f"labels must have the stack's coordinates, instead their {dim} is another")
    return truth
