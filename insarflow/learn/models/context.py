"""A residual U-Net that is shown the phase against its surroundings, not the phase."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.gaussian import blurred, float32, gaussian
from insarflow.learn.models.network import Network, Spec

WIDTHS: Final = (24, 48, 80, 112)

SURROUNDINGS: Final = (1.5, 5.0)
"""Standard deviations of the means that the phase is compared with, in cells of 4 x 4 pixels."""

_CELL = 4
_RATE_WINDOW = 5
_SMALL = 1e-3


class ContextUNet(Network):
    """Residual U-Net of four levels, from half the resolution on, with phase differences for input.

    Parameters
    ----------
    in_channels
        Three or more: coherence, cos, sin; others are given to the first layer as they are.

    Notes
    -----
    A phase means something only against another one. Differences of angles are products of phasors, which convolutions
    cannot make of cosines and sines; so `PhaseFeatures` makes them, and no constant that is added to the phase changes
    a result. Levels are 24, 48, 80 and 112 wide, joined by convolutions of stride 2 and by nearest-neighbour upsampling
    with convolutions of 1 x 1; all others are 3 x 3 with zeros beyond the border. The first level has half of the
    image's resolution, and each of its cells gives the logits of four pixels.
    """

    spec: ClassVar[Spec] = Spec(stride=16, reach=175)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        if in_channels < 3:
            raise ValueError(
                f"in_channels must be 3 or more, of which the first are coherence, cos, sin, instead got {in_channels=}"
            )
        self.in_channels = in_channels
        self.features = PhaseFeatures()
        inside = (PhaseFeatures.channels + in_channels - 3, *WIDTHS)
        self.downs = nn.ModuleList(_layer(a, b, stride=2) for a, b in pairwise(inside))
        self.encoders = nn.ModuleList(_Residual(width) for width in WIDTHS)
        self.joins = nn.ModuleList(_layer(a + b, a, size=1) for a, b in pairwise(WIDTHS))
        self.decoders = nn.ModuleList(_Residual(width) for width in WIDTHS[:-1])
        self.head = nn.Conv2d(WIDTHS[0], 4, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``: coherence, cos, sin and others.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        self.check_sides(x)
        x = torch.cat((self.features(x[:, :3]), x[:, 3:]), dim=1)
        levels = []
        for down, encoder in zip(self.downs, self.encoders, strict=True):
            x = encoder(down(x))
            levels.append(x)
        x = levels.pop()
        for join, decoder in zip(reversed(self.joins), reversed(self.decoders), strict=True):
            x = decoder(join(torch.cat((levels.pop(), functional.interpolate(x, scale_factor=2)), dim=1)))
        return functional.pixel_shuffle(self.head(x), 2)


class PhaseFeatures(nn.Module):
    """Twelve channels that no constant phase changes, from coherence, cos and sin; none has weights.

    Notes
    -----
    In this order: coherence; against the Gaussian mean of the phasors near by and farther around
    (`SURROUNDINGS`), real and imaginary part of the difference of phase, each times the coherence, and the mean's
    length; cosine and sine of the fringe rate along x and y, from products of neighbouring pixels averaged over 5 x 5;
    and the mean length of these averages. Phasors count by their coherence, so that a missing pixel, which has none,
    counts for nothing.
    """

    channels: ClassVar[int] = 1 + 3 * len(SURROUNDINGS) + 5

    def __init__(self) -> None:
        super().__init__()
        for k, sigma in enumerate(SURROUNDINGS):
            self.register_buffer(f"mean{k}", gaussian(sigma, 2.5), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Float ``(batch, 12, y, x)`` of ``(batch, 3, y, x)``, sides multiples of 4.

        Worked out in float32 whatever the network runs in: small differences of phase need it.
        """
        with float32(x.device):
            return self._features(x.float()).to(x.dtype)

    def _features(self, x: Tensor) -> Tensor:
        coherence, phasor = x[:, :1], x[:, :1] * x[:, 1:]
        features = [coherence]
        cells = functional.avg_pool2d(phasor, _CELL)
        for k in range(len(SURROUNDINGS)):
            mean = blurred(cells, getattr(self, f"mean{k}"))
            around = functional.interpolate(mean, scale_factor=_CELL, mode="bilinear", align_corners=False)
            length = _length(around)
            features += [_times_conjugate(phasor, around) / length, length]
        along = functional.pad(_times_conjugate(phasor[..., 1:], phasor[..., :-1]), (0, 1))
        down = functional.pad(_times_conjugate(phasor[..., 1:, :], phasor[..., :-1, :]), (0, 0, 0, 1))
        rates = functional.avg_pool2d(
            torch.cat((along, down), dim=1), _RATE_WINDOW, stride=1, padding=_RATE_WINDOW // 2
        )
        lengths = _length(rates[:, :2]), _length(rates[:, 2:])
        features += [rates[:, :2] / lengths[0], rates[:, 2:] / lengths[1], (lengths[0] + lengths[1]) / 2]
        return torch.cat(features, dim=1)


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


def _layer(inside: int, outside: int, *, size: int = 3, stride: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inside, outside, kernel_size=size, padding=size // 2, stride=stride, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _times_conjugate(a: Tensor, b: Tensor) -> Tensor:
    """Products of phasors and conjugate phasors, real and imaginary parts as two channels."""
    real, imag = a[:, :1] * b[:, :1] + a[:, 1:] * b[:, 1:], a[:, 1:] * b[:, :1] - a[:, :1] * b[:, 1:]
    return torch.cat((real, imag), dim=1)


def _length(phasor: Tensor) -> Tensor:
    """Of phasors; a little more than 0 where there is none, so that it can be divided by and has a gradient."""
    return torch.sqrt(phasor.square().sum(dim=1, keepdim=True) + _SMALL**2)
