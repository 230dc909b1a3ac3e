"""Whether rasters cover the grid that they are to be brought to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from insarflow.errors import GridMismatchError
from insarflow.stack.georeference import degrees_of
from insarflow.stack.mesh import Positions
from insarflow.types import Grid

_SAMPLES = 257
"""Rows and columns, at most, at which it is looked whether a pixel is covered."""


def check_cover(name: str, sources: Sequence[Grid], target: Grid, max_missing: float, *, remedy: str) -> None:
    """Check that the extents of rasters, together, cover a grid.

    Parameters
    ----------
    name
        What errors call the rasters.
    sources
        Grids of the rasters.
    target
        The grid to cover.
    max_missing
        Part of its pixels, 0 to 1, that may lie outside.
    remedy
        What an error proposes.

    Raises
    ------
    GridMismatchError
        If more lies outside, saying how much, and where the grid lies.
    """
    share = _share_outside(sources, target)
    if share <= max_missing:
        return
    bounds = degrees_of(target)
    where = "" if bounds is None else f", which lies within {', '.join(f'{v:.4f}' for v in bounds)} degrees"
    raise GridMismatchError(
        f"{name} must cover the stack{where}, instead {_percent(share)} of the stack's pixels lie outside it: "
        f"{remedy}, or allow it with max_missing={min(1.0, np.ceil(share * 100.0) / 100.0):g}"
    )


def _percent(share: float) -> str:
    return "all" if share == 1.0 else f"{max(share, 0.001):.1%}"


def _share_outside(sources: Sequence[Grid], target: Grid) -> float:
    """Part of the target's pixels that no source covers, the first and last row and column among those looked at."""
    rows, cols = (np.rint(np.linspace(0, n - 1, min(n, _SAMPLES))) for n in target.shape)
    at = np.meshgrid(rows, cols, indexing="ij")
    outside = np.ones(at[0].shape, bool)
    for source in sources:
        places = Positions(source, target).at(*at)
        with np.errstate(invalid="ignore"):
            inside = (places >= -0.5) & (places <= np.array(source.shape) - 0.5)
        outside &= ~inside.all(axis=-1)
    return float(outside.mean())
