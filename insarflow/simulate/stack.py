"""Simulated stacks in the contract, with their truth: lazy, of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Final, get_args

import numpy as np
import xarray as xr
from pyproj import CRS

from insarflow.constants import SENTINEL1_WAVELENGTH
from insarflow.ops.checks import check_number, check_whole
from insarflow.simulate.blocks import image, pair_images
from insarflow.simulate.dem import relief_of
from insarflow.simulate.processing import PROCESSING
from insarflow.simulate.scene import Direction, Scenario, Scene
from insarflow.simulate.slides import Slides
from insarflow.simulate.truths import truth_of
from insarflow.stack.assemble import stack_pairs
from insarflow.types import DelayLike, Grid, Pair, Recipe, parse_date, parse_delay

_CORNER: Final = (330_000.0, 4_990_000.0)

_ROOM: Final = 0.4
"""Movers per km2 of the usual sizes for which there is room."""

REPEAT: Final = 6
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
    processing: str = "unfiltered",
    direction: Direction = "ascending",
    dem: xr.DataArray | None = None,
    scenario: Scenario | None = None,
) -> tuple[xr.Dataset, xr.Dataset]:
    """Simulate a mountain region: an interferogram stack, and the truth behind it, both lazy.

    Parameters
    ----------
    shape
        ``(y, x)`` pixels; any size, since each block is simulated when it is asked for.
    seed
        The same seed gives the same region. In one of another size with the same north-west corner and pixels, terrain,
        cover and air are the same at the same place; the moving slopes too, if `scenario` gives their density, since
        `movers` is a number per region. Radar images and so noise are others: their lines, samples and angles of
        incidence follow from the region's middle.
    pixel_size
        m.
    start
        First acquisition day; the others follow every 6 days.
    acquisitions
        Number of images.
    delays
        Temporal baselines in days of the pairs formed; multiples of 6.
    movers
        Moving slopes wanted: their density is such that about so many find room where all slopes may move; where more
        than about 40 per 100 km2 are wanted, they are smaller than real ones.
    processing
        How interferograms are made from single-look images: ``"unfiltered"`` (2 x 8 looks), ``"isslide"`` (Goldstein
        filter of the single looks, 2 x 8 looks, phase alone), ``"looks1x4"``, ``"looks4x20"``, ``"looks5x20"``; see
        `insarflow.simulate.processing.PROCESSING`.
    direction
        Of the flight: ``"ascending"`` or ``"descending"``. Both see the same ground, each with acquisitions of its own.
    dem
        Heights, m, on a north-up grid with square pixels in metres: the terrain, and the grid of the result; `shape`
        and `pixel_size` are not looked at. By default mountains are drawn.
    scenario
        Ranges that the rest is drawn from.

    Returns
    -------
    stack : Dataset
        As `insarflow.schema`, with ``igram``, ``coherence``, ``dem``, ``incidence``, ``los_east/north/up``,
        ``layover``, ``shadow`` and ``water``, in blocks of 512 pixels. What is computed is not kept: store it, or
        ``load()`` it.
    truth : Dataset
        Of each pixel ``label`` (int32: 0 stable, else the mover's number), ``los_rate`` (m/yr, mean of the first year,
        positive toward the satellite), ``look_alike`` (uint8). Of each mover ``kind``, ``confidence``, ``speed`` (m/yr
        down the slope), ``peak_rate`` (m/yr along the line of sight). Of each pair and mover ``visible`` (bool) and
        ``peak_phase`` (rad); of each pair and pixel ``target`` (uint8: 0 stable or at rest, 1 moves visibly, 2 moves
        but is not seen) and the parts of the phase: ``motion``, ``look_alike_phase``, ``atmosphere``, ``orbit``,
        ``topography`` (rad, not wrapped, positive away from the satellite).

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, no pair has one of the delays, or there is no room for so many movers.
    InsarError
        If the DEM misses heights, or is on no grid in metres.

    Notes
    -----
    Acquisitions are drawn as single-look complex images in radar geometry (2.3 x 13.9 m, Sentinel-1's bandwidths), with
    one coherence matrix over all dates for each sample, layover folded and shadow dark; each has an atmosphere, a path
    and snow of its own, so pairs of one date share them and triplets without noise close. Pairs are then processed as
    real ones.

    Examples
    --------
    >>> import insarflow
    >>> ds, truth = insarflow.simulate_stack((96, 64), acquisitions=3, delays=[6], movers=1)
    >>> dict(ds.sizes)
    {'date': 2, 'delay': 1, 'y': 96, 'x': 64}
    """
    days_wanted = _checked(shape, seed, acquisitions, movers, delays, processing, direction)
    first = parse_date(start)
    relief, grid = relief_of(dem, seed) if dem is not None else (None, None)
    if grid is None:
        if check_number("pixel_size", pixel_size) <= 0.0:
            raise ValueError(f"pixel_size must be more than 0 m, instead got pixel_size={pixel_size}")
        corner = (_CORNER[0], pixel_size, 0.0, _CORNER[1], 0.0, -pixel_size)
        grid = Grid(corner, (int(shape[0]), int(shape[1])), CRS.from_epsg(32632).to_wkt())
    pixel = grid.transform[1]
    ranges = Scenario() if scenario is None else scenario
    if "density" not in ranges.slides:
        ranges = _crowded(ranges, movers / (grid.shape[0] * grid.shape[1] * (pixel / 1000.0) ** 2))
    scene = Scene.draw(
        seed, grid.shape, pixel_size=pixel, relief=relief, first_day=_day_of_year(first), repeat_days=REPEAT,
        direction=direction, scenario=ranges,
    )  # fmt: skip
    numbers = scene.pairs(range(acquisitions), days_wanted)
    dates = [first + np.timedelta64(REPEAT * k, "D") for k in range(acquisitions)]
    pairs = {Pair(dates[i], dates[j]): (i, j) for i, j in numbers}
    steps = PROCESSING[processing]
    images = pair_images(scene, list(pairs.values()), steps)
    stack = stack_pairs(
        dict(zip(pairs, images, strict=True)),
        grid,
        static={name: image(scene, name) for name in STATIC},
        baselines={pair: scene.orbit(j).position - scene.orbit(i).position for pair, (i, j) in pairs.items()},
        attrs={
            "wavelength": SENTINEL1_WAVELENGTH,
            "platform": "simulated Sentinel-1",
            "looks": [steps.looks.y, steps.looks.x],
            "pass": direction,
        },
        recipe=Recipe().then(
            "simulate", seed=seed, shape=list(grid.shape), pixel_size=pixel, start=start, acquisitions=acquisitions,
            delays=days_wanted, movers=movers, direction=direction, processing=processing, **steps.noted(),
            insarflow=version("insarflow"),
        ),
    )  # fmt: skip
    return stack, truth_of(scene, stack, pairs, steps)


STATIC: Final = ("dem", "incidence", "los_east", "los_north", "los_up", "layover", "shadow", "water")


def _checked(
    shape: tuple[int, int], seed: int, acquisitions: int, movers: int, delays: Sequence[DelayLike], processing: str,
    direction: str,
) -> list[int]:  # fmt: skip
    """The delays in days."""
    height, width = shape
    check_whole("shape", height, low=2, high=200_000)
    check_whole("shape", width, low=2, high=200_000)
    check_whole("seed", seed, low=0)
    check_whole("acquisitions", acquisitions, low=2, high=1_000)
    check_whole("movers", movers, low=0)
    for name, value, allowed in (
        ("processing", processing, tuple(PROCESSING)),
        ("direction", direction, get_args(Direction)),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, instead got {name}={value!r}")
    days = [int(parse_delay(d) / np.timedelta64(1, "D")) for d in delays]
    if not any(d % REPEAT == 0 and d <= REPEAT * (acquisitions - 1) for d in days):
        raise ValueError(
            f"delays must hold a multiple of {REPEAT} up to {REPEAT * (acquisitions - 1)} days for {acquisitions} "
            f"acquisitions, instead got delays={tuple(delays)}"
        )
    return days


def _crowded(scenario: Scenario, density: float) -> Scenario:
    """So many movers per km2, made smaller if they are too many for their size."""
    if "size" in scenario.slides or density <= _ROOM:
        return scenario.with_density(density)
    shrunk = (_ROOM / density) ** 0.5
    size = {"size": (Slides.size[0] * shrunk, Slides.size[1] * shrunk), "largest": Slides.largest * shrunk}
    return replace(scenario, slides={**size, **scenario.slides}).with_density(density)


def _day_of_year(date: np.datetime64) -> float:
    return float((date - date.astype("datetime64[Y]")) / np.timedelta64(1, "D")) + 1.0
