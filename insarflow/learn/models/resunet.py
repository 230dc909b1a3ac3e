"""The small residual U-Net of the ISSLIDE study."""

from __future__ import annotations

from torch import Tensor, nn

from insarflow.learn.models.small import SmallNetwork, conv, relu


class ResUNet(SmallNetwork):
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

    @staticmethod
    def encoder(inside: int, outside: int) -> nn.Sequential:
        """A convolution and a residual block."""
        return nn.Sequential(conv(inside, outside), relu(), nn.BatchNorm2d(outside), _Residual(outside))


class _Residual(nn.Module):
    """Two convolutions, each with a ReLU, added to what went in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(width, width), relu(), conv(width, width), relu())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out
