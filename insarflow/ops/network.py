"""The network of a stack's interferograms, and what operations along it must find there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from insarflow.constants import DAYS_PER_YEAR
from insarflow.errors import MissingVariableError, NetworkError
from insarflow.kernels import network
from insarflow.ops.cells import present_cells
from insarflow.ops.checks import check_number
from insarflow.ops.columns import pixel
from insarflow.schema import CELLS, SPACE, VARIABLES, validate
from insarflow.types import Pair

_NAMED = 8
"""Dates of a component that a message names."""


@dataclass(frozen=True)
class Edges:
    """The interferograms of a stack, sorted by date and delay.

    Attributes
    ----------
    cells
        int, shape ``(pair, 2)``: position along date and delay.
    reference, secondary
        ``datetime64[ns]``, shape ``(pair,)``: earlier and later day.
    """

    cells: np.ndarray
    reference: np.ndarray
    secondary: np.ndarray

    @cached_property
    def dates(self) -> np.ndarray:
        """All acquisition days, ascending."""
        return np.unique(np.concatenate([self.reference, self.secondary]))

    @cached_property
    def pairs(self) -> np.ndarray:
        """Positions of the earlier and the later day of each pair in `dates`, shape ``(pair, 2)``."""
        return np.searchsorted(self.dates, np.stack([self.reference, self.secondary], axis=1)).astype(np.int64)

    @cached_property
    def years(self) -> np.ndarray:
        """Time of each day since the first, years."""
        years: np.ndarray = (self.dates - self.dates[0]) / np.timedelta64(1, "D") / DAYS_PER_YEAR
        return years

    @property
    def names(self) -> list[str]:
        """Names of the pairs."""
        return [Pair(a, b).name for a, b in zip(self.reference, self.secondary, strict=True)]

    @property
    def components(self) -> np.ndarray:
        """Number of the connected component of each day."""
        return network.components(self.pairs, len(self.dates))

    def coords(self) -> dict[str, Any]:
        """Coordinates of what lies along the pairs."""
        return {
            "pair": ("pair", np.array(self.names), {"long_name": "earlier and later acquisition day"}),
            "reference": ("pair", self.reference, {"long_name": "acquisition day of the earlier image"}),
            "secondary": ("pair", self.secondary, {"long_name": "acquisition day of the later image"}),
        }


def edges_of(ds: xr.Dataset, name: str, *, to: str) -> Edges:
    """The interferograms of a stack that have the variable `name`, without reading any.

    Raises
    ------
    TypeError, SchemaError
        If `ds` is no stack.
    MissingVariableError
        If it has no such variable.
    NetworkError
        If it holds no interferogram.
    """
    validate(ds)
    if name not in ds:
        remedy = ": unwrap the interferograms first" if name == "unwrapped" else ""
        held = sorted(map(str, ds.data_vars))
        raise MissingVariableError(f"{to} needs the variable {name!r}, but the dataset holds {held}{remedy}")
    return edges_between(ds["date"].values, ds["delay"].values, present_cells(ds, name), to=to)


def edges_between(dates: np.ndarray, delays: np.ndarray, present: np.ndarray | None, *, to: str) -> Edges:
    """The interferograms of some dates and delays: those in `present`, bool ``(date, delay)``, or all if that is None.

    Raises
    ------
    NetworkError
        If there is none.
    """
    cells = np.argwhere(np.ones((len(dates), len(delays)), bool) if present is None else present)
    if not len(cells):
        raise NetworkError(f"{to} needs interferograms, instead got valid=False everywhere")
    reference = dates[cells[:, 0]]
    secondary = reference + delays[cells[:, 1]]
    order = np.lexsort((secondary, reference))
    return Edges(cells[order], reference[order], secondary[order])


def check_connected(edges: Edges, *, to: str, remedy: str) -> None:
    """Check that the pairs join all dates.

    Raises
    ------
    NetworkError
        Naming the components by their dates.
    """
    labels = edges.components
    if labels.max() == 0:
        return
    parts = []
    for label in range(labels.max() + 1):
        days = [str(day)[:10] for day in edges.dates[labels == label]]
        more = f" and {len(days) - _NAMED} more" if len(days) > _NAMED else ""
        parts.append(f"({', '.join(days[:_NAMED])}{more})")
    raise NetworkError(
        f"the pairs must join all dates for {to}, instead got {len(parts)} components: {' and '.join(parts)}; {remedy}"
    )


def images(ds: xr.Dataset, name: str) -> Any:
    """Data of a variable along ``(date, delay, y, x)``."""
    return ds[name].transpose(*CELLS, *SPACE).data


def baselines_of(ds: xr.Dataset, edges: Edges, *, to: str) -> np.ndarray:
    """Perpendicular baseline of each date relative to the first of its component, m, by least squares over the pairs.

    Raises
    ------
    MissingVariableError
        If there is no ``perpendicular_baseline``.
    ValueError
        If it is not in memory, or that of a pair is unknown.
    """
    name = "perpendicular_baseline"
    if name not in ds:
        raise MissingVariableError(
            f"{to} needs the variable {name!r} for residual_topography=True, but the dataset holds "
            f"{sorted(map(str, ds.data_vars))}"
        )
    if isinstance(ds[name].data, da.Array):
        raise ValueError(f"{name} must be in memory, instead got a lazy array: ds[{name!r}].load() reads it")
    values = ds[name].transpose(*CELLS).values[tuple(edges.cells.T)]
    unknown = [pair for pair, value in zip(edges.names, values, strict=True) if not np.isfinite(value)]
    if unknown:
        raise ValueError(f"{name} must be known for every pair, instead got NaN for {unknown[:_NAMED]}")
    return network.date_values(edges.pairs, values, len(edges.dates))


def reference_pixel(ds: xr.Dataset, name: str, point: tuple[float, float] | None) -> Any:
    """Values of all interferograms in the pixel nearest to ``(x, y)``, shape ``(date, delay, 1, 1)``; None if that is.

    Raises
    ------
    TypeError, ValueError
        If it is no point inside the image.
    """
    if point is None:
        return None
    if not isinstance(point, tuple | list) or len(point) != 2:
        raise TypeError(f"reference must be a point (x, y) in map coordinates, instead got reference={point!r:.80}")
    place = []
    for dim, value in zip(("y", "x"), point[::-1], strict=True):
        centres = ds[dim].values
        step = abs(centres[-1] - centres[0]) / max(1, centres.size - 1)
        at = int(np.argmin(np.abs(centres - check_number("reference", value))))
        if abs(centres[at] - value) > (step / 2 if step else np.inf) * 1.001:
            raise ValueError(
                f"reference must lie inside the image, {dim} from {centres.min()} to {centres.max()}, "
                f"instead got reference={tuple(point)}"
            )
        place.append(at)
    return pixel(images(ds, name), *place)


def take_reference(columns: np.ndarray, at: np.ndarray, names: list[str]) -> np.ndarray:
    """Interferograms ``(pair, y, x)`` minus their values in the reference pixel, ``(pair, 1, 1)``.

    Raises
    ------
    ValueError
        If one has none there.
    """
    missing = [name for name, value in zip(names, at[:, 0, 0], strict=True) if np.isnan(value)]
    if missing:
        raise ValueError(
            f"reference must be a pixel that every pair has, instead got NaN there in {len(missing)} of {len(names)} "
            f"pairs, such as {missing[0]}: choose a point of high coherence"
        )
    referenced: np.ndarray = columns - at
    return referenced


def surroundings(ds: xr.Dataset, name: str) -> tuple[dict[Any, Any], dict[str, Any], dict[str, Any]]:
    """Coordinates and static variables on ``(y, x)`` of a stack, and the attributes that place an image on the map."""
    coords = {key: c for key, c in ds.coords.items() if not set(c.dims) & set(CELLS)}
    static = {key: ds[key] for key, v in VARIABLES.items() if v.dims == SPACE and key in ds}
    mapping = ds[name].encoding.get("grid_mapping", ds[name].attrs.get("grid_mapping"))
    return coords, static, {"grid_mapping": mapping} if mapping else {}
