"""Pictures of how the interferograms connect the acquisitions: baselines against time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import matplotlib.dates as mdates
import numpy as np
import xarray as xr
from dask.base import compute
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from scipy import sparse
from scipy.sparse import csgraph

from insarflow.errors import SchemaError
from insarflow.plot.choice import with_valid
from insarflow.plot.images import check_axis, new_figure
from insarflow.schema import require, validate
from insarflow.stack.assemble import pairs_table
from insarflow.stack.labels import cell_of, pairs_of
from insarflow.types import Pair

Colour = Literal["coherence", "delay"]

PARTS: Final = ("#222222", "#d1495b", "#00798c", "#edae49", "#7b2d8b", "#66a182")
"""Colours of the unconnected parts of a network, repeated if there are more."""

FEW: Final = 12
"""Acquisitions up to which each has its day written below."""


@dataclass(frozen=True)
class Network:
    """Acquisitions and the interferograms between them.

    Attributes
    ----------
    days
        Acquisition days, datetime64[ns], ``(days,)``, sorted.
    pairs
        The interferograms, ``(pairs,)``.
    ends
        Positions in `days` of reference and secondary, int, ``(pairs, 2)``.
    part
        Number of the connected part of each day, int, ``(days,)``, from 0 in order of time.
    """

    days: np.ndarray
    pairs: list[Pair]
    ends: np.ndarray
    part: np.ndarray

    @property
    def delays(self) -> np.ndarray:
        """Days between the ends of each pair."""
        return np.array([p.delay_days for p in self.pairs])


def network_of(pairs: list[Pair]) -> Network:
    """Connect the acquisitions of `pairs`.

    Raises
    ------
    SchemaError
        If there is no pair.
    """
    if not pairs:
        raise SchemaError("a network needs at least one interferogram, but the stack holds none")
    days, places = np.unique(np.array([(p.reference, p.secondary) for p in pairs]), return_inverse=True)
    ends = places.reshape(-1, 2)
    edges = sparse.coo_array((np.ones(len(pairs)), (ends[:, 0], ends[:, 1])), shape=(days.size, days.size))
    part = csgraph.connected_components(edges, directed=False)[1]
    return Network(days, pairs, ends, part)


def positions(network: Network, baselines: np.ndarray) -> np.ndarray:
    """Baseline of every acquisition that fits those of the pairs best.

    Parameters
    ----------
    network
        Days and pairs.
    baselines
        Of the pairs, m, NaN if unknown, ``(pairs,)``.

    Returns
    -------
    ndarray
        m, float64, ``(days,)``: least squares, of mean 0 in each part that known baselines connect; NaN for a day
        without a known baseline.
    """
    known = np.isfinite(baselines)
    reference, secondary = network.ends[known].T
    n = network.days.size
    laplacian = np.zeros((n, n))
    np.add.at(laplacian, (reference, reference), 1.0)
    np.add.at(laplacian, (secondary, secondary), 1.0)
    np.add.at(laplacian, (reference, secondary), -1.0)
    np.add.at(laplacian, (secondary, reference), -1.0)
    right = np.zeros(n)
    np.add.at(right, secondary, baselines[known])
    np.add.at(right, reference, -baselines[known])
    # The solution of least norm has mean 0 in every connected part.
    found: np.ndarray = np.linalg.lstsq(laplacian, right)[0]
    return np.where(np.diag(laplacian) > 0, found, np.nan)


def draw_network(ds: xr.Dataset, *, colour: Colour | None = None, ax: Axes | None = None) -> Axes:
    """Draw the network; see `insarflow.plot.Plot.network`."""
    validate(ds)
    if colour not in (None, "coherence", "delay"):
        raise ValueError(f"colour must be 'coherence' or 'delay', instead got colour={colour!r}")
    if colour == "coherence":
        require(ds, "coherence", to="plot.network(colour='coherence')")
    axis = None if ax is None else check_axis(ax)
    by_coherence = "coherence" in ds if colour is None else colour == "coherence"
    pairs, coherence = mean_coherence(ds) if by_coherence else (pairs_of(with_valid(ds)), None)
    network = network_of(pairs)
    if axis is None:
        axis = new_figure((8.5, 4.5)).subplots()
    heights = _baselines(ds, pairs)
    days = mdates.date2num(network.days)
    if heights is None:
        lines, dashed = _arcs(network, days), np.zeros(len(pairs), bool)
        axis.set_ylabel("delay (days)", fontsize=9)
        level = np.zeros(days.size)
    else:
        level = np.nan_to_num(positions(network, heights))
        lines = [np.column_stack([days[e], level[e]]) for e in network.ends]
        dashed = ~np.isfinite(heights)
        axis.set_ylabel("perpendicular baseline (m)", fontsize=9)
    _edges(axis, lines, network.delays if coherence is None else coherence, by_coherence, dashed)
    _nodes(axis, network, days, level)
    _time_axis(axis, days)
    parts = int(network.part.max()) + 1
    connected = "" if parts == 1 else f", {parts} unconnected parts"
    axis.set_title(
        f"{days.size} acquisitions, {len(pairs)} interferogram{'s' * (len(pairs) != 1)}{connected}", fontsize=10
    )
    return axis


def mean_coherence(ds: xr.Dataset) -> tuple[list[Pair], np.ndarray]:
    """Interferograms of a stack and their mean coherence, ``(pairs,)``; one pass over the coherence."""
    # Only what is asked of the table: it counts pixels of the first image it finds.
    names = [n for n in ("coherence", "valid", "spatial_ref") if n in ds.variables]
    table = pairs_table(ds[names])
    return [Pair.parse(str(name)) for name in table.index], table["mean_coherence"].to_numpy()


def spread(coherence: np.ndarray) -> tuple[float, float]:
    """Ends of a colour scale on which the `coherence` of pairs can be told apart: whole tenths, 0.2 apart or more."""
    known = coherence[np.isfinite(coherence)]
    if not known.size:
        return 0.0, 1.0
    low, high = math.floor(10 * known.min()), math.ceil(10 * known.max())
    low = max(0, min(low, high - 2))
    return low / 10, max(high, low + 2) / 10


def _baselines(ds: xr.Dataset, pairs: list[Pair]) -> np.ndarray | None:
    """Perpendicular baselines of the pairs, m; None if there is none known."""
    if "perpendicular_baseline" not in ds:
        return None
    (values,) = compute(ds["perpendicular_baseline"].data)
    found = np.array([values[cell_of(ds, p)] for p in pairs], dtype=np.float64)
    return found if np.isfinite(found).any() else None


def _arcs(network: Network, days: np.ndarray) -> list[np.ndarray]:
    """Half ellipses between the ends of each pair, as high as its delay."""
    angle = np.linspace(0.0, np.pi, 33)
    arcs = []
    for (a, b), delay in zip(network.ends, network.delays, strict=True):
        middle, radius = (days[a] + days[b]) / 2, (days[b] - days[a]) / 2
        arcs.append(np.column_stack([middle - radius * np.cos(angle), delay * np.sin(angle)]))
    return arcs


def _edges(axis: Axes, lines: list[np.ndarray], values: np.ndarray, by_coherence: bool, dashed: np.ndarray) -> None:
    scale = Normalize(*spread(values)) if by_coherence else Normalize(0.0, float(values.max()))
    mapper = ScalarMappable(scale, "viridis")
    colours = mapper.to_rgba(np.ma.masked_invalid(values.astype(np.float64)))
    colours[~np.isfinite(values)] = (0.7, 0.7, 0.7, 1.0)
    order = np.argsort(np.nan_to_num(values), kind="stable") if by_coherence else np.argsort(-values, kind="stable")
    width = 1.5 if len(lines) <= 300 else 0.6
    for style in ("-", "--"):
        these = [i for i in order.tolist() if dashed[i] == (style == "--")]
        segments = LineCollection([lines[i] for i in these], colors=colours[these], linewidths=width, linestyles=style)
        axis.add_collection(segments)
    if dashed.any():
        axis.plot([], [], "--", color="0.4", linewidth=1.2, label="baseline unknown")
    axis.autoscale_view()
    label = "mean coherence" if by_coherence else "delay (days)"
    bar = axis.figure.colorbar(mapper, ax=axis, pad=0.02, aspect=25)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)


def _nodes(axis: Axes, network: Network, days: np.ndarray, level: np.ndarray) -> None:
    parts = int(network.part.max()) + 1
    size = 28 if days.size <= 60 else 10
    for part in range(parts):
        here = network.part == part
        label = f"part {part + 1}: {here.sum()} dates" if parts > 1 and part < len(PARTS) else None
        colour = PARTS[part % len(PARTS)]
        axis.scatter(
            days[here], level[here], s=size, color=colour, zorder=3, edgecolors="white", label=label, linewidths=0.6
        )
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize=8, loc="best", framealpha=0.8)


def _time_axis(axis: Axes, days: np.ndarray) -> None:
    if days.size <= FEW:
        axis.set_xticks(days, labels=[str(mdates.num2date(day).date()) for day in days], rotation=30, ha="right")
    else:
        locator = mdates.AutoDateLocator(minticks=3, maxticks=9)
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))
    axis.set_xlabel("acquisition day", fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(color="0.92", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.margins(x=0.03, y=0.08)
