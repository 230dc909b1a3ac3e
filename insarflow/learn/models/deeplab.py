"""DeepLabV3 on a ResNet-50, as torchvision builds it."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from insarflow.learn.models.fcn import TrunkNetwork
from insarflow.learn.models.network import Spec
from insarflow.learn.models.resnet import LAST
from insarflow.learn.models.whole import SpatialMean

RATES: Final = (12, 24, 36)
"""Dilations of the pyramid, cells of 8 pixels."""

_WIDTH: Final = 256


class DeepLabV3ResNet50(TrunkNetwork):
    """DeepLabV3 on a dilated ResNet-50: 39,633,729 parameters with three input channels and one class.

    Parameters
    ----------
    in_channels
        Number of input channels.
    classes
        Number of logits for each pixel.
    aux
        Whether there is an auxiliary classifier, which published weights have: with 21 classes 42,004,074 parameters.

    Notes
    -----
    Keys of the state are those of ``torchvision.models.segmentation.deeplabv3_resnet50``. Of the five branches of the
    pyramid, the last is a mean over the whole tile. Of a tile of 100 x 100 pixels the dilated ones see little but the
    zeros beyond the border.

    References
    ----------
    Chen et al. (2017), "Rethinking atrous convolution for semantic image segmentation", arXiv:1706.05587.
    """

    spec: ClassVar[Spec] = Spec(stride=8, reach=520, whole_tile=True)
    heads: ClassVar[tuple[str, ...]] = ("classifier.4", "aux_classifier.4")

    def __init__(self, in_channels: int = 3, *, classes: int = 1, aux: bool = False) -> None:
        classifier = nn.Sequential(
            _Pyramid(),
            nn.Conv2d(_WIDTH, _WIDTH, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(_WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(_WIDTH, classes, kernel_size=1),
        )
        super().__init__(in_channels, classifier, classes=classes, aux=aux)

    def forward(self, x: Tensor) -> Tensor | dict[str, Tensor]:
        """Logits as `FCNResNet50` gives them.

        Raises
        ------
        ValueError
            If a batch of one is trained with.
        """
        self.check_batch(x)
        return super().forward(x)


class _Pyramid(nn.Module):
    """Convolutions of several dilations beside a mean over the tile."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            (
                _layer(nn.Conv2d(LAST, _WIDTH, kernel_size=1, bias=False)),
                *(_layer(_dilated(rate)) for rate in RATES),
                nn.Sequential(SpatialMean(), *_layer(nn.Conv2d(LAST, _WIDTH, kernel_size=1, bias=False))),
            )
        )
        inside = len(self.convs) * _WIDTH
        self.project = _layer(nn.Conv2d(inside, _WIDTH, kernel_size=1, bias=False))
        self.project.append(nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        *branches, mean = (branch(x) for branch in self.convs)
        mean = functional.interpolate(mean, size=x.shape[-2:], mode="bilinear", align_corners=False)
        out: Tensor = self.project(torch.cat((*branches, mean), dim=1))
        return out


def _dilated(rate: int) -> nn.Conv2d:
    return nn.Conv2d(LAST, _WIDTH, kernel_size=3, padding=rate, dilation=rate, bias=False)


def _layer(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(_WIDTH), nn.ReLU(inplace=True))
