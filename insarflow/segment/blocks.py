"""A network over one block: sub-tiles with their halo, alike ones together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from insarflow.ops.cells import nan_of
from insarflow.ops.overlap import Reads
from insarflow.segment.device import Codes, Predictor, predict, runs_on_gpu
from insarflow.segment.images import Images, Part
from insarflow.segment.whole_tile.blend import blend_block, blend_layout, blend_reads
from insarflow.segment.windows import batches, model_reads, round_up, sub_tiles
from insarflow.types import Tile, Window

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
        As many pixels as a square of this side are predicted at once.
    window
        Side of the overlapping windows whose results are blended, pixels; 0 if they are not.
    """

    stride: int
    halo: int
    tile_size: int
    window: int = 0

    @property
    def reads(self) -> Reads:
        """Input rows (columns) that a block needs."""
        if self.window:
            return blend_reads(self.window, self.stride)
        return model_reads(self.halo, self.stride)


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
        if tiling.window:
            _blend(images, tile, out, predictor, tiling, device)
        else:
            _predict_tiles(images, tile, out, predictor, tiling, device)
    except MemoryError:
        smaller = round_up(tiling.tile_size // 2, tiling.stride)
        if tiling.window or smaller < max(LEAST_TILE, tiling.stride) or smaller >= tiling.tile_size:
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
        parts = [(index, part.read.within(tile.read)) for index, part in batch]
        found = predict(predictor, _batch(images, parts, batch[0][1].read.shape, device), device=device)
        for k, (index, part) in enumerate(batch):
            core = part.core.within(tile.read)
            present = images.present(index, core)
            np.copyto(out[index][part.core.within(tile.core)], found[k][part.core.within(part.read)], where=present)


def _blend(
    images: Images, tile: Tile, out: np.ndarray, predictor: Predictor, tiling: Tiling, device: str | None
) -> None:
    layout = blend_layout(tile.shape, window=tiling.window, stride=tiling.stride)
    at_once = max(1, tiling.tile_size**2 // (layout.size[0] * layout.size[1]))
    core = tile.core.within(tile.read)
    for index in np.ndindex(images.igram.shape[:-2]):
        present = images.present(index, core)
        if not present.any():
            continue

        def predicted(windows: Sequence[Window], index: tuple[int, ...] = index) -> Iterator[np.ndarray]:
            for k in range(0, len(windows), at_once):
                parts = [(index, window.within(tile.read)) for window in windows[k : k + at_once]]
                yield from predict(predictor, _batch(images, parts, layout.size, device), device=device)

        np.copyto(out[index], blend_block(tile.core, layout, predicted), where=present)


def _batch(images: Images, parts: Sequence[Part], shape: tuple[int, int], device: str | None) -> np.ndarray | Codes:
    """What is brought to the device: codes are made channels there, if it is another one."""
    if images.coded and runs_on_gpu(device):
        return images.coded_batch(parts, shape)
    return images.batch(parts, shape)
