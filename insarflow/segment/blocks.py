"""A network over one block: sub-tiles with their halo, alike ones together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from insarflow.learn.phase import CHANNELS
from insarflow.ops.cells import nan_of
from insarflow.segment.device import Predictor, predict
from insarflow.segment.images import Images
from insarflow.segment.windows import batches, round_up, sub_tiles
from insarflow.types import Tile

LEAST_TILE = 64
"""Tiles are not made smaller than this where the device is full, pixels."""


@dataclass(frozen=True)
class Tiling:
    """How a network is laid over a region.

    Attributes
    ----------
    stride
        Of the network, pixels: windows begin and end at multiples.
    halo
        What windows hold on either side of what they give, pixels.
    tile_size
        Side of the largest square that is predicted at once, pixels.
    window
        Side of the overlapping windows whose results are blended, pixels; 0 if they are not.
    """

    stride: int
    halo: int
    tile_size: int
    window: int = 0


def predict_images(
    images: Images, tile: Tile, *, predictor: Predictor, tiling: Tiling, device: str | None
) -> np.ndarray:
    """Predict a block: every part that holds a measurement.

    Parameters
    ----------
    images
        Of the window ``tile.read``.
    tile
        Where the block lies in the region.

    Returns
    -------
    ndarray
        Shape ``(..., *tile.core.shape)``, as `insarflow.segment.device.predict`; NaN where there is no measurement.

    Raises
    ------
    SchemaError
        If a coherence is not within 0 to 1.
    ModelError, ValueError, MemoryError
        As `insarflow.segment.device.predict`.
    """
    images.check()
    out = np.full((*images.igram.shape[:-2], *tile.core.shape), nan_of(predictor.dtype), predictor.dtype)
    try:
        _predict_tiles(images, tile, out, predictor, tiling, device)
    except MemoryError:
        smaller = round_up(tiling.tile_size // 2, tiling.stride)
        if smaller < max(LEAST_TILE, tiling.stride) or smaller >= tiling.tile_size:
            raise
        return predict_images(
            images, tile, predictor=predictor, tiling=replace(tiling, tile_size=smaller), device=device
        )
    return out


def _predict_tiles(
    images: Images, tile: Tile, out: np.ndarray, predictor: Predictor, tiling: Tiling, device: str | None
) -> None:
    def jobs() -> Iterator[tuple[tuple[int, ...], Tile]]:
        for part in sub_tiles(tile, tile_size=tiling.tile_size, halo=tiling.halo, stride=tiling.stride):
            core = part.core.within(tile.read)
            for index in np.ndindex(images.igram.shape[:-2]):
                if images.present(index, core).any():
                    yield index, part

    for batch in batches(jobs(), pixels=tiling.tile_size**2):
        x = np.zeros((len(batch), *batch[0][1].read.shape, len(CHANNELS)), np.float32)
        for k, (index, part) in enumerate(batch):
            window = part.read.within(tile.read)
            height, width = images.igram[index][window].shape
            images.fill(index, window, x[k, :height, :width])
        found = predict(predictor, x, device=device)
        for k, (index, part) in enumerate(batch):
            core = part.core.within(tile.read)
            present = images.present(index, core)
            np.copyto(out[index][part.core.within(tile.core)], found[k][part.core.within(part.read)], where=present)
