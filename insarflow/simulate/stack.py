"""Simulated stacks in the contract, with their truth."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

import numpy as np
import xarray as xr
from pyproj import CRS

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.ops.checks import check_number, check_whole
from insarflow.simulate.memory import check_fits
from insarflow.simulate.scene import Scene, draw_scene, observe
from insarflow.simulate.terrain import line_of_sight
from insarflow.simulate.truth import visible_movers
from insarflow.stack.assemble import stack_pairs
from insarflow.types import DelayLike, Grid, Pair, Recipe, parse_date, parse_delay

_CORNER = (330_000.0, 4_990_000.0)

_REPEAT = 6
"""Days between acquisitions."""


def simulate_stack(
    shape: tuple[int, int] = (512, 512),
    *,
    seed: int = 0,
    pixel_size: float = 20.0,
    start: str = "20210703",
    acquisitions: int = 8,
    delays: Sequence[DelayLike] = (6, 12, 18),
    movers: int = 40,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate a mountain region: an interferogram stack, and the truth behind it.

    Parameters
    ----------
    shape
        ``(y, x)`` pixels.
    seed
        The same seed gives the same region.
    pixel_size
        m.
    start
        First acquisition day; the others follow every 6 days.
    acquisitions
        Number of images.
    delays
        Temporal baselines in days of the pairs formed; multiples of 6.
    movers
        Moving slopes wanted; fewer where there is no room.

    Returns
    -------
    stack : Dataset
        As `insarflow.schema`, with ``igram``, ``coherence``, ``dem``, ``incidence``, ``los_east/north/up``.
    truth : Dataset
        ``label`` (int32, ``(y, x)``): 0 stable, else the mover's number; ``los_rate`` (m/yr, positive toward the
        satellite); ``visible`` (bool, ``(date, delay, mover)``): the pair shows the mover, that is, a peak phase of at
        least 0.8 rad at a mean coherence of at least 0.3.

    Raises
    ------
    ValueError
        If no pair has one of the delays, or the region does not fit into this machine's memory.

    Notes
    -----
    All of it is drawn at once, in memory: see `insarflow.simulate.memory.simulation_memory`.

    Motion is steady. Acquisitions are drawn as single-look images (2 x 8 per pixel) with one coherence matrix over all
    dates per pixel and an atmosphere of their own, so pairs of one date share it and triplets without noise close.
    """
    height, width = shape
    shape = check_whole("shape", height, low=2, high=20_000), check_whole("shape", width, low=2, high=20_000)
    check_whole("seed", seed, low=0)
    check_whole("acquisitions", acquisitions, low=2, high=1_000)
    check_whole("movers", movers, low=0)
    days_wanted = [int(parse_delay(d) / np.timedelta64(1, "D")) for d in delays]
    if check_number("pixel_size", pixel_size) <= 0.0:
        raise ValueError(f"pixel_size must be more than 0 m, instead got pixel_size={pixel_size}")
    first = parse_date(start)
    count = sum(max(0, acquisitions - days // _REPEAT) for days in set(days_wanted) if days % _REPEAT == 0)
    if not count:
        raise ValueError(
            f"delays must hold a multiple of {_REPEAT} up to {_REPEAT * (acquisitions - 1)} days for {acquisitions} "
            f"acquisitions, instead got delays={tuple(delays)}"
        )
    check_fits(shape, acquisitions, count)
    scene = draw_scene(
        seed, shape, pixel_size=pixel_size, acquisitions=acquisitions, repeat_days=_REPEAT, movers=movers
    )
    pairs = scene.pairs(days_wanted)
    dates = [first + np.timedelta64(int(d), "D") for d in scene.days]
    names = [Pair(dates[i], dates[j]) for i, j in pairs]
    igrams, gammas = observe(scene, pairs)
    grid = Grid((_CORNER[0], pixel_size, 0.0, _CORNER[1], 0.0, -pixel_size), shape, CRS.from_epsg(32632).to_wkt())
    stack = stack_pairs(
        {pair: {"igram": z, "coherence": g} for pair, z, g in zip(names, igrams, gammas, strict=True)},
        grid,
        static=_static(scene),
        baselines={
            pair: float(scene.baselines[j] - scene.baselines[i]) for pair, (i, j) in zip(names, pairs, strict=True)
        },
        attrs={
            "wavelength": SENTINEL1_WAVELENGTH,
            "platform": "simulated Sentinel-1",
            "looks": [scene.looks.y, scene.looks.x],
            "pass": "ascending" if np.cos(scene.heading) > 0 else "descending",
        },
        recipe=Recipe().then(
            "simulate", seed=seed, shape=list(shape), pixel_size=pixel_size, start=start, acquisitions=acquisitions,
            delays=list(days_wanted), movers=movers, insarflow=version("insarflow"),
        ),
    )  # fmt: skip
    return stack, _truth(scene, stack, names, gammas)


def _static(scene: Scene) -> dict[str, np.ndarray]:
    shape = scene.terrain.height.shape
    incidence = np.full(shape, scene.incidence, np.float32)
    east, north, up = line_of_sight(incidence, scene.heading)
    look = {"los_east": east, "los_north": north, "los_up": up}
    return {"dem": scene.terrain.height, "incidence": incidence} | {k: v.astype(np.float32) for k, v in look.items()}


def _truth(scene: Scene, stack: xr.Dataset, names: list[Pair], gammas: np.ndarray) -> xr.Dataset:
    movers = scene.movers
    visible = np.zeros((stack.sizes["date"], stack.sizes["delay"], movers.count), bool)
    dates, delays = stack.indexes["date"], stack.indexes["delay"]
    for pair, gamma in zip(names, gammas, strict=True):
        where = dates.get_loc(pair.reference), delays.get_loc(parse_delay(pair.delay_days))
        visible[where] = visible_movers(scene, pair.delay_days, gamma)
    peak = movers.peak_rate().astype(np.float32)
    peak_attrs = {"units": "m/yr", "long_name": "largest absolute speed along the line of sight"}
    return xr.Dataset(
        {
            "label": (("y", "x"), movers.label, {"long_name": "number of the moving slope, 0 where stable"}),
            "los_rate": (("y", "x"), movers.rate, {"units": "m/yr", "long_name": "speed toward the satellite"}),
            "peak_rate": ("mover", peak, peak_attrs),
            "visible": (("date", "delay", "mover"), visible, {"long_name": "the interferogram shows the mover"}),
        },
        {
            "date": stack["date"], "delay": stack["delay"], "y": stack["y"], "x": stack["x"],
            "spatial_ref": stack["spatial_ref"], "mover": np.arange(1, movers.count + 1),
        },
    )  # fmt: skip
