"""Edges of data, where patches of the middle of a region have none."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from insarflow.learn.orientation import Batch
from insarflow.ops.checks import check_fraction
from insarflow.simulate.truth import MISSING


@dataclass(frozen=True)
class RandomEdge:
    """Take away what lies beyond a line, of a whole batch, as the end of a swath or of a region does.

    Half of the lines run along an axis, since regions end there and their last pixels share a cell of the network's
    pooling grid with missing ones.

    Attributes
    ----------
    chance
        How often, 0 to 1.
    depth
        Largest depth of what is taken away, as a share of the shorter side, 0 to 1; small ones are likelier.
    """

    chance: float = 0.6
    depth: float = 0.3

    def __post_init__(self) -> None:
        check_fraction("chance", self.chance)
        check_fraction("depth", self.depth)

    def __call__(self, image: Tensor, mask: Tensor, generator: Generator | None = None) -> Batch:
        """The batch with one line, or as it is; what lies beyond is 0 and `MISSING`."""
        place = "cpu" if generator is None else generator.device
        draws = torch.rand(4, device=place, generator=generator)
        quarter = torch.randint(4, (), device=place, generator=generator)
        if float(draws[0]) >= self.chance:
            return image, mask
        height, width = mask.shape[-2:]
        y = torch.arange(height, device=image.device)[:, None] - (height - 1) / 2
        x = torch.arange(width, device=image.device)[None, :] - (width - 1) / 2
        turns = float(quarter) if float(draws[1]) < 0.5 else 4 * float(draws[2])
        angle = torch.tensor(turns * torch.pi / 2)
        depth = float(draws[3]) ** 2 * self.depth * min(height, width)
        distance = y * float(torch.sin(angle)) + x * float(torch.cos(angle))
        beyond = distance > distance.max() - depth
        return image.masked_fill(beyond, 0.0), mask.masked_fill(beyond, MISSING)
