"""Sites of GRD images with clips, written and simulated in the layout that `insarflow.datasets.nava` reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from pyproj import CRS

from insarflow.datasets.composites import BANDS
from insarflow.datasets.nava import CLASSES, CLIP
from insarflow.datasets.rasters import write_rasters
from insarflow.errors import ProductError, StoreError
from insarflow.ops.checks import check_whole
from insarflow.ops.terrain import surface
from insarflow.simulate.ground_cover import CLASSES as COVERS
from insarflow.simulate.scene import Scenario, Scene
from insarflow.types import Grid, Window

PIXEL: Final = 10.0
"""Of simulated sites, m."""

LOOKS: Final = 4.4
"""Equivalent number of looks of Sentinel-1 GRD images in IW mode at high resolution."""

_CORNER: Final = (600_000.0, 4_730_000.0)
"""Of the first simulated site, m in UTM 54 N: about where Hokkaido's Iburi is."""


class Ground(NamedTuple):
    """How a cover looks: backscatter at the mean incidence, dB, and reflectance in red, green and blue."""

    vv: float
    vh: float
    colour: tuple[float, float, float]


_GROUND: Final[Mapping[str, Ground]] = {
    "rock": Ground(-9.0, -17.0, (0.16, 0.15, 0.14)),
    "meadow": Ground(-11.0, -18.0, (0.08, 0.10, 0.05)),
    "forest": Ground(-8.5, -14.0, (0.03, 0.05, 0.03)),
    "ice": Ground(-12.0, -20.0, (0.25, 0.25, 0.25)),
    "water": Ground(-20.0, -28.0, (0.02, 0.03, 0.04)),
}
"""Typical numbers of C band and of Sentinel-2; choices, not measurements."""

_SCAR: Final = (0.22, 0.17, 0.11)
"""Reflectance of bare soil."""


