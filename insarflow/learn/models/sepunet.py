"""The small U-Net with separable convolutions of the ISSLIDE study."""

from __future__ import annotations

from typing import ClassVar, Final

from torch import nn

from insarflow.learn.models.small import SmallNetwork, relu

KERNELS: Final = 2
"""Per channel of a depthwise convolution."""


class SepUNet(SmallNetwork):
    """U-Net of three levels whose encoder is separable: 52,321 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    As `SmallUNet`, but each convolution of an encoder level is two: one of 3 x 3 with two kernels for each channel,
    whose border is reflected, and one of 1 x 1 over all of these. The decoder has plain convolutions.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.
    """

    least: ClassVar[int] = 8

    @staticmethod
    def encoder(inside: int, outside: int) -> nn.Sequential:
        """Three separable convolutions."""
        return nn.Sequential(
            _separable(inside, outside), relu(), nn.BatchNorm2d(outside),
            _separable(outside, outside), relu(),
            _separable(outside, outside), relu(),
        )  # fmt: skip


def _separable(inside: int, outside: int) -> nn.Sequential:
    between = KERNELS * inside
    depthwise = nn.Conv2d(inside, between, kernel_size=3, padding=1, groups=inside, padding_mode="reflect")
    return nn.Sequential(depthwise, nn.Conv2d(between, outside, kernel_size=1))
