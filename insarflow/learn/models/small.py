"""The body that the three small networks of the ISSLIDE study share."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.network import Network, Spec

WIDTHS: Final = (12, 24, 48)


class SmallNetwork(Network):
    """Three levels of 12, 24 and 48 channels with a decoder; `encoder` is what subclasses differ in.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Levels are joined by 2 x 2 maximum pooling and nearest-neighbour upsampling. All convolutions are 3 x 3. The output
    is a logit; the study's own networks end in a sigmoid.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.
    """

    spec: ClassVar[Spec] = Spec(stride=4, reach=37)

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        high, middle, low = WIDTHS
        self.encoder_high = self.encoder(in_channels, high)
        self.encoder_middle = self.encoder(high, middle)
        self.bottom = nn.Sequential(self.encoder(middle, low), conv(low, middle), relu(), nn.BatchNorm2d(middle))
        self.decoder_middle = nn.Sequential(
            conv(2 * middle, middle),
            relu(),
            conv(middle, middle),
            relu(),
            conv(middle, high),
            nn.BatchNorm2d(high),
            relu(),
        )
        # The study's networks have no ReLU before their last layer.
        self.decoder_high = nn.Sequential(conv(2 * high, high), relu(), conv(high, high), nn.BatchNorm2d(high))
        self.head = conv(high, 1)

    @staticmethod
    def encoder(inside: int, outside: int) -> nn.Sequential:
        """A level on the way down."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``(batch, 1, y, x)`` of float ``(batch, channel, y, x)``.

        Raises
        ------
        ValueError
            If the height or the width is no multiple of the stride.
        """
        self.check_sides(x)
        high = self.encoder_high(x)
        middle = self.encoder_middle(functional.max_pool2d(high, 2))
        bottom = self.bottom(functional.max_pool2d(middle, 2))
        middle = self.decoder_middle(torch.cat((middle, _upsample(bottom)), dim=1))
        logits: Tensor = self.head(self.decoder_high(torch.cat((high, _upsample(middle)), dim=1)))
        return logits


def relu() -> nn.ReLU:
    """In place, which is safe after a convolution or a normalisation, whose gradients need what went into them."""
    return nn.ReLU(inplace=True)


def conv(inside: int, outside: int) -> nn.Conv2d:
    """A convolution of 3 x 3 with zeros beyond the border."""
    return nn.Conv2d(inside, outside, kernel_size=3, padding=1)


def _upsample(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
