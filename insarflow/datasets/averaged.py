"""Regions of averaged interferograms, made of stacks in the layout that `insarflow.datasets.drs_unet` reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from insarflow.datasets.rasters import write_rasters
from insarflow.errors import MissingVariableError, ProductError, SelectionError
from insarflow.ops.average import average
from insarflow.ops.checks import check_field, check_kind, check_whole
from insarflow.ops.phase import phase
from insarflow.ops.terrain import surface
from insarflow.schema import CELLS, require
from insarflow.simulate.scene import HEADINGS
from insarflow.simulate.stack import simulate_stack
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN
from insarflow.stack.georeference import georeference, grid_of
from insarflow.types import Grid

DELAYS: Final = (12, 24)
"""Days between the acquisitions of the paper's pairs."""

_PHASE_ALONE: Final = 1e-3
"""Deviation of magnitudes from 1 below which they say nothing."""


def write_drs_unet(
    root: str | Path,
    name: str,
    ds: xr.Dataset,
    mask: xr.DataArray,
    *,
    intensity: xr.DataArray | None = None,
    delays: Sequence[int] = DELAYS,
) -> Path:
    """Average a stack of one track and write it as a region of the layout of `insarflow.datasets.drs_unet.ORIGIN`.

    Parameters
    ----------
    root
        Folder of the data set; made if it is not there.
    name
        Of the region: letters, digits, ``_`` and ``-``. The two tracks of one area are two regions.
    ds
        A stack with ``igram``. With ``dem``, the bands dem, slope and curvature are written, too.
    mask
        States of `insarflow.simulate.truth`, or bool, ``(y, x)`` on the stack's pixels.
    intensity
        Mean intensity of the period, linear, float32 ``(y, x)``. By default of the variable ``amplitude``; without one,
        the interferograms' magnitude over their coherence, both summed over all pairs, which is about the geometric
        mean of both intensities.
    delays
        Days; those that the stack has are averaged, each by itself.

    Returns
    -------
    Path
        The region's folder.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    SelectionError
        If the stack has none of the delays.
    MissingVariableError
        If nothing tells an intensity.
    InsarError
        Of the stack; `StoreError` if a file cannot be written.

    Notes
    -----
    Averages are those of `insarflow.average`: interferograms deramped, relative to their own circular mean, and the
    circular mean of each pixel taken. They are held in memory. ``curvature`` is the profile's plus the tangential one,
    ``profile + plan * sin(slope)``, twice the mean curvature, positive where convex: unlike the plan curvature it has a
    limit on level ground, 0 here.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
        raise ValueError(f"name must be letters, digits, _ and -, instead got name={name!r:.100}")
    check_kind("ds", ds, xr.Dataset, "an xarray.Dataset")
    require(ds, "igram", to="write_drs_unet")
    grid = grid_of(ds)
    chosen = _of_delays(ds, delays)
    states = check_field(mask.astype(np.uint8), "mask", "uint8", ds["igram"])
    if int(states.max()) > MISSING:
        raise ValueError(f"mask must hold states from 0 to {MISSING}, instead got {int(states.max())}")
    power = _intensity(chosen) if intensity is None else check_field(intensity, "intensity", "float32", ds["igram"])
    mean = average(chosen).load()
    images: dict[str, xr.DataArray | np.ndarray] = {
        f"phase_{delay}days": phase(mean.isel(delay=k)) for k, delay in enumerate(_days(mean))
    }
    images |= {"intensity": power, "mask": states}
    if "dem" in ds:
        images |= _terrain(ds["dem"], grid)
    write_rasters(Path(root) / name, images, grid)
    return Path(root) / name


def _days(ds: xr.Dataset) -> list[int]:
    whole: list[int] = (ds["delay"].values // np.timedelta64(1, "D")).astype(int).tolist()
    return whole


def _of_delays(ds: xr.Dataset, delays: Sequence[int]) -> xr.Dataset:
    wanted = {check_whole("delays", int(delay), low=1) for delay in delays}
    there = _days(ds)
    kept = [k for k, delay in enumerate(there) if delay in wanted]
    if not kept:
        raise SelectionError(f"ds must have pairs of {sorted(wanted)} days, instead got delays of {there}: see delays=")
    return ds.isel(delay=kept)


def _intensity(ds: xr.Dataset) -> xr.DataArray:
    """Mean linear intensity of a stack, float32."""
    if "amplitude" in ds:
        return (ds["amplitude"] ** 2).mean(CELLS).astype(np.float32).compute()
    if "coherence" in ds:
        size: xr.DataArray = abs(ds["igram"])
        total, spread = size.sum(CELLS).compute(), float(abs(size - 1).max())
        if spread > _PHASE_ALONE:
            gamma = ds["coherence"].where(size.notnull()).sum(CELLS).compute()
            power: xr.DataArray = (total / gamma.where(gamma > 0)).astype(np.float32)
            return power
    raise MissingVariableError(
        "ds must have amplitude, or coherence and interferograms with a magnitude, to tell an intensity, instead it "
        f"has {', '.join(sorted(map(str, ds.data_vars)))}: give intensity="
    )


def _terrain(dem: xr.DataArray, grid: Grid) -> dict[str, xr.DataArray]:
    heights = dem.astype(np.float32).compute()
    shape = surface(heights, grid)
    tangential = shape["plan_curvature"] * np.sin(shape["slope"])
    curvature = (shape["profile_curvature"] + tangential).where(shape["slope"] != 0, 0.0)
    return {"dem": heights, "slope": shape["slope"], "curvature": curvature.astype(np.float32)}


def simulate_drs_unet(
    folder: str | Path,
    *,
    scenes: int = 4,
    seed: int = 0,
    shape: tuple[int, int] = (256, 256),
    acquisitions: int = 10,
    movers: int = 12,
) -> Path:
    """Simulate regions in the layout of DRs-UNet, each of both tracks.

    Parameters
    ----------
    folder
        Made if it is not there.
    scenes
        Number of areas. They lie north of one another, a kilometre apart.
    seed
        Scene k is a function of ``(seed, k)``.
    shape
        ``(y, x)`` pixels of 20 m.
    acquisitions
        Of each track, every 6 days: with 10 there are 8 pairs of 12 days and 6 of 24. (The paper has 30.)
    movers
        Moving slopes of an area, about.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense.
    InsarError
        `ProductError` if the folder holds something already; `StoreError` if a file cannot be written.

    Notes
    -----
    The mask of a region: moving where a mover is visible in a pair at least; open where one moves and is never seen;
    missing where no pair has data.
    """
    check_whole("scenes", scenes, low=1, high=99)
    check_whole("seed", seed, low=0)
    root = Path(folder)
    if root.is_dir() and any(root.iterdir()):
        raise ProductError(f"{root} must be empty to be filled with simulated data: choose another folder")
    for k in range(scenes):
        for direction in HEADINGS:
            number = int(np.random.SeedSequence((seed, k)).generate_state(1)[0])
            ds, truth = simulate_stack(
                shape, seed=number, acquisitions=acquisitions, delays=DELAYS, movers=movers, direction=direction
            )
            ds = _moved_north(ds.load(), k)
            states = _states(truth["target"].load()).assign_coords(ds[["y", "x"]].coords)
            write_drs_unet(root, f"scene{k:02d}_{direction}", ds, states)
    return root


def _moved_north(ds: xr.Dataset, number: int) -> xr.Dataset:
    """A simulated stack in another place: all are simulated in one."""
    grid = grid_of(ds)
    x, x_step, _, y, _, y_step = grid.transform
    away = number * (grid.shape[0] * abs(y_step) + 1000.0)
    return georeference(ds, Grid((x, x_step, 0.0, y + away, 0.0, y_step), grid.shape, grid.crs))


def _states(target: xr.DataArray) -> xr.DataArray:
    """One state a pixel from those of all pairs; absent pairs say nothing."""
    ever = [(target == state).any(CELLS) for state in (MOVING, OPEN, ABSENT)]
    states = np.select([e.values for e in ever], [MOVING, OPEN, ABSENT], MISSING).astype(np.uint8)
    return ever[0].copy(data=states)
