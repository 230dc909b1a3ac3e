"""Probabilities and the interferograms that they were made of, in one dataset."""

from __future__ import annotations

from typing import Final

import xarray as xr

from insarflow.errors import GridMismatchError, SelectionError
from insarflow.ops.terrain import LINE_OF_SIGHT
from insarflow.schema import CELLS
from insarflow.stack.georeference import grid_of

MEASURED: Final = ("igram", "coherence", "dem", "slope", "aspect", *LINE_OF_SIGHT, "layover", "shadow")
"""What of a stack slopes are measured with."""

SAME: Final = ("pass", "relative_orbit", "wavelength")
"""Attributes that must agree where both have them: another orbit sees other motion."""


def joined(probabilities: xr.Dataset, stack: xr.Dataset) -> xr.Dataset:
    """Probabilities with what their stack tells of the same interferograms, lazy.

    Parameters
    ----------
    probabilities
        Holds ``probability`` (date, delay, y, x).
    stack
        On the same grid, with these interferograms among its own.

    Raises
    ------
    GridMismatchError
        If the grids differ, or the orbits.
    SelectionError
        If the stack lacks some of the days or delays.
    """
    mine, its = grid_of(probabilities["probability"]), grid_of(stack)
    if not mine.same_as(its):
        raise GridMismatchError(
            f"the stack must lie on the grid of the probabilities, {mine.shape} pixels from {mine.transform[::3]}, "
            f"instead got {its.shape} pixels from {its.transform[::3]}: give the stack that was segmented"
        )
    for name in SAME:
        if name in probabilities.attrs and name in stack.attrs and probabilities.attrs[name] != stack.attrs[name]:
            raise GridMismatchError(
                f"the stack must have the {name} of the probabilities, {probabilities.attrs[name]}, instead got "
                f"{stack.attrs[name]}: give the stack that was segmented"
            )
    for dim in CELLS:
        lacking = [value for value in probabilities[dim].values if value not in stack.indexes[dim]]
        if lacking:
            raise SelectionError(
                f"the stack lacks {len(lacking)} values of {dim} that the probabilities have, {lacking[0]} among them: "
                "give the stack that was segmented"
            )
    same = all(stack.indexes[dim].equals(probabilities.indexes[dim]) for dim in CELLS)
    part = stack if same else stack.sel({dim: probabilities[dim].values for dim in CELLS})
    wanted = {name: part[name].variable for name in MEASURED if name in part}
    return probabilities.assign(wanted).assign_attrs({**part.attrs, **probabilities.attrs})
