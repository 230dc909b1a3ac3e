"""Where sliding windows lie along an axis, and which of them a pixel belongs to.

Windows are counted from the region's first pixel, so nothing here depends on how the region is chunked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np

from insarflow.ops.overlap import Reads

Border = Literal["flush", "drop", "published"]
"""What happens at the far border.

``"flush"``: one more window ends with the last pixel, where the steps leave pixels over. ``"drop"``: only windows at
multiples of the step. ``"published"``: as ``"drop"``, but no window may end with the last pixel, either.
"""

Rule = Literal["centre", "mean", "max"]
"""What a pixel takes from the windows that cover it: that of the nearest centre, their mean, or the highest."""


@dataclass(frozen=True)
class WindowAxis:
    """Sliding windows along one axis.

    Attributes
    ----------
    length
        Pixels of the whole region; at least one window fits.
    window, step
        Length of a window, and from one to the next, pixels.
    border
        What happens at the far border.
    """

    length: int
    window: int
    step: int
    border: Border

    @cached_property
    def starts(self) -> np.ndarray:
        """First pixel of each window, int64, ascending."""
        last = self.length - self.window
        starts = np.arange(0, last + (self.border != "published"), self.step)
        return np.append(starts, last) if self.border == "flush" and starts[-1] != last else starts

    def covering(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last window that covers each pixel; first above last where none does."""
        first = np.searchsorted(self.starts, pixels - self.window, side="right")
        return first, np.searchsorted(self.starts, pixels, side="right") - 1

    def nearest(self, pixels: np.ndarray) -> np.ndarray:
        """The window whose centre is nearest to each pixel, of two the first."""
        twice = 2 * self.starts + self.window - 1
        found = np.searchsorted(twice, 2 * pixels)
        before, after = (found - 1).clip(0), found.clip(max=len(twice) - 1)
        nearest: np.ndarray = np.where(2 * pixels - twice[before] <= twice[after] - 2 * pixels, before, after)
        return nearest

    def pixels_of_windows(self, start: int, stop: int, size: int) -> tuple[int, int]:
        """Pixels that the windows ``start:stop`` cover."""
        return int(self.starts[start]), int(self.starts[stop - 1]) + self.window

    def windows_of_pixels(self, rule: Rule) -> Reads:
        """Windows that the pixels ``start:stop`` need, at least one."""

        def reads(start: int, stop: int, size: int) -> tuple[int, int]:
            ends = np.array([start, stop - 1])
            first, last = (self.nearest(ends),) * 2 if rule == "centre" else self.covering(ends)
            low = min(int(first[0]), size - 1)
            return low, max(int(last[1]), low) + 1

        return reads

    def chunks(self, pixels: tuple[int, ...]) -> tuple[int, ...]:
        """Windows that have their middle in each chunk of pixels; chunks without any are dropped."""
        borders = np.searchsorted(self.starts + self.window // 2, list(accumulate(pixels, initial=0)))
        return tuple(int(b - a) for a, b in pairwise(borders) if b > a)
