"""A residual U-Net that looks far around at the price of a small one."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec

WIDTHS = (8, 24, 48, 80, 112)


class ContextUNet(Network):
    """Residual U-Net of five levels, whose first does next to nothing.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Levels are 8, 24, 48, 80 and 112 wide. A filtered phase hardly changes from one pixel to the next, so the full
    resolution gets one convolution on the way in and one on the way out, and the residual blocks begin at half of it:
    the arithmetic of a small network of three levels then pays for five, which see a mountain side and not only the
    slope that moves on it. Levels are joined by convolutions of stride 2 and nearest-neighbour upsampling. All
    convolutions but the last are 3 x 3 with zeros beyond the border. The output is a logit.
    """

    spec: ClassVar[Spec] = Spec(stride=16, reach=130)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.stem = _layer(in_channels, WIDTHS[0])
        inner = WIDTHS[1:]
        self.downs = nn.ModuleList(_layer(a, b, stride=2) for a, b in pairwise(WIDTHS))
        self.encoders = nn.ModuleList(_Residual(width) for width in inner)
        self.joins = nn.ModuleList(_layer(a + b, a) for a, b in pairwise(inner))
        self.decoders = nn.ModuleList([nn.Identity(), *(_Residual(width) for width in inner[1:-1])])
        self.out = _layer(WIDTHS[0] + WIDTHS[1], WIDTHS[0])
        self.head = nn.Conv2d(WIDTHS[0], 1, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        if x.shape[-2] % self.spec.stride or x.shape[-1] % self.spec.stride:
            raise ValueError(f"height and width must be multiples of {self.spec.stride}, instead got {tuple(x.shape)}")
        fine = self.stem(x)
        levels = []
        x = fine
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            x = encoder(down(x))
            levels.append(x)
        x = levels.pop()
        for join, decoder in zip(reversed(self.joins), reversed(self.decoders), strict=True):
            x = decoder(join(torch.cat((levels.pop(), _upsample(x)), dim=1)))
        logits: Tensor = self.head(self.out(torch.cat((fine, _upsample(x)), dim=1)))
        return logits


class _Residual(nn.Module):
    """Two convolutions added to what went in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _layer(width, width)
        self.second = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(self.first(x)))


def _layer(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, kernel_size=3, padding=1, stride=stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
