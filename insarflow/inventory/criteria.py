"""Which slopes stay in an inventory, by what annotators go by: repetition, coherence around, visibility, terrain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import xarray as xr

from insarflow.errors import GridMismatchError, MissingVariableError
from insarflow.inventory.windows import look_at, mean_of
from insarflow.inventory.zones import Zone, places
from insarflow.ops.checks import check_fraction, check_number, check_whole
from insarflow.schema import SPACE
from insarflow.stack.georeference import grid_of

Height = float | xr.DataArray
"""m: one number, or a raster (y, x) of any grid and CRS."""

_MADE_FROM: Final = {
    "pairs": "pairs", "active_fraction": "the probability of each interferogram", "coherence_around": "coherence",
    "layover_fraction": "dem, layover and shadow", "slope_deg": "dem", "elevation_m": "dem",
    "implausible_direction": "igram, dem and the line of sight",
}  # fmt: skip


@dataclass(frozen=True)
class Criteria:
    """What a slope must be to stay; by default everything stays. What nobody can tell does not count against a slope.

    Attributes
    ----------
    min_pairs, min_active_fraction
        Interferograms that show it, and their part of those that could have.
    min_coherence
        Mean coherence of the stable ring around it, 0..1: phase of a mover means nothing beside noise.
    max_layover
        Part of it in layover or shadow, 0..1.
    plausible
        Leave out what would slide uphill.
    min_slope, max_slope
        Mean steepness, degrees.
    min_elevation, max_elevation
        Mean height, m; a number, or a raster of heights such as a snow line or an equilibrium line altitude.
    mask, max_masked
        Raster (y, x), of any grid and CRS, that is true (not 0, not NaN) where no slope moves: glaciers, water, fields;
        and the part of a slope that may lie there, 0..1.
    """

    min_pairs: int = 0
    min_active_fraction: float = 0.0
    min_coherence: float = 0.0
    max_layover: float = 1.0
    plausible: bool = False
    min_slope: float | None = None
    max_slope: float | None = None
    min_elevation: Height | None = None
    max_elevation: Height | None = None
    mask: xr.DataArray | None = None
    max_masked: float = 0.5

    def __post_init__(self) -> None:
        check_whole("min_pairs", self.min_pairs, low=0)
        for name in ("min_active_fraction", "min_coherence", "max_layover", "max_masked"):
            check_fraction(name, getattr(self, name))
        for name in ("min_slope", "max_slope"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= check_number(name, value) <= 90.0:
                raise ValueError(f"{name} must be 0 to 90 degrees, instead got {name}={value}")
        if self.min_slope is not None and self.max_slope is not None and self.min_slope > self.max_slope:
            raise ValueError(
                f"min_slope must be at most max_slope, instead got {self.min_slope} and {self.max_slope} degrees"
            )
        for name in ("min_elevation", "max_elevation"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, xr.DataArray):
                check_number(name, value)


def select_slopes(frame: gpd.GeoDataFrame, criteria: Criteria) -> gpd.GeoDataFrame:
    """The slopes of an inventory that meet all criteria.

    Parameters
    ----------
    frame
        As of `insarflow.inventory.inventory`.
    criteria
        See `Criteria`.

    Returns
    -------
    geopandas.GeoDataFrame
        Its rows that stay, with their ``id``. The attribute ``left_out`` tells how many each criterion left out;
        one that several leave out counts for each.

    Raises
    ------
    MissingVariableError
        If the inventory was made without what a criterion needs.
    GridMismatchError
        If a raster does not cover a slope.

    Examples
    --------
    >>> from shapely import box
    >>> slopes = gpd.GeoDataFrame({"id": [1, 2], "pairs": [1, 5]}, geometry=[box(0, 0, 1, 1)] * 2, crs="EPSG:32632")
    >>> select_slopes(slopes, Criteria(min_pairs=2))["id"].tolist()
    [2]
    """
    if not isinstance(frame, gpd.GeoDataFrame):
        raise TypeError(f"frame must be a geopandas.GeoDataFrame, instead got {type(frame).__name__}")
    left_out = {name: fails for name, fails in _fails(frame, criteria).items() if fails.any()}
    stays = ~np.any([np.zeros(len(frame), bool), *left_out.values()], axis=0)
    kept = frame[stays].reset_index(drop=True)
    kept.attrs = {**frame.attrs, "left_out": {name: int(fails.sum()) for name, fails in left_out.items()}}
    return kept


def _fails(frame: gpd.GeoDataFrame, criteria: Criteria) -> dict[str, np.ndarray]:
    """For each criterion that is asked for, which slopes it leaves out."""

    def column(name: str) -> np.ndarray:
        if name not in frame:
            raise MissingVariableError(
                f"the inventory has no column {name!r}: make it from a stack that holds {_MADE_FROM[name]}"
            )
        values = np.asarray(frame[name].to_numpy(), np.float64)
        if values.size and np.isnan(values).all():
            raise MissingVariableError(
                f"column {name!r} of the inventory is empty: make it from a stack that holds {_MADE_FROM[name]}"
            )
        return values

    fails = {}
    for name, of, least in (
        ("min_pairs", "pairs", criteria.min_pairs),
        ("min_active_fraction", "active_fraction", criteria.min_active_fraction),
        ("min_coherence", "coherence_around", criteria.min_coherence),
        ("min_slope", "slope_deg", criteria.min_slope or 0.0),
    ):
        if least > 0.0:
            fails[name] = column(of) < least
    if criteria.max_layover < 1.0:
        fails["max_layover"] = column("layover_fraction") > criteria.max_layover
    if criteria.max_slope is not None:
        fails["max_slope"] = column("slope_deg") > criteria.max_slope
    if criteria.plausible:
        fails["plausible"] = column("implausible_direction") > 0.0
    if criteria.min_elevation is not None:
        fails["min_elevation"] = column("elevation_m") < _heights(frame, "min_elevation", criteria.min_elevation)
    if criteria.max_elevation is not None:
        fails["max_elevation"] = column("elevation_m") > _heights(frame, "max_elevation", criteria.max_elevation)
    if criteria.mask is not None:
        fails["mask"] = _over(frame, "mask", criteria.mask, _masked) > criteria.max_masked
    return fails


def _heights(frame: gpd.GeoDataFrame, name: str, height: Height) -> np.ndarray | float:
    return _over(frame, name, height, _mean) if isinstance(height, xr.DataArray) else float(height)


def _over(frame: gpd.GeoDataFrame, name: str, raster: xr.DataArray, look: object) -> np.ndarray:
    """A number of a raster for each slope."""
    if set(raster.dims) != set(SPACE):
        raise GridMismatchError(f"{name} must be a raster with dims {SPACE}, instead got dims={raster.dims}")
    arrays = {"raster": raster.transpose(*SPACE).data}
    seen = look_at(places(frame, grid_of(raster)), arrays, [()], look, width=1)[:, 0, 0]  # type: ignore[arg-type]
    if np.isnan(seen).any():
        missing = frame["id"].to_numpy()[np.isnan(seen)].tolist()
        raise GridMismatchError(
            f"{name} must cover every slope, but has no value where {len(missing)} of {len(frame)} lie "
            f"(id {', '.join(map(str, missing[:5]))}{', ...' if len(missing) > 5 else ''}): give a larger raster"
        )
    return seen


def _mean(zone: Zone, images: dict[str, np.ndarray]) -> tuple[float]:
    return (mean_of(images["raster"][zone.inside]),)


def _masked(zone: Zone, images: dict[str, np.ndarray]) -> tuple[float]:
    return (float((np.nan_to_num(images["raster"][zone.inside].astype(np.float64)) != 0.0).mean()),)
