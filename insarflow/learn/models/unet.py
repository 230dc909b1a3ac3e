"""The classic U-Net of five levels."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec

WIDTHS = (64, 128, 256, 512, 1024)


class UNet(Network):
    """U-Net with batch normalisation: 31,037,633 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Levels are 64, 128, 256, 512 and 1024 wide, joined by 2 x 2 maximum pooling and 2 x 2 transposed convolutions. A
    level is twice an unbiased 3 x 3 convolution, batch normalisation and ReLU. Unlike in the paper, convolutions have
    zeros beyond the border, so that the output is as large as the input. The output is a logit.

    References
    ----------
    Ronneberger et al. (2015), doi:10.1007/978-3-319-24574-4_28.
    """

    spec: ClassVar[Spec] = Spec(stride=16, reach=107)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        inside = (in_channels, *WIDTHS[:-1])
        self.encoder = nn.ModuleList(_level(i, o) for i, o in zip(inside, WIDTHS, strict=True))
        upward = WIDTHS[::-1]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(low, high, kernel_size=2, stride=2) for low, high in pairwise(upward)
        )
        self.decoder = nn.ModuleList(_level(2 * width, width) for width in upward[1:])
        self.head = nn.Conv2d(WIDTHS[0], 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        self.check_sides(x)
        skips: list[Tensor] = []
        for level in self.encoder:
            x = level(functional.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        skips.pop()
        for up, level in zip(self.up, self.decoder, strict=True):
            x = level(torch.cat((skips.pop(), up(x)), dim=1))
        logits: Tensor = self.head(x)
        return logits


def _level(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(*_layer(inside, outside), *_layer(outside, outside))


def _layer(inside: int, outside: int) -> tuple[nn.Module, ...]:
    # In place is safe: the normalisation's gradient needs what went into it, and ReLU's what came out of it.
    return (
        nn.Conv2d(inside, outside, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )
