"""Picture of the coherence between all dates."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from insarflow.plot.images import check_axis, new_figure
from insarflow.plot.network import mean_coherence, network_of, spread
from insarflow.schema import require, validate

FEW: Final = 12
"""Dates up to which a matrix has its numbers written in."""


def coherence_table(ds: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean coherence between all dates.

    Returns
    -------
    ndarray
        Acquisition days, datetime64[ns], ``(days,)``.
    ndarray
        float64, symmetric, ``(days, days)``; NaN where there is no interferogram. This computes.

    Raises
    ------
    SchemaError, MissingVariableError
        If `ds` is no stack, has no coherence or no interferogram.
    """
    require(ds, "coherence", to="plot.coherence_matrix")
    validate(ds)
    pairs, coherence = mean_coherence(ds)
    network = network_of(pairs)
    matrix = np.full((network.days.size,) * 2, np.nan)
    matrix[network.ends[:, 0], network.ends[:, 1]] = matrix[network.ends[:, 1], network.ends[:, 0]] = coherence
    return network.days, matrix


def draw_coherence_matrix(ds: xr.Dataset, *, ax: Axes | None = None) -> Axes:
    """Draw mean coherence date by date; see `insarflow.plot.Plot.coherence_matrix`."""
    axis = None if ax is None else check_axis(ax)
    days, matrix = coherence_table(ds)
    n = days.size
    if axis is None:
        side = min(10.0, max(3.5, 2.0 + 0.35 * n))
        axis = new_figure((side + 1.2, side)).subplots()
    axis.set_facecolor("0.9")
    low, high = spread(matrix)
    image = axis.imshow(matrix, cmap="viridis", vmin=low, vmax=high, interpolation="nearest")
    every = max(1, -(-n // 25))
    names = [str(day)[:10] for day in days.astype("datetime64[D]")[::every]]
    axis.set_xticks(range(0, n, every), labels=names, rotation=90, fontsize=7)
    axis.set_yticks(range(0, n, every), labels=names, fontsize=7)
    if n <= FEW:
        for i, j in np.argwhere(np.isfinite(matrix)).tolist():
            text = "white" if matrix[i, j] < 0.4 * low + 0.6 * high else "black"
            axis.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center", fontsize=7, color=text)
    bar = axis.figure.colorbar(image, ax=axis, aspect=25, shrink=0.8, pad=0.02)
    bar.set_label("mean coherence", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    axis.set_title(f"coherence between {n} dates", fontsize=10)
    return axis
