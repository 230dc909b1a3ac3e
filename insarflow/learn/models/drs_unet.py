"""The U-Net with residual shrinkage blocks of the Three Rivers study."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec
from insarflow.learn.models.whole import SpatialMean

WIDTHS: Final = (64, 128, 256, 512)
"""Of the encoder's levels, of two blocks each."""

_FIRST: Final = 64
_LAST: Final = 32


class DRsUNet(Network):
    """Deep residual shrinkage U-Net: 17,111,745 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    A first convolution and 2 x 2 maximum pooling; the layout of ResNet-18, eight residual blocks on levels 64 to 512
    wide, whose features are shrunk by a threshold of their own (`Shrinkage`); four times a transposed convolution of
    3 x 3 with a stride of 2 and a convolution of 3 x 3, before which the encoder's features of that resolution are
    joined; a convolution of 1 x 1. A shrinkage block normalises before each convolution and has no ReLU after its sum;
    all other convolutions but the last are followed by batch normalisation and ReLU. The output is a logit.

    The paper states 17.19 million parameters and 19.12 G multiply-adds of 256 x 256 pixels, and no table of layers.
    This has 17.11 million and, counted in the same way, 19.29 G. What the paper leaves open was chosen to be near: the
    hidden layer of the two that make a threshold is twice as wide as the block (of the block's width it would be 15.7
    million), the first convolution is one of 3 x 3, its features are joined at full resolution, and the last block is
    32 wide.

    References
    ----------
    Chen et al. (2022), doi:10.3390/rs14081848.
    """

    spec: ClassVar[Spec] = Spec(stride=16, reach=138, whole_tile=True)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.first = _layer(in_channels, _FIRST)
        self.encoder = nn.ModuleList(
            nn.Sequential(_ShrinkageBlock(inside, width, stride=2 if k else 1), _ShrinkageBlock(width, width, stride=1))
            for k, (inside, width) in enumerate(pairwise((_FIRST, *WIDTHS)))
        )
        outs = (*WIDTHS[-2::-1], _LAST)
        skips = (*WIDTHS[-2::-1], _FIRST)
        self.up = nn.ModuleList(_up(inside, outside) for inside, outside in pairwise((WIDTHS[-1], *outs)))
        self.decoder = nn.ModuleList(_layer(out + skip, out) for out, skip in zip(outs, skips, strict=True))
        self.head = nn.Conv2d(_LAST, 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride, or a batch of one is trained with.
        """
        self.check_sides(x)
        self.check_batch(x)
        x = self.first(x)
        skips = [x]
        x = functional.max_pool2d(x, 2)
        for level in self.encoder:
            x = level(x)
            skips.append(x)
        skips.pop()
        for up, layer in zip(self.up, self.decoder, strict=True):
            x = layer(torch.cat((skips.pop(), up(x)), dim=1))
        logits: Tensor = self.head(x)
        return logits


class Shrinkage(nn.Module):
    """Soft threshold: what is smaller than a threshold becomes 0, and what is larger comes nearer to 0 by it.

    Parameters
    ----------
    width
        Channels.

    Notes
    -----
    A channel's threshold is the mean of its absolute values over the whole tile, times a number between 0 and 1 that
    two layers make of all of these means. The layers are convolutions of 1 x 1, dense ones of the one cell that a mean
    has, so that they also work where the mean is a map.

    References
    ----------
    Zhao et al. (2020), "Deep residual shrinkage networks for fault diagnosis", doi:10.1109/TII.2019.2943898.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean = SpatialMean()
        self.scale = nn.Sequential(
            nn.Conv2d(width, 2 * width, kernel_size=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, width, kernel_size=1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Shrunk ``(batch, width, y, x)``."""
        size = x.abs()
        mean = self.mean(size)
        return x.sign() * functional.relu(size - mean * self.scale(mean))


class _ShrinkageBlock(nn.Module):
    """Two convolutions, before each a normalisation and ReLU, and a soft threshold, added to what went in."""

    def __init__(self, inside: int, outside: int, *, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm2d(inside), nn.ReLU(inplace=True), _conv(inside, outside, stride=stride),
            nn.BatchNorm2d(outside), nn.ReLU(inplace=True), _conv(outside, outside),
        )  # fmt: skip
        self.shrinkage = Shrinkage(outside)
        self.shortcut: nn.Module = nn.Identity()
        if inside != outside:
            projection = nn.Conv2d(inside, outside, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.shortcut(x) + self.shrinkage(self.layers(x))
        return out


def _conv(inside: int, outside: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel_size=3, padding=1, stride=stride, bias=False)


def _layer(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(inside, outside, stride=stride), nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _up(inside: int, outside: int) -> nn.Sequential:
    up = nn.ConvTranspose2d(inside, outside, kernel_size=3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(up, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))
