"""Random changes of clips that hold no phase: as images are augmented."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample

from insarflow.learn.orientation import Batch


@dataclass(frozen=True)
class RandomPose:
    """Flip, turn, zoom and shift each clip of a batch by itself; what comes from outside is mirrored.

    Attributes
    ----------
    flip
        Whether clips are flipped along each axis, every other time.
    angle
        Largest turn, rad, either way.
    zoom
        Sizes change by a factor of up to 1 plus this, or its inverse.
    shift
        Largest shift along each axis, in sides of a clip.

    Notes
    -----
    The kinds are those of Nava et al. (2021): random horizontal and vertical flip, rotation, zoom and translation;
    their sizes are not published, these are those of the TensorFlow tutorial that the paper's network is from (a tenth
    of a turn, a tenth of the size). Numbers are interpolated bilinearly, which is no way to treat a wrapped phase: for
    interferograms see `insarflow.learn.augment`. A radar image that is mirrored or turned looks as if seen from another
    side, which the paper accepts, and so do its numbers.
    """

    flip: bool = True
    angle: float = 0.2 * math.pi
    zoom: float = 0.1
    shift: float = 0.1

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """The batch, changed: image bilinear, mask by nearest neighbour.

        Raises
        ------
        ValueError
            If clips are not square.
        """
        if image.shape[-1] != image.shape[-2]:
            raise ValueError(f"clips must be square to be turned, instead got shape={tuple(image.shape)}")
        draws = 2 * torch.rand((6, len(image)), device=image.device, generator=generator) - 1
        theta, factor = draws[0] * self.angle, torch.exp(draws[1] * math.log1p(self.zoom))
        flips = torch.where((draws[2:4] < 0) & self.flip, -1.0, 1.0)
        cos, sin = torch.cos(theta) / factor, torch.sin(theta) / factor
        across, down = 2 * self.shift * draws[4], 2 * self.shift * draws[5]
        rows = [torch.stack((cos * flips[0], -sin * flips[1], across), 1)]
        rows += [torch.stack((sin * flips[0], cos * flips[1], down), 1)]
        grid = affine_grid(torch.stack(rows, 1), [len(image), 1, *image.shape[-2:]], align_corners=False)
        grid = grid.to(image)
        moved = grid_sample(image, grid, padding_mode="reflection", align_corners=False)
        states = grid_sample(
            mask[:, None].to(image), grid, mode="nearest", padding_mode="reflection", align_corners=False
        )
        return moved, states[:, 0].to(mask.dtype)
