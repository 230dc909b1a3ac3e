"""What each interferogram shows of each slope: probability, coherence, and the phase of its core against a ring."""

from __future__ import annotations

from typing import Final

import geopandas as gpd
import numpy as np
import xarray as xr

from insarflow.errors import MissingVariableError
from insarflow.inventory.checks import check_threshold
from insarflow.inventory.windows import look_at, mean_of
from insarflow.inventory.zones import Zone, places
from insarflow.ops.cells import cell_names
from insarflow.schema import CELLS, DIMS, require
from insarflow.stack.assemble import valid_cells
from insarflow.stack.georeference import grid_of

OF_PROBABILITY: Final = ("known", "share", "probability", "margin")
OF_PHASE: Final = ("coherence", "coherence_around", "phase", "phase_std", "consistency", "step")

CORRELATED: Final = 5.0
"""Pixels that share one independent sample: products are filtered, and finer than their looks."""


def observe(frame: gpd.GeoDataFrame, ds: xr.Dataset, *, threshold: float) -> xr.Dataset:
    """Look at every slope in every interferogram.

    This computes. Of a store, only the windows of the slopes are read, one interferogram at a time; what else is lazy
    is computed block by block. Any chunking gives the same numbers.

    Parameters
    ----------
    frame
        Slopes with their ``id``, in any CRS.
    ds
        A stack: ``probability`` or ``igram`` or both, ``coherence`` if there is one.
    threshold
        Probability from which a pixel moves, between 0 and 1.

    Returns
    -------
    Dataset
        With the dimensions ``id`` and ``pair`` (by name, with the coordinates ``date`` and ``delay``, in their order):

        - ``known`` (float32, 0..1): part of the outline that has a probability (without one: a phase); ``margin``: the
          same of the band of two pixels around it, where beyond the grid nothing is known.
        - ``share`` (float32, 0..1): part of what is known at or above the threshold; ``probability``: its mean.
        - ``coherence``, ``coherence_around`` (float32): mean over the outline and over the ring.
        - ``phase`` (float64, rad, positive away from the satellite): of the core against the ring, followed from the
          ring inwards step by step, each to the nearest cycle, so that the fringes of a coherent rim are counted;
          ``phase_std``: its standard deviation from noise, without the air's; ``consistency`` (float32, 0..1): length
          of the mean of the core's phasors; ``step`` (float32, rad): the largest step on the way, which tells near pi
          that cycles may be missed.

        What cannot be told is NaN; of a slope outside the stack, or larger than 4096 x 4096 pixels, all of it.
        Attributes: ``wavelength`` (m, if known), ``orbit``, ``threshold``.

    Raises
    ------
    MissingVariableError
        If the stack holds neither ``probability`` nor ``igram``, or the table no ``id``.
    SchemaError
        If the stack or the table has no CRS.

    Notes
    -----
    The ring lies 40 to 200 m from the outline (at least 2 to 6 pixels), without other slopes and pixels at or above the
    threshold. Phasors are weighted by coherence. A mean of n phasors with resultant length R has the variance
    ``(1 - R^2) / (2 R^2 m)`` with m = n / 5 independent ones.
    """
    threshold = check_threshold(threshold)
    require(ds, to="observe")
    names = [name for name in ("probability", "igram", "coherence") if name in ds]
    if not {"probability", "igram"} & set(names):
        raise MissingVariableError(
            f"slopes are looked at in 'probability' or 'igram', but the dataset holds {sorted(map(str, ds.data_vars))}"
        )
    if "id" not in frame:
        raise MissingVariableError(f"the inventory must have a column 'id', instead it has {list(frame.columns)}")
    first = ds[names[0]]
    cells = np.argwhere(valid_cells(ds) if "valid" in ds else np.ones([ds.sizes[dim] for dim in CELLS], bool))
    arrays = {name: ds[name].transpose(*DIMS).data for name in names}
    seen = look_at(
        places(frame, grid_of(first)), arrays, [tuple(cell) for cell in cells.tolist()], _see,
        width=len(OF_PROBABILITY + OF_PHASE), threshold=threshold,
    )  # fmt: skip
    return _labelled(seen, frame, ds, cells, names, threshold)


