"""The small residual U-Net of the ISSLIDE study."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec

WIDTHS = (12, 24, 48)


class ResUNet(Network):
    """Residual U-Net of three levels: 100,849 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Levels are 12, 24 and 48 wide, joined by 2 x 2 maximum pooling and nearest-neighbour upsampling. An encoder level
    is a convolution, ReLU, batch normalisation and one residual block. All convolutions are 3 x 3 with zeros beyond
    the border. The output is a logit; the study's own network ends in a sigmoid.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.
    """

    spec: ClassVar[Spec] = Spec(stride=4, reach=37)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        high, middle, low = WIDTHS
        self.encoder_high = _encoder(in_channels, high)
        self.encoder_middle = _encoder(high, middle)
        self.bottom = nn.Sequential(_encoder(middle, low), _conv(low, middle), _relu(), nn.BatchNorm2d(middle))
        self.decoder_middle = nn.Sequential(
            _conv(2 * middle, middle),
            _relu(),
            _conv(middle, middle),
            _relu(),
            _conv(middle, high),
            nn.BatchNorm2d(high),
            _relu(),
        )
        # The study's network has no ReLU before its last layer.
        self.decoder_high = nn.Sequential(_conv(2 * high, high), _relu(), _conv(high, high), nn.BatchNorm2d(high))
        self.head = _conv(high, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        if x.shape[-2] % self.spec.stride or x.shape[-1] % self.spec.stride:
            raise ValueError(f"height and width must be multiples of {self.spec.stride}, instead got {tuple(x.shape)}")
        high = self.encoder_high(x)
        middle = self.encoder_middle(functional.max_pool2d(high, 2))
        bottom = self.bottom(functional.max_pool2d(middle, 2))
        middle = self.decoder_middle(torch.cat((middle, _upsample(bottom)), dim=1))
        logits: Tensor = self.head(self.decoder_high(torch.cat((high, _upsample(middle)), dim=1)))
        return logits


class _Residual(nn.Module):
    """Two convolutions, each with a ReLU, added to what went in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(width, width), _relu(), _conv(width, width), _relu())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def _encoder(inside: int, outside: int) -> nn.Sequential:
    return nn.Sequential(_conv(inside, outside), _relu(), nn.BatchNorm2d(outside), _Residual(outside))


def _relu() -> nn.ReLU:
    # In place is safe after a convolution or a normalisation, whose gradients need what went into them.
    return nn.ReLU(inplace=True)


def _conv(inside: int, outside: int) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel_size=3, padding=1)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
