"""How far the steps of a recipe look around a pixel, and on which grids a window begins that has the whole's bits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from insarflow.kernels.coherence import row_grid
from insarflow.ops.presets import Settings
from insarflow.types import Looks, Recipe

ANCHORED_NOWHERE: Final = ("goldstein", "multilook", "coherence", "add_offset", "conjugate")
"""Operations whose result does not depend on where in the world a window begins, its grid given."""


@dataclass(frozen=True)
class Margin:
    """What processing looks at around a pixel, in pixels of the source along one axis.

    Attributes
    ----------
    looks
        Pixels of the source in one of the result.
    reach
        Pixels on either side.
    grid
        Windows begin at multiples.
    """

    looks: int
    reach: int
    grid: int

    def source(self, start: int, stop: int, *, size: int, source_size: int) -> tuple[int, int]:
        """What is read of the source's `source_size` pixels for ``start:stop`` of the result's `size`."""
        first = max(0, start * self.looks - self.reach) // self.grid * self.grid
        last = -(-(stop * self.looks + self.reach) // self.grid) * self.grid
        return first, source_size if stop == size else min(source_size, last)


def margins(steps: Recipe, stride: int = 1) -> tuple[Margin, Margin] | None:
    """What the steps look at along y and x; None if one looks at the whole region."""
    if any(step["operation"] not in ANCHORED_NOWHERE for step in steps.steps):
        return None
    return _margin(steps, "y", stride), _margin(steps, "x", stride)


def _margin(steps: Recipe, dim: str, stride: int) -> Margin:
    looks, reach, grid = 1, 0, 1
    for step in steps.steps:
        if step["operation"] == "goldstein":
            # A patch flush with the window's end is none of the region's: it must not touch what is kept.
            settings = Settings.of(**{name: value for name, value in step.items() if name != "operation"})
            reach += looks * settings.patch_size
            grid = math.lcm(grid, looks * settings.step)
        elif step["operation"] == "coherence":
            window: Any = step.get("window", 5)
            size = window if isinstance(window, int) else Looks(*window).__dict__[dim]
            reach += looks * size
            if dim == "y":
                grid = math.lcm(grid, looks * row_grid(size, step.get("weights", "boxcar")))
        elif step["operation"] == "multilook":
            looks *= step[dim]
    return Margin(looks, reach, math.lcm(grid, looks * stride))
