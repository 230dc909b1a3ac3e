"""ResNet-50 as the trunk of a segmentation network: the keys of torchvision, the stride of 8."""

from __future__ import annotations

from typing import Final, NamedTuple

from torch import Tensor, nn

MIDDLE, LAST = 1024, 2048
"""Channels of the last two layers."""

_EXPANSION: Final = 4


class Features(NamedTuple):
    """What a trunk gives, at an eighth of the resolution."""

    middle: Tensor
    last: Tensor


class ResNet50(nn.Module):
    """Trunk of 23,508,032 parameters with three input channels.

    Parameters
    ----------
    in_channels
        Number of input channels.

    Notes
    -----
    Names of layers, and the order in which they stand, are those of ``torchvision.models.resnet50``, whose weights
    thus fit; strides are on the 3 x 3 convolutions. The last two layers have dilations of 2 and 4 instead of a stride;
    the first block of each keeps the dilation of the layer before. Convolutions are drawn as by He et al. (2015).

    References
    ----------
    He et al. (2016), "Deep residual learning for image recognition", doi:10.1109/CVPR.2016.90.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _layer(64, 64, 3, stride=1, first=1, dilation=1)
        self.layer2 = _layer(256, 128, 4, stride=2, first=1, dilation=1)
        self.layer3 = _layer(512, 256, 6, stride=1, first=1, dilation=2)
        self.layer4 = _layer(1024, 512, 3, stride=1, first=2, dilation=4)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Features:
        """Features ``(batch, 1024, y, x)`` and ``(batch, 2048, y, x)`` of float ``(batch, channel, 8 y, 8 x)``."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        middle = self.layer3(self.layer2(self.layer1(x)))
        return Features(middle, self.layer4(middle))


class _Bottleneck(nn.Module):
    """Convolutions of 1 x 1, 3 x 3 and 1 x 1, added to what went in."""

    def __init__(self, inside: int, width: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        outside = width * _EXPANSION
        self.conv1 = nn.Conv2d(inside, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, kernel_size=3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outside, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Sequential | None = None
        if inside != outside:
            projection = nn.Conv2d(inside, outside, kernel_size=1, stride=stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        added: Tensor = self.relu(out + (x if self.downsample is None else self.downsample(x)))
        return added


def _layer(inside: int, width: int, blocks: int, *, stride: int, first: int, dilation: int) -> nn.Sequential:
    """Blocks of a layer; the first has the stride, and a dilation of its own."""
    following = (_Bottleneck(width * _EXPANSION, width, stride=1, dilation=dilation) for _ in range(blocks - 1))
    return nn.Sequential(_Bottleneck(inside, width, stride=stride, dilation=first), *following)
