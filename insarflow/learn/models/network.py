"""What every network of the registry states about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn


@dataclass(frozen=True)
class Spec:
    """What a network needs around an output pixel.

    Attributes
    ----------
    stride
        Total stride, pixels. Input sizes, and the places where windows start, are multiples of it.
    reach
        Farthest input pixel, in rows or columns, that an output pixel depends on.
    whole_tile
        Whether a layer looks at the whole tile at once (a global mean, say), so that no halo makes tiles seamless.
    """

    stride: int
    reach: int
    whole_tile: bool = False


class Network(nn.Module):
    """A segmentation network: ``(batch, channel, y, x)`` to logits ``(batch, 1, y, x)``."""

    spec: ClassVar[Spec]
