"""A simulated data set in ISSLIDE's own layout, for whoever does not have the real one at hand."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import xarray as xr

from insarflow.datasets.crops import SIDE, Crop
from insarflow.datasets.extraction import extract_crops
from insarflow.datasets.isslide_layout import check_new, write_isslide
from insarflow.errors import SelectionError
from insarflow.learn.published import QUEYRAS
from insarflow.ops.checks import check_whole
from insarflow.simulate.scene import Scenario
from insarflow.simulate.stack import simulate_stack
from insarflow.simulate.truth import MOVING
from insarflow.stack.georeference import crop
from insarflow.types import Window

OTHERS: Final = ("Ecrins", "Vanoise", "Belledonne", "Mercantour", "Beaufortain", "Chablais", "Aravis", "Bauges")
"""Zones that are trained on."""

DELAYS: Final = (6, 12, 18)

_PIXEL: Final = 14.64
_FIRST: Final = "20180702"
_SUMMER: Final = Scenario(
    relief={"base": (2000.0, 2400.0), "floor": (-4.0, -3.5)},
    cover={"forest_share": (0.0, 0.3)},
    slides={
        "density": 0.6, "size": (130.0, 320.0), "giants": 0.0, "speed": (0.2, 2.0), "creep": (0.3, 1.2),
        "habits": (0.5, 0.3, 0.2, 0.0),
    },
)  # fmt: skip
"""Slopes above most forests, as fast and dense as where geomorphologists look for them."""


def simulate_isslide(
    folder: str | Path, *, scenes: int = 3, seed: int = 0, acquisitions: int = 8, side: int = 256
) -> Path:
    """Simulate a region, cut crops about all that moves visibly, and write them as ISSLIDE's are.

    Parameters
    ----------
    folder
        To make; as the root of `insarflow.datasets.ISSLIDE`.
    scenes
        Number of zones, 2 to 9, side by side in one region, so that all are of the same radar images. Queyras, which is
        tested on, is the one whose movers show in most interferograms.
    seed
        Of the region.
    acquisitions
        Every 6 days from 2 July 2018; 3 to 20. Interferograms are of 6, 12 and 18 days, 54 of 20 acquisitions.
    side
        Of a zone, pixels of 14.64 m; at least 100.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError, ValueError
        If an argument is of another kind or makes no sense.
    OutputExistsError
        If something is there.
    SelectionError
        If less than two zones show a mover.

    Notes
    -----
    Interferograms are made as ISSLIDE's (`insarflow.simulate_stack`, processing ``"isslide"``); a mask holds what an
    expert would see in that interferogram, so a mover that hides in one gives a crop that may be without a move there.
    All interferograms are held in memory, 13 bytes a pixel of each.
    """
    check_whole("scenes", scenes, low=2, high=1 + len(OTHERS))
    check_whole("acquisitions", acquisitions, low=3, high=20)
    check_whole("side", side, low=SIDE)
    check_new(folder)
    stack, truth = simulate_stack(
        (side, scenes * side), seed=seed, pixel_size=_PIXEL, start=_FIRST, acquisitions=acquisitions, delays=DELAYS,
        processing="isslide", direction="descending", scenario=_SUMMER,
    )  # fmt: skip
    # One computation for both, as they have much in common.
    whole = stack[["igram", "coherence", "valid"]].assign(target=truth["target"], id=truth["label"]).compute()
    zones = [Window(0, k * side, side, side) for k in range(scenes)]
    moving = whole["target"].values == MOVING
    seen = [int(moving[..., zone.x0 : zone.x1].any(axis=(-2, -1)).sum()) for zone in zones]
    showing = sorted((k for k in range(scenes) if seen[k]), key=lambda k: -seen[k])
    if len(showing) < 2:
        raise SelectionError(
            f"two zones must show a mover at least, instead {len(showing)} of {scenes} do: give another seed, more "
            "scenes, or a larger side"
        )
    names = dict(zip(showing, (QUEYRAS, *OTHERS), strict=False))
    return write_isslide(folder, chain.from_iterable(_crops(whole, zones[k], name) for k, name in names.items()))


def _crops(whole: xr.Dataset, window: Window, name: str) -> Iterator[Crop]:
    zone = crop(whole, window)
    ids = zone["id"].values
    return extract_crops(zone[["igram", "coherence", "valid"]], zone["target"], zone=name, ids=ids)