def write_nava(
    root: str | Path, name: str, bands: Mapping[str, np.ndarray | xr.DataArray], grid: Grid, clips: pd.DataFrame
) -> Path:
    """Write a site in the layout of `insarflow.datasets.nava.ORIGIN`.

    Parameters
    ----------
    root
        Folder of the data set; made if it is not there.
    name
        Of the site: letters, digits, ``_`` and ``-``.
    bands
        Of `insarflow.datasets.composites.BANDS`, those there are, real numbers ``(y, x)``: backscatter in dB, m, rad,
        reflectance. NaN is missing.
    grid
        Their pixels.
    clips
        ``top``, ``left``: first pixel of 25 x 25; ``label``: 1 landslide, 0 other.

    Returns
    -------
    Path
        The site's folder.

    Raises
    ------
    ValueError
        If a name is unknown, an image does not have the grid's size, or a clip leaves it.
    StoreError
        If a file cannot be written.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,80}", name):
        raise ValueError(f"name must be letters, digits, _ and -, instead got name={name!r:.100}")
    strange = [band for band in bands if band not in BANDS]
    if strange or not bands:
        raise ValueError(f"bands must be of {', '.join(BANDS)}, instead got {strange[0] if strange else 'none'!r:.80}")
    inside = [clips[axis].between(0, size - CLIP) for axis, size in zip(("top", "left"), grid.shape, strict=True)]
    if not (inside[0] & inside[1] & clips["label"].isin((0, 1))).all():
        raise ValueError(f"clips must lie inside {grid.shape} pixels and have the label 0 or 1, instead one does not")
    folder = Path(root) / name
    write_rasters(folder, {band: image.astype(np.float32) for band, image in bands.items()}, grid)
    table = pd.DataFrame(
        {"row": clips["top"], "column": clips["left"], "class": clips["label"].map(dict(enumerate(CLASSES)))}
    )
    try:
        table.to_csv(folder / "clips.csv", index=False)
    except OSError as error:
        raise StoreError(f"{folder / 'clips.csv'} cannot be written: {error.strerror}") from error
    return folder


def simulate_nava(
    folder: str | Path, *, scenes: int = 2, seed: int = 0, shape: tuple[int, int] = (384, 384), clips: int = 120
) -> Path:
    """Simulate sites before and after an earthquake that lets slopes slide, in the layout of Nava et al.

    Parameters
    ----------
    folder
        Made if it is not there.
    scenes
        Number of sites. They lie north of one another, a kilometre apart.
    seed
        Site k is a function of ``(seed, k)``.
    shape
        ``(y, x)`` pixels of 10 m.
    clips
        Of each site, at most: half of them about a point of a landslide, half without a pixel of one.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError, ValueError
        If an argument makes no sense.
    InsarError
        `ProductError` if the folder holds something already, or a site got no landslide; `StoreError` if a file cannot
        be written.

    Notes
    -----
    Hills, forest, meadows and water of `insarflow.simulate`; scars have the outlines of its moving slopes, 25 to 120 m
    in half width, and are there after the event alone. The mean backscatter in dB is the cover's, brighter where the
    slope faces the satellite: ``10 log10(cos(angle) / cos(39 deg))`` of the local angle of incidence, kept to 6 dB
    either way. A scar is bare and rough: VH loses what leaves scattered, 2 to 6 dB, and VV gains or loses 0.5 to 3 dB,
    each scar its own. Powers are multiplied by speckle, gamma distributed with 4.4 looks and mean 1, independent in
    each image. Optical bands are of after the event, with noise of a tenth. Numbers are choices: what is learned here
    tells of the method and not of a real earthquake.
    """
    check_whole("scenes", scenes, low=1, high=99)
    check_whole("seed", seed, low=0)
    check_whole("clips", clips, low=2)
    root = Path(folder)
    if root.is_dir() and any(root.iterdir()):
        raise ProductError(f"{root} must be empty to be filled with simulated data: choose another folder")
    crs = CRS.from_epsg(32654).to_wkt()
    for k in range(scenes):
        rng = np.random.default_rng((seed, k))
        north = _CORNER[1] + k * (shape[0] * PIXEL + 1000.0)
        grid = Grid((_CORNER[0], PIXEL, 0.0, north, 0.0, -PIXEL), (int(shape[0]), int(shape[1])), crs)
        bands, scars = _site(grid, rng)
        if not scars.any():
            raise ProductError(f"site {k} of seed={seed} has no landslide: choose a larger shape or another seed")
        write_nava(root, f"site{k:02d}", bands, grid, _clips(scars > 0, clips, rng))
    return root


def _site(grid: Grid, rng: np.random.Generator) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Bands of a site, and the number of the scar on each pixel, 0 for none."""
    scenario = Scenario(
        relief={"relief": (120.0, 250.0), "base": (300.0, 400.0), "longest": (5_000.0, 8_000.0)},
        slides={"density": 6.0, "size": (25.0, 120.0), "largest": 150.0, "slopes": (0.2, 0.9), "high": 9_000.0},
        cover={"tree_line": (5_000.0, 6_000.0), "ice_line": (8_000.0, 9_000.0), "bare_chance": 0.0},
    )
    scene = Scene.draw(int(rng.integers(2**62)), grid.shape, pixel_size=PIXEL, refine=1, scenario=scenario)
    whole = Window(0, 0, *grid.shape)
    heights = scene.relief.height(whole)
    scars = scene.slides.bodies(whole).label
    dem = xr.DataArray(heights, dims=("y", "x"))
    slope = surface(dem, grid)["slope"].values
    south, east = scene.relief.gradient(whole)
    kind = scene.cover.kinds(whole, scene.relief)
    # The satellite looks from the west, about as Sentinel-1 does when it ascends.
    away = np.arccos(np.clip(_facing(south, east, np.radians(39.0)), 0.02, 1.0))
    lit = np.clip(10 * np.log10(np.cos(away) / np.cos(np.radians(39.0))), -6.0, 6.0)
    number = int(scars.max()) + 1
    change = {"vv": rng.uniform(0.5, 3.0, number) * rng.choice([-1.0, 1.0], number), "vh": -rng.uniform(2, 6, number)}
    bands: dict[str, np.ndarray] = {"dem": heights, "slope": slope}
    for k, pol in enumerate(("vv", "vh")):
        mean = np.array([_GROUND[name][k] for name in COVERS])[kind] + lit
        for when, gain in (("before", 0.0), ("after", np.where(scars > 0, change[pol][scars], 0.0))):
            bands[f"{pol}_{when}"] = mean + gain + 10 * np.log10(rng.gamma(LOOKS, 1 / LOOKS, grid.shape))
    for k, colour in enumerate(("red", "green", "blue")):
        ground = np.array([_GROUND[name].colour[k] for name in COVERS])[kind]
        bands[colour] = np.where(scars > 0, _SCAR[k], ground) * np.exp(rng.normal(0.0, 0.1, grid.shape))
    return bands, scars


def _facing(south: np.ndarray, east: np.ndarray, incidence: float) -> np.ndarray:
    """Cosine between the ground's normal and the way to a satellite in the west."""
    up = 1 / np.sqrt(1 + south.astype(np.float64) ** 2 + east.astype(np.float64) ** 2)
    return np.asarray(up * (np.cos(incidence) + east * np.sin(incidence)))


def _clips(scars: np.ndarray, count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Clips about drawn pixels of scars, and as many that hold none."""
    last = np.array(scars.shape) - CLIP
    sums = np.pad(scars, ((1, 0), (1, 0))).astype(np.int64).cumsum(0).cumsum(1)
    held = sums[CLIP:, CLIP:] - sums[:-CLIP, CLIP:] - sums[CLIP:, :-CLIP] + sums[:-CLIP, :-CLIP]
    points = rng.permutation(np.argwhere(scars))[: count // 2]
    with_scar = np.clip(points - rng.integers(CLIP // 4, CLIP - CLIP // 4, points.shape), 0, last)
    without = rng.permutation(np.argwhere(held == 0))[: len(with_scar)]
    places = np.concatenate((with_scar, without))
    label = np.repeat([1, 0], [len(with_scar), len(without)])
    return pd.DataFrame({"top": places[:, 0], "left": places[:, 1], "label": label})
