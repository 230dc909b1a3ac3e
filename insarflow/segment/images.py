"""The images of a window, as numbers or as the codes of a store, and what a network sees of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from insarflow.errors import SchemaError
from insarflow.kernels.channels import fill_channels, fill_channels_of_codes
from insarflow.kernels.codes import PHASE_MISSING
from insarflow.learn.phase import CHANNELS
from insarflow.segment.device import Codes

Part = tuple[tuple[int, ...], tuple[slice, slice]]
"""Which image, and which of its pixels."""


@dataclass(frozen=True)
class Images:
    """Interferograms and coherences of one window, shapes ``(..., y, x)``.

    Attributes
    ----------
    igram
        Complex; or int16 codes (`insarflow.kernels.codes`).
    coherence
        Floating point, 0..1; or uint8 or uint16 codes, if `igram` holds codes.
    """

    igram: np.ndarray
    coherence: np.ndarray

    @property
    def coded(self) -> bool:
        """Whether they are codes."""
        return self.igram.dtype.kind == "i"

    def fill(self, index: tuple[int, ...], window: tuple[slice, slice], out: np.ndarray) -> None:
        """Put the channels of a part of an image into float32 ``(y, x, channel)``."""
        igram, coherence = self.igram[index][window], self.coherence[index][window]
        missing = np.empty(igram.shape, bool)
        (fill_channels_of_codes if self.coded else fill_channels)(igram, coherence, out, missing)

    def batch(self, parts: Sequence[Part], shape: tuple[int, int]) -> np.ndarray:
        """Channels of parts of images, float32 ``(part, y, x, channel)``; what lies beyond `shape` looks as missing."""
        x = np.zeros((len(parts), *shape, len(CHANNELS)), np.float32)
        for k, (index, window) in enumerate(parts):
            height, width = self.igram[index][window].shape
            self.fill(index, window, x[k, :height, :width])
        return x

    def coded_batch(self, parts: Sequence[Part], shape: tuple[int, int]) -> Codes:
        """The codes of parts of images: three or four bytes a pixel to bring to a device, instead of twelve."""
        phase = np.full((len(parts), *shape), PHASE_MISSING, np.int16)
        # torch does little with uint16.
        kind, missing = self.coherence.dtype, int(np.iinfo(self.coherence.dtype).max)
        coherence = np.zeros(phase.shape, np.uint8 if kind == np.uint8 else np.int32)
        for k, (index, window) in enumerate(parts):
            height, width = self.igram[index][window].shape
            phase[k, :height, :width] = self.igram[index][window]
            coherence[k, :height, :width] = self.coherence[index][window]
        return Codes(phase, coherence, missing)

    def present(self, index: tuple[int, ...], window: tuple[slice, slice]) -> np.ndarray:
        """Where both are known."""
        igram, coherence = self.igram[index][window], self.coherence[index][window]
        present: np.ndarray
        if self.coded:
            present = (igram != PHASE_MISSING) & (coherence != np.iinfo(coherence.dtype).max)
        else:
            present = np.isfinite(igram) & np.isfinite(coherence)
        return present

    def check(self) -> None:
        """Refuse coherences outside 0 to 1.

        Raises
        ------
        SchemaError
            Naming the smallest and largest.
        """
        if self.coded:
            return
        lowest, highest = (f(self.coherence, initial=0.5, where=np.isfinite(self.coherence)) for f in (np.min, np.max))
        if lowest < 0.0 or highest > 1.0 + 1e-3:
            raise SchemaError(f"coherence must be between 0 and 1, instead got {lowest:g} to {highest:g}: rescale it")


def masked(images: Images, masks: Sequence[np.ndarray]) -> Images:
    """The images with pixels missing where a mask, bool ``(y, x)``, is True."""
    if not masks:
        return images
    hidden = np.logical_or.reduce(masks)
    missing = PHASE_MISSING if images.coded else np.nan
    return Images(np.where(hidden, images.igram.dtype.type(missing), images.igram), images.coherence)
