"""The small plain U-Net of the ISSLIDE study."""

from __future__ import annotations

from torch import nn

from insarflow.learn.models.small import SmallNetwork, conv, relu


class SmallUNet(SmallNetwork):
    """U-Net of three levels: 100,849 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Levels are 12, 24 and 48 wide. An encoder level is three convolutions with ReLU, the first of which is followed by
    the level's only batch normalisation; without the sum, it is what `ResUNet` has. Zeros lie beyond the border.

    References
    ----------
    Bralet et al. (2024), doi:10.1109/LGRS.2024.3365299.
    """

    @staticmethod
    def encoder(inside: int, outside: int) -> nn.Sequential:
        """Three convolutions."""
        return nn.Sequential(
            conv(inside, outside), relu(), nn.BatchNorm2d(outside),
            conv(outside, outside), relu(),
            conv(outside, outside), relu(),
        )  # fmt: skip
