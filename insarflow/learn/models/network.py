"""What every network of the registry states about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor, nn

Kind = Literal["image", "clip", "series"]
"""What a network takes, and what it gives.

``"image"``: ``(batch, channel, y, x)`` to logits ``(batch, 1, y, x)``. ``"clip"``: ``(batch, channel, 32, 32)`` to
logits ``(batch, 2)``, class 1 a landslide. ``"series"``: images ``(batch, time, channel, y, x)``, dates and delays
``(batch, time, 2)`` and which of them are there ``(batch, time)``, to logits ``(batch, 1, y, x)``.
"""


@dataclass(frozen=True)
class Spec:
    """What a network needs around an output pixel.

    Attributes
    ----------
    stride
        Total stride, pixels. Input sizes, and the places where windows start, are multiples of it.
    reach
        Farthest input pixel, in rows or columns, that an output pixel depends on; with layers that look at the whole
        tile, when these are held fixed.
    whole_tile
        Whether a layer looks at the whole tile at once (a global mean, say), so that no halo makes tiles seamless.
    kind
        What it takes and gives.
    """

    stride: int
    reach: int
    whole_tile: bool = False
    kind: Kind = "image"


class Network(nn.Module):
    """A network of the registry: of what kind it is, its spec tells.

    Attributes
    ----------
    spec
        What it needs around an output pixel.
    heads
        Its last layers, by their names: those whose shapes depend on the number of classes.
    least
        Smallest height and width, pixels: a border of one cell cannot be reflected.
    """

    spec: ClassVar[Spec]
    heads: ClassVar[tuple[str, ...]] = ("head",)
    least: ClassVar[int] = 1

    def check_sides(self, x: Tensor) -> None:
        """Refuse images whose height or width is no multiple of the stride, or less than `least`.

        Raises
        ------
        ValueError
            Naming the shape.
        """
        if x.shape[-2] % self.spec.stride or x.shape[-1] % self.spec.stride:
            raise ValueError(f"height and width must be multiples of {self.spec.stride}, instead got {tuple(x.shape)}")
        if min(x.shape[-2:]) < self.least:
            raise ValueError(f"height and width must be {self.least} or more, instead got {tuple(x.shape)}")

    def check_batch(self, x: Tensor) -> None:
        """Refuse, in training, a batch of one where a batch normalisation follows a mean over the whole tile.

        Raises
        ------
        ValueError
            If it is one.
        """
        if self.training and len(x) < 2:
            raise ValueError(
                f"batch must be 2 or more in training, since {type(self).__name__} normalises means over the whole "
                f"tile within the batch, instead got {tuple(x.shape)}: leave out a last batch of one"
            )