def _see(zone: Zone, images: dict[str, np.ndarray], *, threshold: float) -> tuple[float, ...]:
    """What one interferogram shows of one slope."""
    probability = images.get("probability")
    known = np.isfinite(images["igram"] if probability is None else probability)
    inside = known[zone.inside]
    margin = 0.0 if zone.cut else (float(known[zone.band].mean()) if len(zone.band) else 1.0)
    share, mean = np.nan, np.nan
    if probability is not None and inside.any():
        values = probability[zone.inside][inside].astype(np.float64)
        share, mean = float((values >= threshold).mean()), float(values.mean())
    phase = _phase(zone, images, threshold) if "igram" in images else (np.nan,) * len(OF_PHASE)
    return float(inside.mean()), share, mean, margin, *phase


def _phase(zone: Zone, images: dict[str, np.ndarray], threshold: float) -> tuple[float, ...]:
    """Coherence inside and around, phase, its standard deviation, consistency, largest step."""
    igram, inside, ring = images["igram"], zone.inside, zone.ring
    if "probability" in images:
        ring = ring[~(images["probability"][ring] >= threshold)]
    coherence = images.get("coherence")
    weights = np.ones(igram.shape) if coherence is None else np.nan_to_num(coherence).astype(np.float64)
    around = [np.nan, np.nan] if coherence is None else [mean_of(coherence[inside]), mean_of(coherence[ring])]
    of_ring, of_inside = (_phasors(igram[pixels], weights[pixels]) for pixels in (ring, inside))
    by_step = _by_step(of_inside, zone)
    of_core = of_inside[zone.step >= zone.core]
    sums = np.array([of_ring.sum(), *by_step[: zone.core], of_core.sum()])
    total = [np.abs(part).sum() for part in (of_ring, of_core)]
    if min(total) <= 0.0 or sums[0] == 0.0 or sums[-1] == 0.0:
        return *around, np.nan, np.nan, np.nan, np.nan
    lengths = [abs(sums[0]) / total[0], abs(sums[-1]) / total[1]]
    variance = sum(
        (1.0 - r * r) / (2.0 * r * r) / max(np.count_nonzero(part) / CORRELATED, 1.0)
        for r, part in zip(lengths, (of_ring, of_core), strict=True)
    )
    way = sums[sums != 0.0]
    steps = np.angle(way[1:] * way[:-1].conj())
    # A sum of phasors goes by its coherent pixels, the slower ones: each step of the core has its say by its area.
    area = np.bincount(zone.step, of_inside != 0.0, minlength=zone.steps)[zone.core :]
    lag = np.average(np.angle(by_step[zone.core :] * sums[-1].conj()), weights=area)
    phase = float(steps.sum() + lag)
    return *around, phase, float(np.sqrt(max(variance, 0.0))), lengths[1], float(np.abs(steps).max())


def _phasors(igram: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Unit phasors times weights, complex128; 0 where there is none."""
    values = igram.astype(np.complex128)
    size = np.abs(values)
    good = np.isfinite(size) & (size > 0.0)
    phasors = np.zeros(values.shape, np.complex128)
    phasors[good] = values[good] / size[good] * weights[good]
    return phasors


def _by_step(phasors: np.ndarray, zone: Zone) -> np.ndarray:
    """Sum over each step from the outline inwards."""
    real, imag = (np.bincount(zone.step, part, minlength=zone.steps) for part in (phasors.real, phasors.imag))
    return np.asarray(real + 1j * imag)


def _labelled(
    seen: np.ndarray, frame: gpd.GeoDataFrame, ds: xr.Dataset, cells: np.ndarray, names: list[str], threshold: float
) -> xr.Dataset:
    pairs = cell_names(ds[names[0]].transpose(*DIMS))[tuple(cells.T)]
    told = {name: ("probability" in names or name in ("known", "margin")) for name in OF_PROBABILITY}
    told |= {name: "igram" in names and (not name.startswith("coherence") or "coherence" in names) for name in OF_PHASE}
    variables = {
        name: (("id", "pair"), seen[..., k].astype("float64" if name in ("phase", "phase_std") else "float32"))
        for k, name in enumerate(OF_PROBABILITY + OF_PHASE)
        if told[name]
    }
    wanted = {name: ds.attrs[name] for name in ("wavelength",) if name in ds.attrs}
    orbit = " ".join(str(ds.attrs[name]) for name in ("pass", "relative_orbit") if name in ds.attrs)
    return xr.Dataset(
        variables,
        coords={
            "id": frame["id"].to_numpy(np.int64),
            "pair": pairs,
            "date": ("pair", ds["date"].values[cells[:, 0]]),
            "delay": ("pair", ds["delay"].values[cells[:, 1]]),
        },
        attrs={**wanted, "orbit": orbit, "threshold": threshold},
    )
