"""SegNet on the convolutions of VGG16."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final

from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec

LEVELS: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Widths of the encoder's convolutions, level by level."""


class SegNet(Network):
    """SegNet with batch normalisation: 29,443,587 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    The encoder has the thirteen 3 x 3 convolutions of VGG16 on five levels, the decoder the same ones mirrored. Each
    2 x 2 maximum pooling keeps where its maxima were, and the decoder puts values back there, zeros elsewhere. All
    convolutions have a bias and zeros beyond the border; each, the last one too, is followed by batch normalisation,
    and each but the last by a ReLU. The output is a logit.

    References
    ----------
    Badrinarayanan, Kendall and Cipolla (2017), doi:10.1109/TPAMI.2016.2644615.
    """

    spec: ClassVar[Spec] = Spec(stride=32, reach=211)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        before = (in_channels, *(widths[-1] for widths in LEVELS[:-1]))
        self.encoder = nn.ModuleList(_level((i, *widths)) for i, widths in zip(before, LEVELS, strict=True))
        self.decoder = nn.ModuleList(
            _level((*widths[::-1], i)) for i, widths in zip(before[:0:-1], LEVELS[:0:-1], strict=True)
        )
        width = LEVELS[0][0]
        self.decoder.append(_level((width, width)))
        self.head = nn.Sequential(nn.Conv2d(width, 1, kernel_size=3, padding=1), nn.BatchNorm2d(1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        self.check_sides(x)
        places: list[Tensor] = []
        for level in self.encoder:
            x, where = functional.max_pool2d(level(x), 2, return_indices=True)
            places.append(where)
        for level in self.decoder:
            x = level(functional.max_unpool2d(x, places.pop(), [2, 2]))
        logits: Tensor = self.head(x)
        return logits


def _level(widths: tuple[int, ...]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inside, outside in pairwise(widths):
        layers += [
            nn.Conv2d(inside, outside, kernel_size=3, padding=1), nn.BatchNorm2d(outside), nn.ReLU(inplace=True)
        ]  # fmt: skip
    return nn.Sequential(*layers)
