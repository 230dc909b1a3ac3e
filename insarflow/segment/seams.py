"""How far tiles differ from the whole, and a precision from another: measured on a simulated interferogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise, product
from typing import Final

import numpy as np

from insarflow.kernels.noise import complex_noise
from insarflow.segment.blocks import Tiling, predict_images
from insarflow.segment.chosen import Chosen, ModelLike, choose
from insarflow.segment.device import Predictor, check_device
from insarflow.segment.images import Images
from insarflow.segment.windows import round_up
from insarflow.types import Mode, Output, Precision, Tile, Window

SIDE: Final = 128
"""Side of the image on which precisions are compared, pixels."""


def check_seams(
    model: ModelLike = "default",
    *,
    tile_size: int | None = None,
    device: str | None = None,
    channels: Sequence[str] | None = None,
    stride: int | None = None,
    output: Output = "logits",
    precision: Precision = "exact",
    mode: Mode | None = None,
    patch: int | None = None,
) -> float:
    """Largest difference of probability between a region predicted in tiles and at once.

    The region is a simulated interferogram with fringes, noise and missing pixels, seeded, so large that pixels at a
    seam do not see its border. It is cut into four blocks at an odd place, and each block into tiles.

    Parameters
    ----------
    model, device, channels, stride, output, precision, mode, patch
        As `insarflow.segment.segment`; but a network with layers that look at the whole tile is taken without a `mode`,
        too, to see what tiles would do to it.
    tile_size
        Side of the tiles, pixels; by default that of a block.

    Returns
    -------
    float
        0..1. For ``mode="blend"``, which no cut of the region changes, the largest difference to the result with
        windows half a step further along both axes: what of the result comes from where windows lie.

    Raises
    ------
    TypeError, ValueError, ModelError
        As `insarflow.segment.segment`.

    Examples
    --------
    >>> check_seams("default") < 1e-5
    True
    """
    check_device(device)
    chosen = choose(
        model, channels=channels, stride=stride, output=output, precision=precision, mode=mode, patch=patch,
        tolerant=True,
    )  # fmt: skip
    if mode == "blend":
        return _seam_error(chosen.predictor, chosen.stride, chosen.patch, device)
    # So large that each pixel at a seam sees nothing but the inside of the region.
    side = 2 * chosen.halo + round_up(64, chosen.stride) + 5
    tile = round_up(side, chosen.stride) if tile_size is None else tile_size
    images, shape = _images(side), (side, side)
    tiling = Tiling(chosen.stride, chosen.halo, tile)
    at_once = replace(tiling, tile_size=round_up(side, chosen.stride))
    whole = predict_images(images, Tile.whole(shape), predictor=chosen.predictor, tiling=at_once, device=device)
    cuts = (0, side // 2 // 2 * 2 + 1, side)
    parts = np.full_like(whole, np.nan)
    for (y0, y1), (x0, x1) in product(pairwise(cuts), repeat=2):
        (top, bottom), (left, right) = tiling.reads(y0, y1, side), tiling.reads(x0, x1, side)
        read, core = Window(top, left, bottom - top, right - left), Window(y0, x0, y1 - y0, x1 - x0)
        window = read.within(Window(0, 0, side, side))
        part = Images(images.igram[window], images.coherence[window])
        found = predict_images(part, Tile(read, core, shape), predictor=chosen.predictor, tiling=tiling, device=device)
        parts[y0:y1, x0:x1] = found
    return _largest(parts, whole)


def stated_errors(chosen: Chosen) -> dict[str, float]:
    """What the attributes of a result say of its errors: ``precision_error``, ``seam_error`` where there are any."""
    errors = {}
    if chosen.predictor.precision == "fast":
        errors["precision_error"] = _precision_error(replace(chosen.predictor, offsets=1), chosen.stride)
    if chosen.mode == "blend":
        errors["seam_error"] = _seam_error(replace(chosen.predictor, offsets=1), chosen.stride, chosen.patch, None)
    return errors


@lru_cache(maxsize=16)
def _precision_error(predictor: Predictor, stride: int) -> float:
    side = round_up(SIDE, stride)
    images, tile, tiling = _images(side), Tile.whole((side, side)), Tiling(stride, 0, side)
    fast, exact = (
        predict_images(images, tile, predictor=replace(predictor, precision=precision), tiling=tiling, device=None)
        for precision in ("fast", "exact")
    )
    return _largest(fast, exact)


@lru_cache(maxsize=16)
def _seam_error(predictor: Predictor, stride: int, window: int, device: str | None) -> float:
    """Results for one image that begins at two places: those of the windows differ by half a step."""
    shift = round_up(max(1, window // 4), stride)
    side = 3 * window + shift
    images, tiling = _images(side), Tiling(stride, window, window, window)
    first = predict_images(images, Tile.whole((side, side)), predictor=predictor, tiling=tiling, device=device)
    rest = Images(images.igram[shift:, shift:], images.coherence[shift:, shift:])
    shape = (side - shift, side - shift)
    second = predict_images(rest, Tile.whole(shape), predictor=predictor, tiling=tiling, device=device)
    # Windows at the border are cut off on one side only: what is compared lies a window away from it.
    inner = slice(window, -window)
    return _largest(first[shift:, shift:][inner, inner], second[inner, inner])


def _images(side: int) -> Images:
    """Fringes of a slope and of a bubble, noise that grows along x, and a missing corner."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    bubble = 6 * np.exp(-((y - 0.45 * side) ** 2 + (x - 0.55 * side) ** 2) / (0.15 * side) ** 2)
    noise = complex_noise(Window(0, 0, side, side), width=side, seed=7, stream=0)
    coherence = np.clip(0.95 - 0.8 * x / side + 0.05 * np.sin(y / 9), 0, 1).astype(np.float32)
    igram = coherence * np.exp(1j * (0.03 * y + bubble)) + 0.7 * np.sqrt(1 - coherence**2) * noise
    igram[(y < side / 16) & (x < side / 16)] = np.nan
    return Images(igram.astype(np.complex64), coherence)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.nanmax(np.abs(a.astype(np.float64) - b)))
